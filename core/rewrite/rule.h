// rule: what the parts of simplify share: the state that rules may see, and the shape of a rewrite.
//
// A rewrite looks at one node whose inputs are simplified and gives what takes its place, of the same type including
// unit flags, or nothing. It moves towards the normal form: fewer nodes, or equally many cheaper ones. It may look at
// ops, types, attributes and classes of constants; never at a number that varies between runs.
#pragma once
#include <string_view>
#include <unordered_map>

#include "core/ir/block.h"

namespace jt {

// The scalars of a block under simplification, with the class of each: of a folded one, what follows from the classes
// of its operands, which is mostly nothing (`special`).
class ScalarTable {
 public:
  explicit ScalarTable(std::vector<Scalar>& scalars);
  ScalarClass class_of(const Node* constant) const;
  // The constant op(operands) of type `dtype`, all of them constants with `can_fold`.
  Value fold(Recorder& recorder, Op op, DType dtype, std::span<const Ref> operands);

 private:
  int32_t add(const Scalar& scalar);
  int32_t id_of(const Node* constant);
  ScalarClass class_of(const Scalar& scalar) const;
  struct Hash { size_t operator()(const Scalar& s) const; };
  struct Same { bool operator()(const Scalar& a, const Scalar& b) const; };
  std::vector<Scalar>& scalars_;
  std::vector<ScalarClass> classes_;
  std::unordered_map<Scalar, int32_t, Hash, Same> ids_;
};

struct Rewriting {
  Recorder& recorder;
  ScalarTable& scalars;
  bool fast_math, half_products;
};

struct Rewrite {
  std::string_view rule;
  Value to;
  std::vector<Value> others = {};  // what the other results became; empty: results of the node behind `to`, as before
  explicit operator bool() const { return bool(to); }
};

inline bool is_constant(Ref x) { return x.node->op == Op::constant; }
inline bool can_fold(Ref x) { return is_constant(x) && x.node->origin != kCount; }
// `value`, a constant of `type`'s dtype, as a value of `type`; nothing if that has unit axes.
Value spread(Recorder& recorder, Ref value, const Type& type);

Rewrite empty(Rewriting& with, Ref node);     // empty.cpp: what has no elements, or only operands without any
Rewrite fold(Rewriting& with, Ref node);      // fold.cpp: an element row or cast of constants
Rewrite algebra(Rewriting& with, Ref node);   // algebra.cpp: the rows of algebra.def
Rewrite movement(Rewriting& with, Ref node);  // movement.cpp: rules about shapes, axes and dtypes
Rewrite halves(Rewriting& with, Ref node);    // halves.cpp: products of f16 and bf16 that were cast

}  // namespace jt
