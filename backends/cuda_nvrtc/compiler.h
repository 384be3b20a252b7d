// compiler: CUDA C -> images, by NVRTC on threads of its own, and by way of the disk.
//
// NVRTC needs a large stack, and by default lifts the whole process' limit of it: it is told not to, and its threads
// are made with what it needs. What is asked for at once compiles at once. An image is what the text, the target,
// NVRTC's build and the options make it; they are its key.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cuda_nvrtc/image_store.h"
#include "backends/cuda_nvrtc/toolkit.h"
#include "core/base/status.h"

namespace jt::cuda {

class Compiler {
 public:
  struct Job {
    std::string key, text;
    Target target;
    Image image;
    std::optional<Error> error;
    bool is_done = false, is_from_disk = false;
    int64_t ns = 0;
  };
  using JobRef = std::shared_ptr<Job>;

  Compiler(const NvrtcLibrary& nvrtc, const Settings& settings);
  ~Compiler();  // what has not begun is left
  Compiler(const Compiler&) = delete;

  JobRef start(std::string text, const Target& target);
  const Image& wait(const JobRef& job);  // throws JT_E_COMPILE with NVRTC's log
  // The device does not take this image: it is made anew, not from the disk.
  JobRef again(const JobRef& job, const Target& target);
  const std::string& cache_problem() const { return cache_problem_; }  // why there is no disk cache, if one was wanted

 private:
  JobRef start(std::string text, const Target& target, bool reads_disk);
  static void* work(void* me);
  void work();
  void do_job(Job& job);
  Image compile(const Job& job);
  NvrtcResult run(NvrtcProgram program, const Target& target);

  const NvrtcLibrary& nvrtc_;
  const Settings settings_;
  std::unique_ptr<ImageStore> store_;
  std::string cache_problem_;
  std::vector<std::string> options_;  // beside the target
  std::mutex mutex_;
  std::condition_variable wanted_, done_;
  std::deque<JobRef> queue_;
  std::vector<pthread_t> threads_;
  int idle_ = 0;
  bool is_closing_ = false;
};

}  // namespace jt::cuda
