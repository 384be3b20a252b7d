"""autograd: gradients asked for, and switched off."""
from __future__ import annotations

import contextlib
import functools
from typing import Any, Callable, List, Optional, Sequence, TypeVar, Union

from . import _C, errors
from .tensor import _GRAD_ALLOW_UNUSED, _GRAD_CREATE, _GRAD_RETAIN, Tensor

F = TypeVar("F", bound=Callable[..., Any])


def grad(y: Tensor, inputs: Union[Tensor, Sequence[Tensor]], dy: Optional[Tensor] = None, retain_graph: bool = True,
         create_graph: bool = True, allow_unused: bool = False) -> Any:
    """Gradients of y with respect to inputs: a tensor for a tensor, a list for a list.

    y has one element, or dy, of its shape, is the gradient of what comes after it. With create_graph the gradients can be
    differentiated again. Inputs need not require gradients beforehand if y was recorded from them after start_grad().
    Errors: ArgumentError (an input without gradient, or one y does not depend on; allow_unused gives zeros),
    UnsupportedError (an op without gradient)."""
    one = isinstance(inputs, Tensor)
    wrt = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    flags = ((_GRAD_RETAIN if retain_graph else 0) | (_GRAD_CREATE if create_graph else 0)
             | (_GRAD_ALLOW_UNUSED if allow_unused else 0))
    out: List[Tensor] = _C.gradients(y, wrt, dy, flags)
    return out[0] if one else out


class _GradMode(contextlib.ContextDecorator):
    """Gradients on or off inside a `with` block or a decorated function."""

    def __init__(self, on: bool) -> None:
        self._on = on
        self._before: List[bool] = []

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(self._on):
                return function(*args, **kwargs)
        return inner  # type: ignore[return-value]

    def __enter__(self) -> "_GradMode":
        self._before.append(_C.context_set_grad_mode(self._on))
        return self

    def __exit__(self, *error: Any) -> None:
        _C.context_set_grad_mode(self._before.pop())


class no_grad(_GradMode):
    """What is recorded inside lets no gradient through: `with jt.no_grad():` or `@jt.no_grad()`."""

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Gradients are recorded inside, also within no_grad."""

    def __init__(self) -> None:
        super().__init__(True)


def is_grad_enabled() -> bool:
    """Whether what is recorded now lets gradients through."""
    on = _C.context_set_grad_mode(True)
    _C.context_set_grad_mode(on)
    return on


def stop_grad(x: Tensor) -> Tensor:
    """x's value, through which no gradient flows."""
    return x.detach()


def Parameter(data: Any, requires_grad: bool = True) -> Tensor:
    """A tensor that requires a gradient: what an optimiser trains."""
    from .tensor import array
    out = array(data)
    if requires_grad and not out.dtype.is_floating_point:
        raise errors.DTypeError(f"a parameter of dtype {out.dtype} cannot have a gradient")
    out.requires_grad = requires_grad
    return out
