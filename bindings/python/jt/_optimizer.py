"""_optimizer: what all optimisers share: groups of parameters, the two ways to step, state."""
from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _C, errors
from .tensor import Tensor

Params = Union[Iterable[Tensor], Iterable[Dict[str, Any]]]
Betas = Optional[Sequence[float]]


class Optimizer:
    """Updates parameters from gradients. Both ways work:

        optimizer.step(loss)                                    # gradients of loss, and the update

        optimizer.zero_grad(); loss.backward(); optimizer.step()  # gradients gathered first, of one or several losses

    `lr` may be changed at any time and compiles nothing; `param_groups` lists the groups as dicts."""

    def __init__(self, kind: str, params: Params, fields: Dict[str, Any], betas: Betas = None) -> None:
        if betas is not None:
            fields.update({f"beta{i + 1}": value for i, value in enumerate(betas)})
        listed: List[Any] = [params] if isinstance(params, (Tensor, dict)) else list(params)
        if not listed:
            raise errors.ArgumentError(f"{type(self).__name__}: no parameters")
        self.kind, self.defaults = kind, dict(fields)
        self.param_groups: List[Dict[str, Any]] = []
        self._handles: List[Any] = []
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
        group = {**self.defaults, **group, "params": params}
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise errors.ArgumentError(f"{type(self).__name__}: unknown fields {sorted(unknown)}; there are {list(self.defaults)}")
        trained = [p for p in params if p.requires_grad]
        if params and not trained:
            raise errors.ArgumentError(f"{type(self).__name__}: none of the {len(params)} parameters requires a gradient")
        mine = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in mine for p in params):
            raise errors.ArgumentError(f"{type(self).__name__}: a parameter is in two groups")
        fields = {name: float(value) for name, value in group.items() if name != "params"}
        self._handles.append((_C.optimizer_create(self.kind, fields, trained), trained))
        self.param_groups.append(group)

    # ---- learning rate
    @property
    def lr(self) -> float:
        """The learning rate (of the first group); setting it sets that of all groups."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value
        self._push_lr()

    def _push_lr(self) -> None:
        """A schedule may have written into param_groups."""
        for group, (handle, _) in zip(self.param_groups, self._handles):
            if _C.optimizer_get_lr(handle) != group["lr"]:
                _C.optimizer_set_lr(handle, group["lr"])

    # ---- gradients
    @property
    def _params(self) -> List[Tensor]:
        return [p for _, trained in self._handles for p in trained]

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
        grads = [p.grad for p in self._params]
        norms = [g.norm(norm_type).float() for g in grads if g is not None]
        if not norms:
            return _C.zeros((), "float32")
        from .tensor import stack
        total = stack(norms).norm(norm_type)
        scale = _C.minimum(max_norm / (total + 1e-6), 1.0)
        self._clipped = [None if g is None else (g * scale).to(g.dtype) for g in grads]
        return total

    def step(self, loss: Optional[Tensor] = None, retain_graph: bool = False) -> None:
        """With a loss: records its gradients, updates every parameter it depends on, and runs both. Without: updates from
        the gathered gradients, and keeps them until zero_grad."""
        self._push_lr()
        if loss is None:
            grads = self._clipped if self._clipped is not None else [p.grad for p in self._params]
            self._clipped = None
        elif len(self._handles) == 1 and not retain_graph:
            _C.optimizer_step(self._handles[0][0], loss)
            return
        else:
            grads = list(_C.gradients(loss, self._params, None, (1 if retain_graph else 0) | 4))
        at = 0
        for handle, trained in self._handles:
            mine = grads[at:at + len(trained)]
            at += len(trained)
            if any(g is not None for g in mine):
                _C.optimizer_step_grads(handle, mine)

    # ---- state
    def state_dict(self) -> Dict[str, Any]:
        """Fields and state tensors by group: {"groups": [{"lr": ..}], "state": {"0.m.0": tensor}}."""
        self._push_lr()
        state = {f"{i}.{name}": x.clone() for i, (handle, _) in enumerate(self._handles)
                 for name, x in _C.optimizer_states(handle).items()}
        return {"kind": self.kind, "state": state,
                "groups": [{k: v for k, v in g.items() if k != "params"} for g in self.param_groups]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what state_dict gave, for the same groups of parameters. Errors: ArgumentError, ShapeError."""
        if state.get("kind") != self.kind or len(state["groups"]) != len(self.param_groups):
            raise errors.ArgumentError(f"load_state_dict: the state is of {state.get('kind')} with {len(state.get('groups', []))} "
                                       f"groups, this is {self.kind} with {len(self.param_groups)}")
        targets: Dict[str, Tensor] = {f"{i}.{name}": x for i, (handle, _) in enumerate(self._handles)
                                      for name, x in _C.optimizer_states(handle).items()}
        missing = sorted(set(targets) - set(state["state"]))
        if missing:
            raise errors.ArgumentError(f"load_state_dict: missing {missing}")
        for name, x in targets.items():
            x.assign(state["state"][name])
        for group, saved in zip(self.param_groups, state["groups"]):
            group.update(saved)
        self._push_lr()

    def __repr__(self) -> str:
        groups = "; ".join(", ".join(f"{k}={v}" for k, v in g.items() if k != "params") + f", {len(g['params'])} parameters"
                           for g in self.param_groups)
        return f"{type(self).__name__}({groups})"
