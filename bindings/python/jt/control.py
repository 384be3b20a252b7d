"""control: branches and loops that are part of the graph."""
from __future__ import annotations

from operator import index as _integer
from typing import Any, Callable, List, Optional, Tuple, Union

from . import _C, errors
from .tensor import Tensor, array

_COND, _WHILE, _FOR = 0, 1, 2


class _Form:
    """How tensors are packed into tuples, lists and dictionaries; equal forms hold as many."""

    def __init__(self, value: Any, leaves: List[Tensor]) -> None:
        self.kind: Any = type(value)
        self.names: Optional[List[Any]] = None
        self.parts: Optional[List[_Form]] = None
        if isinstance(value, dict):
            self.names = list(value)
            self.parts = [_Form(value[name], leaves) for name in self.names]
        elif isinstance(value, (tuple, list)):
            self.parts = [_Form(part, leaves) for part in value]
        else:
            self.kind = Tensor
            leaves.append(value if isinstance(value, Tensor) else array(value))

    def packed(self, leaves: List[Tensor]) -> Any:
        """The leaves, which are taken from the front, in this form."""
        if self.parts is None:
            return leaves.pop(0)
        parts = [part.packed(leaves) for part in self.parts]
        if self.names is not None:
            return dict(zip(self.names, parts))
        return self.kind(*parts) if hasattr(self.kind, "_fields") else self.kind(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and (self.kind, self.names, self.parts) == (other.kind, other.names, other.parts)

    def __repr__(self) -> str:
        if self.parts is None:
            return "*"
        if self.names is not None:
            return "{" + ", ".join(f"{name!r}: {part!r}" for name, part in zip(self.names, self.parts)) + "}"
        return f"{self.kind.__name__}({', '.join(map(repr, self.parts))})"


def _unpacked(value: Any) -> Tuple[_Form, List[Tensor]]:
    leaves: List[Tensor] = []
    return _Form(value, leaves), leaves


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """true_fun(*operands) where pred, a bool of no axes, is true when it is needed, else false_fun(*operands).

    Both are called once, now, and record; only one side is computed. They return the same: a tensor, or tuples, lists and dictionaries
    of tensors of the same dtypes and shapes."""
    forms: List[_Form] = []

    def side(function: Callable[..., Any]) -> Callable[[Any, List[Tensor]], List[Tensor]]:
        def body(_: Any, __: List[Tensor]) -> List[Tensor]:
            form, leaves = _unpacked(function(*operands))
            if forms and form != forms[0]:
                raise TypeError(f"cond: one function returns {forms[0]!r}, the other {form!r}")
            forms.append(form)
            return leaves
        return body

    made = _C.control(_COND, side(true_fun), side(false_fun), pred if isinstance(pred, Tensor) else array(bool(pred)), -1, [])
    return forms[0].packed(made)


def _carrying(who: str, form: _Form, function: Callable[[Any, Any], Any]) -> Callable[[Any, List[Tensor]], List[Tensor]]:
    def body(index: Any, carried: List[Tensor]) -> List[Tensor]:
        after, leaves = _unpacked(function(index, form.packed(list(carried))))
        if after != form:
            raise TypeError(f"{who}: {form!r} is carried, after a round {after!r}")
        return leaves
    return body


_MOST = 2**63 - 1


def _most(who: str, max_trips: Optional[int]) -> int:
    if max_trips is None:
        return -1
    if _integer(max_trips) < 0:
        raise errors.ArgumentError(f"{who}: max_trips is {max_trips}, which is negative")
    return min(_integer(max_trips), _MOST)


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any, max_trips: Optional[int] = None) -> Any:
    """What is left of `init` when body_fun has been applied as long as cond_fun, a bool of no axes, is true.

    Both are called once, now, with tensors that have a dtype and a shape and no elements, and record. init is a tensor, or tuples, lists and
    dictionaries of tensors; body_fun returns the same, of the same dtypes and shapes. With max_trips there are at most so many rounds,
    and gradients."""
    form, leaves = _unpacked(init)

    def asks(_: Any, carried: List[Tensor]) -> List[Tensor]:
        said = cond_fun(form.packed(list(carried)))
        return [said if isinstance(said, Tensor) else array(bool(said))]

    body = _carrying("while_loop", form, lambda _, value: body_fun(value))
    return form.packed(_C.control(_WHILE, asks, body, None, _most("while_loop", max_trips), leaves))


def fori_loop(lower: Union[int, Tensor], upper: Union[int, Tensor], body_fun: Callable[[Tensor, Any], Any], init: Any,
              max_trips: Optional[int] = None) -> Any:
    """What is left of `init` when body_fun(i, value) has been applied for each i from lower to below upper.

    body_fun is called once, now, as for while_loop. i is an int64 of no axes. Where a bound is a tensor, gradients need max_trips."""
    form, leaves = _unpacked(init)
    lower, upper = (v if isinstance(v, Tensor) else _integer(v) for v in (lower, upper))
    most = _most("fori_loop", max_trips)
    body = _carrying("fori_loop", form, lambda i, value: body_fun(i + lower if isinstance(lower, Tensor) or lower else i, value))
    if isinstance(lower, Tensor) or isinstance(upper, Tensor):
        rounds = upper - lower
        return form.packed(_C.control(_FOR, body, None, rounds, most, leaves))
    trips = min(max(upper - lower, 0), _MOST)
    return form.packed(_C.control(_FOR, body, None, None, trips if most < 0 else min(trips, most), leaves))
