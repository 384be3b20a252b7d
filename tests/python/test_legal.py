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
