#!/usr/bin/env python3
"""allocator_environment.py PROGRAM LIBRARY: no variable of the environment makes the allocator in LIBRARY speak, or take other memory.

PROGRAM, whose last line is the address space it took, runs with and without all that mimalloc listens to by itself."""
import os
import re
import subprocess
import sys

PROGRAM, LIBRARY = sys.argv[1:]
LOUD = {"MIMALLOC_VERBOSE": "3", "MIMALLOC_SHOW_STATS": "1", "MIMALLOC_SHOW_ERRORS": "1", "MIMALLOC_PAGE_RESET": "oops"}
GREEDY = {"MIMALLOC_RESERVE_OS_MEMORY": "8GiB", "MIMALLOC_RESERVE_HUGE_OS_PAGES": "1", "MIMALLOC_LARGE_OS_PAGES": "1",
          "MIMALLOC_EAGER_COMMIT": "0", "MIMALLOC_LIMIT_OS_ALLOC": "1", "MIMALLOC_DESTROY_ON_EXIT": "1"}


def run(**variables):
    quiet = {name: value for name, value in os.environ.items() if not name.lower().startswith("mimalloc")}
    done = subprocess.run([PROGRAM], env={**quiet, **variables}, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert not done.stderr, f"with {variables} it says:\n{done.stderr}"
    return lines[:-1], int(re.fullmatch(r"VmPeak:\s*(\d+) kB", lines[-1])[1])


loaded = subprocess.run(["ldd", LIBRARY], capture_output=True, text=True, check=True).stdout
if "libmimalloc" in loaded:
    print("skipped: the system's mimalloc is linked, which reads MIMALLOC_*; scripts/setup fetches the source of one that does not")
    sys.exit(77)
quiet, needed = run()
for variables in [LOUD, GREEDY, {name.lower(): value for name, value in {**LOUD, **GREEDY}.items()}]:
    said, took = run(**variables)
    assert said == quiet, (variables, said, quiet)
    assert abs(took - needed) < 500_000, f"with {variables} it takes {took} kB of address space, without {needed} kB"
print(f"{' '.join(quiet)}, and nothing else, in {needed} kB")
