"""utils: gradients limited, parameters as one vector, sequences of different lengths as one tensor. Names are PyTorch's."""
from __future__ import annotations

import math
from typing import Any, Iterable, List, Sequence, Union

from .. import _C, errors
from ..tensor import Tensor, stack

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm", "parameters_to_vector", "vector_to_parameters", "pad_sequence"]


def _with_gradient(parameters: Union[Tensor, Iterable[Tensor]]) -> List[Tensor]:
    return [p for p in ([parameters] if isinstance(parameters, Tensor) else parameters) if p.grad is not None]


def get_total_norm(tensors: Iterable[Tensor], norm_type: float = 2.0) -> Tensor:
    """The norm of all elements of the tensors together."""
    norms = [_C.norm(x if x.dtype == "float64" else x.float(), norm_type) for x in tensors]
    return _C.norm(stack([n.double() for n in norms] if any(n.dtype == "float64" for n in norms) else norms), norm_type) if norms else _C.zeros((), "float32")


def clip_grad_norm_(parameters: Union[Tensor, Iterable[Tensor]], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Tensor:
    """Scales gradients that backward has gathered so that together their norm is at most max_norm. Returns the norm before."""
    params = _with_gradient(parameters)
    total = get_total_norm((p.grad for p in params if p.grad is not None), norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise errors.Error(f"clip_grad_norm_: the norm is {total.item()}")
    scale = _C.minimum(max_norm / (total + 1e-6), 1.0)
    for p in params:
        p.grad = (p.grad * scale).to(p.dtype)  # type: ignore[operator]
    return total


def clip_grad_value_(parameters: Union[Tensor, Iterable[Tensor]], clip_value: float) -> None:
    """Brings every element of gathered gradients into -clip_value..clip_value."""
    for p in _with_gradient(parameters):
        p.grad = p.grad.clamp(-clip_value, clip_value)  # type: ignore[union-attr]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, one after the other."""
    return _C.concat([_C.reshape(p, (-1,)) for p in parameters], 0)


def vector_to_parameters(vector: Tensor, parameters: Iterable[Tensor]) -> None:
    """Assigns consecutive elements of a vector to the parameters."""
    at = 0
    for p in parameters:
        p.assign(vector[at:at + p.size].reshape(p.shape))
        at += p.size


def pad_sequence(sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0) -> Tensor:
    """Sequences [L,..] of different lengths as [T,B,..], or [B,T,..], filled up behind to the longest."""
    longest = max(len(s) for s in sequences)
    return stack([_C.pad(s, [0] * s.ndim, [longest - len(s)] + [0] * (s.ndim - 1), padding_value) for s in sequences], 0 if batch_first else 1)
