"""Opens zip archives that nobody trusts."""

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from migrate_examples.port.archive import ReadError

EXPANSION = 200
"""A packed entry may grow by this factor; zeros pack to a thousandth."""
FLOOR = 1 << 26
"""And to this many bytes in any case."""
MOST_ENTRIES = 100_000
CHUNK = 1 << 20
ENCRYPTED = 1
"""Bit of an entry's flags."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError,
    NotImplementedError, KeyError,
)  # fmt: skip
"""What zipfile raises on archives that are broken."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and look at all its entries before any is unpacked.

    Raises
    ------
    ReadError
        Broken; an entry that is encrypted, that leads out of the archive, that
        occurs twice, or that would grow beyond measure.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path)
            yield archive
    except ReadError:
        raise
    except BROKEN as error:
        raise ReadError(f"{path}: a broken zip archive: {error}") from None


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ReadError(f"{path}: an archive of {len(entries)} entries")
    seen: set[str] = set()
    size, whole = path.stat().st_size, 0
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[:1]:
            raise ReadError(f"{path}: {name}: this entry leads out of the archive")
        if name in seen:
            raise ReadError(f"{path}: {name}: this entry occurs twice")
        seen.add(name)
        if entry.flag_bits & ENCRYPTED:
            raise ReadError(f"{path}: {name}: this entry is encrypted")
        if entry.compress_type not in METHODS:
            raise ReadError(f"{path}: {name}: packed in a way that is not read")
        whole += entry.file_size
        limit = max(FLOOR, EXPANSION * min(entry.compress_size, size))
        if entry.file_size > limit or whole > max(FLOOR, EXPANSION * size):
            raise ReadError(
                f"{path}: {name}: {entry.compress_size} bytes would grow to "
                f"{entry.file_size}, which is no model"
            )


def unpacked(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Content of a small entry.

    Raises
    ------
    ReadError
        Missing or broken.
    """
    with streamed(archive, name, path) as stream:
        return stream.read()


@contextmanager
def streamed(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[BinaryIO]:
    """Content of an entry as a file of its own, its checksum verified.

    It is unpacked onto the disk: HDF5 jumps, and a packed entry cannot.
    """
    with tempfile.TemporaryFile() as file:
        try:
            entry = archive.getinfo(name)
            left = entry.file_size
            with archive.open(entry) as packed:
                while chunk := packed.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise ReadError(f"{path}: {name}: larger than it says")
                    file.write(chunk)
        except KeyError:
            raise ReadError(f"{path}: {name} is missing") from None
        except BROKEN as error:
            if isinstance(error, ReadError):
                raise
            raise ReadError(f"{path}: {name}: a broken entry: {error}") from None
        file.seek(0)
        yield file
