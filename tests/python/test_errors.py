"""Errors: their kinds, what they say, where they point; and nothing that is passed in crashes."""
import inspect
import os
import re
import subprocess
import sys

import pytest

import jt


@pytest.mark.parametrize("wrong, kinds, parts", [
    (lambda: jt.zeros((2, 3)) @ jt.zeros((2, 3)), (jt.ShapeError, ValueError, jt.Error), ["matmul", "[2,3]"]),
    (lambda: jt.concat([jt.zeros((2, 3)), jt.zeros((2, 4))]), (jt.ShapeError, ValueError), ["concat", "[2,3]", "[2,4]"]),
    (lambda: ~jt.array([1.5]), (jt.DTypeError, TypeError), ["bitwise_not", "f32"]),
    (lambda: jt.zeros((-1,)), (jt.ShapeError, ValueError), ["-1"]),
    (lambda: jt.zeros((2**40, 2**40)), (jt.ShapeError, ValueError), ["too many"]),
    (lambda: jt.init.initial("nonsense", (2, 2)), (jt.NotFoundError, LookupError), ["nonsense"]),
    (lambda: jt.load("/nowhere/x"), (jt.MissingFileError, FileNotFoundError, OSError), ["/nowhere/x", "No such file"])])
def test_kinds_and_texts(wrong, kinds, parts):
    with pytest.raises(kinds[0]) as caught:
        wrong()
    for kind in kinds:
        assert isinstance(caught.value, kind)
    for part in parts:
        assert part in str(caught.value)


def test_errors_name_the_users_own_line():
    layer = jt.nn.Linear(3, 2)
    with pytest.raises(jt.ShapeError) as caught:
        layer(jt.zeros((4, 5)))
    line = caught.traceback[0].lineno + 1
    assert f"{os.path.basename(__file__)}:{line}" in str(caught.value)


def test_out_of_memory_is_found_by_those_who_look_for_it():
    x = jt.zeros((1 << 44,), dtype="float32")
    with pytest.raises(MemoryError) as caught:
        x.sync()
    assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, jt.OutOfMemoryError) and "memory" in str(caught.value)
    assert (jt.array([1.0]) + 1).item() == 2


FOREIGN = [None, "text", b"bytes", -1, 2**40, -2**63, 2**64, 1.5, float("nan"), [], [None], {}, object(), (1, 2), True, int, lambda: 0,
           "float32", [1, "a"], [[1.0]], range(3), 1j]
SKIP = {"set_up", "exit"}


def targets():
    x = jt.array([[1.0, 2.0], [3.0, 4.0]])
    out = [(f"jt.{name}", value) for name, value in vars(jt).items()
           if callable(value) and not name.startswith("_") and not (isinstance(value, type) and issubclass(value, BaseException))]
    out += [(f"_C.{name}", value) for name, value in vars(jt._C).items()
            if callable(value) and name not in SKIP and not name.startswith("_") and not name.startswith("Swig")]
    for module in (jt.nn, jt.optim, jt.init, jt.dataset):
        out += [(f"{module.__name__}.{name}", value) for name, value in vars(module).items()
                if callable(value) and not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("jt")]
    out += [(f"Tensor.{name}", getattr(x, name, None)) for name in dir(jt.Tensor)
            if callable(getattr(x, name, None)) and name not in ("__class__", "__init_subclass__", "__subclasshook__", "__reduce_ex__", "__new__",
                                                           "__sizeof__", "__dir__")]
    return out


SWEEP = '''
import sys
sys.path.insert(0, sys.argv[1])
import test_errors as t
import jt, io, contextlib
targets = t.targets()
part, parts = int(sys.argv[2]), int(sys.argv[3])
calls = 0
x = jt.array([[1.0, 2.0], [3.0, 4.0]])
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for name, call in targets[part::parts]:
        sets = [()] + [(v,) for v in t.FOREIGN] + [(x, v) for v in t.FOREIGN] + [(v, x) for v in t.FOREIGN] + [(x, x, v) for v in t.FOREIGN[:9]]
        sets += [(v, w) for v in t.FOREIGN[:12] for w in t.FOREIGN[:12]]
        for arguments in sets:
            if any(a in (2**40,) for a in arguments if type(a) is int) and any(word in name for word in ("rand", "arange", "range", "eye", "DataLoader", "Linear", "Norm", "Conv", "perm", "Embedding", "linspace", "GRU", "LSTM", "RNN", "repeat", "chunk", "tensor_split", "indices")):
                continue  # legal, and too large
            calls += 1
            try:
                call(*arguments)
                if name == "_C.graph_begin":
                    jt._C.graph_cancel()  # it had begun
            except (Exception, SystemExit) as e:
                if isinstance(e, (SystemError, jt.InternalError)):
                    print(name, arguments, repr(e), file=sys.__stdout__)
assert (jt.array([1.0]) + 1).item() == 2
jt.gc()
print("done", calls)
'''


@pytest.mark.parametrize("part", range(3))
def test_nothing_that_is_passed_in_crashes(part, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(jt.__file__)), "JT_CACHE_DIR": "off"}
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", SWEEP, os.path.dirname(__file__), str(part), "3"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0 and done.stdout.startswith("done") and int(done.stdout.split()[1]) > 3000, \
        done.stdout[-2000:] + done.stderr[-3000:]


def test_every_function_has_words():
    for name, value in targets():
        if name.startswith(("jt.", "Tensor.")) and not name.startswith("Tensor._") and not name.startswith("jt.nn."):
            assert inspect.getdoc(value), name


def test_help_says_shapes_dtypes_and_errors():
    text = jt.conv2d.__doc__
    for part in ("conv2d(x, w, stride", "Shapes: x [N,C,H,W]", "Dtypes: float", "Errors: ShapeError", "Gradient: yes"):
        assert part in text
    assert jt.Tensor.conv2d.__doc__ == text


def test_messages_speak_python():
    """No name of C's functions, flags or types where Python's user has others."""
    def twice():
        w = jt.Parameter([1.0])
        y = (w * w).sum()
        y.backward()
        y.backward()

    np_like = type("NotATensor", (), {})()
    cases = [twice, lambda: jt.softmax(jt.ones((3,)), "a"), lambda: jt.one_hot(jt.array([1]), None), lambda: jt.leaky_relu(jt.ones((3,)), "x"),
             lambda: jt.ones((2,)).item(), lambda: jt.seed("x"), lambda: jt.load("/nonexistent"), lambda: jt.graph(jt.ones((2,)), stage="z"),
             lambda: jt.rand(3, dtype="int64"), lambda: jt.nn.Linear("a", 2), lambda: jt.nn.Linear(2, 2)(None), lambda: jt.nn.Linear(2, 2)(jt.ones((3,))),
             lambda: jt.zeros((2,)).assign(jt.ones((3,))), lambda: jt.ones((2,)).backward(), lambda: jt.sum(np_like), lambda: jt.sum(jt.ones((3,)), 2**70),
             lambda: jt.array([1]).requires_grad_(), lambda: jt.nn.Linear(2, 2).load_state_dict({"weight": jt.ones((3,)), "bias": jt.ones((2,))}),
             lambda: jt.concat([jt.ones((2,)), None]), lambda: setattr(jt.nn.Linear(2, 2), "weight", None), lambda: jt.pad(jt.ones((2,)), (1.5,), (1,))]
    cases += [lambda: jt.rand(-1), lambda: jt.randn(-1), lambda: jt.randint(0, 300, (2,), "int8"), lambda: jt.ones(2).to("nowhere")]
    for case in cases:
        with pytest.raises(Exception) as raised:
            case()
        text = str(raised.value)
        assert not re.search(r"\bjt_\w+|random_|runtime_|JT_\w+|NULL|int64_t|const char|in method|argument \d+ of type|SWIG|Swig", text), text
    with pytest.raises(jt.ArgumentError, match="pass retain_graph=True"):
        twice()
    with pytest.raises(TypeError, match="softmax: axis is an integer, not str"):
        jt.softmax(jt.ones((3,)), "a")
    with pytest.raises(TypeError, match="leaky_relu: slope is a number, not str"):
        jt.leaky_relu(jt.ones((3,)), "x")


def test_backward_of_many_elements():
    w = jt.Parameter([1.0, 2.0, 3.0])
    y = w * w
    y.backward(jt.array([1.0, 10.0, 100.0]), retain_graph=True)
    assert w.grad.tolist() == [2, 40, 600]
    y.backward([1.0, 1.0, 1.0])
    assert w.grad.tolist() == [4, 44, 606]
    for wrong in (lambda: (w * w).backward(), lambda: (w * w).backward(jt.ones((2,))), lambda: (w * w).backward(jt.ones(()))):
        with pytest.raises(jt.ShapeError):
            wrong()
    with pytest.raises(TypeError):
        (w * w).sum().backward(True)
    w.grad = None
    (w * 2).backward(gradient=jt.Parameter([1.0, 0.0, 2.0]))
    assert w.grad.tolist() == [2, 0, 4]
