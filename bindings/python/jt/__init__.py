"""jt: tensors with automatic differentiation that compile what you write. jt.array([1, 2]) + 1 is a good start."""
from . import _C
from .dtypes import (DType, bfloat16, bool, float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32,
                     uint64)
from .errors import (ArgumentError, BusyError, CancelledError, CompileError, DeviceError, DTypeError, Error, FileError,
                     InternalError, MissingFileError, NotFoundError, OutOfMemoryError, ShapeError, TimeOutError,
                     UnsupportedError)
from .ops import *
from .tensor import Tensor, Var, array, from_dlpack, stack

__version__ = _C.version()
