"""optimizers: every class of jt.optim beside PyTorch's (Adan: beside its paper), and schedules beside their formulas."""
import math

import numpy as np

import jt
from compare import Bound, Difference, agree
from table import rows
from values import filled, ordinary

try:
    import torch
except ImportError:
    torch = None

FIELDS = {
    "SGD": ["lr=0.1", "lr=0.1, momentum=0.9", "lr=0.1, momentum=0.9, dampening=0.5", "lr=0.1, weight_decay=0.1", "lr=0.1, momentum=0.9, nesterov=True", "lr=0.05, momentum=0.5, weight_decay=0.2, nesterov=True"],
    "RMSprop": ["lr=0.01", "lr=0.01, alpha=0.5", "lr=0.01, eps=0.1", "lr=0.01, weight_decay=0.1", "lr=0.01, momentum=0.9", "lr=0.01, centered=True", "lr=0.01, momentum=0.5, centered=True, weight_decay=0.1"],
    "Adam": ["lr=0.01", "lr=0.01, betas=(0.5, 0.9)", "lr=0.01, eps=0.1", "lr=0.01, weight_decay=0.1", "lr=0.01, amsgrad=True"],
    "AdamW": ["lr=0.01", "lr=0.01, betas=(0.5, 0.9)", "lr=0.01, eps=0.1", "lr=0.01, weight_decay=0.3", "lr=0.01, amsgrad=True"],
    "Adan": ["lr=0.01", "lr=0.01, betas=(0.9, 0.8, 0.7)", "lr=0.01, eps=0.1", "lr=0.01, weight_decay=0.3"],
}
STEPS = 5


def gradients(step, i, shape, values="plain"):
    if values == "zero":
        return np.zeros(shape)
    return filled(ordinary("float64", 37, step * 3 + i), shape, step + i)


class Adan:
    """Xie et al. 2022, algorithm 1, with bias correction and proximal weight decay as in the authors' code."""

    def __init__(self, params, lr=1e-3, betas=(0.98, 0.92, 0.99), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, self.betas, self.eps, self.decay = params, lr, betas, eps, weight_decay
        self.state = [dict(m=np.zeros_like(p), v=np.zeros_like(p), n=np.zeros_like(p), before=None) for p in params]
        self.steps = 0

    def step(self, grads):
        self.steps += 1
        b1, b2, b3 = self.betas
        for p, s, g in zip(self.params, self.state, grads):
            d = np.zeros_like(g) if s["before"] is None else g - s["before"]
            s["before"] = g
            s["m"] = b1 * s["m"] + (1 - b1) * g
            s["v"] = b2 * s["v"] + (1 - b2) * d
            s["n"] = b3 * s["n"] + (1 - b3) * (g + b2 * d)**2
            c1, c2, c3 = (1 - b**self.steps for b in self.betas)
            p -= self.lr / (np.sqrt(s["n"] / c3) + self.eps) * (s["m"] / c1 + b2 * s["v"] / c2)
            p /= 1 + self.lr * self.decay


class Trained:
    """Parameters after a few steps, some ways of stepping and kinds of gradients."""

    def __init__(self, name, fields, dtype, way, values):
        self.name, self.fields, self.dtype, self.way, self.kind = name, fields, dtype, way, values

    def text(self):
        return f"({self.fields}) {self.dtype} {self.way} {self.kind}"

    def first(self):
        return [filled(ordinary(self.dtype, 31, i), s, i) for i, s in enumerate([(3, 2), (4,), ()])]

    def run_jt(self):
        params = [jt.array(a).reshape(a.shape).cast(self.dtype).requires_grad_() for a in self.first()]
        optimizer = eval(f"jt.optim.{self.name}(params, {self.fields})", {"jt": jt, "params": params})
        for step in range(STEPS):
            weights = [jt.array(gradients(step, i, p.shape, self.kind)).reshape(p.shape).cast(self.dtype) for i, p in enumerate(params)]
            terms = [(p * w).sum() for p, w in zip(params, weights)]
            loss = terms[0] + terms[1] + terms[2]
            if self.way == "step(loss)":
                optimizer.step(loss)
            else:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return [p.detach().numpy() for p in params]

    def run_reference(self):
        arrays = [np.array(a, "float64") for a in self.first()]
        if self.name == "Adan":
            optimizer = eval(f"Adan(arrays, {self.fields})", {"Adan": Adan, "arrays": arrays})
            for step in range(STEPS):
                optimizer.step([gradients(step, i, a.shape, self.kind) for i, a in enumerate(arrays)])
            return arrays
        params = [torch.tensor(a, requires_grad=True) for a in arrays]
        optimizer = eval(f"torch.optim.{self.name}(params, {self.fields})", {"torch": torch, "params": params})
        for step in range(STEPS):
            for i, p in enumerate(params):
                p.grad = torch.from_numpy(np.array(gradients(step, i, tuple(p.shape), self.kind)))
            optimizer.step()
        return [p.detach().numpy() for p in params]

    def differences(self):
        if torch is None and self.name != "Adan":
            return []
        want = self.run_reference()
        try:
            got = self.run_jt()
        except (jt.Error, TypeError, ValueError) as error:
            return [Difference("optim." + self.name, self.text(), "refused", str(error))]
        bound = Bound(ulp=16, relative=4e-6 if self.dtype == "float32" else 1e-12, zero_sign=False)
        for g, w in zip(got, want):
            if not agree(g, w, self.dtype, bound).all():
                return [Difference("optim." + self.name, self.text(), "value", f"{g.ravel()[:3]}, expected {w.ravel()[:3]}")]
        return []


def trained_cases(name):
    def make(whole):
        for fields in FIELDS[name]:
            for dtype in ("float32", "float64") if whole else ("float32",):
                for way in ("step(loss)", "backward, step"):
                    for values in ("plain", "zero"):
                        yield Trained(name, fields, dtype, way, values)
    return make


for entry in FIELDS:
    rows("optim." + entry, trained_cases(entry))


class Schedule:
    """A schedule beside its formula."""

    def __init__(self, name, call, want):
        self.name, self.call, self.want = name, call, want

    def differences(self):
        got = eval(self.call, {"jt": jt})
        return [] if math.isclose(got, self.want, rel_tol=1e-12, abs_tol=1e-15) else [Difference(self.name, self.call, "value", f"{got}, expected {self.want}")]


def schedule_cases(name):
    def make(whole):
        parameters = {"cosine": ("lr", "lr_end", "step", "steps"), "staircase": ("lr", "factor", "step", "every"), "warmup": ("lr", "step", "warmup")}[name]
        for step in (0, 1, 5, 10, 15):
            if name == "cosine":
                values = dict(zip(parameters, (0.1, 0.01, step, 10)))
                want = 0.01 + (0.1 - 0.01) * (1 + math.cos(math.pi * min(step, 10) / 10)) / 2
            elif name == "staircase":
                values = dict(zip(parameters, (0.1, 0.5, step, 4)))
                want = 0.1 * 0.5**(step // 4)
            else:
                values = dict(zip(parameters, (0.1, step, 10)))
                want = 0.1 * min(1, (step + 1) / 10)
            yield Schedule("optim." + name, f"jt.optim.{name}({', '.join(map(str, values.values()))})", want)
    return make


for entry in ("cosine", "staircase", "warmup"):
    rows("optim." + entry, schedule_cases(entry))
