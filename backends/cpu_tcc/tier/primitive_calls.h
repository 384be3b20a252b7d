// primitive_calls: functions of blocks in the texts of kernels: `((element *)P[57])(r2, r1, r0, 0, n);`.
//
// P is the table of primitives by number (vm/primitives.h), handed to each kernel; so a text, and the code made of it,
// holds no address. A bool is an int.
#pragma once
#include <cstdint>
#include <string>

#include "core/render/layout_text.h"

namespace jt::cpu {

class PrimitiveCalls : public loops::HostCalls {
 public:
  std::string call(Helper helper, const std::string& arguments) override;
  std::string call(const Program& program, const loops::Op& op, const std::string& arguments) override;
  std::string end_reduction(const loops::PlanReduction& reduction, bool of_columns,
                            const std::string& arguments) override;
  std::string declarations() const override;

 private:
  std::string call(std::string_view type, int number, const std::string& arguments);
  uint32_t used_ = 0;  // types, by bit
};

}  // namespace jt::cpu
