"""Which layers a layer of Keras is made of, under which attribute it keeps them."""

from collections.abc import Mapping
from typing import Any

from migrate_examples.port.read.config import is_config_of_layer, spec_of
from migrate_examples.port.read.tree import Node, Spec, snake

CELLS = {
    "LSTM": ("lstm_cell", "LSTMCell"),
    "GRU": ("gru_cell", "GRUCell"),
    "SimpleRNN": ("simple_rnn_cell", "SimpleRNNCell"),
    **{f"ConvLSTM{n}D": ("conv_lstm_cell", "ConvLSTMCell") for n in (1, 2, 3)},
}
"""Name and class of the cell that a recurrent layer makes itself."""
ALIASES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes that configs name otherwise than Python does."""
PROJECTIONS = ("query", "key", "value", "output")
"""Dense layers of an attention, by attribute; the last is named attention_output."""


def parts_of(class_name: str, config: Mapping[str, Any] | None) -> dict[str, Spec]:
    """Layers inside a layer, by the attributes that lead to them, in their order.

    >>> parts = parts_of("LSTM", {"use_bias": True})
    >>> parts["cell"].name
    'lstm_cell'
    >>> list(parts_of("MultiHeadAttention", None))[:2]
    ['query_dense', '_query_dense']
    """
    known = config or {}
    if class_name in CELLS:
        name, cell = CELLS[class_name]
        return {"cell": Spec(name, cell, None if config is None else dict(known))}
    if class_name.endswith("QueryAttention") or class_name == "MultiHeadAttention":
        return _projections(config)
    if class_name == "Bidirectional":
        return _directions(known)
    for key in ("cell", "layer"):
        if is_config_of_layer(known.get(key)):
            return {key: spec_of(known[key])}
    cells = known.get("cells")
    if isinstance(cells, list) and all(map(is_config_of_layer, cells)):
        specs = [spec_of(cell) for cell in cells]
        return {
            f"cells/{place}": spec
            for place, spec in zip(places(specs), specs, strict=True)
        }
    return {}


def places(specs: list[Spec]) -> list[str]:
    """Names of the groups of a list of layers: their classes, numbered.

    >>> places([Spec("a", "Dense", {}), Spec("b", "ReLU", {}), Spec("c", "Dense", {})])
    ['dense', 're_lu', 'dense_1']
    """
    used: dict[str, int] = {}
    found = []
    for spec in specs:
        name = snake(ALIASES.get(spec.class_name, spec.class_name))
        found.append(f"{name}_{used[name]}" if used.get(name) else name)
        used[name] = used.get(name, 0) + 1
    return found


def _projections(config: Mapping[str, Any] | None) -> dict[str, Spec]:
    axes = "d" if (config or {}).get("use_bias", True) else None
    inner = None if config is None else {"bias_axes": axes}
    found = {}
    for part in PROJECTIONS:
        name = "attention_output" if part == "output" else part
        spec = Spec(name, "EinsumDense", inner)
        for attribute in (f"{part}_dense", f"_{part}_dense"):
            found[attribute] = spec
    return found


def _directions(config: Mapping[str, Any]) -> dict[str, Spec]:
    if not is_config_of_layer(config.get("layer")):
        return {}
    forward = spec_of(config["layer"])
    backward = forward
    if is_config_of_layer(config.get("backward_layer")):
        backward = spec_of(config["backward_layer"])
    bare = forward.name.removeprefix("forward_")
    back = f"backward_{bare}" if backward is forward else backward.name
    if not back.startswith("backward_"):
        back = f"backward_{back}"
    return {
        "forward_layer": forward._replace(name=f"forward_{bare}"),
        "backward_layer": backward._replace(name=back),
    }


def class_by_parts(node: Node) -> str:
    """Class of a layer by the attributes of what it is made of; empty if unknown."""
    children = node.children
    if "query_dense" in children or "_query_dense" in children:
        return "MultiHeadAttention"
    if "forward_layer" in children and "backward_layer" in children:
        return "Bidirectional"
    if "cell" in children:
        cell = children["cell"].name or ""
        by_cell = {
            name: kind for kind, (name, _) in CELLS.items() if "Conv" not in kind
        }
        return by_cell.get(cell.rstrip("0123456789").rstrip("_"), "RNN")
    return ""
