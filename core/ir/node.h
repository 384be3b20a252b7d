// node: the one IR. A node is an op applied to results of other nodes; it never changes once recorded.
//
// Lazily recorded, differentiated and (later) traced and scripted graphs are all made of these. What does change on a
// node is bookkeeping about its value: the buffers its results have after they ran, and who still needs them.
// Nodes are counted by their consumers and holders; the count and all other fields belong to the thread that has the
// context. Release walks a worklist, never the stack: a chain of 1e6 nodes is a normal graph.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "core/base/buffer.h"
#include "core/ir/op.h"

namespace jt {

struct Type {
  DType dtype = JT_F32;
  Shape shape;
  Dim count() const { return shape.count(); }
  Dim bytes() const { return count() * int64_t(size_of(dtype)); }
};
inline bool operator==(const Type& a, const Type& b) { return a.dtype == b.dtype && a.shape == b.shape; }
template <TextOut Out>
void append(Out& out, const Type& type) {
  append(out, type.dtype);
  append(out, type.shape);
}

// One result of a node. Does not own; see Value.
struct Ref {
  Node* node = nullptr;
  uint32_t result = 0;
  explicit operator bool() const { return node != nullptr; }
  bool operator==(const Ref&) const = default;
  const Type& type() const;
  const Shape& shape() const { return type().shape; }
  DType dtype() const { return type().dtype; }
};

// Attribute values in the order of the signature, packed into words: an int, bool or dtype is a word, a real its bits,
// ints one word each, a string its length and then its bytes. Integers are Dims: those of a recorded node are plain.
class Attrs {
 public:
  static constexpr int kMaxWords = 160, kMaxAttrs = 8;
  Attrs() {}  // leaves the words as they are: `= default` would clear them wherever it is written Attrs() or {}
  Attrs(const Attrs& o) { *this = o; }
  Attrs& operator=(const Attrs& o) {  // the words in use, not all there is room for
    count_ = o.count_;
    std::memcpy(begin_, o.begin_, sizeof begin_);
    std::memmove(words_, o.words_, size_t(o.words()) * 8);
    return *this;
  }
  int count() const { return count_; }
  int words() const { return begin_[count_]; }
  const Dim* data() const { return words_; }
  std::span<const Dim> ints(int i) const { return {words_ + begin_[i], size_t(begin_[i + 1] - begin_[i])}; }
  std::span<Dim> ints(int i) { return {words_ + begin_[i], size_t(begin_[i + 1] - begin_[i])}; }
  int64_t integer(int i) const { return words_[begin_[i]]; }
  Dim dim(int i) const { return words_[begin_[i]]; }
  double real(int i) const {
    double value;
    std::memcpy(&value, &words_[begin_[i]], 8);
    return value;
  }
  std::string_view string(int i) const {
    return {reinterpret_cast<const char*>(&words_[begin_[i] + 1]), size_t(words_[begin_[i]].word())};
  }
  Attrs& add(Dim value) { return add_ints({&value, 1}); }
  Attrs& add_real(double value) {
    int64_t bits;
    std::memcpy(&bits, &value, 8);
    return add(bits);
  }
  Attrs& add_ints(DimList values);
  Attrs& add_string(std::string_view value);
  void set_ints(int i, DimList values);  // of any length
  static Attrs unpack(const Dim* words, const uint8_t* begin, int count);
  const uint8_t* begins() const { return begin_; }

 private:
  uint8_t count_ = 0;
  uint8_t begin_[kMaxAttrs + 1] = {0};
  Dim words_[kMaxWords];
};

// The class of a scalar written in the program. Rules look at it, keys hold it, kernels get the value as an argument.
enum class ScalarClass : uint8_t { zero, one, minus_one, power_of_two, moderate, finite, special };
ScalarClass scalar_class(DType dtype, int64_t bits);

struct Result {
  Type type;
  Buffer* buffer = nullptr;  // owned; set once it ran
  uint32_t handles = 0;      // cells that point here
  int32_t number = -1;       // scratch of whoever walks the graph: valid while Node::mark is the walk's
};

enum NodeFlag : uint16_t {
  kGrad = 1,        // a gradient can be asked through it: a path leads to something that requires one
  kGradLeaf = 2,    // a cell that requires a gradient points (or pointed) here
  kPending = 4,     // recorded, not run, listed by its recorder
  kConsumed = 8,    // a backward walked it and freed what gradients need
  kImplicit = 16,   // an operand repeated to the shape of the others, for one node alone
  kOwnsMore = 32,   // a poison, a custom op, a region or names of its dimensions go with it
  kNamesDims = 64,  // Recorder::names_of has names of its results' dimensions
  kStops = 128,     // in a region's block: no gradient goes through it, though an operand has one
};

class Recorder;
class CustomOp;
class Region;
struct Poison;

struct Node {
  Op op;
  uint16_t flags;
  uint16_t n_inputs;   // operands it still has: none once it ran and no gradient needs them
  uint16_t n_results;
  uint32_t refs;
  uint32_t mark;       // of the last walk that saw it
  int32_t origin;      // in a block: where its numbers come from (block.h)
  uint32_t line;       // source line id of the caller, 0 unknown
  uint32_t bytes;      // of this allocation
  uint8_t device;      // on which it is to run, or its value lies: a number in the runtime
  uint64_t sequence;   // program order within its recorder
  Recorder* owner;
  Node *previous, *next;  // in the recorder's list of pending nodes
  Poison* poison;         // the error that its run ended with
  union {
    int64_t constant_bits;  // Op::constant: the value, f64 or i64/u64 bits by dtype class
    CustomOp* custom;       // Op::custom: counted
    Region* region;         // Op::branch, Op::loop: counted
  };

  Ref* inputs() { return reinterpret_cast<Ref*>(this + 1); }
  const Ref* inputs() const { return reinterpret_cast<const Ref*>(this + 1); }
  std::span<Ref> ins() { return {inputs(), n_inputs}; }
  Result* results() { return reinterpret_cast<Result*>(inputs() + n_slots); }
  const Result* results() const { return reinterpret_cast<const Result*>(inputs() + n_slots); }
  Dim* words() { return reinterpret_cast<Dim*>(results() + n_results); }
  uint8_t* attr_begins() { return reinterpret_cast<uint8_t*>(words() + n_words); }
  Attrs attrs() const {
    Node* self = const_cast<Node*>(this);
    return Attrs::unpack(self->words(), self->attr_begins(), n_attrs);
  }
  std::span<const Dim> ints(int i) const {
    Node* self = const_cast<Node*>(this);
    const uint8_t* b = self->attr_begins();
    return {self->words() + b[i], size_t(b[i + 1] - b[i])};
  }
  int64_t integer(int i) const { return ints(i)[0]; }
  Dim dim(int i) const { return ints(i)[0]; }
  double real(int i) const {
    double value;
    std::memcpy(&value, ints(i).data(), 8);
    return value;
  }
  std::string_view string(int i) const {
    return {reinterpret_cast<const char*>(ints(i).data() + 1), size_t(ints(i)[0].word())};
  }
  bool has(NodeFlag f) const { return flags & f; }
  bool has_run() const { return results()[0].buffer; }
  bool has_handles() const {
    for (int i = 0; i < n_results; i++)
      if (results()[i].handles) return true;
    return false;
  }
  uint16_t n_words;  // of attributes
  uint16_t n_slots;  // operands it was recorded with
  uint8_t n_attrs;
};

// Other contexts ask whether a value has run while its own may be running it: the buffer is shown when its bytes are
// there.
inline void show_buffer(Result& result, Buffer* buffer) {
  std::atomic_ref(result.buffer).store(buffer, std::memory_order_release);
}
inline Buffer* buffer_elsewhere(Ref ref) {
  return std::atomic_ref(ref.node->results()[ref.result].buffer).load(std::memory_order_acquire);
}

inline const Type& Ref::type() const { return node->results()[result].type; }
inline Kind kind(const Node* n) { return def(n->op).kind; }
inline int attr_at(const Node* n, std::string_view name) { return attr_at(n->op, name); }
inline bool owns_blocks(const Node* n) { return n->op == Op::branch || n->op == Op::loop; }
// How many results a row gives with these attributes, of which it has as many as its signature.
inline size_t result_count(Op op, const Attrs& attrs) {
  const Signature& s = signature(op);
  return s.results_by < 0 ? s.results.size() : attrs.ints(s.results_by).size();
}

inline void retain(Node* node) { node->refs++; }
void free_unused(Node* node);  // and what only it held, without recursion
inline void release(Node* node) {
  if (--node->refs == 0) free_unused(node);
}

// A counted Ref.
class Value {
 public:
  Value() = default;
  Value(Ref ref) : ref_(ref) { if (ref_) retain(ref_.node); }
  Value(const Value& o) : Value(o.ref_) {}
  Value(Value&& o) noexcept : ref_(std::exchange(o.ref_, Ref())) {}
  Value& operator=(Value o) noexcept { std::swap(ref_, o.ref_); return *this; }
  ~Value() { if (ref_) release(ref_.node); }
  operator Ref() const { return ref_; }
  Ref ref() const { return ref_; }
  explicit operator bool() const { return bool(ref_); }
  const Type& type() const { return ref_.type(); }
  const Shape& shape() const { return ref_.shape(); }
  DType dtype() const { return ref_.dtype(); }

 private:
  Ref ref_;
};

}  // namespace jt
