"""Folding of the architectures that people port most: what classes come out."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import pytest
import torch
from torch import nn

from migrate_examples.port.blocks.fold import constructions, fold
from migrate_examples.port.blocks.folded import Folded, FoldedStep, Repeat
from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.program import Construction, Program, Step


@dataclass(frozen=True)
class Architecture:
    """A model of ``keras.applications``, and what folding is to find in it.

    Attributes
    ----------
    name : str
        Of the function that builds it.
    blocks : dict of str to int
        Instances of each class in the model itself.
    lines : int
        At most so many lines of ``__init__`` and ``forward``, all classes together.
    side : int
        Of the images.
    """

    name: str
    blocks: dict[str, int]
    lines: int
    side: int = 32


ARCHITECTURES = (
    Architecture("ResNet50", {"ResidualBlock": 16}, 48),
    Architecture("MobileNetV2", {"InvertedResidual": 17}, 45, 64),
    Architecture("MobileNetV3Small", {"MBConv": 11}, 75),
)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> tuple[Architecture, Program, Folded]:
    """An architecture, flat and folded."""
    architecture: Architecture = request.param
    shape = (architecture.side, architecture.side, 3)
    build: Callable[..., keras.Model] = getattr(keras.applications, architecture.name)
    model = build(weights=None, input_shape=shape, classes=7)
    program = lower(graph_of(model))
    keras.backend.clear_session()
    return architecture, program, fold(program)


Case = tuple[Architecture, Program, Folded]


def built(folded: Folded) -> Counter[str]:
    """How often the model itself builds each class, loops counted."""
    counts = Counter[str]()
    for step in folded.program.steps:
        if step.module is None:
            continue
        for part in (step.module, *step.module.arguments):
            if isinstance(part, Repeat):
                counts[part.construction.call] += part.count
            elif isinstance(part, Construction):
                counts[part.call] += 1
    return counts


def lines(folded: Folded) -> int:
    """Lines of ``__init__`` and ``forward``, modules inside a Sequential included."""
    bodies = [folded.program.steps, *(block.steps for block in folded.classes)]
    return sum(
        1 + len([*constructions(step.module)]) for steps in bodies for step in steps
    )


def test_architecture_folds_into_its_blocks(case: Case) -> None:
    architecture, program, folded = case
    counts = built(folded)
    found = {name: counts[name] for name in architecture.blocks}
    assert found == architecture.blocks
    assert lines(folded) <= architecture.lines
    assert all(len(block.parameters) <= 8 for block in folded.classes)
    assert all(len(block.steps) > 1 for block in folded.classes)
    assert len(program.steps) > 2 * architecture.lines / 3


# ResNet50's 23 million weights in float64, twice, take a minute and show no more.
@pytest.mark.parametrize("case", ARCHITECTURES[1:], indirect=True, ids=lambda c: c.name)
def test_architecture_computes_the_same_bits(
    case: Case,
    module_of: Callable[[Program | Folded], nn.Module],
    randomised: Callable[[Program], Program],
) -> None:
    architecture, program, _ = case
    program = randomised(program)
    folded = fold(program)
    side = architecture.side
    x: Any = torch.rand(2, side, side, 3, dtype=torch.float64)
    with torch.no_grad():
        flat = module_of(program)(x)
        assert flat.std() > 1e-9  # else everything is equal
        assert torch.equal(flat, module_of(folded)(x))


def test_every_tensor_of_the_architecture_survives_once(case: Case) -> None:
    _, program, folded = case
    before = Counter(id(part.array) for step in program.steps for part in step.filled)
    after = Counter(
        id(part.array) for step in folded.program.steps for part in step.filled
    )
    assert after == before
    origins: Counter[tuple[str, str]] = Counter()
    for step in folded.program.steps:
        if isinstance(step, FoldedStep):
            origins.update((origin.layer, origin.role) for origin in step.origins)
        else:
            origins.update(layers_in(step))
    assert origins == Counter(pair for s in program.steps for pair in layers_in(s))


def layers_in(step: Step) -> list[tuple[str, str]]:
    """The layer of a line, and those that it has absorbed."""
    return [(layer, step.role) for layer in (*step.absorbs, step.layer)]
