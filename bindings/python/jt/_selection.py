"""_selection: picking, placing, ordering and counting elements, under the names of PyTorch and NumPy. Functions whose result has as many
elements as the data say (nonzero, unique, masked_select) look at their operands."""
from __future__ import annotations

import math
from operator import index as _integer
from typing import Any, Optional

from . import _C, dtypes, errors
from ._elements import MaxMin, _float
from ._shapes import _axis, movedim, ravel

Tensor = _C.TensorBase


# ---- by index
def index_select(x: Any, dim: int, index: Any) -> Tensor:
    """Elements along an axis, picked by a vector of integers."""
    return _C.take(x, index if index.ndim else _C.reshape(index, (1,)), dim)


def take_along_dim(x: Any, indices: Any, dim: Optional[int] = None) -> Tensor:
    """z[i,j] = x[indices[i,j], j] for axis 0, and so on; the other axes broadcast. Without an axis: of all elements in order."""
    if dim is None:
        return _C.gather(ravel(x), ravel(indices), 0)
    axis = _axis("take_along_dim", dim, x.ndim)

    def wide(v: Any, other: Any) -> Any:
        shape = [a if i == axis or b == 1 else b for i, (a, b) in enumerate(zip(v.shape, other.shape))]
        return _C.expand(v, shape)
    return _C.gather(wide(x, indices), wide(indices, x), axis)


def _at(x: Any, axis: int, index: Any) -> Any:
    """A vector of indices along an axis, for every element of the slices that it picks."""
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    return _C.expand(_C.reshape(index, shape), [n if i != axis else index.size for i, n in enumerate(x.shape)])


def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
    """x with slices of source, times alpha, added at the places along an axis that a vector of integers names."""
    return _C.scatter_add(x, index, source if alpha == 1 else _C.mul(source, alpha), dim)


def index_copy(x: Any, dim: int, index: Any, source: Any) -> Tensor:
    """x with slices of source put at the places along an axis that a vector of integers names."""
    axis = _axis("index_copy", dim, x.ndim)
    return _C.scatter(x, _at(x, axis, index), source, axis)


def index_fill(x: Any, dim: int, index: Any, value: Any) -> Tensor:
    """x with a number at the places along an axis that a vector of integers names."""
    axis = _axis("index_fill", dim, x.ndim)
    at = _at(x, axis, index)
    if isinstance(value, Tensor):
        source = _C.expand(_C.cast(value, x.dtype), at.shape)
    else:
        source = _C.full(at.shape, value, x.dtype)
    return _C.scatter(x, at, source, axis)


def select_scatter(x: Any, source: Any, dim: int, index: int) -> Tensor:
    """x with source as element `index` along an axis."""
    return slice_scatter(x, source.unsqueeze(_axis("select_scatter", dim, x.ndim)), dim, _integer(index),
                         None if _integer(index) == -1 else _integer(index) + 1)


def slice_scatter(x: Any, source: Any, dim: int = 0, start: Optional[int] = None, end: Optional[int] = None, step: int = 1) -> Tensor:
    """x with source in place of x[start:end:step] along an axis."""
    axis = _axis("slice_scatter", dim, x.ndim)
    first, last, step = slice(start, end, step).indices(x.shape[axis])
    count = max(0, -(-(last - first) // step))
    shape = tuple(count if i == axis else n for i, n in enumerate(x.shape))
    if tuple(source.shape) != shape:
        raise errors.ShapeError(f"slice_scatter: the place has shape {shape}, the source {tuple(source.shape)}")
    if not count:
        return x[...]  # type: ignore[no-any-return]
    return _C.update(x, _C.cast(source, x.dtype), [first if i == axis else 0 for i in range(x.ndim)],
                     [step if i == axis else 1 for i in range(x.ndim)])


_REDUCE = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min"}


def scatter_reduce(x: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Tensor:
    """x with x[index[i,j], j] (axis 0) combined with source[i,j]: reduce sum, prod, amax, amin or mean; without include_self what was there
    does not count where something is put."""
    axis = _axis("scatter_reduce", dim, x.ndim)
    if reduce != "mean" and reduce not in _REDUCE:
        raise errors.ArgumentError(f"scatter_reduce: reduce is {reduce!r}, none of sum, prod, amax, amin, mean")
    source = source[tuple(slice(0, n) for n in index.shape)] if source.shape != index.shape else source
    ones = _C.full(index.shape, 1, dtypes.int64)
    if reduce == "mean":
        start = x if include_self else _C.where(_hit(x, axis, index), 0, x)
        count = _C.scatter(_C.full(x.shape, 1 if include_self else 0, dtypes.int64), index, ones, axis, "add")
        total, count = _C.scatter(start, index, source, axis, "add"), _C.maximum(count, 1)
        return _C.div(total, _C.cast(count, x.dtype)) if x.dtype.is_floating_point else _C.floor_div(total, _C.cast(count, x.dtype))
    combine = _REDUCE[reduce]
    if include_self:
        return _C.scatter(x, index, source, axis, combine)
    first = _C.scatter(x, index, source, axis)  # one of those that come there, so that nothing else counts
    neutral = {"add": 0, "mul": 1}.get(combine)
    if neutral is not None:
        first = _C.where(_hit(x, axis, index), neutral, x)
    return _C.scatter(first, index, source, axis, combine)


def _hit(x: Any, axis: int, index: Any) -> Any:
    put = _C.scatter(_C.full(x.shape, 0, dtypes.int64), index, _C.full(index.shape, 1, dtypes.int64), axis)
    return _C.not_equal(put, 0)


# ---- by value
def nonzero(x: Any, *, as_tuple: bool = False) -> Any:
    """[n,rank]: the coordinates of the elements that are not 0, in order; as_tuple: a vector for each axis."""
    flags = ravel(_C.not_equal(x, 0) if x.dtype != dtypes.bool else x)
    n = int(_C.sum(flags))
    at = _C.argsort(flags, 0, True)[:n] if n else _C.zeros((0,), dtypes.int64)  # equal ones as they stood
    columns = []
    for extent in reversed(x.shape):
        columns.append(_C.mod(at, extent) if n else at)
        at = _C.floor_div(at, extent) if n else at
    columns.reverse()
    if as_tuple:
        return tuple(columns) if columns else (at,)
    if not columns:
        return _C.zeros((n, 0), dtypes.int64)
    return _C.concat([_C.reshape(c, (-1, 1)) for c in columns], 1)


def argwhere(x: Any) -> Tensor:
    """[n,rank]: the coordinates of the elements that are not 0, in order."""
    return nonzero(x)  # type: ignore[no-any-return]


def masked_select(x: Any, mask: Any) -> Tensor:
    """The elements where a mask is true, in order; both broadcast."""
    both = _C.logical_and(mask, _C.equal(x, x)) if mask.shape != x.shape else mask
    x, mask = (_C.expand(v, both.shape) for v in (x, mask))
    return _C.take(ravel(x), ravel(nonzero(ravel(mask))), 0)


def masked_scatter(x: Any, mask: Any, source: Any) -> Tensor:
    """x with the first elements of source, in order, where a mask is true. Errors: IndexRangeError (source has fewer)."""
    mask = ravel(_C.expand(mask, x.shape))
    if not x.size:
        return x[...]  # type: ignore[no-any-return]
    place = _C.sub(_C.cumsum(_C.cast(mask, dtypes.int64), 0), 1)
    padded = _C.concat([ravel(source), _C.zeros((1,), source.dtype)], 0) if not source.size else ravel(source)
    picked = _C.take(padded, _C.where(mask, place if source.size else place + 1, 0), 0)
    return _C.reshape(_C.where(mask, picked, ravel(x)), x.shape)


# ---- in order
def msort(x: Any) -> Tensor:
    """In order along axis 0."""
    return _C.sort(x, 0)[0]


def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> MaxMin:
    """The k-th smallest along an axis, k from 1, and where it is."""
    if x.ndim == 0:
        return MaxMin(x[...], _C.zeros((), dtypes.int64))
    axis = _axis("kthvalue", dim, x.ndim)
    if not 1 <= k <= x.shape[axis]:
        raise errors.ArgumentError(f"kthvalue: k is {k}, not in 1..{x.shape[axis]}")
    place = (slice(None),) * axis + (slice(k - 1, k) if keepdim else k - 1,)
    values, where = _C.sort(x, axis)
    return MaxMin(values[place], where[place])


def median(x: Any, dim: Optional[int] = None, keepdim: bool = False) -> Any:
    """The middle one, of an even number the lower; along an axis with its index. A NaN wins."""
    if dim is None:
        is_empty = not x.size and x.dtype.is_floating_point
        return _C.full((), float("nan"), x.dtype) if is_empty else median(ravel(x), 0).values
    if x.ndim == 0:
        return MaxMin(x[...], _C.zeros((), dtypes.int64))
    axis = _axis("median", dim, x.ndim)
    n = x.shape[axis]
    if not n:
        raise errors.ArgumentError(f"median: axis {dim} of {x.shape} has no elements")
    low, high = kthvalue(x, (n + 1) // 2, axis, keepdim), kthvalue(x, n, axis, keepdim)
    if not x.dtype.is_floating_point:
        return low
    first = _C.argmax(_C.cast(_C.isnan(x), dtypes.int32), (axis,), keepdim)
    is_nan = _C.isnan(high.values)
    return MaxMin(_C.where(is_nan, high.values, low.values), _C.where(is_nan, first, low.indices))


def quantile(x: Any, q: Any, dim: Optional[int] = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The value below which a share q of the elements lies, along an axis or of all; q may be a vector, then along a new first axis. Between
    two elements: interpolation linear, lower, higher, midpoint or nearest. NaN if there is one. A q that is a tensor is looked at.
    Errors: ArgumentError (q is outside 0..1, there are no elements)."""
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise errors.ArgumentError(f"quantile: interpolation is {interpolation!r}, none of linear, lower, higher, midpoint, nearest")
    from .tensor import array
    x = _float(x)
    q = q if isinstance(q, Tensor) else array(q, dtypes.float64 if x.dtype == dtypes.float64 else dtypes.float32)
    wrong = [v for v in ravel(q).tolist() if not 0 <= v <= 1]
    if wrong:
        raise errors.ArgumentError(f"quantile: q is {wrong[0]}, outside 0..1")
    flat = dim is None
    rank = x.ndim
    values = movedim(ravel(x) if flat else x, 0 if flat else dim, -1) if rank else _C.reshape(x, (1,))  # type: ignore[arg-type]
    n = values.shape[-1]
    if not n:
        raise errors.ArgumentError(f"quantile: {x.shape} has no elements" + ("" if flat else f" along axis {dim}"))
    values = _C.sort(values, -1)[0]
    values = _C.where(_C.isnan(values[..., -1:]), float("nan"), values)
    at = _C.mul(_C.cast(ravel(q), dtypes.float64), n - 1)
    low, high = _C.cast(_C.floor(at), dtypes.int64), _C.cast(_C.ceil(at), dtypes.int64)
    share = _C.cast(_C.sub(at, _C.floor(at)), x.dtype)
    if interpolation == "nearest":
        out = _C.take(values, _C.cast(_C.round(at), dtypes.int64), -1)
    elif interpolation in ("lower", "higher"):
        out = _C.take(values, low if interpolation == "lower" else high, -1)
    else:
        out = _C.lerp(_C.take(values, low, -1), _C.take(values, high, -1), share if interpolation == "linear" else 0.5)
    out = movedim(out, -1, 0)
    if keepdim:
        shape = [1] * rank if flat else [1 if i == _axis("quantile", dim, rank) else s for i, s in enumerate(x.shape)]  # type: ignore[arg-type]
        out = _C.reshape(out, [q.size, *shape])
    return out if q.ndim else out[0]  # type: ignore[no-any-return]


# ---- counting
def unique(x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: None = None) -> Any:
    """The different elements in order; with return_inverse also where each element's is, with return_counts also how often each is there."""
    if dim is not None:
        raise errors.UnsupportedError("unique: along an axis is not supported; of all elements it is")
    flat = ravel(x)
    if not flat.size:
        return _parts(flat, _C.reshape(_C.zeros((0,), dtypes.int64), x.shape), _C.zeros((0,), dtypes.int64), return_inverse, return_counts)
    values, where = _C.sort(flat, 0)
    begins = _begins(values)
    numbers = _C.sub(_C.cumsum(_C.cast(begins, dtypes.int64), 0), 1)
    inverse = _C.scatter(_C.zeros(flat.shape, dtypes.int64), where, numbers, 0) if return_inverse else None
    return _runs(values, begins, None if inverse is None else _C.reshape(inverse, x.shape), return_inverse, return_counts)


def unique_consecutive(x: Any, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The elements without those that equal the one before; the rest as unique."""
    flat = ravel(x)
    if not flat.size:
        return unique(x, True, return_inverse, return_counts)
    begins = _begins(flat)
    inverse = _C.reshape(_C.sub(_C.cumsum(_C.cast(begins, dtypes.int64), 0), 1), x.shape)
    return _runs(flat, begins, inverse, return_inverse, return_counts)


def _begins(values: Any) -> Any:
    """Where an element differs from the one before it."""
    return _C.concat([_C.full((1,), True, dtypes.bool), _C.not_equal(values[1:], values[:-1])], 0)


def _runs(values: Any, begins: Any, inverse: Any, wants_inverse: bool, wants_counts: bool) -> Any:
    first = ravel(nonzero(begins))
    counts = _C.sub(_C.concat([first[1:], _C.full((1,), values.size, dtypes.int64)], 0), first)
    return _parts(_C.take(values, first, 0), inverse, counts, wants_inverse, wants_counts)


def _parts(values: Any, inverse: Any, counts: Any, wants_inverse: bool, wants_counts: bool) -> Any:
    if not (wants_inverse or wants_counts):
        return values
    return tuple(part for part, is_wanted in ((values, True), (inverse, wants_inverse), (counts, wants_counts)) if is_wanted)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 on is in a vector of integers, or the sum of its weights; at least minlength numbers."""
    if x.ndim != 1 or x.dtype.is_floating_point:
        raise errors.ArgumentError(f"bincount: {x.dtype} of shape {x.shape} is no vector of integers")
    if x.size and int(_C.min(x)) < 0:
        raise errors.ArgumentError(f"bincount: {int(_C.min(x))} is negative")
    if _integer(minlength) < 0:
        raise errors.ArgumentError(f"bincount: minlength is {minlength}, which is negative")
    n = max(int(_C.max(x)) + 1 if x.size else 0, _integer(minlength))
    if weights is None:
        return _C.scatter_add(_C.zeros((n,), dtypes.int64), x, _C.full(x.shape, 1, dtypes.int64), 0) if n else _C.zeros((0,), dtypes.int64)
    weights = weights if weights.dtype.is_floating_point else _C.cast(weights, dtypes.float64)
    return _C.scatter_add(_C.zeros((n,), weights.dtype), x, weights, 0) if n else _C.zeros((0,), weights.dtype)


def histc(x: Any, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of min..max, of the data's own range where both are 0.
    Errors: ArgumentError (no bins, min is above max, or one is not finite)."""
    flat, bins = ravel(_float(x)), _integer(bins)
    if min == max == 0 and flat.size:
        min, max = float(_C.min(flat)), float(_C.max(flat))
    if bins < 1 or not math.isfinite(min) or not math.isfinite(max) or min > max:
        raise errors.ArgumentError(f"histc: there are no {bins} parts of {min}..{max}")
    if min == max:
        min, max = min - 1, max + 1
    at = _C.floor(_C.mul(_C.div(_C.sub(flat, min), max - min), bins))
    inside = _C.logical_and(_C.greater_equal(flat, min), _C.less_equal(flat, max))
    at = _C.cast(_C.clamp(_C.where(inside, at, 0), 0, bins - 1), dtypes.int64)
    return _C.scatter_add(_C.zeros((bins,), flat.dtype), at, _C.cast(inside, flat.dtype), 0)


def searchsorted(sorted_sequence: Any, values: Any, *, right: bool = False, side: Optional[str] = None) -> Tensor:
    """Before which element of an ordered vector each value would stand, behind equal ones with right (or side="right"). An ordered matrix,
    [..,N], is searched row by row for [..,M]."""
    if side not in (None, "left", "right") or side == "left" and right:
        raise errors.ArgumentError(f"searchsorted: side is {side!r}" + (", but right is True" if right else ", neither 'left' nor 'right'"))
    right = right or side == "right"
    one = not isinstance(values, Tensor)
    values = _C.full((), values, sorted_sequence.dtype) if one else values
    edges = sorted_sequence[..., None, :] if sorted_sequence.ndim > 1 else sorted_sequence
    wanted = values[..., None]
    below = (_C.less_equal if right else _C.less)(edges, wanted)
    if edges.dtype.is_floating_point or wanted.dtype.is_floating_point:  # NaN comes last, and is equal to itself
        is_last = _C.isnan(wanted) if wanted.dtype.is_floating_point else False
        below = _C.logical_or(below, _C.logical_and(is_last, True if right else _C.equal(edges, edges)))
    return _C.sum(below, (-1,))


def bucketize(x: Any, boundaries: Any, *, right: bool = False) -> Tensor:
    """For each element the number of ordered boundaries below it, with right those equal to it too."""
    return searchsorted(boundaries, x, right=right)


# ---- random
def bernoulli(x: Any) -> Tensor:
    """1 with the probability that x says, else 0. What is below 0 or NaN counts as 0, what is above 1 as 1."""
    if not x.dtype.is_floating_point:
        raise errors.DTypeError(f"bernoulli: probabilities are {x.dtype}")
    return drawn(x, x)


def drawn(like: Any, p: Any) -> Tensor:
    """1 with probability p, else 0. By 53 random bits: a coarser number would be below a small p too often."""
    return _C.cast(_C.less(_C.random_uniform(like.shape, 0, 1, dtypes.float64), p), like.dtype)


def multinomial(x: Any, num_samples: int, replacement: bool = False) -> Tensor:
    """Indices drawn by weights [N] or [M,N], which need not add up to 1: [num_samples] or [M,num_samples]. Without replacement each at most once
    (by the largest of log(x) + Gumbel noise); with it by the inverse of the distribution function. Looks at the weights. Errors: ArgumentError
    (weights that are negative, infinite, NaN or all 0)."""
    if x.ndim not in (1, 2) or not x.dtype.is_floating_point:
        raise errors.ArgumentError(f"multinomial: {x.dtype} of shape {x.shape} is neither a vector nor a matrix of weights")
    n, num_samples = x.shape[-1], _integer(num_samples)
    if num_samples < 1:
        raise errors.ArgumentError(f"multinomial: {num_samples} samples")
    if not bool(_C.all(_C.logical_and(_C.isfinite(x), _C.greater_equal(x, 0)))):
        raise errors.ArgumentError("multinomial: a weight is negative, infinite or NaN")
    if not n or not bool(_C.all(_C.any(_C.greater(x, 0), (-1,)))):
        raise errors.ArgumentError("multinomial: all weights are 0")
    if not replacement:
        if num_samples > n:
            raise errors.ArgumentError(f"multinomial: {num_samples} of {n} without replacement")
        noise = _C.neg(_C.log(_C.neg(_C.log(_C.random_uniform(x.shape, 1e-12, 1, dtypes.float64)))))
        return _C.topk(_C.add(_C.log(_C.cast(x, dtypes.float64)), noise), num_samples, -1)[1]
    upto = _C.cumsum(_C.cast(x, dtypes.float64), -1)
    at = _C.mul(_C.random_uniform((*x.shape[:-1], num_samples), 0, 1, dtypes.float64), upto[..., -1:])
    return _C.minimum(searchsorted(upto, at, right=True), n - 1)  # whatever rounding did
