#!/usr/bin/env python3
"""Writes edges.txt: gradients of rows at the edges of their domains, as PyTorch gives them: make_edges.py > edges.txt.

A line is `row {attributes} [operand] [operand] : [gradient] [gradient]`, all f64 of one axis; other operands are
words like `i64[0,2]`, and have no gradient. What is differentiated is the sum of the row's result times 1, 2, 3, .. in its order.
`own` are gradients in closed form: where PyTorch has no such function, or rounds, or gives NaN though there is a subgradient.
"""
import math

import torch
import torch.nn.functional as F

INF, NAN = math.inf, math.nan
LINE = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 1e-200, 1e10, -1e10, INF, -INF, NAN]
PAIRS = [(x, y) for x in (0.0, -0.0, 1.0, -1.0, 2.5, INF, NAN) for y in (0.0, -0.0, 1.0, -1.0, 2.0, -2.5, -INF, NAN)]
TRIPLES = [(x, y, w) for x in (-2.0, -1.0, 0.0, 1.0, 3.0, NAN) for y, w in ((-1.0, 1.0), (1.0, -1.0), (0.0, INF), (-INF, 1.0))]


def cbrt(x):
    return x.sign() * x.abs() ** (1 / 3)


UNARY = {name: getattr(torch, name) for name in (
    "neg abs sign square reciprocal exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh "
    "asinh acosh atanh erf sigmoid relu floor ceil round trunc").split()}
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "mod": torch.remainder, "pow": torch.pow,
          "maximum": torch.maximum, "minimum": torch.minimum, "atan2": torch.atan2, "hypot": torch.hypot, "copysign": torch.copysign}
REDUCE = {"sum": torch.sum, "prod": None, "max": torch.max, "min": torch.min}
REDUCED = [[2, 0, 3], [0, 2, 0], [0, 0, 0], [-0.0, 1], [3, 3, 1], [NAN, 1, 2], [NAN, 1, NAN], [INF, INF, 1], [5], [-INF, 0, 2], []]


def text(v):
    return "[" + ",".join(repr(float(x)) for x in (v.tolist() if isinstance(v, torch.Tensor) else v)) + "]"


def line(row, operands, function, attrs="", own=None):
    leaves = [x if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in operands]
    floats = [x for x in leaves if x.is_floating_point()]
    if own is None:
        z = function(*leaves)
        y = (z * torch.arange(1, z.numel() + 1, dtype=torch.float64).reshape(z.shape)).sum()
        grads = torch.autograd.grad(y, floats, allow_unused=True) if y.requires_grad else [None] * len(floats)
        own = [torch.zeros_like(x) if g is None else g for x, g in zip(floats, grads)]
    words = [text(x) if x.is_floating_point() else ("bool[" if x.dtype is torch.bool else "i64[") + ",".join(str(int(k)) for k in x) + "]" for x in leaves]
    print(row, *([f"{{{attrs}}}"] if attrs else []), *words, ":", *[text(g) for g in own])


def weights(n):
    return [float(k + 1) for k in range(n)]


for row, function in UNARY.items():
    line(row, [LINE], function)
line("cbrt", [LINE], None, own=[[k / (3 * abs(x) ** (2 / 3)) if x else INF for k, x in zip(weights(len(LINE)), LINE)]])
for row, function in BINARY.items():
    x, y = zip(*PAIRS)
    if row == "hypot":  # a distance of 0 has the slope 0
        x, y = zip(*[p for p in PAIRS if any(p)])
        line(row, [[0.0, -0.0], [0.0, 0.0]], None, own=[[0.0, 0.0], [0.0, 0.0]])
    if row in ("copysign", "mod"):  # PyTorch divides inf by inf
        x, y = zip(*[p for p in PAIRS if not math.isinf(p[0]) and not math.isinf(p[1])])
    line(row, [list(x), list(y)], function)
line("floor_div", [[0.0, 1.0, -3.0], [1.0, 2.0, 2.0]], None, own=[[0.0] * 3, [0.0] * 3])
x, y, w = map(list, zip(*[t for t in TRIPLES if t[0] == t[0] and t[0] not in t[1:]]))  # there PyTorch's overloads differ
line("clamp", [x, y, w], torch.clamp)
line("where", [torch.tensor([True, False]), [NAN, NAN], [INF, INF]], torch.where)
x, y, w = map(list, zip(*TRIPLES))
line("fma", [x, y, w], lambda x, y, w: x * y + w)
for row, function in REDUCE.items():
    for x in REDUCED:
        if row == "prod":
            line(row, [x], None, own=[[math.prod(x[:i] + x[i + 1:]) for i in range(len(x))]])
        elif x or row == "sum":
            line(row, [x], function)

# What layers and statistics are made of.
POINTWISE = {
    "gelu": F.gelu, "silu": F.silu, "softplus": lambda x: F.softplus(x, threshold=math.inf), "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "leaky_relu": F.leaky_relu, "elu": F.elu, "celu": F.celu, "selu": F.selu, "hardtanh": F.hardtanh,
    "hardswish": F.hardswish, "mish": F.mish, "log_sigmoid": F.logsigmoid}
for row, function in POINTWISE.items():
    line(row, [[0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 0.5, -16.0, -30.0, 16.0, -300.0]], function)
line("hardsigmoid", [[0.0, 3.0, -3.0, 2.9, -2.9, 4.0, -4.0]], None, own=[[1 / 6, 0.0, 0.0, 4 / 6, 5 / 6, 0.0, 0.0]])
line("elu", [[-16.0, -0.5, 2.0]], lambda x: F.elu(x, 2.0), "alpha=2")
line("celu", [[-16.0, -0.5, 2.0]], lambda x: F.celu(x, 2.0), "alpha=2")
line("leaky_relu", [[0.0, -1.0, 1.0]], lambda x: F.leaky_relu(x, 0.0), "slope=0")
for row, function in (("softmax", F.softmax), ("log_softmax", F.log_softmax)):
    for x in ([-INF, 1.0, 2.0], [1e300, 0.0], [3.0], [1000.0, -1000.0, 0.0]):
        line(row, [x], lambda x: function(x, 0), "axis=0")

for p in (2.0, 1.0, 3.0, 1.5, 0.5, 0.0, INF, -INF, -1.0):
    for x in ([0.0, 0.0, 0.0], [3.0, 0.0, -4.0], [2.0, -2.0, 1.0]):
        line("norm", [x], lambda x: torch.linalg.vector_norm(x, p), f"p={p}")
line("norm", [[]], torch.linalg.vector_norm)
for correction in (0, 1, 3, 4):  # 3 and 4: nothing is left to divide by, or less
    for x in ([3.0, 3.0, 3.0], [1.0, 2.0, 4.0], [5.0]):
        line("std", [x], lambda x: torch.std(x, 0, correction=correction), f"correction={correction}")
for row, function in (("smooth_l1", F.smooth_l1_loss), ("huber", F.huber_loss), ("mse_loss", F.mse_loss)):
    line(row, [[0.0, 1.0, 2.0, -1.0, 5.0], [0.0] * 5], function)
line("smooth_l1", [[0.0, 1.0, -1.0], [0.0] * 3], lambda x, y: F.smooth_l1_loss(x, y, beta=0.0), "beta=0")
line("bce", [[0.0, 1.0, 0.5], [0.0, 1.0, 0.25]], None, own=[[0.0, 0.0, 1 / 3], [100 / 3, -100 / 3, 0.0]])  # of logarithms cut off at -100
line("bce_with_logits", [[0.0, 1000.0, -1000.0], [0.5, 1.0, 1.0]], F.binary_cross_entropy_with_logits)
line("softplus", [[0.0, 9.0, 11.0, -50.0]], lambda x: F.softplus(x, 2.0), "beta=2")

# Products in an order in which nothing overflows, or meets an infinity of the branch that is not taken.
LARGEST = 1.7976931348623157e308
for row in ("silu", "mish"):
    line(row, [[0.0, -LARGEST, LARGEST]], POINTWISE[row])
line("div", [[1.0, LARGEST], [1.0, 1.5]], torch.div)
for row, function in (("smooth_l1", F.smooth_l1_loss), ("huber", F.huber_loss)):
    line(row, [[0.0, INF, -INF], [0.0] * 3], function)
    line(row, [[0.0, NAN, 1.0, NAN], [NAN, 0.0, 1.0, NAN]], function)
line("prelu", [[1.0, INF, -1.0], [0.25]], F.prelu)
line("bce_with_logits", [[0.0, INF], [0.5, 0.0]], F.binary_cross_entropy_with_logits)

# Where one end is infinite, only the slopes that reach it are. Equal infinities share the gradient as equal numbers do.
x, y = zip(*[p for p in PAIRS if p[0] != p[1] or not math.isinf(p[0])])
line("logaddexp", [list(x), list(y)], torch.logaddexp)
line("logaddexp", [[INF, -INF, INF, -INF], [INF, -INF, -INF, INF]], None, own=[[0.5, 1.0, 3.0, 0.0], [0.5, 1.0, 0.0, 4.0]])
line("xlogy", [list(x), list(y)], torch.xlogy)
x, y = zip(*[p for p in PAIRS if not math.isinf(p[0]) and not math.isinf(p[1])])
line("fmod", [list(x), list(y)], torch.fmod)
x, y, w = map(list, zip(*[(x, y, w) for x, y in ((0.0, -0.0), (1.0, 1.0), (-1.0, 3.0), (INF, 1.0), (0.0, -INF), (INF, INF), (NAN, 1.0))
                          for w in (0.0, 0.25, 0.5, 1.0, 3.0, -INF, INF, NAN)]))
line("lerp", [x, y, w], torch.lerp)

# With weights, of which PyTorch gives no gradients: (1 - y) * softplus(x) + p * y * softplus(-x), times w.
x, y, w, p = (torch.tensor(v, dtype=torch.float64) for v in ([0.0, -INF, 3.0], [0.5, 0.5, 1.0], [1.0, 2.0, 1.0], [0.5, 0.5, 3.0]))
off, on = F.softplus(x), F.softplus(-x)
line("bce_with_logits", [x, y, w, p], None, own=[w * ((1 - y) * x.sigmoid() - p * y * (-x).sigmoid()) / 3, w * (p * on - off) / 3,
                                                 ((1 - y) * off + p * y * on) / 3, w * y * on / 3])
