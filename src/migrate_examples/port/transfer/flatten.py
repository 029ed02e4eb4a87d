"""Where a model flattens pictures before a Dense, read off its config.

Keras flattens (h, w, c), PyTorch (c, h, w): the rows of the Dense behind it, and all
that is normalised between, stand in another order. The same holds backwards for a
Dense whose result is reshaped to a picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from migrate_examples.port.transfer.extents import (
    Shape,
    given_shape,
    output_shape,
    without_batch,
)

PASSING = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "AlphaDropout",
        "BatchNormalization",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "LayerNormalization",
        "LeakyReLU",
        "PReLU",
        "ReLU",
        "Rescaling",
        "Softmax",
    }
)
"""Layers that leave the features where they stand."""
UNKNOWN: Shape = (-1,)
"""Features that were flattened in a way that the config does not tell."""


class Call(NamedTuple):
    """A layer in a config, with what it is called on."""

    name: str
    class_name: str
    config: Mapping[str, Any]
    sources: tuple[str, ...]
    shape: Shape | None


@dataclass
class Flattened:
    """Shapes by path of the layer, with channels last.

    Attributes
    ----------
    before : dict of str to tuple
        What was flattened into the features that a layer takes.
    after : dict of str to tuple
        What the features that a layer gives are reshaped to.
    """

    before: dict[str, Shape] = field(default_factory=dict)
    after: dict[str, Shape] = field(default_factory=dict)


def flattened_of(config: Mapping[str, Any] | None) -> Flattened:
    """Find what a Sequential or functional model flattens; empty without a config."""
    found = Flattened()
    if config and "layers" in _inner(config):
        _walk(config, "", None, found)
    return found


def _inner(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner: Mapping[str, Any] = config.get("config", config)
    return inner if isinstance(inner, Mapping) else {}


def _walk(
    config: Mapping[str, Any], prefix: str, given: Shape | None, found: Flattened
) -> Shape | None:
    """Follow the calls of a model; return how its last features were flattened."""
    tags: dict[str, Shape | None] = {}
    calls = _calls(_inner(config))
    last: Shape | None = None
    for call in calls:
        taken = [tags[s] for s in call.sources if s in tags]
        if call.class_name == "InputLayer" or not call.sources:
            taken = [given]
        last = tags[call.name] = _tag(call, prefix, taken, found)
    by_name = {call.name: call for call in calls}
    for call in calls:
        if call.class_name == "Reshape":
            _mark_before(call, by_name, prefix, found)
    return last


def _tag(
    call: Call, prefix: str, taken: Sequence[Shape | None], found: Flattened
) -> Shape | None:
    """How the features that a call gives were flattened."""
    known = {tag for tag in taken if tag}
    tag = (
        None
        if not known
        else next(iter(known))
        if len(known) == 1 and all(taken)
        else UNKNOWN
    )
    if call.class_name in {"Functional", "Sequential", "Model"}:
        return _walk(call.config, f"{prefix}{call.name}/", tag, found)
    if _flattens(call):
        return _flattened_shape(call) or tag
    if tag is not None:
        found.before[f"{prefix}{call.name}"] = tag
    merges = len(taken) > 1 and "Concat" not in call.class_name
    if call.class_name in PASSING or merges or call.class_name == "InputLayer":
        return tag
    return UNKNOWN if tag is not None and len(taken) > 1 else None


def _flattens(call: Call) -> bool:
    shape = call.config.get("target_shape", ())
    return call.class_name == "Flatten" or (
        call.class_name == "Reshape" and len(shape) == 1
    )


def _flattened_shape(call: Call) -> Shape | None:
    """Shape that a Flatten takes, channels last; None where nothing is reordered."""
    if call.shape is None:
        return UNKNOWN
    shape = call.shape
    if len(shape) < 2:
        return None
    if any(size < 0 for size in shape):
        return UNKNOWN
    if call.config.get("data_format") == "channels_first":
        shape = (*shape[1:], shape[0])  # Keras flattens it channels last
    return shape if prod(shape[:-1]) > 1 and shape[-1] > 1 else None


def _mark_before(
    reshape: Call, calls: Mapping[str, Call], prefix: str, found: Flattened
) -> None:
    """Mark the Dense whose result becomes a picture, and what lies between."""
    target = tuple(int(size) for size in reshape.config.get("target_shape", ()))
    convolved = any(
        "Conv" in call.class_name and reshape.name in call.sources
        for call in calls.values()
    )
    if len(target) < (2 if convolved else 3):
        return
    call, between = reshape, []
    while len(call.sources) == 1 and call.sources[0] in calls:
        call = calls[call.sources[0]]
        if call.class_name not in {*PASSING, "Dense"}:
            return
        between.append(f"{prefix}{call.name}")
        if call.class_name == "Dense":
            shape = _filled_in(target, int(call.config.get("units", 0)))
            found.after |= dict.fromkeys(between, shape)
            return


def _filled_in(target: Shape, size: int) -> Shape:
    """Shape with its -1 filled in."""
    rest = prod(n for n in target if n > 0)
    return tuple(size // rest if n < 0 else n for n in target)


def _calls(config: Mapping[str, Any]) -> list[Call]:
    """Layers of a model's config in their order, each with what it is called on."""
    calls: list[Call] = []
    made: dict[str, Shape | None] = {}
    for entry in config.get("layers", ()):
        inner = entry.get("config") or {}
        name = str(entry.get("name") or inner.get("name", ""))
        nodes = entry.get("inbound_nodes")
        sources: tuple[str, ...]
        if nodes is None:  # Sequential
            sources = (calls[-1].name,) if calls else ()
            shapes: list[Shape] = []
        else:
            found = [tensor for node in nodes for tensor in _tensors(node)]
            sources = tuple(source for source, _ in found)
            shapes = [shape for _, shape in found if shape is not None]
        kind = str(entry.get("class_name"))
        built = (entry.get("build_config") or {}).get("input_shape")
        shape = without_batch(built) if built else (shapes[0] if shapes else None)
        if shape is None:
            shape = given_shape(inner) or next((made.get(s) for s in sources), None)
        made[name] = output_shape(kind, inner, shape)
        calls.append(Call(name, kind, inner, sources, shape))
    return calls


def _tensors(node: Any) -> list[tuple[str, Shape | None]]:
    """Source and shape of each tensor in an inbound node, of Keras 3 or of Keras 2."""
    if isinstance(node, Mapping):
        if node.get("class_name") == "__keras_tensor__":
            history = node["config"]["keras_history"]
            return [(str(history[0]), without_batch(node["config"]["shape"]))]
        return [tensor for value in node.values() for tensor in _tensors(value)]
    if isinstance(node, Sequence) and not isinstance(node, str):
        if len(node) in {3, 4} and isinstance(node[0], str):
            return [(node[0], None)]
        return [tensor for value in node for tensor in _tensors(value)]
    return []
