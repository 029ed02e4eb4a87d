"""Draws the inputs on which a row is tried, random ones and special ones."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DTYPES = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "bool": "bool",
    "c64": "complex64",
    "c128": "complex128",
    "str": "str",
}
LAYOUTS = {"NWC": 3, "NHWC": 4, "NDHWC": 5}
DOMAINS: dict[str, Callable[[Any, np.random.Generator], NDArray[Any]]] = {
    ">0": lambda x, _: np.abs(x) + 0.1,
    "lower": lambda x, _: np.tril(x) + 3 * np.eye(x.shape[-1]),
    "onehot": lambda x, rng: np.eye(x.shape[-1])[
        rng.integers(x.shape[-1], size=x.shape[:-1])
    ],
    "prob": lambda x, _: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "sorted": lambda x, _: np.sort(x, -1),
    "spd": lambda x, _: x @ x.mT + x.shape[-1] * np.eye(x.shape[-1]),
    "unique": lambda x, rng: rng.permuted(
        np.broadcast_to(np.arange(x.shape[-1]), x.shape), axis=-1
    ),
}
"""Properties of an array: how to give them to random numbers."""
SPEC = re.compile(r"(\w+)\[([\d,]*)\]((?: \S+)*)")
RANGE = re.compile(r"(-?[\d.]+?)\.\.(-?[\d.]+)")
LETTERS = np.array(list("abcdefghij"))


class Spec(NamedTuple):
    """An input as a row describes it.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int
    layout : str
        ``NWC``, ``NHWC``, ``NDHWC`` where PyTorch is given the array with its
        channels second; empty elsewhere.
    bounds : (float, float) or None
        Where the values lie; the upper one is excluded.
    domain : str
        One of :data:`DOMAINS`, or empty.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    layout: str = ""
    bounds: tuple[float, float] | None = None
    domain: str = ""


def parse(text: str) -> Spec:
    """Read a description such as ``"f32[2,5,7,3] NHWC"`` or ``"i32[4] 0..5"``.

    Raises
    ------
    ValueError
        Where it is none.

    Examples
    --------
    >>> parse("i32[4] 0..5").bounds
    (0.0, 5.0)
    """
    match = SPEC.fullmatch(text)
    if match is None or match[1] not in DTYPES:
        raise ValueError(f"input {text!r}: write dtype[shape], as in f32[2,3]")
    shape = tuple(int(n) for n in match[2].split(",") if n)
    spec = Spec(np.dtype(DTYPES[match[1]]), shape)
    for word in match[3].split():
        if word in LAYOUTS:
            spec = spec._replace(layout=word)
        elif word in DOMAINS:
            spec = spec._replace(domain=word)
        elif bounds := RANGE.fullmatch(word):
            spec = spec._replace(bounds=(float(bounds[1]), float(bounds[2])))
        else:
            known = ", ".join([*LAYOUTS, *DOMAINS, "low..high"])
            raise ValueError(f"input {text!r}: {word} is none of {known}")
    return spec


def draw(text: str, rng: np.random.Generator) -> NDArray[Any]:
    """Draw a random array of a description, see :func:`parse`.

    Floats are normal, integers from 0 to 3, unless it says otherwise: bounds
    as ``0..5``; ``>0``; ``prob`` (sums to one over the last axis); ``onehot``;
    ``spd`` (symmetric, positive definite); ``lower`` (triangular); ``sorted``
    and ``unique`` along the last axis.

    Examples
    --------
    >>> float(draw("f64[3] prob", np.random.default_rng(0)).sum())
    1.0
    """
    spec = parse(text)
    if spec.dtype.kind == "U":
        letters = rng.choice(LETTERS, size=(*spec.shape, 5))
        return np.apply_along_axis("".join, -1, letters)
    if spec.domain:
        return in_domain(spec, rng).astype(spec.dtype)
    if spec.dtype.kind == "c":
        parts = rng.normal(size=(2, *spec.shape))
        return np.asarray(parts[0] + 1j * parts[1], spec.dtype)
    if spec.dtype.kind == "f":
        if spec.bounds:
            return np.asarray(rng.uniform(*spec.bounds, size=spec.shape), spec.dtype)
        return np.asarray(rng.normal(size=spec.shape), spec.dtype)
    low, high = spec.bounds or (0, 2 if spec.dtype.kind == "b" else 4)
    return np.asarray(rng.integers(int(low), int(high), size=spec.shape), spec.dtype)


def in_domain(spec: Spec, rng: np.random.Generator) -> NDArray[Any]:
    """Draw an array that has the property its description names."""
    x: NDArray[Any] = rng.normal(size=spec.shape)
    if spec.bounds:
        x = rng.uniform(*spec.bounds, size=spec.shape)
    if spec.dtype.kind in "iu":
        low, high = spec.bounds or (0, 9)
        x = rng.integers(int(low), int(high), size=spec.shape)
    return DOMAINS[spec.domain](x, rng)


def edge_inputs(
    specs: dict[str, str], edge: str, rng: np.random.Generator
) -> dict[str, NDArray[Any]] | None:
    """Draw inputs of one of :data:`migrate_examples.api_map.EDGES`.

    Returns
    -------
    dict or None
        None where the edge has no meaning for these inputs.
    """
    parsed = {name: parse(text) for name, text in specs.items()}
    arrays = {name: draw(text, rng) for name, text in specs.items()}
    if edge == "nan":
        floats = [n for n, s in parsed.items() if s.dtype.kind == "f" and s.shape]
        for name in floats:
            flat = arrays[name].reshape(-1)
            flat[rng.integers(flat.size)] = np.nan
        return arrays if floats else None
    if edge == "negative":
        plain = [
            n
            for n, s in parsed.items()
            if s.dtype.kind == "i" and not s.bounds and not s.domain
        ]
        for name in plain:
            shape = arrays[name].shape
            arrays[name] = np.asarray(rng.integers(-3, 4, shape), arrays[name].dtype)
        return arrays if plain else None
    lengths = [s.shape[0] for s in parsed.values() if s.shape and s.domain != "spd"]
    if not lengths:
        return None
    return {
        name: x[:0] if x.ndim and len(x) == lengths[0] else x
        for name, x in arrays.items()
    }


def channels_second(array: NDArray[Any], layouts: set[str]) -> NDArray[Any]:
    """Move the channels of an array from last to second where its rank has a layout.

    >>> channels_second(np.zeros((2, 5, 7, 3)), {"NHWC"}).shape
    (2, 3, 5, 7)
    """
    if array.ndim in {LAYOUTS[layout] for layout in layouts}:
        return np.moveaxis(array, -1, 1)
    return array


def channels_last(array: NDArray[Any], layouts: set[str]) -> NDArray[Any]:
    """Undo :func:`channels_second`.

    >>> channels_last(np.zeros((2, 3, 5, 7)), {"NHWC"}).shape
    (2, 5, 7, 3)
    """
    if array.ndim in {LAYOUTS[layout] for layout in layouts}:
        return np.moveaxis(array, 1, -1)
    return array
