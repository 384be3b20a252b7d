"""dataset: samples one by one -> batches of tensors, collected by threads ahead of use."""
from __future__ import annotations

import copy
import os
import queue
import random
import threading
from operator import index as _integer
from typing import Any, Callable, Iterator, List, Mapping, MutableMapping, Optional, Sequence, Tuple

from . import errors
from .tensor import Tensor, array, stack


def collate(samples: Sequence[Any]) -> Any:
    """A list of samples -> one batch: numbers and arrays stacked along a new first axis; tuples, named ones too, lists and
    dicts by part. Errors: ShapeError (parts of different number or size), ArgumentError (dicts with different keys)."""
    first = samples[0]
    if isinstance(first, (tuple, list)):
        return _collate_sequence(first, samples)
    if isinstance(first, Mapping):
        return _collate_mapping(first, samples)
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, (bool, int, float)):
        return array(list(samples))
    if isinstance(first, (str, bytes)) or first is None:
        return list(samples)
    numpy = _numpy_of(first)
    return array(numpy.stack(samples)) if numpy else stack([array(sample) for sample in samples])


def _collate_sequence(first: Any, samples: Sequence[Any]) -> Any:
    for i, sample in enumerate(samples):
        if not isinstance(sample, (tuple, list)) or len(sample) != len(first):
            found = f"has {len(sample)}" if isinstance(sample, (tuple, list)) else f"is a {type(sample).__name__}"
            raise errors.ShapeError(f"collate: sample 0 has {len(first)} parts, sample {i} of the batch {found}")
    parts = [collate([sample[i] for sample in samples]) for i in range(len(first))]
    return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)


def _collate_mapping(first: Any, samples: Sequence[Any]) -> Any:
    for i, sample in enumerate(samples):
        if not isinstance(sample, Mapping) or set(sample) != set(first):
            found = sorted(map(str, sample)) if isinstance(sample, Mapping) else type(sample).__name__
            raise errors.ArgumentError(f"collate: sample 0 has the keys {sorted(map(str, first))}, sample {i} of the batch {found}")
    batch = {key: collate([sample[key] for sample in samples]) for key in first}
    if type(first) is dict or not isinstance(first, MutableMapping):
        return batch
    out = copy.copy(first)  # a defaultdict or an OrderedDict stays one
    out.update(batch)
    return out


def _numpy_of(value: Any) -> Any:
    if type(value).__module__.partition(".")[0] != "numpy":
        return None
    import numpy
    return numpy


class Dataset:
    """Derive from it, write __getitem__(i), and call set_attrs(total_len=...) or write __len__, the number of samples;
    iterating gives batches of tensors.

        class Squares(jt.dataset.Dataset):
            def __init__(self):
                super().__init__()
                self.set_attrs(total_len=100, batch_size=10, shuffle=True)
            def __getitem__(self, i):
                return float(i), float(i * i)

    len() is the number of batches, unless the class has its own. With num_workers > 0, threads call __getitem__ ahead of use; the order of batches
    and samples is the same with any number of them. `seed` makes the order of shuffling repeat."""

    total_len: Optional[int] = None  # as long as nobody has called __init__
    batch_size, shuffle, drop_last, num_workers, prefetch = 16, False, False, 0, 2
    seed: Optional[int] = None
    _epoch = 0

    def __init__(self, batch_size: int = 16, shuffle: bool = False, drop_last: bool = False, num_workers: int = 0) -> None:
        self.batch_size, self.shuffle, self.drop_last, self.num_workers = batch_size, shuffle, drop_last, num_workers

    def set_attrs(self, **attrs: Any) -> "Dataset":
        """Sets total_len, batch_size, shuffle, drop_last, num_workers, seed, prefetch. Returns self."""
        for name, value in attrs.items():
            if name not in ("total_len", "batch_size", "shuffle", "drop_last", "num_workers", "seed", "prefetch"):
                raise errors.ArgumentError(f"set_attrs: there is no '{name}'")
            if name in ("total_len", "batch_size", "num_workers", "prefetch"):
                if not hasattr(value, "__index__") or _integer(value) < 0:
                    raise errors.ArgumentError(f"set_attrs: {name}={value!r} is not an integer >= 0")
                value = _integer(value)
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
        if self.total_len is None and type(self).__len__ is not Dataset.__len__:
            return len(self)
        if self.total_len is None:
            raise errors.ArgumentError(f"{type(self).__name__}: total_len is unknown; call set_attrs(total_len=...) or write __len__")
        return self.total_len

    def __len__(self) -> int:
        return self._count()

    def _count(self) -> int:
        """Number of batches."""
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
        return [order[i * self.batch_size:(i + 1) * self.batch_size] for i in range(self._count())]

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
        return (self._taken(batch) for batch in self._batches())

    def _taken(self, batch: List[int]) -> Any:
        from .ops import take
        rows = array(batch, "int64")
        return tuple(take(part, rows, 0) for part in self.parts)


VarDataset = TensorDataset


class _Loader(Dataset):
    """Batches of `dataset`, anything with __getitem__ and a length, by attributes of its own."""

    def __init__(self, dataset: Any, collate_fn: Optional[Callable[[Sequence[Any]], Any]], sampler: Any = None, batch_sampler: Any = None) -> None:
        super().__init__()
        self.dataset, self._collate, self.sampler, self.batch_sampler = dataset, collate_fn, sampler, batch_sampler
        if isinstance(dataset, Dataset):
            self.seed, self.prefetch = dataset.seed, dataset.prefetch

    def _total(self) -> int:
        return self.dataset._total() if isinstance(self.dataset, Dataset) else len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]

    def collate_batch(self, samples: Sequence[Any]) -> Any:
        if self._collate is not None:
            return self._collate(samples)
        return self.dataset.collate_batch(samples) if isinstance(self.dataset, Dataset) else collate(samples)

    def _count(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        if self.sampler is None:
            return super()._count()
        return len(self.sampler) // self.batch_size if self.drop_last else -(-len(self.sampler) // self.batch_size)

    def _batches(self) -> List[List[int]]:
        if self.batch_sampler is None:
            return super()._batches()
        self._epoch += 1
        return [list(batch) for batch in self.batch_sampler]

    def order(self, epoch: int) -> List[int]:
        if self.sampler is not None:
            return list(self.sampler)
        has_own = isinstance(self.dataset, Dataset) and type(self.dataset).order is not Dataset.order
        return self.dataset.order(epoch) if has_own else super().order(epoch)

    def __iter__(self) -> Iterator[Any]:
        if self._collate is None and type(self.dataset) is TensorDataset:
            return (self.dataset._taken(batch) for batch in self._batches())
        return super().__iter__()


def DataLoader(dataset: Any, batch_size: int = 1, shuffle: Optional[bool] = False, sampler: Any = None, batch_sampler: Any = None, num_workers: int = 0,
               collate_fn: Optional[Callable[[Sequence[Any]], Any]] = None, pin_memory: bool = False, drop_last: bool = False, **unused: Any) -> Dataset:
    """Batches of anything with __getitem__ and a length; a Dataset keeps its own batch size and order. `sampler` gives numbers of samples,
    `batch_sampler` lists of them.

    One that iterates in a way of its own is copied, and its copy told these attributes. Workers are threads, so PyTorch's pin_memory,
    persistent_workers, prefetch_factor, timeout, worker_init_fn, multiprocessing_context and generator are taken and change nothing."""
    unknown = set(unused) - {"persistent_workers", "prefetch_factor", "timeout", "worker_init_fn", "multiprocessing_context", "generator", "pin_memory_device"}
    if unknown:
        raise TypeError(f"DataLoader() got an unknown argument '{sorted(unknown)[0]}'")
    if (sampler is not None or batch_sampler is not None) and shuffle or sampler is not None and batch_sampler is not None:
        raise errors.ArgumentError("DataLoader: shuffle, sampler and batch_sampler exclude each other")
    is_plain = collate_fn is None and sampler is None and batch_sampler is None
    iterates = isinstance(dataset, Dataset) and type(dataset).__iter__ not in (Dataset.__iter__, TensorDataset.__iter__)
    loader = copy.copy(dataset) if iterates and is_plain else _Loader(dataset, collate_fn, sampler, batch_sampler)
    return loader.set_attrs(batch_size=batch_size, shuffle=bool(shuffle), num_workers=num_workers, drop_last=drop_last)
