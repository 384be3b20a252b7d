#!/usr/bin/env python3
"""Bench row 4: an addition of four elements from Python: built; built and run. Peer: PyTorch, where it is installed."""
import time

import jt

CALLS, RUNS = 1000, 300


def nanoseconds(statement, **names):
    """Median and p10 of a statement, the loop around it taken off."""
    source = "def loop(calls):\n    begin = clock()\n    for _ in calls:\n        {}\n    return clock() - begin"
    times = []
    for text in (statement, "pass"):
        scope = dict(names, clock=time.perf_counter_ns)
        exec(source.format(text), scope)
        runs = sorted(scope["loop"](range(CALLS)) / CALLS for _ in range(RUNS))
        times.append((runs[RUNS // 2], runs[RUNS // 10]))
    return times[0][0] - times[1][0], times[0][1] - times[1][1]


def main():
    x, y = jt.array([1.0, 2.0, 3.0, 4.0]), jt.array([5.0, 6.0, 7.0, 8.0])
    assert (x + y).tolist() == [6, 8, 10, 12]
    peer = None
    try:
        import torch
        torch.set_num_threads(1)
        a, b = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([5.0, 6.0, 7.0, 8.0])
        peer = nanoseconds("a + b", a=a, b=b)[0]
    except ImportError:
        pass
    for case, statement, goal in (("build", "x + y", 250), ("build + run", "(x + y).sync()", 700)):
        median, p10 = nanoseconds(statement, x=x, y=y)
        shown, ratio = (f"{peer:.0f} ns (eager)", f"{peer / median:.2f}") if peer else ("-", "-")
        print(f"4 | add of 4 from Python: {case} | 1 | {median:.0f} ns (p10 {p10:.0f} ns) | {shown} | {ratio} | <= {goal} ns | "
              f"{'ok' if median <= goal else 'short'}", flush=True)


main()
