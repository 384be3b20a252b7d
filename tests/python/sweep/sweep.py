#!/usr/bin/env python3
"""sweep: jt's Python package against NumPy and PyTorch: every public function and layer x dtypes x shapes x edge values x options.

    PYTHONPATH=build/release/python python3 tests/python/sweep/sweep.py            everything
    ... sweep.py --slice                                                           one case of seven
    ... sweep.py --only REGEX [--all-lines]                                        names that match, every difference

Names are found in the package: one that the tables here do not know is a failure, and so is an option of a function or a field of a
layer that no case passes. What may differ is in allowed.txt, each line with its reason; a line that allows nothing is a failure of
the whole sweep. Without PyTorch NumPy is the reference where it has the function. Exit status 77: there is no NumPy."""
import argparse
import collections
import json
import os
import pickle
import re
import signal
import sys
import time
import warnings

warnings.filterwarnings("ignore")
try:
    import numpy as np
except ImportError:
    print("sweep: skipped, there is no NumPy")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402
from compare import Difference  # noqa: E402
from table import EXEMPT, ROWS  # noqa: E402


SLICE = 7  # one case of so many, where not all are wanted


def load_tables():
    import composed, elements, layers, library, optimizers, shapes, tensors  # noqa: E401,F401


def run_entry(name, whole):
    from run import differences_of
    from second import is_fit, second_differences
    out, count, twice, at = [], 0, 0, 0
    for maker in ROWS[name]:
        for case in maker(whole):
            at += 1
            if not whole and at % SLICE != 1:
                continue
            count += 1
            if twice < (4 if whole else 1) and is_fit(case):
                twice += 1
                out.extend(second_differences(case))
            out.extend(case.differences() if hasattr(case, "differences") else differences_of(case))
    return count, out


def child(names, whole, pipe):
    """Runs entries, and writes to the pipe what it is about to do and what came of it."""
    def tell(message):
        data = pickle.dumps(message)
        pipe.write(len(data).to_bytes(8, "little") + data)
        pipe.flush()

    for name in names:
        tell(("begin", name))
        try:
            tell(("end", name, *run_entry(name, whole)))
        except Exception as error:  # a fault of the tables, or of the package where no case stands between
            import traceback
            where = traceback.format_exc().strip().splitlines()
            tell(("end", name, 0, [Difference(name, "-", "crash", f"{type(error).__name__}: {error} ({where[-3].strip()})")]))


def messages(read):
    while True:
        head = read.read(8)
        if len(head) < 8:
            return
        yield pickle.loads(read.read(int.from_bytes(head, "little")))


def run_all(names, whole, seconds):
    """Entries in a child process; where it dies the entry is at fault, and another child goes on behind it."""
    todo, results = list(names), []
    while todo:
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            try:
                child(todo, whole, os.fdopen(write_end, "wb"))
            finally:
                os._exit(0)
        os.close(write_end)
        at = None
        signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
        for message in messages(os.fdopen(read_end, "rb")):
            signal.alarm(seconds)
            at = message[1]
            if message[0] == "end":
                results.append(message[1:])
                todo.remove(at)
                at = None
        signal.alarm(0)
        status = os.waitpid(pid, 0)[1]
        if at is None and not todo:
            break
        ended = f"the process ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"the process ended with {status >> 8}"
        at = at or todo[0]
        results.append((at, 0, [Difference(at, "-", "crash", ended)]))
        todo.remove(at)
    return results


def report(results, lines, every, whole):
    allowed, found, cases = collections.Counter(), [], 0
    for name, count, differences in results:
        cases += count
        for d in differences:
            by = compare.excused(d, lines)
            for line in by:
                line.used += 1
                allowed[line.section] += 1
            if not by:
                found.append(d)
    by_kind = collections.OrderedDict()
    for d in found:
        by_kind.setdefault((d.name, d.kind), []).append(d)
    for (name, kind), group in by_kind.items():
        for d in group if every else group[:3]:
            print("FAILED", d.text())
        if len(group) > 3 and not every:
            print(f"       {name} | ... {len(group) - 3} more of kind {kind}")
    stale = [line for line in lines if not line.used] if whole else []
    for line in stale:
        print(f"FAILED allowed.txt:{line.line}: allows nothing: {line.name} ; {line.case} ; {line.kind} ; {line.where}")
    print(f"sweep: {len(results)} names, {cases} cases, {len(found)} differences not allowed; allowed: "
          + (", ".join(f"{count} {section}" for section, count in allowed.items()) or "none"))
    return not found and not stale


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slice", action="store_true", help="one case of seven, of fewer dtypes and shapes")
    parser.add_argument("--only", metavar="REGEX", help="names that match")
    parser.add_argument("--all-lines", action="store_true", help="every difference, not the first three of a name")
    parser.add_argument("--seconds", type=int, default=300, help="for one name, after which it counts as hanging")
    args = parser.parse_args()
    load_tables()
    from coverage import missing
    started = time.time()
    names = [name for name in ROWS if not args.only or re.search(args.only, name)]
    results = run_all(names, not args.slice, args.seconds)
    if not args.only:
        results.append(("-", 0, missing()))
    try:
        import torch
        have = f"PyTorch {torch.__version__}"
    except ImportError:
        have = "no PyTorch"
    good = report(results, compare.allowed_lines(), args.all_lines, not args.slice and not args.only and "no" not in have)
    print(f"sweep: NumPy {np.__version__}, {have}, {time.time() - started:.0f} s")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
