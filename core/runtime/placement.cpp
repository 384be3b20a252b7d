#include "core/runtime/placement.h"

#include <algorithm>

namespace jt {

// Null: what every device does (constants, movement), or none (functions of the host).
static const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::element: return "element";
    case Kind::cast: return "cast";
    case Kind::reduce: return "reduce";
    case Kind::index: return "index";
    case Kind::library: return "library";
    case Kind::source: return "source";
    default: return nullptr;
  }
}

bool may_move_nodes(const Runtime& runtime) {
  auto refuses = [](const auto& state) { return state->device.may_refuse(); };
  return std::ranges::any_of(runtime.devices, refuses) && runtime.fallback() >= 0;
}

uint8_t Placement::device_of(const Node& node) {
  const Device& device = runtime_.device(node.device).device;
  if (!device.may_refuse() || !kind_name(kind(&node))) return node.device;
  return device.supports(as_c(node)) ? node.device : fallback_;
}

const int64_t* Placement::add(std::span<const Dim> dims) {
  const int64_t* first = words_.data() + words_.size();
  for (Dim d : dims) words_.push_back(d.word());
  return first;
}
void Placement::add_value(const Type& t) { values_.push_back({t.dtype, t.shape.rank, add(t.shape.extents())}); }

jt_be_node Placement::as_c(const Node& node) {
  values_.clear(), attrs_.clear(), words_.clear();
  words_.reserve((size_t(node.n_inputs) + node.n_results) * kMaxRank + node.n_words);  // what points at a word stays
  for (int i = 0; i < node.n_inputs; i++) add_value(node.inputs()[i].type());
  for (int i = 0; i < node.n_results; i++) add_value(node.results()[i].type);
  const auto& rows = signature(node.op).attrs;
  for (int i = 0; i < node.n_attrs; i++) {
    std::string_view name = rows[size_t(i)].name;
    attrs_.push_back({name.data(), name.size(), add(node.ints(i)), node.ints(i).size()});
  }
  return {sizeof(jt_be_node), name(node.op), kind_name(kind(&node)),
          values_.data(),     node.n_inputs, values_.data() + node.n_inputs,
          node.n_results,     attrs_.data(), attrs_.size()};
}

}  // namespace jt
