"""Joins lines of a Program that PyTorch has one module or one function for."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from migrate_examples.port.program import Construction, Local, Program, Step

ZEROS = re.compile(r"F\.pad\(\{0\}, \((\d+(?:, \d+)+)\)\)")
CONVOLUTION = re.compile(r"nn\.Conv([123])d")
SHIFT = re.compile(r"\{0\} \+ ([\d.]+)")
SCALE = re.compile(r"\{0\} ([*/]) ([\d.]+(?:e-?\d+)?)")
ITSELF = re.compile(r"\{0\} [&|] \{1\}")


def merged(program: Program) -> Program:
    """A program with the same results, of lines that say more.

    Zeros around the input of a convolution become its ``padding``, the three lines
    of ``relu6(x + 3) / 6`` become ``F.hardsigmoid``, and a mask joined with itself
    is that mask.
    """
    return hard_sigmoids(padded_convolutions(masks_once(program)))


def masks_once(program: Program) -> Program:
    """Take out what joins a tensor with itself: ``mask & mask``, ``mask | mask``."""
    meant: dict[int, Local] = {}
    steps = []
    returned = {port.local.key for port in program.outputs}
    for old in program.steps:
        operands = tuple(meant.get(one.key, one) for one in old.operands)
        step = replace(old, operands=operands)
        if (
            ITSELF.fullmatch(step.expression)
            and operands[0] == operands[1]
            and step.results[0].key not in returned
        ):
            meant[step.results[0].key] = operands[0]
        else:
            steps.append(step)
    return replace(program, steps=tuple(steps))


def padded_convolutions(program: Program) -> Program:
    """Let convolutions pad by themselves, where zeros stand evenly on both sides.

    Not so pooling: around a maximum PyTorch pads with minus infinity, and around a
    mean it counts what it adds in another way.
    """
    uses = uses_of(program)
    calls = Counter((s.layer, s.role) for s in program.steps if s.module is not None)
    pads: dict[int, Step] = {}
    gone: set[int] = set()
    steps: list[Step] = []
    for old in program.steps:
        step = old
        if step.module is None and ZEROS.fullmatch(step.expression):
            pads[step.results[0].key] = step
        elif len(step.operands) == 1 and step.operands[0].key in pads:
            key = step.operands[0].key
            wider = None
            if uses[key] == 1 and calls[step.layer, step.role] == 1:
                wider = with_padding(step, pads[key])
            if wider is not None:
                gone.add(key)
                step = wider
        steps.append(step)
    kept = tuple(s for s in steps if not s.results or s.results[0].key not in gone)
    return replace(program, steps=kept)


def with_padding(step: Step, pad: Step) -> Step | None:
    """A convolution that pads as the line before it does; None where it cannot."""
    built = step.module
    if built is None or step.expression != "{module}({0})":
        return None
    kind = CONVOLUTION.fullmatch(built.call)
    sides = evenly(pad)
    if kind is None or sides is None:
        return None
    axes = int(kind[1])
    keywords = dict(built.keywords)
    own = keywords.get("padding", 0)
    if isinstance(own, str) or len(sides) > axes or "padding_mode" in keywords:
        return None
    own = (own,) * axes if isinstance(own, int) else own
    sides = (0,) * (axes - len(sides)) + sides
    whole = tuple(a + b for a, b in zip(own, sides, strict=True))
    padding = whole[0] if len(set(whole)) == 1 else whole
    ahead = {k: v for k, v in keywords.items() if k == "stride"}
    rest = {k: v for k, v in keywords.items() if k not in {"stride", "padding"}}
    ordered = tuple({**ahead, "padding": padding, **rest}.items())
    return replace(
        step,
        module=Construction(built.call, built.arguments, ordered),
        operands=pad.operands,
        note=" ".join(note for note in (pad.note, step.note) if note),
        absorbs=absorbed([pad], step),
    )


def evenly(pad: Step) -> tuple[int, ...] | None:
    """Zeros on each side of the last axes; None where the sides differ.

    >>> x, y = Local(0, 4), Local(1, 4)
    >>> evenly(Step((y,), "F.pad({0}, (3, 3, 2, 2))", (x,), "pad"))
    (2, 3)
    >>> evenly(Step((y,), "F.pad({0}, (0, 1, 0, 1))", (x,), "pad"))
    """
    found = ZEROS.fullmatch(pad.expression)
    if found is None:
        return None
    flat = [int(number) for number in found[1].split(",")]
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    if any(front != behind for front, behind in pairs):
        return None
    return tuple(front for front, _ in reversed(pairs))


def hard_sigmoids(program: Program) -> Program:
    """Write ``F.hardsigmoid(x)`` for ``F.relu6(x + 3.0) / 6``.

    The values are the same in float64 too; PyTorch has the slope, a sixth, in float32.
    """
    uses = uses_of(program)
    makers = {result.key: step for step in program.steps for result in step.results}
    gone: set[int] = set()
    steps: list[Step] = []
    for step in program.steps:
        chain = hard_sigmoid(step, makers)
        if chain and all(uses[one.results[0].key] == 1 for one in chain):
            gone |= {one.results[0].key for one in chain}
            steps.append(
                replace(
                    step,
                    expression="F.hardsigmoid({0})",
                    operands=chain[0].operands,
                    absorbs=absorbed(chain, step),
                )
            )
        else:
            steps.append(step)
    kept = tuple(s for s in steps if not s.results or s.results[0].key not in gone)
    return replace(program, steps=kept)


def hard_sigmoid(step: Step, makers: dict[int, Step]) -> Sequence[Step]:
    """The lines before a division by six that make it a hard sigmoid."""
    scale = SCALE.fullmatch(step.expression)
    if step.module is not None or scale is None:
        return ()
    factor = float(scale[2]) if scale[1] == "*" else 1 / float(scale[2])
    # A sixth that has gone through float32 is still a sixth to Keras.
    if not math.isclose(factor, 1 / 6, rel_tol=1e-7):
        return ()
    relu6 = makers.get(step.operands[0].key)
    if relu6 is None or relu6.expression != "F.relu6({0})":
        return ()
    shifted = makers.get(relu6.operands[0].key)
    found = SHIFT.fullmatch(shifted.expression) if shifted is not None else None
    if shifted is None or found is None or float(found[1]) != 3:
        return ()
    return shifted, relu6


def absorbed(gone: Sequence[Step], step: Step) -> tuple[str, ...]:
    """Layers, other than a step's own, of the lines that go into it."""
    layers = [layer for one in (*gone, step) for layer in (*one.absorbs, one.layer)]
    return tuple(layer for layer in dict.fromkeys(layers) if layer != step.layer)


def uses_of(program: Program) -> Counter[int]:
    """How often each tensor is used; being returned is a use."""
    uses = Counter(o.key for step in program.steps for o in step.operands)
    uses.update(port.local.key for port in program.outputs)
    return uses
