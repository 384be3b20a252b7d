// device: a backend's table as C++: failures become exceptions with the backend's text, objects are counted.
#pragma once
#include <jt/jt_backend.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/flags.h"
#include "core/base/fork.h"
#include "core/base/fork_lock.h"
#include "core/base/log.h"
#include "core/base/program.h"
#include "core/runtime/threads.h"

namespace jt {

// A host's way of running work on a thread of its own; see jt_runtime_desc.
struct Submit {
  void (*submit)(void* user, void (*work)(void* argument), void* argument) = nullptr;
  void* user = nullptr;
};

// Not every op runs on the devices of this backend.
bool may_refuse(const jt_backend_api& api);
// Every op runs on them, in the host's memory, and has run when the call returns.
bool is_like_host(const jt_backend_api& api);

class Device {
 public:
  // index: which of the backend's devices.
  Device(const jt_backend_api* api, const Flags& flags, const Logger& log, ThreadPool& threads,
         const Submit& submit = {}, int index = 0);
  ~Device();
  Device(const Device&) = delete;

  const jt_backend_api& api() const { return *api_; }
  jt_be_device* handle() const { return device_; }
  // `far:1`, or `cpu`: the first device of a backend that works in the host's memory has no number.
  const std::string& name() const { return name_; }
  bool has_own_memory() const { return api_->flags & JT_BE_OWN_MEMORY; }
  bool is_async() const { return api_->flags & JT_BE_ASYNC; }
  bool tells_times() const;  // of what runs late
  bool has_staging() const;
  bool is_like_host() const { return jt::is_like_host(*api_); }
  bool may_refuse() const { return jt::may_refuse(*api_); }
  bool supports(const jt_be_node& node) const;
  std::string room() const;  // of its memory, for people; empty: it does not tell
  void check(jt_status status, std::string_view what) const {
    if (status != JT_OK) [[unlikely]] repeat_error(status, what);
  }
  void run(jt_be_op* op, std::span<void* const> pointers, const uint64_t* contents, void* workspace,
           std::string_view what) const;
  // The workspace of an op and a kernel behind it as one; -1: nothing is gained.
  int64_t join_workspace(jt_be_op* op, jt_be_kernel* kernel, const jt_be_launch& launch) const;
  void run_joined(jt_be_op* op, std::span<void* const> pointers, const uint64_t* contents, jt_be_kernel* kernel,
                  const jt_be_launch& launch, void* workspace, std::string_view what) const;
  // Memory that the backend keeps for speed alone.
  int64_t kept_bytes() const { return keep(INT64_MAX); }
  void trim() const { keep(0); }
  // Whether there is anything to prepare at all; see kernel_prepare in jt_backend.h.
  bool prepares() const;
  void prepare(jt_be_kernel* kernel) const { api_->kernel_prepare(device_, kernel); }
  // What a kernel was compiled from; empty: interpreted, or the backend does not tell.
  std::string text_of(jt_be_kernel* kernel) const;

 private:
  int64_t keep(int64_t most_bytes) const;
  friend std::string description_of(const jt_backend_api& api, const Flags& flags);
  [[noreturn]] void repeat_error(jt_status status, std::string_view what) const;
  static void set_error(void* host, jt_status, int64_t native, const char* message, size_t length);
  static void log(void* host, int32_t level, const char* domain, const char* message, size_t length);
  static const char* setting(void* host, const char* name);
  static void submit(void* host, void (*work)(void*), void* argument);
  static void parallel_for(void* host, LaneBody body, void* user, int64_t lanes);
  const jt_backend_api* api_;
  const std::string name_;
  const Flags& flags_;
  const Logger& log_;
  ThreadPool& threads_;
  const Submit submit_;
  jt_host_api host_{};
  jt_be_device* device_ = nullptr;
};

// What the backend says of the machine, or why it does not (jt_backend.h, describe); empty: it says nothing.
std::string description_of(const jt_backend_api& api, const Flags& flags);

// A kernel that a device compiled. Launches may go on at once on several threads.
struct CompiledKernel : std::enable_shared_from_this<CompiledKernel> {
  explicit CompiledKernel(Device& owner) : device(owner) {}
  CompiledKernel(const CompiledKernel&) = delete;
  Device& device;
  jt_be_kernel* kernel = nullptr;
  std::string key;     // the program's text
  std::string name;    // for people: the ops inside
  int64_t serial = 0;  // order of making
  // Counted by all contexts at once.
  std::atomic<int64_t> launches{0};
  std::atomic<int64_t> time_ns{0};  // when profiling
  std::atomic<int64_t> bytes{0};    // of operands and results of all launches
  ~CompiledKernel() {
    if (kernel) device.api().kernel_release(device.handle(), kernel);
  }
};

struct LibraryOp {
  explicit LibraryOp(Device& owner) : device(owner) {}
  LibraryOp(const LibraryOp&) = delete;
  Device& device;
  jt_be_op* op = nullptr;
  size_t workspace = 0;
  std::string name;             // of its row; of C text: empty
  std::vector<int64_t> params;
  ~LibraryOp() {
    if (op) device.api().op_release(device.handle(), op);
  }
};

// Programs to compiled kernels; equal programs are compiled once. Bounded; what a plan uses stays alive.
class KernelCache {
 public:
  explicit KernelCache(Device& device) : device_(device) {}
  // `found`, if wanted: where it came from, as text.
  std::shared_ptr<CompiledKernel> get(const Program& program, std::string_view name, std::string* found = nullptr);
  // An op of a row; equal params are one op.
  std::shared_ptr<LibraryOp> library(const char* name, std::span<const int64_t> params);
  // An op of C text (jt_backend.h, op_compile); equal texts are compiled once.
  std::shared_ptr<LibraryOp> code(std::string_view who, const std::string& text);
  bool compiles_code() const;
  int64_t compiled() const { return compiled_; }
  int64_t from_disk() const { return from_disk_; }
  size_t count();
  bool has(const std::string& text);  // of a program
  const Device& device() const { return device_; }
  void reset_counts();
  void each(const std::function<void(const CompiledKernel&)>& visit);  // the oldest first
  std::shared_ptr<const CompiledKernel> at(size_t i);                  // in that order; null: there are fewer

 private:
  Device& device_;
  ForkLock mutex_;  // held also while a kernel is compiled
  ForkMutex change_;  // of the maps, under mutex_: a child that takes mutex_ over finds them whole
  std::unordered_map<std::string, std::shared_ptr<CompiledKernel>> kernels_;
  std::vector<CompiledKernel*> in_order_;  // of making
  std::unordered_map<std::string, std::shared_ptr<LibraryOp>> codes_, ops_;
  int64_t made_ = 0;
  std::atomic<int64_t> compiled_{0}, from_disk_{0};
};

}  // namespace jt
