"""Tensors on devices of their own memory: JT_DEVICES lists the CPU and two devices that no host can reach (tests/backend/far)."""
import copy
import pickle
import threading

import pytest

import jt

pytestmark = pytest.mark.skipif(len(jt.devices()) < 3, reason="JT_DEVICES lists no devices")


def test_devices_have_names():
    assert jt.devices() == ["cpu", "far:0", "far:1"]
    assert jt.current_device() == "cpu"
    with pytest.raises(jt.NotFoundError, match="no device is called 'gpu:3'; there are: cpu, far:0, far:1"):
        jt.ones(3).to("gpu:3")
    with pytest.raises(jt.NotFoundError):
        with jt.device("nowhere"):
            pass
    assert jt.current_device() == "cpu"


def test_a_value_is_where_it_was_computed():
    x = jt.array([1.0, 2.0, 3.0])
    with jt.device("far:0"):
        assert jt.current_device() == "far:0"
        y = x * 2
        with jt.device("far:1"):
            z = y + x
        made = jt.zeros(3)
    assert [t.device for t in (x, y, z, made, x + 1)] == ["cpu", "far:0", "far:1", "far:0", "cpu"]
    assert (z + y).tolist() == [5, 10, 15]
    assert z.tolist() == [3, 6, 9]


def test_to_takes_a_device_a_dtype_or_both():
    x = jt.array([1.5, 2.5])
    assert x.to("cpu") is x and x.cpu() is x and x.to(jt.float32) is x
    far = x.to("far")
    assert far.device == "far:0" and far.to("far:0") is far
    both = x.to("far:1", "int32")
    assert both.device == "far:1" and both.dtype == jt.int32
    assert both.cpu().tolist() == [1, 2] and both.cpu().device == "cpu"


def test_a_function_runs_where_its_decorator_says():
    @jt.device("far:1")
    def twice(x):
        return x * 2

    assert twice(jt.ones(2)).device == "far:1"
    assert jt.current_device() == "cpu"


def test_the_device_is_a_threads_own():
    found = []

    def run():
        found.append(jt.current_device())
        with jt.device("far:1"):
            found.append((jt.ones(2) + 1).device)

    with jt.device("far:0"):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert jt.ones(2).device == "far:0"
    assert found == ["cpu", "far:1"]


def test_arrays_of_the_host():
    numpy = pytest.importorskip("numpy")
    with jt.device("far:0"):
        x = jt.array(numpy.arange(6, dtype=numpy.float32).reshape(2, 3)) + 0
    assert numpy.array_equal(x.numpy(), numpy.arange(6).reshape(2, 3))
    assert numpy.array_equal(numpy.from_dlpack(x), x.numpy())
    assert memoryview(x).tolist() == x.tolist()
    x.data[0, 0] = 9  # an assignment
    assert (x + 1).tolist() == [[10, 2, 3], [4, 5, 6]]
    assert x.device == "far:0"
    x.assign(numpy.zeros((2, 3), numpy.float32))
    assert x.device == "far:0" and x.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_copies_and_pickles():
    x = jt.array([1.0, 2.0]).to("far:0")
    assert memoryview(x).tolist() == [1, 2] and jt.from_dlpack(x).tolist() == [1, 2]
    with pytest.raises(BufferError, match="a tensor on far:0 is not in host memory"):
        x.__dlpack__(copy=False)
    assert copy.deepcopy(x).tolist() == [1, 2] and pickle.loads(pickle.dumps(x)).tolist() == [1, 2]
    assert x[0].item() == 1 and x[1:].tolist() == [2]
    x[0] = 5
    assert x.tolist() == [5, 2]


def trained(device, params_on):
    jt.set_seed(0)
    net = jt.nn.Sequential(jt.nn.Linear(4, 8), jt.nn.Tanh(), jt.nn.BatchNorm1d(8), jt.nn.Linear(8, 2)).to(params_on)
    x = jt.array([i / 16 - 1 for i in range(32)]).reshape(8, 4)
    y = jt.array([i / 16 for i in range(16)]).reshape(8, 2)
    sgd = jt.optim.Adam(net.parameters(), lr=0.1)
    losses = []
    for _ in range(4):
        with jt.device(device):
            loss = ((net(x) - y) ** 2).mean()
        sgd.step(loss)
        losses.append(loss.item())
    return losses, net


@pytest.mark.parametrize("device,params_on", [("far:0", "far:0"), ("far:1", "cpu"), ("cpu", "far:0"), ("far:0", "far:1")])
def test_training_has_the_bits_of_the_cpu(device, params_on, tmp_path):
    want, reference = trained("cpu", "cpu")
    losses, net = trained(device, params_on)
    assert losses == want
    assert {p.device for p in net.parameters()} == {params_on}
    for mine, theirs in zip(net.parameters(), reference.parameters()):
        assert mine.tolist() == theirs.tolist()
    net.save(tmp_path / "net.safetensors")
    again = trained("cpu", "cpu")[1].to(params_on)
    again.load(tmp_path / "net.safetensors")
    assert {p.device for p in again.parameters()} == {params_on}
    for mine, theirs in zip(again.parameters(), net.parameters()):
        assert mine.tolist() == theirs.tolist()


def test_gradients_lie_where_what_they_are_of_lies():
    x = jt.array([1.0, 2.0, 3.0])
    x.requires_grad = True
    loss = (x.to("far:0") ** 2).sum()
    assert loss.device == "cpu"
    dx = jt.grad(loss, x)
    assert dx.device == "cpu" and dx.tolist() == [2, 4, 6]
    ddx = jt.grad((dx * dx).sum(), x)
    assert ddx.tolist() == [8, 16, 24]


def test_a_function_of_ones_own_reads_and_gives_them():
    class Cube(jt.Function):
        def execute(self, x):
            self.x = x
            return x * x * x

        def grad(self, dy):
            return 3 * self.x * self.x * dy

    x = jt.array([1.0, 2.0]).to("far:0")
    x.requires_grad = True
    with jt.device("far:0"):
        y = Cube()(x)
        dx = jt.grad(y.sum(), x)
    assert y.device == "far:0" and y.tolist() == [1, 8] and dx.tolist() == [3, 12]
