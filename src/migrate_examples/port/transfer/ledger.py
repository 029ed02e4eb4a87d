"""What a transfer did, tensor by tensor, and why one was refused."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrate_examples.port.transfer.matching import Match


@dataclass(frozen=True)
class Entry:
    """One tensor of the module, filled.

    Attributes
    ----------
    target : str
        Name in the module's state dict.
    shape : tuple of int
        Of the target.
    sources : tuple of str
        Keras variables, ``encoder/conv1/kernel``; empty for a constant.
    layout : str
        What was done, in words.
    proof : str
        ``shape``: no other order of the axes fits. ``probe``: the layer was run on
        both sides, on probe values. Else a sentence that says what is not proven.
    """

    target: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]
    layout: str
    proof: str


@dataclass(frozen=True)
class Ledger:
    """What matched what.

    Attributes
    ----------
    entries : tuple of Entry
        In the order of the source.
    unused : tuple of (str, str)
        Variables that were left out, and why.
    kept : tuple of (str, str)
        Tensors that keep their values, and why: ``keep``, or tied to another.
    notes : tuple of str
        What the weights do not say: eps, momentum, orders that names alone decide.
    """

    entries: tuple[Entry, ...]
    unused: tuple[tuple[str, str], ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    matches: "tuple[Match, ...]" = field(default=(), repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "entries": [asdict(entry) for entry in self.entries],
            "unused": [{"source": name, "why": why} for name, why in self.unused],
            "kept": [{"target": name, "why": why} for name, why in self.kept],
            "notes": list(self.notes),
        }

    def unproven(self) -> tuple[Entry, ...]:
        """Entries whose layout neither shape nor probe decides."""
        return tuple(e for e in self.entries if e.proof not in {"shape", "probe"})

    def __str__(self) -> str:
        rows = [("source", "target", "shape", "layout", "proven by")]
        rows += [_row(entry) for entry in self.entries]
        widths = [max(len(row[n]) for row in rows) for n in range(4)]
        lines = [
            "  ".join(
                [cell.ljust(w) for cell, w in zip(row, widths, strict=False)] + [row[4]]
            )
            for row in rows
        ]
        return "\n".join([*lines, *self._remarks()])

    def _remarks(self) -> list[str]:
        return [
            *(f"left out: {name}: {why}" for name, why in self.unused),
            *(f"kept: {name}: {why}" for name, why in self.kept),
            *(f"note: {note}" for note in self.notes),
        ]

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{name}</th>"
            for name in ("source", "target", "shape", "layout", "proven by")
        )
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _row(e)) + "</tr>"
            for e in self.entries
        )
        remarks = "".join(f"<li>{escape(text)}</li>" for text in self._remarks())
        return f"<table><tr>{head}</tr>{body}</table><ul>{remarks}</ul>"


def _row(entry: Entry) -> tuple[str, str, str, str, str]:
    sources = ", ".join(entry.sources) or "—"
    shape = str(tuple(entry.shape))
    return sources, entry.target, shape, entry.layout, entry.proof


class TransferError(ValueError):
    """A transfer that was refused; the module is as it was.

    Attributes
    ----------
    problems : tuple of str
        Each of them, with names, shapes and what to do.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"nothing was loaded, {count}:\n{listed}")
