"""amp: mixed precision: products in halves, sums and norms in float32, and losses scaled so that gradients of halves do not vanish."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, TypeVar

from . import _C, errors
from ._optimizer import Optimizer
from ._scope import Before, decorated
from .dtypes import DType, by_code, code_of, float32
from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["GradScaler", "autocast", "get_autocast_dtype", "is_autocast_enabled"]


def is_autocast_enabled(device_type: Optional[str] = None) -> bool:
    """Whether what this thread records now is cast."""
    return _C.autocast_dtype() != float32.code


def get_autocast_dtype(device_type: Optional[str] = None) -> DType:
    """What products are cast to now: float16, bfloat16, or float32 without autocast."""
    return by_code[_C.autocast_dtype()]


class autocast:
    """What this thread records inside a `with` block, or a decorated function, is cast as it is recorded:

        with jt.amp.autocast():
            loss = jt.cross_entropy(net(x), y)

    Products of matrices, convolutions and layers of them take float32 in `dtype`; sums, exponentials, norms and losses take halves in
    float32; other ops take what comes, and where a half meets a float32, that is float32. float64 stays. Gradients and steps of
    optimisers are not cast: parameters stay float32, and so do their gradients. On every device, by PyTorch's lists for CUDA.
    dtype: float16, or bfloat16 where device_type is "cpu", as in PyTorch; device_type says nothing else."""

    def __init__(self, device_type: str = "cuda", dtype: Any = None, enabled: bool = True, cache_enabled: Optional[bool] = None) -> None:
        code = code_of(dtype) if dtype is not None else code_of("bfloat16" if device_type == "cpu" else "float16")
        if by_code[code] not in ("float16", "bfloat16", "float32"):
            raise errors.DTypeError(f"autocast: dtype is {by_code[code]}, neither float16 nor bfloat16")
        self._code = code if enabled else float32.code
        self._before: Before[int] = Before()

    def __call__(self, function: F) -> F:
        def again() -> "autocast":
            return autocast(dtype=by_code[self._code])

        return decorated(again, function)

    def __enter__(self) -> "autocast":
        self._before.push(_C.set_autocast(by_code[self._code]))
        return self

    def __exit__(self, *error: Any) -> None:
        _C.set_autocast(by_code[self._before.pop()])


class GradScaler:
    """Scales a loss so that gradients in float16 do not vanish, and leaves out steps whose gradients are infinite or NaN:

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    After such a step update() multiplies the scale by backoff_factor, after growth_interval others in a row by growth_factor."""

    def __init__(self, device: str = "cuda", init_scale: float = 65536.0, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:
        if growth_factor <= 1 or not 0 < backoff_factor < 1:
            raise errors.ArgumentError(f"GradScaler: growth_factor is {growth_factor}, not above 1, or backoff_factor {backoff_factor}, "
                                       f"not between 0 and 1")
        self._enabled, self._scale, self._good_steps = enabled, float(init_scale), 0
        self._growth, self._backoff, self._interval = float(growth_factor), float(backoff_factor), int(growth_interval)
        self._finite: Dict[int, bool] = {}  # by optimiser, once its gradients are unscaled

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """What scale multiplies by."""
        return self._scale if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """A tensor, or a list or tuple of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(x) for x in outputs)
        return outputs.float() * self._scale if outputs.dtype in ("float16", "bfloat16") else outputs * self._scale

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the gathered gradients of its parameters by the scale, once before a step: what clips or looks at them comes between."""
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update()")
        params: List[Tensor] = [p for p in optimizer._params if p.requires_grad and p.grad is not None]
        checks = []
        for p in params:
            g = p.grad * (1.0 / self._scale)
            p.grad = g
            checks.append(_C.all(_C.isfinite(g)))
        finite = True
        for check in checks:
            finite = bool(check.item()) and finite
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Optimizer) -> None:
        """optimizer.step() with unscaled gradients; nothing where one of them is infinite or NaN."""
        if self._enabled and id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        if not self._enabled or self._finite[id(optimizer)]:
            optimizer.step()

    def update(self, new_scale: Optional[float] = None) -> None:
        """After the steps of an iteration: the scale of the next one."""
        if not self._enabled:
            return
        found, self._finite = self._finite, {}
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not found:
            raise RuntimeError("update() without a step(): no gradients were looked at since the last update()")
        elif not all(found.values()):
            self._scale, self._good_steps = self._scale * self._backoff, 0
        else:
            self._good_steps += 1
            if self._good_steps == self._interval:
                self._scale, self._good_steps = self._scale * self._growth, 0

    def state_dict(self) -> Dict[str, Any]:
        """The scale, its fields, and how many steps in a row were good."""
        if not self._enabled:
            return {}
        return {"scale": self._scale, "growth_factor": self._growth, "backoff_factor": self._backoff, "growth_interval": self._interval,
                "_growth_tracker": self._good_steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what state_dict gave."""
        if not self._enabled:
            return
        self._scale, self._growth, self._backoff = float(state["scale"]), float(state["growth_factor"]), float(state["backoff_factor"])
        self._interval, self._good_steps = int(state["growth_interval"]), int(state["_growth_tracker"])
