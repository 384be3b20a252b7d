"""functional: layers as functions, with PyTorch's names and arguments: max_pool2d(x, 3, ceil_mode=True), conv2d(x, weight, padding=1).

Of layers without parameters they are made from the layer: its operands, then its fields by their names and defaults; the name is the layer's
in small letters. The others stand in _functional."""
from __future__ import annotations

import inspect
import re
from typing import Any, Callable, Dict, List, Type

from .. import _layers
from .._layer import Layer

__all__: List[str] = []


def _name(layer: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z0-9])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", layer).lower()


def _function(layer: Type[Layer], name: str) -> Callable[..., Any]:
    operands = list(inspect.signature(layer.execute).parameters.values())[1:]
    fields = [p for p in inspect.signature(layer.__init__).parameters.values() if p.name not in ("self", "dtype")]
    if "Drop" in layer.__name__:
        fields.append(inspect.Parameter("training", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=True))

    def function(*args: Any, **named: Any) -> Any:
        given: Dict[str, Any] = signature.bind(*args, **named).arguments
        x = [given.pop(p.name) for p in operands if p.name in given]
        training = given.pop("training", True)
        made = layer(**given)
        return (made if training else made.eval())(*x)

    signature = inspect.Signature([p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in operands + fields])
    function.__name__ = function.__qualname__ = name
    function.__doc__ = layer.__doc__
    setattr(function, "__signature__", signature)
    return function


def __getattr__(name: str) -> Any:
    raise AttributeError(f"jt.nn.functional has no function '{name}'")


def _keeps_nothing(layer: Type[Layer]) -> bool:
    """Whether all its tensors are among its fields."""
    return set(layer._tensors) <= set(inspect.signature(layer.__init__).parameters)


for _layer in (getattr(_layers, name) for name in _layers.__all__):
    if _keeps_nothing(_layer):
        globals()[_name(_layer.__name__)] = _function(_layer, _name(_layer.__name__))
        __all__.append(_name(_layer.__name__))

from ._functional import *  # noqa: E402,F403
from ._functional import __all__ as _others  # noqa: E402

__all__ += _others
