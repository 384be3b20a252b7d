// What goes on elsewhere than at the next instruction: bra call ret exit trap, the barriers of a block, fences, pauses.
#include "tests/fakegpu/ops.h"

namespace fakegpu {

void warp_barrier(Warp& w, const Instruction& i, uint32_t lanes);

namespace {

void nothing(Warp&, const Instruction&, uint32_t) {}

void decode_bra(Decoder& d, Instruction& out) {
  d.take("uni");
  d.label_target(0);
  out.control = Control::kBranch;
}
template <Control control> void decode_end(Decoder& d, Instruction& out) {
  d.take("uni");
  out.control = control;
}

void trap(Warp& w, const Instruction&, uint32_t lanes) {
  fault(w, __builtin_ctz(lanes), kIllegalInstruction, "trap");
}
void decode_trap(Decoder&, Instruction& out) { out.run = trap; }

// ---- calls: what is handed over lies in local memory, in places that differ between the caller and the callee
void copy_local(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) { memcpy(w.local_of(l) + i.offset, w.local_of(l) + i.target, i.flags); });
}
void hand_over(Decoder& d, const Instruction& like, const Operand& list, const Function& callee,
               const std::vector<uint32_t>& formal, bool back, std::vector<Instruction>& copies) {
  if (list.parts.size() != formal.size())
    d.unsupported(std::to_string(list.parts.size()) + " parameters for " + std::to_string(formal.size()));
  for (size_t k = 0; k < formal.size(); ++k) {
    const Operand& actual = list.parts[k];
    if (actual.kind != Operand::kVariable) d.unsupported("unsupported: a parameter that is no variable");
    uint64_t ours = d.frame_offset(d.function(), actual.index), theirs = d.frame_offset(callee, formal[k]);
    Instruction copy = like;
    copy.run = copy_local;
    copy.offset = back ? ours : theirs;
    copy.target = back ? theirs : ours;
    copy.flags = std::min(d.function().variables[actual.index].size, callee.variables[formal[k]].size);
    copies.push_back(std::move(copy));
  }
}

void assertion(Warp& w, const Instruction&, uint32_t lanes) {
  fault(w, __builtin_ctz(lanes), kAssert, "an assertion of the kernel does not hold");
}

void decode_call(Decoder& d, Instruction& out) {
  d.take("uni");
  bool returns = d.operand(0).kind == Operand::kVector;
  size_t name = returns ? 1 : 0;
  if (d.operand(name).name == "__assertfail") {
    out.run = assertion;
    return;
  }
  Instruction like = out;
  d.call_target(name, out);
  const Function& callee = *d.callee(d.operand(name).name);
  static const Operand none;
  std::vector<Instruction> before, after;
  hand_over(d, like, d.operand_count() > name + 1 ? d.operand(name + 1) : none, callee, callee.parameters, false,
            before);
  hand_over(d, like, returns ? d.operand(0) : none, callee, callee.results, true, after);
  for (Instruction& copy : before) d.emit(std::move(copy));
  out.control = Control::kCall;
  if (after.empty()) return;
  d.emit(std::move(out));
  for (size_t k = 0; k + 1 < after.size(); ++k) d.emit(std::move(after[k]));
  out = std::move(after.back());
}

// ---- barriers
void decode_barrier(Decoder& d, Instruction& out) {
  if (d.take("warp")) {
    d.take("sync");
    out.a = d.source(0, Type::kU32);
    out.run = warp_barrier;
    return;
  }
  d.take("cta");
  d.take("aligned");
  std::string kind = d.take_any({"sync", "arrive", "red"});
  if (kind.empty()) d.unsupported("unsupported barrier");
  out.control = Control::kBarrier;
  out.run = nothing;
  d.out().has_barrier = true;
  if (kind == "red") {
    std::string operation = d.take_any({"popc", "and", "or"});
    Type t = d.take_type();
    size_t n = d.operand_count();
    out.flags = operation == "popc" ? kBarrierPopc : operation == "and" ? kBarrierAnd : kBarrierOr;
    out.d = d.destination(0, t);
    out.a = d.source(1, Type::kU32);
    if (n == 4) out.b = d.source(2, Type::kU32);
    out.c = d.source(n - 1, Type::kPred);
    return;
  }
  out.flags = kind == "sync" ? kBarrierSync : kBarrierArrive;
  out.a = d.source(0, Type::kU32);
  if (d.operand_count() > 1) out.b = d.source(1, Type::kU32);
  if (out.flags == kBarrierArrive)
    out.run = [](Warp& w, const Instruction& i, uint32_t) { w.block->arrived[w.cell<uint32_t>(i.a)[0] & 15] += 32; };
}

// Lanes and warps take turns, so memory is in order as it is. Between lanes only a barrier counts: see access.
void decode_fence(Decoder& d, Instruction& out) {
  for (const char* kind : {"sc", "acq_rel", "acquire", "release", "cta", "gpu", "gl", "sys", "cluster", "proxy",
                           "async", "alias", "shared::cta", "global", "generic", "mbarrier_init"})
    d.take(kind);
  out.run = nothing;
}
void decode_pause(Decoder& d, Instruction& out) {
  for (const char* kind : {"u32", "wait", "launch_dependents"}) d.take(kind);
  out.run = nothing;
}

}  // namespace

void add_control_opcodes(OpcodeTable& t) {
  t["bra"] = decode_bra;
  t["ret"] = decode_end<Control::kReturn>;
  t["exit"] = decode_end<Control::kExit>;
  t["trap"] = decode_trap;
  t["call"] = decode_call;
  t["bar"] = decode_barrier;
  t["barrier"] = decode_barrier;
  t["membar"] = decode_fence;
  t["fence"] = decode_fence;
  t["nanosleep"] = decode_pause;
  t["griddepcontrol"] = decode_pause;
}

}  // namespace fakegpu
