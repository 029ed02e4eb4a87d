"""A model of ``keras.applications`` as the model of torchvision, with its weights."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.applications.changes import (
    PREPROCESSING,
    Change,
    Placed,
    Places,
    layer_scale,
)
from migrate_examples.port.applications.families import (
    TWINS,
    Twin,
    vgg_for_size,
)
from migrate_examples.port.applications.preprocessing import (
    Preprocessing,
    inside,
    preprocessing,
)
from migrate_examples.port.archive import Archive, Array, StoredLayer
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.sources import archive_from

WEIGHTLESS = ("Dropout", "Normalization", "StochasticDepth")
"""Layers whose variables have no tensor in the twin: Normalization becomes its
preprocessing, and Keras keeps the state of a random generator in the others."""


class TwinError(ValueError):
    """A model that has no twin, or does not fit it; says where and what to do."""


@dataclass(frozen=True)
class Entry:
    """One tensor of the twin: which variables of Keras it came from, and how."""

    target: str
    sources: tuple[str, ...]
    layout: str


def twin(
    source: Any,
    name: str = "",
    *,
    leave_out: Collection[Change] = (),
    **options: Any,
) -> nn.Module:
    """Build the model of torchvision that computes what a model of Keras does.

    Parameters
    ----------
    source : keras.Model, Archive, Path or str
        A model of ``keras.applications`` with its head: live, read, or its file.
    name : str
        Its name there, ``ResNet50``; by default told from the model's own.
    leave_out : collection of Change
        Changes not to make, to see what they are worth.
    options
        For torchvision's constructor: ``width_mult=0.35`` where Keras was given
        ``alpha=0.35``.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, of the dtype of the weights. It takes what its
        ``preprocess`` makes of pixels from 0 to 255 (B, 3, H, W), red first, and
        returns logits (B, classes): no softmax, as all models of torchvision.
        ``ledger_of`` lists each tensor with the variables of Keras it came from.

    Raises
    ------
    TwinError
        No twin in torchvision, no head, another number of layers, or a shape that
        does not fit; nothing is half filled then.
    """
    archive = archive_from(source)
    row = row_of(archive, name)
    made = [c for c in row.family.changes if c not in leave_out]
    left = [c for c in row.family.changes if c in leave_out]
    module = empty(row, archive, options)
    for change in made:
        change.module(module, archive)
    places = placed(row, archive, module)
    for change in made:
        places = change.tensors(places, module, archive)
    for change in left:
        places = change.forgotten(places, module, archive)
    ledger = fill(module, places)
    check_all_used(archive, ledger, forgiving=bool(left))
    module.preprocess = preprocess_of(row, archive, forgotten=PREPROCESSING in left)
    module.ledger = ledger  # type: ignore[assignment]  # no tensor and no module
    return module.eval()


def changes_of(name: str) -> tuple[Change, ...]:
    """Differences between a model of Keras and its twin, by its name in Keras.

    >>> [change.name for change in changes_of("ResNet50")]
    ['stride', 'bias', 'eps', 'input', 'momentum']
    """
    return known(name).family.changes


def known(name: str) -> Twin:
    """Row of a model.

    Raises
    ------
    TwinError
        Where torchvision has none.
    """
    if name not in TWINS:
        raise TwinError(
            f"torchvision has no twin of {name or 'a model without a name'}; it has "
            f"them of {', '.join(TWINS)}. Let `migrate-examples port` write a module."
        )
    return TWINS[name]


def ledger_of(module: nn.Module) -> tuple[Entry, ...]:
    """Entries of all tensors of a twin, in the order of Keras's layers."""
    found: Any = module.ledger
    entries: tuple[Entry, ...] = found
    return entries


def row_of(archive: Archive, name: str) -> Twin:
    """Row of a model by its name in Keras, else by the name in its own config.

    Keras calls them ``resnet50``, ``efficientnetv2-b0``, ``mobilenetv2_0.35_96``.
    """
    if name:
        return known(name)
    config = archive.config or {}
    stored = str(config.get("name") or (config.get("config") or {}).get("name") or "")
    plain = stored.lower().replace("-", "").replace("_", "")
    if plain.startswith("mobilenetv2"):
        plain = "mobilenetv2"
    by_plain = {key.lower(): key for key in TWINS}
    if plain not in by_plain:
        raise TwinError(
            f"the model is called {stored or '(nothing)'}, which is no model of "
            "keras.applications with a twin in torchvision; give its name there, as "
            'in twin(model, "ResNet50")'
        )
    return TWINS[by_plain[plain]]


def empty(row: Twin, archive: Archive, options: dict[str, Any]) -> nn.Module:
    """Module of the twin with no memory for its weights yet.

    Raises
    ------
    TwinError
        Where the model has no head.
    """
    layers = weighted(archive)
    last = layers[-1] if layers else None
    if last is None or last.class_name not in {"Dense", "Conv2D"}:
        raise TwinError(
            f"{row.name}: the last layer with weights is "
            f"{last.name if last else 'missing'}; a twin has a head of classes: build "
            "the Keras model with include_top=True, or let `migrate-examples port` "
            "write a module"
        )
    classes = max(array.shape[-1] for array in last.arrays.values())
    make = row.constructor
    if row.name.startswith("VGG"):
        make = partial(vgg_for_size, make, archive)
    with torch.device("meta"):
        return make(weights=None, num_classes=classes, **options)


def weighted(archive: Archive) -> list[StoredLayer]:
    """Layers whose weights go into the twin."""
    return [
        layer
        for layer in archive.layers
        if layer.arrays and layer.class_name not in WEIGHTLESS
    ]


def modules_with_weights(module: nn.Module) -> list[str]:
    """Paths of the modules that hold weights, in the order in which they are named.

    A block of ConvNeXt holds its layer scale itself: it comes after what it holds.
    """
    paths: list[str] = []

    def visit(inner: nn.Module, path: str) -> None:
        for name, child in inner.named_children():
            visit(child, f"{path}.{name}" if path else name)
        if next(inner.parameters(recurse=False), None) is not None:
            paths.append(path)

    visit(module, "")
    return paths


def placed(row: Twin, archive: Archive, module: nn.Module) -> Places:
    """Pair the layers of Keras with the modules of the twin, in their order.

    Raises
    ------
    TwinError
        Where there are more of the one than of the other.
    """
    layers = row.family.ordering(weighted(archive))
    paths = modules_with_weights(module)
    if len(layers) != len(paths):
        raise TwinError(
            f"{row.name}: Keras has {len(layers)} layers with weights, "
            f"{row.words} has {len(paths)}"
        )
    return tuple(
        Placed(layer, path, laid_out(layer))
        for layer, path in zip(layers, paths, strict=True)
    )


def laid_out(layer: StoredLayer) -> tuple[Filled, ...]:
    """Tensors of a layer; those that a LayerScale has are no layout of Keras's own."""
    if layer.class_name == "LayerScale":
        ((name, gamma),) = layer.arrays.items()
        return layer_scale(name, gamma)
    return to_torch(layer.class_name, layer.config, layer.arrays)


def fill(module: nn.Module, places: Places) -> tuple[Entry, ...]:
    """Fill each tensor of an empty module once.

    Raises
    ------
    TwinError
        A tensor without a place, a place without a tensor, a shape that differs.
    """
    state = module.state_dict()
    found: dict[str, Tensor] = {}
    ledger: list[Entry] = []
    for place in places:
        for filled in place.filled:
            target = f"{place.path}.{filled.target}"
            check_fits(place, target, filled.array, state)
            if target in found:
                raise TwinError(f"{target} would be filled twice")
            found[target] = own_tensor(filled.array, place.layer)
            ledger.append(Entry(target, full(place, filled.sources), filled.layout))
    left = [n for n in state if n not in found and "num_batches" not in n]
    if left:
        raise TwinError(f"no weights of Keras for {', '.join(left)}")
    counters = {n: torch.tensor(0) for n in state if n not in found}
    module.load_state_dict(found | counters, strict=True, assign=True)
    return tuple(ledger)


def own_tensor(array: Array, layer: StoredLayer) -> Tensor:
    """Tensor of an array; a copy where it is still the source's memory."""
    shared = any(np.may_share_memory(array, a) for a in layer.arrays.values())
    return torch.from_numpy(array.copy() if shared else array)


def full(place: Placed, sources: Iterable[str]) -> tuple[str, ...]:
    """Sources with the name of their layer; those of another layer have one."""
    own = place.layer.arrays
    return tuple(f"{place.layer.name}/{s}" if s in own else s for s in sources)


def check_fits(
    place: Placed, target: str, array: np.ndarray, state: dict[str, Tensor]
) -> None:
    """Raise where a tensor has no place, or one of another shape."""
    if target not in state:
        raise TwinError(
            f"{place.layer.name} ({place.layer.class_name}) has a "
            f"{target.rpartition('.')[2]} {array.shape}; {place.path} of the twin has "
            "none"
        )
    if tuple(state[target].shape) != array.shape:
        raise TwinError(
            f"{place.layer.name} ({place.layer.class_name}) {array.shape} does not "
            f"fit {target} {tuple(state[target].shape)}"
        )


def check_all_used(
    archive: Archive, ledger: tuple[Entry, ...], *, forgiving: bool
) -> None:
    """Raise where a weight of Keras went nowhere, or went to two places."""
    used = [source for entry in ledger for source in entry.sources]
    twice = sorted(source for source, n in Counter(used).items() if n > 1)
    known_names = {
        f"{layer.name}/{name}" for layer in weighted(archive) for name in layer.arrays
    }
    unused = sorted(known_names - set(used))
    if twice or (unused and not forgiving):
        raise TwinError(f"used twice: {twice}; not used: {unused}")


def preprocess_of(row: Twin, archive: Archive, *, forgotten: bool) -> Preprocessing:
    """Preprocessing before the twin, or what one would do who did not think of it.

    Where Keras preprocesses inside, that is to feed pixels as one fed Keras; where
    it does not, to normalise as the weights of torchvision want it.
    """
    steps = inside(archive.layers)
    if row.family.mode == "none":
        return Preprocessing(*(() if forgotten else steps))
    return preprocessing("torch" if forgotten else row.family.mode)
