#!/usr/bin/env python3
"""Bench row 10, one case: pictures per second of a training step of examples/python/batch_norm.py. Peer: PyTorch's same network.

usage: batch_norm.py [--steps 100]; threads: JT_THREADS, one per core without it. Both train on the same pictures, in turn, a
few steps at a time."""
import argparse
import os
import pathlib
import statistics
import sys
import time

import jt

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"))
from batch_norm import Net  # noqa: E402

BATCH, ROUNDS = 64, 10


def ours(pictures, labels):
    model = Net()
    optimizer = jt.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    x, y = jt.array(pictures).reshape(-1, 1, 28, 28), jt.array(labels)

    def step():
        loss = jt.nn.cross_entropy_loss(model(x), y)
        optimizer.step(loss)
        return loss.item()
    return step


def theirs(pictures, labels, threads):
    import torch
    from torch import nn
    torch.set_num_threads(threads)
    model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(9216, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    x, y = torch.tensor(pictures).reshape(-1, 1, 28, 28), torch.tensor(labels)

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model((x - 0.1307) / 0.3081), y)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def rate(step, steps):
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return BATCH * steps / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100, help="of each, after as many to warm up")
    o = parser.parse_args()
    threads = int(os.environ.get("JT_THREADS") or os.cpu_count())
    pictures = [(i * i % 9973) / 9973 for i in range(BATCH * 784)]
    labels = [i * 7 % 10 for i in range(BATCH)]
    steps = {"jt": ours(pictures, labels)}
    try:
        steps["peer"] = theirs(pictures, labels, threads)
    except ImportError:
        pass
    for name, step in steps.items():
        first = step()
        rate(step, o.steps)
        assert step() < first, f"{name} does not learn"
    rates = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            rates[name].append(rate(step, max(1, o.steps // ROUNDS)))
    mine = statistics.median(rates["jt"])
    if "peer" not in rates:
        return print(f"10 | batch norm network b{BATCH} | {threads} | {mine:.0f} pictures/s | - | - | >= 1 | no peer")
    peer = statistics.median(rates["peer"])
    print(f"10 | batch norm network b{BATCH} | {threads} | {mine:.0f} pictures/s | {peer:.0f} pictures/s (PyTorch) | {mine / peer:.2f} | >= 1 | "
          f"{'ok' if mine >= peer else 'short'}", flush=True)


main()
