// placement: on which device of a runtime a node runs that is recorded for one: there, or, where that says it lacks the
// op, on the CPU.
#pragma once
#include "core/ir/recorder.h"
#include "core/runtime/runtime.h"

namespace jt {

// Whether there is anything to ask.
bool may_move_nodes(const Runtime& runtime);

// Of one context.
class Placement final : public NodePlacement {
 public:
  explicit Placement(const Runtime& runtime) : runtime_(runtime), fallback_(uint8_t(runtime.fallback())) {}
  uint8_t device_of(const Node& node) override;

 private:
  jt_be_node as_c(const Node& node);
  const int64_t* add(std::span<const Dim> dims);
  void add_value(const Type& type);
  const Runtime& runtime_;
  const uint8_t fallback_;
  std::vector<jt_be_value> values_;  // of the node that is asked for
  std::vector<jt_be_attr> attrs_;
  std::vector<int64_t> words_;
};

}  // namespace jt
