#include "core/ir/far.h"

#include <array>
#include <bit>
#include <cmath>

#include "core/ir/type_rules.h"

namespace jt {

std::optional<int64_t> counted(const Node* count) {
  int64_t bits = count->constant_bits;
  if (is_float(count->results()[0].type.dtype)) {
    double value = std::bit_cast<double>(bits);
    if (!(value >= 1 && value <= 0x1p53) || value != std::floor(value)) return {};
    return int64_t(value);
  }
  return bits >= 1 && bits <= kMaxCount ? std::optional(bits) : std::nullopt;
}

static constexpr uint32_t far_in(std::string_view text) {
  Signature signature(text);
  uint32_t set = 0;
  for (std::string_view name : {"shape", "before", "after", "size", "stride", "classes", "length", "most"}) {
    int at = signature.attr_at(name);
    bool is_number = at >= 0 && (signature.attrs[size_t(at)].type == AttrType::ints ||
                                 signature.attrs[size_t(at)].type == AttrType::integer);
    if (is_number) set |= 1u << at;
  }
  return set;
}
static constexpr auto far_of_all() {
  std::array<uint32_t, size_t(kOps)> sets{};
  for (size_t op = 0; op < sets.size(); op++) sets[op] = far_in(kSignatureTexts[op]);
  return sets;
}
static constexpr auto kFar = far_of_all();

uint32_t far_attrs(Op op) { return kFar[size_t(op)]; }

}  // namespace jt
