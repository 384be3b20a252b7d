#include "core/render/loop_text.h"

#include "core/base/element.h"
#include "core/base/status.h"

namespace jt::loops {

using Helper = HostCalls::Helper;

static bool is_load(const Op& op) { return op.kind == OpKind::load_here || op.kind == OpKind::load_block; }
static bool is_store(const Op& op) { return op.kind == OpKind::store_block || op.kind == OpKind::element_out; }
// Where it reads or writes is computed for each element.
static bool is_indirect(const Op& op) {
  return op.kind == OpKind::load_mapped || op.kind == OpKind::store_mapped || op.kind == OpKind::index ||
         op.kind == OpKind::gather || op.kind == OpKind::scatter;
}

std::string with_count(std::string_view loop, std::string_view count) {
  auto is_letter = [&](size_t at) {
    return at < loop.size() && ((loop[at] >= 'A' && loop[at] <= 'Z') || (loop[at] >= 'a' && loop[at] <= 'z'));
  };
  size_t at = loop.find('N');
  while (at != loop.npos && (is_letter(at - 1) || is_letter(at + 1))) at = loop.find('N', at + 1);
  JT_CHECK(at != loop.npos);
  return text(loop.substr(0, at), count, loop.substr(at + 1));
}

// ---- names ----

std::string LoopText::address(int slot) const {
  if (slot < 0) return "0";
  if (slots_.is_one(slot)) return text("(char *)&u", slot);
  if (slots_.is_elsewhere(slot)) return text("r", slot);
  JT_CHECK(slots_.home_of(slot) >= 0);
  return text("b + ", slots_.home_of(slot));
}

std::string LoopText::value(int slot) const {
  if (slot < 0) return "";
  if (slots_.source_of(slot) >= 0) return text("c", slots_.source_of(slot));
  return text(slots_.is_one(slot) ? "c" : "v", slot);
}

std::string LoopText::fold_of(int reduction) {
  const PlanReduction& r = plan_.reductions[size_t(reduction)];
  return file_.use_reduction(r.kind, r.type);
}

// Outer and inner index of an element.
std::string LoopText::coordinates(const Op& op, const std::string& index) const {
  std::string step = index.empty() ? "" : " + " + index;
  if (op.operand_level == Level::uniform) return "0, 0";
  if (op.operand_level == Level::outer) return text("o", plan_.layout == Layout::row ? "" : step, ", 0");
  return text("o, i", step);
}

std::string LoopText::operand(const Op& op, const std::string& index) const {
  if (!index.empty()) return text(op.dst >= 0 ? "g" : "y", op.instr);
  bool is_written = op.dst < 0;
  return text("(", is_written ? "" : "const ", file_.memory_type(dtype_of(op)), " *)A[", op.word, "]");
}

std::string LoopText::extra(const Op& op, const std::string& index) const {
  bool is_map = program_.operands[size_t(op.operand)].access == Access::mapped;
  if (!index.empty()) return text(is_map ? "m" : "n", op.instr);
  return is_map ? text("(const struct jt_map *)A[", op.word + 1, "]") : text("A[", op.word + 1, "]");
}

// ---- expressions ----

std::string LoopText::expression(const Op& op, const std::string& a, const std::string& b, const std::string& c) {
  const Instr& i = instr(op);
  bool only_host_knows = file_.dialect.calls_host;
  if (op.kind == OpKind::element || op.kind == OpKind::element_out) {
    if (i.code == Code::random) return only_host_knows ? "" : text(file_.use_random(), "(", a, ", ", c, ", ", b, ")");
    if (only_host_knows && !file_.elements.vectorises(i.prim, i.type)) return "";
    if (!ElementText::is_printable(i.prim, i.type)) fail(JT_E_UNSUPPORTED, "kernel: no text for ", to_text(i));
    int arity = kElementFacts[i.prim].arity;
    return text(file_.elements.use(i.prim, i.type), "(", a, arity > 1 ? ", " + b : "", arity > 2 ? ", " + c : "", ")");
  }
  if (op.kind != OpKind::block) return "";
  if (i.code == Code::narrow)
    return only_host_knows && is_half(DType(i.sub)) ? "" : file_.narrowed(DType(i.sub), i.type, a);
  bool truncates = is_float(CType(i.sub)) && !is_float(i.type) && i.type != CType::b8;
  return only_host_knows && truncates ? "" : file_.converted(CType(i.sub), i.type, a);
}

// What an indirect operation reads.
std::string LoopText::of_memory(const Op& op, const std::string& index, const std::string& a, const std::string& b) {
  DType d = dtype_of(op);
  std::string fill = b.empty() ? "0" : b;
  if (op.kind == OpKind::gather)
    return text(file_.use_gather(d), "(", operand(op, index), ", ", extra(op, index), ", ", a, ", ", fill, ")");
  if (op.kind == OpKind::load_mapped)
    return text(file_.use_load_map(d), "(", operand(op, index), ", ", extra(op, index), ", ", coordinates(op, index),
                ", ", fill, ")");
  JT_CHECK(op.kind == OpKind::index);
  std::string at = coordinates(op, index);
  if (program_.operands[size_t(op.operand)].access == Access::mapped)
    return text(file_.use_place_in_map(), "(", extra(op, index), ", ", at, ")");
  if (op.operand_level != Level::inner) return at.substr(0, at.find(','));
  return text("o * I + i", index.empty() ? "" : " + " + index);
}

std::string LoopText::to_memory(const Op& op, const std::string& index, const std::string& a, const std::string& b) {
  DType d = dtype_of(op);
  if (op.kind == OpKind::scatter)
    return text(file_.use_scatter(Combine(instr(op).sub), d), "(", operand(op, index), ", ", extra(op, index), ", ", a,
                ", ", b, ");");
  return text(file_.use_store_map(d), "(", operand(op, index), ", ", extra(op, index), ", ", coordinates(op, index),
              ", ", a, ");");
}

// ---- items ----

void LoopText::render(const std::vector<Item>& items) {
  for (const Item& item : items) {
    const Op& op = *item.ops[0];
    bool is_unneeded = op.instr < 0 && op.kind == OpKind::block && slots_.home_of(op.dst) < 0;
    if (item.is_loop()) render_loop(item);
    else if (is_unneeded) continue;
    else if (slots_.is_single(op)) render_one(op);
    else render_call(op);
  }
}

// One element: an assignment where that is possible.
void LoopText::render_one(const Op& op) {
  auto u = [](int slot) { return slot < 0 ? "" : text("u", slot); };
  auto assign = [&](const std::string& given) { line(u(op.dst), " = ", given, ";", origin(op)); };
  bool knows_memory = op.operand >= 0 && file_.memory_type(dtype_of(op));
  auto element = [&](const char* constness) {
    return text("*(", constness, file_.memory_type(dtype_of(op)), " *)(", here(op), ")");
  };
  switch (op.kind) {
    case OpKind::scalar: {
      CType t = slots_.type_of(op.dst);
      return assign(file_.from_block(t, text("*(const ", file_.block_type(t), " *)(A + ", op.word, ")")));
    }
    case OpKind::load_here:
    case OpKind::load_block:
      if (!knows_memory) break;
      return assign(file_.loaded(dtype_of(op), element("const ")));
    case OpKind::store_block:
      if (!knows_memory) break;
      return line(element(""), " = ", file_.stored(dtype_of(op), u(op.a)), ";", origin(op));
    case OpKind::element:
    case OpKind::element_out:
    case OpKind::block: {
      std::string given = expression(op, u(op.a), u(op.b), u(op.c));
      if (given.empty()) render_call(op, address(op.dst), false);
      else assign(given);
      if (op.kind == OpKind::element_out)
        line("*(", file_.block_type(slots_.type_of(op.dst)), " *)(", here(op), ") = ", u(op.dst), ";");
      return;
    }
    case OpKind::load_mapped:
    case OpKind::gather:
    case OpKind::index:
      if (host_) break;
      return assign(of_memory(op, "", u(op.a), u(op.b)));
    case OpKind::store_mapped:
    case OpKind::scatter:
      if (host_) break;
      return line(to_memory(op, "", u(op.a), u(op.b)), origin(op));
    default: break;
  }
  render_call(op, address(op.dst), false);
}

void LoopText::render_call(const Op& op) {
  bool moves = op.dst >= 0 && slots_.is_elsewhere(op.dst);
  if (op.kind == OpKind::element_out) line("r", op.dst, " = ", here(op), ";");
  std::string to = op.kind == OpKind::load_mapped ? text("b + ", slots_.home_of(op.dst))
                   : op.dst >= 0                  ? address(op.dst)
                                                  : "";
  if (op.kind == OpKind::reduce_row || op.kind == OpKind::reduce_column || op.kind == OpKind::reduce_bands) to.clear();
  render_call(op, to, moves);
}

// to: where the result is written; moves: r3 tells where it is found.
void LoopText::render_call(const Op& op, const std::string& to, bool moves) {
  JT_CHECK(host_);
  const char* n = count(op.space);
  std::string a = address(op.a), b = address(op.b), c = address(op.c), base = pointer(op.word),
              state = text("t", op.reduction);
  auto call = [&](const std::string& arguments) { return host_->call(program_, op, arguments); };
  switch (op.kind) {
    case OpKind::element:
    case OpKind::element_out: return line(call(text(to, ", ", a, ", ", b, ", ", c, ", ", n)), origin(op));
    case OpKind::load_block: return line(call(text(to, ", ", here(op), ", ", n)), origin(op));
    case OpKind::store_block: return line(call(text(here(op), ", ", a, ", ", n)), origin(op));
    case OpKind::block: {
      bool is_repeated = op.instr < 0;  // for all blocks to come
      return line(call(text(to, ", ", a, ", ", is_repeated ? text(kBlock) : n)), origin(op));
    }
    case OpKind::load_mapped: {
      std::string loading = call(text(to, ", ", base, ", ", map_of(op), ", ", where(op), ", ", b));
      if (!moves) {
        CType t = slots_.type_of(op.dst);
        loading.pop_back();
        return line("u", op.dst, " = ", file_.from_block(t, text("*(const ", file_.block_type(t), " *)", loading)), ";",
                    origin(op));
      }
      line("r", op.dst, " = ", loading, origin(op));
      if (op.copy)
        line("if (r", op.dst, " != ", to, ") r", op.dst, " = ",
             host_->call(Helper::copy, text(to, ", r", op.dst, ", ", n, " * ", int(op.dst_size))));
      return;
    }
    case OpKind::repeat: return line(call(text(to, ", ", a, ", n, I")), origin(op));
    case OpKind::tile: return line(call(text(to, ", ", a, ", n, w")), origin(op));
    case OpKind::store_mapped: return line(call(text(base, ", ", a, ", ", map_of(op), ", ", where(op))), origin(op));
    case OpKind::index: return line(call(text(to, ", ", map_of(op), ", ", where(op))), origin(op));
    case OpKind::gather:
      return line(call(text(to, ", ", base, ", ", a, ", A[", op.word + 1, "], ", n, ", ", b)), origin(op));
    case OpKind::scatter: return line(call(text(base, ", ", a, ", ", b, ", A[", op.word + 1, "], ", n)), origin(op));
    case OpKind::reduce_row:
    case OpKind::reduce_column: return line(call(text(state, ", ", a, ", ", n)), origin(op));
    case OpKind::reduce_bands: return line(call(text(state, ", ", a, ", n, m / n")), origin(op));
    case OpKind::reduce_rows: return line(call(text(to, ", ", a, ", n, I")), origin(op));
    default: fail(JT_E_INTERNAL, "internal: no call for ", to_text(instr(op)));
  }
}

// ---- loops ----

// Whether a loop is needed: some only find where operands are.
bool LoopText::has_effect(const Item& item) const {
  for (const Op* op : item.ops)
    if (op->kind == OpKind::reduce_row || writes_memory(*op) || slots_.is_kept(op->dst)) return true;
  return false;
}

// What ends in memory, in a block or in a reduction, and what that is made from. Values that only others' loops read,
// as an operand that lies in memory, are not.
std::vector<bool> LoopText::needed(const Item& item) const {
  std::vector<bool> needs(size_t(plan_.slots)), all(item.ops.size());
  for (size_t k = item.ops.size(); k-- > 0;) {
    const Op& op = *item.ops[k];
    bool is_wanted =
        op.dst >= 0 && (needs[size_t(op.dst)] || slots_.is_kept(op.dst) || slots_.cached(op.dst) == op.dst);
    all[k] = is_wanted || op.kind == OpKind::reduce_row || writes_memory(op);
    if (!all[k]) continue;
    bool is_found = slots_.cached(op.dst) >= 0 && slots_.cached(op.dst) != op.dst;
    for (int slot : {op.a, op.b, op.c})
      if (slot >= 0 && !is_found) needs[size_t(slot)] = true;
  }
  return all;
}

void LoopText::point_to_operands(const Item& item) {
  for (const Op* op : item.ops)
    if (op->dst >= 0 && op->kind != OpKind::reduce_row && slots_.is_elsewhere(op->dst))
      line("r", op->dst, " = ", here(*op), ";");
}

// Declares x3, y3, g3, m3, n3, k3 and c3.
void LoopText::open_operands(const Item& item) {
  std::vector<bool> known(size_t(plan_.slots)), is_needed = needed(item);
  auto use = [&](int slot) {
    if (slot >= 0 && slots_.source_of(slot) >= 0) slot = slots_.source_of(slot);
    if (slot < 0 || known[size_t(slot)]) return;
    known[size_t(slot)] = true;
    CType t = slots_.type_of(slot);
    if (slots_.is_one(slot)) line("const ", type_name(t), " c", slot, " = u", slot, ";");
    else
      line("const ", file_.block_type(t), " *x", slot, " = (const ", file_.block_type(t), " *)(", address(slot), ");");
  };
  auto typed = [&](const char* constness, const char* type, std::string_view name, int number, const std::string& at) {
    line(constness, type, " *", name, number, " = (", constness, type, " *)(", at, ");");
  };
  point_to_operands(item);
  for (size_t k = 0; k < item.ops.size(); k++) {
    const Op* op = item.ops[k];
    if (op->dst >= 0 && !is_needed[k] && op->kind != OpKind::reduce_row) {
      known[size_t(op->dst)] = true;
      continue;
    }
    bool is_found = slots_.cached(op->dst) >= 0 && slots_.cached(op->dst) != op->dst;
    for (int slot : {op->a, op->b, op->c})
      if (!is_found) use(slot);
    if (is_load(*op)) typed("const ", file_.memory_type(dtype_of(*op)), "x", op->dst, here(*op));
    if (is_indirect(*op)) {
      const char* type = file_.memory_type(dtype_of(*op));
      bool is_map = program_.operands[size_t(op->operand)].access == Access::mapped;
      if (op->kind != OpKind::index)
        typed(op->dst >= 0 ? "const " : "", type, op->dst >= 0 ? "g" : "y", op->instr, pointer(op->word));
      if (is_map) line("const struct jt_map *m", op->instr, " = (const struct jt_map *)A[", op->word + 1, "];");
      else if (op->kind != OpKind::index) line("const i64 n", op->instr, " = A[", op->word + 1, "];");
    }
    bool is_streamed = streams && op->stream >= 0;
    std::string block = is_streamed ? text("q", op->stream, " ? b + ", op->stream * kBlock * 8, " : ") : "";
    if (is_store(*op)) typed("", file_.memory_type(dtype_of(*op)), "y", op->instr, block + here(*op));
    if (op->dst < 0 || op->kind == OpKind::reduce_row) continue;
    known[size_t(op->dst)] = true;
    if (slots_.is_kept(op->dst)) typed("", file_.block_type(slots_.type_of(op->dst)), "k", op->dst, address(op->dst));
  }
}

void LoopText::render_body(const Item& item, const char* index, const char* from) {
  std::vector<bool> known(size_t(plan_.slots)), is_needed = needed(item);
  auto use = [&](int slot) {
    if (slot < 0 || known[size_t(slot)] || slots_.is_one(slot) || slots_.source_of(slot) >= 0) return;
    known[size_t(slot)] = true;
    CType t = slots_.type_of(slot);
    line("const ", type_name(t), " v", slot, " = ", file_.from_block(t, text(from, slot, "[", index, "]")), ";");
  };
  for (size_t k = 0; k < item.ops.size(); k++) {
    const Op* op = item.ops[k];
    if (!is_needed[k]) continue;
    std::string in_row = text("i + ", std::string_view(index) == "l" ? "j + l" : index);
    int cached = slots_.cached(op->dst);
    bool is_found = cached >= 0 && cached != op->dst;
    for (int slot : {op->a, op->b, op->c})
      if (!is_found) use(slot);
    if (op->kind == OpKind::reduce_row && slots_.kept(op->reduction) == Kept::as_place) {
      line(fold_of(op->reduction), "_add(&t", op->reduction, ", ", value(op->a), ", ", in_row, ");", origin(*op));
      continue;
    }
    if (op->kind == OpKind::reduce_row) {
      std::string lane = text("t", op->reduction, "[l]");
      line(lane, " = ", fold_of(op->reduction), "_of(", lane, ", ", value(op->a), ");", origin(*op));
      continue;
    }
    if (op->dst >= 0) {
      known[size_t(op->dst)] = true;
      CType t = slots_.type_of(op->dst);
      std::string given;
      if (is_found) given = text("e", cached, "[", in_row, "]");
      else if (is_load(*op)) given = file_.loaded(dtype_of(*op), text(from, op->dst, "[", index, "]"));
      else if (is_indirect(*op)) given = of_memory(*op, index, value(op->a), value(op->b));
      else given = expression(*op, value(op->a), value(op->b), value(op->c));
      line("const ", type_name(t), " v", op->dst, " = ", given, ";", origin(*op));
      if (cached == op->dst) line("e", cached, "[", in_row, "] = v", op->dst, ";");
      if (slots_.is_kept(op->dst)) line("k", op->dst, "[", index, "] = v", op->dst, ";");
    }
    if (is_indirect(*op) && op->dst < 0) line(to_memory(*op, index, value(op->a), value(op->b)), origin(*op));
    if (is_store(*op))
      line("y", op->instr, "[", index, "] = ", file_.stored(dtype_of(*op), value(op->dst >= 0 ? op->dst : op->a)), ";",
           op->dst >= 0 ? "" : origin(*op));
  }
}

// A loop that only reduces: 64 lanes at a time. Where the last few take no part, operands are copied and what the lanes
// held comes back afterwards: so the body need not be there a second time, for a compiler's time is mostly spent on
// bodies, and it has no condition in it, which would poison_bytes the instructions for what is in it.
void LoopText::render_padded(const Item& item, const char* n) {
  std::string over_lanes = with_count(file_.dialect.over_lanes, "64");
  auto lanes = [&](const auto&... text_of_one) {
    for (const Op* op : item.ops)
      if (op->kind == OpKind::reduce_row) line("if (k < 64) ", over_lanes, " ", text_of_one(op->reduction)...);
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
    if (op->kind == OpKind::reduce_row)
      line(type_name(plan_.reductions[size_t(op->reduction)].type), " s", op->reduction, "[64];");
  lanes([](int r) { return text("s", r, "[l] = t", r, "[l];"); });
  open(over_lanes);
  render_body(item, "l", "z");
  close();
  lanes([](int r) { return text("t", r, "[l] = l < k ? t", r, "[l] : s", r, "[l];"); });
  close();
}

// The blocks and operands that a loop reads, by slot, and the types of their elements.
std::vector<std::pair<int, std::string>> LoopText::operands_read(const Item& item) const {
  std::vector<std::pair<int, std::string>> all;
  std::vector<bool> known(size_t(plan_.slots)), is_needed = needed(item);
  auto add = [&](int slot, const char* type) {
    if (!known[size_t(slot)]) all.emplace_back(slot, type);
    known[size_t(slot)] = true;
  };
  for (size_t k = 0; k < item.ops.size(); k++) {
    const Op* op = item.ops[k];
    if (!is_needed[k]) continue;
    bool is_found = slots_.cached(op->dst) >= 0 && slots_.cached(op->dst) != op->dst;
    for (int slot : {op->a, op->b, op->c})
      if (!is_found && slot >= 0 && !slots_.is_one(slot) && slots_.source_of(slot) < 0 && !known[size_t(slot)])
        add(slot, file_.block_type(slots_.type_of(slot)));
    if (is_load(*op) && !is_found) add(op->dst, file_.memory_type(dtype_of(*op)));
    else if (op->dst >= 0) known[size_t(op->dst)] = true;
  }
  return all;
}

// 64 lanes at a time, the last ones in a loop of as many as there are.
void LoopText::render_lanes(const Item& item, const char* n) {
  const Dialect& dialect = file_.dialect;
  if (!dialect.pads_lanes) {
    open(text("for (i64 j = 0; j < ", n, "; j += 64)"));
    line("const int k = ", n, " - j < 64 ? (int)(", n, " - j) : 64;");
    open(with_count(dialect.over_lanes, "k"));
    render_body(item, "j + l");
    close();
    return close();
  }
  line("i64 j = 0;");
  open(text("for (; j + 64 <= ", n, "; j += 64)"));
  open(with_count(dialect.over_lanes, "64"));
  render_body(item, "j + l");
  close();
  close();
  open(with_count(dialect.over_lanes, text("(int)(", n, " - j)")));
  render_body(item, "j + l");
  close();
}

void LoopText::render_loop(const Item& item) {
  if (!has_effect(item)) return point_to_operands(item);
  const char* n = count(item.space);
  bool has_lanes = false, writes = false;
  for (const Op* op : item.ops) {
    has_lanes |= op->kind == OpKind::reduce_row && slots_.kept(op->reduction) == Kept::in_lanes;
    writes |= writes_memory(*op) || slots_.is_kept(op->dst);
  }
  open("");
  open_operands(item);
  if (has_lanes && !writes && file_.dialect.pads_lanes) {
    render_padded(item, n);
  } else if (has_lanes) {
    render_lanes(item, n);
  } else {
    open(with_count(item.way == Way::loop ? file_.dialect.over_elements : file_.dialect.in_order, n));
    render_body(item, "j");
    close();
  }
  for (const Op* op : item.ops)
    if (streams && op->stream >= 0)
      line("if (q", op->stream, ") ",
           host_->call(Helper::stream,
                       text(here(*op), ", b + ", op->stream * kBlock * 8, ", ", n, " * ", int(op->size))));
  close();
}

// ---- reductions of rows and columns ----

void LoopText::begin_reduction(int r, const char* width) {
  Kept kept = slots_.kept(r);
  if (kept == Kept::by_host) return line(host_->call(Helper::reduce_begin, text("t", r, ", ", width)));
  if (kept == Kept::as_place) return line("struct ", fold_of(r), " t", r, " = {0, 0};");
  line(type_name(plan_.reductions[size_t(r)].type), " t", r, "[64], p", r, "[52];");
  line(fold_of(r), "_begin(t", r, ");");
}

void LoopText::end_reduction_block(int r) {
  if (slots_.kept(r) == Kept::in_lanes)
    line("if ((i + m) % ", kReduceBlock, " == 0) ", fold_of(r), "_end_block(t", r, ", p", r, ", (i + m) / ",
         kReduceBlock, " - 1);");
}

void LoopText::end_reduction(int r, bool columns) {
  const PlanReduction& reduction = plan_.reductions[size_t(r)];
  std::string fold = slots_.kept(r) == Kept::by_host ? "" : fold_of(r);
  if (slots_.kept(r) == Kept::as_place) return line("u", reduction.dst, " = t", r, ".index;");
  if (slots_.kept(r) == Kept::in_lanes)
    // A host that turns short rows on their side has none here.
    return line("u", reduction.dst, " = ",
                host_ ? "" : text("I > 0 && I < 64 ? ", fold, "_fold_few(t", r, ", (int)I) : "), "I ? ", fold,
                "_end_row(t", r, ", p", r, ", I / ", kReduceBlock, ") : ", fold, "_empty();");
  std::string state_and_home = text("t", r, ", ", address(reduction.dst));
  line(host_->end_reduction(reduction, columns, columns ? state_and_home + ", n" : state_and_home));
}

}  // namespace jt::loops
