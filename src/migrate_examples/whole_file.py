"""Writes a file whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(target: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file beside its place, then put it there.

    At no time is there half a file, and where it cannot be written the old one
    stays and nothing is left beside it.

    Parameters
    ----------
    target : Path
        Where it goes; its folder has to exist.
    data : bytes
        All of it.
    mode : int
        Permissions.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
