// far_check: what a program sees of a far device is right, and what went wrong there is told.
#pragma once
#include <string>
#include <vector>

namespace jt::test {

struct FarCheck {
  const char* name;
  std::string (*run)();  // what is wrong; empty: nothing
};
const std::vector<FarCheck>& far_checks();

}  // namespace jt::test
