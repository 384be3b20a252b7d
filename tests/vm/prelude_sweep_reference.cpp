// The references of prelude_sweep: loops that the compiler may make of the C library's vector functions, in double.
#include <cmath>

#define JT_REFERENCE(name)                                                    \
  void reference_##name(const float* x, double* z, int n) {                   \
    for (int i = 0; i < n; i++) z[i] = name(double(x[i]));                    \
  }
JT_REFERENCE(exp) JT_REFERENCE(exp2) JT_REFERENCE(expm1) JT_REFERENCE(log) JT_REFERENCE(log2) JT_REFERENCE(log10)
JT_REFERENCE(log1p) JT_REFERENCE(cbrt) JT_REFERENCE(sin) JT_REFERENCE(cos) JT_REFERENCE(tan) JT_REFERENCE(asin)
JT_REFERENCE(acos) JT_REFERENCE(atan) JT_REFERENCE(sinh) JT_REFERENCE(cosh) JT_REFERENCE(tanh) JT_REFERENCE(asinh)
JT_REFERENCE(acosh) JT_REFERENCE(atanh) JT_REFERENCE(erf)
