// harness: a fresh fake device for one test, with kernels from text or from ptx/, and vectors that go there and come
// back.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/fakegpu/driver_api.h"
#include "tests/fakegpu/fakegpu.h"

namespace fakegpu::test {

std::string checked_in_ptx(const std::string& name);  // of ptx/NAME.ptx
// A kernel `k` of parameters p0, p1... of 8 bytes and a body, for target sm_NN.
std::string kernel_text(const std::string& body, int parameters, int target = 90);

struct Shape { unsigned grid = 1, block = 32, shared = 0, grid_y = 1, block_y = 1; };

class Gpu {
 public:
  Gpu();
  ~Gpu();
  Gpu(const Gpu&) = delete;

  void* load(const std::string& text);  // nullptr: refused, see last_finding()
  void* function(void* module, const std::string& name);
  uint64_t allocate(size_t bytes);
  template <class T> uint64_t upload(const std::vector<T>& values) {
    uint64_t at = allocate(values.size() * sizeof(T));
    EXPECT_EQ(cuMemcpyHtoD_v2(at, values.data(), values.size() * sizeof(T)), 0);
    return at;
  }
  template <class T> std::vector<T> download(uint64_t at, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cuMemcpyDtoH_v2(values.data(), at, count * sizeof(T)), 0) << last_finding();
    return values;
  }
  // Launches and waits: the error of either.
  template <class... A> int launch(void* function, Shape shape, A... arguments) {
    void* list[] = {&arguments..., nullptr};
    int error = cuLaunchKernel(function, shape.grid, shape.grid_y, 1, shape.block, shape.block_y, 1, shape.shared,
                               nullptr, list, nullptr);
    return error ? error : cuStreamSynchronize(nullptr);
  }
  std::string last_finding() const;
};

}  // namespace fakegpu::test
