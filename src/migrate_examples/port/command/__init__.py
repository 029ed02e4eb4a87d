"""The commands ``port`` and ``parity-test``; ``port`` also as a function."""

from pathlib import Path
from typing import Any

from migrate_examples.port.command.report import Report

__all__ = ["Report", "port"]


def port(model: Any, folder: str | Path, **options: Any) -> Report:
    """Write a Keras model as readable PyTorch, and verify that both agree.

    Parameters
    ----------
    model : str, Path, or keras.Model
        A ``.keras`` or ``.h5`` file, or the model itself.
    folder : str or Path
        Where ``model.py``, ``model.safetensors``, ``report.json`` and
        ``report.html`` are written, all of them or none.
    **options
        See :class:`~migrate_examples.port.command.porting.Options`: ``force``,
        ``allow_stubs``, ``layout``, ``split_preprocessing``, ``class_name``,
        ``custom``, ``verify``.

    Returns
    -------
    Report
        ``report.agrees`` says whether both agree, ``report.verdict`` how far.

    Raises
    ------
    ReadError, LoadError
        Where the file cannot be read, or Keras cannot load it.
    PortError
        Where a layer is not supported; lists them all.
    FolderError
        Where the folder cannot be written, or must not be.
    """
    # Keras is imported with it: commands that need none start without.
    from migrate_examples.port.command.backend import choose_backend  # noqa: PLC0415

    choose_backend()
    from migrate_examples.port.command.porting import (  # noqa: PLC0415
        Options,
        port_model,
    )

    return port_model(model, Path(folder), Options(**options))
