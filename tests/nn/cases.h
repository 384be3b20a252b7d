// cases: one call of every op and of every layer, as text: operands and attributes that it takes.
#pragma once
#include "tests/nn/module.h"

#include <array>
#include <fstream>

namespace jt::test {

inline std::vector<std::string> split(const std::string& text, char at = ' ') {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, at);)
    if (!word.empty()) out.push_back(word);
  return out;
}

struct Operand {
  jt_dtype dtype;
  Dims dims;
};
// "f:2,3 i:4" as operands: f32, i64, i32 (k), bool.
inline std::vector<Operand> operands_of(const std::string& text) {
  std::vector<Operand> out;
  for (const std::string& word : split(text)) {
    Operand o{word[0] == 'f' ? JT_F32 : word[0] == 'i' ? JT_I64 : word[0] == 'k' ? JT_I32 : JT_BOOL, {}};
    for (const std::string& extent : split(word.substr(2), ',')) o.dims.push_back(std::stoll(extent));
    out.push_back(o);
  }
  return out;
}

// An attribute or a field as text, `name=value`; integers and lists of them are what the sweep changes.
struct Number {
  std::string name;
  std::vector<int64_t> values;
  bool is_list;
};
struct Case {
  std::vector<Operand> operands;
  std::vector<Number> numbers;
  std::string others;

  std::string text() const {
    std::string out = others;
    for (const Number& n : numbers) {
      out += (out.empty() ? "" : " ") + n.name + "=";
      if (n.is_list) out += "[";
      for (size_t i = 0; i < n.values.size(); i++) out += (i ? "," : "") + std::to_string(n.values[i]);
      if (n.is_list) out += "]";
    }
    return out;
  }
  std::string shapes() const {
    std::string out;
    for (const Operand& o : operands) {
      out += " [";
      for (int64_t extent : o.dims) out += std::to_string(extent) + " ";
      out += "]";
    }
    return out;
  }
};

inline bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("-0123456789") == text.npos && std::isdigit(text.back());
}
inline Case case_of(const std::string& operands, const std::string& attrs) {
  Case out{operands_of(operands), {}, ""};
  for (const std::string& word : split(attrs)) {
    std::string name = word.substr(0, word.find('=')), value = word.substr(word.find('=') + 1);
    bool is_list = value[0] == '[';
    Number n{name, {}, is_list};
    if (is_list)
      for (const std::string& v : split(value.substr(1, value.size() - 2), ',')) n.values.push_back(std::stoll(v));
    else if (is_number(value)) n.values = {std::stoll(value)};
    if (is_list || is_number(value)) out.numbers.push_back(n);
    else out.others += (out.others.empty() ? "" : " ") + word;
  }
  return out;
}

// What an op is called with: operands and attributes that it takes. Other rows: one f32 operand per name, [2,3].
inline const std::map<std::string, std::pair<std::string, std::string>> kBases = {
    {"cast", {"f:2,3", "dtype=12"}},
    {"reshape", {"f:2,3", "shape=[3,2]"}},
    {"transpose", {"f:2,3", "axes=[1,0]"}},
    {"expand", {"f:1,3", "shape=[2,3]"}},
    {"slice", {"f:4,5", "starts=[1,0] stops=[4,5] steps=[1,2]"}},
    {"pad", {"f:2,3", "before=[1,0] after=[0,2]"}},
    {"flip", {"f:2,3", "axes=[0,1]"}},
    {"windows", {"f:2,6,7", "size=[2,3] stride=[1,2] dilation=[2,1]"}},
    {"concat", {"f:2,3 f:2,3", "axis=0"}},
    {"update", {"f:4,5 f:2,2", "starts=[1,0] steps=[1,2]"}},
    {"take", {"f:4,3 i:2", "axis=0"}},
    {"slice_at", {"f:4,3 i:", "length=2 axis=0"}},
    {"update_at", {"f:4,3 f:2,3 i:", "axis=0"}},
    {"scatter_add", {"f:4,3 i:2 f:2,3", "axis=0"}},
    {"gather", {"f:4,3 i:2,3", "axis=0"}},
    {"scatter", {"f:4,3 i:2,3 f:2,3", "axis=0 combine=add"}},
    {"reindex", {"f:4,3", "shape=[3,4] index=i1,i0"}},
    {"reindex_reduce", {"f:4,3", "shape=[3,4] index=i1,i0"}},
    {"iota", {"", "shape=[2,3] axis=1 dtype=5"}},
    {"full", {"", "shape=[2,3] dtype=12"}},
    {"random_bits", {"", "shape=[2,3] seed=1 stream=2 counter=3"}},
    {"matmul", {"f:2,3 f:3,4", ""}},
    {"conv2d", {"f:2,4,5,6 f:8,2,3,7", "stride=[1,2] padding=[1,1] dilation=[1,1] groups=2 channels_last=0"}},
    {"conv2d_grad_x",
     {"f:2,8,5,1 f:8,2,3,7", "shape=[2,4,5,6] stride=[1,2] padding=[1,1] dilation=[1,1] groups=2 channels_last=0"}},
    {"conv2d_grad_w",
     {"f:2,8,5,1 f:2,4,5,6", "shape=[8,2,3,7] stride=[1,2] padding=[1,1] dilation=[1,1] groups=2 channels_last=0"}},
    {"max_pool2d", {"f:1,2,5,7", "size=[2,3] stride=[1,2] padding=[1,0] channels_last=0"}},
    {"max_pool2d_grad",
     {"f:1,2,6,3 k:1,2,6,3", "shape=[1,2,5,7] size=[2,3] stride=[1,2] padding=[1,0] channels_last=0"}},
    {"avg_pool2d", {"f:1,2,5,7", "size=[2,3] stride=[1,2] padding=[1,0] channels_last=0"}},
    {"avg_pool2d_grad", {"f:1,2,6,3", "shape=[1,2,5,7] size=[2,3] stride=[1,2] padding=[1,0] channels_last=0"}},
    {"conv3d", {"f:1,2,4,5,6 f:3,2,2,3,2", "stride=[1,1,2] padding=[1,0,0] dilation=[1,1,1] groups=1"}},
    {"conv3d_grad_x",
     {"f:1,3,5,3,3 f:3,2,2,3,2", "shape=[1,2,4,5,6] stride=[1,1,2] padding=[1,0,0] dilation=[1,1,1] groups=1"}},
    {"max_pool3d", {"f:1,2,4,5,6", "size=[2,2,3] stride=[1,2,2] padding=[0,1,0]"}},
    {"avg_pool3d", {"f:1,2,4,5,6", "size=[2,2,3] stride=[1,2,2] padding=[0,1,0]"}},
    {"cross_entropy", {"f:3,4 i:3", ""}},
    {"embedding", {"i:2,3 f:4,5", "padding=1"}},
    {"check_index", {"i:2,3", "size=4 negative=1"}},
    {"one_hot", {"i:2,3", "classes=4 dtype=5"}},
    {"layer_norm", {"f:2,3 f:3 f:3", "axes=1"}},
    {"rms_norm", {"f:2,3 f:3", "axes=1"}},
    {"group_norm", {"f:2,4,3 f:4 f:4", "groups=2"}},
    {"batch_norm", {"f:2,4,3 f:4 f:4 f:4 f:4", ""}},
    {"nll", {"f:2,4,3 i:2,3", ""}},
    {"prelu", {"f:2,3 f:3", ""}},
    {"dropout", {"f:2,3", "seed=1 stream=2 counter=3"}},
    {"uniform", {"", "shape=[2,3] seed=1 stream=2 counter=3 dtype=12"}},
    {"normal", {"", "shape=[2,3] seed=1 stream=2 counter=3 dtype=12"}},
    {"where", {"b:2,3 f:2,3 f:2,3", ""}},
    {"masked_fill", {"f:2,3 b:3", ""}},
    {"diagonal", {"f:2,3", "offset=1 axis1=0 axis2=1"}},
    {"roll", {"f:2,3", "shifts=[1,2] axes=[0,1]"}},
    {"tile", {"f:2,3", "times=[2,3]"}},
    {"topk", {"f:2,3", "k=2 axis=1 largest=1"}},
    {"split", {"f:2,3", "sizes=[1,2] axis=1"}},
};

inline Case base_of(const std::string& name, const std::string& signature) {
  if (auto found = kBases.find(name); found != kBases.end()) return case_of(found->second.first, found->second.second);
  std::vector<std::string> parts = split(signature, ';');
  std::string operands, attrs;
  for (size_t i = 0; i < split(parts[0]).size(); i++)
    operands += name.starts_with("bitwise") || name.starts_with("shift") ? "i:2,3 " : "f:2,3 ";
  for (const std::string& attr : parts.size() > 1 ? split(parts[1]) : std::vector<std::string>()) {
    std::string type = attr.substr(attr.find(':') + 1);
    std::string fallback = type.find('=') == type.npos ? "0" : type.substr(type.find('=') + 1);
    if (type.starts_with("ints")) attrs += attr.substr(0, attr.find(':')) + "=[0,1] ";
    if (type.starts_with("int=") || type.starts_with("bool") || type.starts_with("dtype"))
      attrs += attr.substr(0, attr.find(':')) + "=" + fallback + " ";
  }
  return case_of(operands, attrs);
}

// The cases of tests/nn, and the layers that have none there.
inline std::vector<std::pair<std::string, Case>> layer_cases() {
  std::vector<std::pair<std::string, Case>> out;
  std::ifstream file(JT_NN_VECTORS);
  std::string kind, fields, operands;
  auto finish = [&] {
    if (!kind.empty()) out.push_back({kind, case_of(operands, fields)});
  };
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> words = split(line);
    if (words.empty()) continue;
    if (words[0] == "case") {
      finish();
      kind = words[1], fields = operands = "";
      for (size_t i = 3; i < words.size(); i++)
        if (words[i].find('=') != std::string::npos) fields += words[i] + " ";
    } else if (words[0] == "in" || words[0] == "int") {
      operands += std::string(words[0] == "in" ? "f:" : "i:") + words[2].substr(1, words[2].size() - 2) + " ";
    }
  }
  finish();
  for (auto& [name, fields_of, operands_of_it] :
       std::vector<std::array<std::string, 3>>{{"RMSNorm", "normalized_shape=[3,4]", "f:2,3,4"},
                                               {"Dropout1d", "", "f:2,3,4"},
                                               {"Dropout3d", "", "f:2,3,4,5,6"},
                                               {"DropPath", "", "f:2,3"}})
    out.push_back({name, case_of(operands_of_it, fields_of)});
  return out;
}

}  // namespace jt::test
