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
from ._elements import (
    absolute as absolute, add as add, addcdiv as addcdiv, addcmul as addcmul, allclose as allclose, amax as amax,
    amin as amin, arccos as arccos, arccosh as arccosh, arcsin as arcsin, arcsinh as arcsinh, arctan as arctan,
    arctan2 as arctan2, arctanh as arctanh, bitwise_left_shift as bitwise_left_shift,
    bitwise_right_shift as bitwise_right_shift, clamp as clamp, clamp_max as clamp_max, clamp_min as clamp_min,
    clip as clip, count_nonzero as count_nonzero, deg2rad as deg2rad, diff as diff, dist as dist, div as div,
    divide as divide, eq as eq, fix as fix, float_power as float_power, floor_divide as floor_divide, fmax as fmax,
    fmin as fmin, frac as frac, ge as ge, gt as gt, heaviside as heaviside, isneginf as isneginf,
    isposinf as isposinf, ldexp as ldexp, le as le, logaddexp2 as logaddexp2, logit as logit, lt as lt,
    multiply as multiply, nanmean as nanmean, nansum as nansum, ne as ne, negative as negative,
    positive as positive, rad2deg as rad2deg, remainder as remainder, signbit as signbit, sinc as sinc,
    std_mean as std_mean, sub as sub, subtract as subtract, true_divide as true_divide)
from ._linear import (
    addbmm as addbmm, addmm as addmm, addmv as addmv, addr as addr, baddbmm as baddbmm, bmm as bmm, cdist as cdist,
    cross as cross, dot as dot, einsum as einsum, ger as ger, inner as inner, kron as kron,
    matrix_power as matrix_power, mm as mm, mv as mv, outer as outer, tensordot as tensordot, trace as trace,
    vdot as vdot)
from ._shapes import (
    atleast_1d as atleast_1d, atleast_2d as atleast_2d, atleast_3d as atleast_3d, block_diag as block_diag,
    broadcast_tensors as broadcast_tensors, broadcast_to as broadcast_to, column_stack as column_stack,
    diag as diag, diag_embed as diag_embed, diagflat as diagflat, dstack as dstack, fliplr as fliplr,
    flipud as flipud, hstack as hstack, meshgrid as meshgrid, moveaxis as moveaxis, movedim as movedim,
    narrow as narrow, ravel as ravel, repeat_interleave as repeat_interleave, rot90 as rot90,
    row_stack as row_stack, select as select, swapaxes as swapaxes, swapdims as swapdims,
    tensor_split as tensor_split, tril_indices as tril_indices, triu_indices as triu_indices,
    unflatten as unflatten, vstack as vstack)
from ._selection import (
    argwhere as argwhere, bernoulli as bernoulli, bincount as bincount, bucketize as bucketize, histc as histc,
    index_add as index_add, index_copy as index_copy, index_fill as index_fill, index_select as index_select,
    kthvalue as kthvalue, masked_scatter as masked_scatter, masked_select as masked_select, median as median,
    msort as msort, multinomial as multinomial, nonzero as nonzero, quantile as quantile,
    scatter_reduce as scatter_reduce, searchsorted as searchsorted, select_scatter as select_scatter,
    slice_scatter as slice_scatter, take_along_dim as take_along_dim, unique as unique,
    unique_consecutive as unique_consecutive)
from ._composed import (
    gather as gather, max as max, min as min, scatter as scatter, scatter_add as scatter_add)
from .creation import (
    arange as arange, empty as empty, eye as eye, full as full, full_like as full_like, linspace as linspace,
    get_rng_state as get_rng_state, manual_seed as manual_seed, set_rng_state as set_rng_state,
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
    Module as Module, ModuleDict as ModuleDict, ModuleList as ModuleList, ParameterList as ParameterList, Sequential as Sequential)
from .flags import (
    display_memory_info as display_memory_info, flag_scope as flag_scope, flags as flags, gc as gc,
    graph as graph, memory_info as memory_info, profile_scope as profile_scope, sync_all as sync_all)
from .io import (
    load as load, load_idx as load_idx, save as save)
from .progress import (
    progress as progress)
from . import (
    amp as amp, dataset as dataset, init as init, jit as jit, nn as nn, ops as ops, optim as optim, utils as utils)

tensor = asarray = array
cat = concatenate = concat
__version__ = _C.version()
