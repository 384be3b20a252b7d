"""Modules, optimisers, gradients, custom functions, files, flags."""
import gc
import math
import weakref

import pytest

import jt
from jt import nn


class Net(jt.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.scale = jt.Parameter([1.0])
        self.register_buffer("count", jt.zeros((1,)))
        self.twin = self.layers[2]

    def execute(self, x):
        return self.layers(x) * self.scale


def test_the_tree_of_a_module():
    net = Net()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias", "scale"]
    assert len(net.parameters()) == 5 and len(net.modules()) == 5 and [n for n, _ in net.named_buffers()] == ["count"]
    assert set(net.state_dict()) == {*names, "count", "twin.weight", "twin.bias"}
    assert "(layers): Sequential(" in repr(net) and "    (0): Linear(in_features=2, out_features=8" in repr(net)
    assert net.training and not net.eval().layers[0].training and net.train().layers[1].training


def test_forward_and_execute_are_the_same():
    class A(jt.Module):
        def execute(self, x):
            return x + 1

    class B(jt.Module):
        def forward(self, x):
            return x + 1

    assert A()(1) == A().forward(1) == B()(1) == B().execute(1) == 2
    with pytest.raises(NotImplementedError):
        jt.Module()(1)


def test_hooks():
    seen, m = [], nn.Identity()
    m.register_forward_hook(lambda module, args, out: seen.append(out))
    m.register_pre_forward_hook(lambda module, args: (args[0] * 2,))
    assert m(jt.array(3.0)).item() == 6 and seen[0].item() == 6


def test_state_is_saved_and_loaded(tmp_path):
    a, b = Net(), Net()
    a.save(tmp_path / "net.safetensors")
    b.load(tmp_path / "net.safetensors")
    for (name, x), (_, y) in zip(a.named_parameters(), b.named_parameters()):
        assert x.tolist() == y.tolist(), name
    b.load_state_dict(a.state_dict(to=None))
    with pytest.raises(jt.NotFoundError):
        b.load_state_dict({"foo": jt.zeros((1,))})
    before = b.scale.tolist()
    with pytest.raises(jt.ShapeError):
        b.load_state_dict({"scale": jt.zeros((1,)) + 9, "layers.0.bias": jt.zeros((3,))}, strict=False)
    assert b.scale.tolist() == before, "nothing has been assigned"
    with pytest.raises(FileNotFoundError) as missing:
        jt.load(tmp_path / "nowhere")
    assert isinstance(missing.value, jt.FileError) and "nowhere" in str(missing.value)
    (tmp_path / "bad").write_bytes(b"12345678 not a file")
    with pytest.raises(jt.FileError):
        jt.load(tmp_path / "bad")
    with pytest.raises(TypeError):
        jt.save({"a": 1}, tmp_path / "x")


KINDS = [(jt.optim.SGD, {"lr": 0.05, "momentum": 0.9}), (jt.optim.SGD, {"lr": 0.05, "nesterov": True, "momentum": 0.9}),
         (jt.optim.Adam, {"lr": 0.05}), (jt.optim.AdamW, {"lr": 0.05}), (jt.optim.RMSprop, {"lr": 0.01}),
         (jt.optim.Adan, {"lr": 0.05}), (jt.optim.Adam, {"lr": 0.05, "betas": (0.8, 0.9)})]


@pytest.mark.parametrize("kind, fields", KINDS, ids=lambda v: getattr(v, "__name__", ""))
def test_both_ways_to_step_are_the_same(kind, fields):
    results = []
    for way in range(3):
        w = jt.Parameter([3.0, -2.0])
        opt = kind([w], **fields)
        for _ in range(20):
            loss = ((w - jt.array([1.0, 1.0])) ** 2).sum()
            if way == 0:
                opt.step(loss)
            elif way == 1:
                opt.zero_grad()
                loss.backward()
                opt.step()
            else:
                opt.zero_grad()
                opt.backward(loss)
                opt.step()
        results.append(w.tolist())
    assert results[0] == pytest.approx(results[1], rel=1e-6) and results[1] == results[2]
    assert math.dist(results[0], [1, 1]) < math.dist([3, -2], [1, 1]) * 0.8


def test_gradients_gather():
    w = jt.Parameter([1.0, 2.0])
    (w * 3).sum().backward()
    (w * w).sum().backward()
    assert w.grad.tolist() == [5, 7]
    w.grad = None
    assert w.grad is None
    w.grad = jt.array([2.0, 0.0])
    assert w.grad.tolist() == [2, 0]


def test_clipping():
    w = jt.Parameter([3.0, 4.0])
    opt = jt.optim.SGD([w], lr=1.0)
    (w * w).sum().backward()
    assert opt.clip_grad_norm(5.0).item() == pytest.approx(10)
    opt.step()
    assert w.tolist() == pytest.approx([0, 0], abs=1e-5)


def test_groups_and_learning_rates():
    a, b = jt.Parameter([1.0]), jt.Parameter([1.0])
    opt = jt.optim.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.1)
    opt.step((a + b).sum())
    assert a.tolist() == pytest.approx([0.5]) and b.tolist() == pytest.approx([0.9])
    opt.param_groups[1]["lr"] = 0.4
    opt.step((a + b).sum())
    assert b.tolist() == pytest.approx([0.5])
    opt.lr = 0
    opt.step((a + b).sum())
    assert b.tolist() == pytest.approx([0.5])
    for wrong in ({"params": [a]}, {"params": [jt.Parameter([1.0])], "rate": 1}, {"params": [1]}, {"params": [jt.arange(3)]}):
        with pytest.raises((jt.Error, TypeError)):
            opt.add_param_group(wrong)
    with pytest.raises(jt.ArgumentError):
        jt.optim.Adam([])
    with pytest.raises(jt.ArgumentError):
        jt.optim.Adam([a], lr=-1)


def test_the_state_of_an_optimiser_continues():
    w = jt.Parameter([1.0, 2.0])
    opt = jt.optim.Adam([w], lr=0.1)
    for _ in range(3):
        opt.step((w * w).sum())
    v = jt.Parameter(w.tolist())
    other = jt.optim.Adam([v], lr=0.9)
    other.load_state_dict(opt.state_dict())
    for _ in range(3):
        opt.step((w * w).sum())
        other.step((v * v).sum())
    assert v.tolist() == w.tolist() and other.lr == 0.1


def test_modes_of_gradients():
    w = jt.Parameter([2.0])
    with jt.no_grad():
        y = w * w
        with jt.enable_grad():
            z = w * w
        assert not jt.is_grad_enabled()
    assert jt.is_grad_enabled()
    with pytest.raises(jt.ArgumentError):
        jt.grad(y.sum(), w)
    assert jt.grad(z.sum(), w).item() == 4

    @jt.no_grad()
    def inner():
        return w * w

    with pytest.raises(jt.ArgumentError, match="depends on no tensor"):
        inner().backward()
    assert w.grad is None
    assert jt.grad((w * jt.stop_grad(w * w)).sum(), w).item() == 4
    try:
        with jt.no_grad():
            raise KeyError
    except KeyError:
        assert jt.is_grad_enabled()


def test_gradients_of_gradients():
    x = jt.Parameter([2.0])
    first = jt.grad((x ** 3).sum(), x)
    second = jt.grad(first.sum(), x)
    third = jt.grad(second.sum(), x)
    assert (first.item(), second.item(), third.item()) == (12, 12, 6)


def test_grad_refuses():
    w, other = jt.Parameter([1.0, 2.0]), jt.Parameter([1.0])
    for wrong in (lambda: jt.grad(w * 2, w), lambda: jt.grad(w.sum(), other), lambda: jt.grad(w.sum(), jt.zeros((1,))),
                  lambda: jt.grad(w.sum(), 3), lambda: jt.grad(None, w), lambda: jt.Parameter([1, 2])):
        with pytest.raises((jt.Error, TypeError)):
            wrong()
    assert jt.grad(w.sum(), other, allow_unused=True).item() == 0


# ---- functions of one's own

class Cube(jt.Function):
    def execute(self, x):
        self.x = x
        return x * x * x

    def grad(self, dz):
        return self.x * self.x * 3 * dz


def test_a_function_of_ones_own():
    x = jt.Parameter([1.0, 2.0])
    assert jt.grad(Cube.apply(x).sum(), x).tolist() == [3, 12]
    assert jt.grad((Cube()(x) * 2).sum(), x).tolist() == [6, 24]
    assert Cube.apply(jt.array([3.0])).tolist() == [27]


def test_a_function_of_several():
    class Two(jt.Function):
        def forward(self, x, factor, y):
            self.x, self.y, self.factor = x, y, factor
            return x * y * factor, x + y

        def backward(self, da, db):
            da = 0 if da is None else da
            db = 0 if db is None else db
            return self.y * self.factor * da + db, None, self.x * self.factor * da + db

    x, y = jt.Parameter([2.0]), jt.Parameter([5.0])
    a, b = Two.apply(x, 3, y)
    assert (a.item(), b.item()) == (30, 7)
    dx, dy = jt.grad((a + b * 10).sum(), [x, y])
    assert (dx.item(), dy.item()) == (25, 16)
    a, b = Two.apply(x, 3, y)
    assert jt.grad(a.sum(), x).item() == 15


def test_an_exception_in_a_gradient_comes_as_it_was_raised():
    class Bad(jt.Function):
        def execute(self, x):
            return x * 1

        def grad(self, dz):
            raise KeyError("mine")

    class Wrong(Bad):
        def grad(self, dz):
            return dz, dz

    x = jt.Parameter([1.0])
    for ask in (lambda y: jt.grad(y.sum(), x), lambda y: y.sum().backward(), lambda y: jt.optim.SGD([x], lr=0.1).step(y.sum())):
        with pytest.raises(KeyError, match="mine"):
            ask(Bad.apply(x))
        assert (x * 2).tolist() == [2], "the next statement works"
    with pytest.raises(TypeError):
        jt.grad(Wrong.apply(x).sum(), x)


def test_functions_are_let_go():
    class Keeps(jt.Function):
        def execute(self, x):
            self.x = x
            return x * 1

        def grad(self, dz):
            return dz

    gone = []
    for _ in range(5):
        f = Keeps()
        gone.append(weakref.ref(f))
        x = jt.Parameter([1.0])
        y = f(x)
        jt.grad(y.sum(), x).sync()
        del f, y, x
    jt.sync_all()
    gc.collect()
    assert [g() for g in gone] == [None] * 5


# ---- layers

def test_batch_norm(np):
    a = np.random.default_rng(0).normal(2, 3, (8, 3, 4, 4)).astype(np.float32)
    m = nn.BatchNorm(3)
    y = m(jt.array(a)).numpy()
    want = (a - a.mean((0, 2, 3), keepdims=True)) / np.sqrt(a.var((0, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, want, atol=1e-5)
    np.testing.assert_allclose(m.running_mean.numpy(), 0.1 * a.mean((0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(m.running_var.numpy(), 0.9 + 0.1 * a.var((0, 2, 3), ddof=1), rtol=1e-4)
    m.eval()
    assert m(jt.array(a)).shape == a.shape and not m.running_mean.requires_grad


def test_dropout():
    m, x = nn.Dropout(0.25), jt.ones((10000,))
    y = m(x)
    kept = (y > 0).sum().item()
    assert 7200 < kept < 7800 and y.max().item() == pytest.approx(4 / 3) and m.eval()(x).tolist() == [1] * 10000


def test_a_network_learns():
    net, opt_loss = Net(), []
    opt = jt.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(300):
        x = jt.rand(64, 2)
        loss = nn.mse_loss(net(x), x[:, :1] * x[:, 1:])
        opt.step(loss)
        opt_loss.append(loss.item())
    assert opt_loss[-1] < 0.005 < opt_loss[0]


def test_a_loop_plans_once():
    net = Net()
    opt = jt.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(i):
        opt.lr = 0.1 / (i + 1)
        opt.step(nn.mse_loss(net(jt.ones((4, 2)) * float(i + 2.5)), jt.zeros((4, 1))))

    for i in range(3):
        step(i)
    before = jt._C.stats()
    for i in range(3, 10):
        step(i)
    after = jt._C.stats()
    assert after["plans_made"] == before["plans_made"] and after["kernels_compiled"] == before["kernels_compiled"]


# ---- flags and reports

def test_flags():
    assert jt.flags.no_grad == 0
    with jt.flag_scope(no_grad=1):
        assert jt.flags.no_grad == 1 and not jt.is_grad_enabled()
    assert jt.flags.no_grad == 0
    for wrong in (lambda: jt.flags.nonsense, lambda: setattr(jt.flags, "nonsense", 1), lambda: jt.flag_scope(nonsense=1).__enter__()):
        with pytest.raises(AttributeError):
            wrong()
    with pytest.raises(jt.UnsupportedError):
        jt.flags.use_cuda = 1


def test_reports(capsys):
    with jt.profile_scope() as profile:
        (jt.rand(100) * 2 + 1).sum().sync()
    assert profile.stats["launches"] >= 1 and len(profile) >= 1 and "name" in profile.rows[0] and str(profile)
    jt.display_memory_info()
    assert "live_bytes" in capsys.readouterr().out and jt.memory_info()["live_bytes"] >= 0
    assert "add" in jt.graph(jt.array([1.0, 2.0]) + jt.array([3.0, 4.0]))
    jt.gc()
