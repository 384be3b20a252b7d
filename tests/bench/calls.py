#!/usr/bin/env python3
"""Bench row 20: what a call through a binding costs over the same call in C: an addition of four elements, built and given back.

Each program prints ns per call, the least of many short loops; programs take turns, and the least of their turns counts."""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
TURNS = 5
GOALS = {"Java: closed by hand": 25, "Java: in a scope": 25}


def commands():
    """Command lines by language, of those that are built."""
    out = {"C": [str(BUILD / "bin" / "bench_add_call")]}
    if (BUILD / "java" / "classes").exists():
        natives = next((BUILD / "java" / "natives" / "org/jt/natives").iterdir())
        out["Java"] = ["java", f"-Djt.library.path={natives}", "-cp", str(BUILD / "java" / "classes"), str(ROOT / "tests/bench/AddCall.java")]
    return out


def rust():
    """Rust's program measures itself beside the same calls in C, in turn, and prints its row."""
    cargo = shutil.which("cargo")
    if not cargo:
        return print("row 20: cargo is missing; Rust is left out", file=sys.stderr)
    subprocess.run([sys.executable, ROOT / "tests/rust/run.py", cargo, BUILD / "lib", BUILD / "rust_bench", "bench", "--offline", "--quiet",
                    "--bench", "calls"], check=True)


def main():
    numbers = {}
    for _ in range(TURNS):
        for language, command in commands().items():
            words = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ, JT_CACHE_DIR="off")).stdout.split()
            names = ["C"] if language == "C" else [name for name in GOALS if name.startswith(language)]
            for name, word in zip(names, words, strict=True):
                numbers[name] = min(numbers.get(name, 1e9), float(word))
    for name, goal in GOALS.items():
        if name not in numbers:
            continue
        over = numbers[name] - numbers["C"]
        print(f"20 | add of 4, {name} | 1 | {numbers[name]:.0f} ns | {numbers['C']:.0f} ns (C) | {numbers['C'] / numbers[name]:.2f} | "
              f"<= C + {goal} ns | {'ok' if over <= goal else 'short'}", flush=True)
    rust()


main()
