"""Indexing and assignment are NumPy's."""
import random

import pytest

import jt

KEYS = [0, -1, slice(None), slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(-100, 100, 2), slice(2, 2), None, Ellipsis,
        (0, 1), (0, slice(None), 1), (slice(None, None, -1), 2, slice(None, None, -2)), (Ellipsis, 0), (None, 0, None, Ellipsis, None),
        (slice(1, None), None, slice(None, 2)), (0, 0, 0), (Ellipsis,), ()]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_reading(np, key):
    a = np.arange(60, dtype=np.float32).reshape(4, 3, 5)
    got = jt.array(a)[key]
    np.testing.assert_array_equal(got.numpy(), a[key])
    assert got.shape == a[key].shape


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_writing(np, key):
    a = np.arange(60, dtype=np.float32).reshape(4, 3, 5)
    x, before = jt.array(a), None
    before = x * 1
    value = np.arange(a[key].size, dtype=np.float32).reshape(a[key].shape) + 100
    x[key] = jt.array(value)
    b = a.copy()
    b[key] = value
    np.testing.assert_array_equal(x.numpy(), b)
    x[key] = -1
    b[key] = -1
    np.testing.assert_array_equal(x.numpy(), b)
    np.testing.assert_array_equal(before.numpy(), a)


def random_key(rng, shape):
    parts = []
    for size in shape[:rng.randint(0, len(shape))]:
        parts.append(rng.choice([rng.randrange(-size, size), slice(None), slice(rng.choice([None, rng.randint(-size - 1, size + 1)]),
                     rng.choice([None, rng.randint(-size - 1, size + 1)]), rng.choice([None, 1, 2, -1, -2, -3]))]))
    if rng.random() < 0.3:
        parts.insert(rng.randint(0, len(parts)), None)
    if rng.random() < 0.3:
        parts.insert(rng.randint(0, len(parts)), Ellipsis)
    return tuple(parts)


def test_random_keys(np):
    rng = random.Random(5)
    for _ in range(300):
        shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 4)))
        a = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
        x, key = jt.array(a), random_key(rng, shape)
        try:
            a[key]
        except IndexError:  # an ellipsis may have moved an integer to a smaller axis
            with pytest.raises(IndexError):
                x[key]
            continue
        np.testing.assert_array_equal(x[key].numpy(), a[key], err_msg=repr((shape, key)))
        x[key] += 7
        b = a.copy()
        b[key] += 7
        np.testing.assert_array_equal(x.numpy(), b, err_msg=repr((shape, key)))


def test_broadcast_on_assignment(np):
    x, a = jt.zeros((3, 4)), np.zeros((3, 4), np.float32)
    for key, value in ((slice(None), [1, 2, 3, 4]), (0, 5), ((slice(None), 1), [[[7, 8, 9]]]), ((slice(None), slice(2, 4)), [[1], [2], [3]])):
        x[key] = value
        a[key] = np.array(value)
        np.testing.assert_array_equal(x.numpy(), a)
    with pytest.raises(jt.ShapeError):
        x[0] = [1, 2, 3]


def test_assignment_through_chains_changes_the_tensor_at_their_root():
    G = jt.zeros((2, 3, 4))
    G[1][2] = 5
    G[0][1][3] = 7
    G[0, 1:][0][0] = 9
    assert G[1, 2].tolist() == [5] * 4 and G[0, 1, 3].item() == 7 and G[0, 1, 0].item() == 9 and G.sum().item() == 36
    row = G[1]
    row[0] = 100
    assert G[1, 0].tolist() == [0] * 4, "a slice with a name is a value of its own"


def test_a_slice_does_not_keep_its_tensor_alive():
    import weakref
    big = jt.zeros((100, 100))
    gone = weakref.ref(big)
    row = big[0]
    del big
    assert gone() is None and row.shape == (100,)


def test_gradients_flow_through_indexing():
    w = jt.Parameter([[1.0, 2.0], [3.0, 4.0]])
    x = w * 1
    x[0] = w[1] * 10
    assert jt.grad((x * x).sum(), w).tolist() == [[0, 0], [606, 808]]


@pytest.mark.parametrize("key, error", [(4, IndexError), (-5, IndexError), ((0, 0, 0, 0), IndexError), ((Ellipsis, Ellipsis), IndexError),
                                        (1.5, IndexError), ("a", IndexError), (slice(1, 2, 0), ValueError), (2**70, IndexError),
                                        (slice("a"), TypeError), ((None,) * 9, IndexError)])
def test_wrong_keys(key, error):
    x = jt.zeros((4, 3, 5))
    with pytest.raises(error):
        x[key]
    with pytest.raises(error):
        x[key] = 1
    with pytest.raises(TypeError):
        del x[0]


def test_tensors_lists_and_masks_as_keys(np):
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = jt.array(a)
    index = np.array([[0, 3], [-1, 1]])
    for key in (index, [0, 2], (slice(None), [5, 0, 0]), ([0, 1], [2, 3]), a > 10, (a[:, 0] > 5), (1, [0, 2])):
        np.testing.assert_array_equal(x[key if not isinstance(key, np.ndarray) else jt.array(key)].numpy(), a[key], err_msg=repr(key))
    for key, value in ((a > 10, -1.0), ([0, 2], 5.0), ((slice(None), [1, 3]), np.ones((4, 2), np.float32)), (([0, 1], [2, 3]), [8.0, 9.0])):
        b, y = a.copy(), jt.array(a)
        b[key] = value
        y[key if not isinstance(key, np.ndarray) else jt.array(key)] = value if np.isscalar(value) else jt.array(value)
        np.testing.assert_array_equal(y.numpy(), b, err_msg=repr(key))
    with pytest.raises(IndexError):
        x[[4]]
    with pytest.raises(IndexError):
        x[jt.array([True, False])]


@pytest.mark.parametrize("key", [([0, 1], slice(None), [1, 2]), (0, [1, 2]), (None, [0, 1]), ([0, 1], None), (slice(None), None, [0, 1]),
                                 ([0, 1], 2, [1, 0]), (slice(1, None), [0, 1], slice(None, None, 2)), ([[0], [1]], slice(None), [1, 2, 3]),
                                 ([0, 2], Ellipsis, [1, 1]), ([-1], slice(None), [-2]), (None, slice(None), [0], None, [1])], ids=repr)
def test_lists_beside_slices_integers_and_none(np, key):
    a = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    np.testing.assert_array_equal(jt.array(a)[key].numpy(), a[key])
    for value in (-1.0, np.arange(a[key].size, dtype=np.float32).reshape(a[key].shape) + 100):
        b, y = a.copy(), jt.array(a)
        b[key] = value
        y[key] = value if np.isscalar(value) else jt.array(value)
        np.testing.assert_array_equal(y.numpy(), b)


def outside(value):
    with pytest.raises(IndexError) as caught:
        value().numpy()
    return str(caught.value)


def test_what_is_outside_is_an_index_error(np):
    x = jt.array(np.arange(10, dtype=np.float32).reshape(5, 2))
    later = jt.array([2]) + 3  # not known before it is computed
    assert "take: index 5 is outside an extent of 5" in outside(lambda: x[later])
    assert "index: index 5 is outside an extent of 5" in outside(lambda: x[later, jt.array([0]) * 1])
    outside(lambda: x[jt.array([-6])])
    outside(lambda: jt.gather(x, jt.array([[7, 0]]), 0))
    assert "embedding: index 4 is outside an extent of 4" in outside(lambda: jt.nn.Embedding(4, 3)(jt.array([2]) * 2))
    assert "index 5 is outside an extent of 2" in outside(lambda: jt.cross_entropy(x[:2], jt.array([0, 5])))
    assert "index 5 is outside an extent of 2" in outside(lambda: jt.nn.CrossEntropyLoss()(x[:2], jt.array([0, 5])))
    y = x * 1

    def put():
        y[jt.array([2]) + 3] = 1
        return y

    outside(put)
    np.testing.assert_array_equal(x[jt.array([-1]) * 1].numpy(), [[8, 9]])
    np.testing.assert_array_equal(x[jt.argmax(x, 0)].numpy(), [[8, 9], [8, 9]])


def test_random_values_stay_inside(np):
    for dtype in ("float16", "float32", "float64"):
        unit = jt.rand(200000, dtype=dtype).numpy()
        assert 0 <= unit.min() and unit.max() < 1
    assert jt.uniform((100000,), -3, -1).numpy().max() < -1
    wide = jt.randint(-2**62, 2**62, (1000,)).numpy()
    assert wide.min() < 0 < wide.max() and len(set(wide % 2)) == 2 and len(set(wide.tolist())) == 1000
