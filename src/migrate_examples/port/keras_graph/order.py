"""The order in which a person would write the calls down: branch after branch."""

from collections.abc import Iterable, Sequence
from typing import Any


def nodes_between(inputs: Iterable[int], outputs: Sequence[Any]) -> list[Any]:
    """Nodes that lead to some symbolic tensors, each after those that it needs.

    Keras orders by the distance to the output, which interleaves branches; this goes
    down each argument in turn.

    Parameters
    ----------
    inputs : iterable of int
        ``id`` of the symbolic tensors to stop at.
    outputs : sequence of KerasTensor
        Where to start.
    """
    known = set(inputs)
    ordered: list[Any] = []
    done: set[int] = set()
    stack = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, expanded = stack.pop()
        if id(tensor) in known:
            continue
        node = _producer(tensor)
        if node is None or id(node) in done:
            continue
        if expanded:
            done.add(id(node))
            ordered.append(node)
            continue
        stack.append((tensor, True))
        stack.extend((needed, False) for needed in reversed(node.input_tensors))
    return ordered


def _producer(tensor: Any) -> Any:
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None
    return history.operation._inbound_nodes[history.node_index]
