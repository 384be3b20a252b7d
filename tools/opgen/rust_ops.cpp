// rust_ops: the model -> bindings/rust/jt/src/ops.rs (a method per op, and its twin that returns errors), kinds.rs
// (dtypes and kinds of errors), and tests/support/calls.rs (every op by its name, for tests that read data files).
#include <algorithm>
#include <stdexcept>

#include "tools/opgen/rust.h"

namespace opgen {

// Attributes with defaults beyond this many are fields of a struct.
constexpr size_t kMaxPositional = 3;

struct Method {
  const Function& f;
  std::vector<const Param*> operands, attrs, options;  // options: attributes in a struct
  bool is_list = false;                                // its operands are one list
  std::string name, title;
};

static Method method_of(const Function& f) {
  Method out{f, {}, {}, {}, false, rust_name(f.name), rust_title(f.name)};
  std::vector<const Param*> optional;
  for (const Param& p : f.params) {
    if (p.role == Role::handle) continue;
    if (p.role == Role::operand || p.role == Role::optional_operand) out.operands.push_back(&p);
    else if (p.role == Role::operand_list) out.is_list = true;
    else if (p.is_required) out.attrs.push_back(&p);
    else optional.push_back(&p);
  }
  (optional.size() > kMaxPositional ? out.options : out.attrs)
      .insert((optional.size() > kMaxPositional ? out.options : out.attrs).end(), optional.begin(), optional.end());
  return out;
}

static std::string attr_type(const Param& p, const char* life) {
  switch (p.role) {
    case Role::integer: return "i64";
    case Role::real: return "f64";
    case Role::boolean: return "bool";
    case Role::dtype: return "DType";
    case Role::ints: return std::string("&") + life + "[i64]";
    case Role::text: return std::string("&") + life + "str";
    default: throw std::runtime_error(p.name + ": no type in Rust for the role " + std::string(row_of(p.role).word));
  }
}

static std::string default_value(const Param& p) {
  if (p.role == Role::ints) return "&[]";
  if (p.role == Role::boolean) return p.fallback == "0" ? "false" : "true";
  if (p.role == Role::real) return rust_real(p.fallback);
  if (p.role == Role::dtype) return "DType::" + rust_title(p.fallback);
  if (p.role == Role::text) return "\"" + p.fallback + "\"";
  return p.fallback;
}

// The arguments of the C call for an attribute.
static std::string passed(const Param& p, const std::string& value) {
  switch (p.role) {
    case Role::ints: return value + ".as_ptr(), " + value + ".len()";
    case Role::text: return value + ".as_ptr().cast(), " + value + ".len()";
    case Role::boolean: return "i32::from(" + value + ")";
    case Role::dtype: return value + " as i32";
    default: return value;
  }
}

static std::string results_type(const Function& f) {
  if (f.has_result_list()) return "Vec<Tensor>";
  if (f.results.size() == 1) return "Tensor";
  std::string out = "(Tensor";
  for (size_t i = 1; i < f.results.size(); i++) out += ", Tensor";
  return out + ")";
}

static bool is_generic(const Method& m) { return m.operands.size() > 1 && m.operands[1]->role == Role::operand; }

// "&self, y: impl Into<Operand<'a>>, axis: i64".
static std::string parameters(const Method& m) {
  std::string out = m.is_list ? "inputs: &[&Tensor]" : "&self";
  for (size_t i = 1; i < m.operands.size(); i++) {
    bool is_optional = m.operands[i]->role == Role::optional_operand;
    out += ", " + rust_name(m.operands[i]->name) + ": " + (is_optional ? "Option<&Tensor>" : "impl Into<Operand<'a>>");
  }
  for (const Param* p : m.attrs) out += ", " + rust_name(p->name) + ": " + attr_type(*p, "");
  if (!m.options.empty()) out += ", options: " + m.title + "<'_>";
  return out;
}

static std::string arguments(const Method& m) {
  std::string out = m.is_list ? "inputs" : "";
  auto add = [&](const std::string& name) { out += (out.empty() ? "" : ", ") + name; };
  for (size_t i = 1; i < m.operands.size(); i++) add(rust_name(m.operands[i]->name));
  for (const Param* p : m.attrs) add(rust_name(p->name));
  if (!m.options.empty()) add("options");
  return out;
}

static std::string documentation(const Method& m, const std::string& type) {
  const Doc& doc = m.f.doc;
  std::string out = rust_doc(doc.text, "    ///") + "    ///\n";
  if (!doc.shapes.empty()) out += rust_doc("Shapes: " + doc.shapes + ".", "    ///") + "    ///\n";
  if (!doc.dtypes.empty()) out += rust_doc("Dtypes: " + doc.dtypes + ".", "    ///") + "    ///\n";
  out += rust_doc("Result: " + doc.result + ". Gradient: " + (*doc.has_gradient ? "yes." : "no."), "    ///") +
         "    ///\n";
  return out + "    /// # Panics\n    /// Where [`" + type + "::try_" + m.f.name + "`] returns an error.\n";
}

static std::string body(const Method& m) {
  std::string out, call, made;
  for (size_t i = 1; i < m.operands.size(); i++)
    if (m.operands[i]->role == Role::operand) {
      std::string name = rust_name(m.operands[i]->name);
      out += "        let " + name + " = " + name + ".into().beside(self)?;\n";
    }
  std::string context = m.is_list            ? "context_of(\"" + m.f.name + "\", inputs)?"
                        : m.operands.empty() ? "self.raw()"
                                             : "self.context_raw()";
  if (m.is_list)
    out += "        let context = " + context +
           ";\n        let inputs: Vec<_> = inputs.iter().map(|t| t.raw()).collect();\n",
        context = "context";
  call = context;
  if (m.is_list) call += ", inputs.as_ptr(), inputs.len()";
  for (size_t i = 0; i < m.operands.size(); i++) {
    bool is_optional = m.operands[i]->role == Role::optional_operand;
    std::string name = i ? rust_name(m.operands[i]->name) : "self";
    call += ", " + (is_optional ? "raw_or_null(" + name + ")" : name + ".raw()");
  }
  for (const Param& p : m.f.params) {  // in C's order, whether it is in the struct or not
    for (const Param* attr : m.attrs) if (attr->name == p.name) call += ", " + passed(p, rust_name(p.name));
    for (const Param* attr : m.options)
      if (attr->name == p.name) call += ", " + passed(p, "options." + rust_name(p.name));
  }
  bool is_vector = m.f.has_result_list();
  if (is_vector) {
    bool is_option =
        std::any_of(m.options.begin(), m.options.end(), [&](const Param* p) { return p->name == m.f.results_by; });
    out += "        let mut outs = vec![ptr::null_mut(); " + std::string(is_option ? "options." : "") +
           rust_name(m.f.results_by) + ".len()];\n";
    call += ", outs.as_mut_ptr(), outs.len()";
    made = "outs.into_iter().map(|out| unsafe { Tensor::made(" + context + ", out) }).collect()";
  }
  for (size_t i = 0; i < m.f.results.size() && !is_vector; i++) {
    std::string name = "out" + std::to_string(i);
    out += "        let mut " + name + " = ptr::null_mut();\n";
    call += ", &mut " + name;
    made += (i ? ", " : "") + std::string("unsafe { Tensor::made(") + context + ", " + name + ") }";
  }
  out += "        // SAFETY: handles are alive during the call, lists are as long as they say, outs are written to.\n";
  out += "        let status = unsafe { sys::" + m.f.c_name() + "(" + call + ") };\n        check(status)?;\n";
  return out + "        Ok(" + (m.f.results.size() > 1 ? "(" + made + ")" : made) + ")\n";
}

static std::string method_text(const Method& m, const std::string& type) {
  std::string life = is_generic(m) ? "<'a>" : "", params = parameters(m), call = arguments(m);
  std::string receiver = m.is_list ? "Self::" : "self.";
  std::string out = documentation(m, type) + "    #[track_caller]\n    #[inline]\n    pub fn " + m.name + life + "(" +
                    params + ") -> " + results_type(m.f) + " {\n        or_panic(" + receiver + "try_" + m.f.name +
                    "(" + call + "))\n    }\n";
  out += "    /// [`" + type + "::" + m.name +
         "`], with an error in place of a panic.\n    #[inline]\n    pub fn try_" + m.f.name + life + "(" + params +
         ") -> Result<" + results_type(m.f) + "> {\n" + body(m) + "    }\n";
  return out;
}

static std::string options_text(const Method& m) {
  std::string fields, defaults;
  for (const Param* p : m.options) {
    fields += "    /// `" + p->name + "` of the op; by default `" + (p->role == Role::ints ? "[]" : p->fallback) +
              "`.\n    pub " + rust_name(p->name) + ": " + attr_type(*p, "'a ") + ",\n";
    defaults += (defaults.empty() ? "" : ", ") + rust_name(p->name) + ": " + default_value(*p);
  }
  bool has_life = fields.find("'a") != fields.npos;
  if (!has_life) throw std::runtime_error(m.f.name + ": options without a list are not written yet");
  bool is_plain = true;
  for (const Param* p : m.options)
    is_plain &= default_value(*p) == "&[]" || default_value(*p) == "false" || default_value(*p) == "0";
  std::string out = "/// What [`Tensor::" + m.name + "`] may be told.\n#[derive(Clone, Copy, Debug" +
                    (is_plain ? ", Default" : "") + ")]\npub struct " + m.title + "<'a> {\n" + fields + "}\n";
  if (is_plain) return out + "\n";
  return out + "impl Default for " + m.title + "<'_> {\n    fn default() -> Self {\n        Self { " + defaults +
         " }\n    }\n}\n\n";
}

File rust_ops(const Api& api) {
  std::string options, tensor, context;
  for (const Function& f : api.functions) {
    if (!f.is_op) continue;
    Method m = method_of(f);
    if (!m.options.empty()) options += options_text(m);
    bool is_source = m.operands.empty() && !m.is_list;
    (is_source ? context : tensor) += method_text(m, is_source ? "Context" : "Tensor");
  }
  return {"bindings/rust/jt/src/ops.rs",
          std::string(kRustGenerated) +
              "//! What ops with many attributes may be told. The ops themselves are methods of [`Tensor`] and, where "
              "they have no\n"
              "//! operand, of [`Context`].\n"
              "use std::ptr;\n\nuse crate::error::{check, or_panic};\nuse crate::operand::{context_of, raw_or_null, "
              "Operand};\nuse crate::{sys, Context, DType, Result, Tensor};\n\n" +
              options +
              "/// # Ops\n/// One method per row of the table of ops; `try_` twins return errors.\nimpl Tensor {\n" +
              tensor + "}\n\n/// # Ops without operands\nimpl Context {\n" + context + "}\n"};
}

// ---- kinds ----------------------------------------------------------------------------------------------------------

static std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
  return text;
}

File rust_kinds(const Api& api) {
  std::string out = std::string(kRustGenerated) + "use crate::sys;\n";
  for (const Enum& e : api.headers.enums) {
    if (e.name == "jt_dtype") {
      std::string rows, from, names;
      for (const Constant& c : e.values) {
        if (c.name.ends_with("FORCE32")) continue;
        std::string title = rust_title(c.name.substr(3));
        rows += rust_doc(c.doc.empty() ? "`" + lower(c.name.substr(3)) + "`." : c.doc + ".", "    ///") + "    " +
                title + " = sys::" + c.name + ",\n";
        from += "            sys::" + c.name + " => Some(Self::" + title + "),\n";
        names += "            Self::" + title + " => \"" + lower(c.name.substr(3)) + "\",\n";
      }
      out +=
          "\n/// The dtype of elements.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\n#[repr(i32)]\npub enum "
          "DType {\n" +
          rows +
          "}\nimpl DType {\n    pub(crate) fn from_raw(raw: sys::jt_dtype) -> Option<Self> {\n        match raw {\n" +
          from +
          "            _ => None,\n        }\n    }\n    /// Its name: `f32`.\n    pub fn name(self) -> &'static str "
          "{\n        match self {\n" +
          names + "        }\n    }\n}\n";
    }
    if (e.name == "jt_status") {
      std::string rows, from;
      for (const Constant& c : e.values) {
        if (c.name.ends_with("FORCE32") || c.name == "JT_OK") continue;
        std::string title = rust_title(c.name.substr(5));
        rows += rust_doc(c.doc.empty() ? "`" + c.name + "`." : c.doc + ".", "    ///") + "    " + title + ",\n";
        if (c.name != "JT_E_USER") from += "            sys::" + c.name + " => Self::" + title + ",\n";
      }
      out +=
          "\n/// What kind of thing went wrong.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, "
          "Hash)]\n#[non_exhaustive]\npub enum ErrorKind {\n" +
          rows +
          "}\nimpl ErrorKind {\n    pub(crate) fn from_raw(raw: sys::jt_status) -> Self {\n        match raw {\n" +
          from +
          "            -1999..=sys::JT_E_USER => Self::User,\n            _ => Self::Unknown,\n        }\n    }\n}\n";
    }
  }
  return {"bindings/rust/jt/src/kinds.rs", out};
}

// ---- every op by name -----------------------------------------------------------------------------------------------

static std::string given(const Param& p) {
  std::string fallback =
      p.is_required ? "None" : "Some(" + (p.role == Role::ints ? std::string("&[]") : default_value(p)) + ")";
  switch (p.role) {
    case Role::integer: return "given.int(\"" + p.name + "\", " + fallback + ")";
    case Role::real: return "given.real(\"" + p.name + "\", " + fallback + ")";
    case Role::boolean: return "given.flag(\"" + p.name + "\", " + fallback + ")";
    case Role::dtype: return "given.dtype(\"" + p.name + "\", " + fallback + ")";
    case Role::ints: return "&given.ints(\"" + p.name + "\")";
    default: return "&given.text(\"" + p.name + "\", " + fallback + ")";
  }
}

// Every layer by its name, made by its builder.
static std::string layer_calls(const Api& api) {
  std::string rows;
  for (const Class& row : api.layers) {
    if (row.is_container) continue;
    std::string required, setters;
    for (const Param& p : row.fields) {
      if (p.role == Role::optional_operand) continue;
      std::string value = p.role == Role::ints      ? "given.ints(\"" + p.name + "\")"
                          : p.role == Role::integer ? "given.int(\"" + p.name + "\", None)"
                          : p.role == Role::real    ? "given.real(\"" + p.name + "\", None)"
                          : p.role == Role::boolean ? "given.flag(\"" + p.name + "\", None)"
                          : p.role == Role::dtype   ? "given.dtype(\"" + p.name + "\", None)"
                                                    : "&given.text(\"" + p.name + "\", None)";
      if (p.may_be_none && p.role != Role::ints) value = "given.or_none(\"" + p.name + "\", |given| " + value + ")";
      if (p.is_required) required += (required.empty() ? "" : ", ") + value;
      else
        setters += "            if given.has(\"" + p.name + "\") {\n                made = made." + rust_name(p.name) +
                   "(" + value + ");\n            }\n";
    }
    rows += "        \"" + row.kind + "\" => {\n            let " + (setters.empty() ? "" : "mut ") +
            "made = nn::" + row.title + "::new(" + required + ");\n" + setters +
            "            made.try_build(ctx)\n        }\n";
  }
  return "/// The layer called `kind`, its fields by name.\npub fn build(ctx: &Context, kind: &str, given: &Given) -> "
         "Result<Module> {\n    match kind {\n" +
         rows + "        _ => panic!(\"no layer is called {}\", kind),\n    }\n}\n";
}

File rust_calls(const Api& api) {
  std::string rows, names;
  for (const Function& f : api.functions) {
    if (!f.is_op) continue;
    Method m = method_of(f);
    std::string call = m.is_list            ? "Tensor::try_" + f.name + "(&x"
                       : m.operands.empty() ? "ctx.try_" + f.name + "("
                                            : "given.operand(x, 0)?.try_" + f.name + "(";
    auto add = [&](const std::string& text) { call += (call.back() == '(' ? "" : ", ") + text; };
    for (size_t i = 1; i < m.operands.size(); i++)
      add(m.operands[i]->role == Role::optional_operand ? "x.get(" + std::to_string(i) + ").copied()"
                                                        : "given.operand(x, " + std::to_string(i) + ")?");
    for (const Param* p : m.attrs) add(given(*p));
    if (!m.options.empty()) {
      std::string fields;
      for (const Param* p : m.options) fields += (fields.empty() ? "" : ", ") + rust_name(p->name) + ": " + given(*p);
      add("ops::" + m.title + " { " + fields + " }");
    }
    if (m.is_list) call.replace(call.find("&x"), 2, "x");
    rows += "        \"" + f.name + "\" => " +
            (f.has_result_list() ? call + ")?"
             : f.results.size() == 1
                 ? "vec![" + call + ")?]"
                 : "{\n            let made = " + call + ")?;\n            vec![made.0, made.1]\n        }") +
            ",\n";
    if (f.results.size() > 2) throw std::runtime_error(f.name + ": more than two results are not written yet");
    names += "    \"" + f.name + "\",\n";
  }
  return {"bindings/rust/jt/tests/all/support/calls.rs",
          std::string(kRustGenerated) +
              "use super::Given;\nuse jt::nn::Module;\nuse jt::{nn, ops, Context, DType, Result, Tensor};\n\n/// The "
              "op called `name`, on the operands `x`, its other arguments by name.\n"
              "pub fn call(ctx: &Context, name: &str, x: &[&Tensor], given: &Given) -> Result<Vec<Tensor>> {\n    "
              "Ok(match name {\n" +
              rows +
              "        _ => panic!(\"no op is called {}\", name),\n    })\n}\n\npub const NAMES: &[&str] = &[\n" +
              names + "];\n\n" + layer_calls(api)};
}

}  // namespace opgen
