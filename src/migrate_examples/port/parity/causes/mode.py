"""The port as a whole: its mode, its precision."""

from collections.abc import Iterator

import numpy as np
import torch

from migrate_examples.port.parity.causes.order import unchanged
from migrate_examples.port.parity.place import BEFORE, Place, Trial
from migrate_examples.port.parity.torch_trace import trace_torch


def training_mode(place: Place) -> Iterator[Trial]:
    """Run the port again in evaluation mode."""
    if place.training:
        return
    active = [name for name, part in place.module.named_modules() if part.training]
    if active:
        place.module.eval()
        trace = trace_torch(place.module, place.feed, place.dtype, place.moved)
        error = trace.nearest(place.layer.output)[0].error
        for name, part in place.module.named_modules():
            part.training = name in active
        yield Trial("MODE-DEFAULT", error, "module.eval()")
    for call in place.trace.calls:
        active_here = call.keywords.get("training", True)
        if call.name != "dropout" or active_here is False:
            continue
        error = place.in_port(call.number, unchanged)
        line = "F.dropout(x, p, training=self.training)"
        yield Trial("MODE-DEFAULT", error, line, call, BEFORE)


def half(place: Place) -> Iterator[Trial]:
    """See whether the port rounds to float16 on the way."""
    for array in (*place.layer.inputs[:1], place.layer.output):
        with np.errstate(over="ignore"):
            rounded = array.astype(np.float16).astype(np.float64)
        error, call = place.seen(rounded)
        if call is not None:
            line = f"no .half() in {call.label()}"
            yield Trial("DTYPE-FLOAT16", error, line, call, BEFORE)
    for call in place.trace.calls:
        if torch.float16 in call.arguments or call.name == "half":
            error = place.in_port(call.number, unchanged)
            yield Trial(
                "DTYPE-FLOAT16", error, f"no .half() in {call.label()}", call, BEFORE
            )


def constant(place: Place) -> Iterator[Trial]:
    """Say that a constant went through float32, where the error is of that size."""
    match = place.matches[place.layer.number]
    if place.dtype == "float64" and match.closeness.error < 1e-6:
        line = "a Python number c of Keras in float64 is float(np.float32(c))"
        yield Trial("CONSTANT-FLOAT32", 0.0, line)
