// grad: reverse mode: from a value and the values it depends on to the gradient of one with respect to the others.
//
// It builds nodes and nothing else, so it works on lazy graphs, on blocks and on graphs it made itself (second order).
// It knows no op by name: what an op's gradient is stands in ops.def and core/grad/gradients.cpp. A composite row
// without a gradient is opened: its body is recorded again on the same inputs and differentiated; simplify merges the
// forward parts that are then there twice.
#pragma once
#include <span>

#include "core/base/recycler.h"
#include "core/ir/recorder.h"

namespace jt {

// Whether what is recorded carries gradients, until the end of a scope.
class GradMode {
 public:
  GradMode(Recorder& recorder, bool on) : recorder_(recorder), before_(recorder.grad_mode) { recorder.grad_mode = on; }
  ~GradMode() { recorder_.grad_mode = before_; }
  GradMode(const GradMode&) = delete;

 private:
  Recorder& recorder_;
  bool before_;
};

struct GradOptions {
  bool create_graph = false;          // gradients can be differentiated in turn
  bool consume = false;               // marks the nodes walked kConsumed, once all gradients are there
  bool consumed_is_constant = false;  // a consumed node ends the walk instead of being an error
};

// For each of `wrt` the gradient of y, of exactly its type; zeros where y depends on it through what is flat everywhere
// (floor, sign), an empty Value where y does not depend on it.
// dy is the gradient at y; without one it is 1, and y must have one element.
// Gradients flow through nodes marked kGrad only, to nodes marked kGrad or kGradLeaf; a value in `wrt` may be the
// result of an op, and then takes its gradient and passes it on. Where a value has several uses, their contributions
// are added from the last consumer recorded to the first, and from the first operand of a consumer to its last.
List<Value> gradients(Recorder& recorder, Ref y, Ref dy, std::span<const Ref> wrt, const GradOptions& options = {});

// A value that a body gave, and the gradient that comes to it; dy empty: none.
struct GradSeed { Ref y; Value dy; };
// The same for several values at once, through what was recorded after `floor` only; what lies before is as it was, and
// nothing of it is walked through. `operands`: values before it that what was recorded reads.
List<Value> gradients_since(Recorder& recorder, std::span<const GradSeed> seeds, std::span<const Ref> wrt,
                            std::span<const Ref> operands, uint64_t floor, bool create_graph);

// Takes back what `consume` marked behind y, where it has not run yet: the values it would have freed are still there.
void unconsume(Recorder& recorder, Ref y);

}  // namespace jt
