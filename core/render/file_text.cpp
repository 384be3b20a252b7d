#include "core/render/file_text.h"

#include <initializer_list>
#include <utility>

#include "core/base/element.h"
#include "core/base/text.h"

namespace jt::loops {

namespace {

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
     "FN i64 jt_along(const struct jt_map *m, int first, int rank, i64 index, i64 *inside) {\n"
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
     "FN i64 jt_at(const struct jt_map *m, i64 o, i64 i, i64 *inside) {\n"
     "  i64 at = m->offset;\n"
     "  *inside = 1;\n"
     "  at += jt_along(m, 0, m->outer_rank, o, inside);\n"
     "  return at + jt_along(m, m->outer_rank, m->inner_rank, i, inside);\n"
     "}\n"},
    {"jt_place",
     "FN i64 jt_place(const struct jt_map *m, i64 o, i64 i) {\n"
     "  i64 inside, at = jt_at(m, o, i, &inside);\n"
     "  return inside ? at : -1;\n"
     "}\n"},
    {"jt_bits",
     "FN unsigned jt_bits(float x) { union { float f; unsigned u; } v; v.f = x; return v.u; }\n"
     "FN float jt_of_bits(unsigned u) { union { float f; unsigned u; } v; v.u = u; return v.f; }\n"},
    {"jt_load_f16",
     "FN float jt_load_f16(unsigned short h) {\n"
     "  unsigned sign = (h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 1023;\n"
     "  if (e == 31) return jt_of_bits(sign | 0x7f800000u | m << 13 | (m ? 0x400000u : 0));\n"
     "  if (e) return jt_of_bits(sign | (e + 112) << 23 | m << 13);\n"
     "  float x = (float)m * 5.9604644775390625e-8f;\n"
     "  return sign ? -x : x;\n"
     "}\n"},
    {"jt_store_f16",
     "FN unsigned short jt_store_f16(float x) {\n"
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
    {"jt_load_bf16", "FN float jt_load_bf16(unsigned short h) { return jt_of_bits((unsigned)h << 16); }\n"},
    {"jt_store_bf16",
     "FN unsigned short jt_store_bf16(float x) {\n"
     "  unsigned b = jt_bits(x);\n"
     "  if (x != x) return (unsigned short)(b >> 16 | 0x40u);\n"
     "  return (unsigned short)((b + 0x7fffu + (b >> 16 & 1)) >> 16);\n"
     "}\n"},
    {"jt_to_i32",
     "FN int jt_to_i32(double x) {\n"
     "  return x != x ? 0 : x <= -2147483648.0 ? -2147483647 - 1 : x >= 2147483647.0 ? 2147483647 : (int)x;\n"
     "}\n"},
    {"jt_to_i64",
     "FN i64 jt_to_i64(double x) {\n"
     "  return x != x ? 0 : x <= -9223372036854775808.0 ? -9223372036854775807ll - 1 : x >= 9223372036854775808.0 ? "
     "9223372036854775807ll : (i64)x;\n"
     "}\n"},
    {"jt_to_u64",
     "FN u64 jt_to_u64(double x) {\n"
     "  return !(x > 0) ? 0 : x >= 18446744073709551616.0 ? 18446744073709551615ull : x >= 9223372036854775808.0\n"
     "    ? (u64)(i64)(x - 9223372036854775808.0) + 9223372036854775808ull : (u64)(i64)x;\n"
     "}\n"},
    {"jt_philox",
     "FN i64 jt_philox(i64 element, i64 counter, u64 key) {\n"
     "  unsigned c0 = (unsigned)element, c1 = (unsigned)((u64)element >> 32), c2 = (unsigned)counter, c3 = "
     "(unsigned)((u64)counter >> 32);\n"
     "  unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);\n"
     "  for (int round = 0; round < 10; round++) {\n"
     "    u64 p0 = (u64)0xD2511F53u * c0, p1 = (u64)0xCD9E8D57u * c2;\n"
     "    c0 = (unsigned)(p1 >> 32) ^ c1 ^ k0, c1 = (unsigned)p1, c2 = (unsigned)(p0 >> 32) ^ c3 ^ k1, c3 = "
     "(unsigned)p0;\n"
     "    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;\n"
     "  }\n"
     "  return c0;\n"
     "}\n"},
};

std::string replaced(std::string_view text,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> words) {
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

const char* spelled(Neutral n, CType t) {
  switch (n) {
    case Neutral::zero: return "0";
    case Neutral::minus_zero: return is_float(t) ? "-0.0f" : "0";
    case Neutral::one: return "1";
    case Neutral::least: return kExtremes[int(t)].least;
    case Neutral::most: return kExtremes[int(t)].most;
  }
  return "0";
}

}  // namespace

std::string FileText::use(std::string_view helper) {
  helpers_.emplace(helper);
  return std::string(helper);
}

std::string FileText::define(std::string name, const std::string& definition) {
  definitions_.insert({name, definition});
  return name;
}

std::string FileText::use_reduction(Reduction r, CType t) {
  std::string name = text("jt_", jt::name(r), "_", jt::name(t)), of;
  auto of_floats = [&](const char* function, const char* of_ints) {
    return is_float(t) ? elements.use(function, t) + "(x, y)" : std::string(of_ints);
  };
  switch (r) {
    case Reduction::sum: of = "x + y"; break;
    case Reduction::prod: of = "x * y"; break;
    case Reduction::max:
    case Reduction::any: of = of_floats("fmaximum", "x > y ? x : y"); break;
    case Reduction::min:
    case Reduction::all: of = of_floats("fminimum", "x < y ? x : y"); break;
    case Reduction::argmax: of = is_float(t) ? "(x > best) | ((x != x) & (best == best))" : "x > best"; break;
    case Reduction::argmin: of = is_float(t) ? "(x < best) | ((x != x) & (best == best))" : "x < best"; break;
  }
  bool finds_place = r == Reduction::argmax || r == Reduction::argmin;
  std::string_view form = finds_place ? dialect.place_reduction : dialect.reduction;
  reductions_.insert({name, replaced(std::string(form).append(dialect.folds), {{"NAME", name},
                                                                               {"TYPE", elements.type_name(t)},
                                                                               {"OF", of},
                                                                               {"NONE", spelled(identity(r), t)},
                                                                               {"EMPTY", spelled(of_nothing(r), t)}})});
  return name;
}

// ---- functions of elements of memory ----

std::string FileText::use_load_map(DType d) {
  const char* type = elements.type_name(ctype_of(d));
  use("jt_map");
  std::string name = text("jt_load_map_", jt::name(d));
  return define(
      name, text("FN ", type, " ", name, "(const ", memory_type(d), " *p, const struct jt_map *m, i64 o, i64 i, ", type,
                 " fill) {\n  i64 inside, at = jt_at(m, o, i, &inside);\n  return inside ? ", loaded(d, "p[at]"),
                 " : fill;\n}\n"));
}

std::string FileText::use_store_map(DType d) {
  use("jt_map");
  std::string name = text("jt_store_map_", jt::name(d));
  return define(name, text("FN void ", name, "(", memory_type(d), " *p, const struct jt_map *m, i64 o, i64 i, ",
                           elements.type_name(ctype_of(d)),
                           " x) {\n  i64 inside, at = jt_at(m, o, i, &inside);\n  if (inside) p[at] = ", stored(d, "x"),
                           ";\n}\n"));
}

std::string FileText::use_place_in_map() {
  use("jt_map");
  return use("jt_place");
}

std::string FileText::use_gather(DType d) {
  const char* type = elements.type_name(ctype_of(d));
  std::string name = text("jt_gather_", jt::name(d));
  return define(name, text("FN ", type, " ", name, "(const ", memory_type(d), " *p, i64 count, i64 at, ", type,
                           " fill) { return at >= 0 && at < count ? ", loaded(d, "p[at]"), " : fill; }\n"));
}

std::string FileText::combined(Combine combine, CType t, const std::string& old) {
  std::string x = text("(", elements.type_name(t), ")(", old, ")");
  auto row = [&](Element e) { return text(elements.use(int(e), t), "(", x, ", x)"); };
  switch (combine) {
    case Combine::set: break;
    case Combine::add: return t == CType::b8 ? text(x, " | x") : row(Element::add_);
    case Combine::mul: return t == CType::b8 ? text(x, " & x") : row(Element::mul_);
    case Combine::max: return row(Element::maximum_);
    case Combine::min: return row(Element::minimum_);
  }
  return "x";
}

std::string FileText::use_scatter(Combine combine, DType d) {
  CType t = ctype_of(d);
  std::string name = text("jt_scatter_", jt::name(combine), "_", jt::name(d));
  return define(name, text("FN void ", name, "(", memory_type(d), " *p, i64 count, i64 at, ", elements.type_name(t),
                           " x) {\n  if (at >= 0 && at < count) p[at] = ",
                           stored(d, text("(", combined(combine, t, loaded(d, "p[at]")), ")")), ";\n}\n"));
}

std::string FileText::use_random() { return use("jt_philox"); }

// ---- expressions ----

std::string FileText::loaded(DType d, const std::string& element) {
  if (d == JT_BOOL) return from_block(CType::b8, element);
  if (!is_half(d)) return element;
  use("jt_bits");
  return text(use(d == JT_F16 ? "jt_load_f16" : "jt_load_bf16"), "(", element, ")");
}

std::string FileText::stored(DType d, const std::string& value) {
  if (!is_half(d)) return text("(", memory_type(d), ")", value);
  use("jt_bits");
  return text(use(d == JT_F16 ? "jt_store_f16" : "jt_store_bf16"), "(", value, ")");
}

std::string FileText::narrowed(DType d, CType type, const std::string& value) {
  if (is_half(d)) return loaded(d, stored(d, value));
  const char* to = memory_type(d);
  if (d == JT_BOOL && dialect.has_name_spaces) to = "bool";
  if (d == JT_BOOL && !dialect.has_name_spaces) return text(value, " != 0");
  return text("(", elements.type_name(type), ")(", to, ")", value);
}

// To bool: from no choice, which does not vectorise.
std::string FileText::converted(CType from, CType to, const std::string& value) {
  const char* type = elements.type_name(to);
  if (to == CType::b8) return text(value, " != 0");
  if (from == CType::b8) return text(value, " ? (", type, ")1 : (", type, ")0");
  if (!is_float(from) || is_float(to)) return text("(", type, ")", value);
  return text(use(to == CType::i32 ? "jt_to_i32" : to == CType::i64 ? "jt_to_i64" : "jt_to_u64"), "(", value, ")");
}

const char* FileText::block_type(CType t) const {
  constexpr DType kOf[kCTypes] = {JT_F32, JT_F64, JT_I32, JT_I64, JT_U64, JT_BOOL};
  return memory_type(kOf[int(t)]);
}

std::string FileText::from_block(CType t, const std::string& element) const {
  return t == CType::b8 ? text("(", element, ") != 0") : element;
}

std::string FileText::head() const {
  std::string out(dialect.head);
  if (host) out += host->declarations();
  for (const Helper& helper : kHelpers)
    if (helpers_.count(helper.name)) out += helper.text;
  out += elements.definitions();
  for (const Definition& d : definitions_) out += d.text;
  for (const Definition& d : reductions_) out += d.text;
  return out;
}

}  // namespace jt::loops
