"""data: samples and their order: jt.dataset under the names of torch.utils.data."""
from __future__ import annotations

import bisect
import math
import random
from operator import index as _integer
from typing import Any, Iterator, List, Optional, Sequence

from .. import errors
from ..dataset import DataLoader, Dataset, TensorDataset, collate
from ..dataset import collate as default_collate

__all__ = ["BatchSampler", "ConcatDataset", "DataLoader", "Dataset", "RandomSampler", "Sampler", "SequentialSampler", "Subset", "SubsetRandomSampler",
           "TensorDataset", "WeightedRandomSampler", "collate", "default_collate", "random_split"]


class Subset(Dataset):
    """Some samples of a dataset, by their numbers."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        super().__init__()
        self.dataset, self.indices = dataset, list(indices)
        self.total_len = len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> List[Subset]:
    """Parts of these lengths, or of these shares, drawn without repetition. generator: a seed, or Python's random state where there is none."""
    total = _length(dataset)
    sizes = list(lengths)
    if sum(sizes) <= 1 + 1e-9 and any(isinstance(s, float) for s in sizes):
        whole = [int(total * s) for s in sizes]
        for i in range(total - sum(whole)):
            whole[i % len(whole)] += 1
        sizes = list(whole)
    if sum(sizes) != total or not all(hasattr(s, "__index__") and s >= 0 for s in sizes):
        raise errors.ArgumentError(f"random_split: lengths {list(lengths)} are not the {total} samples")
    order = list(range(total))
    (random.Random(generator) if isinstance(generator, int) else generator or random).shuffle(order)
    out, at = [], 0
    for size in sizes:
        out.append(Subset(dataset, order[at:at + size]))
        at += size
    return out


def _length(dataset: Any) -> int:
    return dataset._total() if isinstance(dataset, Dataset) else len(dataset)


class ConcatDataset(Dataset):
    """Datasets one after the other."""

    def __init__(self, datasets: Sequence[Any]) -> None:
        super().__init__()
        self.datasets = list(datasets)
        self.ends: List[int] = []
        for d in self.datasets:
            self.ends.append((self.ends[-1] if self.ends else 0) + _length(d))
        self.total_len = self.ends[-1] if self.ends else 0

    def __len__(self) -> int:
        return self.total_len or 0

    def __getitem__(self, index: int) -> Any:
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(f"ConcatDataset: {index} is outside {len(self)} samples")
        at = bisect.bisect_right(self.ends, index)
        return self.datasets[at][index - (self.ends[at - 1] if at else 0)]


def _count(who: str, n: int) -> int:
    if _integer(n) < 0:
        raise errors.ArgumentError(f"{who}: {n} samples")
    return _integer(n)


class Sampler:
    """An order of samples: derive from it, write __iter__ and __len__."""

    def __init__(self, data_source: Any = None) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__")


class SequentialSampler(Sampler):
    """0, 1, 2, ..."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return _length(self.data_source)


class RandomSampler(Sampler):
    """All in random order; with replacement, or num_samples of them."""

    def __init__(self, data_source: Any, replacement: bool = False, num_samples: Optional[int] = None, generator: Any = None) -> None:
        super().__init__(data_source)
        self.replacement, self.generator = replacement, generator
        self._count = None if num_samples is None else _count("RandomSampler", num_samples)

    def __len__(self) -> int:
        return _length(self.data_source) if self._count is None else self._count

    def __iter__(self) -> Iterator[int]:
        source, total = self.generator or random, _length(self.data_source)
        if not total and len(self):
            raise errors.ArgumentError(f"RandomSampler: {len(self)} samples of none")
        if self.replacement:
            return iter([source.randrange(total) for _ in range(len(self))])
        out: List[int] = []
        while len(out) < len(self):
            order = list(range(total))
            source.shuffle(order)
            out += order[:len(self) - len(out)]
        return iter(out)


class SubsetRandomSampler(Sampler):
    """The numbers given, in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        super().__init__()
        self.indices, self.generator = list(indices), generator

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        order = list(self.indices)
        (self.generator or random).shuffle(order)
        return iter(order)


class WeightedRandomSampler(Sampler):
    """num_samples numbers drawn by weights, with replacement or without."""

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None) -> None:
        super().__init__()
        self.weights, self.num_samples = [float(w) for w in weights], _count("WeightedRandomSampler", num_samples)
        self.replacement, self.generator = replacement, generator
        if not all(0 <= w < math.inf for w in self.weights) or num_samples and not any(self.weights):
            raise errors.ArgumentError("WeightedRandomSampler: a weight is negative, infinite or NaN, or all are 0")
        if not replacement and num_samples > sum(w > 0 for w in self.weights):
            raise errors.ArgumentError(f"WeightedRandomSampler: {num_samples} of {len(self.weights)} without replacement")

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        source = self.generator or random
        if self.replacement:
            return iter(source.choices(range(len(self.weights)), self.weights, k=self.num_samples))
        # Efraimidis and Spirakis 2006, in logarithms: neither tiny nor huge weights tie.
        keys = [(source.expovariate(1.0) / w, i) for i, w in enumerate(self.weights) if w > 0]
        return iter([i for _, i in sorted(keys)[:self.num_samples]])


class BatchSampler(Sampler):
    """Lists of batch_size numbers of a sampler."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        super().__init__()
        self.sampler, self.batch_size, self.drop_last = sampler, _integer(batch_size), drop_last
        if self.batch_size < 1:
            raise errors.ArgumentError(f"BatchSampler: batch_size={batch_size} is below 1")

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size if self.drop_last else -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[List[int]]:
        batch: List[int] = []
        for i in self.sampler:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch
