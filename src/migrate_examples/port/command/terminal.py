"""What the commands ``port`` and ``parity-test`` do: messages and exit codes."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrate_examples.port.command.backend import choose_backend

AGREES, DIFFERS, COULD_NOT = 0, 1, 2
"""Exit codes."""


def complain(sentence: str) -> None:
    """Write a sentence where it does not mix with results."""
    sys.stderr.write(f"migrate-examples: {sentence}\n")


@contextmanager
def silence() -> Iterator[None]:
    """Keep the frameworks from talking about themselves while they are imported.

    They write to the descriptor itself, past Python. What Python raises is not lost.
    """
    for name in ("tensorflow", "absl", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def run_command(asked: argparse.Namespace) -> int:
    """Do what the command line asks; return the exit code."""
    choose_backend()
    return run_port(asked) if asked.command == "port" else run_parity_test(asked)


def run_port(asked: argparse.Namespace) -> int:
    """Port a model as the command line asks; return the exit code."""
    with silence():
        from migrate_examples.port.command.porting import (  # noqa: PLC0415
            EXPECTED,
            Options,
            port_model,
        )

    options = Options(
        force=asked.force,
        allow_stubs=asked.allow_stubs,
        layout=asked.layout,
        split_preprocessing=asked.split_preprocessing,
        class_name=asked.class_name,
        custom=asked.custom,
        verify=not asked.no_verify,
    )
    say = (lambda _: None) if asked.quiet else complain
    try:
        report = port_model(asked.model, asked.output, options, say)
    except EXPECTED as error:
        complain(str(error))
        return COULD_NOT
    sys.stdout.write(f"{asked.output}: {report.verdict}\n")
    return DIFFERS if report.agrees is False else AGREES


def run_parity_test(asked: argparse.Namespace) -> int:
    """Write an acceptance test as the command line asks; return the exit code."""
    with silence():
        from migrate_examples.port.command.acceptance.writing import (  # noqa: PLC0415
            EXPECTED,
            write_test,
        )

    try:
        notes = write_test(
            asked.model,
            asked.port,
            asked.output,
            of=asked.of,
            custom=asked.custom,
            force=asked.force,
        )
    except EXPECTED as error:
        complain(str(error))
        return COULD_NOT
    for note in notes:
        complain(f"not tested: {note}")
    output: Path = asked.output
    sys.stdout.write(f"{output}: run it with pytest {output}\n")
    return AGREES
