"""Losses and activations as functions and as layers, against PyTorch's values and gradients (losses.json)."""
import array
import json
import math
import pathlib

import pytest

import jt

CASES = json.loads((pathlib.Path(__file__).parent / "losses.json").read_text())


def flat(x):
    return [v for part in x for v in flat(part)] if isinstance(x, list) else [x]


def shape_of(v):
    return (len(v), *shape_of(v[0])) if isinstance(v, list) and v else (0,) if isinstance(v, list) else ()


def real(v):
    return jt.array(array.array("d", flat(v))).reshape(shape_of(v))


def expect(got, want):
    got, want = flat(got.tolist()), flat(want)
    assert len(got) == len(want)
    for a, b in zip(got, want):
        assert (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-9, abs=1e-12)


def tensors(case):
    x, *others = [jt.array(v) if whole else real(v) for v, whole in zip(case["operands"], case["integers"])]
    return [x.requires_grad_(), *others], {name: real(v) for name, v in case["tensors"].items()}


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c['function']}" for i, c in enumerate(CASES)])
def test_function_and_layer_agree_with_pytorch(case):
    operands, held = tensors(case)
    y = getattr(jt, case["function"])(*operands, **held, **case["keywords"])
    expect(y, case["value"])
    expect(jt.grad(y.sum(), operands[0]), case["gradient"])
    layer = getattr(jt.nn, case["layer"])(**case["fields"], **held, dtype="float64")
    y = layer(*operands)
    expect(y, case["value"])
    expect(jt.grad(y.sum(), operands[0]), case["gradient"])


def test_the_cases_cover_every_loss():
    assert {c["layer"] for c in CASES} >= {name for name in jt.nn.__dict__ if name.endswith("Loss")} - {"L1Loss"}


def test_defaults_are_the_layers():
    x, label, p = jt.randn(3, 4), jt.array([0, -100, 2]), jt.rand(3, 4)
    for function, layer, operands in ((jt.cross_entropy, jt.nn.CrossEntropyLoss, (x, label)), (jt.nll, jt.nn.NLLLoss, (x, label)),
                                      (jt.mse_loss, jt.nn.MSELoss, (x, p)), (jt.smooth_l1, jt.nn.SmoothL1Loss, (x, p)),
                                      (jt.huber, jt.nn.HuberLoss, (x, p)), (jt.kl_div, jt.nn.KLDivLoss, (x, p)),
                                      (jt.bce, jt.nn.BCELoss, (p, p)), (jt.bce_with_logits, jt.nn.BCEWithLogitsLoss, (x, p)),
                                      (jt.softplus, jt.nn.Softplus, (x * 30,)), (jt.gelu, jt.nn.GELU, (x,)), (jt.elu, jt.nn.ELU, (x,))):
        assert function(*operands).tolist() == layer()(*operands).tolist()
    assert jt.cross_entropy(jt.array([[1.0, 2, 3], [1, 2, 4]]), jt.array([0, -100])).item() == pytest.approx(2.4076059)


def test_a_word_that_is_no_reduction_is_named():
    with pytest.raises(jt.ArgumentError, match="mse_loss: reduction is 'avg', not one of mean, sum, none"):
        jt.mse_loss(jt.randn(2), jt.randn(2), reduction="avg")
    with pytest.raises(jt.ShapeError, match=r"cross_entropy: weight has shape \[2\], x \[1,3\] needs \[3\]"):
        jt.cross_entropy(jt.randn(1, 3), jt.array([0]), weight=jt.ones(2))


# ---- statistics

def test_std_and_var_divide_by_n_minus_1_unless_told():
    x = jt.array([1.0, 2.0, 4.0, 7.0])
    assert x.var().item() == jt.var(x).item() == pytest.approx(7.0)
    assert x.std().item() == jt.std(x).item() == pytest.approx(math.sqrt(7.0))
    assert x.var(correction=0).item() == pytest.approx(5.25)


@pytest.mark.parametrize("n, correction, want", [(1, 1, math.nan), (1, 2, math.nan), (0, 0, math.nan), (0, 1, math.nan), (2, 3, math.inf), (2, 2, math.inf)])
def test_too_few_degrees_of_freedom_are_0(n, correction, want):  # as in PyTorch and NumPy: what is there over 0
    x = jt.array([1.0, 2.0])[:n]
    for y in (x.var(correction=correction), x.std(correction=correction)):
        assert y.item() == want or (math.isnan(want) and math.isnan(y.item()))


@pytest.mark.parametrize("p, want", [(0, 3), (1, 8), (2, math.sqrt(26)), (3, (64 + 27 + 1) ** (1 / 3)), (math.inf, 4), (-math.inf, 0), (0.5, 22.3923)])
def test_norm(p, want):
    x = jt.array([3.0, -4.0, 0.0, 1.0])
    assert x.norm(p).item() == jt.norm(x, p=p).item() == pytest.approx(want, rel=1e-5)
    assert x.reshape(2, 2).norm(p, 1, True).shape == (2, 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_squared_and_summed_as_f32(dtype):
    x = jt.array([256.0, 0.0, 0.0, 0.0]).to(dtype).requires_grad_()
    assert x.norm().item() == 256
    assert jt.grad(x.norm(), x).tolist() == [1, 0, 0, 0]
    assert x.std().item() == 128
    assert jt.array([512.0, 512.0] * 40000).to(dtype).mean().item() == 512
    assert jt.mse_loss(x, x * 0).item() == 16384
    assert jt.smooth_l1(jt.array([60000.0] * 4).to(dtype), jt.zeros(4).to(dtype)).item() == pytest.approx(60000, rel=1e-2)
    w = jt.nn.Parameter(jt.array([300.0, 400.0]).to(dtype))
    optimizer = jt.optim.SGD([w], 0.5)
    optimizer.backward((w * w).sum() * 0.5)
    assert optimizer.clip_grad_norm(5.0).item() == pytest.approx(500, rel=1e-2)
    optimizer.step()
    assert w.tolist() == pytest.approx([298.5, 398], rel=1e-2)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_integers_spread_as_integers_do(dtype):  # not as the floats they are nearest to
    base = 2**24 if dtype.endswith("32") else 2**40
    x = jt.array([[base + 1, base + 3], [base + 1, base + 1]], dtype=dtype)
    assert x.var(1).tolist() == [2, 0] and x.var(1, correction=0).tolist() == [1, 0]
    assert x.std(1, correction=0).tolist() == [1, 0] and jt.var_mean(x[0])[0].item() == 2


# 5000 ones in halves stay at 2048 (256 in bfloat16), where one more is less than half of the distance to the next.
@pytest.mark.parametrize("dtype, want", [("float16", 5000), ("bfloat16", 4992)])
def test_halves_that_meet_in_an_element_are_added_as_f32(dtype, want):
    n = 5000
    zero, ones, rows = jt.zeros(1, dtype=dtype), jt.ones(n, dtype=dtype), jt.zeros(n, dtype="int64")
    assert jt.scatter_add(zero, rows, ones).tolist() == [want]
    assert jt.scatter(zero, rows, ones, combine="add").tolist() == [want]
    assert jt.reindex_reduce(ones, [1], "i0*0", combine="add").tolist() == [want]
    assert jt.scatter(zero + 1, rows[:200], ones[:200] * 1.0078125, combine="mul").item() == pytest.approx(1.0078125**200, rel=2**-8)
    for lookup in (lambda w: w[rows], lambda w: jt.take(w, rows), lambda w: jt.gather(w, rows), lambda w: jt.embedding(rows, w.reshape(1, 1)),
                   lambda w: jt.reindex(w, [n], "i0*0"), lambda w: w.expand(n)):
        w = (zero + 1).start_grad()
        assert jt.grad(lookup(w), w, jt.ones(lookup(w).shape, dtype=dtype)).tolist() == [want]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_printed(dtype):
    x = jt.array([[1.5, -2.0]]).to(dtype)
    assert repr(x) == f"Tensor([[ 1.5000, -2.0000]], dtype={dtype})"
    assert "1.5000" in x._repr_html_() and str(x[0, 0].item()) == "1.5" and f"{x[0, 1]:.1f}" == "-2.0"
    assert repr(jt.array(0.5).to(dtype)) == f"Tensor(0.5000, dtype={dtype})" and x.tolist() == [[1.5, -2.0]]


def test_the_only_axis_of_a_number():
    x = jt.array(3.0)
    for axis in (0, -1):
        assert x.sum(axis).item() == x.max(axes=axis).item() == x.mean(axis).item() == x.norm(2, axis).item() == 3
        assert jt.softmax(x, axis).item() == 1 and jt.log_softmax(x, axis).item() == 0 and x.argmax(axis).item() == 0
        assert jt.flip(x, axis).item() == 3
    with pytest.raises(jt.ShapeError):
        x.sum(1)


def test_truth_values_are_added_and_multiplied():
    a, b = jt.array([True, True, False]), jt.array([True, False, False])
    assert (a + b).dtype is jt.bool and (a + b).tolist() == [True, True, False]
    assert (a * b).dtype is jt.bool and (a * b).tolist() == [True, False, False]
    assert jt.prod(a).dtype is jt.int64 and jt.prod(a).item() == 0
    assert jt.square(a).dtype is jt.int64 and jt.square(a).tolist() == [1, 1, 0]


# ---- buffers

@pytest.mark.parametrize("name, shape", [("BatchNorm1d", (0, 3)), ("BatchNorm2d", (0, 3, 4, 4)), ("BatchNorm2d", (2, 3, 0, 4)), ("BatchNorm3d", (0, 3, 2, 2, 2)),
                                         ("InstanceNorm1d", (0, 3, 4)), ("InstanceNorm2d", (0, 3, 4, 4)), ("InstanceNorm3d", (0, 3, 2, 2, 2))])
def test_an_empty_batch_leaves_buffers_alone(name, shape):
    layer = getattr(jt.nn, name)(3, track_running_stats=True)
    before = {k: v.tolist() for k, v in layer.state_dict().items()}
    assert layer(jt.zeros(shape)).shape == shape
    assert {k: v.tolist() for k, v in layer.state_dict().items()} == before


# ---- halves: what is added is rounded once

def rounded(values, like):
    return jt.array(array.array("d", values)).to(like.dtype).double().tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name, fields, shape", [
    ("ConvTranspose3d", {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "padding": 1}, (2, 3, 4, 4, 4)),
    ("ConvTranspose2d", {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "stride": 2}, (2, 3, 4, 4)),
    ("Conv3d", {"in_channels": 3, "out_channels": 2, "kernel_size": 2}, (2, 3, 4, 4, 4)), ("Conv1d", {"in_channels": 3, "out_channels": 2, "kernel_size": 2}, (2, 3, 8)),
    ("AvgPool3d", {"kernel_size": 3}, (2, 3, 6, 6, 6)), ("AvgPool2d", {"kernel_size": 3, "padding": 1, "count_include_pad": False}, (2, 3, 7, 7)),
    ("AdaptiveAvgPool2d", {"output_size": 3}, (2, 3, 7, 8)), ("Linear", {"in_features": 7, "out_features": 5}, (3, 7))])
def test_layers_of_halves_round_once(dtype, name, fields, shape):
    jt.seed(1)
    layer = getattr(jt.nn, name)(**fields, **({} if "Pool" in name else {"dtype": dtype}))
    x = jt.randn(*shape).to(dtype)
    got = layer(x)
    assert got.dtype == dtype
    wide = getattr(jt.nn, name)(**fields, **({} if "Pool" in name else {"dtype": "float64"}))
    if "Pool" not in name:
        wide.load_state_dict({k: v.double() for k, v in layer.state_dict().items()})
    want = rounded(wide(x.double()).reshape(-1).tolist(), got)
    off = [abs(a - b) for a, b in zip(got.double().reshape(-1).tolist(), want)]
    assert sum(d > 0 for d in off) <= len(off) // 100  # a tie of f32's sum, once in thousands


# ---- every layer without parameters is a function too

def test_functions_have_all_options_of_their_layers():
    F, x = jt.nn.functional, jt.randn(2, 4, 7, 7)
    assert set(F.__all__) >= {"max_pool2d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool2d", "dropout", "leaky_relu", "relu6", "glu", "hardshrink",
                              "softmin", "pixel_shuffle", "mse_loss", "smooth_l1_loss", "cross_entropy_loss", "kl_div_loss", "l1_loss", "bce_with_logits_loss"}
    assert "batch_norm2d" not in F.__all__  # layers with parameters: batch_norm
    for name, layer, fields in (("max_pool2d", "MaxPool2d", {"kernel_size": 3, "ceil_mode": True}), ("glu", "GLU", {"dim": 1}),
                                ("avg_pool2d", "AvgPool2d", {"kernel_size": 3, "padding": 1, "count_include_pad": False, "divisor_override": 5}),
                                ("hardtanh", "Hardtanh", {"min_val": -0.5}), ("threshold", "Threshold", {"threshold": 0.1, "value": 7.0})):
        assert getattr(F, name)(x, **fields).tolist() == getattr(jt.nn, layer)(**fields)(x).tolist()
    assert F.max_pool2d(x, 3, 2).tolist() == jt.nn.MaxPool2d(3, 2)(x).tolist()
    assert F.dropout(x, 0.5, training=False).tolist() == x.tolist()
    assert 0 < (F.dropout(x, 0.5) == 0).sum().item() < x.size
    weight = jt.array([1.0, 0.0, 3.0])
    assert F.cross_entropy_loss(jt.randn(2, 3) * 0, jt.array([0, 2]), weight, reduction="sum").item() == pytest.approx(4 * math.log(3))
    with pytest.raises(TypeError):
        F.max_pool2d(x)
