#!/usr/bin/env python3
"""examples_test.py CARGO LIB_DIR WORK TRAIN_DIGITS: runs the Rust examples as their first lines say.

Pictures of stripes stand for MNIST's: the label is the number of the stripe. The C example trains on them too, and its
checkpoint, loaded by Rust, has the accuracy that C printed.
"""
import gzip
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

RUN = pathlib.Path(__file__).resolve().parent / "run.py"


def write_idx(path, magic, dims, data):
    path.write_bytes(gzip.compress(struct.pack(f">{1 + len(dims)}I", magic, *dims) + data))


def stripes(folder, kind, count, seed):
    draw = random.Random(seed)
    labels = bytes(draw.randrange(10) for _ in range(count))
    pixels = bytearray()
    for label in labels:
        for row in range(28):
            bright = 180 if 2 * label + 4 <= row < 2 * label + 6 else 0
            pixels += bytes(min(255, bright + draw.randrange(70)) for _ in range(28))
    write_idx(folder / f"{kind}-images-idx3-ubyte.gz", 0x803, (count, 28, 28), bytes(pixels))
    write_idx(folder / f"{kind}-labels-idx1-ubyte.gz", 0x801, (count,), labels)


def main(cargo, lib_dir, work, train_digits):
    def example(name, *arguments):
        command = [sys.executable, RUN, cargo, lib_dir, work, "run", "--offline", "--quiet", "--release", "--example", name, "--", *arguments]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        if done.returncode == 77:
            print(done.stdout)
            sys.exit(77)
        assert done.returncode == 0, f"{name} ended with {done.returncode}"
        print(f"--- {name}\n{done.stdout}")
        return done.stdout

    def accuracies(text):
        return [float(number) for number in re.findall(r"accuracy ([\d.]+) %", text)]

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        stripes(folder, "train", 2000, 1)
        stripes(folder, "t10k", 500, 2)
        mine, theirs = folder / "rust.safetensors", folder / "c.safetensors"
        test = [folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz"]
        common = ["--data", str(folder), "--epochs", "1", "--steps", "40", "--batch", "32"]
        [reached] = accuracies(example("train_lenet", *common, "--checkpoint", mine))
        assert reached > 90, reached
        assert accuracies(example("load_checkpoint", mine, *test)) == [reached]
        c = subprocess.run([train_digits, *common, "--checkpoint", theirs], stdout=subprocess.PIPE, text=True, check=True).stdout
        loaded = example("load_checkpoint", theirs, *test)
        assert "conv1.weight" in loaded and accuracies(loaded) == accuracies(c), (loaded, c)
    for line in example("custom_op").splitlines():
        assert "gradient [0.0625, 0.25, 1, 0.444" in line or "compiler" in line, line
    assert ", 0 more kernels" in example("background_compile")


main(*sys.argv[1:])
