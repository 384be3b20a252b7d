// gxx_tier: kernels that run long -> the same kernels from an optimising compiler, while the lower tier goes on
// running.
//
// A kernel is enrolled when it is made: its code may be on the disk from an earlier process. If not, it is compiled
// when its lower tier has cost three times what a compile costs, in batches, on a thread of this tier's own, on the
// host's (submit), or in the thread that needs it (tier gxx). Code appears by one atomic store and stays until the
// kernel goes. Whatever fails (no compiler, one that crashes, hangs or is killed, no executable memory) leaves the
// kernel where it is.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu_tcc/tier/cxx_compiler.h"
#include "backends/cpu_tcc/tier/tcc_tier.h"

namespace jt::cpu {

constexpr int64_t kGxxCompileNs = 40'000'000;  // of one kernel in a batch, with a busy machine's share

struct GxxSettings {
  enum class Where {
    nowhere,     // only what is on the disk
    foreground,  // before a kernel runs
    thread,      // on a thread that is started when the first kernel is hot
    host,        // by submit
  };
  Where where = Where::nowhere;
  std::string compiler, search_path;  // see CxxCompiler::find
  std::string cache_folder;           // empty: nothing is kept on the disk
  int64_t hot_ns = 3 * kGxxCompileNs;  // time in the lower tier after which a kernel is compiled
  int timeout_ms = 60000;             // of one run of the compiler
  // host: runs work(argument) once, some time, on some thread; never inside this call.
  std::function<void(void (*work)(void*), void* argument)> submit;
};

struct GxxStats {
  int64_t compiled, loaded, failed, runs;  // runs: of the compiler
};

// The better code of one kernel.
class GxxKernel {
 public:
  MachineCode code() const { return code_.load(std::memory_order_acquire); }  // null: not there yet
  bool from_disk() const { return kernel_.from_disk; }
  int64_t compile_ns() const { return compile_ns_.load(std::memory_order_relaxed); }

 private:
  friend class GxxTier;
  friend class GxxService;
  enum State { resting, waiting, settled };  // settled: there is code, or there will be none
  Program program_;
  std::string key_;
  TccKernel kernel_;
  std::atomic<MachineCode> code_{nullptr};
  std::atomic<int> state_{resting};
  std::atomic<int64_t> lower_ns_{0}, compile_ns_{0};
  std::atomic<uint32_t> launches_{0}, last_ns_{0};
};

class GxxService;

class GxxTier {
 public:
  using Log = TccTier::Log;

  // Any thread. Fails only for lack of memory. log is called by the constructor, the destructor, enroll and tell only.
  GxxTier(const vm::Primitives& primitives, GxxSettings settings, Log log);
  // Ends a compiler that is running, and waits for the thread that waits for it. All kernels are gone or will not run
  // any more.
  ~GxxTier();

  // key: the program's text. Null: it will never have better code.
  std::shared_ptr<GxxKernel> enroll(const Program& program, std::string_view key);

  // Compiles the kernel now, if its first run would have to wait for that.
  void prepare(GxxKernel& kernel);

  // Logs what went wrong since, once; on a thread of the host's that is inside jt.
  void tell();

  // Called around a run of the lower tier. before: whether to tell after() how long it takes.
  bool before_lower_run(GxxKernel& kernel);
  void after_lower_run(GxxKernel& kernel, int64_t nanoseconds);

  GxxStats stats() const;

 private:
  std::shared_ptr<GxxService> service_;  // shared with work that the host has not begun
};

}  // namespace jt::cpu
