// setp set selp slct: comparisons, alone or joined with a predicate, and choices.
#include <algorithm>
#include <iterator>

#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

enum Comparison : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kEqu, kNeu, kLtu, kLeu, kGtu, kGeu, kNum, kNan };
const char* const kComparisons[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                    "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

template <Comparison c, class T> bool compare(T a, T b) {
  bool unordered = a != a || b != b;
  switch (c) {
    case kEq: return a == b;
    case kNe: return !unordered && a != b;
    case kLt: return a < b;
    case kLe: return a <= b;
    case kGt: return a > b;
    case kGe: return a >= b;
    case kEqu: return unordered || a == b;
    case kNeu: return unordered || a != b;
    case kLtu: return unordered || a < b;
    case kLeu: return unordered || a <= b;
    case kGtu: return unordered || a > b;
    case kGeu: return unordered || a >= b;
    case kNum: return !unordered;
    case kNan: return unordered;
  }
  return false;
}

enum Join : uint16_t { kAlone, kAnd, kOr, kXor };

// d|e = comparison joined with c, and its negation joined with c.
template <Comparison c, class T, bool ftz> void setp(Warp& w, const Instruction& i, uint32_t lanes) {
  const T *a = w.cell<T>(i.a), *b = w.cell<T>(i.b);
  uint32_t result = 0;
  for_lanes(lanes,
            [&](int l) { result |= static_cast<uint32_t>(compare<c>(taken<ftz>(a[l]), taken<ftz>(b[l]))) << l; });
  uint32_t other = ~result;
  if (i.flags != kAlone) {
    uint32_t with = w.predicate(i.c);
    auto join = [&](uint32_t x) { return i.flags == kAnd ? x & with : i.flags == kOr ? x | with : x ^ with; };
    result = join(result), other = join(other);
  }
  w.set_predicate(i.d, lanes, result);
  w.set_predicate(i.e, lanes, other);
}

template <class T, bool ftz> Run setp_for(int c) {
  static const Run runs[] = {setp<kEq, T, ftz>,  setp<kNe, T, ftz>,  setp<kLt, T, ftz>,  setp<kLe, T, ftz>,
                             setp<kGt, T, ftz>,  setp<kGe, T, ftz>,  setp<kEqu, T, ftz>, setp<kNeu, T, ftz>,
                             setp<kLtu, T, ftz>, setp<kLeu, T, ftz>, setp<kGtu, T, ftz>, setp<kGeu, T, ftz>,
                             setp<kNum, T, ftz>, setp<kNan, T, ftz>};
  return runs[c];
}
Run setp_run(Type t, int c, bool ftz) {
  switch (t) {
    case Type::kU16: case Type::kB16: return setp_for<uint16_t, false>(c);
    case Type::kS16: return setp_for<int16_t, false>(c);
    case Type::kU32: case Type::kB32: return setp_for<uint32_t, false>(c);
    case Type::kS32: return setp_for<int32_t, false>(c);
    case Type::kU64: case Type::kB64: return setp_for<uint64_t, false>(c);
    case Type::kS64: return setp_for<int64_t, false>(c);
    case Type::kF32: return ftz ? setp_for<float, true>(c) : setp_for<float, false>(c);
    case Type::kF64: return setp_for<double, false>(c);
    default: return nullptr;
  }
}

// f16 and bf16 compare as the floats they are.
template <bool is_bfloat> void setp_half(Warp& w, const Instruction& i, uint32_t lanes) {
  alignas(64) float a[32], b[32];
  for (int l = 0; l < 32; ++l) {
    uint16_t x = w.cell<uint16_t>(i.a)[l], y = w.cell<uint16_t>(i.b)[l];
    a[l] = is_bfloat ? from_bfloat(x) : from_half(x);
    b[l] = is_bfloat ? from_bfloat(y) : from_half(y);
  }
  uint32_t result = 0;
  static bool (*const compares[])(float, float) = {
      compare<kEq, float>,  compare<kNe, float>,  compare<kLt, float>,  compare<kLe, float>,  compare<kGt, float>,
      compare<kGe, float>,  compare<kEqu, float>, compare<kNeu, float>, compare<kLtu, float>, compare<kLeu, float>,
      compare<kGtu, float>, compare<kGeu, float>, compare<kNum, float>, compare<kNan, float>};
  for_lanes(lanes, [&](int l) { result |= static_cast<uint32_t>(compares[i.width](a[l], b[l])) << l; });
  w.set_predicate(i.d, lanes, result);
  w.set_predicate(i.e, lanes, ~result);
}

int take_comparison(Decoder& d, Type t) {
  static const std::pair<const char*, int> unsigned_names[] = {{"lo", kLt}, {"ls", kLe}, {"hi", kGt}, {"hs", kGe}};
  for (auto [name, c] : unsigned_names)
    if (!is_float(t) && d.take(name)) return c;
  for (int c = 0; c <= kNan; ++c)
    if (d.take(kComparisons[c])) return c;
  d.unsupported("unsupported comparison");
}

void decode_setp(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  bool ftz = d.take("ftz");
  int c = take_comparison(d, t);
  std::string join = d.take_any({"and", "or", "xor"});
  out.flags = join == "and" ? kAnd : join == "or" ? kOr : join == "xor" ? kXor : kAlone;
  const Operand& first = d.operand(0);
  out.d = d.destination(0, Type::kPred);
  if (!first.parts.empty()) out.e = d.destination(first.parts[0], Type::kPred, false);
  out.a = d.source(1, t);
  out.b = d.source(2, t);
  if (out.flags != kAlone) out.c = d.source(3, Type::kPred);
  if (t == Type::kF16 || t == Type::kBF16) {
    if (out.flags != kAlone) d.unsupported("unsupported: joined with a predicate");
    out.width = c;
    return set_run(d, out, t == Type::kF16 ? setp_half<false> : setp_half<true>, t);
  }
  set_run(d, out, setp_run(t, c, ftz), t);
}

// set: all bits, or 1.0, where the comparison holds. The comparison writes a predicate of its own first.
template <class T> void set_value(Warp& w, const Instruction& i, uint32_t lanes) {
  uint32_t holds = w.predicate(i.c);
  T yes = static_cast<T>(i.offset);
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = holds >> l & 1 ? yes : T{0}; });
}
void decode_set(Decoder& d, Instruction& out) {
  Type source = d.take_type(), target = d.take_type();
  int c = take_comparison(d, source);
  bool ftz = d.take("ftz");
  Instruction test = out;
  test.d = d.scratch_predicate();
  test.a = d.source(1, source);
  test.b = d.source(2, source);
  set_run(d, test, setp_run(source, c, ftz), source);
  out.d = d.destination(0, target);
  out.c = test.d;
  out.offset = target == Type::kF32 ? 0x3f800000 : -1;
  d.emit(test);
  set_run(d, out, size_of(target) == 4 ? set_value<uint32_t> : nullptr, target);
}

template <class T> void selp(Warp& w, const Instruction& i, uint32_t lanes) {
  uint32_t holds = w.predicate(i.c);
  T* d = w.cell<T>(i.d);
  const T *a = w.cell<T>(i.a), *b = w.cell<T>(i.b);
  for_lanes(lanes, [&](int l) { d[l] = holds >> l & 1 ? a[l] : b[l]; });
}
Run by_size(Type t, Run two, Run four, Run eight) {
  return size_of(t) == 2 ? two : size_of(t) == 4 ? four : size_of(t) == 8 ? eight : nullptr;
}

void decode_selp(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.b = d.source(2, t);
  out.c = d.source(3, Type::kPred);
  set_run(d, out, by_size(t, selp<uint16_t>, selp<uint32_t>, selp<uint64_t>), t);
}

template <class T, class C> void slct(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = w.cell<C>(i.c)[l] >= 0 ? w.cell<T>(i.a)[l] : w.cell<T>(i.b)[l]; });
}
void decode_slct(Decoder& d, Instruction& out) {
  Type sign = d.take_type(), t = d.take_type();
  d.take("ftz");
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.b = d.source(2, t);
  out.c = d.source(3, sign);
  Run run = sign == Type::kS32   ? by_size(t, slct<uint16_t, int32_t>, slct<uint32_t, int32_t>, slct<uint64_t, int32_t>)
            : sign == Type::kF32 ? by_size(t, slct<uint16_t, float>, slct<uint32_t, float>, slct<uint64_t, float>)
                                 : nullptr;
  set_run(d, out, run, t);
}

}  // namespace

void add_compare_opcodes(OpcodeTable& t) {
  t["setp"] = decode_setp;
  t["set"] = decode_set;
  t["selp"] = decode_selp;
  t["slct"] = decode_slct;
}

}  // namespace fakegpu
