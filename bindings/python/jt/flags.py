"""flags: settings, and what the library tells about itself."""
from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterator, List, TypeVar

from . import _C, errors
from ._scope import Before, decorated

F = TypeVar("F", bound=Callable[..., Any])


class _Flags:
    """jt.flags: settings as attributes. An unknown one is an error that lists those there are."""

    _DOCS = {
        "no_grad": "1: what this thread records lets no gradient through",
        "use_cuda": "0: no GPU is used; 1 is an error where there is none",
        "profile": "1: every launch is timed",
    }

    def __init__(self) -> None:
        self.__dict__["_values"] = {"use_cuda": 0, "profile": 0}

    def __getattr__(self, name: str) -> Any:
        if name == "no_grad":
            from .autograd import is_grad_enabled
            return 0 if is_grad_enabled() else 1
        values: Dict[str, Any] = self.__dict__["_values"]
        if name not in values:
            raise AttributeError(f"there is no flag '{name}'; there are {', '.join(self._DOCS)}")
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._DOCS:
            raise AttributeError(f"there is no flag '{name}'; there are {', '.join(self._DOCS)}")
        if name == "no_grad":
            _C.set_grad_mode(not value)
            return
        if name == "use_cuda" and value:
            raise errors.UnsupportedError("use_cuda: this build has no backend for a GPU")
        if name == "profile":
            _C.stats_set_timing(bool(value))
        self.__dict__["_values"][name] = value

    def __dir__(self) -> List[str]:
        return list(self._DOCS)

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {getattr(self, name)!r}  # {doc}" for name, doc in self._DOCS.items())


flags = _Flags()


class flag_scope:
    """Flags inside a `with` block or a decorated function: `with jt.flag_scope(no_grad=1):`."""

    def __init__(self, **values: Any) -> None:
        self._values = values
        self._before: Before[Dict[str, Any]] = Before()

    def __call__(self, function: F) -> F:
        return decorated(lambda: flag_scope(**self._values), function)

    def __enter__(self) -> "flag_scope":
        before = {name: getattr(flags, name) for name in self._values}
        self._before.push(before)
        try:
            for name, value in self._values.items():
                setattr(flags, name, value)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        for name, value in self._before.pop().items():
            setattr(flags, name, value)


def sync_all(device_sync: bool = False) -> None:
    """Computes everything that is pending and held."""
    _C.sync_all()


def gc() -> None:
    """Gives memory kept for reuse back to the system."""
    _C.runtime_trim()


def memory_info() -> Dict[str, int]:
    """Bytes: live_bytes, peak_bytes, cached_bytes, limit_bytes (0: none), and allocator_calls."""
    return _C.memory_info()


def display_memory_info() -> None:
    """Prints memory_info and, where the system tells it, the size of the process."""
    for name, value in memory_info().items():
        print(f"{name:16s} {value:>16,d}")
    try:
        with open("/proc/self/statm") as file:
            print(f"{'process_bytes':16s} {int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE'):>16,d}")
    except OSError:
        pass


class profile_scope:
    """Times what runs inside a `with` block.

        with jt.profile_scope() as profile:
            ...
        print(profile)

    `rows` lists one dict per kernel: name, tier, launches, run_ns, compile_ns, bytes, flops."""

    def __init__(self) -> None:
        self.rows: List[Dict[str, Any]] = []
        self.stats: Dict[str, int] = {}
        self._text = ""

    def __enter__(self) -> "profile_scope":
        _C.sync_all()
        _C.stats_reset()
        _C.stats_set_timing(True)
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                _C.sync_all()
        finally:
            _C.stats_set_timing(bool(flags.profile))
            self.rows = [row for row in _C.kernel_stats() if row["launches"]]
            self.stats, self._text = _C.stats(), _C.stats_text()

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return self._text


def graph(*tensors: Any, stage: str = "g") -> str:
    """What a stage of the compiler makes of the pending ops behind tensors, as text: g as recorded, s simplified, f fused,
    m memory, l programs, v for Graphviz. Runs nothing."""
    if len(stage) != 1:
        raise errors.ArgumentError(f"graph: stage {stage!r} is not one letter")
    return _C.graph_text(list(tensors), ord(stage))
