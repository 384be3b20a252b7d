#include "backends/cuda_nvrtc/compiler.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace jt::cuda {

// Nothing contracted, nothing flushed to zero, divisions and roots rounded: the CPU's bits. One option -v a flag: NVRTC
// takes no list.
static std::vector<std::string> options_for(const NvrtcLibrary& nvrtc) {
  std::vector<std::string> out = {"--std=c++17",
                                  "-w",
                                  "-default-device",
                                  "-fmad=false",
                                  "-ftz=false",
                                  "-prec-div=true",
                                  "-prec-sqrt=true",
                                  "--ptxas-options=-v",
                                  "--modify-stack-limit=false"};
  if (nvrtc.version() >= 12040) out.push_back("--minimal");
  return out;
}

Compiler::Compiler(const NvrtcLibrary& nvrtc, const Settings& settings)
    : nvrtc_(nvrtc), settings_(settings), options_(options_for(nvrtc)) {
  if (settings.cache_folder.empty()) return;
  try {
    store_ = std::make_unique<ImageStore>(settings.cache_folder + "/cuda");
  } catch (const std::exception& e) {
    cache_problem_ = e.what();
  }
}

Compiler::~Compiler() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  wanted_.notify_all();
  for (pthread_t t : threads_) pthread_join(t, nullptr);
}

void* Compiler::work(void* me) {
  static_cast<Compiler*>(me)->work();
  return nullptr;
}

// Called under the lock. Signals stay with the host's threads.
static bool add_thread(std::vector<pthread_t>& threads, void* (*work)(void*), void* me) {
  constexpr size_t kStack = size_t(16) << 20;
  pthread_attr_t attributes;
  pthread_t made;
  sigset_t all, before;
  sigfillset(&all);
  threads.reserve(threads.size() + 1);
  if (pthread_attr_init(&attributes)) return false;
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool is_made = pthread_create(&made, &attributes, work, me) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (is_made) threads.push_back(made);
  return is_made;
}

Compiler::JobRef Compiler::start(std::string text, const Target& target) {
  return start(std::move(text), target, true);
}

Compiler::JobRef Compiler::start(std::string text, const Target& target, bool reads_disk) {
  auto job = std::make_shared<Job>();
  job->target = target;
  job->key = jt::text("jt 1 ", nvrtc_.build, " ", target.option());
  for (const std::string& option : options_) job->key += " " + option;
  job->key += "\n" + text;
  job->text = std::move(text);
  if (store_ && reads_disk)
    if (std::optional<Image> found = store_->load(job->key)) {
      job->image = std::move(*found), job->is_done = job->is_from_disk = true;
      return job;
    }
  std::lock_guard lock(mutex_);
  queue_.push_back(job);
  bool needs_thread = queue_.size() > size_t(idle_) && threads_.size() < size_t(settings_.compile_threads);
  if (needs_thread && !add_thread(threads_, work, this) && threads_.empty()) {
    queue_.pop_back();
    fail(JT_E_NOMEM, "cuda: no thread to compile on");
  }
  wanted_.notify_one();
  return job;
}

Compiler::JobRef Compiler::again(const JobRef& job, const Target& target) {
  if (store_) store_->drop(job->key);
  return start(job->text, target, false);
}

const Image& Compiler::wait(const JobRef& job) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return job->is_done; });
  if (job->error) throw Error(*job->error);
  return job->image;
}

void Compiler::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_++;
    wanted_.wait(lock, [&] { return is_closing_ || !queue_.empty(); });
    idle_--;
    if (is_closing_) break;
    JobRef job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    do_job(*job);
    lock.lock();
    job->is_done = true;
    done_.notify_all();
  }
  for (const JobRef& job : queue_)
    if (!job->is_done) job->error = Error(JT_E_CANCELLED, "cuda: the device is closed"), job->is_done = true;
  queue_.clear();
  done_.notify_all();
}

void Compiler::do_job(Job& job) {
  auto now = [] {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  int64_t begin = now();
  try {
    job.image = compile(job);
  } catch (const Error& e) {
    job.error = e;
  } catch (const std::exception& e) {
    job.error = Error(JT_E_NOMEM, e.what());
  }
  job.ns = now() - begin;
  if (job.error) return;
  try {
    if (store_) store_->save(job.key, job.image);
  } catch (const std::exception&) {  // it is made again next time
  }
  try {
    if (settings_.dump.empty()) return;
    std::string name = settings_.dump + "/" + ImageStore::file_name(job.key);
    write_file(name + ".cu", job.text), write_file(name + ".log", job.image.log);
    write_file(name + (job.target.is_ptx ? ".ptx" : ".cubin"),
               job.target.is_ptx ? job.image.bytes.c_str() : job.image.bytes);
  } catch (const std::exception&) {  // whoever dumps sees that it is missing
  }
}

namespace {
struct ProgramHolder {
  const Nvrtc& api;
  NvrtcProgram program = nullptr;
  ~ProgramHolder() {
    if (program) api.nvrtcDestroyProgram(&program);
  }
};
}  // namespace

NvrtcResult Compiler::run(NvrtcProgram program, const Target& target) {
  std::string arch = target.option();
  std::vector<const char*> all = {arch.c_str()};
  for (const std::string& option : options_) all.push_back(option.c_str());
  return nvrtc_.api.nvrtcCompileProgram(program, int(all.size()), all.data());
}

Image Compiler::compile(const Job& job) {
  const Nvrtc& api = nvrtc_.api;
  ProgramHolder holder{api};
  NvrtcResult result = api.nvrtcCreateProgram(&holder.program, job.text.c_str(), "jt.cu", 0, nullptr, nullptr);
  if (result != kNvrtcSuccess) fail(JT_E_COMPILE, "cuda: nvrtcCreateProgram: result ", result);
  result = run(holder.program, job.target);
  Image out;
  size_t bytes = 0;
  if (api.nvrtcGetProgramLogSize(holder.program, &bytes) == kNvrtcSuccess && bytes > 1) {
    out.log.resize(bytes);
    if (api.nvrtcGetProgramLog(holder.program, out.log.data()) != kNvrtcSuccess) out.log.clear();
    while (!out.log.empty() && out.log.back() == '\0') out.log.pop_back();
  }
  if (result == kNvrtcBuiltins)
    fail(JT_E_COMPILE, "cuda: NVRTC does not take its builtins, ", nvrtc_.builtins.path(), ": ", out.log);
  if (result != kNvrtcSuccess) fail(JT_E_COMPILE, "cuda: NVRTC: result ", result, ": ", out.log);
  auto size = job.target.is_ptx ? api.nvrtcGetPTXSize : api.nvrtcGetCUBINSize;
  auto take = job.target.is_ptx ? api.nvrtcGetPTX : api.nvrtcGetCUBIN;
  if ((result = size(holder.program, &bytes)) != kNvrtcSuccess || !bytes)
    fail(JT_E_COMPILE, "cuda: NVRTC gives no image: result ", result);
  out.bytes.resize(bytes);
  if ((result = take(holder.program, out.bytes.data())) != kNvrtcSuccess)
    fail(JT_E_COMPILE, "cuda: NVRTC gives no image: result ", result);
  return out;
}

}  // namespace jt::cuda
