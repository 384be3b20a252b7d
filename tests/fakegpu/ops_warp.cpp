// What the lanes of a warp do together: shfl vote match redux elect activemask bar.warp.sync.
#include <algorithm>
#include <bit>

#include "tests/fakegpu/ops.h"

namespace fakegpu {
namespace {

// Lanes that the mask names have to be here, unless they have ended; and who is here has to be named.
uint32_t members(Warp& w, uint32_t mask_cell, uint32_t lanes, const char* what) {
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = std::countr_zero(rest);
    uint32_t mask = w.cell<uint32_t>(mask_cell)[l];
    uint32_t missing = mask & w.live & ~lanes;
    if (missing)
      fault(w, std::countr_zero(missing), kLaunchFailed,
            std::string("divergent ") + what + ": the mask names this thread, which is elsewhere");
    if (!(mask >> l & 1)) fault(w, l, kLaunchFailed, std::string(what) + ": the mask does not name this thread");
  }
  return w.cell<uint32_t>(mask_cell)[std::countr_zero(lanes)];
}

enum Shuffle : uint16_t { kUp, kDown, kButterfly, kIndex };

void shfl(Warp& w, const Instruction& i, uint32_t lanes) {
  members(w, i.e, lanes, "shfl.sync");
  uint32_t in[32], out[32], valid = 0;
  memcpy(in, w.cell<uint32_t>(i.a), sizeof in);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = std::countr_zero(rest);
    int b = w.cell<uint32_t>(i.b)[l] & 31, c = w.cell<uint32_t>(i.c)[l], clamp = c & 31, segment = c >> 8 & 31;
    int last = (l & segment) | (clamp & ~segment), first = l & segment, from = l;
    bool inside = true;
    switch (i.flags) {
      case kUp: from = l - b; inside = from >= last; break;
      case kDown: from = l + b; inside = from <= last; break;
      case kButterfly: from = l ^ b; inside = from <= last; break;
      default: from = first | (b & ~segment); inside = from <= last;
    }
    if (!inside) from = l;
    if (inside && !(lanes >> from & 1))
      fault(w, l, kLaunchFailed, "shfl.sync reads from lane " + std::to_string(from) + ", which is not here");
    out[l] = in[from];
    valid |= static_cast<uint32_t>(inside) << l;
  }
  uint32_t* d = w.cell<uint32_t>(i.d);
  for_lanes(lanes, [&](int l) { d[l] = out[l]; });
  if (i.list.size()) w.set_predicate(i.list[0], lanes, valid);
}
void decode_shfl(Decoder& d, Instruction& out) {
  if (!d.take("sync")) d.unsupported("unsupported: without .sync");
  std::string way = d.take_any({"up", "down", "bfly", "idx"});
  Type t = d.take_type();
  out.d = d.destination(0, t);
  if (!d.operand(0).parts.empty()) out.list.push_back(d.destination(d.operand(0).parts[0], Type::kPred, false));
  out.a = d.source(1, t);
  out.b = d.source(2, Type::kU32);
  out.c = d.source(3, Type::kU32);
  out.e = d.source(4, Type::kU32);
  out.flags = way == "up" ? kUp : way == "down" ? kDown : way == "bfly" ? kButterfly : kIndex;
  set_run(d, out, t == Type::kB32 && !way.empty() ? shfl : nullptr, t);
}

enum Vote : uint16_t { kBallot, kAny, kAll, kUni };

void vote(Warp& w, const Instruction& i, uint32_t lanes) {
  members(w, i.e, lanes, "vote.sync");
  uint32_t yes = w.predicate(i.a) & lanes;
  if (i.flags == kBallot) return for_lanes(lanes, [&](int l) { w.cell<uint32_t>(i.d)[l] = yes; });
  bool holds = i.flags == kAny ? yes != 0 : i.flags == kAll ? yes == lanes : yes == 0 || yes == lanes;
  w.set_predicate(i.d, lanes, holds ? ~0u : 0);
}
void decode_vote(Decoder& d, Instruction& out) {
  if (!d.take("sync")) d.unsupported("unsupported: without .sync");
  std::string mode = d.take_any({"ballot", "any", "all", "uni"});
  Type t = d.take_type();
  if (mode.empty() || (t == Type::kPred) == (mode == "ballot")) d.unsupported("unsupported form");
  out.d = d.destination(0, t);
  out.a = d.source(1, Type::kPred);
  out.e = d.source(2, Type::kU32);
  out.flags = mode == "ballot" ? kBallot : mode == "any" ? kAny : mode == "all" ? kAll : kUni;
  out.run = vote;
}

template <class T, bool all> void match(Warp& w, const Instruction& i, uint32_t lanes) {
  members(w, i.e, lanes, "match.sync");
  uint32_t holds = 0, result[32] = {};
  for_lanes(lanes, [&](int l) {
    for_lanes(lanes, [&](int k) { result[l] |= static_cast<uint32_t>(w.cell<T>(i.a)[k] == w.cell<T>(i.a)[l]) << k; });
    if (result[l] == lanes) holds |= 1u << l;
    if (all && result[l] != lanes) result[l] = 0;
  });
  for_lanes(lanes, [&](int l) { w.cell<uint32_t>(i.d)[l] = result[l]; });
  if (i.list.size()) w.set_predicate(i.list[0], lanes, holds);
}
void decode_match(Decoder& d, Instruction& out) {
  std::string mode = d.take_any({"any", "all"});
  if (!d.take("sync") || mode.empty()) d.unsupported("unsupported form");
  Type t = d.take_type();
  out.d = d.destination(0, Type::kU32);
  if (!d.operand(0).parts.empty()) out.list.push_back(d.destination(d.operand(0).parts[0], Type::kPred, false));
  out.a = d.source(1, t);
  out.e = d.source(2, Type::kU32);
  bool all = mode == "all";
  set_run(d, out, t == Type::kB32 ? (all ? match<uint32_t, true> : match<uint32_t, false>)
                  : t == Type::kB64 ? (all ? match<uint64_t, true> : match<uint64_t, false>) : nullptr, t);
}

enum Reduce : uint16_t { kAdd, kMin, kMax, kAnd, kOr, kXor };
template <class T> void redux(Warp& w, const Instruction& i, uint32_t lanes) {
  members(w, i.e, lanes, "redux.sync");
  T result = w.cell<T>(i.a)[std::countr_zero(lanes)];
  for (uint32_t rest = lanes & (lanes - 1); rest; rest &= rest - 1) {
    T v = w.cell<T>(i.a)[std::countr_zero(rest)];
    switch (i.flags) {
      case kAdd: result += v; break;
      case kMin: result = std::min(result, v); break;
      case kMax: result = std::max(result, v); break;
      case kAnd: result &= v; break;
      case kOr: result |= v; break;
      default: result ^= v;
    }
  }
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = result; });
}
void decode_redux(Decoder& d, Instruction& out) {
  static const char* names[] = {"add", "min", "max", "and", "or", "xor"};
  if (!d.take("sync")) d.unsupported("unsupported: without .sync");
  std::string name = d.take_any({names[0], names[1], names[2], names[3], names[4], names[5]});
  if (name.empty()) d.unsupported("unsupported form");
  Type t = d.take_type();
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.e = d.source(2, Type::kU32);
  out.flags = std::find(std::begin(names), std::end(names), name) - std::begin(names);
  set_run(d, out, t == Type::kS32 ? redux<int32_t> : t == Type::kU32 || t == Type::kB32 ? redux<uint32_t> : nullptr, t);
}

void elect(Warp& w, const Instruction& i, uint32_t lanes) {
  uint32_t mask = members(w, i.e, lanes, "elect.sync");
  int first = std::countr_zero(mask & lanes);
  if (i.d != kNoCell) for_lanes(lanes, [&](int l) { w.cell<uint32_t>(i.d)[l] = first; });
  w.set_predicate(i.list[0], lanes, 1u << first);
}
void decode_elect(Decoder& d, Instruction& out) {
  if (!d.take("sync") || d.operand(0).parts.empty()) d.unsupported("unsupported form");
  out.d = d.destination(0, Type::kU32);
  out.list.push_back(d.destination(d.operand(0).parts[0], Type::kPred, false));
  out.e = d.source(1, Type::kU32);
  out.run = elect;
}

void activemask(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cell<uint32_t>(i.d)[l] = lanes; });
}
void decode_activemask(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, t);
  set_run(d, out, t == Type::kB32 ? activemask : nullptr, t);
}

}  // namespace

// bar.warp.sync; the other barriers are control. See ops_control.
void warp_barrier(Warp& w, const Instruction& i, uint32_t lanes) {
  members(w, i.a, lanes, "bar.warp.sync");
  ++w.step;
}

void add_warp_opcodes(OpcodeTable& t) {
  t["shfl"] = decode_shfl;
  t["vote"] = decode_vote;
  t["match"] = decode_match;
  t["redux"] = decode_redux;
  t["elect"] = decode_elect;
  t["activemask"] = decode_activemask;
}

}  // namespace fakegpu
