"""Layers of Keras in the order in which torchvision's constructors name modules.

Keras lists layers by their depth, so branches that run side by side interleave.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from migrate_examples.port.archive import StoredLayer

Ordering: TypeAlias = Callable[[Sequence[StoredLayer]], list[StoredLayer]]


def as_called(layers: Sequence[StoredLayer]) -> list[StoredLayer]:
    """Take the order of Keras: one layer with weights after the other."""
    return list(layers)


def shortcut_last(layers: Sequence[StoredLayer]) -> list[StoredLayer]:
    """Sort the layers of each block of a ResNet, its shortcut behind the others.

    >>> names = ["conv2_block1_0_conv", "conv2_block1_3_conv", "conv2_block1_0_bn"]
    >>> layers = [StoredLayer(name, "", None, {}) for name in names]
    >>> [layer.name for layer in shortcut_last(layers)]
    ['conv2_block1_3_conv', 'conv2_block1_0_conv', 'conv2_block1_0_bn']
    """
    place = {layer.name: n for n, layer in enumerate(layers)}
    first: dict[str, int] = {}
    keys: dict[str, tuple[int, int, int]] = {}
    for layer in layers:
        name, n = layer.name, place[layer.name]
        found = re.search(r"^(.*conv\d_block\d+)_(\d)_(conv|bn)$", name)
        if not found:
            keys[name] = (n, 0, 0)
            continue
        block = first.setdefault(found[1], n)
        keys[name] = (block, int(found[2]) or 9, int(found[3] == "bn"))
    return sorted(layers, key=lambda layer: keys[layer.name])


def by_number(layers: Sequence[StoredLayer]) -> list[StoredLayer]:
    """Sort layers by the number that Keras gave them when they were made.

    The layers of InceptionV3 have no names of their own; a convolution and the norm
    behind it are made together.

    >>> names = ["conv2d_9", "conv2d_5", "batch_normalization_9"]
    >>> names += ["batch_normalization_5", "predictions"]
    >>> layers = [StoredLayer(name, "", None, {}) for name in names]
    >>> [layer.name for layer in by_number(layers)][:3]
    ['conv2d_5', 'batch_normalization_5', 'conv2d_9']
    """
    numbers: dict[str, list[tuple[int, StoredLayer]]] = {}
    others: list[StoredLayer] = []
    for layer in layers:
        found = re.search(r"(conv2d|batch_normalization)(?:_(\d+))?$", layer.name)
        if found:
            number = int(found[2] or 0)
            numbers.setdefault(found[1], []).append((number, layer))
        else:
            others.append(layer)
    kinds = [
        [layer for _, layer in sorted(pairs, key=lambda pair: pair[0])]
        for _, pairs in sorted(numbers.items(), reverse=True)
    ]
    paired = [layer for pair in zip(*kinds, strict=True) for layer in pair]
    return paired + others
