// both_devices: a fixture: a runtime with the CPU and the GPU that the environment names, where both are.
#pragma once
#include <gtest/gtest.h>

#include <jt/jt.h>

#include <vector>

namespace jt::test {

inline void must(jt_status status) { ASSERT_EQ(status, JT_OK) << jt_last_error_message(); }

class BothDevices : public testing::Test {
 protected:
  void SetUp() override {
    const char* devices[] = {"cpu", "cuda"};
    jt_runtime_desc desc{};
    desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV, desc.devices = devices,
    desc.devices_len = 2;
    if (jt_runtime_create(&desc, &rt_) != JT_OK) GTEST_SKIP() << "skipped: " << jt_last_error_message();
    must(jt_context_create(rt_, &ctx_)), must(jt_context_set_seed(ctx_, 3));
  }
  void TearDown() override {
    for (jt_tensor* t : tensors_) jt_tensor_release(t);
    jt_context_release(ctx_), jt_runtime_release(rt_);
  }
  jt_tensor* keep(jt_tensor* t) { return tensors_.push_back(t), t; }

  jt_runtime* rt_ = nullptr;
  jt_context* ctx_ = nullptr;
  std::vector<jt_tensor*> tensors_;
};

}  // namespace jt::test
