"""Lines a second of the scan and of ``tf_upgrade_v2``, on the same sources.

``python tests/scan/benchmark_scan.py FOLDER [EVERY]`` reads every ``EVERY``-th
Python file of the folder (all, where it is not given) with both. Each has one
process of its own, as its users start it; they take turns of some files, so
that a busy machine slows both. What counts is the time of the process itself,
without imports, and without the tables that either side reads once: the
converter's renamed symbols when it is imported, the map and the pitfalls here.
"""

import io
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.pitfalls import pitfalls
from migrate_examples.scan import scan, scan_text
from migrate_examples.scan.names import entry

TURN = 20
"""Files that one reads before it is the other's turn."""


@cache
def read_tables() -> None:
    """Read the map and the pitfalls."""
    for name in rows_by_symbol():
        entry(name)
    for pitfall in pitfalls():
        scan_text("import tensorflow as tf\nimport keras\n" + "\n".join(pitfall.flags))


@cache
def converter() -> Any:
    """TensorFlow's own converter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tensorflow.tools.compatibility import ast_edits, tf_upgrade_v2

    return ast_edits.ASTCodeUpgrader(tf_upgrade_v2.TFAPIChangeSpec())


def upgrade(files: list[Path]) -> tuple[float, list[Path]]:
    """Seconds that TensorFlow's own converter takes, and the files it can read."""
    total, done = 0.0, []
    upgrader = converter()
    for path in files:
        start = time.process_time()
        try:
            with path.open(encoding="utf-8") as file:
                upgrader.process_opened_file(str(path), file, str(path), io.StringIO())
        except Exception:  # what it stumbles over, neither counts
            continue
        total += time.process_time() - start
        done.append(path)
    return total, done


def look(files: list[Path]) -> float:
    """Seconds that the scan takes for files."""
    read_tables()
    start = time.process_time()
    scan(files, jobs=1)
    return time.process_time() - start


def main(folder: Path, every: int) -> str:
    """The figures, as text."""
    files = [f for f in sorted(folder.rglob("*.py"))[::every] if f.stat().st_size]
    ours, theirs = 0.0, 0.0
    both: list[Path] = []
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(1, context) as scanner,
        ProcessPoolExecutor(1, context) as upgrader,
    ):
        for start in range(0, len(files), TURN):
            turn = files[start : start + TURN]
            seconds, read = upgrader.submit(upgrade, turn).result()
            theirs += seconds
            ours += scanner.submit(look, read).result()
            both += read
    lines = sum(path.read_bytes().count(b"\n") for path in both)
    return (
        f"{len(both)} of {len(files)} files, {lines} lines\n"
        f"tf_upgrade_v2 {lines / theirs:10.0f} lines/s\n"
        f"scan          {lines / ours:10.0f} lines/s\n"
        f"ratio         {theirs / ours:10.1f}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1]), int((*sys.argv, "1")[2])))
