"""jt: tensors with automatic differentiation that compile what you write. jt.array([1, 2]) + 1 is a good start."""
from . import _C as _C
from .dtypes import (
    DType as DType, bfloat16 as bfloat16, bool as bool, float16 as float16, float32 as float32,
    float64 as float64, int8 as int8, int16 as int16, int32 as int32, int64 as int64, uint8 as uint8,
    uint16 as uint16, uint32 as uint32, uint64 as uint64)
from .errors import (
    ArgumentError as ArgumentError, BusyError as BusyError, CancelledError as CancelledError,
    CompileError as CompileError, DeviceError as DeviceError, DTypeError as DTypeError, Error as Error,
    FileError as FileError, InternalError as InternalError, MissingFileError as MissingFileError,
    NotFoundError as NotFoundError, OutOfMemoryError as OutOfMemoryError, ShapeError as ShapeError,
    TimeOutError as TimeOutError, UnsupportedError as UnsupportedError)
from .ops import *
from .tensor import (
    Dim as Dim, Tensor as Tensor, Var as Var, array as array, chunk as chunk, from_dlpack as from_dlpack, split as split,
    stack as stack, transpose as transpose)
from .creation import (
    arange as arange, empty as empty, eye as eye, full as full, full_like as full_like, linspace as linspace,
    normal as normal, ones as ones, ones_like as ones_like, rand as rand, rand_like as rand_like,
    randint as randint, randn as randn, randn_like as randn_like, randperm as randperm, seed as seed,
    set_global_seed as set_global_seed, set_seed as set_seed, uniform as uniform, zeros as zeros,
    zeros_like as zeros_like)
from .autograd import (
    Parameter as Parameter, enable_grad as enable_grad, grad as grad, is_grad_enabled as is_grad_enabled,
    no_grad as no_grad, set_grad_enabled as set_grad_enabled, stop_grad as stop_grad)
from ._device import (
    current_device as current_device, device as device, devices as devices)
from .function import (
    Function as Function)
from .control import (
    cond as cond, fori_loop as fori_loop, while_loop as while_loop)
from .module import (
    Module as Module, ModuleList as ModuleList, ParameterList as ParameterList, Sequential as Sequential)
from .flags import (
    display_memory_info as display_memory_info, flag_scope as flag_scope, flags as flags, gc as gc,
    graph as graph, memory_info as memory_info, profile_scope as profile_scope, sync_all as sync_all)
from .io import (
    load as load, load_idx as load_idx, save as save)
from .progress import (
    progress as progress)
from . import (
    dataset as dataset, init as init, nn as nn, ops as ops, optim as optim)

tensor = asarray = array
cat = concatenate = concat
__version__ = _C.version()
