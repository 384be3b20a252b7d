"""_index: keys that C does not take: tensors, lists and arrays of integers or bool."""
from __future__ import annotations

from operator import index
from typing import Any, List, Tuple

from . import _C
from .tensor import Tensor, array


def _as_index(item: Any) -> Any:
    if isinstance(item, Tensor):
        return item
    if isinstance(item, (list, tuple)):
        out = array(item)
        return out if out.size else out.to("int64")  # of no integers: their kind cannot be seen
    if hasattr(item, "__array__") or isinstance(item, bool):
        return array(item)
    raise IndexError(f"a tensor cannot be indexed with {type(item).__name__}")


def _is_plain(item: Any) -> bool:
    return item is None or item is Ellipsis or isinstance(item, slice) or (
        hasattr(item, "__index__") and not isinstance(item, (bool, Tensor)) and not hasattr(item, "shape"))


def _plain_key(key: Any) -> Any:
    """The key with integers of NumPy as Python's; None if that leaves nothing to do here."""
    items = key if isinstance(key, tuple) else (key,)
    plain = [item for item in items if not isinstance(item, Tensor) and getattr(item, "shape", None) == () and
             getattr(getattr(item, "dtype", None), "kind", "") in ("i", "u")]
    if not plain:
        return None
    return tuple(index(item) if any(item is p for p in plain) else item for item in items)


def _expanded(x: Tensor, key: Any) -> List[Any]:
    """The key as a list with one item per axis, None aside; what is no integer, slice or None is a Tensor."""
    items = [item if _is_plain(item) else _as_index(item) for item in (key if isinstance(key, tuple) else (key,))]
    used = sum(item.ndim if isinstance(item, Tensor) and item.dtype == "bool" else 0 if item is None or item is Ellipsis else 1
               for item in items)
    if used > x.ndim:
        raise IndexError(f"{used} indices for a tensor of {x.ndim} axes")
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index has at most one ellipsis")
    fill: List[Any] = [slice(None)] * (x.ndim - used)
    at = dots[0] if dots else len(items)
    return items[:at] + fill + items[at + 1:]


def _positions(mask: Tensor) -> Tensor:
    """Row-major positions of what is true in a mask: needs its elements."""
    return array([i for i, on in enumerate(memoryview(mask).cast("B")) if on], "int64") if mask.size else array([], "int64")


def _plan(x: Tensor, key: Any) -> Tuple[Tensor, List[Any]]:
    """Masks made integers: x with the axes of a mask as one, and slices, integers, None and index tensors for its axes."""
    out: List[Any] = []
    axis = 0
    for item in _expanded(x, key):
        if isinstance(item, Tensor) and item.dtype == "bool":
            shape = x.shape[axis:axis + item.ndim]
            if shape != item.shape:
                raise IndexError(f"a mask of shape {item.shape} for axes of shape {shape}")
            if item.ndim != 1:
                x = x.reshape(x.shape[:axis] + (item.size,) + x.shape[axis + item.ndim:])
            item = _positions(item)
        elif isinstance(item, Tensor) and item.dtype.is_floating_point:
            raise IndexError(f"a tensor of dtype {item.dtype} cannot be an index")
        out.append(item)
        axis += item is not None
    return x, out


def _are_together(items: List[Any]) -> bool:
    axes = [i for i, item in enumerate(items) if isinstance(item, Tensor)]
    return axes[-1] - axes[0] < len(axes)


def _after_plain(x: Tensor, items: List[Any]) -> Tuple[Tensor, int]:
    """x after slices, integers and None, and the first of the axes that index tensors are for; where others lie between those,
    they come first, as in NumPy."""
    x = x[tuple(slice(None) if isinstance(item, Tensor) else item for item in items)]
    kept = [item for item in items if item is None or isinstance(item, (slice, Tensor))]
    axes = [i for i, item in enumerate(kept) if isinstance(item, Tensor)]
    if _are_together(kept):
        return x, axes[0]
    return x.transpose(axes + [i for i in range(x.ndim) if i not in axes]), 0


def _flat(indices: List[Tensor], sizes: Tuple[int, ...]) -> Tensor:
    """Several index tensors as one into the axes taken together; negative ones counted from the end."""
    for index, size in zip(indices, sizes):
        _check(index, size)
    if len(indices) == 1:
        return indices[0]
    total: Any = 0
    for index, size in zip(indices, sizes):
        index = _C.check_index(index.to("int64"), size, True, "index")
        total = total * size + _C.where(index < 0, index + size, index)
    return total


def _check(index: Tensor, size: int) -> None:
    """Integers outside the axis are an error where they can be looked at without a run."""
    if index.is_ready and index.size:
        low, high = int(_C.min(index).item()), int(_C.max(index).item())
        if low < -size or high >= size:
            raise IndexError(f"index: index {low if low < -size else high} is outside an extent of {size}")


def _count(sizes: Tuple[int, ...]) -> int:
    out = 1
    for size in sizes:
        out *= size
    return out


def get(x: Tensor, key: Any) -> Tensor:
    plain = _plain_key(key)
    if plain is not None:
        return x[plain]
    x, items = _plan(x, key)
    x, first = _after_plain(x, items)
    indices = [item for item in items if isinstance(item, Tensor)]
    n = len(indices)
    sizes = x.shape[first:first + n]
    if n > 1:
        x = x.reshape(x.shape[:first] + (_count(sizes),) + x.shape[first + n:])
    index = _flat(indices, sizes)
    out = _C.take(x, index.reshape(-1), first)
    return out.reshape(x.shape[:first] + index.shape + x.shape[first + 1:])


def put(x: Tensor, key: Any, value: Any) -> None:
    plain = _plain_key(key)
    if plain is not None:
        x[plain] = value
        return
    if isinstance(key, Tensor) and key.dtype == "bool" and key.shape == x.shape:
        v = value if isinstance(value, Tensor) else array(value, x.dtype)
        if v.size == 1:
            _store(x, _C.where(key, v.reshape(()), x))
            return
    base, items = _plan(x, key)
    if not _are_together(items) or any(not isinstance(item, Tensor) and (item is None or item != slice(None)) for item in items):
        _put_at_places(x, key, value)
        return
    indices = [item for item in items if isinstance(item, Tensor)]
    first, n = next(i for i, item in enumerate(items) if isinstance(item, Tensor)), len(indices)
    sizes = base.shape[first:first + n]
    flat = base.reshape(base.shape[:first] + (_count(sizes),) + base.shape[first + n:])
    index = _flat(indices, sizes)
    rows = index.size
    v = value.to(x.dtype) if isinstance(value, Tensor) else array(value, x.dtype)
    target = flat.shape[:first] + index.shape + flat.shape[first + 1:]
    v = v.expand(target).reshape(flat.shape[:first] + (rows,) + flat.shape[first + 1:])
    where = index.reshape((1,) * first + (rows,) + (1,) * (flat.ndim - first - 1)).expand(v.shape)
    _store(x, _C.scatter(flat, where, v, first).reshape(x.shape))


def _put_at_places(x: Tensor, key: Any, value: Any) -> None:
    """Assignment through any key: what it picks of the elements' numbers says where they go."""
    places = get(_C.iota((x.size,), 0, "int64").reshape(x.shape), key)
    v = (value.to(x.dtype) if isinstance(value, Tensor) else array(value, x.dtype)).expand(places.shape)
    _store(x, _C.scatter(x.reshape(-1), places.reshape(-1), v.reshape(-1), 0).reshape(x.shape))


def _store(x: Tensor, value: Tensor) -> None:
    if x.requires_grad:
        _C.tensor_assign(x, value)
    else:
        _C.tensor_rebind(x, value.to(x.dtype))
