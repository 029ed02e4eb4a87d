"""Comments and settings that take findings out."""

from pathlib import Path

import pytest

from migrate_examples.scan import scan, scan_text
from migrate_examples.scan.settings import (
    Settings,
    SettingsError,
    fails,
    find_settings,
    load_settings,
    read_settings,
)

HEAD = "import tensorflow as tf\n"


def left(source: str, settings: Settings | None = None) -> tuple[list[str], int]:
    """Names of symbols that are left, and how many findings were taken out."""
    report = scan_text(HEAD + source, "x.py", settings)
    names = [f.name for f in report.findings if f.category == "symbol"]
    return names, report.ignored


@pytest.mark.parametrize(
    "source, names",
    [
        ("tf.abs(x)  # migrate: ignore", []),
        ("tf.abs(x)  #migrate:ignore", []),
        ("tf.abs(tf.exp(x))  # migrate: ignore[tf.abs]", ["tf.exp"]),
        ("tf.abs(tf.exp(x))  # migrate: ignore[tf.a*, keras.*]", ["tf.exp"]),
        ("tf.math.abs(x)  # migrate: ignore[tf.abs]", []),
        ("tf.math.abs(x)  # migrate: ignore[tf.math.abs]", []),
        ("tf.no_such(x)  # migrate: ignore[unknown]", []),
        ("tf.abs(x)  # noqa  migrate: ignore", ["tf.abs"]),
        ("tf.abs(x)  # migrate: ignored", ["tf.abs"]),
        ("tf.abs('# migrate: ignore')", ["tf.abs"]),
        ("'''\n# migrate: ignore-file\n'''\ntf.abs(x)", ["tf.abs"]),
        ("# migrate: ignore\ntf.abs(x)", ["tf.abs"]),
        ("# migrate: ignore-file\ntf.abs(x)", []),
        ("tf.abs(tf.exp(x))\n# migrate: ignore-file[tf.abs]", ["tf.exp"]),
        ("f(tf.exp,\n  tf.abs)  # migrate: ignore", ["tf.exp"]),
        ("x = 1  # migrate: ignore", []),
    ],
)
def test_comments(source: str, names: list[str]) -> None:
    assert left(source)[0] == names


def test_what_is_taken_out_is_counted() -> None:
    assert left("tf.abs(tf.exp(x))  # migrate: ignore")[1] == 2
    assert left("tf.abs(x)", Settings(ignore=("tf.abs",)))[1] == 1


@pytest.mark.parametrize(
    "ignore, names",
    [
        (("tf.summary.*",), ["tf.abs"]),
        (("TF.ABS",), ["tf.summary.scalar"]),
        (("unmapped", "nothing"), ["tf.abs", "tf.summary.scalar"]),
        (("*",), []),
    ],
)
def test_settings_ignore(ignore: tuple[str, ...], names: list[str]) -> None:
    source = "tf.abs(x), tf.summary.scalar('a', x)"
    assert left(source, Settings(ignore=ignore))[0] == names


def test_a_comment_in_a_notebook_stands_in_its_cell() -> None:
    import json

    sources = [HEAD + "tf.abs(x)  # migrate: ignore", "\ntf.exp(x)"]
    cells = [{"cell_type": "code", "source": s} for s in sources]
    report = scan_text(json.dumps({"cells": cells}), "x.ipynb")
    assert [f.name for f in report.findings] == ["tf.exp"]


def write(folder: Path, text: str) -> Path:
    """Write a pyproject.toml."""
    file = folder / "pyproject.toml"
    file.write_text(text)
    return file


def test_settings_are_read(tmp_path: Path) -> None:
    table = """[tool.migrate-examples]
    exclude = ["third_party"]
    ignore = ["tf.summary.*"]
    fail-on = ["unknown", "trap"]
    max-file-size = 1000
    format = "json"
    """
    found = load_settings(write(tmp_path, table))
    assert found == Settings(
        ("third_party",), ("tf.summary.*",), ("unknown", "trap"), 1000, "json", tmp_path
    )
    assert load_settings(write(tmp_path, "")) == Settings(root=tmp_path)


@pytest.mark.parametrize(
    "table, word",
    [
        ({"no-such": 1}, "no-such"),
        ({"max_file_size": 1}, "max_file_size"),
        ({"root": "x"}, "root"),
        ({"max-file-size": "1"}, "max-file-size"),
        ({"max-file-size": True}, "max-file-size"),
        ({"max-file-size": 0}, "max-file-size"),
        ({"exclude": [1]}, "exclude"),
        ({"ignore": {}}, "ignore"),
        ({"fail-on": ["no-such"]}, "no-such"),
        ({"format": "yaml"}, "yaml"),
    ],
)
def test_wrong_settings_are_named(table: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        read_settings(table, Path("pyproject.toml"))


@pytest.mark.parametrize(
    "text", ["[tool", "tool = 3", "[tool]\nmigrate-examples = 3", "\0"]
)
def test_a_file_that_cannot_be_used_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        load_settings(write(tmp_path, text))


def test_the_nearest_file_with_a_table_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    write(tmp_path / "a", "[project]\nname = 'x'")
    outer = write(tmp_path, "[tool.migrate-examples]")
    assert find_settings(inner) == outer
    nearest = write(inner, "[tool.migrate-examples]")
    assert find_settings(inner / "x.py") == nearest


def test_exclude(tmp_path: Path) -> None:
    for name in ("a/x.py", "a/third_party/y.py", "b/z_pb2.py", "b/z.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEAD + "tf.abs(x)")
    settings = Settings(exclude=("third_party", "*_pb2.py", "a/x.*"), root=tmp_path)
    found = scan([tmp_path], settings).findings
    assert [Path(f.place.file).name for f in found] == ["z.py"]
    named = scan([tmp_path / "b/z_pb2.py"], settings).findings
    assert len(named) == 1, "a file that is named is read"


def test_kinds_to_fail_on() -> None:
    unknown = scan_text(HEAD + "tf.no_such(x)").findings
    assert fails(("unknown",), unknown)
    assert fails(("any",), unknown)
    assert not fails(("trap", "semantics"), unknown)
    assert not fails(("any", "never"), unknown)
    assert not fails(("any",), ())
