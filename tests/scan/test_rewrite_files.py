"""Files: written whole or not at all, with all that is theirs."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate_examples.scan.rewrite import RewriteError, rewrite_file
from tests.scan.planted_rules import ROWS, planted

BEFORE = "import tensorflow as tf\ny = tf.square(x)\n"
AFTER = "import tensorflow as tf\ny = x.square()\n"


@pytest.fixture(scope="module", autouse=True)
def _rules() -> Iterator[None]:
    with planted(ROWS):
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "code.py"
    path.write_text(BEFORE)
    return path


def only(folder: Path) -> list[str]:
    """Names in a folder: no temporary file is left."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_rewritten(file: Path) -> None:
    found = rewrite_file(file)
    assert found is not None
    assert file.read_text() == found.text == AFTER
    assert only(file.parent) == ["code.py"]
    assert rewrite_file(file) is None, "there is nothing more to do"


def test_nothing_is_written_where_nothing_changes(file: Path) -> None:
    file.write_text("import tensorflow as tf\ntf.square(3)\n")
    before = file.stat()
    assert rewrite_file(file) is None
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o664])
def test_the_mode_is_kept(file: Path, mode: int) -> None:
    file.chmod(mode)
    rewrite_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize(
    "head, encoding",
    [
        (b"# -*- coding: latin-1 -*-\n", "latin-1"),
        (b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xef\xbb\xbf# coding: utf-8\n", "utf-8"),
        (b"# coding: euc-jp\n", "euc-jp"),
        (b"", "utf-8"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_encoding_and_line_ends_are_kept(
    file: Path, head: bytes, encoding: str, end: bytes
) -> None:
    text = "\u8a9e" if encoding == "euc-jp" else "ü"
    body = f"word = '{text}'\n{BEFORE}"
    data = (head + body.encode(encoding)).replace(b"\n", end)
    file.write_bytes(data)
    assert rewrite_file(file) is not None
    expected = data.replace(b"tf.square(x)", b"x.square()")
    assert file.read_bytes() == expected


def test_mixed_line_ends_are_kept(file: Path) -> None:
    file.write_bytes(b"import tensorflow as tf\r\nx = y\n\r\nz = tf.square(x)")
    rewrite_file(file)
    expected = b"import tensorflow as tf\r\nx = y\n\r\nz = x.square()"
    assert file.read_bytes() == expected


def test_a_link_stays_one(file: Path) -> None:
    folder = file.parent / "elsewhere"
    folder.mkdir()
    link = folder / "link.py"
    link.symlink_to(Path("..") / "code.py")
    rewrite_file(link)
    assert link.is_symlink()
    assert file.read_text() == AFTER
    assert only(folder) == ["link.py"]


def test_a_read_only_file_is_reported(file: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(RewriteError, match="read-only"):
        rewrite_file(file)
    assert file.read_text() == BEFORE
    assert only(file.parent) == ["code.py"]


@pytest.mark.parametrize(
    "data, line, message",
    [
        (b"import tensorflow as tf\ntf.square(\n", 2, "syntax error"),
        (b"import tensorflow as tf\nx = '\xff'\ny = tf.square(x)\n", 2, "not utf-8"),
        (b"# coding: klingon\nimport tensorflow\n", 1, "unknown encoding"),
        (b"import tensorflow as tf\nprint tf.square(x)\n", 2, "syntax error"),
        (b"\x00\x01tensorflow", 0, "null bytes"),
    ],
)
def test_what_cannot_be_read_is_reported(
    file: Path, data: bytes, line: int, message: str
) -> None:
    file.write_bytes(data)
    with pytest.raises(RewriteError, match=message) as caught:
        rewrite_file(file)
    assert caught.value.line == line
    assert file.read_bytes() == data


def test_a_pipe_is_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(RewriteError, match="no regular file"):
        rewrite_file(tmp_path / "pipe.py")


@pytest.mark.parametrize("step", ["fsync", "chmod"])
def test_a_file_survives_a_full_disk(
    file: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space"):
        rewrite_file(file)
    assert file.read_text() == BEFORE
    assert only(file.parent) == ["code.py"]


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("b.py")
    (tmp_path / "b.py").symlink_to("a.py")
    with pytest.raises((OSError, RewriteError), match="link"):
        rewrite_file(tmp_path / "a.py")
