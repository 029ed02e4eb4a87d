"""Inputs: colours, scaling, means, done in one model and not in the other."""

from collections.abc import Iterator

import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import forms
from migrate_examples.port.parity.place import BEFORE, Place, Trial
from migrate_examples.port.parity.preprocessing_kinds import PREPROCESSING


def affine(read: Array, right: Array) -> tuple[Array, Array, float]:
    """Factor and offset by channel that make one array of the other, and what is left.

    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> scale, offset, error = affine(x, x * 2 + 1)
    >>> scale.round(6), offset.round(6), error < 1e-12
    (array([2., 2., 2.]), array([1., 1., 1.]), True)
    """
    x, y = read.reshape(-1, read.shape[-1]), right.reshape(-1, right.shape[-1])
    spread = np.square(x - x.mean(0)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = ((x - x.mean(0)) * (y - y.mean(0))).sum(0) / spread
    offset = y.mean(0) - scale * x.mean(0)
    gap = np.abs(scale * x + offset - y).max()
    return scale, offset, float(gap / (np.abs(y).max() or 1.0))


def preprocessing(place: Place) -> Iterator[Trial]:
    """See whether what the first layer reads is Keras's input, scaled or reversed."""
    layer = place.layer
    first = all(parent == -1 for parent in layer.parents)
    if layer.inputs and place.calls and first_with_weights(place):
        for call in place.calls[:1]:
            value = place.unpadded(call)
            if value is None or value.number in place.equal:
                continue
            yield from related(place, value.array, layer.inputs[0], call.number)
    if first and layer.kind in PREPROCESSING:
        # the port prepares the inputs in its own way: look for its counterpart
        for reader in place.readers():
            for call in place.trace.calls:
                if not call.name.startswith(("conv", "linear")) or not call.read:
                    continue
                value = place.unpadded(call)
                if value is None:
                    break
                if reader.inputs and value.size == reader.inputs[0].size:
                    yield from related(
                        place, value.array, reader.inputs[0], call.number
                    )
                break


def first_with_weights(place: Place) -> bool:
    """Whether the layer is the first one that has weights."""
    return not any(m.call.weights() for m in place.matches[: place.layer.number])


def related(place: Place, read: Array, right: Array, number: int) -> Iterator[Trial]:
    """Say how what the port reads becomes what Keras reads."""
    call = place.trace.calls[number]
    given = place.feed.arrays[0]
    for _, image in forms(read, right.shape):
        turned = image[..., ::-1]
        if image.ndim < 2:
            continue
        if np.abs(turned - right).max() <= 1e-9 * (np.abs(right).max() or 1.0):
            line = "x = x.flip(1): the channels are reversed"
            yield Trial("PREPROCESS-BGR", 0.0, line, call, BEFORE)
        scale, offset, error = affine(image, right)
        if not np.isfinite(error):
            continue
        raw = any(
            image.shape == a.shape and np.abs(image - a).max() < 1e-9 for a in (given,)
        ) or np.array_equal(right, given)
        line = f"x = x * {short(scale)} + {short(offset)}"
        cause = "PREPROCESS-INSIDE" if raw else "PREPROCESS-SCALE"
        yield Trial(cause, error, line, call, BEFORE)
        scale, offset, error = affine(turned, right)
        if np.isfinite(error):
            line = f"x = x.flip(1), then * {short(scale)} + {short(offset)}"
            yield Trial("PREPROCESS-BGR", error, line, call, BEFORE)


def short(numbers: Array) -> str:
    """One number where all channels have the same."""
    if np.ptp(numbers) <= 1e-12 * np.abs(numbers).max(initial=1.0):
        return f"{numbers[0]:.10g}"
    return "[" + ", ".join(f"{n:.10g}" for n in numbers) + "]"
