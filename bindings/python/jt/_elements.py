"""_elements: element-wise functions that are other ops in a line, and reductions of the same kind, under the names that PyTorch and NumPy use."""
from __future__ import annotations

import math
from operator import index
from typing import Any, NamedTuple, Optional, Sequence, Tuple, Union

from . import _C, dtypes, errors

Tensor = _C.TensorBase
Axes = Union[None, int, Sequence[int]]


def _float(x: Any) -> Any:
    return x if x.dtype.is_floating_point else _C.cast(x, dtypes.float32)


_HALVES = (dtypes.float16, dtypes.bfloat16)


def _wide(x: Any) -> Any:
    """What several ops on x compute in, so that halves are rounded once, by _narrow. Integers stay."""
    return _C.cast(x, dtypes.float32) if x.dtype in _HALVES else x


def _narrow(z: Any, *operands: Any) -> Any:
    halves = {x.dtype for x in operands}
    return _C.cast(z, operands[0].dtype) if len(halves) == 1 and halves <= set(_HALVES) else z


def axis_of(who: str, axis: int, n: int) -> int:
    """An axis counted from the first, of n."""
    axis = index(axis)
    if not -n <= axis < n:
        raise errors.ShapeError(f"{who}: axis {axis} is outside the {n} axes of the operand")
    return axis + n if axis < 0 else axis


def _axes(dim: Axes) -> Sequence[int]:
    return () if dim is None else (dim,) if not isinstance(dim, (tuple, list)) else dim


# ---- other names and orders of arguments
absolute, negative, multiply, fix = _C.abs, _C.neg, _C.mul, _C.trunc
arccos, arcsin, arctan, arccosh, arcsinh, arctanh, arctan2 = _C.acos, _C.asin, _C.atan, _C.acosh, _C.asinh, _C.atanh, _C.atan2
eq, ne, lt, le, gt, ge = _C.equal, _C.not_equal, _C.less, _C.less_equal, _C.greater, _C.greater_equal
remainder, floor_divide, true_divide = _C.mod, _C.floor_div, _C.div
bitwise_left_shift, bitwise_right_shift = _C.shift_left, _C.shift_right


def add(x: Any, y: Any, *, alpha: float = 1) -> Tensor:
    """x + alpha * y."""
    return _C.add(x, y if alpha == 1 else _C.mul(y, alpha) if isinstance(y, Tensor) else y * alpha)


def sub(x: Any, y: Any, *, alpha: float = 1) -> Tensor:
    """x - alpha * y."""
    return _C.sub(x, y if alpha == 1 else _C.mul(y, alpha) if isinstance(y, Tensor) else y * alpha)


subtract = sub


def div(x: Any, y: Any, *, rounding_mode: Optional[str] = None) -> Tensor:
    """x / y; rounding_mode "floor" or "trunc" rounds the quotient, and keeps integers."""
    if rounding_mode is None:
        return _C.div(x, y)
    if rounding_mode == "floor":
        return _C.floor_div(x, y)
    if rounding_mode != "trunc":
        raise errors.ArgumentError(f"div: rounding_mode is {rounding_mode!r}, not None, 'floor' or 'trunc'")
    whole = _C.sub(x, _C.fmod(x, y))  # integers stay exact
    return _C.trunc(_C.div(x, y)) if whole.dtype.is_floating_point else _C.floor_div(whole, y)


divide = div


def clamp(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """x between min and max, numbers or tensors; None bounds nothing. Where min is above max it is max."""
    if min is None and max is None:
        raise errors.ArgumentError("clamp: neither min nor max is given")
    if max is None:
        return _C.maximum(x, min)
    return _C.minimum(x, max) if min is None else _C.clamp(x, min, max)


clip = clamp


def clamp_min(x: Any, min: Any) -> Tensor:
    """The larger of x and min."""
    return _C.maximum(x, min)


def clamp_max(x: Any, max: Any) -> Tensor:
    """The smaller of x and max."""
    return _C.minimum(x, max)


def positive(x: Any) -> Tensor:
    """x; bool is no number. Errors: DTypeError."""
    if x.dtype == dtypes.bool:
        raise errors.DTypeError("positive: bool is not a number; cast it first")
    return x[...]  # type: ignore[no-any-return]


# ---- functions
def frac(x: Any) -> Tensor:
    """What is behind the point, with the sign of x."""
    return _C.sub(x, _C.trunc(x))


def logit(x: Any, eps: Optional[float] = None) -> Tensor:
    """log(x / (1 - x)); with eps x is first brought into eps..1 - eps."""
    z = _wide(x)
    z = _C.clamp(z, eps, 1 - eps) if eps is not None else _C.add(z, _C.where(_C.logical_and(_C.greater_equal(z, 0), _C.less_equal(z, 1)), 0.0, math.nan))
    return _narrow(_C.log(_C.div(z, _C.sub(1.0, z))), x)


def sinc(x: Any) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    z = _C.mul(_wide(x), math.pi)
    is_zero = _C.equal(z, 0)
    return _narrow(_C.where(is_zero, 1, _C.div(_C.sin(z), _C.where(is_zero, 1, z))), x)


def heaviside(x: Any, values: Any) -> Tensor:
    """`values` at 0, 1 above, 0 elsewhere."""
    return _C.where(_C.equal(x, 0), values, _C.cast(_C.greater(x, 0), x.dtype))


def deg2rad(x: Any) -> Tensor:
    """Degrees as radians."""
    return _C.mul(_float(x), math.pi / 180)


def rad2deg(x: Any) -> Tensor:
    """Radians as degrees."""
    return _C.mul(_float(x), 180 / math.pi)


def addcmul(x: Any, y: Any, w: Any, *, value: float = 1) -> Tensor:
    """x + value * y * w."""
    a, b, c = (_wide(v) for v in (x, y, w))
    return _narrow(_C.add(a, _C.mul(_C.mul(b, value) if value != 1 else b, c)), x, y, w)


def addcdiv(x: Any, y: Any, w: Any, *, value: float = 1) -> Tensor:
    """x + value * y / w."""
    a, b, c = (_wide(v) for v in (x, y, w))
    return _narrow(_C.add(a, _C.div(_C.mul(b, value) if value != 1 else b, c)), x, y, w)


def fmax(x: Any, y: Any) -> Tensor:
    """The larger; where one is NaN, the other."""
    return _one_of(x, y, _C.maximum(x, y))


def fmin(x: Any, y: Any) -> Tensor:
    """The smaller; where one is NaN, the other."""
    return _one_of(x, y, _C.minimum(x, y))


def _one_of(x: Any, y: Any, both: Tensor) -> Tensor:
    if not both.dtype.is_floating_point:
        return both
    x, y = (v if isinstance(v, Tensor) else _C.full_like(both, v) for v in (x, y))
    return _C.where(_C.isnan(x), y, _C.where(_C.isnan(y), x, both))


def isposinf(x: Any) -> Tensor:
    """True where x is infinity."""
    return _C.logical_and(_C.isinf(x), _C.greater(x, 0))


def isneginf(x: Any) -> Tensor:
    """True where x is -infinity."""
    return _C.logical_and(_C.isinf(x), _C.less(x, 0))


def signbit(x: Any) -> Tensor:
    """True where x has a sign: below 0, or -0."""
    if x.dtype == dtypes.bool:
        return _C.logical_and(x, False)
    return _C.less(_C.copysign(1.0, x), 0) if x.dtype.is_floating_point else _C.less(x, 0)


def ldexp(x: Any, exponent: Any) -> Tensor:
    """x * 2 ** exponent."""
    x = _float(x)
    return _C.mul(x, _C.exp2(_C.cast(exponent, x.dtype) if isinstance(exponent, Tensor) else _C.full_like(x, exponent)))


def float_power(x: Any, y: Any) -> Tensor:
    """x ** y in float64."""
    x, y = (_C.cast(v, dtypes.float64) if isinstance(v, Tensor) else v for v in (x, y))
    return _C.pow(x, y)


def logaddexp2(x: Any, y: Any) -> Tensor:
    """log2(2 ** x + 2 ** y), without overflow."""
    ln2 = math.log(2)
    return _C.div(_C.logaddexp(_C.mul(x, ln2), _C.mul(y, ln2)), ln2)


# ---- reductions
class MaxMin(NamedTuple):
    """Of an axis: the values, and where they were."""
    values: Any
    indices: Any


def amax(x: Any, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Largest over axes, all where none is given; equal ones share the gradient."""
    return _C.max(x, _axes(dim), keepdim)


def amin(x: Any, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Smallest over axes, all where none is given; equal ones share the gradient."""
    return _C.min(x, _axes(dim), keepdim)


def nansum(x: Any, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Sum in which NaN counts as 0."""
    return _C.sum(_C.where(_C.isnan(x), 0, x) if x.dtype.is_floating_point else x, _axes(dim), keepdim)


def nanmean(x: Any, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Mean of what is not NaN."""
    count = _C.sum(_C.logical_not(_C.isnan(x)), _axes(dim), keepdim)
    total = nansum(_wide(x), dim, keepdim)
    return _narrow(_C.div(total, _C.cast(count, total.dtype)), x)


def count_nonzero(x: Any, dim: Axes = None) -> Tensor:
    """How many elements are not 0."""
    return _C.sum(_C.not_equal(x, 0), _axes(dim), False)


def allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close: |x - y| <= atol + rtol * |y|. Looks at the values."""
    return bool(_C.all(_C.isclose(x, y, rtol, atol, equal_nan)))


def std_mean(x: Any, dim: Axes = None, correction: int = 1, keepdim: bool = False) -> Tuple[Tensor, Tensor]:
    """Standard deviation and mean over axes, all where none is given."""
    var, mean = _C.var_mean(_wide(x), _axes(dim), keepdim, correction)
    return _narrow(_C.sqrt(var), x), _narrow(mean, x)


def diff(x: Any, n: int = 1, dim: int = -1) -> Tensor:
    """x[1:] - x[:-1] along an axis, n times; of bool whether they differ."""
    axis, n = axis_of("diff", dim, x.ndim), index(n)
    if n < 0:
        raise errors.ArgumentError(f"diff: n is {n}, which is negative")
    if n == 0:
        return x[...]  # type: ignore[no-any-return]
    for _ in range(min(n, x.shape[axis] + 1)):
        size = x.shape[axis]
        lower, upper = (x[(slice(None),) * axis + (part,)] for part in (slice(0, max(size - 1, 0)), slice(1, size)))
        x = _C.not_equal(upper, lower) if x.dtype == dtypes.bool else _C.sub(upper, lower)
    return x  # type: ignore[no-any-return]


def dist(x: Any, y: Any, p: float = 2) -> Tensor:
    """The p-norm of x - y."""
    return _C.norm(_C.reshape(_C.sub(x, y), (-1,)), p)
