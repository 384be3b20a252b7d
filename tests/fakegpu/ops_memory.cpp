// ld and st of every space and width, alone and in vectors; prefetch.
#include "tests/fakegpu/access.h"
#include "tests/fakegpu/ops.h"

namespace fakegpu {
namespace {

// Instruction::flags: the space; whether addresses are 32 bits wide; whether what is loaded keeps its sign; whether it
// synchronises.
enum MemoryFlags : uint16_t { kSpaceMask = 7, kNarrowAddress = 8, kSigned = 16, kStrong = 32 };
enum Where : uint16_t { kGenericly, kGlobally, kShared, kLocally, kParameter };

void addresses_of(const Warp& w, const Instruction& i, uint64_t* at) {
  if (i.a == kNoCell) {
    for (int l = 0; l < 32; ++l) at[l] = i.offset;
  } else if (i.flags & kNarrowAddress) {
    const uint32_t* base = w.cell<uint32_t>(i.a);
    for (int l = 0; l < 32; ++l) at[l] = static_cast<uint32_t>(base[l] + static_cast<uint32_t>(i.offset));
  } else {
    const uint64_t* base = w.cell<uint64_t>(i.a);
    for (int l = 0; l < 32; ++l) at[l] = base[l] + i.offset;
  }
}

// A generic address becomes one of its space.
Where placed(Where where, uint64_t& at) {
  if (where != kGenericly) return where;
  if (at - kSharedWindow < kWindowSize) return at -= kSharedWindow, kShared;
  if (at - kLocalWindow < kWindowSize) return at -= kLocalWindow, kLocally;
  return kGlobally;
}

void count_request(Warp& w, Where where, const uint64_t* at, uint32_t lanes, uint32_t bytes, bool is_store) {
  if (where == kGenericly) {
    uint64_t first = at[__builtin_ctz(lanes)];
    where = placed(where, first);
  }
  if (where == kGlobally) count_sectors(w, at, lanes, bytes, is_store);
  if (where == kShared) count_conflicts(w, at, lanes, bytes);
  if (where == kLocally) ++w.block->launch->counters.local_accesses;
}

uint8_t* place(Warp& w, Where where, int l, uint64_t at, uint32_t bytes, Access access, const void* value) {
  switch (placed(where, at)) {
    case kShared: return shared_access(w, l, at, bytes, access, value);
    case kLocally: return local_access(w, l, at, bytes, access);
    case kParameter: return const_cast<uint8_t*>(parameter_access(w, l, at, bytes));
    default: return global_access(w, l, at, bytes, access);
  }
}

// T: in memory; R: in a register, of at least its size.
template <class T, class R> void ld(Warp& w, const Instruction& i, uint32_t lanes) {
  uint64_t at[32];
  addresses_of(w, i, at);
  const Where where = static_cast<Where>(i.flags & kSpaceMask);
  const uint32_t bytes = sizeof(T) * i.count;
  count_request(w, where, at, lanes, bytes, false);
  const Access access = i.flags & kStrong ? Access::kStrongRead : Access::kRead;
  // Two lanes that may read a place of shared memory are told apart from its writer, so the third that reads it may,
  // too.
  const uint8_t* from = nullptr;
  uint64_t last = ~uint64_t{0}, before_last = ~uint64_t{0};
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    bool is_known = where == kShared && at[l] == last && last == before_last;
    if (!is_known) from = place(w, where, l, at[l], bytes, access, nullptr);
    before_last = last;
    last = at[l];
    for (uint32_t k = 0; k < i.count; ++k) {
      T value;
      memcpy(&value, from + k * sizeof(T), sizeof(T));
      uint32_t cell = i.list[k];
      if (cell != kNoCell) w.cell<R>(cell)[l] = static_cast<R>(value);
    }
  }
}
template <class T, class R> void st(Warp& w, const Instruction& i, uint32_t lanes) {
  uint64_t at[32];
  addresses_of(w, i, at);
  const Where where = static_cast<Where>(i.flags & kSpaceMask);
  const uint32_t bytes = sizeof(T) * i.count;
  count_request(w, where, at, lanes, bytes, true);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    T value[4];
    for (uint32_t k = 0; k < i.count; ++k) value[k] = static_cast<T>(w.cell<R>(i.list[k])[l]);
    memcpy(place(w, where, l, at[l], bytes, i.flags & kStrong ? Access::kAtomic : Access::kWrite, value), value, bytes);
  }
}

template <template <class, class> class Op> Run pick(Type t, int width) {
  bool sign = is_signed(t);
  switch (size_of(t)) {
    case 1:
      return width == 1   ? Op<uint8_t, uint8_t>::run
             : width == 2 ? (sign ? Op<int8_t, int16_t>::run : Op<uint8_t, uint16_t>::run)
             : width == 4 ? (sign ? Op<int8_t, int32_t>::run : Op<uint8_t, uint32_t>::run)
                          : (sign ? Op<int8_t, int64_t>::run : Op<uint8_t, uint64_t>::run);
    case 2:
      return width == 2   ? Op<uint16_t, uint16_t>::run
             : width == 4 ? (sign ? Op<int16_t, int32_t>::run : Op<uint16_t, uint32_t>::run)
                          : (sign ? Op<int16_t, int64_t>::run : Op<uint16_t, uint64_t>::run);
    case 4:
      return width == 4 ? Op<uint32_t, uint32_t>::run
                        : (sign ? Op<int32_t, int64_t>::run : Op<uint32_t, uint64_t>::run);
    case 8: return Op<uint64_t, uint64_t>::run;
    default: return nullptr;
  }
}
template <class T, class R> struct Load { static constexpr Run run = ld<T, R>; };
template <class T, class R> struct Store { static constexpr Run run = st<T, R>; };

Where take_space(Decoder& d) {
  std::string space =
      d.take_any({"global", "shared", "shared::cta", "local", "param", "const", "param::entry", "param::func"});
  if (space == "global" || space == "const") return kGlobally;
  if (space == "shared" || space == "shared::cta") return kShared;
  if (space == "local") return kLocally;
  return space.empty() ? kGenericly : kParameter;
}

// How the caches are asked to behave changes nothing here.
void take_hints(Decoder& d) {
  for (const char* hint :
       {"nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "weak", "L1::evict_normal", "L1::evict_unchanged",
        "L1::evict_first", "L1::evict_last", "L1::no_allocate", "L2::64B", "L2::128B", "L2::256B", "unified"})
    d.take(hint);
}
bool take_strength(Decoder& d) {
  std::string strength = d.take_any({"volatile", "relaxed", "acquire", "release"});
  if (d.has("L2::cache_hint")) d.unsupported("unsupported: a cache hint");
  d.take_any({"cta", "gpu", "sys", "cluster"});
  return !strength.empty();
}

// Fills the address; says the space.
Where take_address(Decoder& d, Instruction& out, size_t i, Where where) {
  Decoder::Place place = d.address(i);
  out.a = place.base;
  out.offset = place.offset;
  if (place.base_width == 4) out.flags |= kNarrowAddress;
  if (place.space == Space::kLocal) where = kLocally;
  else if (where == kParameter && place.base == kNoCell && !place.is_kernel_parameter)
    d.unsupported("an address in no parameter");
  return where;
}

template <template <class, class> class Op> void decode_access(Decoder& d, Instruction& out) {
  bool is_store = d.statement().opcode == "st";
  Where where = take_space(d);
  take_hints(d);
  bool strong = take_strength(d);
  std::string vector = d.take_any({"v2", "v4", "v8"});
  Type t = d.take_type();
  where = take_address(d, out, is_store ? 0 : 1, where);
  out.count = vector.empty() ? 1 : vector[1] - '0';
  if (out.count == 8) d.unsupported("unsupported: vectors of 8");
  const Operand& values = d.operand(is_store ? 1 : 0);
  const std::vector<Operand> list = vector.empty() ? std::vector<Operand>{values} : values.parts;
  if (list.size() != out.count) d.unsupported("as many registers as the vector has elements are wanted");
  int width = size_of(t);
  for (const Operand& each : list) width = std::max(width, d.width(each) ? static_cast<int>(d.width(each)) : width);
  for (const Operand& each : list) {
    bool is_wide_number = each.kind == Operand::kInteger && width > size_of(t);
    out.list.push_back(is_wide_number ? d.constant(each.bits, width)
                       : is_store     ? d.source(each, t, true)
                                      : d.destination(each, t, true));
    if (d.width(each) && static_cast<int>(d.width(each)) != width) d.unsupported("registers of several widths");
  }
  out.flags |= where | (strong ? kStrong : 0);
  set_run(d, out, pick<Op>(t, width), t);
}

void nothing(Warp&, const Instruction&, uint32_t) {}
void decode_prefetch(Decoder& d, Instruction& out) {
  take_space(d);
  d.take_any({"L1", "L2"});
  d.address(0);
  out.run = nothing;
}

}  // namespace

void add_memory_opcodes(OpcodeTable& t) {
  t["ld"] = decode_access<Load>;
  t["ldu"] = decode_access<Load>;
  t["st"] = decode_access<Store>;
  t["prefetch"] = decode_prefetch;
}

}  // namespace fakegpu
