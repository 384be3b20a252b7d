// Code comes out of an object file whole, or not at all: no change of the file makes more than an error of it.
#include <gtest/gtest.h>

#include <cstring>

#include "backends/cpu_tcc/tcc/code_arena.h"
#include "backends/cpu_tcc/tier/object_code.h"
#include "core/base/process.h"
#include "core/base/status.h"
#include "tests/io/scratch.h"

namespace jt::cpu {
namespace {

// Empty if there is no compiler.
std::string object_of(std::string_view source, std::vector<std::string> options = {}) {
  Command command{"/usr/bin/g++",
                  {"-x", "c++", "-c", "-O2", "-fPIC", "-ffunction-sections", "-fno-asynchronous-unwind-tables"},
                  {"PATH=/usr/bin:/bin"}};
  for (std::string& option : options) command.arguments.push_back(option);
  for (const char* rest : {"-o", kResultPath, "-"}) command.arguments.push_back(rest);
  Stop stop;
  return run_command(command, source, stop).result;
}

constexpr const char* kSource =
    "static const double kTable[3] = {1.5, 2.5, 4.5};\n"
    "__attribute__((noinline)) static double at(int k) { return kTable[k]; }\n"
    "extern \"C\" double k(int n) { return at(n) * 2; }\n"
    "extern int elsewhere; extern \"C\" int needs() { return elsewhere; }\n"
    "static int counter; extern \"C\" int writes() { return ++counter; }\n";

std::string why(const std::string& object, const char* function) {
  return test::error_of([&] { code_of_function(object, function); });
}

TEST(ObjectCode, RunsWhereverItIsPut) {
  std::string object = object_of(kSource);
  if (object.empty()) GTEST_SKIP() << "no g++";
  ObjectCode code = code_of_function(object, "k");
  std::string why_not;
  auto arena = CodeArena::open(&why_not);
  ASSERT_TRUE(arena) << why_not;
  for (size_t offset : {0, 64, 4096}) {
    CodeBlock block = arena->allocate(offset + code.bytes.size());
    std::memcpy(static_cast<char*>(block.data()) + offset, code.bytes.data(), code.bytes.size());
    block.make_executable();
    auto k = reinterpret_cast<double (*)(int)>(static_cast<char*>(block.data()) + offset + code.entry);
    EXPECT_EQ(k(0), 3);
    EXPECT_EQ(k(2), 9);
  }
}

TEST(ObjectCode, RefusesWhatNeedsALoader) {
  std::string object = object_of(kSource);
  if (object.empty()) GTEST_SKIP() << "no g++";
  EXPECT_EQ(why(object, "absent"), "object file: has no function absent");
  EXPECT_NE(why(object, "needs").find("object file: needs"), std::string::npos);
  EXPECT_NE(why(object, "writes"), "no error");
  EXPECT_EQ(why("", "k"), "object file: is cut short");
  EXPECT_EQ(why(std::string(4096, '\0'), "k"), "object file: is no relocatable x86-64 file");
}

TEST(ObjectCode, AnyDamageIsAnErrorAtMost) {
  const std::string whole = object_of(kSource);
  if (whole.empty()) GTEST_SKIP() << "no g++";
  for (size_t size = 0; size < whole.size(); size += 7) why(whole.substr(0, size), "k");
  for (size_t at = 0; at < whole.size(); at++)
    for (int change : {0x01, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = char(damaged[at] ^ change);
      why(damaged, "k");
    }
}

}  // namespace
}  // namespace jt::cpu
