#!/usr/bin/env python3
"""train_digits_test.py PROGRAM CASE: the example learns, and says what is wrong when something is.

learns    one epoch: at least 98 % on MNIST where JT_DATA names it, at least 95 % on digits that the program draws
missing   a folder that is not there; truncated a file that is cut; full, limited a checkpoint that does not fit
"""
import os
import pathlib
import re
import resource
import struct
import subprocess
import sys
import tempfile

QUICK = ["--epochs", "1", "--steps", "2", "--batch", "16"]


def run(program, *arguments, data=None, preexec=None):
    environment = {name: value for name, value in os.environ.items() if name != "JT_DATA"}
    environment["JT_CACHE_DIR"] = "off"
    if data:
        environment["JT_DATA"] = str(data)
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, env=environment, preexec_fn=preexec)


def refuses(done, *parts):
    """It ended with a failure, and its message names what is wrong."""
    missing = [part for part in parts if part not in done.stderr]
    if done.returncode <= 0 or missing:
        raise SystemExit(f"ended with {done.returncode}, without {missing} in:\n{done.stderr}")
    print(done.stderr.strip())


def write_idx(path, dims, content):
    path.write_bytes(bytes([0, 0, 8, len(dims)]) + b"".join(struct.pack(">I", n) for n in dims) + content)


def learns(program, work):
    data = os.environ.get("JT_DATA")
    done = run(program, "--epochs", "1", "--checkpoint", work / "lenet.safetensors", "--curve", work / "loss.svg", data=data)
    reached = re.search(r"^test accuracy (\d+\.\d\d) %$", done.stdout, re.M)
    wanted = 98.0 if data else 95.0
    print(done.stdout.replace("\r", "\n")[-400:], done.stderr[-2000:])
    if done.returncode or not reached or float(reached[1]) < wanted:
        raise SystemExit(f"wanted at least {wanted} % after one epoch on {data or 'drawn digits'}")
    assert (work / "lenet.safetensors").stat().st_size > 4 * 430000 and "<svg" in (work / "loss.svg").read_text()


def missing(program, work):
    refuses(run(program, *QUICK, "--data", work / "nowhere"), f"{work}/nowhere/train-images-idx3-ubyte", "No such file")


def truncated(program, work):
    write_idx(work / "train-images-idx3-ubyte", (100, 28, 28), bytes(28 * 28 * 60))
    refuses(run(program, *QUICK, "--data", work), "train-images-idx3-ubyte", str(28 * 28 * 100), str(28 * 28 * 60))


def full(program, work):
    refuses(run(program, *QUICK, "--checkpoint", "/dev/full"), "/dev/full")


def limited(program, work):
    """A file may grow to 64 KiB, less than the checkpoint: the old one stays as it was."""
    checkpoint = work / "lenet.safetensors"
    first = run(program, *QUICK, "--checkpoint", checkpoint)
    assert first.returncode == 0, first.stderr
    old = checkpoint.read_bytes()

    def limit():
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    refuses(run(program, *QUICK, "--seed", "2", "--checkpoint", checkpoint, preexec=limit), str(checkpoint), "File too large")
    assert checkpoint.read_bytes() == old, "the old checkpoint was changed"
    assert os.listdir(work) == [checkpoint.name], f"left behind: {os.listdir(work)}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        globals()[sys.argv[2]](sys.argv[1], pathlib.Path(folder))
