"""What the command ``scan`` does: settings, scan, report or rewriting."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from migrate_examples.scan import reading_many, report_of, scan, scan_bytes
from migrate_examples.scan.findings import Report
from migrate_examples.scan.settings import (
    Settings,
    SettingsError,
    checked_kinds,
    fails,
    find_settings,
    load_settings,
)
from migrate_examples.scan.sources import Files

STANDARD_INPUT = "-"


class UsageError(ValueError):
    """What was asked cannot be done: a sentence for the person who asked."""


def run(asked: argparse.Namespace) -> int:
    """Do what the command line asks; return the exit code."""
    try:
        settings = settings_of(asked)
        if asked.diff or asked.write:
            return rewrite(asked, settings)
        return report(asked, settings)
    except (SettingsError, UsageError) as error:
        complain(str(error))
        return 2


def complain(sentence: str) -> None:
    """Write a sentence where it does not mix with the report."""
    sys.stderr.write(f"migrate-examples: {sentence}\n")


def settings_of(asked: argparse.Namespace) -> Settings:
    """Settings of the project, and what the command line says instead."""
    first = Path.cwd() if asked.paths[0] == STANDARD_INPUT else Path(asked.paths[0])
    file = asked.config or find_settings(first if first.is_dir() else first.parent)
    settings = load_settings(file) if file else Settings()
    if asked.fail_on is not None:
        kinds = [kind.strip() for kind in asked.fail_on.split(",")]
        settings = settings._replace(fail_on=checked_kinds(kinds, "--fail-on"))
    if asked.format is not None:
        settings = settings._replace(format=asked.format)
    return settings


def report(asked: argparse.Namespace, settings: Settings) -> int:
    """Scan, and print or write the report."""
    from migrate_examples.scan.report import render  # noqa: PLC0415

    found = scanned(asked, settings)
    text = render(
        found,
        settings.format,
        color=asked.output is None and wants_colour(),
        quiet=asked.quiet,
        site=asked.site,
    )
    if asked.output is None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_report(asked.output, text, asked.paths, settings)
    if found.problems:
        return 2
    return int(fails(settings.fail_on, found.findings))


def scanned(asked: argparse.Namespace, settings: Settings) -> Report:
    """Scan the paths, or standard input."""
    if STANDARD_INPUT in asked.paths:
        if len(asked.paths) > 1:
            raise UsageError("- stands for standard input, and for that alone")
        data = sys.stdin.buffer.read()
        name = "<stdin>.ipynb" if data.lstrip()[:1] == b"{" else "<stdin>"
        with reading_many():
            return report_of([scan_bytes(data, name, settings)])
    bar = not asked.no_progress and not asked.quiet and sys.stderr.isatty()
    paths = [Path(path) for path in asked.paths]
    return scan(paths, settings, jobs=asked.jobs, progress=bar)


def wants_colour() -> bool:
    """Tell whether the report goes to a terminal that likes colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def write_report(file: Path, text: str, paths: list[str], settings: Settings) -> None:
    """Write the report to a file, whole or not at all, and never to a scanned one."""
    from migrate_examples.whole_file import write_whole  # noqa: PLC0415  few need it

    for path in Files([Path(p) for p in paths if p != STANDARD_INPUT], settings).found:
        if file.exists() and path.exists() and file.samefile(path):
            raise UsageError(f"{file} is one of the scanned files: name another")
    try:
        write_whole(file, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


def sources(asked: argparse.Namespace, settings: Settings) -> Iterator[Path]:
    """Files that may be rewritten; what cannot be looked at is said."""
    if STANDARD_INPUT in asked.paths:
        raise UsageError("standard input cannot be rewritten: name files")
    files = Files([Path(path) for path in asked.paths], settings)
    for problem in files.problems:
        complain(f"{problem.place.file}: {problem.message}")
        asked.unread = True
    for path in files.found:
        if path.suffix == ".ipynb":
            complain(f"{path}: notebooks are not rewritten")
        else:
            yield path


def rewrite(asked: argparse.Namespace, settings: Settings) -> int:
    """Show or make the changes that are safe; the files that cannot be are said."""
    from migrate_examples.scan.rewrite import (  # noqa: PLC0415
        RewriteError,
        decode,
        diff,
        rewrite_file,
        rewrite_text,
    )

    asked.unread = False
    changed = changes = 0
    for path in sources(asked, settings):
        try:
            if asked.write:
                found = rewrite_file(path)
            else:
                before, _ = decode(path.read_bytes())
                found = rewrite_text(before)
                sys.stdout.write(diff(before, found.text, str(path)))
        except (RewriteError, OSError) as error:
            where = getattr(error, "line", 0)
            complain(f"{path}{f':{where}' if where else ''}: {error}")
            asked.unread = True
            continue
        if found is not None and found.changes:
            changed += 1
            changes += len(found.changes)
    done = "rewritten" if asked.write else "to rewrite"
    complain(f"{changes} calls in {changed} files {done}")
    if asked.unread:
        return 2
    return int(bool(changes) and asked.diff)
