// What a host may do to its process while jt is in it: fork, limit files, trap floating-point exceptions. None of it
// makes jt hang, ends the process, or is changed by jt.
#include "tests/capi/child.h"

#include <fenv.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

using namespace jt::test;

namespace {

TEST(Fork, AChildCompilesWhateverThreadsOfItsParentWereDoing) {
  Session shared(JT_RT_NO_DISK_CACHE);
  double expected = chain(shared, 0);
  std::atomic<bool> stops{false};
  std::atomic<uint64_t> next{1};
  auto compile = [&](bool own) {
    Session alone(JT_RT_NO_DISK_CACHE);
    Session of_shared(shared.rt);
    while (!stops) chain(own ? alone : of_shared, next++);
  };
  std::thread first(compile, true), second(compile, true), third(compile, false);
  for (int i = 0; i < 60 && !testing::Test::HasFailure(); i++) {
    int status = in_child([&] {
      Session own(JT_RT_NO_DISK_CACHE);
      if (chain(own, 0) != expected) return 1;
      if (!std::isfinite(chain(own, 1000000 + uint64_t(i)))) return 2;
      return own.stats().kernels_compiled >= 2 ? 0 : 3;
    });
    EXPECT_EQ(status, 0) << "child " << i << (status < 0 ? " hangs" : "");
  }
  stops = true;
  first.join(), second.join(), third.join();
}

// ---- files ----------------------------------------------------------------------------------------------------------

struct Folder {
  std::filesystem::path path;
  Folder() {
    char name[] = "/tmp/jt-host-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

// No file may grow beyond `bytes`; a process that tries is ended by a signal.
struct FilesOf {
  rlimit before;
  explicit FilesOf(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit now{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FilesOf() { setrlimit(RLIMIT_FSIZE, &before); }
};

bool is_signal_held() {
  sigset_t held, pending;
  pthread_sigmask(SIG_SETMASK, nullptr, &held);
  sigpending(&pending);
  return sigismember(&held, SIGXFSZ) || sigismember(&pending, SIGXFSZ);
}

TEST(FileLimit, AFileThatMayNotGrowIsAnError) {
  Folder folder;
  Session s(JT_RT_NO_DISK_CACHE);
  Tensor x = s.zeros({100000});
  jt_tensor* list[] = {x};
  const char* names[] = {"x"};
  std::string model = folder.path / "model.safetensors", trace = folder.path / "trace.json";
  must(jt_eval(s.ctx, list, 1));
  must(jt_trace_start(s.rt, trace.c_str(), JT_NUL));
  for (uint64_t i = 0; i < 50; i++) chain(s, i);
  {
    FilesOf limit(1000);
    EXPECT_EQ(jt_checkpoint_save(s.ctx, model.c_str(), JT_NUL, names, list, 1), JT_E_IO);
    EXPECT_NE(last_message().find("File too large"), std::string::npos) << last_message();
    EXPECT_EQ(jt_trace_stop(s.rt), JT_E_IO) << last_message();
    EXPECT_FALSE(is_signal_held());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path)) << "a part of a file is left";
  EXPECT_EQ(jt_checkpoint_save(s.ctx, model.c_str(), JT_NUL, names, list, 1), JT_OK);
}

TEST(FileLimit, ACacheThatMayNotGrowIsAMiss) {
  for (const char* tier : {"tcc", "gxx"}) {
    Folder folder;
    setenv("JT_CPU_TIER", tier, 1);
    std::string cache = folder.path / "kernels";
    {
      FilesOf limit(64);
      Session s(JT_RT_ALLOW_ENV, cache.c_str());
      EXPECT_NEAR(chain(s, 4711), chain(Session(JT_RT_NO_DISK_CACHE), 4711), 1e-6) << tier;
      EXPECT_FALSE(is_signal_held());
    }
    Session again(JT_RT_ALLOW_ENV, cache.c_str());
    EXPECT_TRUE(std::isfinite(chain(again, 4711))) << tier;
    EXPECT_EQ(again.stats().kernels_from_disk, 0) << tier;
    unsetenv("JT_CPU_TIER");
  }
}

TEST(FileLimit, LinesForAFullFileAreDropped) {
  EXPECT_EQ(in_child([] {
    Folder folder;
    std::string path = folder.path / "log";
    int file = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(file, 2);
    setenv("JT_LOG", "debug", 1);
    FilesOf limit(10);
    Session s(JT_RT_ALLOW_ENV | JT_RT_NO_DISK_CACHE);
    chain(s, 1);
    struct stat facts;
    return stat(path.c_str(), &facts) == 0 && facts.st_size == 10 ? 0 : 1;
  }), 0);
}

// ---- floating-point exceptions --------------------------------------------------------------------------------------

// Every kind of entry; nothing in here computes with floats but jt. 0, or which part failed.
int use_everything(const char* path) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.flags = JT_RT_NO_DISK_CACHE;
  desc.threads = 2;
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  if (jt_runtime_create(&desc, &rt) || jt_context_create(rt, &ctx)) return 1;
  const int64_t dims[] = {300, 500}, square[] = {300, 300};
  jt_tensor *zero = nullptr, *x = nullptr, *y = nullptr, *z = nullptr, *w = nullptr, *label = nullptr;
  if (jt_zeros(ctx, dims, 2, JT_F32, &zero) || jt_random_normal(ctx, dims, 2, 0.1, 3.7, JT_F32, &x)) return 2;
  if (jt_div(ctx, x, zero, &y) || jt_log(ctx, zero, &z) || jt_eval(ctx, nullptr, 0)) return 3;  // division by zero
  jt_tensor_release(y), jt_tensor_release(z), y = z = nullptr;
  if (jt_scalar(ctx, 1e30, JT_F32, &y) || jt_mul(ctx, y, y, &z) || jt_eval(ctx, nullptr, 0)) return 4;  // overflow
  double item = 0;
  if (jt_tensor_item_f64(ctx, z, &item)) return 5;
  jt_tensor_release(y), jt_tensor_release(z), y = z = nullptr;
  jt_attr size{};
  size.name = "in_features", size.kind = JT_ATTR_I64, size.i64 = 500;
  jt_attr both[] = {size, size};
  both[1].name = "out_features", both[1].i64 = 300;
  jt_module* layer = nullptr;
  jt_optimizer* adam = nullptr;
  jt_tensor* parameters[2] = {};
  if (jt_module_create(ctx, "Linear", JT_NUL, both, 2, &layer) ||
      jt_module_parameters(ctx, layer, parameters, 2, nullptr))
    return 6;
  if (jt_optimizer_create(ctx, "adam", JT_NUL, nullptr, 0, parameters, 2, &adam)) return 7;
  for (int step = 0; step < 3; step++) {
    jt_tensor *sum = nullptr, *out = nullptr;
    if (jt_module_forward(ctx, layer, &x, 1, &out, 1) || jt_sum(ctx, out, nullptr, 0, 0, &sum)) return 8;
    if (jt_optimizer_step(ctx, adam, sum)) return 9;
    jt_tensor_release(out), jt_tensor_release(sum);
  }
  if (jt_random_uniform(ctx, square, 2, 0.3, 0.7, JT_F64, &w) || jt_matmul(ctx, w, w, &y) || jt_erf(ctx, y, &z))
    return 10;
  if (jt_eval(ctx, nullptr, 0) || jt_iota(ctx, dims, 1, 0, JT_I64, &label)) return 11;
  const char* names[] = {"w"};
  jt_checkpoint* file = nullptr;
  if (jt_checkpoint_save(ctx, path, JT_NUL, names, &w, 1) || jt_checkpoint_open(path, JT_NUL, &file)) return 12;
  jt_checkpoint_release(file);
  char text[100];
  size_t length = 0;
  if (jt_stats_print(rt, text, sizeof text, &length)) return 13;
  volatile double lr = jt_schedule_step(0.1, 0.3, 7, 3) ;
  lr = jt_schedule_cosine(0.1, 0.03, 1, 3);
  lr = jt_schedule_warmup(0.1, 1, 3);
  (void)lr;
  for (jt_tensor* t : {zero, x, y, z, w, label, parameters[0], parameters[1]}) jt_tensor_release(t);
  jt_module_release(layer), jt_optimizer_release(adam);
  jt_context_release(ctx), jt_runtime_release(rt);
  return 0;
}

TEST(FloatingPoint, ATrapOfTheHostsIsNeitherSprungNorChanged) {
  Folder folder;
  std::string path = folder.path / "w.safetensors";
  EXPECT_EQ(in_child([&] {
    const int all = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT;
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(all);
    int failure = use_everything(path.c_str());
    int traps = fegetexcept(), seen = fetestexcept(FE_ALL_EXCEPT);
    fedisableexcept(all);
    return failure ? failure : traps != all ? 50 : seen ? 51 : 0;
  }), 0);
}

TEST(FloatingPoint, FlagsOfTheHostsStayAsTheyWere) {
  Folder folder;
  std::string path = folder.path / "w.safetensors";
  for (int flags : {0, FE_OVERFLOW, FE_DIVBYZERO | FE_INEXACT}) {
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(flags);
    int before = fetestexcept(FE_ALL_EXCEPT), failure = use_everything(path.c_str()),
        after = fetestexcept(FE_ALL_EXCEPT);
    EXPECT_EQ(failure, 0);
    EXPECT_EQ(after, before);
  }
  feclearexcept(FE_ALL_EXCEPT);
}

}  // namespace
