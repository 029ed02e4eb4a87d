"""Which value of the port is which layer's output in Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import FLATTENED, Closeness, channels_first
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.keras_trace import KerasCall, KerasTrace
from migrate_examples.port.parity.torch_trace import TorchTrace, Value


@dataclass(frozen=True)
class Row:
    """One call of Keras and what stands for it in the port.

    Attributes
    ----------
    keras, kind : str
        Path and class of the layer.
    torch : str
        Module and function that wrote the nearest value, with file and line.
    error : float
        Relative to the largest value of the layer's output; infinite where the
        port has nothing of that size.
    form : str
        How the port's axes lie.
    agrees : bool
        The error is within the tolerance.
    skipped : bool
        It is not, but what depends on the layer agrees again: the port does the
        same in another way.
    """

    keras: str
    kind: str
    torch: str
    error: float
    form: str
    agrees: bool
    skipped: bool = False


@dataclass(frozen=True)
class Match:
    """The nearest value of one call, and whether it is near enough."""

    call: KerasCall
    value: Value | None
    closeness: Closeness
    agrees: bool


def flattened(call: KerasCall) -> Array | None:
    """Flatten's output as a port that keeps channels first has it, or None."""
    if call.kind not in ("Flatten", "Reshape") or call.output.ndim != 2:
        return None
    image = call.inputs[0]
    return channels_first(image).reshape(len(image), -1) if image.ndim > 2 else None


def match(
    call: KerasCall, trace: TorchTrace, tolerance: float, among: set[int] | None
) -> Match:
    """Find the value of the port that is the call's output."""
    found, value = trace.nearest(call.output, tolerance, among)
    if found.error <= tolerance:
        return Match(call, value, found, agrees=True)
    order = flattened(call)
    if order is not None:
        again, other = trace.nearest(order, tolerance, among)
        if again.error <= tolerance:
            return Match(call, other, Closeness(again.error, FLATTENED), agrees=True)
    found, value = trace.nearest(call.output, np.inf, among)
    return Match(call, value, found, agrees=False)


def values_of(trace: TorchTrace, module: str) -> set[int]:
    """Values that a module and what lies in it wrote."""
    return {
        number
        for call in trace.calls
        if call.module == module or call.module.startswith(f"{module}.")
        for number in call.wrote
    }


def check_pairs(
    pairs: Mapping[str, str], keras_trace: KerasTrace, module: nn.Module
) -> None:
    """Compare the names of pairs given by hand with those there are.

    Raises
    ------
    ParityError
        On a name that neither side has, with the names it may have meant.
    """
    layers = {
        call.path.split("#")[0].removesuffix(" activation")
        for call in keras_trace.calls
    }
    parts = {name for name, _ in module.named_modules()}
    for layer, part in pairs.items():
        if layer not in layers:
            raise ParityError(
                f"pairs names the layer {layer!r}, which did not run in Keras; "
                f"these did: {', '.join(sorted(layers))}"
            )
        if part not in parts:
            raise ParityError(
                f"pairs names the module {part!r}; the port has "
                f"{', '.join(sorted(parts - {''}))}"
            )


def line_up(
    keras_trace: KerasTrace,
    torch_trace: TorchTrace,
    tolerance: float,
    pairs: Mapping[str, str],
) -> list[Match]:
    """Match every call of Keras; pairs given by hand restrict where it may be."""
    matches = []
    for call in keras_trace.calls:
        part = pairs.get(call.path.removesuffix(" activation"))
        bound = part is not None and not call.path.endswith(" activation")
        among = values_of(torch_trace, str(part)) if bound else None
        matches.append(match(call, torch_trace, tolerance, among))
    return matches


def first_apart(matches: list[Match], trace: KerasTrace) -> Match | None:
    """First call that differs and that nothing which depends on it makes good.

    A port may fold layers into one, or do two in another order: what a layer
    writes is then nowhere in it, and the next layer agrees all the same.
    """
    agreeing = {m.call.number for m in matches if m.agrees}
    for found in matches:
        if not found.agrees and not trace.descendants(found.call) & agreeing:
            return found
    return None


def first_inexact(
    matches: list[Match], trace: KerasTrace, exact: float
) -> Match | None:
    """First call that agrees by and large, but not to rounding."""
    exactly = {m.call.number for m in matches if m.closeness.error <= exact}
    for found in matches:
        inexact = found.agrees and found.closeness.error > exact
        if inexact and not trace.descendants(found.call) & exactly:
            return found
    return None


def rows(matches: list[Match], keras: KerasTrace, torch: TorchTrace) -> tuple[Row, ...]:
    """Make the table of the lined up layers."""
    agreeing = {m.call.number for m in matches if m.agrees}
    table = []
    for m in matches:
        skipped = not m.agrees and bool(keras.descendants(m.call) & agreeing)
        table.append(
            Row(
                m.call.path,
                m.call.kind,
                label(m.value, torch),
                m.closeness.error,
                m.closeness.form,
                m.agrees,
                skipped,
            )
        )
    return tuple(table)


def label(value: Value | None, trace: TorchTrace) -> str:
    """Say where a value was written."""
    if value is None:
        return "nothing of that size"
    return trace.calls[value.call].label() if value.call >= 0 else "the input itself"


def owners(keras_trace: KerasTrace, module: nn.Module) -> dict[str, str]:
    """Pair layers and modules whose weights hold the same numbers, in any order.

    Weights of one value, as fresh biases are, say nothing and are passed over.
    """
    having: dict[bytes, str] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        array = tensor.detach().double().numpy().ravel()
        if array.size > 1 and np.ptp(array) > 0:
            having.setdefault(sorted_key(array), name.rpartition(".")[0])
    found: dict[str, str] = {}
    for call in keras_trace.calls:
        for weight in call.weights().values():
            owner: Any = having.get(sorted_key(weight.astype(np.float64).ravel()))
            if owner is not None:
                found.setdefault(call.path, owner)
    return found


def sorted_key(array: Array) -> bytes:
    """What two arrays with the same numbers have in common."""
    return np.sort(array.astype(np.float32)).tobytes()
