"""function: jt.Function, a computation with a gradient of one's own."""
from __future__ import annotations

from typing import Any, List, Sequence

from . import _C
from .autograd import no_grad
from .tensor import Tensor, array


class Function:
    """Derive from it, and write execute (or forward) and grad (or backward).

        class Square(jt.Function):
            def execute(self, x):
                self.x = x
                return x * x
            def grad(self, dz):
                return 2 * self.x * dz

        y = Square.apply(x)       # or Square()(x)

    execute may return a tuple; grad then gets one gradient per result (None where none is wanted), and returns one per
    argument, None for those without. What grad records can be differentiated again."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The function on its arguments, with a new instance."""
        return cls()(*args)

    def execute(self, *args: Any) -> Any:
        """What is computed; forward does it where only that is written."""
        if type(self).forward is Function.forward:
            raise NotImplementedError(f"{type(self).__name__} has neither execute nor forward")
        return self.forward(*args)

    def forward(self, *args: Any) -> Any:
        """As execute."""
        return self.execute(*args)

    def grad(self, *grads: Any) -> Any:
        """Gradients of the arguments; backward does it where only that is written."""
        if type(self).backward is Function.backward:
            raise NotImplementedError(f"{type(self).__name__} has neither grad nor backward")
        return self.backward(*grads)

    def backward(self, *grads: Any) -> Any:
        """As grad."""
        return self.grad(*grads)

    def __call__(self, *args: Any) -> Any:
        places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        with no_grad():
            result = self.execute(*args)
        several = isinstance(result, (tuple, list))
        results = [r if isinstance(r, Tensor) else array(r) for r in (result if several else [result])]

        def gradient(grads: List[Any]) -> List[Any]:
            out = self.grad(*grads)
            given: Sequence[Any] = out if isinstance(out, (tuple, list)) else [out]
            if len(given) == len(places) != len(args):
                return list(given)
            if len(given) != len(args):
                raise TypeError(f"{type(self).__name__}.grad gave {len(given)} gradients for {len(args)} arguments")
            return [given[i] for i in places]

        out = _C.custom_gradient(type(self).__name__, gradient, [args[i] for i in places], results)
        return tuple(out) if several else out[0]
