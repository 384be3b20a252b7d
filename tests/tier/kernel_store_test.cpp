// What comes back from the disk is what was saved, or nothing.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "backends/cpu_tcc/tier/tcc_tier.h"
#include "backends/cpu_tcc/vm/vm.h"
#include "tests/io/scratch.h"
#include "tests/vm/programs.h"

namespace jt::cpu {
namespace {

using test::Fault;
using test::Scratch;
using vm::best_primitives;

// y = x + ... + x with `terms` additions; each number of terms is another kernel.
Program multiple(int terms) {
  vm::ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer),
          y = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::outer);
  int16_t first = m.load(x), sum = first;
  for (int k = 0; k < terms; k++) sum = m.element(Element::add_, CType::f32, sum, first);
  m.store(y, sum);
  return m.p;
}

struct Lines {
  std::vector<std::string> lines;
  TccTier::Log log() {
    return [this](int, std::string_view line) { lines.emplace_back(line); };
  }
};

TccTier tier_in(const std::string& folder, Lines& lines) {
  return TccTier(best_primitives(), {"tcc", JT_TCC_LIBRARY, folder}, lines.log());
}

bool multiplies(const TccTier& tier, const TccKernel& kernel, int terms) {
  float x[3] = {1, 2, -3}, y[3] = {};
  std::vector<int64_t> args = vm::Args(3, 1).operand(x).operand(y).words;
  vm::VmCode vm(multiple(terms), best_primitives());
  std::unique_ptr<char, decltype(&std::free)> scratch(
      static_cast<char*>(std::aligned_alloc(64, size_t(vm.scratch_bytes(args.data()) + 127) / 64 * 64)), std::free);
  reinterpret_cast<MachineCode>(kernel.entry)(args.data(), 0, 3, scratch.get(), tier.primitives());
  float factor = float(terms + 1);
  return y[0] == factor && y[1] == 2 * factor && y[2] == -3 * factor;
}

bool works(TccTier& tier, int terms) {
  Program program = multiple(terms);
  TccKernel kernel = tier.compile(program, to_text(program));
  return kernel.entry && multiplies(tier, kernel, terms);
}

TEST(KernelStore, ASecondProcessCompilesNothing) {
  Scratch scratch;
  std::string folder = scratch / "$(touch PWNED) `x`; \"'缓存\n";
  Lines lines;
  {
    TccTier tier = tier_in(folder, lines);
    for (int terms = 1; terms <= 5; terms++) EXPECT_TRUE(works(tier, terms));
    EXPECT_EQ(tier.stats().compiled, 5);
    EXPECT_EQ(tier.stats().loaded, 0);
  }
  TccTier tier = tier_in(folder, lines);
  for (int terms = 1; terms <= 6; terms++) EXPECT_TRUE(works(tier, terms));
  EXPECT_EQ(tier.stats().compiled, 1);
  EXPECT_EQ(tier.stats().loaded, 5);
  EXPECT_TRUE(lines.lines.empty()) << lines.lines[0];
  EXPECT_FALSE(std::filesystem::exists("PWNED"));
}

// A store with one entry, for tests that damage it.
struct OneEntry : ::testing::Test {
  Scratch scratch;
  std::string why_not, key = "the key", path;
  std::unique_ptr<CodeArena> arena = CodeArena::open(&why_not);
  std::unique_ptr<TccCompiler> compiler = TccCompiler::open(JT_TCC_LIBRARY, &why_not);
  TccKernel kernel;
  void SetUp() override {
    ASSERT_TRUE(arena && compiler) << why_not;
    kernel =
        compiler->compile("int twice(int x) { return 2 * x; }\nint k(int x) { return 1 + twice(x); }", "k", {}, *arena);
    KernelStore store(scratch.path(), "build");
    store.save(key, kernel);
    path = scratch / store.file_name(key);
  }
  bool hits(const std::string& build, const std::string& wanted) {
    TccKernel loaded = KernelStore(scratch.path(), build).load(wanted, *arena);
    if (!loaded.entry) return false;
    EXPECT_EQ(reinterpret_cast<int (*)(int)>(loaded.entry)(20), 41);
    return true;
  }
  bool hits() { return hits("build", key); }
};

TEST_F(OneEntry, IsFoundByItsKeyAndBuildOnly) {
  EXPECT_TRUE(hits());
  EXPECT_FALSE(hits("build", "the kez"));
  EXPECT_FALSE(hits("builds", key));
  // Under the name of another key, another build, and a split of the two at another place.
  for (auto [build, other] :
       {std::pair<std::string, std::string>{"build", "the kez"}, {"buile", key}, {"buildt", "he key"}}) {
    std::string name = KernelStore(scratch.path(), build).file_name(other);
    std::filesystem::copy_file(path, scratch / name);
    EXPECT_FALSE(hits(build, other));
  }
}

TEST_F(OneEntry, AnyDamageIsAMiss) {
  const std::string whole = test::content(path);
  ASSERT_GT(whole.size(), 100u);
  for (size_t size = 0; size < whole.size(); size++) {
    test::put(path, std::string_view(whole).substr(0, size));
    ASSERT_FALSE(hits()) << size;
  }
  for (char more : {'\0', 'x'}) {
    test::put(path, whole + more);
    EXPECT_FALSE(hits());
  }
  for (size_t at = 0; at < whole.size(); at++)
    for (int bit = 0; bit < 8; bit++) {
      std::string damaged = whole;
      damaged[at] = char(damaged[at] ^ 1 << bit);
      test::put(path, damaged);
      ASSERT_FALSE(hits()) << at;
    }
  test::put(path, whole);
  EXPECT_TRUE(hits());
}

TEST_F(OneEntry, OfOthersIsAMiss) {
  std::filesystem::permissions(path, std::filesystem::perms(0666));
  EXPECT_FALSE(hits());
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  EXPECT_TRUE(hits());
  std::filesystem::create_hard_link(path, scratch / "link");
  EXPECT_FALSE(hits());
  std::filesystem::remove(path);
  std::filesystem::create_symlink(scratch / "link", path);
  EXPECT_FALSE(hits());
  std::filesystem::remove(path);
  EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(hits());
}

TEST_F(OneEntry, EveryFailingCallIsAMissOrALostEntry) {
  KernelStore store(scratch.path(), "build", test::kFaulty);
  Fault::none();
  ASSERT_TRUE(store.load(key, *arena).entry);
  int calls = Fault::calls;
  for (int error : {EIO, EACCES, ESTALE, ENOMEM})
    for (int n = 0; n < calls; n++) {
      Fault::at(n, error, true);
      (void)store.load(key, *arena);
    }
  for (int error : {EROFS, EACCES, ENOSPC, EDQUOT, EIO})
    for (int n = 0; n < 20; n++) {
      Fault::at(n, error);
      try {
        store.save("another key", kernel);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), JT_E_IO);
      }
    }
  Fault::none();
  EXPECT_TRUE(hits());
  EXPECT_LE(scratch.count(), 2u);
}

TEST(KernelStore, ManyProcessesWriteTheSameEntries) {
  Scratch scratch;
  constexpr int kProcesses = 4, kKernels = 40;
  std::vector<pid_t> children;
  for (int k = 0; k < kProcesses; k++) {
    pid_t child = fork();
    if (child == 0) {
      Lines lines;
      TccTier tier = tier_in(scratch.path(), lines);
      bool good = true;
      for (int terms = 1; terms <= kKernels; terms++) good &= works(tier, terms);
      _exit(good && lines.lines.empty() ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  Lines lines;
  TccTier tier = tier_in(scratch.path(), lines);
  for (int terms = 1; terms <= kKernels; terms++) EXPECT_TRUE(works(tier, terms));
  EXPECT_EQ(tier.stats().loaded, kKernels);
  EXPECT_EQ(scratch.count(), size_t(kKernels));
}

// Kernels are compiled as if nothing was asked for, and one line says so.
void expect_works_without_disk(const std::string& folder) {
  Lines lines;
  TccTier tier = tier_in(folder, lines);
  EXPECT_TRUE(works(tier, 1));
  EXPECT_TRUE(works(tier, 2));
  EXPECT_EQ(tier.stats().compiled, 2);
  ASSERT_EQ(lines.lines.size(), 1u);
  EXPECT_NE(lines.lines[0].find("kernels are not kept on the disk"), std::string::npos) << lines.lines[0];
}

TEST(KernelStore, AFolderThatOthersCouldChangeIsNotUsed) {
  Scratch scratch;
  std::string folder = scratch / "open";
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms(0777));
  expect_works_without_disk(folder);
  std::filesystem::permissions(folder, std::filesystem::perms(0700));
  std::filesystem::create_directory_symlink(folder, scratch / "link");
  expect_works_without_disk(scratch / "link");
  test::put(scratch / "file", "x");
  expect_works_without_disk(scratch / "file");
  expect_works_without_disk("/proc/jt");
  if (geteuid() == 0 && chown(folder.c_str(), 12345, 12345) == 0) expect_works_without_disk(folder);
}

TEST(KernelStore, AFolderThatCannotBeWrittenIsReadOnly) {
  Scratch scratch;
  Lines lines;
  {
    TccTier tier = tier_in(scratch.path(), lines);
    EXPECT_TRUE(works(tier, 1));
  }
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(0500));
  if (access(scratch.path().c_str(), W_OK) == 0) GTEST_SKIP() << "this user may write everywhere";
  TccTier tier = tier_in(scratch.path(), lines);
  for (int terms : {1, 2, 3}) EXPECT_TRUE(works(tier, terms));
  EXPECT_EQ(tier.stats().loaded, 1);
  EXPECT_EQ(lines.lines.size(), 1u);
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(0700));
}

TEST(TccTier, WithoutLibtccTheVmIsLeft) {
  Scratch scratch;
  Lines lines;
  TccTier tier(best_primitives(), {"auto", scratch / "none.so", ""}, lines.log());
  for (int terms : {1, 2}) EXPECT_FALSE(tier.compile(multiple(terms), "").entry);
  EXPECT_EQ(tier.stats().failed, 2);
  ASSERT_EQ(lines.lines.size(), 1u);
  EXPECT_NE(lines.lines[0].find("none.so"), std::string::npos);
}

TEST(TccTier, ABuildHasANameOfItsOwn) {
  EXPECT_EQ(build_id(), build_id());
  EXPECT_NE(build_id().find("jt "), std::string::npos);
}

}  // namespace
}  // namespace jt::cpu
