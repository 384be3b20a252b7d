"""Optimisers: what may change after they were made."""
import math

import pytest

import jt


def parameter(*values):
    return jt.nn.Parameter(jt.array([float(v) for v in values]))


KINDS = [jt.optim.SGD, jt.optim.RMSprop, jt.optim.Adam, jt.optim.AdamW, jt.optim.Adan]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["loss", "gathered", "retain"])
def test_a_frozen_parameter_stays_and_an_unfrozen_one_trains(kind, way):
    a, b = parameter(1), parameter(1)
    b.requires_grad = False
    optimizer = kind([a, b], lr=0.1, weight_decay=0.1)

    def step():
        loss = (a * a + b * b).sum()
        if way != "gathered":
            return optimizer.step(loss, retain_graph=way == "retain")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step(), step()
    assert b.item() == 1 and a.item() != 1 and not b.requires_grad
    a.requires_grad, b.requires_grad, kept = False, True, a.item()
    step(), step()
    assert a.item() == kept and b.item() != 1
    fresh = parameter(1)
    alone = kind([fresh], lr=0.1, weight_decay=0.1)
    for _ in range(2):
        alone.step((fresh * fresh).sum())
    assert b.item() == fresh.item()  # one that joins late is where it would be alone
    b.requires_grad = False
    if way != "gathered":
        with pytest.raises(jt.ArgumentError):
            optimizer.step((a * a + b * b).sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("retain", [False, True])
def test_what_a_loss_does_not_reach_stays(kind, grouped, retain):
    a, b = parameter(1), parameter(1)
    optimizer = kind([{"params": [a]}, {"params": [b], "lr": 0.2}] if grouped else [a, b], lr=0.1)
    optimizer.step((a * b).sum(), retain)
    kept = b.item()
    for _ in range(3):
        optimizer.step((a * a).sum(), retain)
    assert b.item() == kept


def test_flat_losses_have_gradients_of_0():
    a = parameter(1.5)
    optimizer = jt.optim.SGD([a], 0.1, weight_decay=0.5)
    optimizer.step(jt.floor(a).sum())
    assert a.item() == pytest.approx(1.5 - 0.1 * 0.75)


def steps_of(optimizer, p, n=3):
    for _ in range(n):
        optimizer.step((p * p * 0.5).sum())
    return p.tolist()


@pytest.mark.parametrize("kind, changes", [(jt.optim.SGD, {"momentum": 0.9}), (jt.optim.SGD, {"weight_decay": 0.3}), (jt.optim.SGD, {"momentum": 0.9, "dampening": 0.5}),
                                           (jt.optim.SGD, {"momentum": 0.9, "nesterov": True}), (jt.optim.Adam, {"betas": (0.5, 0.6)}), (jt.optim.Adam, {"eps": 0.1}),
                                           (jt.optim.Adam, {"beta1": 0.2}), (jt.optim.AdamW, {"weight_decay": 0.2}), (jt.optim.Adam, {"amsgrad": True}),
                                           (jt.optim.RMSprop, {"momentum": 0.5, "centered": True}), (jt.optim.Adan, {"betas": (0.5, 0.6, 0.7)})])
def test_fields_of_groups_count_when_they_are_set(kind, changes):
    p, q = parameter(1, -2), parameter(1, -2)
    early, late = kind([p], lr=0.1, **changes), kind([q], lr=0.1)
    for name, value in changes.items():
        late.param_groups[0][name] = value
    assert steps_of(early, p) == steps_of(late, q)
    if "betas" in changes:
        assert late.param_groups[0]["betas"] == changes["betas"] and late.param_groups[0]["beta1"] == changes["betas"][0]
    r = parameter(1, -2)
    plain = kind([r], lr=0.5)
    steps_of(plain, r)
    plain.load_state_dict(early.state_dict())
    r.assign(p)
    assert steps_of(plain, r) == steps_of(early, p)
    assert {k: v for k, v in plain.param_groups[0].items() if k != "params"} == {k: v for k, v in early.param_groups[0].items() if k != "params"}


def test_a_state_that_does_not_fit_changes_nothing():
    p, q = parameter(1), parameter(1, 2)
    one, two = jt.optim.SGD([p], 0.1, 0.9), jt.optim.SGD([q], 0.2)
    steps_of(one, p), steps_of(two, q)
    with pytest.raises(jt.ShapeError):
        two.load_state_dict(one.state_dict())
    assert two.param_groups[0]["momentum"] == 0 and two.lr == 0.2
    with pytest.raises(jt.ArgumentError):
        one.load_state_dict(jt.optim.SGD([p]).state_dict() | {"groups": [{"momentum": -1}]})
    assert one.param_groups[0]["momentum"] == 0.9
    velocity = one.state_dict()["state"]["velocity.0"].tolist()
    with pytest.raises(jt.ArgumentError, match="missing"):
        one.load_state_dict(one.state_dict() | {"state": {}})
    assert one.state_dict()["state"]["velocity.0"].tolist() == velocity


def test_arguments_by_position_never_mean_something_else():
    p = parameter(1)
    assert jt.optim.SGD([p], 0.1, 0.9).param_groups[0]["momentum"] == 0.9
    with pytest.raises(TypeError):
        jt.optim.SGD([p], 0.1, 0.9, 5e-4)  # weight_decay to Jittor, dampening to PyTorch
    for kind in (jt.optim.Adam, jt.optim.AdamW):
        group = kind([p], 0.1, (0.8, 0.9)).param_groups[0]
        assert (group["beta1"], group["beta2"]) == (0.8, 0.9)
        with pytest.raises(TypeError):
            kind([p], 0.1, 1e-8)  # eps to Jittor, betas to PyTorch
        with pytest.raises(TypeError):
            kind([p], 0.1, (0.8, 0.9), 1e-8)
        with pytest.raises(TypeError):
            kind([p], 0.1, (0.8,))
    with pytest.raises(TypeError):
        jt.optim.RMSprop([p], 0.1, 0.9)


def test_changing_numbers_compiles_and_plans_nothing():
    p = parameter(1, 2)
    optimizer = jt.optim.Adam([p], lr=0.1, weight_decay=0.1)
    steps_of(optimizer, p)
    before = jt._C.stats()
    for i in range(1, 4):
        optimizer.param_groups[0].update(lr=0.1 / i, betas=(0.9 / i, 0.99), eps=1e-8 * i, weight_decay=0.1 / i)
        steps_of(optimizer, p, 1)
    after = jt._C.stats()
    for name in before:
        if "compile" in name or "plan" in name and "hit" not in name and "run" not in name:
            assert after[name] == before[name], name


def test_clipping_counts_what_trains():
    a, b = parameter(3), parameter(4)
    optimizer = jt.optim.SGD([a, b], 1.0)
    optimizer.backward((a * a + b * b).sum() * 0.5)
    b.requires_grad = False
    assert optimizer.clip_grad_norm(1.0).item() == pytest.approx(3)
    optimizer.step()
    assert a.item() == pytest.approx(2, rel=1e-5) and b.item() == 4
    assert math.isfinite(a.item())
