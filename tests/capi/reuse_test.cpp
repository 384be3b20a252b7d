// What may change without a new kernel: batch sizes, learning rates, places of slices; and what without a new plan.
//
// ctest runs each test in a process of its own; each has a cache folder of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/capi/capi.h"

using namespace jt::test;

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/jt_reuse_XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { (void)!std::system(("rm -rf '" + path + "'").c_str()); }
};

// Kernels compiled by one training step of LeNet for each batch size.
static std::vector<int64_t> lenet_compiles(const Session& s, const std::vector<int64_t>& batches) {
  LeNet net(s, 4, 6, 32);
  jt_optimizer* o = net.optimizer();
  must(jt_sync(s.ctx));
  std::vector<int64_t> compiled;
  for (int64_t batch : batches) {
    int64_t before = s.stats().kernels_compiled;
    for (int i = 0; i < 2; i++) {
      Tensor out = net.forward(pictures(s, batch)), loss = net.loss(out, labels(s, batch));
      must(jt_optimizer_step(s.ctx, o, loss));
    }
    compiled.push_back(s.stats().kernels_compiled - before);
  }
  jt_optimizer_release(o);
  return compiled;
}
// The same for a recurrence of five steps that starts from zeros([batch, hidden]).
static std::vector<int64_t> recurrence_compiles(const Session& s, const std::vector<int64_t>& batches) {
  constexpr int64_t kHidden = 16, kInputs = 8;
  Tensor w = parameter(s, {kInputs, kHidden}), u = parameter(s, {kHidden, kHidden}), b = s.zeros({kHidden});
  must(jt_tensor_set_requires_grad(s.ctx, b, 1));
  jt_tensor* params[3] = {w, u, b};
  jt_optimizer* o = nullptr;
  must(jt_optimizer_create(s.ctx, "sgd", JT_NUL, nullptr, 0, params, 3, &o));
  must(jt_sync(s.ctx));
  std::vector<int64_t> compiled;
  for (int64_t batch : batches) {
    int64_t before = s.stats().kernels_compiled;
    for (int i = 0; i < 2; i++) {
      Tensor h = s.zeros({batch, kHidden});
      for (int t = 0; t < 5; t++) {
        Tensor x = s.floats({batch, kInputs}, std::vector<float>(size_t(batch * kInputs), 0.1f * float(t)));
        Tensor sum = s.make(jt_add, s.make(jt_matmul, x, w), s.make(jt_matmul, h, u));
        h = s.make(jt_tanh, s.make(jt_add, sum, b));
      }
      Tensor loss = s.make(jt_mean, s.make(jt_square, h), nullptr, 0, 0);
      must(jt_optimizer_step(s.ctx, o, loss));
    }
    compiled.push_back(s.stats().kernels_compiled - before);
  }
  jt_optimizer_release(o);
  return compiled;
}

template <class Compiles>
static void expect_only_the_first_compiles(Compiles compiles, const std::vector<int64_t>& batches) {
  Folder folder;
  Session s(0, folder.path.c_str());
  std::vector<int64_t> compiled = compiles(s, batches);
  EXPECT_GT(compiled[0], 0);
  for (size_t i = 1; i < batches.size(); i++) EXPECT_EQ(compiled[i], 0) << "batch " << batches[i];
}
TEST(Reuse, LenetBatch841) { expect_only_the_first_compiles(lenet_compiles, {8, 4, 1}); }
TEST(Reuse, LenetBatch148) { expect_only_the_first_compiles(lenet_compiles, {1, 4, 8}); }
TEST(Reuse, RecurrenceBatch841) { expect_only_the_first_compiles(recurrence_compiles, {8, 4, 1}); }
TEST(Reuse, RecurrenceBatch148) { expect_only_the_first_compiles(recurrence_compiles, {1, 4, 8}); }

TEST(Reuse, LearningRateOfLenet) {
  Folder folder;
  Session s(0, folder.path.c_str());
  LeNet net(s, 4, 6, 32);
  jt_optimizer* o = net.optimizer();
  must(jt_sync(s.ctx));
  Tensor x = pictures(s, 8), y = labels(s, 8);
  jt_stats before{};
  for (int i = 0; i < 6; i++) {
    must(jt_optimizer_set_lr(s.ctx, o, jt_schedule_cosine(1e-3, 0, i, 6)));
    Tensor loss = net.loss(net.forward(x), y);
    must(jt_optimizer_step(s.ctx, o, loss));
    if (i == 1) before = s.stats();
  }
  EXPECT_EQ(s.stats().kernels_compiled, before.kernels_compiled);
  EXPECT_EQ(s.stats().plans_made, before.plans_made);
  jt_optimizer_release(o);
}
TEST(Reuse, MovingSlices) {
  Folder folder;
  Session s(0, folder.path.c_str());
  Tensor data = s.normal({64, 32}), cache = s.zeros({64, 32});
  must(jt_sync(s.ctx));
  jt_stats before{};
  for (int64_t i = 1; i < 40; i++) {
    Tensor rows = s.make(jt_exp, s.slice(data, {i, 0}, {i + 8, 32}));  // data[i:i+8]
    Tensor column = s.sum(s.slice(data, {0, i % 31}, {64, i % 31 + 1}));  // data[:, t]
    const int64_t at[2] = {i, 0};
    must(jt_tensor_assign(s.ctx, cache, s.make(jt_update, cache, rows, at, 2, nullptr, 0)));  // cache[i:i+8] = rows
    must(jt_sync(s.ctx));
    if (i == 1) before = s.stats();
  }
  EXPECT_EQ(s.stats().kernels_compiled, before.kernels_compiled);
  // A start of 0 is a class of its own: one more plan, no more.
  EXPECT_LE(s.stats().plans_made, before.plans_made + 1);
}

TEST(Reuse, SecondProcessCompilesNothing) {
  Folder folder;
  jt_stats of[2] = {};
  for (jt_stats& stats : of) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    if (pid_t child = fork(); child == 0) {
      Session s(0, folder.path.c_str());
      lenet_compiles(s, {8});
      jt_stats mine = s.stats();
      _exit(write(ends[1], &mine, sizeof mine) != ssize_t(sizeof mine));
    } else {
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_EQ(status, 0);
      ASSERT_EQ(read(ends[0], &stats, sizeof stats), ssize_t(sizeof stats));
      close(ends[0]), close(ends[1]);
    }
  }
  if (of[0].kernels_compiled && of[1].kernels_from_disk == 0 && of[1].kernels_compiled == of[0].kernels_compiled)
    GTEST_SKIP() << "this build has no libtcc: nothing is kept on disk";
  EXPECT_EQ(of[1].kernels_compiled, 0);
  EXPECT_EQ(of[1].kernels_from_disk, of[0].kernels_compiled);
}
