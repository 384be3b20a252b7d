// mov, cvta and isspacep: cells as they are, packed and unpacked; addresses between a space and the generic one.
#include "tests/fakegpu/ops.h"

namespace fakegpu {
namespace {

struct Same { template <class T> static T of(T a) { return a; } };

void mov_predicate(Warp& w, const Instruction& i, uint32_t lanes) { w.set_predicate(i.d, lanes, w.predicate(i.a)); }

// {parts} of `width` bytes each <-> one register of count * width.

template <class Part, class Whole> void pack(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    uint64_t whole = 0;
    for (size_t part = 0; part < i.list.size(); ++part)
      whole |= static_cast<uint64_t>(w.cell<Part>(i.list[part])[l]) << part * sizeof(Part) * 8;
    w.cell<Whole>(i.d)[l] = static_cast<Whole>(whole);
  });
}
template <class Part, class Whole> void unpack(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    uint64_t whole = w.cell<Whole>(i.a)[l];
    for (size_t part = 0; part < i.list.size(); ++part)
      if (i.list[part] != kNoCell) w.cell<Part>(i.list[part])[l] = static_cast<Part>(whole >> part * sizeof(Part) * 8);
  });
}

Type part_type(Decoder& d, Type whole, size_t count) {
  size_t bytes = size_of(whole) / count;
  if (bytes * count != static_cast<size_t>(size_of(whole))) d.unsupported("parts that are no whole");
  return bytes == 1 ? Type::kB8 : bytes == 2 ? Type::kB16 : Type::kB32;
}

void decode_packed(Decoder& d, Instruction& out, Type whole) {
  bool packs = d.operand(1).kind == Operand::kVector;
  const Operand& parts = d.operand(packs ? 1 : 0);
  Type part = part_type(d, whole, parts.parts.size());
  for (const Operand& each : parts.parts)
    out.list.push_back(packs ? d.source(each, part) : d.destination(each, part, false));
  if (packs) out.d = d.destination(0, whole);
  else out.a = d.source(1, whole);
  Run run = nullptr;
  if (part == Type::kB8 && whole == Type::kB16) run = packs ? pack<uint8_t, uint16_t> : unpack<uint8_t, uint16_t>;
  if (part == Type::kB8 && size_of(whole) == 4) run = packs ? pack<uint8_t, uint32_t> : unpack<uint8_t, uint32_t>;
  if (part == Type::kB16 && size_of(whole) == 4) run = packs ? pack<uint16_t, uint32_t> : unpack<uint16_t, uint32_t>;
  if (part == Type::kB16 && size_of(whole) == 8) run = packs ? pack<uint16_t, uint64_t> : unpack<uint16_t, uint64_t>;
  if (part == Type::kB32 && size_of(whole) == 8) run = packs ? pack<uint32_t, uint64_t> : unpack<uint32_t, uint64_t>;
  set_run(d, out, run, whole);
}

void decode_mov(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  if (d.operand(0).kind == Operand::kVector || d.operand(1).kind == Operand::kVector) return decode_packed(d, out, t);
  same_operands(d, out, t, 1);
  if (t == Type::kPred) return set_run(d, out, mov_predicate, t);
  set_run(d, out, size_of(t) == 2 ? unary_of<uint16_t, Same> : size_of(t) == 4 ? unary_of<uint32_t, Same>
                  : size_of(t) == 8 ? unary_of<uint64_t, Same> : nullptr, t);
}

// Global, constant and parameter addresses are generic as they are; those of shared and local memory lie in a window.
template <class T, uint64_t window> struct ToGeneric { static T of(T a) { return static_cast<T>(a + window); } };
template <class T, uint64_t window> struct FromGeneric { static T of(T a) { return static_cast<T>(a - window); } };

template <uint64_t window> Run cvta_run(Type t, bool from) {
  if (t != Type::kU64) return nullptr;
  return from ? unary_of<uint64_t, FromGeneric<uint64_t, window>> : unary_of<uint64_t, ToGeneric<uint64_t, window>>;
}
void decode_cvta(Decoder& d, Instruction& out) {
  bool from = d.take("to");
  std::string space = d.take_any({"global", "const", "shared", "local", "param", "shared::cta"});
  Type t = d.take_type();
  same_operands(d, out, t, 1);
  if (space == "param") d.unsupported("unsupported: the generic address of a parameter");
  Run run = space == "local"                 ? cvta_run<kLocalWindow>(t, from)
            : space.substr(0, 6) == "shared" ? cvta_run<kSharedWindow>(t, from)
                                             : cvta_run<0>(t, from);
  set_run(d, out, space.empty() ? nullptr : run, t);
}

bool in_window(uint64_t a, uint64_t window) { return a - window < kWindowSize; }
void isspacep(Warp& w, const Instruction& i, uint32_t lanes) {
  uint32_t result = 0;
  for_lanes(lanes, [&](int l) {
    uint64_t a = w.cell<uint64_t>(i.a)[l];
    bool shared = in_window(a, kSharedWindow), local = in_window(a, kLocalWindow);
    if (i.flags == 0 ? shared : i.flags == 1 ? local : !shared && !local) result |= 1u << l;
  });
  w.set_predicate(i.d, lanes, result);
}
void decode_isspacep(Decoder& d, Instruction& out) {
  std::string space = d.take_any({"shared", "local", "global"});
  if (space.empty()) d.unsupported("unsupported space");
  out.flags = space == "shared" ? 0 : space == "local" ? 1 : 2;
  out.d = d.destination(0, Type::kPred);
  out.a = d.source(1, Type::kU64);
  out.run = isspacep;
}

}  // namespace

void add_move_opcodes(OpcodeTable& t) {
  t["mov"] = decode_mov;
  t["cvta"] = decode_cvta;
  t["isspacep"] = decode_isspacep;
}

}  // namespace fakegpu
