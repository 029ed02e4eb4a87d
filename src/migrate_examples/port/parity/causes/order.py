"""What is missing, too much, exchanged, or joined in another way."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import channels_first, closeness
from migrate_examples.port.parity.keras_trace import KerasCall
from migrate_examples.port.parity.place import BEFORE, Place, Trial
from migrate_examples.port.parity.preprocessing_kinds import PREPROCESSING, reverses
from migrate_examples.port.parity.torch_trace import TorchCall

MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "*": np.multiply,
    "-": np.subtract,
    "torch.maximum": np.maximum,
    "torch.minimum": np.minimum,
    "the average": lambda a, b: (a + b) / 2,
}


def again(call: KerasCall, inputs: list[Array]) -> Array | None:
    """Output of a layer on other inputs; None where it refuses them."""
    if len(inputs) != len(call.inputs) or any(
        a.shape[1:] != b.shape[1:] for a, b in zip(inputs, call.inputs, strict=True)
    ):
        return None
    return call.rerun(inputs)


def without(place: Place, instead: Array) -> Iterator[Array]:
    """Outputs of the layers behind, when one of their inputs is another."""
    for reader in place.readers():
        inputs = [
            instead if parent == place.layer.number else array
            for parent, array in zip(reader.parents, reader.inputs, strict=True)
        ]
        result = again(reader, inputs)
        if result is not None:
            yield result


def missing(place: Place) -> Iterator[Trial]:
    """See whether the port goes on as if the layer were not there."""
    layer = place.layer
    if not layer.inputs or len(layer.inputs) > 1:
        return
    cause, line = (
        "LAYER-MISSING",
        f"{layer.path} ({layer.kind}) of Keras has to stand here",
    )
    if layer.kind == "Softmax" or (layer.kind == "Activation" and softmax_is(layer)):
        cause, line = "SOFTMAX-MISSING", "x.softmax(-1) at the end, or compare logits"
    elif layer.kind == "Activation" or layer.stage:
        cause = "ACTIVATION-MISSING" if layer.kind == "Activation" else cause
    if layer.kind in PREPROCESSING:
        cause, line = (
            "PREPROCESS-INSIDE",
            f"compute {layer.path} ({layer.kind}) in forward",
        )
    if reverses(layer):
        cause, line = "PREPROCESS-BGR", "x = x.flip(1): Keras takes blue, green, red"
    for result in without(place, layer.inputs[0]):
        error, call = place.seen(result)
        if call is not None:
            yield Trial(cause, error, line, call, BEFORE)
    if place.ends_here() and place.outputs_equal(layer.inputs[0]):
        yield Trial(cause, 0.0, line)


def softmax_is(layer: KerasCall) -> bool:
    """Whether an activation is a softmax."""
    return getattr(layer.layer.activation, "__name__", "") == "softmax"


def shortcut(place: Place) -> Iterator[Trial]:
    """See whether one branch alone goes on, or both joined in another way."""
    layer = place.layer
    if len(layer.inputs) != 2 or layer.inputs[0].shape != layer.inputs[1].shape:
        return
    if layer.kind in ("Concatenate", "Attention", "MultiHeadAttention"):
        return
    first, second = layer.inputs
    for name, join in MERGES.items():
        error, call = place.seen(join(first, second))
        if call is not None:
            line = f"{layer.kind} of Keras, where the port has {name}"
            yield Trial("MERGE-OPERATION", error, line, call)
    for alone in (first, second):
        for result in without(place, alone):
            error, call = place.seen(result)
            if call is not None:
                yield Trial("RESIDUAL-SKIPPED", error, "x = x + shortcut", call)
        if place.ends_here() and place.outputs_equal(alone):
            yield Trial("RESIDUAL-SKIPPED", 0.0, "x = x + shortcut")


def exchanged(place: Place) -> Iterator[Trial]:
    """See whether the port has the layer and the next, or the one before, reversed."""
    layer = place.layer
    for reader in place.readers():
        if len(reader.inputs) != 1:
            continue
        for mixed in mixtures(layer, reader):
            error, call = place.seen(mixed)
            if call is not None:
                line = f"{layer.path} before {reader.path}, not behind it"
                yield Trial("LAYERS-EXCHANGED", error, line, call)


def mixtures(layer: KerasCall, reader: KerasCall) -> Iterator[Array]:
    """What comes out when the next layer is applied to the inputs first."""
    if all(a.shape[1:] == reader.inputs[0].shape[1:] for a in layer.inputs):
        through = [again(reader, [array]) for array in layer.inputs]
        for choice in itertools.product((False, True), repeat=len(layer.inputs)):
            if not any(choice):
                continue
            inputs = [
                t if use else array
                for t, use, array in zip(through, choice, layer.inputs, strict=True)
            ]
            result = again(layer, [a for a in inputs if a is not None])
            if result is not None:
                yield result
            if len(inputs) == 1 and inputs[0] is not None:
                yield inputs[0]


def concatenation(place: Place) -> Iterator[Trial]:
    """See whether the port joins along another axis or in another order."""
    inputs = list(place.layer.inputs)
    if place.kind != "Concatenate" or not 1 < len(inputs) < 6:
        return
    axis = int(place.layer.config("axis", -1)) % inputs[0].ndim
    for order in itertools.permutations(range(len(inputs))):
        error, call = place.seen(np.concatenate([inputs[i] for i in order], axis))
        if call is not None:
            line = "torch.cat in the order of Keras's Concatenate"
            yield Trial("CONCATENATE-ORDER", error, line, call)
    for other in range(1, inputs[0].ndim):
        sizes = {tuple(np.delete(a.shape, other)) for a in inputs}
        if other != axis and len(sizes) == 1:
            error, call = place.seen(np.concatenate(inputs, other))
            if call is not None:
                yield Trial("CONCATENATE-AXIS", error, "torch.cat(parts, dim=1)", call)


def reshaping(place: Place) -> Iterator[Trial]:
    """See whether the port gives a flat array channels first."""
    layer = place.layer
    if layer.kind not in ("Reshape", "Flatten") or layer.output.ndim < 3:
        return
    wanted = channels_first(layer.output)
    error, call = place.seen(np.moveaxis(layer.inputs[0].reshape(wanted.shape), 1, -1))
    if call is not None:
        line = "x.reshape(batch, height, width, channels).permute(0, 3, 1, 2)"
        yield Trial("RESHAPE-ORDER", error, line, call)


def extra(place: Place) -> Iterator[Trial]:
    """See whether the layer is right and what it was fed is not."""
    for call in place.calls:
        if not call.read or not set(call.read) - place.within_reach:
            continue
        writer = place.trace.values[call.read[0]].call
        if writer < 0:
            continue
        made = place.trace.calls[writer]
        error = place.in_port(call.number, reading(place.input_for(call)))
        line = f"leave out {made.label()}, or do in Keras what it does"
        yield Trial("LAYER-EXTRA", error, line, made, BEFORE)
    for made in place.trace.calls:
        if set(made.read[:1]) & place.equal and keeps_size(place, made):
            error = place.in_port(made.number, unchanged)
            line = f"leave out {made.label()}, or do in Keras what it does"
            yield Trial("LAYER-EXTRA", error, line, made, BEFORE)


def reading(x: Tensor) -> Callable[..., Any]:
    """Make a call that reads another tensor."""

    def changed(function: Any, _first: Any, *rest: Any, **keywords: Any) -> Any:
        return function(x, *rest, **keywords)

    return changed


def unchanged(_function: Any, first: Any, *_rest: Any, **_keywords: Any) -> Any:
    """Return what was read."""
    return first + 0.0


def keeps_size(place: Place, call: TorchCall) -> bool:
    """Whether a call writes one value of the size that it reads."""
    sizes = {place.trace.values[n].size for n in (*call.read[:1], *call.wrote)}
    return len(call.wrote) == 1 and len(sizes) == 1


def output_apart(place: Place) -> Iterator[Trial]:
    """See what the port does behind the last layer, when all layers agree."""
    outputs = place.keras.outputs
    for number, (ours, theirs) in enumerate(
        zip(outputs, place.trace.outputs, strict=False)
    ):
        if closeness(ours, theirs).error <= place.tolerance:
            continue
        for axis in range(1, ours.ndim):
            powers = np.exp(ours - ours.max(axis, keepdims=True))
            twice = powers / powers.sum(axis, keepdims=True)
            error = closeness(twice, theirs).error
            yield Trial("SOFTMAX-TWICE", error, "leave the second softmax out")
        elsewhere = [i for i, o in enumerate(outputs) if place.outputs_equal(o)]
        if len(elsewhere) == len(outputs) > 1:
            yield Trial("OUTPUT-ORDER", 0.0, f"return output {number} in Keras's order")
