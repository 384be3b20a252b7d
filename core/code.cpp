#include "core/code.h"

#include <algorithm>
#include <cctype>

#include "core/ir/build.h"

namespace jt {

namespace {

// Declared in every text: what a C program would include.
constexpr std::string_view kPrelude =
    "typedef signed char int8_t;\ntypedef short int16_t;\ntypedef int int32_t;\ntypedef long long int64_t;\n"
    "typedef unsigned char uint8_t;\ntypedef unsigned short uint16_t;\ntypedef unsigned int uint32_t;\n"
    "typedef unsigned long long uint64_t;\ntypedef unsigned long size_t;\n"
    "void *memcpy(void *, const void *, size_t);\nvoid *memmove(void *, const void *, size_t);\n"
    "void *memset(void *, int, size_t);\n"
#define JT_MATH_1(name) "double " #name "(double);\nfloat " #name "f(float);\n"
#define JT_MATH_2(name) "double " #name "(double, double);\nfloat " #name "f(float, float);\n"
#define JT_MATH_3(name) "double " #name "(double, double, double);\nfloat " #name "f(float, float, float);\n"
#include "core/base/math_names.inc"
    ;

constexpr std::string_view c_type(DType t) {
  switch (t) {
    case JT_BOOL: case JT_U8: return "uint8_t";
    case JT_I8: return "int8_t";
    case JT_I16: return "int16_t";
    case JT_I32: return "int32_t";
    case JT_I64: return "int64_t";
    case JT_U16: case JT_F16: case JT_BF16: return "uint16_t";
    case JT_U32: return "uint32_t";
    case JT_U64: return "uint64_t";
    case JT_F32: return "float";
    default: return "double";
  }
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_name_char(char c) { return is_letter(c) || std::isdigit(static_cast<unsigned char>(c)); }
bool is_identifier(std::string_view s) {
  if (s.empty() || !is_letter(s[0])) return false;
  return std::all_of(s.begin(), s.end(), is_name_char);
}

// An array of the text: in0, out0, pout0, dout0.
struct CodeArray {
  std::string name, alias;  // alias: `out` where there is only out0
  Type type;
  bool is_output;
};

// @in0(i, j) -> in0[(i) * in0_stride0 + (j) * in0_stride1], in the indices too. Literals and comments stay as they are.
class Expander {
 public:
  Expander(std::string_view who, std::span<const CodeArray> arrays) : who_(who), arrays_(arrays) {}

  std::string run(std::string_view source) {
    std::string out;
    for (size_t at = 0; at < source.size();) {
      size_t literal = literal_length(source.substr(at));
      if (literal) {
        out += source.substr(at, literal);
        at += literal;
      } else if (source[at] == '@') {
        at = element(source, at + 1, out);
      } else {
        out += source[at++];
      }
    }
    return out;
  }

 private:
  static size_t literal_length(std::string_view s) {
    auto until = [&](std::string_view end, size_t from) {
      size_t found = s.find(end, from);
      return found == s.npos ? s.size() : found + end.size();
    };
    if (s.starts_with("//")) return until("\n", 2);
    if (s.starts_with("/*")) return until("*/", 2);
    if (s[0] != '"' && s[0] != '\'') return 0;
    for (size_t i = 1; i < s.size(); i++) {
      if (s[i] == '\\') i++;
      else if (s[i] == s[0]) return i + 1;
    }
    return s.size();
  }

  const CodeArray& named(std::string_view name) {
    for (const CodeArray& a : arrays_)
      if (a.name == name || (!a.alias.empty() && a.alias == name)) return a;
    std::string known;
    for (const CodeArray& a : arrays_) known += (known.empty() ? "" : ", ") + a.name;
    fail(JT_E_INVALID, who_, ": there is no @", name, "; there are ", known);
  }

  // What follows an @; gives the place behind it.
  size_t element(std::string_view s, size_t at, std::string& out) {
    size_t end = at;
    while (end < s.size() && is_name_char(s[end])) end++;
    const CodeArray& array = named(s.substr(at, end - at));
    while (end < s.size() && std::isspace(static_cast<unsigned char>(s[end]))) end++;
    if (end == s.size() || s[end] != '(')
      fail(JT_E_INVALID, who_, ": @", array.name, " without indices in parentheses");
    std::vector<std::string_view> indices;
    size_t begin = ++end;
    for (int depth = 0;; end++) {
      if (end >= s.size()) fail(JT_E_INVALID, who_, ": @", array.name, "( is not closed");
      if (size_t literal = literal_length(s.substr(end))) end += literal - 1;
      else if (s[end] == '(' || s[end] == '[') depth++;
      else if (depth && (s[end] == ')' || s[end] == ']')) depth--;
      else if (!depth && (s[end] == ',' || s[end] == ')')) {
        std::string_view index = s.substr(begin, end - begin);
        bool is_nothing = s[end] == ')' && indices.empty() && index.find_first_not_of(" \t\n") == index.npos;
        if (!is_nothing) indices.push_back(index);
        begin = end + 1;
        if (s[end] == ')') break;
      }
    }
    if (int64_t(indices.size()) != array.type.shape.rank)
      fail(JT_E_INVALID, who_, ": @", array.name, " has ", indices.size(), " indices, its shape ", array.type.shape);
    out += array.name + "[";
    for (size_t i = 0; i < indices.size(); i++)
      append(out, text(i ? " + (" : "(", run(indices[i]), ") * ", array.name, "_stride", i));
    out += indices.empty() ? "0]" : "]";
    return end + 1;
  }

  std::string_view who_;
  std::span<const CodeArray> arrays_;
};

// Numbers of one array in the block of extents: its extents, its strides, its count.
constexpr int words_of(const Type& t) { return 2 * t.shape.rank + 1; }

void declare(std::string& out, const CodeArray& a, std::string_view name, size_t pointer, int64_t word) {
  int rank = a.type.shape.rank;
  append(out, text("  typedef ", c_type(a.type.dtype), " ", name, "_type;\n"));
  append(out, text("  ", a.is_output ? "" : "const ", name, "_type *const ", name, " = jt_p[", pointer, "];\n"));
  for (int i = 0; i < rank; i++) {
    append(out, text("  const int64_t ", name, "_shape", i, " = jt_n[", word + i, "];\n"));
    append(out, text("  const int64_t ", name, "_stride", i, " = jt_n[", word + rank + i, "];\n"));
  }
  append(out, text("  const int64_t ", name, "_num = jt_n[", word + 2 * rank, "];\n"));
}

void add_all(std::vector<CodeArray>& out, const char* name, std::span<const Type> types, bool is_output) {
  for (size_t i = 0; i < types.size(); i++)
    out.push_back({text(name, i), types.size() == 1 ? name : "", types[i], is_output});
}
std::vector<CodeArray> arrays_of(std::span<const Ref> inputs, std::span<const Type> outputs) {
  std::vector<CodeArray> out;
  for (size_t i = 0; i < inputs.size(); i++) out.push_back({text("in", i), "", inputs[i].type(), false});
  add_all(out, "out", outputs, true);
  return out;
}
std::vector<CodeArray> arrays_of_gradient(std::span<const Ref> inputs, std::span<const Type> outputs, size_t i) {
  std::vector<CodeArray> out = arrays_of(inputs, {});
  add_all(out, "pout", outputs, false);
  for (size_t k = 0; k < outputs.size(); k++)
    out.push_back({text("dout", k), outputs.size() == 1 ? "dout" : "", outputs[k], false});
  out.push_back({"out0", "out", inputs[i].type(), true});
  return out;
}

// The C text of the function.
std::string render_code(std::string_view who, const CodeText& t, std::string_view source,
                        std::span<const CodeArray> arrays) {
  std::string out(kPrelude);
  if (!t.header.empty()) out += Expander(who, {}).run(t.header) + "\n";
  out += "void jt_code(void *const *jt_p) {\n";
  append(out, text("  const int64_t *const jt_n = jt_p[", arrays.size(), "];\n"));
  append(out, text("  const double *const jt_d = jt_p[", arrays.size() + 1, "];\n"));
  int64_t word = 0;
  for (size_t i = 0; i < arrays.size(); i++) {
    declare(out, arrays[i], arrays[i].name, i, word);
    if (!arrays[i].alias.empty()) declare(out, arrays[i], arrays[i].alias, i, word);
    word += words_of(arrays[i].type);
  }
  for (size_t i = 0; i < t.data_names.size(); i++)
    append(out, text("  const double data_", t.data_names[i], " = jt_d[", i, "];\n"));
  return out + "  {\n" + Expander(who, arrays).run(source) + "\n  }\n}\n";
}

std::shared_ptr<CodeText> text_of(const CodeSource& s, std::span<const Ref> inputs, std::span<const Type> outputs) {
  for (std::string_view n : s.data_names)
    if (!is_identifier(n)) fail(JT_E_INVALID, s.name, ": `", n, "` is no name for a number");
  auto made = std::make_shared<CodeText>();
  made->name = s.name, made->source = s.source, made->header = s.header;
  made->grad_sources.assign(s.grad_sources.begin(), s.grad_sources.end());
  made->data_names.assign(s.data_names.begin(), s.data_names.end());
  made->rendered = render_code(s.name, *made, s.source, arrays_of(inputs, outputs));
  for (size_t i = 0; i < s.grad_sources.size(); i++) {
    made->gradients.emplace_back();
    if (s.grad_sources[i].empty()) continue;
    auto gradient = std::make_shared<CodeText>();
    gradient->name = text(s.name, ".grad");
    gradient->rendered = render_code(text(s.name, ": gradient of input ", i), *made, s.grad_sources[i],
                                     arrays_of_gradient(inputs, outputs, i));
    made->gradients.back() = std::move(gradient);
  }
  return made;
}

class CodeOp : public CustomOp {
 public:
  CodeOp(Recycler& home, Runtime& runtime, Recorder& recorder, std::shared_ptr<const CodeText> text,
         std::span<const double> data)
      : CustomOp(home, text->name), runtime_(runtime), recorder_(recorder), text_(std::move(text)),
        data_(data.begin(), data.end(), Recycled<double>(home)) {}

  void forward(std::span<const HostView> inputs, std::span<const HostView> outputs) override {
    List<void*> pointers;
    List<int64_t> numbers;
    auto add = [&](const HostView& v) {
      pointers.push_back(v.data);
      const Shape& s = v.type->shape;
      numbers.insert(numbers.end(), s.numbers(), s.numbers() + s.rank);
      int64_t strides[kMaxRank], stride = 1;
      for (int i = s.rank; i-- > 0;) strides[i] = stride, stride *= s[i];
      numbers.insert(numbers.end(), strides, strides + s.rank);
      numbers.push_back(s.count());
    };
    for (const HostView& v : inputs) add(v);
    for (const HostView& v : outputs) add(v);
    pointers.push_back(numbers.data());
    pointers.push_back(data_.data());
    std::shared_ptr<LibraryOp> op = runtime_.compiles_for_host(name()).kernels.code(name(), text_->rendered);
    op->device.check(op->device.api().op_run(op->device.handle(), op->op, pointers.data(), pointers.size(), nullptr),
                     name());
  }

  void backward(Node* node, std::span<const Value> dz, std::span<const char> needs, std::span<Value> dx) override {
    List<Ref> inputs(node->ins().begin(), node->ins().end());
    List<Value> held;
    for (uint32_t i = 0; i < node->n_results; i++) inputs.push_back({node, i});
    for (uint32_t i = 0; i < node->n_results; i++) {
      held.push_back(dz[i] ? dz[i] : ops::zeros_like(Ref{node, i}));
      inputs.push_back(held.back());
    }
    for (size_t i = 0; i < needs.size(); i++) {
      if (!needs[i]) continue;
      if (text_->gradients.empty() || !text_->gradients[i])
        fail(JT_E_UNSUPPORTED, "grad: ", name(), " has no gradient for input ", i);
      Type type = node->inputs()[i].type();
      auto* op = make<CodeOp>(recorder_.lists, runtime_, recorder_, text_->gradients[i], data_);
      dx[i] = recorder_.custom(op, inputs, {&type, 1});
    }
  }

 private:
  Runtime& runtime_;
  Recorder& recorder_;
  std::shared_ptr<const CodeText> text_;
  List<double> data_;
};

uint16_t kind_of(const Type& t) { return uint16_t(int(t.dtype) << 8 | t.shape.rank); }

bool is_of(const CodeText& t, const CodeSource& s, std::span<const uint16_t> types) {
  return t.name == s.name && t.source == s.source && t.header == s.header &&
         std::ranges::equal(t.grad_sources, s.grad_sources) && std::ranges::equal(t.data_names, s.data_names) &&
         std::ranges::equal(t.types, types);
}

}  // namespace

std::shared_ptr<const CodeText> CodeCache::get(const CodeSource& s, std::span<const Ref> inputs,
                                               std::span<const Type> outputs) {
  constexpr size_t kMaxTexts = 1024;
  List<uint16_t> types;
  for (Ref in : inputs) types.push_back(kind_of(in.type()));
  for (const Type& out : outputs) types.push_back(kind_of(out));
  uint64_t hash = std::hash<std::string_view>()(s.source);
  auto [at, end] = by_hash_.equal_range(hash);
  for (; at != end; ++at)
    if (is_of(*at->second, s, types)) return at->second;
  std::shared_ptr<CodeText> made = text_of(s, inputs, outputs);
  made->types.assign(types.begin(), types.end());
  if (by_hash_.size() >= kMaxTexts) by_hash_.clear();  // ops keep theirs
  return by_hash_.emplace(hash, std::move(made))->second;
}

Value record_code(Recorder& recorder, Runtime& runtime, CodeCache& cache, const CodeSource& source,
                  std::span<const Ref> inputs, std::span<const Type> outputs) {
  auto* op =
      CustomOp::make<CodeOp>(recorder.lists, runtime, recorder, cache.get(source, inputs, outputs), source.data_values);
  return recorder.custom(op, inputs, outputs);
}

}  // namespace jt
