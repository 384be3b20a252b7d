"""jt: tensors with automatic differentiation that compile what you write. jt.array([1, 2]) + 1 is a good start."""
from . import _C
from .dtypes import (DType, bfloat16, bool, float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32,
                     uint64)
from .errors import (ArgumentError, BusyError, CancelledError, CompileError, DeviceError, DTypeError, Error, FileError,
                     InternalError, MissingFileError, NotFoundError, OutOfMemoryError, ShapeError, TimeOutError,
                     UnsupportedError)
from .ops import *
from .tensor import Tensor, Var, array, from_dlpack, stack
from .creation import (arange, empty, eye, full, full_like, linspace, normal, ones, ones_like, rand, rand_like, randint,
                       randn, randn_like, randperm, seed, set_global_seed, set_seed, uniform, zeros, zeros_like)
from .autograd import Parameter, enable_grad, grad, is_grad_enabled, no_grad, stop_grad
from .function import Function
from .module import Module, ModuleList, ParameterList, Sequential
from .flags import display_memory_info, flag_scope, flags, gc, graph, memory_info, profile_scope, sync_all
from .io import load, load_idx, save
from .progress import progress
from . import dataset, init, nn, ops, optim

tensor = asarray = array
cat = concatenate = concat
__version__ = _C.version()
