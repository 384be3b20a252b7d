"""Data sets: order, collation, threads, errors; progress bars."""
import collections
import io
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import jt
from jt.dataset import DataLoader, Dataset, TensorDataset, collate


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


def test_loaders_share_a_dataset_and_nothing_else():
    data = Squares(batch_size=5, shuffle=False, seed=3)
    first, second = DataLoader(data, batch_size=2), DataLoader(data, batch_size=4, shuffle=True, num_workers=2, drop_last=True)
    assert (first.batch_size, first.shuffle, len(first)) == (2, False, 5) and (second.batch_size, second.shuffle, len(second)) == (4, True, 2)
    assert [b[0].tolist() for b in first] == [[i, i + 1.0] for i in range(0, 10, 2)]
    assert [len(b[2]) for b in second] == [4, 4] and first.dataset is second.dataset is data
    assert (data.batch_size, data.shuffle, data.num_workers, len(data)) == (5, False, 0, 2) and [len(b[2]) for b in data] == [5, 5]
    rows = TensorDataset(jt.arange(6), batch_size=3)
    halves, whole = DataLoader(rows, batch_size=2), DataLoader(rows, batch_size=6, collate_fn=len)
    assert [b[0].tolist() for b in halves] == [[0, 1], [2, 3], [4, 5]] and list(whole) == [6] and [b[0].shape for b in rows] == [(3,), (3,)]


def test_a_loader_keeps_what_a_dataset_overrides():
    class Own(Squares):
        def collate_batch(self, samples):
            return [s[0] for s in samples]

        def order(self, epoch):
            return [9, 1, 2]

        def _total(self):
            return 3

    assert list(DataLoader(Own(), batch_size=2)) == [[9.0, 1.0], [2.0]]

    class Stream(Dataset):
        def __iter__(self):
            return iter(range(self.batch_size))

    stream = Stream(batch_size=4)
    assert list(iter(DataLoader(stream, batch_size=2))) == [0, 1] and list(iter(stream)) == [0, 1, 2, 3]


def test_a_length_and_items_suffice():
    class Plain(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return i * 2, [float(i)]

    for data in (Plain(), jt.dataset.Dataset.__new__(Plain)):
        assert len(data) == 5
        assert [x.tolist() for x, _ in DataLoader(data, batch_size=2)] == [[0, 2], [4, 6], [8]] and len(DataLoader(data, batch_size=2)) == 3
        assert [x.tolist() for x, _ in data.set_attrs(batch_size=3)] == [[0, 2, 4], [6, 8]]

    class NoInit(Dataset):
        def __init__(self):
            self.items = [1, 2, 3]

        def __len__(self):
            return len(self.items)

        def __getitem__(self, i):
            return self.items[i]

    data = NoInit()
    loader = DataLoader(data, batch_size=2, num_workers=2)
    assert [b.tolist() for b in loader] == [[1, 2], [3]]
    data.items.append(4)
    assert [b.tolist() for b in loader] == [[1, 2], [3, 4]]


def test_collation(np):
    Pair = collections.namedtuple("Pair", "x y")
    batch = collate([Pair(1, {"a": 2.0}), Pair(3, {"a": 4.0})])
    assert type(batch) is Pair and batch.x.tolist() == [1, 3] and batch.y["a"].tolist() == [2, 4]
    ordered = collate([collections.OrderedDict(b=1, a=[2, "s"]), collections.OrderedDict(a=[3, "t"], b=4)])
    assert type(ordered) is collections.OrderedDict and list(ordered) == ["b", "a"] and ordered["b"].tolist() == [1, 4] and ordered["a"][1] == ["s", "t"]
    default = collate([collections.defaultdict(int, a=1), {"a": 2}])
    assert type(default) is collections.defaultdict and default["a"].tolist() == [1, 2] and default.default_factory is int
    assert collate([np.float64(0.1), np.float64(0.2)]).shape == (2,) and collate([np.int32(1), np.int32(2)]).dtype == "int32"
    assert [x.tolist() for x in collate([(1, 2), [3, 4]])] == [[1, 3], [2, 4]] and collate([None, None]) == [None, None]
    for wrong in ([[1, 2], [3]], [[1], [2, 3]], [(1, 2), 3], [{"a": 1}, {"b": 1}], [{"a": 1}, {"a": 1, "b": 2}], [{"a": 1}, 5],
                  [np.zeros(2), np.zeros(3)], [jt.zeros((2,)), jt.zeros((3,))], [Pair(1, 2), (1, 2, 3)]):
        with pytest.raises(ValueError):
            collate(wrong)
    with pytest.raises(jt.ShapeError, match="sample 0 has 2 parts, sample 1 of the batch has 1"):
        collate([[1, 2], [3]])


def test_integers_of_numpy_as_attributes(np):
    data = Squares(batch_size=np.int64(4), num_workers=np.int32(1))
    assert len(data) == 3 and type(data.batch_size) is int and len(DataLoader(data, batch_size=np.int64(5))) == 2


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


def test_samplers_refuse_what_they_cannot_draw():
    data = jt.utils.data
    squares = [i * i for i in range(10)]
    for make in (lambda: list(data.RandomSampler([], num_samples=5)), lambda: list(data.RandomSampler([], True, 5)), lambda: data.RandomSampler(squares, num_samples=-1),
                 lambda: data.BatchSampler(range(3), 0), lambda: data.WeightedRandomSampler([1, -1], 2), lambda: data.WeightedRandomSampler([0.0, 0.0], 1),
                 lambda: data.WeightedRandomSampler([1, float("nan")], 1), lambda: data.WeightedRandomSampler([1], -1),
                 lambda: data.random_split(squares, [-1, 11]), lambda: data.random_split(squares, [5.5, 4.5])):
        with pytest.raises(jt.ArgumentError):
            make()
    assert list(data.RandomSampler([])) == [] and len(data.random_split(squares, [0.25, 0.75])[0]) == 3
    drawn = [next(iter(data.WeightedRandomSampler([1e17, 3e17, 1e-300], 1, False))) for _ in range(4000)]
    assert abs(drawn.count(1) / 4000 - 0.75) < 0.05 and 2 not in drawn
