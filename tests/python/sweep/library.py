"""library: products, convolutions, pools, normalisation, losses: functions with options and operands of different shapes."""
import itertools

import numpy as np

from compare import Bound
from elements import COMPOSED, halves
from shapes import EXACT, sums
from table import Case, rows
from values import DTYPES, FLOATS, Operand, edges, filled, is_float, ordinary


def dot(dtype):
    """Products are summed in another order: relative to the largest operand."""
    return {"float16": Bound(ulp=1, relative=2e-3, zero_sign=False), "bfloat16": Bound(ulp=1, relative=1.6e-2, zero_sign=False),
            "float32": Bound(ulp=16, relative=4e-6, zero_sign=False)}.get(dtype, Bound(ulp=16, relative=1e-14, zero_sign=False))


def operand(shape, dtype, seed=0, **more):
    return Operand(filled(ordinary(dtype, 97, seed), shape, seed), dtype, **more)


def matmul_cases(whole):
    pairs = [((3, 4), (4, 2)), ((4,), (4,)), ((4,), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((0, 4), (4, 3)),
             ((3, 0), (0, 2)), ((0,), (0,)), ((1, 1), (1, 1)), ((17, 33), (33, 19)), ((2, 0, 4), (4, 3)), ((4,), (2, 4, 3)), ((1, 65), (65, 1)), ((0, 3, 4), (0, 4, 2))]
    for a, b in pairs:
        for dtype in (DTYPES if whole else ["float32", "float64", "float16", "int32"]):
            yield Case("matmul", "jt.matmul(x, y)", [operand(a, dtype), operand(b, dtype, 3)], "torch.matmul(x, y)", "np.matmul(x, y)" if dtype not in FLOATS else None,
                       dot(dtype) if is_float(dtype) else EXACT)
    for special in (np.nan, np.inf, 0.0):
        x, y = operand((3, 4), "float32"), operand((4, 2), "float32", 3)
        x.array[1, 2] = special
        yield Case("matmul", "jt.matmul(x, y)", [x, y], "torch.matmul(x, y)", None, dot("float32"), tags=f"with {special}")
    for view in ("transposed", "strided", "flipped"):
        yield Case("matmul", "x.matmul(y)", [operand((5, 4), "float32", view=view), operand((4, 3), "float32", 2, view=view)], "x.matmul(y)", None, dot("float32"))
    yield Case("Tensor.__matmul__", "x @ y", [operand((3, 4), "float32"), operand((4, 2), "float32", 3)], "x @ y", None, dot("float32"))
    yield Case("Tensor.__rmatmul__", "np.array([[1, 2], [0.5, -1]], 'float32') @ x", [operand((2, 4), "float32")], "torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=x.dtype) @ x", None, dot("float32"))


for entry in ("matmul", "Tensor.__matmul__", "Tensor.__rmatmul__"):
    rows(entry, lambda whole, e=entry: (c for c in matmul_cases(whole) if c.name == e))


def conv_cases(rank):
    name, window = f"conv{rank}d", (3, 2, 2)[:rank]

    def make(whole):
        for stride, padding, dilation, groups in itertools.product((1, 2), (0, 1), (1, 2), (1, 2)):
            for dtype in (FLOATS if whole else ["float32"]):
                for extents in ((6, 5, 4)[:rank], (5, 7, 6)[:rank]):
                    x, w = operand((2, 4) + extents, dtype), operand((6, 4 // groups) + window, dtype, 5)
                    text = f"stride={stride}, padding={padding}, dilation={dilation}, groups={groups}"
                    yield Case(name, f"jt.{name}(x, y, {text})", [x, w], f"F.{name}(x, y, {text})", None, dot(dtype))
        for batch, inner, outer in ((0, 2, 3), (1, 1, 1), (3, 5, 7)):
            x, w = operand((batch, inner) + (5,) * rank, "float32"), operand((outer, inner) + (1,) * rank, "float32", 1)
            yield Case(name, f"x.{name}(y)", [x, w], f"F.{name}(x, y)", None, dot("float32"))
        each = tuple(range(1, rank + 1))
        x, w = operand((2, 2) + (7,) * rank, "float64"), operand((3, 2) + (2,) * rank, "float64", 1)
        yield Case(name, f"jt.{name}(x, y, {each}, {each + each}, {each[::-1]}, 1)", [x, w], f"F.{name}(x, y, None, {each}, {each}, {each[::-1]}, 1)", None, dot("float64"))
        if rank == 2:
            yield Case(name, "jt.conv2d(x, y, padding=(1, 0, 2, 1), channels_last=True)", [operand((2, 5, 4, 3), "float32"), operand((2, 3, 2, 2), "float32", 1)],
                       "F.conv2d(F.pad(x.permute(0, 3, 1, 2), (0, 1, 1, 2)), y).permute(0, 2, 3, 1)", None, dot("float32"))
        for special in (np.nan, np.inf):
            x = operand((1, 2) + (4,) * rank, "float32")
            x.array[(0, 0) + (1,) * rank] = special
            w = operand((2, 2) + (2,) * rank, "float32", 1)
            yield Case(name, f"jt.{name}(x, y)", [x, w], f"F.{name}(x, y)", None, dot("float32"), tags=f"with {special}")
        if rank == 2:
            for text in ("stride=2, padding=1, dilation=1, groups=1", "stride=1, padding=0, dilation=2, groups=2"):
                groups = int(text[-1])
                its = text.replace("=", "=")
                dz = {1: (2, 6, 3, 3), 2: (2, 6, 2, 3)}[groups]
                w, x = (6, 4 // groups, 3, 2), (2, 4, 6, 5)
                yield Case("conv2d_grad_x", f"jt.conv2d_grad_x(x, y, {x}, {its})", [operand(dz, "float32"), operand(w, "float32", 3)],
                           f"torch.nn.grad.conv2d_input({x}, y, x, {its})", None, dot("float32"), gradient=False)
                yield Case("conv2d_grad_w", f"jt.conv2d_grad_w(x, y, {w}, {its})", [operand(dz, "float32"), operand(x, "float32", 3)],
                           f"torch.nn.grad.conv2d_weight(y, {w}, x, {its})", None, dot("float32"), gradient=False)
            yield Case("conv2d_grad_x", "jt.conv2d_grad_x(x, y, (1, 5, 5, 2), channels_last=True)", [operand((1, 4, 4, 3), "float64"), operand((3, 2, 2, 2), "float64", 1)],
                       "torch.nn.grad.conv2d_input((1, 2, 5, 5), y, x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)", None, dot("float64"), gradient=False)
            yield Case("conv2d_grad_w", "jt.conv2d_grad_w(x, y, (3, 2, 2, 2), channels_last=True)", [operand((1, 4, 4, 3), "float64"), operand((1, 5, 5, 2), "float64", 1)],
                       "torch.nn.grad.conv2d_weight(y.permute(0, 3, 1, 2), (3, 2, 2, 2), x.permute(0, 3, 1, 2))", None, dot("float64"), gradient=False)
        else:
            text = "stride=2, padding=1, dilation=1, groups=2"
            yield Case("conv3d_grad_x", f"jt.conv3d_grad_x(x, y, (1, 4, 5, 5, 5), {text})", [operand((1, 2, 3, 3, 3), "float64"), operand((2, 2, 3, 2, 2), "float64", 3)],
                       f"torch.nn.grad.conv3d_input((1, 4, 5, 5, 5), y, x, {text})", None, dot("float64"), gradient=False)
    return make


for entry, rank in (("conv2d", 2), ("conv2d_grad_x", 2), ("conv2d_grad_w", 2), ("conv3d", 3), ("conv3d_grad_x", 3)):
    rows(entry, lambda whole, e=entry, r=rank: (c for c in conv_cases(r)(whole) if c.name == e))


def pool_cases(rank):
    def make(whole):
        for size, stride, padding in itertools.product((1, 2, 3), (1, 2, 3), (0, 1)):
            if 2 * padding > size:
                continue
            for dtype in (FLOATS if whole else ["float32"]):
                x = operand((2, 3) + (5, 6, 4)[:rank], dtype)
                for kind in ("max", "avg"):
                    call = f"jt.{kind}_pool{rank}d(x, size={size}, stride={stride}, padding={padding})"
                    its = f"F.{kind}_pool{rank}d(x, {size}, {stride}, {padding})"
                    if kind == "max" and rank == 2:
                        call, its = call + "[0]", its
                    yield Case(f"{kind}_pool{rank}d", call, [x], its, None, EXACT if kind == "max" else dot(dtype))
        for special in ([np.nan], [np.inf, -np.inf], [-np.inf] * 4):
            x = operand((1, 1) + (4,) * rank, "float32")
            x.array.reshape(-1)[:len(special)] = special
            for kind in ("max", "avg"):
                yield Case(f"{kind}_pool{rank}d", f"jt.{kind}_pool{rank}d(x, 2)" + ("[0]" if (kind, rank) == ("max", 2) else ""), [x], f"F.{kind}_pool{rank}d(x, 2)", None,
                           dot("float32"), tags=f"with {special}")
        ties = Operand(np.ones((1, 2) + (4,) * rank, "float64"), "float64")
        for kind in ("max", "avg"):
            tail = "[0]" if (kind, rank) == ("max", 2) else ""
            yield Case(f"{kind}_pool{rank}d", f"x.{kind}_pool{rank}d(2){tail}", [ties], f"F.{kind}_pool{rank}d(x, 2)", None, dot("float64"), tags="ties")
            yield Case(f"{kind}_pool{rank}d", f"jt.{kind}_pool{rank}d(x, 3, 2, 1){tail}", [ties], f"F.{kind}_pool{rank}d(x, 3, 2, 1)", None, dot("float64"), tags="ties")
            empty = Operand(np.zeros((0, 2) + (4,) * rank, "float32"), "float32")
            yield Case(f"{kind}_pool{rank}d", f"jt.{kind}_pool{rank}d(x, 2){tail}", [empty], f"F.{kind}_pool{rank}d(x, 2)", None, dot("float32"))
        if rank == 2:
            x = operand((2, 5, 6, 3), "float32")
            for kind in ("max", "avg"):
                tail = "[0]" if kind == "max" else ""
                yield Case(f"{kind}_pool2d", f"jt.{kind}_pool2d(x, 2, channels_last=True){tail}", [x], f"F.{kind}_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)", None, dot("float32"))
            plain = operand((2, 3, 5, 6), "float64")
            yield Case("max_pool2d", "jt.max_pool2d(x, 3, 2, 1)[1]", [plain], "F.max_pool2d(x, 3, 2, 1, return_indices=True)[1].int()", None, EXACT, tags="indices")
            yield Case("max_pool2d_grad", "jt.max_pool2d_grad(x, jt.max_pool2d(y, 3, 2, 1)[1], (2, 3, 5, 6), size=3, stride=2, padding=1)", [operand((2, 3, 3, 3), "float64"), plain],
                       "grad_of(lambda v: F.max_pool2d(v, 3, 2, 1), y, x)", None, dot("float64"), gradient=False)
            yield Case("max_pool2d_grad", "jt.max_pool2d_grad(x, jt.max_pool2d(y, 2, channels_last=True)[1], (2, 4, 6, 3), 2, channels_last=True)", [operand((2, 2, 3, 3), "float64"), operand((2, 4, 6, 3), "float64")],
                       "grad_of(lambda v: F.max_pool2d(v.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1), y, x)", None, dot("float64"), gradient=False)
            yield Case("avg_pool2d_grad", "jt.avg_pool2d_grad(x, (2, 3, 5, 6), size=3, stride=2, padding=1)", [operand((2, 3, 3, 3), "float64")],
                       "grad_of(lambda v: F.avg_pool2d(v, 3, 2, 1), torch.zeros(2, 3, 5, 6, dtype=x.dtype), x)", None, dot("float64"), gradient=False)
            yield Case("avg_pool2d_grad", "jt.avg_pool2d_grad(x, (2, 4, 6, 3), 2, channels_last=True)", [operand((2, 2, 3, 3), "float64")],
                       "grad_of(lambda v: F.avg_pool2d(v.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1), torch.zeros(2, 4, 6, 3, dtype=x.dtype), x)", None, dot("float64"), gradient=False)
    return make


for entry, rank in (("max_pool2d", 2), ("avg_pool2d", 2), ("max_pool2d_grad", 2), ("avg_pool2d_grad", 2), ("max_pool3d", 3), ("avg_pool3d", 3)):
    rows(entry, lambda whole, e=entry, r=rank: (c for c in pool_cases(r)(whole) if c.name == e))


def softmax_cases(name):
    torch = name

    def make(whole):
        for dtype in (FLOATS if whole else ["float32", "float16"]):
            for shape in [(7,), (2, 3), (3, 0), (0, 3), (1, 1), (2, 3, 4), ()]:
                for axis in sorted({-1, 0, len(shape) - 1} & set(range(-max(len(shape), 1), max(len(shape), 1)))):
                    yield Case(name, f"jt.{name}(x, axis={axis})", [operand(shape, dtype)], f"torch.{torch}(x, {axis})", None, halves(COMPOSED, dtype) if dtype != "float64" else dot(dtype))
            for special in ([np.nan], [np.inf], [-np.inf], [np.inf, np.inf], [-np.inf] * 6, [60000.0], [-60000.0], [0.0, -0.0], [3.0] * 6):
                x = operand((6,), dtype)
                x.array[:len(special)] = special
                yield Case(name, f"x.{name}(dim=0)", [x], f"torch.{torch}(x, 0)", None, halves(COMPOSED, dtype) if dtype != "float64" else dot(dtype), tags=f"with {special}")
        for dtype in ("int32", "bool"):
            yield Case(name, f"jt.{name}(x)", [operand((2, 3), dtype)], f"torch.{torch}(x.float(), -1)", None, COMPOSED)
    return make


rows("softmax", softmax_cases("softmax"))
rows("log_softmax", softmax_cases("log_softmax"))

LABELS = np.array([1, 0, 2, 1])
# name, jt, PyTorch, shape of x, second operand: labels, "probability" (x too), "logit" (of a probability) or "like" x, shapes of more operands
LOSSES = [
    ("cross_entropy", "jt.cross_entropy(x, y)", "F.cross_entropy(x, y)", (4, 3), LABELS),
    ("cross_entropy", "x.cross_entropy(y)", "F.cross_entropy(x, y)", (4, 3), LABELS),
    ("cross_entropy", "jt.cross_entropy(x, y)", "F.cross_entropy(x, y)", (4, 3), np.array([1, -100, 2, -100])),
    ("cross_entropy", "jt.cross_entropy(x, y)", "F.cross_entropy(x, y)", (2, 3), np.array([-100, -100])),
    ("nn.cross_entropy_loss", "jt.nn.cross_entropy_loss(x, y)", "F.cross_entropy(x, y)", (4, 3), LABELS),
    ("cross_entropy", "jt.cross_entropy(x, y)", "F.cross_entropy(x, y)", (1, 1), np.array([0])),
    ("cross_entropy", "jt.cross_entropy(x, y)", "F.cross_entropy(x, y)", (0, 3), np.zeros(0, int)),
    ("cross_entropy", "jt.cross_entropy(x, y, label_smoothing=0.1)", "F.cross_entropy(x, y, label_smoothing=0.1)", (4, 3), "chances"),
    *[("cross_entropy", f"jt.cross_entropy(x, y, {more})", f"F.cross_entropy(x, y, {more})", shape, labels)
      for more in ("ignore_index=1", "ignore_index=0, reduction='sum'", "reduction='none'", "label_smoothing=0.2", "label_smoothing=0.3, reduction='none', ignore_index=2")
      for shape, labels in (((4, 3), LABELS), ((2, 3, 2), np.array([[1, 0], [2, 1]])), ((3,), np.array(2)))],
    *[("cross_entropy", f"jt.cross_entropy(x, y, w * w, {more})", f"F.cross_entropy(x, y, w * w, {more})", (4, 3), LABELS, (3,)) for more in ("reduction='mean'", "label_smoothing=0.1")],
    ("cross_entropy", "jt.cross_entropy(x, y, weight=w * w, reduction='none')", "F.cross_entropy(x, y, w * w, reduction='none')", (4, 3), LABELS, (3,)),
    *[("nll", f"jt.nll(x, y{more})", f"F.nll_loss(x, y{more})", shape, labels)
      for more in ("", ", reduction='none'", ", ignore_index=1", ", ignore_index=0, reduction='sum'")
      for shape, labels in (((4, 3), LABELS), ((2, 3, 2), np.array([[1, 0], [2, 1]])), ((3,), np.array(2)), ((0, 3), np.zeros(0, int)))],
    ("nll", "jt.nll(x, y, weight=w * w, reduction='none')", "F.nll_loss(x, y, w * w, reduction='none')", (4, 3), LABELS, (3,)),
    *[(name, f"jt.{name}(x, y{more})", f"F.{torch}(x, y{more})", shape, second)
      for name, torch, second in (("mse_loss", "mse_loss", "like"), ("bce", "binary_cross_entropy", "probability"), ("bce_with_logits", "binary_cross_entropy_with_logits", "logit"),
                                  ("smooth_l1", "smooth_l1_loss", "like"), ("huber", "huber_loss", "like"), ("kl_div", "kl_div", "probability"))
      for more in ("", ", reduction='none'", ", reduction='sum'") for shape in ((9,), (0,), ())],
    ("mse_loss", "x.mse_loss(y)", "F.mse_loss(x, y)", (4, 3), "like"),
    ("bce", "jt.bce(x, y, weight=w, reduction='none')", "F.binary_cross_entropy(x, y, w, reduction='none')", (3, 4), "probability", (4,)),
    ("bce_with_logits", "jt.bce_with_logits(x, y, weight=w)", "F.binary_cross_entropy_with_logits(x, y, w)", (3, 4), "logit", (4,)),
    ("bce_with_logits", "jt.bce_with_logits(x, y, pos_weight=w * w)", "F.binary_cross_entropy_with_logits(x, y, pos_weight=w * w)", (3, 4), "logit", (4,)),
    ("smooth_l1", "jt.smooth_l1(x, y, beta=0.5, reduction='none')", "F.smooth_l1_loss(x, y, beta=0.5, reduction='none')", (4, 3), "like"),
    ("smooth_l1", "jt.smooth_l1(x, y, 0)", "F.smooth_l1_loss(x, y, beta=0)", (4, 3), "like"),
    ("huber", "jt.huber(x, y, delta=0.5, reduction='none')", "F.huber_loss(x, y, delta=0.5, reduction='none')", (4, 3), "like"),
    ("kl_div", "jt.kl_div(x, y, log_target=True, reduction='none')", "F.kl_div(x, y, log_target=True, reduction='none')", (4, 3), "like"),
    ("kl_div", "jt.kl_div(x, y, reduction='batchmean')", "F.kl_div(x, y, reduction='batchmean')", (4, 3), "probability"),
]


def loss_cases(entry):
    name, jt, torch, shape, second, *others = entry

    def make(whole):
        for dtype in (FLOATS if whole else ["float32"]):
            x, more = operand(shape, dtype), [operand(s, dtype, 11 + i) for i, s in enumerate(others)]
            if isinstance(second, np.ndarray):
                for kind in (["int64", "int32", "uint8"] if whole and dtype == "float32" and second.min(initial=0) >= 0 else ["int64"]):
                    yield Case(name, jt, [x, Operand(second.astype(kind), kind), *more], torch.replace(", y", ", y.long()"), None, dot(dtype))
                continue
            if second in ("probability", "logit", "chances"):
                chances = filled(np.array([0, 1, 0.5, 0.25, 0.75, 0.125, 1, 0, 0.875]), shape)
                x = Operand(filled(np.array([0.5, 0.25, 0, 1, 0.75, 0, 1, 0.125, 0.0625]), shape), dtype) if second == "probability" else operand(shape, dtype)
                x.array = x.array.astype(ordinary(dtype, 1).dtype)
                y = Operand(chances.astype(ordinary(dtype, 1).dtype), dtype)
            else:
                y = operand(shape, dtype, 7)
            yield Case(name, jt, [x, y, *more], torch, None, dot(dtype))
        if isinstance(second, str) and second in ("like", "logit"):
            values = edges("float32")
            pairs = np.array(list(itertools.product(values, [0, 1.0, 0.5])), "float32") if second == "logit" else np.array(list(itertools.product(values, values)), "float32")
            if "(x, y, reduction='none')" in jt and name != "mse_loss" and shape == (9,):
                yield Case(name, jt, [Operand(pairs[:, 0], "float32"), Operand(pairs[:, 1], "float32")], torch, None, COMPOSED, tags="edges")
    return make


for entry in LOSSES:
    rows(entry[0], loss_cases(entry))

NORMS = [
    ("layer_norm", "jt.layer_norm(x)", "F.layer_norm(x, x.shape[-1:])", (3, 5)),
    ("layer_norm", "jt.layer_norm(x, y, w, eps=0.1)", "F.layer_norm(x, (5,), y, w, 0.1)", (3, 5), (5,), (5,)),
    ("layer_norm", "jt.layer_norm(x, y, axes=2)", "F.layer_norm(x, (3, 5), y)", (2, 3, 5), (3, 5)),
    ("layer_norm", "x.layer_norm(bias=y)", "F.layer_norm(x, (5,), None, y)", (2, 5), (5,)),
    ("layer_norm", "jt.layer_norm(x, weight=y, dim=1)", "F.layer_norm(x, (1,), y)", (2, 1), (1,)),
    ("layer_norm", "jt.layer_norm(x)", "F.layer_norm(x, (5,))", (0, 5)),
    ("rms_norm", "jt.rms_norm(x)", "F.rms_norm(x, (5,), eps=1e-6)", (3, 5)),
    ("rms_norm", "jt.rms_norm(x, y, eps=0.5)", "F.rms_norm(x, (5,), y, 0.5)", (3, 5), (5,)),
    ("rms_norm", "x.rms_norm(weight=y, axes=2)", "F.rms_norm(x, (3, 5), y, 1e-6)", (2, 3, 5), (3, 5)),
    ("rms_norm", "jt.rms_norm(x, dim=1)", "F.rms_norm(x, (5,), eps=1e-6)", (0, 5)),
    ("group_norm", "jt.group_norm(x, groups=2)", "F.group_norm(x, 2)", (2, 4, 3)),
    ("group_norm", "jt.group_norm(x, y, w, 4, eps=0.1)", "F.group_norm(x, 4, y, w, 0.1)", (2, 4, 3, 2), (4,), (4,)),
    ("group_norm", "x.group_norm(weight=y, bias=w)", "F.group_norm(x, 1, y, w)", (2, 4), (4,), (4,)),
    ("group_norm", "jt.group_norm(x, groups=2)", "F.group_norm(x, 2)", (0, 4, 3)),
    ("batch_norm", "jt.batch_norm(x, y, w * w)", "F.batch_norm(x, y, w * w)", (3, 4), (4,), (4,)),
    ("batch_norm", "jt.batch_norm(x, y, w * w, weight=v, bias=y, eps=0.1)", "F.batch_norm(x, y, w * w, v, y, eps=0.1)", (3, 4, 2), (4,), (4,), (4,)),
    ("prelu", "jt.prelu(x, y)", "F.prelu(x, y)", (2, 3, 4), (3,)),
    ("prelu", "jt.prelu(x, y)", "F.prelu(x, y)", (5,), (1,)),
    ("prelu", "x.prelu(weight=y)", "F.prelu(x, y)", (0, 3), (3,)),
]


def norm_cases(entry):
    name, jt, torch, *extents = entry

    def make(whole):
        for dtype in (FLOATS if whole else ["float32"]):
            bound = Bound(ulp=16, relative=2e-6, zero_sign=False) if dtype == "float32" else dot(dtype)
            operands = [operand(s, dtype, i) for i, s in enumerate(extents)]
            yield Case(name, jt, operands, torch, None, bound)
            for special in (np.nan, np.inf) if extents[0] and 0 not in extents[0] else ():
                more = [Operand(o.array.copy(), dtype) for o in operands]
                more[0].array.reshape(-1)[1] = special
                yield Case(name, jt, more, torch, None, bound, tags=f"with {special}")
            constant = [Operand(np.full(extents[0], 0.5, o.array.dtype) if i == 0 else o.array, dtype) for i, o in enumerate(operands)]
            yield Case(name, jt, constant, torch, None, bound, tags="constant")
    return make


for entry in NORMS:
    rows(entry[0], norm_cases(entry))
rows("hardtanh", lambda whole: (Case("hardtanh", "jt.hardtanh(x, low=-0.5, high=2)", [Operand(edges(d), d)], "F.hardtanh(x, -0.5, 2)", None, COMPOSED, tags="edges low high")
                                for d in FLOATS))
