"""The examples run; LeNet from Python gives the bits of LeNet from C."""
import os
import pathlib
import random
import runpy
import struct
import subprocess
import sys

import pytest

import jt

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"


def write_idx(path, dims, content):
    path.write_bytes(bytes([0, 0, 8, len(dims)]) + b"".join(struct.pack(">I", n) for n in dims) + content)


def write_digits(folder):
    """Blobs whose place tells the label, in the form of MNIST."""
    rng = random.Random(3)
    for kind, count in (("train", 640), ("t10k", 120)):
        labels, pictures = bytearray(), bytearray()
        for _ in range(count):
            label, picture = rng.randrange(10), bytearray(784)
            for y in range(8):
                for x in range(8):
                    picture[28 * (y + 2 + 12 * (label // 5)) + x + 1 + 5 * (label % 5)] = rng.randrange(120, 256)
            labels.append(label)
            pictures += picture
        write_idx(folder / f"{kind}-images-idx3-ubyte", (count, 28, 28), pictures)
        write_idx(folder / f"{kind}-labels-idx1-ubyte", (count,), labels)


def mnist(*arguments):
    return subprocess.run([sys.executable, str(EXAMPLES / "mnist.py"), *map(str, arguments)], capture_output=True, text=True, timeout=250)


def test_lenet_gives_the_bits_of_the_c_example(tmp_path):
    program = os.environ.get("JT_TRAIN_DIGITS")
    if not program:
        pytest.skip("the C example was not built")
    write_digits(tmp_path)
    for workers in (0, 2):
        done = mnist("--data", tmp_path, "--epochs", 2, "--workers", workers, "--checkpoint", tmp_path / "python")
        assert done.returncode == 0 and "test accuracy" in done.stdout, done.stderr
        c = subprocess.run([program, "--data", str(tmp_path), "--epochs", "2", "--checkpoint", str(tmp_path / "c")], capture_output=True, text=True)
        assert c.returncode == 0, c.stderr
        mine, theirs = jt.load(tmp_path / "python"), jt.load(tmp_path / "c")
        assert len(mine) == 8
        flat = {name: jt._C.to_bytes(x) for name, x in theirs.items()}
        for name, x in mine.items():
            assert jt._C.to_bytes(x) in flat.values(), name
    accuracies = [line for line in done.stdout.splitlines() if "accuracy" in line]
    assert accuracies == [line for line in c.stdout.replace("\r", "\n").splitlines() if "test accuracy" in line]


def test_the_network_with_batch_norm_learns(tmp_path):
    write_digits(tmp_path)
    done = subprocess.run([sys.executable, str(EXAMPLES / "batch_norm.py"), "--data", str(tmp_path), "--epochs", "3"],
                          capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-2]) > 90, done.stdout


def test_pictures_are_written(tmp_path):
    write_digits(tmp_path)
    done = mnist("--data", tmp_path, "--epochs", 1, "--steps", 2, "--pictures", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for name in ("loss.png", "digits.png"):
        data = (tmp_path / "out" / name).read_bytes()
        assert data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82")


def test_what_is_missing_is_named(tmp_path):
    done = mnist("--data", tmp_path / "nowhere")
    assert done.returncode and "nowhere/train-images-idx3-ubyte" in done.stderr


def test_the_tutorial(capsys):
    runpy.run_path(str(EXAMPLES / "tutorial.py"))
    out = capsys.readouterr().out
    assert "Tensor([11., 23.]" in out.replace(" 11.", "11.") or "accuracy" in out
