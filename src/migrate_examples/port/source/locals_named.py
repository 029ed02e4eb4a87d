"""Names of the variables of ``forward``: ``x`` along the way, others where it forks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrate_examples.port.program import Local
from migrate_examples.port.source.statements import Statement

FAR = 5
"""With more lines between its uses, a joined variable is a skip connection."""

MERGE = re.compile(r"torch\.(cat|stack|concat)\b")
COMPARED = re.compile(r"L\d+_ (!=|==|<|>|<=|>=) \S+")


def locals_named(
    lines: Sequence[Statement], inputs: Mapping[int, str], returned: Mapping[int, str]
) -> dict[int, str]:
    """Name each variable of a ``forward``.

    Parameters
    ----------
    lines : sequence of Statement
        As joined.
    inputs : mapping of int to str
        Names of its arguments, by key.
    returned : mapping of int to str
        What it returns, by key; with names where it has them.

    Returns
    -------
    dict
        Name of each local by its key. One name serves several tensors in turn,
        never two that are needed at the same time.
    """
    naming = Naming(lines, dict(inputs), inputs, returned)
    for number, line in enumerate(lines):
        for key in line.uses():
            naming.used.setdefault(key, []).append(number)
    for key in returned:
        naming.used.setdefault(key, []).append(len(lines))
    naming.skips = naming.find_skips()
    for number, line in enumerate(lines):
        for result in line.results:
            naming.names[result.key] = naming.choose(number, line, result)
    return naming.names


@dataclass
class Naming:
    """What has a name so far, and where each variable is used."""

    lines: Sequence[Statement]
    names: dict[int, str]
    inputs: Mapping[int, str]
    returned: Mapping[int, str]
    used: dict[int, list[int]] = field(default_factory=dict)
    skips: list[int] = field(default_factory=list)

    def find_skips(self) -> list[int]:
        """Variables that go on, and are joined to something again much later.

        Or while another such one is waiting too, as in a U-Net.
        """
        spans: dict[int, tuple[int, int]] = {}
        for line in self.lines:
            for result in line.results:
                first, last = self.span(result.key)
                joined = last < len(self.lines) and MERGE.search(self.lines[last].text)
                if joined and first < last:
                    spans[result.key] = first, last
        return [
            key
            for key, (first, last) in spans.items()
            if last - first > FAR
            or any(
                (a < first and last < b) or (first < a and b < last)
                for a, b in spans.values()
            )
        ]

    def span(self, key: int) -> tuple[int, int]:
        """First and last line in which a variable is used."""
        uses = self.used.get(key, [len(self.lines)])
        return uses[0], uses[-1]

    def choose(self, number: int, line: Statement, result: Local) -> str:
        """Name of one result of a line."""
        if result.key not in self.used:
            return "_"
        live = {
            name
            for key, name in self.names.items()
            if name != "_" and self.used.get(key, [-1])[-1] > number
        }
        return _free(self._wanted(number, line, result, live), live)

    def _wanted(
        self, number: int, line: Statement, result: Local, live: set[str]
    ) -> str:
        if COMPARED.fullmatch(line.text):
            return "mask"
        if result.key in self.skips:
            number = self.skips.index(result.key) + 1
            return f"skip{number}" if len(self.skips) > 1 else "skip"
        if self.returned.get(result.key):
            return self.returned[result.key]
        merged = self._merged(result)
        siblings = {self.names.get(key, "") for key in merged.uses()} if merged else ()
        if merged and any(name.startswith("branch") for name in siblings):
            return self._branch(result, merged)
        return self._along(number, line, live) or self._fork(result, merged)

    def _along(self, number: int, line: Statement, live: set[str]) -> str:
        """Name of what ends here and goes on in the result; empty where it forks."""
        going = [
            self.names[key]
            for key in line.uses()
            if self.used[key][-1] <= number and key not in self.inputs
        ]
        going = [name for name in going if not re.match(r"mask|skip|shortcut", name)]
        if "x" in going or "x" not in live:
            return "x"
        return going[0] if going else ""

    def _fork(self, result: Local, merged: Statement | None) -> str:
        """Name where ``x`` is needed later on."""
        if merged and MERGE.search(merged.text):
            return self._branch(result, merged)
        (first, *_) = self.used[result.key]
        text = self.lines[first].text if first < len(self.lines) else ""
        added = set(re.findall(r"L(\d+)_(?= \+ )|(?<= \+ )L(\d+)_", text))
        keys = {int(one or other) for one, other in added}
        others = keys - {result.key}
        if result.key in keys and not others & self.names.keys():
            return "shortcut"  # what it is added to is yet to be computed
        return "y"

    def _merged(self, result: Local) -> Statement | None:
        """The line that joins the branch of a variable with others."""
        key = result.key
        while True:
            uses = self.used.get(key, [])
            if not uses or uses[0] >= len(self.lines):
                return None
            line = self.lines[uses[0]]
            if len(set(line.uses())) > 1:
                return line if MERGE.search(line.text) else None
            if len(uses) > 1 or len(line.results) != 1:
                return None
            key = line.results[0].key

    def _branch(self, result: Local, merged: Statement) -> str:
        """Number of a branch: its place where they are joined."""
        keys = list(dict.fromkeys(merged.uses()))
        key = result.key
        while key not in keys:
            key = self.lines[self.used[key][0]].results[0].key
        return f"branch{keys.index(key) + 1}"


def _free(wanted: str, live: set[str]) -> str:
    options = ["y", "z"] if wanted == "y" else [wanted]
    for name in options:
        if name not in live:
            return name
    number = 2
    while f"{options[0]}{number}" in live:
        number += 1
    return f"{options[0]}{number}"
