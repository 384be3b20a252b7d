// fold: element rows and casts of constants become constants; a constant of the program becomes a recipe (a Scalar with
// `fold`), so that the next run with other numbers of the same classes computes it again.
#include "core/base/hash.h"
#include "core/ir/eval.h"
#include "core/rewrite/rule.h"
#include "core/rewrite/simplify.h"

namespace jt {

size_t ScalarTable::Hash::operator()(const Scalar& s) const {
  uint64_t hash = mix(uint64_t(s.dtype), uint64_t(s.fold));
  if (s.fold == Op::constant) return mix(hash, uint64_t(s.bits));
  for (int32_t id : s.from) hash = mix(hash, uint64_t(id));
  return hash;
}

bool ScalarTable::Same::operator()(const Scalar& a, const Scalar& b) const {
  if (a.dtype != b.dtype || a.fold != b.fold) return false;
  return a.fold == Op::constant ? a.bits == b.bits : std::equal(a.from, a.from + 3, b.from);
}

static bool is_in_range(ScalarClass c) {
  return c == ScalarClass::one || c == ScalarClass::minus_one || c == ScalarClass::power_of_two ||
         c == ScalarClass::moderate;
}

// A folded value may be anything its operands' classes allow.
ScalarClass ScalarTable::class_of(const Scalar& s) const {
  if (s.fold == Op::data || s.fold == Op::constant) return scalar_class(s.dtype, s.bits);
  ScalarClass x = classes_[s.from[0]];
  if (s.fold == Op::neg && is_in_range(x) && is_float(s.dtype)) return ScalarClass::moderate;
  return ScalarClass::special;
}

ScalarTable::ScalarTable(std::vector<Scalar>& scalars) : scalars_(scalars) {
  classes_.reserve(scalars.size());
  for (const Scalar& s : scalars) {
    if (s.fold != Op::data) ids_.try_emplace(s, int32_t(classes_.size()));
    classes_.push_back(class_of(s));
  }
}

ScalarClass ScalarTable::class_of(const Node* constant) const {
  if (constant->origin >= 0) return classes_[constant->origin];
  if (constant->origin == kCount) return ScalarClass::special;
  return scalar_class(constant->results()[0].type.dtype, constant->constant_bits);
}

int32_t ScalarTable::add(const Scalar& scalar) {
  auto [place, fresh] = ids_.try_emplace(scalar, int32_t(scalars_.size()));
  if (!fresh) return place->second;
  classes_.push_back(class_of(scalar));
  scalars_.push_back(scalar);
  return place->second;
}

int32_t ScalarTable::id_of(const Node* constant) {
  if (constant->origin >= 0) return constant->origin;
  return add({constant->results()[0].type.dtype, constant->constant_bits, Op::constant});
}

Value ScalarTable::fold(Recorder& recorder, Op op, DType dtype, std::span<const Ref> operands) {
  Scalar values[3], result{dtype, 0, op};
  bool is_structure = true;
  for (size_t i = 0; i < operands.size(); i++) {
    values[i] = {operands[i].dtype(), operands[i].node->constant_bits};
    is_structure &= operands[i].node->origin == kStructure;
  }
  result.bits = jt::fold(op, {values, operands.size()}, dtype);
  Value made = recorder.constant_bits(dtype, result.bits);
  if (is_structure) return made;
  for (size_t i = 0; i < operands.size(); i++) result.from[i] = id_of(operands[i].node);
  made.ref().node->origin = add(result);
  return made;
}

Rewrite fold(Rewriting& with, Ref node) {
  Kind k = kind(node.node);
  if (k != Kind::element && k != Kind::cast) return {};
  for (Ref in : node.node->ins())
    if (!can_fold(in)) return {};
  return {"fold", with.scalars.fold(with.recorder, node.node->op, node.dtype(), node.node->ins())};
}

void refold(std::vector<Scalar>& scalars) {
  for (Scalar& s : scalars) {
    if (s.fold == Op::data || s.fold == Op::constant) continue;
    Scalar from[3];
    size_t n = 0;
    while (n < 3 && s.from[n] >= 0) from[n] = scalars[size_t(s.from[n])], n++;
    s.bits = fold(s.fold, {from, n}, s.dtype);
  }
}

}  // namespace jt
