#include "core/render/render_c99.h"

#include <set>

#include "core/base/element.h"
#include "core/base/status.h"
#include "core/base/text.h"
#include "core/render/element_text.h"

namespace jt {

namespace {

constexpr const char* kHead =
    "typedef long long jt_i64;\n"
    "typedef unsigned long long jt_u64;\n"
    "typedef long long i64;\n"
    "typedef unsigned long long u64;\n"
    "#if defined __GNUC__ && !defined __TINYC__\n"
    "#define JT_FN static inline __attribute__((always_inline, unused))\n"
    "#define JT_INF __builtin_inff()\n"
    "#define JT_NAN __builtin_nanf(\"\")\n"
    "#else\n"
    "#define JT_FN static inline\n"
    "#define JT_INF (1e300 * 1e300)\n"
    "#define JT_NAN (JT_INF * 0)\n"
    "#endif\n";

// What some instructions call; each text is printed once, if at all, in this order.
struct Helper {
  const char *name, *text;
};
constexpr Helper kHelpers[] = {
    {"jt_map",
     "struct jt_map {\n"
     "  int outer_rank, inner_rank;\n"
     "  unsigned masked;\n"
     "  i64 offset, extent[16], stride[16], lo[16], hi[16];\n"
     "};\n"
     "JT_FN i64 jt_along(const struct jt_map *m, int first, int rank, i64 index, i64 *inside) {\n"
     "  i64 at = 0;\n"
     "  for (int k = first + rank - 1; k >= first; k--) {\n"
     "    i64 x = k == first ? index : index % m->extent[k];\n"
     "    if (k != first) index /= m->extent[k];\n"
     "    at += x * m->stride[k];\n"
     "    if (m->masked >> k & 1) *inside &= x >= m->lo[k] && x < m->hi[k];\n"
     "  }\n"
     "  return at;\n"
     "}\n"
     "/* Where element (o, i) lies; nowhere if a limit leaves it out. */\n"
     "JT_FN i64 jt_at(const struct jt_map *m, i64 o, i64 i, i64 *inside) {\n"
     "  i64 at = m->offset;\n"
     "  *inside = 1;\n"
     "  at += jt_along(m, 0, m->outer_rank, o, inside);\n"
     "  return at + jt_along(m, m->outer_rank, m->inner_rank, i, inside);\n"
     "}\n"},
    {"jt_bits",
     "JT_FN unsigned jt_bits(float x) { union { float f; unsigned u; } v; v.f = x; return v.u; }\n"
     "JT_FN float jt_of_bits(unsigned u) { union { float f; unsigned u; } v; v.u = u; return v.f; }\n"},
    {"jt_load_f16",
     "JT_FN float jt_load_f16(unsigned short h) {\n"
     "  unsigned sign = (h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 1023;\n"
     "  if (e == 31) return jt_of_bits(sign | 0x7f800000u | m << 13 | (m ? 0x400000u : 0));\n"
     "  if (e) return jt_of_bits(sign | (e + 112) << 23 | m << 13);\n"
     "  float x = (float)m * 5.9604644775390625e-8f;\n"
     "  return sign ? -x : x;\n"
     "}\n"},
    {"jt_store_f16",
     "JT_FN unsigned short jt_store_f16(float x) {\n"
     "  unsigned b = jt_bits(x), sign = b >> 16 & 0x8000u, a = b & 0x7fffffffu;\n"
     "  if (a > 0x7f800000u) return (unsigned short)(sign | 0x7e00u | (b >> 13 & 0x1ff));\n"
     "  if (a >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);\n"
     "  if (a < 0x38800000u) {\n"
     "    float m = jt_of_bits(a) + 0.5f;\n"  // the sum rounds to units of 2^-24
     "    return (unsigned short)(sign | (jt_bits(m) - 0x3f000000u));\n"
     "  }\n"
     "  a += 0xc8000fffu + (a >> 13 & 1);\n"  // the exponent less 112; to nearest even
     "  return (unsigned short)(sign | a >> 13);\n"
     "}\n"},
    {"jt_load_bf16", "JT_FN float jt_load_bf16(unsigned short h) { return jt_of_bits((unsigned)h << 16); }\n"},
    {"jt_store_bf16",
     "JT_FN unsigned short jt_store_bf16(float x) {\n"
     "  unsigned b = jt_bits(x);\n"
     "  if (x != x) return (unsigned short)(b >> 16 | 0x40u);\n"
     "  return (unsigned short)((b + 0x7fffu + (b >> 16 & 1)) >> 16);\n"
     "}\n"},
    {"jt_to_i32",
     "JT_FN int jt_to_i32(double x) {\n"
     "  return x != x ? 0 : x <= -2147483648.0 ? -2147483647 - 1 : x >= 2147483647.0 ? 2147483647 : (int)x;\n"
     "}\n"},
    {"jt_to_i64",
     "JT_FN i64 jt_to_i64(double x) {\n"
     "  return x != x ? 0 : x <= -9223372036854775808.0 ? -9223372036854775807ll - 1 : x >= 9223372036854775808.0 ? 9223372036854775807ll : (i64)x;\n"
     "}\n"},
    {"jt_to_u64",
     "JT_FN u64 jt_to_u64(double x) {\n"
     "  return !(x > 0) ? 0 : x >= 18446744073709551616.0 ? 18446744073709551615ull : x >= 9223372036854775808.0\n"
     "    ? (u64)(i64)(x - 9223372036854775808.0) + 9223372036854775808ull : (u64)(i64)x;\n"
     "}\n"},
    {"jt_philox",
     "JT_FN i64 jt_philox(i64 element, i64 counter, u64 key) {\n"
     "  unsigned c0 = (unsigned)element, c1 = (unsigned)((u64)element >> 32), c2 = (unsigned)counter, c3 = (unsigned)((u64)counter >> 32);\n"
     "  unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);\n"
     "  for (int round = 0; round < 10; round++) {\n"
     "    u64 p0 = (u64)0xD2511F53u * c0, p1 = (u64)0xCD9E8D57u * c2;\n"
     "    c0 = (unsigned)(p1 >> 32) ^ c1 ^ k0, c1 = (unsigned)p1, c2 = (unsigned)(p0 >> 32) ^ c3 ^ k1, c3 = (unsigned)p0;\n"
     "    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;\n"
     "  }\n"
     "  return c0;\n"
     "}\n"},
};

// A reduction of values of type T as four functions around a struct. `OF(x, y)` combines, earlier operand first.
constexpr const char* kReduceText =
    "struct NAME { TYPE lane[64], block[52]; i64 count; };\n"
    "JT_FN TYPE NAME_of(TYPE x, TYPE y) { return (TYPE)(OF); }\n"
    "JT_FN TYPE NAME_fold(TYPE *lane, int used) {\n"
    "  for (int half = 32; half; half /= 2) {\n"
    "    for (int l = 0; l + half < used; l++) lane[l] = NAME_of(lane[l], lane[l + half]);\n"
    "    if (used > half) used = half;\n"
    "  }\n"
    "  return lane[0];\n"
    "}\n"
    "JT_FN void NAME_add(struct NAME *s, TYPE x) {\n"
    "  i64 at = s->count++ & 4095;\n"
    "  if (at < 64) s->lane[at] = x;\n"
    "  else s->lane[at & 63] = NAME_of(s->lane[at & 63], x);\n"
    "  if (at != 4095) return;\n"
    "  TYPE value = NAME_fold(s->lane, 64);\n"
    "  int level = 0;\n"
    "  for (i64 block = s->count / 4096 - 1; block & 1; block >>= 1) value = NAME_of(s->block[level++], value);\n"
    "  s->block[level] = value;\n"
    "}\n"
    "JT_FN TYPE NAME_end(struct NAME *s) {\n"
    "  i64 rest = s->count & 4095, blocks = s->count / 4096;\n"
    "  int started = rest != 0;\n"
    "  TYPE value = EMPTY;\n"
    "  if (started) value = NAME_fold(s->lane, rest < 64 ? (int)rest : 64);\n"
    "  for (int level = 0; blocks >> level; level++) {\n"
    "    if (!(blocks >> level & 1)) continue;\n"
    "    value = started ? NAME_of(s->block[level], value) : s->block[level];\n"
    "    started = 1;\n"
    "  }\n"
    "  return value;\n"
    "}\n";
constexpr const char* kArgText =
    "struct NAME { TYPE best; i64 index, count; };\n"
    "JT_FN void NAME_add(struct NAME *s, TYPE x) {\n"
    "  TYPE best = s->best;\n"
    "  if (s->count == 0 || (OF)) s->best = x, s->index = s->count;\n"
    "  s->count++;\n"
    "}\n"
    "JT_FN i64 NAME_end(struct NAME *s) { return s->index; }\n";

std::string replaced(std::string_view text, std::initializer_list<std::pair<std::string_view, std::string_view>> words) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    bool found = false;
    for (auto [word, by] : words) {
      if (text.substr(at, word.size()) != word) continue;
      out += by, at += word.size(), found = true;
      break;
    }
    if (!found) out += text[at++];
  }
  return out;
}

struct Extremes { const char *least, *most; };
constexpr Extremes kExtremes[kCTypes] = {
    {"-JT_INF", "JT_INF"}, {"-JT_INF", "JT_INF"}, {"-2147483647 - 1", "2147483647"},
    {"-9223372036854775807ll - 1", "9223372036854775807ll"}, {"0", "18446744073709551615ull"}, {"0", "1"},
};

bool is_float(CType t) { return t == CType::f32 || t == CType::f64; }

// How elements of a dtype lie in memory.
constexpr const char* kStored[kDTypes + 1] = {
    "", "unsigned char", "signed char", "short", "int", "i64", "unsigned char", "unsigned short", "unsigned", "u64",
    "unsigned short", "unsigned short", "float", "double"};
static_assert(JT_BOOL == 1 && JT_I64 == 5 && JT_U64 == 9 && JT_F16 == 10 && JT_BF16 == 11 && JT_F32 == 12 && JT_F64 == 13);

// What the functions of one file share.
class File {
 public:
  ElementText elements{{.has_name_spaces = false, .function = "JT_FN", .declares_libm = true}};

  void use(std::string_view helper) { helpers_.emplace(helper); }
  std::string reduction(Reduction r, CType t);  // its name
  std::string head() const {
    std::string out = kHead;
    for (const Helper& helper : kHelpers)
      if (helpers_.count(helper.name)) out += helper.text;
    return out + elements.definitions() + reductions_;
  }

 private:
  std::set<std::string, std::less<>> helpers_, known_;
  std::string reductions_;
};

std::string File::reduction(Reduction r, CType t) {
  std::string name = text("jt_", jt::name(r), "_", jt::name(t));
  if (!known_.insert(name).second) return name;
  auto of_floats = [&](const char* function, const char* of_ints) {
    return is_float(t) ? elements.use(function, t) + "(x, y)" : std::string(of_ints);
  };
  std::string of, empty = "0";
  const Extremes& extremes = kExtremes[int(t)];
  switch (r) {
    case Reduction::sum: of = "x + y"; break;
    case Reduction::prod: of = "x * y", empty = "1"; break;
    case Reduction::max:
    case Reduction::any: of = of_floats("fmaximum", "x > y ? x : y"), empty = extremes.least; break;
    case Reduction::min:
    case Reduction::all: of = of_floats("fminimum", "x < y ? x : y"), empty = extremes.most; break;
    case Reduction::argmax: of = is_float(t) ? "(x > best) | ((x != x) & (best == best))" : "x > best"; break;
    case Reduction::argmin: of = is_float(t) ? "(x < best) | ((x != x) & (best == best))" : "x < best"; break;
  }
  bool is_arg = r == Reduction::argmax || r == Reduction::argmin;
  reductions_ += replaced(is_arg ? kArgText : kReduceText, {{"NAME", name}, {"TYPE", elements.type_name(t)}, {"OF", of}, {"EMPTY", empty}});
  return name;
}

// One program as one function.
class FunctionRenderer {
 public:
  FunctionRenderer(const Program& program, File& file) : p_(program), file_(file) {}

  std::string render(const std::string& name) {
    line("void ", name, "(const jt_i64 *A, jt_i64 begin, jt_i64 end) {");
    depth_++;
    line("const i64 O = A[0], I = A[1];");
    line("(void)O, (void)I;");
    for (size_t k = 0; k < p_.operands.size(); k++) declare_operand(k);
    for (const Stage& s : p_.stages)
      if (s.level == Level::uniform) declare(s), render_instrs(s);
    line("for (i64 o = begin; o < end; o++) {");
    depth_++;
    for (const Stage& s : p_.stages)
      if (s.level == Level::outer) declare(s);
    for (const Instr& i : p_.instrs)
      if (i.code == Code::reduce) declare(i.dst);
    for (const Stage& s : p_.stages) {
      if (s.level == Level::outer) render_instrs(s);
      if (s.level == Level::inner) render_inner(s);
    }
    close(), close();
    return std::move(out_);
  }

 private:
  template <class... Parts>
  void line(const Parts&... parts) {
    out_.append(2 * depth_, ' ');
    (append(out_, parts), ...);
    out_ += '\n';
  }
  void close() { depth_--, line("}"); }
  const char* type(CType t) const { return file_.elements.type_name(t); }
  std::string reg(int r) const { return text("r", r); }

  void declare_operand(size_t k) {
    const Operand& o = p_.operands[k];
    const char* constant = o.is_output ? "" : "const ";
    int word = arg_of_operand(int(k));
    line(constant, kStored[o.dtype], " *p", k, " = (", constant, kStored[o.dtype], " *)A[", word, "];");
    if (o.access == Access::mapped) file_.use("jt_map"), line("const struct jt_map *m", k, " = (const struct jt_map *)A[", word + 1, "];");
    if (o.access == Access::whole) line("const i64 n", k, " = A[", word + 1, "];");
    line("(void)p", k, ";");
  }
  void declare(int r) {
    if (declared_.insert(r).second) line(type(p_.registers[size_t(r)].type), " ", reg(r), ";");
  }
  void declare(const Stage& s) {
    for (int i = s.first; i < s.last; i++)
      if (p_.instrs[size_t(i)].dst >= 0) declare(p_.instrs[size_t(i)].dst);
  }

  void render_inner(const Stage& s) {
    std::vector<const Instr*> reductions;
    for (int i = s.first; i < s.last; i++)
      if (p_.instrs[size_t(i)].code == Code::reduce) reductions.push_back(&p_.instrs[size_t(i)]);
    line("{"), depth_++;
    for (const Instr* r : reductions) {
      line("struct ", reduction_of(*r), " s", r->dst, ";");
      line("s", r->dst, ".count = 0", is_arg(*r) ? text(", s", r->dst, ".index = 0, s", r->dst, ".best = 0") : "", ";");
    }
    line("for (i64 i = 0; i < I; i++) {"), depth_++;
    std::set<int> outside = declared_;
    for (int i = s.first; i < s.last; i++) {
      const Instr& instr = p_.instrs[size_t(i)];
      if (instr.dst >= 0 && instr.code != Code::reduce) declare(instr.dst);
    }
    render_instrs(s);
    declared_ = std::move(outside);
    close();
    for (const Instr* r : reductions) line(reg(r->dst), " = ", reduction_of(*r), "_end(&s", r->dst, ");");
    close();
  }
  static bool is_arg(const Instr& i) { return Reduction(i.sub) == Reduction::argmax || Reduction(i.sub) == Reduction::argmin; }
  std::string reduction_of(const Instr& i) { return file_.reduction(Reduction(i.sub), p_.registers[size_t(i.a)].type); }

  // ---- instructions ----
  // The element of an operand here; through a map, it also says whether there is one.
  std::string place(int operand) const {
    const Operand& o = p_.operands[size_t(operand)];
    const char* outer = o.level == Level::uniform ? "0" : "o";
    const char* inner = o.level == Level::inner ? "i" : "0";
    if (o.access == Access::mapped) return text("jt_at(m", operand, ", ", outer, ", ", inner, ", &inside)");
    return o.level == Level::inner ? "o * I + i" : outer;
  }
  std::string loaded(int operand, const std::string& at) {
    DType d = p_.operands[size_t(operand)].dtype;
    std::string element = text("p", operand, "[", at, "]");
    if (d == JT_BOOL) return text("(unsigned char)(", element, " != 0)");
    if (d == JT_F16 || d == JT_BF16) return text(half("jt_load_", d), "(", element, ")");
    return element;
  }
  std::string stored(DType d, const std::string& value) {
    if (d == JT_BOOL) return text("(unsigned char)(", value, " != 0)");
    if (d == JT_F16 || d == JT_BF16) return text(half("jt_store_", d), "(", value, ")");
    return text("(", kStored[d], ")", value);
  }
  const char* half(std::string_view way, DType d) {
    file_.use("jt_bits");
    bool loads = way == "jt_load_";
    const char* helper = d == JT_F16 ? (loads ? "jt_load_f16" : "jt_store_f16") : loads ? "jt_load_bf16" : "jt_store_bf16";
    file_.use(helper);
    return helper;
  }
  std::string fill(const Instr& i) const { return i.b >= 0 ? reg(i.b) : "0"; }

  std::string element(const Instr& i) {
    if (!file_.elements.is_printable(i.prim, i.type)) fail(JT_E_UNSUPPORTED, "kernel: no text for ", to_text(i));
    std::string call = file_.elements.use(i.prim, i.type) + "(" + reg(i.a);
    if (i.b >= 0) call += ", " + reg(i.b);
    if (i.c >= 0) call += ", " + reg(i.c);
    return call + ")";
  }
  std::string converted(const Instr& i) {
    CType from = CType(i.sub);
    if (i.type == CType::b8) return text("(unsigned char)(", reg(i.a), " != 0)");
    if (!is_float(from) || is_float(i.type)) return text("(", type(i.type), ")", reg(i.a));
    const char* helper = i.type == CType::i32 ? "jt_to_i32" : i.type == CType::i64 ? "jt_to_i64" : "jt_to_u64";
    file_.use(helper);
    return text(helper, "(", reg(i.a), ")");
  }
  std::string narrowed(const Instr& i) {
    DType to = DType(i.sub);
    if (to == JT_F16 || to == JT_BF16) {
      std::string inside = text(half("jt_store_", to), "(", reg(i.a), ")");
      return text(half("jt_load_", to), "(", inside, ")");
    }
    return text("(", type(i.type), ")", stored(to, reg(i.a)));
  }
  std::string combined(const Instr& i, const std::string& old) {
    std::string x = "(" + std::string(type(i.type)) + ")" + old, y = reg(i.b);
    auto row = [&](Element e) { return text(file_.elements.use(int(e), i.type), "(", x, ", ", y, ")"); };
    switch (Combine(i.sub)) {
      case Combine::set: return y;
      case Combine::add: return i.type == CType::b8 ? text(x, " | ", y) : row(Element::add_);
      case Combine::mul: return i.type == CType::b8 ? text(x, " & ", y) : row(Element::mul_);
      case Combine::max: return row(Element::maximum_);
      case Combine::min: return row(Element::minimum_);
    }
    return y;
  }

  void render_instrs(const Stage& s) {
    for (int k = s.first; k < s.last; k++) {
      const Instr& i = p_.instrs[size_t(k)];
      render(i);
    }
  }
  void render(const Instr& i) {
    std::string origin = "  /* " + to_text(i) + " */", to = i.dst >= 0 ? reg(i.dst) + " = " : "";
    switch (i.code) {
      case Code::scalar: return line(to, "*(const ", type(i.type), " *)(A + ", arg_of_scalar(p_, i.operand), ");", origin);
      case Code::element:
        line(to, element(i), ";", origin);
        if (i.operand >= 0) line("p", i.operand, "[", place(i.operand), "] = ", stored(p_.operands[size_t(i.operand)].dtype, reg(i.dst)), ";");
        return;
      case Code::narrow: return line(to, narrowed(i), ";", origin);
      case Code::convert: return line(to, converted(i), ";", origin);
      case Code::load: {
        const Operand& o = p_.operands[size_t(i.operand)];
        if (o.access == Access::direct) return line(to, loaded(i.operand, place(i.operand)), ";", origin);
        return line("{ i64 inside, at = ", place(i.operand), "; ", to, "inside ? ", loaded(i.operand, "at"), " : ", fill(i), "; }", origin);
      }
      case Code::store: {
        const Operand& o = p_.operands[size_t(i.operand)];
        std::string value = stored(o.dtype, reg(i.a));
        if (o.access == Access::direct) return line("p", i.operand, "[", place(i.operand), "] = ", value, ";", origin);
        return line("{ i64 inside, at = ", place(i.operand), "; if (inside) p", i.operand, "[at] = ", value, "; }", origin);
      }
      case Code::index:
        if (p_.operands[size_t(i.operand)].access == Access::direct) return line(to, place(i.operand), ";", origin);
        return line("{ i64 inside, at = ", place(i.operand), "; ", to, "inside ? at : -1; }", origin);
      case Code::gather:
        return line(to, reg(i.a), " >= 0 && ", reg(i.a), " < n", i.operand, " ? ", loaded(i.operand, reg(i.a)), " : ", fill(i), ";", origin);
      case Code::scatter: {
        DType d = p_.operands[size_t(i.operand)].dtype;
        std::string value = stored(d, "(" + combined(i, "(" + loaded(i.operand, reg(i.a)) + ")") + ")");
        return line("if (", reg(i.a), " >= 0 && ", reg(i.a), " < n", i.operand, ") p", i.operand, "[", reg(i.a), "] = ", value, ";", origin);
      }
      case Code::random:
        file_.use("jt_philox");
        return line(to, "jt_philox(", reg(i.a), ", ", reg(i.c), ", ", reg(i.b), ");", origin);
      case Code::reduce: return line(reduction_of(i), "_add(&s", i.dst, ", ", reg(i.a), ");", origin);
    }
  }

  const Program& p_;
  File& file_;
  std::string out_;
  std::set<int> declared_;
  size_t depth_ = 0;
};

}  // namespace

std::string render_c99(std::span<const NamedProgram> programs) {
  File file;
  std::string functions;
  for (const NamedProgram& p : programs) functions += FunctionRenderer(*p.program, file).render(p.name);
  return file.head() + functions;
}

}  // namespace jt
