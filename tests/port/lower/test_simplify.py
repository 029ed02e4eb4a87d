"""Permutations that undo each other, or that nobody needs, are not written."""

from migrate_examples.port.lower.simplify import permuted_axes, simplified
from migrate_examples.port.program import Layout, Local, Port, Program, Step


def program(*expressions: str, rank: int = 4) -> Program:
    """A chain of lines."""
    steps = tuple(
        Step((Local(n + 1, rank),), text, (Local(n, rank),), f"layer{n}")
        for n, text in enumerate(expressions)
    )
    last = Local(len(expressions), rank)
    shape = (None,) * rank
    first = Port("x", Local(0, rank), shape, "float32", Layout.LAST)
    out = Port("output", last, shape, "float32", Layout.LAST)
    return Program("chain", (first,), (out,), last, steps, ())


def texts(made: Program) -> list[str]:
    return [step.expression for step in made.steps]


def test_inverse_permutations_go() -> None:
    made = simplified(
        program("{0}.permute(0, 3, 1, 2)", "{0}.permute(0, 2, 3, 1)", "F.relu({0})")
    )
    assert texts(made) == ["F.relu({0})"]
    assert made.steps[0].operands == (Local(0, 4),)


def test_other_permutations_stay() -> None:
    lines = ("{0}.permute(0, 3, 1, 2)", "{0}.permute(0, 3, 1, 2)")
    assert texts(simplified(program(*lines))) == list(lines)


def test_permutations_apart_stay() -> None:
    lines = ("{0}.permute(0, 3, 1, 2)", "F.relu({0})", "{0}.permute(0, 2, 3, 1)")
    assert texts(simplified(program(*lines))) == list(lines)


def test_outputs_that_go_are_replaced() -> None:
    made = simplified(program("{0}.transpose(1, 2)", "{0}.transpose(1, 2)", rank=3))
    assert made.steps == ()
    assert made.returns == made.outputs[0].local == Local(0, 3)


def test_the_same_permutation_is_written_once() -> None:
    x = Local(0, 4)
    steps = (
        Step((Local(1, 4),), "{0}.permute(0, 3, 1, 2)", (x,), "a"),
        Step((Local(2, 4),), "{0}.permute(0, 3, 1, 2)", (x,), "b"),
        Step((Local(3, 4),), "{0} + {1}", (Local(1, 4), Local(2, 4)), "c"),
    )
    whole = program("F.relu({0})")
    out = (Port("output", Local(3, 4), (None,) * 4, "float32", Layout.LAST),)
    made = simplified(
        Program("p", whole.inputs, out, Local(3, 4), steps, ()),
    )
    assert len(made.steps) == 2
    assert made.steps[1].operands == (Local(1, 4), Local(1, 4))


def test_lines_without_use_go_and_modules_stay() -> None:
    made = program("F.relu({0})")
    idle = Step((Local(9, 4),), "F.gelu({0})", (Local(0, 4),), "idle")
    kept = simplified(
        Program("p", made.inputs, made.outputs, made.returns, (*made.steps, idle), ())
    )
    assert texts(kept) == ["F.relu({0})"]


def test_axes_of_a_permutation() -> None:
    step = Step((Local(1, 4),), "{0}.permute(0, 2, 3, 1)", (Local(0, 4),), "")
    assert permuted_axes(step) == (0, 2, 3, 1)
    other = Step((Local(1, 4),), "{0}.permute(0, 2, 3, 1).mean(1)", (Local(0, 4),), "")
    assert permuted_axes(other) is None
