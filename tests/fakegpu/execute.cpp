// execute: a launch -> its blocks one after another, the warps of each until they end or wait, the lanes of a warp in
// lockstep.
//
// Lanes that part run lowest program counter first, which brings them together again where their ways join. Nothing
// runs at the same time as anything else, so that every run of a launch is the same; `reversed` gives the opposite
// order of blocks and warps.
#include <algorithm>
#include <bit>
#include <cstring>

#include "tests/fakegpu/machine.h"

namespace fakegpu {
namespace {

std::string triple(const uint32_t* v) {
  return "(" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + ")";
}

uint32_t threads_of(const Launch& launch) { return launch.block[0] * launch.block[1] * launch.block[2]; }
uint32_t warps_of(const Launch& launch) { return (threads_of(launch) + 31) / 32; }

uint32_t special_value(const Warp& warp, Special kind, uint32_t lane) {
  const Launch& launch = *warp.block->launch;
  uint32_t thread = warp.thread(lane), x = launch.block[0], y = launch.block[1];
  switch (kind) {
    case Special::kTidX: return thread % x;
    case Special::kTidY: return thread / x % y;
    case Special::kTidZ: return thread / x / y;
    case Special::kNtidX: return x;
    case Special::kNtidY: return y;
    case Special::kNtidZ: return launch.block[2];
    case Special::kCtaidX: return warp.block->index[0];
    case Special::kCtaidY: return warp.block->index[1];
    case Special::kCtaidZ: return warp.block->index[2];
    case Special::kNctaidX: return launch.grid[0];
    case Special::kNctaidY: return launch.grid[1];
    case Special::kNctaidZ: return launch.grid[2];
    case Special::kLaneid: return lane;
    case Special::kWarpid: return warp.number;
    case Special::kNwarpid: return warps_of(launch);
    case Special::kLanemaskEq: return 1u << lane;
    case Special::kLanemaskLt: return (1u << lane) - 1;
    case Special::kLanemaskLe: return (2u << lane) - 1;
    case Special::kLanemaskGt: return ~((2u << lane) - 1);
    case Special::kLanemaskGe: return ~((1u << lane) - 1);
    case Special::kSmid: return 0;
    case Special::kNsmid: return 1;
    case Special::kDynamicShared: return launch.dynamic_shared;
    case Special::kTotalShared: return warp.kernel->dynamic_shared_at() + launch.dynamic_shared;
  }
  return 0;
}

void begin_warp(Warp& warp, Block& block, uint32_t number) {
  const Kernel& kernel = *block.launch->kernel;
  warp.block = &block;
  warp.kernel = &kernel;
  warp.number = number;
  if (warp.registers.size() != kernel.register_bytes) warp.registers.assign(kernel.register_bytes, 0xab);
  warp.local.assign(static_cast<size_t>(kernel.local_bytes) * 32, 0xff);
  warp.base[0] = warp.registers.data();
  warp.base[1] = reinterpret_cast<uint8_t*>(const_cast<uint64_t*>(kernel.constants.data()));
  uint32_t threads = std::min(threads_of(*block.launch) - number * 32, 32u);
  warp.live = threads == 32 ? ~0u : (1u << threads) - 1;
  warp.carry = 0;
  warp.step = 1;
  warp.executed = 0;
  warp.waits_at = nullptr;
  warp.async_groups.clear();
  warp.async_open.clear();
  std::fill(std::begin(warp.pc), std::end(warp.pc), 0);
  for (const SpecialCell& special : kernel.specials)
    for (int l = 0; l < 32; ++l) warp.cell<uint32_t>(special.cell)[l] = special_value(warp, special.kind, l);
}

// Lanes that run together: those of `lanes` at the lowest of their program counters, and the counter at which another
// joins them.
struct Group { uint32_t lanes, pc, stop; };

Group lowest_group(const uint32_t* pc, uint32_t lanes) {
  Group group{0, ~0u, ~0u};
  for (uint32_t rest = lanes; rest; rest &= rest - 1) group.pc = std::min(group.pc, pc[std::countr_zero(rest)]);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = std::countr_zero(rest);
    if (pc[l] == group.pc) group.lanes |= 1u << l;
    else group.stop = std::min(group.stop, pc[l]);
  }
  return group;
}

void set_all(uint32_t* pc, uint32_t lanes, uint32_t value) {
  for (; lanes; lanes &= lanes - 1) pc[std::countr_zero(lanes)] = value;
}

void count_step(Warp& warp, uint32_t lanes) {
  Launch& launch = *warp.block->launch;
  ++launch.counters.instructions;
  launch.counters.lane_instructions += lanes == ~0u ? 32 : std::popcount(lanes);
  if (++warp.executed > launch.instruction_limit)
    fault(warp, -1, kLaunchTimeout,
          "runs for ever: more than " + std::to_string(launch.instruction_limit) + " instructions of one warp");
}

// Runs the lanes of `left` until none is left or, in a kernel's own body, the warp waits at a barrier.
void run_lanes(Warp& warp, uint32_t* pc, uint32_t& left, bool in_function) {
  const Instruction* code = warp.kernel->code.data();
  while (left) {
    auto [lanes, at, stop] = lowest_group(pc, left);
    for (bool together = true; together;) {
      const Instruction& i = code[at];
      warp.now = &i;
      count_step(warp, lanes);
      uint32_t active = i.guard == kNoCell ? lanes : lanes & warp.predicate(i.guard);
      switch (i.control) {
        case Control::kNext:
          if (active) i.run(warp, i, active);
          ++at;
          break;
        case Control::kCall:
          if (active) run_function(warp, active, i.target);
          ++at;
          break;
        case Control::kBranch:
          set_all(pc, active, i.target);
          set_all(pc, lanes & ~active, at + 1);
          together = active == 0 || active == lanes;
          at = active ? i.target : at + 1;
          break;
        case Control::kReturn:
        case Control::kExit:
          left &= ~active;
          lanes &= ~active;
          if (i.control == Control::kExit && in_function)
            fault(warp, -1, kIllegalInstruction, "unsupported: exit within a called function");
          set_all(pc, lanes, ++at);
          together = lanes != 0;
          break;
        case Control::kBarrier:
          if (!active) { ++at; break; }
          if (in_function) fault(warp, -1, kIllegalInstruction, "unsupported: a barrier within a called function");
          if (active != left)
            fault(warp, std::countr_zero(left & ~active), kLaunchFailed,
                  "divergent barrier: this thread of the warp is elsewhere");
          set_all(pc, left, at + 1);
          i.run(warp, i, active);
          if (i.flags == kBarrierArrive) { ++at; break; }
          warp.waits_at = &i;
          return;
      }
      if (together && at >= stop) {
        set_all(pc, lanes, at);
        together = false;
      }
    }
  }
}

void finish_warp(Warp& warp) {
  if (warp.live || warp.async_open.empty()) return;
  fault(warp, -1, kLaunchFailed, "a thread ends with copies to shared memory that no cp.async.commit_group closed");
}

// ---- barriers of a block

uint32_t barrier_number(const Warp& warp) { return warp.cell<uint32_t>(warp.waits_at->a)[0]; }

uint32_t expected_threads(const Warp& warp) {
  return warp.waits_at->b == kNoCell ? 0 : warp.cell<uint32_t>(warp.waits_at->b)[std::countr_zero(warp.live)];
}

void deliver(std::vector<Warp*>& waiting) {
  uint32_t count = 0, threads = 0;
  for (Warp* warp : waiting) {
    threads += std::popcount(warp->live);
    if (warp->waits_at->c != kNoCell) count += std::popcount(warp->predicate(warp->waits_at->c) & warp->live);
  }
  for (Warp* warp : waiting) {
    const Instruction& i = *warp->waits_at;
    if (i.flags == kBarrierPopc) for_lanes(warp->live, [&](int l) { warp->cell<uint32_t>(i.d)[l] = count; });
    if (i.flags == kBarrierAnd) warp->set_predicate(i.d, warp->live, count == threads ? ~0u : 0);
    if (i.flags == kBarrierOr) warp->set_predicate(i.d, warp->live, count ? ~0u : 0);
    ++warp->step;
    warp->waits_at = nullptr;
  }
}

// Lets go those who wait at one barrier, if all have come that it waits for.
bool release_one(Block& block, std::vector<Warp>& warps) {
  for (uint32_t number = 0; number < 16; ++number) {
    std::vector<Warp*> waiting;
    uint32_t living = 0;
    for (Warp& warp : warps) {
      living += warp.live != 0;
      if (warp.waits_at && barrier_number(warp) == number) waiting.push_back(&warp);
    }
    if (waiting.empty()) continue;
    uint32_t expected = expected_threads(*waiting[0]);
    bool is_complete = expected ? waiting.size() * 32 + block.arrived[number] >= expected : waiting.size() == living;
    if (!is_complete) continue;
    for (Warp* warp : waiting)
      if (!expected && warp->waits_at != waiting[0]->waits_at) {
        warp->now = warp->waits_at;
        fault(*warp, -1, kLaunchFailed,
              "divergent barrier: another warp waits at " + place_of(*warp->kernel, waiting[0]->waits_at->line));
      }
    deliver(waiting);
    block.arrived[number] = 0;
    ++block.epoch;
    ++block.launch->counters.barriers;
    return true;
  }
  return false;
}

void run_block_with_barriers(Block& block, std::vector<Warp>& warps) {
  uint32_t count = warps_of(*block.launch);
  for (uint32_t w = 0; w < count; ++w) begin_warp(warps[w], block, w);
  for (;;) {
    bool all_done = true;
    for (uint32_t k = 0; k < count; ++k) {
      Warp& warp = warps[block.launch->reversed ? count - 1 - k : k];
      if (!warp.live || warp.waits_at) continue;
      run_lanes(warp, warp.pc, warp.live, false);
      finish_warp(warp);
    }
    Warp* waiter = nullptr;
    for (Warp& warp : warps) {
      all_done &= warp.live == 0;
      if (warp.waits_at) waiter = &warp;
    }
    if (all_done) return;
    if (release_one(block, warps)) continue;
    waiter->now = waiter->waits_at;
    fault(*waiter, -1, kLaunchTimeout, "a barrier that not all threads reach: this warp waits for ever");
  }
}

void run_block(Block& block, std::vector<Warp>& warps) {
  if (block.launch->kernel->has_barrier) return run_block_with_barriers(block, warps);
  uint32_t count = warps_of(*block.launch);
  for (uint32_t k = 0; k < count; ++k) {
    begin_warp(warps[0], block, block.launch->reversed ? count - 1 - k : k);
    run_lanes(warps[0], warps[0].pc, warps[0].live, false);
    finish_warp(warps[0]);
  }
}

}  // namespace

std::string place_of(const Kernel& kernel, uint32_t line) {
  std::string text = kernel.text->line(line);
  text.erase(0, std::min(text.find_first_not_of(" \t"), text.size()));
  return "PTX line " + std::to_string(line) + ": " + text;
}

void fault(const Warp& warp, int lane, int error, const std::string& what) {
  std::string message = "kernel " + warp.kernel->name + ": " + what + "; block " + triple(warp.block->index);
  if (lane >= 0) {
    uint32_t t = warp.thread(lane);
    const uint32_t* size = warp.block->launch->block;
    uint32_t place[3] = {t % size[0], t / size[0] % size[1], t / size[0] / size[1]};
    message += " thread " + triple(place);
  } else {
    message += " warp " + std::to_string(warp.number);
  }
  throw KernelFault(error, message + ", " + place_of(*warp.kernel, warp.now->line));
}

void run_function(Warp& warp, uint32_t lanes, uint32_t at) {
  const Instruction* caller = warp.now;
  uint32_t pc[32], left = lanes;
  std::fill(std::begin(pc), std::end(pc), at);
  run_lanes(warp, pc, left, true);
  warp.now = caller;
}

void run_launch(Launch& launch) {
  const Kernel& kernel = *launch.kernel;
  uint32_t shared = kernel.dynamic_shared_at() + launch.dynamic_shared;
  std::vector<Warp> warps(kernel.has_barrier ? warps_of(launch) : 1);
  Block block;
  block.launch = &launch;
  uint64_t count = static_cast<uint64_t>(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  for (uint64_t k = 0; k < count; ++k) {
    uint64_t number = launch.reversed ? count - 1 - k : k;
    block.index[0] = number % launch.grid[0];
    block.index[1] = number / launch.grid[0] % launch.grid[1];
    block.index[2] = number / launch.grid[0] / launch.grid[1];
    block.shared.assign(shared, 0xff);
    block.shadow.assign(shared / kernel.shared_granule + 1, {});
    block.epoch = 1;
    std::fill(std::begin(block.arrived), std::end(block.arrived), 0);
    run_block(block, warps);
    ++launch.counters.blocks;
  }
  ++launch.counters.launches;
}

}  // namespace fakegpu
