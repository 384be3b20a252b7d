#include "core/code.h"

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
    if (end == s.size() || s[end] != '(') fail(JT_E_INVALID, who_, ": @", array.name, " without indices in parentheses");
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

class CodeOp : public CustomOp {
 public:
  CodeOp(std::string name, Runtime& runtime, Recorder& recorder, CodeText text, std::string rendered)
      : CustomOp(std::move(name)), runtime_(runtime), recorder_(recorder), text_(std::move(text)), rendered_(std::move(rendered)) {}

  void forward(std::span<const HostView> inputs, std::span<const HostView> outputs) override {
    std::vector<void*> pointers;
    std::vector<int64_t> numbers;
    auto add = [&](const HostView& v) {
      pointers.push_back(v.data);
      const Shape& s = v.type->shape;
      numbers.insert(numbers.end(), s.dims, s.dims + s.rank);
      int64_t strides[kMaxRank], stride = 1;
      for (int i = s.rank; i-- > 0;) strides[i] = stride, stride *= s[i];
      numbers.insert(numbers.end(), strides, strides + s.rank);
      numbers.push_back(s.count());
    };
    for (const HostView& v : inputs) add(v);
    for (const HostView& v : outputs) add(v);
    pointers.push_back(numbers.data());
    pointers.push_back(text_.data_values.data());
    std::shared_ptr<LibraryOp> op = runtime_.kernels.code(name(), rendered_);
    op->device.check(op->device.api().op_run(op->device.handle(), op->op, pointers.data(), pointers.size(), nullptr), name());
  }

  void backward(Node* node, std::span<const Value> dz, std::span<const char> needs, std::span<Value> dx) override {
    std::vector<Ref> inputs(node->ins().begin(), node->ins().end());
    std::vector<Value> held;
    for (uint32_t i = 0; i < node->n_results; i++) inputs.push_back({node, i});
    for (uint32_t i = 0; i < node->n_results; i++) {
      held.push_back(dz[i] ? dz[i] : ops::zeros_like(Ref{node, i}));
      inputs.push_back(held.back());
    }
    for (size_t i = 0; i < needs.size(); i++) {
      if (!needs[i]) continue;
      if (text_.grad_sources.empty() || text_.grad_sources[i].empty())
        fail(JT_E_UNSUPPORTED, "grad: ", name(), " has no gradient for input ", i);
      Type type = node->inputs()[i].type();
      CodeText gradient{{}, text_.header, {}, text_.data_names, text_.data_values};
      std::string rendered = render_gradient(name(), text_, i, node);
      auto* op = new CodeOp(name() + ".grad", runtime_, recorder_, std::move(gradient), std::move(rendered));
      dx[i] = recorder_.custom(op, inputs, {&type, 1});
    }
  }

  static std::vector<CodeArray> arrays(std::span<const Ref> inputs, std::span<const Type> outputs) {
    std::vector<CodeArray> out;
    for (size_t i = 0; i < inputs.size(); i++) out.push_back({text("in", i), "", inputs[i].type(), false});
    add_all(out, "out", outputs, true);
    return out;
  }
  static void add_all(std::vector<CodeArray>& out, const char* name, std::span<const Type> types, bool is_output) {
    for (size_t i = 0; i < types.size(); i++) out.push_back({text(name, i), types.size() == 1 ? name : "", types[i], is_output});
  }
  static std::vector<CodeArray> gradient_arrays(std::span<const Ref> inputs, std::span<const Type> outputs, size_t i) {
    std::vector<CodeArray> out = arrays(inputs, {});
    add_all(out, "pout", outputs, false);
    for (size_t k = 0; k < outputs.size(); k++)
      out.push_back({text("dout", k), outputs.size() == 1 ? "dout" : "", outputs[k], false});
    out.push_back({"out0", "out", inputs[i].type(), true});
    return out;
  }
  static std::string render_gradient(std::string_view who, const CodeText& t, size_t i, Node* node) {
    std::vector<Type> outputs;
    for (int k = 0; k < node->n_results; k++) outputs.push_back(node->results()[k].type);
    return render_code(text(who, ": gradient of input ", i), t, t.grad_sources[i], gradient_arrays(node->ins(), outputs, i));
  }

 private:
  Runtime& runtime_;
  Recorder& recorder_;
  CodeText text_;
  std::string rendered_;
};

}  // namespace

std::string render_code(std::string_view who, const CodeText& t, std::string_view source, std::span<const CodeArray> arrays) {
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
  for (size_t i = 0; i < t.data_names.size(); i++) append(out, text("  const double data_", t.data_names[i], " = jt_d[", i, "];\n"));
  return out + "  {\n" + Expander(who, arrays).run(source) + "\n  }\n}\n";
}

Value record_code(Recorder& recorder, Runtime& runtime, std::string name, CodeText text, std::span<const Ref> inputs,
                  std::span<const Type> outputs) {
  for (const std::string& n : text.data_names)
    if (!is_identifier(n)) fail(JT_E_INVALID, name, ": `", n, "` is no name for a number");
  std::string rendered = render_code(name, text, text.source, CodeOp::arrays(inputs, outputs));
  for (size_t i = 0; i < text.grad_sources.size(); i++)  // mistakes are told now
    if (!text.grad_sources[i].empty())
      render_code(jt::text(name, ": gradient of input ", i), text, text.grad_sources[i],
                  CodeOp::gradient_arrays(inputs, outputs, i));
  auto* op = new CodeOp(std::move(name), runtime, recorder, std::move(text), std::move(rendered));
  return recorder.custom(op, inputs, outputs);
}

}  // namespace jt
