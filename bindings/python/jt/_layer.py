"""_layer: what the layers of _layers share: a jt_module behind a Module, whose tensors are this object's attributes."""
from __future__ import annotations

import math
from typing import Any, Dict, List, Sequence, Set, Tuple, Union

from . import _C, dtypes
from .dtypes import DType
from .module import Module, is_parameter
from .tensor import Tensor

Ints = Union[int, Sequence[int]]
DTypeLike = Union[DType, str, type]
State = Union[None, Tensor, Tuple[Tensor, Tensor]]


def _plain(value: Any) -> Any:
    """A value of a field as C takes it; None, where it is not the default, is NaN: only numbers may be None there."""
    return math.nan if value is None else value


class Layer(Module):
    """A row of the table of layers. Fields are attributes (`dropout.p = 0.1`), and so are its parameters and buffers; those
    that the fields leave out are None."""

    _tensors: Tuple[str, ...] = ()  # parameters, buffers and optional tensors that it may have
    _results = 1
    _parameter_names: Set[str]

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        optional = {name: fields.pop(name) for name in self._tensors if name in fields and not isinstance(fields[name], (bool, int))}
        self.__dict__["_fields"] = fields
        self._make()
        buffers, present = set(), _C.module_tensors(self._handle)
        for name in self._tensors:
            self.__dict__[name] = present[name][0] if name in present else None
            if name not in present or present[name][1]:
                buffers.add(name)
        for name, value in fields.items():
            if name not in self._tensors and name != "dtype":
                self.__dict__[name] = value
        self.__dict__["_buffer_names"] = buffers
        self.__dict__["_parameter_names"] = set(present) - buffers
        for name in self._parameter_names:
            self.__dict__[name]._is_parameter = True  # also while it is frozen
        for name, value in optional.items():
            if value is not None:
                setattr(self, name, value)

    def _make(self) -> None:
        given = {name: _plain(value) for name, value in self._fields.items() if value is not None or name == "momentum"}
        self.__dict__["_handle"] = _C.module_create(type(self)._kind(), given)

    @classmethod
    def _kind(cls) -> str:
        """The row's name: that of the class of _layers it is or derives from."""
        return next(c.__name__ for c in cls.__mro__ if c.__module__.endswith("._layers"))

    def _run(self, *inputs: Any) -> Any:
        flat: List[Any] = []
        for x in inputs:
            flat.extend(x) if isinstance(x, tuple) else flat.append(x)
        while flat and flat[-1] is None:
            flat.pop()
        return _C.module_run(self._handle, flat, self.training, self._results)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._tensors and "_handle" in self.__dict__:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"{type(self).__name__}: {name} is a jt.Tensor, not {type(value).__name__}")
            if value is not None or self.__dict__.get(name) is not None:
                _C.module_set_tensor(self._handle, name, value)
            if value is not None and name in self._parameter_names and not is_parameter(value):
                value.requires_grad = True  # whatever takes a parameter's place is trained
            if value is not None and is_parameter(value):
                self._register(name, value)
            self.__dict__[name] = value
            return
        elif name in self.__dict__.get("_fields", ()):
            _C.module_set_field(self._handle, name, _plain(value))
            self._fields[name] = value
        super().__setattr__(name, value)

    def _convert(self, dtype: Any) -> None:
        old = {name: self.__dict__[name] for name in self._tensors if self.__dict__.get(name) is not None}
        if all(x.dtype == dtype or not x.dtype.is_floating_point for x in old.values()) and "dtype" not in self._fields:
            return
        self._fields["dtype"] = dtypes.by_code[dtypes.code_of(dtype)]
        self._make()
        for name, x in old.items():
            converted = self._converted(x, dtype) if x.dtype.is_floating_point and x.dtype != dtype else x
            _C.module_set_tensor(self._handle, name, converted)
            self.__dict__[name] = converted

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_handle"}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make()
        for name in self._tensors:
            if self.__dict__.get(name) is not None:
                _C.module_set_tensor(self._handle, name, self.__dict__[name])

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._fields.items() if name != "dtype")
