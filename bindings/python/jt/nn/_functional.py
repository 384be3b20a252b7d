"""_functional: functions of jt.nn.functional that are no layer without parameters. Names, arguments and values are PyTorch's."""
from __future__ import annotations

import math
from operator import index
from typing import Any, List, Optional, Sequence, Tuple, Union

from .. import _C, dtypes, errors
from .._elements import _narrow, _wide
from ..ops import softmax as _softmax
from ..tensor import Tensor

__all__ = ["batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "channel_shuffle", "conv1d", "conv2d", "conv3d", "cosine_embedding_loss",
           "cosine_similarity", "cross_entropy", "embedding", "fold", "gaussian_nll_loss", "group_norm", "gumbel_softmax", "hinge_embedding_loss", "instance_norm",
           "interpolate", "kl_div", "layer_norm", "linear", "local_response_norm", "logsigmoid", "margin_ranking_loss", "multi_margin_loss",
           "multilabel_soft_margin_loss", "normalize", "one_hot", "pad", "pairwise_distance", "poisson_nll_loss", "prelu", "rms_norm",
           "scaled_dot_product_attention", "soft_margin_loss", "triplet_margin_loss", "unfold", "upsample"]

Ints = Union[int, Sequence[int]]


def _integers(value: Any) -> List[int]:
    return [index(v) for v in value] if isinstance(value, (tuple, list)) else [index(value)]


def _listed(who: str, value: Any, n: int) -> List[int]:
    """n integers, of which one may stand for all."""
    given = _integers(value)
    if len(given) not in (1, n):
        raise errors.ArgumentError(f"{who}: {given} are not {n} integers")
    return given * n if len(given) == 1 else given


def _beside(product: Any, bias: Any) -> Any:
    """The bias in the product's dtype where autocast made that one a half."""
    return bias.to(product.dtype) if _C.autocast_dtype() != dtypes.float32.code and bias.dtype == "float32" else bias


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """input [..,in] by weight [out,in], plus bias [out]."""
    out = _C.matmul(input, weight.T)
    return out if bias is None else _C.add(out, _beside(out, bias))  # type: ignore[return-value]


# ---- convolutions
def _window(who: str, n: int, weight: Any, stride: Ints, padding: Any, dilation: Ints) -> Tuple[List[int], List[int], List[int]]:
    """stride, padding (all before, all after), dilation."""
    steps, spread = _listed(who, stride, n), _listed(who, dilation, n)
    if padding == "same":
        if any(s != 1 for s in steps):
            raise errors.ArgumentError(f"{who}: padding 'same' with stride {steps}")
        whole = [d * (k - 1) for d, k in zip(spread, weight.shape[2:])]
        return steps, [w // 2 for w in whole] + [w - w // 2 for w in whole], spread
    if isinstance(padding, str) and padding != "valid":
        raise errors.ArgumentError(f"{who}: padding is {padding!r}, neither 'same' nor 'valid'")
    sides = _listed(who, 0 if padding == "valid" else padding, n)
    return steps, sides + sides, spread


def _with_bias(out: Any, bias: Any) -> Any:
    return out if bias is None else _C.add(out, _C.reshape(_beside(out, bias), [-1] + [1] * (out.ndim - 2)))


def _batched(who: str, x: Any, n: int) -> Tuple[Any, bool]:
    if x.ndim not in (n + 1, n + 2):
        raise errors.ShapeError(f"{who}: the input needs {n + 2} axes, or {n + 1} without a batch, its shape is {x.shape}")
    return (x, False) if x.ndim == n + 2 else (x.unsqueeze(0), True)


def conv1d(input: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Any = 0, dilation: Ints = 1, groups: int = 1) -> Tensor:
    """input [N,C,L] with weight [O,C/groups,K], plus bias [O]; padding a number, "same" or "valid"; [C,L] is a batch of one."""
    s, p, d = _window("conv1d", 1, weight, stride, padding, dilation)
    x, is_one = _batched("conv1d", input, 1)
    out = _C.conv2d(x.unsqueeze(2), weight.unsqueeze(2), [1, s[0]], [0, p[0], 0, p[1]], [1, d[0]], groups).squeeze(2)
    return _with_bias(out, bias)[0] if is_one else _with_bias(out, bias)  # type: ignore[no-any-return]


def conv2d(input: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Any = 0, dilation: Ints = 1, groups: int = 1) -> Tensor:
    """input [N,C,H,W] with weight [O,C/groups,KH,KW], plus bias [O]; padding numbers, "same" or "valid"; [C,H,W] is a batch of one."""
    s, p, d = _window("conv2d", 2, weight, stride, padding, dilation)
    x, is_one = _batched("conv2d", input, 2)
    out = _with_bias(_C.conv2d(x, weight, s, p, d, groups), bias)
    return out[0] if is_one else out  # type: ignore[no-any-return]


def conv3d(input: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Any = 0, dilation: Ints = 1, groups: int = 1) -> Tensor:
    """input [N,C,D,H,W] with weight [O,C/groups,KD,KH,KW], plus bias [O]; padding numbers, "same" or "valid"; [C,D,H,W] is a batch of one."""
    s, p, d = _window("conv3d", 3, weight, stride, padding, dilation)
    x, is_one = _batched("conv3d", input, 3)
    out = _with_bias(_C.conv3d(x, weight, s, p, d, groups), bias)
    return out[0] if is_one else out  # type: ignore[no-any-return]


def unfold(input: Any, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Tensor:
    """Windows of images [N,C,H,W] as columns: [N, C * KH * KW, windows]."""
    k, d, p, s = (_listed("unfold", v, 2) for v in (kernel_size, dilation, padding, stride))
    x, is_one = _batched("unfold", input, 2)
    if any(p):
        x = _C.pad(x, [0, 0, *p], [0, 0, *p])
    w = _C.windows(x, k, s, d)  # [N,C,OH,OW,KH,KW]
    n, c, oh, ow = w.shape[:4]
    out = _C.reshape(_C.transpose(w, (0, 1, 4, 5, 2, 3)), (n, c * k[0] * k[1], oh * ow))
    return out[0] if is_one else out


def fold(input: Any, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Tensor:
    """What unfold gave, added up in images of output_size: [N,C,H,W]."""
    size, k, d, p, s = (_listed("fold", v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    x = input if input.ndim == 3 else input.unsqueeze(0)
    h, w = (size[i] + 2 * p[i] for i in range(2))
    oh, ow = ((extent - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i, extent in enumerate((h, w)))
    n, c = x.shape[0], x.shape[1] // (k[0] * k[1])
    if x.shape[1] % (k[0] * k[1]) or x.shape[2] != oh * ow:
        raise errors.ShapeError(f"fold: {tuple(input.shape)} are not windows {k} of {oh} x {ow} places")
    x = _C.reshape(x, (n * c, k[0], k[1], oh, ow))
    row = _C.add(_C.iota((k[0], k[1], oh, ow), 0) * d[0], _C.iota((k[0], k[1], oh, ow), 2) * s[0])
    column = _C.add(_C.iota((k[0], k[1], oh, ow), 1) * d[1], _C.iota((k[0], k[1], oh, ow), 3) * s[1])
    at = _C.reshape(row * w + column, (-1,))
    out = _C.scatter_add(_C.zeros((n * c, h * w), x.dtype), at, _C.reshape(x, (n * c, -1)), 1)
    out = _C.reshape(out, (n, c, h, w))[:, :, p[0]:h - p[0], p[1]:w - p[1]]
    return out if input.ndim == 3 else out[0]


# ---- padding and size
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: Optional[float] = None) -> Tensor:
    """Pads the last axes, given from the last: (left, right, top, bottom, ..), negative ones cut off. mode "constant", "reflect", "replicate" or
    "circular"."""
    sides = [index(v) for v in pad]
    if len(sides) % 2 or len(sides) > 2 * input.ndim:
        raise errors.ArgumentError(f"pad: {len(sides)} numbers for {input.ndim} axes")
    n = len(sides) // 2
    before = [0] * (input.ndim - n) + [sides[2 * i] for i in reversed(range(n))]
    after = [0] * (input.ndim - n) + [sides[2 * i + 1] for i in reversed(range(n))]
    x = input[tuple(slice(max(-b, 0), extent - max(-a, 0)) for b, a, extent in zip(before, after, input.shape))]
    before, after = [max(b, 0) for b in before], [max(a, 0) for a in after]
    if mode == "constant":
        return _C.pad(x, before, after, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise errors.ArgumentError(f"pad: mode is {mode!r}, none of constant, reflect, replicate, circular")
    for axis, (b, a) in enumerate(zip(before, after)):
        if b or a:
            x = _C.take(x, _mirrored(mode, b, a, x.shape[axis]), axis)
    return x  # type: ignore[no-any-return]


def _mirrored(mode: str, before: int, after: int, extent: int) -> Any:
    most = {"reflect": extent - 1, "circular": extent, "replicate": math.inf if extent else 0}[mode]
    if max(before, after) > most:
        raise errors.ShapeError(f"pad: {mode} of {max(before, after)} elements beside {extent}")
    at = _C.iota((before + extent + after,), 0) - before
    if mode == "replicate":
        return _C.clamp(at, 0, extent - 1)
    if mode == "circular":
        return _C.mod(at, extent)
    at = _C.abs(at)
    return _C.minimum(at, 2 * (extent - 1) - at)


def interpolate(input: Any, size: Optional[Ints] = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Optional[bool] = None) -> Tensor:
    """Images [N,C,..] brought to another size, or times scale_factor: mode "nearest", "nearest-exact", or linear along every axis: "linear",
    "bilinear", "trilinear". With align_corners the first and last elements stay where they are."""
    n = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise errors.ArgumentError("interpolate: either size or scale_factor is to be given")
    if mode not in ("nearest", "nearest-exact", "linear", "bilinear", "trilinear"):
        raise errors.UnsupportedError(f"interpolate: mode {mode!r} is not supported; there are nearest, nearest-exact, linear, bilinear, trilinear")
    axes = {"linear": 1, "bilinear": 2, "trilinear": 3}.get(mode, n)
    if n not in (1, 2, 3) or n != axes:
        raise errors.ShapeError(f"interpolate: mode {mode!r} of {input.shape}" + (f", which has not {axes + 2} axes" if n != axes else ""))
    factors = None if scale_factor is None else list(scale_factor) if isinstance(scale_factor, (tuple, list)) else [scale_factor] * n
    given = _integers(size) if factors is None else factors
    if len(given) not in (n, n if factors is not None or isinstance(size, (tuple, list)) else 1):
        raise errors.ArgumentError(f"interpolate: {given} for {n} axes")
    if factors is not None and not all(0 < f < math.inf for f in factors):
        raise errors.ArgumentError(f"interpolate: a scale_factor of {factors} is not above 0")
    sizes = _listed("interpolate", size, n) if factors is None else [int(math.floor(extent * f)) for extent, f in zip(input.shape[2:], factors)]
    if not (input.dtype.is_floating_point or mode.startswith("nearest")):
        raise errors.DTypeError(f"interpolate: mode {mode!r} of {input.dtype}")
    x = _wide(input)
    for i, extent in enumerate(sizes):
        old = x.shape[i + 2]
        if extent < 1 or old < 1:
            raise errors.ShapeError(f"interpolate: {extent} elements of {old} along axis {i + 2}")
        ratio = 1 / factors[i] if factors is not None and not align_corners else old / extent
        x = _resampled(x, i + 2, old, extent, ratio, mode, bool(align_corners))
    return _narrow(x, input)


def _resampled(x: Any, axis: int, old: int, new: int, ratio: float, mode: str, align: bool) -> Any:
    at = _C.iota((new,), 0, dtypes.float64)
    if mode.startswith("nearest"):
        place = _C.floor((at + 0.5) * ratio if mode == "nearest-exact" else at * ratio)
        return _C.take(x, _C.clamp(place, 0, old - 1).to(dtypes.int64), axis)
    if align:
        place = at * ((old - 1) / (new - 1)) if new > 1 else at * 0
    else:
        place = _C.maximum((at + 0.5) * ratio - 0.5, 0)
    low = _C.minimum(_C.floor(place), old - 1)
    high, share = _C.minimum(low + 1, old - 1).to(dtypes.int64), (place - low).to(x.dtype)
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    a, b = _C.take(x, low.to(dtypes.int64), axis), _C.take(x, high, axis)
    share = _C.reshape(share, shape)
    return a * (1 - share) + b * share


upsample = interpolate


def channel_shuffle(input: Any, groups: int) -> Tensor:
    """Channels of [N,C,..], dealt out to groups: those of one group come to lie groups apart."""
    n, c = input.shape[:2]
    if groups < 1 or c % groups:
        raise errors.ShapeError(f"channel_shuffle: {groups} groups of {c} channels")
    return _C.reshape(_C.reshape(input, (n, groups, c // groups, *input.shape[2:])).transpose(1, 2), input.shape)


# ---- norms
def layer_norm(input: Any, normalized_shape: Ints, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) over the last axes, whose extents are normalized_shape; times weight, plus bias."""
    axes = len(_integers(normalized_shape))
    if tuple(input.shape[input.ndim - axes:]) != tuple(_integers(normalized_shape)):
        raise errors.ShapeError(f"layer_norm: the last axes of {tuple(input.shape)} are not {normalized_shape}")
    return _scaled(_C.layer_norm(_wide(input), axes=axes, eps=eps), weight, bias, input)


def rms_norm(input: Any, normalized_shape: Ints, weight: Any = None, eps: Optional[float] = None) -> Tensor:
    """x / sqrt(mean of x^2 + eps) over the last axes, times weight; eps is the dtype's where it is None."""
    axes = len(_integers(normalized_shape))
    if tuple(input.shape[input.ndim - axes:]) != tuple(_integers(normalized_shape)):
        raise errors.ShapeError(f"rms_norm: the last axes of {tuple(input.shape)} are not {normalized_shape}")
    if eps is None:
        eps = {"float64": 2.0 ** -52, "float32": 2.0 ** -23, "float16": 2.0 ** -10, "bfloat16": 2.0 ** -7}[input.dtype]
    return _scaled(_C.rms_norm(_wide(input), axes=axes, eps=eps), weight, None, input)


def _scaled(x: Any, weight: Any, bias: Any, input: Any) -> Any:
    """Of halves, which are rounded once, x is what f32 has computed; autocast leaves norms in f32."""
    x = x if weight is None else x * _wide(weight)
    x = x if bias is None else x + _wide(bias)
    return x if _C.autocast_dtype() != dtypes.float32.code else _narrow(x, input)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """As layer_norm over each of num_groups groups of channels of [N,C,..]; weight and bias [C]."""
    shape = [-1] + [1] * (input.ndim - 2)
    weight, bias = (None if v is None else _C.reshape(v, shape) for v in (weight, bias))
    return _scaled(_C.group_norm(_wide(input), groups=num_groups, eps=eps), weight, bias, input)  # type: ignore[no-any-return]


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """As group_norm with a group for each channel, or by running statistics without use_input_stats."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None:
        raise errors.UnsupportedError("instance_norm: running statistics are gathered by the layer, jt.nn.InstanceNorm2d")
    return group_norm(input, input.shape[1], weight, bias, eps)


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) by channel of [N,C,..]: statistics of the batch in training, which then move the running ones by momentum."""
    axes, shape = [i for i in range(input.ndim) if i != 1], [-1] + [1] * (input.ndim - 2)
    x, mean, var = _wide(input), running_mean, running_var
    if training or mean is None:
        n = math.prod(input.shape) // max(input.shape[1], 1)
        if training and n == 1:
            raise errors.ShapeError(f"batch_norm: one value for each channel of {tuple(input.shape)} has no spread")
        var, mean = _C.var_mean(x, axes, False, 0)
        if training and running_mean is not None and n:
            running_mean.assign((running_mean * (1 - momentum) + mean.detach() * momentum).to(running_mean.dtype))
            running_var.assign((running_var * (1 - momentum) + var.detach() * (momentum * n / (n - 1))).to(running_var.dtype))
    mean, var, weight, bias = (None if v is None else _C.reshape(_wide(v), shape) for v in (mean, var, weight, bias))
    return _narrow(_scaled((x - mean) / _C.sqrt(var + eps), weight, bias, input), input)


def normalize(input: Any, p: float = 2.0, dim: Ints = 1, eps: float = 1e-12) -> Tensor:
    """Divided by the p-norm along an axis, which is at least eps."""
    x = _wide(input)
    return _narrow(x / _C.maximum(_C.norm(x, p, _integers(dim), True), eps), input)


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * mean of x^2 over `size` channels around) ** beta (Krizhevsky et al. 2012)."""
    x, size = _wide(input), index(size)
    square = _C.square(x)
    before, after = size // 2, (size - 1) // 2
    wide = _C.pad(square, [0, before] + [0] * (input.ndim - 2), [0, after] + [0] * (input.ndim - 2))
    total = _C.add(square * 0, sum(wide[:, i:i + input.shape[1]] for i in range(size)))
    return _narrow(x / _C.pow(total * (alpha / size) + k, beta), input)


# ---- by index
def embedding(input: Any, weight: Any, padding_idx: Optional[int] = None) -> Tensor:
    """Rows of weight [V,d] by index; the row padding_idx has no gradient."""
    if padding_idx is None:
        return _C.embedding(input, weight)
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise errors.ArgumentError(f"embedding: padding_idx {padding_idx} is outside {weight.shape[0]} rows")
    return _C.embedding(input, weight, padding=padding_idx if padding_idx >= 0 else padding_idx + weight.shape[0])


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """1 at the place that each integer names, in int64; without num_classes as many as the data need, which are then looked at."""
    return _C.one_hot(tensor, num_classes if num_classes >= 0 else int(_C.max(tensor)) + 1)


# ---- distances
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along an axis; a norm counts as eps at least, of which gradients know nothing."""
    x, y = _wide(x1), _wide(x2)
    a, b = (n + (_C.maximum(n, eps) - n).detach() for n in (_C.norm(v, 2, (dim,), True) for v in (x, y)))
    return _narrow(_C.sum(x / a * (y / b), (dim,)), x1, x2)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return _C.norm(x1 - x2 + eps, p, (-1,), keepdim)


# ---- chance
def gumbel_softmax(logits: Any, tau: float = 1.0, hard: bool = False, dim: int = -1) -> Tensor:
    """A draw from the classes, softened (Jang et al. 2017); hard: one-hot, with the gradient of the soft one."""
    u = _C.random_uniform(logits.shape, 0, 1, dtypes.float32)
    noise = _C.neg(_C.log(_C.neg(_C.log(_C.maximum(u, 1e-20)))))
    soft = _softmax((logits + noise.to(logits.dtype)) / tau, dim)
    if not hard:
        return soft
    top = _C.argmax(soft, (dim,), True)
    one = _C.scatter(_C.full_like(soft, 0), top, _C.full(top.shape, 1, soft.dtype), dim)
    return one - soft.detach() + soft  # type: ignore[no-any-return]


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
                                 scale: Optional[float] = None) -> Tensor:
    """softmax(query key^T * scale + mask) value for [..,L,E], [..,S,E], [..,S,V]; scale is 1 / sqrt(E). A mask of bool lets pass where it is
    true; is_causal: row i sees the first i + 1."""
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = _C.matmul(query * factor, key.transpose(-1, -2))
    if is_causal:
        if attn_mask is not None:
            raise errors.ArgumentError("scaled_dot_product_attention: attn_mask with is_causal")
        shape = scores.shape[-2:]
        attn_mask = _C.greater_equal(_C.iota(shape, 0), _C.iota(shape, 1))
    weights = None
    if attn_mask is not None:
        scores = _C.where(attn_mask, scores, -math.inf) if attn_mask.dtype == dtypes.bool else scores + attn_mask
        sees_nothing = _C.all(_C.equal(scores, -math.inf), (-1,), True)  # a row of zeros, as in PyTorch
        weights = _C.where(sees_nothing, 0, _softmax(_C.where(sees_nothing, 0, scores), -1))
    weights = _softmax(scores, -1) if weights is None else weights
    return _C.matmul(_C.dropout(weights, p=dropout_p) if dropout_p else weights, value)


# ---- losses
def _reduced(loss: Any, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise errors.ArgumentError(f"reduction is {reduction!r}, none of mean, sum, none")
    return loss if reduction == "none" else _C.sum(loss) if reduction == "sum" else _C.mean(loss)


def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """As jt.cross_entropy."""
    return _C.cross_entropy(input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """As jt.bce: -(y log x + (1 - y) log(1 - x))."""
    return _C.bce(input, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> Tensor:
    """As jt.bce_with_logits: binary_cross_entropy of sigmoid(x), without overflow."""
    return _C.bce_with_logits(input, target, weight, pos_weight, reduction=reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log target - input), of input log-probabilities; reduction also "batchmean"."""
    if reduction == "batchmean":
        return _C.kl_div(input, target, log_target=log_target, reduction="sum") / max(input.shape[0], 1)  # type: ignore[return-value]
    return _C.kl_div(input, target, log_target=log_target, reduction=reduction)


def logsigmoid(input: Any) -> Tensor:
    """log(sigmoid(x))."""
    return _C.log_sigmoid(input)


def prelu(input: Any, weight: Any) -> Tensor:
    """x where x > 0, else x * weight, [C] or [1]."""
    return _C.prelu(input, weight)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """max(0, -y (x1 - x2) + margin)."""
    return _reduced(_C.maximum(_C.neg(target) * (input1 - input2) + margin, 0), reduction)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where y is 1, max(0, margin - x) where it is -1."""
    return _reduced(_C.where(_C.equal(target, 1), input, 0) + _C.where(_C.equal(target, -1), _C.maximum(margin - input, 0), 0), reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """1 - cos(x1, x2) where y is 1, max(0, cos(x1, x2) - margin) where it is -1; rows along the last axis."""
    eps, x, y = 1e-12, _wide(input1), _wide(input2)
    dot, a, b = (_C.sum(p, (-1,)) for p in (x * y, x * x + eps / x.shape[-1], y * y + eps / y.shape[-1]))
    cosine = dot / _C.sqrt(a * b)
    loss = _C.where(_C.equal(target, 1), 1 - cosine, 0) + _C.where(_C.equal(target, -1), _C.maximum(cosine - margin, 0), 0)
    return _narrow(_reduced(loss, reduction), input1, input2)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
                        reduction: str = "mean") -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d as pairwise_distance; swap takes the negative's nearer distance."""
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = _C.minimum(far, pairwise_distance(positive, negative, p, eps))  # type: ignore[assignment]
    return _reduced(_C.maximum(near - far + margin, 0), reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y x)), without overflow."""
    return _reduced(_C.softplus(_C.neg(target) * input), reduction)


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> Tensor:
    """The sum over classes other than the target of max(0, margin - x[target] + x) ** p, over their number; times the target's weight."""
    x, label = (input, target) if input.ndim == 2 else (input.unsqueeze(0), _C.reshape(target, (1,)))
    x, (n, c) = _wide(x), x.shape
    own = _C.gather(x, _C.reshape(label, (n, 1)), 1)
    cost = _C.maximum(x - own + margin, 0)
    cost = cost * cost if p == 2 else cost if p == 1 else _C.pow(cost, p)
    cost = _C.where(_C.equal(_C.iota((n, c), 1), _C.reshape(label, (n, 1))), 0, cost)
    loss = _C.sum(cost, (1,)) / c
    if weight is not None:
        loss = loss * _C.take(weight, label, 0)
    out = _narrow(_reduced(loss, reduction), input)
    return out[0] if reduction == "none" and input.ndim == 1 else out


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """The mean over classes of -(y log sigmoid(x) + (1 - y) log sigmoid(-x)), times weight."""
    loss = _C.neg(target * _C.log_sigmoid(input) + (1 - target) * _C.log_sigmoid(_C.neg(input)))
    return _reduced(_C.mean(loss if weight is None else loss * weight, (-1,)), reduction)


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> Tensor:
    """exp(x) - y x, or of x itself: x - y log(x + eps); full adds Stirling's y log y - y + log(2 pi y) / 2 where y > 1."""
    loss = _C.exp(input) - target * input if log_input else input - target * _C.log(input + eps)
    if full:
        safe = _C.where(_C.greater(target, 1), target, 2)
        loss = loss + _C.where(_C.greater(target, 1), safe * _C.log(safe) - safe + _C.log(safe * (2 * math.pi)) * 0.5, 0)
    return _reduced(loss, reduction)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """(log var + (x - y)^2 / var) / 2, var at least eps, without a gradient of that; full adds log(2 pi) / 2."""
    if isinstance(var, Tensor):
        if var.shape != input.shape and var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
    else:
        var = _C.full_like(input, var)
    x, y, spread = _wide(input), _wide(target), _wide(var)
    spread = spread + (_C.maximum(spread, eps) - spread).detach()
    loss = (_C.log(spread) + _C.square(x - y) / spread) * 0.5
    return _narrow(_reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction), input, target, var)
