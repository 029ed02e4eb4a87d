"""Why something is left over, and which transform would make it fit."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from math import prod
from typing import Any

from migrate_examples.port.archive import StoredLayer
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.kinds import carried, classes_of
from migrate_examples.port.transfer.placing import Misfit, fits
from migrate_examples.port.transfer.targets import Unit

Shape = tuple[int, ...]


def no_source(unit: Unit) -> str:
    """Say that a module gets nothing."""
    tensors = ", ".join(
        f"{unit.full(n)} {tuple(t.shape)}" for n, t in unit.tensors.items()
    )
    kind = type(unit.module).__name__
    return (
        f"{unit.name or 'the module itself'} ({kind}) got nothing: {tensors}; map a "
        "layer to it, or name it in keep to leave it as it is"
    )


def no_module(layer: StoredLayer, free: Sequence[Unit]) -> str:
    """Say that a layer found no module, why not the nearest one, and what would fit."""
    shapes = carried(layer)
    held = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    kind = layer.class_name or "a layer of unknown class"
    head = f"{layer.name} ({kind}: {held}) found no module"
    if not free:
        return f"{head}: none is left; map it to one, or to None to leave it out"
    parts = [head]
    nearest = _nearest(layer, free)
    if nearest:
        parts.append(nearest)
    elif not classes_of(layer):
        parts.append("its class has no known layout: map its variables to tensors")
    parts += list(_transforms(shapes, free))[:3]
    return "; ".join(parts)


def _nearest(layer: StoredLayer, free: Sequence[Unit]) -> str:
    """Why the first free module of its kind does not take a layer."""
    memo: dict[Any, tuple[Filled, ...]] = {}
    misfits = [
        found
        for start in range(len(free))
        for class_name in classes_of(layer)
        for found in fits(layer, class_name, free[start:], {}, memo)
        if isinstance(found, Misfit)
    ]
    of_kind = [m for m in misfits if "does not become" not in m.why]
    if not of_kind:
        return misfits[0].why if misfits else ""
    best = min(of_kind, key=lambda m: bool(m.have))  # the shapes fit, something lacks
    return best.why + _hint(best)


def _hint(misfit: Misfit) -> str:
    """What the two shapes say about the arguments of the module."""
    have, want = misfit.have, misfit.want
    if len(have) != len(want) or len(have) < 3 or have[0] != want[0]:
        return ""
    if have[2:] != want[2:] and have[:2] == want[:2]:
        return f": the kernel is {have[2:]}, build it with kernel_size={have[2:]}"
    if have[2:] == want[2:] and want[1] % have[1] == 0:
        return f": the source is grouped, build it with groups={want[1] // have[1]}"
    if have[2:] == want[2:] and have[1] % want[1] == 0:
        return f": the source has groups={1 if want[1] else 0}, the module has more"
    return ""


def _transforms(shapes: dict[str, Shape], free: Sequence[Unit]) -> Iterator[str]:
    """Tensors that a variable would fit, and after what."""
    for name, shape in shapes.items():
        for unit in free:
            for local, tensor in unit.tensors.items():
                target = tuple(tensor.shape)
                how = transform_between(shape, target)
                if how and len(shape) > 1:
                    yield f"{name} {shape} fits {unit.full(local)} {target} {how}"


def transform_between(shape: Shape, target: Shape) -> str:
    """What brings an array of a shape to another; empty where nothing does.

    >>> transform_between((3, 3, 64, 128), (128, 64, 3, 3))
    'after permute(3, 2, 0, 1)'
    >>> transform_between((1, 1, 64, 10), (10, 64))
    'after permute(3, 2, 0, 1) and reshape(10, 64)'
    >>> transform_between((5, 2), (3, 4))
    ''
    """
    if prod(shape) != prod(target):
        return ""
    if shape == target:
        return "as it is"
    order = order_between(shape, target)
    if order:
        return f"after permute({', '.join(map(str, order))})"
    bare = tuple(size for size in target if size > 1)
    order = order_between(tuple(size for size in shape if size > 1), bare)
    if not order or len(shape) > 5:
        return ""
    natural = next(
        p
        for p in _orders(len(shape))
        if tuple(shape[n] for n in p if shape[n] > 1) == bare
    )
    return (
        f"after permute({', '.join(map(str, natural))}) and "
        f"reshape({', '.join(map(str, target))})"
    )


def order_between(shape: Shape, target: Shape) -> tuple[int, ...]:
    """Order of axes that brings a shape to another, channels to the front first."""
    if sorted(shape) != sorted(target) or len(shape) > 6:
        return ()
    for order in _orders(len(shape)):
        if tuple(shape[axis] for axis in order) == target:
            return order
    return ()


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    """Orders of axes: that of kernels before all others."""
    if rank > 1:
        yield (rank - 1, rank - 2, *range(rank - 2))
    yield from permutations(range(rank))
