"""The scan as a whole: order, processes, robustness, and that it changes nothing."""

import hashlib
import random
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_examples.scan import scan, scan_text
from migrate_examples.scan.findings import Report
from migrate_examples.scan.many_files import chunks, scan_many
from migrate_examples.scan.settings import Settings
from migrate_examples.scan.sources import SourceError, decode

ROOT = Path(__file__).parents[2]
SOURCES = [
    *sorted((ROOT / "tests/data/scan").glob("*.py")),
    *sorted((ROOT / "src/migrate_examples").glob("*/in_tensorflow.py")),
]
STANDARD = Path(sysconfig.get_paths()["stdlib"])


def is_sound(report: Report, text: str) -> bool:
    """Whether all places of a report are in the text, and in its order."""
    lines = text.split("\n")
    places = [f.place for f in report.findings]
    return places == sorted(places, key=lambda p: (p.cell, p.line, p.column)) and all(
        1 <= p.line <= p.end_line <= len(lines)
        and 1 <= p.column <= len(lines[p.line - 1]) + 1
        and (p.line, p.column) < (p.end_line, p.end_column)
        for p in places
    )


def test_sources_are_there() -> None:
    assert len(SOURCES) >= 15


@pytest.mark.parametrize("file", SOURCES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_places_are_in_the_text(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    report = scan_text(text)
    assert is_sound(report, text)
    lines = text.split("\n")
    for found in report.findings:
        place = found.place
        if found.category == "symbol" and place.line == place.end_line:
            code = lines[place.line - 1][place.column - 1 : place.end_column - 1]
            assert code == found.name


def test_processes_change_nothing_of_the_report(tmp_path: Path) -> None:
    for number in range(60):
        code = f"import tensorflow as tf\ntf.abs({number})\ntf.no_such_{number}(x)\n"
        (tmp_path / f"{number:02}.py").write_text(code if number % 9 else "x = (")
    alone = scan([tmp_path], jobs=1)
    assert scan([tmp_path], jobs=2) == alone
    assert len(alone.findings) == 2 * (60 - 7)
    assert len(alone.problems) == 7


def test_a_process_that_dies_leaves_no_file_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    from migrate_examples.scan import many_files

    class Broken:
        def __init__(self, *_: object, **__: object) -> None: ...

        def submit(self, *_: object) -> "Future[object]":
            future: Future[object] = Future()
            future.set_exception(BrokenProcessPool("killed"))
            return future

        def shutdown(self, **_: object) -> None: ...

    monkeypatch.setattr(many_files, "ProcessPoolExecutor", Broken)
    files = [tmp_path / f"{number}.py" for number in range(9)]
    for file in files:
        file.write_text("import tensorflow as tf\ntf.abs(x)\n")
    results = scan_many(files, Settings(), jobs=3)
    assert [len(result.findings) for result in results] == [1] * 9


def test_chunks_are_all_files_in_their_order() -> None:
    files = [Path(str(n)) for n in range(103)]
    for jobs in (1, 2, 7, 200):
        assert [f for chunk in chunks(files, jobs) for f in chunk] == files


def hashes(folder: Path) -> dict[str, str]:
    """What is in a folder, and in its files."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def mutated(text: str, rng: random.Random) -> bytes:
    """A source after some accidents: lines and characters cut, swapped, doubled."""
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                lines[i], lines[j] = lines[j], lines[i]
            case 1:
                del lines[min(i, j) : max(i, j)]
            case 2:
                lines.insert(i, lines[j])
            case 3:
                words = lines[i].split(" ")
                rng.shuffle(words)
                lines[i] = " ".join(words)
            case 4:
                cut = rng.randint(0, len(lines[i]))
                lines[i] = lines[i][:cut] + lines[j][cut:]
            case 5:
                old, new = rng.choice(SWAPS), rng.choice(SWAPS)
                lines[i] = lines[i].replace(old, new)
            case _:
                lines[i] = lines[i] + rng.choice(("\\", "'''", "\t", "\x0c", "é", "("))
        text = "\n".join(lines)
    data = bytearray(text.encode())
    for _ in range(rng.choice((0, 0, 0, 1, 5))):
        data[rng.randrange(len(data) or 1) : 0] = bytes([rng.randrange(256)])
    return bytes(data)


SWAPS = ["tf", "self", "=", "(", ")", ".", ":", "def ", "class ", "lambda ", "*", ","]


def test_accidents_crash_nothing_and_nothing_is_written(tmp_path: Path) -> None:
    rng = random.Random(20260)
    for number in range(400):
        text = rng.choice(SOURCES).read_text(encoding="utf-8")
        (tmp_path / f"{number:03}.py").write_bytes(mutated(text, rng))
    before = hashes(tmp_path)
    report = scan([tmp_path], jobs=1)
    assert hashes(tmp_path) == before
    assert report.files == 400
    assert 20 < len(report.problems) < 380, "some are broken, some are not"
    assert len(report.findings) > 1000


def test_accidents_in_notebooks_crash_nothing(tmp_path: Path) -> None:
    import json

    rng = random.Random(20261)
    for number in range(60):
        texts = [rng.choice(SOURCES).read_text(encoding="utf-8") for _ in range(3)]
        cells = [{"cell_type": "code", "source": t.splitlines(True)} for t in texts]
        text = json.dumps({"cells": cells}, indent=1)
        (tmp_path / f"{number:02}.ipynb").write_bytes(mutated(text, rng))
    before = hashes(tmp_path)
    report = scan([tmp_path], jobs=1)
    assert hashes(tmp_path) == before
    assert report.files == 60


def test_no_crash_on_real_code() -> None:
    files = sorted(STANDARD.glob("*.py"))[::4] + sorted(
        STANDARD.glob("test/test_[gt]*")
    )
    report = scan([f for f in files if f.suffix == ".py"], jobs=1)
    assert report.lines > 10_000
    assert report.findings == ()


PIECES = st.sampled_from(
    [
        *("tf", "keras", "x", "self", "L", "tape", "layers", "Dense", "abs", "numpy"),
        *(".", ".", "(", ")", "[", "]", "=", ":", ",", "*", "**", ":=", "->", "@", "'"),
        *(
            "\n",
            "\n",
            "\n    ",
            " ",
            " ",
            "def f",
            "class A",
            "lambda",
            "import ",
            "as ",
        ),
        *("from ", "with ", "for ", "in ", "if ", "else", "try", "except ", "del "),
        *("return ", "yield ", "global ", "nonlocal ", "match ", "case ", "async "),
        *("import tensorflow as tf\n", "from tensorflow import keras\n", "1", '"a"'),
        *(
            "from tensorflow.keras.layers import *\n",
            "# migrate: ignore\n",
            "é",
            "\x0c",
        ),
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=40))
def test_any_text_of_pieces_is_read_or_reported(pieces: list[str]) -> None:
    text = "import tensorflow as tf\n" + "".join(pieces)
    report = scan_text(text)
    assert len(report.problems) <= 1
    assert is_sound(report, text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_is_read_or_reported(text: str) -> None:
    assert len(scan_text(text).problems) <= 1
    assert len(scan_text(text, "x.ipynb").problems) <= 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        text = decode(data)
    except SourceError as error:
        assert 1 <= error.line <= data.count(b"\n") + 1  # noqa: PT017
    else:
        assert "\r" not in text


EXPRESSIONS = st.recursive(
    st.sampled_from(["tf.abs", "tf.nn", "x", "3", "'s'", "tf.keras.layers.Dense", "K"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]})[{p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]} for x in {p[1]}]"),
        inner.map(lambda e: f"({e}).numpy()"),
        inner.map(lambda e: f"(lambda x, K={e}: {e})"),
        inner.map(lambda e: f"(K := {e})"),
        inner.map(lambda e: f"f({e}, *{e}, k={e}, **{e})"),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=4))
def test_each_use_of_a_symbol_is_found_once(parts: list[str]) -> None:
    text = "import tensorflow as tf\n" + "\n".join(parts)
    report = scan_text(text)
    places = [f.place for f in report.findings if f.category == "symbol"]
    assert len(places) == len(set(places))
    written = [f for f in report.findings if f.name in {"tf.abs", "tf.math.abs"}]
    if not report.problems:
        assert len(written) == text.count("tf.abs")


def test_a_scan_imports_no_framework() -> None:
    code = (
        "import sys, migrate_examples.cli, migrate_examples.scan as s\n"
        "s.scan_text('import tensorflow as tf\\ntf.keras.layers.Dense(3)')\n"
        "heavy = {'tensorflow', 'torch', 'keras', 'numpy', 'libcst', 'tqdm',\n"
        "         'multiprocessing', 'concurrent.futures', 'dataclasses', 'asyncio'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
