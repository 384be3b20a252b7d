"""What the attributes of a module are: parameters, buffers, children, and values that are nothing but attributes."""
import copy
import pickle

import pytest

import jt


class Net(jt.Module):
    def __init__(self):
        super().__init__()
        self.w = jt.Parameter([1.0, 2.0])
        self.frozen = jt.Parameter([3.0], requires_grad=False)
        self.late = jt.ones((2,)).start_grad()
        self.constant = jt.array([0.5, 0.5])
        self.table = jt.array([1, 2])
        self.mask = jt.array([True, False])
        self.register_buffer("mean", jt.zeros((2,)))
        self.register_buffer("scratch", jt.zeros((2,)), persistent=False)
        self.register_buffer("absent", None)
        self.fc = jt.nn.Linear(2, 2)
        self.n, self.flag, self.label, self.list = 3, True, "x", [jt.ones((1,))]

    def execute(self, x):
        self.hidden = self.fc(x * self.w + self.constant)
        self.mean = self.mean * 0.9 + x.mean(0) * 0.1
        self.seen = x
        return self.hidden * self.late


NAMES = ["w", "frozen", "late", "fc.weight", "fc.bias"]


def names(pairs):
    return [name for name, _ in pairs]


def test_parameters_buffers_and_the_rest():
    net = Net()
    state = ["w", "frozen", "late", "mean", "fc.weight", "fc.bias"]
    for _ in range(2):
        assert names(net.named_parameters()) == NAMES and names(net.named_buffers()) == ["mean", "scratch"]
        assert list(net.state_dict()) == state and names(net.named_children()) == ["fc"]
        net(jt.ones((3, 2)))  # what a call keeps enters nothing
    with jt.no_grad():
        net(jt.ones((3, 2)))
    assert list(net.state_dict()) == state and net.mean.tolist() != [0, 0] and net.state_dict()["mean"].tolist() == net.mean.tolist()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert names(other.named_parameters()) == NAMES and list(other.state_dict()) == state and other.constant.tolist() == [0.5, 0.5]


def test_every_listed_parameter_trains():
    net = Net()
    before = {name: p.tolist() for name, p in net.named_parameters()}
    optimizer = jt.optim.SGD(net.parameters(), lr=0.1)
    optimizer.step((net(jt.ones((3, 2))) ** 2).sum())
    for name, p in net.named_parameters():
        assert (p.tolist() != before[name]) == (name != "frozen"), name
    assert net.constant.tolist() == [0.5, 0.5]


def test_a_parameter_stays_one():
    net = Net()
    net.requires_grad_(False)
    assert names(net.named_parameters()) == NAMES and len(net.state_dict()) == 6
    for wrong in (jt.ones((2,)), 3, "x", [1.0], net.fc):
        with pytest.raises(TypeError, match="'w' is a parameter"):
            net.w = wrong
    net.w = None
    assert "w" not in names(net.named_parameters())
    net.w = jt.Parameter([5.0, 6.0])
    assert "w" in names(net.named_parameters())
    del net.w
    net.w = jt.ones((2,))
    assert "w" not in names(net.named_parameters()) and "w" not in net.state_dict()
    with pytest.raises(TypeError, match="'mean' is a buffer"):
        net.mean = 3
    net.mean = jt.Parameter([1.0, 1.0])
    assert "mean" in names(net.named_parameters()) and "mean" not in names(net.named_buffers())
    with pytest.raises(TypeError):
        net.register_parameter("p", jt.ones((2,)))
    with pytest.raises(TypeError):
        net.register_buffer("p", 3)
    net.register_parameter("p", None)
    assert net.p is None


def test_layers():
    layer = jt.nn.Linear(2, 2)
    layer.weight = jt.ones((2, 2))  # a parameter's place: trained
    assert layer.weight.requires_grad and names(layer.named_parameters()) == ["weight", "bias"]
    before = layer.weight.tolist()
    jt.optim.SGD(layer.parameters(), lr=0.1).step(layer(jt.ones((1, 2))).sum())
    assert layer.weight.tolist() != before
    layer.note = jt.ones((2,))
    assert list(layer.state_dict()) == ["weight", "bias"]
    norm = jt.nn.BatchNorm2d(2)
    assert names(norm.named_parameters()) == ["weight", "bias"] and len(norm.named_buffers()) == 3
    norm.requires_grad_(False)
    assert names(norm.named_parameters()) == ["weight", "bias"]
    assert jt.nn.CrossEntropyLoss(weight=jt.ones((3,))).parameters() == []


def test_frozen_parameters_of_layers_stay_frozen_where_they_are_shared():
    first, second = jt.nn.Linear(2, 2), jt.nn.Linear(2, 2)
    first.requires_grad_(False)
    for layer in (first, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        layer.weight = layer.weight
        second.weight = layer.weight
        net = jt.Module()
        net.tied = layer.weight
        assert not layer.weight.requires_grad and names(net.named_parameters()) == ["tied"] and names(second.named_parameters()) == ["weight", "bias"]


def test_lists_of_parameters():
    params = jt.nn.ParameterList([jt.ones((2,)), jt.Parameter([1.0])])
    assert [p.requires_grad for p in params] == [True, True] and names(params.named_parameters()) == ["0", "1"]


def test_as_torch():
    torch = pytest.importorskip("torch")

    def build(lib, base):
        class Model(base):
            def __init__(self):
                super().__init__()
                self.a = (lib.nn.Parameter(lib.ones(2)) if lib is torch else jt.Parameter(jt.ones((2,))))
                self.b = lib.ones((2,))
                self.register_buffer("c", lib.zeros((2,)))
                self.register_buffer("d", lib.zeros((2,)), persistent=False)
                self.i = (torch.tensor if lib is torch else jt.array)([1, 2])
                self.lin = lib.nn.Linear(2, 3)

            def forward(self, x):
                self.kept = self.lin(x)
                return self.kept

        model = Model()
        model(lib.ones((1, 2)))
        return names(model.named_parameters()), sorted(model.state_dict()), names(model.named_buffers())

    assert build(jt, jt.Module) == build(torch, torch.nn.Module)
