"""Both sides of each twin of data handling: the same batches, or the same law."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils.data import DataLoader

from migrate_examples.data import in_pytorch, in_tensorflow

# What random draws may be off, in standard deviations: once in two million.
SIGMAS = 5


def assert_same_batches(theirs: Any, ours: Any) -> None:
    """Assert the same number of batches, of equal dtypes, shapes and values."""
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs) > 0
    for left, right in zip(ours, theirs, strict=True):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_array_equal(np.asarray(b), np.asarray(a), strict=True)


@pytest.mark.parametrize("drop_last", [False, True])
def test_ordered_batches(rng: np.random.Generator, dtype: str, drop_last: bool) -> None:
    x, y = rng.normal(size=(11, 3)).astype(dtype), rng.integers(0, 9, size=11)
    order = np.random.default_rng([7, 2]).permutation(11)
    ours = in_tensorflow.ordered_batches(x, y, order, 4, drop_last=drop_last)
    theirs = in_pytorch.ordered_batches(x, y, order, 4, drop_last=drop_last)
    assert_same_batches(theirs, ours)
    assert_same_batches(theirs, ours)  # a second epoch
    assert len(list(theirs)) == len(theirs) == len(ours) == (2 if drop_last else 3)
    if not drop_last:
        np.testing.assert_array_equal(np.concatenate([a for a, _ in theirs]), x[order])


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_ordered_batches_refuse_arrays_of_unequal_length(side: ModuleType) -> None:
    with pytest.raises(ValueError, match="x has 5 items and y has 4"):
        side.ordered_batches(np.zeros(5), np.zeros(4), np.arange(4), 2)


def shuffled(side: ModuleType, count: int, buffer_size: int, seed: int) -> list[int]:
    stream = tf.data.Dataset.range(count) if side is in_tensorflow else range(count)
    return [int(i) for i in side.shuffle_stream(stream, buffer_size, seed)]


@pytest.mark.parametrize("buffer_size", [1, 7, 64])
@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_shuffle_stream_moves_items_within_the_buffer(
    side: ModuleType, buffer_size: int
) -> None:
    items = shuffled(side, 50, buffer_size, seed=3)
    assert sorted(items) == list(range(50))
    early = [item - place for place, item in enumerate(items)]
    assert max(early) <= buffer_size - 1
    assert (items == list(range(50))) == (buffer_size == 1)
    assert items == shuffled(side, 50, buffer_size, seed=3)
    if buffer_size > 1:
        assert items != shuffled(side, 50, buffer_size, seed=4)


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_shuffle_stream_draws_by_one_law(side: ModuleType) -> None:
    count = 200
    found = Counter(tuple(shuffled(side, 3, 2, seed)) for seed in range(count))
    # a buffer of two holds 0 and 1 first, so 2 never leads; the rest is a coin
    assert sorted(found) == [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0)]
    deviation = (count * 1 / 4 * 3 / 4) ** 0.5
    assert max(abs(n - count / 4) for n in found.values()) < SIGMAS * deviation


def test_shuffle_stream_feeds_a_loader() -> None:
    stream = in_pytorch.shuffle_stream(range(10), 4, seed=0)
    batches = [b.tolist() for b in DataLoader(stream, batch_size=4)]
    assert [len(b) for b in batches] == [4, 4, 2]
    assert sorted(i for b in batches for i in b) == list(range(10))


def test_map_and_cache_runs_the_function_once(
    rng: np.random.Generator, dtype: str
) -> None:
    x = rng.normal(size=(5, 3)).astype(dtype)
    calls = Counter[str]()

    def slow_tf(item: tf.Tensor) -> tf.Tensor:
        def work(value: np.ndarray) -> np.ndarray:
            calls["tf"] += 1
            return value * 2 + 1

        return tf.numpy_function(work, [item], item.dtype)

    def slow_torch(item: torch.Tensor) -> torch.Tensor:
        calls["torch"] += 1
        return item * 2 + 1

    ours = in_tensorflow.map_and_cache(x, slow_tf)
    theirs: Any = in_pytorch.map_and_cache(x, slow_torch)
    for _ in range(2):
        assert_same_batches([list(theirs)], [list(ours)])
    assert calls == {"tf": 5, "torch": 5}


def test_prefetch(rng: np.random.Generator, dtype: str) -> None:
    x = rng.normal(size=(4, 3)).astype(dtype)
    ours = in_tensorflow.prefetch(tf.data.Dataset.from_tensor_slices(x), 2)
    theirs = in_pytorch.prefetch(torch.tensor(x), 2)
    assert_same_batches([list(theirs)], [list(ours)])


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_prefetch_works_ahead(side: ModuleType) -> None:
    fourth = threading.Event()

    def numbers() -> Iterator[np.int64]:
        for number in range(9):
            if number == 3:
                fourth.set()
            yield np.int64(number)

    source: Any = numbers()
    if side is in_tensorflow:
        spec = tf.TensorSpec([], tf.int64)
        source = tf.data.Dataset.from_generator(numbers, output_signature=spec)
    ready = iter(side.prefetch(source, 3))
    assert int(next(ready)) == 0
    assert fourth.wait(60), "one was taken, three should be ready"


def test_prefetch_passes_errors_on_and_can_be_left() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    ready = in_pytorch.prefetch(broken(), 2)
    assert next(ready) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(ready)
    before = threading.active_count()
    ready = in_pytorch.prefetch(iter(range(100)), 2)
    next(ready)
    assert threading.active_count() == before + 1
    ready.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == before


def test_window_batches(rng: np.random.Generator, dtype: str) -> None:
    series = rng.normal(size=(13, 2)).astype(dtype)
    ours = in_tensorflow.window_batches(series, 3, 4)
    theirs = in_pytorch.window_batches(series, 3, 4)
    assert_same_batches(theirs, [ours[i] for i in range(len(ours))])
    x, y = theirs.dataset[9]  # the last one
    np.testing.assert_array_equal(x, series[9:12])
    np.testing.assert_array_equal(y, series[12])
    assert [len(x) for x, _ in theirs] == [4, 4, 2]


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_window_batches_refuse_a_short_series(side: ModuleType) -> None:
    with pytest.raises(ValueError, match="series of 3 values has no window of 3"):
        side.window_batches(np.zeros(3), 3, 1)


@pytest.fixture
def row_files(tmp_path: Path, rng: np.random.Generator) -> list[Path]:
    """Five files of unequal length and width, every number another."""
    paths = []
    for number, (rows, width) in enumerate([(3, 2), (1, 4), (0, 1), (4, 3), (2, 2)]):
        table = rng.normal(size=(rows, width)).astype("float32")
        paths.append(tmp_path / f"{number}.txt")
        np.savetxt(paths[-1], table, delimiter=",", fmt="%.9g")
    return paths


def test_stream_rows(row_files: list[Path]) -> None:
    ours = in_tensorflow.stream_rows(row_files)
    theirs = in_pytorch.stream_rows(row_files)
    assert_same_batches([list(theirs)], [list(ours)])
    assert len(list(theirs)) == 10


# Workers are forked from a process that has not loaded TensorFlow, whose
# threads a fork may leave holding a lock.
IN_WORKERS = """
import json, sys
from pathlib import Path
import numpy as np
from torch.utils.data import DataLoader
from migrate_examples.data.in_pytorch import noisy_items, stream_rows

def run(dataset, workers):
    options = dict(batch_size=None, num_workers=workers)
    if workers:
        options.update(multiprocessing_context="fork", timeout=60)
    return [item.tolist() for item in DataLoader(dataset, **options)]

rows = stream_rows([Path(p) for p in sys.argv[1:]])
noise = noisy_items(np.zeros((5, 3), "float32"), 1.0, seed=4)
found = {n: {"rows": run(rows, n), "noise": run(noise, n)} for n in (0, 2, 3)}
assert "tensorflow" not in sys.modules
print(json.dumps(found))
"""


def test_stream_rows_and_noisy_items_in_workers(row_files: list[Path]) -> None:
    command = [sys.executable, "-c", IN_WORKERS, *map(str, row_files)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=300
    )
    found = json.loads(done.stdout)
    rows = [r.numpy().tolist() for r in in_tensorflow.stream_rows(row_files)]
    assert found["0"]["rows"] == rows
    for workers in ("2", "3"):
        assert found[workers]["noise"] == found["0"]["noise"]
        assert sorted(found[workers]["rows"]) == sorted(rows)  # each row once
    here: Any = in_pytorch.noisy_items(np.zeros((5, 3), "float32"), 1.0, seed=4)
    assert found["0"]["noise"] == [item.tolist() for item in here]


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_balanced_batches(side: ModuleType, dtype: str) -> None:
    count = 10_000
    y = np.repeat([0, 2, 5], [7000, 2000, 1000])
    x = np.stack([np.arange(count), y], 1).astype(dtype)
    batches = list(side.balanced_batches(x, y, 64, seed=1))
    items = np.concatenate([np.asarray(a) for a, _ in batches])
    classes = np.concatenate([np.asarray(b) for _, b in batches])
    assert items.shape == (count, 2)
    assert items.dtype == dtype
    assert classes.dtype == "int64"
    assert len(batches[-1][0]) == count % 64
    np.testing.assert_array_equal(items[:, 1], classes)  # each x keeps its y
    deviation = (count * 1 / 3 * 2 / 3) ** 0.5
    counts = np.array([(classes == k).sum() for k in (0, 2, 5)])
    assert counts.sum() == count
    assert np.abs(counts - count / 3).max() < SIGMAS * deviation
    again = [np.asarray(b) for _, b in side.balanced_batches(x, y, 64, seed=1)]
    np.testing.assert_array_equal(np.concatenate(again), classes)
    other = [np.asarray(b) for _, b in side.balanced_batches(x, y, 64, seed=2)]
    assert (np.concatenate(other) != classes).any()


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_noisy_items(side: ModuleType, rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 70)).astype("float32")
    items = np.stack([np.asarray(i) for i in side.noisy_items(x, 0.5, seed=3)])
    assert items.dtype == "float32"
    noise = (items - x) / 0.5
    assert abs(noise.mean()) < SIGMAS / noise.size**0.5
    assert abs(noise.std() - 1) < SIGMAS / (2 * noise.size) ** 0.5
    within = np.mean(np.abs(noise) < 1)  # 0.6827 of a normal law
    assert abs(within - 0.6827) < SIGMAS * (0.22 / noise.size) ** 0.5
    between = np.corrcoef(noise)[np.triu_indices(300, 1)]  # items are independent
    assert np.abs(between).max() < 6 / 70**0.5
    again = np.stack([np.asarray(i) for i in side.noisy_items(x, 0.5, seed=3)])
    np.testing.assert_array_equal(again, items)
    other = np.stack([np.asarray(i) for i in side.noisy_items(x, 0.5, seed=4)])
    assert np.abs(other - items).min(axis=1).max() > 0


def test_noisy_items_depend_on_the_index_alone() -> None:
    x = np.zeros((4, 3), "float32")
    theirs: Any = in_pytorch.noisy_items(x, 1.0, seed=3)
    np.testing.assert_array_equal(theirs[2], list(theirs)[2])
    longer = in_pytorch.noisy_items(np.zeros((9, 3), "float32"), 1.0, seed=3)
    np.testing.assert_array_equal(theirs[2], longer[2])
    ours = list(in_tensorflow.noisy_items(x, 1.0, seed=3))
    expected = tf.random.stateless_normal([3], seed=tf.constant([3, 2], tf.int64))
    np.testing.assert_array_equal(ours[2], expected)
