#include "tests/fakegpu/opcodes.h"

namespace fakegpu::test {

std::set<std::string>& opcodes_run() {
  static std::set<std::string> run;
  return run;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

// Whether every opcode that there is was run, once all tests have.
class AllOpcodesRun : public ::testing::Environment {
  void TearDown() override {
    if (::testing::GTEST_FLAG(filter) != "*") return;
    for (uint64_t i = 0; const char* name = fakegpu_opcode_name(i); ++i)
      EXPECT_TRUE(opcodes_run().count(name)) << name << " is tested by nobody";
  }
};
const auto* const kAllOpcodesRun = ::testing::AddGlobalTestEnvironment(new AllOpcodesRun);

}  // namespace fakegpu::test
