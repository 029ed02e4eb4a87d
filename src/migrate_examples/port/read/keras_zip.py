"""Reads ``.keras`` files: a zip of config.json, metadata.json and the weights."""

import zipfile
from pathlib import Path

from migrate_examples.port.archive import Archive, ReadError
from migrate_examples.port.read import archive_zip, config, hdf5, weights_h5
from migrate_examples.port.read.foreign import looks_like_entries
from migrate_examples.port.read.layers import Walk
from migrate_examples.port.read.optimizer import named_state
from migrate_examples.port.read.tree import Node

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS, WEIGHTS_NPZ = "model.weights.h5", "model.weights.npz"


def read_keras(path: Path) -> Archive:
    """A whole model of Keras 3, or of tf_keras 2 in its newer format.

    Raises
    ------
    ReadError
        Broken, unsafe, or its weights are not those of its config.
    """
    with archive_zip.opened(path) as archive:
        names = archive.namelist()
        if CONFIG not in names:
            raise ReadError(_what_else(path, names))
        model = config.parse(
            archive_zip.unpacked(archive, CONFIG, path), f"{path}: {CONFIG}"
        )
        if not config.is_whole_model(model):
            raise ReadError(f"{path}: {CONFIG} is not the config of a model")
        skipped = [
            f"{body}: the body of a function is a program, not run"
            for body in config.lambda_bodies(model)
        ]
        skipped += [
            f"{name}: an asset, not read"
            for name in names
            if name.startswith("assets/") and not name.endswith("/")
        ]
        root = _weights(archive, names, path)
        walk = Walk(str(path), keras2=_version(archive, names, path) == 2)
    layers = walk.model(root, config.spec_of(model))
    state, said = named_state(root.children.get("optimizer", Node()), layers, model)
    return Archive(
        path, "keras", layers, model, state, (*skipped, *walk.skipped, *said)
    )


def _version(archive: zipfile.ZipFile, names: list[str], path: Path) -> int:
    """Major version of the Keras that wrote it; 3 where it does not say."""
    if METADATA not in names:
        return 3
    data = config.parse(
        archive_zip.unpacked(archive, METADATA, path), f"{path}: {METADATA}"
    )
    return 2 if str(data.get("keras_version", "3")).startswith("2.") else 3


def _weights(archive: zipfile.ZipFile, names: list[str], path: Path) -> Node:
    if WEIGHTS in names:
        with (
            archive_zip.streamed(archive, WEIGHTS, path) as stream,
            hdf5.opened(path / WEIGHTS, stream) as file,
        ):
            return weights_h5.tree_of(file)
    if WEIGHTS_NPZ in names:
        raise ReadError(
            f"{path}: its weights are in {WEIGHTS_NPZ}, pickled objects, which are "
            "programs and never run: save the model again with weights in HDF5"
        )
    raise ReadError(f"{path}: {WEIGHTS} is missing")


def _what_else(path: Path, names: list[str]) -> str:
    what = looks_like_entries(names)
    found = f"it looks like {what}" if what else f"it has no {CONFIG}"
    return f"{path}: this zip archive is not a .keras file: {found}"
