#!/usr/bin/env python3
"""exports.py LIBRARY SYMBOLS NODE: the library exports the listed symbols, under that version node, and nothing else."""
import subprocess
import sys


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(library, symbols, node):
    listed = {line for line in open(symbols).read().split("\n") if line and not line.startswith("#")}
    exported, failures = set(), []
    for line in output("nm", "-D", "--defined-only", library).splitlines():
        name, _, version = line.split()[-1].replace("@@", "@").partition("@")
        if name == node:
            continue
        exported.add(name)
        if version != node:
            failures.append(f"{name} has version '{version}', not {node}")
    failures += [f"exported, but not in the list: {name}" for name in sorted(exported - listed)]
    failures += [f"listed, but not exported: {name}" for name in sorted(listed - exported)]
    dynamic = output("readelf", "-dW", library)
    if "NODELETE" not in dynamic:
        failures.append("the library is not marked nodelete")
    if "TEXTREL" in dynamic:
        failures.append("the library has text relocations")
    print("\n".join(failures))
    return bool(failures) or not listed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
