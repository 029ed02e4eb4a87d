"""Opens HDF5 files that nobody trusts: plain groups, attributes and datasets alone."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import ml_dtypes
import numpy as np

from migrate_examples.port.archive import Array, ReadError
from migrate_examples.port.read.heaps import check_heaps

WHAT_H5PY_RAISES = (
    OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError,
    IndexError, OverflowError, MemoryError, NotImplementedError,
)  # fmt: skip
"""On files that are broken; it has no one exception of its own."""
EXPANSION = 100
"""Packed data may grow by this factor."""
FLOOR = 1 << 26
"""And to this many bytes in any case: zeros pack well."""
MOST_ATTRIBUTE = 1 << 26
"""Bytes of one attribute; a config may be large."""
MOST_WORDS = 1 << 17
"""Bytes of the references in an attribute of words; HDF5 keeps 64 KiB in place."""
MOST_OBJECTS = 1_000_000
DEEPEST = 64
KINDS = "biufc"
"""Of numpy types that are read: whole numbers, floats, complex numbers, truth."""
BY_ATTRIBUTE = {
    name: np.dtype(getattr(ml_dtypes, name))
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4")
}
"""Types that HDF5 has not; Keras notes them beside the bytes."""


class File:
    """An open file, with a bound on what all of its arrays may take.

    Parameters
    ----------
    source : Path or binary file
        What h5py opens.
    path : Path
        For messages.
    size : int
        Bytes of the file.
    """

    def __init__(self, source: Path | BinaryIO | io.IOBase, path: Path, size: int):
        self.path = path
        self.file = h5py.File(source, "r")
        self.plain_left = size
        self.packed_left = max(FLOOR, EXPANSION * size)
        self.objects = 0

    def error(self, name: str, what: str) -> ReadError:
        """An error that names the file and the entry."""
        return ReadError(f"{self.path}: {name.strip('/') or '/'}: {what}")

    def links(self, group: Any, depth: int = 0) -> list[tuple[str, Any]]:
        """Names in a group and what lies there; links elsewhere are refused."""
        self.objects += len(group)
        if self.objects > MOST_OBJECTS or depth > DEEPEST:
            raise self.error(group.name, "too many groups, or too deep")
        found = []
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                where = f"{group.name}/{name}"
                what = "leads to another file or place"
                raise self.error(where, f"this link {what}, and is not followed")
            found.append((name, group[name]))
        return found

    def group(self, parent: Any, name: str) -> Any:
        """A group inside another, by hard links alone."""
        place = parent
        for part in name.strip("/").split("/"):
            if not isinstance(place, h5py.Group) or part not in place:
                raise self.error(f"{parent.name}/{name}", "is missing")
            if not isinstance(place.get(part, getlink=True), h5py.HardLink):
                what = "this link leads to another file or place, and is not followed"
                raise self.error(f"{place.name}/{part}", what)
            place = place[part]
        return place

    def array(self, dataset: Any) -> Array:
        """All of a dataset, once its size is found to be true.

        Raises
        ------
        ReadError
            It lies in another file, says a size that its bytes do not have, or is
            of a type that is no number.
        """
        if not isinstance(dataset, h5py.Dataset):
            raise self.error(dataset.name, "a group stands where an array belongs")
        note = dataset.attrs.get("dtype")
        note = note.decode() if isinstance(note, bytes) else note
        wanted = BY_ATTRIBUTE.get(note) if isinstance(note, str) else None
        if dataset.dtype == "V2":
            # HDF5 has no bfloat16, and files before Keras 3.5 do not note it.
            wanted = BY_ATTRIBUTE["bfloat16"]
        self._check(dataset, wanted)
        array = np.asarray(dataset[()])
        if wanted is not None and array.dtype.kind in "Vui":
            array = np.ascontiguousarray(array).view(wanted).reshape(array.shape)
        elif wanted is not None:
            array = array.astype(wanted)
        return array

    def _check(self, dataset: Any, wanted: Any) -> None:
        name = dataset.name
        if dataset.is_virtual or dataset.external:
            raise self.error(name, "its values lie in another file, not in this one")
        if wanted is None and dataset.dtype.kind not in KINDS:
            raise self.error(name, f"values of type {dataset.dtype} are no numbers")
        if dataset.shape is None:
            raise self.error(name, "it has no shape")
        needed, stored = dataset.nbytes, dataset.id.get_storage_size()
        packed = dataset.chunks is not None
        if packed:
            self.packed_left -= needed
            if needed > max(FLOOR, EXPANSION * stored) or self.packed_left < 0:
                raise self.error(
                    name, f"{needed} bytes are packed into {stored}, which is no array"
                )
            return
        self.plain_left -= needed
        if needed > stored or self.plain_left < 0:
            raise self.error(
                name,
                f"its shape {dataset.shape} needs {needed} bytes of the file, "
                f"which has {stored} for it",
            )

    def words(self, group: Any, name: str) -> list[str] | None:
        """A list of strings in an attribute, or in numbered ones if it was long."""
        if name in group.attrs:
            return self._words(group, name)
        found: list[str] = []
        count = 0
        while f"{name}{count}" in group.attrs:
            found += self._words(group, f"{name}{count}")
            count += 1
        return found if count else None

    def _words(self, group: Any, name: str) -> list[str]:
        values = np.asarray(self.attribute(group, name)).ravel()
        if values.size and values.dtype.kind not in "OSU":
            raise self.error(group.name, f"the attribute {name} is no list of names")
        return [as_text(value) for value in values]

    def attribute(self, group: Any, name: str) -> Any:
        """An attribute of bounded size; None if there is none."""
        if name not in group.attrs:
            return None
        held = group.attrs.get_id(name)
        count = math.prod(held.shape)
        if held.dtype.hasobject and held.dtype.metadata is None:
            raise self.error(group.name, f"the attribute {name} is no text")
        most = MOST_WORDS if held.dtype.hasobject else MOST_ATTRIBUTE
        if count * held.dtype.itemsize > most:
            raise self.error(group.name, f"the attribute {name} is too long")
        return group.attrs[name]


def as_text(value: Any) -> str:
    """A string, however h5py returns it."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _check_heaps(path: Path, stream: BinaryIO | None) -> None:
    try:
        if stream is not None:
            check_heaps(stream)
        else:
            with path.open("rb") as file:
                check_heaps(file)
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from None


@contextmanager
def opened(path: Path, stream: BinaryIO | None = None) -> Iterator[File]:
    """Open a file; whatever h5py says of it becomes one sentence.

    Parameters
    ----------
    path : Path
        Of the file, or of what holds it.
    stream : binary file, optional
        Its content, where it lies inside another.

    Raises
    ------
    ReadError
        It is broken.
    """
    file = None
    try:
        size = stream.seek(0, io.SEEK_END) if stream else path.stat().st_size
        _check_heaps(path, stream)
        file = File(stream or path, path, size)
        yield file
    except ReadError:
        raise
    except WHAT_H5PY_RAISES as error:
        said = " ".join(str(error).split())[:200]
        raise ReadError(f"{path}: a broken HDF5 file: {said}") from None
    finally:
        if file is not None:
            file.file.close()
