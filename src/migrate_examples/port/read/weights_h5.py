"""Reads the weights of Keras 3: groups by attribute, arrays by number."""

from pathlib import Path
from typing import Any

import h5py

from migrate_examples.port.archive import ReadError
from migrate_examples.port.read.config import parse
from migrate_examples.port.read.hdf5 import File, as_text, opened
from migrate_examples.port.read.tree import Node

MOST_SHARDS = 100_000


def tree_of(file: File) -> Node:
    """Objects of an open file of weights."""
    root = _node(file, file.file, 0)
    check_numbers(root, str(file.path))
    return root


def _node(file: File, group: Any, depth: int) -> Node:
    node = Node()
    for key, inside in file.links(group, depth):
        if isinstance(inside, h5py.Dataset):
            raise file.error(inside.name, "an array lies where only groups belong")
        if key == "vars":
            name = file.attribute(inside, "name")
            node.name = as_text(name) if name is not None else ""
            for number, dataset in file.links(inside, depth):
                node.arrays[number] = file.array(dataset)
        else:
            node.children[key] = _node(file, inside, depth + 1)
    # Older files say no name; None is kept for what is no object, a list of layers.
    return node


def check_numbers(node: Node, where: str, path: str = "") -> None:
    """Numbers run from 0, unless a layer of one's own names its arrays."""
    numbers = {int(key) for key in node.arrays if key.isdecimal() and len(key) < 9}
    gaps = [number for number in range(len(numbers)) if number not in numbers]
    if gaps and len(numbers) == len(node.arrays):
        raise ReadError(f"{where}: {path}vars/{gaps[0]} is missing")
    for key, child in node.children.items():
        check_numbers(child, where, f"{path}{key}/")


def shards_of(path: Path) -> Node:
    """Objects of weights that are spread over several files.

    Parameters
    ----------
    path : Path
        The ``.weights.json`` that lists them.

    Raises
    ------
    ReadError
        A file is missing, or an array is where the list does not say.
    """
    listed = parse(path.read_bytes(), str(path)).get("weight_map")
    if not isinstance(listed, dict):
        raise ReadError(f"{path}: it lists no files of weights")
    names: set[str] = set()
    for files in listed.values():
        names.update(map(str, files if isinstance(files, list) else [files]))
    if len(names) > MOST_SHARDS:
        raise ReadError(f"{path}: it lists {len(names)} files")
    whole = Node()
    for name in sorted(names):
        if Path(name).name != name or name in ("", ".", ".."):
            raise ReadError(f"{path}: {name}: files of weights lie beside their list")
        shard = path.with_name(name)
        if not shard.is_file():
            raise ReadError(f"{path}: the file of weights {name} is missing")
        with opened(shard) as file:
            _merge(whole, _node(file, file.file, 0), shard, ())
    check_numbers(whole, str(path))
    for place, files in listed.items():
        _check_place(whole, str(place), path, files)
    return whole


def _merge(into: Node, other: Node, shard: Path, path: tuple[str, ...]) -> None:
    twice = set(into.arrays) & set(other.arrays)
    if twice:
        place = "/".join((*path, "vars", min(twice)))
        raise ReadError(f"{shard}: {place}: also in another file of weights")
    into.name = into.name or other.name
    into.arrays.update(other.arrays)
    for key, child in other.children.items():
        _merge(into.children.setdefault(key, Node()), child, shard, (*path, key))


def _check_place(whole: Node, place: str, path: Path, files: Any) -> None:
    parts = place.strip("/").removesuffix("vars").strip("/").split("/")
    node = whole.at(*[part for part in parts if part])
    if node is None or not node.arrays:
        raise ReadError(f"{path}: {place} is listed in {files} and lies in none")
