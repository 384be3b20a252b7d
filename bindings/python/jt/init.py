"""init: initial values of parameters, in place (names ending in _) or as new tensors. Arguments of those in place are PyTorch's."""
from __future__ import annotations

import math
from typing import Any, Tuple

from . import _C, errors
from .creation import Shape, eye, full
from .dtypes import float32
from .tensor import Tensor


def initial(kind: str, shape: Shape, dtype: Any = float32) -> Tensor:
    """"zeros", "ones", "uniform" (in [-1, 1)), "normal", or one of "he_normal", "he_uniform", "xavier_normal",
    "xavier_uniform", "lecun_normal", whose fans follow from a shape [out, in, window...]."""
    return _C.init(kind, shape, dtype)


def constant(shape: Shape, value: float = 0.0, dtype: Any = float32) -> Tensor:
    """One value."""
    return full(shape, value, dtype)


def uniform(shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = float32) -> Tensor:
    """Uniform in [low, high)."""
    return _C.random_uniform(shape, low, high, dtype)


def gauss(shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = float32) -> Tensor:
    """Normal with a mean and deviation."""
    return _C.random_normal(shape, mean, std, dtype)


def constant_(x: Tensor, value: float = 0.0) -> Tensor:
    """Fills x with a value."""
    return x.assign(constant(x.shape, value, x.dtype))


def zero_(x: Tensor) -> Tensor:
    """Fills x with zeros."""
    return constant_(x, 0.0)


def one_(x: Tensor) -> Tensor:
    """Fills x with ones."""
    return constant_(x, 1.0)


def uniform_(x: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Fills x uniformly from [low, high)."""
    return x.assign(uniform(x.shape, low, high, x.dtype))


def gauss_(x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fills x from a normal distribution."""
    return x.assign(gauss(x.shape, mean, std, x.dtype))


normal_ = gauss_


zeros_, ones_ = zero_, one_


def _fans(x: Tensor) -> Tuple[int, int]:
    if x.ndim < 2:
        raise errors.ShapeError(f"init: fans need two axes or more, the shape is {x.shape}")
    window = math.prod(x.shape[2:])
    return x.shape[1] * window, x.shape[0] * window


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """What keeps the deviation through a function: 1 for linear ones and sigmoid, 5/3 tanh, sqrt 2 relu, 3/4 selu, sqrt(2 / (1 + slope^2)) leaky_relu."""
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else float(param)) ** 2))
    if nonlinearity in gains:
        return gains[nonlinearity]
    if nonlinearity in ("linear", "sigmoid") or nonlinearity.startswith("conv"):
        return 1.0
    raise errors.ArgumentError(f"calculate_gain: '{nonlinearity}' is unknown")


def _kaiming(x: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise errors.ArgumentError(f"init: mode is {mode!r}, neither 'fan_in' nor 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(x)[mode == "fan_out"])


def kaiming_normal_(x: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Fills x by He et al. 2015, normal."""
    return gauss_(x, 0, _kaiming(x, a, mode, nonlinearity))


def kaiming_uniform_(x: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Fills x by He et al. 2015, uniform."""
    bound = math.sqrt(3) * _kaiming(x, a, mode, nonlinearity)
    return uniform_(x, -bound, bound)


def xavier_normal_(x: Tensor, gain: float = 1.0) -> Tensor:
    """Fills x by Glorot and Bengio 2010, normal."""
    return gauss_(x, 0, gain * math.sqrt(2 / sum(_fans(x))))


def xavier_uniform_(x: Tensor, gain: float = 1.0) -> Tensor:
    """Fills x by Glorot and Bengio 2010, uniform."""
    bound = gain * math.sqrt(6 / sum(_fans(x)))
    return uniform_(x, -bound, bound)


def trunc_normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """Fills x from a normal distribution of which only a..b is left: the inverse of its distribution function, on uniform numbers."""
    def below(v: float) -> float:
        return (1 + math.erf((v - mean) / std / math.sqrt(2))) / 2
    low, high = below(a), below(b)
    u = _C.random_uniform(x.shape, low, high, "float64")
    z = _inverse_normal(u)
    return x.assign((z * std + mean).clamp(a, b).to(x.dtype))


def _inverse_normal(u: Any) -> Any:
    """Where the normal distribution function is u: bisection to 1e-12, as its inverse is no op."""
    low, high = u * 0 - 9, u * 0 + 9
    for _ in range(44):
        middle = (low + high) / 2
        is_below = (_C.erf(middle * math.sqrt(0.5)) + 1) / 2 < u
        low, high = _C.where(is_below, middle, low), _C.where(is_below, high, middle)
    return (low + high) / 2


def eye_(x: Tensor) -> Tensor:
    """Fills a matrix with ones on its diagonal and zeros elsewhere."""
    if x.ndim != 2:
        raise errors.ShapeError(f"eye_: {x.shape} is no matrix")
    return x.assign(eye(x.shape[0], x.shape[1], x.dtype))


def dirac_(x: Tensor, groups: int = 1) -> Tensor:
    """Fills the weight of a convolution, [out, in, window...], so that channels pass unchanged, as many as there are in both."""
    if not 3 <= x.ndim <= 5 or x.shape[0] % groups:
        raise errors.ShapeError(f"dirac_: {x.shape} is no weight of a convolution of {groups} groups")
    per_group = x.shape[0] // groups
    channel, source = _C.iota(x.shape, 0), _C.iota(x.shape, 1)
    hit = _C.logical_and(_C.equal(channel % per_group, source), channel % per_group < min(per_group, x.shape[1]))
    for axis in range(2, x.ndim):
        hit = _C.logical_and(hit, _C.equal(_C.iota(x.shape, axis), x.shape[axis] // 2))
    return x.assign(hit.to(x.dtype))


def orthogonal_(x: Tensor, gain: float = 1.0) -> Tensor:
    """Fills x, flattened to a matrix, with orthonormal rows or columns times gain (Saxe et al. 2014): Gram and Schmidt's, twice, on normal
    numbers."""
    if x.ndim < 2:
        raise errors.ShapeError(f"orthogonal_: {x.shape} has fewer than two axes")
    rows, columns = x.shape[0], math.prod(x.shape[1:])
    n, width = min(rows, columns), max(rows, columns)
    basis: Any = None
    for _ in range(n):
        v = _C.random_normal((width,), 0, 1, "float64")
        for _ in range(2 if basis is not None else 0):
            v = v - (basis @ v) @ basis
        v = (v / v.norm()).reshape(1, width)
        basis = v if basis is None else _C.concat([basis, v], 0)
        basis.sync()
    matrix = basis if rows <= columns else basis.T
    return x.assign((matrix * gain).reshape(x.shape).to(x.dtype))


def sparse_(x: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """Fills a matrix from a normal distribution, with a share of each column 0 (Martens 2010)."""
    if x.ndim != 2:
        raise errors.ShapeError(f"sparse_: {x.shape} is no matrix")
    order = _C.argsort(_C.argsort(_C.random_uniform(x.shape, 0, 1, float32), 0), 0)
    return x.assign(_C.where(order < math.ceil(sparsity * x.shape[0]), 0, _C.random_normal(x.shape, 0, std, x.dtype)))
