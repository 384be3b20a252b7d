// atom and red: add min max and or xor exch cas inc dec. Lanes go one after another, from the last when the launch is
// reversed, so that what depends on their order does not pass for the same.
#include <algorithm>

#include "tests/fakegpu/access.h"
#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

enum AtomicFlags : uint16_t { kSpaceMask = 3, kNarrowAddress = 4 };
enum Where : uint16_t { kGenericly, kGlobally, kShared };

struct Add { template <class T> static T of(T old, T b, T) { return static_cast<T>(old + b); } };
struct AddFloat { template <class T> static T of(T old, T b, T) { return given<false, false>(old + b); } };
struct AddHalf {
  static uint16_t of(uint16_t old, uint16_t b, uint16_t) { return to_half(sum_to_odd(from_half(old), from_half(b))); }
};
struct AddBfloat {
  static uint16_t of(uint16_t old, uint16_t b, uint16_t) {
    return to_bfloat(sum_to_odd(from_bfloat(old), from_bfloat(b)));
  }
};
template <class F> struct Pair {
  static uint32_t of(uint32_t old, uint32_t b, uint32_t) {
    return F::of(old & 0xffff, b & 0xffff, 0) | static_cast<uint32_t>(F::of(old >> 16, b >> 16, 0)) << 16;
  }
};
struct Min { template <class T> static T of(T old, T b, T) { return std::min(old, b); } };
struct Max { template <class T> static T of(T old, T b, T) { return std::max(old, b); } };
struct And { template <class T> static T of(T old, T b, T) { return old & b; } };
struct Or { template <class T> static T of(T old, T b, T) { return old | b; } };
struct Xor { template <class T> static T of(T old, T b, T) { return old ^ b; } };
struct Exch { template <class T> static T of(T, T b, T) { return b; } };
struct Cas { template <class T> static T of(T old, T b, T c) { return old == b ? c : old; } };
struct Inc { template <class T> static T of(T old, T b, T) { return old >= b ? 0 : old + 1; } };
struct Dec { template <class T> static T of(T old, T b, T) { return old == 0 || old > b ? b : old - 1; } };

uint8_t* place(Warp& w, const Instruction& i, int l, uint32_t bytes) {
  uint64_t at = i.offset;
  if (i.a != kNoCell)
    at = i.flags & kNarrowAddress ? static_cast<uint32_t>(w.cell<uint32_t>(i.a)[l] + i.offset)
                                  : w.cell<uint64_t>(i.a)[l] + i.offset;
  uint16_t where = i.flags & kSpaceMask;
  if (where == kGenericly && at - kSharedWindow < kWindowSize)
    return shared_access(w, l, at - kSharedWindow, bytes, Access::kAtomic, nullptr);
  if (where == kShared) return shared_access(w, l, at, bytes, Access::kAtomic, nullptr);
  return global_access(w, l, at, bytes, Access::kAtomic);
}

template <class T, class F> void atomic(Warp& w, const Instruction& i, uint32_t lanes) {
  ++w.block->launch->counters.atomics;
  const bool reversed = w.block->launch->reversed;
  for (int k = 0; k < 32; ++k) {
    int l = reversed ? 31 - k : k;
    if (!(lanes >> l & 1)) continue;
    uint8_t* at = place(w, i, l, sizeof(T));
    T old;
    memcpy(&old, at, sizeof old);
    T value = F::of(old, w.cell<T>(i.b)[l], i.c == kNoCell ? T{0} : w.cell<T>(i.c)[l]);
    memcpy(at, &value, sizeof value);
    if (i.d != kNoCell) w.cell<T>(i.d)[l] = old;
  }
}

template <class F> Run integer_run(Type t) {
  switch (t) {
    case Type::kB16: case Type::kU16: return atomic<uint16_t, F>;
    case Type::kU32: case Type::kB32: return atomic<uint32_t, F>;
    case Type::kS32: return atomic<int32_t, F>;
    case Type::kU64: case Type::kB64: return atomic<uint64_t, F>;
    case Type::kS64: return atomic<int64_t, F>;
    default: return nullptr;
  }
}
Run add_run(Type t) {
  switch (t) {
    case Type::kF32: return atomic<float, AddFloat>;
    case Type::kF64: return atomic<double, AddFloat>;
    case Type::kF16: return atomic<uint16_t, AddHalf>;
    case Type::kBF16: return atomic<uint16_t, AddBfloat>;
    case Type::kF16x2: return atomic<uint32_t, Pair<AddHalf>>;
    case Type::kBF16x2: return atomic<uint32_t, Pair<AddBfloat>>;
    default: return integer_run<Add>(t);
  }
}
Run run_named(const std::string& name, Type t) {
  if (name == "add") return add_run(t);
  if (name == "min") return integer_run<Min>(t);
  if (name == "max") return integer_run<Max>(t);
  if (name == "and") return integer_run<And>(t);
  if (name == "or") return integer_run<Or>(t);
  if (name == "xor") return integer_run<Xor>(t);
  if (name == "exch") return integer_run<Exch>(t);
  if (name == "cas") return integer_run<Cas>(t);
  if (name == "inc") return t == Type::kU32 ? atomic<uint32_t, Inc> : nullptr;
  if (name == "dec") return t == Type::kU32 ? atomic<uint32_t, Dec> : nullptr;
  return nullptr;
}

void decode_atomic(Decoder& d, Instruction& out) {
  bool returns = d.statement().opcode == "atom";
  d.take_any({"relaxed", "acquire", "release", "acq_rel"});
  d.take_any({"cta", "gpu", "sys", "cluster"});
  d.take("noftz");
  std::string space = d.take_any({"global", "shared", "shared::cta"});
  std::string name = d.take_any({"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"});
  Type t = d.take_type();
  size_t first = 0;
  if (returns) out.d = d.destination(first++, t);
  Decoder::Place place = d.address(first++);
  out.a = place.base;
  out.offset = place.offset;
  out.b = d.source(first++, t);
  if (name == "cas") out.c = d.source(first++, t);
  if (first != d.operand_count()) d.unsupported("operands beyond those known");
  out.flags = (space == "global" ? kGlobally
               : space.empty()   ? kGenericly
                                 : kShared) |
              (place.base_width == 4 ? kNarrowAddress : 0);
  set_run(d, out, run_named(name, t), t);
}

}  // namespace

void add_atomic_opcodes(OpcodeTable& t) {
  t["atom"] = decode_atomic;
  t["red"] = decode_atomic;
}

}  // namespace fakegpu
