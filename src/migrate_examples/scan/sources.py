"""Finds the files of a scan, and reads them as Python would."""

import codecs
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from migrate_examples.scan.findings import Place, Problem
from migrate_examples.scan.settings import Settings

SUFFIXES = {".py", ".pyw", ".ipynb"}
SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
SIZES = ("bytes", "KiB", "MiB", "GiB")


class SourceError(ValueError):
    """A file that cannot be read; ``line`` is where, from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def problem(
    file: str, message: str, line: int = 1, column: int = 1, cell: int = 0
) -> Problem:
    """Make a problem with its place."""
    return Problem(Place(file, line, column, line, column, cell), message)


def reason(error: OSError) -> str:
    """What the system says, without number and path."""
    return (error.strerror or str(error)).lower()


class Files:
    """The files of a scan in their order, and what could not be looked at.

    Attributes
    ----------
    found : list of Path
        Files to read, each once.
    problems : list of Problem
        Paths that are missing, no files, or cannot be listed.
    size : int
        Bytes of all files together.
    """

    def __init__(self, paths: Sequence[Path], settings: Settings) -> None:
        self.settings = settings
        self.found: list[Path] = []
        self.problems: list[Problem] = []
        self.size = 0
        self.seen: set[tuple[int, int]] = set()
        for path in paths:
            self.add(path, is_named=True)

    def add(
        self, path: Path, *, is_named: bool, above: tuple[object, ...] = ()
    ) -> None:
        """Add a file or what is in a folder; above are the folders it lies in."""
        try:
            found = path.stat()
        except OSError as error:
            self.problems.append(problem(str(path), reason(error)))
            return
        identity = found.st_dev, found.st_ino
        if stat.S_ISDIR(found.st_mode):
            if identity in above:
                message = "a link back to a folder that it lies in: not followed"
                self.problems.append(problem(str(path), message))
            elif identity not in self.seen:
                self.seen.add(identity)
                self.add_folder(path, (*above, identity))
        elif not stat.S_ISREG(found.st_mode):
            message = "no regular file (a pipe, socket or device): not opened"
            self.problems.append(problem(str(path), message))
        elif identity not in self.seen and (is_named or path.suffix in SUFFIXES):
            self.seen.add(identity)
            self.found.append(path)
            self.size += found.st_size

    def add_folder(self, folder: Path, above: tuple[object, ...]) -> None:
        """Add what is in a folder, in alphabetical order."""
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208  names are enough
        except OSError as error:
            self.problems.append(problem(str(folder), reason(error)))
            return
        for name in names:
            path = folder / name
            is_file = path.suffix in SUFFIXES
            if name.startswith(".") or name in SKIPPED or self.settings.excludes(path):
                continue
            if is_file or self.is_open(path):
                self.add(path, is_named=False, above=above)

    def is_open(self, path: Path) -> bool:
        """Tell whether a path is a folder to look into, no virtual environment."""
        return path.is_dir() and not (path / "pyvenv.cfg").is_file()


def read_bytes(path: Path, settings: Settings) -> bytes:
    """Read a file that is not too large.

    Raises
    ------
    SourceError
        Where it is too large, or cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > settings.max_file_size:
                limit = readable(settings.max_file_size)
                message = f"{readable(size)}, more than max-file-size of {limit}"
                raise SourceError(f"{message}: not read")
            return file.read()
    except OSError as error:
        raise SourceError(reason(error)) from error


def readable(size: float) -> str:
    """A size in its unit.

    >>> readable(5 * 2**20)
    '5 MiB'
    """
    for unit in SIZES:
        if size < 1024 or unit == SIZES[-1]:
            break
        size /= 1024
    return f"{size:.4g} {unit}"


def decode(data: bytes) -> str:
    r"""Decode a source as Python does: by its mark or cookie, or as UTF-8.

    Raises
    ------
    SourceError
        Where it is binary, or not in the encoding it says.

    >>> decode(b"# coding: latin-1\n# \xe9")
    '# coding: latin-1\n# é'
    """
    if data.startswith(codecs.BOM_UTF8):
        data, encoding = data[3:], "utf-8"
    else:
        encoding = declared(data) or "utf-8"
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise SourceError("a binary file: it has null bytes", line)
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise SourceError(f"unknown encoding {encoding}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"{error.object[error.start]:#04x}"
        message = f"not in {encoding}: byte {said} cannot be decoded"
        raise SourceError(message, line) from error
    except ValueError as error:  # codecs that are none of text
        raise SourceError(f"not in {encoding}: {error}") from error
    if not isinstance(text, str):
        raise SourceError(f"{encoding} is no encoding of text")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def declared(data: bytes) -> str:
    """Encoding that the first two lines of a source declare (PEP 263)."""
    for line in data.split(b"\n", 2)[:2]:
        if found := COOKIE.match(line):
            return found[1].decode("ascii")
        if line.strip() and not line.lstrip().startswith(b"#"):
            break
    return ""
