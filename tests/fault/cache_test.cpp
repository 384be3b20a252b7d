// The cache of compiled kernels as processes meet it: many at once, killed while they write, on paths that a shell
// would trip over. A process of its own trains each time; whatever it finds, its results are the same bits.
//
//   cache_test                the tests
//   cache_test --train DIR    trains with the cache at DIR, prints the result's bits
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "tests/fault/small_training.h"

using namespace jt::test;
namespace fs = std::filesystem;

void jt::test::try_call(jt_status status) {
  if (status == JT_OK) return;
  std::fprintf(stderr, "%s\n", jt_last_error_message());
  throw Failure{};
}

static std::string trained(const std::string& cache,
                           void (*log)(void*, jt_log_level, const char*, const char*, size_t) = nullptr,
                           void* log_user = nullptr) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.cache_dir = cache.data(), desc.cache_dir_len = cache.size();
  desc.log = log, desc.log_user = log_user;
  std::string checkpoint = (fs::temp_directory_path() / ("jt cache test " + std::to_string(getpid()))).string();
  std::string out;
  try {
    Session session;
    session.open(desc);
    Result result = train(session.ctx, checkpoint);
    char hex[9];
    for (const float* f = result.losses; f < result.weight + 4; f++) {
      uint32_t bits;
      std::memcpy(&bits, f, 4);
      out += (std::snprintf(hex, sizeof hex, "%08x", bits), hex);
    }
  } catch (Failure) {
    out = "failed";
  }
  fs::remove(checkpoint);
  return out;
}

namespace {

// A process that trains with this cache and writes its result to `output`.
pid_t launch(const std::string& cache, const std::string& output) {
  static const std::string self = fs::read_symlink("/proc/self/exe");
  const char* argv[] = {self.c_str(), "--train", cache.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t pid = 0;
  int error = posix_spawn(&pid, self.c_str(), &actions, nullptr, const_cast<char**>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) throw std::runtime_error("posix_spawn");
  return pid;
}
int status_of(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}
std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
size_t entries(const std::string& cache) {
  size_t count = 0;
  if (fs::exists(cache))
    for (const auto& e : fs::recursive_directory_iterator(cache)) count += e.is_regular_file();
  return count;
}

struct Cache : testing::Test {
  std::string root = (fs::temp_directory_path() / "jt cache XXXXXX").string(), cache;
  std::string expected = trained("/proc/no/such/folder");  // nothing is read or written there
  void SetUp() override {
    ASSERT_TRUE(mkdtemp(root.data()));
    cache = root + "/cache";
  }
  void TearDown() override { fs::remove_all(root); }
  std::string output(int i = 0) const { return root + "/out" + std::to_string(i); }
};

}  // namespace

TEST_F(Cache, EightProcessesBeginOnAnEmptyOne) {
  for (int round = 0; round < 5; round++) {
    fs::remove_all(cache);
    std::vector<pid_t> all;
    for (int i = 0; i < 8; i++) all.push_back(launch(cache, output(i)));
    for (int i = 0; i < 8; i++) {
      EXPECT_EQ(status_of(all[size_t(i)]), 0);
      EXPECT_EQ(content(output(i)), expected);
    }
    EXPECT_GT(entries(cache), 0u);
  }
}

TEST_F(Cache, SurvivesProcessesKilledAtAnyMoment) {
  std::random_device seed;
  uint32_t start = seed();
  RecordProperty("seed", std::to_string(start));
  std::mt19937 random(start);
  int killed = 0;
  auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(status_of(launch(cache, output())), 0);
  auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
  for (int i = 0; i < 200; i++) {
    if (i % 4 == 0) fs::remove_all(cache);
    pid_t pid = launch(cache, output());
    usleep(useconds_t(random() % uint64_t(whole)));
    kill(pid, SIGKILL);
    killed += WIFSIGNALED(status_of(pid));
    if (i % 4 < 3) continue;  // three killed ones, then one that finds what they left
    ASSERT_EQ(status_of(launch(cache, output())), 0) << "seed " << start;
    ASSERT_EQ(content(output()), expected) << "seed " << start;
  }
  EXPECT_GT(killed, 20);
  std::printf("%d of 200 processes were killed before they ended\n", killed);
}

TEST_F(Cache, LivesOnAnyPath) {
  for (const char* name :
       {"with space", "it's \"quoted\"", "$(touch pwned)", "`touch pwned`; &", "缓存", "-rf", "a\nb", "%s%n"}) {
    std::string path = root + "/" + name;
    EXPECT_EQ(trained(path), expected) << name;
    EXPECT_GT(entries(path), 0u) << name;
    EXPECT_EQ(trained(path), expected) << name;
  }
  EXPECT_FALSE(fs::exists("pwned"));
}

TEST_F(Cache, OneThatOthersCanWriteIsNotUsedAndThatIsSaidOnce) {
  fs::create_directory(cache);
  chmod(cache.c_str(), 0770);
  std::vector<std::string> lines;
  auto log = [](void* user, jt_log_level, const char*, const char* message, size_t length) {
    static_cast<std::vector<std::string>*>(user)->push_back(std::string(message, length));
  };
  EXPECT_EQ(trained(cache, log, &lines), expected);
  EXPECT_EQ(entries(cache), 0u);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find(cache), std::string::npos) << lines[0];
}

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--train") {
    std::string result = trained(argv[2]);
    std::fputs(result.c_str(), stdout);
    return result == "failed";
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
