#include "backends/cuda_nvrtc/module.h"

#include "core/base/text.h"

namespace jt::cuda {

Module::Module(Device& device, Compiler::JobRef job) : device_(device) {
  const Image* image = &device.compiler().wait(job);
  CuResult result = load(*image);
  bool is_damaged = result == kCuInvalidImage && job->is_from_disk;
  if (is_damaged) {
    job = device.compiler().again(job, job->target);
    result = load(*(image = &device.compiler().wait(job)));
  }
  bool is_foreign = result == kCuInvalidImage || result == kCuNoBinaryForGpu || result == kCuInvalidPtx ||
                    result == kCuUnsupportedPtxVersion;
  if (is_foreign && !job->target.is_ptx) {
    device.take_text_from_now_on();
    job = device.compiler().again(job, device.target());
    result = load(*(image = &device.compiler().wait(job)));
  }
  device.check(result, "cuModuleLoadDataEx");
}
Module::~Module() {
  if (module_ && !device_.is_of_parent()) device_.api().cuModuleUnload(module_);
}
CuResult Module::load(const Image& image) {
  return device_.api().cuModuleLoadDataEx(&module_, image.bytes.data(), 0, nullptr, nullptr);
}

CuFunction Module::function(const std::string& name) {
  CuFunction out = nullptr;
  device_.check(device_.api().cuModuleGetFunction(&out, module_, name.c_str()), "cuModuleGetFunction " + name);
  return out;
}

void launch(Device& device, CuFunction function, int64_t grid, unsigned block_x, unsigned block_y, CuStream stream,
    std::span<uint64_t> args,
            const std::string& what) {
  if (grid > INT32_MAX)
    fail(JT_E_UNSUPPORTED, "cuda: ", what, ": ", grid, " blocks of threads are more than one launch can have");
  if (args.size_bytes() > device.most_parameter_bytes())
    fail(JT_E_UNSUPPORTED, "cuda: ", what, ": ", args.size_bytes(), " bytes of arguments, this driver and NVRTC allow ",
        device.most_parameter_bytes());
  void* parameters[] = {args.data()};
  device.note_launch(what);
  device.check(
      device.api().cuLaunchKernel(function, unsigned(grid), 1, 1, block_x, block_y, 1, 0, stream, parameters, nullptr),
      "cuLaunchKernel " + what);
  if (device.waits_for_launches()) device.check(device.api().cuStreamSynchronize(stream), what);
}

SharedModule::SharedModule(Device& device, std::string text) : device_(device),
    job_(device.compiler().start(std::move(text), device.target())) {}

void SharedModule::launch(const std::string& kernel, int64_t grid, int threads, CuStream stream,
                          std::span<uint64_t> args) {
  CuFunction function;
  {
    std::lock_guard lock(mutex_);
    if (!module_) module_ = std::make_unique<Module>(device_, job_);
    CuFunction& found = functions_[kernel];
    if (!found) found = module_->function(kernel);
    function = found;
  }
  cuda::launch(device_, function, grid, unsigned(threads), 1, stream, args,
               text(kernel, " of ", grid, " x ", threads, " threads"));
}

}  // namespace jt::cuda
