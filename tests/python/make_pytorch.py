#!/usr/bin/env python3
"""Numbers of PyTorch for test_pytorch.py: values and gradients of CALLS in float64, learning rates of SCHEDULES. Writes JSON."""
import json

import torch
import torch.nn.functional as F
from pytorch_cases import CALLS, LOSSES, PLATEAUS, SCHEDULES, numbers


def operand(spec, seed):
    kind, shape = (spec[0], spec[1]) if spec and isinstance(spec[0], str) else ("real", spec)
    if kind == "int":
        return torch.tensor(numbers(shape, seed, 0, spec[2])).long()
    if kind == "sign":
        return torch.tensor(numbers(shape, seed), dtype=torch.float64).sign()
    low, high = (0.05, 0.95) if kind.endswith("chance") else (-2, 2)
    return torch.tensor(numbers(shape, seed, low, high), dtype=torch.float64, requires_grad=not kind.startswith("fixed"))


def call(text, shapes):
    values = {name: operand(spec, i) for i, (name, spec) in enumerate(shapes.items())}
    out = eval(text, {"F": F, **values})
    if not out.is_floating_point():
        return {"value": out.tolist(), "gradients": {}}
    (out * torch.tensor(numbers(tuple(out.shape), 99), dtype=torch.float64)).sum().backward()
    return {"value": out.tolist(), "gradients": {name: v.grad.tolist() for name, v in values.items() if v.grad is not None}}


def optimizer():
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    return torch.optim.SGD([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.02}], lr=0.1)


def rates(text, steps):
    o = optimizer()
    s = eval(text, {"o": o, **vars(torch.optim.lr_scheduler)})
    out = [[g["lr"] for g in o.param_groups]]
    for step in steps:
        o.step()
        s.step(*step)
        out.append([g["lr"] for g in o.param_groups])
    return out


if __name__ == "__main__":
    import warnings
    warnings.filterwarnings("ignore")
    print(json.dumps({"torch": torch.__version__, "calls": [call(*c) for c in CALLS], "schedules": [rates(t, [()] * n) for t, n in SCHEDULES],
                      "plateaus": [rates(t, [(v,) for v in LOSSES]) for t in PLATEAUS]}))
