#include "core/render/thread_text.h"

#include "core/base/status.h"

namespace jt::loops {

ThreadText::ThreadText(const Program& program, const ThreadShape& shape, FileText& file)
    : p_(program), s_(shape), file_(file), index_(shape.is_wide ? "i64" : "unsigned") {}

static std::string reg(int r) { return r < 0 ? "" : text("r", r); }
static std::string both(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + " && " + b;
}

// ---- maps ----

// Operands with a map that instructions of the kernel name and that are not uniform.
std::vector<int> ThreadText::mapped() const {
  std::vector<bool> is(p_.operands.size());
  for_stages([&](const Instr& i) {
    bool has_map = i.operand >= 0 && i.code != Code::scalar && s_.walk_of[size_t(i.operand)] >= 0;
    if (has_map && operand(i.operand).level != Level::uniform) is[size_t(i.operand)] = true;
  });
  std::vector<int> out;
  for (size_t k = 0; k < is.size(); k++)
    if (is[k]) out.push_back(int(k));
  return out;
}

// Coordinates of `index` along axes [first, first + rank), the last one first.
void ThreadText::coordinates(int w, int first, int rank, const char* index) {
  if (rank == 0) return;
  std::string left = index;
  for (int axis = first + rank - 1; axis > first; axis--) {
    std::string quotient = text("d", w, "_", axis), extent = text("A.e", w, "_", axis);
    if (s_.is_wide) line("const i64 ", quotient, " = ", left, " / ", extent, ";");
    else line("const unsigned ", quotient, " = jt_quotient(", left, ", A.m", w, "_", axis, ");");
    line("const ", index_, " x", w, "_", axis, " = ", left, " - ", quotient, " * ", cast(extent), ";");
    left = quotient;
  }
  line("const ", index_, " x", w, "_", first, " = ", left, ";");
}

std::string ThreadText::sum_of_steps(int k, int first, int rank) const {
  std::string out;
  for (int axis = first; axis < first + rank; axis++)
    out += text(" + x", s_.walk_of[size_t(k)], "_", axis, " * ", cast(text("A.s", k, "_", axis)));
  return out;
}

// The limits along these axes; of the coordinate 0 where there are no coordinates.
std::string ThreadText::limits(int k, int first, int rank, bool at_zero) const {
  const char* as_unsigned = s_.is_wide ? "(u64)" : "(unsigned)";
  std::string out;
  for (int axis = first; axis < first + rank; axis++) {
    if (!(s_.masked[size_t(k)] >> axis & 1)) continue;
    std::string x = at_zero ? "0" : text("x", s_.walk_of[size_t(k)], "_", axis);
    out = both(out, text(as_unsigned, "(", x, " - ", cast(text("A.l", k, "_", axis)), ") < ", as_unsigned, "A.h", k,
                         "_", axis));
  }
  return out;
}

void ThreadText::walk_outer() {
  std::vector<bool> is_walked(s_.walks.size());
  for (int k : mapped()) {
    const ThreadShape::Walk& walk = walk_of(k);
    int w = s_.walk_of[size_t(k)];
    if (!is_walked[size_t(w)]) coordinates(w, 0, walk.outer_rank, "o");
    is_walked[size_t(w)] = true;
    line("const ", index_, " q", k, " = ", cast(text("A.at", k)), sum_of_steps(k, 0, walk.outer_rank), ";");
    if (!has_limits(k)) continue;
    std::string inside = limits(k, 0, walk.outer_rank, false);
    if (operand(k).level == Level::outer) inside = both(inside, limits(k, walk.outer_rank, walk.inner_rank, true));
    line("const bool k", k, " = ", inside.empty() ? "true" : inside, ";");
  }
}

void ThreadText::walk_inner(const Stage& stage) {
  std::vector<bool> is_walked(s_.walks.size()), is_done(p_.operands.size());
  for_instrs(stage, [&](const Instr& i) {
    int k = i.operand;
    bool has_map = k >= 0 && i.code != Code::scalar && s_.walk_of[size_t(k)] >= 0;
    if (!has_map || operand(k).level != Level::inner || is_done[size_t(k)]) return;
    is_done[size_t(k)] = true;
    const ThreadShape::Walk& walk = walk_of(k);
    int w = s_.walk_of[size_t(k)];
    if (!is_walked[size_t(w)]) coordinates(w, walk.outer_rank, walk.inner_rank, "i");
    is_walked[size_t(w)] = true;
    line("const ", index_, " qi", k, " = q", k, sum_of_steps(k, walk.outer_rank, walk.inner_rank), ";");
    if (has_limits(k))
      line("const bool ki", k, " = ", both(text("k", k), limits(k, walk.outer_rank, walk.inner_rank, false)), ";");
  });
}

// Where an operand's element is, as an index with a sign.
std::string ThreadText::place(int k) const {
  const Operand& op = operand(k);
  bool is_mapped = op.access == Access::mapped;
  const char* as_signed = s_.is_wide ? "" : "(int)";
  switch (op.level) {
    case Level::uniform: return is_mapped ? text(as_signed, "A.at", k) : "0";
    case Level::outer: return is_mapped ? text(as_signed, "q", k) : "o";
    case Level::inner: return is_mapped ? text(as_signed, "qi", k) : text("o * ", cast("A.I"), " + i");
  }
  return {};
}

// When it is there; empty: always.
std::string ThreadText::condition(int k) const {
  if (!has_limits(k)) return {};
  const ThreadShape::Walk& walk = walk_of(k);
  if (operand(k).level == Level::uniform) return limits(k, 0, walk.outer_rank + walk.inner_rank, true);
  return text(operand(k).level == Level::outer ? "k" : "ki", k);
}

// ---- groups ----

std::vector<int> ThreadText::grouped(bool written) const {
  std::vector<bool> is(p_.operands.size());
  for_stages([&](const Instr& i) {
    bool writes = i.code == Code::store || (i.code == Code::element && i.operand >= 0), reads = i.code == Code::load;
    if (i.operand >= 0 && (written ? writes : reads) && is_grouped(i.operand)) is[size_t(i.operand)] = true;
  });
  std::vector<int> out;
  for (size_t k = 0; k < is.size(); k++)
    if (is[k]) out.push_back(int(k));
  return out;
}


// A vector of a group's elements.
static std::string vector_of(DType d, int v) {
  constexpr const char* kOf[] = {"uchar", "ushort", "int", "longlong"};
  const char* scalar = d == JT_F32   ? "float"
                       : d == JT_F64 ? "double"
                       : d == JT_U32 ? "uint"
                       : d == JT_U64 ? "ulonglong"
                                     : nullptr;
  int log_size = size_of(d) == 1 ? 0 : size_of(d) == 2 ? 1 : size_of(d) == 4 ? 2 : 3;
  return text(scalar ? scalar : kOf[log_size], v);
}

// A thread's elements lie in whole vectors, unless the array ends before, or does not begin where a vector may.
void ThreadText::read_group() {
  const int v = group_;
  line("const int n = A.end - first < ", v, " ? (int)(A.end - first) : ", v, ";");
  std::string together;
  for (bool written : {false, true})
    for (int k : grouped(written)) together += text(together.empty() ? "" : " | ", "(u64)A.p", k);
  line("const bool whole = n == ", v, " && ((", together, ") & 15) == 0 && (first & ", v - 1, ") == 0;");
  for (int k : grouped(false)) {
    const char* type = file_.memory_type(operand(k).dtype);
    line(type, " b", k, "[", v, "];");
    open("if (whole)");
    line("const ", vector_of(operand(k).dtype, v), " v = *(const ", vector_of(operand(k).dtype, v), " *)((const ", type,
        " *)A.p", k, " + first);");
    for (int e = 0; e < v; e++) line("b", k, "[", e, "] = (", type, ")v.", std::string(1, "xyzw"[e]), ";");
    close();
    open("else");
    line("#pragma unroll");
    line("for (int j = 0; j < ", v, "; j++) b", k, "[j] = j < n ? ((const ", type, " *)A.p", k, ")[first + j] : 0;");
    close();
  }
  for (int k : grouped(true)) line(file_.memory_type(operand(k).dtype), " y", k, "[", v, "];");
}

void ThreadText::write_group() {
  const int v = group_;
  for (int k : grouped(true)) {
    const char* type = file_.memory_type(operand(k).dtype);
    open("if (whole)");
    line(vector_of(operand(k).dtype, v), " v;");
    for (int e = 0; e < v; e++) line("v.", std::string(1, "xyzw"[e]), " = y", k, "[", e, "];");
    line("*(", vector_of(operand(k).dtype, v), " *)((", type, " *)A.p", k, " + first) = v;");
    close();
    open("else");
    line("#pragma unroll");
    line("for (int j = 0; j < ", v, "; j++) if (j < n) ((", type, " *)A.p", k, ")[first + j] = y", k, "[j];");
    close();
  }
}

// ---- instructions ----

std::string ThreadText::pointer(int k, bool is_written) const {
  return text("((", is_written ? "" : "const ", file_.memory_type(operand(k).dtype), " *)A.p", k, ")");
}

void ThreadText::uniform(const Instr& i) {
  std::string type = type_of(i.dst), word = text("A.c", i.operand);
  if (i.code != Code::scalar) {
    line(type, " r", i.dst, ";");
    return instr(i);
  }
  std::string value = text("(", type, ")", word);
  if (i.type == CType::f32) value = text("__int_as_float((int)", word, ")");
  if (i.type == CType::f64) value = text("__longlong_as_double((i64)", word, ")");
  if (i.type == CType::b8) value = text("(", word, " & 255) != 0");
  line("const ", type, " r", i.dst, " = ", value, ";", origin(i));
}

std::string ThreadText::element(const Instr& i) {
  if (!ElementText::is_printable(i.prim, i.type)) fail(JT_E_UNSUPPORTED, "kernel: no text for ", to_text(i));
  int arity = kElementFacts[i.prim].arity;
  return text(file_.elements.use(i.prim, i.type), "(r", i.a, arity > 1 ? ", " + reg(i.b) : "",
              arity > 2 ? ", " + reg(i.c) : "", ")");
}

std::string ThreadText::load(const Instr& i) {
  int k = i.operand;
  DType d = operand(k).dtype;
  if (is_grouped(k)) return file_.loaded(d, text("b", k, "[j]"));
  std::string inside = condition(k), element = file_.loaded(d, text(pointer(k, false), "[", place(k), "]"));
  if (inside.empty()) return element;
  std::string type = text("(", type_of(i.dst), ")");
  return text(inside, " ? ", type, "(", element, ") : ", i.b < 0 ? type + "0" : reg(i.b));
}

void ThreadText::store(int k, const std::string& value) {
  std::string stored = file_.stored(operand(k).dtype, value);
  if (is_grouped(k)) return line("y", k, "[j] = ", stored, ";");
  std::string when = operand(k).level == Level::inner ? condition(k) : both(condition(k), store_condition_);
  line(when.empty() ? "" : text("if (", when, ") "), pointer(k, true), "[", place(k), "] = ", stored, ";");
}

void ThreadText::instr(const Instr& i) {
  auto assign = [&](const std::string& given) { line("r", i.dst, " = ", given, ";", origin(i)); };
  switch (i.code) {
    case Code::scalar: return uniform(i);
    case Code::load: return assign(load(i));
    case Code::store: return store(i.operand, reg(i.a));
    case Code::element:
      assign(element(i));
      if (i.operand >= 0) store(i.operand, reg(i.dst));
      return;
    case Code::narrow: return assign(file_.narrowed(DType(i.sub), i.type, reg(i.a)));
    case Code::convert: return assign(file_.converted(CType(i.sub), i.type, reg(i.a)));
    case Code::index: {
      std::string inside = condition(i.operand), at = text("(i64)(", place(i.operand), ")");
      return assign(inside.empty() ? at : text(inside, " ? ", at, " : -1ll"));
    }
    case Code::gather:
      return assign(text(file_.use_gather(operand(i.operand).dtype), "(", pointer(i.operand, false), ", A.n", i.operand,
                         ", r", i.a, ", ", i.b < 0 ? "0" : reg(i.b), ")"));
    case Code::scatter:
      if (s_.form == ThreadForm::sorted) {
        const char* place = type_of_places();
        line("((", place, " *)A.places)[o - A.begin] = r", i.a, " >= 0 && r", i.a, " < A.n", i.operand, " ? (", place,
             ")r", i.a, " : -1;", origin(i));
        return line("((", type_of(i.b), " *)A.values)[o - A.begin] = r", i.b, ";");
      }
      return line("if ((r", i.a, " & (A.owners - 1)) == me) ",
                  file_.use_scatter(Combine(i.sub), operand(i.operand).dtype), "(", pointer(i.operand, true), ", A.n",
                  i.operand, ", r", i.a, ", r", i.b, ");", origin(i));
    case Code::random: return assign(text(file_.use_random(), "(r", i.a, ", r", i.c, ", r", i.b, ")"));
    case Code::reduce: fail(JT_E_INTERNAL, "internal: a reduction outside an inner stage");
  }
}

}  // namespace jt::loops
