// java: see java.h; here the ops.
#include "tools/opgen/java.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace opgen {

std::string java_name(std::string_view name) {
  static constexpr std::string_view reserved[] = {"abstract", "assert",  "boolean",   "byte",  "char",    "default",
                                                  "do",       "double",  "extends",   "final", "finally", "float",
                                                  "import",   "int",     "interface", "long",  "native",  "new",
                                                  "null",     "package", "short",     "super", "this",    "void"};
  std::string out;
  for (size_t i = 0; i < name.size(); i++) {
    bool joins = name[i] == '_' && i > 0 && i + 1 < name.size();
    if (joins) i++;
    out += joins && name[i] >= 'a' && name[i] <= 'z' ? char(name[i] - 'a' + 'A') : name[i];
  }
  return std::find(std::begin(reserved), std::end(reserved), out) == std::end(reserved) ? out : out + "_";
}

std::string java_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

// As HTML; {@code ..} is this generator's own.
static std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    bool is_plain = c != '&' && c != '<' && c != '>' && (c != '@' || out.ends_with('{'));
    out += is_plain ? std::string(1, c) : c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : "{@literal @}";
  }
  return out;
}

std::string javadoc(const std::string& text, const std::string& indent) {
  std::string out = indent + "/**\n", line;
  std::istringstream lines(text);
  while (std::getline(lines, line)) {
    bool is_tag = line.starts_with('@');
    out += line.empty() ? indent + " *\n"
                        : wrapped(is_tag ? "@" + escaped(line.substr(1)) : escaped(line), indent + " * ", 118);
  }
  return out + indent + " */\n";
}

std::string java_type(const Param& p, bool is_last) {
  switch (p.role) {
    case Role::operand:
    case Role::optional_operand: return "Tensor";
    case Role::operand_list: return "Tensor[]";
    case Role::integer: return "long";
    case Role::boolean: return "boolean";
    case Role::real: return "double";
    case Role::dtype: return "DType";
    case Role::text: return "String";
    case Role::ints: return is_last ? "long..." : "long[]";
    default: throw std::runtime_error(p.name + ": no type in Java for the role " + std::string(row_of(p.role).word));
  }
}

// A default as Java writes it; empty: required.
static std::string fallback_of(const Param& p) {
  if (p.is_required) return "";
  std::string upper;
  for (char c : p.fallback) upper += char(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  switch (p.role) {
    case Role::optional_operand: return "(Tensor) null";
    case Role::ints: return "new long[0]";
    case Role::boolean: return p.fallback == "0" ? "false" : "true";
    case Role::dtype: return "DType." + upper;
    case Role::text: return java_quoted(p.fallback);
    default:
      if (p.fallback == "inf") return "Double.POSITIVE_INFINITY";
      return p.fallback == "-inf" ? "Double.NEGATIVE_INFINITY" : p.fallback;
  }
}

// An argument as class Native takes it.
static std::string passed(const std::string& op, const Param& p) {
  std::string name = java_name(p.name), list = "(" + name + ", " + java_quoted(op) + ", " + java_quoted(p.name) + ")";
  switch (p.role) {
    case Role::operand: return "c.use" + list;
    case Role::optional_operand: return "c.useOptional" + list;
    case Role::operand_list: return "c.useAll" + list;
    case Role::dtype: return "DType.code" + list;
    case Role::text: return "Text.utf8" + list;
    default: return name;
  }
}

static std::vector<Param> arguments(const Function& f) {
  std::vector<Param> out;
  for (const Param& p : f.params)
    if (p.role != Role::handle) out.push_back(p);
  return out;
}

// "Tensor x, long... axes": arguments from..to. Only a list that tells all there is, or axes, takes numbers one by one.
static std::string declared(const std::vector<Param>& args, size_t from, size_t to) {
  std::string out;
  for (size_t i = from; i < to; i++) {
    bool takes_numbers = i + 1 == to && (to == args.size() || args[i].name == "axes");
    out += (out.empty() ? "" : ", ") + java_type(args[i], takes_numbers) + " " + java_name(args[i].name);
  }
  return out;
}

static bool has_one_result(const Function& f) { return f.results.size() == 1 && !f.has_result_list(); }
static std::string result_type(const Function& f) { return has_one_result(f) ? "Tensor" : "Tensor[]"; }

// @param and @return for arguments from..to.
static std::string tags_of(const Function& f, const std::vector<Param>& args, size_t from, size_t to) {
  std::string out, list;
  for (size_t i = from; i < to; i++) {
    bool is_tensor =
        args[i].role == Role::operand || args[i].role == Role::operand_list || args[i].role == Role::optional_operand;
    std::string fallback = args[i].role == Role::ints               ? "none"
                           : args[i].role == Role::optional_operand ? "null"
                                                                    : fallback_of(args[i]);
    out += "@param " + java_name(args[i].name) + (is_tensor ? " an operand" : " an attribute") +
           (args[i].is_required ? "" : "; default " + fallback) + "\n";
  }
  for (const std::string& name : f.result_names) list += (list.empty() ? "" : ", ") + name;
  return out + "@return " +
         (has_one_result(f)     ? "the result"
          : f.has_result_list() ? list + ", one for each of " + f.results_by
                                : list) +
         "\n";
}

static std::string doc_of(const Function& f, const std::vector<Param>& args, size_t from) {
  std::string out = f.doc.text + "\n";
  if (!f.doc.shapes.empty()) out += "\nShapes: " + f.doc.shapes + ".\n";
  if (!f.doc.dtypes.empty()) out += "Dtypes: " + f.doc.dtypes + ".\n";
  out += "Result: " + f.doc.result + ". Gradient: " + (f.doc.has_gradient.value_or(false) ? "yes" : "no") + ".\n";
  return out + tags_of(f, args, from, args.size()) +
         "@throws ShapeException if shapes do not fit\n@throws DTypeException if dtypes do not fit\n"
         "@throws ArgumentException if an argument is null, closed or out of range\n";
}

static std::string function_text(const Function& f) {
  std::vector<Param> args = arguments(f);
  std::string list = "c.open(" + java_quoted(f.name) + ")", fences;
  for (const Param& p : args) {
    list += ", " + passed(f.name, p);
    if (java_type(p, false).starts_with("Tensor"))
      fences += "      Reference.reachabilityFence(" + java_name(p.name) + ");\n";
  }
  bool has_first = !args.empty() && args[0].role == Role::operand;
  return javadoc(doc_of(f, args, 0), "  ") + "  public static " + result_type(f) + " " + java_name(f.name) + "(" +
         declared(args, 0, args.size()) +
         ") {\n    Context c = " + (has_first ? "Context.of(" + java_name(args[0].name) + ")" : "Context.current()") +
         ";\n    try {\n      return " + (has_one_result(f) ? "c.wrap" : "c.wrapAll") + "(Native." + f.name + "(" +
         list + "));\n    } finally {\n      c.done();\n" + fences + "    }\n  }\n\n";
}

// The method with arguments up to `to`, defaults for the others.
static std::string method_text(const Function& f, const std::vector<Param>& args, size_t to) {
  std::string call = "(Tensor) this", name = java_name(f.name);
  for (size_t i = 1; i < args.size(); i++) call += ", " + (i < to ? java_name(args[i].name) : fallback_of(args[i]));
  std::string doc = to == args.size() ? doc_of(f, args, 1)
                                      : "As {@link Ops#" + name + "}, with defaults for what is left out.\n" +
                                            tags_of(f, args, 1, to);
  return javadoc(doc, "  ") + "  public final " + result_type(f) + " " + name + "(" + declared(args, 1, to) +
         ") {\n    return Ops." + name + "(" + call + ");\n  }\n\n";
}

// With numbers in place of the operands behind the first one.
static std::string number_method(const Function& f, const std::vector<Param>& args) {
  std::string numbers, call, name = java_name(f.name);
  for (size_t i = 1; i < args.size(); i++) {
    numbers += (i > 1 ? ", double " : "double ") + java_name(args[i].name);
    call += ", ((Tensor) this).number(" + java_name(args[i].name) + ")";
  }
  return javadoc("As {@link Ops#" + name + "}, with numbers, of this tensor's dtype where it can hold them.\n" +
                     tags_of(f, args, 1, args.size()),
                 "  ") +
         "  public final Tensor " + name + "(" + numbers + ") {\n    return Ops." + name + "((Tensor) this" + call +
         ");\n  }\n\n";
}

static std::string methods_text(const Function& f) {
  std::vector<Param> args = arguments(f);
  std::string out;
  for (size_t to = args.size(); to >= 1; to--) {
    // a call without numbers
    bool says_the_same = to == 1 && args.size() > 1 && declared(args, 1, 2).starts_with("long...");
    if (!says_the_same) out += method_text(f, args, to);
    if (args[to - 1].is_required) break;
  }
  bool broadcasts = f.doc.shapes.starts_with("operands broadcast") && f.name != "where" &&
                    std::ranges::all_of(args, [](const Param& p) { return p.role == Role::operand; });
  return broadcasts ? out + number_method(f, args) : out;
}

static File several_results(const std::vector<Function>& ops) {
  std::string out = "// Generated by opgen: the ops with several results.\n";
  for (const Function& f : ops) {
    if (has_one_result(f)) continue;
    out += "JJ_SEVERAL(" + f.c_name() + ")\n";
    if (f.has_result_list()) {
      out += "JJ_LIST(" + f.results[0].name + ", " + std::to_string(f.length_argument()) + ")\n";
      continue;
    }
    for (const Param& p : f.results) out += "%apply jt_tensor** ONE_OF { " + p.c_text() + " };\n";
  }
  return {"several.i", out};
}

std::vector<File> java_files(const std::vector<Function>& ops) {
  std::string functions =
      "package org.jt;\n\nimport java.lang.ref.Reference;\n\n/** Every op of the table as a function. Ops whose first "
      "operand is "
      "called x are methods of {@link Tensor} too. */\npublic final class Ops {\n  private Ops() {}\n\n";
  std::string methods =
      "package org.jt;\n\n/** The ops of the table as methods; {@link Tensor} is the only class of this kind. */\n"
      "public abstract class TensorOps extends Closes {\n  TensorOps() {}\n\n";
  for (const Function& f : ops) {
    functions += function_text(f);
    if (f.is_method) methods += methods_text(f);
  }
  std::vector<File> out{{"org/jt/Ops.java", functions + "}\n"}, {"org/jt/TensorOps.java", methods + "}\n"}};
  for (File& file : java_classes()) out.push_back(std::move(file));
  for (File& file : out)
    file.content = "// Generated by opgen from the tables of the core; do not edit.\n" + file.content;
  out.push_back(several_results(ops));
  return out;
}

}  // namespace opgen
