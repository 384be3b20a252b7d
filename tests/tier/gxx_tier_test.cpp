// A kernel that runs long gets better code and loses nothing if it does not: whatever the compiler, the disk or the
// host does.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <thread>

#include "backends/cpu_tcc/kernel.h"
#include "tests/io/scratch.h"
#include "tests/vm/programs.h"

namespace jt::cpu {
namespace {

using test::Scratch;
using vm::best_primitives;
using Where = GxxSettings::Where;

constexpr const char* kPath = "/usr/local/bin:/usr/bin:/bin";

bool has_compiler() {
  std::string why_not;
  return CxxCompiler::find("", kPath, best_primitives().isa, &why_not) != nullptr;
}
#define NEEDS_A_COMPILER() \
  if (!has_compiler()) GTEST_SKIP() << "neither g++ nor clang++ is installed"

// y = x + ... + x with `terms` additions; each number of terms is another kernel.
std::string multiple(int terms) {
  vm::ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer),
          y = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::outer);
  int16_t first = m.load(x), sum = first;
  for (int k = 0; k < terms; k++) sum = m.element(Element::add_, CType::f32, sum, first);
  m.store(y, sum);
  return to_text(m.p);
}

struct Bench {
  std::deque<std::string> lines;
  std::vector<const void*> numbered = vm::by_number(best_primitives());
  std::unique_ptr<GxxTier> tier;

  explicit Bench(GxxSettings settings) {
    if (settings.search_path.empty()) settings.search_path = kPath;
    tier = std::make_unique<GxxTier>(best_primitives(), std::move(settings),
                                     [this](int, std::string_view line) { lines.emplace_back(line); });
  }
  std::unique_ptr<TieredKernel> kernel(int terms) {
    return std::make_unique<TieredKernel>(multiple(terms), best_primitives(), numbered.data(), nullptr, tier.get());
  }
};

bool multiplies(const TieredKernel& kernel, int terms) {
  float x[3] = {1, 2, -3}, y[3] = {};
  std::vector<int64_t> args = vm::Args(3, 1).operand(x).operand(y).words;
  alignas(64) static thread_local char scratch[1 << 17];
  static const jt_host_api host{};
  static const Lanes alone(host, 0);
  EXPECT_LE(kernel.scratch_bytes(args.data(), alone), int64_t(sizeof scratch));
  kernel.run(args.data(), 0, 3, scratch, alone);
  float factor = float(terms + 1);
  return y[0] == factor && y[1] == 2 * factor && y[2] == -3 * factor;
}

// Runs until the kernel is in the tier; false after a minute.
bool rises(const TieredKernel& kernel, int terms) {
  for (int k = 0; k < 60000; k++) {
    if (!multiplies(kernel, terms)) return false;
    if (std::string_view(kernel.tier()) == "gxx") return multiplies(kernel, terms);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

GxxSettings settings(Where where, const std::string& folder = "") {
  GxxSettings s;
  s.where = where;
  s.cache_folder = folder;
  s.hot_ns = 0;
  return s;
}

// A program that stands in for a compiler.
std::string script(const Scratch& scratch, const std::string& name, const std::string& body) {
  std::string path = scratch / name;
  test::put(path, "#!/bin/sh\n" + body);
  std::filesystem::permissions(path, std::filesystem::perms(0755));
  return path;
}

TEST(GxxTier, CompilesBeforeTheFirstRun) {
  NEEDS_A_COMPILER();
  Bench bench(settings(Where::foreground));
  std::vector<std::unique_ptr<TieredKernel>> kernels;
  for (int terms = 1; terms <= 20; terms++) kernels.push_back(bench.kernel(terms));
  EXPECT_EQ(bench.tier->stats().runs, 0);
  for (int terms = 1; terms <= 20; terms++) {
    EXPECT_TRUE(multiplies(*kernels[size_t(terms - 1)], terms));
    EXPECT_STREQ(kernels[size_t(terms - 1)]->tier(), "gxx");
  }
  EXPECT_EQ(bench.tier->stats().compiled, 20);
  EXPECT_EQ(bench.tier->stats().runs, 2);  // sixteen at a time
  EXPECT_TRUE(bench.lines.empty()) << bench.lines[0];
}

TEST(GxxTier, SwapsInCodeFromItsThread) {
  NEEDS_A_COMPILER();
  Bench bench(settings(Where::thread));
  auto kernel = bench.kernel(3);
  EXPECT_STREQ(kernel->tier(), "vm");
  EXPECT_TRUE(rises(*kernel, 3));
  EXPECT_GT(kernel->compile_ns(), 0);
}

TEST(GxxTier, ManyThreadsRunWhileCodeIsSwapped) {
  NEEDS_A_COMPILER();
  Bench bench(settings(Where::thread));
  auto kernel = bench.kernel(4);
  std::vector<std::thread> threads;
  std::atomic<int> risen{0};
  for (int t = 0; t < 4; t++) threads.emplace_back([&] { risen += rises(*kernel, 4); });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(risen, 4);
  EXPECT_EQ(bench.tier->stats().compiled, 1);
}

TEST(GxxTier, ANewKernelIsNotHot) {
  GxxSettings s = settings(Where::thread);
  s.hot_ns = 3 * kGxxCompileNs;
  Bench bench(s);
  auto kernel = bench.kernel(2);
  for (int k = 0; k < 1000; k++) ASSERT_TRUE(multiplies(*kernel, 2));
  EXPECT_EQ(bench.tier->stats().runs, 0);
}

TEST(GxxTier, ASecondProcessCompilesNothing) {
  NEEDS_A_COMPILER();
  Scratch scratch;
  std::string folder = scratch / "$(touch PWNED) `x`; \"'缓存\n";
  {
    Bench bench(settings(Where::foreground, folder));
    for (int terms = 1; terms <= 3; terms++) EXPECT_TRUE(multiplies(*bench.kernel(terms), terms));
    EXPECT_EQ(bench.tier->stats().compiled, 3);
  }
  Bench bench(settings(Where::nowhere, folder));
  for (int terms = 1; terms <= 3; terms++) {
    auto kernel = bench.kernel(terms);
    EXPECT_STREQ(kernel->tier(), "gxx");
    EXPECT_TRUE(kernel->from_disk());
    EXPECT_TRUE(multiplies(*kernel, terms));
  }
  auto other = bench.kernel(4);
  EXPECT_STREQ(other->tier(), "vm");
  EXPECT_TRUE(multiplies(*other, 4));
  EXPECT_EQ(bench.tier->stats().runs, 0);
  EXPECT_FALSE(std::filesystem::exists("PWNED"));
}

TEST(GxxTier, OtherInstructionsAreOtherKernels) {
  NEEDS_A_COMPILER();
  std::string why_not;
  auto narrow = CxxCompiler::find("", kPath, vm::Isa::base, &why_not),
       wide = CxxCompiler::find("", kPath, vm::Isa::avx2, &why_not);
  EXPECT_NE(narrow->identity(), wide->identity());
  EXPECT_EQ(narrow->identity().find("native"), std::string::npos);
}

TEST(GxxTier, TheCompilerMayLieAtAnyPath) {
  NEEDS_A_COMPILER();
  Scratch scratch;
  std::string folder = scratch / "it's $(false) \"`编译`\" ;";
  std::filesystem::create_directory(folder);
  std::string program = folder + "/my c++; exit 1";
  std::string why_not, real = CxxCompiler::find("", kPath, vm::Isa::base, &why_not)->path();
  test::put(program, "#!/bin/sh\nexec '" + real + "' \"$@\"\n");
  std::filesystem::permissions(program, std::filesystem::perms(0755));
  for (bool by_name : {false, true}) {
    GxxSettings s = settings(Where::foreground);
    s.compiler = by_name ? "my c++; exit 1" : program;
    s.search_path = "relative:" + folder + ":" + kPath;
    Bench bench(s);
    auto kernel = bench.kernel(5);
    EXPECT_TRUE(multiplies(*kernel, 5));
    EXPECT_STREQ(kernel->tier(), "gxx");
  }
}

// ---- what fails leaves kernels as they are ----

void expect_unhurt(const std::string& compiler, const std::string& line, int64_t runs = 1) {
  GxxSettings s = settings(Where::foreground);
  s.compiler = compiler;
  s.timeout_ms = 300;
  Bench bench(s);
  for (int k = 0; k < 2; k++) {
    auto kernel = bench.kernel(2);
    EXPECT_TRUE(multiplies(*kernel, 2));
    EXPECT_STREQ(kernel->tier(), "vm");
  }
  bench.kernel(1);  // says what happened
  ASSERT_EQ(bench.lines.size(), 1u) << compiler;
  EXPECT_NE(bench.lines[0].find(line), std::string::npos) << bench.lines[0];
  EXPECT_EQ(bench.tier->stats().compiled, 0);
  EXPECT_EQ(bench.tier->stats().runs, runs);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(GxxTier, ACompilerThatFailsIsSaidOnce) {
  Scratch scratch;
  expect_unhurt("/nowhere/g++", "is no program", 0);
  expect_unhurt(scratch.path(), "is no program", 0);
  expect_unhurt(script(scratch, "refuses", "echo '<stdin>:1:1: error: no' >&2; exit 1\n"), "error: no", 2);
  expect_unhurt(script(scratch, "says nothing", "exit 0\n"), "object file", 2);
  expect_unhurt(script(scratch, "writes nonsense", "head -c 5000 /dev/zero > /proc/self/fd/3\n"), "object file", 2);
  expect_unhurt(script(scratch, "crashes", "kill -SEGV $$\n"), "signal 11", 2);
  expect_unhurt(script(scratch, "is killed", "kill -KILL $$\n"), "signal 9", 2);
  expect_unhurt(script(scratch, "hangs", "sleep 1000\n"), "took longer than 300 ms", 2);
  test::put(scratch / "no program", "neither ELF nor script");
  std::filesystem::permissions(scratch / "no program", std::filesystem::perms(0755));
  expect_unhurt(scratch / "no program", "cannot start", 2);
}

struct Host {
  std::deque<std::pair<void (*)(void*), void*>> work;
  GxxSettings settings_with_submit() {
    GxxSettings s = settings(Where::host);
    s.submit = [this](void (*function)(void*), void* argument) { work.emplace_back(function, argument); };
    return s;
  }
  void run() {
    for (; !work.empty(); work.pop_front()) work.front().first(work.front().second);
  }
};

TEST(GxxTier, ItIsSaidAlsoWhenNothingIsCompiledLater) {
  Scratch scratch;
  for (auto [name, body] :
       {std::pair("refuses", "exit 1\n"), {"crashes", "kill -SEGV $$\n"}, {"hangs", "sleep 1000\n"}}) {
    Host host;
    GxxSettings s = host.settings_with_submit();
    s.compiler = script(scratch, name, body);
    s.timeout_ms = 300;
    Bench bench(s);
    auto kernel = bench.kernel(3);
    EXPECT_TRUE(multiplies(*kernel, 3) && multiplies(*kernel, 3)) << name;
    host.run();
    EXPECT_TRUE(multiplies(*kernel, 3)) << name;
    EXPECT_EQ(bench.lines.size(), 1u) << name << ": by the next run";

    Host another;
    s.submit = another.settings_with_submit().submit;
    Bench brief(s);
    kernel = brief.kernel(3);
    EXPECT_TRUE(multiplies(*kernel, 3) && multiplies(*kernel, 3)) << name;
    another.run();
    kernel.reset(), brief.tier.reset();
    EXPECT_EQ(brief.lines.size(), 1u) << name << ": by the end";
  }
}

TEST(GxxTier, ClosingEndsTheCompilerAndItsChildren) {
  Scratch scratch;
  GxxSettings s = settings(Where::thread);
  s.compiler = script(scratch, "hangs", "sleep 1000 & echo $! > \"$0.child\"; wait\n");
  pid_t child = 0;
  {
    Bench bench(s);
    auto kernel = bench.kernel(2);
    for (int k = 0; k < 20000 && child == 0; k++) {
      EXPECT_TRUE(multiplies(*kernel, 2));
      child = std::atoi(test::content(s.compiler + ".child").c_str());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_GT(child, 0);
  }
  for (int k = 0; k < 10000 && kill(child, 0) == 0; k++) {
    // Until its new parent has reaped it, it is there as a zombie.
    if (test::content("/proc/" + std::to_string(child) + "/stat").find(") Z") != std::string::npos) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::string stat = test::content("/proc/" + std::to_string(child) + "/stat");
  EXPECT_TRUE(stat.empty() || stat.find(") Z") != std::string::npos) << stat;
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(GxxTier, AFolderThatCannotBeUsedCostsOnlyTheCache) {
  NEEDS_A_COMPILER();
  Scratch scratch;
  std::string open = scratch / "open";
  std::filesystem::create_directory(open);
  std::filesystem::permissions(open, std::filesystem::perms(0777));
  Bench bench(settings(Where::foreground, open));
  EXPECT_TRUE(multiplies(*bench.kernel(2), 2));
  EXPECT_EQ(bench.tier->stats().compiled, 1);
  EXPECT_EQ(bench.lines.size(), 1u);
}

// ---- the host's threads ----

TEST(GxxTier, TheHostRunsTheCompilerWhenItLikes) {
  NEEDS_A_COMPILER();
  Host host;
  Bench bench(host.settings_with_submit());
  auto one = bench.kernel(1), two = bench.kernel(2);
  EXPECT_TRUE(multiplies(*one, 1) && multiplies(*two, 2) && multiplies(*one, 1));
  EXPECT_EQ(host.work.size(), 2u);
  EXPECT_EQ(bench.tier->stats().runs, 0);
  host.run();
  EXPECT_EQ(bench.tier->stats().runs, 1);  // both together
  EXPECT_STREQ(one->tier(), "gxx");
  EXPECT_STREQ(two->tier(), "gxx");
  EXPECT_TRUE(multiplies(*one, 1) && multiplies(*two, 2));
}

TEST(GxxTier, WorkThatTheHostBeginsTooLateDoesNothing) {
  Host host;
  {
    Bench bench(host.settings_with_submit());
    if (!has_compiler()) GTEST_SKIP();
    auto kernel = bench.kernel(1);
    EXPECT_TRUE(multiplies(*kernel, 1));
  }
  EXPECT_EQ(host.work.size(), 1u);
  host.run();
}

TEST(GxxTier, AKernelMayGoWhileItWaits) {
  NEEDS_A_COMPILER();
  Host host;
  Bench bench(host.settings_with_submit());
  EXPECT_TRUE(multiplies(*bench.kernel(1), 1));
  host.run();
  EXPECT_EQ(bench.tier->stats().runs, 0);
}

TEST(GxxTier, NoDescriptorIsLeftOpen) {
  NEEDS_A_COMPILER();
  size_t before = test::open_descriptors();
  for (int k = 0; k < 3; k++) {
    Bench bench(settings(Where::foreground));
    EXPECT_TRUE(multiplies(*bench.kernel(2), 2));
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace jt::cpu
