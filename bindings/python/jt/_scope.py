"""_scope: what `with` blocks that also decorate functions share: generators, coroutines, threads."""
from __future__ import annotations

import functools
import inspect
import threading
from typing import Any, Callable, ContextManager, Generator, Generic, List, Tuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


class Before(Generic[V]):
    """What blocks that are still open found, for each thread: one block object may be open several times, in several
    threads."""

    def __init__(self) -> None:
        self._open: List[Tuple[int, V]] = []

    def push(self, value: V) -> None:
        self._open.append((threading.get_ident(), value))

    def pop(self) -> V:
        mine = [i for i, (thread, _) in enumerate(self._open) if thread == threading.get_ident()]
        return self._open.pop(mine[-1] if mine else -1)[1]  # a generator may end in another thread than it began


def _drive(scope: Callable[[], ContextManager[Any]], steps: Any) -> Generator[Any, Any, Any]:
    """Runs a generator's steps in a scope of their own each: between them the caller has his own."""
    try:
        with scope():
            out = next(steps)
        while True:
            try:
                sent = yield out
            except GeneratorExit:
                with scope():
                    steps.close()
                raise
            except BaseException as error:
                with scope():
                    out = steps.throw(error)
            else:
                with scope():
                    out = steps.send(sent) if sent is not None else next(steps)
    except StopIteration as end:
        return end.value


class _Awaitable:
    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps


def decorated(scope: Callable[[], ContextManager[Any]], function: F) -> F:
    """The function with its body, also a generator's or a coroutine's, inside the scope."""
    if inspect.isasyncgenfunction(function):
        raise TypeError(f"{function.__qualname__} is an asynchronous generator; use `with` inside it")
    if inspect.isgeneratorfunction(function):
        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _drive(scope, function(*args, **kwargs)))
        return generator  # type: ignore[return-value]
    if inspect.iscoroutinefunction(function):
        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await _Awaitable(_drive(scope, function(*args, **kwargs).__await__()))
        return coroutine  # type: ignore[return-value]

    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        with scope():
            return function(*args, **kwargs)
    return inner  # type: ignore[return-value]
