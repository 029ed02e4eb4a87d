"""Settings of a scan: ``[tool.migrate-examples]`` in a project's pyproject.toml."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from migrate_examples.api_map import KINDS
from migrate_examples.scan.findings import Finding
from migrate_examples.scan.report import FORMATS

TABLE = "migrate-examples"
STATUSES = ("unmapped", "removed", "private", "unknown")
FINDING_KINDS = (*KINDS, *STATUSES, "trap")
"""What a finding can be, see :class:`migrate_examples.scan.findings.Finding`."""

FAIL_ON = (*FINDING_KINDS, "any", "never")


class Settings(NamedTuple):
    """What a project asks of a scan.

    Attributes
    ----------
    exclude : tuple of str
        Globs of files and folders to leave out, relative to ``root``.
    ignore : tuple of str
        Globs of symbols, pitfalls or kinds not to report: ``tf.summary.*``,
        ``PADDING-SAME``, ``unmapped``.
    fail_on : tuple of str
        Kinds of findings that make the exit code 1.
    max_file_size : int
        Bytes; larger files are reported and not read.
    format : str
        Of the report.
    root : Path or None
        Folder of the pyproject.toml that the settings come from.
    """

    exclude: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: tuple[str, ...] = ("unknown",)
    max_file_size: int = 5 * 2**20
    format: str = "text"
    root: Path | None = None

    def excludes(self, path: Path) -> bool:
        """Tell whether a file or folder is left out."""
        if not self.exclude:
            return False
        place = path.absolute()
        root = self.root or Path.cwd()
        inside = place.relative_to(root) if place.is_relative_to(root) else place
        names = [inside.as_posix(), place.name]
        names += [str(p) for p in PurePosixPath(inside.as_posix()).parents][:-1]
        return any(
            fnmatchcase(name, glob.rstrip("/"))
            for glob in self.exclude
            for name in names
        )

    def ignores(self, finding: Finding) -> bool:
        """Tell whether a finding is not to be reported."""
        return any(
            finding.kind == glob or matches(finding.symbol, glob)
            for glob in self.ignore
        )


def matches(symbol: str, glob: str) -> bool:
    """Tell whether a symbol or pitfall is meant by a glob, in any case.

    >>> matches("tf.summary.scalar", "tf.summary.*"), matches("A-B", "a-b")
    (True, True)
    """
    return fnmatchcase(symbol.lower(), glob.lower())


class SettingsError(ValueError):
    """Settings that cannot be used: the file, the key, and what is wrong."""


def find_settings(start: Path) -> Path | None:
    """The nearest pyproject.toml at or above a path that has the table."""
    folder = start.absolute()
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if file.is_file() and has_table(file):
            return file
    return None


def has_table(file: Path) -> bool:
    """Tell whether a file speaks of us; one that cannot be read has to be looked at."""
    try:
        return TABLE in file.read_text("utf-8", "replace")
    except OSError:
        return True


def load_settings(file: Path) -> Settings:
    """Read the settings of a pyproject.toml; the defaults where it has none.

    Raises
    ------
    SettingsError
        Where the file cannot be read, or a key or its value is wrong.
    """
    import tomllib

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    tools = tables.get("tool", {})
    table = tools.get(TABLE, {}) if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: tool.{TABLE} is not a table")
    return read_settings(table, file)


def read_settings(table: dict[str, Any], file: Path) -> Settings:
    """Make settings of a table, or say which key is wrong."""
    fields: dict[str, Any] = {}
    for key, value in table.items():
        field = key.replace("-", "_")
        if field not in Settings._fields or field == "root" or "_" in key:
            known = ", ".join(f.replace("_", "-") for f in Settings._fields[:-1])
            raise SettingsError(f"{file}: unknown key {key}; there are {known}")
        fields[field] = checked(key, value, file)
    return Settings(**fields, root=file.absolute().parent)


def checked(key: str, value: object, file: Path) -> object:
    """The value of a key in its type, or a sentence that names the key."""
    if key == "max-file-size":
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise SettingsError(f"{file}: {key} is a number of bytes, not {value!r}")
        return value
    if key == "format":
        if value not in FORMATS:
            raise SettingsError(f"{file}: {key} is {value!r}, not {', '.join(FORMATS)}")
        return value
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise SettingsError(f"{file}: {key} is a list of strings, not {value!r}")
    if key == "fail-on":
        return checked_kinds(texts, f"{file}: {key}")
    return tuple(texts)


def checked_kinds(kinds: Sequence[str], where: str) -> tuple[str, ...]:
    """Kinds of findings to fail on, or a sentence that names the wrong one."""
    for kind in kinds:
        if kind not in FAIL_ON:
            raise SettingsError(f"{where}: {kind!r} is none of {', '.join(FAIL_ON)}")
    return tuple(kinds)


def fails(kinds: Sequence[str], findings: Sequence[Finding]) -> bool:
    """Tell whether any finding is of a kind to fail on."""
    if "never" in kinds:
        return False
    return any("any" in kinds or f.kind in kinds for f in findings)
