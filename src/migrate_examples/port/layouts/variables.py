"""The variables of one Keras layer, each to be used once; permutations in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.program import Filled

AS_IT_IS = "as it is"


class LayoutError(ValueError):
    """A layer that cannot be laid out; says which variable, which shape, what to do."""


class Options(NamedTuple):
    """Which of several twins is meant; see ``to_torch``."""

    flattened: tuple[int, ...] | None = None
    unflattened: tuple[int, ...] | None = None
    multihead: bool = False
    by_hand: bool = False


@dataclass
class Variables:
    """The arrays of a layer, by the last word of their name.

    Attributes
    ----------
    class_name, config, arrays
        As ``to_torch`` takes them.
    prefix : str
        What stands before each name, for messages and sources.
    """

    class_name: str
    config: Mapping[str, Any]
    arrays: Mapping[str, Array]

    def __post_init__(self) -> None:
        self.used: set[str] = set()

    def name(self, word: str, order: tuple[str, ...] = ()) -> str | None:
        """Full name of the variable that ends in a word, or stands at its place.

        Parameters
        ----------
        word : str
            ``kernel``, ``query/kernel``.
        order : tuple of str
            Words in the order of creation, for files that know the order alone.
        """
        if self.arrays and all(n.isdecimal() for n in self.arrays):
            place = order.index(word) if word in order else len(self.arrays)
            names = sorted(self.arrays, key=int)
            return names[place] if place < len(names) else None
        found = [n for n in self.arrays if n == word or n.endswith(f"/{word}")]
        if len(found) > 1:
            raise LayoutError(
                f"{self.class_name}: several variables are called {word}: "
                f"{', '.join(found)}"
            )
        return found[0] if found else None

    def take(
        self, word: str, order: tuple[str, ...] = (), rank: int | None = None
    ) -> tuple[str, Array] | None:
        """Name and array of a variable, which counts as used; None if there is none."""
        name = self.name(word, order)
        if name is None:
            return None
        array = self.arrays[name]
        if rank is not None and array.ndim != rank:
            raise LayoutError(
                f"{self.class_name}: {name} has shape {array.shape}, "
                f"where {rank} axes are expected"
            )
        self.used.add(name)
        return name, array

    def need(
        self, word: str, order: tuple[str, ...] = (), rank: int | None = None
    ) -> tuple[str, Array]:
        """Name and array of a variable that must be there."""
        found = self.take(word, order, rank)
        if found is None:
            raise LayoutError(
                f"{self.class_name}: variable {word} is missing; there "
                f"{'are ' + ', '.join(self.arrays) if self.arrays else 'is none'}"
            )
        return found

    def order(self, *words: tuple[str, str]) -> tuple[str, ...]:
        """Words of a layer whose flags are not False: ``("bias", "use_bias")``."""
        return tuple(w for w, flag in words if not flag or self.config.get(flag, True))

    def part(
        self, class_name: str, config: Mapping[str, Any], names: list[str]
    ) -> "Variables":
        """Some of the variables, as those of a layer inside; used here as there."""
        part = Variables(class_name, config, {n: self.arrays[n] for n in names})
        part.used = self.used
        return part

    def inside(self, class_name: str, config: Mapping[str, Any]) -> "Variables":
        """All of the variables, as those of the layer that this one wraps."""
        return self.part(class_name, config, list(self.arrays))

    def check_all_used(self) -> None:
        """Raise where a variable has found no place in the twin."""
        left = [n for n in self.arrays if n not in self.used]
        if left:
            shapes = ", ".join(f"{n} {self.arrays[n].shape}" for n in left)
            raise LayoutError(
                f"{self.class_name}: no place in its PyTorch twin for {shapes}; map "
                "them to tensors one by one"
            )


Layouts: TypeAlias = Callable[[Variables, Options], tuple[Filled, ...]]


def nothing(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay out a layer without weights."""
    return ()


def permuted(
    target: str, found: tuple[str, Array], before: str, after: str, size: str = ""
) -> Filled:
    """Fill a target with the axes of a variable in another order.

    Parameters
    ----------
    target : str
        Name in the twin.
    found : tuple of str and ndarray
        Of the variable.
    before, after : str
        Names of its axes, ``h w in out`` and ``out in h w``.
    size : str
        How they are then joined: ``channels*multiplier 1 h w``; ``1`` is a new axis.

    >>> permuted("weight", ("kernel", np.zeros((2, 3))), "in out", "out in").layout
    '(in, out) -> (out, in)'
    """
    name, array = found
    old, new = before.split(), after.split()
    if array.ndim != len(old):
        raise LayoutError(
            f"{name} has shape {array.shape}, where ({', '.join(old)}) is expected"
        )
    sizes = dict(zip(old, array.shape, strict=True))
    laid = array.transpose([old.index(axis) for axis in new])
    final = size.split() or new
    shape = [
        int(np.prod([sizes.get(axis, 1) for axis in joined.split("*")]))
        for joined in final
    ]
    laid = np.ascontiguousarray(laid).reshape(shape)
    words = f"({', '.join(old)}) -> ({', '.join(final)})".replace("*", " * ")
    return Filled(target, laid, (name,), AS_IT_IS if old == final else words)


SPATIAL = {1: "w", 2: "h w", 3: "d h w"}
"""Names of the axes of a window or a picture, by their number."""


def channels_first(
    found: tuple[str, Array], shape: tuple[int, ...], axis: int
) -> tuple[Array, str, str]:
    """Reorder an axis that was flattened from channels last, as from channels first.

    Returns
    -------
    array : ndarray
        Of the same shape.
    before, after : str
        The axis in words, ``h * w * c`` and ``c * h * w``.
    """
    name, array = found
    if len(shape) - 1 not in SPATIAL:
        raise LayoutError(
            f"{name}: the shape {shape} to flatten is none of (w, c), (h, w, c) and "
            "(d, h, w, c)"
        )
    if prod(shape) != array.shape[axis]:
        raise LayoutError(
            f"{name} has {array.shape[axis]} features, but {shape} has {prod(shape)}"
        )
    split = array.reshape(*array.shape[:axis], *shape, *array.shape[axis + 1 :])
    moved = np.moveaxis(split, axis + len(shape) - 1, axis)
    spatial = " * ".join(SPATIAL[len(shape) - 1].split())
    laid = np.ascontiguousarray(moved).reshape(array.shape)
    return laid, f"{spatial} * c", f"c * {spatial}"


def vector(
    target: str, found: tuple[str, Array] | None, options: Options
) -> tuple[Filled, ...]:
    """Fill a target with a value a feature, reordered where features are flattened."""
    shape = options.flattened or options.unflattened
    if found is None or not shape or found[1].ndim != 1:
        return as_it_is(target, found)
    laid, before, after = channels_first(found, shape, 0)
    return (Filled(target, laid, (found[0],), f"({before}) -> ({after})"),)


def as_it_is(target: str, found: tuple[str, Array] | None) -> tuple[Filled, ...]:
    """Fill a target with a variable unchanged; nothing where there is none."""
    if found is None:
        return ()
    return (Filled(target, found[1], (found[0],), AS_IT_IS),)


def constant(target: str, array: Array, why: str) -> Filled:
    """A tensor that the twin has and the Keras layer lacks."""
    return Filled(target, array, (), why)
