// loop_text: items of a slot plan -> lines of loops, assignments and calls. Used by render_loops alone.
//
// Names in the text, beside those of layout_text: u3: register 3 where it is one element; v3: an element of it inside a
// loop; r3: address of its block; b: blocks; x3, y3: operands under the loop; g3, m3, n3: operands read where
// instruction 3 says, their maps and counts; j: element of the block, or j + l: lane l of a group; t0, p0: lanes and
// partial results of reduction 0, or t0 its state for the host's functions.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/render/file_text.h"
#include "core/render/layout_text.h"
#include "core/render/slot_plan.h"

namespace jt::loops {

class LoopText : public LayoutText {
 public:
  LoopText(const Program& program, const BlockPlan& plan, const SlotPlan& slots, FileText& file)
      : LayoutText(program, plan, file.host), slots_(slots), file_(file) {}

  bool streams = false;  // outputs go by way of a block, from where they are streamed

  void render(const std::vector<Item>& items);
  void begin_reduction(int r, const char* width);
  void end_reduction_block(int r);
  void end_reduction(int r, bool columns);

 private:
  const char* type_name(CType t) const { return file_.elements.type_name(t); }
  std::string address(int slot) const;
  std::string value(int slot) const;  // inside a loop
  std::string fold_of(int reduction);
  // What an operation gives for these values of its operands; empty if only the host knows. `index` as in render_body,
  // "" alone.
  std::string expression(const Op& op, const std::string& a, const std::string& b, const std::string& c);
  std::string of_memory(const Op& op, const std::string& index, const std::string& a, const std::string& b);
  std::string to_memory(const Op& op, const std::string& index, const std::string& a, const std::string& b);
  std::string coordinates(const Op& op, const std::string& index) const;
  std::string operand(const Op& op, const std::string& index) const;  // base, as memory of its dtype
  std::string extra(const Op& op, const std::string& index) const;    // its map, or count

  void render_one(const Op& op);
  void render_call(const Op& op);
  void render_call(const Op& op, const std::string& to, bool moves);
  void render_loop(const Item& item);
  void render_lanes(const Item& item, const char* n);
  void render_padded(const Item& item, const char* n);
  bool has_effect(const Item& item) const;
  std::vector<bool> needed(const Item& item) const;  // by op
  void point_to_operands(const Item& item);
  void open_operands(const Item& item);
  std::vector<std::pair<int, std::string>> operands_read(const Item& item) const;
  // from: the letter of the pointers to operands.
  void render_body(const Item& item, const char* index, const char* from = "x");

  const SlotPlan& slots_;
  FileText& file_;
};

std::string with_count(std::string_view loop, std::string_view count);  // N in a loop of a dialect

}  // namespace jt::loops
