"""A folder is written whole or not at all, and no foreign file is lost."""

import json
import os
from pathlib import Path

import pytest

from migrate_examples.port.command.folder import (
    FolderError,
    digest,
    foreign,
    whole_folder,
)


def fill(folder: Path, text: str) -> None:
    """Write what a port writes."""
    (folder / "model.py").write_text(text)
    files = {"model.py": digest(folder / "model.py")}
    (folder / "report.json").write_text(json.dumps({"files": files}))


def write(target: Path, text: str = "x = 1\n", *, force: bool = False) -> None:
    with whole_folder(target, force=force) as made:
        fill(made, text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_written_and_readable_for_others(tmp_path: Path) -> None:
    write(tmp_path / "net")
    assert names(tmp_path) == ["net"]
    assert names(tmp_path / "net") == ["model.py", "report.json"]
    assert (tmp_path / "net").stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    write(tmp_path / "net")
    assert "model.py" in names(tmp_path / "net")


def test_an_existing_port_is_replaced_by_force_alone(tmp_path: Path) -> None:
    write(tmp_path / "net")
    with pytest.raises(FolderError, match="exists: name another folder"):
        write(tmp_path / "net", "x = 2\n")
    assert (tmp_path / "net/model.py").read_text() == "x = 1\n"
    (tmp_path / "net/__pycache__").mkdir()
    (tmp_path / "net/__pycache__/model.cpython-311.pyc").write_bytes(b"")
    write(tmp_path / "net", "x = 2\n", force=True)
    assert (tmp_path / "net/model.py").read_text() == "x = 2\n"
    assert names(tmp_path) == ["net"]
    assert names(tmp_path / "net") == ["model.py", "report.json"]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("notes.txt", "notes.txt was not written by a port"),
        ("model.py", "model.py was changed since it was written"),
        ("data", "data was not written by a port"),
        ("report.json", "model.py was not written by a port"),
    ],
)
def test_what_others_wrote_is_never_replaced(
    name: str, reason: str, tmp_path: Path
) -> None:
    write(tmp_path / "net")
    if name == "data":
        (tmp_path / "net/data").mkdir()
    else:
        (tmp_path / "net" / name).write_text("by hand\n")
    with pytest.raises(FolderError, match=reason):
        write(tmp_path / "net", "x = 2\n", force=True)
    assert (tmp_path / "net" / name).exists()
    assert names(tmp_path) == ["net"]


def test_a_folder_of_others_is_none_of_a_port(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_text("")
    (tmp_path / "train.py").write_text("")
    assert len(foreign(tmp_path)) == 2
    with pytest.raises(FolderError, match=r"not replaced: model\.keras"):
        write(tmp_path, force=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_nothing_is_left_where_it_goes_wrong(
    error: type[BaseException], tmp_path: Path
) -> None:
    write(tmp_path / "net")

    def stop(target: Path) -> None:
        with whole_folder(target, force=True) as made:
            fill(made, "x = 2\n")
            raise error

    for target in (tmp_path / "net", tmp_path / "other"):
        with pytest.raises(error):
            stop(target)
    assert names(tmp_path) == ["net"]
    assert (tmp_path / "net/model.py").read_text() == "x = 1\n"


def test_the_old_one_comes_back_where_the_new_one_cannot_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "net")
    replace = Path.replace

    def fail_for_new(path: Path, target: Path) -> Path:
        if target == tmp_path / "net" and ".old." not in path.name:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_for_new)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "net", "x = 2\n", force=True)
    assert names(tmp_path) == ["net"]
    assert (tmp_path / "net/model.py").read_text() == "x = 1\n"


def test_places_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="is a file"):
        write(tmp_path / "file", force=True)
    with pytest.raises(FolderError, match="there is no folder"):
        write(tmp_path / "no/net")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(FolderError, match="is a link"):
        write(tmp_path / "link", force=True)


def test_a_folder_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions bind no superuser: the answer of the system is given instead."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(FolderError, match="allows no new files"):
        write(tmp_path / "net")
    assert names(tmp_path) == []
