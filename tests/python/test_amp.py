"""amp: what autocast casts, by PyTorch's lists for CUDA; values and gradients of a network against PyTorch's; scaled losses."""
import threading

import pytest

import jt
from jt import nn

F = nn.functional
HALVES = ("float16", "bfloat16")

# What PyTorch 2 computes with the same operands in the same dtypes: o = linear(relu(linear(x))), its cross entropy in float32, gradients.
X = [[0.5, -1.25, 2.0, 0.3], [1.5, 0.7, -0.4, 1.1], [-0.9, 0.2, 0.8, -1.7]]
W1 = [[0.31, -0.72, 0.15, 0.44], [-0.53, 0.28, 0.91, -0.17], [0.66, 0.05, -0.38, 0.83]]
B1 = [0.11, -0.07, 0.23]
W2 = [[0.47, -0.86, 0.29], [-0.35, 0.62, 0.74]]
B2 = [0.02, -0.13]
WANT = {
    "bfloat16": ([[-0.1630859375, -0.0125732421875], [0.92578125, 1.4140625], [-1.2578125, 0.79296875]], 0.569508969783783,
                 [[[-0.19140625, -0.27734375, 0.322265625, -0.1494140625], [-0.0634765625, 0.2734375, -0.50390625, 0.02734375],
                   [0.138671875, 0.06494140625, -0.037109375, 0.10205078125]], [-0.04296875, -0.28515625, 0.0927734375],
                  [[0.1435546875, 0.2236328125, -0.482421875], [-0.1435546875, -0.2236328125, 0.482421875]], [-0.0146484375, 0.0146484375]]),
    "float16": ([[-0.1612548828125, -0.01715087890625], [0.92529296875, 1.4140625], [-1.251953125, 0.78759765625]], 0.5710282921791077,
                [[[-0.190673828125, -0.277099609375, 0.321533203125, -0.1483154296875],
                  [-0.0633544921875, 0.274658203125, -0.5029296875, 0.02783203125],
                  [0.1395263671875, 0.06512451171875, -0.037200927734375, 0.102294921875]], [-0.0426025390625, -0.28564453125, 0.093017578125],
                 [[0.1448974609375, 0.224365234375, -0.4794921875], [-0.1448974609375, -0.224365234375, 0.4794921875]],
                 [-0.013641357421875, 0.013641357421875]])}
ROUNDING = {"float16": 2.0 ** -11, "bfloat16": 2.0 ** -8}


def flat(x):
    return [v for part in x for v in flat(part)] if isinstance(x, list) else [x]


def is_near(got, want, bound):
    got, want = flat(got.tolist()), flat(want)
    assert len(got) == len(want)
    largest = max(map(abs, want))
    assert max(abs(a - b) for a, b in zip(got, want)) <= bound * largest, (got, want)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("layers", [True, False])
def test_values_and_gradients_are_pytorchs(dtype, layers):
    one, two = nn.Linear(4, 3), nn.Linear(3, 2)
    params = [one.weight, one.bias, two.weight, two.bias]
    for p, values in zip(params, (W1, B1, W2, B2)):
        p.assign(jt.array(values))
    x, y = jt.array(X), jt.array([1, 0, 1], "int32")
    with jt.amp.autocast(dtype=dtype):
        if layers:
            o = two(F.relu(one(x)))
        else:
            o = F.linear(F.relu(F.linear(x, one.weight, one.bias)), two.weight, two.bias)
        loss = jt.cross_entropy(o, y)
    assert o.dtype == dtype and loss.dtype == "float32"
    want_o, want_loss, want_grads = WANT[dtype]
    is_near(o, want_o, 4 * ROUNDING[dtype])
    assert loss.item() == pytest.approx(want_loss, abs=4 * ROUNDING[dtype])
    for grad, want in zip(jt.grad(loss, params), want_grads):
        assert grad.dtype == "float32"
        is_near(grad, want, 8 * ROUNDING[dtype])


def three(*shape):
    return jt.uniform(shape, 0.1, 0.9)


# PyTorch: torch.amp, "Ops that can autocast to float16", "to float32", "that promote to the widest"; CUDA.
LOW = {
    "matmul": lambda: three(2, 3) @ three(3, 4), "mm": lambda: jt.mm(three(2, 3), three(3, 4)), "bmm": lambda: jt.bmm(three(2, 3, 4), three(2, 4, 5)),
    "mv": lambda: jt.mv(three(2, 3), three(3)), "linear": lambda: F.linear(three(2, 3), three(4, 3), three(4)),
    "conv1d": lambda: F.conv1d(three(1, 2, 5), three(3, 2, 3), three(3)), "conv2d": lambda: F.conv2d(three(1, 2, 5, 5), three(3, 2, 3, 3), three(3)),
    "conv3d": lambda: F.conv3d(three(1, 1, 3, 3, 3), three(2, 1, 2, 2, 2)), "prelu": lambda: F.prelu(three(2, 3), three(1)),
    "Linear": lambda: nn.Linear(3, 2)(three(4, 3)), "Conv2d": lambda: nn.Conv2d(2, 3, 3)(three(1, 2, 5, 5)),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(2, 3, 3)(three(1, 2, 5, 5)), "LSTMCell": lambda: nn.LSTMCell(3, 2)(three(1, 3))[0],
    "GRUCell": lambda: nn.GRUCell(3, 2)(three(1, 3)), "RNNCell": lambda: nn.RNNCell(3, 2)(three(1, 3)),
    "attention": lambda: F.scaled_dot_product_attention(three(1, 3, 4), three(1, 3, 4), three(1, 3, 4))}
HIGH = {
    "pow": lambda x: x ** 2.0, "acos": jt.acos, "asin": jt.asin, "cosh": jt.cosh, "sinh": jt.sinh, "tan": jt.tan, "exp": jt.exp, "expm1": jt.expm1,
    "log": jt.log, "log10": jt.log10, "log1p": jt.log1p, "log2": jt.log2, "reciprocal": jt.reciprocal, "rsqrt": jt.rsqrt, "sum": jt.sum,
    "prod": jt.prod, "cumsum": lambda x: jt.cumsum(x, 0), "cumprod": lambda x: jt.cumprod(x, 0), "softmax": lambda x: jt.softmax(x, -1),
    "log_softmax": lambda x: jt.log_softmax(x, -1), "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "group_norm": lambda x: F.group_norm(x.reshape(2, 2, 2), 1), "norm": jt.norm, "softplus": jt.softplus, "logsumexp": lambda x: jt.logsumexp(x, -1),
    "mse_loss": lambda x: jt.mse_loss(x, x), "smooth_l1": lambda x: jt.smooth_l1(x, x), "kl_div": lambda x: jt.kl_div(x, x),
    "cross_entropy": lambda x: jt.cross_entropy(x, jt.array([1, 0], "int32")), "nll": lambda x: jt.nll(x, jt.array([1, 0], "int32")),
    "bce_with_logits": lambda x: jt.bce_with_logits(x, x)}
AS_IS = {"add": lambda x: x + x, "relu": jt.relu, "tanh": jt.tanh, "sigmoid": jt.sigmoid, "sqrt": jt.sqrt, "max": lambda x: x.max(axes=-1),
         "reshape": lambda x: x.reshape(-1), "transpose": lambda x: x.t(), "gelu": jt.gelu}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", LOW)
def test_products_are_of_halves(name, dtype):
    assert LOW[name]().dtype == "float32"
    with jt.amp.autocast(dtype=dtype):
        assert LOW[name]().dtype == dtype


@pytest.mark.parametrize("name", HIGH)
def test_sums_exponentials_norms_and_losses_are_of_float32(name):
    x = three(2, 4)
    with jt.amp.autocast():
        for dtype in HALVES:
            assert HIGH[name](x.to(dtype)).dtype == "float32"
        assert HIGH[name](x.double()).dtype == "float64"


@pytest.mark.parametrize("name", AS_IS)
def test_others_take_what_comes(name):
    with jt.amp.autocast():
        for dtype in (*HALVES, "float32", "float64"):
            assert AS_IS[name](three(2, 4).to(dtype)).dtype == dtype
        assert (three(2).half() + three(2)).dtype == "float32"  # the wider of two


def test_sums_of_halves_do_not_overflow():
    x = jt.full_like(three(4, 100), 1000.0).half()
    with jt.amp.autocast():
        assert x.sum(1).tolist() == [100000.0] * 4
        assert (x @ jt.ones((100, 1)).half()).tolist() == [[float("inf")]] * 4  # a product is a half


def test_products_of_float64_and_integers_stay():
    with jt.amp.autocast():
        assert (three(2, 2).double() @ three(2, 2).double()).dtype == "float64"
        assert (jt.ones(2, 2, dtype="int32") @ jt.ones(2, 2, dtype="int32")).dtype == "int32"


def test_it_ends_nests_and_decorates():
    @jt.amp.autocast(dtype="bfloat16")
    def product():
        return (three(2, 2) @ three(2, 2)).dtype

    a = three(2, 2)
    with jt.amp.autocast():
        assert jt.amp.is_autocast_enabled() and jt.amp.get_autocast_dtype() == "float16"
        with jt.amp.autocast(enabled=False):
            assert (a @ a).dtype == "float32" and not jt.amp.is_autocast_enabled()
        with jt.amp.autocast("cpu"):
            assert (a @ a).dtype == "bfloat16"
        assert product() == "bfloat16" and (a @ a).dtype == "float16"
    assert (a @ a).dtype == "float32" and product() == "bfloat16"
    with pytest.raises(ZeroDivisionError):
        with jt.amp.autocast():
            1 / 0
    assert not jt.amp.is_autocast_enabled()
    with pytest.raises(jt.DTypeError, match="autocast: dtype is int32, neither float16 nor bfloat16"):
        jt.amp.autocast(dtype="int32")


def test_it_is_this_threads():
    a, seen = three(2, 2), []
    with jt.amp.autocast():
        thread = threading.Thread(target=lambda: seen.append((a @ a).dtype))
        thread.start()
        thread.join()
        assert (a @ a).dtype == "float16"
    assert seen == ["float32"]


def test_gradients_and_steps_inside_are_not_cast():
    w = jt.Parameter([[0.5, 0.25], [1.0, 2.0]])
    optimizer = jt.optim.SGD([w], lr=0.5)
    with jt.amp.autocast():
        loss = (jt.array([[1.0, 2.0]]) @ w).sum()
        optimizer.step(loss)
    assert w.dtype == "float32" and w.tolist() == [[0.0, -0.25], [0.0, 1.0]]


@pytest.mark.parametrize("dtype", HALVES)
def test_a_network_learns(dtype):
    jt.set_global_seed(5)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 16), nn.ReLU(), nn.Linear(16, 3))
    x, y = jt.uniform((24, 1, 8, 8), 0, 1), jt.array([i % 3 for i in range(24)], "int32")
    optimizer, scaler, losses = jt.optim.Adam(net.parameters(), lr=0.01), jt.amp.GradScaler(), []
    for _ in range(25):
        with jt.amp.autocast(dtype=dtype):
            loss = jt.cross_entropy(net(x), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0], losses
    assert all(p.dtype == "float32" for p in net.parameters())


# ---- scaled losses

def test_steps_and_scales_are_pytorchs():
    # parameters and scale after each step of torch.amp.GradScaler with SGD
    want = [([0.9, 1.9], 1024.0), ([0.8, 1.7], 2048.0), ([0.8, 1.7], 1024.0), ([0.5, 1.4], 1024.0), ([0.4, 1.3], 2048.0), ([0.4, 1.3], 1024.0),
            ([0.2, 1.1], 1024.0)]
    p = jt.Parameter([1.0, 2.0])
    optimizer, scaler = jt.optim.SGD([p], lr=0.1), jt.amp.GradScaler(init_scale=1024.0, growth_interval=2)
    inf, nan = float("inf"), float("nan")
    for factors, (values, scale) in zip(([1, 1], [1, 2], [inf, 0], [3, 3], [1, 1], [nan, 1], [2, 2]), want):
        optimizer.zero_grad()
        scaler.scale((p * jt.array([float(f) for f in factors])).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert p.tolist() == pytest.approx(values, rel=1e-6) and scaler.get_scale() == scale


def test_gradients_that_are_unscaled_can_be_looked_at():
    p = jt.Parameter([1.0, 2.0])
    optimizer, scaler = jt.optim.SGD([p], lr=1.0), jt.amp.GradScaler(init_scale=8.0)
    scaler.scale((p * 3).sum()).backward()
    assert p.grad.tolist() == [24, 24]
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    optimizer.clip_grad_norm(1.0)
    scaler.step(optimizer)
    assert p.tolist() == pytest.approx([1 - 0.5 ** 0.5, 2 - 0.5 ** 0.5], rel=1e-5)
    scaler.update()


def test_a_scaler_is_saved_and_can_be_off():
    scaler = jt.amp.GradScaler(init_scale=4.0)
    other = jt.amp.GradScaler()
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 4.0 and other.state_dict() == scaler.state_dict()
    off = jt.amp.GradScaler(enabled=False)
    x = three(2)
    assert off.scale(x) is x and off.get_scale() == 1 and off.state_dict() == {} and not off.is_enabled()
    with pytest.raises(RuntimeError, match="without a step"):
        scaler.update()
    assert [t.tolist() for t in scaler.scale([jt.array([1.0]), jt.array([2.0])])] == [[4.0], [8.0]]
