// java_classes: the rows of layers and optimisers -> a class with a builder each.
#include "tools/opgen/java.h"

namespace opgen {

static std::string meaning_of(const Param& p) {
  std::string least = p.range == "count" || p.range == "counts" ? "at least 1"
                      : p.range == "unit"                       ? "in 0..1"
                      : p.range.empty()                         ? "any"
                                                                : "at least 0";
  if (!p.words.empty()) {
    std::string out;
    for (const std::string& word : p.words) out += (out.empty() ? "" : ", ") + word;
    return "one of " + out;
  }
  if (p.role == Role::boolean) return "whether";
  if (p.role == Role::dtype) return "a float dtype of the parameters";
  if (p.role == Role::ints && p.values > 1) return std::to_string(p.values) + " integers or one for all, " + least;
  if (p.role == Role::ints) return (p.values ? "an integer, " : "integers, ") + least;
  return least;
}

static std::string fallback_text(const Param& p) {
  return p.role == Role::boolean ? p.fallback == "0" ? "false" : "true" : p.fallback;
}

// A class that is told fields by its builder. `needs` come first: they stand in constructors.
struct JavaClass {
  std::string package, name, base, kind, doc, imports;
  std::string declared, passed, documented;  // what constructors take
  std::string begins;                        // what the builder does with it
  std::vector<Param> fields;                 // that may be told
  std::string shortcuts, body;               // further constructors, methods
  std::string creates;                       // "super(..)"
  std::string keeps;                         // further members of the builder
};

static std::string setter(const Param& p) {
  std::string name = java_name(p.name), type = java_type(p, true);
  return javadoc("Field {@code " + p.name + "}.\n@param " + name + " " + meaning_of(p) + "; default " +
                     fallback_text(p) + "\n@return this\n",
                 "    ") +
         "    public Builder " + name + "(" + type + " " + name + ") {\n      fields.put(" + java_quoted(p.name) +
         ", " + name + ");\n      return this;\n    }\n\n";
}

static std::string builder(const JavaClass& c) {
  std::string out =
      "  /** What a " + c.name +
      " may be told. */\n  public static final class Builder {\n    private final Fields fields = new Fields();\n" +
      c.keeps + "\n    private Builder() {}\n\n";
  for (const Param& p : c.fields) out += setter(p);
  return out + javadoc("Makes it.\n@return the " + c.name + "\n", "    ") + "    public " + c.name +
         " build() {\n      return new " + c.name + "(this);\n    }\n  }\n";
}

static File file_of(const JavaClass& c) {
  std::string out = "package org.jt." + c.package + ";\n\n" + c.imports + "\n" + javadoc(c.doc, "") +
                    "public final class " + c.name + " extends " + c.base + " {\n";
  out += javadoc("With defaults for what {@link #builder} may tell." + c.documented + "\n", "  ") + "  public " +
         c.name + "(" + c.declared + ") {\n    this(builder(" + c.passed + "));\n  }\n\n" + c.shortcuts + "  private " +
         c.name + "(Builder b) {\n    " + c.creates + ";\n  }\n\n";
  out += javadoc("Begins one that is told more." + c.documented + "\n@return a builder\n", "  ") +
         "  public static Builder builder(" + c.declared + ") {\n    Builder b = new Builder();\n" + c.begins +
         "    return b;\n  }\n\n" + c.body + builder(c) + "}\n";
  return {"org/jt/" + c.package + "/" + c.name + ".java", out};
}

// ---- layers ---------------------------------------------------------------------------------------------------------

static std::string forward_text(const Function& f) {
  bool has_one = f.results.size() < 2;
  std::string type = has_one ? "Tensor" : "Tensor[]", declared, passed, documented, shorter;
  for (const Param& p : f.params) {
    std::string name = java_name(p.name), nulls = passed;
    bool is_inherited = !has_one && &p == &f.params[1];  // forward(x) of Layer, which gives the first result
    if (!p.is_required && !is_inherited) {
      for (const Param* rest = &p; rest < f.params.data() + f.params.size(); rest++) nulls += ", null";
      shorter +=
          javadoc("With zeros for states that are absent.\n" + documented + "@return what the layer computes\n", "  ") +
          "  public " + type + " forward(" + declared + ") {\n    return forward(" + nulls + ");\n  }\n\n";
    }
    declared += (declared.empty() ? "Tensor " : ", Tensor ") + name;
    passed += (passed.empty() ? "" : ", ") + name;
    documented += "@param " + name + (p.is_required ? " an input\n" : " a state, or null: zeros\n");
  }
  std::string list;
  for (const std::string& name : f.result_names) list += (list.empty() ? "" : ", ") + name;
  return shorter +
         javadoc(
             "Records what the layer computes.\n" + documented + "@return " + (has_one ? "the result" : list) + "\n",
             "  ") +
         (has_one && f.params.size() == 1 ? "  @Override\n" : "") + "  public " + type + " forward(" + declared +
         ") {\n    return run(" + std::to_string(has_one ? 1 : f.results.size()) + ", " + passed + ")" +
         (has_one ? "[0]" : "") + ";\n  }\n\n";
}

static std::string state_text(const State& s) {
  std::string doc = "The " + std::string(s.is_buffer ? "buffer" : "parameter") + " {@code " + s.name + "} [" +
                    s.extents + "]" + (s.condition.empty() ? "" : ", with " + s.condition) +
                    ".\n@return a handle on it" + (s.may_be_absent() ? "; null if there is none" : "") + "\n";
  return javadoc(doc, "  ") + "  public Tensor " + java_name(s.name) + "() {\n    return " +
         (s.may_be_absent() ? "getOrNull(" : "get(") + java_quoted(s.name) + ");\n  }\n\n";
}

static File layer_file(const Class& row) {
  JavaClass c{"nn", row.title, "Layer", row.kind, row.doc.text, "import org.jt.*;\n"};
  size_t left = 0;
  for (const Param& p : row.fields) left += p.is_required;
  for (const Param& p : row.fields) {
    if (!p.is_required) {
      if (p.role != Role::optional_operand) c.fields.push_back(p);
      continue;
    }
    std::string name = java_name(p.name);
    c.declared += (c.declared.empty() ? "" : ", ") + java_type(p, --left == 0) + " " + name;
    c.passed += (c.passed.empty() ? "" : ", ") + name;
    c.documented += "\n@param " + name + " " + meaning_of(p);
    c.begins += "    b.fields.put(" + java_quoted(p.name) + ", " + name + ");\n";
  }
  c.creates = "super(" + java_quoted(row.kind) + ", b.fields)";
  c.body = forward_text(row.forward);
  for (const State& s : row.states) c.body += state_text(s);
  return file_of(c);
}

// ---- optimisers -----------------------------------------------------------------------------------------------------

static File optimizer_file(const Class& row) {
  JavaClass c{"optim", row.title, "Optimizer", row.kind, row.doc.text, "import java.util.List;\nimport org.jt.*;\n"};
  c.declared = "List<Tensor> params", c.passed = "params",
  c.documented = "\n@param params tensors of float dtypes; from now on they require a gradient";
  c.begins = "    b.params = params;\n", c.keeps = "    private List<Tensor> params;\n";
  c.creates = "super(" + java_quoted(row.kind) + ", b.fields, b.params)";
  c.shortcuts =
      javadoc("With defaults beside the learning rate." + c.documented + "\n@param lr the learning rate\n", "  ") +
      "  public " + row.title + "(List<Tensor> params, double lr) {\n    this(builder(params).lr(lr));\n  }\n\n";
  c.fields = row.fields;
  return file_of(c);
}

std::vector<File> java_classes() {
  std::vector<File> out;
  for (const Class& row : layer_classes())
    // org.jt.nn.Model and Sequential hold Java's own functions too
    if (!row.is_container) out.push_back(layer_file(row));
  for (const Class& row : optimizer_classes()) out.push_back(optimizer_file(row));
  return out;
}

}  // namespace opgen
