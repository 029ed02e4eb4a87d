"""Handling data in PyTorch: a dataset, and a loader of it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)


def ordered_batches(
    x: np.ndarray,
    y: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    *,
    drop_last: bool = False,
) -> DataLoader[Any]:
    """Batches of two arrays in an order that you give.

    A permutation drawn by NumPy gives both frameworks the same
    batches: ``default_rng([seed, epoch]).permutation(len(x))``.

    Parameters
    ----------
    x, y : ndarray
        Equally long; any dtypes and trailing shapes.
    order : ndarray
        Indices, of which a batch takes the next few.
    batch_size : int
        Items in a batch; the last one may have fewer.
    drop_last : bool
        Leave that shorter batch out.

    Returns
    -------
    DataLoader
        Pairs of tensors.

    Raises
    ------
    ValueError
        Where the arrays are not equally long.

    Examples
    --------
    >>> x, order = np.array([5, 6, 7]), np.array([2, 0, 1])
    >>> batches = ordered_batches(x, -x, order, 2)
    >>> [b.numpy().tolist() for b, _ in batches]
    [[7, 5], [6]]
    """
    if len(x) != len(y):
        raise ValueError(
            f"x has {len(x)} items and y has {len(y)}: item i "
            "of x needs its y; were both cut in the same way?"
        )
    dataset = TensorDataset(torch.tensor(x), torch.tensor(y))
    return DataLoader(
        dataset,
        batch_size,
        sampler=order.tolist(),
        drop_last=drop_last,
    )


class _ShuffledStream(IterableDataset[Any]):
    def __init__(
        self, stream: Iterable[Any], buffer_size: int, seed: int
    ) -> None:
        self.stream, self.seed = stream, seed
        self.buffer_size = buffer_size

    def __iter__(self) -> Iterator[Any]:
        draws = np.random.default_rng(self.seed)
        buffer: list[Any] = []
        for item in self.stream:
            buffer.append(item)
            if len(buffer) == self.buffer_size:
                at = draws.integers(len(buffer))
                buffer[at], buffer[-1] = buffer[-1], buffer[at]
                yield buffer.pop()
        draws.shuffle(buffer)
        yield from buffer


def shuffle_stream(
    stream: Iterable[Any], buffer_size: int, seed: int
) -> IterableDataset[Any]:
    """Stream in which items change places within a buffer.

    The next item is drawn from the ``buffer_size`` read last,
    so no item comes more than ``buffer_size - 1`` places early.

    Parameters
    ----------
    stream : iterable
        Items of any kind.
    buffer_size : int
        Items held; as many as there are make a full shuffle.
    seed : int
        Of the draws; take another in each epoch.

    Returns
    -------
    IterableDataset
        Each item once.

    Examples
    --------
    >>> stream = range(9)
    >>> once = shuffle_stream(stream, 4, seed=0)
    >>> items = [int(item) for item in once]
    >>> sorted(items) == list(range(9)), items[0] < 4
    (True, True)
    """
    return _ShuffledStream(stream, buffer_size, seed)


class _Cached(Dataset[Any]):
    def __init__(
        self,
        items: np.ndarray,
        function: Callable[[Tensor], Tensor],
    ) -> None:
        self.items, self.function = (
            torch.tensor(items),
            function,
        )
        self.known: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Tensor:
        if index not in self.known:
            self.known[index] = self.function(self.items[index])
        return self.known[index]


def map_and_cache(
    items: np.ndarray,
    function: Callable[[Tensor], Tensor],
) -> Dataset[Any]:
    """Items through a function, which runs once for each.

    Draw nothing at random in ``function``: the first draw would
    be kept for all epochs. Each worker keeps its own results.

    Parameters
    ----------
    items : ndarray
        Its first axis counts the items.
    function : callable
        From an item to what is kept.

    Returns
    -------
    Dataset
        The results, held in memory after the first pass.

    Examples
    --------
    >>> items = np.array([2, 4])
    >>> halves = map_and_cache(items, lambda x: x / 2)
    >>> [float(half) for half in halves]
    [1.0, 2.0]
    """
    return _Cached(items, function)


def prefetch(
    batches: Iterable[Any], buffer_size: int
) -> Iterator[Any]:
    """Batches made ahead, in the background, while you compute.

    A thread serves what waits or leaves Python. For Python code
    give the loader ``num_workers``, which prefetches too.

    Parameters
    ----------
    batches : iterable
        What is to be made ahead.
    buffer_size : int
        Batches held ready.

    Returns
    -------
    iterator
        The same batches in the same order.

    Examples
    --------
    >>> ready = prefetch(range(3), 2)
    >>> [int(item) for item in ready]
    [0, 1, 2]
    """
    source, end = iter(batches), object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        ready = deque(
            thread.submit(next, source, end)
            for _ in range(buffer_size)
        )
        while (batch := ready.popleft().result()) is not end:
            ready.append(thread.submit(next, source, end))
            yield batch


class _Windows(Dataset[Any]):
    def __init__(self, series: np.ndarray, width: int) -> None:
        self.series, self.width = torch.tensor(series), width

    def __len__(self) -> int:  # items
        return len(self.series) - self.width

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        end = index + self.width
        return self.series[index:end], self.series[end]


def window_batches(
    series: np.ndarray, width: int, batch_size: int
) -> DataLoader[Any]:
    """Windows of a series, each with the value that follows.

    PyTorch asks its dataset for item number ``index``.

    Parameters
    ----------
    series : ndarray
        Values in the order of time, on the first axis.
    width : int
        Values in a window.
    batch_size : int
        Windows in a batch; the last one may have fewer.

    Returns
    -------
    DataLoader
        Pairs of (batch, width, ...) and (batch, ...).

    Raises
    ------
    ValueError
        Where the series has no window that something follows.

    Examples
    --------
    >>> batches = window_batches(np.arange(5), 2, batch_size=2)
    >>> x, y = next(iter(batches))
    >>> x.tolist(), y.tolist()
    ([[0, 1], [1, 2]], [2, 3])
    """
    if len(series) <= width:
        raise ValueError(
            f"a series of {len(series)} values has no window "
            f"of {width} that a value follows: lower width"
        )
    return DataLoader(_Windows(series, width), batch_size)


class _RowStream(IterableDataset[Tensor]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()  # None in the main process
        paths = self.paths
        if worker is not None:  # a share of the files for each
            paths = paths[worker.id :: worker.num_workers]
        for path in paths:
            with path.open() as file:
                for line in file:
                    row = np.array(line.split(","), "float32")
                    yield torch.from_numpy(row)


def stream_rows(paths: list[Path]) -> IterableDataset[Tensor]:
    r"""Rows of numbers, file after file, never all in memory.

    Each worker of a loader reads its own share of the files.

    Parameters
    ----------
    paths : list of Path
        Text files, with numbers parted by commas.

    Returns
    -------
    IterableDataset
        One float32 vector a line.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.txt"
    >>> _ = path.write_text("1,2\n3,4\n")
    >>> [row.numpy().tolist() for row in stream_rows([path])]
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return _RowStream(paths)


def balanced_batches(
    x: np.ndarray, y: np.ndarray, batch_size: int, seed: int
) -> DataLoader[Any]:
    """Batches in which every class is equally likely.

    Parameters
    ----------
    x : ndarray
        Its first axis counts the items.
    y : ndarray of int
        Class of each item.
    batch_size : int
        Items in a batch; the last one may have fewer.
    seed : int
        Of the draws; take another in each epoch.

    Returns
    -------
    DataLoader
        As many items as ``x`` has. Those of rare classes come
        again, those of frequent ones may be left out.

    Examples
    --------
    >>> y = np.array([0] * 900 + [1] * 100)
    >>> batches = balanced_batches(y, y, 100, seed=0)
    >>> ones = sum(int(torch.sum(y)) for _, y in batches)
    >>> 400 < ones < 600
    True
    """
    weights = 1 / np.bincount(y)[y]  # one an item
    sampler = WeightedRandomSampler(
        weights.tolist(),
        len(y),
        generator=torch.Generator().manual_seed(seed),
    )
    dataset = TensorDataset(torch.tensor(x), torch.tensor(y))
    return DataLoader(dataset, batch_size, sampler=sampler)


class _Noisy(Dataset[Tensor]):
    def __init__(
        self, x: np.ndarray, scale: float, seed: int
    ) -> None:
        self.x, self.scale, self.seed = x, scale, seed

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Tensor:
        rng = np.random.default_rng([self.seed, index])
        item = self.x[index]
        noise = rng.standard_normal(item.shape, "float32")
        return torch.from_numpy(item + self.scale * noise)


def noisy_items(
    x: np.ndarray, scale: float, seed: int
) -> Dataset[Tensor]:
    """Items with noise that depends on seed and index alone.

    So neither the order nor the number of workers changes what
    item number ``i`` is given; another seed does.

    Parameters
    ----------
    x : ndarray
        Its first axis counts the items; float32.
    scale : float
        Standard deviation of the noise.
    seed : int
        Take another in each epoch.

    Returns
    -------
    Dataset
        One float32 tensor an item.

    Examples
    --------
    >>> items = noisy_items(np.zeros((2, 3), "float32"), 1.0, 0)
    >>> a, b = items
    >>> c, d = items
    >>> bool(torch.all(a == c)), bool(torch.all(a == b))
    (True, False)
    """
    return _Noisy(x, scale, seed)
