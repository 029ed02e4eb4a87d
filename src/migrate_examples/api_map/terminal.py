"""What the commands ``lookup`` and ``coverage`` print."""

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from migrate_examples.api_map import KINDS, Row
from migrate_examples.api_map.arguments import compare
from migrate_examples.api_map.coverage import USAGE, coverage, uses
from migrate_examples.api_map.lookup import Answer, aliases, anchor, find

STATUSES = {
    "unmapped": "exists, and is not in the map",
    "removed": "is gone from the installed versions, and not in the map",
    "private": "is private to TensorFlow or Keras: no part of their published API",
    "unknown": "is no name that TensorFlow or Keras has",
}
WIDTH = 80


def look_up(names: Sequence[str], *, as_json: bool = False) -> int:
    """Print what the map says of names; return 1 where one is not in it."""
    answers = [find(name) for name in names]
    if as_json:
        json.dump([as_dict(answer) for answer in answers], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        text = "\n".join("\n".join(lines_of(answer)) for answer in answers)
        sys.stdout.write(text + "\n")
    return int(any(answer.status != "mapped" for answer in answers))


def as_dict(answer: Answer) -> dict[str, object]:
    """An answer as JSON has it."""
    rows = [
        {**row._asdict(), "arguments": [a._asdict() for a in compare(row)]}
        for row in answer.rows
    ]
    return {**answer._asdict(), "rows": rows, "aliases": aliases(answer.symbol)}


def lines_of(answer: Answer) -> Iterator[str]:
    """An answer, for people."""
    if answer.status != "mapped":
        yield f"{answer.asked} {STATUSES[answer.status]}."
        if answer.suggestions:
            yield f"Did you mean {' or '.join(answer.suggestions)}?"
        return
    others = [name for name in aliases(answer.symbol) if name != answer.symbol]
    yield answer.symbol + (f"  (also {', '.join(others)})" if others else "")
    for row in answer.rows:
        yield ""
        yield from lines_of_row(row)
    yield from lines_of_arguments(answer.rows[0])
    chapter = f"guide/{answer.rows[0].see}.html"
    yield f"  more: {chapter}, api-map.html#{anchor(answer.symbol)}"


def lines_of_row(row: Row) -> Iterator[str]:
    """One row: both sides, then what to know."""
    yield from side("TensorFlow", row.tf)
    yield from side("PyTorch", row.torch or "-")
    yield f"  {row.kind}: {KINDS[row.kind]}"
    if row.tf2:
        yield f"  in TensorFlow 2: {row.tf2}"
    if row.pitfall:
        yield from wrapped("silent: ", row.pitfall)
    if row.note:
        yield from wrapped("", row.note)
    for name, expression in row.weights.items():
        yield f"  weights: {name} = {expression}"
    if row.differs:
        yield f"  differs on: {', '.join(row.differs)}"
    if row.unverified:
        yield from wrapped("not executed: ", row.unverified)


def side(framework: str, code: str) -> Iterator[str]:
    """The code of a side, under the name of its framework where it has lines."""
    first, *rest = code.strip().splitlines()
    yield f"  {framework:<11}{first}"
    yield from (f"  {'':<11}{line}" for line in rest)


def wrapped(label: str, text: str) -> Iterator[str]:
    """A sentence, in lines that fit."""
    yield from textwrap.wrap(
        label + text, WIDTH, initial_indent="  ", subsequent_indent="    "
    )


def lines_of_arguments(row: Row) -> Iterator[str]:
    """The arguments of both sides, beside each other."""
    found = compare(row)
    if found:
        yield ""
        yield "  argument by argument, of the installed versions:"
    for a in found:
        ours = named(a.tf, a.tf_default)
        theirs = named(a.torch, a.torch_default)
        yield f"    {ours:<32} {theirs:<28} {a.remark}".rstrip()


def named(name: str, default: str | None) -> str:
    """An argument with its default."""
    return name if default is None or not name else f"{name}={default}"


def print_coverage(file: Path | None, missing: int) -> int:
    """Print how much of a list of uses the map knows; return 2 where it cannot."""
    try:
        found = coverage(uses(file or USAGE))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"migrate-examples: {error}\n")
        return 2
    out = sys.stdout.write
    out(f"{found.mapped_symbols} of {found.symbols} symbols have a row\n")
    out(f"{found.of_all:.1%} of all references are to these\n")
    out(f"{found.of_portable:.1%} without what no port keeps (contrib, Estimators,")
    out(" TPU and TFLite tools, private modules)\n")
    if found.missing:
        out("\nmost used without a row:\n")
    for use in found.missing[:missing]:
        out(f"{use.references:>8}  {use.symbol} ({use.answer.status})\n")
    return 0
