"""tensor: jt.Tensor, a lazy n-dimensional array: the type that SWIG makes, and what needs no speed."""
from __future__ import annotations

import math
import os
from operator import index
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _C, dtypes, errors
from ._composed import Composed
from .dtypes import DType
from .progress import compiling

_GRAD_RETAIN, _GRAD_CREATE, _GRAD_ALLOW_UNUSED = 1, 2, 4
_MOST_PARTS = 128  # that one op gives


def _numpy() -> Any:
    try:
        import numpy
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise ImportError("this needs NumPy; without it there are memoryview(x), x.tolist() and DLPack") from None
    return numpy


class Dim(NamedTuple):
    """A dimension that differs from evaluation to evaluation: its name, and the extents that it may have.

    x.name_dim(0, jt.Dim("N", 1, 1024)) says that axis 0 of x is one."""
    name: str
    low: int = 1
    high: int = 1 << 40


class Tensor(Composed, _C.TensorBase):
    """A value that is computed when it is needed.

    Shape and dtype are known at once; elements exist after the first look at them (print, numpy, item, sync).
    `b = a` is the same tensor; a slice is a new value; `a += 1` and `a[i] = v` change what `a` stands for, and what was
    recorded from it before keeps the old value. Make one with jt.array, jt.zeros, jt.randn and the like.
    """

    __slots__ = ("__weakref__", "_origin", "name", "_is_parameter")
    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy leaves `array + tensor` to the tensor

    def __new__(cls, data: Any = (), dtype: Any = None) -> "Tensor":
        return _C.wrap_as(cls, array(data, dtype))

    def __init__(self, data: Any = (), dtype: Any = None) -> None:
        pass

    # ---- what it is
    shape = property(_C.shape, doc="Extents, a tuple of int.")
    dtype = property(_C.tensor_dtype, doc="Element type, jt.float32 and the like.")
    ndim = property(_C.tensor_ndim, doc="Number of axes.")
    device = property(_C.device_of, doc="Where it is computed or lies, as \"cpu\" or \"cuda:0\".")
    is_ready = property(_C.tensor_is_ready, doc="Whether the elements exist: looking at them runs nothing.")

    @property
    def size(self) -> int:
        """Number of elements."""
        return _C.tensor_count(self)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return _C.tensor_count(self) * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def numel(self) -> int:
        """Number of elements."""
        return _C.tensor_count(self)

    def dim(self) -> int:
        """Number of axes."""
        return _C.tensor_ndim(self)

    # ---- its elements
    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return _C.tolist(self)

    def _viewable(self) -> "Tensor":
        return _C.cast(self, dtypes.float32) if self.dtype is dtypes.bfloat16 else self

    def numpy(self, copy: bool = True, *, force: bool = False) -> Any:
        """The elements as a NumPy array: a writable copy, or with copy=False a read-only view. bfloat16 becomes float32. `force` is PyTorch's:
        gradients and devices are never in the way."""
        np, x = _numpy(), self._viewable()
        view = memoryview(x)  # NumPy itself would drop what this raises
        return np.array(view, copy=True) if copy else np.asarray(view)

    def fetch_sync(self) -> Any:
        """As numpy()."""
        return self.numpy()

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Any:
        _C.raise_dropped()  # NumPy asks for a buffer first, and drops an interrupt or a lack of memory
        if copy is False and (self.dtype is dtypes.bfloat16 or dtype is not None and _numpy().dtype(dtype) != self.dtype):
            raise ValueError(f"a tensor of dtype {self.dtype} becomes an array of another dtype only by a copy")
        out = self.numpy(copy=bool(copy))
        return out if dtype is None or out.dtype == dtype else out.astype(dtype)

    @property
    def data(self) -> Any:
        """The elements as a writable NumPy array (without NumPy: a memoryview) over the tensor's own memory.

        Writing counts as an assignment: what was recorded before keeps the old elements."""
        from importlib.util import find_spec
        view = memoryview(_C.writable(self))
        return _numpy().asarray(view) if find_spec("numpy") else view

    @data.setter
    def data(self, value: Any) -> None:
        self.assign(value)

    def __bytes__(self) -> bytes:
        return _C.to_bytes(self)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, *, stream: Any = None, max_version: Optional[Tuple[int, int]] = None,
                   dl_device: Optional[Tuple[int, int]] = None, copy: Optional[bool] = None) -> Any:
        if dl_device is not None and tuple(dl_device) != (1, 0):
            raise BufferError(f"a tensor in host memory cannot be exported to device {tuple(dl_device)}")
        if copy is False and self.device != "cpu":
            raise BufferError(f"a tensor on {self.device} is not in host memory: without a copy it cannot be exported; use x.cpu()")
        if copy:
            return _C.to_dlpack(_detached(self), max_version is not None and max_version[0] >= 1, 1)
        return _C.to_dlpack(self, max_version is not None and max_version[0] >= 1, 0)

    # ---- changing what it stands for
    def assign(self, value: Any) -> "Tensor":
        """Takes the value of a tensor, number or array of its shape; no gradient flows. Returns self."""
        _C.tensor_assign(self, value if isinstance(value, Tensor) else array(value, self.dtype)._to_device(self.device))
        return self

    update = assign

    def swap(self, other: "Tensor") -> "Tensor":
        """Exchanges values with another tensor of its shape and dtype. Returns self."""
        mine = self.detach()
        self.assign(other)
        other.assign(mine)
        return self

    # ---- extents that differ from evaluation to evaluation
    def mark_dynamic(self, *axes: int) -> "Tensor":
        """Plans are made for any extent of these axes from the first on, instead of from the second that they meet.

        The mark is the value's, it changes no result. Returns self."""
        for axis in axes:
            _C.tensor_mark_dynamic(self, axis)
        return self

    def name_dim(self, axis: int, dim: Dim) -> "Tensor":
        """As mark_dynamic, with a name and the extents that are allowed: another is a ShapeError. Returns self."""
        _C.tensor_name_dim(self, axis, dim.name, dim.low, dim.high)
        return self

    # ---- gradients
    @property
    def requires_grad(self) -> bool:
        """Whether gradients are gathered for it; parameters say yes."""
        return _C.tensor_requires_grad(self)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        _C.tensor_set_requires_grad(self, value)

    def requires_grad_(self, value: bool = True) -> "Tensor":
        """Sets requires_grad. Returns self."""
        _C.tensor_set_requires_grad(self, value)
        return self

    @property
    def grad(self) -> Optional["Tensor"]:
        """The gradient that backward has gathered, or None."""
        return _C.tensor_gradient(self)

    @grad.setter
    def grad(self, value: Optional["Tensor"]) -> None:
        if value is not None:
            if not _C.tensor_requires_grad(self):
                raise errors.ArgumentError("grad: the tensor requires no gradient")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise errors.ShapeError(f"grad: {value.dtype} of shape {value.shape} for a tensor of {self.dtype} and shape {self.shape}")
            value = value.detach()
        _C.zero_grad([self])
        if value is not None:
            _C.backward(_C.sum(self * value), 0)

    def backward(self, gradient: Optional["Tensor"] = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Adds the gradient of this one element to `grad` of every tensor that requires one and that it depends on.

        With `gradient`, of this tensor's shape, it may have many elements: that is the gradient of what comes after it."""
        loss = self
        if gradient is not None:
            if isinstance(gradient, bool):
                raise TypeError("backward: the first argument is a gradient; retain_graph goes by name")
            after = (gradient if isinstance(gradient, Tensor) else array(gradient)).to(self.dtype)
            if after.shape != self.shape:
                raise errors.ShapeError(f"backward: the gradient has shape {after.shape}, the tensor {self.shape}")
            loss = _C.sum(self * after.detach())
        elif self.size != 1:
            raise errors.ShapeError(f"backward: shape {self.shape} has {self.size} elements, not one; pass their gradient")
        _C.backward(loss, (_GRAD_RETAIN if retain_graph else 0) | (_GRAD_CREATE if create_graph else 0))

    def detach(self) -> "Tensor":
        """The same value, through which no gradient flows."""
        return _detached(self)

    def stop_grad(self) -> "Tensor":
        """From now on no gradient flows to or through it. Returns self."""
        if _C.tensor_requires_grad(self):
            _C.tensor_set_requires_grad(self, False)
        _C.tensor_assign(self, self)
        return self

    def start_grad(self) -> "Tensor":
        """From now on it requires a gradient. Returns self."""
        return self.requires_grad_(True)

    def is_stop_grad(self) -> bool:
        """Whether it requires no gradient."""
        return not _C.tensor_requires_grad(self)

    # ---- shape
    def view(self, *shape: Any) -> "Tensor":
        """As reshape."""
        return self.reshape(*shape)

    def transpose(self, *axes: Any, dim0: Optional[int] = None, dim1: Optional[int] = None, **order: Any) -> "Tensor":
        """Two axes exchanged, transpose(0, 1); or all of them in an order, as one list, transpose((1, 0, 2)), or as three or
        more integers; or, without any, reversed. An order may be called axes or dim."""
        if order and (len(order) > 1 or axes or not set(order) <= {"axes", "axis", "dim", "dims"}):
            raise TypeError(f"transpose() has no argument '{next(iter(order))}'" if not axes else "transpose() got its axes twice")
        axes += tuple(a for a in (dim0, dim1, *order.values()) if a is not None)
        return _C.transpose(self, _order("transpose", axes, self.ndim))

    def swapaxes(self, axis1: int, axis2: int) -> "Tensor":
        """Two axes exchanged."""
        return self.transpose(axis1, axis2)

    def permute(self, *axes: Any) -> "Tensor":
        """All axes in an order: permute(2, 0, 1) or permute((2, 0, 1))."""
        return _C.transpose(self, axes[0] if len(axes) == 1 and not _is_integer(axes[0]) else axes)

    def t(self) -> "Tensor":
        """Axes in reverse order."""
        return _C.transpose(self)

    T = property(_C.transpose, doc="Axes in reverse order.")

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
        """Axes start_dim..end_dim as one."""
        shape, n = self.shape, self.ndim
        first, last = (a + n if a < 0 else a for a in map(index, (start_dim, end_dim)))
        if n == 0:
            return self.reshape(1)
        if not 0 <= first <= last < n:
            raise errors.ShapeError(f"flatten: axes {start_dim}..{end_dim} of a tensor of {n} axes")
        extent = 1
        for size in shape[first:last + 1]:
            extent *= size
        return _C.reshape(self, shape[:first] + (extent,) + shape[last + 1:])

    def squeeze(self, dim: Union[None, int, Sequence[int]] = None) -> "Tensor":
        """Without the axes of extent 1, or without those of `dim` that have extent 1."""
        n, shape = self.ndim, self.shape
        dims = range(n) if dim is None else [dim] if _is_integer(dim) else dim
        gone = {_axis("squeeze", a, n or 1) for a in dims}  # a number has the axes 0 and -1 here
        return _C.reshape(self, [size for a, size in enumerate(shape) if a not in gone or size != 1])

    def unsqueeze(self, dim: int) -> "Tensor":
        """With a new axis of extent 1 at `dim`."""
        shape = list(self.shape)
        shape.insert(_axis("unsqueeze", dim, self.ndim + 1), 1)
        return _C.reshape(self, shape)

    def broadcast(self, shape: Any) -> "Tensor":
        """Expanded to a shape, or to that of another tensor."""
        return _C.expand(self, shape.shape if isinstance(shape, Tensor) else shape)

    def repeat(self, *times: Any) -> "Tensor":
        """The tensor laid out `times` times along each axis."""
        reps = [index(r) for r in (times[0] if len(times) == 1 and not _is_integer(times[0]) else times)]
        if any(r < 0 for r in reps):
            raise errors.ArgumentError(f"repeat: times {reps} are negative")
        reps = [1] * (self.ndim - len(reps)) + reps
        shape = [1] * (len(reps) - self.ndim) + list(self.shape)
        out = _C.reshape(self, shape)
        for axis, r in enumerate(reps):  # one by one: rank 8 has no room for two axes each
            if r != 1:
                split = [math.prod(shape[:axis]), 1, math.prod(shape[axis:])]
                shape[axis] *= r
                out = _C.reshape(_C.expand(_C.reshape(out, split), [split[0], r, split[2]]), shape)
        return out if out is not self else self[...]

    def split(self, sizes: Union[int, Sequence[int]], dim: int = 0) -> Tuple["Tensor", ...]:
        """Pieces along an axis, each of `sizes` (the last may be shorter), or of the sizes listed."""
        axis = _axis("split", dim, self.ndim)
        extent = self.shape[axis]
        if _is_integer(sizes):
            size = index(sizes)
            if size < 1 and (size or extent):
                raise errors.ArgumentError(f"split: size {size} is not positive")
            sizes = [min(size, extent - at) for at in range(0, extent, size)] if extent else [0]
        sizes = [index(size) for size in sizes]
        if any(size < 0 for size in sizes):
            raise errors.ArgumentError(f"split: sizes {sizes} are negative")
        if sum(sizes) != extent:
            raise errors.ShapeError(f"split: sizes {list(sizes)} add up to {sum(sizes)}, axis {dim} has {extent}")
        if 0 < len(sizes) <= _MOST_PARTS:
            return _C.split(self, sizes, axis)
        out, at = [], 0
        for size in sizes:
            out.append(self[(slice(None),) * axis + (slice(at, at + size),)])
            at += size
        return tuple(out)

    def chunk(self, chunks: int, dim: int = 0) -> Tuple["Tensor", ...]:
        """At most `chunks` pieces of equal size along an axis; the last may be shorter."""
        extent = self.shape[_axis("chunk", dim, self.ndim)]
        chunks = index(chunks)
        if chunks < 1:
            raise errors.ArgumentError(f"chunk: {chunks} chunks")
        return self.split(-(-extent // chunks) if extent else [0] * chunks, dim)

    def unbind(self, dim: int = 0) -> Tuple["Tensor", ...]:
        """The slices along an axis, without it."""
        axis = _axis("unbind", dim, self.ndim)
        return tuple(self[(slice(None),) * axis + (i,)] for i in range(self.shape[axis]))

    # ---- Python's protocols
    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("a tensor of rank 0 cannot be iterated over")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        from ._format import text_of
        return text_of(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else repr(self)

    def _repr_html_(self) -> str:
        from ._format import html_of
        return html_of(self)

    def __round__(self, digits: int = 0) -> "Tensor":
        return _C.round(self) if not digits else _C.round(self * 10.0 ** digits) / 10.0 ** digits

    def clone(self) -> "Tensor":
        """The same value as a tensor of its own; gradients flow through."""
        return self[...]

    copy = clone

    def __copy__(self) -> "Tensor":
        return self[...]

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Tensor":
        out = _detached(self)
        if self.requires_grad:
            out.requires_grad = True
        if getattr(self, "_is_parameter", False):
            out._is_parameter = True
        memo[id(self)] = out
        return out

    def __reduce__(self) -> Any:
        return _rebuild, (_C.to_bytes(self), self.dtype, self.shape, self.requires_grad, getattr(self, "_is_parameter", False))

    # ---- dtype
    def astype(self, dtype: Any) -> "Tensor":
        """Converted to a dtype; itself where it has it."""
        return self if self.dtype == dtype else _C.cast(self, dtype)

    def to(self, *targets: Any) -> "Tensor":
        """On a device, converted to a dtype, or both: to("cuda:0"), to(jt.float16), to("cuda:0", jt.float16). Itself where it is that."""
        devices = [t for t in targets if isinstance(t, str) and not dtypes.is_name(t)]
        out = self
        for dtype in (t for t in targets if t not in devices):
            out = out.astype(dtype)
        return out._to_device(devices[-1]) if devices else out

    def _to_device(self, name: str) -> "Tensor":
        out = _C.to_device(self, name)
        return self if out.device == self.device else out

    def cpu(self) -> "Tensor":
        """On the CPU; itself where it is there."""
        return self._to_device("cpu")

    def float(self) -> "Tensor":
        """Converted to float32."""
        return self.to(dtypes.float32)

    def double(self) -> "Tensor":
        """Converted to float64."""
        return self.to(dtypes.float64)

    def half(self) -> "Tensor":
        """Converted to float16."""
        return self.to(dtypes.float16)

    def int(self) -> "Tensor":
        """Converted to int32."""
        return self.to(dtypes.int32)

    def long(self) -> "Tensor":
        """Converted to int64."""
        return self.to(dtypes.int64)

    def bool(self) -> "Tensor":
        """Converted to bool: whether each element differs from 0."""
        return self.to(dtypes.bool)


Var = Tensor


def _rebuild(data: bytes, dtype: DType, shape: Tuple[int, ...], requires_grad: bool, is_parameter: bool = False) -> Tensor:
    out = _C.from_bytes(data, dtype, shape)
    if requires_grad:
        out.requires_grad = True
    if is_parameter:
        out._is_parameter = True
    return out


def _detached(x: Tensor) -> Tensor:
    out = _C.full_like(x, 0)
    _C.tensor_assign(out, x)
    return out


def _is_integer(value: Any) -> bool:
    """Whether it is one integer: of Python, of NumPy, or a tensor or array that holds just one and has no axes."""
    return hasattr(value, "__index__") and getattr(value, "shape", ()) == ()


def _order(who: str, axes: Tuple[Any, ...], n: int) -> Any:
    """An order of all axes, from the arguments of a transpose."""
    if len(axes) == 1 and not _is_integer(axes[0]):
        return axes[0]
    if len(axes) != 2:
        return axes
    first, second = (_axis(who, index(a), n) for a in axes)
    order = list(range(n))
    order[first], order[second] = second, first
    return order


def transpose(x: Any, *axes: Any, dim0: Optional[int] = None, dim1: Optional[int] = None, **order: Any) -> Tensor:
    """Two axes exchanged, transpose(x, 0, 1); or all of them in an order, transpose(x, (1, 0, 2)); or, without any, reversed."""
    return (x if isinstance(x, Tensor) else array(x)).transpose(*axes, dim0=dim0, dim1=dim1, **order)


def split(x: Any, sizes: Union[int, Sequence[int]], dim: int = 0) -> Tuple[Tensor, ...]:
    """Pieces along an axis, each of `sizes` (the last may be shorter), or of the sizes listed."""
    return (x if isinstance(x, Tensor) else array(x)).split(sizes, dim)


def chunk(x: Any, chunks: int, dim: int = 0) -> Tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along an axis; the last may be shorter."""
    return (x if isinstance(x, Tensor) else array(x)).chunk(chunks, dim)


def _axis(who: str, axis: int, n: int) -> int:
    axis = index(axis)
    if not -n <= axis < n:
        raise errors.ShapeError(f"{who}: axis {axis} is outside the {n} axes of the operand")
    return axis + n if axis < 0 else axis


def _is_array_of_arrays(data: Any) -> bool:
    for _ in range(9):  # deeper lists are refused anyway
        if not isinstance(data, (list, tuple)) or not data:
            break
        data = data[0]
    return not isinstance(data, (int, float)) and hasattr(data, "shape") and hasattr(data, "__array__") and data.shape != ()


def array(data: Any, dtype: Any = None) -> Tensor:
    """A tensor with a copy of numbers, nested lists, a NumPy array or anything with a buffer, DLPack or __array__.

    Floats of Python become float32, integers int64; arrays keep their dtype. With `dtype` numbers are rounded once, to it,
    and arrays are converted.
    Errors: ValueError (lists of different lengths), DTypeError, OverflowError (an integer that fits no dtype)."""
    if isinstance(data, Tensor):
        out = _detached(data)
    elif isinstance(data, (list, tuple)) and _is_array_of_arrays(data):
        out = stack([array(part) for part in data])
    elif isinstance(data, (bool, int, float, list, tuple, range)):
        out = _C.from_data(data, dtype)
    elif hasattr(data, "__dlpack__") and not hasattr(data, "__array_interface__"):
        out = _from_dlpack(data, True)
    elif hasattr(data, "__array__") and not _C.has_buffer(data):
        out = _C.from_data(data.__array__(), dtype)
    elif hasattr(data, "__next__") or isinstance(data, (set, frozenset, dict, str)):
        raise TypeError(f"cannot make a tensor from {type(data).__name__}")
    else:
        out = _C.from_data(data, dtype)
    if dtype is not None and out.dtype != dtype:
        out = _C.cast(out, dtype)
    return out


def from_dlpack(data: Any) -> Tensor:
    """A tensor over the memory of an object with __dlpack__, without a copy where the elements lie densely.

    The memory must not change while the tensor is used; jt.array copies it. Errors: DTypeError, BufferError (not in host
    memory)."""
    return _detached(data) if isinstance(data, Tensor) else _from_dlpack(data, False)


def _from_dlpack(data: Any, copies: bool) -> Tensor:
    if type(data).__name__ == "PyCapsule":
        return _C.from_capsule(data, copies)
    device = data.__dlpack_device__()
    if tuple(device)[0] != 1:
        raise BufferError(f"from_dlpack: the elements are on device {tuple(device)}, not in host memory")
    try:
        capsule = data.__dlpack__(max_version=(1, 0))
    except TypeError as error:
        if "max_version" not in str(error) and "keyword" not in str(error):
            raise
        capsule = data.__dlpack__()  # older than version 1: the argument is unknown there
    return _C.from_capsule(capsule, copies)


def stack(inputs: Sequence[Any], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    parts = [x if isinstance(x, Tensor) else array(x) for x in inputs]
    if not parts:
        raise errors.ArgumentError("stack: no tensors")
    for part in parts:
        if part.shape != parts[0].shape:
            raise errors.ShapeError(f"stack: shapes {parts[0].shape} and {part.shape} differ")
    axis = _axis("stack", dim, parts[0].ndim + 1)
    return _C.concat([part.unsqueeze(axis) for part in parts], axis)


def _index_get(x: Tensor, key: Any) -> Tensor:
    from ._index import get
    return get(x, key)


def _index_set(x: Tensor, key: Any, value: Any) -> None:
    from ._index import put
    put(x, key, value)


_C.set_up({"error": errors.from_status, "dtype_error": errors.DTypeError, "dtype_code": dtypes.code_of,
           "folder": os.path.join(os.path.dirname(__file__), ""), "index_get": _index_get, "index_set": _index_set, "as_array": array,
           "compiling": compiling},
          dtypes.by_code, Tensor)
