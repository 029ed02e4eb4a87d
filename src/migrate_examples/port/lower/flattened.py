"""Which flattened tensors may stand channels first: Dense layers alone use them."""

from collections import Counter
from math import prod

from migrate_examples.port.graph import Call, Graph, Value, values_in

BETWEEN = {
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "ELU",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "LeakyReLU",
    "ReLU",
}
"""Layers that treat all columns alike, and may stand between Flatten and Dense."""


def followers(graph: Graph) -> dict[int, tuple[Value, ...]]:
    """Of each Flatten that allows it, all tensors whose columns change places.

    A permutation of each batch is saved where the rows of the kernels behind can
    be permuted once. Not so where a Dense layer is called elsewhere too, where the
    model returns the tensor, or where another layer looks at it.

    Returns
    -------
    dict
        By the key of the Flatten's output: that output, and those of the layers
        between it and the Dense ones.
    """
    reach = Reach(graph)
    made: dict[int, tuple[Value, ...]] = {}
    for call in graph.calls:
        if call.kind == "Flatten" and is_spatial(call.inputs[0]):
            values = reach.of(call.outputs[0])
            if values is not None:
                made[call.outputs[0].key] = tuple(values)
    return made


class Reach:
    """Finds the Dense layers behind a tensor."""

    def __init__(self, graph: Graph) -> None:
        self.users: dict[int, list[Call]] = {}
        for call in graph.calls:
            for value in (*call.inputs, *filter(None, call.masks)):
                self.users.setdefault(value.key, []).append(call)
        self.calls = Counter(call.layer for call in graph.calls)
        self.returned = {value.key for value in values_in(graph.outputs)}

    def of(self, value: Value) -> list[Value] | None:
        """The tensors up to the Dense layers; None where anything else is behind."""
        users = self.users.get(value.key, [])
        if value.key in self.returned or not users:
            return None
        found = [value]
        for user in users:
            if user.kind == "Dense" and self.calls[user.layer] == 1:
                continue
            behind = self.of(user.outputs[0]) if user.kind in BETWEEN else None
            if behind is None:
                return None
            found += behind
        return found


def is_spatial(value: Value) -> bool:
    """Whether a tensor has channels and places, of known sizes, more than one."""
    sizes = value.shape[1:]
    known = [size for size in sizes if size is not None]
    return (
        len(sizes) > 1 and len(known) == len(sizes) and prod(known[:-1]) > 1 < known[-1]
    )
