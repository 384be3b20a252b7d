"""close_losses.py PROGRAM STEPS BOUND NAME=VALUE..: the losses that it prints, as bits, with that environment are those without, within BOUND."""
import os
import struct
import subprocess
import sys

program, steps, bound = sys.argv[1], sys.argv[2], float(sys.argv[3])


def losses(more):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JT_DEVICES")} | more
    lines = subprocess.run([program, steps], stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout.split()
    return [struct.unpack(">d", bytes.fromhex(line))[0] for line in lines]


want, got = losses({}), losses(dict(word.split("=", 1) for word in sys.argv[4:]))
assert len(want) == len(got) == int(steps), (len(want), len(got))
worst = max(abs(x - y) / abs(x) for x, y in zip(want, got))
assert worst <= bound, f"the losses differ by {worst}, relative: {want} and {got}"
assert got[-1] < got[0], got
print(f"{steps} losses, from {got[0]} to {got[-1]}, within {worst} of the CPU's")
