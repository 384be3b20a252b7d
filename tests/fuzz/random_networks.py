#!/usr/bin/env python3
"""Random networks, trained for a few steps: the same bits whatever the tier, the threads, the memory and what is kept.

random_networks.py [--seed S] [--count N]; --child SEED.. prints a line per network: its seed and a hash of losses, results and
weights, or the name of the error that ended it. Under a memory limit running out of memory is an answer too, and the only other one.
"""
import argparse
import hashlib
import os
import random
import struct
import subprocess
import sys

SETTINGS = {
    "tier auto, 1 thread": {"JT_THREADS": "1"},
    "2 threads": {"JT_THREADS": "2"},
    "3 threads that split all, freed memory poisoned": {"JT_THREADS": "3", "JT_CPU_GRAIN": "0", "JT_CHECK": "1"},
    "interpreted": {"JT_THREADS": "1", "JT_CPU_TIER": "vm"},
    "libtcc, everything computed again": {"JT_THREADS": "1", "JT_CPU_TIER": "tcc", "JT_RECOMPUTE": "1"},
    "no packed weights": {"JT_THREADS": "1", "JT_CPU_PACK_BYTES": "0"},
    "2 MiB": {"JT_THREADS": "1", "JT_MEMORY_LIMIT": "2M"},
    "600 KiB": {"JT_THREADS": "1", "JT_MEMORY_LIMIT": "600K"},
}


def activation(r, nn):
    return getattr(nn, r.choice(["ReLU", "Tanh", "GELU", "Sigmoid", "SiLU", "LeakyReLU"]))()


def dense(r, jt, nn, batch):
    width = r.choice([7, 64, 130])
    x, layers = jt.randn(batch, width), []
    for _ in range(r.randint(1, 4)):
        out = r.choice([5, 32, 300])
        layers.append(nn.Linear(width, out))
        width = out
        if r.random() < 0.3:
            layers.append(nn.LayerNorm(width))
        if r.random() < 0.3 and batch > 1:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activation(r, nn))
        if r.random() < 0.3:
            layers.append(nn.Dropout(r.choice([0.1, 0.5])))
    return nn.Sequential(*layers), x


def images(r, jt, nn, batch):
    channels, side = r.choice([1, 3, 16]), r.choice([8, 14, 17])
    x, layers = jt.randn(batch, channels, side, side), []
    for _ in range(r.randint(1, 3)):
        window, stride = r.choice([1, 3, 5]), r.choice([1, 1, 2])
        padding = r.choice([0, window // 2])
        if side + 2 * padding < window:
            continue
        is_depthwise = r.random() < 0.3 and channels >= 16
        out = channels if is_depthwise else r.choice([4, 16, 33])
        layers.append(nn.Conv2d(channels, out, window, stride=stride, padding=padding, groups=channels if is_depthwise else 1, bias=r.random() < 0.7))
        channels, side = out, (side + 2 * padding - window) // stride + 1
        if r.random() < 0.5 and batch * side * side > 1:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(activation(r, nn))
        if side >= 2 and r.random() < 0.5:
            layers.append(r.choice([nn.MaxPool2d, nn.AvgPool2d])(2))
            side //= 2
    return nn.Sequential(*layers, nn.Flatten()), x


def signals(r, jt, nn, batch):
    x = jt.randn(batch, 4, r.choice([16, 31]))
    return nn.Sequential(nn.Conv1d(4, 8, 3, padding=1), activation(r, nn), nn.Conv1d(8, 5, 2, stride=2), activation(r, nn), nn.Flatten()), x


def volumes(r, jt, nn, batch):
    return nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), activation(r, nn), nn.MaxPool3d(2), nn.Flatten()), jt.randn(batch, 2, 5, 6, 7)


def sequences(r, jt, nn, batch):
    name = r.choice(["LSTMCell", "GRUCell", "RNNCell"])

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = getattr(nn, name)(6, r.choice([8, 20]))

        def forward(self, x):
            state = self.cell(x[:, 0])
            for t in range(1, x.shape[1]):
                state = self.cell(x[:, t], state)
            return state[0] if name == "LSTMCell" else state

    return Last(), jt.randn(batch, r.choice([3, 9]), 6)


def attention(r, jt, nn, batch):
    width = 16

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.norm = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width), nn.LayerNorm(width)

        def forward(self, x):
            weights = jt.softmax(jt.matmul(self.q(x), self.k(x).permute(0, 2, 1)) * 0.25, 2)
            return self.norm(x + jt.matmul(weights, self.v(x))).mean(1)

    return Attention(), jt.randn(batch, r.choice([4, 11]), width)


def trained(seed):
    import jt
    from jt import nn

    r = random.Random(seed)
    jt.set_seed(seed)
    batch, classes = r.choice([1, 2, 5, 16]), r.choice([3, 10])
    body, x = r.choice([dense, images, images, signals, volumes, sequences, attention])(r, jt, nn, batch)
    with jt.no_grad():
        width = body(x).shape[1]
    net = nn.Sequential(body, nn.Linear(width, classes))
    labels = jt.array([r.randrange(classes) for _ in range(batch)])
    optimiser = getattr(jt.optim, r.choice(["SGD", "Adam", "AdamW"]))(net.parameters(), lr=0.01)
    looks, seen = r.random() < 0.5, hashlib.sha1()
    for _ in range(4):
        loss = nn.cross_entropy_loss(net(x), labels)
        optimiser.step(loss)
        if looks:
            seen.update(struct.pack("f", loss.item()))
    net.eval()
    for value in [net(x) for _ in range(3)] + list(net.parameters()):
        seen.update(bytes(memoryview(value.sync()).cast("B")))
    return seen.hexdigest()


def child(seeds):
    for seed in seeds:
        try:
            print(seed, trained(int(seed)), flush=True)
        except Exception as error:  # the parent knows which may come
            print(seed, type(error).__name__, str(error).replace("\n", " ")[:200], flush=True)


def results(setting, seeds):
    environment = {**os.environ, "JT_CACHE_DIR": "off", **setting}
    done = subprocess.run([sys.executable, __file__, "--child", *map(str, seeds)], capture_output=True, text=True, env=environment)
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    if done.returncode:
        lines["the process"] = f"ended with {done.returncode}: {done.stderr[-500:]}"
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--child", nargs="*")
    options = parser.parse_args()
    if options.child is not None:
        return child(options.child)
    seeds = range(options.seed * 1000003, options.seed * 1000003 + options.count)
    wrong, expected = 0, None
    for name, setting in SETTINGS.items():
        got = results(setting, seeds)
        expected = expected or got
        short = sum(line.startswith("OutOfMemoryError ") for line in got.values()) if "JT_MEMORY_LIMIT" in setting else 0
        for seed in map(str, seeds):
            line = got.get(seed, "no answer")
            is_right = len(line) == 40 and line == expected[seed] or short and line.startswith("OutOfMemoryError ")
            if not is_right and wrong < 5:
                print(f"seed {seed}, {name}: {line}, not {expected.get(seed)}")
            wrong += not is_right
        wrong += "the process" in got
        print(f"{name}: {options.count} networks" + (f", {short} out of memory" if short else "") + got.get("the process", ""), flush=True)
    print(f"seed {options.seed}: {wrong} wrong")
    sys.exit(wrong != 0)


main()
