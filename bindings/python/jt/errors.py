"""errors: a status of the C API -> an exception. Each is a jt.Error and also Python's own kind of it."""
from __future__ import annotations

import errno
import re
from typing import Dict, Type

from . import _C


class Error(RuntimeError):
    """What every failure of jt is. `code` is the status of the C API."""

    code: int = -1


class ArgumentError(Error, ValueError):
    """An argument is out of range or of the wrong kind."""


class ShapeError(Error, ValueError):
    """Shapes do not fit the op."""


class DTypeError(Error, TypeError):
    """Dtypes do not fit the op."""


class OutOfMemoryError(Error, MemoryError):
    """Memory could not be had."""


class DeviceError(Error):
    """The device reported an error, or is gone."""


class CompileError(Error):
    """A kernel did not compile."""


class UnsupportedError(Error, NotImplementedError):
    """Not offered by this build, backend or op."""


class CancelledError(Error):
    """The work was called off."""


class TimeOutError(Error, TimeoutError):
    """The work took too long."""


class FileError(Error, OSError):
    """A file could not be read or written, or its content is damaged."""

    def __str__(self) -> str:
        return str(self.args[-1])


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file."""


class NotFoundError(Error, LookupError):
    """Nothing goes by that name."""


class IndexRangeError(Error, IndexError):
    """An index or a label is outside what it counts along."""


class BusyError(Error):
    """The context is in use by another thread, or was forked."""


class InternalError(Error):
    """A defect of jt itself."""


_BY_CODE: Dict[int, Type[Error]] = {
    -2: ArgumentError, -3: ShapeError, -4: DTypeError, -5: OutOfMemoryError, -6: DeviceError, -7: DeviceError,
    -8: CompileError, -9: UnsupportedError, -10: CancelledError, -11: TimeOutError, -12: FileError, -14: BusyError,
    -15: CompileError, -16: NotFoundError, -17: ArgumentError, -18: BusyError, -19: InternalError,
    -20: IndexRangeError}


# What C's functions are called here, and its words.
_NAMES = {"tensor_item_f64": "item", "tensor_item_i64": "item", "tensor_map_write": "data", "tensor_map_export": "__dlpack__", "tensor_read": "item",
          "tensor_assign": "assign", "tensor_rebind": "assign", "eval": "sync", "checkpoint_open": "load", "checkpoint_load": "load",
          "checkpoint_save": "save", "idx_load": "load_idx", "graph_print": "graph", "tensor_set_requires_grad": "requires_grad", "tensor_mark_dynamic": "mark_dynamic",
          "tensor_name_dim": "name_dim"}
_WORDS = {"pass JT_GRAD_RETAIN_GRAPH": "pass retain_graph=True", "without JT_GRAD_RETAIN_GRAPH": "without retain_graph=True",
          "JT_GRAD_CREATE_GRAPH": "create_graph=True", "JT_GRAD_ALLOW_UNUSED": "allow_unused=True",
          "a tensor is NULL": "a tensor is None", "tensor is NULL": "tensor is None", " is NULL": " is None"}
_HAS_OP = re.compile(r"[A-Za-z_][\w.]*: ")


def _in_python(message: str) -> str:
    """The text of an error of C with the names that Python has."""
    found = re.match(r"jt_(\w+): ", message)
    if found:
        rest, name = message[found.end():], _NAMES.get(found[1], found[1])
        message = rest if _HAS_OP.match(rest) or name == "tensor_map" else f"{name}: {rest}"
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _recorded(match: "re.Match[str]") -> str:
    place = _C.place_of(int(match[1]))
    return f"recorded at {place[0]}:{place[1]}" if place else match[0]


# Functions of C that others stand for.
_NAMES = {"random_uniform": "uniform", "random_normal": "normal", "random_integers": "randint", "runtime_find_device": "device"}


def from_status(code: int, native: int, message: str) -> Error:
    """The exception for a status, errno (or 0) and text of the C API."""
    kind = _BY_CODE.get(code, Error)
    if kind is FileError and native == errno.ENOENT:
        kind = MissingFileError
    who, colon, rest = message.partition(":")
    message = _NAMES.get(who, who) + colon + rest
    message, recorded = re.subn(r"recorded at line (\d+)", _recorded, _in_python(message))
    if not recorded and kind in (ArgumentError, ShapeError, DTypeError, UnsupportedError):
        here = _C.current_place()
        message += f" (at {here[0]}:{here[1]})" if here else ""
    if kind is OutOfMemoryError and "memory" not in message:
        message += " (out of memory)"
    error = kind(native, message) if issubclass(kind, OSError) and native else kind(message)
    error.code = code
    return error
