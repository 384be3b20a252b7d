#include "core/ir/recorder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/ir/custom.h"
#include "core/ir/region.h"
#include "core/ir/rule_checks.h"
#include "core/ir/scalar_math.h"

namespace jt {

constexpr size_t kChunk = 64 << 10, kGrain = 64;

Recorder::~Recorder() = default;  // every node lies in a chunk; buffers are released by their nodes' holders

uint32_t Recorder::next_mark() { return ++mark_; }

Node* Recorder::allocate(Op op, int inputs, int results, const Attrs& attrs) {
  size_t bytes = sizeof(Node) + inputs * sizeof(Ref) + results * sizeof(Result) + attrs.words() * 8 + attrs.count() + 1;
  size_t grains = (bytes + kGrain - 1) / kGrain;
  void* place;
  if (grains < free_.size() && free_[grains]) {
    place = free_[grains];
    free_[grains] = free_[grains]->next;
  } else if (grains >= free_.size()) {
    place = ::operator new(grains * kGrain);
  } else {
    if (chunks_.empty() || chunk_used_ + grains * kGrain > kChunk) {
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(kChunk));
      chunk_used_ = 0;
    }
    place = chunks_.back().get() + chunk_used_;
    chunk_used_ += grains * kGrain;
  }
  Node* node = new (place) Node{};
  node->op = op;
  node->n_inputs = node->n_slots = uint16_t(inputs);
  node->n_results = uint16_t(results);
  node->n_attrs = uint8_t(attrs.count());
  node->n_words = uint16_t(attrs.words());
  node->bytes = uint32_t(grains * kGrain);
  node->owner = this;
  node->origin = -1;
  std::memcpy(node->words(), attrs.data(), size_t(attrs.words()) * 8);
  std::memcpy(node->attr_begins(), attrs.begins(), size_t(attrs.count()) + 1);
  for (int i = 0; i < results; i++) new (&node->results()[i]) Result{};
  return node;
}

void Recorder::drop_more(Node* node) {
  if (node->poison) {
    poisoned_--;
    if (--node->poison->refs == 0) delete node->poison;
  }
  if (node->op == Op::custom) node->custom->release();
  if (owns_blocks(node)) node->region->release();
  if (node->has(kNamesDims)) named_dims_.erase(node);
}

void Recorder::free_node(Node* node) {
  for (int i = 0; i < node->n_results; i++)
    if (Buffer* buffer = node->results()[i].buffer) release(buffer);
  if (node->has(kOwnsMore)) [[unlikely]] drop_more(node);
  size_t grains = node->bytes / kGrain;
  if (grains >= free_.size()) return ::operator delete(node);
  auto* slot = reinterpret_cast<FreeNode*>(node);
  slot->next = free_[grains];
  free_[grains] = slot;
}

void Recorder::settle(Node* node) {
  if (!node->has(kPending)) return;
  node->flags &= uint16_t(~kPending);
  (node->previous ? node->previous->next : first_) = node->next;
  (node->next ? node->next->previous : last_) = node->previous;
  node->previous = node->next = nullptr;
  pending_--;
}

// ---- values whose run failed ----------------------------------------------------------------------------------------

void Recorder::take_poison(Node* node, Poison* poison) {
  poison->refs++;
  std::atomic_ref(node->poison).store(poison, std::memory_order_release);
  node->flags |= kOwnsMore;
  poisoned_++;
  settle(node);
}

void Recorder::inherit_poison(Node* node) {
  for (Ref in : node->ins())
    if (in.node->poison) return take_poison(node, in.node->poison);
}

void Recorder::poison(Node* node, const Error& error) {
  if (!node->has(kPending)) return;
  auto made = std::make_unique<Poison>(Poison{0, error.code(), error.message(), error.native()});
  Node* next = node->next;  // what depends on it was recorded after it
  take_poison(node, made.release());
  while (Node* later = next) next = later->next, inherit_poison(later);
}

void Recorder::repeat(const Poison* poison) { throw Error(poison->code, poison->message, poison->native); }

Value Recorder::finish(Node* node) {
  node->line = line;
  node->device = device;
  node->sequence = ++sequence_;
  if (lists_pending) {
    node->flags |= kPending;
    node->previous = last_;
    (last_ ? last_->next : first_) = node;
    last_ = node;
    pending_++;
    if (poisoned_) [[unlikely]] inherit_poison(node);
  }
  Value made(Ref{node, 0});
  if (placement) [[unlikely]] place(node);
  return made;
}

// What was recorded for this node alone, such as a row repeated to the shape of the other operand, goes where it goes.
void Recorder::place(Node* node) {
  node->device = placement->device_of(*node);
  if (node->device == device) return;
  mixes_devices = true;
  for (Ref in : node->ins())
    for (Node* at = in.node; at->has(kImplicit) && at->has(kPending); at = at->inputs()[0].node)
      at->device = node->device;
}

// ---- named dimensions -----------------------------------------------------------------------------------------------

void Recorder::name_dim(Ref value, int axis, std::string_view name, int64_t lo, int64_t hi) {
  auto known = std::ranges::find(dim_names_, name);
  if (known == dim_names_.end()) dim_names_.emplace_back(name), known = std::prev(dim_names_.end());
  NamedDim made{value.result, axis, int32_t(known - dim_names_.begin()), lo, hi};
  std::vector<NamedDim>& all = named_dims_[value.node];
  auto same = std::ranges::find_if(all, [&](const NamedDim& d) { return d.result == made.result && d.axis == axis; });
  if (same == all.end()) all.push_back(made);
  else *same = made;
  value.node->flags |= kNamesDims | kOwnsMore;
}

std::span<const NamedDim> Recorder::names_of(const Node* node) const {
  auto known = named_dims_.find(node);
  return known == named_dims_.end() ? std::span<const NamedDim>() : known->second;
}

static bool takes_gradient(std::span<const Ref> inputs) {
  for (Ref in : inputs)
    if (in.node->flags & (kGrad | kGradLeaf) && is_float(in.dtype())) return true;
  return false;
}

Value Recorder::record(Op op, std::span<const Ref> inputs, Attrs& attrs) {
  size_t n = result_count(op, attrs);
  Type few[2];
  if (n <= std::size(few)) [[likely]] return record_inferred(op, inputs, attrs, {few, n});
  Recycling recycling(lists);
  List<Type> many(n);
  return record_inferred(op, inputs, attrs, many);
}

Value Recorder::record_inferred(Op op, std::span<const Ref> inputs, Attrs& attrs, std::span<Type> results) {
  IndexUse index = infer(op, inputs, attrs, results);
  if (inputs.size() > UINT16_MAX) fail(JT_E_INVALID, name(op), ": ", inputs.size(), " operands are too many");
  auto picks_nothing = [&] { return results[0].count() == 0; };  // however long the index is
  if (index.operand < 0 || !checks_indices || picks_nothing()) [[likely]]
    return record_typed(op, inputs, attrs, results);
  Ref refs[3];
  JT_CHECK(inputs.size() <= std::size(refs));
  std::ranges::copy(inputs, refs);
  Value index_checked = checked(op, inputs[size_t(index.operand)], index);
  refs[index.operand] = index_checked;
  return record_typed(op, {refs, inputs.size()}, attrs, results);
}

// What no kernel has to look at twice: an index that is checked for as narrow a range stays as it is.
Value Recorder::checked(Op op, Ref index, const IndexUse& use) {
  if (index.type().count() == 0) return index;
  check_extent(name(op), index, use.size);
  const Node* known = index.node;
  bool is_checked = known->op == Op::check_index && known->integer(0) == use.size &&
                    (use.wraps || !known->integer(1)) && known->integer(3) == use.ignored;
  if (is_checked) return index;
  Attrs attrs;
  attrs.add(use.size).add(use.wraps).add_string(name(op)).add(use.ignored);
  Type type = index.type();
  return record_typed(Op::check_index, {&index, 1}, attrs, {&type, 1});
}

Value Recorder::record_typed(Op op, std::span<const Ref> inputs, const Attrs& attrs, std::span<const Type> results) {
  Node* node = allocate(op, int(inputs.size()), int(results.size()), attrs);
  for (size_t i = 0; i < inputs.size(); i++) {
    node->inputs()[i] = inputs[i];
    retain(inputs[i].node);
  }
  for (size_t i = 0; i < results.size(); i++) node->results()[i].type = results[i];
  if (grad_mode && takes_gradient(inputs)) node->flags |= kGrad;
  return finish(node);
}

Value Recorder::again(const Node* node, std::span<const Ref> inputs) {
  Node* copy = allocate(node->op, int(inputs.size()), node->n_results, node->attrs());
  for (size_t i = 0; i < inputs.size(); i++) {
    copy->inputs()[i] = inputs[i];
    retain(inputs[i].node);
  }
  for (int i = 0; i < node->n_results; i++) copy->results()[i].type = node->results()[i].type;
  copy->constant_bits = node->constant_bits;
  copy->flags = node->flags & (kGrad | kImplicit | kStops);
  if (grad_mode && !node->has(kStops) && takes_gradient(inputs)) copy->flags |= kGrad;
  if (node->op == Op::custom) node->custom->retain(), copy->flags |= kOwnsMore;
  if (owns_blocks(node)) node->region->retain(), copy->flags |= kOwnsMore;
  Value made = finish(copy);
  copy->origin = node->origin;
  copy->line = node->line;
  return made;
}

Value Recorder::custom(CustomOp* op, std::span<const Ref> inputs, std::span<const Type> results) {
  auto drop = [](CustomOp* o) { o->release(); };
  std::unique_ptr<CustomOp, decltype(drop)> held(op, drop);
  if (inputs.size() > UINT16_MAX) fail(JT_E_INVALID, op->name(), ": ", inputs.size(), " operands are too many");
  if (results.empty() || results.size() > UINT16_MAX)
    fail(JT_E_INVALID, op->name(), ": ", results.size(), " results, not 1 to ", UINT16_MAX);
  Node* node = allocate(Op::custom, int(inputs.size()), int(results.size()), {});
  for (size_t i = 0; i < inputs.size(); i++) {
    node->inputs()[i] = inputs[i];
    jt::retain(inputs[i].node);
  }
  for (size_t i = 0; i < results.size(); i++) node->results()[i].type = results[i];
  node->custom = held.release();
  node->flags |= kOwnsMore;
  if (grad_mode && takes_gradient(inputs)) node->flags |= kGrad;
  may_hold_customs = true;
  return finish(node);
}

Value Recorder::region(Op op, Region* region, std::span<const Ref> inputs, const Attrs& attrs,
                       std::span<const Type> results) {
  auto drop = [](Region* r) { r->release(); };
  std::unique_ptr<Region, decltype(drop)> held(region, drop);
  if (inputs.size() > UINT16_MAX || results.size() > UINT16_MAX)
    fail(JT_E_INVALID, name(op), ": ", inputs.size(), " operands and ", results.size(), " results are too many");
  Node* node = allocate(op, int(inputs.size()), int(results.size()), attrs);
  for (size_t i = 0; i < inputs.size(); i++) {
    node->inputs()[i] = inputs[i];
    jt::retain(inputs[i].node);
  }
  for (size_t i = 0; i < results.size(); i++) node->results()[i].type = results[i];
  node->region = held.release();
  node->flags |= kOwnsMore;
  if (grad_mode && takes_gradient(inputs)) node->flags |= kGrad;
  return finish(node);
}

std::vector<Value> Recorder::placeholders(std::span<const Type> types, const Error& error) {
  auto poison = std::make_unique<Poison>(Poison{1, error.code(), error.message(), error.native()});
  std::vector<Value> out;
  out.reserve(types.size());
  for (const Type& type : types) {
    out.push_back(leaf(type, nullptr));
    Node* node = out.back().ref().node;
    if (lists_pending) take_poison(node, poison.get());
    if (grad_mode && is_float(type.dtype)) node->flags |= kGradLeaf;
  }
  if (poison->refs > 1) poison.release()->refs--;
  return out;
}

Value Recorder::constant_bits(DType dtype, int64_t bits) {
  Node* node = allocate(Op::constant, 0, 1, {});
  node->results()[0].type.dtype = dtype;
  node->constant_bits = bits;
  return finish(node);
}

Value Recorder::constant(DType dtype, double value) {
  if (!is_float(dtype)) {
    if (!(value >= -0x1p63 && value < 0x1p63)) fail(JT_E_DTYPE, "constant: ", value, " is not a value of ", dtype);
    return constant_int(dtype, int64_t(value));
  }
  if (dtype == JT_F16 || dtype == JT_BF16) value = word_of(dtype, value).f32;  // kernels would round to f32 first
  int64_t bits;
  std::memcpy(&bits, &value, 8);
  return constant_bits(dtype, bits);
}

Value Recorder::constant_int(DType dtype, int64_t value) {
  if (is_float(dtype)) return constant(dtype, dtype == JT_F64 ? double(value) : double_to_round(value));
  return constant_bits(dtype, dtype == JT_BOOL ? value != 0 : value);
}

Value Recorder::on_device(Ref value, uint8_t to) {
  if (value.node->device == to) return value;
  mixes_devices = true;
  AtDevice there(*this, to);
  Attrs attrs;
  attrs.add_ints(value.shape().extents());
  Type type = value.type();
  return record_typed(Op::reshape, {&value, 1}, attrs, {&type, 1});
}

Value Recorder::leaf(const Type& type, Buffer* buffer) {
  struct Held {  // until the node has it
    Buffer* buffer;
    ~Held() { if (buffer) jt::release(buffer); }
  } held{buffer};
  Node* node = allocate(Op::data, 0, 1, {});
  node->results()[0].type = type;
  node->results()[0].buffer = std::exchange(held.buffer, nullptr);
  node->device = device;
  node->sequence = ++sequence_;
  return Value(Ref{node, 0});
}

}  // namespace jt
