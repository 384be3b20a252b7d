"""Programs of PyTorch: functions with its names and arguments, learning rates, modules, samplers. Numbers are PyTorch's (make_pytorch.py)."""
import json
import pathlib

import pytest

import jt
import jt.nn.functional as F
from jt.optim import lr_scheduler
from jt.utils.data import BatchSampler, ConcatDataset, DataLoader, RandomSampler, SequentialSampler, Subset, SubsetRandomSampler, TensorDataset, WeightedRandomSampler, random_split
from pytorch_cases import CALLS, LOSSES, PLATEAUS, SCHEDULES, numbers

KNOWN = json.loads((pathlib.Path(__file__).parent / "pytorch.json").read_text())


def operand(spec, seed):
    kind, shape = (spec[0], spec[1]) if spec and isinstance(spec[0], str) else ("real", spec)
    if kind == "int":
        return jt.array(numbers(shape, seed, 0, spec[2]), "float64").long()
    if kind == "sign":
        return jt.array(numbers(shape, seed), "float64").sign()
    low, high = (0.05, 0.95) if kind.endswith("chance") else (-2, 2)
    return jt.array(numbers(shape, seed, low, high), "float64").requires_grad_(not kind.startswith("fixed"))


def flat(value):
    return [v for part in value for v in flat(part)] if isinstance(value, list) else [value]


def close(got, want):
    assert flat(got) == pytest.approx(flat(want), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("at", range(len(CALLS)), ids=[c[0] for c in CALLS])
def test_functions_give_values_and_gradients(at):
    text, shapes = CALLS[at]
    values = {name: operand(spec, i) for i, (name, spec) in enumerate(shapes.items())}
    out = eval(text, {"F": F, **values})
    close(out.tolist(), KNOWN["calls"][at]["value"])
    if not out.dtype.is_floating_point:
        return
    (out * jt.array(numbers(out.shape, 99), "float64")).sum().backward()
    for name, gradient in KNOWN["calls"][at]["gradients"].items():
        close(values[name].grad.tolist(), gradient)


def optimizer():
    return jt.optim.SGD([{"params": [jt.Parameter([0.0])], "lr": 0.1}, {"params": [jt.Parameter([0.0])], "lr": 0.02}], lr=0.1)


def rates(text, steps):
    o = optimizer()
    s = eval(text.replace(", cycle_momentum=False", ""), {"o": o, **vars(lr_scheduler)})
    out = [[g["lr"] for g in o.param_groups]]
    for step in steps:
        s.step(*step)
        out.append([g["lr"] for g in o.param_groups])
        assert s.get_last_lr() == out[-1]
    return out


@pytest.mark.parametrize("at", range(len(SCHEDULES)), ids=[s[0] for s in SCHEDULES])
def test_learning_rates_step_by_step(at):
    text, steps = SCHEDULES[at]
    close(rates(text, [()] * steps), KNOWN["schedules"][at])


@pytest.mark.parametrize("at", range(len(PLATEAUS)))
def test_learning_rates_on_plateaus(at):
    close(rates(PLATEAUS[at], [(v,) for v in LOSSES]), KNOWN["plateaus"][at])


def test_a_schedule_goes_on_from_its_state():
    o = optimizer()
    s = lr_scheduler.CosineAnnealingLR(o, 5)
    for _ in range(3):
        s.step()
    p = optimizer()
    t = lr_scheduler.CosineAnnealingLR(p, 5)
    t.load_state_dict(s.state_dict())
    p.load_state_dict(o.state_dict())
    s.step(), t.step()
    assert [g["lr"] for g in p.param_groups] == [g["lr"] for g in o.param_groups]
    for wrong in (lambda: lr_scheduler.LambdaLR(o, [abs]), lambda: lr_scheduler.OneCycleLR(o, 1.0), lambda: lr_scheduler.CyclicLR(o, 0, 1, mode="square")):
        with pytest.raises(jt.ArgumentError):
            wrong()
    with pytest.raises(TypeError):
        lr_scheduler.StepLR([0.1], 3)


class Net(jt.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = jt.nn.Sequential(jt.nn.Conv2d(1, 2, 3), jt.nn.BatchNorm2d(2), jt.nn.ReLU(inplace=True), jt.nn.Dropout(0.5, inplace=True))
        self.heads = jt.nn.ModuleDict({"a": jt.nn.Linear(8, 3), "b": jt.nn.Linear(8, 2)})
        self.scale = jt.Parameter(jt.ones(1))
        self.register_buffer("seen", jt.zeros(1, dtype="int64"))

    def forward(self, x, head="a"):
        return self.heads[head](self.body(x).flatten(1)) * self.scale


def test_modules_by_dtype_name_and_hook():
    net = Net().eval()
    x = jt.rand(2, 1, 4, 4)
    want = net(x)
    assert [n for n, _ in net.named_parameters()] == ["body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "heads.a.weight", "heads.a.bias", "heads.b.weight", "heads.b.bias", "scale"]
    net.double()
    assert {p.dtype for p in net.parameters()} == {"float64"} and net.seen.dtype == "int64" and net.body[1].running_mean.dtype == "float64"
    assert all(p.requires_grad for p in net.parameters()) and net(x.double()).dtype == "float64"
    assert flat(net(x.double()).tolist()) == pytest.approx(flat(want.tolist()), rel=1e-5, abs=1e-6)
    net.to(dtype=jt.float16).to("cpu", jt.float32)
    assert net(x).dtype == "float32" and net.get_submodule("body.0") is net.body[0] and net.get_submodule("") is net
    assert net.get_parameter("heads.b.bias") is net.heads["b"].bias and net.get_buffer("seen") is net.seen
    for wrong in (lambda: net.get_submodule("body.9"), lambda: net.get_parameter("seen"), lambda: net.get_buffer("scale")):
        with pytest.raises(jt.NotFoundError):
            wrong()
    with pytest.raises(jt.DTypeError):
        net.to(jt.int32)
    seen = []
    first = net.register_forward_hook(lambda m, args, out: seen.append(out.shape))
    with net.body.register_forward_pre_hook(lambda m, args: (args[0] * 0,)):
        zero = net(x)
    first.remove(), first.remove()
    assert seen == [(2, 3)] and zero.tolist() == net(x * 0).tolist() and len(seen) == 1
    state = net.state_dict()
    state["extra"] = jt.zeros(1)
    del state["scale"]
    found = net.load_state_dict(state, strict=False)
    assert found.missing_keys == ["scale"] and found.unexpected_keys == ["extra"]
    heads = net.heads
    assert list(heads) == ["a", "b"] and "a" in heads and len(heads) == 2 and heads.pop("b") and list(heads.keys()) == ["a"]
    with pytest.raises(TypeError):
        heads["x.y"] = jt.nn.ReLU()


def test_a_converted_net_trains_and_is_copied():
    import copy
    import pickle
    net = Net().double()
    optimizer = jt.optim.SGD(net.parameters(), 0.1)
    before = net.heads["a"].weight.tolist()
    optimizer.step((net(jt.rand(4, 1, 4, 4, dtype="float64")) ** 2).sum())
    assert net.heads["a"].weight.tolist() != before
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.eval(), net.eval()
        x = jt.rand(2, 1, 4, 4, dtype="float64")
        close(other(x).tolist(), net(x).tolist())


def test_gradients_are_clipped_in_place():
    a, b = jt.Parameter([3.0]), jt.Parameter([4.0, 0.0])
    unused = jt.Parameter([1.0])
    (a * 3 + (b * jt.array([4.0, 0.0])).sum()).sum().backward()
    assert jt.nn.utils.clip_grad_norm_([a, b, unused], 1.0).item() == pytest.approx(5)
    assert a.grad.tolist() + b.grad.tolist() == pytest.approx([0.6, 0.8, 0], rel=1e-5) and unused.grad is None
    jt.nn.utils.clip_grad_value_([a, b], 0.7)
    assert a.grad.tolist() + b.grad.tolist() == pytest.approx([0.6, 0.7, 0], rel=1e-5)
    vector = jt.nn.utils.parameters_to_vector([a, b])
    assert vector.tolist() == [3, 4, 0]
    jt.nn.utils.vector_to_parameters(vector * 2, [a, b])
    assert a.tolist() == [6] and b.tolist() == [8, 0]
    padded = jt.nn.utils.pad_sequence([jt.ones(3, 2), jt.ones(1, 2)], batch_first=True, padding_value=-1)
    assert padded.tolist() == [[[1, 1]] * 3, [[1, 1], [-1, -1], [-1, -1]]]


def test_initial_values():
    init = jt.nn.init
    import jt.nn.init as same
    assert same is init and init.calculate_gain("leaky_relu", 1.0) == pytest.approx(1) and init.calculate_gain("tanh") == pytest.approx(5 / 3)
    w = jt.zeros(64, 128)
    assert abs(init.kaiming_normal_(w, nonlinearity="relu").std().item() - (2 / 128) ** 0.5) < 0.01
    assert abs(init.kaiming_uniform_(w, a=1, mode="fan_out").abs().max().item() - (3 / 64) ** 0.5) < 0.01
    assert abs(init.xavier_uniform_(w, gain=2.0).abs().max().item() - 2 * (6 / 192) ** 0.5) < 0.01
    init.trunc_normal_(w, 1.0, 2.0, -1.0, 2.0)
    assert w.min().item() >= -1 and w.max().item() <= 2 and abs(w.mean().item() - 0.5867) < 0.05  # of the truncated distribution
    for shape in ((6, 3, 2), (4, 9)):
        x = init.orthogonal_(jt.zeros(*shape), gain=2.0).reshape(shape[0], -1)
        product = x @ x.T if shape[0] <= x.shape[1] else x.T @ x
        assert flat(product.tolist()) == pytest.approx(flat((jt.eye(product.shape[0]) * 4).tolist()), abs=1e-5)
    assert init.eye_(jt.zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.sparse_(jt.zeros(10, 4), 0.35).equal(0).sum(0).tolist() == [4] * 4
    x = jt.rand(1, 4, 5)
    close(F.conv1d(x.double(), init.dirac_(jt.zeros(4, 4, 3)).double(), padding=1).tolist(), x.double().tolist())


def test_data_by_its_names():
    data = TensorDataset(jt.arange(10), jt.arange(10) * 2)
    one, two = random_split(data, [0.75, 0.25], generator=3)
    assert len(one) == 8 and len(two) == 2 and sorted(int(i) for part in (one, two) for i in part.indices) == list(range(10))
    both = ConcatDataset([one, Subset(data, [9, 0])])
    assert len(both) == 10 and int(both[-1][0]) == 0 and int(both[8][1]) == 18
    with pytest.raises(IndexError):
        both[10]
    assert [batch[0].tolist() for batch in DataLoader(data, batch_size=4, sampler=SequentialSampler(data), pin_memory=True)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [batch[0].tolist() for batch in DataLoader(data, batch_sampler=[[1, 2], [3]])] == [[1, 2], [3]]
    loader = DataLoader(data, batch_size=3, sampler=RandomSampler(data), drop_last=True)
    assert len(loader) == 3 and len({i for batch in loader for i in batch[0].tolist()}) == 9
    assert sorted(SubsetRandomSampler([4, 2, 7])) == [2, 4, 7] and len(list(RandomSampler(data, num_samples=23))) == 23
    assert set(WeightedRandomSampler([0, 1, 0, 2], 50)) <= {1, 3} and sorted(WeightedRandomSampler([0, 1, 5, 2], 3, replacement=False)) == [1, 2, 3]
    assert list(BatchSampler(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]] and len(BatchSampler(range(5), 2)) == 3
    for wrong in (lambda: DataLoader(data, shuffle=True, sampler=[0]), lambda: random_split(data, [3, 3])):
        with pytest.raises(jt.ArgumentError):
            wrong()
    with pytest.raises(TypeError):
        DataLoader(data, batchsize=3)
