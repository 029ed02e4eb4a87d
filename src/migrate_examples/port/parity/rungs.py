"""The rungs from shapes to training, and what became of each."""

import html
from dataclasses import dataclass

from migrate_examples.port.parity.divergence import Divergence

RUNGS = (
    "shapes",
    "weights",
    "evaluation forward",
    "training forward",
    "loss",
    "gradients",
    "one step",
    "n steps",
)


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes
    ----------
    name : str
        One of :data:`RUNGS`.
    holds : bool
        Whether both agree here.
    error : float
        The largest, relative.
    where : str
        The tensor or layer with the largest error.
    says : str
        What is wrong and what to do; empty where nothing is.
    divergence : Divergence or None
        Of the forward rungs.
    """

    name: str
    holds: bool
    error: float
    where: str = ""
    says: str = ""
    divergence: Divergence | None = None


@dataclass(frozen=True)
class Ladder:
    """The rungs that were climbed; only the last one may have failed."""

    rungs: tuple[Rung, ...]

    @property
    def holds(self) -> bool:
        """Whether the top was reached."""
        return len(self.rungs) == len(RUNGS) and self.rungs[-1].holds

    @property
    def failed(self) -> Rung | None:
        """The rung that failed."""
        return None if self.rungs[-1].holds else self.rungs[-1]

    def __str__(self) -> str:
        """One line a rung, and what failed."""
        lines = []
        for name in RUNGS:
            rung = next((r for r in self.rungs if r.name == name), None)
            if rung is None:
                lines.append(f"  {name:<19} not tried")
            elif rung.holds:
                lines.append(f"✓ {name:<19} {rung.error:.1e}")
            else:
                lines.append(f"! {name:<19} {rung.error:.1e}  {rung.where}")
        if self.failed is not None:
            lines += ["", self.failed.says]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return f"<pre>{html.escape(str(self))}</pre>"


def forward_rung(name: str, found: Divergence) -> Rung:
    """Judge a forward run by its first divergence."""
    error = max((r.error for r in found.rows if r.agrees or r.skipped), default=0.0)
    if found.agrees:
        return Rung(name, holds=True, error=error, divergence=found)
    return Rung(
        name,
        holds=False,
        error=found.error,
        where=found.layer or "",
        says=found.verdict(),
        divergence=found,
    )
