#include "backends/cpu_tcc/tier/render_c.h"

#include "backends/cpu_tcc/tier/primitive_calls.h"
#include "core/base/text.h"

namespace jt::cpu {

using namespace jt::loops;
using Helper = HostCalls::Helper;

namespace {

constexpr const char* kParameters = "(const i64 *A, i64 begin, i64 end, char *s, char *const *P)";

// One layout of a program as one C function. Names in it, beside those of layout_text: r3: where register 3 is.
class LayoutRenderer : LayoutText {
 public:
  LayoutRenderer(const Program& program, const BlockPlan& plan, PrimitiveCalls& calls)
      : LayoutText(program, plan, &calls) {}

  std::string render(const char* heading) {
    const std::string prologue = render_uniform();
    const std::string body = render_blocks();
    return text(heading, kParameters, " {\n", declarations(), prologue, body, "}\n");
  }

 private:
  static std::string reg(int slot) { return slot < 0 ? "0" : text("r", slot); }
  static std::string scratch(int64_t offset) { return text("s + ", offset); }
  std::string call(const Op& op, const std::string& arguments) { return host_->call(program_, op, arguments); }

  // ---- registers: most are at one place for good, the others wherever a block was found ----
  void fix(int slot, std::string place) { declared_ += text("  char *r", slot, " = ", place, ";\n"); }
  void move(int slot) { declared_ += text("  char *r", slot, ";\n"); }

  std::string declarations() const {
    return "  i64 O = A[0];\n  i64 I = A[1];\n" + width() + states() + streaming() + declared_;
  }

  std::string render_uniform() {
    make_maps();
    for (const PlanStage& stage : plan_.stages)
      if (stage.level == Level::uniform) render_ops(stage.ops);
    for (const Op& op : plan_.broadcasts) {
      fix(op.dst, scratch(op.home));
      line(call(op, text(reg(op.dst), ", ", reg(op.a), ", ", kBlock)), origin(op));
    }
    return take();
  }

  std::string render_blocks() {
    if (plan_.layout == Layout::row) line("i64 m;");
    open_outer("for (i64 o = begin; o < end; o++)");
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
      line(host_->call(Helper::reduce_begin, text("t", r, ", ", columns ? "n" : "1")));
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
      line(host_->end_reduction(reduction, columns, columns ? state_and_home + ", n" : state_and_home));
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
        return line(call(op, operands(op, n)), origin(op));
      case OpKind::element_out:
        move(op.dst);
        if (op.stream < 0) line(reg(op.dst), " = ", here(op), ";");
        else line(reg(op.dst), " = q", op.stream, " ? ", scratch(op.home), " : ", here(op), ";");
        line(call(op, operands(op, n)), origin(op));
        if (op.stream >= 0) line("if (q", op.stream, ") ", stream(op, reg(op.dst), n));
        return;
      case OpKind::scalar: return fix(op.dst, text("(char *)(A + ", op.word, ")"));
      case OpKind::load_here: return load_here(op, n);
      case OpKind::load_block:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", here(op), ", ", n)), origin(op));
      case OpKind::load_mapped: return load_mapped(op, n);
      case OpKind::block:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::repeat:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", reg(op.a), ", n, I")), origin(op));
      case OpKind::tile:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", reg(op.a), ", n, w")), origin(op));
      case OpKind::store_block:
        if (op.stream >= 0) line("if (q", op.stream, ") ", stream(op, reg(op.a), n));
        return line(op.stream < 0 ? "" : "else ", call(op, text(here(op), ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::store_mapped:
        return line(call(op, text(pointer(op.word), ", ", reg(op.a), ", ", map_of(op), ", ", where(op))), origin(op));
      case OpKind::index:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", map_of(op), ", ", where(op))), origin(op));
      case OpKind::gather:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", pointer(op.word), ", ", reg(op.a), ", A[",
                                                      op.word + 1, "], ", n, ", ", reg(op.b))), origin(op));
      case OpKind::scatter:
        return line(call(op, text(pointer(op.word), ", ", reg(op.a), ", ", reg(op.b), ", A[",
                                                       op.word + 1, "], ", n)), origin(op));
      case OpKind::reduce_row:
        return line(call(op, text("t", op.reduction, ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::reduce_column:
        return line(call(op, text("t", op.reduction, ", ", reg(op.a), ", ", n)), origin(op));
      case OpKind::reduce_bands:
        return line(call(op, text("t", op.reduction, ", ", reg(op.a), ", n, m / n")), origin(op));
      case OpKind::reduce_rows:
        fix(op.dst, scratch(op.home));
        return line(call(op, text(reg(op.dst), ", ", reg(op.a), ", n, I")), origin(op));
    }
  }

  std::string stream(const Op& op, const std::string& from, const char* n) {
    return host_->call(Helper::stream, text(here(op), ", ", from, ", ", n, " * ", int(op.size)));
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
         call(op, text(scratch(op.home), ", ", pointer(op.word), ", ", map_of(op), ", ",
                                             where(op), ", ", reg(op.b))), origin(op));
    if (!op.copy) return;
    open(text("if (", reg(op.dst), " != ", scratch(op.home), ")"));
    copy(op, n, op.dst_size);
    close();
  }

  void copy(const Op& op, const char* n, int size) {
    line(reg(op.dst), " = ",
         host_->call(Helper::copy, text(scratch(op.home), ", ", reg(op.dst), ", ", n, " * ", size)));
  }

  std::string declared_;
};

}  // namespace

std::string render_c(const Program& program) {
  PrimitiveCalls calls;
  auto layout = [&](Layout l, const char* heading) {
    BlockPlan plan = make_plan(program, l);
    return LayoutRenderer(program, plan, calls).render(heading);
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
  return "typedef long long i64;\n" + calls.declarations() + body;
}

}  // namespace jt::cpu
