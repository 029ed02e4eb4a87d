"""Splits the preprocessing off a Graph: what stands in front, and has no training."""

from dataclasses import replace

from migrate_examples.port.graph import Call, Graph, Value, values_in

PREPROCESSING = {
    "AutoContrast",
    "CategoryEncoding",
    "CenterCrop",
    "Discretization",
    "Equalization",
    "Normalization",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "Rescaling",
    "Resizing",
    "Solarization",
}
"""Keras's preprocessing layers."""


def split_preprocessing(graph: Graph) -> tuple[Graph | None, Graph]:
    """Split the layers that only prepare the inputs from the model itself.

    Parameters
    ----------
    graph : Graph
        Of the whole model.

    Returns
    -------
    preprocessing : Graph or None
        Takes the model's inputs, returns what the rest takes; None where the model
        begins without any.
    rest : Graph
        The model without them.
    """
    calls: list[Call] = []
    ends = tuple(_follow(graph, value, calls) for value in graph.inputs)
    if not calls:
        return None, graph
    outputs = ends[0] if len(ends) == 1 else ends
    front = Graph(
        "preprocessing", graph.inputs, graph.input_names, tuple(calls), outputs
    )
    taken = {id(call) for call in calls}
    kept = tuple(call for call in graph.calls if id(call) not in taken)
    return front, replace(graph, inputs=ends, calls=kept)


def _follow(graph: Graph, value: Value, calls: list[Call]) -> Value:
    """Go on while a preprocessing layer is all that looks at a tensor."""
    returned = {one.key for one in values_in(graph.outputs)}
    while value.key not in returned:
        users = [call for call in graph.calls if value in call.inputs]
        if len(users) != 1 or users[0].kind not in PREPROCESSING:
            break
        calls.append(users[0])
        value = users[0].outputs[0]
    return value
