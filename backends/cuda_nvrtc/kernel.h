// kernel: a block program on a device: a text, an image and a module for each shape of its arguments that was met
// (thread_plan).
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cuda_nvrtc/library_ops.h"
#include "backends/cuda_nvrtc/module.h"
#include "core/render/thread_plan.h"

namespace jt::cuda {

class Kernel {
 public:
  // Throws JT_E_UNSUPPORTED.
  Kernel(Device& device, Program program);
  Kernel(const Kernel&) = delete;

  // Begins to compile what a launch with these arguments will need.
  int64_t scratch_bytes(const jt_be_launch& launch);
  void launch(const jt_be_launch& launch, CuStream stream, CuPointer scratch);
  void prepare();  // what has been begun is waited for
  std::string text();
  int64_t compile_ns();
  bool is_from_disk();

 private:
  struct Variant {
    ThreadShape shape;
    std::vector<ThreadKernel> kernels;
    Compiler::JobRef job;
    std::mutex mutex;  // of what follows
    std::unique_ptr<Module> module;
    std::vector<CuFunction> functions;
    std::shared_ptr<LibraryOp> sort;  // of form `sorted`, and of how many
    int64_t sorted = -1;
  };
  std::shared_ptr<Variant> variant(const int64_t* args);
  void load(Variant& v);
  std::shared_ptr<LibraryOp> sort_of(Variant& v, int64_t n);
  Device& device_;
  const Program program_;
  std::mutex mutex_;
  std::map<ThreadShape, std::shared_ptr<Variant>> variants_;
};

}  // namespace jt::cuda
