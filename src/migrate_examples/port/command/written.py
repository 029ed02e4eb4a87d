"""Writes the module of a model, and says what stands for which layer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from migrate_examples.port.command.report import Layer
from migrate_examples.port.graph import Call, Graph
from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.lower.split import split_preprocessing
from migrate_examples.port.source import Row, Written, write_module


def write(graph: Graph, options: Mapping[str, Any]) -> Written:
    """Lower, fold and print a graph.

    Parameters
    ----------
    graph : Graph
        Of the model.
    options : mapping
        ``layout``, ``allow_stubs``, ``class_name``, ``split_preprocessing``, as a
        report has them.

    Raises
    ------
    PortError
        Lists all layers that are not supported.
    """
    stubs = bool(options.get("allow_stubs"))
    layout = options.get("layout", "channels_last")
    front = None
    if options.get("split_preprocessing"):
        front, graph = split_preprocessing(graph)
    program = lower(graph, allow_stubs=stubs, layout=layout)
    if name := options.get("class_name"):
        program = replace(program, name=name)
    if front is None:
        return write_module(program)
    return write_module(program, lower(front, allow_stubs=stubs, layout=layout))


def lay_out(model: Any, options: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Values of a model's variables as its port has them, by tensor of the port.

    What stands in the variables is laid out, weights or gradients or numbers; what a
    port has of its own, as a second bias, is left out.
    """
    written = write(graph_of(model), options)
    return {
        entry.target: written.tensors[entry.target]
        for entry in written.entries
        if entry.sources
    }


def layers_of(graph: Graph, rows: Sequence[Row]) -> tuple[Layer, ...]:
    """Calls of the Keras layers in their order, and where each has gone."""
    places: dict[str, Row] = {}
    for row in rows:
        places.setdefault(row.layer, row)
    counts: dict[str, int] = {}
    layers = []
    for call in all_calls(graph):
        number = counts.get(call.layer, 0)
        counts[call.layer] = number + 1
        found = places.get(call.layer)
        torch, line = (found.torch, found.line) if found else ("", 0)
        shape = call.outputs[0].shape if call.outputs else ()
        layers.append(Layer(call.layer, call.kind, number, torch, line, shape))
    return tuple(layers)


def all_calls(graph: Graph) -> Iterator[Call]:
    """Calls of a graph and of the models in it, as they run."""
    for call in graph.calls:
        if call.inner is not None:
            yield from all_calls(call.inner)
        yield call
