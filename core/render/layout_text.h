// layout_text: what texts of a program have in common, in whichever language and layout: addresses, counts, maps,
// openings of blocks.
//
// Names in a text: O, I extents; o, i first elements of the block; n, m elements of an outer and an inner block; at: o
// * I + i, in bands i * O + o; w: columns, short rows, or inner indices of a band at once; t0 state of reduction 0; q0:
// output 0 is streamed.
#pragma once
#include <string>
#include <utility>

#include "core/base/text.h"
#include "core/render/block_plan.h"

namespace jt::loops {

// Functions of blocks that a host hands to its kernels, as a text calls them: each gives a statement.
class HostCalls {
 public:
  enum class Helper { reduce_begin, state_bytes, column_width, direct_map, swapped_map, copy, stream };
  virtual ~HostCalls() = default;
  virtual std::string call(Helper helper, const std::string& arguments) = 0;
  // What an op stands for; for a reduction, what adds a block to it.
  virtual std::string call(const Program& program, const Op& op, const std::string& arguments) = 0;
  virtual std::string end_reduction(const PlanReduction& reduction, bool of_columns, const std::string& arguments) = 0;
  virtual std::string declarations() const = 0;  // of what has been called
};

class Lines {
 public:
  template <class... Parts>
  void line(const Parts&... parts) {
    out_.append(2 * depth_, ' ');
    (append(out_, parts), ...);
    out_ += '\n';
  }
  void open(std::string_view heading) {
    line(heading, heading.empty() ? "{" : " {");
    depth_++;
  }
  void close() {
    depth_--;
    line("}");
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
  size_t depth_ = 1;
};

class LayoutText : public Lines {
 public:
  LayoutText(const Program& program, const BlockPlan& plan, HostCalls* host)
      : program_(program), plan_(plan), host_(host) {}

  const Instr& instr(const Op& op) const { return program_.instrs[size_t(op.instr)]; }
  DType dtype_of(const Op& op) const { return program_.operands[size_t(op.operand)].dtype; }
  std::string origin(const Op& op) const;  // as a comment
  const char* count(Level level) const;    // of a block
  static std::string pointer(int word) { return text("(char *)A[", word, "]"); }
  std::string here(const Op& op) const;    // the address of the block in a direct operand
  std::string where(const Op& op) const;   // the arguments outer, inner, n, along of mapped access
  std::string map_of(const Op& op) const;

  // Declarations.
  std::string width() const;               // w
  std::string states() const;              // t0, t1, ..
  std::string streaming() const;           // q0, q1, ..
  std::string streaming_condition(size_t output) const;
  void make_maps();

  void open_outer(std::string_view over_outer, int64_t block = kBlock);

 protected:
  const Program& program_;
  const BlockPlan& plan_;
  HostCalls* const host_;
};

}  // namespace jt::loops
