// fused_text: loops and calls as lines of C++.
#include "backends/cpu_tcc/tier/call_types.h"
#include "backends/cpu_tcc/tier/fused_stage.h"
#include "core/base/element.h"
#include "core/base/status.h"

namespace jt::cpu {

using namespace jt::vm;

// ---- the head of a file ----

void FileText::use_function_type(std::string_view name) {
  for (size_t k = 0; k < kTypes; k++)
    if (name == kCallTypes[k].name) types_ |= 1u << k;
}

std::string FileText::function_types() const {
  std::string lines;
  for (size_t k = 0; k < kTypes; k++)
    if (types_ >> k & 1) lines += text("typedef ", kCallTypes[k].declaration, ";\n");
  return lines;
}

namespace {

struct Extremes {
  const char *least, *most;
};
constexpr Extremes kExtremes[kCTypes] = {
    {"-JT_INF", "JT_INF"}, {"-JT_INF", "JT_INF"}, {"-2147483647 - 1", "2147483647"},
    {"-9223372036854775807ll - 1", "9223372036854775807ll"}, {"0", "18446744073709551615ull"}, {"0", "1"},
};

struct Combination {
  std::string of, none, empty;
};

Combination combination(Reduction r, CType t, ElementText& elements) {
  bool is_float = t == CType::f32 || t == CType::f64;
  const Extremes& extremes = kExtremes[int(t)];
  switch (r) {
    case Reduction::sum: return {"x + y", is_float ? "-0.0f" : "0", "0"};
    case Reduction::prod: return {"x * y", "1", "1"};
    case Reduction::max:
    case Reduction::any:
      return {is_float ? elements.use("fmaximum", t) + "(x, y)" : "x > y ? x : y", extremes.least, extremes.least};
    default: return {is_float ? elements.use("fminimum", t) + "(x, y)" : "x < y ? x : y", extremes.most, extremes.most};
  }
}

constexpr const char* kStoredTypes[kDTypes + 1] = {
    "", "unsigned char", "signed char", "short", "int", "i64", "unsigned char", "unsigned short", "unsigned", "u64", "", "", "float", "double"};
static_assert(JT_BOOL == 1 && JT_I64 == 5 && JT_U64 == 9 && JT_F32 == 12 && JT_F64 == 13);

// How a value of the type lies in a block.
const char* stored_type(CType t) { return t == CType::b8 ? "unsigned char" : ElementText::spelling(t); }

std::string loaded(CType t, const std::string& element) { return t == CType::b8 ? text("(", element, ") != 0") : element; }

}  // namespace

std::string FileText::use_reduction(Reduction r, CType t) {
  std::string type = text(jt::name(r), "_", jt::name(t)), heading = text("struct ", type, " {\n");
  if (reductions_.find(heading) != std::string::npos) return type;
  Combination how = combination(r, t, elements);
  const char* spelling = ElementText::spelling(t);
  reductions_ += text(heading, "  FN ", spelling, " of(", spelling, " x, ", spelling, " y) { return ", how.of, "; }\n  FN ", spelling,
                      " none() { return ", how.none, "; }\n  FN ", spelling, " empty() { return ", how.empty, "; }\n};\n");
  return type;
}

// ---- names ----

std::string FusedText::origin(const Op& op) const {
  if (op.instr < 0) return text("  // block of r", op.a);
  return "  // " + to_text(instr(op));
}

const char* FusedText::count(Level level) const {
  if (level == Level::uniform) return "1";
  if (level == Level::inner) return plan.layout == Layout::column ? "n" : "m";
  return plan.layout == Layout::row ? "1" : "n";
}

std::string FusedText::here(const Op& op) const {
  std::string base = text("(char *)A[", op.word, "]");
  if (op.operand_level == Level::uniform) return base;
  return text(base, " + ", op.operand_level == Level::outer ? "o" : "at", " * ", int(op.size));
}

// The arguments outer, inner, n, along of mapped access.
std::string FusedText::where(const Op& op) const {
  auto say = [&](const char* outer, const char* inner, int along) {
    return text(outer, ", ", inner, ", ", count(op.space), ", ", along);
  };
  if (op.operand_level == Level::uniform) return say("0", "0", kAlongBoth);
  if (op.operand_level == Level::outer) return say("o", "0", kAlongOuter);
  if (plan.layout == Layout::row) return say("o", "i", kAlongInner);
  if (plan.layout == Layout::rows || plan.layout == Layout::bands) return say("at", "0", kAlongBoth);
  return say("o", "i", kAlongOuter);
}

std::string FusedText::map_of(const Op& op) const {
  if (op.map < 0) return text("(char *)A[", op.word + 1, "]");
  return text("s + ", plan.maps_at() + op.map * int64_t(sizeof(IndexMap)));
}

std::string FusedText::address(int slot) const {
  if (slot < 0) return "0";
  if (slots.is_one(slot)) return text("(char *)&u", slot);
  if (slots.is_elsewhere(slot)) return text("r", slot);
  JT_CHECK(slots.home_of(slot) >= 0);
  return text("b + ", slots.home_of(slot));
}

// Inside a loop.
std::string FusedText::value(int slot) const {
  if (slot < 0) return "";
  if (slots.source_of(slot) >= 0) return text("c", slots.source_of(slot));
  return text(slots.is_one(slot) ? "c" : "v", slot);
}

std::string FusedText::call(std::string_view type, int number, const std::string& arguments) {
  file.use_function_type(type);
  return text("((", type, " *)P[", number, "])(", arguments, ");");
}

std::string FusedText::fold_of(int reduction) const {
  const Instr* found = nullptr;
  for (const Instr& i : program.instrs)
    if (i.code == Code::reduce && i.dst == plan.reductions[size_t(reduction)].dst) found = &i;
  JT_CHECK(found);
  return file.use_reduction(Reduction(found->sub), program.registers[size_t(found->a)].type);
}

// What an element-wise operation gives for these operands; empty if it takes a primitive.
std::string FusedText::expression(const Op& op, const std::string& a, const std::string& b, const std::string& c) const {
  const Instr& i = instr(op);
  if (op.kind == OpKind::element || op.kind == OpKind::element_out) {
    if (i.code != Code::element || !file.elements.is_printable(i.prim, i.type)) return "";
    int arity = kElementFacts[i.prim].arity;
    return text(file.elements.use(i.prim, i.type), "(", a, arity > 1 ? ", " + b : "", arity > 2 ? ", " + c : "", ")");
  }
  if (op.kind != OpKind::block) return "";
  if (i.code == Code::narrow) {
    DType to = DType(i.sub);
    if (to == JT_F16 || to == JT_BF16) return "";
    return text("(", ElementText::spelling(i.type), ")(", to == JT_BOOL ? "bool" : kStoredTypes[to], ")", a);
  }
  CType from = CType(i.sub);
  if (i.type == CType::b8) return text(a, " != 0");
  bool truncates = (from == CType::f32 || from == CType::f64) && i.type != CType::f32 && i.type != CType::f64;
  // A choice vectorises; a conversion of a bool does not.
  if (from == CType::b8) return text(a, " ? (", ElementText::spelling(i.type), ")1 : (", ElementText::spelling(i.type), ")0");
  return truncates ? "" : text("(", ElementText::spelling(i.type), ")", a);
}

// ---- items ----

void FusedText::render(const std::vector<FusedItem>& items) {
  for (const FusedItem& item : items) {
    const Op& op = *item.ops[0];
    bool is_unneeded = op.instr < 0 && op.kind == OpKind::block && slots.home_of(op.dst) < 0;
    if (item.is_loop) render_loop(item);
    else if (is_unneeded) continue;
    else if (slots.is_single(op)) render_one(op);
    else render_call(op);
  }
}

// One element: an assignment where that is possible.
void FusedText::render_one(const Op& op) {
  auto u = [](int slot) { return text("u", slot); };
  auto has_own_type = [&] { return dtype_of(op) != JT_F16 && dtype_of(op) != JT_BF16; };
  switch (op.kind) {
    case OpKind::scalar: {
      CType t = slots.type_of(op.dst);
      return line(u(op.dst), " = ", loaded(t, text("*(const ", stored_type(t), " *)(A + ", op.word, ")")), ";", origin(op));
    }
    case OpKind::load_here:
    case OpKind::load_block:
      if (!has_own_type()) break;
      return line(u(op.dst), " = ", loaded(slots.type_of(op.dst), text("*(const ", kStoredTypes[dtype_of(op)], " *)(", here(op), ")")), ";",
                  origin(op));
    case OpKind::store_block:
      if (!has_own_type()) break;
      return line("*(", kStoredTypes[dtype_of(op)], " *)(", here(op), ") = (", kStoredTypes[dtype_of(op)], ")", u(op.a), ";", origin(op));
    case OpKind::element:
    case OpKind::element_out:
    case OpKind::block: {
      std::string given = expression(op, u(op.a), u(op.b), u(op.c));
      if (given.empty()) render_call(op, address(op.dst), false);
      else line(u(op.dst), " = ", given, ";", origin(op));
      if (op.kind == OpKind::element_out)
        line("*(", stored_type(slots.type_of(op.dst)), " *)(", here(op), ") = ", u(op.dst), ";");
      return;
    }
    default: break;
  }
  render_call(op, address(op.dst), false);
}

void FusedText::render_call(const Op& op) {
  bool moves = op.dst >= 0 && slots.is_elsewhere(op.dst);
  if (op.kind == OpKind::element_out) line("r", op.dst, " = ", here(op), ";");
  std::string to = op.kind == OpKind::load_mapped ? text("b + ", slots.home_of(op.dst)) : op.dst >= 0 ? address(op.dst) : "";
  if (op.kind == OpKind::reduce_row || op.kind == OpKind::reduce_column || op.kind == OpKind::reduce_bands) to.clear();
  render_call(op, to, moves);
}

// to: where the result is written; moves: r3 tells where it is found.
void FusedText::render_call(const Op& op, const std::string& to, bool moves) {
  const char* n = count(op.space);
  std::string a = address(op.a), b = address(op.b), c = address(op.c), base = text("(char *)A[", op.word, "]");
  switch (op.kind) {
    case OpKind::element:
    case OpKind::element_out: return line(call("element", op.primitive, text(to, ", ", a, ", ", b, ", ", c, ", ", n)), origin(op));
    case OpKind::load_block: return line(call("block", op.primitive, text(to, ", ", here(op), ", ", n)), origin(op));
    case OpKind::store_block: return line(call("block", op.primitive, text(here(op), ", ", a, ", ", n)), origin(op));
    case OpKind::block: {
      bool is_repeated = op.instr < 0;  // for all blocks to come
      return line(call("block", op.primitive, text(to, ", ", a, ", ", is_repeated ? text(kBlock) : n)), origin(op));
    }
    case OpKind::load_mapped: {
      std::string loading = call("map_load", op.primitive, text(to, ", ", base, ", ", map_of(op), ", ", where(op), ", ", b));
      if (!moves) {
        CType t = slots.type_of(op.dst);
        loading.pop_back();
        return line("u", op.dst, " = ", loaded(t, text("*(const ", stored_type(t), " *)", loading)), ";", origin(op));
      }
      line("r", op.dst, " = ", loading, origin(op));
      if (op.copy)
        line("if (r", op.dst, " != ", to, ") r", op.dst, " = ",
             call("copy", kCopy, text(to, ", r", op.dst, ", ", n, " * ", int(op.dst_size))));
      return;
    }
    case OpKind::repeat: return line(call("repeat", op.primitive, text(to, ", ", a, ", n, I")), origin(op));
    case OpKind::tile: return line(call("repeat", op.primitive, text(to, ", ", a, ", n, w")), origin(op));
    case OpKind::store_mapped:
      return line(call("map_store", op.primitive, text(base, ", ", a, ", ", map_of(op), ", ", where(op))), origin(op));
    case OpKind::index: return line(call("map_index", op.primitive, text(to, ", ", map_of(op), ", ", where(op))), origin(op));
    case OpKind::gather:
      return line(call("gather", op.primitive, text(to, ", ", base, ", ", a, ", A[", op.word + 1, "], ", n, ", ", b)), origin(op));
    case OpKind::scatter:
      return line(call("scatter", op.primitive, text(base, ", ", a, ", ", b, ", A[", op.word + 1, "], ", n)), origin(op));
    case OpKind::reduce_row:
      return line(call("block", op.primitive, text("t", op.reduction, ", ", a, ", ", n)), origin(op));
    case OpKind::reduce_column:
      return line(call("block", op.primitive + 2, text("t", op.reduction, ", ", a, ", ", n)), origin(op));
    case OpKind::reduce_bands:
      return line(call("repeat", op.primitive + 5, text("t", op.reduction, ", ", a, ", n, m / n")), origin(op));
    case OpKind::reduce_rows: return line(call("repeat", op.primitive + 4, text(to, ", ", a, ", n, I")), origin(op));
    default: fail(JT_E_INTERNAL, "internal: no call for ", to_text(instr(op)));
  }
}

// ---- loops ----

static bool is_load(const Op& op) { return op.kind == OpKind::load_here || op.kind == OpKind::load_block; }
static bool is_store(const Op& op) { return op.kind == OpKind::store_block || op.kind == OpKind::element_out; }

// Whether a loop is needed: some only find where operands are.
bool FusedText::has_effect(const FusedItem& item) const {
  for (const Op* op : item.ops)
    if (op->kind == OpKind::reduce_row || is_store(*op) || slots.is_kept(op->dst)) return true;
  return false;
}

void FusedText::point_to_operands(const FusedItem& item) {
  for (const Op* op : item.ops)
    if (op->dst >= 0 && op->kind != OpKind::reduce_row && slots.is_elsewhere(op->dst)) line("r", op->dst, " = ", here(*op), ";");
}

// Declares x3, y3, k3 and c3.
void FusedText::open_operands(const FusedItem& item) {
  std::vector<bool> known(size_t(plan.slots));
  auto use = [&](int slot) {
    if (slot >= 0 && slots.source_of(slot) >= 0) slot = slots.source_of(slot);
    if (slot < 0 || known[size_t(slot)]) return;
    known[size_t(slot)] = true;
    CType t = slots.type_of(slot);
    if (slots.is_one(slot)) line("const ", ElementText::spelling(t), " c", slot, " = u", slot, ";");
    else line("const ", stored_type(t), " *x", slot, " = (const ", stored_type(t), " *)(", address(slot), ");");
  };
  auto typed = [&](const char* constness, const char* type, std::string_view name, int number, const std::string& at) {
    line(constness, type, " *", name, number, " = (", constness, type, " *)(", at, ");");
  };
  point_to_operands(item);
  for (const Op* op : item.ops) {
    for (int slot : {op->a, op->b, op->c}) use(slot);
    if (is_load(*op)) typed("const ", kStoredTypes[dtype_of(*op)], "x", op->dst, here(*op));
    bool is_streamed = streams && op->stream >= 0;
    std::string block = is_streamed ? text("q", op->stream, " ? b + ", op->stream * kBlock * 8, " : ") : "";
    if (is_store(*op)) typed("", kStoredTypes[dtype_of(*op)], "y", op->instr, block + here(*op));
    if (op->dst < 0 || op->kind == OpKind::reduce_row) continue;
    known[size_t(op->dst)] = true;
    if (slots.is_kept(op->dst)) typed("", stored_type(slots.type_of(op->dst)), "k", op->dst, address(op->dst));
  }
}

void FusedText::render_body(const FusedItem& item, const char* index, const char* from) {
  std::vector<bool> known(size_t(plan.slots));
  auto use = [&](int slot) {
    if (slot < 0 || known[size_t(slot)] || slots.is_one(slot) || slots.source_of(slot) >= 0) return;
    known[size_t(slot)] = true;
    CType t = slots.type_of(slot);
    line("const ", ElementText::spelling(t), " v", slot, " = ", loaded(t, text(from, slot, "[", index, "]")), ";");
  };
  for (const Op* op : item.ops) {
    for (int slot : {op->a, op->b, op->c}) use(slot);
    if (op->kind == OpKind::reduce_row) {
      std::string lane = text("t", op->reduction, "[l]");
      line(lane, " = ", fold_of(op->reduction), "::of(", lane, ", ", value(op->a), ");", origin(*op));
      continue;
    }
    if (op->dst >= 0) {
      known[size_t(op->dst)] = true;
      CType t = slots.type_of(op->dst);
      std::string given = is_load(*op) ? loaded(t, text(from, op->dst, "[", index, "]")) : expression(*op, value(op->a), value(op->b), value(op->c));
      std::string in_row = text("i + ", std::string_view(index) == "l" ? "j + l" : index);
      int cached = slots.cached(op->dst);
      if (cached >= 0 && cached != op->dst) given = text("e", cached, "[", in_row, "]");
      line("const ", ElementText::spelling(t), " v", op->dst, " = ", given, ";", origin(*op));
      if (cached == op->dst) line("e", cached, "[", in_row, "] = v", op->dst, ";");
      if (slots.is_kept(op->dst)) line("k", op->dst, "[", index, "] = v", op->dst, ";");
    }
    if (is_store(*op))
      line("y", op->instr, "[", index, "] = (", kStoredTypes[dtype_of(*op)], ")", value(op->dst >= 0 ? op->dst : op->a), ";",
           op->dst >= 0 ? "" : origin(*op));
  }
}

// A loop that only reduces: 64 lanes at a time. Where the last few take no part, operands are copied and what the lanes held
// comes back afterwards: so the body need not be there a second time, for a compiler's time is mostly spent on bodies, and it has
// no condition in it, which would spoil the instructions for what is in it.
void FusedText::render_masked(const FusedItem& item, const char* n) {
  auto lanes = [&](const auto&... text_of_one) {
    for (const Op* op : item.ops)
      if (op->kind == OpKind::reduce_row) line("if (k < 64) LOOP for (int l = 0; l < 64; l++) ", text_of_one(op->reduction)...);
  };
  open(text("for (i64 j = 0; j < ", n, "; j += 64)"));
  line("int k = ", n, " - j < 64 ? (int)(", n, " - j) : 64;");
  std::vector<std::pair<int, std::string>> read = operands_read(item);
  for (const auto& [slot, type] : read) line("const ", type, " *z", slot, " = x", slot, " + j;");
  for (const auto& [slot, type] : read) line(type, " pad", slot, "[64];");
  open("if (k < 64)");
  for (const auto& [slot, type] : read) {
    line("for (int l = 0; l < 64; l++) pad", slot, "[l] = z", slot, "[l < k ? l : 0];");
    line("z", slot, " = pad", slot, ";");
  }
  close();
  for (const Op* op : item.ops)
    if (op->kind == OpKind::reduce_row) line(ElementText::spelling(plan.reductions[size_t(op->reduction)].type), " s", op->reduction, "[64];");
  lanes([](int r) { return text("s", r, "[l] = t", r, "[l];"); });
  open("LOOP for (int l = 0; l < 64; l++)");
  render_body(item, "l", "z");
  close();
  lanes([](int r) { return text("t", r, "[l] = l < k ? t", r, "[l] : s", r, "[l];"); });
  close();
}

// The blocks and operands that a loop reads, by slot, and the types of their elements.
std::vector<std::pair<int, std::string>> FusedText::operands_read(const FusedItem& item) const {
  std::vector<std::pair<int, std::string>> all;
  std::vector<bool> known(size_t(plan.slots));
  auto add = [&](int slot, const char* type) {
    if (!known[size_t(slot)]) all.emplace_back(slot, type);
    known[size_t(slot)] = true;
  };
  for (const Op* op : item.ops) {
    for (int slot : {op->a, op->b, op->c})
      if (slot >= 0 && !slots.is_one(slot) && slots.source_of(slot) < 0 && !known[size_t(slot)]) add(slot, stored_type(slots.type_of(slot)));
    if (is_load(*op)) add(op->dst, kStoredTypes[dtype_of(*op)]);
    else if (op->dst >= 0) known[size_t(op->dst)] = true;
  }
  return all;
}

void FusedText::render_loop(const FusedItem& item) {
  if (!has_effect(item)) return point_to_operands(item);
  const char* n = count(item.space);
  bool reduces = false;
  for (const Op* op : item.ops) reduces |= op->kind == OpKind::reduce_row;
  open("");
  open_operands(item);
  bool writes = false;
  for (const Op* op : item.ops) writes |= is_store(*op) || slots.is_kept(op->dst);
  if (reduces && !writes) {
    render_masked(item, n);
    return close();
  }
  if (reduces) {
    line("i64 j = 0;");
    open(text("for (; j + 64 <= ", n, "; j += 64)"));
    open("LOOP for (int l = 0; l < 64; l++)");
    render_body(item, "j + l");
    close();
    close();
    open(text("LOOP for (int l = 0; l < (int)(", n, " - j); l++)"));
    render_body(item, "j + l");
  } else {
    open(text("LOOP for (i64 j = 0; j < ", n, "; j++)"));
    render_body(item, "j");
  }
  close();
  for (const Op* op : item.ops)
    if (streams && op->stream >= 0)
      line("if (q", op->stream, ") ", call("block", kStream, text(here(*op), ", b + ", op->stream * kBlock * 8, ", ", n, " * ", int(op->size))));
  close();
}

// ---- reductions of rows and columns ----

void FusedText::begin_reduction(int r, const char* width) {
  if (!slots.is_fused(r)) return line(call("reduce_begin", kReduceBegin, text("t", r, ", ", width)));
  const char* type = ElementText::spelling(plan.reductions[size_t(r)].type);
  line(type, " t", r, "[64], p", r, "[52];");
  line("begin_lanes<", fold_of(r), ">(t", r, ");");
}

void FusedText::end_reduction_block(int r) {
  if (slots.is_fused(r))
    line("if ((i + m) % ", kReduceBlock, " == 0) end_block<", fold_of(r), ">(t", r, ", p", r, ", (i + m) / ", kReduceBlock, " - 1);");
}

void FusedText::end_reduction(int r, bool columns) {
  const PlanReduction& reduction = plan.reductions[size_t(r)];
  if (slots.is_fused(r)) {
    std::string fold = fold_of(r);
    return line("u", reduction.dst, " = I ? end_row<", fold, ">(t", r, ", p", r, ", I / ", kReduceBlock, ") : ", fold, "::empty();");
  }
  std::string state_and_home = text("t", r, ", ", address(reduction.dst));
  if (columns) line(call("block", reduction.primitive + 3, state_and_home + ", n"));
  else line(call("reduce_end", reduction.primitive + 1, state_and_home));
}

}  // namespace jt::cpu
