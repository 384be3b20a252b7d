// elements: the element rows of ops.def -> loops over blocks, for one compute type and one ISA level.
//
// Compiled once per pair: JT_TYPE names the type, JT_ISA the level; the compiler's flags select the instructions.
// No function with external linkage but the table may come of this file, or levels would share code.
#include "backends/cpu_tcc/vm/primitives.h"
#include "core/base/prelude.h"
#include "backends/cpu_tcc/vm/element_rows.inc"

namespace jt::vm {
namespace {
namespace rows {
using namespace jt::prelude::JT_TYPE;
using T = jt::prelude::JT_TYPE::T;

#define JT_LOOP _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)

// Rows that are functions with far arguments: a block without any takes the near function.
template <Element e>
struct Far {
  static constexpr bool exists = false;
  static T value(T x) { return x; }
  static bool any(const T*, int64_t) { return true; }
};
#if JT_IS_FLOAT
#define JT_FAR(types, name, near, far, is_far)                 \
  template <>                                                  \
  struct Far<Element::name##_> {                               \
    static constexpr bool exists = true;                       \
    [[gnu::always_inline]] static T value(T x) { return near(x); } \
    static bool any(const T* a, int64_t n) {                   \
      U found = 0;                                             \
      for (int64_t i = 0; i < n; i++) found |= is_far(a[i]);   \
      return found != 0;                                       \
    }                                                          \
  };
#include "core/ir/prelude.def"
#endif

#define JT_UNARY(name, types, result, float_expr, int_expr, ...)                                       \
  JT_IF_##types(static void name##_vv(void* dst, const void* a, const void*, const void*, int64_t n) { \
    auto* z = static_cast<JT_OUT_##result*>(dst);                                                      \
    auto* p = static_cast<const T*>(a);                                                                \
    if constexpr (Far<Element::name##_>::exists)                                                       \
      if (!Far<Element::name##_>::any(p, n)) {                                                         \
        JT_LOOP z[i] = Far<Element::name##_>::value(p[i]);                                             \
        return;                                                                                        \
      }                                                                                                \
    JT_LOOP {                                                                                          \
      [[maybe_unused]] const T x = p[i];                                                               \
      z[i] = JT_RESULT_##result(JT_EXPRESSION(float_expr, int_expr));                                  \
    }                                                                                                  \
  })
#define JT_BINARY_LOOP(name, variant, result, expr, at_x, at_y)                                            \
  static void name##_##variant(void* dst, const void* a, const void* b, const void*, int64_t n) {          \
    auto* z = static_cast<JT_OUT_##result*>(dst);                                                          \
    auto *p = static_cast<const T*>(a), *q = static_cast<const T*>(b);                                     \
    [[maybe_unused]] const T p0 = *p, q0 = *q;                                                             \
    JT_LOOP {                                                                                              \
      const T x = at_x, y = at_y;                                                                          \
      z[i] = JT_RESULT_##result(expr);                                                                     \
    }                                                                                                      \
  }
#define JT_BINARY(name, types, result, float_expr, int_expr, ...)                                   \
  JT_IF_##types(JT_BINARY_LOOP(name, vv, result, JT_EXPRESSION(float_expr, int_expr), p[i], q[i])   \
                    JT_BINARY_LOOP(name, vs, result, JT_EXPRESSION(float_expr, int_expr), p[i], q0) \
                        JT_BINARY_LOOP(name, sv, result, JT_EXPRESSION(float_expr, int_expr), p0, q[i]))
#define JT_TERNARY(name, types, result, float_expr, int_expr, ...)                                         \
  JT_IF_##types(static void name##_vv(void* dst, const void* a, const void* b, const void* c, int64_t n) { \
    auto* z = static_cast<JT_OUT_##result*>(dst);                                                          \
    auto* p = static_cast<const JT_FIRST_##types*>(a);                                                     \
    auto *q = static_cast<const T*>(b), *r = static_cast<const T*>(c);                                     \
    JT_LOOP {                                                                                              \
      const JT_FIRST_##types x = p[i];                                                                     \
      const T y = q[i], w = r[i];                                                                          \
      z[i] = JT_RESULT_##result(JT_EXPRESSION(float_expr, int_expr));                                      \
    }                                                                                                      \
  })
#include "core/ir/ops.def"

}  // namespace rows
}  // namespace

extern const ElementTable JT_NAME(JT_NAME(elements_, JT_TYPE), JT_NAME(_, JT_ISA));
const ElementTable JT_NAME(JT_NAME(elements_, JT_TYPE), JT_NAME(_, JT_ISA)) = {
#define JT_UNARY(name, types, ...) {JT_IF_##types(rows::name##_vv)},
#define JT_BINARY(name, types, ...) {JT_IF_##types(rows::name##_vv, rows::name##_vs, rows::name##_sv)},
#define JT_TERNARY(name, types, ...) {JT_IF_##types(rows::name##_vv)},
#include "core/ir/ops.def"
};

}  // namespace jt::vm
