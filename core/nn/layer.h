// layer: a row of layers.def with its fields given: what it keeps, how that begins, and what it computes. No values
// live
// here: forward is a function of parameters, buffers, operands, whether one trains, and places in a random stream.
#pragma once
#include <functional>

#include "core/base/recycler.h"
#include "core/ir/recorder.h"
#include "core/nn/table.h"
#include "core/optim/init.h"

namespace jt {

constexpr int64_t kNone = INT64_MIN;  // an integer field without value; of a float field it is NaN, of a list no values

struct LayerValue {  // of one field
  int64_t integer = 0;
  double real = 0;
  std::vector<int64_t> ints;
  std::string word;
};

class Layer {
 public:
  // Fields by name. Errors name the row, the field and what is wrong with its value.
  Layer(std::string_view kind, std::span<const jt_attr> attrs);

  const LayerRow& row() const { return *row_; }
  // Gives a field another value; one that decides which tensors there are, or their types, cannot change.
  void set(const jt_attr& attr);
  const LayerValue& operator[](std::string_view field) const;
  DType dtype() const { return DType((*this)["dtype"].integer); }

  struct State {
    std::string name;
    Type type;
    std::string_view initial;  // of the row
    bool is_buffer;
    bool is_absent() const { return initial == "absent"; }
  };
  const std::vector<State>& states() const { return states_; }
  const LayerOperands& operands() const { return operands_; }
  // The value that state i begins with; nothing for one that is absent.
  Value initial(Recorder& recorder, size_t i, RandomPlace place) const;

 private:
  size_t field_named(const char* name) const;
  void find_states();
  bool keeps(const LayerState& row) const;  // false where a condition does not hold
  Type type_of(const LayerState& row) const;
  bool are_states_as_found() const;
  void give(const LayerField& field, const jt_attr& attr);
  void give_default(const LayerField& field);
  void check(const LayerField& field) const;
  int64_t product(std::string_view text) const;
  Shape shape(std::string_view extents) const;
  const LayerRow* row_;
  std::vector<LayerField> fields_;
  std::vector<LayerValue> values_;
  std::vector<LayerState> state_rows_;
  std::vector<State> states_;
  LayerOperands operands_;
  LayerValue before_;  // of the field that is being set; its room is kept
};

// One call of forward.
struct LayerCall {
  const Layer& layer;
  std::span<const Value> states;  // by Layer::states(); absent ones are empty
  std::span<const Value> inputs;  // absent ones are empty
  bool training;
  std::function<RandomPlace()> random;
  List<Value> outputs;
  List<Value> next;               // by state: a buffer's new value, recorded without gradients; mostly empty

  const Value& x(size_t i = 0) const { return inputs[i]; }
  Recorder& recorder() const { return *inputs[0].ref().node->owner; }
  const LayerValue& operator[](std::string_view field) const { return layer[field]; }
  size_t place_of(std::string_view state) const;           // states().size() if there is none
  Value state(std::string_view name) const;                // empty if it is absent
  void update(std::string_view name, const Value& value);  // a buffer's new value
};
// Checks the number of operands and calls the row's function: then outputs and next are filled.
void forward(LayerCall& call);

}  // namespace jt
