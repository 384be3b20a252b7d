#include "core/base/dtype.h"

#include <cstring>

#include "core/base/text.h"

namespace jt {

struct DTypeFacts {
  const char* name;
  size_t size;
  DType compute;
};

static constexpr DTypeFacts kFacts[] = {
    {"?", 0, JT_F32},     {"bool", 1, JT_BOOL}, {"i8", 1, JT_I32},  {"i16", 2, JT_I32},  {"i32", 4, JT_I32},
    {"i64", 8, JT_I64},   {"u8", 1, JT_I32},    {"u16", 2, JT_I32}, {"u32", 4, JT_I64},  {"u64", 8, JT_U64},
    {"f16", 2, JT_F32},   {"bf16", 2, JT_F32},  {"f32", 4, JT_F32}, {"f64", 8, JT_F64},
};
static_assert(sizeof kFacts / sizeof *kFacts == kDTypes + 1);

static const DTypeFacts& facts(DType t) { return kFacts[is_dtype(t) ? t : 0]; }

const char* name(DType t) { return facts(t).name; }
size_t size_of(DType t) { return facts(t).size; }
DType compute_type(DType t) { return facts(t).compute; }
DType dtype_named(std::string_view wanted) {
  for (int i = 1; i <= kDTypes; i++)
    if (wanted == kFacts[i].name) return DType(i);
  return JT_DTYPE_FORCE32;
}

static DType signed_of_size(size_t bytes) {
  return bytes == 1 ? JT_I8 : bytes == 2 ? JT_I16 : bytes == 4 ? JT_I32 : JT_I64;
}

DType promote(DType a, DType b) {
  if (a == b || b == JT_BOOL) return a;
  if (a == JT_BOOL) return b;
  if (is_float(a) != is_float(b)) return is_float(a) ? a : b;
  if (is_float(a)) {
    if (size_of(a) == size_of(b)) return JT_F32;  // f16 with bf16
    return size_of(a) > size_of(b) ? a : b;
  }
  if (is_signed_int(a) == is_signed_int(b)) return size_of(a) > size_of(b) ? a : b;
  DType s = is_signed_int(a) ? a : b, u = is_signed_int(a) ? b : a;
  if (size_of(s) > size_of(u)) return s;
  return u == JT_U64 ? JT_F64 : signed_of_size(size_of(u) * 2);
}

}  // namespace jt
