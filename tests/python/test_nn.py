"""jt.nn's classes: every row of the table, attributes, fields, trees, copies, training."""
import copy
import inspect

import pytest

import jt
from jt import nn


def fails(error, call):
    with pytest.raises(error) as raised:
        call()
    return str(raised.value)


def test_every_row_is_a_class():
    from jt import _layers
    made = 0
    for name in _layers.__all__:
        cls = getattr(nn, name)
        assert issubclass(cls, jt.Module) and cls.__doc__, name
        needed = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
        cls(**{field: 2 for field in needed})
        made += 1
    assert made > 75, made
    assert nn.Conv is nn.Conv2d and nn.BatchNorm is nn.BatchNorm2d


def test_tensors_are_attributes():
    layer = nn.Linear(3, 2)
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    assert layer.weight.shape == (2, 3) and layer.weight.requires_grad and layer.in_features == 3
    assert nn.Linear(3, 2, bias=False).bias is None
    x = jt.array([[1.0, 2.0, 3.0]])
    layer.weight = jt.array([[1.0, 0, 0], [0, 1, 0]])
    layer.bias.assign(jt.array([10.0, 20.0]))
    assert layer(x).tolist() == [[11, 22]]
    layer.weight.assign(jt.zeros((2, 3)))
    assert layer(x).tolist() == [[10, 20]]
    assert "weight has shape [2,3], not [3,3]" in fails(jt.ShapeError, lambda: setattr(layer, "weight", jt.zeros((3, 3))))
    assert "bias" in fails(jt.ArgumentError, lambda: setattr(layer, "bias", None))
    assert "not int" in fails(TypeError, lambda: setattr(layer, "weight", 3))
    assert layer.weight.shape == (2, 3)


def test_fields_can_change():
    drop = nn.Dropout(0.5)
    drop.p = 0.0
    x = jt.ones((5,))
    assert drop(x).tolist() == [1] * 5 and drop.p == 0
    assert "in 0..1" in fails(jt.ArgumentError, lambda: setattr(drop, "p", 2.0))
    assert drop.p == 0
    norm = nn.BatchNorm1d(2, momentum=None)
    norm(jt.array([[1.0, 2], [3, 4]])), norm(jt.array([[5.0, 6], [7, 8]]))
    assert norm.running_mean.tolist() == [4, 5], norm.running_mean
    norm.momentum = 1.0
    norm(jt.array([[1.0, 2], [3, 4]]))
    assert norm.running_mean.tolist() == [2, 3]
    assert "cannot change" in fails(jt.ArgumentError, lambda: setattr(norm, "num_features", 3))


def test_errors_name_the_field():
    assert "Linear: in_features 0 is below 1" in fails(jt.ArgumentError, lambda: nn.Linear(0, 2))
    assert "MSELoss: reduction 'max'" in fails(jt.ArgumentError, lambda: nn.MSELoss(reduction="max"))
    assert "not in_features 3" in fails(jt.ShapeError, lambda: nn.Linear(3, 2)(jt.ones((2, 4))))


def test_losses_take_weights():
    x, y = jt.array([[1.0, 2], [3, 1]]), jt.array([0, 1])
    loss = nn.CrossEntropyLoss(weight=jt.array([1.0, 0.0]))
    assert abs(loss(x, y).item() - 1.3132616) < 1e-6
    assert [n for n, _ in loss.named_buffers()] == ["weight"] and not loss.parameters()
    loss.weight = None
    assert abs(loss(x, y).item() - (1.3132616 + 2.126928) / 2) < 1e-6


def test_cells_take_states_as_in_pytorch():
    cell = nn.LSTMCell(3, 2)
    x = jt.ones((4, 3))
    h, c = cell(x)
    h2, c2 = cell(x, (h, c))
    assert h2.shape == (4, 2) and c2.shape == (4, 2) and h2.tolist() != h.tolist()
    assert cell(x, h, c)[0].tolist() == h2.tolist()
    assert nn.GRUCell(3, 2)(x).shape == (4, 2)


class Net(jt.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(8, 3)

    def execute(self, x):
        return self.head(self.body(x))


def test_trees_train_and_come_back(tmp_path):
    net, loss = Net(), nn.CrossEntropyLoss()
    x, y = jt.randn((30, 4)), jt.array([i % 3 for i in range(30)])
    optimizer = jt.optim.Adam(net.parameters(), lr=0.05)
    first = loss(net(x), y).item()
    for _ in range(60):
        value = loss(net(x), y)
        optimizer.step(value)
    assert value.item() < first / 2, (first, value.item())
    assert net.body[1].num_batches_tracked.item() == 61
    net.save(tmp_path / "net.safetensors")
    other = Net()
    other.load(tmp_path / "net.safetensors")
    net.eval(), other.eval()
    want = net(x).tolist()
    assert other(x).tolist() == want
    twin = copy.deepcopy(net)
    assert twin(x).tolist() == want
    twin.head.bias.assign(twin.head.bias + 1)
    assert net(x).tolist() == want != twin(x).tolist()


F = jt.nn.functional


def test_functions_take_integers_and_say_what_does_not_fit():
    x, w = jt.ones(1, 1, 4, 4), jt.ones(1, 1, 2, 2)
    for call in (lambda: F.conv2d(x, w, stride=1.5), lambda: F.pad(x, (1.7, 1)), lambda: F.interpolate(x, size=3.5), lambda: F.unfold(x, 2.0)):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            call()
    for call, message in ((lambda: F.conv2d(x, w, stride=(1, 1, 1)), r"conv2d: \[1, 1, 1\] are not 2 integers"), (lambda: F.conv2d(x[None], w), "conv2d: the input needs 4 axes"),
                          (lambda: F.interpolate(x, size=(3,)), r"interpolate: \[3\] for 2 axes"), (lambda: F.interpolate(x[0], size=(3, 4)), "for 1 axes"),
                          (lambda: F.interpolate(x, size=3, mode="linear"), "mode 'linear' of"), (lambda: F.interpolate(x[:, :, :, :0], size=3), "3 elements of 0"),
                          (lambda: F.interpolate(x.int(), size=3, mode="bilinear"), "'bilinear' of int32"), (lambda: F.interpolate(x, scale_factor=float("nan")), "scale_factor of"),
                          (lambda: F.channel_shuffle(x, 0), "0 groups"), (lambda: F.embedding(jt.array([0]), jt.ones(2, 2), padding_idx=2), "padding_idx 2 is outside 2 rows"),
                          (lambda: F.rms_norm(x, (3,)), "rms_norm: the last axes")):
        with pytest.raises(jt.Error, match=message):
            call()


def test_functions_of_halves_round_once():
    def half(*values):
        return jt.array(values, dtype="float16")
    lrn = F.local_response_norm(half(300.0, 300.0, 300.0).reshape(1, 3, 1), 2)
    assert lrn.flatten().tolist() == [83.5625, 53.34375, 53.34375]  # 300 / 5.5 ** 0.75, 300 / 10 ** 0.75
    normed = F.batch_norm(half(300.0, -300.0, 200.0).reshape(3, 1), None, None, training=True)
    assert normed.flatten().tolist() == [0.88916015625, -1.3974609375, 0.5078125]  # PyTorch's
    assert F.cosine_embedding_loss(half(300.0, 300.0)[None], half(200.0, 200.0)[None], jt.array([1])).item() == 0
    assert F.cosine_similarity(half(3000.0, 3000.0)[None], half(200.0, 200.0)[None]).tolist() == [1]
    assert F.gaussian_nll_loss(half(300.0), half(0.0), half(1000.0)).item() == 48.46875  # (log 1000 + 90) / 2
    x, weight, bias = (jt.randn(4, 8).half() for _ in range(3))
    for function, more in ((F.layer_norm, (8,)), (F.rms_norm, (8,)), (F.group_norm, 2)):
        args = (weight[0], bias[0]) if function is not F.rms_norm else (weight[0],)
        exact, found = function(x.float(), more, *(a.float() for a in args), eps=1e-5).half(), function(x, more, *args, eps=1e-5)
        assert found.tolist() == exact.tolist() and found.dtype == "float16"


def test_what_attends_to_nothing_is_0():
    q = jt.ones(1, 2, 2).requires_grad_()
    mask = jt.array([[False, False], [True, False]])
    for m in (mask, jt.where(mask, 0.0, float("-inf"))):
        out = F.scaled_dot_product_attention(q, jt.ones(1, 2, 2), jt.ones(1, 2, 2), m)
        assert out.tolist() == [[[0, 0], [1, 1]]] and jt.grad(out.sum(), [q])[0].tolist() == [[[0, 0], [0, 0]]]


def test_an_empty_batch_moves_no_statistics():
    mean, var = jt.array([1.0, 2.0]), jt.array([3.0, 4.0])
    assert F.batch_norm(jt.zeros(0, 2), mean, var, training=True).shape == (0, 2)
    assert mean.tolist() == [1, 2] and var.tolist() == [3, 4]
