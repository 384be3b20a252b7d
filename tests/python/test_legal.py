"""What PyTorch and NumPy take, and what it gives: windows beyond the image, paddings of any value, axes by any name."""
import math

import pytest

import jt


def same(np, got, wanted, tolerance=0):
    got, wanted = got.numpy(), np.asarray(wanted)
    assert got.shape == wanted.shape and got.dtype == wanted.dtype, (got.shape, got.dtype, wanted.shape, wanted.dtype)
    if tolerance:
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(got, wanted)
        if got.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


@pytest.mark.parametrize("value", [math.nan, -0.0, math.inf, -math.inf, 0.0, 2.5])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "bool"])
def test_pad_by_any_value(np, dtype, value):
    if dtype in ("int32", "bool") and not math.isfinite(value):
        return
    for shape, before, after in (((3,), (1,), (2,)), ((2, 2), (1, 1), (1, 1)), ((2, 0, 3), (1, 2, 0), (0, 1, 1)), ((2, 3, 2), (0, 1, 2), (1, 0, 3))):
        a = np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)
        wanted = np.pad(a, list(zip(before, after)), constant_values=np.array(value).astype(dtype))
        x = jt.array(a)
        same(np, jt.pad(x, before, after, value=value), wanted)
        twice = jt.pad(jt.pad(x, before, after, value=value), before, after, value=value)
        same(np, twice, np.pad(wanted, list(zip(before, after)), constant_values=np.array(value).astype(dtype)))
        if dtype != "bool":
            same(np, jt.pad(x + x, before, after, value=value).flip([0]), np.pad(a + a, list(zip(before, after)), constant_values=np.array(value).astype(dtype))[::-1])


def test_pads_of_different_values(np):
    a = np.ones((2, 2), np.float32)
    x = jt.pad(jt.pad(jt.array(a), (1, 0), (0, 1), value=math.nan), (1, 1), (0, 2), value=-0.0)
    same(np, x, np.pad(np.pad(a, [(1, 0), (0, 1)], constant_values=np.nan), [(1, 0), (1, 2)], constant_values=-0.0))
    w = jt.Parameter(a)
    assert jt.grad(jt.pad(w, (1, 1), (1, 1), value=math.nan)[1:3, 1:3].sum(), w).tolist() == [[1, 1], [1, 1]]


def pooled(np, x, size, stride, padding, kind, counts_padding=True):
    """Pooling with ceil_mode in one axis by PyTorch's rule, window by window."""
    n = len(x)
    count = -(-(n + 2 * padding - size) // stride) + 1
    if (count - 1) * stride >= n + padding:
        count -= 1
    out = []
    for o in range(count):
        first = o * stride - padding
        part = x[max(first, 0):max(first + size, 0)]
        if kind == "max":
            out.append(part.max())
        else:
            end = min(first + size, n + padding)
            out.append(part.sum() / ((end - first) if counts_padding else len(part)))
    return np.array(out, np.float32)


def pool_cases():
    return [(n, size, stride, padding) for n in range(1, 7) for size in range(1, 8) for stride in range(1, 8) for padding in range(0, size // 2 + 1)
            if n + 2 * padding - size > -stride]


def test_ceil_mode_with_windows_beyond_the_image(np):
    for n, size, stride, padding in pool_cases()[::3]:
        a = (np.arange(n) * 7 % 5 - 3).astype(np.float32)
        x = jt.array(a.reshape(1, 1, n))
        for kind in ("max", "mean", "inside"):
            layer = (jt.nn.MaxPool1d(size, stride, padding, ceil_mode=True) if kind == "max" else
                     jt.nn.AvgPool1d(size, stride, padding, ceil_mode=True, count_include_pad=kind == "mean"))
            wanted = pooled(np, a, size, stride, padding, "max" if kind == "max" else "mean", kind == "mean")
            same(np, layer(x).reshape(-1), wanted, 1e-6)
    assert jt.nn.MaxPool2d(5, ceil_mode=True)(jt.ones((1, 1, 3, 3))).tolist() == [[[[1]]]]
    assert jt.nn.MaxPool3d(5, ceil_mode=True)(jt.ones((1, 1, 3, 2, 3))).shape == (1, 1, 1, 1, 1)
    for stride in (1, 2):
        with pytest.raises(jt.ShapeError):
            jt.nn.MaxPool2d(5, stride, ceil_mode=True)(jt.ones((1, 1, 3, 3)))


def test_pooling_as_torch(np):
    torch = pytest.importorskip("torch")
    for rank in (1, 2, 3):
        for n, size, stride, padding in pool_cases()[rank::17]:
            a = np.random.default_rng(n).normal(size=(2, 2) + (n,) * rank).astype(np.float32)
            for name, options in (("MaxPool", {}), ("AvgPool", {}), ("AvgPool", {"count_include_pad": False})):
                if rank == 3 and n < size and name == "AvgPool":
                    continue  # refused there
                options = dict(stride=stride, padding=padding, ceil_mode=True, **options)
                wanted = getattr(torch.nn, f"{name}{rank}d")(size, **options)(torch.from_numpy(a))
                same(np, getattr(jt.nn, f"{name}{rank}d")(size, **options)(jt.array(a)), wanted.numpy(), 1e-5)


def test_transposed_convolutions_with_much_output_padding(np):
    """Position i * stride - padding + k * dilation gets x[i] * w[k]; output_padding adds places behind."""
    for stride in (1, 2, 3):
        for dilation in (2, 3, 4):
            for more in range(stride, dilation):
                for padding in range(0, 5):
                    n, size = 4, 3
                    length = (n - 1) * stride - 2 * padding + dilation * (size - 1) + 1 + more
                    a, w = np.arange(1, n + 1, dtype=np.float32), np.array([1, 10, 100], np.float32)
                    wanted = np.full(length, 0.5, np.float32)
                    for i in range(n):
                        for k in range(size):
                            at = i * stride - padding + k * dilation
                            if 0 <= at < length:
                                wanted[at] += a[i] * w[k]
                    layer = jt.nn.ConvTranspose1d(1, 1, size, stride=stride, padding=padding, output_padding=more, dilation=dilation)
                    layer.load_state_dict({"weight": w.reshape(1, 1, size), "bias": [0.5]})
                    same(np, layer(jt.array(a.reshape(1, 1, n))).reshape(-1), wanted, 1e-6)
    layer = jt.nn.ConvTranspose3d(1, 1, 2, stride=1, output_padding=1, dilation=2)
    assert layer(jt.ones((1, 1, 2, 2, 2))).shape == (1, 1, 5, 5, 5)
    with pytest.raises(jt.ArgumentError):
        jt.nn.ConvTranspose1d(1, 1, 3, stride=2, output_padding=2, dilation=2)(jt.ones((1, 1, 3)))


def test_transposed_convolutions_as_torch(np):
    torch = pytest.importorskip("torch")
    for stride, dilation, more, padding in (((1, 2), (3, 4), (2, 3), (0, 1)), ((2, 1), (3, 2), (2, 1), (2, 2)), ((1, 1), (2, 3), (1, 0), (3, 0))):
        options = dict(stride=stride, padding=padding, output_padding=more, dilation=dilation)
        theirs, ours = torch.nn.ConvTranspose2d(2, 3, (2, 3), **options), jt.nn.ConvTranspose2d(2, 3, (2, 3), **options)
        ours.load_state_dict(theirs.state_dict())
        a = np.random.default_rng(0).normal(size=(2, 2, 4, 5)).astype(np.float32)
        t = torch.from_numpy(a).requires_grad_()
        x = jt.Parameter(a)
        wanted, got = theirs(t), ours(x)
        same(np, got, wanted.detach().numpy(), 1e-5)
        (wanted ** 2).sum().backward()
        (got ** 2).sum().backward()
        same(np, x.grad, t.grad.numpy(), 1e-4)
        same(np, ours.weight.grad, theirs.weight.grad.numpy(), 1e-4)


def test_transpose_exchanges_two_axes(np):
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    m, x, matrix = np.arange(6).reshape(2, 3), jt.array(a), jt.array(np.arange(6).reshape(2, 3))
    for first in range(-3, 3):
        for second in range(-3, 3):
            wanted = np.swapaxes(a, first, second)
            for got in (x.transpose(first, second), jt.transpose(x, first, second), x.swapaxes(first, second), x.transpose(dim0=first, dim1=second),
                        x.transpose(np.int64(first), np.int32(second))):
                same(np, got, wanted)
    for got in (matrix.transpose(0, 1), matrix.transpose(1, 0), matrix.transpose(-1, -2), matrix.transpose((1, 0)), matrix.transpose([1, 0]), matrix.transpose(),
                jt.transpose(matrix), jt.transpose(matrix, 0, 1), jt.transpose(matrix, (1, 0)), matrix.T, matrix.t(), matrix.permute(1, 0), matrix.permute((1, 0))):
        same(np, got, m.T)
    for got in (matrix.transpose((0, 1)), matrix.permute(0, 1), matrix.permute((0, 1)), jt.transpose(matrix, (0, 1)), matrix.transpose(0, 0)):
        same(np, got, m)
    for got in (x.transpose(2, 0, 1), x.transpose((2, 0, 1)), jt.transpose(x, (2, 0, 1)), jt.transpose(x, 2, 0, 1), jt.transpose(x, axes=(2, 0, 1)), x.transpose(dim=(2, 0, 1)), x.permute(2, 0, 1), x.permute([-1, 0, 1])):
        same(np, got, a.transpose(2, 0, 1))
    same(np, jt.array([1, 2]).transpose(0), np.array([1, 2]))
    same(np, jt.array(3).transpose(), np.array(3))
    for wrong in (lambda: matrix.transpose(0, 2), lambda: matrix.transpose((0, 2)), lambda: matrix.transpose(0), lambda: x.transpose((0, 1)), lambda: x.transpose(0, 1, 1)):
        with pytest.raises(ValueError):
            wrong()
    for wrong in (lambda: matrix.transpose(nonsense=1), lambda: matrix.transpose(0, 1, axes=(0, 1))):
        with pytest.raises(TypeError):
            wrong()
    w = jt.Parameter(np.ones((2, 3), np.float32))
    assert jt.grad((w.transpose(0, 1) * jt.arange(6).float().reshape(3, 2)).sum(), w).tolist() == [[0, 2, 4], [1, 3, 5]]


def test_repeat(np):
    for shape, times in (((1, 2, 1, 2, 1), (2, 1, 2, 1, 2)), ((2, 1, 2, 1, 2), (2, 3, 1, 2, 2)), ((2,), (2, 2, 2, 2, 2)), ((2, 1, 2, 1, 2, 1, 2, 1), (2,) * 8), ((3,), (0,)),
                         ((0, 2), (2, 3)), ((), ()), ((), (2, 2)), ((2, 3), (2,)), ((2, 2), (1, 1))):
        a = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        wanted = np.tile(a, times)
        same(np, jt.array(a).repeat(*times) if times else jt.array(a).repeat(()), wanted)
        same(np, jt.array(a).repeat(times), wanted)
    same(np, jt.array([1, 2]).repeat(np.int64(2)), np.array([1, 2, 1, 2]))
    w = jt.Parameter(np.ones((1, 2, 1, 2, 1), np.float32))
    assert jt.grad(w.repeat(2, 1, 2, 1, 3).sum(), w).tolist() == [[[[[12], [12]]], [[[12], [12]]]]]
    with pytest.raises(ValueError):
        jt.ones((2,)).repeat(-1)
    with pytest.raises(ValueError):
        jt.ones((2,)).repeat((1,) * 9)


def test_split_and_chunk_as_torch(np):
    torch = pytest.importorskip("torch")
    for shape in ((0,), (5,), (0, 3), (4, 0), (6, 2), (1,)):
        a, t = jt.zeros(shape), torch.zeros(shape)
        for dim in range(len(shape)):
            for size in (0, 1, 2, 3, 7):
                for name, argument in (("split", size), ("chunk", size), ("split", [shape[dim]]), ("split", [0, shape[dim], 0])):
                    try:
                        wanted = [tuple(p.shape) for p in getattr(t, name)(argument, dim)]
                    except RuntimeError:
                        with pytest.raises(ValueError):
                            getattr(a, name)(argument, dim)
                        continue
                    assert [p.shape for p in getattr(a, name)(argument, dim)] == wanted, (shape, dim, name, argument)
    with pytest.raises(ValueError):
        jt.zeros((3,)).split([-1, 4])
    assert [p.tolist() for p in jt.arange(5).split(np.int64(2))] == [[0, 1], [2, 3], [4]]


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("kind", INTEGERS + ["array", "tensor"])
def test_integers_of_numpy_wherever_one_is_taken(np, kind):
    def n(value):
        return jt.array(value) if kind == "tensor" else np.array(value) if kind == "array" else np.dtype(kind).type(value)

    x = jt.arange(24).reshape(2, 3, 4)
    calls = [(lambda f: x.sum(f(1))), (lambda f: x.softmax(f(2))), (lambda f: x.argmax(f(1))), (lambda f: x.squeeze(f(0))), (lambda f: x.unsqueeze(f(3))),
             (lambda f: x.reshape(f(6), f(4))), (lambda f: x.reshape((f(6), f(4)))), (lambda f: x.flatten(f(1), f(2))), (lambda f: x.transpose(f(0), f(2))),
             (lambda f: x.permute(f(2), f(0), f(1))), (lambda f: x.repeat(f(2), f(1), f(1))), (lambda f: x.split(f(2), f(1))[0]), (lambda f: x.chunk(f(2), f(2))[0]),
             (lambda f: x[f(1)]), (lambda f: x[f(1), f(2), f(3)]), (lambda f: x[f(1), :, f(2)]), (lambda f: x[f(0):f(1), f(1):]), (lambda f: x[..., f(3)]), (lambda f: x[None, f(1)]),
             (lambda f: jt.zeros(f(2), f(3))), (lambda f: jt.ones((f(2), f(3)))), (lambda f: jt.zeros(f(3))), (lambda f: jt.full((f(2),), 7)), (lambda f: jt.full(f(2), 1.5)),
             (lambda f: jt.arange(f(3))), (lambda f: jt.arange(f(1), f(9), f(2))), (lambda f: jt.linspace(0, 1, f(5))), (lambda f: jt.eye(f(3), f(2))),
             (lambda f: jt.one_hot(jt.array([0, 1]), f(3))), (lambda f: jt.concat([x, x], f(1))), (lambda f: jt.stack([x, x], f(1))), (lambda f: x.take(jt.array([0]), f(1))),
             (lambda f: jt.pad(x, (f(1),) * 3, (f(2),) * 3)), (lambda f: x.expand((f(2), f(3), f(4)))), (lambda f: x.unbind(f(2))[0]), (lambda f: x.flip([f(1)])),
             (lambda f: x.std(f(1)) if False else x.float().std(f(1))), (lambda f: jt.rand(f(2), f(2)).shape[0] + jt.zeros(())), (lambda f: jt.nn.Linear(f(3), f(2)).weight * 0),
             (lambda f: jt.nn.Conv2d(f(1), f(2), f(3), stride=f(2), padding=f(1))(jt.ones((1, 1, 4, 4))) * 0), (lambda f: jt.nn.Embedding(f(4), f(2)).weight * 0)]
    for at, call in enumerate(calls):
        if kind == "tensor" and 14 <= at <= 18:
            continue  # an index tensor: its value is not looked at
        wanted, got = call(int), call(n)
        assert got.dtype == wanted.dtype and got.shape == wanted.shape and got.tolist() == wanted.tolist(), at
    if kind == "tensor":
        return
    y = jt.zeros((3, 4))
    y[n(1)] = 5
    y[n(2), n(3)] = 6
    y[n(0), 1:] = 7
    y[:, n(0)] = 8
    assert y.tolist() == [[8, 7, 7, 7], [8, 5, 5, 5], [8, 0, 0, 6]]
    with pytest.raises(IndexError):
        jt.arange(3)[n(3)]
    jt.seed(n(5))
    assert jt.rand(3).tolist() == (jt.seed(5), jt.rand(3))[1].tolist()


def test_arange_keeps_integers(np):
    for value in (3, np.int64(3), np.int32(3), np.uint8(3), jt.array(3), True):
        assert jt.arange(value).dtype == "int64" and jt.arange(value).tolist() == list(range(int(value)))
    assert jt.arange(np.float32(1.5)).dtype == "float32" and jt.arange(np.float64(2.5)).tolist() == [0, 1, 2]
    assert jt.arange(np.int64(5), np.int64(0), np.int64(-2)).tolist() == [5, 3, 1]


def test_linspace_ends_exactly(np):
    for start, stop in ((0, 1), (0.1, 0.7), (-3, 3), (1, 0), (1e-3, 1e3), (5, 5), (0, 1e300)):
        for steps in (0, 1, 2, 3, 7, 50, 100, 1000):
            for dtype in ("float64", "float32"):
                got, wanted = jt.linspace(start, stop, steps, dtype=dtype).numpy(), np.linspace(start, stop, steps, dtype=np.float64).astype(dtype)
                assert got.shape == (steps,) and (steps < 2 or (got[0] == np.dtype(dtype).type(start) and got[-1] == np.dtype(dtype).type(stop))), (start, stop, steps)
                np.testing.assert_allclose(got, wanted, rtol=1e-15 if dtype == "float64" else 1e-6, atol=1e-300)
    assert jt.linspace(np.float32(0), jt.array(1.0), 3).tolist() == [0, 0.5, 1]


def test_empty_keys_and_bytes(np):
    x = jt.arange(6).reshape(2, 3)
    assert x[[]].shape == (0, 3) and x[[]].dtype == "int64" and x[:, []].shape == (2, 0) and x[[[]]].shape == (1, 0, 3)
    x[[]] = 5
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(IndexError):
        x[jt.array([])]
    for dtype in ("bool", "int8", "int64", "float16", "float32"):
        for shape in ((), (0,), (3,), (2, 2)):
            a = np.ones(shape, dtype)
            assert bytes(jt.array(a)) == a.tobytes()
    assert bytes(jt.array([1.0]).cast("bfloat16")) == b"\x80\x3f"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"] + INTEGERS)
def test_floor_divide_and_mod_as_numpy(np, dtype):
    if dtype.startswith("float"):
        edges = [0.0, -0.0, 1.0, -1.0, 0.1, -0.1, 0.3, 3.0, 7.5, -7.5, 1e-3, 1e4, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal]
        a = np.array(edges + list(np.random.default_rng(1).normal(0, 10, 60)), dtype)
    else:
        info = np.iinfo(dtype)
        a = np.array(sorted({0, 1, 2, 3, 7, 100, info.max, info.min, info.max - 1} | ({-1, -2, -7, info.min + 1} if info.min else set())), dtype)
    x, y = np.meshgrid(a, a)
    with np.errstate(all="ignore"):
        wanted = np.floor_divide(x, y), np.mod(x, y)
    got = jt.array(x) // jt.array(y), jt.array(x) % jt.array(y)
    if dtype.startswith("float"):
        for g, w in zip(got, wanted):
            same(np, jt.where(jt.isnan(g), 0, g).to(dtype), np.where(np.isnan(w), 0, w).astype(dtype))
            np.testing.assert_array_equal(np.isnan(g.numpy()), np.isnan(w))
    else:
        fine = (y != 0) & ~((x == np.iinfo(dtype).min) & (y.astype("float64") == -1))  # NumPy gives the minimum there, with a warning
        for g, w in zip(got, wanted):
            np.testing.assert_array_equal(g.numpy()[fine], w[fine])


def test_floor_divide_of_numbers():
    x = jt.array([1.0, -1.0, 7.0])
    assert (x // 0.1).tolist() == [9, -10, 69] and (jt.array([1.0], dtype="float64") // 0.1).tolist() == [1.0 // 0.1] == [9]
    assert (x // math.inf).tolist() == [0, -1, 0] and (x // -math.inf).tolist() == [-1, 0, -1] and (x % math.inf).tolist() == [1, math.inf, 7]
    assert divmod(jt.array([-7.0]), 2)[0].tolist() == [-4] and (-1 // jt.array([math.inf])).tolist() == [-1]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_a_number_outside_an_unsigned_dtype_compares_and_divides(dtype):
    x, top = jt.array([1, 3], dtype=dtype), 2 ** 32
    assert jt.less(x, -3).tolist() == [False, False] and jt.less(-3, x).tolist() == [True, True]
    assert jt.greater_equal(x, -3).tolist() == [True, True] and jt.equal(x, top).tolist() == [False, False]
    assert jt.less_equal(x, top).tolist() == [True, True] and jt.not_equal(top, x).tolist() == [True, True]
    assert jt.logical_and(x, -3).tolist() == [True, True] and jt.logical_xor(x, top).tolist() == [False, False]
    assert jt.div(x, -2).tolist() == (x / -2).tolist() == [-0.5, -1.5] and (-3 / x).tolist() == [-3.0, -1.0]
    assert jt.copysign(x, -1).tolist() == [-1.0, -3.0] and jt.hypot(jt.array([4], dtype=dtype), -3).tolist() == [5.0]
    assert jt.atan2(jt.array([0], dtype=dtype), -1).tolist() == [pytest.approx(math.pi)]
    for refused in (lambda: x + -3, lambda: jt.maximum(x, -3), lambda: x // -3):
        with pytest.raises(OverflowError):
            refused()


def test_a_number_has_axes_0_and_minus_1_for_squeeze():
    assert jt.array(3).squeeze(0).shape == jt.array(3).squeeze(-1).shape == ()
    with pytest.raises(jt.errors.ShapeError):
        jt.array(3).squeeze(1)


def test_layers_take_infinite_values():
    x = jt.array([[1.0, 2.0]])
    assert jt.nn.ConstantPad2d(1, math.inf)(x)[0].tolist() == [math.inf] * 4
    assert jt.nn.ConstantPad2d((1, 0, 0, 0), -math.inf)(x).tolist() == [[-math.inf, 1.0, 2.0]]
    assert jt.nn.Threshold(1.5, -math.inf)(x).tolist() == [[-math.inf, 2.0]]
    assert jt.nn.Threshold(math.inf, 7.0)(x).tolist() == [[7.0, 7.0]]
    assert jt.nn.Hardtanh(-math.inf, 1.5)(x).tolist() == [[1.0, 1.5]] and jt.nn.Hardtanh(1.5, math.inf)(x).tolist() == [[1.5, 2.0]]
    assert math.isnan(jt.nn.ConstantPad2d(1, math.nan)(x)[0, 0].item())


@pytest.mark.parametrize("loss", ["smooth_l1", "huber"])
def test_the_gradient_of_a_distance_that_is_nan_is_nan(loss):
    x = jt.Parameter([math.nan, math.inf, 0.5])
    d = jt.grad(getattr(jt, loss)(x, jt.array([0.0, 0.0, 0.0]), reduction="sum"), [x])[0].tolist()
    assert math.isnan(d[0]) and d[1:] == [1.0, 0.5]
