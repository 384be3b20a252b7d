// op: expands ops.def into the tables of OpDefs and Signatures.
//
// Host tools want the facts without the functions behind them: they define JT_OPS_FACTS_ONLY and link this file alone.
#include "core/ir/op.h"

#include "core/ir/type_rules.h"

namespace jt {

#ifdef JT_OPS_FACTS_ONLY
#define JT_RULE(function) nullptr
#else
#define JT_RULE(function) function
template <Value (*body)(Recorder&, std::span<const Ref>, const Attrs&, const Type&)>
static void one_result(Recorder& recorder, std::span<const Ref> inputs, const Node& node, std::span<Value> out) {
  out[0] = body(recorder, inputs, node.attrs(), node.results()[0].type);
}
#endif

#define JT_UNARY(name, types, result, f, i, dx, flags, lo, hi, since, doc, ...) \
  {#name,                                                                  \
   Kind::element,                                                          \
   Operands::types,                                                        \
   ResultRule::result,                                                     \
   {},                                                                     \
   JT_##flags,                                                             \
   JT_RULE(element_type),                                                  \
   nullptr,                                                                \
   lo,                                                                     \
   hi,                                                                     \
   #f,                                                                     \
   #i,                                                                     \
   since,                                                                  \
   doc},
#define JT_BINARY(name, types, result, f, i, dx, dy, flags, lo, hi, since, doc, ...) \
  {#name,                                                                       \
   Kind::element,                                                               \
   Operands::types,                                                             \
   ResultRule::result,                                                          \
   {},                                                                          \
   JT_##flags,                                                                  \
   JT_RULE(element_type),                                                       \
   nullptr,                                                                     \
   lo,                                                                          \
   hi,                                                                          \
   #f,                                                                          \
   #i,                                                                          \
   since,                                                                       \
   doc},
#define JT_TERNARY(name, types, result, f, i, dx, dy, dw, flags, lo, hi, since, doc, ...) \
  {#name,                                                                            \
   Kind::element,                                                                    \
   Operands::types,                                                                  \
   ResultRule::result,                                                               \
   {},                                                                               \
   JT_##flags,                                                                       \
   JT_RULE(element_type),                                                            \
   nullptr,                                                                          \
   lo,                                                                               \
   hi,                                                                               \
   #f,                                                                               \
   #i,                                                                               \
   since,                                                                            \
   doc},
#define JT_REDUCE(name, types, result, reduction, dx, lo, hi, since, doc, ...) \
  {#name,                                                                 \
   Kind::reduce,                                                          \
   Operands::types,                                                       \
   ResultRule::result,                                                    \
   Reduction::reduction,                                                  \
   false,                                                                 \
   JT_RULE(reduce_type),                                                  \
   nullptr,                                                               \
   lo,                                                                    \
   hi,                                                                    \
   "",                                                                    \
   "",                                                                    \
   since,                                                                 \
   doc},
#define JT_OP(name, kind, signature, type, gradient, since, doc, ...) \
  {#name,                                                        \
   Kind::JT_KIND_##kind,                                         \
   Operands::ANY,                                                \
   JT_RESULT_##kind,                                             \
   {},                                                           \
   false,                                                        \
   JT_RULE(type),                                                \
   JT_BODY_##kind(name),                                         \
   -4,                                                           \
   4,                                                            \
   "",                                                           \
   "",                                                           \
   since,                                                        \
   doc,                                                          \
   JT_TRANSPOSED_##kind},
#define JT_COMM true
#define JT_PLAIN false
#define JT_KIND_CAST cast
#define JT_KIND_MOVEMENT movement
#define JT_KIND_INDEX index
#define JT_KIND_LIBRARY library
#define JT_KIND_SUMMING library
#define JT_KIND_PRODUCT library
#define JT_KIND_SOURCE source
#define JT_KIND_COMPOSITE composite
#define JT_KIND_SEVERAL composite

#define JT_TRANSPOSED_CAST false
#define JT_TRANSPOSED_MOVEMENT false
#define JT_TRANSPOSED_INDEX false
#define JT_TRANSPOSED_LIBRARY false
#define JT_TRANSPOSED_SUMMING false
#define JT_TRANSPOSED_PRODUCT true
#define JT_TRANSPOSED_SOURCE false
#define JT_TRANSPOSED_COMPOSITE false
#define JT_TRANSPOSED_SEVERAL false

#define JT_RESULT_CAST ResultRule::SAME
#define JT_RESULT_MOVEMENT ResultRule::SAME
#define JT_RESULT_INDEX ResultRule::SAME
#define JT_RESULT_LIBRARY ResultRule::SAME
#define JT_RESULT_SUMMING ResultRule::WIDE
#define JT_RESULT_PRODUCT ResultRule::SAME
#define JT_RESULT_SOURCE ResultRule::SAME
#define JT_RESULT_COMPOSITE ResultRule::SAME
#define JT_RESULT_SEVERAL ResultRule::SAME

#define JT_BODY_CAST(name) nullptr
#define JT_BODY_MOVEMENT(name) nullptr
#define JT_BODY_INDEX(name) nullptr
#define JT_BODY_LIBRARY(name) nullptr
#define JT_BODY_SUMMING(name) nullptr
#define JT_BODY_PRODUCT(name) nullptr
#define JT_BODY_SOURCE(name) nullptr
#define JT_BODY_COMPOSITE(name) JT_RULE(one_result<name##_body>)
#define JT_BODY_SEVERAL(name) JT_RULE(name##_body)

constexpr OpDef kOpTable[] = {
    {"data",
     Kind::leaf,
     Operands::ANY,
     ResultRule::SAME,
     {},
     false,
     nullptr,
     nullptr,
     0,
     0,
     "",
     "",
     "0.1",
     "A value that exists."},
    {"constant",
     Kind::constant,
     Operands::ANY,
     ResultRule::SAME,
     {},
     false,
     nullptr,
     nullptr,
     0,
     0,
     "",
     "",
     "0.1",
     "A scalar of the program."},
    {"custom",
     Kind::custom,
     Operands::ANY,
     ResultRule::SAME,
     {},
     false,
     nullptr,
     nullptr,
     0,
     0,
     "",
     "",
     "0.1",
     "An op that the program brought along."},
    {"branch",
     Kind::region,
     Operands::ANY,
     ResultRule::SAME,
     {},
     false,
     nullptr,
     nullptr,
     0,
     0,
     "",
     "",
     "0.1",
     "One of two blocks, by a condition."},
    {"loop",
     Kind::region,
     Operands::ANY,
     ResultRule::SAME,
     {},
     false,
     nullptr,
     nullptr,
     0,
     0,
     "",
     "",
     "0.1",
     "A block, round after round."},
#include "core/ir/ops.def"
};
static_assert(sizeof kOpTable / sizeof *kOpTable == size_t(kOps));

constexpr Signature kSignatures[] = {
    Signature(""), Signature(""), Signature(""), Signature(kBranchSignature), Signature(kLoopSignature),
#define JT_UNARY(name, ...) Signature("x"),
#define JT_BINARY(name, ...) Signature("x y"),
#define JT_TERNARY(name, ...) Signature("x y w"),
#define JT_REDUCE(name, ...) Signature(kReduceSignature),
#define JT_OP(name, kind, signature, ...) Signature(signature),
#include "core/ir/ops.def"
};
static_assert(sizeof kSignatures / sizeof *kSignatures == size_t(kOps));

consteval bool element_rows_come_first() {
  for (int i = 0; i < kOps; i++)
    if ((kOpTable[i].kind == Kind::element) != (i >= kFirstElement && i <= kLastElement)) return false;
  return true;
}
static_assert(element_rows_come_first());

static consteval Precision precision_of(std::string_view word) {
  if (word == "HIGH") return Precision::high;
  if (word == "LOW") return Precision::low;
  if (!word.empty()) throw "neither HIGH nor LOW";
  return Precision::as_is;
}
constexpr Precision kPrecisions[] = {
    {}, {}, {}, {}, {},
#define JT_UNARY(name, types, result, f, i, dx, flags, lo, hi, since, doc, ...) precision_of(#__VA_ARGS__),
#define JT_BINARY(name, types, result, f, i, dx, dy, flags, lo, hi, since, doc, ...) precision_of(#__VA_ARGS__),
#define JT_TERNARY(name, types, result, f, i, dx, dy, dw, flags, lo, hi, since, doc, ...) precision_of(#__VA_ARGS__),
#define JT_REDUCE(name, types, result, reduction, dx, lo, hi, since, doc, ...) precision_of(#__VA_ARGS__),
#define JT_OP(name, kind, signature, type, gradient, since, doc, ...) precision_of(#__VA_ARGS__),
#include "core/ir/ops.def"
};
static_assert(sizeof kPrecisions / sizeof *kPrecisions == size_t(kOps));

Op op_named(std::string_view wanted) {
  for (int i = 0; i < kOps; i++)
    if (wanted == kOpTable[i].name) return Op(i);
  return Op::count;
}

}  // namespace jt
