"""creation: tensors from nothing but shapes, numbers and the random state."""
from __future__ import annotations

import math
import random as _random
import sys
from operator import index
from typing import Any, Optional, Sequence, Union

from . import _C, errors
from .dtypes import DType, float32, float64, int64
from .tensor import Tensor, _is_integer, array

Shape = Union[int, Sequence[int]]


def _shape(shape: Any) -> Any:
    return shape[0] if len(shape) == 1 and not _is_integer(shape[0]) else shape


def _number(value: Any) -> Any:
    """A number of NumPy, or a tensor of one element, as one of Python."""
    return value if isinstance(value, (int, float)) else value.item() if hasattr(value, "item") else value


def zeros(*shape: Any, dtype: Any = float32) -> Tensor:
    """Zeros: zeros(2, 3) or zeros((2, 3))."""
    return _C.zeros(_shape(shape), dtype)


def ones(*shape: Any, dtype: Any = float32) -> Tensor:
    """Ones: ones(2, 3) or ones((2, 3))."""
    return _C.ones(_shape(shape), dtype)


def empty(*shape: Any, dtype: Any = float32) -> Tensor:
    """A tensor whose elements are of no interest (zeros)."""
    return _C.zeros(_shape(shape), dtype)


def full(shape: Shape, value: Any, dtype: Any = None) -> Tensor:
    """A tensor of one value; without dtype that of the value."""
    return array(value, dtype).expand(shape)


def zeros_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Zeros of x's shape and dtype."""
    return _C.zeros(x.shape, x.dtype if dtype is None else dtype)


def ones_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Ones of x's shape and dtype."""
    return _C.ones(x.shape, x.dtype if dtype is None else dtype)


def full_like(x: Tensor, value: float, dtype: Any = None) -> Tensor:
    """A value in x's shape and dtype."""
    return full(x.shape, value, x.dtype if dtype is None else dtype)


def arange(start: float, stop: Optional[float] = None, step: float = 1, dtype: Any = None) -> Tensor:
    """start, start + step, ... below stop; arange(stop) begins at 0. Integers give int64, else float32."""
    if stop is None:
        start, stop = 0, start
    start, stop, step = _number(start), _number(stop), _number(step)
    if step == 0:
        raise errors.ArgumentError("arange: step is 0")
    is_int = all(isinstance(v, int) for v in (start, stop, step))
    count = max(0, -int((start - stop) // step) if is_int else math.ceil((stop - start) / step))
    out: Tensor = _C.iota((count,), 0, int64 if is_int else float64) * step + start
    return out.to(dtype if dtype is not None else int64 if is_int else float32)


def linspace(start: float, stop: float, steps: int, dtype: Any = float32) -> Tensor:
    """`steps` numbers from start to stop, both included, evenly spaced."""
    start, stop, steps = _number(start), _number(stop), index(steps)
    if steps < 0:
        raise errors.ArgumentError(f"linspace: {steps} steps")
    width = (stop - start) / (steps - 1) if steps > 1 else 0.0
    at: Tensor = _C.iota((steps,), 0, float64)
    out: Tensor = at * width + start
    return (_C.where(at == steps - 1, stop, out) if steps > 1 else out).to(dtype)  # exactly stop, whatever rounding did


def eye(n: int, m: Optional[int] = None, dtype: Any = float32) -> Tensor:
    """Ones on the diagonal of an n x m matrix, zeros elsewhere."""
    shape = (n, n if m is None else m)
    return (_C.iota(shape, 0) == _C.iota(shape, 1)).to(dtype)


def rand(*shape: Any, dtype: Any = float32) -> Tensor:
    """Uniform in [0, 1)."""
    return _C.random_uniform(_shape(shape), 0, 1, dtype)


def randn(*shape: Any, dtype: Any = float32) -> Tensor:
    """Standard normal."""
    return _C.random_normal(_shape(shape), 0, 1, dtype)


def rand_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Uniform in [0, 1), of x's shape and dtype."""
    return rand(x.shape, dtype=x.dtype if dtype is None else dtype)


def randn_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Standard normal, of x's shape and dtype."""
    return randn(x.shape, dtype=x.dtype if dtype is None else dtype)


def uniform(shape: Shape, low: float = 0, high: float = 1, dtype: Any = float32) -> Tensor:
    """Uniform in [low, high)."""
    return _C.random_uniform(shape, low, high, dtype)


def normal(shape: Shape, mean: float = 0, std: float = 1, dtype: Any = float32) -> Tensor:
    """Normal with a mean and deviation."""
    return _C.random_normal(shape, mean, std, dtype)


def randint(low: int, high: Optional[int] = None, shape: Shape = (1,), dtype: Any = int64) -> Tensor:
    """Integers in low..high-1, evenly spread; randint(high) begins at 0."""
    if high is None:
        low, high = 0, low
    if high <= low:
        raise errors.ArgumentError(f"randint: no integers in {low}..{high - 1}")
    return _C.random_integers(shape, low, high, dtype)


def randperm(n: int, dtype: Any = int64) -> Tensor:
    """0..n-1 in random order, from Python's random state (set_global_seed seeds it).

    Errors: ArgumentError (n is negative), DTypeError and OverflowError (the dtype lacks some of them)."""
    n = index(n)
    if n < 0:
        raise errors.ArgumentError(f"randperm: n is {n}, which is negative")
    last = [n - 2, n - 1][-n:] if n else []
    if array(last, dtype).to(int64).tolist() != last:
        raise errors.DTypeError(f"randperm: n is {n}, and {dtype} does not tell {n - 2} and {n - 1} apart")
    order = list(range(n))
    _random.shuffle(order)
    return array(order, dtype) if n else _C.zeros((0,), dtype)


def set_global_seed(seed: int) -> None:
    """Seeds jt, Python's random, and NumPy where it is in use: the same calls then give the same values."""
    seed = index(seed)
    _C.context_set_seed(seed)
    _random.seed(seed)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed % 2**32)


set_seed = seed = manual_seed = set_global_seed


def get_rng_state() -> Tensor:
    """Where jt stands in its random numbers: int64 [3]; set_rng_state goes on from there."""
    return array(list(_C.random_place()), int64)


def set_rng_state(state: Any) -> None:
    """Draws from now on what was drawn after get_rng_state() gave `state`."""
    place = list(state.tolist() if isinstance(state, Tensor) else state)
    if len(place) != 3:
        raise errors.ArgumentError(f"set_rng_state: a state has 3 numbers, not {len(place)}")
    _C.set_random_place(*map(index, place))
