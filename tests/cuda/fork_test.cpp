// A device does not survive a fork, as no driver's does: the child is told so and computes on the CPU, its end waits
// for nobody, and the parent goes on.
#include <gtest/gtest.h>

#include <jt/jt.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

jt_status doubled(jt_context* ctx, int32_t device, double* out) {
  const int64_t dims[] = {4};
  jt_tensor *x = nullptr, *y = nullptr, *sum = nullptr;
  jt_status status = jt_context_set_device(ctx, device, nullptr);
  if (status == JT_OK) status = jt_ones(ctx, dims, 1, JT_F32, &x);
  if (status == JT_OK) status = jt_add(ctx, x, x, &y);
  if (status == JT_OK) status = jt_sum(ctx, y, nullptr, 0, 0, &sum);
  if (status == JT_OK) status = jt_tensor_item_f64(ctx, sum, out);
  jt_tensor_release(x), jt_tensor_release(y), jt_tensor_release(sum);
  return status;
}

}  // namespace

TEST(Fork, TheChildComputesOnTheCpu) {
  const char* devices[] = {"cpu", "cuda"};
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV | JT_RT_NO_DISK_CACHE, desc.devices = devices,
  desc.devices_len = 2;
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  if (jt_runtime_create(&desc, &rt) != JT_OK) GTEST_SKIP() << "skipped: " << jt_last_error_message();
  ASSERT_EQ(jt_context_create(rt, &ctx), JT_OK);
  double value = 0;
  ASSERT_EQ(doubled(ctx, 1, &value), JT_OK) << jt_last_error_message();
  EXPECT_EQ(value, 8);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    double here = 0;
    int wrong = 0;
    if (doubled(ctx, 1, &here) != JT_E_FORKED) wrong |= 1;
    if (doubled(ctx, 0, &here) != JT_OK || here != 8) wrong |= 2;
    jt_context_release(ctx), jt_runtime_release(rt);
    _exit(wrong);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ASSERT_EQ(doubled(ctx, 1, &value), JT_OK) << jt_last_error_message();
  EXPECT_EQ(value, 8);
  jt_context_release(ctx), jt_runtime_release(rt);
}
