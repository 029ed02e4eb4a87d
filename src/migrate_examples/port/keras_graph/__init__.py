"""The graph of a live Keras model, whatever its backend, as plain data."""

from typing import Any

import keras

from migrate_examples.port.graph import Graph
from migrate_examples.port.keras_graph.trace import TraceError
from migrate_examples.port.keras_graph.variables import weights_of
from migrate_examples.port.keras_graph.walk import Walk

__all__ = ["TraceError", "graph_of", "weights_of"]


def graph_of(model: keras.Model, inputs: Any = None) -> Graph:
    """Read what a model computes: its calls, their arguments, masks and weights.

    Sequential and functional models have their graph at hand. A subclassed model is
    called once on symbolic tensors, as ``training=False``; what its layers and
    ``keras.ops`` then record is its graph.

    Parameters
    ----------
    model : keras.Model
        Built; a subclassed one either called once before, or with `inputs`.
    inputs : structure of keras.KerasTensor, optional
        What a subclassed model is called with, ``keras.Input(…)``; by default tensors
        of the shapes that it was built with.

    Raises
    ------
    TraceError
        The model is not built, its ``call`` does not run on symbolic tensors, or it
        has variables that the graph does not use.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> [call.kind for call in graph_of(model).calls]
    ['Dense']
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"{type(model).__module__}.{type(model).__name__} is no model of Keras 3; "
            "load it with keras.saving.load_model"
        )
    walk = Walk()
    graph = walk.model(model, inputs)
    walk.claim_all(model)
    return graph
