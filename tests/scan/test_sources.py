"""Finding and reading files: what cannot be read is said, and the scan goes on."""

import codecs
import os
import socket
from pathlib import Path

import pytest

from migrate_examples.scan import scan, scan_text
from migrate_examples.scan.findings import Report
from migrate_examples.scan.settings import Settings
from migrate_examples.scan.sources import SourceError, decode, readable

CODE = "import tensorflow as tf\ntf.abs(x)\n"


def put(folder: Path, name: str, data: bytes | str = CODE) -> Path:
    """Write a file, with the folders it lies in."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def names(report: Report) -> list[str]:
    """Names of the files with findings."""
    return [Path(f.place.file).name for f in report.findings]


def only_problem(report: Report) -> tuple[str, int, str]:
    """File, line and message of the one problem that there is."""
    (problem,) = report.problems
    return Path(problem.place.file).name, problem.place.line, problem.message


def test_folders_are_searched_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("b.py", "a/z.py", "a/b/c.py", "c.pyw", "d.txt", "e.pyi"):
        put(tmp_path, name)
    assert names(scan([tmp_path])) == ["c.py", "z.py", "b.py", "c.pyw"]


@pytest.mark.parametrize(
    "folder",
    [".hidden", ".venv", "venv", "node_modules", "__pycache__", "site-packages"],
)
def test_folders_that_are_passed_over_unless_named(folder: str, tmp_path: Path) -> None:
    put(tmp_path, f"{folder}/a.py")
    put(tmp_path, "b.py")
    assert names(scan([tmp_path])) == ["b.py"]
    assert names(scan([tmp_path / folder])) == ["a.py"]


def test_a_virtual_environment_of_any_name_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "mine/pyvenv.cfg", "home = x")
    put(tmp_path, "mine/lib/a.py")
    assert scan([tmp_path]).files == 0


def test_a_file_of_any_name_is_read_where_it_is_named(tmp_path: Path) -> None:
    assert names(scan([put(tmp_path, "script")])) == ["script"]


def test_a_file_is_read_once(tmp_path: Path) -> None:
    file = put(tmp_path, "a.py")
    (tmp_path / "b.py").symlink_to(file)
    assert scan([tmp_path, file, tmp_path / "."]).files == 1


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "a.py")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    assert names(scan([tmp_path / "here"])) == ["a.py"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path, "a/b.py")
    (tmp_path / "a/up").symlink_to(tmp_path)
    report = scan([tmp_path])
    assert names(report) == ["b.py"]
    assert only_problem(report)[::2] == (
        "up",
        "a link back to a folder that it lies in: not followed",
    )


def test_a_link_to_itself(tmp_path: Path) -> None:
    loop = tmp_path / "loop.py"
    loop.symlink_to(loop)
    assert "symbolic links" in only_problem(scan([loop]))[2]
    assert "symbolic links" in only_problem(scan([tmp_path]))[2]


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    report = scan([tmp_path / "no.py", put(tmp_path, "a.py")])
    assert only_problem(report) == ("no.py", 1, "no such file or directory")
    assert names(report) == ["a.py"]


def test_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to(tmp_path / "gone.py")
    assert only_problem(scan([tmp_path]))[2] == "no such file or directory"


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert "not opened" in only_problem(scan([tmp_path]))[2]


def test_a_socket_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.py")
        assert "not opened" in only_problem(scan([Path("s.py")]))[2]


def test_a_device_is_not_opened() -> None:
    assert "not opened" in only_problem(scan([Path(os.devnull)]))[2]


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.py")
    put(tmp_path, "b.py")
    open_file = Path.open

    def refuse(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == "a.py":
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    report = scan([tmp_path], jobs=1)
    assert only_problem(report) == ("a.py", 1, "permission denied")
    assert names(report) == ["b.py"]


def test_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/b.py")
    put(tmp_path, "c.py")
    listdir = os.listdir

    def refuse(path: Path) -> list[str]:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    report = scan([tmp_path])
    assert only_problem(report) == ("a", 1, "permission denied")
    assert names(report) == ["c.py"]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "a.py", CODE + "#" * 2000)
    put(tmp_path, "b.py")
    report = scan([tmp_path], Settings(max_file_size=1000))
    assert "more than max-file-size of 1000 bytes" in only_problem(report)[2]
    assert names(report) == ["b.py"]


def test_sizes() -> None:
    assert [readable(n) for n in (1, 1536, 5 * 2**20)] == [
        "1 bytes",
        "1.5 KiB",
        "5 MiB",
    ]


@pytest.mark.parametrize(
    "data, text",
    [
        (b"x = 1\r\ny = 2\r", "x = 1\ny = 2\n"),
        (codecs.BOM_UTF8 + b"x = 1", "x = 1"),
        ("# ü".encode(), "# ü"),
        (b"# coding: latin-1\n# \xfc", "# coding: latin-1\n# ü"),
        (b"#!/bin/py\n# -*- coding: cp1252 -*-\n# \x80", None),
        (b"# vim: set fileencoding=iso-8859-15 :\n# \xa4", None),
        (b"x = 1\n# coding: no-such\n", "x = 1\n# coding: no-such\n"),
        (b"", ""),
    ],
)
def test_encodings(data: bytes, text: str | None) -> None:
    found = decode(data)
    assert found == text if text is not None else "€" in found


@pytest.mark.parametrize(
    "data, line, word",
    [
        (b"x = 1\n\n# \xfc", 3, "0xfc"),
        (b"x = 1\n\0", 2, "binary"),
        (b"# coding: no-such\n", 1, "no-such"),
        (b"# coding: ascii\n\n# \xfc", 3, "ascii"),
        (b"# coding: rot13\n", 1, "rot13"),
        (b"# coding: base64\nx", 1, "base64"),
        (codecs.BOM_UTF16_LE + "x = 1".encode("utf-16-le"), 1, "binary"),
        (codecs.BOM_UTF8 + b"\xff", 1, "0xff"),
    ],
)
def test_what_cannot_be_decoded_is_said(data: bytes, line: int, word: str) -> None:
    with pytest.raises(SourceError, match=word) as caught:
        decode(data)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "source, line, word",
    [
        ("x = 1\nprint 'a'", 2, "Python 2"),
        ("\n\nprint x", 3, "Python 2"),
        ("print >>f", 1, ""),
        ("try: pass\nexcept E, e: pass", 2, "Python 2"),
        ("raise E, 'x'", 1, "Python 2"),
        ("x = `y`", 1, "Python 2"),
        ("x <> y", 1, "Python 2"),
        ("x = 0777", 1, "Python 2"),
        ("x = 10L", 1, "Python 2"),
        ("exec 'x'", 1, "Python 2"),
        ("def f(x, (y, z)): pass", 1, "Python 2"),
        ("x = (1,\ny = 2", 1, "never closed"),
        ("def f(:\n    pass", 1, "not valid Python"),
        ("  x = 1", 1, "indent"),
        ("if x:\n\ty = 1\n        z = 2", 3, "tab"),
    ],
)
def test_syntax_errors_have_a_place(source: str, line: int, word: str) -> None:
    report = scan_text(source, "x.py")
    if word:
        (problem,) = report.problems
        assert problem.place.line == line
        assert word in problem.message
        assert report.findings == ()


@pytest.mark.parametrize(
    "source",
    [
        "(" * 150 + ")" * 150,
        "x = " + "[" * 5000 + "]" * 5000,
        "x" + ".a()" * 5000,
        "x = " + "-" * 5000 + "1",
        "x = " + "lambda: " * 2000 + "1",
        "import tensorflow as tf\nx" + ".a()" * 700,
        "import tensorflow as tf\n"
        + "".join(f"{' ' * n}if x:\n" for n in range(99))
        + " " * 99
        + "y",
    ],
    ids=["brackets", "lists", "calls", "signs", "lambdas", "known", "blocks"],
)
def test_deeply_nested_code_is_read_or_reported(source: str) -> None:
    report = scan_text(source, "x.py")
    assert all("nested" in p.message or "valid" in p.message for p in report.problems)


def test_a_long_sum_is_read() -> None:
    source = "import tensorflow as tf\nx = " + " + ".join(["tf.abs(x)"] * 900)
    assert len(scan_text(source).findings) == 900


def test_warnings_of_the_code_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert scan_text("x = '\\d'\nassert (x, 'y')\nx is 1").problems == ()
    assert capsys.readouterr() == ("", "")


def test_lines_and_files_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.py", "x = 1\ny = 2")
    put(tmp_path, "b.py", "x = 1\n")
    put(tmp_path, "c.py", "")
    put(tmp_path, "d.py", "x = (\n")
    report = scan([tmp_path])
    assert (report.files, report.lines) == (4, 4)
