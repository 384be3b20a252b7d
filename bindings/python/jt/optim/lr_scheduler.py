"""lr_scheduler: learning rates by step, as objects that write into an optimiser's groups. Names, arguments and numbers are PyTorch's."""
from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from .. import errors
from .._optimizer import Optimizer

__all__ = ["LRScheduler", "LambdaLR", "MultiplicativeLR", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR",
           "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"]


class LRScheduler:
    """A learning rate for each step: derive from it and write get_lr, which gives one for each group.

    `last_epoch` counts steps; making a scheduler takes the first. `base_lrs` are the rates that it began with."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: {type(optimizer).__name__} is no jt.optim.Optimizer")
        self.optimizer = optimizer
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        elif any("initial_lr" not in group for group in optimizer.param_groups):
            raise errors.ArgumentError(f"{type(self).__name__}: last_epoch is {last_epoch}, but a group has no 'initial_lr'")
        self.base_lrs: List[float] = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._last_lr: List[float] = [float(group["lr"]) for group in optimizer.param_groups]
        self.step()

    def get_lr(self) -> List[float]:
        """The rate of each group at last_epoch."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def get_last_lr(self) -> List[float]:
        """The rates that the latest step set."""
        return self._last_lr

    def step(self, epoch: Optional[int] = None) -> None:
        """Goes on by one step, or from the first rates to a step, and sets the rates."""
        if epoch is not None:
            self._set(self.base_lrs)
            self.last_epoch = -1
        while True:
            self.last_epoch += 1
            self._set(self.get_lr())
            if epoch is None or self.last_epoch >= epoch:
                return

    def _set(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]

    def _now(self) -> List[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> Dict[str, Any]:
        """Everything but the optimiser and functions."""
        return {name: value for name, value in self.__dict__.items() if name not in ("optimizer", "lr_lambdas", "_schedulers", "_wave", "_scale_fn")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """What state_dict gave."""
        self.__dict__.update(state)


class LambdaLR(LRScheduler):
    """The first rate times a function of the step; one for all groups or one for each."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Union[Callable[[int], float], Sequence[Callable[[int], float]]], last_epoch: int = -1) -> None:
        self.lr_lambdas = _functions(self, optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]


def _functions(self: LRScheduler, optimizer: Optimizer, given: Any) -> List[Callable[[int], float]]:
    out = list(given) if isinstance(given, (list, tuple)) else [given] * len(optimizer.param_groups)
    if len(out) != len(optimizer.param_groups):
        raise errors.ArgumentError(f"{type(self).__name__}: {len(out)} functions for {len(optimizer.param_groups)} groups")
    return out


class MultiplicativeLR(LRScheduler):
    """Each rate times a function of the step."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Union[Callable[[int], float], Sequence[Callable[[int], float]]], last_epoch: int = -1) -> None:
        self.lr_lambdas = _functions(self, optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        return self._now() if self.last_epoch == 0 else [lr * f(self.last_epoch) for lr, f in zip(self._now(), self.lr_lambdas)]


class StepLR(LRScheduler):
    """Times gamma every step_size steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        turns = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if turns else lr for lr in self._now()]


class MultiStepLR(LRScheduler):
    """Times gamma at each of the milestones."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        return [lr * self.gamma ** self.milestones.count(self.last_epoch) for lr in self._now()]


class ConstantLR(LRScheduler):
    """Times factor for the first total_iters steps."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._now()]
        return [lr / self.factor if self.last_epoch == self.total_iters else lr for lr in self._now()]


class LinearLR(LRScheduler):
    """Times a factor that goes from start_factor to end_factor in total_iters steps."""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise errors.ArgumentError(f"LinearLR: factors {start_factor} and {end_factor} are not in 0..1")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, step: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(step, self.total_iters) / self.total_iters

    def get_lr(self) -> List[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._now()]
        change = self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)
        return [lr * change if self.last_epoch <= self.total_iters else lr for lr in self._now()]


class ExponentialLR(LRScheduler):
    """Times gamma in each step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        return self._now() if self.last_epoch == 0 else [lr * self.gamma for lr in self._now()]


class PolynomialLR(LRScheduler):
    """The first rate times (1 - step / total_iters) ** power, and 0 afterwards."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        if self.last_epoch == 0 or self.last_epoch > self.total_iters:
            return self._now()
        left, before = self.total_iters - self.last_epoch, self.total_iters - self.last_epoch + 1
        return [lr * (left / before) ** self.power for lr in self._now()]


class CosineAnnealingLR(LRScheduler):
    """From the first rate to eta_min in half a cosine over T_max steps, and back (Loshchilov and Hutter 2017)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        if self.last_epoch == 0:
            return self._now()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._now(), self.base_lrs)]
        before = (1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)) / 2
        return [part / before * (lr - self.eta_min) + self.eta_min for lr in self._now()]


class CosineAnnealingWarmRestarts(LRScheduler):
    """As CosineAnnealingLR, but it begins anew after T_0 steps, then after T_mult times as many each time."""

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_0 < 1 or T_mult < 1:
            raise errors.ArgumentError(f"CosineAnnealingWarmRestarts: T_0 {T_0} or T_mult {T_mult} is below 1")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        at, length = self.last_epoch, self.T_0
        while at >= length:
            if self.T_mult == 1:
                at %= length
            else:
                at, length = at - length, length * self.T_mult
        return [self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * at / length)) / 2 for base in self.base_lrs]


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def _line(start: float, end: float, part: float) -> float:
    return (end - start) * part + start


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr in a part pct_start of total_steps, then down to the first rate / final_div_factor (Smith and Topin
    2018). Momentum stays as it is."""

    def __init__(self, optimizer: Optimizer, max_lr: Union[float, Sequence[float]], total_steps: Optional[int] = None, epochs: Optional[int] = None,
                 steps_per_epoch: Optional[int] = None, pct_start: float = 0.3, anneal_strategy: str = "cos", div_factor: float = 25.0,
                 final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1) -> None:
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise errors.ArgumentError("OneCycleLR: neither total_steps nor epochs and steps_per_epoch are given")
        if anneal_strategy not in ("cos", "linear"):
            raise errors.ArgumentError(f"OneCycleLR: anneal_strategy is {anneal_strategy!r}, neither 'cos' nor 'linear'")
        self.total_steps = total_steps if total_steps is not None else int(epochs or 0) * int(steps_per_epoch or 0)
        tops = list(max_lr) if isinstance(max_lr, (list, tuple)) else [float(max_lr)] * len(optimizer.param_groups)  # type: ignore[arg-type]
        self._linear = anneal_strategy == "linear"
        for group, top in zip(optimizer.param_groups, tops):
            group["max_lr"], group["initial_lr"] = top, top / div_factor
            group["min_lr"] = group["initial_lr"] / final_div_factor
        up, n = pct_start * self.total_steps - 1, self.total_steps
        self._phases = ([(up, "initial_lr", "max_lr"), (2 * up + 0.0, "max_lr", "initial_lr"), (n - 1.0, "initial_lr", "min_lr")] if three_phase
                        else [(up, "initial_lr", "max_lr"), (n - 1.0, "max_lr", "min_lr")])
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        if self.last_epoch > self.total_steps:
            raise errors.ArgumentError(f"OneCycleLR: step {self.last_epoch} of {self.total_steps}")
        begin = 0.0
        for end, first, last in self._phases:
            if self.last_epoch <= end or end == self._phases[-1][0]:
                part = (self.last_epoch - begin) / (end - begin)
                move = _line if self._linear else _cosine
                return [move(group[first], group[last], part) for group in self.optimizer.param_groups]
            begin = end
        return self._now()


class CyclicLR(LRScheduler):
    """Between base_lr and max_lr, step_size_up steps up and step_size_down down, again and again (Smith 2017): mode "triangular", "triangular2"
    (half as high each time) or "exp_range" (gamma ** step as high). Momentum stays as it is."""

    def __init__(self, optimizer: Optimizer, base_lr: float, max_lr: float, step_size_up: int = 2000, step_size_down: Optional[int] = None,
                 mode: str = "triangular", gamma: float = 1.0, last_epoch: int = -1) -> None:
        if mode not in ("triangular", "triangular2", "exp_range"):
            raise errors.ArgumentError(f"CyclicLR: mode is {mode!r}, none of triangular, triangular2, exp_range")
        self.max_lr, self.mode, self.gamma = max_lr, mode, gamma
        self.up = float(step_size_up)
        self.total = self.up + float(step_size_up if step_size_down is None else step_size_down)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] = base_lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> List[float]:
        cycle = math.floor(1 + self.last_epoch / self.total)
        part, ratio = 1 + self.last_epoch / self.total - cycle, self.up / self.total
        height = part / ratio if part <= ratio else (part - 1) / (ratio - 1)
        scale = {"triangular": 1.0, "triangular2": 1 / 2.0 ** (cycle - 1), "exp_range": self.gamma ** self.last_epoch}[self.mode]
        return [base + (self.max_lr - base) * height * scale for base in self.base_lrs]


class SequentialLR(LRScheduler):
    """One scheduler after the other, each from a milestone on."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1) -> None:
        if len(schedulers) != len(milestones) + 1 or any(s.optimizer is not optimizer for s in schedulers):
            raise errors.ArgumentError(f"SequentialLR: {len(schedulers)} schedulers, all of one optimiser, need one milestone less, not {len(milestones)}")
        self._schedulers, self.milestones, self.optimizer, self.last_epoch = list(schedulers), list(milestones), optimizer, last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for s in self._schedulers:
            s.last_epoch -= 1
        self._schedulers[0].step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self, epoch: Optional[int] = None) -> None:
        self.last_epoch += 1
        at = sum(1 for m in self.milestones if m <= self.last_epoch)
        if at and self.milestones[at - 1] == self.last_epoch:
            self._schedulers[at].step(0)
        else:
            self._schedulers[at].step()
        self._last_lr = self._schedulers[at].get_last_lr()

    def state_dict(self) -> Dict[str, Any]:
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update({name: value for name, value in state.items() if name != "schedulers"})
        for s, saved in zip(self._schedulers, state["schedulers"]):
            s.load_state_dict(saved)


class ChainedScheduler(SequentialLR):
    """Several schedulers that all take every step."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optional[Optimizer] = None) -> None:
        if not schedulers or any(s.optimizer is not schedulers[0].optimizer for s in schedulers):
            raise errors.ArgumentError("ChainedScheduler: the schedulers are none, or not of one optimiser")
        self._schedulers, self.optimizer = list(schedulers), schedulers[0].optimizer
        self._last_lr = self._now()

    def step(self, epoch: Optional[int] = None) -> None:
        for s in self._schedulers:
            s.step()
        self._last_lr = self._now()


class ReduceLROnPlateau(LRScheduler):
    """Times factor when a number has not become better for more than `patience` steps: step(loss)."""

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
                 threshold_mode: str = "rel", cooldown: int = 0, min_lr: Union[float, Sequence[float]] = 0.0, eps: float = 1e-8) -> None:
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs") or factor >= 1:
            raise errors.ArgumentError(f"ReduceLROnPlateau: mode {mode!r}, threshold_mode {threshold_mode!r} or factor {factor} is none that there is")
        self.optimizer, self.mode, self.factor, self.patience, self.threshold = optimizer, mode, factor, patience, threshold
        self.threshold_mode, self.cooldown, self.eps = threshold_mode, cooldown, eps
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [float(min_lr)] * len(optimizer.param_groups)  # type: ignore[arg-type]
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self._now()

    def is_better(self, a: float, best: float) -> bool:
        """Whether a is better than best by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * a > sign * best * (1 + sign * self.threshold) if math.isfinite(best) else sign * a > sign * best
        return sign * a > sign * best + self.threshold

    def step(self, metrics: Any, epoch: Optional[int] = None) -> None:  # type: ignore[override]
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                lower = max(float(group["lr"]) * self.factor, least)
                if float(group["lr"]) - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._now()
