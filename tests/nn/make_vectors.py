#!/usr/bin/env python3
"""Writes PyTorch's answers for the layers of layers.def: ./make_vectors.py > vectors.txt (PyPI: torch 1.13, numpy).

A case is a line `case KIND mode field=value ...` and lines `what name [extents] numbers`: what is `set` (a parameter or
buffer before), `in` and `int` (operands), `out` and `dy` (results, and the gradients they are given), `grad` (of an operand or
parameter), `after` (a buffer after). Everything is computed in f64.
"""
import zlib

import torch

torch.set_default_dtype(torch.float64)


class Hardsigmoid(torch.nn.Module):  # PyTorch's own multiplies by 1/6 rounded to f32
    def forward(self, x):
        return torch.clamp(x + 3, 0, 6) / 6


torch.nn.Hardsigmoid = Hardsigmoid


def show(what, name, t):
    numbers = " ".join(repr(v) for v in t.detach().flatten().tolist())
    print(f"{what} {name} [{','.join(map(str, t.shape))}] {numbers}")


def field_text(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (tuple, list)):
        return "[" + ",".join(map(str, value)) + "]"
    return str(value)


def case(kind, inputs, training=True, tensors=None, torch_kind=None, torch_fields=None, scale=1.0, **fields):
    """inputs: shapes, tensors, or None for one that is absent."""
    generator = torch.Generator().manual_seed(zlib.crc32(repr((kind, sorted(fields.items()), training)).encode()))
    fresh = lambda shape: torch.round(torch.randn(shape, generator=generator) * 64 * scale) / 64
    given = {k: v for k, v in (fields if torch_fields is None else torch_fields).items()}
    tensors = tensors or {}
    layer = getattr(torch.nn, torch_kind or kind)(**given, **tensors)
    layer.train(training)
    print("case", kind, "train" if training else "eval", *(f"{k}={field_text(v)}" for k, v in fields.items()))
    for name, value in tensors.items():
        show("set", name, value)
    with torch.no_grad():
        for name, p in layer.named_parameters():
            p.copy_(fresh(p.shape))
            show("set", name, p)
        for name, b in layer.named_buffers():
            if name in tensors:
                continue
            if b.dtype != torch.int64:
                b.copy_(fresh(b.shape).abs() + 0.25)
            show("set", name, b)
    operands = [None if i is None else i if isinstance(i, torch.Tensor) else fresh(i) for i in inputs]
    for i, x in enumerate(operands):
        if x is None:
            continue
        show("int" if x.dtype == torch.int64 else "in", i, x)
        if x.dtype != torch.int64:
            operands[i] = x.clone().requires_grad_()
    if kind == "LSTMCell":
        y = layer(operands[0], None if len(operands) < 2 else tuple(operands[1:]))
    else:
        y = layer(*[x for x in operands if x is not None])
    results = y if isinstance(y, tuple) else (y,)
    total = 0
    for i, r in enumerate(results):
        dy = fresh(r.shape)
        show("out", i, r)
        show("dy", i, dy)
        total = total + (r * dy).sum()
    wanted = {str(i): x for i, x in enumerate(operands) if x is not None and x.requires_grad}
    wanted.update(layer.named_parameters())
    if wanted:
        for name, g in zip(wanted, torch.autograd.grad(total, list(wanted.values()), allow_unused=True)):
            show("grad", name, torch.zeros_like(wanted[name]) if g is None else g)
    for name, b in layer.named_buffers():
        if name not in tensors:
            show("after", name, b)


def whole(values):
    return torch.tensor(values, dtype=torch.int64)


case("Linear", [(2, 3)], in_features=3, out_features=4)
case("Linear", [(3,)], in_features=3, out_features=2, bias=False)
case("Linear", [(2, 2, 3)], in_features=3, out_features=2)
case("Bilinear", [(3, 2), (3, 4)], in1_features=2, in2_features=4, out_features=3)
case("Identity", [(2, 3)])
case("Flatten", [(2, 3, 2)])
case("Flatten", [(2, 3, 2, 2)], start_dim=-2, end_dim=-1)
case("Unflatten", [(2, 6)], dim=1, unflattened_size=(2, -1))
case("Embedding", [whole([[0, 2], [1, 2]])], num_embeddings=4, embedding_dim=3)
case("Embedding", [whole([3, 1, 3])], num_embeddings=4, embedding_dim=2, padding_idx=-1)

case("Conv1d", [(2, 3, 8)], in_channels=3, out_channels=2, kernel_size=3, stride=2, padding=1)
case("Conv1d", [(1, 4, 9)], in_channels=4, out_channels=4, kernel_size=2, dilation=3, groups=2, bias=False)
case("Conv2d", [(2, 3, 5, 4)], in_channels=3, out_channels=4, kernel_size=3, padding=1)
case("Conv2d", [(1, 4, 6, 7)], in_channels=4, out_channels=2, kernel_size=(3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2)
case("Conv2d", [(1, 2, 4, 4)], in_channels=2, out_channels=4, kernel_size=2, groups=2, bias=False)
case("ConvTranspose1d", [(2, 3, 4)], in_channels=3, out_channels=2, kernel_size=3, stride=2, padding=1, output_padding=1)
case("ConvTranspose2d", [(1, 3, 3, 4)], in_channels=3, out_channels=2, kernel_size=3)
case("ConvTranspose2d", [(1, 4, 3, 3)], in_channels=4, out_channels=2, kernel_size=(3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2, dilation=(2, 1), bias=False)
case("Conv3d", [(2, 2, 3, 4, 5)], in_channels=2, out_channels=3, kernel_size=2, padding=1)
case("Conv3d", [(1, 4, 5, 4, 3)], in_channels=4, out_channels=2, kernel_size=(3, 2, 1), stride=(2, 1, 1), padding=(1, 0, 1), dilation=(1, 2, 1), groups=2)
case("ConvTranspose3d", [(1, 2, 2, 3, 2)], in_channels=2, out_channels=3, kernel_size=2)
case("ConvTranspose3d", [(1, 4, 2, 2, 3)], in_channels=4, out_channels=2, kernel_size=(3, 2, 2), stride=(2, 3, 1), padding=(1, 0, 1), output_padding=(1, 2, 0), groups=2, dilation=(2, 1, 1), bias=False)

case("MaxPool1d", [(2, 2, 7)], kernel_size=3, stride=2, padding=1)
case("MaxPool2d", [(1, 2, 6, 5)], kernel_size=2)
case("MaxPool2d", [(1, 2, 6, 5)], kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), ceil_mode=True)
case("MaxPool2d", [(1, 1, 7, 4)], kernel_size=2, stride=3, ceil_mode=True)
case("AvgPool1d", [(2, 2, 7)], kernel_size=3, stride=2, padding=1)
case("AvgPool2d", [(1, 2, 6, 5)], kernel_size=(2, 3))
case("AvgPool2d", [(1, 2, 6, 5)], kernel_size=3, stride=2, padding=1, count_include_pad=False)
case("AvgPool2d", [(1, 2, 6, 6)], kernel_size=3, stride=2, padding=1, ceil_mode=True)
case("AvgPool2d", [(1, 2, 6, 6)], kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
case("AvgPool2d", [(1, 2, 6, 5)], kernel_size=3, stride=2, divisor_override=4)
case("MaxPool3d", [(1, 2, 4, 5, 4)], kernel_size=2)
case("MaxPool3d", [(1, 2, 4, 5, 3)], kernel_size=(3, 2, 2), stride=(2, 2, 1), padding=(1, 0, 1), ceil_mode=True)
case("AvgPool3d", [(1, 2, 4, 5, 3)], kernel_size=(2, 3, 2))
case("AvgPool3d", [(1, 1, 4, 5, 3)], kernel_size=3, stride=2, padding=1, count_include_pad=False)
case("AvgPool3d", [(1, 1, 4, 6, 3)], kernel_size=3, stride=2, padding=1, ceil_mode=True)
case("AvgPool3d", [(1, 1, 4, 5, 3)], kernel_size=3, stride=2, padding=1, divisor_override=4)
case("Pool", [(1, 2, 4, 5)], kernel_size=2, op="maximum", torch_kind="MaxPool2d", torch_fields=dict(kernel_size=2))
case("Pool", [(1, 2, 4, 5)], kernel_size=2, padding=1, op="mean", torch_kind="AvgPool2d", torch_fields=dict(kernel_size=2, padding=1))
case("AdaptiveAvgPool1d", [(2, 2, 7)], output_size=3)
case("AdaptiveAvgPool2d", [(1, 2, 6, 4)], output_size=1)
case("AdaptiveAvgPool2d", [(1, 2, 6, 4)], output_size=(3, 2))
case("AdaptiveAvgPool2d", [(1, 2, 7, 5)], output_size=(3, 4))
case("AdaptiveAvgPool2d", [(1, 2, 2, 3)], output_size=(4, 5))
case("AdaptiveMaxPool2d", [(1, 2, 6, 4)], output_size=(3, 2))
case("AdaptiveMaxPool2d", [(1, 2, 7, 5)], output_size=(3, 4))
# One sample, without an axis of the batch.
case("Conv1d", [(3, 8)], in_channels=3, out_channels=2, kernel_size=3, stride=2)
case("ConvTranspose2d", [(3, 4, 5)], in_channels=3, out_channels=2, kernel_size=2, stride=2)
case("MaxPool2d", [(2, 5, 4)], kernel_size=2)
case("AvgPool3d", [(2, 4, 4, 4)], kernel_size=2)
case("AdaptiveAvgPool1d", [(2, 7)], output_size=3)
case("InstanceNorm1d", [(3, 4)], num_features=3, affine=True, track_running_stats=True)
case("PixelShuffle", [(8, 2, 3)], upscale_factor=2)
case("PixelUnshuffle", [(2, 4, 6)], downscale_factor=2)
case("Bilinear", [(2, 3, 2), (2, 3, 4)], in1_features=2, in2_features=4, out_features=3)

for training in (True, False):
    case("BatchNorm1d", [(5, 3)], training, num_features=3)
    case("BatchNorm1d", [(3, 2, 4)], training, num_features=2, momentum=0.3, eps=0.01)
    case("BatchNorm2d", [(2, 3, 3, 2)], training, num_features=3)
    case("BatchNorm2d", [(2, 3, 3, 2)], training, num_features=3, affine=False, track_running_stats=False)
    case("BatchNorm3d", [(2, 2, 2, 3, 2)], training, num_features=2)
    case("InstanceNorm1d", [(2, 3, 4)], training, num_features=3)
    case("InstanceNorm2d", [(2, 3, 3, 2)], training, num_features=3, affine=True, track_running_stats=True)
    case("InstanceNorm3d", [(2, 2, 2, 2, 2)], training, num_features=2, affine=True)
    case("Dropout", [(2, 3)], training, p=0)
case("BatchNorm2d", [(2, 3, 3, 2)], num_features=3, momentum="none", torch_fields=dict(num_features=3, momentum=None))
case("LayerNorm", [(2, 3, 4)], normalized_shape=4)
case("LayerNorm", [(2, 3, 4)], normalized_shape=(3, 4), eps=0.01)
case("LayerNorm", [(2, 3, 4)], normalized_shape=4, elementwise_affine=False)
case("GroupNorm", [(2, 6, 3)], num_groups=3, num_channels=6)
case("GroupNorm", [(2, 4)], num_groups=2, num_channels=4, affine=False)
case("Dropout2d", [(2, 3, 2, 2)], False, p=0.5)

for kind in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid", "Hardsigmoid", "Hardswish", "Tanh", "Softsign", "Tanhshrink"):
    case(kind, [(4, 5)], scale=3)
case("LeakyReLU", [(4, 5)])
case("LeakyReLU", [(4, 5)], negative_slope=0.2)
case("PReLU", [(2, 3)])
case("PReLU", [(2, 3, 2)], num_parameters=3, init=0.5)
case("ELU", [(4, 5)], alpha=0.5)
case("CELU", [(4, 5)], alpha=0.5)
case("GELU", [(4, 5)], scale=2)
case("GELU", [(4, 5)], approximate="tanh", scale=2)
case("Hardtanh", [(4, 5)], min_val=-0.5, max_val=2, scale=2)
case("Hardshrink", [(4, 5)])
case("Softshrink", [(4, 5)], lambd=0.75)
case("Softplus", [(4, 5)])
case("Softplus", [(4, 5)], beta=2, threshold=1, scale=2)
case("Threshold", [(4, 5)], threshold=0.25, value=-7.0)
case("Softmax", [(2, 3, 4)], dim=1)
case("Softmin", [(2, 3)], dim=1)
case("LogSoftmax", [(2, 3)], dim=1)
case("GLU", [(2, 6)])
case("GLU", [(2, 4, 3)], dim=1)

case("PixelShuffle", [(1, 8, 2, 3)], upscale_factor=2)
case("PixelUnshuffle", [(1, 2, 4, 6)], downscale_factor=2)
case("ConstantPad2d", [(1, 2, 3, 2)], padding=(1, 2, 0, 1), value=-1.5)
case("ZeroPad2d", [(1, 2, 3, 2)], padding=1)
case("UpsamplingNearest2d", [(1, 2, 3, 2)], scale_factor=2)

labels, planes = whole([2, 0, 3, 2]), whole([[[1, 2], [0, -1]], [[2, 2], [-1, 0]]])
weights = torch.tensor([0.5, 2.0, 1.25, 0.25])
for how in ("mean", "sum", "none"):
    case("CrossEntropyLoss", [(4, 4), labels], reduction=how)
    case("CrossEntropyLoss", [(4, 4), labels], reduction=how, ignore_index=2, label_smoothing=0.125, tensors={"weight": weights})
    case("CrossEntropyLoss", [(2, 3, 2, 2), planes], reduction=how, ignore_index=-1)
    case("CrossEntropyLoss", [(4, 4), torch.softmax(torch.arange(16.).reshape(4, 4) % 5, 1)], reduction=how, label_smoothing=0.25, tensors={"weight": weights})
    case("NLLLoss", [(4, 4), labels], reduction=how, ignore_index=0, tensors={"weight": weights})
    case("MSELoss", [(2, 3), (2, 3)], reduction=how)
    case("L1Loss", [(2, 3), (2, 3)], reduction=how)
    case("SmoothL1Loss", [(2, 3), (2, 3)], reduction=how, beta=0.5)
    case("HuberLoss", [(2, 3), (2, 3)], reduction=how, delta=0.5)
    case("BCELoss", [torch.tensor([[0.2, 0.7], [0.99, 0.4]]), torch.tensor([[0.0, 1.0], [0.25, 0.5]])], reduction=how,
         tensors={"weight": torch.tensor([2.0, 0.5])})
    case("BCEWithLogitsLoss", [(2, 2), torch.tensor([[0.0, 1.0], [0.25, 0.5]])], reduction=how, scale=3)
    case("BCEWithLogitsLoss", [(2, 2), torch.tensor([[0.0, 1.0], [0.25, 0.5]])], reduction=how, scale=2,
         tensors={"weight": torch.tensor([2.0, 0.5]), "pos_weight": torch.tensor([3.0, 0.25])})
    case("KLDivLoss", [torch.log_softmax(torch.arange(6.).reshape(2, 3), 1), torch.tensor([[0.5, 0.25, 0.25], [0.125, 0.875, 0.0625]])], reduction=how)
case("CrossEntropyLoss", [(4,), whole(3)])
case("KLDivLoss", [(2, 3), (2, 3)], reduction="batchmean", log_target=True)

case("RNNCell", [(2, 3), (2, 4)], input_size=3, hidden_size=4)
case("RNNCell", [(2, 3)], input_size=3, hidden_size=2, nonlinearity="relu", bias=False)
case("LSTMCell", [(2, 3), (2, 2), (2, 2)], input_size=3, hidden_size=2)
case("LSTMCell", [(2, 3)], input_size=3, hidden_size=2)
case("GRUCell", [(2, 3), (2, 2)], input_size=3, hidden_size=2)
case("GRUCell", [(3,)], input_size=3, hidden_size=2, bias=False)
