#!/usr/bin/env python3
"""Writes losses.json: losses and their gradients by PyTorch, over all options: make_losses.py > losses.json. Needs PyTorch.

A case has the function's name and keywords, the layer's name and fields, operands, tensors (weight, pos_weight), and what
PyTorch gives: the value, and the gradient of its sum with respect to the first operand.
"""
import itertools
import json

import torch
import torch.nn.functional as F

torch.manual_seed(7)
out = []


def numbers(t):
    return t.detach().tolist()


def case(function, layer, torch_function, operands, keywords=None, fields=None, tensors=None):
    keywords, tensors = keywords or {}, tensors or {}
    x = operands[0].clone().requires_grad_()
    y = torch_function(x, *operands[1:], **{**keywords, **tensors})
    (gradient,) = torch.autograd.grad(y.sum(), x)
    if function in ("cross_entropy", "nll"):  # where every label is ignored: nothing depends on x
        gradient = torch.nan_to_num(gradient, 0.0)
    out.append({"function": function, "keywords": keywords, "layer": layer, "fields": keywords if fields is None else fields,
                "operands": [numbers(t) for t in operands], "integers": [not t.is_floating_point() for t in operands],
                "tensors": {k: numbers(v) for k, v in tensors.items()}, "value": numbers(y), "gradient": numbers(gradient)})


def real(*shape):
    return torch.randn(*shape, dtype=torch.float64)


for shape, label in (((4,), []), ((3, 4), [3]), ((2, 4, 3), [2, 3])):
    for reduction, ignored, weighted, smoothing in itertools.product(("mean", "sum", "none"), (-100, 2), (False, True), (0.0, 0.1)):
        x, y = real(*shape), torch.randint(0, 4, label)
        if label:
            y[0] = ignored
        tensors = {"weight": torch.tensor([1.0, 0.0, 3.0, 0.5], dtype=torch.float64)} if weighted else {}
        keywords = {"reduction": reduction, "ignore_index": ignored}
        case("cross_entropy", "CrossEntropyLoss", F.cross_entropy, [x, y], {**keywords, "label_smoothing": smoothing}, None, tensors)
        if not smoothing:
            case("nll", "NLLLoss", F.nll_loss, [x, y], keywords, None, tensors)
    for reduction in ("mean", "sum", "none"):
        p = torch.softmax(real(*shape), 1 if label else 0)
        case("cross_entropy", "CrossEntropyLoss", F.cross_entropy, [real(*shape), p], {"reduction": reduction, "label_smoothing": 0.1})
# Every label is ignored; the two of the report; a class of weight 0 with smoothing.
case("cross_entropy", "CrossEntropyLoss", F.cross_entropy, [real(2, 3), torch.tensor([-100, -100])])
case("cross_entropy", "CrossEntropyLoss", F.cross_entropy, [real(2, 3), torch.tensor([1, 1])], {"ignore_index": 1})
case("nll", "NLLLoss", F.nll_loss, [real(2, 3), torch.tensor([1, 1])], {"ignore_index": 1})
case("cross_entropy", "CrossEntropyLoss", F.cross_entropy, [torch.tensor([[1.0, 2, 3], [1, 2, 4]], dtype=torch.float64), torch.tensor([0, -100])])
case("cross_entropy", "CrossEntropyLoss", F.cross_entropy, [torch.tensor([[1.0, 2, 0.5]], dtype=torch.float64), torch.tensor([1])],
     {"reduction": "none", "label_smoothing": 0.1}, None, {"weight": torch.tensor([1.0, 0, 3], dtype=torch.float64)})
for reduction in ("mean", "sum", "none"):
    how = {"reduction": reduction}
    x, y, p, t = real(3, 4), real(3, 4), torch.rand(3, 4, dtype=torch.float64), torch.rand(3, 4, dtype=torch.float64)
    case("mse_loss", "MSELoss", F.mse_loss, [x, y], how)
    case("smooth_l1", "SmoothL1Loss", F.smooth_l1_loss, [x, y], {**how, "beta": 0.5})
    case("huber", "HuberLoss", F.huber_loss, [x, y], {**how, "delta": 0.5})
    for log_target in (False, True):
        case("kl_div", "KLDivLoss", F.kl_div, [x, t], {**how, "log_target": log_target})
    weight, pos_weight = real(3, 1), torch.rand(4, dtype=torch.float64)
    case("bce", "BCELoss", F.binary_cross_entropy, [p, t], how)
    case("bce", "BCELoss", F.binary_cross_entropy, [p, t], how, None, {"weight": weight})
    for tensors in ({}, {"weight": weight}, {"pos_weight": pos_weight}, {"weight": weight, "pos_weight": pos_weight}):
        case("bce_with_logits", "BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, [x, t], how, None, tensors)
case("kl_div", "KLDivLoss", F.kl_div, [real(3, 4), torch.rand(3, 4, dtype=torch.float64)], {"reduction": "batchmean"})
# Activations with options.
x = torch.tensor([0.0, 1.0, -1.0, 3.0, -16.0, 11.0, 30.0], dtype=torch.float64)
for approximate in ("none", "tanh"):
    case("gelu", "GELU", F.gelu, [x], {"approximate": approximate})
for keywords in ({}, {"beta": 2.0}, {"beta": 0.5, "threshold": 3.0}):
    case("softplus", "Softplus", F.softplus, [x], keywords)
case("elu", "ELU", F.elu, [x], {"alpha": 1.5})
case("celu", "CELU", F.celu, [x], {"alpha": 1.5})
print("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]")
