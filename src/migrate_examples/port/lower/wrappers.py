"""Wrappers: TimeDistributed, SpectralNormalization, and layers that hold layers."""

from collections.abc import Mapping
from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.layouts import not_carried
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Layout

LAST_AXIS = {"Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Dropout", "Identity"}
"""Layers that do not mind how many axes stand in front of the last one."""


def inside(call: Call, value: Value, out: Value) -> Call:
    """Call of the layer that a wrapper holds."""
    layer: Mapping[str, Any] = call.config["layer"]
    weights = {
        name.partition("/")[2] or name: array
        for name, array in call.weights.items()
        if not not_carried(call.kind, name)
    }
    return Call(
        call.layer,
        str(layer["class_name"]),
        layer.get("config") or {},
        (value,),
        (value,),
        {},
        (None,),
        (out,),
        weights,
        call.inner,
    )


@lowers("TimeDistributed")
def time_distributed(call: Call, body: Body) -> None:
    """The steps join the batch; layers of the last axis need not even that."""
    value, out = call.inputs[0], call.outputs[0]
    kind = call.config["layer"]["class_name"]
    if kind in LAST_AXIS and call.inner is None:
        body.lower(inside(call, value, out))
        return
    if (
        call.masks
        and call.masks[0] is not None
        and kind in {"LSTM", "GRU", "SimpleRNN"}
    ):
        raise UnsupportedError(
            f"TimeDistributed of {kind} with a mask: mask the steps by a Multiply"
        )
    whole = body.take(value, Layout.LAST)
    folded = body.value((None, *value.shape[2:]), value.dtype)
    local = body.line(
        "{0}.flatten(0, 1)", whole, rank=value.rank - 1, note="each step on its own"
    )
    body.give(folded, local, Layout.LAST)
    made = body.value((None, *out.shape[2:]), out.dtype)
    body.lower(inside(call, folded, made))
    local = body.take(made, Layout.LAST)
    local = body.line("{0}.unflatten(0, {1}.shape[:2])", local, whole, rank=out.rank)
    body.give(out, local, Layout.LAST)


@lowers("SpectralNormalization")
def spectral_normalization(call: Call, body: Body) -> None:
    """The layer inside: its kernel is stored as it was last divided."""
    body.lower(inside(call, call.inputs[0], call.outputs[0]))


@lowers("Pipeline")
def pipeline(call: Call, body: Body) -> None:
    """One layer after the other."""
    value = call.inputs[0]
    layers = call.config["layers"]
    if call.weights:
        raise UnsupportedError("a Pipeline of layers with weights: use Sequential")
    for n, layer in enumerate(layers):
        last = n == len(layers) - 1
        out = call.outputs[0] if last else body.value(value.shape, value.dtype)
        body.lower(
            Call(
                call.layer,
                str(layer["class_name"]),
                layer.get("config") or {},
                (value,),
                (value,),
                {},
                (None,),
                (out,),
                {},
            )
        )
        value = out
