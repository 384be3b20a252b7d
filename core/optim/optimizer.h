// optimizer: from parameters, gradients and states to their next values, as nodes; the caller re-points its handles.
//
// Step by step equal to PyTorch's optimisers of the same names. Hyper-parameters and the step count enter the graph as
// 0-d f64 leaves and what only depends on them (1 - beta^t) is computed there in f64, so the graph of every step has the
// same structure. f16 and bf16 parameters keep f32 states and are rounded once per step.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/recycler.h"
#include "core/ir/recorder.h"

namespace jt {

struct OptimizerField {
  std::string name;
  double value;
  bool is_flag;
};

class Optimizer {
 public:
  // Makes a 0-d f64 data leaf that holds a number.
  using MakeScalar = std::function<Value(double)>;
  struct Parameter {
    Ref value, grad;             // no grad: the parameter is left as it is
    std::span<const Ref> states; // in the order of state_names()
  };
  struct Updated {
    Value value;                 // empty: left as it was
    List<Value> states;
  };

  // An unknown kind, or an attribute that is no field of it, is an error naming both.
  Optimizer(std::string_view kind, std::span<const jt_attr> attrs);

  std::string_view kind() const { return kind_; }
  std::span<const OptimizerField> fields() const { return fields_; }
  double get(std::string_view field) const;
  void set(std::string_view field, double value);
  double lr() const { return get("lr"); }
  void set_lr(double lr) { set("lr", lr); }
  int64_t steps() const { return steps_; }  // taken so far; part of a checkpoint
  void set_steps(int64_t steps) { steps_ = steps; }

  const std::vector<std::string>& state_names() const { return states_; }
  static Type state_type(const Type& parameter);

  // Records one step with gradients off. If it throws, no step was taken.
  List<Updated> step(Recorder& recorder, const MakeScalar& scalar, std::span<const Parameter> parameters);

 private:
  OptimizerField& field(std::string_view name);
  std::string kind_;
  std::vector<OptimizerField> fields_;
  std::vector<std::string> states_;
  int64_t steps_ = 0;
  bool is_made_ = false;
};

}  // namespace jt
