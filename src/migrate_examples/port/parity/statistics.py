"""Running statistics of batch normalisations after a step in training mode."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch import nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import distance
from migrate_examples.port.parity.keras_trace import name_inside, nodes
from migrate_examples.port.parity.lineup import Match
from migrate_examples.port.parity.place import Trial
from migrate_examples.port.parity.torch_trace import TorchTrace

Statistics = Mapping[str, Mapping[str, Array]]


def statistics_of(keras_model: object) -> Statistics:
    """Moving mean and variance by the layer's path, copied."""
    return {
        path: {
            name_inside(v.path, layer.name): np.array(v.numpy(), np.float64)
            for v in layer.variables
        }
        for path, layer in nodes(keras_model)
        if type(layer).__name__ == "BatchNormalization"
    }


def statistics_apart(
    matches: Sequence[Match],
    trace: TorchTrace,
    module: nn.Module,
    before: Statistics,
    tolerance: float,
) -> Iterator[tuple[Match, float, Trial]]:
    """Every batch normalisation whose running statistics differ, and why."""
    buffers = dict(module.named_buffers())
    for match in matches:
        if match.call.kind != "BatchNormalization" or match.value is None:
            continue
        call = trace.calls[match.value.call]
        names = [
            n for n in call.parameters if n.endswith(("running_mean", "running_var"))
        ]
        if len(names) != 2:
            continue
        mean, variance = (buffers[name].double().numpy() for name in sorted(names))
        after = match.call.weights()
        ours = after["moving_mean"], after["moving_variance"]
        error = max(distance(ours[0], mean), distance(ours[1], variance))
        if error <= tolerance:
            continue
        part = module.get_submodule(names[0].rpartition(".")[0])
        at = before[match.call.path.split("#")[0]]
        cause, rest, line = why(match, at, ours, (mean, variance), part)
        yield match, error, Trial(cause, rest, line, call)


def why(
    match: Match,
    before: Mapping[str, Array],
    ours: tuple[Array, Array],
    theirs: tuple[Array, Array],
    part: nn.Module,
) -> tuple[str, float, str]:
    """Find what makes the port's statistics of Keras's: momentum, N / (N - 1)."""
    kept = float(match.call.config("momentum"))
    momentum = getattr(part, "momentum", None) or 0.0
    old = before["moving_mean"], before["moving_variance"]
    batch = [
        (new - kept * was) / (1 - kept) for new, was in zip(ours, old, strict=True)
    ]
    count = match.call.output.size / match.call.output.shape[-1]
    unbiased = [batch[0], batch[1] * count / (count - 1)]
    for share, values, cause in (
        (1 - kept, unbiased, "BATCHNORM-VARIANCE"),
        (momentum, batch, "BATCHNORM-MOMENTUM"),
        (momentum, unbiased, "BATCHNORM-MOMENTUM"),
    ):
        made = [was + share * (b - was) for was, b in zip(old, values, strict=True)]
        rest = max(distance(a, b) for a, b in zip(made, theirs, strict=True))
        if rest <= 1e-9:
            line = f"momentum={1 - kept:.6g}"
            if cause == "BATCHNORM-VARIANCE":
                line = (
                    "running_var.lerp_(x.var((0, 2, 3), correction=0), momentum) in a "
                    "subclass of nn.BatchNorm2d"
                )
            return cause, rest, line
    return "UNKNOWN", float("inf"), ""
