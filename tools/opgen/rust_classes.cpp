// rust_classes: the layers and optimisers of the model -> builders: bindings/rust/jt/src/layers.rs and optimizers.rs.
#include <stdexcept>

#include "tools/opgen/rust.h"

namespace opgen {

struct Setter {
  std::string type, value;  // of the parameter; what is stored of it
};

static Setter setter_of(const Param& p) {
  std::string name = rust_name(p.name);
  switch (p.role) {
    case Role::integer:
      if (p.may_be_none) return {"impl Into<Option<i64>>", "Value::Int(" + name + ".into().unwrap_or(i64::MIN))"};
      return {"i64", "Value::Int(" + name + ")"};
    case Role::real:
      if (p.may_be_none) return {"impl Into<Option<f64>>", "Value::Real(" + name + ".into().unwrap_or(f64::NAN))"};
      return {"f64", "Value::Real(" + name + ")"};
    case Role::boolean: return {"bool", "Value::Int(i64::from(" + name + "))"};
    case Role::ints: return {"impl Into<Ints>", "Value::Ints(" + name + ".into())"};
    case Role::text: return {"&str", "Value::Text(" + name + ".to_owned())"};
    case Role::dtype: return {"DType", "Value::Int(" + name + " as i64)"};
    case Role::optional_operand: return {"&Tensor", "Value::Tensor(" + name + ".clone())"};
    default: throw std::runtime_error(p.name + ": no field in Rust has the role " + std::string(row_of(p.role).word));
  }
}

static std::string meaning(const Param& p) {
  std::string out;
  if (!p.words.empty()) {
    for (const std::string& word : p.words) out += (out.empty() ? "One of `" : ", `") + word + "`";
    return out + ".";
  }
  if (p.range == "count") out = "At least 1.";
  if (p.range == "size" || p.range == "real") out = "At least 0.";
  if (p.range == "unit") out = "In 0..1.";
  if (p.role == Role::ints) {
    out = p.values > 1 ? std::to_string(p.values) + " integers, or one for all" : p.values ? "An integer" : "Integers";
    out += p.range == "counts" ? ", at least 1." : p.range == "sizes" ? ", at least 0." : ".";
  }
  if (p.role == Role::dtype) out = "Of its parameters.";
  if (p.role == Role::optional_operand) out = "A tensor that it keeps.";
  return out;
}

static std::string setter(const Param& p) {
  Setter s = setter_of(p);
  std::string name = rust_name(p.name), about = meaning(p);
  std::string fallback = p.role == Role::optional_operand ? "Absent by default." : "By default `" + p.fallback + "`.";
  return "    /// " + (about.empty() ? "" : about + " ") + fallback + "\n    #[must_use]\n    pub fn " + name +
         "(mut self, " + name + ": " + s.type + ") -> Self {\n        self.fields.set(\"" + p.name + "\", " + s.value +
         ");\n        self\n    }\n";
}

static std::string forward_text(const Class& row) {
  std::string in, out;
  for (const Param& p : row.forward.params) in += (in.empty() ? "" : ", ") + p.name + (p.is_required ? "" : "?");
  for (const std::string& name : row.forward.result_names) out += (out.empty() ? "" : ", ") + name;
  return "(" + in + ") -> (" + out + ")";
}

static std::string layer_text(const Class& row) {
  std::string required, given, about, setters;
  for (const Param& p : row.fields) {
    if (!p.is_required) {
      setters += setter(p);
      continue;
    }
    Setter s = setter_of(p);
    required += (required.empty() ? "" : ", ") + rust_name(p.name) + ": " + s.type;
    given += "        fields.set(\"" + p.name + "\", " + s.value + ");\n";
    about += "    /// - `" + p.name + "`: " + (meaning(p).empty() ? "any" : meaning(p)) + "\n";
  }
  std::string out = rust_doc(row.doc.text, "///") + "///\n/// Forward: `" + forward_text(row) + "`.\n";
  for (const State& s : row.states)
    if (s.initial != "absent")
      out += "///\n/// `" + s.name + " [" + s.extents + "]`: a " + (s.is_buffer ? "buffer" : "parameter") +
             (s.condition.empty() ? "" : ", with `" + s.condition + "`") + ".\n";
  out += "#[derive(Clone, Debug)]\npub struct " + row.title + " {\n    fields: Fields,\n}\nimpl " + row.title +
         " {\n    /// With the defaults of its other fields.\n" + (about.empty() ? "" : "    ///\n" + about) +
         (required.empty() ? "    #[allow(clippy::new_without_default)]\n" : "") + "    pub fn new(" + required +
         ") -> Self {\n";
  out += given.empty() ? "        Self { fields: Fields::default() }\n    }\n"
                       : "        let mut fields = Fields::default();\n" + given + "        Self { fields }\n    }\n";
  out += setters + "}\nlayer!(" + row.title + ", \"" + row.kind + "\");\n";
  for (const std::string& alias : row.aliases)
    out += "/// [`" + row.title + "`] by another name.\npub type " + alias + " = " + row.title + ";\n";
  return out + "\n";
}

File rust_layers(const Api& api) {
  std::string out = std::string(kRustGenerated) + "use super::{Fields, Ints, Value};\nuse crate::{DType, Tensor};\n\n",
              results, kinds;
  for (const Class& row : api.layers) {
    kinds += "    \"" + row.kind + "\",\n";
    if (row.forward.results.size() > 1)
      results += "        \"" + row.kind + "\" => " + std::to_string(row.forward.results.size()) + ",\n";
    if (!row.is_container) out += layer_text(row);
  }
  out += "/// The kinds of layers, by name.\npub const KINDS: &[&str] = &[\n" + kinds +
         "];\n\npub(super) fn results_of(kind: &str) -> usize {\n    match kind {\n" + results +
         "        _ => 1,\n    }\n}\n";
  return {"bindings/rust/jt/src/nn/layers.rs", out};
}

File rust_optimizers(const Api& api) {
  std::string out = std::string(kRustGenerated) + "use super::{Fields, Value};\n\n";
  for (const Class& row : api.optimizers) {
    out += rust_doc(row.doc.text, "///") + "#[derive(Clone, Debug, Default)]\npub struct " + row.title +
           " {\n    fields: Fields,\n}\nimpl " + row.title +
           " {\n    /// With the defaults of all fields.\n    pub fn new() -> Self {\n        Self::default()\n    }\n";
    for (const Param& p : row.fields) out += setter(p);
    out += "}\noptimizer!(" + row.title + ", \"" + row.kind + "\");\n\n";
  }
  return {"bindings/rust/jt/src/optim/rows.rs", out};
}

}  // namespace opgen
