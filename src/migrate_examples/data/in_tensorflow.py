"""Handling data in TensorFlow: a chain of transformations."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def ordered_batches(
    x: np.ndarray,
    y: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    *,
    drop_last: bool = False,
) -> tf.data.Dataset:
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
    Dataset
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
    x_all, y_all = tf.constant(x), tf.constant(y)
    indices = tf.data.Dataset.from_tensor_slices(order)
    return indices.batch(
        batch_size, drop_remainder=drop_last
    ).map(lambda i: (tf.gather(x_all, i), tf.gather(y_all, i)))


def shuffle_stream(
    stream: tf.data.Dataset, buffer_size: int, seed: int
) -> tf.data.Dataset:
    """Stream in which items change places within a buffer.

    The next item is drawn from the ``buffer_size`` read last,
    so no item comes more than ``buffer_size - 1`` places early.

    Parameters
    ----------
    stream : Dataset
        Items of any kind.
    buffer_size : int
        Items held; as many as there are make a full shuffle.
    seed : int
        Of the draws; take another in each epoch.

    Returns
    -------
    Dataset
        Each item once.

    Examples
    --------
    >>> stream = tf.data.Dataset.range(9)
    >>> once = shuffle_stream(stream, 4, seed=0)
    >>> items = [int(item) for item in once]
    >>> sorted(items) == list(range(9)), items[0] < 4
    (True, True)
    """
    return stream.shuffle(
        buffer_size, seed=seed, reshuffle_each_iteration=False
    )


def map_and_cache(
    items: np.ndarray,
    function: Callable[[tf.Tensor], tf.Tensor],
) -> tf.data.Dataset:
    """Items through a function, which runs once for each.

    Draw nothing at random in ``function``: the first draw would
    be kept for all epochs.

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
    dataset = tf.data.Dataset.from_tensor_slices(items)
    return dataset.map(
        function, num_parallel_calls=tf.data.AUTOTUNE
    ).cache()


def prefetch(
    batches: tf.data.Dataset, buffer_size: int
) -> tf.data.Dataset:
    """Batches made ahead, in the background, while you compute.

    Parameters
    ----------
    batches : Dataset
        What is to be made ahead.
    buffer_size : int
        Batches held ready; ``tf.data.AUTOTUNE`` is allowed.

    Returns
    -------
    Dataset
        The same batches in the same order.

    Examples
    --------
    >>> ready = prefetch(tf.data.Dataset.range(3), 2)
    >>> [int(item) for item in ready]
    [0, 1, 2]
    """
    return batches.prefetch(buffer_size)


class _Windows(keras.utils.PyDataset):
    def __init__(
        self, series: np.ndarray, width: int, batch_size: int
    ) -> None:
        super().__init__()
        self.series, self.width = series, width
        self.batch_size = batch_size

    @property
    def count(self) -> int:
        return len(self.series) - self.width

    def __len__(self) -> int:  # batches
        return math.ceil(self.count / self.batch_size)

    def __getitem__(
        self, index: int
    ) -> tuple[np.ndarray, np.ndarray]:
        first = index * self.batch_size
        last = min(first + self.batch_size, self.count)
        windows = [
            self.series[at : at + self.width]
            for at in range(first, last)
        ]
        following = self.series[first + self.width :]
        return np.stack(windows), following[: last - first]


def window_batches(
    series: np.ndarray, width: int, batch_size: int
) -> keras.utils.PyDataset:
    """Windows of a series, each with the value that follows.

    Keras asks its dataset for batch number ``index``.

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
    PyDataset
        Pairs of (batch, width, ...) and (batch, ...).

    Raises
    ------
    ValueError
        Where the series has no window that something follows.

    Examples
    --------
    >>> batches = window_batches(np.arange(5), 2, batch_size=2)
    >>> x, y = batches[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1], [1, 2]], [2, 3])
    """
    if len(series) <= width:
        raise ValueError(
            f"a series of {len(series)} values has no window "
            f"of {width} that a value follows: lower width"
        )
    return _Windows(series, width, batch_size)


def stream_rows(paths: list[Path]) -> tf.data.Dataset:
    r"""Rows of numbers, file after file, never all in memory.

    Parameters
    ----------
    paths : list of Path
        Text files, with numbers parted by commas.

    Returns
    -------
    Dataset
        One float32 vector a line.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.txt"
    >>> _ = path.write_text("1,2\n3,4\n")
    >>> [row.numpy().tolist() for row in stream_rows([path])]
    [[1.0, 2.0], [3.0, 4.0]]
    """

    def rows() -> Iterator[np.ndarray]:
        for path in paths:
            with path.open() as file:
                for line in file:
                    yield np.array(line.split(","), "float32")

    return tf.data.Dataset.from_generator(
        rows,
        output_signature=tf.TensorSpec([None], tf.float32),
    )


def balanced_batches(
    x: np.ndarray, y: np.ndarray, batch_size: int, seed: int
) -> tf.data.Dataset:
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
    Dataset
        As many items as ``x`` has. Those of rare classes come
        again, those of frequent ones may be left out.

    Examples
    --------
    >>> y = np.array([0] * 900 + [1] * 100)
    >>> batches = balanced_batches(y, y, 100, seed=0)
    >>> ones = sum(int(tf.reduce_sum(y)) for _, y in batches)
    >>> 400 < ones < 600
    True
    """
    classes = [
        tf.data.Dataset.from_tensor_slices(
            (x[y == k], y[y == k])
        )
        .shuffle(int((y == k).sum()), seed=seed)
        .repeat()
        for k in np.unique(y)
    ]
    items = tf.data.Dataset.sample_from_datasets(
        classes, seed=seed
    )
    return items.take(len(y)).batch(batch_size)


def noisy_items(
    x: np.ndarray, scale: float, seed: int
) -> tf.data.Dataset:
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
    >>> bool(tf.reduce_all(a == c)), bool(tf.reduce_all(a == b))
    (True, False)
    """

    def add_noise(index: tf.Tensor, item: tf.Tensor) -> Any:
        noise = tf.random.stateless_normal(
            tf.shape(item), seed=[seed, index]
        )
        return item + scale * noise

    dataset = tf.data.Dataset.from_tensor_slices(x)
    return dataset.enumerate().map(
        add_noise, num_parallel_calls=tf.data.AUTOTUNE
    )
