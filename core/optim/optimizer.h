// optimizer: from parameters, gradients and states to their next values, as nodes; the caller re-points its handles.
//
// Step by step equal to PyTorch's optimisers of the same names. Hyper-parameters and the step count enter the graph as
// 0-d f64 leaves and what only depends on them (1 - beta^t) is computed there in f64, so the graph of every step has
// the same structure. Each parameter counts the steps that it took part in: one that joins late, or that a loss does
// not reach, is where it would be if it were alone. f16 and bf16 parameters keep f32 states and are rounded once per
// step.
#pragma once
#include <functional>
#include <optional>
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
  // Makes a 0-d f64 data leaf that holds a number: that of a field, or, without a name, another.
  using MakeScalar = std::function<Value(std::string_view field, double)>;
  struct Parameter {
    Ref value, grad;             // no grad: the parameter is left as it is
    std::span<const Ref> states; // in the order of state_names()
    int64_t steps = 0;           // that it has taken
    Ref step = {};               // f64 []: the number of this step, where the graph itself counts
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
  // The names of the states until now, where there are others from now on: one that decides them became 0, or no longer
  // is.
  std::optional<std::vector<std::string>> set(std::string_view field, double value);
  double lr() const { return get("lr"); }
  void set_lr(double lr) { set("lr", lr); }

  const std::vector<std::string>& state_names() const { return states_; }
  static Type state_type(const Type& parameter);

  // Records one step of each parameter that has a gradient, with gradients off.
  List<Updated> step(Recorder& recorder, const MakeScalar& scalar, std::span<const Parameter> parameters);

 private:
  OptimizerField& field(std::string_view name);
  std::vector<std::string> states_by_fields() const;
  std::string kind_;
  std::vector<OptimizerField> fields_;
  std::vector<std::string> states_;
};

}  // namespace jt
