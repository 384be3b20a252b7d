"""Types: the stub says what the module has, and mypy --strict accepts a typed program."""
import ast
import inspect
import os
import pathlib
import re
import subprocess
import sys

import pytest

import jt

PACKAGE = pathlib.Path(jt.__file__).parent
SAMPLE = '''
from typing import List
import jt
from jt import nn


class Net(jt.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def execute(self, x: jt.Tensor) -> jt.Tensor:
        return nn.relu(self.fc(x)) + 1.0


def train(net: Net, data: List[jt.Tensor]) -> float:
    optimizer = jt.optim.Adam(net.parameters(), lr=0.1)
    total = 0.0
    for x in data:
        loss = (net(x) ** 2).sum(dim=1).mean()
        optimizer.step(loss)
        total += float(loss.item())
    with jt.no_grad():
        y: jt.Tensor = jt.matmul(data[0], data[0].transpose(1, 0))[0, :2]
    shape: tuple[int, ...] = y.shape
    return total + len(shape)
'''


def test_the_stub_names_every_function():
    tree = ast.parse((PACKAGE / "_C.pyi").read_text())
    declared = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    there = {name for name in jt.ops.__all__}
    assert there <= declared and declared <= set(vars(jt._C)), declared - set(vars(jt._C))


CALLS = '''
import jt
from jt import nn

x = jt.ones((2, 3))
reveal_type(nn.Linear(3, 2)(x))
reveal_type(nn.LSTMCell(3, 2)(x))
reveal_type(jt.sum(x))
reveal_type(x.transpose(0, 1))
reveal_type(jt.__version__)
x.backward(jt.ones((2, 3)), retain_graph=True)
nn.Linear(3, 2)("x")
'''


def test_a_call_of_a_layer_is_typed(tmp_path):
    if subprocess.run([sys.executable, "-c", "import mypy"], capture_output=True).returncode:
        pytest.skip("no mypy")
    (tmp_path / "calls.py").write_text(CALLS)
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache"), "calls.py"],
                          cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "MYPYPATH": str(PACKAGE.parent)})
    found = [line.split("note: Revealed type is ")[1] for line in done.stdout.splitlines() if "Revealed" in line]
    assert [("Tensor" in t, "tuple" in t.lower()) for t in found] == [(True, False), (True, True), (True, False), (True, False), (False, False)], done.stdout
    assert "str" in found[4] and sum("error:" in line for line in done.stdout.splitlines()) == 1 and "[arg-type]" in done.stdout, done.stdout


def test_signatures_of_everything_public():
    for name in sorted(set(jt.ops.__all__) | {n for n in dir(jt) if not n.startswith("_")}):
        value = getattr(jt, name)
        if callable(value) and not isinstance(value, type):
            assert inspect.signature(value).parameters or name in ("gc", "memory_info", "display_memory_info", "is_grad_enabled", "devices", "current_device", "get_rng_state"), name
    for name in dir(jt.Tensor):
        value = getattr(jt.Tensor, name)
        if not name.startswith("_") and callable(value):
            assert list(inspect.signature(value).parameters)[0] in ("self", "x"), name
    assert str(inspect.signature(jt.sum)) == "(x, axes=(), keepdims=False)" and str(inspect.signature(jt.ones((2,)).sum)) == "(axes=(), keepdims=False)"
    assert str(inspect.signature(jt.ones((2,)).item)) == "()" and jt.sum.__doc__ == jt.Tensor.sum.__doc__ and jt.sum.__doc__.startswith("sum(x, axes=(), keepdims=False) -> Tensor")


def test_names_are_our_own():
    assert isinstance(jt.__version__, str) and jt.__version__.count(".") == 2
    assert not {"acquire", "append", "disown", "next", "own", "this", "thisown"} & set(dir(jt.Tensor)) & set(dir(jt.ones((1,))))
    assert not [name for name in dir(jt._C) if name.startswith(("JT_", "SWIG", "jt_"))]
    assert jt._C.TensorBase.__module__ == "jt._C" and jt.sum.__module__ == "jt._C" and "Swig" not in repr(jt.ones((1,)))
    x = jt.ones((2,))
    for name in ("this", "own", "append"):
        assert not hasattr(x, name)
    assert (x + 1).tolist() == [2, 2]


def test_a_typed_program(tmp_path):
    if subprocess.run([sys.executable, "-c", "import mypy"], capture_output=True).returncode:
        pytest.skip("no mypy")
    (tmp_path / "sample.py").write_text(SAMPLE)
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-version", "3.11", "--cache-dir", str(tmp_path / "cache"), "sample.py"],
                          cwd=tmp_path, capture_output=True, text=True, env={"MYPYPATH": str(PACKAGE.parent), "PATH": "/usr/bin"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_page_says_of_dtypes_is_so():
    """An op of one operand takes bool where its text says every dtype, and only there; so do integers."""
    told = 0
    for name in jt.ops.__all__:
        op, text = getattr(jt.ops, name), getattr(jt, name).__doc__ or ""
        dtypes = re.search(r"Dtypes: ([^.]*)\.", text)
        required = [p for p in inspect.signature(op).parameters.values() if p.default is p.empty]
        if not dtypes or [p.name for p in required] != ["x"]:
            continue
        words = " ".join(dtypes[1].split())
        shape = (1, 1, 2, 2) if "2d" in name else (1, 1, 2, 2, 2) if "3d" in name else (4,)
        if "pool" in name or "x of a" in words:
            continue
        for dtype, is_taken in (("bool", words.startswith("every dtype") and "but bool" not in words or "bool" in words and "but" not in words),
                                ("int32", not words.startswith("float"))):
            x = jt.ones(shape, dtype=dtype)
            try:
                result = op(x)
                (result if isinstance(result, jt.Tensor) else result[0]).sync()
                taken = True
            except jt.DTypeError:
                taken = False
            except (jt.ShapeError, jt.ArgumentError):  # it wants more than x
                continue
            assert taken == is_taken, (name, dtype, words)
            told += 1
    assert told > 60
    assert jt.mean(jt.array([True, False, True, True])).item() == 0.75
