"""A picture of error by depth."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from migrate_examples.port.parity.divergence import Divergence

LEAST = 1e-18
"""Where an error of zero is drawn: a logarithm has no place for it."""


def draw(divergence: "Divergence", ax: "Axes | None" = None) -> "Axes":
    """Draw the error of every layer, with the tolerance and the first layer apart."""
    rows = divergence.rows
    if ax is None:
        _, ax = plt.subplots(figsize=(7.0, 3.2), layout="constrained")
    finite = [row.error for row in rows if row.error < float("inf")]
    top = max([*finite, divergence.tolerance], default=1.0) * 10
    errors = [min(max(row.error, LEAST), top) for row in rows]
    depth = range(len(rows))
    ax.plot(depth, errors, color="0.6", linewidth=1)
    for agrees, colour, says in ((True, "C0", "agrees"), (False, "C3", "differs")):
        chosen = [i for i in depth if (rows[i].agrees or rows[i].skipped) == agrees]
        if chosen:
            ax.scatter(
                chosen, [errors[i] for i in chosen], s=14, color=colour, label=says
            )
    ax.axhline(divergence.tolerance, color="0.3", linestyle="--", linewidth=1)
    ax.annotate("tolerance", (0, divergence.tolerance), va="bottom", fontsize="small")
    first = next((i for i in depth if rows[i].keras == divergence.layer), None)
    if first is not None and divergence.cause is not None:
        text = f"{rows[first].keras}: {divergence.cause.identifier}"
        ax.annotate(text, (first, errors[first]), va="top", ha="left", fontsize="small")
    ax.set_yscale("log")
    ax.set_xlabel("layers of Keras, in the order of the calls")
    ax.set_ylabel(f"error in {divergence.dtype}, relative")
    ax.legend(loc="best", fontsize="small")
    return ax
