// tcc_tier: a Program -> machine code that runs it, from the disk, else from libtcc; or nothing, and the block VM runs
// it.
//
// libtcc is opened when the first kernel is not in the store. What fails (no libtcc, no executable memory, no folder, a
// text that libtcc refuses) is logged once each, and never an error: the VM gives the same bits.
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
#include "backends/cpu_tcc/vm/primitives.h"
#include "core/base/fork_lock.h"

namespace jt::cpu {

// What TccKernel::entry is. args and scratch as for VmCode::run.
using MachineCode = void (*)(const int64_t* args, int64_t begin, int64_t end, char* scratch,
                             const void* const* primitives);

struct TccSettings {
  std::string tier = "auto";  // tcc, auto; they differ in how loudly a lack of libtcc is logged
  std::string library;        // path of libtcc; empty: beside the library
  std::string cache_folder;   // empty: nothing is kept on the disk
};

struct TccStats {
  int64_t compiled, loaded, failed;  // by libtcc; from the disk; left to the VM
};

class TccTier {
 public:
  // level as in jt_host_api: 1 warning, 2 info. Called on the thread that compiles.
  using Log = std::function<void(int level, std::string_view message)>;

  // Fails only for lack of memory.
  TccTier(const vm::Primitives& primitives, TccSettings settings, Log log);

  // Any thread. key: the program's text. No entry: the VM has to run it. The code is gone before this is.
  TccKernel compile(const Program& program, std::string_view key);
  // C text of a program's own, with the functions of core/base/math_names.inc; its entry is `jt_code`. Throws
  // JT_E_UNSUPPORTED where there is no compiler or no executable memory, JT_E_COMPILE with libtcc's message.
  TccKernel compile_code(std::string_view source);
  // Last argument of MachineCode.
  const void* const* primitives() const { return primitives_.data(); }
  TccStats stats() const { return {compiled_, loaded_, failed_}; }

  bool has_folder() const { return store_ != nullptr; }  // of kernels on the disk

 private:
  TccKernel load_or_compile(const Program& program, std::string_view key);
  bool is_movable(const std::string& source, const TccKernel& kernel);
  void save(std::string_view key, const TccKernel& kernel);
  TccCompiler& compiler();
  void fall_back(std::string_view why);

  const std::vector<const void*> primitives_;
  const TccSettings settings_;
  const Log log_;
  std::unique_ptr<CodeArena> arena_;    // null: the VM runs everything
  std::unique_ptr<KernelStore> store_;  // null: nothing on the disk
  ForkLock opening_;
  std::unique_ptr<TccCompiler> compiler_;
  std::string why_no_compiler_, why_no_code_;
  std::atomic<bool> has_fallen_back_{false}, is_read_only_{false}, has_moved_{false};
  std::atomic<int64_t> compiled_{0}, loaded_{0}, failed_{0};
};

}  // namespace jt::cpu
