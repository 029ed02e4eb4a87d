"""Writes a folder whole or not at all, and never over what others wrote."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPORT = "report.json"
"""The file by which a folder says that a port wrote it, and which files."""

DERIVED = "__pycache__"
"""What Python leaves beside a module: nobody misses it."""


class FolderError(OSError):
    """A folder that cannot be written, or must not be: says why and what to do."""


def digest(path: Path) -> str:
    """SHA-256 of a file, by which a change of it is seen.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     digest(Path(file.name))[:8]
    'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written_by_a_port(folder: Path) -> dict[str, str]:
    """Files that a port wrote into a folder, with their digests.

    Returns
    -------
    dict of str to str
        Empty where the folder does not hold a readable report.
    """
    try:
        said = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        files = said["files"]
        return {str(name): str(sha) for name, sha in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def foreign(folder: Path) -> list[str]:
    """What stands in a folder and is not as a port wrote it, each with the reason."""
    files = written_by_a_port(folder)
    found = []
    for path in sorted(folder.iterdir()):
        name = path.name
        if name == DERIVED and all(p.suffix == ".pyc" for p in path.iterdir()):
            continue
        if name == REPORT and files:
            continue
        if name not in files or path.is_symlink() or not path.is_file():
            found.append(f"{name} was not written by a port")
        elif digest(path) != files[name]:
            found.append(f"{name} was changed since it was written")
    return found


def check_target(target: Path, *, force: bool) -> None:
    """Refuse a place where a folder cannot or must not be written.

    Parameters
    ----------
    target : Path
        Where the folder will stand.
    force : bool
        Whether a folder that a port wrote may be replaced.

    Raises
    ------
    FolderError
        If it is a file, exists without ``force``, or holds what a port did not
        write; if the folder around it is missing or cannot be written.
    """
    around = target.parent
    if not around.is_dir():
        raise FolderError(f"{target} cannot be written: there is no folder {around}")
    if not os.access(around, os.W_OK | os.X_OK):
        raise FolderError(f"{target} cannot be written: {around} allows no new files")
    if target.is_symlink():
        raise FolderError(f"{target} is a link: name the folder itself")
    if not target.exists():
        return
    if not target.is_dir():
        raise FolderError(f"{target} is a file: name a folder")
    if not any(target.iterdir()):
        return
    if not force:
        raise FolderError(
            f"{target} exists: name another folder, or replace it with --force"
        )
    if problems := foreign(target):
        raise FolderError(
            f"{target} is not replaced: {'; '.join(problems[:5])}"
            f"{f' and {len(problems) - 5} more' if len(problems) > 5 else ''}. "
            "Move away what you want to keep, or name another folder"
        )


@contextmanager
def whole_folder(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a new folder to be filled; it takes its place when all went well.

    Where anything goes wrong, an interruption from the keyboard too, the new one
    is removed and the old one stays.

    Parameters
    ----------
    target : Path
        Where it will stand.
    force : bool
        Replace a folder that a port wrote.

    Yields
    ------
    Path
        The folder to fill: beside the target, so that moving it is one step.

    Raises
    ------
    FolderError
        See :func:`check_target`.
    """
    check_target(target, force=force)
    try:
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise FolderError(f"{target} cannot be written: {error.strerror}") from error
    try:
        yield made
        made.chmod(0o755)  # mkdtemp makes it private
        check_target(target, force=force)  # the work took a while
        swap(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def swap(made: Path, target: Path) -> None:
    """Put a folder in the place of another, or of none."""
    if not target.exists() or not any(target.iterdir()):
        made.replace(target)
        return
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
    target.replace(old)  # the old one stands aside until the new one stands
    try:
        made.replace(target)
    except BaseException:
        old.replace(target)
        raise
    try:
        shutil.rmtree(old)
    except KeyboardInterrupt:
        shutil.rmtree(old, ignore_errors=True)  # half of it is of no use
        raise
