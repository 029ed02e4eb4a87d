"""The proof: what a rule writes computes what its row's TensorFlow side computes."""

import ast
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.inputs import draw
from migrate_examples.api_map.mutate import mutants
from migrate_examples.api_map.prove import (
    NAMES_TORCH,
    MismatchError,
    evaluate_tf,
    evaluate_torch,
    largest_difference,
    prove,
    run,
    tolerance,
)
from migrate_examples.api_map.symbols import main_name
from migrate_examples.scan import rewrite, rewrite_plan
from migrate_examples.scan import rules as rules_module
from migrate_examples.scan.rewrite import rewrite_text
from migrate_examples.scan.rule_facts import NARROW
from migrate_examples.scan.rules import (
    Rule,
    bind,
    constants,
    derive,
    last,
    rules,
    signature_of,
    why_not,
)

HEAD = "import tensorflow as tf\nimport keras\nimport numpy as np\nresult = "
RULES = [rule for group in rules().values() for rule in group]
IDS = [f"{rule.row.tf} #{n}" for n, rule in enumerate(RULES)]


def plant(patch: pytest.MonkeyPatch, *found: Rule) -> None:
    """Let the rewriter know these rules alone."""
    groups = {found[0].symbol: found}
    for module in (rewrite, rewrite_plan):
        patch.setattr(module, "rules", lambda: groups)


def rewritten(tf: str) -> str:
    """Rewrite an expression in a small module; empty where it stays."""
    found = rewrite_text(f"{HEAD}{tf}\n")
    return found.text.partition("\nresult = ")[2].strip() if found.changes else ""


def proved(row: Row, tf: str, seed: int = 0) -> bool:
    """Prove a TensorFlow expression against what it is rewritten to, if it is."""
    torch = rewritten(tf)
    if not torch:
        return False
    assert "tf." not in torch.replace("_tf.", "")
    prove(row._replace(tf=tf, torch=torch), seed)
    return True


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_row_is_rewritten_to_what_it_says(rule: Rule) -> None:
    assert proved(rule.row, rule.row.tf.strip())


def spellings(rule: Rule) -> Iterator[str]:
    """Other ways to write the call of a row, which mean the same."""
    call = ast.parse(rule.row.tf.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    bound = bind(rule.symbol, call)
    known = signature_of(rule.symbol)
    function = ast.unparse(call.func)
    if "*0" in bound:
        return  # only places, no names
    words = [f"{name}={ast.unparse(value)}" for name, value in bound.items()]
    yield f"{function}({', '.join(words)})"
    if not words:
        return
    shuffled = random.Random(0).sample(words, len(words))
    yield f"{function}(\n    {',  '.join(shuffled)},\n)"
    places: list[str] = []
    for parameter in known:
        if parameter.name not in bound or parameter.keyword_only:
            break
        places.append(ast.unparse(bound[parameter.name]))
    rest = words[len(places) :] if len(places) <= len(words) else []
    if {w.partition("=")[0] for w in rest} == set(list(bound)[len(places) :]):
        yield f"{function}({', '.join(places + rest)})"
    if any(p.name == "name" for p in known) and "name" not in bound:
        yield f"{function}({', '.join([*words, 'name=' + repr('x')])})"
        yield f"{rule.symbol}({', '.join(['name=None', *words])})"


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_other_spellings_of_a_row_compute_the_same(rule: Rule) -> None:
    for tf in spellings(rule):
        torch = rewritten(tf)
        assert torch, tf
        if not is_same(torch, rewritten(rule.row.tf.strip())):
            assert proved(rule.row, tf), tf


def is_same(one: str, other: str) -> bool:
    """Tell whether two expressions are the same but for their layout."""
    return ast.dump(ast.parse(one.strip())) == ast.dump(ast.parse(other.strip()))


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_knows_whether_it_gives_a_tensor(rule: Rule) -> None:
    """Else ``.numpy()`` on it, or another function around it, would fail."""
    import torch

    rng = np.random.default_rng(0)
    names = {n: torch.tensor(draw(spec, rng)) for n, spec in rule.row.inputs.items()}
    value = run(rule.row.torch, {**NAMES_TORCH, **names})
    assert (rule.gives == "tensor") == isinstance(value, torch.Tensor)
    assert (rule.gives == "number") == (type(value) in {int, float})


OTHER = {
    "int": ["-2", "-1", "0", "1", "2", "3"],
    "float": ["0.25", "2.0"],
    "bool": ["True", "False"],
}
"""Literals that a rule takes for the one that its row was tried with."""


DTYPES = [
    *[("f32", "f64"), ("f32", "i32"), ("f64", "f32"), ("f64", "i64"), ("i32", "f32")],
    *[("i64", "f32"), ("i32", "i64"), ("i64", "i32"), ("bool", "i32"), ("i32", "bool")],
]
"""Other dtypes that an input may have."""


def deeper(row: Row, only: str = "") -> Row:
    """The same row on inputs with one more axis in front: all, or one of them."""
    given = {
        name: spec.replace("[", "[2,").replace(",]", "]")
        if only in {"", name}
        else spec
        for name, spec in row.inputs.items()
    }
    return row._replace(inputs=given)


def other_dtypes(row: Row) -> Iterator[Row]:
    """The same row on inputs of other dtypes: the code does not show which."""
    for old, new in DTYPES:
        given = {n: re.sub(rf"^{old}\b", new, spec) for n, spec in row.inputs.items()}
        if given != row.inputs:  # constants of 32 bits stay such in 64
            yield row._replace(inputs=given, rtol=max(row.rtol or 0, 2e-5))


def call_with(rule: Rule, **others: str | None) -> str:
    """The call of a row with other arguments by name; None leaves one out."""
    call = ast.parse(rule.row.tf.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    given: dict[str, str | None] = {
        name: ast.unparse(value) for name, value in bind(rule.symbol, call).items()
    }
    named = {n: f"{n}={v}" for n, v in (given | others).items() if v is not None}
    words = [str(given[n]) if "*0" in given else word for n, word in named.items()]
    return f"{ast.unparse(call.func)}({', '.join(words)})"


def with_numbers(rule: Rule) -> Iterator[Row]:
    """The row of a rule with a plain number for a tensor, where it takes one."""
    call = ast.parse(rule.row.tf.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    bound = bind(rule.symbol, call)
    for hole in rule.holes:
        if hole.or_number:
            inputs = dict(rule.row.inputs)
            inputs.pop(ast.unparse(bound[hole.parameter]), None)
            for number in ["2", "-1", "3.0"]:
                tf = call_with(rule, **{hole.parameter: number})
                yield rule.row._replace(tf=tf, inputs=inputs)


def other_literals(rule: Rule) -> Iterator[Row]:
    """The row of a rule with other literals, and with those left out that may be."""
    yield rule.row
    for hole in rule.holes:
        for text in OTHER.get(hole.takes, []):
            yield rule.row._replace(tf=call_with(rule, **{hole.parameter: text}))
        if hole.default is not None:
            yield rule.row._replace(tf=call_with(rule, **{hole.parameter: None}))


def wider(rule: Rule) -> Iterator[tuple[Row, bool]]:
    """What a rule is applied to beyond its row, and whether PyTorch may refuse it."""
    for row in with_numbers(rule):
        yield row, False
    for row in (rule.row, *with_numbers(rule)):
        for other in other_dtypes(row):
            yield other, True
    for row in other_literals(rule):
        yield row, False
        yield deeper(row), False
        if len(row.inputs) > 1:
            for name in row.inputs:
                yield deeper(row, name), False


SWAPPED = "an interval whose ends are swapped is a mistake in either"
EXCUSED = {"keras.ops.clip": SWAPPED, "tf.clip_by_value": SWAPPED}
"""Rules that are wider than they should be, where no code would notice."""


def disagreement(row: Row, may_refuse: bool) -> str:
    """What PyTorch does where TensorFlow computes something else, or nothing."""
    torch = rewritten(row.tf.strip())
    rng = np.random.default_rng(0)
    try:
        inputs = {name: draw(spec, rng) for name, spec in row.inputs.items()}
        (ours, _), _ = evaluate_tf(row, inputs, 0, set())
    except Exception:
        return ""  # TensorFlow does not take it
    if not torch:
        return ""
    other = row._replace(torch=torch)
    try:
        theirs, _ = evaluate_torch(other, inputs, 0, {})
    except Exception as error:
        return "" if may_refuse else f"{row.tf} -> {torch} {row.inputs}: {error}"
    try:
        largest_difference(other, ours, theirs, tolerance(other), "values")
    except MismatchError as error:
        return f"{row.inputs}: {error}"
    return ""


def disagreements(rule: Rule) -> list[str]:
    """Where a rule is wrong. Of other dtypes PyTorch may refuse: that is seen."""
    found = [disagreement(row, may_refuse) for row, may_refuse in wider(rule)]
    return [text[:300] for text in found if text]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_holds_for_other_shapes_dtypes_and_literals(rule: Rule) -> None:
    """A rule is wider than its row. One that is too wide belongs into ``NARROW``."""
    wrong = disagreements(rule)
    assert not wrong or rule.symbol in EXCUSED, "\n".join(wrong)


@pytest.mark.parametrize("name", EXCUSED)
def test_no_excuse_outlives_its_reason(name: str) -> None:
    assert any(map(disagreements, rules()[name]))


@pytest.mark.parametrize("name", NARROW)
def test_what_is_left_out_would_be_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No reason in ``NARROW`` outlives the row that it is of."""
    monkeypatch.setattr(rules_module, "NARROW", {})
    found = [
        derive(row)
        for row in rows()
        if row.kind == "same" and main_name(row.symbol) == name
    ]
    assert found
    plant(monkeypatch, *found)
    assert any(map(disagreements, found))


def swapped(text: str, one: str, other: str) -> str:
    """Exchange two names."""
    names = {one: other, other: one}
    return re.sub(r"\b_\d+\b", lambda found: names.get(found[0], found[0]), text)


COMMUTATIVE = {
    *("add", "multiply", "equal", "not_equal", "logical_and", "logical_or"),
    *("logical_xor", "squared_difference", "maximum", "minimum", "hypot", "dot"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm", "logaddexp", "vdot"),
    *("logaddexp2", "inner", "allclose"),
}
"""Functions whose arguments may be exchanged: that is no mistake."""


def wrong_rules(rule: Rule) -> list[Rule]:
    """The rule with one thing wrong in what it writes: a dimension, name, default."""
    found = [m.torch for m in mutants(rule.row._replace(torch=rule.template))]
    numbers = range(len(rule.holes))
    for a, b in itertools.combinations(numbers, 2):
        is_same = rule.holes[a].takes == rule.holes[b].takes
        if is_same and last(rule.symbol) not in COMMUTATIVE:
            found.append(swapped(rule.template, f"_{a}", f"_{b}"))
    return [rule._replace(template=text) for text in found]


def test_a_wrong_rule_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename that is planted wrongly must not pass as proved."""
    tried, survived = 0, []
    for rule in RULES:
        for wrong in wrong_rules(rule):
            plant(monkeypatch, wrong)
            tried += 1
            try:
                assert proved(rule.row, rule.row.tf.strip())
            except Exception:
                continue
            survived.append(f"{rule.row.tf} -> {wrong.template}")
    assert tried >= 120
    assert len(survived) <= 0.05 * tried, survived


def test_an_axis_that_is_not_renamed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = rules()["tf.math.log_softmax"][0]
    wrong = rule._replace(template=rule.template.replace("dim=", "axis="))
    assert wrong != rule
    plant(monkeypatch, wrong)
    with pytest.raises(TypeError, match="axis"):
        proved(rule.row, rule.row.tf)


@pytest.mark.parametrize("name", constants())
def test_a_constant_is_the_same_in_both(name: str) -> None:
    import tensorflow as tf
    import torch

    ours = eval(name, {"tf": tf})
    theirs = eval(constants()[name], {"torch": torch})
    if isinstance(ours, tf.DType):
        assert str(theirs) == f"torch.{ours.name}"
        x = np.array([[0.0, 1.0], [2.9, 7.5]])
        cast = torch.tensor(x).to(theirs).to(torch.complex128)
        expected = tf.cast(tf.cast(x, ours), tf.complex128)
        np.testing.assert_array_equal(cast.numpy(), expected.numpy())
    else:
        assert theirs == ours


REASONS = Counter(
    str(reason) for row in rows() if row.kind == "same" for reason in [why_not(row)]
)


def test_no_loop_over_nothing() -> None:
    """How many rows of kind ``same`` give a rule; the rest says why it does not."""
    assert len(RULES) >= 120
    assert len(constants()) >= 8
    assert sum(REASONS.values()) >= 200
