"""Functions that the package writes in other ops: what the sweep over NumPy and PyTorch does not ask."""
import math

import pytest

import jt


def test_operands_that_do_not_fit_are_named():
    x = jt.zeros(2, 3)
    for call, message in (
            (lambda: jt.mm(x, x[0]), "mm: y needs 2 axes"), (lambda: jt.bmm(x[None], x[None, :].repeat(2, 1, 1)), "bmm: 1 and 2 matrices"),
            (lambda: jt.tensordot(x, x, 1), "tensordot: axes"), (lambda: jt.einsum("ij,jk->ik", x, x), "einsum: 'j'"), (lambda: jt.einsum("ijk", x), "einsum: 'ijk' does not fit"),
            (lambda: jt.einsum("ij->ik", x), "einsum: 'k' of the result"), (lambda: jt.einsum("i1->i", x), "einsum: 'i1->i' has other characters"),
            (lambda: jt.einsum("ij,jk", x), "names 2 operands, 1 are given"), (lambda: jt.movedim(x, (0, 0), (0, 1)), "movedim"), (lambda: jt.narrow(x, 1, 2, 2), "narrow: 2 elements from 2"),
            (lambda: x.unflatten(1, (2, 2)), r"unflatten: \[2, 2\] are not 3 elements"), (lambda: jt.kthvalue(x, 4), "kthvalue: k is 4, not in 1..3"), (lambda: jt.cross(x, x, 0), "cross: axis 0"),
            (lambda: jt.clamp(x), "clamp: neither"), (lambda: jt.div(x, 2, rounding_mode="up"), "rounding_mode is 'up'"), (lambda: jt.quantile(x, 0.5, interpolation="cubic"), "interpolation is 'cubic'"),
            (lambda: jt.scatter_reduce(x, 0, jt.zeros(1, 3, dtype="int64"), x, "median"), "reduce is 'median'"), (lambda: jt.bincount(jt.array([-1, 2])), "bincount: -1 is negative"),
            (lambda: x.add_(jt.zeros(4, 2, 3)), "cannot become one of shape"), (lambda: jt.array([1, 2]).add_(0.5), "cannot become one of dtype float32 in place"),
            (lambda: jt.matrix_power(jt.zeros(2, 2), -1), "need an inverse"), (lambda: jt.multinomial(jt.ones(3), 4), "multinomial: 4 of 3"),
            (lambda: jt.diff(x, dim=2), "diff: axis 2"), (lambda: jt.diff(x, n=-1), "diff: n is -1"), (lambda: jt.rot90(x, 1, (1, -1)), r"rot90: \(1, -1\) is one axis twice"),
            (lambda: jt.repeat_interleave(x[0], jt.array([1, -1, 2])), "repeat_interleave: -1 repeats"), (lambda: jt.quantile(x, -0.5), "quantile: q is -0.5"),
            (lambda: jt.quantile(x, jt.array([0.5, 1.5])), "quantile: q is 1.5"), (lambda: jt.quantile(x[:0], 0.5), "quantile: .* has no elements"),
            (lambda: jt.multinomial(jt.zeros(3), 1, True), "multinomial: all weights are 0"), (lambda: jt.multinomial(jt.array([1.0, -1.0]), 1), "multinomial: a weight is negative"),
            (lambda: jt.multinomial(jt.array([1.0, math.nan]), 1), "multinomial: a weight"), (lambda: jt.multinomial(jt.ones(3), 0), "multinomial: 0 samples"),
            (lambda: x.bernoulli_(2), "bernoulli_: p is 2"), (lambda: x.exponential_(-1), "exponential_: lambd is -1"), (lambda: jt.zeros(2, 3, 2).fill_diagonal_(1), "fill_diagonal_"),
            (lambda: jt.histc(x, 0), "histc: there are no 0 parts"), (lambda: jt.histc(x, 2, 3, 1), "histc: there are no 2 parts of 3..1"), (lambda: jt.histc(x * math.nan, 2), "histc"),
            (lambda: jt.searchsorted(x[0], x[0], side="up"), "side is 'up'"), (lambda: jt.searchsorted(x[0], x[0], side="left", right=True), "but right is True"),
            (lambda: jt.masked_scatter(x, x == 0, jt.ones(2)), "index 5 is outside"), (lambda: jt.masked_scatter(x, x == 0, jt.ones(0)), "is outside"),
            (lambda: jt.bincount(jt.array([1]), minlength=-1), "minlength is -1"), (lambda: jt.cross(x, x, 7), "cross: axis 7"),
            (lambda: jt.slice_scatter(x, x, 0, 1), r"slice_scatter: the place has shape \(1, 3\)"), (lambda: jt.unique(x, dim=0), "unique: along an axis")):
        with pytest.raises(jt.Error, match=message):
            call().tolist()


def test_arguments_twice_or_unknown_are_type_errors():
    x, index = jt.zeros(2, 3), jt.zeros(2, 3, dtype="int64")
    for call in (lambda: x.gather(1, index, dim=1), lambda: x.gather(index, index, 1, 1), lambda: x.scatter(0, index), lambda: x.max(1, dim=1), lambda: x.max(1, keepdm=True)):
        with pytest.raises(TypeError):
            call()


def test_results_are_tensors_of_their_own():
    x = jt.array([[1.0, 2.0], [3.0, 4.0]])
    number = jt.array(1.0)
    for made in (jt.matrix_power(x, 1), jt.diff(x, n=0), jt.movedim(number, (), ()), number.max(0).values, number.median(0).values, number.kthvalue(1).values):
        made.add_(1)
    assert x.tolist() == [[1, 2], [3, 4]] and number.item() == 1


def test_a_tensor_is_filled_exactly():
    assert jt.zeros(2, dtype="int64").fill_(jt.array(2**53 + 1, dtype="int64")).tolist() == [2**53 + 1] * 2
    assert jt.zeros(1, dtype="int64").fill_(2**53 + 1).tolist() == [2**53 + 1] and jt.zeros(1, dtype="int32").fill_(jt.array([2.75])).tolist() == [2]
    cube = jt.zeros(2, 2, 2).fill_diagonal_(1)
    assert cube.tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]
    assert jt.zeros(2, 2, dtype="int32").fill_diagonal_(1.5).tolist() == [[1, 0], [0, 1]]


def test_halves_are_reduced_in_float32():
    many = jt.full((70000,), 3.0, dtype="float16")
    assert jt.nanmean(many).item() == 3 and jt.nanmean(many[:2049]).item() == 3
    std, mean = jt.std_mean(jt.array([300.0, -300.0] * 10, dtype="float16"))
    assert std.item() == 307.75 and mean.item() == 0 and std.dtype == "float16"  # sqrt(90000 * 20 / 19)


def test_nan_comes_last_in_an_order():
    edges = jt.array([1.0, 2.0, math.nan])
    assert jt.searchsorted(edges, jt.array([math.nan, 3.0])).tolist() == [2, 2]  # as in NumPy
    assert jt.searchsorted(edges, jt.array([math.nan, 3.0]), right=True).tolist() == [3, 2]
    assert math.isnan(jt.median(jt.zeros(0)).item())


def test_in_place_keeps_the_object_its_dtype_and_its_gradient():
    x = jt.array([1.0, 2.0], dtype="float16")
    before, old = x, x * 1
    assert x.add_(1).mul_(jt.array([2.0, 3.0])) is before
    assert x.dtype == "float16" and x.tolist() == [4, 9] and old.tolist() == [1, 2]
    w = jt.array([3.0]).requires_grad_()
    y = w * 2
    y.mul_(w).add_(1)  # 2 w^2 + 1
    y.sum().backward()
    assert w.grad.tolist() == [12]
    with jt.no_grad():
        w.sub_(w.grad, alpha=0.25)
    assert w.tolist() == [0] and w.requires_grad


def test_a_gradient_may_be_set():
    w = jt.array([1.0, 2.0]).requires_grad_()
    w.grad = jt.array([0.5, -3.0])
    assert w.grad.tolist() == [0.5, -3.0]
    w.grad = w.grad * 2
    assert w.grad.tolist() == [1, -6]
    optimizer = jt.optim.SGD([w], 1.0)
    optimizer.step()
    assert w.tolist() == [0, 8]
    for wrong in (jt.zeros(3), jt.zeros(2, dtype="float64")):
        with pytest.raises(jt.ShapeError):
            w.grad = wrong
    w.grad = None
    assert w.grad is None
    with pytest.raises(jt.ArgumentError):
        jt.zeros(2).grad = jt.zeros(2)


def test_max_says_where_or_folds():
    x = jt.array([[3.0, 1.0], [2.0, 5.0]])
    values, places = x.max(1)
    assert values.tolist() == [3, 5] and places.tolist() == [0, 1]
    assert x.max(dim=0).indices.tolist() == [0, 1] and x.max(axes=0).tolist() == [3, 5] and x.max(1, keepdims=True).tolist() == [[3], [5]]
    assert x.max().item() == 5 and x.min((0, 1)).item() == 1 and jt.max(x, jt.array([[2.0]])).tolist() == [[3, 2], [2, 5]]
    w = jt.array([1.0, 7.0, 7.0]).requires_grad_()
    w.max(0).values.backward()
    assert w.grad.tolist() == [0, 1, 0]  # the one that the index names
    assert math.isnan(jt.array([1.0, float("nan"), 2.0]).max(0).values.item())


def test_indices_of_triangles():
    assert jt.tril_indices(2, 3, 1).tolist() == [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]
    assert jt.triu_indices(3, 2).tolist() == [[0, 0, 1], [0, 1, 1]]
    assert jt.tril_indices(2, 2, -5).shape == (2, 0)


def test_random_ones_follow_their_distributions():
    jt.set_seed(3)
    p = jt.array([0.0, 0.25, 1.0]).expand(4000, 3)
    assert [round(v, 1) for v in jt.bernoulli(p).mean(0).tolist()] == pytest.approx([0, 0.25, 1], abs=0.06)
    drawn = jt.multinomial(jt.array([1.0, 0.0, 3.0]), 4000, replacement=True)
    assert jt.bincount(drawn, minlength=3).tolist()[1] == 0 and abs(drawn.equal(2).float().mean().item() - 0.75) < 0.03
    first = [jt.multinomial(jt.array([[1.0, 3.0, 0.0]] * 500), 2) for _ in range(2)]
    assert all(sorted(row) == [0, 1] for row in first[0].tolist()) and abs(sum(row[0] == 1 for f in first for row in f.tolist()) / 1000 - 0.75) < 0.06
    x = jt.zeros(4000)
    assert abs(x.uniform_(2, 4).mean().item() - 3) < 0.05 and x.min().item() >= 2 and x.max().item() < 4
    assert abs(x.normal_(1, 2).std().item() - 2) < 0.1 and abs(x.exponential_(2).mean().item() - 0.5) < 0.05 and x.min().item() >= 0
    assert abs(x.bernoulli_(0.3).mean().item() - 0.3) < 0.04
    for dtype, p in (("float16", 1e-4), ("bfloat16", 2.0**-10)):  # far finer than a half's uniform numbers
        drawn = jt.bernoulli(jt.full((400000,), p, dtype=dtype)).float().sum().item()
        assert abs(drawn - 400000 * p) < 6 * math.sqrt(400000 * p)
    tail = jt.zeros(400000, dtype="float16").exponential_().float()
    assert tail.max().item() > 9 and abs((tail > 7).float().sum().item() - 400000 * math.exp(-7)) < 120
