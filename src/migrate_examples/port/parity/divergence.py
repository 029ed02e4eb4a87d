"""The first layer whose output differs, and why."""

import html
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from migrate_examples.port.parity.axes import closeness
from migrate_examples.port.parity.causes.known import CAUSES, Cause
from migrate_examples.port.parity.causes.order import output_apart
from migrate_examples.port.parity.causes.tried import likely
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.feeding import Feed, feed_of, layouts_to_try
from migrate_examples.port.parity.keras_trace import KerasTrace, trace_keras
from migrate_examples.port.parity.lineup import (
    Match,
    Row,
    check_pairs,
    first_apart,
    first_inexact,
    line_up,
    owners,
    rows,
)
from migrate_examples.port.parity.place import AFTER, BEFORE, ITSELF, Place, Trial
from migrate_examples.port.parity.precision import (
    check_dtype,
    keras_copy,
    same_draws,
    torch_copy,
)
from migrate_examples.port.parity.replay import Draws, record, replay
from migrate_examples.port.parity.statistics import (
    Statistics,
    statistics_apart,
    statistics_of,
)
from migrate_examples.port.parity.tolerances import EXACT, MATCHING
from migrate_examples.port.parity.torch_trace import TorchTrace, trace_torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Divergence:
    """Where two models part, and why.

    Attributes
    ----------
    layer : str or None
        Path of the first layer of Keras whose output differs; None where none does.
    kind : str
        Its class.
    torch : str
        Where in the port: module, function, file and line.
    where : str
        ``the layer itself``, ``what stands before it``, or
        ``what stands after the last layer``.
    cause : Cause or None
        The known cause under which the error vanishes, else ``UNKNOWN``.
    line : str
        What to write in PyTorch.
    error, remaining : float
        Of the layer, relative to its largest value, before and with the cause
        mended.
    rows : tuple of Row
        All layers, in order.
    tolerance : float
        Errors up to it count as agreement.
    dtype, layout : str
        In which both ran; how the port takes its inputs.
    raised : str
        The error with which the port ended; empty where it came to its end.
    tried : int
        How many causes were tried.
    """

    layer: str | None
    kind: str
    torch: str
    where: str
    cause: Cause | None
    line: str
    error: float
    remaining: float
    rows: tuple[Row, ...]
    tolerance: float
    dtype: str
    layout: str
    raised: str = ""
    tried: int = 0

    @property
    def agrees(self) -> bool:
        """Whether no layer differs by more than a constant in float32 makes it."""
        return self.cause is None or self.cause.identifier == "CONSTANT-FLOAT32"

    def verdict(self) -> str:
        """Say it in one or a few sentences."""
        if self.cause is None:
            worst = max((r.error for r in self.rows if r.agrees), default=0.0)
            return (
                f"All {len(self.rows)} layers agree in {self.dtype}: "
                f"the largest error is {worst:.1e} of the layer's largest value."
            )
        said = [
            f"{self.layer} ({self.kind}) is the first that differs, "
            f"by {self.error:.1e} of its largest value: {self.where}.",
            f"In the port: {self.torch}.",
            f"{self.cause.identifier}: {self.cause.says}.",
        ]
        if self.cause.identifier == "UNKNOWN":
            said.append(f"{self.tried} trials left an error.")
        elif self.line:
            said.append(f"Write {self.line}. Then the error is {self.remaining:.1e}.")
        if self.cause.address:
            said.append(f"More: {self.cause.address}")
        if self.raised:
            said.append(f"The port did not come to its end: {self.raised}")
        return "\n".join(said)

    def __str__(self) -> str:
        """The table and the verdict."""
        lines = [f"{'layer of Keras':<36} {'error':>9}  in the port"]
        for row in self.rows:
            sign = " " if row.agrees else "~" if row.skipped else "!"
            if row.keras == self.layer:
                sign = ">"
            lines.append(f"{sign}{row.keras[:35]:<35} {row.error:9.1e}  {row.torch}")
        return "\n".join([*lines, "", self.verdict()])

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        body = "".join(
            f"<tr{' style=font-weight:bold' if row.keras == self.layer else ''}>"
            f"<td>{html.escape(row.keras)}</td><td>{html.escape(row.kind)}</td>"
            f"<td>{row.error:.1e}</td><td>{html.escape(row.torch)}</td></tr>"
            for row in self.rows
        )
        head = "<tr><th>Keras</th><th>class</th><th>error</th><th>port</th></tr>"
        says = "<br>".join(html.escape(line) for line in self.verdict().splitlines())
        return f"<table>{head}{body}</table><p>{says}</p>"

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the error by depth, with the tolerance; needs matplotlib."""
        from migrate_examples.port.parity.picture import draw  # noqa: PLC0415

        return draw(self, ax)


@dataclass(frozen=True)
class Runs:
    """Both runs of one comparison, lined up."""

    keras: KerasTrace
    torch: TorchTrace
    module: nn.Module
    feed: Feed
    dtype: str
    layout: str
    before: Statistics


def run_both(
    keras_model: Any,
    module: nn.Module,
    feed: Feed,
    dtype: str,
    layout: str,
    *,
    training: bool = False,
) -> Runs:
    """Run copies of both, the port in the layout that brings it nearest."""
    # in training mode a run changes statistics, so the model itself is out of bounds
    theirs = keras_copy(
        keras_model, dtype, first_call(feed, dtype), shared=not training
    )
    before = statistics_of(theirs) if training else {}
    with record(theirs) if training else nullcontext(Draws()) as draws:
        keras_trace = trace_keras(theirs, feed, dtype, training=training)
    best: tuple[tuple[bool, float], Runs] | None = None
    for moved in layouts_to_try(feed, layout):
        copied = torch_copy(module, dtype)
        if training:
            copied.train()
        replayed = replay(copied, draws, all_used=False) if training else nullcontext()
        with torch.random.fork_rng(), replayed:
            trace = trace_torch(copied, feed, dtype, moved)
        runs = Runs(keras_trace, trace, copied, feed, dtype, moved, before)
        rank = bool(trace.raised), outputs_error(keras_trace, trace)
        rank = (rank[0], rank[1] - 1e-3 * len(trace.calls) * rank[0])
        if best is None or rank < best[0]:
            best = rank, runs
    if best is None:
        raise ParityError("no layout to try")
    return best[1]


def first_call(feed: Feed, dtype: str) -> Any:
    """Inputs that build a model which has not been called."""
    return feed.for_keras(feed.keras_tensors(dtype))


def outputs_error(keras_trace: KerasTrace, trace: TorchTrace) -> float:
    """Largest error of the outputs, at most 1e6, so that infinities compare."""
    pairs = zip(keras_trace.outputs, trace.outputs, strict=False)
    errors = [closeness(ours, theirs).error for ours, theirs in pairs]
    return min(max(errors, default=1e6), 1e6)


def first_divergence(
    keras_model: Any,
    module: nn.Module,
    inputs: Any,
    pairs: Mapping[str, str] | None = None,
    dtype: str = "float64",
    *,
    layout: str = "auto",
    training: bool = False,
) -> Divergence:
    """Find the first layer of a port that differs from Keras, and why.

    Both are copied and run in ``dtype``, the port in the mode it is in. Every
    output of a layer is looked for among all that the port computes, whatever
    the layout. At the first one that is nowhere, and that nothing behind it
    makes good, each known cause is tried: with the convention mended, or the
    mistake made on purpose, the error has to vanish.

    Parameters
    ----------
    keras_model : keras.Model
        The original.
    module : nn.Module
        The port, in whatever mode it will be used.
    inputs : array, sequence, or mapping of name to array
        In Keras's layout, channels last.
    pairs : mapping of str to str, optional
        Layer of Keras to module of the port, where you know: the layer is then
        looked for in that module alone.
    layout : str
        ``NHWC`` or ``NCHW``: what the port takes; ``auto`` tries.
    training : bool
        Run both in training mode, dropout with the draws of Keras, and compare
        the running statistics afterwards.

    Raises
    ------
    ParityError
        Where the inputs do not fit the Keras model, or it cannot be copied.
    """
    check_dtype(dtype)
    feed = feed_of(keras_model, inputs)
    with same_draws():
        runs = run_both(keras_model, module, feed, dtype, layout, training=training)
        check_pairs(pairs or {}, runs.keras, module)
        return judge(runs, pairs or {}, training=training)


def judge(
    runs: Runs, pairs: Mapping[str, str], *, training: bool = False
) -> Divergence:
    """Find the first layer apart, coarsely and then finely, and its cause."""
    tolerance, exact = MATCHING[runs.dtype], EXACT[runs.dtype]
    with np.errstate(all="ignore"):
        matches = line_up(runs.keras, runs.torch, tolerance, pairs)
        apart = first_apart(matches, runs.keras)
        if apart is None and not outputs_agree(runs, tolerance):
            return behind(runs, matches, tolerance)
        if apart is None and training:
            found = statistics_first(runs, matches, tolerance)
            if found is not None:
                return found
        if apart is None and runs.dtype == "float64":
            # something small, as an epsilon of 1.001e-5, or a constant in float32
            apart, tolerance = first_inexact(matches, runs.keras, exact), exact
        if apart is not None:
            return explain(runs, matches, apart, tolerance, training=training)
    return agreement(runs, matches, tolerance)


def place_of(runs: Runs, matches: list[Match], at: Match, tolerance: float) -> Place:
    """Everything that the trials need."""
    return Place(
        at.call,
        matches,
        runs.keras,
        runs.torch,
        runs.module,
        runs.feed,
        runs.dtype,
        runs.layout,
        tolerance,
        EXACT[runs.dtype],
        owners(runs.keras, runs.module),
    )


def outputs_agree(runs: Runs, tolerance: float) -> bool:
    """Whether the port returns what Keras returns, in this order."""
    ours, theirs = runs.keras.outputs, runs.torch.outputs
    return (
        not runs.torch.raised
        and len(ours) == len(theirs)
        and all(
            closeness(a, b).error <= tolerance
            for a, b in zip(ours, theirs, strict=True)
        )
    )


def agreement(runs: Runs, matches: list[Match], tolerance: float) -> Divergence:
    """Report that nothing differs."""
    table = rows(matches, runs.keras, runs.torch)
    return Divergence(
        None, "", "", "", None, "", 0.0, 0.0, table, tolerance, runs.dtype, runs.layout
    )


def explain(
    runs: Runs, matches: list[Match], apart: Match, tolerance: float, *, training: bool
) -> Divergence:
    """Try all causes at the first layer apart."""
    place = place_of(runs, matches, apart, tolerance)
    place.training = training
    trial, tried = likely(place)
    return report(place, runs, trial, tried, trial.where if trial else where(place))


def behind(runs: Runs, matches: list[Match], tolerance: float) -> Divergence:
    """Explain outputs that differ although every layer agrees."""
    place = place_of(runs, matches, matches[-1], tolerance)
    trials = list(output_apart(place))
    found = next((t for t in trials if t.error <= tolerance), None)
    return report(place, runs, found, len(trials), AFTER)


def statistics_first(
    runs: Runs, matches: list[Match], tolerance: float
) -> Divergence | None:
    """Report the first batch normalisation that keeps other statistics."""
    found = statistics_apart(matches, runs.torch, runs.module, runs.before, tolerance)
    for match, error, trial in found:
        place = place_of(runs, matches, match, tolerance)
        made = report(place, runs, trial, 1, ITSELF)
        return replace(made, error=error)
    return None


def where(place: Place) -> str:
    """Say whether the layer's input agrees, where no cause was found."""
    if not place.calls:
        return ITSELF if place.equal else BEFORE
    return BEFORE if place.calls_apart(place.calls[0]) else ITSELF


def report(
    place: Place, runs: Runs, trial: Trial | None, tried: int, at: str
) -> Divergence:
    """Put together what was found."""
    match = place.matches[place.layer.number]
    near = trial.call if trial and trial.call else next(iter(place.calls), None)
    error = match.closeness.error
    if at == AFTER:
        error = outputs_error(runs.keras, runs.torch)
    return Divergence(
        place.layer.path,
        place.kind,
        near.label() if near else "no call of the port was found that does its work",
        at,
        CAUSES[trial.cause if trial else "UNKNOWN"],
        trial.line if trial else "",
        error,
        trial.error if trial else error,
        rows(place.matches, runs.keras, runs.torch),
        place.tolerance,
        runs.dtype,
        runs.layout,
        runs.torch.raised,
        tried,
    )
