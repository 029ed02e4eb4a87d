"""Reads TensorFlow code, and says of every name what it is in PyTorch.

Neither framework is imported, and no code is run: files are parsed, and their
names followed by Python's own rules.
"""

import gc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from migrate_examples.scan.findings import Report
from migrate_examples.scan.one_file import Result, scan_source
from migrate_examples.scan.settings import Settings
from migrate_examples.scan.sources import (
    Files,
    SourceError,
    decode,
    problem,
    read_bytes,
)

MANY_BYTES = 2**22
"""From so much on a scan is spread over processes: less is read by the time they
have started, and have read the map."""


def scan_text(
    text: str, name: str = "<text>", settings: Settings | None = None
) -> Report:
    r"""Scan a text: what comes from standard input, or a page in the browser.

    Parameters
    ----------
    text : str
        Python, or a notebook where the name ends in ``.ipynb``.
    name : str
        How places name the file.

    Examples
    --------
    >>> report = scan_text("import tensorflow as tf\ntf.math.add(1, 2)\n")
    >>> [(f.place.line, f.name, f.symbol) for f in report.findings]
    [(2, 'tf.math.add', 'tf.add')]
    """
    with reading_many():
        result = scan_source(text, name, settings or Settings())
    return report_of([result])


def scan_bytes(data: bytes, name: str, settings: Settings) -> Result:
    """Scan the contents of a file."""
    try:
        text = decode(data)
    except SourceError as error:
        return Result((), (problem(name, str(error), error.line),), 0)
    return scan_source(text, name, settings)


def scan_file(path: Path, settings: Settings) -> Result:
    """Scan one file."""
    try:
        data = read_bytes(path, settings)
    except SourceError as error:
        return Result((), (problem(str(path), str(error), error.line),), 0)
    return scan_bytes(data, str(path), settings)


def report_of(results: Sequence[Result], files: Files | None = None) -> Report:
    """Put the results of files together, in their order."""
    problems = [] if files is None else files.problems
    return Report(
        tuple([f for result in results for f in result.findings]),
        (*problems, *[p for result in results for p in result.problems]),
        len(results),
        sum(result.lines for result in results),
        sum(result.ignored for result in results),
    )


@contextmanager
def reading_many() -> Iterator[None]:
    """Parse fast and in peace: trees have no cycles to collect, warnings no reader."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if was_enabled:
            gc.enable()


def scan(
    paths: Sequence[Path],
    settings: Settings | None = None,
    *,
    jobs: int | None = None,
    progress: bool = False,
) -> Report:
    """Scan files and folders.

    Parameters
    ----------
    paths : sequence of Path
        Files of any name, and folders, in which ``.py`` and ``.ipynb`` files
        are looked for.
    settings : Settings
        What to leave out, and how large a file may be.
    jobs : int or None
        How many processes share the work; as many as there are processors
        where it takes seconds, else one.
    progress : bool
        Whether to show a bar on a terminal.

    Returns
    -------
    Report
        In the order of the paths, whatever the number of processes.
    """
    asked = settings or Settings()
    files = Files(paths, asked)
    return report_of(scan_files(files, asked, jobs, progress=progress), files)


def scan_files(
    files: Files, settings: Settings, jobs: int | None, *, progress: bool
) -> list[Result]:
    """Scan files that were found: one after another, or in several processes."""
    many = len(files.found) > 1 and (jobs is not None or files.size > MANY_BYTES)
    if (many and jobs != 1) or progress:
        from migrate_examples.scan.many_files import scan_many

        return scan_many(files.found, settings, jobs, progress=progress)
    with reading_many():
        return [scan_file(path, settings) for path in files.found]
