"""_shapes: functions that lay elements out anew, under the names of PyTorch and NumPy."""
from __future__ import annotations

import math
from operator import index
from typing import Any, List, Optional, Sequence, Tuple, Union

from . import _C, dtypes, errors
from ._elements import axis_of as _axis

Tensor = _C.TensorBase
_MOST_PARTS = 1 << 20  # of a list


def _listed(axes: Any) -> List[int]:
    return [index(a) for a in axes] if isinstance(axes, (tuple, list)) else [index(axes)]


def movedim(x: Any, source: Union[int, Sequence[int]], destination: Union[int, Sequence[int]]) -> Tensor:
    """Axes `source` brought to the places `destination`; the others keep their order."""
    a, b = ([_axis("movedim", d, x.ndim) for d in _listed(axes)] for axes in (source, destination))
    if len(a) != len(b) or len(set(a)) != len(a) or len(set(b)) != len(b):
        raise errors.ShapeError(f"movedim: {source} and {destination} are not pairs of different axes")
    order = [i for i in range(x.ndim) if i not in a]
    for to, where in sorted(zip(b, a)):
        order.insert(to, where)
    return _C.transpose(x, order) if x.ndim else x[...]  # type: ignore[no-any-return]


moveaxis = movedim


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    order = list(range(x.ndim))
    a, b = _axis("swapaxes", axis1, x.ndim), _axis("swapaxes", axis2, x.ndim)
    order[a], order[b] = b, a
    return _C.transpose(x, order)


swapdims = swapaxes


def ravel(x: Any) -> Tensor:
    """All elements along one axis."""
    return _C.reshape(x, (-1,)) if x.ndim != 1 else x[...]  # type: ignore[no-any-return]


def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Tensor:
    """An axis as several, of these extents; one may be -1."""
    axis = _axis("unflatten", dim, x.ndim)
    sizes, extent = list(sizes), x.shape[axis]
    if -1 in sizes:
        known = -math.prod(sizes)
        sizes[sizes.index(-1)] = extent // known if known else 0
    if math.prod(sizes) != extent:
        raise errors.ShapeError(f"unflatten: {sizes} are not {extent} elements")
    return _C.reshape(x, list(x.shape[:axis]) + sizes + list(x.shape[axis + 1:]))


def narrow(x: Any, dim: int, start: int, length: int) -> Tensor:
    """`length` elements from `start` on along an axis."""
    axis = _axis("narrow", dim, x.ndim)
    extent, start = x.shape[axis], index(start)
    first = start + extent if start < 0 else start
    if not 0 <= first <= first + length <= extent:
        raise errors.ShapeError(f"narrow: {length} elements from {start} on are outside axis {dim} of {extent}")
    return x[(slice(None),) * axis + (slice(first, first + length),)]  # type: ignore[no-any-return]


def select(x: Any, dim: int, index: int) -> Tensor:
    """Element `index` along an axis, without it."""
    return x[(slice(None),) * _axis("select", dim, x.ndim) + (index,)]  # type: ignore[no-any-return]


def broadcast_to(x: Any, shape: Sequence[int]) -> Tensor:
    """Repeated to a shape, as operands are."""
    return _C.expand(x, shape)


def expand_as(x: Any, other: Any) -> Tensor:
    """Repeated to the shape of another tensor."""
    return _C.expand(x, other.shape)


def view_as(x: Any, other: Any) -> Tensor:
    """In the shape of another tensor, of as many elements."""
    return _C.reshape(x, other.shape)


reshape_as = view_as


def fliplr(x: Any) -> Tensor:
    """Axis 1 backwards."""
    return _C.flip(x, (_axis("fliplr", 1, x.ndim),))


def flipud(x: Any) -> Tensor:
    """Axis 0 backwards."""
    return _C.flip(x, (_axis("flipud", 0, x.ndim),))


def rot90(x: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by a right angle, from the first axis towards the second."""
    a, b = (_axis("rot90", d, x.ndim) for d in dims)
    if a == b:
        raise errors.ShapeError(f"rot90: {tuple(dims)} is one axis twice")
    turned = (lambda v: v, lambda v: _C.flip(swapaxes(v, a, b), (a,)), lambda v: _C.flip(v, (a, b)), lambda v: _C.flip(swapaxes(v, a, b), (b,)))
    return turned[index(k) % 4](x)  # type: ignore[no-any-return]


def mT(x: Any) -> Tensor:
    """The last two axes exchanged."""
    return swapaxes(x, -2, -1)


# ---- several as one, one as several
def atleast_1d(x: Any) -> Tensor:
    """A number as a vector of one; else x."""
    return x[...] if x.ndim else _C.reshape(x, (1,))  # type: ignore[no-any-return]


def atleast_2d(x: Any) -> Tensor:
    """A vector as a matrix of one row, a number as [1,1]; else x."""
    return x[...] if x.ndim > 1 else _C.reshape(x, (1, -1))  # type: ignore[no-any-return]


def atleast_3d(x: Any) -> Tensor:
    """A matrix [M,N] as [M,N,1], a vector [N] as [1,N,1], a number as [1,1,1]; else x."""
    if x.ndim > 2:
        return x[...]  # type: ignore[no-any-return]
    return _C.reshape(x, (*x.shape, 1) if x.ndim == 2 else (1, -1, 1))


def hstack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 1, vectors along axis 0."""
    parts = [atleast_1d(x) for x in tensors]
    return _C.concat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 0, each at least a matrix."""
    return _C.concat([atleast_2d(x) for x in tensors], 0)


row_stack = vstack


def dstack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 2, each of at least three axes."""
    return _C.concat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Any]) -> Tensor:
    """Vectors as columns, matrices side by side."""
    return _C.concat([_C.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in tensors], 1)


def tensor_split(x: Any, indices_or_sections: Union[int, Sequence[int]], dim: int = 0) -> Tuple[Tensor, ...]:
    """So many parts along an axis, the first ones longer by one where it does not divide; or cut before the indices listed."""
    axis = _axis("tensor_split", dim, x.ndim)
    extent = x.shape[axis]
    if isinstance(indices_or_sections, (tuple, list)):
        cuts = [index(i) for i in indices_or_sections]
    else:
        n = index(indices_or_sections)
        if not 1 <= n <= _MOST_PARTS:
            raise errors.ArgumentError(f"tensor_split: {n} sections are not in 1..{_MOST_PARTS}")
        cuts = [i * (extent // n) + min(i, extent % n) for i in range(1, n)]
    edges: List[Optional[int]] = [0, *cuts, None]
    return tuple(x[(slice(None),) * axis + (slice(a, b),)] for a, b in zip(edges, edges[1:]))


def broadcast_tensors(*tensors: Any) -> Tuple[Tensor, ...]:
    """All repeated to the shape that they broadcast to."""
    n = max(x.ndim for x in tensors)
    shape = [1] * n
    for x in tensors:
        for i, extent in enumerate(x.shape, n - x.ndim):
            if extent != 1:
                shape[i] = extent if shape[i] == 1 else shape[i]
    return tuple(_C.expand(x, shape) for x in tensors)


def meshgrid(*tensors: Any, indexing: str = "ij") -> Tuple[Tensor, ...]:
    """Coordinates of a grid over vectors; with indexing "xy" the first two axes are exchanged."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise errors.ArgumentError(f"meshgrid: indexing is {indexing!r}, neither 'ij' nor 'xy'")
    n, vectors = len(tensors), [atleast_1d(x) for x in tensors]
    shape = [v.shape[0] for v in vectors]
    grids = [_C.expand(_C.reshape(v, [-1 if i == k else 1 for i in range(n)]), shape) for k, v in enumerate(vectors)]
    return tuple(swapaxes(g, 0, 1) for g in grids) if indexing == "xy" and n > 1 else tuple(grids)


def repeat_interleave(x: Any, repeats: Any, dim: Optional[int] = None) -> Tensor:
    """Each element along an axis so many times in a row (of all elements in order where there is no axis); `repeats` may be a tensor with
    a number for each, which is then looked at."""
    if dim is None:
        x, dim = ravel(x), 0
    axis = _axis("repeat_interleave", dim, x.ndim)
    if isinstance(repeats, Tensor) and repeats.ndim:
        counts = [index(n) for n in repeats.tolist()]
        if min(counts, default=0) < 0:
            raise errors.ArgumentError(f"repeat_interleave: {min(counts)} repeats")
        if len(counts) not in (1, x.shape[axis]):
            raise errors.ShapeError(f"repeat_interleave: {len(counts)} repeats for {x.shape[axis]} elements")
        counts = counts * x.shape[axis] if len(counts) == 1 else counts
        from .tensor import array
        return _C.take(x, array([i for i, n in enumerate(counts) for _ in range(n)], dtypes.int64), axis)
    n, shape = index(repeats), list(x.shape)
    if n < 0:
        raise errors.ArgumentError(f"repeat_interleave: {n} repeats")
    spread = _C.expand(_C.reshape(x, shape[:axis + 1] + [1] + shape[axis + 1:]), shape[:axis + 1] + [n] + shape[axis + 1:])
    return _C.reshape(spread, shape[:axis] + [shape[axis] * n] + shape[axis + 1:])


def unfold(x: Any, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` elements, `step` apart, along an axis; the elements of a window lie along a new last axis."""
    axis = _axis("unfold", dimension, x.ndim)
    last = movedim(x, axis, -1)
    return movedim(_C.windows(last, (size,), (step,)), -2, axis)


# ---- diagonals
def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last axis as a diagonal of new matrices, zeros elsewhere."""
    n = x.shape[-1] + abs(offset)
    shape = (*x.shape[:-1], n, n)
    row, column = _C.iota(shape, x.ndim - 1), _C.iota(shape, x.ndim)
    wide = _C.pad(x, [0] * (x.ndim - 1) + [max(-offset, 0)], [0] * (x.ndim - 1) + [max(offset, 0)]) if offset else x
    at = _C.equal(column, _C.add(row, offset))
    out = _C.where(at, wide[..., :, None], False if x.dtype == dtypes.bool else 0)
    return movedim(out, (-2, -1), (dim1, dim2)) if (dim1, dim2) != (-2, -1) else out


def diag(x: Any, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix; a matrix' diagonal as a vector."""
    if x.ndim == 1:
        return diag_embed(x, diagonal)
    if x.ndim != 2:
        raise errors.ShapeError(f"diag: {x.shape} is neither a vector nor a matrix")
    return _C.diagonal(x, diagonal)


def diagflat(x: Any, offset: int = 0) -> Tensor:
    """All elements as the diagonal of a matrix."""
    return diag_embed(ravel(x), offset)


def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of one, zeros elsewhere."""
    parts = [atleast_2d(x) for x in tensors]
    width, at, rows = sum(p.shape[1] for p in parts), 0, []
    for p in parts:
        rows.append(_C.pad(p, (0, at), (0, width - at - p.shape[1])))
        at += p.shape[1]
    return _C.concat(rows, 0)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """[2,n]: rows and columns of what is on and below a diagonal, row by row."""
    return _where(row, col, _C.less_equal, offset)


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """[2,n]: rows and columns of what is on and above a diagonal, row by row."""
    return _where(row, col, _C.greater_equal, offset)


def _where(row: int, col: int, compare: Any, offset: int) -> Tensor:
    from ._selection import nonzero
    shape = (row, col)
    return _C.transpose(nonzero(compare(_C.sub(_C.iota(shape, 1), _C.iota(shape, 0)), offset)))
