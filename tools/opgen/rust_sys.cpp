// rust_sys: the headers -> bindings/rust/jt-sys/src/api.rs: every type, constant and function as C has it.
#include <stdexcept>

#include "tools/opgen/rust.h"

namespace opgen {

static std::string callback_type(const Declaration& d);

// "const jt_attr*" -> "*const jt_attr".
static std::string rust_type(std::string_view c) {
  if (c.ends_with("*")) {
    std::string_view rest = c.substr(0, c.size() - 1);
    bool is_const_pointee = false;
    if (rest.ends_with(" const")) {  // T* const*: the pointers in the list are const
      return "*const " + rust_type(rest.substr(0, rest.size() - 6));
    }
    if (rest.starts_with("const ") && rest.find('*') == rest.npos) is_const_pointee = true, rest.remove_prefix(6);
    if (rest.starts_with("const ") && rest.ends_with("*")) return "*mut " + rust_type(rest);
    return (is_const_pointee ? "*const " : "*mut ") + rust_type(rest);
  }
  struct Pair { std::string_view c, rust; };
  static constexpr Pair kTypes[] = {{"int", "i32"},      {"int32_t", "i32"},  {"int64_t", "i64"},  {"uint8_t", "u8"},
                                    {"uint32_t", "u32"}, {"uint64_t", "u64"}, {"size_t", "usize"}, {"double", "f64"},
                                    {"float", "f32"},    {"char", "c_char"},  {"void", "c_void"}};
  for (const Pair& pair : kTypes)
    if (c == pair.c) return std::string(pair.rust);
  if (!c.starts_with("jt_")) throw std::runtime_error("no type in Rust for the C type '" + std::string(c) + "'");
  return std::string(c);
}

static std::string parameters(const std::vector<Declaration>& params) {
  std::string out;
  for (const Declaration& p : params)
    out +=
        (out.empty() ? "" : ", ") + rust_name(p.name) + ": " + (p.is_function ? callback_type(p) : rust_type(p.type));
  return out;
}

static std::string returned(const std::string& type) { return type == "void" ? "" : " -> " + rust_type(type); }

static std::string callback_type(const Declaration& d) {
  return "Option<unsafe extern \"C\" fn(" + parameters(d.params) + ")" + returned(d.type) + ">";
}

static std::string constant_value(std::string value) { return value == "SIZE_MAX" ? "usize::MAX" : value; }

static std::string enum_text(const Enum& e) {
  std::string out = rust_doc(e.doc, "///") + "pub type " + e.name + " = i32;\n";
  for (const Constant& c : e.values) {
    std::string value = c.value.starts_with("'") ? "b" + c.value + " as i32" : c.value;
    out += rust_doc(c.doc, "///") + "pub const " + c.name + ": " + e.name + " = " + value + ";\n";
  }
  return out;
}

static std::string struct_text(const Struct& s) {
  std::string out = "\n" + rust_doc(s.doc, "///") + "#[repr(C)]\n";
  if (s.fields.empty())
    return out + "#[derive(Debug)]\npub struct " + s.name +
           " {\n    _data: [u8; 0],\n    _marker: PhantomData<(*mut u8, PhantomPinned)>,\n}\n";
  out += "#[derive(Clone, Copy, Debug)]\npub struct " + s.name + " {\n";
  for (const Declaration& f : s.fields)
    out += rust_doc(f.doc, "    ///") + "    pub " + rust_name(f.name) + ": " +
           (f.is_function ? callback_type(f) : rust_type(f.type)) + ",\n";
  out += "}\nimpl Default for " + s.name + " {\n    /// All zeros";
  bool is_sized = s.fields[0].name == "struct_size";
  out += is_sized ? ", but for the size.\n" : ".\n";
  out +=
      "    fn default() -> Self {\n        // SAFETY: every field is a number, a pointer or an optional function: "
      "zeros are a value of it.\n";
  if (!is_sized) return out + "        unsafe { std::mem::zeroed() }\n    }\n}\n";
  return out +
         "        let mut zeros: Self = unsafe { std::mem::zeroed() };\n        zeros.struct_size = "
         "std::mem::size_of::<Self>() as u32;\n        zeros\n    }\n}\n";
}

File rust_sys(const Api& api) {
  const Headers& h = api.headers;
  std::string out = std::string(kRustGenerated) +
                    "use std::marker::{PhantomData, PhantomPinned};\nuse std::os::raw::{c_char, c_void};\n\n";
  for (const Constant& c : h.constants) {
    bool is_size = c.value == "SIZE_MAX" || c.name == "JT_MAX_RANK";
    out += rust_doc(c.doc, "///") + "pub const " + c.name + ": " + (is_size ? "usize" : "i32") + " = " +
           constant_value(c.value) + ";\n";
  }
  for (const Declaration& a : h.aliases)
    out += rust_doc(a.doc, "///") + "pub type " + a.name + " = " + rust_type(a.type) + ";\n";
  for (const Enum& e : h.enums) out += "\n" + enum_text(e);
  for (const Struct& s : h.structs) out += struct_text(s);
  out += "\nextern \"C\" {\n";
  for (const Declaration& f : h.functions)
    out += rust_doc(f.doc, "    ///") + "    pub fn " + f.name + "(" + parameters(f.params) + ")" + returned(f.type) +
           ";\n";
  return {"bindings/rust/jt-sys/src/api.rs", out + "}\n"};
}

// What jt-sys/tests/layout.rs compares: a C program that prints where fields lie, and the same lines from Rust.
File rust_layout(const Api& api) {
  std::string c = "#include <jt/jt.h>\n#include <stdio.h>\nint main(void) {\n", rust;
  for (const Struct& s : api.headers.structs) {
    if (s.fields.empty()) continue;
    c += "  printf(\"" + s.name + " %zu\\n\", sizeof(" + s.name + "));\n";
    rust += "    out.push(format!(\"" + s.name + " {}\", std::mem::size_of::<sys::" + s.name +
            ">()));\n    let at = sys::" + s.name + "::default();\n";
    for (const Declaration& f : s.fields) {
      std::string name = s.name + "." + f.name;
      c += "  printf(\"" + name + " %zu %zu\\n\", offsetof(" + s.name + ", " + f.name + "), sizeof(((" + s.name +
           "*)0)->" + f.name + "));\n";
      rust += "    out.push(format!(\"" + name + " {} {}\", &at." + rust_name(f.name) +
              " as *const _ as usize - &at as *const _ as usize, std::mem::size_of_val(&at." + rust_name(f.name) +
              ")));\n";
    }
  }
  return {"bindings/rust/jt-sys/tests/structs/mod.rs",
          std::string(kRustGenerated) + "use jt_sys as sys;\n\npub const C: &str = r#\"" + c +
              "  return 0;\n}\n\"#;\n\npub fn layout() -> Vec<String> {\n    let mut out = Vec::new();\n" + rust +
              "    out\n}\n"};
}

}  // namespace opgen
