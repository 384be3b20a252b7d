"""_device: where what is recorded runs, and which devices there are."""
from __future__ import annotations

from typing import Any, Callable, List, TypeVar

from . import _C
from ._scope import Before, decorated

F = TypeVar("F", bound=Callable[..., Any])


class device:
    """What this thread records inside runs on that device, and new tensors belong there: `with jt.device("cuda:0"):` or as a decorator.

    Operands that lie elsewhere are copied there when they are needed, once. Errors: NotFoundError, which says what there is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._before: Before[str] = Before()

    def __call__(self, function: F) -> F:
        return decorated(lambda: device(self._name), function)

    def __enter__(self) -> "device":
        self._before.push(_C.set_device(self._name))
        return self

    def __exit__(self, *error: Any) -> None:
        _C.set_device(self._before.pop())


def devices() -> List[str]:
    """Names of the devices: those that JT_DEVICES lists, else `cpu`. A thread begins with the first."""
    return _C.device_names()


def current_device() -> str:
    """The device on which what this thread records now runs."""
    return _C.current_device()
