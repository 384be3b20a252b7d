"""init: initial values of parameters, in place (names ending in _) or as new tensors."""
from __future__ import annotations

from typing import Any

from . import _C
from .creation import Shape, full
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


def kaiming_normal_(x: Tensor) -> Tensor:
    """Fills x by He et al. 2015, normal."""
    return x.assign(initial("he_normal", x.shape, x.dtype))


def kaiming_uniform_(x: Tensor) -> Tensor:
    """Fills x by He et al. 2015, uniform."""
    return x.assign(initial("he_uniform", x.shape, x.dtype))


def xavier_normal_(x: Tensor) -> Tensor:
    """Fills x by Glorot and Bengio 2010, normal."""
    return x.assign(initial("xavier_normal", x.shape, x.dtype))


def xavier_uniform_(x: Tensor) -> Tensor:
    """Fills x by Glorot and Bengio 2010, uniform."""
    return x.assign(initial("xavier_uniform", x.shape, x.dtype))
