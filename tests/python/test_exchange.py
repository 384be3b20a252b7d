"""Memory shared with NumPy and through DLPack: dtypes, strides, nothing in it, read-only, who outlives whom."""
import ctypes
import gc
import sys

import pytest

import jt

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
SHAPES = [(), (0,), (3,), (2, 0, 3), (2, 3, 4), (1, 1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_there_and_back(np, dtype, shape):
    a = (np.arange(int(np.prod(shape))).reshape(shape) % 2 if dtype == "bool" else np.arange(int(np.prod(shape))).reshape(shape)).astype(dtype)
    x = jt.array(a)
    assert x.dtype == dtype and x.shape == shape
    for back in (x.numpy(), x.numpy(copy=False), np.asarray(x), np.array(x), np.asarray(memoryview(x)),
                 np.from_dlpack(x) if dtype != "bool" or np.__version__ >= "2" else x.numpy()):
        assert back.dtype == dtype and back.shape == shape
        np.testing.assert_array_equal(back, a)
    for back in (jt.from_dlpack(x), jt.from_dlpack(x.__dlpack__()), jt.from_dlpack(x.__dlpack__(max_version=(1, 0)))):
        assert back.dtype == dtype and back.shape == shape and back.tolist() == a.tolist()
    assert x.tolist() == a.tolist()


def test_views_share_memory_and_copies_do_not(np):
    x = jt.arange(6).float() + 0
    view, copy = x.numpy(copy=False), x.numpy()
    assert view.ctypes.data == np.from_dlpack(x).ctypes.data == np.asarray(x).ctypes.data != copy.ctypes.data
    assert not view.flags.writeable and copy.flags.writeable
    with pytest.raises(ValueError):
        view[0] = 1
    with pytest.raises((BufferError, TypeError)):
        (ctypes.c_char * x.nbytes).from_buffer(x)


def test_exports_are_pinned(np):
    x = jt.arange(1000).float() + 0
    view = x.numpy(copy=False)
    x += 1
    x.sync()
    y = x * 2
    del x
    y.sync()
    gc.collect()
    np.testing.assert_array_equal(view, np.arange(1000))


@pytest.mark.parametrize("export", ["numpy", "dlpack", "memoryview"])
def test_the_exporter_may_go_first(np, export):
    x = jt.arange(5000).float() + 0
    out = {"numpy": lambda: x.numpy(copy=False), "dlpack": lambda: np.from_dlpack(x), "memoryview": lambda: np.asarray(memoryview(x))}[export]()
    del x
    gc.collect()
    junk = [jt.zeros((5000,)).sync() + 1 for _ in range(20)]
    [j.sync() for j in junk]
    np.testing.assert_array_equal(out, np.arange(5000))


def test_data_is_writable_and_counts_as_an_assignment(np):
    x = jt.zeros((3,)) + 1
    pending, ran = x * 10, (x * 100).sync()
    x.data[1] = 5
    assert x.tolist() == [1, 5, 1] and pending.tolist() == [10, 10, 10] and ran.tolist() == [100] * 3
    d = x.data
    d[0] = 7
    assert (x + 0).tolist() == [7, 5, 1] and x.data.ctypes.data == d.ctypes.data
    frozen = x.numpy(copy=False)
    x.data[2] = 9
    assert frozen.tolist() == [7, 5, 1] and x.tolist() == [7, 5, 9]
    x.data = [1, 2, 3]
    assert x.tolist() == [1, 2, 3]
    w = jt.Parameter([1.0, 2.0])
    y = w * w
    w.data[:] = 0
    assert y.tolist() == [1, 4] and w.requires_grad and w.tolist() == [0, 0]


def test_views_change_nothing_that_was_recorded(np):
    """Whenever the view was made: values never change, a write counts as an assignment."""
    x = jt.array([1.0, 2.0])
    view = x.data
    doubled = x * 2
    view[0] = 50
    assert doubled.tolist() == [2, 4] and x.tolist() == [50, 2] and (x * 2).tolist() == [100, 4]
    y = jt.zeros((2,))
    y.assign(x)
    copied, stored = jt.array(x), {"x": x.detach()}
    view[:] = 7
    assert y.tolist() == copied.tolist() == stored["x"].tolist() == [50, 2] and x.tolist() == [7, 7]
    with np.errstate(all="ignore"):
        again = x.data
    again[1] = 8
    assert view.tolist() == [7, 8] and x.tolist() == [7, 8] and x.numpy().tolist() == [7, 8]


@pytest.mark.parametrize("dtype", DTYPES)
def test_views_of_every_dtype_are_assignments(np, dtype):
    for shape in ((), (0,), (3,), (2, 2)):
        x = jt.ones(shape, dtype=dtype)
        view = x.data
        before = x + x if dtype != "bool" else x.logical_and(x)
        view[...] = 0
        assert (before.numpy() != 0).all() and (x.numpy() == 0).all() and not (x + x if dtype != "bool" else x).numpy().any()


def test_looking_through_a_view_leaves_gradients(np):
    w = jt.Parameter([1.0, 2.0])
    for look in (lambda y: y.data.sum(), lambda y: np.from_dlpack(y).sum(), lambda y: y.numpy(copy=False)[0], lambda y: jt.from_dlpack(y.__dlpack__())):
        y = w * w
        kept = look(y)
        w.grad = None
        y.sum().backward()
        assert w.grad.tolist() == [2, 4] and kept is not None
    y = w * w
    y.data[0] = 5
    assert y.tolist() == [5, 4]
    with pytest.raises(jt.ArgumentError):
        y.sum().backward()


def test_a_view_of_a_parameter_in_training(np):
    w = jt.Parameter([1.0, 2.0])
    view = w.data
    optimizer = jt.optim.SGD([w], lr=1.0)
    loss = (w * w).sum()
    optimizer.step(loss)
    assert w.tolist() == [-1, -2] and view.tolist() == [1, 2]


def test_what_a_dlpack_consumer_writes_is_an_assignment(np):
    torch = pytest.importorskip("torch")
    x = jt.array([1.0, 2.0])
    early = x * 2
    t = torch.from_dlpack(x)
    late = x * 2
    t[0] = 50
    assert early.tolist() == late.tolist() == [2, 4] and x.tolist() == [50, 2]
    t[1] = 60
    assert (x * 2).tolist() == [100, 120] and x.numpy().tolist() == [50, 60]
    frozen = np.from_dlpack(x)
    x.data[0] = 70
    assert frozen.tolist() == [50, 60] and x.tolist() == [70, 60] and t.tolist() == [50, 60]
    t[0] = 80  # x is another memory by now
    assert x.tolist() == [70, 60]
    y = x + 1  # no copy before it is needed
    address = y.numpy(copy=False).ctypes.data
    t = torch.from_dlpack(y)
    assert t.data_ptr() == address
    later = y * 2
    t.zero_()
    del t
    assert later.tolist() == [142, 122] and y.tolist() == [0, 0] and (y + 1).tolist() == [1, 1]


class Foreign:
    """An array that has DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return (1, 0)


@pytest.mark.parametrize("cut", [lambda a: a, lambda a: a.T, lambda a: a[::2], lambda a: a[:, :0], lambda a: a[:1, :1].reshape(())])
def test_arrays_of_others_are_copied(np, cut):
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    foreign, wanted = Foreign(cut(a)), cut(a).copy()
    made, target, nothing = jt.array(foreign), jt.zeros(wanted.shape), jt.zeros(wanted.shape)
    target.assign(foreign)
    summed = nothing + foreign
    module = jt.nn.Linear(2, 2, bias=False)
    if wanted.shape == (2, 4):
        module.load_state_dict({"weight": Foreign(cut(a)[:, :2])})
    a[:] = -1
    for x in (made, target, summed):
        np.testing.assert_array_equal(x.numpy(), wanted)
    if wanted.shape == (2, 4):
        np.testing.assert_array_equal(module.weight.numpy(), wanted[:, :2])


def test_torch_tensors_are_copied():
    torch = pytest.importorskip("torch")
    t = torch.ones(3)
    made, w = jt.array(t), jt.Parameter(torch.ones(3))
    summed = made + t
    layer = jt.nn.Linear(3, 1, bias=False)
    state = {"weight": torch.ones(1, 3)}
    layer.load_state_dict(state)
    t += 5
    state["weight"].zero_()
    assert made.tolist() == w.tolist() == [1, 1, 1] and summed.tolist() == [2, 2, 2] and layer.weight.tolist() == [[1, 1, 1]]


def test_a_producer_of_dlpack_that_raises(np):
    class Broken(Foreign):
        def __dlpack__(self, **options):
            raise TypeError("no such device")

    with pytest.raises(TypeError, match="no such device"):
        jt.from_dlpack(Broken(np.zeros(3)))


@pytest.mark.parametrize("cut", [lambda a: a[::2], lambda a: a[::-1], lambda a: a.T, lambda a: a[:, 1:], lambda a: a.transpose(2, 0, 1)[..., ::2],
                                 lambda a: a[1:, None, 0]])
def test_strided_memory(np, cut):
    a = cut(np.arange(60, dtype=np.int32).reshape(3, 4, 5))
    assert jt.array(a).tolist() == a.tolist() and jt.from_dlpack(a).tolist() == a.tolist()
    assert jt.array(np.asfortranarray(a)).tolist() == a.tolist()


def test_dlpack_borrows_without_a_copy(np):
    a = np.arange(1000, dtype=np.float32).reshape(20, 50)
    assert jt.from_dlpack(a).numpy(copy=False).ctypes.data == a.ctypes.data
    before = sys.getrefcount(a)
    x = jt.from_dlpack(a)
    assert sys.getrefcount(a) > before
    del x
    jt.sync_all()
    gc.collect()
    assert sys.getrefcount(a) == before


def test_the_owner_of_borrowed_memory_may_go_first(np):
    a = np.arange(5000, dtype=np.float32)
    x = jt.from_dlpack(a)
    del a
    gc.collect()
    assert (x + 1).sum().item() == 5000 * 4999 / 2 + 5000


def test_bfloat16():
    x = jt.array([1.5, -2.0]).cast("bfloat16")
    with pytest.raises(BufferError):
        memoryview(x)
    assert x.tolist() == [1.5, -2] and jt.from_dlpack(x).dtype is jt.bfloat16 and "1.5" in repr(x)


def test_what_has_no_counterpart(np):
    for wrong in (np.array([1j]), np.array(["a"]), np.array([object()]), np.zeros(3, "f4,i4"), np.zeros(2, ">f4"), np.zeros((1,) * 9)):
        with pytest.raises((jt.DTypeError, TypeError, ValueError, BufferError)):
            jt.array(wrong)
    with pytest.raises((TypeError, AttributeError)):
        jt.from_dlpack(3)
    with pytest.raises(BufferError):
        jt.array([1]).__dlpack__(dl_device=(2, 0))


def test_capsules_are_used_once():
    capsule = jt.array([1.0, 2.0]).__dlpack__()
    assert jt.from_dlpack(capsule).tolist() == [1, 2]
    with pytest.raises(ValueError):
        jt.from_dlpack(capsule)
    for _ in range(100):
        jt.array([1.0]).__dlpack__()  # never consumed


def test_numpy_leaves_operators_to_us(np):
    a, x = np.ones(3, np.float32), jt.array([1.0, 2.0, 3.0])
    for got in (a + x, x + a, a * x, np.float32(1) * x):
        assert isinstance(got, jt.Tensor)
    assert jt.array([np.ones(2), np.zeros(2)]).shape == (2, 2)


class Torch:
    """PyTorch as the tests below use it."""
    names = [*DTYPES[:6], "float16", "bfloat16", "float32", "float64"]  # others lack ops there

    def __init__(self):
        self.it = pytest.importorskip("torch")

    def make(self, values, dtype, shape):
        return self.it.tensor(values, dtype=getattr(self.it, dtype)).reshape(shape)

    def dtype(self, t):
        return str(t.dtype).replace("torch.", "")

    def address(self, t):
        return t.data_ptr()

    def take(self, x):
        return self.it.from_dlpack(x)


class Jax:
    """JAX likewise; its arrays never change, so what it gives is read-only."""
    names = [*DTYPES[:10], "bfloat16", "float32", "float64"]

    def __init__(self):
        self.it = pytest.importorskip("jax")
        self.it.config.update("jax_enable_x64", True)
        self.np = pytest.importorskip("jax.numpy")

    def make(self, values, dtype, shape):
        return self.np.array(values, dtype=dtype).reshape(shape)

    def dtype(self, t):
        return str(t.dtype)

    def address(self, t):
        return t.unsafe_buffer_pointer()

    def take(self, x):
        return self.np.from_dlpack(x)


@pytest.fixture(params=[Torch, Jax])
def peer(request):
    return request.param()


def values_of(dtype, shape):
    count = 1
    for extent in shape:
        count *= extent
    return [bool(i % 2) if dtype == "bool" else i % 100 for i in range(count)]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4), (1, 1), (64, 1)], ids=str)
def test_peers_there_and_back(peer, shape):
    for dtype in peer.names:
        theirs = peer.make(values_of(dtype, shape), dtype, shape)
        ours = jt.from_dlpack(theirs)
        assert ours.dtype == dtype and ours.shape == shape and ours.tolist() == theirs.tolist(), dtype
        back = peer.take(ours)
        assert peer.dtype(back) == dtype and tuple(back.shape) == shape and back.tolist() == theirs.tolist(), dtype
        computed = peer.take((ours.cast("float32") + 1).cast("int32"))
        assert computed.tolist() == [v + 1 for v in theirs.reshape(-1).tolist()] if len(shape) == 1 else computed.shape == theirs.shape


def test_peers_share_memory(peer):
    theirs = peer.make(values_of("float32", (64, 32)), "float32", (64, 32))
    ours = jt.from_dlpack(theirs)
    assert ours.numpy(copy=False).ctypes.data == peer.address(theirs)
    made = (ours + 1).sync()
    assert peer.address(peer.take(made)) == made.numpy(copy=False).ctypes.data


def test_peers_may_go_first(peer):
    theirs = peer.make(values_of("float32", (5000,)), "float32", (5000,))
    wanted = theirs.tolist()
    ours = jt.from_dlpack(theirs)
    del theirs
    gc.collect()
    junk = [peer.make([7.0] * 5000, "float32", (5000,)) for _ in range(20)]
    assert ours.tolist() == wanted and junk
    made = (ours * 2).sync()
    back = peer.take(made)
    del made, ours
    gc.collect()
    junk = [(jt.zeros((5000,)) + i).sync() for i in range(20)]
    assert back.tolist() == [2 * v for v in wanted]


def test_peers_see_no_assignment_to_what_they_borrowed(peer):
    x = jt.arange(1000).float() + 0
    view = peer.take(x)
    x += 1
    assert x.tolist() == list(range(1, 1001)) and view.tolist() == list(range(1000))


def test_strided_torch():
    torch = pytest.importorskip("torch")
    t = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    for cut in (t.T if t.ndim == 2 else t.permute(2, 0, 1), t[:, ::2], t[1:, :, 3], t[..., None, ::2], t.expand(2, 3, 4, 5), t[:0], t.flip(0)):
        assert jt.from_dlpack(cut).tolist() == cut.tolist()
    assert jt.array(t.numpy()).tolist() == t.tolist()


def test_torch_writes_are_seen_and_gradients_are_refused():
    torch = pytest.importorskip("torch")
    t = torch.zeros(4)
    x = jt.from_dlpack(t)
    t += 3  # shared, and not yet read
    assert x.tolist() == [3, 3, 3, 3]
    w = torch.ones(2, requires_grad=True)
    with pytest.raises((BufferError, RuntimeError)):
        jt.from_dlpack(w)
    assert jt.from_dlpack(w.detach()).tolist() == [1, 1]
    assert jt.zeros((1,), dtype=torch.float64).dtype is jt.float64
    weights = {"w": jt.from_dlpack(torch.full((2, 2), 0.5))}
    assert torch.equal(torch.from_dlpack(weights["w"]), torch.full((2, 2), 0.5))


def test_what_peers_have_and_we_lack():
    torch = pytest.importorskip("torch")
    for wrong in (torch.zeros(2, dtype=torch.complex64), torch.zeros((1,) * 9), torch.zeros(2).to_sparse()):
        with pytest.raises((jt.DTypeError, jt.ShapeError, BufferError, TypeError, ValueError, RuntimeError)):
            jt.from_dlpack(wrong)


def test_jax_arrays_are_read_only():
    jax_numpy = pytest.importorskip("jax.numpy")
    a = jax_numpy.arange(6, dtype="float32")
    x = jt.from_dlpack(a)
    x += 1
    x.data[0] = 9
    assert a.tolist() == [0, 1, 2, 3, 4, 5] and x.tolist() == [9, 2, 3, 4, 5, 6]


def test_a_simple_buffer_has_one_axis(np):
    """Without a shape the elements are one row of bytes: what sockets and files ask for."""
    x = jt.array([[1.0, 2.0], [3.0, 4.0]])
    assert bytes(x) == x.numpy().tobytes() and len(bytes(jt.zeros((2, 0)))) == 0
    if sys.version_info >= (3, 12):
        for flags in (0, 8, 0x18, 0x11C):
            assert x.__buffer__(flags).nbytes == 16
