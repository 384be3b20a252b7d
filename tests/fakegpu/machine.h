// machine: what runs. A kernel is a list of instructions, each with the function that carries it out for some lanes of
// a warp.
//
// A register is 32 cells of its type, one a lane, beside each other; a predicate is one word with a bit a lane. Both,
// and constants, are named by their byte offset, of which bit 31 says that it is a constant and bit 0, for predicates,
// that it is negated.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/fakegpu/memory.h"
#include "tests/fakegpu/ptx.h"

namespace fakegpu {

struct Warp;
struct Instruction;
using Run = void (*)(Warp&, const Instruction&, uint32_t lanes);

constexpr uint32_t kConstantBit = 1u << 31, kNegatedBit = 1, kNoCell = ~0u;

enum class Control : uint8_t { kNext, kBranch, kReturn, kExit, kBarrier, kCall };

struct Instruction {
  Run run = nullptr;
  uint32_t d = kNoCell, a = kNoCell, b = kNoCell, c = kNoCell, e = kNoCell;  // cells
  int64_t offset = 0;                // of an address
  uint32_t target = 0;               // index of an instruction
  uint32_t guard = kNoCell;          // predicate
  uint32_t line = 0;
  uint16_t flags = 0;                // what the opcode's family says
  uint8_t count = 1, width = 0;      // elements of a vector, bytes of an element
  Control control = Control::kNext;
  std::vector<uint32_t> list;        // cells of vectors
};

// Places within 64-bit addresses where generic addressing finds a block's shared and a lane's local memory.
constexpr uint64_t kSharedWindow = 0x1'0000'0000, kLocalWindow = 0x2'0000'0000, kWindowSize = 0x1'0000'0000;

struct Parameter { uint32_t offset, size; };

// Registers that hold where a lane is, filled when its warp begins.
enum class Special : uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneid,
  kWarpid,
  kNwarpid,
  kLanemaskEq,
  kLanemaskLt,
  kLanemaskLe,
  kLanemaskGt,
  kLanemaskGe,
  kSmid,
  kNsmid,
  kDynamicShared,
  kTotalShared,
};
constexpr const char* kSpecialNames[] = {
    "%tid.x",
    "%tid.y",
    "%tid.z",
    "%ntid.x",
    "%ntid.y",
    "%ntid.z",
    "%ctaid.x",
    "%ctaid.y",
    "%ctaid.z",
    "%nctaid.x",
    "%nctaid.y",
    "%nctaid.z",
    "%laneid",
    "%warpid",
    "%nwarpid",
    "%lanemask_eq",
    "%lanemask_lt",
    "%lanemask_le",
    "%lanemask_gt",
    "%lanemask_ge",
    "%smid",
    "%nsmid",
    "%dynamic_smem_size",
    "%total_smem_size",
};
static_assert(sizeof kSpecialNames / sizeof *kSpecialNames == static_cast<size_t>(Special::kTotalShared) + 1);
struct SpecialCell { Special kind; uint32_t cell; };

struct Kernel {
  std::string name;
  std::shared_ptr<const Module> text;
  std::vector<Instruction> code;
  uint32_t register_bytes = 0, local_bytes = 0, static_shared = 0, shared_granule = 4;
  std::vector<uint64_t> constants;  // cells, 8 bytes a lane's pair or so: see Decoder::constant
  std::vector<SpecialCell> specials;
  std::vector<Parameter> parameters;
  uint32_t parameter_bytes = 0, max_threads = 0;
  bool has_barrier = false;

  uint32_t dynamic_shared_at() const { return (static_shared + 15) / 16 * 16; }
};

// Why a kernel stops: `error` is the driver's number for it.
struct KernelFault : std::runtime_error {
  KernelFault(int error, const std::string& what) : std::runtime_error(what), error(error) {}
  int error;
};
enum DriverError : int {
  kIllegalAddress = 700,
  kLaunchTimeout = 702,
  kAssert = 710,
  kIllegalInstruction = 715,
  kMisalignedAddress = 716,
  kLaunchFailed = 719,
};

struct Counters {
  uint64_t launches = 0, blocks = 0, instructions = 0, lane_instructions = 0;
  // requests of warps, 32-byte sectors, bytes the lanes asked for
  uint64_t global_loads = 0, global_stores = 0, sectors = 0, bytes = 0;
  uint64_t shared_accesses = 0, bank_conflicts = 0;                      // requests, extra passes
  uint64_t local_accesses = 0, atomics = 0, barriers = 0, matrix_products = 0;
};

// What happened to a unit of shared memory since the last barrier.
struct SharedShadow {
  uint32_t write_epoch = 0, read_epoch = 0;  // of the block; 0: never
  uint32_t write_step = 0, read_step = 0;    // of the warp, between its own synchronisations
  uint16_t writer = 0, reader = 0;           // thread of the block; kSeveral
  bool atomic = false;
  bool pending = false;                      // a cp.async that nobody has waited for fills it
};

struct Launch {
  const Kernel* kernel = nullptr;
  uint32_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, dynamic_shared = 0;
  std::vector<uint8_t> parameters;
  DeviceMemory* memory = nullptr;
  Counters counters;
  bool reversed = false;
  uint64_t instruction_limit = 0;
};

struct Block {
  Launch* launch = nullptr;
  uint32_t index[3] = {0, 0, 0};
  uint32_t epoch = 1;
  std::vector<uint8_t> shared;
  std::vector<SharedShadow> shadow;  // a unit of Kernel::shared_granule bytes each
  uint32_t arrived[16] = {};         // threads that named barriers count beside those that wait
};

struct AsyncCopy { uint32_t to, bytes, source_bytes, lane; uint64_t from; };

struct Warp {
  Block* block = nullptr;
  const Kernel* kernel = nullptr;
  uint8_t* base[2] = {nullptr, nullptr};  // registers, constants
  uint32_t number = 0;                    // within its block
  uint32_t live = 0, carry = 0;
  uint32_t step = 1;                      // grows with each of its synchronisations
  uint32_t pc[32] = {};
  uint64_t executed = 0;
  std::vector<uint8_t> registers, local;  // local: lane after lane
  std::vector<std::vector<AsyncCopy>> async_groups;
  std::vector<AsyncCopy> async_open;
  const Instruction* waits_at = nullptr;  // the barrier
  const Instruction* now = nullptr;       // being carried out

  template <class T>
  T* cell(uint32_t offset) const { return reinterpret_cast<T*>(base[offset >> 31] + (offset & 0x7ffffff8)); }
  uint32_t predicate(uint32_t offset) const {
    uint32_t value = *cell<uint32_t>(offset);
    return offset & kNegatedBit ? ~value : value;
  }
  void set_predicate(uint32_t offset, uint32_t lanes, uint32_t value) {
    if (offset == kNoCell) return;
    uint32_t* cell_of = cell<uint32_t>(offset);
    *cell_of = (*cell_of & ~lanes) | (value & lanes);
  }
  uint32_t thread(int lane) const { return number * 32 + lane; }
  uint8_t* local_of(int lane) { return local.data() + static_cast<size_t>(lane) * kernel->local_bytes; }
};

template <class Body>
inline void for_lanes(uint32_t lanes, Body body) {
  if (lanes == ~0u) {
#pragma GCC ivdep
    for (int l = 0; l < 32; ++l) body(l);
    return;
  }
  for (; lanes; lanes &= lanes - 1) body(__builtin_ctz(lanes));
}

// The faulty instruction is where the warp is; `lane` < 0: no lane of it in particular.
[[noreturn]] void fault(const Warp& warp, int lane, int error, const std::string& what);

std::string place_of(const Kernel& kernel, uint32_t line);  // "PTX line 12: bar.sync 0;"

// bar.sync, bar.arrive and bar.red: Instruction::flags.
enum BarrierFlags : uint16_t { kBarrierSync, kBarrierArrive, kBarrierPopc, kBarrierAnd, kBarrierOr };

// Runs every block. Throws KernelFault.
void run_launch(Launch& launch);

// Runs `lanes` from `at` until each of them has returned: the body of a call.
void run_function(Warp& warp, uint32_t lanes, uint32_t at);

}  // namespace fakegpu
