"""Finds out what a file is, by its content, and has it read."""

import os
from pathlib import Path

from migrate_examples.port.archive import Archive, ReadError
from migrate_examples.port.read import foreign, hdf5, legacy_h5, weights_h5
from migrate_examples.port.read.checkpoint import read_checkpoint, read_saved_model
from migrate_examples.port.read.keras_zip import read_keras
from migrate_examples.port.read.layers import Walk
from migrate_examples.port.read.npz import read_npz
from migrate_examples.port.read.optimizer import named_state
from migrate_examples.port.read.safetensors import read_safetensors
from migrate_examples.port.read.tree import Node


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a file or folder of weights into plain arrays, bit by bit as saved.

    Parameters
    ----------
    path : path
        ``.keras``, ``.h5``, ``.weights.h5``, ``.weights.json``, ``.npz``,
        ``.safetensors``, the folder of a SavedModel, or a TensorFlow checkpoint: its
        prefix, its ``.index``, or the folder in which ``checkpoint`` names the last.

    Returns
    -------
    Archive
        Layers by the names that the file has, or its config gives; variables by
        their names, or by numbers where the file knows the order alone.

    Raises
    ------
    ReadError
        Missing, broken, encrypted, unsafe, or nothing of these: one sentence, with
        the file and the entry.

    Examples
    --------
    >>> read("no-such.keras")
    Traceback (most recent call last):
    ...
    migrate_examples.port.archive.ReadError: no-such.keras: there is no such file
    """
    path = Path(path)
    try:
        return _read(path)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (RecursionError, MemoryError) as error:
        raise ReadError(f"{path}: {type(error).__name__}: no file of weights") from None


def _read(path: Path) -> Archive:
    if path.is_dir():
        return _read_folder(path)
    if path.name and path.with_name(path.name + ".index").is_file():
        return read_checkpoint(path)
    if not path.is_file():
        what = (
            "neither a file nor a folder" if path.exists() else "there is no such file"
        )
        raise ReadError(f"{path}: {what}")
    return _read_file(path, foreign.head_of(path))


def _read_file(path: Path, head: bytes) -> Archive:
    if path.suffix == ".index":
        return read_checkpoint(path.with_suffix(""))
    if path.name.endswith(".weights.json"):
        return _read_tree(weights_h5.shards_of(path), path)
    if head.startswith(foreign.ZIP):
        return read_npz(path) if path.suffix == ".npz" else read_keras(path)
    if head.startswith(foreign.HDF5):
        return _read_hdf5(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    raise foreign.refuse(path, _expected(path), head)


def _expected(path: Path) -> str:
    by_suffix = {
        ".keras": "a .keras file, which is a zip archive",
        ".h5": "an HDF5 file",
        ".hdf5": "an HDF5 file",
        ".npz": "an .npz file, which is a zip archive",
    }
    return by_suffix.get(path.suffix, "a file of weights")


def _read_folder(path: Path) -> Archive:
    if (path / "variables" / "variables.index").is_file():
        return read_saved_model(path)
    if (path / "saved_model.pb").is_file():
        raise ReadError(f"{path}: variables/variables.index is missing")
    listed = path / "checkpoint"
    if listed.is_file():
        return read_checkpoint(_latest(listed))
    raise ReadError(f"{path}: a folder without a SavedModel and without a checkpoint")


def _latest(listed: Path) -> Path:
    """Prefix of the last checkpoint, as the file ``checkpoint`` names it."""
    text = listed.read_bytes()[: 1 << 20].decode("utf-8", "replace")
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model_checkpoint_path":
            # Often an absolute path of the machine that wrote it: beside it, then.
            name = Path(value.strip().strip('"')).name
            prefix = listed.with_name(name)
            if not listed.with_name(name + ".index").is_file():
                raise ReadError(
                    f"{listed}: it names {name}, and {name}.index is missing"
                )
            return prefix
    raise ReadError(f"{listed}: it names no checkpoint")


def _read_hdf5(path: Path) -> Archive:
    with hdf5.opened(path) as file:
        if legacy_h5.is_legacy(file):
            return legacy_h5.read_legacy(file, path)
        root = weights_h5.tree_of(file)
    return _read_tree(root, path)


def _read_tree(root: Node, path: Path) -> Archive:
    walk = Walk(str(path))
    layers = walk.model(root, None)
    state, said = named_state(root.children.get("optimizer", Node()), layers, None)
    if not layers and not state:
        raise ReadError(f"{path}: an HDF5 file that holds no weights of Keras")
    skipped = (*walk.skipped, *said)
    return Archive(path, "weights.h5", layers, None, state, skipped)
