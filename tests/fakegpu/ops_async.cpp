// cp.async: copies from global to shared memory that count as done once a wait_group says so; until then nobody may
// look there.
#include <algorithm>

#include "tests/fakegpu/access.h"
#include "tests/fakegpu/ops.h"

namespace fakegpu {
namespace {

// Instruction: a, offset and e, target are the source and the place in shared memory; count the bytes; b how many of
// them come from the source, c a predicate that says none do. The rest is zeros.
void start(Warp& w, const Instruction& i, uint32_t lanes) {
  uint64_t from[32] = {};
  for_lanes(lanes, [&](int l) { from[l] = w.cell<uint64_t>(i.a)[l] + i.offset; });
  count_sectors(w, from, lanes, i.count, false);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    uint64_t base = i.flags ? w.cell<uint32_t>(i.e)[l] : w.cell<uint64_t>(i.e)[l];
    AsyncCopy copy{static_cast<uint32_t>(base + static_cast<int32_t>(i.target)), i.count, i.count,
                   static_cast<uint32_t>(l), from[l]};
    if (i.b != kNoCell) copy.source_bytes = std::min<uint32_t>(w.cell<uint32_t>(i.b)[l], i.count);
    if (i.c != kNoCell && (w.predicate(i.c) >> l & 1)) copy.source_bytes = 0;
    if (copy.from & (i.count - 1u))
      fault(w, l, kMisalignedAddress, "misaligned source of cp.async of " + std::to_string(i.count) + " bytes");
    // A part of the bytes that is no power of two long is looked at byte by byte.
    if (copy.source_bytes == copy.bytes) global_access(w, l, copy.from, copy.bytes, Access::kRead);
    else for (uint32_t k = 0; k < copy.source_bytes; ++k) global_access(w, l, copy.from + k, 1, Access::kRead);
    memset(shared_access(w, l, copy.to, copy.bytes, Access::kWrite, nullptr), 0xff, copy.bytes);
    set_pending(*w.block, copy.to, copy.bytes, true);
    w.async_open.push_back(copy);
  }
}

void finish(Warp& w, const AsyncCopy& copy) {
  set_pending(*w.block, copy.to, copy.bytes, false);
  uint8_t* to = shared_access(w, copy.lane, copy.to, copy.bytes, Access::kWrite, nullptr);
  memset(to, 0, copy.bytes);
  Allocation* a = copy.source_bytes ? w.block->launch->memory->find(copy.from, copy.source_bytes) : nullptr;
  if (a) memcpy(to, a->bytes + (copy.from - a->address), copy.source_bytes);
}

void whole_warp(Warp& w, uint32_t lanes, const char* what) {
  if (lanes != w.live) fault(w, -1, kIllegalInstruction, std::string("unsupported: ") + what + " by a part of a warp");
}
void commit(Warp& w, const Instruction&, uint32_t lanes) {
  whole_warp(w, lanes, "cp.async.commit_group");
  w.async_groups.push_back(std::move(w.async_open));
  w.async_open.clear();
}
void wait(Warp& w, const Instruction& i, uint32_t lanes) {
  whole_warp(w, lanes, "cp.async.wait_group");
  while (w.async_groups.size() > i.target) {
    for (const AsyncCopy& copy : w.async_groups.front()) finish(w, copy);
    w.async_groups.erase(w.async_groups.begin());
  }
}
void wait_all(Warp& w, const Instruction& i, uint32_t lanes) {
  commit(w, i, lanes);
  wait(w, i, lanes);
}

void decode_start(Decoder& d, Instruction& out) {
  std::string cache = d.take_any({"ca", "cg"});
  bool spaces = (d.take("shared") || d.take("shared::cta")) && d.take("global");
  for (const char* hint : {"L2::64B", "L2::128B", "L2::256B"}) d.take(hint);
  if (!spaces || cache.empty()) d.unsupported("unsupported form");
  Decoder::Place to = d.address(0), from = d.address(1);
  if (to.base == kNoCell || from.base == kNoCell || from.base_width != 8)
    d.unsupported("unsupported: an address without a register");
  const Operand& bytes = d.operand(2);
  bool fits =
      bytes.kind == Operand::kInteger && (bytes.bits == 16 || (cache == "ca" && (bytes.bits == 4 || bytes.bits == 8)));
  if (!fits) d.unsupported("unsupported size");
  out.e = to.base;
  out.target = static_cast<uint32_t>(to.offset);
  out.flags = to.base_width == 4;
  out.a = from.base;
  out.offset = from.offset;
  out.count = bytes.bits;
  if (d.operand_count() > 3) {
    bool is_predicate =
        d.operand(3).kind == Operand::kRegister && d.function().registers[d.operand(3).index] == Type::kPred;
    (is_predicate ? out.c : out.b) = d.source(3, is_predicate ? Type::kPred : Type::kU32);
  }
  out.run = start;
}

void decode_cp(Decoder& d, Instruction& out) {
  if (!d.take("async")) d.unsupported("unsupported form");
  if (d.take("commit_group")) {
    out.run = commit;
  } else if (d.take("wait_group")) {
    if (d.operand(0).kind != Operand::kInteger) d.unsupported("a number of groups that is no number");
    out.target = d.operand(0).bits;
    out.run = wait;
  } else if (d.take("wait_all")) {
    out.run = wait_all;
  } else {
    decode_start(d, out);
  }
}

}  // namespace

void add_async_opcodes(OpcodeTable& t) { t["cp"] = decode_cp; }

}  // namespace fakegpu
