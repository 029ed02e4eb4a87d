"""Outputs and gradients of two models, in both precisions, and what that means."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import closeness
from migrate_examples.port.parity.divergence import first_call
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.feeding import Feed, feed_of, layouts_to_try
from migrate_examples.port.parity.gradients import Side, keras_side, torch_side
from migrate_examples.port.parity.parameters import Pair, pair_parameters, variables_of
from migrate_examples.port.parity.precision import (
    check_dtype,
    first_line,
    keras_copy,
    same_draws,
    torch_copy,
)
from migrate_examples.port.parity.tolerances import CONSTANT, tolerance

AGREE = "agree to rounding"
CONSTANT_WORDS = "same function, but one constant went through float32"
DIFFER = "differ: a convention"
GRADIENTS = "outputs agree, gradients do not"
SHAPES = "outputs do not fit"
RAISED = "the port does not run"


@dataclass(frozen=True)
class Result:
    """Both models in one precision; errors are relative to the largest value.

    Attributes
    ----------
    dtype, layout : str
        In which they ran; how the port takes its inputs.
    outputs : tuple of float
        Error of each output; infinite where its shape does not fit.
    inputs : tuple of float
        Error of the gradient by each floating input.
    parameters : mapping of str to float
        Error of the gradient by parameter of the port, as far as it is paired.
    forms : tuple of str
        How the axes of the port's outputs lie.
    raised : str
        Error with which the port ended.
    """

    dtype: str
    layout: str
    outputs: tuple[float, ...]
    inputs: tuple[float, ...]
    parameters: Mapping[str, float]
    forms: tuple[str, ...]
    raised: str = ""

    @property
    def output(self) -> float:
        """Largest error of the outputs."""
        return max(self.outputs, default=float("inf"))

    @property
    def gradient(self) -> float:
        """Largest error of all gradients that were compared."""
        return max([*self.inputs, *self.parameters.values()], default=0.0)


@dataclass(frozen=True)
class Comparison:
    """What became of comparing two models.

    Attributes
    ----------
    results : tuple of Result
        One a dtype.
    pairs : tuple of Pair
        Variables and parameters that hold the same numbers.
    unpaired_keras, unpaired_torch : tuple of str
        Those that found no counterpart: their gradients were not compared.
    training : bool
        The port was given in training mode.
    """

    results: tuple[Result, ...]
    pairs: tuple[Pair, ...]
    unpaired_keras: tuple[str, ...]
    unpaired_torch: tuple[str, ...]
    training: bool

    def in_dtype(self, dtype: str) -> Result:
        """The result of one precision."""
        return next(result for result in self.results if result.dtype == dtype)

    @property
    def finest(self) -> Result:
        """The result that tells most: float64 where it ran."""
        return next((r for r in self.results if r.dtype == "float64"), self.results[0])

    @property
    def verdict(self) -> str:
        """In a few words: one of the constants of this module."""
        result = self.finest
        if result.raised:
            return RAISED
        if result.output == float("inf"):
            return SHAPES
        bound = tolerance(result.dtype).relative
        steep = bound if result.dtype == "float64" else 1e-3
        if result.output <= bound and result.gradient <= steep:
            return AGREE
        if (
            result.dtype == "float64"
            and max(result.output, result.gradient) <= CONSTANT
        ):
            return CONSTANT_WORDS
        loose = max(bound, CONSTANT if result.dtype == "float64" else bound)
        return GRADIENTS if result.output <= loose else DIFFER

    @property
    def agrees(self) -> bool:
        """Whether both compute the same."""
        return self.verdict in (AGREE, CONSTANT_WORDS)

    def __str__(self) -> str:
        """Verdict, errors, what was not compared, what to do."""
        lines = [f"Verdict: {self.verdict}."]
        for r in self.results:
            if r.raised:
                lines.append(f"{r.dtype}: {r.raised}")
                continue
            lines.append(
                f"{r.dtype}: outputs {r.output:.1e}, gradients by inputs "
                f"{max(r.inputs, default=0.0):.1e}, by {len(r.parameters)} parameters "
                f"{max(r.parameters.values(), default=0.0):.1e} "
                f"(port takes {r.layout}, returns {', '.join(r.forms) or 'nothing'})"
            )
        if self.unpaired_keras or self.unpaired_torch:
            lines.append(
                "Gradients not compared, no counterpart with these numbers: Keras "
                f"{', '.join(self.unpaired_keras) or 'none'}; port "
                f"{', '.join(self.unpaired_torch) or 'none'}."
            )
        if self.training:
            lines.append("The port is in training mode; eval() is what Keras runs in.")
        if not self.agrees:
            lines.append(
                "first_divergence(keras_model, module, inputs) says where and why."
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return (
            "<p>" + "<br>".join(html.escape(x) for x in str(self).splitlines()) + "</p>"
        )


def compare(
    keras_model: Any,
    module: nn.Module,
    inputs: Any,
    *,
    layout: str = "auto",
    dtypes: Sequence[str] = ("float32", "float64"),
    pairs: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare outputs and gradients of a Keras model and its port.

    Copies of both are run, in evaluation mode on Keras's side and in its own mode
    on the port's; neither model is changed. Gradients are those of one random
    projection of the outputs, the same on both sides.

    Parameters
    ----------
    inputs : array, sequence, or mapping of name to array
        In Keras's layout, channels last; floating or integers.
    layout : str
        ``NHWC`` or ``NCHW``: what the port takes. ``auto`` runs both and keeps
        the one that is nearer.
    dtypes : sequence of str
        ``float32``, ``float64``.
    pairs : mapping of str to str, optional
        Layer of Keras to module of the port, where equal numbers do not show it.

    Raises
    ------
    ParityError
        On inputs that do not fit the Keras model, an unknown dtype or layout, or
        a model that cannot be copied.
    """
    if not dtypes:
        raise ParityError("no dtype to compare in: give 'float32', 'float64' or both")
    feed = feed_of(keras_model, inputs)
    layouts = layouts_to_try(feed, layout)
    results, paired = [], []
    names: list[str] = []
    for dtype in dtypes:
        check_dtype(dtype)
        with same_draws():
            theirs = keras_copy(
                keras_model, dtype, first_call(feed, dtype), shared=True
            )
            names, arrays = variables_of(theirs)
            paired = list(
                pair_parameters(names, arrays, torch_copy(module, dtype), pairs)
            )
            results.append(one_dtype(theirs, module, feed, dtype, layouts, paired))
    used = {number for pair in paired for number in pair.variables}
    filled = {pair.torch for pair in paired}
    return Comparison(
        tuple(results),
        tuple(paired),
        tuple(name for number, name in enumerate(names) if number not in used),
        tuple(name for name, _ in module.named_parameters() if name not in filled),
        module.training,
    )


def one_dtype(
    theirs: Any,
    module: nn.Module,
    feed: Feed,
    dtype: str,
    layouts: Sequence[str],
    pairs: Sequence[Pair],
) -> Result:
    """Run both in one precision, the port in each layout, and keep the nearest."""
    ours = keras_side(theirs, feed, dtype)
    best: Result | None = None
    for moved in layouts:
        copied = torch_copy(module, dtype)
        try:
            with torch.random.fork_rng():
                side = torch_side(copied, feed, dtype, moved, ours.outputs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            result = Result(dtype, moved, (), (), {}, (), first_line(error))
        else:
            names = [name for name, _ in copied.named_parameters()]
            result = measured(dtype, moved, ours, side, pairs, names)
        if best is None or (bool(result.raised), result.output) < (
            bool(best.raised),
            best.output,
        ):
            best = result
    if best is None:
        raise ParityError("no layout to try")
    return best


def measured(
    dtype: str,
    moved: str,
    ours: Side,
    theirs: Side,
    pairs: Sequence[Pair],
    names: Sequence[str],
) -> Result:
    """Errors of one run."""
    found = [
        closeness(a, b) for a, b in zip(ours.outputs, theirs.outputs, strict=False)
    ]
    missing = abs(len(ours.outputs) - len(theirs.outputs)) * (float("inf"),)
    by_name = dict(zip(names, theirs.parameters, strict=True))
    inputs = tuple(
        0.0 if a is None and b is None else apart(a, b, 0.0)
        for a, b in zip(ours.inputs, theirs.inputs, strict=True)
    )
    return Result(
        dtype,
        moved,
        (*(c.error for c in found), *missing),
        inputs,
        gradient_errors(ours, by_name, pairs),
        tuple(c.form for c in found),
    )


def gradient_errors(
    ours: Side, by_name: Mapping[str, Array | None], pairs: Sequence[Pair]
) -> dict[str, float]:
    """Errors of the gradients by parameter, in the parameter's layout.

    A gradient that is zero but for rounding, as that of a bias before a batch
    normalisation, is measured by the largest gradient of the model.
    """
    known = [g for g in ours.parameters if g is not None]
    largest = max((float(np.abs(g).max(initial=0.0)) for g in known), default=0.0)
    errors = {}
    for pair in pairs:
        parts = [ours.parameters[number] for number in pair.variables]
        theirs = by_name.get(pair.torch)
        if all(part is None for part in parts) and theirs is None:
            continue
        whole = [np.zeros(0) if g is None else g for g in ours.parameters]
        if any(part is None for part in parts) or theirs is None:
            errors[pair.torch] = float("inf")
            continue
        errors[pair.torch] = apart(pair.arranged(whole), theirs, 1e-4 * largest)
    return errors


def apart(ours: Array | None, theirs: Array | None, floor: float) -> float:
    """Error of one gradient; infinite where one side has none."""
    if ours is None or theirs is None:
        return float("inf")
    scale = float(np.abs(ours).max(initial=0.0))
    error = closeness(ours, theirs).error
    return error if scale >= floor else error * scale / (floor or 1.0)
