"""Damaged files: arrays or one ReadError, never another error and never much memory."""

import json
import resource
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from migrate_examples.port.read import ReadError, read

TIMES = 300
"""Mutations of each format."""
MEMORY = 600 << 20
"""Bytes that reading all damaged files of a format may add to the peak."""
L = keras.layers


def model() -> keras.Model:
    keras.utils.set_random_seed(4)
    layers = [keras.Input((4,)), L.Dense(6, name="one"), L.BatchNormalization()]
    return keras.Sequential([*layers, L.Reshape((2, 3)), L.Bidirectional(L.GRU(2))])


def as_keras(folder: Path) -> Path:
    model().save(folder / "m.keras")
    return folder / "m.keras"


def as_weights(folder: Path) -> Path:
    model().save_weights(folder / "m.weights.h5")
    return folder / "m.weights.h5"


def as_h5(folder: Path) -> Path:
    model().save(folder / "m.h5")
    return folder / "m.h5"


def as_npz(folder: Path) -> Path:
    arrays: dict[str, Any] = {"a/kernel": np.ones((3, 4)), "a/bias": np.ones(4)}
    np.savez(folder / "m.npz", **arrays)
    return folder / "m.npz"


def as_packed_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "m.npz", kernel=np.ones((30, 40)), bias=np.ones(4))
    return folder / "m.npz"


def as_index(folder: Path) -> Path:
    tf.train.Checkpoint(model=model()).write(str(folder / "c"))
    return folder / "c.index"


def as_data(folder: Path) -> Path:
    as_index(folder)
    return folder / "c.data-00000-of-00001"


def as_packed_h5(folder: Path) -> Path:
    with h5py.File(folder / "m.weights.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        options = {"chunks": True, "compression": "gzip"}
        group.create_dataset("0", data=np.ones((30, 40), "f4"), **options)
    return folder / "m.weights.h5"


FORMATS: tuple[Callable[[Path], Path], ...] = (
    as_keras, as_weights, as_h5, as_npz, as_packed_npz, as_index, as_data, as_packed_h5,
)  # fmt: skip


def damaged(data: bytes, seed: int) -> Iterator[bytes]:
    """Bytes changed, cut off, put in, or copied elsewhere; the same in every run."""
    rng = np.random.default_rng(seed)
    for turn in range(TIMES):
        piece = bytearray(data)
        kind = turn % 5
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(0, len(piece)))
            if kind == 0:
                piece[at] ^= 1 << int(rng.integers(0, 8))
            elif kind == 1:
                piece[at : at + 8] = rng.bytes(len(piece[at : at + 8]))
            elif kind == 2:
                piece[at:at] = rng.bytes(int(rng.integers(1, 9)))
            elif kind == 3:
                start = int(rng.integers(0, len(piece)))
                piece[at : at + 16] = piece[start : start + 16]
            else:
                del piece[max(at, 1) :]
                break
        yield bytes(piece)


@pytest.mark.parametrize("save", FORMATS)
def test_damaged_files_give_arrays_or_one_error(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = save(tmp_path)
    data = path.read_bytes()
    read_from = path.with_name("c") if path.name.startswith("c.") else path
    read(read_from)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for changed in damaged(data, zlib.crc32(save.__name__.encode())):
        path.write_bytes(changed)
        try:
            archive = read(read_from)
        except ReadError as error:
            refused += str(tmp_path) in str(error)
        else:
            assert all(isinstance(a, np.ndarray) for a in archive.arrays().values())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    assert grown < MEMORY
    assert refused > TIMES // 5


@pytest.mark.parametrize("seed", range(60))
def test_configs_with_parts_replaced(seed: int, tmp_path: Path) -> None:
    """Valid archives whose config says nonsense: the checksum does not save us."""
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(as_keras(tmp_path)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    config = json.loads(parts["config.json"])
    junk: list[Any] = [
        None,
        0,
        -1,
        "x",
        [],
        {},
        [[]],
        {"class_name": "Dense", "config": {}},
        True,
    ]
    for _ in range(3):
        place = config
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = list(keys)[int(rng.integers(len(keys)))]
            inside = place[key]
            if not isinstance(inside, dict | list) or not inside or rng.random() < 0.3:
                place[key] = junk[int(rng.integers(len(junk)))]
                break
            place = inside
    parts["config.json"] = json.dumps(config).encode()
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    try:
        read(path)
        said = str(path)
    except ReadError as error:
        said = str(error)
    assert "changed.keras" in said
