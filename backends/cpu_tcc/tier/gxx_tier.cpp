#include "backends/cpu_tcc/tier/gxx_tier.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/fork.h"
#include "core/base/fpu.h"
#include "core/base/futex.h"
#include "core/base/status.h"

namespace jt::cpu {

namespace {

constexpr int kWarning = 1, kInfo = 2;
constexpr size_t kMostPerRun = 16;
constexpr uint32_t kLongRunNs = 4000;    // runs shorter than this are timed once in kSample
constexpr uint32_t kSample = 16;

int64_t since_ns(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

class GxxService : public std::enable_shared_from_this<GxxService> {
 public:
  GxxService(const vm::Primitives& primitives, GxxSettings settings, GxxTier::Log log)
      : settings_(std::move(settings)), log_(std::move(log)) {
    std::string why_not;
    int level = is_foreground() ? kWarning : kInfo;
    compiler_ = CxxCompiler::find(settings_.compiler, settings_.search_path, primitives.isa, &why_not);
    if (compiler_) compiler_->set_timeout(settings_.timeout_ms);
    if (compiler_) arena_ = CodeArena::open(&why_not);
    if (!arena_) log_(level, text("no kernel is compiled by g++: ", why_not));
    if (!arena_ || settings_.cache_folder.empty()) return;
    try {
      store_ = std::make_unique<KernelStore>(settings_.cache_folder, text(build_id(), " ", compiler_->identity()));
    } catch (const Error& error) {
      log_(kWarning, text("kernels of g++ are not kept on the disk: ", error.message()));
    }
  }

  bool is_foreground() const { return settings_.where == GxxSettings::Where::foreground; }
  int64_t hot_ns() const { return settings_.hot_ns; }
  bool can_compile() const { return arena_ && settings_.where != GxxSettings::Where::nowhere; }

  std::shared_ptr<GxxKernel> enroll(const Program& program, std::string_view key) {
    say_what_happened();
    if (!arena_ || !(store_ || can_compile())) return nullptr;
    auto kernel = std::make_shared<GxxKernel>();
    kernel->key_ = key;
    if (load(*kernel)) return kernel;
    if (!can_compile()) return nullptr;
    kernel->program_ = program;
    std::lock_guard guard(mutex_);
    std::erase_if(enrolled_, [](const std::weak_ptr<GxxKernel>& k) { return k.expired(); });
    if (is_foreground()) kernel->state_ = GxxKernel::waiting;
    enrolled_.push_back(kernel);
    return kernel;
  }

  // Foreground: what has been enrolled so far is compiled together.
  void settle(GxxKernel& kernel) noexcept {
    std::lock_guard guard(compiling_);
    try {
      while (kernel.state_ == GxxKernel::waiting && !stop_.is_raised()) compile_batch();
    } catch (const std::exception&) {
      kernel.state_ = GxxKernel::settled;
    }
  }

  void request(GxxKernel& kernel) noexcept {
    int resting = GxxKernel::resting;
    if (!kernel.state_.compare_exchange_strong(resting, GxxKernel::waiting)) return;
    try {
      if (settings_.where == GxxSettings::Where::host) ask_host();
      else wake_thread();
    } catch (const std::exception&) {  // no memory, or no thread: perhaps later
      kernel.lower_ns_ = 0;
      kernel.state_ = GxxKernel::resting;
    }
  }

  void close() {
    stop_.raise();
    std::unique_lock lock(mutex_);
    notice_fork();
    is_closed_ = true;
    work_.ring();
    if (thread_.joinable()) {
      lock.unlock();
      return thread_.join();
    }
    work_.wait(lock, [this] { return running_ == 0; });
  }

  GxxStats stats() const { return {compiled_, loaded_, failed_, runs_}; }

 private:
  bool load(GxxKernel& kernel) {
    if (!store_) return false;
    try {
      kernel.kernel_ = store_->load(kernel.key_, *arena_);
    } catch (const Error&) {
      return false;
    }
    if (!kernel.kernel_.entry) return false;
    loaded_++;
    kernel.kernel_.from_disk = true;
    publish(kernel);
    return true;
  }

  static void publish(GxxKernel& kernel) {
    kernel.code_.store(reinterpret_cast<MachineCode>(kernel.kernel_.entry), std::memory_order_release);
    kernel.state_ = GxxKernel::settled;
  }

  // Kernels that wait, then those that soon will; the oldest first.
  std::vector<std::shared_ptr<GxxKernel>> take_batch() {
    std::lock_guard guard(mutex_);
    std::vector<std::shared_ptr<GxxKernel>> batch, warm;
    for (const std::weak_ptr<GxxKernel>& weak : enrolled_) {
      std::shared_ptr<GxxKernel> kernel = weak.lock();
      if (!kernel) continue;
      if (kernel->state_ == GxxKernel::waiting) batch.push_back(std::move(kernel));
      else if (kernel->state_ == GxxKernel::resting && kernel->lower_ns_ > settings_.hot_ns / 4)
        warm.push_back(std::move(kernel));
    }
    if (batch.empty()) return batch;
    batch.insert(batch.end(), warm.begin(), warm.end());
    batch.resize(std::min(batch.size(), kMostPerRun));
    return batch;
  }

  // False if there was nothing to do.
  bool compile_batch() {
    std::vector<std::shared_ptr<GxxKernel>> batch = take_batch();
    if (batch.empty()) return false;
    std::vector<const Program*> programs;
    for (const auto& kernel : batch) programs.push_back(&kernel->program_);
    auto start = std::chrono::steady_clock::now();
    std::vector<ObjectCode> codes;
    std::string why;
    runs_++;
    try {
      codes = compiler_->compile(programs, !is_foreground(), stop_, &why);
    } catch (const std::exception& error) {
      why = error.what();
    }
    codes.resize(batch.size());
    for (size_t k = 0; k < batch.size(); k++) {
      batch[k]->compile_ns_ = since_ns(start) / int64_t(batch.size());
      settle(*batch[k], codes[k], why);
    }
    if (!why.empty() && !stop_.is_raised()) note(text("a kernel stays as it is: ", why));
    forget_settled();
    return true;
  }

  void settle(GxxKernel& kernel, const ObjectCode& code, std::string& why) {
    kernel.state_ = GxxKernel::settled;
    if (code.bytes.empty()) return void(failed_++);
    try {
      kernel.kernel_.code = arena_->allocate(code.bytes.size());
      std::memcpy(kernel.kernel_.code.data(), code.bytes.data(), code.bytes.size());
      kernel.kernel_.code.make_executable();
    } catch (const std::exception& error) {
      failed_++;
      return void(why = error.what());
    }
    kernel.kernel_.entry =
        reinterpret_cast<TccKernel::Entry>(static_cast<char*>(kernel.kernel_.code.data()) + code.entry);
    compiled_++;
    save(kernel);
    publish(kernel);
  }

  void save(const GxxKernel& kernel) {
    if (!store_ || is_read_only_) return;
    try {
      store_->save(kernel.key_, kernel.kernel_);
    } catch (const std::exception& error) {
      is_read_only_ = true;
      note(text("kernels of g++ are not kept on the disk: ", error.what()));
    }
  }

  void forget_settled() {
    std::lock_guard guard(mutex_);
    std::erase_if(enrolled_, [](const std::weak_ptr<GxxKernel>& weak) {
      std::shared_ptr<GxxKernel> kernel = weak.lock();
      return !kernel || kernel->state_ == GxxKernel::settled;
    });
  }

  // ---- who compiles ----
  // The mutex is held. In a forked child nobody compiles yet.
  void notice_fork() {
    if (forks_ == forks_before_us()) return;
    forks_ = forks_before_us();
    // it can be neither joined nor detached, for a thread of the child's may have got its name
    std::construct_at(&thread_);
    running_ = 0;
  }

  void wake_thread() {
    std::lock_guard guard(mutex_);
    notice_fork();
    has_work_ = true;
    work_.ring();
    if (thread_.joinable() || is_closed_) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // the host's signals are for the host's threads
    try {
      thread_ = std::thread([this] { run_thread(); });
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void run_thread() {
    pthread_setname_np(pthread_self(), "jt compiler");
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [this] { return has_work_ || is_closed_; });
        if (is_closed_) return;
        has_work_ = false;
      }
      compile_all();
    }
  }

  void compile_all() {
    std::lock_guard guard(compiling_);
    try {
      while (!stop_.is_raised() && compile_batch()) continue;
    } catch (const std::exception&) {  // no memory: what waits will be asked for again by those that follow
    }
  }

  struct Work {
    std::shared_ptr<GxxService> service;
  };
  void ask_host() {
    auto work = std::make_unique<Work>(Work{shared_from_this()});
    settings_.submit([](void* argument) {
      DefaultFpuMode mode;
      std::unique_ptr<Work> mine(static_cast<Work*>(argument));
      mine->service->run_work();
    }, work.get());
    work.release();
  }

  void run_work() {
    {
      std::lock_guard guard(mutex_);
      notice_fork();
      if (is_closed_) return;
      running_++;
    }
    compile_all();
    std::lock_guard guard(mutex_);
    running_--;
    work_.ring();
  }

  // ---- what went wrong, once ----
  void note(const std::string& line) {
    std::lock_guard guard(mutex_);
    if (has_noted_) return;
    noted_ = line;
    has_noted_ = has_news_ = true;
  }

 public:
  bool has_news() const { return has_news_.load(std::memory_order_relaxed); }
  // On a thread of the host's that is inside jt: its log function is not called on others.
  void say_what_happened() {
    std::string line;
    {
      std::lock_guard guard(mutex_);
      std::swap(line, noted_);
      has_news_ = false;
    }
    if (!line.empty()) log_(is_foreground() ? kWarning : kInfo, line);
  }

 private:
  const GxxSettings settings_;
  const GxxTier::Log log_;
  std::unique_ptr<CxxCompiler> compiler_;
  std::unique_ptr<CodeArena> arena_;    // null: this tier does nothing
  std::unique_ptr<KernelStore> store_;  // null: nothing on the disk
  Stop stop_;
  ForkLock compiling_;  // one run of the compiler at a time

  ForkMutex mutex_;  // of all below
  Bell work_;
  std::vector<std::weak_ptr<GxxKernel>> enrolled_;
  std::thread thread_;
  uint32_t forks_ = forks_before_us();
  int running_ = 0;
  bool has_work_ = false, is_closed_ = false, has_noted_ = false;
  std::string noted_;
  std::atomic<bool> is_read_only_{false}, has_news_{false};
  std::atomic<int64_t> compiled_{0}, loaded_{0}, failed_{0}, runs_{0};
};

GxxTier::GxxTier(const vm::Primitives& primitives, GxxSettings settings, Log log)
    : service_(std::make_shared<GxxService>(primitives, std::move(settings), std::move(log))) {}

GxxTier::~GxxTier() {
  service_->close();
  service_->say_what_happened();
}

std::shared_ptr<GxxKernel> GxxTier::enroll(const Program& program, std::string_view key) {
  return service_->enroll(program, key);
}

void GxxTier::prepare(GxxKernel& kernel) {
  if (service_->is_foreground() && kernel.state_ == GxxKernel::waiting) service_->settle(kernel);
}

void GxxTier::tell() {
  if (service_->has_news()) [[unlikely]] service_->say_what_happened();
}

bool GxxTier::before_lower_run(GxxKernel& kernel) {
  if (service_->is_foreground()) {
    prepare(kernel);
    return false;
  }
  if (kernel.state_.load(std::memory_order_relaxed) != GxxKernel::resting) return false;
  uint32_t launch = kernel.launches_.fetch_add(1, std::memory_order_relaxed);
  return launch % kSample == 0 || kernel.last_ns_.load(std::memory_order_relaxed) >= kLongRunNs;
}

void GxxTier::after_lower_run(GxxKernel& kernel, int64_t nanoseconds) {
  bool is_sample = nanoseconds < kLongRunNs;
  kernel.last_ns_.store(uint32_t(std::min<int64_t>(nanoseconds, kLongRunNs)), std::memory_order_relaxed);
  int64_t added = is_sample ? nanoseconds * kSample : nanoseconds;
  if (kernel.lower_ns_.fetch_add(added, std::memory_order_relaxed) + added > service_->hot_ns())
    service_->request(kernel);
}

GxxStats GxxTier::stats() const { return service_->stats(); }

}  // namespace jt::cpu
