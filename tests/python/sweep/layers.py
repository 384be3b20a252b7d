"""layers: every class of jt.nn beside PyTorch's: values and gradients of inputs and parameters, in training and evaluation, twice."""
import inspect

import numpy as np

import jt
from compare import Bound, Difference, agree
from table import Case, OPTIONS, rows
from values import filled, is_float, numpy_dtype, ordinary, rounded

try:
    import torch
    torch.set_num_threads(1)
except ImportError:
    torch = None

ALIASES = {"Conv": "Conv2d", "Conv3D": "Conv3d", "ConvTranspose": "ConvTranspose2d", "ConvTranspose3D": "ConvTranspose3d", "BatchNorm": "BatchNorm2d",
           "InstanceNorm": "InstanceNorm2d", "Swish": "SiLU"}
#      name: [(fields, shapes of inputs)]; a shape may be ("label", shape, classes), ("chance", shape), ("log", shape)
CONV = [("4, 6, 3", 8), ("4, 6, 3, stride=2", 8), ("4, 6, 3, padding=1", 8), ("4, 6, 2, dilation=2", 8), ("4, 6, 3, groups=2", 8), ("4, 6, 3, bias=False", 8),
        ("4, 4, 3, stride=2, padding=1, dilation=2, groups=4, bias=False", 9), ("4, 6, 1", 1), ("4, 2, 3, padding=2", 2)]
TRANSPOSED = CONV + [("4, 6, 3, stride=2, output_padding=1", 4), ("4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False, dilation=2", 4),
                     ("4, 6, 3, stride=1, output_padding=1, dilation=2", 4)]
POOLS = [("2", 8), ("3, stride=1", 7), ("3, stride=2, padding=1", 7), ("3, stride=2, ceil_mode=True", 6), ("2, stride=3", 8), ("3, padding=1, ceil_mode=True", 7), ("4, ceil_mode=True", 3),
         ("2, stride=3, ceil_mode=True", 7), ("3, stride=1, padding=1", 1)]
AVERAGES = POOLS + [("3, padding=1, count_include_pad=False", 7), ("3, stride=2, padding=1, ceil_mode=True, count_include_pad=False", 6)]


def spatial(kinds, rank, channels=4):
    out = []
    for fields, extent in kinds:
        extents = tuple(max(1, extent - i) if extent > 4 else extent for i in range(rank))
        out += [(fields, (2, channels) + extents)]
    fields, extent = kinds[0]
    return out + [(fields, (0, channels) + (extent,) * rank), (fields, (1, channels) + (extent,) * rank), (fields, (channels,) + (extent,) * rank)]


def normed(rank, extra):
    extents = (4, 3, 2)[:rank]
    shapes = [(3, 4) + extents]
    return [(fields, s) for fields in ["4", "4, eps=0.1", "4, momentum=0.3", "4, momentum=None", "4, affine=False", "4, track_running_stats=False",
                                       "4, affine=True, track_running_stats=True"] for s in shapes] + [("4", s) for s in extra]


def plain(*fields, shapes=((2, 3, 4), (), (0,), (1,), (2, 0))):
    return [(f, s) for f in (fields or ("",)) for s in shapes]


def losses(options, targets):
    return [(o, *t) for o in options for t in targets]


REDUCED = ["", "reduction='sum'", "reduction='none'", "reduction='mean'"]
PAIRS = [((3, 4), (3, 4)), ((), ()), ((0,), (0,)), ((2, 1), (2, 1))]
CLASSES = [((4, 3), ("label", (4,), 3)), ((2, 3, 5), ("label", (2, 5), 3)), ((0, 3), ("label", (0,), 3)), ((3,), ("label", (), 3))]
LAYERS = {
    "Linear": [("4, 3", (2, 4)), ("4, 3, bias=False", (2, 5, 4)), ("4, 3", (4,)), ("4, 3", (0, 4)), ("1, 1", (1, 1))],
    "Bilinear": [("3, 4, 5", (2, 3), (2, 4)), ("3, 4, 5, bias=False", (2, 6, 3), (2, 6, 4)), ("3, 4, 5", (0, 3), (0, 4)), ("3, 4, 2", (3,), (4,))],
    "Identity": plain(),
    "Flatten": [("", (2, 3, 4)), ("0", (2, 3)), ("start_dim=1, end_dim=2", (2, 3, 4, 5)), ("", (0, 3, 2)), ("start_dim=0, end_dim=-2", (2, 3, 4)), ("0", ())],
    "Unflatten": [("1, (2, 3)", (4, 6)), ("1, (2, -1)", (4, 6)), ("dim=-1, unflattened_size=(3, 1, 2)", (4, 6)), ("0, (0, 3)", (0, 2))],
    "Embedding": [("7, 3", ("label", (2, 4), 7)), ("7, 3, padding_idx=2", ("label", (5,), 7)), ("7, 3, padding_idx=-1", ("label", (9,), 7)), ("7, 3", ("label", (), 7)),
                  ("7, 3", ("label", (0,), 7))],
    **{f"Conv{r}d": spatial(CONV, r) for r in (1, 2, 3)}, "Conv": spatial(CONV[:3], 2), "Conv3D": spatial(CONV[:3], 3),
    **{f"ConvTranspose{r}d": spatial(TRANSPOSED, r) for r in (1, 2, 3)}, "ConvTranspose": spatial(TRANSPOSED[:3], 2), "ConvTranspose3D": spatial(TRANSPOSED[:3], 3),
    **{f"MaxPool{r}d": spatial(POOLS, r, 3) for r in (1, 2, 3)},
    "AvgPool1d": spatial(AVERAGES, 1, 3), **{f"AvgPool{r}d": spatial(AVERAGES + [("3, padding=1, divisor_override=2", 7), ("2, divisor_override=5, ceil_mode=True", 7)], r, 3) for r in (2, 3)},
    "Pool": spatial(POOLS, 2, 3) + spatial([(f + ", op='mean'", e) for f, e in AVERAGES], 2, 3),
    "AdaptiveAvgPool1d": [("3", (2, 4, 7)), ("1", (2, 4, 5)), ("7", (2, 3, 7)), ("3", (4, 7)), ("2", (0, 3, 5)), ("5", (1, 2, 3))],
    "AdaptiveAvgPool2d": [("3", (2, 4, 7, 8)), ("(2, 3)", (2, 4, 5, 5)), ("1", (2, 3, 4, 5)), ("2", (3, 5, 5)), ("2", (0, 3, 4, 4)), ("(5, 7)", (1, 2, 3, 4))],
    "AdaptiveMaxPool2d": [("3", (2, 4, 6, 9)), ("(2, 1)", (2, 4, 4, 5)), ("2", (3, 4, 4)), ("2", (0, 3, 4, 4)), ("3", (2, 2, 7, 8))],
    "BatchNorm1d": normed(1, [(3, 4), (0, 4), (0, 4, 3), (2, 4, 1)]) + normed(0, []), "BatchNorm2d": normed(2, [(0, 4, 2, 2), (2, 4, 1, 1)]), "BatchNorm": normed(2, []),
    "BatchNorm3d": normed(3, [(0, 4, 2, 2, 2)]),
    "InstanceNorm1d": normed(1, [(4, 5), (0, 4, 3)]), "InstanceNorm2d": normed(2, [(4, 3, 3), (0, 4, 3, 3)]), "InstanceNorm": normed(2, []), "InstanceNorm3d": normed(3, [(0, 4, 2, 2, 2)]),
    "LayerNorm": [("5", (3, 5)), ("(3, 5), eps=0.1", (2, 3, 5)), ("5, elementwise_affine=False", (2, 3, 5)), ("5", (0, 5)), ("1", (3, 1)), ("5", (5,))],
    "RMSNorm": [("5, eps=1e-6", (3, 5)), ("(3, 5), eps=0.1", (2, 3, 5)), ("5, eps=0.01, elementwise_affine=False", (2, 3, 5)), ("5, eps=1e-6", (0, 5)), ("5", (3, 5))],
    "GroupNorm": [("2, 4", (3, 4, 5)), ("4, 4, eps=0.1", (3, 4)), ("1, 4, affine=False", (2, 4, 3, 2)), ("2, 4", (0, 4, 3))],
    "Dropout": plain("p=0", "p=1.0"), "Dropout1d": [("p=0", (2, 3, 4)), ("p=1.0", (2, 3, 4)), ("", (3, 4))], "Dropout2d": [("p=0", (2, 3, 4, 2)), ("p=1.0", (2, 3, 4, 2)), ("", (3, 4, 2))],
    "Dropout3d": [("p=0", (2, 3, 4, 2, 2)), ("p=1.0", (2, 3, 4, 2, 2)), ("", (2, 3, 4, 2, 2))],
    "DropPath": [("p=0", (2, 3)), ("p=1.0", (2, 3)), ("", (2, 3))],
    "ReLU": plain(), "ReLU6": plain(), "LeakyReLU": plain("", "0.2", "negative_slope=-0.5"), "ELU": plain("", "0.5", "alpha=2.0"), "CELU": plain("", "0.5", "alpha=2.0"), "SELU": plain(),
    "PReLU": plain("", shapes=((2, 3, 4), (0, 3), (3,))) + [("3", (2, 3, 4)), ("num_parameters=3, init=0.1", (2, 3))],
    "GELU": plain("", "'tanh'", "approximate='none'"), "SiLU": plain(), "Swish": plain(), "Mish": plain(), "Sigmoid": plain(), "LogSigmoid": plain(), "Hardsigmoid": plain(), "Hardswish": plain(),
    "Hardtanh": plain("", "-2.0, 0.5", "min_val=0.0, max_val=0.25"), "Hardshrink": plain("", "0.25", "lambd=0.0"), "Softshrink": plain("", "0.25", "lambd=0.0"),
    "Softplus": plain("", "2.0", "beta=0.5, threshold=1.0"), "Softsign": plain(), "Tanh": plain(), "Tanhshrink": plain(), "Threshold": plain("0.5, -1.0", "threshold=0.0, value=2.0"),
    "Softmax": plain("dim=-1", "0", "dim=1", shapes=((2, 3), (0, 3), (1, 1))), "Softmin": plain("dim=-1", "0", shapes=((2, 3), (0, 3))), "LogSoftmax": plain("dim=-1", "0", shapes=((2, 3), (0, 3))),
    "GLU": plain("", shapes=((2, 4), (0, 2), (2,))) + plain("1", "dim=0", shapes=((2, 4),)),
    "PixelShuffle": [("2", (2, 8, 3, 2)), ("upscale_factor=1", (2, 3, 2, 2)), ("3", (9, 2, 2)), ("2", (0, 4, 2, 2))],
    "PixelUnshuffle": [("2", (2, 3, 4, 6)), ("downscale_factor=3", (1, 2, 3, 3)), ("2", (3, 4, 2)), ("2", (0, 4, 2, 2))],
    "ConstantPad2d": [("1, 2.5", (2, 3, 4, 5)), ("(1, 0, 2, 3), value=-1.0", (2, 3, 4, 5)), ("padding=(0, 0, 0, 0), value=0.0", (2, 2)), ("1, float('inf')", (0, 2, 3))],
    "ZeroPad2d": [("1", (2, 3, 4, 5)), ("padding=(1, 0, 2, 3)", (3, 4, 5)), ("2", (0, 2, 3, 3))],
    "UpsamplingNearest2d": [("scale_factor=2", (2, 3, 4, 5)), ("scale_factor=(3, 1)", (2, 3, 2, 2)), ("scale_factor=2", (0, 3, 2, 2))],
    "CrossEntropyLoss": losses(REDUCED + ["ignore_index=1", "ignore_index=0, reduction='none'", "label_smoothing=0.1", "label_smoothing=0.3, reduction='none', ignore_index=2",
                                          "weight=T([1.0, 0.0, 3.0])", "weight=T([1.0, 0.0, 3.0]), label_smoothing=0.1", "weight=T([1.0, 0.5, 3.0]), reduction='none', label_smoothing=0.2"],
                               CLASSES) + [("", (4, 3), ("chance", (4, 3))), ("label_smoothing=0.2", (4, 3), ("chance", (4, 3))), ("weight=T([1.0, 0.0, 3.0]), reduction='sum'", (4, 3), ("chance", (4, 3)))],
    "NLLLoss": losses(REDUCED + ["ignore_index=1", "ignore_index=0, reduction='sum'", "weight=T([1.0, 0.0, 3.0])", "weight=T([1.0, 0.5, 3.0]), reduction='none'"], CLASSES),
    "MSELoss": losses(REDUCED, PAIRS), "L1Loss": losses(REDUCED, PAIRS), "SmoothL1Loss": losses(REDUCED + ["beta=0.5", "beta=0.0", "beta=2.0, reduction='none'"], PAIRS),
    "HuberLoss": losses(REDUCED + ["delta=0.5", "delta=2.0, reduction='none'"], PAIRS),
    "BCELoss": losses(REDUCED + ["weight=T([1.0, 0.0, 3.0, 0.5])"], [(("chance", (3, 4)), ("chance", (3, 4)))]) + losses(REDUCED, [(("chance", (0,)), ("chance", (0,)))]),
    "BCEWithLogitsLoss": losses(REDUCED + ["weight=T([1.0, 0.0, 3.0, 0.5])", "pos_weight=T([1.0, 0.0, 3.0, 0.5])", "weight=T([2.0, 1.0, 1.0, 0.5]), pos_weight=T([1.0, 0.0, 3.0, 0.5]), reduction='none'"],
                                [((3, 4), ("chance", (3, 4)))]) + losses(REDUCED, [((0,), ("chance", (0,)))]),
    "KLDivLoss": losses(REDUCED + ["reduction='batchmean'", "log_target=True", "log_target=True, reduction='none'"], [(("log", (3, 4)), ("chance", (3, 4)))]) + [("reduction='batchmean'", ("log", (0, 3)), ("chance", (0, 3)))],
    "RNNCell": [("3, 4", (2, 3)), ("3, 4", (2, 3), (2, 4)), ("3, 4, bias=False", (2, 3), (2, 4)), ("3, 4, nonlinearity='relu'", (2, 3), (2, 4)), ("3, 4", (0, 3), (0, 4)), ("3, 4", (3,), (4,))],
    "LSTMCell": [("3, 4", (2, 3)), ("3, 4", (2, 3), ((2, 4), (2, 4))), ("3, 4, bias=False", (2, 3), ((2, 4), (2, 4))), ("3, 4", (0, 3)), ("3, 4", (3,), ((4,), (4,)))],
    "GRUCell": [("3, 4", (2, 3)), ("3, 4", (2, 3), (2, 4)), ("3, 4, bias=False", (2, 3), (2, 4)), ("3, 4", (0, 3), (0, 4)), ("3, 4", (3,), (4,))],
}
SPECIAL = {"nan": [np.nan], "inf": [np.inf], "-inf": [-np.inf], "zeros": [0.0, -0.0], "large": [60000.0, -60000.0]}
TOLERANCE = {"float16": Bound(ulp=2, relative=3e-3), "bfloat16": Bound(ulp=2, relative=2.4e-2), "float32": Bound(ulp=16, relative=6e-6), "float64": Bound(ulp=32, relative=2e-13)}


class LayerCase:
    """A layer, its fields, the shapes of its inputs."""

    def __init__(self, name, fields, shapes, dtype, training, special="", constant=False):
        self.name, self.fields, self.shapes, self.dtype = name, fields, shapes, dtype
        self.training, self.special, self.constant = training, special, constant

    def text(self):
        parts = [f"({self.fields})", *map(str, self.shapes), self.dtype, "training" if self.training else "evaluation"]
        return " ".join(parts + ([f"with {self.special}"] if self.special else []) + (["constant"] if self.constant else []))

    def differences(self):
        return layer_differences(self)

    def inputs(self):
        """Arrays; a tuple of arrays for a state of two parts."""
        out = []
        for i, shape in enumerate(self.shapes):
            if shape and isinstance(shape[0], tuple):
                out.append(tuple(rounded(filled(ordinary("float32", 31, i + j), s), self.dtype) for j, s in enumerate(shape)))
                continue
            if shape and shape[0] == "label":
                out.append(filled(np.arange(shape[2]), shape[1], i + 1))
                continue
            if shape and shape[0] in ("chance", "log"):
                values = filled(np.array([0.25, 1, 0, 0.5, 0.125, 0.75, 0.0625]), shape[1], i)
                out.append(rounded(np.log(values + 0.125) if shape[0] == "log" else values, self.dtype))
                continue
            values = filled(ordinary("float32", 31, i), shape, i)
            if self.constant:
                values = np.full(shape, 0.5, "float32")
            if self.special and i == 0 and values.size:
                special = SPECIAL[self.special]
                flat = values.reshape(-1)
                flat[:min(len(special), flat.size)] = special[:flat.size]
            out.append(rounded(values, self.dtype))
        return out


def tensors(arrays, make):
    return [tuple(make(b) for b in a) if isinstance(a, tuple) else make(a) for a in arrays]


def flat(values):
    return [v for value in values for v in (value if isinstance(value, (tuple, list)) else [value])]


def pattern(shape, seed):
    return filled(ordinary("float32", 41, seed, -0.5, 0.75), shape, seed)


def made_jt(case):
    """The layer, its parameters filled, and its inputs, which require gradients."""
    dtype = case.dtype
    T = lambda v: jt.array(np.array(v, "float32")).cast(dtype)  # noqa: E731
    layer = eval(f"jt.nn.{case.name}({case.fields}{', ' if case.fields else ''}dtype={dtype!r})", {"jt": jt, "T": T})
    layer.train() if case.training else layer.eval()
    for i, (_, p) in enumerate(layer.named_parameters()):
        p.assign(jt.array(pattern(p.shape, i)).reshape(p.shape).cast(dtype))

    def make(a):
        out = jt.array(np.ascontiguousarray(a)).reshape(a.shape)
        return out.cast(dtype) if a.dtype.kind == "f" else out

    inputs = tensors(case.inputs(), make)
    for x in flat(inputs):
        if x.dtype.is_floating_point:
            x.requires_grad = True
    return layer, inputs


def run_jt(case):
    layer, inputs = made_jt(case)
    dtype = case.dtype
    results = []
    for _ in range(2):
        results.append(layer(*inputs))
    out = flat([results[1]])
    wanted = [x for x in flat(inputs) if x.dtype.is_floating_point] + [p for _, p in layer.named_parameters()]
    names = [f"input {i}" for i, x in enumerate(flat(inputs)) if x.dtype.is_floating_point] + [n for n, _ in layer.named_parameters()]
    grads = None
    if dtype in ("float32", "float64") and wanted:
        dy = jt.array(dys(out[0].shape)).reshape(out[0].shape).cast(out[0].dtype)
        grads = jt.grad(out[0], wanted, dy, allow_unused=True)
    buffers = {n: b for n, b in layer.named_buffers() if n not in ("weight", "pos_weight") or case.name[:9] in ("BatchNorm", "InstanceN")}

    def plain_array(x):
        return (x.float() if x.dtype == "bfloat16" else x).numpy()

    return ([plain_array(x) for x in out], dict(zip(names, map(plain_array, grads))) if grads is not None else {},
            {n: plain_array(b) for n, b in buffers.items()}, str(out[0].dtype))


def dys(shape):
    return np.resize(np.array([1.0, -2.0, 0.5, 3.0, -1.25], "float32"), int(np.prod(shape, dtype=int))).reshape(shape)


def torch_layer(case):
    wide = torch.float64
    T = lambda v: torch.tensor(np.asarray(rounded(np.array(v), case.dtype)).astype("float64"))  # noqa: E731
    name = ALIASES.get(case.name, case.name)
    fields = case.fields
    if name == "DropPath":
        return torch.nn.Dropout(1.0 if "1.0" in fields else 0.0)
    if name == "Pool":
        is_mean = "op='mean'" in fields
        name, fields = ("AvgPool2d" if is_mean else "MaxPool2d"), fields.replace(", op='mean'", "")
    return eval(f"torch.nn.{name}({fields})", {"torch": torch, "T": T}).to(wide)


def run_torch(case):
    layer = torch_layer(case)
    layer.train(case.training)
    with torch.no_grad():
        for i, (_, p) in enumerate(layer.named_parameters()):
            p.copy_(torch.from_numpy(np.asarray(rounded(pattern(tuple(p.shape), i), case.dtype)).astype("float64")))
    inputs = tensors(case.inputs(), lambda a: torch.from_numpy(np.array(a, "float64")) if a.dtype.kind == "f" else torch.from_numpy(np.array(a)))
    for x in flat(inputs):
        if x.dtype.is_floating_point:
            x.requires_grad_()
    for _ in range(2):
        result = layer(*inputs)
    out = flat([result])
    wanted = [x for x in flat(inputs) if x.dtype.is_floating_point] + [p for _, p in layer.named_parameters()]
    names = [f"input {i}" for i, x in enumerate(flat(inputs)) if x.dtype.is_floating_point] + [n for n, _ in layer.named_parameters()]
    grads = [None] * len(wanted)
    if wanted and out[0].requires_grad:
        grads = torch.autograd.grad(out[0], wanted, torch.from_numpy(dys(tuple(out[0].shape))).double(), allow_unused=True)
    got = {n: (np.zeros(tuple(x.shape)) if g is None else g.numpy()) for n, x, g in zip(names, wanted, grads)}
    buffers = {n: b.numpy() for n, b in layer.named_buffers() if n not in ("weight", "pos_weight")}
    return [x.detach().numpy() for x in out], got, buffers


def compare_arrays(case, kind, what, got, want, dtype):
    if got.shape != want.shape:
        return Difference("nn." + case.name, case.text(), "shape", f"{what}: {got.shape}, PyTorch has {want.shape}")
    bound = TOLERANCE[dtype] if is_float(dtype) else Bound()
    finite = np.abs(want[np.isfinite(want)])
    wrong = ~agree(got, want, dtype, Bound(bound.ulp, bound.relative, False), float(np.max(finite, initial=1.0)))
    if not wrong.any():
        return None
    detail = f"{what}: {int(wrong.sum())} of {wrong.size} differ, first {got[wrong].ravel()[0]!r}, expected {want[wrong].ravel()[0]!r}"
    return Difference("nn." + case.name, case.text(), kind, detail, {"got": got[wrong], "want": want[wrong]})


def layer_differences(case):
    """The differences of a layer's case."""
    from run import short
    problem = None
    try:
        got, grads, buffers, dtype = run_jt(case)
    except (jt.Error, TypeError, ValueError, IndexError, OverflowError) as error:
        problem = short(error)
    if torch is None:
        return []
    try:
        want, its_grads, its_buffers = run_torch(case)
    except (RuntimeError, TypeError, ValueError, IndexError):
        return []
    if problem:
        return [Difference("nn." + case.name, case.text(), "refused", problem + " (PyTorch computes it)")]
    found = []
    for i, (g, w) in enumerate(zip(got, want)):
        found.append(compare_arrays(case, "value", f"result {i}", g, w, dtype))
    for name in its_grads:
        if name in grads and not any(found):
            found.append(compare_arrays(case, "gradient", f"of {name}", grads[name], its_grads[name], case.dtype))
    for name in its_buffers:
        if name not in buffers:
            found.append(Difference("nn." + case.name, case.text(), "buffer", f"there is no {name}"))
        else:
            found.append(compare_arrays(case, "buffer", name, buffers[name], its_buffers[name], "int64" if its_buffers[name].dtype.kind == "i" else case.dtype))
    return [d for d in found if d]


def layer_cases(name):
    def make(whole):
        for fields, *shapes in LAYERS[name]:
            for training in (True, False):
                if training and name.startswith(("Dropout", "DropPath")) and fields == "":
                    continue
                for dtype in (["float32", "float64", "float16", "bfloat16"] if whole else ["float32"]):
                    yield LayerCase(name, fields, shapes, dtype, training)
            for special in (SPECIAL if whole else ["nan"]):
                if name.startswith("Drop") and fields == "":
                    continue
                if isinstance(shapes[0], tuple) and (not shapes[0] or not isinstance(shapes[0][0], str)):
                    yield LayerCase(name, fields, shapes, "float32", True, special)
            is_random = name.startswith("Drop") and fields == ""
            if whole and not is_random and not (shapes[0] and isinstance(shapes[0][0], str)):
                yield LayerCase(name, fields, shapes, "float64", True, constant=True)
    return make


for entry in LAYERS:
    rows("nn." + entry, layer_cases(entry))


class LayerAgain:
    """A layer used a second time gives what a fresh one gives."""

    def __init__(self, name, fields, shapes, training):
        self.name, self.case = "nn." + name, LayerCase(name, fields, shapes, "float32", training)

    def text(self):
        return self.case.text()

    def differences(self):
        from second import layer_uses, same
        from run import short
        try:
            return [Difference(self.name, self.text(), "again", what) for what, got, want in layer_uses(self.case) if not same(got, want)]
        except (jt.Error, TypeError, ValueError) as error:
            return [Difference(self.name, self.text(), "again", "refused: " + short(error))]


def again_cases(name):
    def make(whole):
        for fields, *shapes in LAYERS[name][:2 if whole else 1]:
            for training in (True, False):
                if not (training and name.startswith("Drop")):
                    yield LayerAgain(name, fields, shapes, training)
    return make


for entry in LAYERS:
    rows("nn." + entry, again_cases(entry))


def missing_fields():
    """Fields of layers that no case passes with a value of its own; inplace changes nothing."""
    out = []
    for name in LAYERS:
        parameters = [p for p in inspect.signature(getattr(jt.nn, name).__init__).parameters if p not in ("self", "dtype", "inplace", "args", "kwargs")]
        given = set()
        for fields, *_ in LAYERS[name]:
            call = __import__("ast").parse(f"f({fields})", mode="eval").body
            given |= set(parameters[:len(call.args)]) | {k.arg for k in call.keywords}
        if name not in ALIASES:
            out += [Difference("nn." + name, "-", "mapping", f"no case passes the field {p}") for p in parameters if p not in given]
    return out
