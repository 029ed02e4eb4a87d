"""Attention on both sides: how a module of attention is called, and with what."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.archive import Array

BATCH, STEPS, OTHER = 3, 4, 5
PLACES = {
    "query": ("q", "query", "queries"),
    "key": ("k", "key", "keys"),
    "value": ("v", "value", "values"),
}
"""Names of the arguments of a module of attention."""


class NotRunError(Exception):
    """A layer that cannot be run on both sides; says why."""


@dataclass(frozen=True)
class Attending:
    """How a module is called.

    Attributes
    ----------
    order : tuple of str
        ``("query",)`` of self-attention, ``("query", "value")`` where keys are values
        too, or all three.
    """

    order: tuple[str, ...]

    def inputs(
        self, arrays: Mapping[str, Array], rng: np.random.Generator
    ) -> list[Array]:
        """Query, value and key, as the Keras layer takes them."""
        kernels = [a for a in arrays.values() if a.ndim == 3]
        query, key, value = (kernel.shape[0] for kernel in kernels[:3])
        x = rng.normal(size=(BATCH, STEPS, query))
        if len(self.order) == 1:
            if {query, key, value} != {query}:
                raise NotRunError("the module attends to its one input alone")
            return [x, x, x]
        y = rng.normal(size=(BATCH, OTHER, value))
        if len(self.order) == 2:
            if key != value:
                raise NotRunError("the module takes no key of another width")
            return [x, y, y]
        return [x, y, rng.normal(size=(BATCH, OTHER, key))]

    def call(self, module: nn.Module, inputs: list[Tensor]) -> Tensor:
        """Call a module; the first of several results."""
        query, value, key = inputs
        named = {"query": query, "key": key, "value": value}
        given = [named[word] for word in self.order]
        flipped = isinstance(module, nn.MultiheadAttention) and not module.batch_first
        if flipped:
            given = [x.transpose(0, 1) for x in given]
        result = module(*given)
        result = result[0] if isinstance(result, tuple) else result
        if not isinstance(result, torch.Tensor):
            raise NotRunError(f"it returns a {type(result).__name__}")
        return result.transpose(0, 1) if flipped else result


def attending(module: nn.Module) -> Attending:
    """How a module of attention wants to be called, by its signature."""
    parameters = [
        name
        for name, p in inspect.signature(module.forward).parameters.items()
        if p.default is p.empty
        and p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}
    ]
    words = [
        next((word for word, names in PLACES.items() if name.lower() in names), "")
        for name in parameters
    ]
    if len(parameters) == 3:
        return Attending(tuple(words) if len(set(words)) == 3 and all(words) else ORDER)
    if len(parameters) in {1, 2}:
        return Attending(("query", "value")[: len(parameters)])
    raise NotRunError(f"its forward takes {len(parameters)} tensors")


ORDER = ("query", "key", "value")
