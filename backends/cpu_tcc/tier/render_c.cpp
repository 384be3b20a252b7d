#include "backends/cpu_tcc/tier/render_c.h"

#include "backends/cpu_tcc/tier/call_types.h"
#include "core/base/status.h"
#include "core/base/text.h"

namespace jt::cpu {

using namespace jt::vm;

namespace {

constexpr const char* kParameters = "(const i64 *A, i64 begin, i64 end, char *s, char *const *P)";

// One layout of a program as one C function. Names in it: O, I extents; o, i first elements of the block; n, m elements of
// an outer and an inner block; at: o * I + i, in bands i * O + o; w: columns, short rows, or inner indices of a band at once; r3: where register 3 is; t0: state of reduction 0.
class LayoutRenderer {
 public:
  LayoutRenderer(const Program& program, const VmPlan& plan, bool (&used)[kTypes])
      : program_(program), plan_(plan), used_(used) {}

  std::string render(const char* heading) {
    const std::string prologue = render_uniform();
    const std::string body = render_blocks();
    return text(heading, kParameters, " {\n", declarations(), prologue, body, "}\n");
  }

 private:
  // ---- lines ----
  template <class... Parts>
  void line(const Parts&... parts) {
    out_.append(2 * depth_, ' ');
    (append(out_, parts), ...);
    out_ += '\n';
  }
  void open(std::string_view heading) {
    line(heading, heading.empty() ? "{" : " {");
    depth_++;
  }
  void close() {
    depth_--;
    line("}");
  }
  std::string take() { return std::move(out_); }

  // ---- names ----
  static std::string reg(int slot) { return slot < 0 ? "0" : text("r", slot); }
  static std::string scratch(int64_t offset) { return text("s + ", offset); }
  static std::string pointer(int word) { return text("(char *)A[", word, "]"); }
  std::string map_of(const Op& op) const {
    return op.map < 0 ? pointer(op.word + 1) : scratch(plan_.maps_at() + op.map * int64_t(sizeof(IndexMap)));
  }
  const char* count(Level level) const {
    if (level == Level::uniform) return "1";
    if (level == Level::inner) return plan_.layout == Layout::column ? "n" : "m";
    return plan_.layout == Layout::row ? "1" : "n";
  }
  // The address of the block in a direct operand.
  std::string here(const Op& op) const {
    if (op.operand_level == Level::uniform) return pointer(op.word);
    const char* position = op.operand_level == Level::outer ? "o" : "at";
    if (op.size == 1) return text(pointer(op.word), " + ", position);
    return text(pointer(op.word), " + ", position, " * ", int(op.size));
  }
  // The arguments outer, inner, n, along of mapped access.
  std::string where(const Op& op) const {
    auto say = [&](const char* outer, const char* inner, int along) {
      return text(outer, ", ", inner, ", ", count(op.space), ", ", along);
    };
    if (op.operand_level == Level::uniform) return say("0", "0", kAlongBoth);
    if (op.operand_level == Level::outer) return say("o", "0", kAlongOuter);
    if (plan_.layout == Layout::row) return say("o", "i", kAlongInner);
    if (plan_.layout == Layout::rows || plan_.layout == Layout::bands) return say("at", "0", kAlongBoth);
    return say("o", "i", kAlongOuter);
  }
  std::string call(std::string_view type, int number, const std::string& arguments) {
    for (size_t k = 0; k < kTypes; k++)
      if (type == kCallTypes[k].name) used_[k] = true;
    return text("((", type, " *)P[", number, "])(", arguments, ");");
  }
  std::string origin(const Op& op) const {
    if (op.instr < 0) return text("  // block of r", op.a);
    return "  // " + to_text(program_.instrs[size_t(op.instr)]);
  }

  // ---- registers: most are at one place for good, the others wherever a block was found ----
  void fix(int slot, std::string place) { declared_ += text("  char *r", slot, " = ", place, ";\n"); }
  void move(int slot) { declared_ += text("  char *r", slot, ";\n"); }

  std::string declarations() {
    std::string lines = "  i64 O = A[0];\n  i64 I = A[1];\n";
    if (plan_.layout == Layout::column)
      lines += text("  i64 w = ", call("column_width", kColumnWidth, text(plan_.lane_bytes(), ", I")), "\n");
    if (plan_.layout == Layout::bands) lines += text("  i64 w = ", kLanes, ";\n  while (w * O > ", kBlock, ") w /= 2;\n");
    const char* width = plan_.layout == Layout::column ? "w" : plan_.layout == Layout::bands ? "O" : "1";
    for (size_t k = 0; k < plan_.reductions.size(); k++) {
      const PlanReduction& r = plan_.reductions[k];
      if (k == 0) lines += text("  char *t0 = ", scratch(plan_.states_at()), ";\n");
      if (k + 1 == plan_.reductions.size()) break;
      lines += text("  char *t", k + 1, " = t", k, " + ",
                    call("state_bytes", kReduceStateBytes, text(int(r.type), ", ", width, ", I")), "\n");
    }
    for (size_t k = 0; k < plan_.streams.size(); k++) lines += text("  int q", k, " = ", streaming_condition(plan_, k), ";\n");
    return lines + declared_;
  }

  std::string render_uniform() {
    depth_ = 1;
    for (size_t k = 0; k < plan_.synthetic_maps.size(); k++)
      line(synthetic_map(plan_.synthetic_maps[k], scratch(plan_.maps_at() + int64_t(k * sizeof(IndexMap)))));
    for (const PlanStage& stage : plan_.stages)
      if (stage.level == Level::uniform) render_ops(stage.ops);
    for (const Op& op : plan_.broadcasts) {
      fix(op.dst, scratch(op.home));
      line(call("block", op.primitive, text(reg(op.dst), ", ", reg(op.a), ", ", kBlock)), origin(op));
    }
    return take();
  }

  std::string synthetic_map(const SyntheticMap& map, const std::string& to) {
    if (!map.is_swapped) return call("direct_map", kDirectMap, text(to, ", ", int(map.level == Level::inner), ", O, I"));
    return call("swapped_map", kSwappedMap, text(to, ", ", map.word < 0 ? "0" : pointer(map.word), ", O, I"));
  }

  void open_blocks(const std::string& width) {
    open(text("for (i64 o = begin; o < end; o += ", width, ")"));
    line("i64 n = end - o < ", width, " ? end - o : ", width, ";");
  }

  std::string render_blocks() {
    switch (plan_.layout) {
      case Layout::flat: open_blocks(text(kBlock)); break;
      case Layout::column: open_blocks("w"); break;
      case Layout::bands:
        line("i64 o = 0;");
        line("i64 n = O;");
        open("");
        break;
      case Layout::rows:
        line("i64 w = ", kBlock, " / I;");
        open_blocks("w");
        line("i64 m = n * I;");
        line("i64 at = o * I;");
        break;
      case Layout::row:
        line("i64 m;");
        open("for (i64 o = begin; o < end; o++)");
    }
    for (const PlanStage& stage : plan_.stages) {
      if (stage.level == Level::uniform) continue;
      if (stage.level == Level::inner) {
        render_inner(stage);
      } else {
        render_ops(stage.before);
        render_ops(stage.ops);
      }
    }
    close();
    return take();
  }

  void render_inner(const PlanStage& stage) {
    if (plan_.layout == Layout::rows) {
      render_ops(stage.before);
      return render_ops(stage.ops);
    }
    bool bands = plan_.layout == Layout::bands, columns = plan_.layout == Layout::column || bands;
    if (!columns && !stage.before.empty()) line("m = I < ", kBlock, " ? I : ", kBlock, ";");
    render_ops(stage.before);
    for (int r : stage.reduces)
      line(call("reduce_begin", kReduceBegin, text("t", r, ", ", columns ? "n" : "1")));
    if (bands) open("for (i64 i = 0; i < I; i += w)");
    else open(columns ? text("for (i64 i = 0; i < I; i++)") : text("for (i64 i = 0; i < I; i += ", kBlock, ")"));
    if (bands) {
      line("i64 m = (I - i < w ? I - i : w) * n;");
      line("i64 at = i * n;");
    }
    if (!columns) {
      line("m = I - i < ", kBlock, " ? I - i : ", kBlock, ";");
      line("i64 at = o * I + i;");
    }
    render_ops(stage.ops);
    close();
    for (int r : stage.reduces) {
      const PlanReduction& reduction = plan_.reductions[size_t(r)];
      fix(reduction.dst, scratch(reduction.home));
      std::string state_and_home = text("t", r, ", ", reg(reduction.dst));
      if (columns) line(call("block", reduction.primitive + 3, state_and_home + ", n"));
      else line(call("reduce_end", reduction.primitive + 1, state_and_home));
    }
  }

  void render_ops(const std::vector<Op>& ops) {
    for (const Op& op : ops) render(op);
  }

  void render(const Op& op) {
    const char* n = count(op.space);
    switch (op.kind) {
      case OpKind::element:
        fix(op.dst, scratch(op.home));
        return line(call("element", op.primitive, operands(op, n)), origin(op));
      case OpKind::element_out:
        move(op.dst);
        if (op.stream < 0) line(reg(op.dst), " = ", here(op), ";");
        else line(reg(op.dst), " = q", op.stream, " ? ", scratch(op.home), " : ", here(op), ";");
        line(call("element", op.primitive, operands(op, n)), origin(op));
        if (op.stream >= 0) line("if (q", op.stream, ") ", stream(op, reg(op.dst), n));
        return;
      case OpKind::scalar: return fix(op.dst, text("(char *)(A + ", op.word, ")"));
      case OpKind::load_here: return load_here(op, n);
      case OpKind::load_block:
        fix(op.dst, scratch(op.home));
        return line(call("block", op.primitive, text(reg(op.dst), ", ", here(op), ", ", n)), origin(op));
      case OpKind::load_mapped: return load_mapped(op, n);
      case OpKind::block:
        fix(op.dst, scratch(op.home));
        return line(call("block", op.primitive, text(reg(op.dst), ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::repeat:
        fix(op.dst, scratch(op.home));
        return line(call("repeat", op.primitive, text(reg(op.dst), ", ", reg(op.a), ", n, I")), origin(op));
      case OpKind::tile:
        fix(op.dst, scratch(op.home));
        return line(call("repeat", op.primitive, text(reg(op.dst), ", ", reg(op.a), ", n, w")), origin(op));
      case OpKind::store_block:
        if (op.stream >= 0) line("if (q", op.stream, ") ", stream(op, reg(op.a), n));
        return line(op.stream < 0 ? "" : "else ", call("block", op.primitive, text(here(op), ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::store_mapped:
        return line(call("map_store", op.primitive,
                         text(pointer(op.word), ", ", reg(op.a), ", ", map_of(op), ", ", where(op))), origin(op));
      case OpKind::index:
        fix(op.dst, scratch(op.home));
        return line(call("map_index", op.primitive, text(reg(op.dst), ", ", map_of(op), ", ", where(op))), origin(op));
      case OpKind::gather:
        fix(op.dst, scratch(op.home));
        return line(call("gather", op.primitive, text(reg(op.dst), ", ", pointer(op.word), ", ", reg(op.a), ", A[",
                                                      op.word + 1, "], ", n, ", ", reg(op.b))), origin(op));
      case OpKind::scatter:
        return line(call("scatter", op.primitive, text(pointer(op.word), ", ", reg(op.a), ", ", reg(op.b), ", A[",
                                                       op.word + 1, "], ", n)), origin(op));
      case OpKind::reduce_row:
        return line(call("block", op.primitive, text("t", op.reduction, ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::reduce_column:
        return line(call("block", op.primitive + 2, text("t", op.reduction, ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::reduce_bands:
        return line(call("repeat", op.primitive + 5, text("t", op.reduction, ", ", reg(op.a), ", n, m / n")), origin(op));
      case OpKind::reduce_rows:
        fix(op.dst, scratch(op.home));
        return line(call("repeat", op.primitive + 4, text(reg(op.dst), ", ", reg(op.a), ", n, I")), origin(op));
    }
  }

  std::string stream(const Op& op, const std::string& from, const char* n) {
    return call("block", kStream, text(here(op), ", ", from, ", ", n, " * ", int(op.size)));
  }

  std::string operands(const Op& op, const char* n) const {
    return text(reg(op.dst), ", ", reg(op.a), ", ", reg(op.b), ", ", reg(op.c), ", ", n);
  }

  void load_here(const Op& op, const char* n) {
    move(op.dst);
    line(reg(op.dst), " = ", here(op), ";", origin(op));
    if (!op.copy || plan_.output_words.empty()) return;
    std::string is_output;
    for (int word : plan_.output_words)
      is_output += text(is_output.empty() ? "" : " || ", "A[", op.word, "] == A[", word, "]");
    open(text("if (", is_output, ")"));
    copy(op, n, op.size);
    close();
  }

  void load_mapped(const Op& op, const char* n) {
    move(op.dst);
    line(reg(op.dst), " = ",
         call("map_load", op.primitive, text(scratch(op.home), ", ", pointer(op.word), ", ", map_of(op), ", ",
                                             where(op), ", ", reg(op.b))), origin(op));
    if (!op.copy) return;
    open(text("if (", reg(op.dst), " != ", scratch(op.home), ")"));
    copy(op, n, op.dst_size);
    close();
  }

  void copy(const Op& op, const char* n, int size) {
    line(reg(op.dst), " = ",
         call("copy", kCopy, text(scratch(op.home), ", ", reg(op.dst), ", ", n, " * ", size)));
  }

  const Program& program_;
  const VmPlan& plan_;
  bool (&used_)[kTypes];
  std::string out_, declared_;
  size_t depth_ = 1;
};

std::string declarations_of(const bool (&used)[kTypes]) {
  std::string lines = "typedef long long i64;\n";
  for (size_t k = 0; k < kTypes; k++)
    if (used[k]) lines += text("typedef ", kCallTypes[k].declaration, ";\n");
  return lines;
}

}  // namespace

std::string streaming_condition(const VmPlan& plan, size_t output) {
  const StreamedOutput& o = plan.streams[output];
  std::string claim = text("O", o.level == Level::inner ? " * I" : "", " > ", kStreamBytes / o.size);
  for (int word : plan.input_words) claim += text(" && A[", o.word, "] != A[", word, "]");
  return claim;
}

std::string render_c(const Program& program) {
  const Primitives& primitives = *vm::primitives(Isa::base);  // for their numbers, which all levels share
  bool used[kTypes] = {};
  auto layout = [&](Layout l, const char* heading) {
    VmPlan plan = make_plan(program, primitives, l);
    return LayoutRenderer(program, plan, used).render(heading);
  };
  std::string body;
  switch (program.mode) {
    case Mode::flat: body = layout(Layout::flat, "void k"); break;
    case Mode::column:
      body = layout(Layout::bands, "static void bands") + layout(Layout::column, "static void column");
      body += text("void k", kParameters, " {\n  if (A[0] > 0 && A[0] <= ", kNarrow, " && begin == 0 && end == A[0])\n",
                   "    bands(A, begin, end, s, P);\n  else\n    column(A, begin, end, s, P);\n}\n");
      break;
    case Mode::row:
      body = layout(Layout::rows, "static void rows") + layout(Layout::row, "static void row");
      body += text("void k", kParameters, " {\n  if (A[1] > 0 && A[1] <= ", kShortRow, ")\n",
                   "    rows(A, begin, end, s, P);\n  else\n    row(A, begin, end, s, P);\n}\n");
  }
  return declarations_of(used) + body;
}

}  // namespace jt::cpu
