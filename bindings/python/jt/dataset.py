"""dataset: samples one by one -> batches of tensors, collected by threads ahead of use."""
from __future__ import annotations

import os
import queue
import random
import threading
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from . import errors
from .tensor import Tensor, array, stack


def collate(samples: Sequence[Any]) -> Any:
    """A list of samples -> one batch: numbers and arrays stacked along a new first axis, tuples and dicts by part."""
    first = samples[0]
    if isinstance(first, (tuple, list)):
        return type(first)(collate([sample[i] for sample in samples]) for i in range(len(first)))
    if isinstance(first, dict):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, (bool, int, float)):
        return array(list(samples))
    if isinstance(first, (str, bytes)) or first is None:
        return list(samples)
    numpy = _numpy_of(first)
    return array(numpy.stack(samples)) if numpy else stack([array(sample) for sample in samples])


def _numpy_of(value: Any) -> Any:
    if type(value).__module__.partition(".")[0] != "numpy":
        return None
    import numpy
    return numpy


class Dataset:
    """Derive from it, write __getitem__(i), and call set_attrs(total_len=...); iterating gives batches of tensors.

        class Squares(jt.dataset.Dataset):
            def __init__(self):
                super().__init__()
                self.set_attrs(total_len=100, batch_size=10, shuffle=True)
            def __getitem__(self, i):
                return float(i), float(i * i)

    len() is the number of batches. With num_workers > 0, threads call __getitem__ ahead of use; the order of batches
    and samples is the same with any number of them. `seed` makes the order of shuffling repeat."""

    def __init__(self, batch_size: int = 16, shuffle: bool = False, drop_last: bool = False, num_workers: int = 0) -> None:
        self.total_len: Optional[int] = None
        self.batch_size, self.shuffle, self.drop_last, self.num_workers = batch_size, shuffle, drop_last, num_workers
        self.seed: Optional[int] = None
        self.prefetch = 2
        self._epoch = 0

    def set_attrs(self, **attrs: Any) -> "Dataset":
        """Sets total_len, batch_size, shuffle, drop_last, num_workers, seed, prefetch. Returns self."""
        for name, value in attrs.items():
            if name not in ("total_len", "batch_size", "shuffle", "drop_last", "num_workers", "seed", "prefetch"):
                raise errors.ArgumentError(f"set_attrs: there is no '{name}'")
            if name in ("total_len", "batch_size", "num_workers", "prefetch") and (not isinstance(value, int) or value < 0):
                raise errors.ArgumentError(f"set_attrs: {name}={value!r} is not an integer >= 0")
            setattr(self, name, value)
        if self.batch_size < 1:
            raise errors.ArgumentError(f"set_attrs: batch_size={self.batch_size} is below 1")
        return self

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def collate_batch(self, samples: Sequence[Any]) -> Any:
        """A list of samples -> what iteration gives."""
        return collate(samples)

    def _total(self) -> int:
        if self.total_len is None:
            raise errors.ArgumentError(f"{type(self).__name__}: total_len is unknown; call set_attrs(total_len=...)")
        return self.total_len

    def __len__(self) -> int:
        total = self._total()
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)

    def order(self, epoch: int) -> List[int]:
        """Indices of an epoch's samples in their order; may be overridden."""
        order = list(range(self._total()))
        if self.shuffle:
            source: Any = random if self.seed is None else random.Random(f"{self.seed} {epoch}")
            source.shuffle(order)
        return order

    def _batches(self) -> List[List[int]]:
        order = self.order(self._epoch)
        self._epoch += 1
        return [order[i * self.batch_size:(i + 1) * self.batch_size] for i in range(len(self))]

    def __iter__(self) -> Iterator[Any]:
        batches = self._batches()
        if self.num_workers == 0:
            return (self.collate_batch([self[i] for i in batch]) for batch in batches)
        return _ahead(self, batches)


def _ahead(dataset: Dataset, batches: List[List[int]]) -> Iterator[Any]:
    """The batches in order, their samples collected by threads, at most num_workers * prefetch batches ahead.

    Only the caller decides how far ahead: it hands out one more batch for each that it takes. So a thread that has a batch
    waits for nothing, and the batch that is waited for has always been handed out before all later ones."""
    ahead = max(1, dataset.num_workers * max(1, dataset.prefetch))
    todo: "queue.SimpleQueue[Optional[int]]" = queue.SimpleQueue()
    done: List["queue.SimpleQueue[Tuple[bool, Any]]"] = [queue.SimpleQueue() for _ in batches]
    ends = threading.Event()
    process = os.getpid()

    def work() -> None:
        while True:
            at = todo.get()
            if at is None or ends.is_set():
                return
            try:
                samples = []
                for i in batches[at]:
                    samples.append(dataset[i])
                    if ends.is_set():
                        return
                done[at].put((True, samples))
            except BaseException as error:  # is raised where the batch is asked for
                done[at].put((False, error))

    started = 0
    try:
        for at in range(min(ahead, len(batches))):
            todo.put(at)
        for _ in range(min(dataset.num_workers, len(batches))):
            threading.Thread(target=work, name="jt-dataset", daemon=True).start()
            started += 1
        for at in range(len(batches)):
            if os.getpid() != process:
                raise errors.Error("Dataset: threads collect for another process; begin a new iteration in this one")
            ok, value = done[at].get()
            if at + ahead < len(batches):
                todo.put(at + ahead)
            if not ok:
                raise value
            yield dataset.collate_batch(value)
            del value
    finally:
        ends.set()
        for _ in range(started):
            todo.put(None)


class TensorDataset(Dataset):
    """Rows of tensors or arrays of one length; a batch is taken as a whole."""

    def __init__(self, *parts: Any, **attrs: Any) -> None:
        super().__init__()
        self.parts = [part if isinstance(part, Tensor) else array(part) for part in parts]
        if not self.parts or len({part.shape[:1] for part in self.parts}) != 1 or self.parts[0].ndim == 0:
            raise errors.ShapeError(f"TensorDataset: lengths differ: {[part.shape for part in self.parts]}")
        self.set_attrs(total_len=len(self.parts[0]), **attrs)

    def __getitem__(self, index: Any) -> Any:
        return tuple(part[index] for part in self.parts)

    def __iter__(self) -> Iterator[Any]:
        from .ops import take
        for batch in self._batches():
            rows = array(batch)
            yield tuple(take(part, rows, 0) for part in self.parts)


VarDataset = TensorDataset


class _Of(Dataset):
    """Anything with __getitem__ and __len__ as a Dataset."""

    def __init__(self, source: Any, collate_fn: Optional[Callable[[Sequence[Any]], Any]]) -> None:
        super().__init__()
        self._source, self._collate = source, collate_fn

    def __getitem__(self, index: int) -> Any:
        return self._source[index]

    def collate_batch(self, samples: Sequence[Any]) -> Any:
        return self._collate(samples) if self._collate else collate(samples)


def DataLoader(dataset: Any, batch_size: int = 1, shuffle: bool = False, num_workers: int = 0, drop_last: bool = False,
               collate_fn: Optional[Callable[[Sequence[Any]], Any]] = None) -> Dataset:
    """Batches of anything with __getitem__ and a length."""
    if isinstance(dataset, Dataset) and collate_fn is None:
        return dataset.set_attrs(batch_size=batch_size, shuffle=shuffle, num_workers=num_workers, drop_last=drop_last)
    total = dataset._total() if isinstance(dataset, Dataset) else len(dataset)
    return _Of(dataset, collate_fn).set_attrs(total_len=total, batch_size=batch_size, shuffle=shuffle, num_workers=num_workers,
                                              drop_last=drop_last)
