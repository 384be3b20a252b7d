"""_composed: methods of Tensor that are written in other ops, in-place ones, and what PyTorch's tensors answer beside."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple

from . import _C, _elements, _linear, _selection, _shapes, dtypes, errors

_Base = _C.TensorBase


def become(x: Any, value: Any) -> Any:
    """x stands for value from now on, with its gradients unless x is a parameter, in x's dtype. Returns x."""
    if not isinstance(value, _Base):
        value = _C.full(x.shape, value, x.dtype)
    if tuple(value.shape) != tuple(x.shape):
        raise errors.ShapeError(f"a tensor of shape {tuple(x.shape)} cannot become one of shape {tuple(value.shape)} in place")
    if value.dtype != x.dtype:
        if value.dtype.is_floating_point and not x.dtype.is_floating_point:
            raise errors.DTypeError(f"a tensor of dtype {x.dtype} cannot become one of dtype {value.dtype} in place")
        value = _C.cast(value, x.dtype)
    (_C.tensor_assign if _C.tensor_requires_grad(x) else _C.tensor_rebind)(x, value)
    return x


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **named: Any) -> Any:
        return become(self, function(self, *args, **named))
    name = getattr(function, "__name__", "op")
    method.__name__ = method.__qualname__ = name + "_"
    method.__doc__ = f"As {name}, in place: the tensor stands for the result from now on. Returns it."
    return method


def gather(x: Any, *args: Any, **named: Any) -> Any:
    """z[i,j] = x[index[i,j], j] for axis 0, and so on: gather(x, index, axis=0), or PyTorch's gather(x, dim, index)."""
    axis, (index,) = _axis_first("gather", ("index",), args, named)
    return _C.gather(x, index, axis)


def scatter_add(x: Any, *args: Any, **named: Any) -> Any:
    """x with slices of v added at a vector `index` along axis: scatter_add(x, index, v, axis=0); or, where index has as many axes as x, v[i,j]
    added to x[index[i,j], j]: PyTorch's scatter_add(x, dim, index, src)."""
    axis, (index, v) = _axis_first("scatter_add", ("index", "v"), args, named)
    if index.ndim == 1 or x.ndim == 1:
        return _C.scatter_add(x, index, v, axis)
    return _C.scatter(x, index, v[tuple(slice(0, n) for n in index.shape)] if v.shape != index.shape else v, axis, "add")


def scatter(x: Any, *args: Any, combine: str = "set", reduce: Optional[str] = None, **named: Any) -> Any:
    """x with x[index[i,j], j] combined with v[i,j] (axis 0): scatter(x, index, v, axis=0, combine="set"), or PyTorch's scatter(x, dim, index, src),
    where src may be a number and reduce "add" or "multiply"."""
    if len(args) == 4 and not _is_pytorch(args, named):
        combine, args = args[3], args[:3]
    axis, (index, v) = _axis_first("scatter", ("index", "v"), args, named)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise errors.ArgumentError(f"scatter: reduce is {reduce!r}, neither 'add' nor 'multiply'")
        combine = {"add": "add", "multiply": "mul"}[reduce]
    if not isinstance(v, _Base):
        v = _C.full(index.shape, v, x.dtype)
    elif v.shape != index.shape:
        v = v[tuple(slice(0, n) for n in index.shape)]
    return _C.scatter(x, index, v, axis, combine)


def _is_integer(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, _Base) and getattr(value, "shape", ()) == ()


def _is_pytorch(args: Tuple[Any, ...], named: Any) -> bool:
    return bool(args and _is_integer(args[0])) or "dim" in named or "src" in named or "value" in named


def _axis_first(who: str, names: Sequence[str], args: Tuple[Any, ...], named: Any) -> Tuple[int, Sequence[Any]]:
    """Either (operands.., axis) or PyTorch's (dim, operands..); keywords of both."""
    order = ("axis", *names) if args and _is_integer(args[0]) else (*names, "axis")
    if len(args) > len(order):
        raise TypeError(f"{who}: {len(args)} arguments, at most {len(order)}")
    given = dict(zip(order, args))
    for name, value in named.items():
        name = {"dim": "axis", "src": "v", "value": "v"}.get(name, name)
        if name in given or name not in order:
            raise TypeError(f"{who}() got {'twice' if name in given else 'an unknown argument'} '{name}'")
        given[name] = value
    missing = [name for name in names if name not in given]
    if missing:
        raise TypeError(f"{who}: '{missing[0]}' is missing")
    return given.get("axis", 0), [given[name] for name in names]


def _extreme(name: str, pair: Callable[..., Any], fold: Callable[..., Any], place: Callable[..., Any]) -> Callable[..., Any]:
    def function(x: Any, *args: Any, **named: Any) -> Any:
        if args and isinstance(args[0], _Base) and args[0].shape != () or "other" in named:
            return pair(x, *args, **({"y": named["other"]} if named else {}))
        is_pytorch = not {"axes", "axis", "keepdims"} & set(named) and (bool(args and _is_integer(args[0])) or _is_integer(named.get("dim")))
        if not is_pytorch:
            if "axis" in named:
                named["axes"] = named.pop("axis")
            if named.get("axes", 0) is None:
                del named["axes"]
            return fold(x, *(a for a in args if a is not None), **named)
        dim, keep = _dim_and_keep(name, args, named)
        if x.ndim == 0:
            return _elements.MaxMin(x[...], _C.zeros((), dtypes.int64))
        where = place(x, (dim,), True)
        values = _C.gather(x, where, _shapes._axis(name, dim, x.ndim))
        return _elements.MaxMin(values, where) if keep else _elements.MaxMin(values.squeeze(dim), where.squeeze(dim))
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (f"The {name}imum of all elements, {name}(x); over axes, {name}(x, axes=(0, 1), keepdims=False); along one axis with its places, as PyTorch's "
                        f"{name}(x, dim, keepdim=False): (values, indices); or of two tensors, {name}(x, y).")
    return function


def _dim_and_keep(who: str, args: Tuple[Any, ...], named: Any) -> Tuple[int, bool]:
    given = dict(zip(("dim", "keepdim"), args))
    for name, value in named.items():
        if name in given or name not in ("dim", "keepdim"):
            raise TypeError(f"{who}() got {'twice' if name in given else 'an unknown argument'} '{name}'")
        given[name] = value
    return given["dim"], bool(given.get("keepdim", False))


max = _extreme("max", _C.maximum, _C.max, _C.argmax)
min = _extreme("min", _C.minimum, _C.min, _C.argmin)


class Composed:
    """The methods."""

    __slots__ = ()

    # ---- other names
    absolute, negative, multiply, fix = _Base.abs, _Base.neg, _Base.mul, _Base.trunc
    arccos, arcsin, arctan, arccosh, arcsinh, arctanh, arctan2 = (
        _Base.acos, _Base.asin, _Base.atan, _Base.acosh, _Base.asinh, _Base.atanh, _Base.atan2)
    eq, ne, lt, le, gt, ge = _Base.equal, _Base.not_equal, _Base.less, _Base.less_equal, _Base.greater, _Base.greater_equal
    remainder, floor_divide, true_divide = _Base.mod, _Base.floor_div, _Base.div
    bitwise_left_shift, bitwise_right_shift = _Base.shift_left, _Base.shift_right

    # ---- functions
    add, sub, subtract, div, divide = _elements.add, _elements.sub, _elements.sub, _elements.div, _elements.div
    clamp, clip, clamp_min, clamp_max = _elements.clamp, _elements.clamp, _elements.clamp_min, _elements.clamp_max
    positive, frac, logit, sinc, heaviside = (
        _elements.positive, _elements.frac, _elements.logit, _elements.sinc, _elements.heaviside)
    deg2rad, rad2deg, addcmul, addcdiv, fmax, fmin = (
        _elements.deg2rad, _elements.rad2deg, _elements.addcmul, _elements.addcdiv, _elements.fmax, _elements.fmin)
    isposinf, isneginf, signbit, ldexp, float_power, logaddexp2 = (
        _elements.isposinf, _elements.isneginf, _elements.signbit, _elements.ldexp, _elements.float_power, _elements.logaddexp2)
    amax, amin, nansum, nanmean, count_nonzero, allclose = (
        _elements.amax, _elements.amin, _elements.nansum, _elements.nanmean, _elements.count_nonzero, _elements.allclose)
    diff, dist, max, min = _elements.diff, _elements.dist, max, min
    mm, bmm, mv, dot, vdot, inner, outer, ger = (
        _linear.mm, _linear.bmm, _linear.mv, _linear.dot, _linear.dot, _linear.inner, _linear.outer, _linear.outer)
    addmm, addmv, addr, baddbmm, addbmm = _linear.addmm, _linear.addmv, _linear.addr, _linear.baddbmm, _linear.addbmm
    kron, trace, matrix_power, cross, tensordot = _linear.kron, _linear.trace, _linear.matrix_power, _linear.cross, _linear.tensordot
    movedim, moveaxis, swapdims, ravel, unflatten, narrow, select = (
        _shapes.movedim, _shapes.movedim, _shapes.swapaxes, _shapes.ravel, _shapes.unflatten, _shapes.narrow, _shapes.select)
    broadcast_to, expand_as, view_as, reshape_as, fliplr, flipud, rot90 = (
        _shapes.broadcast_to, _shapes.expand_as, _shapes.view_as, _shapes.view_as, _shapes.fliplr, _shapes.flipud, _shapes.rot90)
    tensor_split, repeat_interleave, unfold = _shapes.tensor_split, _shapes.repeat_interleave, _shapes.unfold
    diag, diag_embed, diagflat = _shapes.diag, _shapes.diag_embed, _shapes.diagflat
    mT = property(_shapes.mT, doc="The last two axes exchanged.")
    gather, scatter, scatter_add = gather, scatter, scatter_add
    index_select, take_along_dim, index_add, index_copy, index_fill = (
        _selection.index_select, _selection.take_along_dim, _selection.index_add, _selection.index_copy, _selection.index_fill)
    select_scatter, slice_scatter, scatter_reduce = _selection.select_scatter, _selection.slice_scatter, _selection.scatter_reduce
    nonzero, argwhere, masked_select, masked_scatter = (
        _selection.nonzero, _selection.argwhere, _selection.masked_select, _selection.masked_scatter)
    msort, kthvalue, median, quantile = _selection.msort, _selection.kthvalue, _selection.median, _selection.quantile
    unique, unique_consecutive, bincount, histc = (
        _selection.unique, _selection.unique_consecutive, _selection.bincount, _selection.histc)
    bernoulli, multinomial = _selection.bernoulli, _selection.multinomial

    # ---- in place
    abs_, neg_, exp_, log_, sqrt_, rsqrt_, square_, reciprocal_ = (
        _in_place(_C.abs), _in_place(_C.neg), _in_place(_C.exp), _in_place(_C.log), _in_place(_C.sqrt), _in_place(_C.rsqrt), _in_place(_C.square),
        _in_place(_C.reciprocal))
    sin_, cos_, tanh_, sigmoid_, relu_, floor_, ceil_, round_, trunc_, sign_ = (
        _in_place(_C.sin), _in_place(_C.cos), _in_place(_C.tanh), _in_place(_C.sigmoid), _in_place(_C.relu), _in_place(_C.floor),
        _in_place(_C.ceil), _in_place(_C.round), _in_place(_C.trunc), _in_place(_C.sign))
    add_, sub_, mul_, div_, pow_ = (
        _in_place(_elements.add), _in_place(_elements.sub), _in_place(_C.mul), _in_place(_elements.div), _in_place(_C.pow))
    remainder_, fmod_, floor_divide_ = _in_place(_C.mod), _in_place(_C.fmod), _in_place(_C.floor_div)
    clamp_, clip_, clamp_min_, clamp_max_, lerp_ = (
        _in_place(_elements.clamp), _in_place(_elements.clamp), _in_place(_elements.clamp_min), _in_place(_elements.clamp_max), _in_place(_C.lerp))
    addcmul_, addcdiv_, addmm_, baddbmm_ = (
        _in_place(_elements.addcmul), _in_place(_elements.addcdiv), _in_place(_linear.addmm), _in_place(_linear.baddbmm))
    logical_and_, logical_or_, logical_not_, bitwise_and_, bitwise_or_ = (
        _in_place(_C.logical_and), _in_place(_C.logical_or), _in_place(_C.logical_not), _in_place(_C.bitwise_and), _in_place(_C.bitwise_or))
    masked_fill_, masked_scatter_, nan_to_num_, tril_, triu_, cumsum_ = (
        _in_place(_C.masked_fill), _in_place(_selection.masked_scatter), _in_place(_C.nan_to_num), _in_place(_C.tril), _in_place(_C.triu),
        _in_place(_C.cumsum))
    index_add_, index_copy_, index_fill_, scatter_, scatter_add_, scatter_reduce_ = (
        _in_place(_selection.index_add), _in_place(_selection.index_copy), _in_place(_selection.index_fill), _in_place(scatter),
        _in_place(scatter_add), _in_place(_selection.scatter_reduce))

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        """Takes the elements of a tensor that broadcasts to its shape, converted to its dtype. Returns self."""
        if not isinstance(source, _Base):
            return self.fill_(source)
        source = _C.cast(source, self.dtype) if source.dtype != self.dtype else source  # type: ignore[attr-defined]
        return become(self, source if source.shape == self.shape else _C.expand(source, self.shape))  # type: ignore[attr-defined]

    def fill_(self, value: Any) -> Any:
        """Takes a number, or a tensor of one element, for every element. Returns self."""
        from .tensor import array
        value = _C.cast(value, self.dtype) if isinstance(value, _Base) else array(value, self.dtype)  # type: ignore[attr-defined]
        return become(self, _C.expand(_C.reshape(value, ()), self.shape))  # type: ignore[attr-defined]

    def zero_(self) -> Any:
        """Becomes 0. Returns self."""
        return become(self, _C.full_like(self, 0))

    def uniform_(self, a: float = 0, b: float = 1) -> Any:
        """Draws from [a, b). Returns self."""
        return become(self, _C.random_uniform(self.shape, a, b, self.dtype))  # type: ignore[attr-defined]

    def normal_(self, mean: float = 0, std: float = 1) -> Any:
        """Draws from a normal distribution. Returns self."""
        return become(self, _C.random_normal(self.shape, mean, std, self.dtype))  # type: ignore[attr-defined]

    def bernoulli_(self, p: float = 0.5) -> Any:
        """Draws 1 with probability p, else 0. Returns self. Errors: ArgumentError (p is outside 0..1)."""
        if not 0 <= p <= 1:
            raise errors.ArgumentError(f"bernoulli_: p is {p}, outside 0..1")
        return become(self, _selection.drawn(self, p))

    def exponential_(self, lambd: float = 1) -> Any:
        """Draws from an exponential distribution. Returns self. Errors: ArgumentError (lambd is not above 0)."""
        if not lambd > 0:
            raise errors.ArgumentError(f"exponential_: lambd is {lambd}, not above 0")
        u = _C.random_uniform(self.shape, 0, 1, dtypes.float64)  # type: ignore[attr-defined]
        return become(self, _C.div(_C.neg(_C.log1p(_C.neg(u))), lambd))

    def fill_diagonal_(self, value: float) -> Any:
        """A number on the diagonal of a matrix, or where all indices of equal axes are equal. Returns self."""
        shape = self.shape  # type: ignore[attr-defined]
        if len(shape) < 2 or len(shape) > 2 and len(set(shape)) > 1:
            raise errors.ShapeError(f"fill_diagonal_: {shape} is neither a matrix nor of equal extents")
        at = _C.equal(_C.iota(shape, 0), _C.iota(shape, 1))
        for axis in range(2, len(shape)):
            at = _C.logical_and(at, _C.equal(_C.iota(shape, 0), _C.iota(shape, axis)))
        return become(self, _C.where(at, _C.full((), value, self.dtype), self))  # type: ignore[attr-defined]

    def detach_(self) -> Any:
        """No gradient flows through it any more. Returns self."""
        return self.stop_grad()  # type: ignore[attr-defined]

    # ---- what it is
    is_cuda = property(lambda self: self.device.startswith("cuda"), doc="Whether it is on a CUDA device.")
    is_leaf = property(lambda self: _C.tensor_requires_grad(self) or _C.tensor_is_ready(self), doc="Whether it was made and not computed.")
    is_sparse = property(lambda self: False, doc="Never.")

    def is_floating_point(self) -> bool:
        """Whether its dtype is float16, bfloat16, float32 or float64."""
        return bool(self.dtype.is_floating_point)  # type: ignore[attr-defined]

    def is_complex(self) -> bool:
        """Never: there are no complex dtypes."""
        return False

    def is_contiguous(self) -> bool:
        """Always: elements lie densely, in row-major order."""
        return True

    def contiguous(self) -> Any:
        """Itself: elements lie densely, in row-major order."""
        return self

    def pin_memory(self) -> Any:
        """Itself: the library stages copies to devices by itself."""
        return self

    def stride(self, dim: Optional[int] = None) -> Any:
        """How many elements lie between neighbours along each axis, or along one."""
        out, step = [], 1
        for extent in reversed(self.shape):  # type: ignore[attr-defined]
            out.append(step)
            step *= extent or 1
        return tuple(reversed(out)) if dim is None else tuple(reversed(out))[dim]

    def element_size(self) -> int:
        """Bytes of one element."""
        return int(self.dtype.itemsize)  # type: ignore[attr-defined]

    def nelement(self) -> int:
        """Number of elements."""
        return _C.tensor_count(self)

    def ndimension(self) -> int:
        """Number of axes."""
        return _C.tensor_ndim(self)

    # ---- of the same kind
    def type(self, dtype: Any = None) -> Any:
        """The dtype, or the tensor converted to one."""
        return self.dtype if dtype is None else _C.cast(self, dtype)  # type: ignore[attr-defined]

    def type_as(self, other: Any) -> Any:
        """Converted to the dtype of another tensor."""
        return self if self.dtype == other.dtype else _C.cast(self, other.dtype)  # type: ignore[attr-defined]

    def byte(self) -> Any:
        """Converted to uint8."""
        return _C.cast(self, dtypes.uint8)

    def char(self) -> Any:
        """Converted to int8."""
        return _C.cast(self, dtypes.int8)

    def short(self) -> Any:
        """Converted to int16."""
        return _C.cast(self, dtypes.int16)

    def bfloat16(self) -> Any:
        """Converted to bfloat16."""
        return _C.cast(self, dtypes.bfloat16)

    def cuda(self, device: Any = 0) -> Any:
        """On a CUDA device; itself where it is there. Errors: NotFoundError where there is none."""
        return self.to(device if isinstance(device, str) else f"cuda:{device}")  # type: ignore[attr-defined]

    def new_zeros(self, *size: Any, dtype: Any = None) -> Any:
        """Zeros of its dtype, or another."""
        return self._new(0, size, dtype)

    def new_ones(self, *size: Any, dtype: Any = None) -> Any:
        """Ones of its dtype, or another."""
        return self._new(1, size, dtype)

    def new_empty(self, *size: Any, dtype: Any = None) -> Any:
        """As new_zeros."""
        return self._new(0, size, dtype)

    def new_full(self, size: Sequence[int], fill_value: Any, dtype: Any = None) -> Any:
        """A number for every element, of its dtype, or another."""
        return self._new(fill_value, (size,), dtype)

    def new_tensor(self, data: Any, dtype: Any = None) -> Any:
        """A tensor of its dtype, or another."""
        from .tensor import array
        return array(data, self.dtype if dtype is None else dtype)  # type: ignore[attr-defined]

    def _new(self, value: Any, size: Tuple[Any, ...], dtype: Any) -> Any:
        shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
        return _C.full(shape, value, self.dtype if dtype is None else dtype)  # type: ignore[attr-defined]
