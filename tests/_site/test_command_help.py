"""The help of a command on the site is that of the command."""

import pytest

from migrate_examples._site.command_help import help_of


def test_help_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = help_of("scan")
    monkeypatch.delenv("COLUMNS")
    assert help_of("scan") == wide
    assert "--fail-on" in wide
    assert max(map(len, wide.splitlines())) <= 80


def test_no_such_command() -> None:
    with pytest.raises(KeyError):
        help_of("nonsense")
