"""Tensors that a line uses by themselves, outside of any module."""

from dataclasses import replace

from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Filled, Local


def bare(
    body: Body, filled: Filled, role: str = "", *, trainable: bool = True
) -> Local:
    """Write a parameter, or a buffer, from a tensor of a layer's natural twin."""
    alone = replace(filled, target="")
    return body.parameter(
        alone, role or filled.target, filled.array.ndim, trainable=trainable
    )
