#!/usr/bin/env python3
"""examples_test.py EXAMPLES [TRAIN_DIGITS] -- JAVA...: the Java examples do what they say; JAVA... runs a source file."""
import pathlib
import re
import subprocess
import sys
import tempfile

at = sys.argv.index("--")
EXAMPLES, PEERS, JAVA = pathlib.Path(sys.argv[1]), sys.argv[2:at], sys.argv[at + 1:]


def said(name, *arguments):
    done = subprocess.run([*JAVA, str(EXAMPLES / f"{name}.java"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{name}: {done.stdout}"
    return done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        mine = f"{folder}/java.safetensors"
        text = said("TrainLenet", "--epochs", "1", "--checkpoint", mine)
        assert "epoch 1/1  62/62  loss" in text and "images/s" in text, text
        accuracy = float(re.search(r"test accuracy ([\d.]+) %", text)[1])
        assert accuracy > 95, text
        text = said("LoadCheckpoint", mine)
        assert "conv1.weight f32[20,1,5,5]" in text and re.search(r"digit \d, sure to \d+ %", text), text
        for program in PEERS:
            theirs = f"{folder}/c.safetensors"
            subprocess.run([program, "--epochs", "1", "--steps", "2", "--checkpoint", theirs], stdout=subprocess.DEVNULL, check=True)
            text = said("LoadCheckpoint", theirs)
            assert "fc2.bias f32[10]" in text and re.search(r"digit \d, sure to \d+ %", text), text
    same = "[-0.2, -0.1, 1.0, 2.0], gradient [0.1, 0.1, 1.0, 1.0]\n"
    assert said("CustomOps") == same * 2, said("CustomOps")
    text = said("Background")
    assert re.search(r"meanwhile [1-9]\d* frames; .* first run: [\d.]+ ms, 0 kernels compiled", text), text


main()
