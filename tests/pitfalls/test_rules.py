"""The rules by which the scanner sees pitfalls: they name what exists, and work."""

import pytest

from migrate_examples.api_map.symbols import main_name, parameters, symbol
from migrate_examples.pitfalls import When, pitfalls
from migrate_examples.scan import scan_text

WHENS = [
    pytest.param(when, id=f"{p.identifier}-{number}")
    for p in pitfalls()
    for number, when in enumerate(p.when)
]
FLAGS = [(p.identifier, line) for p in pitfalls() for line in p.flags]
KEEPS = [(p.identifier, line) for p in pitfalls() if p.when for line in p.keeps]
OWNERS = {"Model": "keras.Model", "Dataset": "tf.data.Dataset"}
OWNERS["GradientTape"] = "tf.GradientTape"
OLD = {"alpha"}
"""Arguments of Keras 2 that Keras 3 takes among its ``**kwargs``."""


def called(when: When) -> list[str]:
    """Symbols and methods that a rule looks for, with their full names."""
    methods = [name.partition(".") for name in when.method]
    return [*when.call, *(f"{OWNERS[owner]}.{name}" for owner, _, name in methods)]


def mentioned(when: When) -> list[str]:
    """All symbols that a rule names."""
    calls = [c["call"] for c in when.arguments.values() if "call" in as_table(c)]
    return [*when.call, *when.after, *when.reference, *(n for c in calls for n in c)]


def as_table(condition: object) -> dict[str, object]:
    return condition if isinstance(condition, dict) else {}


def traps(line: str) -> set[str]:
    text = f"import tensorflow as tf\nimport keras\n{line}\n"
    found = scan_text(text, "example.py").findings
    return {finding.symbol for finding in found if finding.category == "trap"}


def test_no_loop_over_nothing() -> None:
    assert len({name for name, _ in FLAGS}) >= 95
    assert len(WHENS) >= 130
    assert len(FLAGS) >= 100
    assert len(KEEPS) >= 100


@pytest.mark.parametrize("when", WHENS)
def test_rule_names_what_exists(when: When) -> None:
    assert [main_name(n) for n in mentioned(when)] == mentioned(when)
    assert all(symbol(n) for n in called(when))


@pytest.mark.parametrize("when", WHENS)
def test_arguments_are_parameters(when: When) -> None:
    known = set()
    for target in called(when):
        found = symbol(target)
        assert found is not None
        known |= {p.name for p in parameters(found.signature)}
        if "**kwargs" in found.signature:
            known |= OLD
        if target == "tf.meshgrid":
            known.add("indexing")  # among its keywords, not in its signature
    assert when.arguments.keys() <= known


def test_every_rule_has_both_examples() -> None:
    without = [p.identifier for p in pitfalls() if p.when and not (p.flags and p.keeps)]
    assert without == []


@pytest.mark.parametrize("name, line", FLAGS)
def test_line_is_flagged(name: str, line: str) -> None:
    assert name in traps(line)


@pytest.mark.parametrize("name, line", KEEPS)
def test_line_is_not_flagged(name: str, line: str) -> None:
    assert name not in traps(line)


def test_plain_code_is_not_flagged() -> None:
    assert traps("x = keras.layers.Dense(3)") == set()
