"""All causes in the order in which they are tried."""

from collections.abc import Callable, Iterator

from migrate_examples.port.parity.causes import (
    activations,
    attention,
    convolution,
    mode,
    normalization,
    order,
    preprocessing,
    recurrent,
    resizing,
    weights,
)
from migrate_examples.port.parity.place import Place, Trial

HYPOTHESES: tuple[Callable[[Place], Iterator[Trial]], ...] = (
    mode.training_mode,
    normalization.epsilon,
    normalization.running_statistics,
    normalization.axes,
    convolution.convolution,
    convolution.zero_padding,
    convolution.transposed,
    convolution.maximum_pooling,
    convolution.average_pooling,
    resizing.resizing,
    weights.flatten,
    weights.weights,
    recurrent.direction,
    recurrent.gates,
    recurrent.biases,
    recurrent.reset_before,
    recurrent.mask,
    attention.attention,
    activations.slope,
    activations.activation,
    activations.softmax_axis,
    order.concatenation,
    order.reshaping,
    mode.half,
    order.missing,
    order.exchanged,
    order.shortcut,
    preprocessing.preprocessing,
    order.extra,
)
"""What changes a number before what leaves a layer out; the first fit is named."""


def likely(place: Place) -> tuple[Trial | None, int]:
    """First cause under which the error vanishes, and how many trials were made.

    One that leaves a rest below 1e-6 is kept in mind, for constants that went
    through float32, until all have been tried.
    """
    before = place.matches[place.layer.number].closeness.error
    rest: Trial | None = None
    count = 0
    for hypothesis in HYPOTHESES:
        for trial in hypothesis(place):
            count += 1
            if trial.error <= min(place.exact, max(before / 100, 1e-13)):
                return trial, count
            if trial.error <= min(place.tolerance, before / 100) and (
                rest is None or trial.error < rest.error
            ):
                rest = trial
    if rest is None:
        rest = next(mode.constant(place), None)
    return rest, count
