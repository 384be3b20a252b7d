"""_linear: products of matrices and vectors under the names of PyTorch and NumPy, all by matmul."""
from __future__ import annotations

import math
import string
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from . import _C, errors
from ._elements import _narrow, _wide, axis_of

Tensor = _C.TensorBase


def _ranks(who: str, **given: Tuple[Any, int]) -> None:
    for name, (x, rank) in given.items():
        if x.ndim != rank:
            raise errors.ShapeError(f"{who}: {name} needs {rank} axes, its shape is {x.shape}")


def mm(x: Any, y: Any) -> Tensor:
    """Product of two matrices, [M,K] and [K,N]."""
    _ranks("mm", x=(x, 2), y=(y, 2))
    return _C.matmul(x, y)


def bmm(x: Any, y: Any) -> Tensor:
    """Products of B pairs of matrices, [B,M,K] and [B,K,N]."""
    _ranks("bmm", x=(x, 3), y=(y, 3))
    if x.shape[0] != y.shape[0]:
        raise errors.ShapeError(f"bmm: {x.shape[0]} and {y.shape[0]} matrices")
    return _C.matmul(x, y)


def mv(x: Any, y: Any) -> Tensor:
    """A matrix [M,K] times a vector [K]."""
    _ranks("mv", x=(x, 2), y=(y, 1))
    return _C.matmul(x, y)


def dot(x: Any, y: Any) -> Tensor:
    """Sum of the products of two vectors' elements."""
    _ranks("dot", x=(x, 1), y=(y, 1))
    return _C.matmul(x, y)


vdot = dot


def inner(x: Any, y: Any) -> Tensor:
    """Sums of products along the last axes of both; of a number the product."""
    if x.ndim == 0 or y.ndim == 0:
        return _C.mul(x, y)
    if x.shape[-1] != y.shape[-1]:
        raise errors.ShapeError(f"inner: the last axes of {x.shape} and {y.shape} differ")
    return tensordot(x, y, ([-1], [-1]))


def outer(x: Any, y: Any) -> Tensor:
    """z[i,j] = x[i] * y[j]."""
    _ranks("outer", x=(x, 1), y=(y, 1))
    return _C.mul(_C.reshape(x, (-1, 1)), y)


ger = outer


def _scaled_sum(x: Any, y: Any, w: Any, product: Callable[[Any, Any], Any], beta: float, alpha: float) -> Tensor:
    out = product(_wide(y), _wide(w))  # halves are rounded once, at the end
    if alpha != 1:
        out = _C.mul(out, alpha)
    if beta != 0:
        out = _C.add(_wide(x) if beta == 1 else _C.mul(_wide(x), beta), out)
    return _narrow(out, x, y, w)


def addmm(x: Any, y: Any, w: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * (y @ w), of matrices y and w; with beta 0 x is not looked at."""
    return _scaled_sum(x, y, w, mm, beta, alpha)


def addmv(x: Any, y: Any, w: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * (y @ w), of a matrix y and a vector w."""
    return _scaled_sum(x, y, w, mv, beta, alpha)


def addr(x: Any, y: Any, w: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * outer(y, w)."""
    return _scaled_sum(x, y, w, outer, beta, alpha)


def baddbmm(x: Any, y: Any, w: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * bmm(y, w)."""
    return _scaled_sum(x, y, w, bmm, beta, alpha)


def addbmm(x: Any, y: Any, w: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * the sum of bmm(y, w) over the batch."""
    return _scaled_sum(x, y, w, lambda a, b: _C.cast(_C.sum(bmm(a, b), (0,)), a.dtype), beta, alpha)


def tensordot(x: Any, y: Any, dims: Union[int, Sequence[Sequence[int]]] = 2) -> Tensor:
    """Sums of products over pairs of axes: the last `dims` of x with the first of y, or the axes that two lists name."""
    if isinstance(dims, int):
        a, b = list(range(x.ndim - dims, x.ndim)), list(range(dims))
    else:
        a, b = ([d + v.ndim if d < 0 else d for d in axes] for v, axes in zip((x, y), dims))
    if len(a) != len(b) or any(x.shape[i] != y.shape[j] for i, j in zip(a, b)):
        raise errors.ShapeError(f"tensordot: axes {a} of {x.shape} and {b} of {y.shape} differ")
    keep, other = [i for i in range(x.ndim) if i not in a], [j for j in range(y.ndim) if j not in b]
    left, right = [x.shape[i] for i in keep], [y.shape[j] for j in other]
    n = math.prod(x.shape[i] for i in a)
    rows = _C.reshape(_C.transpose(x, keep + a) if x.ndim else x, (math.prod(left), n))
    columns = _C.reshape(_C.transpose(y, b + other) if y.ndim else y, (n, math.prod(right)))
    return _C.reshape(_C.matmul(rows, columns), left + right)


def kron(x: Any, y: Any) -> Tensor:
    """Kronecker product: each element of x times all of y, laid out in blocks."""
    n = max(x.ndim, y.ndim)
    a, b = ([1] * (n - v.ndim) + list(v.shape) for v in (x, y))
    wide = _C.reshape(x, [size for extent in a for size in (extent, 1)])
    deep = _C.reshape(y, [size for extent in b for size in (1, extent)])
    return _C.reshape(_C.mul(wide, deep), [p * q for p, q in zip(a, b)])


def trace(x: Any) -> Tensor:
    """Sum of the diagonal of a matrix."""
    _ranks("trace", x=(x, 2))
    return _C.sum(_C.diagonal(x))


def matrix_power(x: Any, n: int) -> Tensor:
    """The product of n times the same square matrices, [..,N,N]; n >= 0."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise errors.ShapeError(f"matrix_power: {x.shape} are no square matrices")
    if n < 0:
        raise errors.UnsupportedError(f"matrix_power: n is {n}; powers below 0 need an inverse")
    one = _C.cast(_C.equal(_C.iota(x.shape, x.ndim - 2), _C.iota(x.shape, x.ndim - 1)), x.dtype)
    if n == 1:
        return x[...]  # type: ignore[no-any-return]
    out: Optional[Any] = None
    while n:
        if n & 1:
            out = x if out is None else _C.matmul(out, x)
        n >>= 1
        x = _C.matmul(x, x) if n else x
    return one if out is None else out


def cross(x: Any, y: Any, dim: int = -1) -> Tensor:
    """Cross products of vectors of 3 along an axis."""
    shape = _C.add(x, y).shape if x.shape != y.shape else x.shape
    axis = axis_of("cross", dim, len(shape))
    if shape[axis] != 3:
        raise errors.ShapeError(f"cross: axis {dim} of {shape} has not 3 elements")
    x, y = (v if v.shape == shape else _C.expand(v, shape) for v in (x, y))
    return _C.sub(_C.mul(_C.roll(x, -1, axis), _C.roll(y, -2, axis)), _C.mul(_C.roll(x, -2, axis), _C.roll(y, -1, axis)))


def cdist(x: Any, y: Any, p: float = 2.0) -> Tensor:
    """p-norms of the differences of rows: x [..,M,K] and y [..,N,K] give [..,M,N]."""
    if x.shape[-1] != y.shape[-1]:
        raise errors.ShapeError(f"cdist: rows of {x.shape[-1]} and of {y.shape[-1]} elements")
    return _C.norm(_C.sub(x[..., :, None, :], y[..., None, :, :]), p, (-1,))


# ---- einsum
def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products in Einstein's notation: einsum("bij,bjk->bik", x, y). Letters name axes, "..." the leading ones that
    broadcast; without "->" the letters that appear once, in alphabetical order. Operands may be one list."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    terms, result = _parse(equation.replace(" ", ""), operands)
    sizes: Dict[str, int] = {}
    values = [_diagonals(equation, x, term, sizes) for x, term in zip(operands, terms)]
    out, letters = values[0]
    for i, (y, term) in enumerate(values[1:], 2):
        later = set(result).union(*(t for _, t in values[i:]))
        out, letters = _pair(out, letters, y, term, later)
    gone = [i for i, c in enumerate(letters) if c not in result]
    if gone:
        out = _C.sum(out, gone)
        letters = "".join(c for c in letters if c in result)
    if out.dtype != operands[0].dtype and not any(o.dtype.is_floating_point for o in operands):
        out = _C.cast(out, operands[0].dtype)  # sums of narrow integers are wide
    return _C.transpose(out, [letters.index(c) for c in result]) if result else out


def _parse(equation: str, operands: Sequence[Any]) -> Tuple[List[str], str]:
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands) or not operands:
        raise errors.ArgumentError(f"einsum: {equation!r} names {len(terms)} operands, {len(operands)} are given")
    letters = set(equation) - set("->,.")
    if not all(c in string.ascii_letters for c in letters):
        raise errors.ArgumentError(f"einsum: {equation!r} has other characters than letters, commas, '...' and '->'")
    spare = [c for c in map(chr, range(0x100, 0x140))]  # for the axes of "...", the last one first
    most = 0
    for i, (term, x) in enumerate(zip(terms, operands)):
        head, dots, tail = term.partition("...")
        many = x.ndim - len(head) - len(tail)
        if "." in head + tail or many < 0 or (many and not dots):
            raise errors.ShapeError(f"einsum: {term!r} does not fit shape {x.shape}")
        terms[i] = head + "".join(reversed(spare[:many])) + tail
        most = max(most, many)
    if not arrow:
        text = "".join(terms)
        return terms, "".join(reversed(spare[:most])) + "".join(sorted(c for c in letters if text.count(c) == 1))
    right = right.replace("...", "".join(reversed(spare[:most])))
    unknown = [c for c in right if c not in "".join(terms) or right.count(c) > 1]
    if unknown:
        raise errors.ArgumentError(f"einsum: '{unknown[0]}' of the result is no axis of an operand, or is there twice")
    return terms, right


def _diagonals(equation: str, x: Any, term: str, sizes: Dict[str, int]) -> Tuple[Any, str]:
    """An axis for each letter; and every extent of a letter is one, or 1."""
    for c, extent in zip(term, x.shape):
        if sizes.setdefault(c, extent) != extent and 1 not in (extent, sizes[c]):
            raise errors.ShapeError(f"einsum: '{c}' of {equation!r} is {sizes[c]} and {extent}")
        sizes[c] = max(sizes[c], extent) if extent else 0
    for c in sorted(set(term)):
        while term.count(c) > 1:
            first, second = term.index(c), term.rindex(c)
            x = _C.diagonal(x, 0, first, second)
            term = term[:first] + term[first + 1:second] + term[second + 1:] + c
    return x, term


def _pair(x: Any, a: str, y: Any, b: str, later: Any) -> Tuple[Any, str]:
    """Two operands as one: letters of both that nobody needs later are summed, by matmul."""
    def summed(v: Any, term: str, other: str) -> Tuple[Any, str]:
        gone = [i for i, c in enumerate(term) if c not in later and c not in other]
        return (_C.sum(v, gone), "".join(c for c in term if c in later or c in other)) if gone else (v, term)

    x, a = summed(x, a, b)
    y, b = summed(y, b, a)
    both = [c for c in a if c in b]
    size = {c: max(x.shape[a.index(c)], y.shape[b.index(c)]) if x.shape[a.index(c)] and y.shape[b.index(c)] else 0 for c in both}
    x, y = (_C.expand(v, [size.get(c, n) for c, n in zip(t, v.shape)]) if any(size.get(c, n) != n for c, n in zip(t, v.shape)) else v
            for v, t in ((x, a), (y, b)))
    folded, batch = [c for c in both if c not in later], [c for c in both if c in later]
    left, right = [c for c in a if c not in b], [c for c in b if c not in a]
    rows = _laid(x, a, [batch, left, folded])
    columns = _laid(y, b, [batch, folded, right])
    extents = [size[c] for c in batch] + [x.shape[a.index(c)] for c in left] + [y.shape[b.index(c)] for c in right]
    if not folded:
        product = _C.mul(rows, columns)
    else:
        product = _C.matmul(rows, columns)
    return _C.reshape(product, extents), "".join(batch + left + right)


def _laid(x: Any, term: str, groups: List[List[str]]) -> Any:
    """x with the axes of each group as one, groups in that order."""
    order = [term.index(c) for group in groups for c in group]
    x = _C.transpose(x, order) if order else x
    at, shape = 0, []
    for group in groups:
        shape.append(math.prod(x.shape[at:at + len(group)]))
        at += len(group)
    return _C.reshape(x, shape)
