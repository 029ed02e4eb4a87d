"""Shares the files of a long scan among processes, and shows how far it is."""

import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

from tqdm import tqdm

from migrate_examples import scan
from migrate_examples.scan.one_file import Result
from migrate_examples.scan.settings import Settings

LARGEST_CHUNK = 50


def scan_chunk(files: Sequence[Path], settings: Settings) -> list[Result]:
    """Scan some files in this process."""
    with scan.reading_many():
        return [scan.scan_file(path, settings) for path in files]


def chunks(files: Sequence[Path], jobs: int) -> list[Sequence[Path]]:
    """Cut a list of files into parts, several for each process.

    >>> chunks(["a", "b", "c"], 1)
    [['a', 'b', 'c']]
    """
    size = min(LARGEST_CHUNK, max(1, -(-len(files) // (4 * jobs))))
    size = len(files) if jobs == 1 and len(files) <= LARGEST_CHUNK else size
    return [files[start : start + size] for start in range(0, len(files), size)]


def scan_many(
    files: Sequence[Path],
    settings: Settings,
    jobs: int | None = None,
    *,
    progress: bool = False,
) -> list[Result]:
    """Scan files in several processes; results in the order of the files."""
    count = jobs or min(cpu_count() or 1, 16)
    parts = chunks(files, count)
    results: list[Result] = []
    done: Iterable[list[Result]]
    if count == 1 or len(parts) == 1:
        done = (scan_chunk(part, settings) for part in parts)
    else:
        done = scan_in_processes(parts, settings, count)
    with tqdm(
        total=len(files), unit="file", leave=False, disable=not progress, delay=0.5
    ) as bar:
        for part in done:
            results += part
            bar.update(len(part))
    return results


def scan_in_processes(
    parts: Sequence[Sequence[Path]], settings: Settings, count: int
) -> Iterator[list[Result]]:
    """Scan parts in processes; where one dies, the rest is scanned in this one.

    Processes are spawned: a fork of a program with threads may hang.
    """
    pool = ProcessPoolExecutor(
        min(count, len(parts)), get_context("spawn"), initializer=be_quiet
    )
    futures: list[Future[list[Result]]] = []
    try:
        futures = [pool.submit(scan_chunk, part, settings) for part in parts]
        for part, future in zip(parts, futures, strict=True):
            try:
                found = future.result()
            except BrokenProcessPool:
                found = scan_chunk(part, settings)
            yield found
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def be_quiet() -> None:
    """Leave Ctrl-C to the process that waits for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
