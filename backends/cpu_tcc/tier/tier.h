// tier: a Program -> a kernel: machine code from the disk, else from libtcc, else the block VM; all to the bit the same.
//
// libtcc is opened when the first kernel is neither in the store nor left to the VM. What fails (no libtcc, no
// executable memory, no folder, a text that libtcc refuses) is logged once, and the VM runs what is left over.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu_tcc/tcc/tcc_library.h"
#include "backends/cpu_tcc/tier/kernel_store.h"
#include "backends/cpu_tcc/vm/vm.h"

namespace jt::cpu {

// Gone before the Tier that made it. Any number of threads may run it, each with scratch memory of its own.
class TieredKernel {
 public:
  int64_t scratch_bytes(const int64_t* args) const { return vm_.scratch_bytes(args); }
  void run(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
    if (code_) code_(args, begin, end, scratch, primitives_);
    else vm_.run(args, begin, end, scratch);
  }
  const char* tier() const { return code_ ? "tcc" : "vm"; }
  int64_t compile_ns() const { return compile_ns_; }

 private:
  friend class Tier;
  using Code = void (*)(const int64_t* args, int64_t begin, int64_t end, char* scratch, const void* const* primitives);
  explicit TieredKernel(vm::VmCode vm) : vm_(std::move(vm)) {}

  vm::VmCode vm_;
  TccKernel machine_;
  Code code_ = nullptr;
  const void* const* primitives_ = nullptr;
  int64_t compile_ns_ = 0;
};

struct TierSettings {
  std::string tier = "auto";  // vm, tcc, auto; the last two differ in how loudly a lack of libtcc is logged
  std::string tcc;            // path of libtcc; empty: beside the library
  std::string cache_folder;   // empty: nothing is kept on the disk
};

struct TierStats {
  int64_t compiled, loaded, failed;  // kernels by libtcc; from the disk; left to the VM against the setting
};

class Tier {
 public:
  // level as in jt_host_api: 1 warning, 2 info. Called on the thread that compiles.
  using Log = std::function<void(int level, std::string_view message)>;

  // `primitives` is for good. Fails only for lack of memory.
  Tier(const vm::Primitives& primitives, TierSettings settings, Log log);

  // Any thread. key: the program's text. Throws only what VmCode throws, or JT_E_NOMEM.
  TieredKernel compile(const Program& program, std::string_view key);
  TierStats stats() const { return {compiled_, loaded_, failed_}; }

 private:
  TccKernel machine_code(const Program& program, std::string_view key);
  TccCompiler& compiler();
  void complain(std::atomic<bool>& once, std::string_view message);

  const vm::Primitives& primitives_;
  const std::vector<const void*> by_number_;
  const TierSettings settings_;
  const Log log_;
  std::unique_ptr<CodeArena> arena_;   // null: the VM runs everything
  std::unique_ptr<KernelStore> store_; // null: nothing on the disk
  std::mutex opening_;
  std::unique_ptr<TccCompiler> compiler_;
  std::string why_no_compiler_;
  std::atomic<bool> said_failed_{false}, is_read_only_{false};
  std::atomic<int64_t> compiled_{0}, loaded_{0}, failed_{0};
};

}  // namespace jt::cpu
