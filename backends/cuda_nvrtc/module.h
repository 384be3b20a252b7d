// module: images that the driver has taken, and launches of their kernels.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "backends/cuda_nvrtc/device.h"

namespace jt::cuda {

class Module {
 public:
  // Waits for the image; one that the driver does not take is made once more, then as text.
  Module(Device& device, Compiler::JobRef job);
  ~Module();
  Module(const Module&) = delete;
  CuFunction function(const std::string& name);

 private:
  CuResult load(const Image& image);
  Device& device_;
  CuModule module_ = nullptr;
};

// One launch, by arguments that are a struct of 64-bit words. `what` is for people, should the device be lost.
void launch(Device& device, CuFunction function, int64_t grid, unsigned block_x, unsigned block_y, CuStream stream,
    std::span<uint64_t> args,
            const std::string& what);

// A module that ops share; compiled from the time it is made, loaded when it is first launched.
class SharedModule {
 public:
  SharedModule(Device& device, std::string text);
  void launch(const std::string& kernel, int64_t grid, int threads, CuStream stream, std::span<uint64_t> args);

 private:
  Device& device_;
  const Compiler::JobRef job_;
  std::mutex mutex_;
  std::unique_ptr<Module> module_;
  std::map<std::string, CuFunction> functions_;
};

}  // namespace jt::cuda
