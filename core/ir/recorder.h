// recorder: where nodes are born: checks, types, allocates, and keeps the pending ones in program order.
//
// Recording appends and never merges; nothing runs here. A node that loses its last consumer and handle is gone at
// once, so whatever is pending is reachable from a handle.
#pragma once
#include <array>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/recycler.h"
#include "core/base/status.h"
#include "core/ir/node.h"

namespace jt {

// The error that a node's run ended with, shared by all its results. Reading any of them repeats it.
struct Poison {
  int refs;
  jt_status code;
  std::string message;
  int64_t native;
};

// A dimension that is to be a symbol in plans from the first on. Those of one name and extent are one symbol.
struct NamedDim {
  uint32_t result;
  int axis;
  int32_t name;    // among all of a recorder; of no name: 0
  int64_t lo, hi;  // what it may be
};

// Says on which device a node runs that was recorded for node.device.
class NodePlacement {
 public:
  virtual uint8_t device_of(const Node& node) = 0;

 protected:
  ~NodePlacement() = default;
};

class Recorder {
 public:
  Recorder() = default;
  ~Recorder();
  Recorder(const Recorder&) = delete;

  // An op applied as the user means it: operands are converted and broadcast by the row's rule (recording casts and
  // expands), attributes normalised, shapes and dtypes checked. Throws with the op's name; then nothing has changed.
  Value build(Op op, std::span<const Ref> inputs, Attrs&& attrs = {});
  Value build(Op op, std::span<const Ref> inputs, const Attrs& attrs) { return build(op, inputs, Attrs(attrs)); }
  Value build(Op op, std::initializer_list<Ref> inputs, const Attrs& attrs = {}) {
    return build(op, std::span(inputs.begin(), inputs.size()), Attrs(attrs));
  }
  // Result i of what build() gave. A library op that computes in a wider dtype has its first result converted back.
  static Ref result(Ref built, uint32_t i) {
    if (i == 0 || built.node->n_results > 1) return {built.node, built.result + i};
    return {built.node->inputs()[0].node, i};
  }
  // The op on exactly these operands.
  Value record(Op op, std::span<const Ref> inputs, Attrs& attrs);
  // The same where it is known what comes out.
  Value record_typed(Op op, std::span<const Ref> inputs, const Attrs& attrs, std::span<const Type> results);
  // `node` again on other inputs of the same types: same attributes, result types, origin and line; nothing is checked.
  Value again(const Node* node, std::span<const Ref> inputs);
  Value constant(DType dtype, double value);
  Value constant_int(DType dtype, int64_t value);
  Value constant_bits(DType dtype, int64_t bits);
  // An op of the program's own; takes over one count of `op`, also when it throws.
  Value custom(CustomOp* op, std::span<const Ref> inputs, std::span<const Type> results);
  // A branch or a loop; takes over one count of `region`, also when it throws. Blocks and operands are to fit: see
  // region_types.
  Value region(Op op, Region* region, std::span<const Ref> inputs, const Attrs& attrs, std::span<const Type> results);
  // Leaves without values, that stand for params of a block which is being recorded: what is made from them ends with
  // this error.
  std::vector<Value> placeholders(std::span<const Type> types, const Error& error);
  Value leaf(const Type& type, Buffer* buffer /* taken over, also by a failure; may be null in a block */);

  Node* first_pending() const { return first_; }
  Node* last_pending() const { return last_; }
  bool has_recorded() const { return sequence_ > 0; }
  uint64_t recorded() const { return sequence_; }  // Node::sequence of the last node
  // The value as one that lies on that device; itself if it is recorded there.
  Value on_device(Ref value, uint8_t device);
  int64_t pending_count() const { return pending_; }
  void settle(Node* node);    // has run or failed: leaves the pending list
  // The run of a pending node ended with this error: it is not pending any more, and pending nodes that depend on it,
  // now or recorded later, end with the same one. It keeps its operands, so that gradients still find their way.
  void poison(Node* node, const Error& error);
  // Throws the error of a poisoned node.
  void check(const Node* node) const {
    if (poisoned_ && node->poison) repeat(node->poison);
  }
  // The same for a node of another context, which may be poisoning it.
  static void check_elsewhere(Node* node) {
    if (const Poison* poison = std::atomic_ref(node->poison).load(std::memory_order_acquire)) repeat(poison);
  }
  uint32_t next_mark();       // a fresh Node::mark
  uint32_t last_mark() const { return mark_; }
  // The dimension counts as named from now on; another name or range replaces what it had.
  void name_dim(Ref value, int axis, std::string_view name, int64_t lo, int64_t hi);
  std::span<const NamedDim> names_of(const Node* node) const;
  const std::string& dim_name(int32_t number) const { return dim_names_[size_t(number)]; }
  Recycler lists;  // of one call, and of what goes with nodes
  bool may_hold_customs = false;  // a custom node may be pending
  int loops_open = 0;         // loops whose bodies are being recorded
  bool in_callback = false;       // a function of the host runs inside an evaluation: nothing may be recorded or run
  bool lists_pending = true;  // false for recorders of blocks
  bool grad_mode = true;
  DType low_precision = JT_F32;  // autocast: what rows of low precision are computed in; f32: it is off
  bool checks_indices = false;  // operands that are indices are recorded as check_index of them
  uint32_t line = 0;          // given to every node recorded from now on
  uint8_t device = 0;         // the same: on which device of the runtime it runs, unless `placement` says another
  bool mixes_devices = false; // not all nodes have this device
  NodePlacement* placement = nullptr;

 private:
  friend void free_unused(Node*);
  Value record_inferred(Op op, std::span<const Ref> inputs, Attrs& attrs, std::span<Type> results);
  Value checked(Op op, Ref index, const IndexUse& use);
  Node* allocate(Op op, int inputs, int results, const Attrs& attrs);
  void free_node(Node* node);
  Value finish(Node* node);
  void place(Node* node);
  void drop_more(Node* node);
  void inherit_poison(Node* node);
  void take_poison(Node* node, Poison* poison);
  [[noreturn]] static void repeat(const Poison* poison);
  struct FreeNode { FreeNode* next; };
  std::array<FreeNode*, 32> free_{};
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_used_ = 0;
  Node *first_ = nullptr, *last_ = nullptr;
  int64_t pending_ = 0;
  std::unordered_map<const Node*, std::vector<NamedDim>> named_dims_;
  std::vector<std::string> dim_names_{""};
  int64_t poisoned_ = 0;  // nodes alive with a poison
  uint64_t sequence_ = 0;
  uint32_t mark_ = 0;
};

// What is recorded while it lives runs on that device.
class AtDevice {
 public:
  AtDevice(Recorder& recorder, uint8_t device) : recorder_(recorder), before_(std::exchange(recorder.device, device)) {}
  ~AtDevice() { recorder_.device = before_; }
  AtDevice(const AtDevice&) = delete;

 private:
  Recorder& recorder_;
  uint8_t before_;
};

// Attributes of an op from named ones, defaults filled in; an unknown or ill-typed name is an error naming both.
Attrs make_attrs(Op op, std::span<const jt_attr> given);

// The types of an op's results on operands of these types, without recording; and what its operands index.
// `results` has room for result_count(op, attrs).
IndexUse infer(Op op, std::span<const Ref> inputs, Attrs& attrs, std::span<Type> results);

// Operands stay as they are until the end of a scope: no autocast.
class WithoutAutocast {
 public:
  explicit WithoutAutocast(Recorder& recorder) : recorder_(recorder), before_(recorder.low_precision) {
    recorder.low_precision = JT_F32;
  }
  ~WithoutAutocast() { recorder_.low_precision = before_; }
  WithoutAutocast(const WithoutAutocast&) = delete;

 private:
  Recorder& recorder_;
  const DType before_;
};
// What autocast may cast to `to`.
inline bool is_cast_to(DType t, DType to) { return is_float(t) && t != JT_F64 && t != to; }

}  // namespace jt
