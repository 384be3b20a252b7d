// ops: what the families of opcodes share: a function of values made one of cells, and the choice of its type.
#pragma once

#include <cstring>

#include "tests/fakegpu/decode.h"

namespace fakegpu {

template <class D, class A, class F>
void unary(Warp& w, const Instruction& i, uint32_t lanes) {
  D* d = w.cell<D>(i.d);
  const A* a = w.cell<A>(i.a);
  for_lanes(lanes, [&](int l) { d[l] = F::of(a[l]); });
}
template <class D, class A, class B, class F>
void binary(Warp& w, const Instruction& i, uint32_t lanes) {
  D* d = w.cell<D>(i.d);
  const A* a = w.cell<A>(i.a);
  const B* b = w.cell<B>(i.b);
  for_lanes(lanes, [&](int l) { d[l] = F::of(a[l], b[l]); });
}
template <class D, class A, class B, class C, class F>
void ternary(Warp& w, const Instruction& i, uint32_t lanes) {
  D* d = w.cell<D>(i.d);
  const A* a = w.cell<A>(i.a);
  const B* b = w.cell<B>(i.b);
  const C* c = w.cell<C>(i.c);
  for_lanes(lanes, [&](int l) { d[l] = F::of(a[l], b[l], c[l]); });
}
template <class T, class F> constexpr Run unary_of = unary<T, T, F>;
template <class T, class F> constexpr Run binary_of = binary<T, T, T, F>;
template <class T, class F> constexpr Run ternary_of = ternary<T, T, T, T, F>;

// The run of F for integers of a type, nullptr for another type.
template <class F>
Run integer_unary(Type t) {
  switch (t) {
    case Type::kU16: case Type::kB16: return unary_of<uint16_t, F>;
    case Type::kS16: return unary_of<int16_t, F>;
    case Type::kU32: case Type::kB32: return unary_of<uint32_t, F>;
    case Type::kS32: return unary_of<int32_t, F>;
    case Type::kU64: case Type::kB64: return unary_of<uint64_t, F>;
    case Type::kS64: return unary_of<int64_t, F>;
    default: return nullptr;
  }
}
template <class F>
Run integer_binary(Type t) {
  switch (t) {
    case Type::kU16: case Type::kB16: return binary_of<uint16_t, F>;
    case Type::kS16: return binary_of<int16_t, F>;
    case Type::kU32: case Type::kB32: return binary_of<uint32_t, F>;
    case Type::kS32: return binary_of<int32_t, F>;
    case Type::kU64: case Type::kB64: return binary_of<uint64_t, F>;
    case Type::kS64: return binary_of<int64_t, F>;
    default: return nullptr;
  }
}
template <class F>
Run integer_ternary(Type t) {
  switch (t) {
    case Type::kU16: case Type::kB16: return ternary_of<uint16_t, F>;
    case Type::kS16: return ternary_of<int16_t, F>;
    case Type::kU32: case Type::kB32: return ternary_of<uint32_t, F>;
    case Type::kS32: return ternary_of<int32_t, F>;
    case Type::kU64: case Type::kB64: return ternary_of<uint64_t, F>;
    case Type::kS64: return ternary_of<int64_t, F>;
    default: return nullptr;
  }
}

inline void set_run(Decoder& d, Instruction& out, Run run, Type type) {
  if (!run) d.unsupported(std::string("unsupported type ") + name_of(type));
  out.run = run;
}
// Operands d, a[, b[, c]] all of one type.
inline void same_operands(Decoder& d, Instruction& out, Type type, int sources) {
  out.d = d.destination(0, type);
  out.a = d.source(1, type);
  if (sources > 1) out.b = d.source(2, type);
  if (sources > 2) out.c = d.source(3, type);
  if (d.operand_count() != static_cast<size_t>(sources) + 1)
    d.unsupported("operands beyond the " + std::to_string(sources + 1) + " known");
}

}  // namespace fakegpu
