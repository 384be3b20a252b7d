"""_optimizer: what all optimisers share: groups of parameters, the two ways to step, state."""
from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _C, errors
from .tensor import Tensor

Params = Union[Iterable[Tensor], Iterable[Dict[str, Any]]]
Betas = Optional[Sequence[float]]


class _Group(Dict[str, Any]):
    """Parameters and their fields. `betas` is a name for beta1, beta2, ... together."""

    def __missing__(self, key: str) -> Any:
        names = sorted(name for name in self if re.fullmatch(r"beta\d", name))
        if key == "betas" and names:
            return tuple(self[name] for name in names)
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "betas":
            return super().__setitem__(key, value)
        for name, beta in _as_betas(value, [name for name in self if re.fullmatch(r"beta\d", name)]).items():
            super().__setitem__(name, beta)

    def update(self, *others: Any, **named: Any) -> None:  # type: ignore[override]
        for name, value in dict(*others, **named).items():
            self[name] = value


def _as_betas(betas: Any, names: Sequence[str]) -> Dict[str, Any]:
    if isinstance(betas, (int, float, str)) or not hasattr(betas, "__len__") or len(betas) != len(names):
        raise TypeError(f"betas is {betas!r}, not {len(names)} numbers" if names else "there are no betas")
    return dict(zip(sorted(names), betas))


class Optimizer:
    """Updates parameters from gradients. Both ways work:

        optimizer.step(loss)                                    # gradients of loss, and the update

        optimizer.zero_grad(); loss.backward(); optimizer.step()  # gradients gathered first, of one or several losses

    A parameter that requires no gradient stays as it is, until it requires one. `param_groups` lists the groups as dicts;
    their fields may be changed at any time, which compiles nothing unless one becomes 0 or no longer is."""

    def __init__(self, kind: str, params: Params, fields: Dict[str, Any], betas: Betas = None) -> None:
        if betas is not None:
            fields.update(_as_betas(betas, [name for name in fields if name.startswith("beta")]))
        listed: List[Any] = [params] if isinstance(params, (Tensor, dict)) else list(params)
        if not listed:
            raise errors.ArgumentError(f"{type(self).__name__}: no parameters")
        self.kind, self.defaults = kind, dict(fields)
        self.param_groups: List[Dict[str, Any]] = []
        self._handle: Any = None
        self._pushed: List[Dict[str, float]] = []  # by group, the fields that the handle has
        self._clipped: Optional[List[Optional[Tensor]]] = None
        for group in (listed if isinstance(listed[0], dict) else [{"params": listed}]):
            self.add_param_group(group)

    def add_param_group(self, group: Dict[str, Any]) -> None:
        """Adds parameters with fields of their own: {"params": [...], "lr": 0.1}."""
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{type(self).__name__}: a parameter is {type(p).__name__}, not a jt.Tensor")
        made = _Group({**self.defaults, "params": params})
        unknown = set(group) - set(self.defaults) - {"params", "betas"}
        if unknown:
            raise errors.ArgumentError(f"{type(self).__name__}: unknown fields {sorted(unknown)}; there are {list(self.defaults)}")
        made.update({name: value for name, value in group.items() if name != "params"})
        mine = {id(p) for p in self._params}
        if any(id(p) in mine for p in params):
            raise errors.ArgumentError(f"{type(self).__name__}: a parameter is in two groups")
        fields = self._fields(made)
        if self._handle is None:
            self._handle = _C.optimizer_create(self.kind, fields, params)
        else:
            _C.optimizer_add_group(self._handle, fields, params)
        self._pushed.append(fields)
        self._clipped = None
        self.param_groups.append(made)

    def _fields(self, group: Mapping[str, Any]) -> Dict[str, float]:
        return {name: float(group[name]) for name in self.defaults}

    def _push(self) -> None:
        """The program may have written into param_groups."""
        for i, (group, pushed) in enumerate(zip(self.param_groups, self._pushed)):
            for name, value in self._fields(group).items():
                if pushed[name] != value:
                    _C.optimizer_set_field(self._handle, i, name, value)
                    pushed[name] = value

    # ---- learning rate
    @property
    def lr(self) -> float:
        """The learning rate (of the first group); setting it sets that of all groups."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value
        self._push()

    # ---- gradients
    @property
    def _params(self) -> List[Tensor]:
        return [p for group, _ in zip(self.param_groups, self._pushed) for p in group["params"]]

    def _gathered(self) -> List[Optional[Tensor]]:
        return [p.grad if p.requires_grad else None for p in self._params]

    def zero_grad(self) -> None:
        """Forgets gathered gradients."""
        self._clipped = None
        _C.zero_grad(self._params)

    def backward(self, loss: Tensor, retain_graph: bool = False) -> None:
        """Gathers the gradients of loss; step() then uses them."""
        self._clipped = None
        loss.backward(retain_graph=retain_graph)

    def clip_grad_norm(self, max_norm: float, norm_type: float = 2) -> Tensor:
        """Scales the gathered gradients for the next step() so that together their norm is at most max_norm. Returns the
        norm before."""
        grads = self._gathered()
        norms = [(g if g.dtype == "float64" else g.float()).norm(norm_type) for g in grads if g is not None]
        if not norms:
            return _C.zeros((), "float32")
        from .tensor import stack
        total = stack([n.double() for n in norms] if any(n.dtype == "float64" for n in norms) else norms).norm(norm_type)
        scale = _C.minimum(max_norm / (total + 1e-6), 1.0)
        self._clipped = [None if g is None else (g * scale).to(g.dtype) for g in grads]
        return total

    def step(self, loss: Optional[Tensor] = None, retain_graph: bool = False) -> None:
        """With a loss: records its gradients, updates every parameter it depends on, and runs both. Without: updates from
        the gathered gradients, and keeps them until zero_grad."""
        self._push()
        if loss is not None:
            (_C.optimizer_step_retain_graph if retain_graph else _C.optimizer_step)(self._handle, loss)
            return
        grads = self._clipped if self._clipped is not None else self._gathered()
        self._clipped = None
        if any(g is not None for g in grads):
            _C.optimizer_step_grads(self._handle, grads)

    # ---- state
    def state_dict(self) -> Dict[str, Any]:
        """Fields and state tensors: {"groups": [{"lr": ..}], "state": {"mean.0": tensor}}; parameters are numbered through
        all groups."""
        self._push()
        state = {name: x.clone() for name, x in _C.optimizer_states(self._handle).items()}
        return {"kind": self.kind, "state": state,
                "groups": [{k: v for k, v in g.items() if k != "params"} for g in self.param_groups]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what state_dict gave, for the same groups of parameters: fields, and the states that they ask for.
        Errors: ArgumentError, ShapeError; then nothing has changed."""
        groups = state.get("groups", [])
        if state.get("kind") != self.kind or len(groups) != len(self.param_groups):
            raise errors.ArgumentError(f"load_state_dict: the state is of {state.get('kind')} with {len(groups)} "
                                       f"groups, this is {self.kind} with {len(self.param_groups)}")
        before, held = [dict(g) for g in self.param_groups], self.state_dict()["state"]
        try:
            for group, saved in zip(self.param_groups, groups):
                group.update({k: v for k, v in saved.items() if k != "params"})
            self._push()
            targets: Dict[str, Tensor] = _C.optimizer_states(self._handle)
            missing = sorted(set(targets) - set(state["state"]))
            if missing:
                raise errors.ArgumentError(f"load_state_dict: missing {missing}")
            for name, x in targets.items():
                given = tuple(state["state"][name].shape)
                if given != x.shape:
                    raise errors.ShapeError(f"load_state_dict: {name} has shape {given}, not {x.shape}")
        except BaseException:
            for group, fields in zip(self.param_groups, before):
                group.clear()
                group.update(fields)
            self._push()
            for name, x in _C.optimizer_states(self._handle).items():
                x.assign(held[name])
            raise
        for name, x in targets.items():
            x.assign(state["state"][name])

    def __repr__(self) -> str:
        groups = "; ".join(", ".join(f"{k}={v}" for k, v in g.items() if k != "params") + f", {len(g['params'])} parameters"
                           for g in self.param_groups)
        return f"{type(self).__name__}({groups})"
