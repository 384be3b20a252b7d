#include "core/ir/node.h"

#include <cmath>

#include "core/ir/recorder.h"

namespace jt {

Attrs& Attrs::add_ints(DimList list) {
  std::span<const Dim> values = list;
  if (count_ == kMaxAttrs || words() + values.size() > kMaxWords) fail(JT_E_INVALID, "attributes are too long");
  if (!values.empty()) std::memcpy(static_cast<void*>(words_ + words()), values.data(), values.size() * 8);
  begin_[count_ + 1] = uint8_t(words() + values.size());
  count_++;
  return *this;
}

Attrs& Attrs::add_string(std::string_view value) {
  size_t n_words = 1 + (value.size() + 7) / 8;
  Dim packed[kMaxWords] = {};
  if (n_words > kMaxWords) fail(JT_E_INVALID, "attribute text of ", value.size(), " bytes is too long");
  packed[0] = int64_t(value.size());
  if (!value.empty()) std::memcpy(packed + 1, value.data(), value.size());
  return add_ints({packed, n_words});
}

void Attrs::set_ints(int i, DimList values) {
  Attrs out;
  for (int k = 0; k < count_; k++) out.add_ints(k == i ? values : DimList(std::as_const(*this).ints(k)));
  *this = out;
}

Attrs Attrs::unpack(const Dim* words, const uint8_t* begin, int count) {
  Attrs out;
  out.count_ = uint8_t(count);
  std::memcpy(out.begin_, begin, size_t(count) + 1);
  std::memcpy(out.words_, words, size_t(out.words()) * 8);
  return out;
}

ScalarClass scalar_class(DType dtype, int64_t bits) {
  double value = double(bits);
  if (is_float(dtype)) std::memcpy(&value, &bits, 8);
  if (value == 0) return std::signbit(value) ? ScalarClass::finite : ScalarClass::zero;
  if (value == 1) return ScalarClass::one;
  if (value == -1) return ScalarClass::minus_one;
  if (!std::isfinite(value)) return ScalarClass::special;
  int exponent;
  double mantissa = std::frexp(std::fabs(value), &exponent);
  bool in_range = std::fabs(value) >= 1 && std::fabs(value) <= 0x1p60;
  if (mantissa == 0.5 && value > 0 && in_range) return ScalarClass::power_of_two;
  return in_range ? ScalarClass::moderate : ScalarClass::finite;
}

void free_unused(Node* node) {
  Node* worklist = node;  // linked through `next`, which a node that leaves the pending list no longer needs
  node->owner->settle(node);
  node->next = nullptr;
  while (Node* dead = worklist) {
    worklist = dead->next;
    for (Ref in : dead->ins()) {
      if (--in.node->refs) continue;
      in.node->owner->settle(in.node);
      in.node->next = worklist;
      worklist = in.node;
    }
    dead->owner->free_node(dead);
  }
}

}  // namespace jt
