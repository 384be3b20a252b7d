// docs: rows -> docs/OPS.md: a table per kind, then an entry per op.
#include "tools/opgen/files.h"

namespace opgen {

struct Section {
  jt::Kind kind;
  const char *title, *text;
};
static constexpr Section kSections[] = {
    {jt::Kind::element, "Element-wise",
     "Operands broadcast; each result element depends on one element of each operand."},
    {jt::Kind::reduce, "Reductions",
     "`axes` lists what is folded; the empty list means all axes. `keepdims` leaves them with extent 1."},
    {jt::Kind::movement, "Movement", "Index maps without arithmetic; they usually cost nothing."},
    {jt::Kind::index, "Indexing", "Computed addresses: joins, slice assignment, gather and scatter."},
    {jt::Kind::cast, "Casts", "Conversions between dtypes."},
    {jt::Kind::source, "Sources", "Values from nothing but attributes."},
    {jt::Kind::library, "Library kernels", "Hand-made kernels with room for what is fused before and after them."},
    {jt::Kind::composite, "Composites", "Written in other ops of this page and opened by the compiler."},
};

static std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

static std::string call_text(const Row& row) {
  const jt::Signature& s = row.signature;
  std::string out;
  for (size_t i = 0; i < s.operands.size(); i++) {
    out += (out.empty() ? "" : ", ") + std::string(s.operands[i]);
    if (s.variadic && i + 1 == s.operands.size()) out += "...";
    if (s.optional[i]) out += "?";
  }
  for (const jt::AttrDef& attr : s.attrs)
    out += (out.empty() ? "" : ", ") + std::string(attr.name) + ": " + attr_text(attr);
  return std::string(row.def->name) + "(" + out + ")";
}

static std::string section(const Section& s, const std::vector<Row>& rows) {
  std::string out = std::string("\n## ") + s.title + "\n\n" + s.text + "\n\n";
  out += "| op | operands' dtypes | result | gradient | |\n|---|---|---|---|---|\n";
  for (const Row& row : rows)
    if (row.def->kind == s.kind)
      out += "| [`" + std::string(row.def->name) + "`](#" + row.def->name + ") | " + cell(row.dtypes) + " | " +
             cell(row.result) + " | " + (row.has_gradient ? "yes" : "no") + " | " + cell(row.def->doc) + " |\n";
  return out;
}

static std::string entry(const Row& row) {
  const jt::OpDef& def = *row.def;
  std::string out = std::string("\n### ") + def.name + "\n\n" + wrapped(def.doc, "", 120) + "\n```c\n" +
                    prototype(row, 100) + ";\n```\n\n- by name: `" + call_text(row) + "`\n";
  if (!row.dtypes.empty()) out += "- dtypes: " + row.dtypes + "\n";
  out += "- result: " + row.result + "\n";
  if (def.kind == jt::Kind::element) {
    std::string_view f = def.float_text, i = def.int_text;
    if (f != "none") out += "- computed in floating point as `" + std::string(f) + "`\n";
    if (i != "none") out += "- computed in integers as `" + std::string(i) + "`\n";
  }
  if (def.commutes) out += "- commutes\n";
  out += "- gradient: " +
         (row.gradient.empty() ? std::string(row.has_gradient ? "yes" : "none") : "`" + row.gradient + "`") + "\n";
  out += std::string("- since ") + def.since + "\n";
  return out;
}

File docs(const std::vector<Row>& rows) {
  std::string out =
      std::string("<!-- ") + kGenerated + " -->\n# Ops\n\n" + std::to_string(rows.size()) +
      " rows of `core/ir/ops.def`. From C each is a function of `jt_ops.h`, or goes by name through `jt_op_call`.\n"
      "In gradients, `z` is the result and `dz` its gradient.\n";
  for (const Section& s : kSections) out += section(s, rows);
  out += "\n# One by one\n";
  for (const Row& row : rows) out += entry(row);
  return {"docs/OPS.md", out};
}

}  // namespace opgen
