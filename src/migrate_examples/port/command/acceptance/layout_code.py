"""Finds out how the values of one array lie in another, and says it as NumPy code.

The arrays hold running numbers in the place of weights, so that each value says
where it comes from.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def layout_code(sources: Sequence[Numbers], target: NDArray[Any]) -> str | None:
    """Give a lambda that makes a target of its sources; None where there is none.

    Parameters
    ----------
    sources : sequence of ndarray
        Running numbers, none of them twice.
    target : ndarray
        Made of them.

    Examples
    --------
    >>> kernel = np.arange(24.0).reshape(2, 3, 4)
    >>> layout_code([kernel], kernel.transpose(2, 1, 0))
    'lambda a: a.transpose(2, 1, 0)'
    >>> layout_code([kernel], kernel + 0.5) is None
    True
    >>> gates = np.arange(6.0)
    >>> layout_code([gates], gates[[2, 3, 0, 1, 4, 5]])
    'lambda a: a.reshape(3, 2)[[1, 0, 2]].reshape(6)'
    """
    if len(sources) == 1:
        found = expression(sources[0], target, "a")
        return f"lambda a: {found}" if found else None
    names = [chr(ord("a") + n) for n in range(len(sources))]
    parts = []
    for source, name in zip(sources, names, strict=True):
        rows = np.isin(target, source).reshape(len(target), -1).any(axis=1)
        part = target[rows]
        code = expression(source, part, name) if part.size == source.size else None
        if code is None:
            return None
        parts.append((int(np.argmax(rows)), code))
    made = ", ".join(code for _, code in sorted(parts))
    return f"lambda {', '.join(names)}: np.concatenate([{made}])"


def expression(source: Numbers, target: NDArray[Any], name: str) -> str | None:
    """Code that makes a target of one source, of whole or of a part of it."""
    if target.size == 0 or not np.isin(target, source).all():
        return None
    for index in [None, *range(len(source) if source.ndim > 1 else 0)]:
        part = source if index is None else source[index]
        called = name if index is None else f"{name}[{index}]"
        if part.size == target.size:
            first = float(part.flat[0])
            found = arranged(part.shape, target - first, called)
            if found:
                return found
    return None


def arranged(shape: tuple[int, ...], order: NDArray[Any], name: str) -> str | None:
    """Code for a target that holds all of a source, given by the places in it."""
    if order.shape == shape and in_order(order):
        return name
    for axes in itertools.permutations(range(len(shape))):
        moved = np.arange(math.prod(shape)).reshape(shape).transpose(axes)
        code = name
        if axes != tuple(range(len(shape))):
            code += ".T" if len(shape) == 2 else f".transpose{axes}"
        if moved.shape == order.shape and np.array_equal(moved, order):
            return code
        if np.array_equal(moved.reshape(-1), order.reshape(-1)):
            return f"{code}.reshape{written(order.shape)}"
    return by_digits(order, name) or by_gates(shape, order, name)


def written(shape: Sequence[int]) -> str:
    """A shape as the arguments of ``reshape``.

    >>> written((3,)), written((2, 3))
    ('(3)', '(2, 3)')
    """
    return f"({', '.join(map(str, shape))})"


def in_order(order: NDArray[Any]) -> bool:
    """Whether the values are 0, 1, 2 and so on."""
    return np.array_equal(order.reshape(-1), np.arange(order.size))


def by_digits(order: NDArray[Any], name: str) -> str | None:
    """Code for axes that were split, moved and joined: reshape, transpose, reshape."""
    digits: list[tuple[int, int]] = []  # (size, stride), the innermost first
    rest = order.reshape(-1)
    while rest.size > 1:
        steps = np.diff(rest)
        breaks = np.flatnonzero(steps != steps[0])
        size = int(breaks[0]) + 1 if breaks.size else rest.size
        if rest.size % size:
            return None
        digits.append((size, int(steps[0])))
        rest = rest[::size]
    outer_first = digits[::-1]
    by_stride = sorted(outer_first, key=lambda digit: -digit[1])
    sizes = [size for size, _ in by_stride]
    axes = tuple(by_stride.index(digit) for digit in outer_first)
    moved = np.arange(order.size).reshape(sizes).transpose(axes)
    if not np.array_equal(moved.reshape(-1), order.reshape(-1)):
        return None
    split = f"{name}.reshape{written(sizes)}.transpose({', '.join(map(str, axes))})"
    return f"{split}.reshape{written(order.shape)}"


def by_gates(shape: tuple[int, ...], order: NDArray[Any], name: str) -> str | None:
    """Code for rows that stand in another order of gates, of two to four."""
    for count in (3, 4, 2):
        if order.shape[0] % count:
            continue
        rows = order.reshape(count, -1)
        for gates in itertools.permutations(range(count)):
            back = np.argsort(gates)
            plain = rows[back].reshape(order.shape)
            if found := plainly(shape, plain, name):
                size = order.shape[0] // count
                split = written((count, size, *order.shape[1:]))
                turned = f"{found}.reshape{split}[{list(gates)}]"
                return f"{turned}.reshape{written(order.shape)}"
    return None


def plainly(shape: tuple[int, ...], order: NDArray[Any], name: str) -> str | None:
    """Code for a source whose axes were turned at most."""
    places = np.arange(math.prod(shape)).reshape(shape)
    if order.shape == shape and np.array_equal(places, order):
        return name
    if order.shape == shape[::-1] and np.array_equal(places.T, order):
        return f"{name}.T"
    return None
