"""Lowering: each call of a Keras layer becomes lines of PyTorch.

A lowering is a function of a Call and a Body; ``@lowers("Conv2D")`` registers it.
It takes the tensors it needs in the layout it wants, writes lines and modules
into the body, and gives the results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from migrate_examples.port.graph import Call
from migrate_examples.port.lower.body import Body

Lowering: TypeAlias = Callable[[Call, Body], None]

LOWERINGS: dict[str, Lowering] = {}
"""By kind of the call; what is not in it is not supported."""


class UnsupportedError(NotImplementedError):
    """A layer, or an argument of it, that cannot be written; says what to do."""


@dataclass(frozen=True)
class Unsupported:
    """A layer that cannot be written: its path, kind, config, and what to do."""

    layer: str
    kind: str
    config: Mapping[str, Any]
    advice: str


class PortError(NotImplementedError):
    """A model with layers that cannot be written; lists them all.

    Attributes
    ----------
    unsupported : tuple of Unsupported
        Each layer once.
    """

    def __init__(self, name: str, unsupported: Sequence[Unsupported]) -> None:
        self.unsupported = tuple(unsupported)
        lines = [f"model '{name}' has layers that cannot be written:"]
        for one in self.unsupported:
            shown = ", ".join(f"{key}={value!r}" for key, value in one.config.items())
            lines.append(f"- {one.layer}: {one.kind}({shown})\n  {one.advice}")
        super().__init__("\n".join(lines))


def lowers(*kinds: str) -> Callable[[Lowering], Lowering]:
    """Register a function as the lowering of some kinds of calls."""

    def register(lowering: Lowering) -> Lowering:
        for kind in kinds:
            if kind in LOWERINGS:
                raise ValueError(f"two lowerings of {kind}")
            LOWERINGS[kind] = lowering
        return lowering

    return register
