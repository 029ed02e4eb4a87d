"""Which variable of Keras is which parameter of the port, number by number."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from migrate_examples.port.archive import Array

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Pair:
    """A variable, or a part of one, and the parameter that holds its numbers.

    Attributes
    ----------
    keras, torch : str
        Path of the variable, ``conv1/kernel``; name of the parameter.
    variables : tuple of int
        Numbers of the variables whose flat numbers, one behind the other,
        ``order`` points into.
    order : ndarray of int
        Of the parameter's shape: where each of its numbers is from.
    """

    keras: str
    torch: str
    variables: tuple[int, ...]
    order: Index

    def arranged(self, arrays: Sequence[Array]) -> Array:
        """Numbers of Keras, gradients as well as weights, in the parameter's layout."""
        flat = np.concatenate([arrays[number].ravel() for number in self.variables])
        found: Array = flat[self.order]
        return found


@dataclass(frozen=True)
class Source:
    """What may fill one parameter: numbers, and where in the variables they are."""

    name: str
    variables: tuple[int, ...]
    values: Array
    index: Index


def sources(names: Sequence[str], arrays: Sequence[Array]) -> Iterator[Source]:
    """Every variable, each row of those with two, and three of one size together."""
    for number, (name, array) in enumerate(zip(names, arrays, strict=True)):
        index = np.arange(array.size).reshape(array.shape)
        yield Source(name, (number,), array, index)
        if array.ndim == 2 and len(array) == 2:  # GRU: one bias of two rows
            for row in range(2):
                yield Source(f"{name}[{row}]", (number,), array[row], index[row])
    for start in range(len(arrays)):  # query, key and value lie in one in_proj_weight
        for step in (1, 2):
            numbers = tuple(start + step * k for k in range(3))
            if numbers[-1] < len(arrays):
                yield from joined(names, arrays, numbers)


def joined(
    names: Sequence[str], arrays: Sequence[Array], numbers: tuple[int, ...]
) -> Iterator[Source]:
    """Three variables of one shape as rows of one parameter."""
    parts = [arrays[n] for n in numbers]
    if len({p.shape for p in parts}) > 1 or parts[0].ndim < 2:
        return
    offset, values, indices = 0, [], []
    for part in parts:
        index = np.arange(part.size).reshape(part.shape) + offset
        wide = part.ndim == 3
        values.append(part.reshape(len(part), -1).T if wide else part.ravel())
        indices.append(index.reshape(len(part), -1).T if wide else index.ravel())
        offset += part.size
    yield Source(
        " + ".join(names[n] for n in numbers),
        numbers,
        np.concatenate(values),
        np.concatenate(indices),
    )


def order_of(source: Source, target: Array) -> Index | None:
    """Find where each number of a parameter is in a variable; None where it is not."""
    a = source.values
    if a.size != target.size or not np.array_equal(
        np.sort(a, axis=None), np.sort(target, axis=None)
    ):
        return None
    for axes in likely_axes(a.ndim):
        turned = a.transpose(axes)
        if turned.shape == target.shape and np.array_equal(turned, target):
            return source.index.transpose(axes)
    if a.ndim == 2 and target.ndim == 2 and len(np.unique(a)) < a.size:
        return None  # equal numbers do not tell their places
    ranks = np.argsort(np.argsort(target.ravel(), kind="stable"), kind="stable")
    first = np.argsort(a.ravel(), kind="stable")
    return source.index.ravel()[first][ranks].reshape(target.shape)


def likely_axes(count: int) -> list[tuple[int, ...]]:
    """Orders of axes, that of kernels first: (kh, kw, in, out) to (out, in, kh, kw)."""
    kernel = (*reversed(range(max(count - 2, 0), count)), *range(max(count - 2, 0)))
    every = list(itertools.permutations(range(count))) if count < 6 else []
    return list(dict.fromkeys([kernel, *every]))


def pair_parameters(
    names: Sequence[str],
    arrays: Sequence[Array],
    module: nn.Module,
    pairs: Mapping[str, str] | None = None,
) -> tuple[Pair, ...]:
    """Pair variables and parameters that hold the same numbers, whatever the layout.

    Equal ones, fresh biases for instance, are paired in the order of both models.
    ``pairs`` of layer and module restrict where a layer's variables may be found.
    """
    found: list[Pair] = []
    used: set[tuple[str, tuple[int, ...]]] = set()
    candidates = list(sources(names, arrays))
    for name, parameter in module.named_parameters():
        target = parameter.detach().double().numpy()
        for source in candidates:
            if (source.name, source.variables) in used or not allowed(
                source.name, name, pairs or {}
            ):
                continue
            order = order_of(source, target)
            if order is not None:
                if len(np.unique(target)) < target.size:
                    order = as_its_weight(found, name, source.index, order)
                used.add((source.name, source.variables))
                found.append(Pair(source.name, name, source.variables, order))
                break
    return tuple(found)


def as_its_weight(
    found: Sequence[Pair], name: str, index: Index, order: Index
) -> Index:
    """Order of a bias whose numbers do not tell it, a fresh one: that of its weight.

    The rows of a weight are the gates of a recurrent layer in the port's order.
    """
    weight = name.replace("bias", "weight")
    pair = next((p for p in found if p.torch == weight != name), None)
    if pair is None or len(pair.variables) > 1 or order.shape != pair.order.shape[:1]:
        return order
    columns = pair.order.reshape(len(pair.order), -1)[:, 0]
    if sorted(columns) != list(range(len(columns))):
        return order
    return index.ravel()[columns]


def allowed(variable: str, parameter: str, pairs: Mapping[str, str]) -> bool:
    """Whether pairs given by hand let these two meet."""
    for layer, part in pairs.items():
        inside = f"/{layer}/" in f"/{variable}"
        if inside != parameter.startswith(f"{part}."):
            return False
    return True


def variables_of(keras_model: Any) -> tuple[list[str], list[Array]]:
    """Paths and values of the trainable variables."""
    variables = keras_model.trainable_variables
    return [v.path for v in variables], [
        np.asarray(v.numpy(), np.float64) for v in variables
    ]
