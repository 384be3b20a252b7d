"""nn: layers and losses over the ops. Names, fields and defaults are PyTorch's; Conv, BatchNorm and Pool are Jittor's."""
from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple, Union

from . import _C, errors, init
from .autograd import Parameter, no_grad
from .module import Module, ModuleList, ParameterList, Sequential
from .ops import cross_entropy as cross_entropy_loss
from .ops import gelu as gelu
from .ops import log_softmax as log_softmax
from .ops import matmul as matmul
from .ops import mse_loss as mse_loss
from .ops import relu as relu
from .ops import sigmoid as sigmoid
from .ops import silu as silu
from .ops import softmax as softmax
from .ops import softplus as softplus
from .ops import tanh as tanh
from .tensor import Tensor

Pair = Union[int, Sequence[int]]


def _pair(value: Pair) -> Tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, second = value
    return first, second


def _fan(shape: Sequence[int], fan: int) -> Tensor:
    bound = fan ** -0.5
    return Parameter(init.uniform(shape, -bound, bound))


class Linear(Module):
    """x [.., in_features] @ weight^T + bias."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = _fan((out_features, in_features), in_features)
        self.bias = _fan((out_features,), in_features) if bias else None

    def execute(self, x: Tensor) -> Tensor:
        y = _C.matmul(x, _C.transpose(self.weight))
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class Conv2d(Module):
    """Cross-correlation of x [N,C,H,W] with weight [out_channels,C/groups,KH,KW], + bias."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
                 dilation: Pair = 1, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise errors.ArgumentError(f"Conv2d: {in_channels} and {out_channels} channels in {groups} groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = _pair(kernel_size), _pair(stride), _pair(dilation)
        self.padding = _pair(padding)
        fan = in_channels // groups * self.kernel_size[0] * self.kernel_size[1]
        self.weight = _fan((out_channels, in_channels // groups, *self.kernel_size), fan)
        self.bias = _fan((out_channels,), fan) if bias else None

    def execute(self, x: Tensor) -> Tensor:
        top, left = self.padding
        y = _C.conv2d(x, self.weight, self.stride, (top, left, top, left), self.dilation, self.groups)
        return y if self.bias is None else y + _C.reshape(self.bias, (self.out_channels, 1, 1))

    def extra_repr(self) -> str:
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}")


Conv = Conv2d


class BatchNorm(Module):
    """Each channel (axis 1) to mean 0 and variance 1 over the others, times weight + bias; when not training, by the
    statistics gathered while training."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(init.constant((num_features,), 1.0)) if affine else None
        self.bias = Parameter(init.constant((num_features,), 0.0)) if affine else None
        self.register_buffer("running_mean", init.constant((num_features,), 0.0))
        self.register_buffer("running_var", init.constant((num_features,), 1.0))

    def execute(self, x: Tensor) -> Tensor:
        shape = (1, self.num_features) + (1,) * (x.ndim - 2)
        if self.training:
            axes = [0] + list(range(2, x.ndim))
            mean = _C.mean(x, axes)
            centered = x - mean.reshape(shape)
            var = _C.mean(_C.square(centered), axes)
            n = x.size // self.num_features
            with no_grad():
                rate = self.momentum
                self.running_mean.assign(self.running_mean * (1 - rate) + mean * rate)
                self.running_var.assign(self.running_var * (1 - rate) + var * (rate * n / max(1, n - 1)))
        else:
            mean, var = self.running_mean, self.running_var
            centered = x - mean.reshape(shape)
        scale = _C.rsqrt(var + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        y = centered * scale.reshape(shape)
        return y if self.bias is None else y + self.bias.reshape(shape)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


BatchNorm1d = BatchNorm2d = BatchNorm


class MaxPool2d(Module):
    """Maximum of each window of x [N,C,H,W]; without stride, windows do not overlap."""

    def __init__(self, kernel_size: Pair, stride: Optional[Pair] = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = _pair(kernel_size), _pair(padding)
        self.stride = self.kernel_size if stride is None else _pair(stride)

    def execute(self, x: Tensor) -> Tensor:
        top, left = self.padding
        return _C.max_pool2d(x, self.kernel_size, self.stride, (top, left, top, left))[0]

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(MaxPool2d):
    """Mean of each window of x [N,C,H,W]; padding counts as zeros."""

    def execute(self, x: Tensor) -> Tensor:
        top, left = self.padding
        return _C.avg_pool2d(x, self.kernel_size, self.stride, (top, left, top, left))


class Pool(MaxPool2d):
    """MaxPool2d, or with op="mean" AvgPool2d."""

    def __init__(self, kernel_size: Pair, stride: Optional[Pair] = None, padding: Pair = 0, op: str = "maximum") -> None:
        super().__init__(kernel_size, stride, padding)
        if op not in ("maximum", "mean"):
            raise errors.ArgumentError(f"Pool: op '{op}' is neither 'maximum' nor 'mean'")
        self.op = op

    def execute(self, x: Tensor) -> Tensor:
        return super().execute(x) if self.op == "maximum" else AvgPool2d.execute(self, x)  # type: ignore[arg-type]


class Dropout(Module):
    """While training, each element is 0 with probability p, and the others are divided by 1 - p."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise errors.ArgumentError(f"Dropout: p {p} is outside 0..1")
        self.p = p

    def execute(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return x * 0.0
        keep = _C.random_uniform(x.shape, 0, 1, "float32") >= self.p
        return _C.where(keep, x * (1 / (1 - self.p)), 0.0)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Flatten(Module):
    """Axes start_dim..end_dim as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def execute(self, x: Tensor) -> Tensor:
        return x.flatten(self.start_dim, self.end_dim)


class Identity(Module):
    """x."""

    def execute(self, x: Tensor) -> Tensor:
        return x


def _activation(name: str, function: Any) -> Any:
    def execute(self: Module, x: Tensor) -> Tensor:
        return function(x)  # type: ignore[no-any-return]
    return type(name, (Module,), {"execute": execute, "__doc__": f"jt.{function.__name__}(x)."})


ReLU, GELU, SiLU, Sigmoid = (_activation(n, f) for n, f in (("ReLU", relu), ("GELU", gelu), ("SiLU", silu), ("Sigmoid", sigmoid)))
Tanh, Softplus = _activation("Tanh", tanh), _activation("Softplus", softplus)


class Softmax(Module):
    """exp(x - max) / sum(exp(x - max)) along dim."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def execute(self, x: Tensor) -> Tensor:
        return _C.softmax(x, self.dim)


class CrossEntropyLoss(Module):
    """Mean over rows of -log_softmax(x)[row, label[row]], x [N,C], label [N] of an integer dtype."""

    def execute(self, x: Tensor, label: Tensor) -> Tensor:
        return _C.cross_entropy(x, label)


class MSELoss(Module):
    """Mean of (x - y)^2."""

    def execute(self, x: Tensor, y: Tensor) -> Tensor:
        return _C.mse_loss(x, y)


class L1Loss(Module):
    """Mean of |x - y|."""

    def execute(self, x: Tensor, y: Tensor) -> Tensor:
        return _C.mean(_C.abs(x - y))
