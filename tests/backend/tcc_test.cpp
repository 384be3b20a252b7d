// libtcc as a compiler: kernels run, errors name their line, memory may end anywhere, code memory may be
// refused.
#include "backends/cpu_tcc/tcc/tcc_library.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <clocale>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>
#include <vector>

#include "core/base/status.h"

namespace jt::cpu {
namespace {

// out[i] = sqrtf(a*a + b*b), clamped, through a table, a helper of the host and a structure copy.
const char* const kKernel = R"(
typedef struct { const float* restrict a; const float* restrict b; float* restrict out; long long n; } args;
typedef struct { float low, high; float rest[30]; } bounds;
extern float sqrtf(float);
extern float twice(float);
static const float table[4] = {0.0f, 0.25f, 0.5f, 0.75f};
static inline float clamp(float x, bounds b) { return x < b.low ? b.low : (x > b.high ? b.high : x); }
void kernel(args* restrict p) {
  const float* restrict a = p->a;
  const float* restrict b = p->b;
  bounds limits = {0};
  limits.high = 8.0f;
  for (long long i = 0; i < p->n; i++) {
    float length = clamp(sqrtf(a[i] * a[i] + b[i] * b[i]), limits);
    unsigned long long whole = (unsigned long long)length;
    p->out[i] = twice(length) + table[i & 3] + (float)whole;
  }
}
)";

struct Args {
  const float* a;
  const float* b;
  float* out;
  long long n;
};

float twice(float x) { return 2 * x; }

const void* address(float (*function)(float)) { return reinterpret_cast<const void*>(function); }
const TccSymbol kSymbols[] = {{"sqrtf", address(std::sqrt)}, {"twice", address(twice)}};

// {3,4,0} and {5,12,0}: lengths 5, 8 after clamping, 0.
bool gives_right_values(const TccKernel& kernel) {
  const float a[3] = {3, 5, 0}, b[3] = {4, 12, 0};
  float out[3] = {};
  Args args = {a, b, out, 3};
  reinterpret_cast<void (*)(Args*)>(kernel.entry)(&args);
  return out[0] == 10.0f + 0.0f + 5.0f && out[1] == 16.0f + 0.25f + 8.0f && out[2] == 0.5f;
}

int call(const TccKernel& kernel) { return reinterpret_cast<int (*)()>(kernel.entry)(); }

std::unique_ptr<TccCompiler> open_compiler(TccMemory memory = {}) {
  std::string why_not;
  auto compiler = TccCompiler::open(JT_TCC_LIBRARY, &why_not, memory);
  EXPECT_TRUE(compiler) << why_not;
  return compiler;
}

std::unique_ptr<CodeArena> open_arena() {
  std::string why_not;
  auto arena = CodeArena::open(&why_not);
  EXPECT_TRUE(arena) << why_not;
  return arena;
}

struct Tcc : testing::Test {
  std::unique_ptr<TccCompiler> compiler = open_compiler();
  std::unique_ptr<CodeArena> arena = open_arena();

  TccKernel compile(std::string_view source, const char* entry = "kernel") {
    return compiler->compile(source, entry, kSymbols, *arena);
  }
  // "": it compiled.
  std::string error_of(std::string_view source, jt_status expected = JT_E_COMPILE) {
    try {
      compile(source);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), expected) << error.message();
      return error.message();
    }
  }
};

TEST_F(Tcc, CompilesAndRunsAKernel) {
  EXPECT_TRUE(gives_right_values(compile(kKernel)));
  EXPECT_EQ(compiler->live_bytes(), 0u);
}

TEST_F(Tcc, CodeOutlivesLaterCompilesAndTheCompiler) {
  TccKernel first = compile(kKernel);
  for (int i = 0; i < 20; i++) compile("int kernel(void) { return 1; }");
  compiler.reset();
  EXPECT_TRUE(gives_right_values(first));
}

TEST_F(Tcc, AnErrorNamesItsLineAndTheNextCompileWorks) {
  EXPECT_EQ(error_of("int kernel(int x) {\n  int y = x\n  return y;\n}\n"),
            "tcc: line 3: ';' expected (got \"return\"): \"return y;\"");
  EXPECT_EQ(compiler->live_bytes(), 0u);
  EXPECT_TRUE(gives_right_values(compile(kKernel)));
}

TEST_F(Tcc, WhatIsOnlyAWarningInLibtccIsAnError) {
  EXPECT_EQ(error_of("float kernel(float x) {\n  return __builtin_fmaf(x, x, x);\n}\n"),
            "tcc: line 2: implicit declaration of function '__builtin_fmaf': "
            "\"return __builtin_fmaf(x, x, x);\"");
  EXPECT_NE(error_of("int* kernel(float* x) { return x; }"), "");
}

TEST_F(Tcc, ErrorsWithoutALineAreErrorsToo) {
  EXPECT_EQ(error_of("int nowhere(void); int kernel(void) { return nowhere(); }"),
            "tcc: undefined symbol 'nowhere'");
  EXPECT_EQ(error_of("int other(void) { return 1; }"), "tcc: the source does not define kernel");
  EXPECT_NE(error_of("int kernel(void) { /* "), "");
  EXPECT_EQ(compiler->live_bytes(), 0u);
}

TEST_F(Tcc, TextCannotReachFilesOrOptions) {
  for (const char* source : {"#include <math.h>\nint kernel(void) { return 1; }",
                             "#include \"/etc/hostname\"\nint kernel(void) { return 1; }",
                             "#pragma comment(option, \"-zzz\")\nint kernel(void) { return 1; }"})
    EXPECT_NE(error_of(source), "") << source;
  EXPECT_TRUE(gives_right_values(compile(kKernel)));
}

TEST_F(Tcc, HugeObjectsAndDeepNestingAreErrors) {
  EXPECT_NE(error_of("char a[30000000000ll]; int kernel(void) { return a[1]; }"), "");
  std::string deep = "int kernel(int x) { return ";
  for (int i = 0; i < 600; i++) deep += "x + (";
  deep += "x" + std::string(600, ')') + "; }";
  EXPECT_NE(error_of(deep), "");
  EXPECT_TRUE(gives_right_values(compile(kKernel)));
}

TEST_F(Tcc, EveryFailingAllocationIsOutOfMemoryAndNothingMore) {
  int failures = 0;
  for (bool has_failed = true; has_failed;) {
    compiler->fail_at(failures + 1);
    std::string message = error_of(kKernel, JT_E_NOMEM);
    has_failed = !message.empty();
    failures += has_failed;
    compiler->fail_at(0);
    ASSERT_EQ(compiler->live_bytes(), 0u) << "after allocation " << failures;
    ASSERT_EQ(arena->live_bytes(), 0u) << "after allocation " << failures;
    ASSERT_TRUE(gives_right_values(compile(kKernel))) << "after allocation " << failures;
  }
  EXPECT_GT(failures, 200);
}

TEST_F(Tcc, EveryFailingAllocationOfABadTextLeavesTheNextCompileWell) {
  const char* bad = "struct s { int a; };\nint kernel(struct s* p) {\n  return p->b;\n}\n";
  for (int n = 1; n < 200; n++) {
    compiler->fail_at(n);
    EXPECT_THROW(compile(bad), Error);
    compiler->fail_at(0);
    ASSERT_EQ(compiler->live_bytes(), 0u) << "after allocation " << n;
    ASSERT_TRUE(gives_right_values(compile(kKernel))) << "after allocation " << n;
  }
}

TEST_F(Tcc, EightThreadsCompileAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0, refused = 0;
  for (int t = 0; t < 8; t++)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; i++) {
        try {
          right += call(compile(text("int kernel(void) { return ", t * 1000 + i, "; }"))) == t * 1000 + i;
          compile("int kernel(void) { return (; }");
        } catch (const Error&) {
          refused++;
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8 * 40);
  EXPECT_EQ(refused, 8 * 40);
  EXPECT_EQ(compiler->live_bytes(), 0u);
}

TEST_F(Tcc, TwoCompilersShareTheLibrary) {
  auto other = open_compiler();
  std::thread thread([&] {
    for (int i = 0; i < 40; i++)
      EXPECT_TRUE(gives_right_values(other->compile(kKernel, "kernel", kSymbols, *arena)));
  });
  for (int i = 0; i < 40; i++) EXPECT_TRUE(gives_right_values(compile(kKernel)));
  thread.join();
}

TEST_F(Tcc, MemoryComesFromTheFunctionGiven) {
  struct Counter {
    size_t live = 0, calls = 0;
    static void* resize(void* user, void* block, size_t old_size, size_t new_size) {
      auto* counter = static_cast<Counter*>(user);
      counter->calls++;
      counter->live += new_size - old_size;
      if (new_size) return std::realloc(block, new_size);
      std::free(block);
      return nullptr;
    }
  } counter;
  auto counted = open_compiler({Counter::resize, &counter});
  EXPECT_TRUE(gives_right_values(counted->compile(kKernel, "kernel", kSymbols, *arena)));
  EXPECT_GT(counter.calls, 200u);
  EXPECT_EQ(counter.live, 0u);
}

TEST_F(Tcc, LiteralsDoNotFollowTheHostsLocale) {
  if (!std::setlocale(LC_NUMERIC, "de_DE.UTF-8")) GTEST_SKIP() << "no locale with a decimal comma here";
  TccKernel kernel = compile("double kernel(void) { return 0.5 + (double)0.25f; }");
  std::setlocale(LC_NUMERIC, "C");
  EXPECT_EQ(reinterpret_cast<double (*)()>(kernel.entry)(), 0.75);
}

TEST_F(Tcc, FreedCodeIsReusedAndDoesNotPileUp) {
  auto mappings = [] {
    std::ifstream maps("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
  };
  compile(kKernel);
  auto before = mappings();
  std::vector<TccKernel> kernels(64);
  for (int i = 0; i < 2000; i++) kernels[i % 64] = compile(text("int kernel(void) { return ", i, "; }"));
  for (int i = 0; i < 64; i++) EXPECT_EQ(call(kernels[i]), (1999 - i) / 64 * 64 + i);
  EXPECT_LE(arena->live_bytes(), 64u * 4 * 4096);
  kernels.clear();
  EXPECT_EQ(arena->live_bytes(), 0u);
  EXPECT_LE(mappings(), before + 4);
}

TEST_F(Tcc, CodeIsNeverWritableAndExecutableAtOnce) {
  TccKernel kernel = compile(kKernel);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) EXPECT_EQ(line.find("rwx"), line.npos) << line;
}

TEST(TccOpen, SaysWhyThereIsNone) {
  std::string why_not;
  EXPECT_FALSE(TccCompiler::open("/nowhere/libjt_tcc.so", &why_not));
  EXPECT_NE(why_not.find("/nowhere/libjt_tcc.so"), why_not.npos) << why_not;
  EXPECT_FALSE(TccCompiler::open("libjt_tcc.so", &why_not));
  EXPECT_EQ(why_not, "tcc: the path of libtcc is not absolute: libjt_tcc.so");
  EXPECT_FALSE(TccCompiler::open("", &why_not));  // this program's folder has none
  EXPECT_NE(why_not.find("/jt/libjt_tcc.so"), why_not.npos) << why_not;
  EXPECT_FALSE(TccCompiler::open("/proc/self/exe", &why_not));
  EXPECT_NE(why_not, "");
}

// Run by the next test in a copy of this program.
TEST(TccOpen, DISABLED_InACopyOfThisProgram) {
  std::string why_not;
  EXPECT_TRUE(TccCompiler::open("", &why_not)) << why_not;
}

TEST(TccOpen, FindsTheLibraryBesideItselfAndInJt) {
  namespace fs = std::filesystem;
  char pattern[] = "/tmp/jt tcc XXXXXX";
  fs::path folder = mkdtemp(pattern);
  fs::copy_file("/proc/self/exe", folder / "program");
  // Under another argv[0] and from another folder, neither of which may matter.
  std::string run = "cd / && exec -a other '" + (folder / "program").string() +
                    "' --gtest_also_run_disabled_tests --gtest_filter='*InACopy*' > /dev/null";
  run = "bash -c \"" + run + "\"";
  EXPECT_NE(std::system(run.c_str()), 0) << "the library is not there yet";
  for (const char* place : {"libjt_tcc.so", "jt/libjt_tcc.so"}) {
    fs::create_directories((folder / place).parent_path());
    fs::copy_file(JT_TCC_LIBRARY, folder / place);
    EXPECT_EQ(std::system(run.c_str()), 0) << place;
    fs::remove(folder / place);
  }
  fs::remove_all(folder);
}

// What `body` returns in a child process, so that its restrictions stay there; -1 if it ended otherwise.
int in_child(const std::function<int()>& body) {
  pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr int kNotHere = 77;

// mmap and mprotect with PROT_EXEC fail with EPERM from now on.
bool forbid_executable_memory() {
  const unsigned protection = offsetof(seccomp_data, args) + 2 * sizeof(uint64_t);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, protection),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof filter / sizeof *filter, filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(Tcc, RefusedExecutableMemoryIsReported) {
  int result = in_child([&] {
    if (!forbid_executable_memory()) return kNotHere;
    std::string why_not;
    if (CodeArena::open(&why_not)) return 1;
    if (why_not.find("mprotect failed") == why_not.npos) return 2;
    if (why_not.find("mmap failed") == why_not.npos) return 2;
    // An arena from before the restriction: an error, and nothing left behind.
    if (error_of(kKernel, JT_E_UNSUPPORTED).empty()) return 3;
    return compiler->live_bytes() == 0 && arena->live_bytes() == 0 ? 0 : 4;
  });
  if (result == kNotHere) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(result, 0);
}

TEST_F(Tcc, WorksWhereMprotectMayNotMakeCode) {
  constexpr int kSetMdwe = 65, kRefuseExecGain = 1;
  int result = in_child([&] {
    if (prctl(kSetMdwe, kRefuseExecGain, 0, 0, 0) != 0) return kNotHere;
    arena = open_arena();
    if (!arena || !arena->uses_memfd()) return 1;
    for (int i = 0; i < 100; i++)
      if (!gives_right_values(compile(kKernel))) return 2;
    TccKernel kernel = compile(kKernel);
    // A child of this one compiles; the code here stays.
    if (in_child([&] { return gives_right_values(compile(kKernel)) ? 0 : 1; }) != 0) return 3;
    return gives_right_values(kernel) ? 0 : 4;
  });
  if (result == kNotHere) GTEST_SKIP() << "no PR_SET_MDWE here";
  EXPECT_EQ(result, 0);
}

// JT_TEST_FOREIGN_TCC=<absolute path of a shared libtcc> runs this.
TEST_F(Tcc, AForeignLibraryCompilesAndSurvivesOutOfMemory) {
  const char* path = std::getenv("JT_TEST_FOREIGN_TCC");
  if (!path) GTEST_SKIP() << "JT_TEST_FOREIGN_TCC is not set";
  std::string why_not;
  compiler = TccCompiler::open(path, &why_not);
  ASSERT_TRUE(compiler) << why_not;
  TccKernel first = compile(kKernel);
  EXPECT_NE(error_of("int kernel(int x) {\n  int y = x\n  return y;\n}\n").find("line 3"), std::string::npos);
  size_t held = compiler->live_bytes();
  int failures = 0;
  for (bool has_failed = held != 0; has_failed;) {
    compiler->fail_at(failures + 1);
    has_failed = !error_of(kKernel, JT_E_NOMEM).empty();
    failures += has_failed;
    compiler->fail_at(0);
    ASSERT_EQ(compiler->live_bytes(), held) << "after allocation " << failures;
    ASSERT_TRUE(gives_right_values(compile(kKernel))) << "after allocation " << failures;
  }
  EXPECT_TRUE(gives_right_values(first));
  first = {};
  EXPECT_EQ(compiler->live_bytes(), 0u);
}

}  // namespace
}  // namespace jt::cpu
