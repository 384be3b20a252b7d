// build: ops as C++ functions and operators on values, for gradients, bodies and optimisers.
//
// They record where their operands were recorded. A double beside a value is a constant of the value's dtype.
#pragma once
#include "core/ir/recorder.h"

namespace jt::ops {

// An operand: a value, or a plain number that takes the dtype of the values beside it.
class Arg {
 public:
  Arg(const Value& v) : value_(v.ref()) {}
  Arg(Ref r) : value_(r) {}
  Arg(double d) : number_(d) {}
  Arg(int d) : number_(d) {}
  bool is_number() const { return !value_; }
  Ref ref() const { return value_; }
  double number() const { return number_; }

 private:
  Ref value_;
  double number_ = 0;
};

Value apply(Op op, std::initializer_list<Arg> args);

#define JT_UNARY(name, ...) inline Value name(Arg x) { return apply(Op::name, {x}); }
#define JT_BINARY(name, ...) inline Value name(Arg x, Arg y) { return apply(Op::name, {x, y}); }
#define JT_TERNARY(name, ...) inline Value name(Arg x, Arg y, Arg w) { return apply(Op::name, {x, y, w}); }
#define JT_REDUCE(name, ...) Value name(Ref x, DimList axes = {}, bool keepdims = false);
#include "core/ir/ops.def"

Value cast(Ref x, DType dtype);
Value reshape(Ref x, const Shape& shape);      // unit flags follow reshape's rule
Value transpose(Ref x, DimList axes = {});
Value expand(Ref x, const Shape& shape);
Value slice(Ref x, DimList starts, DimList stops, DimList steps = {});
Value matmul(Ref x, Ref y);
Value iota(Recorder& recorder, const Shape& shape, int axis, DType dtype);
// how many there are of something: another number is the same structure
Value count(Recorder& recorder, DType dtype, Dim n);
Value fill(Ref like, double value);            // a constant of exactly like's type
Value zeros_like(Ref like);
constexpr int64_t kMoreBits = int64_t(1) << 62;  // of a stream of random bits: the one for those beyond the first 32
Value call(Op op, std::initializer_list<Ref> inputs, const Attrs& attrs = {});  // result 0; no attributes: the defaults

inline Value operator-(const Value& x) { return neg(x); }
inline Value operator+(const Value& x, Arg y) { return add(x, y); }
inline Value operator-(const Value& x, Arg y) { return sub(x, y); }
inline Value operator*(const Value& x, Arg y) { return mul(x, y); }
inline Value operator/(const Value& x, Arg y) { return div(x, y); }
inline Value operator+(double x, const Value& y) { return add(x, y); }
inline Value operator-(double x, const Value& y) { return sub(x, y); }
inline Value operator*(double x, const Value& y) { return mul(x, y); }
inline Value operator/(double x, const Value& y) { return div(x, y); }
inline Value operator==(const Value& x, const Value& y) { return equal(x, y); }
inline Value operator<(const Value& x, Arg y) { return less(x, y); }
inline Value operator<=(const Value& x, Arg y) { return less_equal(x, y); }
inline Value operator>(const Value& x, Arg y) { return greater(x, y); }
inline Value operator>=(const Value& x, Arg y) { return greater_equal(x, y); }
inline Value operator&(const Value& x, Arg y) { return bitwise_and(x, y); }

}  // namespace jt::ops
