"""What a Keras model computes, as plain data: calls of layers, in their order.

Read from a live model by ``keras_graph``; what lowers and writes it sees no Keras.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Value:
    """A tensor between two calls.

    Attributes
    ----------
    key : int
        Unique in the whole model.
    shape : tuple of int or None
        As Keras has it, with the batch first and channels last.
    dtype : str
        ``float32``, ``int64``, …
    """

    key: int
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def rank(self) -> int:
        """Number of axes, the batch included."""
        return len(self.shape)


@dataclass(frozen=True)
class Call:
    """One call of a layer or of an operation.

    Attributes
    ----------
    layer : str
        Path of the layer, ``encoder/conv1``; calls of a shared layer bear the same.
    kind : str
        Class of the layer, ``Conv2D``; of an operation, ``ops.Matmul``.
    config : mapping
        ``get_config()`` of the layer; the attributes of an operation.
    inputs : tuple of Value
        The tensors among its arguments, in their order.
    arguments, keywords
        All arguments of the call, each tensor as its Value.
    masks : tuple of (Value or None)
        Keras's implicit mask of each input.
    outputs : tuple of Value
        What it returns, flattened.
    weights : mapping of str to ndarray
        By name inside the layer: ``kernel``, ``forward_lstm/lstm_cell/bias``.
    inner : Graph or None
        What a nested model computes; one Graph object for all of its calls. A layer
        that a user wrote is nested likewise, as its own ``call`` says.
    reason : str
        Why the graph of a user's layer could not be read, and what to do.
    """

    layer: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[Value, ...]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    masks: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    weights: Mapping[str, NDArray[Any]]
    inner: "Graph | None" = None
    reason: str = ""


@dataclass(frozen=True)
class Graph:
    """A model: its inputs, its calls in an order that can be run, its outputs.

    Attributes
    ----------
    name : str
        The model's name.
    inputs : tuple of Value
        In the order in which the model takes them.
    input_names : tuple of str
        Their names.
    calls : tuple of Call
        Each after those whose outputs it takes.
    outputs : Value, or tuple, list or dict of them
        As the model returns them.
    """

    name: str
    inputs: tuple[Value, ...]
    input_names: tuple[str, ...]
    calls: tuple[Call, ...]
    outputs: Any


def values_in(structure: Any) -> tuple[Value, ...]:
    """All Values in nested tuples, lists and dicts; a dict in the order of its keys.

    >>> a, b = (Value(key, (None, 2), "float32") for key in range(2))
    >>> [value.key for value in values_in({"y": a, "x": [b]})]
    [1, 0]
    """
    if isinstance(structure, Value):
        return (structure,)
    return tuple(found for part in _parts(structure) for found in values_in(part))


def _parts(structure: Any) -> Iterable[Any]:
    if isinstance(structure, Mapping):
        return [structure[key] for key in sorted(structure)]
    return structure if isinstance(structure, list | tuple) else ()
