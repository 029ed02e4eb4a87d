"""Names for the state of an optimizer, of which Keras 3 saves the order alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from migrate_examples.port.archive import Array, StoredLayer
from migrate_examples.port.read.tree import Node

SLOTS: Mapping[str, tuple[str, ...]] = {
    "Adam": ("momentum", "velocity"),
    "AdamW": ("momentum", "velocity"),
    "Nadam": ("momentum", "velocity"),
    "Adamax": ("m", "u"),
    "Lion": ("momentum",),
    "SGD": ("momentum",),
    "RMSprop": ("velocity",),
    "Adagrad": ("accumulator",),
    "Adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "Lamb": ("momentum", "velocity"),
}
"""What an optimizer keeps for each variable, in the order in which it makes them."""
STATISTICS = ("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u")
"""Variables that no optimizer changes."""
COUNTERS = ("iteration", "learning_rate")
"""What every optimizer keeps first."""


def named_state(
    node: Node, layers: tuple[StoredLayer, ...], model: Mapping[str, Any] | None
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """State of an optimizer by name: ``iteration``, ``fc_kernel_momentum``.

    Returns
    -------
    dict of str to ndarray
        Numbers in place of names where the order leaves a doubt.
    tuple of str
        What there is to say about it.
    """
    ordered = [node.arrays[key] for key in sorted(node.arrays, key=_place)]
    if not ordered:
        return {}, ()
    names = _names(ordered, layers, model)
    if names is None:
        kept = {key: node.arrays[key] for key in sorted(node.arrays, key=_place)}
        said = "optimizer: its state is numbered, for the file does not name it"
        return kept, (said,)
    return dict(zip(names, ordered, strict=True)), ()


def _place(key: str) -> tuple[int, str]:
    return (int(key) if key.isdecimal() and len(key) < 9 else -1, key)


def _names(
    arrays: list[Array],
    layers: tuple[StoredLayer, ...],
    model: Mapping[str, Any] | None,
) -> list[str] | None:
    """Names in the order of the file; None unless every shape agrees."""
    chosen = _optimizer_of(model)
    slots = SLOTS.get(chosen.get("class_name", ""))
    settings = chosen.get("config")
    if slots is None or not isinstance(settings, Mapping):
        return None
    trained = list(_trained(layers))
    for name_sets in _orders(str(chosen["class_name"]), slots, settings, trained):
        names, shapes = [n for n, _ in name_sets], [s for _, s in name_sets]
        if shapes == [array.shape for array in arrays]:
            return names
    return None


def _optimizer_of(model: Mapping[str, Any] | None) -> Mapping[str, Any]:
    compiled = (model or {}).get("compile_config")
    chosen = compiled.get("optimizer") if isinstance(compiled, Mapping) else None
    return chosen if isinstance(chosen, Mapping) else {}


def _orders(
    class_name: str,
    slots: tuple[str, ...],
    settings: Mapping[str, Any],
    trained: list[tuple[str, tuple[int, ...]]],
) -> Iterator[list[tuple[str, tuple[int, ...]]]]:
    """Orders in which versions of Keras save."""
    first: list[tuple[str, tuple[int, ...]]] = [(name, ()) for name in COUNTERS]
    if class_name == "Nadam":
        first.append(("u_product", ()))
    if class_name == "SGD" and not settings.get("momentum"):
        yield first
        return
    if class_name == "RMSprop":
        slots += ("momentum",) if settings.get("momentum") else ()
        slots += ("average_gradient",) if settings.get("centered") else ()
    if class_name in ("Adam", "AdamW") and settings.get("amsgrad"):
        slots += ("velocity_hat",)
    interleaved = [(f"{n}_{slot}", shape) for n, shape in trained for slot in slots]
    yield first + interleaved
    # RMSprop and Adadelta fill one list of slots after the other, as do others
    # where shapes are equal either way: only a true order is taken.


def _trained(
    layers: tuple[StoredLayer, ...],
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Variables that are trained, as the optimizer names them, in their order."""
    for layer in layers:
        if layer.config is not None and layer.config.get("trainable") is False:
            continue
        for name, array in layer.arrays.items():
            if name.rpartition("/")[2] not in STATISTICS:
                yield f"{layer.name}/{name}".replace("/", "_"), array.shape
