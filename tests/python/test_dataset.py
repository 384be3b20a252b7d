"""Data sets: order, collation, threads, errors; progress bars."""
import io
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import jt
from jt.dataset import DataLoader, Dataset, TensorDataset


class Squares(Dataset):
    def __init__(self, **attrs):
        super().__init__()
        self.set_attrs(total_len=10, **attrs)

    def __getitem__(self, i):
        return float(i), {"square": i * i}, str(i)


def test_batches():
    data = Squares(batch_size=4)
    batches = list(data)
    assert len(data) == 3 and [b[0].shape for b in batches] == [(4,), (4,), (2,)]
    assert batches[1][0].tolist() == [4, 5, 6, 7] and batches[1][1]["square"].tolist() == [16, 25, 36, 49] and batches[2][2] == ["8", "9"]
    assert len(Squares(batch_size=4, drop_last=True)) == len(list(Squares(batch_size=4, drop_last=True))) == 2


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_order_does_not_depend_on_threads(workers):
    data = Squares(batch_size=3, shuffle=True, seed=5, num_workers=workers)
    epochs = [sum((b[2] for b in data), []) for _ in range(2)]
    again = Squares(batch_size=3, shuffle=True, seed=5)
    assert epochs == [sum((b[2] for b in again), []) for _ in range(2)]
    assert epochs[0] != epochs[1] and sorted(epochs[0], key=int) == [str(i) for i in range(10)]


def test_an_error_in_a_thread_is_raised_where_the_batch_is_asked_for():
    class Bad(Squares):
        def __getitem__(self, i):
            if i == 5:
                raise KeyError("mine")
            return i

    for workers in (0, 2):
        seen = []
        with pytest.raises(KeyError, match="mine"):
            for batch in Bad(batch_size=2, num_workers=workers):
                seen.append(batch.tolist())
        assert seen == [[0, 1], [2, 3]]


def test_leaving_early_ends_the_threads():
    before = threading.active_count()
    for _ in range(5):
        for batch in Squares(batch_size=1, num_workers=3):
            break
    deadline = time.time() + 10
    while threading.active_count() > before and time.time() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


EPOCHS = """
    import random, sys, time
    from jt.dataset import Dataset
    sys.setswitchinterval(1e-6)
    chance = random.Random(3)

    class Uneven(Dataset):
        def __getitem__(self, i):
            for _ in range(0 if i % 3 else 40 * (i % 7)):
                time.sleep(0) if i % 2 else hash(i)
            if i in self.bad:
                raise KeyError(i)
            return i

        def collate_batch(self, samples):
            return samples

    ends = {"whole": 0, "error": 0, "left": 0}
    for epoch in range(4000):
        total, size = chance.randrange(1, 24), chance.randrange(1, 4)
        data = Uneven().set_attrs(total_len=total, batch_size=size, num_workers=chance.randrange(2, 5), prefetch=chance.randrange(0, 3))
        data.bad = {chance.randrange(total)} if epoch % 5 == 1 else set()
        leave_at = chance.randrange(len(data)) if epoch % 5 == 2 else None
        seen, how = [], "whole"
        try:
            for at, batch in enumerate(data):
                seen += batch
                if at == leave_at:
                    how = "left"
                    break
        except KeyError as error:
            assert set(error.args) == data.bad and len(seen) == error.args[0] // size * size, (error, seen)
            how = "error"
        assert seen == list(range(len(seen))) and (how != "whole" or len(seen) == total), (how, seen, total)
        ends[how] += 1
    print(ends)
"""


def run(program, **more):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=240, **more)


def test_thousands_of_uneven_epochs_end_whole_by_error_and_by_break():
    done = run(EPOCHS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'whole': 2400, 'error': 800, 'left': 800}\n"


def test_ctrl_c_ends_a_wait_for_a_batch_and_its_threads():
    done = run("""
        import os, signal, threading, time
        from jt.dataset import Dataset

        class Slow(Dataset):
            def __getitem__(self, i):
                if i == 5 and self.first:
                    self.first = False
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.2)
                return i

        data = Slow().set_attrs(total_len=12, batch_size=1, num_workers=2)
        data.first, seen, before = True, [], threading.active_count()
        try:
            for batch in data:
                seen.append(batch.item())
        except KeyboardInterrupt:
            print("interrupted", seen == list(range(len(seen))))
        while threading.active_count() > before:
            time.sleep(0.01)
        print([batch.item() for batch in data] == list(range(12)))
    """)
    assert done.returncode == 0 and done.stdout == "interrupted True\nTrue\n", (done.stdout, done.stderr)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_an_iteration_from_before_a_fork_is_an_error_in_the_child():
    done = run("""
        import os
        import jt
        from jt.dataset import Dataset

        class Numbers(Dataset):
            def __getitem__(self, i):
                return i

            def collate_batch(self, samples):
                return samples

        data = Numbers().set_attrs(total_len=8, batch_size=1, num_workers=2, prefetch=1)
        batches = iter(data)
        next(batches)
        child = os.fork()
        if child == 0:
            try:
                list(batches)
            except jt.Error as error:
                os._exit(7 if "another process" in str(error) and list(data) == [[i] for i in range(8)] else 8)
            os._exit(9)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), list(batches))
    """)
    assert done.returncode == 0 and done.stdout == f"7 {[[i] for i in range(1, 8)]}\n", (done.stdout, done.stderr)


def test_tensors_and_anything_with_a_length(np):
    data = TensorDataset(jt.arange(5), np.arange(10).reshape(5, 2), batch_size=2)
    x, y = list(data)[1]
    assert x.tolist() == [2, 3] and y.tolist() == [[4, 5], [6, 7]]
    assert [b.tolist() for b in DataLoader([1, 2, 3], batch_size=2)] == [[1, 2], [3]]
    assert [b.shape for b in DataLoader([np.ones((2, 3)), jt.zeros((2, 3)).numpy()], batch_size=2)] == [(2, 2, 3)]


def test_refusals():
    for wrong in (lambda: Squares(batch_size=0), lambda: Squares(nonsense=1), lambda: len(Dataset()), lambda: Squares(total_len=-1)):
        with pytest.raises((jt.ArgumentError, TypeError)):
            wrong()
    with pytest.raises(jt.ShapeError):
        TensorDataset(jt.zeros((2,)), jt.zeros((3,)))
    with pytest.raises(NotImplementedError):
        next(iter(Dataset().set_attrs(total_len=1)))


def test_progress_writes_plain_lines_where_there_is_no_terminal():
    out = io.StringIO()
    bar = jt.progress(range(5), "epoch 1", file=out)
    for i in bar:
        bar.set_postfix(loss=0.5)
    text = out.getvalue()
    assert "epoch 1: 100% 5/5" in text and "loss=0.5" in text and "\r" not in text and "\x1b" not in text

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    list(jt.progress(iter(range(5)), file=out, total=5))
    assert "|####" in out.getvalue() and out.getvalue().endswith("\n")
