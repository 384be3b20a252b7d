"""autograd: gradients asked for, and switched off."""
from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, TypeVar, Union

from . import _C, errors
from ._scope import Before, decorated
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


class _GradMode:
    """Gradients on or off for this thread, inside a `with` block or a decorated function, generator or coroutine."""

    _on = True

    def __new__(cls, function: Optional[F] = None) -> Any:
        """With a function, as `@jt.no_grad`: the decorated function."""
        return super().__new__(cls) if function is None else decorated(cls, function)

    def __init__(self, function: Any = None) -> None:
        self._before: Before[bool] = Before()

    def __call__(self, function: F) -> F:
        return decorated(type(self), function)

    def __enter__(self) -> "_GradMode":
        self._before.push(_C.set_grad_mode(self._on))
        return self

    def __exit__(self, *error: Any) -> None:
        _C.set_grad_mode(self._before.pop())


class no_grad(_GradMode):
    """What this thread records inside lets no gradient through: `with jt.no_grad():` or `@jt.no_grad()`."""

    _on = False


class enable_grad(_GradMode):
    """Gradients are recorded inside, also within no_grad."""


class set_grad_enabled:
    """Switches gradients for this thread from now on; as a `with` block or a decorator, inside it."""

    def __init__(self, mode: bool) -> None:
        self._on = bool(mode)
        self._found = _C.set_grad_mode(self._on)

    def __call__(self, function: F) -> F:
        _C.set_grad_mode(self._found)
        return decorated(enable_grad if self._on else no_grad, function)

    def __enter__(self) -> "set_grad_enabled":
        _C.set_grad_mode(self._on)
        return self

    def __exit__(self, *error: Any) -> None:
        _C.set_grad_mode(self._found)


def is_grad_enabled() -> bool:
    """Whether what this thread records now lets gradients through."""
    return _C.is_grad_enabled()


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
    out._is_parameter = True
    return out
