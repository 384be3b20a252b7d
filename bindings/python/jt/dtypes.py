"""dtypes: the element types. A dtype is the str that names it, so NumPy takes it and it compares with strings."""
from __future__ import annotations

import builtins
from typing import Any, Dict

from .errors import DTypeError


class DType(str):
    """An element type: jt.float32, jt.int64, ... Equal to its name ("float32")."""

    code: int  #: of the C API (jt_dtype)
    itemsize: int  #: bytes of one element

    def __new__(cls, name: str, code: int = 0, itemsize: int = 0) -> "DType":
        if code == 0:
            return by_code[code_of(name)]
        self = super().__new__(cls, name)
        self.code, self.itemsize = code, itemsize
        return self

    @property
    def is_floating_point(self) -> builtins.bool:
        """Whether it is float16, bfloat16, float32 or float64."""
        return self.code >= 10

    def __repr__(self) -> str:
        return "jt." + str(self)

    def __reduce__(self) -> Any:
        return DType, (str(self),)


bool = DType("bool", 1, 1)
int8, int16, int32, int64 = DType("int8", 2, 1), DType("int16", 3, 2), DType("int32", 4, 4), DType("int64", 5, 8)
uint8, uint16, uint32, uint64 = DType("uint8", 6, 1), DType("uint16", 7, 2), DType("uint32", 8, 4), DType("uint64", 9, 8)
float16, bfloat16 = DType("float16", 10, 2), DType("bfloat16", 11, 2)
float32, float64 = DType("float32", 12, 4), DType("float64", 13, 8)

by_code: Dict[int, DType] = {t.code: t for t in (
    bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, bfloat16, float32, float64)}
_BY_NAME: Dict[str, int] = {str(t): t.code for t in by_code.values()}
_BY_NAME.update({  # names of the C API, and what people also write
    "i8": 2, "i16": 3, "i32": 4, "i64": 5, "u8": 6, "u16": 7, "u32": 8, "u64": 9, "f16": 10, "bf16": 11, "f32": 12,
    "f64": 13, "half": 10, "float": 12, "double": 13, "int": 5, "long": 5, "short": 3})
_BY_TYPE: Dict[Any, int] = {builtins.bool: 1, builtins.int: 5, builtins.float: 12}


def is_name(text: str) -> builtins.bool:
    """Whether it is the name of a dtype."""
    return text in _BY_NAME


def code_of(dtype: Any) -> builtins.int:
    """The code of jt.float32, "float32", float, numpy.float32, numpy.dtype("float32")."""
    code = _BY_TYPE.get(dtype) if isinstance(dtype, type) else None
    if code is None:
        name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
        code = _BY_NAME.get(name) if isinstance(name, str) else None  # type: ignore[arg-type]
    if code is None:  # torch.float32
        code = _BY_NAME.get(str(dtype).rsplit(".", 1)[-1]) if type(dtype).__name__ == "dtype" else None
    if code is None:
        raise DTypeError(f"{dtype!r} is not a dtype; there are {', '.join(by_code.values())}")
    return code
