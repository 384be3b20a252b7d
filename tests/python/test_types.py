"""Types: the stub says what the module has, and mypy --strict accepts a typed program."""
import ast
import pathlib
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


def test_a_typed_program(tmp_path):
    if subprocess.run([sys.executable, "-c", "import mypy"], capture_output=True).returncode:
        pytest.skip("no mypy")
    (tmp_path / "sample.py").write_text(SAMPLE)
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-version", "3.11", "--cache-dir", str(tmp_path / "cache"), "sample.py"],
                          cwd=tmp_path, capture_output=True, text=True, env={"MYPYPATH": str(PACKAGE.parent), "PATH": "/usr/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
