"""Pitfalls in source code: the rules of the entries, and how arguments are bound."""

from typing import Any

import pytest

from migrate_examples.pitfalls import Pitfall, When, pitfalls
from migrate_examples.scan import scan_text, traps
from migrate_examples.scan.traps import Index

HEAD = "import tensorflow as tf\nimport keras\nfrom keras import layers as L\n"


def planted(**rule: Any) -> Pitfall:
    """A pitfall of the tests' own, with one rule."""
    text = dict.fromkeys(("symptom", "why", "do", "page", "tensorflow"), "x")
    rest = {"likely": 1, "silent": 1, "wrong": "", "right": "", "inputs": {}}
    when = When(**rule)
    return Pitfall(identifier="TRAP", title="x", **text, **rest, when=(when,))  # type: ignore[arg-type]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Scan with one rule alone: give how often it is met, and where."""

    def count(source: str, **rule: Any) -> list[int]:
        index = Index([planted(**rule)])
        monkeypatch.setattr("migrate_examples.scan.reading.index", lambda: index)
        found = scan_text(HEAD + source).findings
        return [f.place.line - HEAD.count("\n") for f in found if f.symbol == "TRAP"]

    return count


CONV = {"call": ("keras.layers.Conv2D",)}


@pytest.mark.parametrize(
    "source, arguments",
    [
        ("L.Conv2D(3, 3, padding='same')", {"padding": "same"}),
        ("L.Conv2D(3, 3, padding='SAME')", {"padding": "same"}),
        ("L.Conv2D(3, 3, 1, 'same')", {"padding": "same"}),
        ("L.Conv2D(3, 3)", {"padding": "valid"}),
        ("L.Conv2D(3, 3, strides=(2, 2))", {"strides": 2}),
        ("L.Conv2D(3, 3, strides=[2, 2])", {"strides": {"not": 1}}),
        ("L.Conv2D(3, 3, strides=(1, 2))", {"strides": {"not": 1}}),
        (
            "L.Conv2D(3, 3, strides=2, padding='same')",
            {"strides": 2, "padding": "same"},
        ),
        ("L.Conv2D(3, 3, activation=f)", {"activation": {"given": True}}),
        ("L.Conv2D(3, 3, **more, activation=f)", {"activation": {"given": True}}),
        ("L.Conv2D(3, 3)", {"activation": {"given": False}}),
        ("L.Conv2D(3, -3)", {"kernel_size": -3}),
        (
            "L.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L2(0.1))",
            {"kernel_regularizer": {"call": ["keras.regularizers.L2"]}},
        ),
        (
            "r = keras.regularizers.L2(0.1)\nL.Conv2D(3, 3, kernel_regularizer=r)",
            {"kernel_regularizer": {"call": ["tf.keras.regularizers.L2"]}},
        ),
        (
            "L.Conv2D(3, 3, activation=tf.nn.relu)",
            {"activation": {"call": ["tf.nn.relu"]}},
        ),
    ],
)
def test_conditions_that_hold(plant: Any, source: str, arguments: Any) -> None:
    assert len(plant(source, **CONV, arguments=arguments)) == 1


@pytest.mark.parametrize(
    "source, arguments",
    [
        ("L.Conv2D(3, 3, padding='valid')", {"padding": "same"}),
        ("L.Conv2D(3, 3, padding=p)", {"padding": "same"}),
        ("L.Conv2D(3, 3, padding=p)", {"padding": {"not": "same"}}),
        ("L.Conv2D(3, 3, **more)", {"padding": "valid"}),
        ("L.Conv2D(*more)", {"padding": "valid"}),
        ("L.Conv2D(3, 3, strides=(1, 1))", {"strides": {"not": 1}}),
        ("L.Conv2D(3, 3, strides=n)", {"strides": {"not": 1}}),
        ("L.Conv2D(3, 3, use_bias=1)", {"use_bias": True}),
        ("L.Conv2D(3, 3, **more)", {"activation": {"given": False}}),
        ("L.Conv2D(3, 3, activation=f)", {"activation": {"given": False}}),
        (
            "L.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L1(0.1))",
            {"kernel_regularizer": {"call": ["keras.regularizers.L2"]}},
        ),
        ("L.Conv1D(3, 3, padding='same')", {"padding": "same"}),
        ("Conv2D(3, 3, padding='same')", {"padding": "same"}),
        ("f(L.Conv2D, padding='same')", {"padding": "same"}),
    ],
)
def test_conditions_that_do_not_hold(plant: Any, source: str, arguments: Any) -> None:
    assert plant(source, **CONV, arguments=arguments) == []


def test_a_condition_looks_at_nothing_twice() -> None:
    source = HEAD + "L.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L2(1.0))"
    symbols = [f.symbol for f in scan_text(source).findings if f.category == "symbol"]
    assert symbols == ["keras.layers.Conv2D", "keras.regularizers.L2"]


AFTER = {"call": ("keras.layers.Flatten",), "after": ("keras.layers.Conv2D",)}


@pytest.mark.parametrize(
    "source, lines",
    [
        ("keras.Sequential([L.Conv2D(3, 3),\nL.Flatten()])", [2]),
        ("keras.Sequential(layers=[L.Conv2D(3, 3),\nL.Flatten()])", [2]),
        ("keras.Sequential([L.Conv2D(3, 3), L.ReLU(), L.Flatten()])", []),
        ("keras.Sequential([L.Flatten(), L.Conv2D(3, 3)])", []),
        ("m = keras.Sequential()\nm.add(L.Conv2D(3, 3))\nm.add(L.Flatten())", [3]),
        ("m = keras.Sequential([L.Conv2D(3, 3)])\nm.add(L.Flatten())", [2]),
        ("x = L.Conv2D(3, 3)(x)\nx = L.Flatten()(x)", [2]),
        ("L.Flatten()(L.Conv2D(3, 3)(x))", [1]),
        ("f = L.Flatten()\nx = L.Conv2D(3, 3)(x)\nf(x)", [1]),
        ("x = L.Conv2D(3, 3)(x)\nx = L.ReLU()(x)\nx = L.Flatten()(x)", []),
        ("x = L.Flatten()(x)", []),
    ],
)
def test_the_layer_before(plant: Any, source: str, lines: list[int]) -> None:
    assert plant(source, **AFTER) == lines


def test_methods_and_their_receivers(plant: Any) -> None:
    rule = {"method": ("Model.fit",), "arguments": {"shuffle": True}}
    known = "m = keras.Sequential()\nm.fit(x, y)\nm.fit(x, y, shuffle=False)"
    assert plant(known, **rule) == [2]
    assert plant("unknown.fit(x, y)", **rule) == []
    assert plant("unknown.fit(x, y, epochs=2)", **rule) == [1]
    anyone = {**rule, "any_receiver": True}
    assert plant("unknown.fit(x, y, shuffle=True)", **anyone) == [1]
    assert plant("unknown.fit(x, y)", **anyone) == []


def test_attributes_and_references(plant: Any) -> None:
    frozen = {"attribute": "trainable", "value": False}
    assert plant("l = L.Dense(3)\nl.trainable = False", **frozen) == [2]
    assert plant("l = L.Dense(3)\nl.trainable = True", **frozen) == []
    assert plant("l.trainable = False", **frozen) == []
    assert plant("x = f(tf.float16)", reference=("tf.float16",)) == [1]
    assert plant("x = f(tf.float32)", reference=("tf.float16",)) == []


@pytest.mark.parametrize("pitfall", pitfalls(), ids=lambda p: p.identifier)
def test_an_entry_is_seen_where_it_says(pitfall: Pitfall) -> None:
    for code in pitfall.flags:
        found = [f.symbol for f in scan_text(HEAD + code).findings]
        assert pitfall.identifier in found, code
    for code in pitfall.keeps:
        found = [f.symbol for f in scan_text(HEAD + code).findings]
        assert pitfall.identifier not in found, code


def test_the_index_reads_what_it_needs_and_finds_all() -> None:
    lazy, eager = traps.index(), Index(pitfalls())
    for field in ("calls", "after", "methods", "any_receiver", "attributes"):
        for name, rules in getattr(eager, field).items():
            found = lazy.met(getattr(lazy, field), name)
            assert {r.entry.symbol for r in found} == {r.entry.symbol for r in rules}
    for name in eager.references:
        assert lazy.met(lazy.references, name)
