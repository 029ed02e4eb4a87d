"""The lists of public names, against the installed frameworks."""

import contextlib
import importlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from migrate_examples.api_map import generate
from migrate_examples.api_map.symbols import (
    TF_SYMBOLS,
    TORCH_SYMBOLS,
    lines,
    main_name,
    parameters,
    symbol,
    versions,
)

# In a process of its own: tf_keras, which other tests import, takes names away.
LIST = """
import json, sys
from migrate_examples.api_map import generate
json.dump({file.name: text for file, text in generate.texts().items()}, sys.stdout)
"""


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    command = [sys.executable, "-c", LIST]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("file", [TF_SYMBOLS, TORCH_SYMBOLS], ids=lambda f: f.name)
def test_the_list_is_that_of_the_installed_version(
    file: Path, texts: dict[str, str]
) -> None:
    """A release that moves a default or drops a name fails here."""
    kept, installed = set(file.read_text().splitlines()), texts[file.name].splitlines()
    fresh = sorted(set(installed) - kept)
    gone = sorted(kept - set(installed))
    renew = "run python -m migrate_examples.api_map.generate and mend the rows"
    assert (fresh[:5], gone[:5]) == ([], []), renew


def resolve(name: str) -> object:
    """Object that a name stands for, as code would reach it."""
    first, *rest = name.split(".")
    value: object = tf if first == "tf" else keras
    if rest[:1] == ["keras"]:
        value, rest = importlib.import_module("keras._tf_keras.keras"), rest[1:]
    for part in rest:
        value = getattr(value, part)
    return value


def test_aliases_are_one_object() -> None:
    checked = 0
    for line in lines(TF_SYMBOLS).values():
        name, _, main = line.partition(" = ")
        if main and "(" not in line:
            assert resolve(name) is resolve(main), line
            checked += 1
    assert checked >= 900


def test_tf_keras_is_keras_under_a_longer_name() -> None:
    """The rule by which ``tf.keras.X`` needs no line of its own."""
    checked = 0
    for name in lines(TF_SYMBOLS):
        is_method = name.rpartition(".")[0] in generate.METHODS_OF
        if not name.startswith("keras.") or is_method:
            continue
        if f"tf.{name}" not in lines(TF_SYMBOLS):
            with contextlib.suppress(AttributeError):  # a newer name of Keras alone
                assert resolve(f"tf.{name}") is resolve(name), name
                checked += 1
    assert checked >= 1000


@pytest.mark.parametrize(
    "name, main",
    [
        ("tf.math.reduce_mean", "tf.reduce_mean"),
        ("tensorflow.nn.sigmoid", "tf.sigmoid"),
        ("tf.keras.layers.Dense", "keras.layers.Dense"),
        ("tf_keras.layers.Dense", "keras.layers.Dense"),
        ("tensorflow.compat.v1.keras.Sequential", "keras.Sequential"),
        ("tf.compat.v2.abs", "tf.abs"),
        ("tf.compat.v1.float32", "tf.float32"),
        ("tf.placeholder", "tf.compat.v1.placeholder"),
        ("tf.compat.v1.reduce_mean", "tf.compat.v1.reduce_mean"),
        ("tf.keras.models.Model.fit", "keras.Model.fit"),
        ("keras.backend.mean", "tf.keras.backend.mean"),
        ("tf.image.ResizeMethod.AREA", "tf.image.ResizeMethod.AREA"),
        ("tf.reduce_meen", None),
        ("torch.mean", None),
        ("tf", None),
    ],
)
def test_main_name(name: str, main: str | None) -> None:
    assert main_name(name) == main


def test_parameters_are_those_of_the_signature() -> None:
    dense = symbol("keras.layers.Dense")
    assert dense is not None
    assert dense.is_class
    found = {p.name: p.default for p in parameters(dense.signature)}
    assert found["units"] is None
    assert found["kernel_initializer"] == "'glorot_uniform'"
    linear = symbol("torch.nn.Linear", TORCH_SYMBOLS)
    assert linear is not None
    assert [p.name for p in parameters(linear.signature)][:2] == [
        "in_features",
        "out_features",
    ]


def test_versions_are_said() -> None:
    assert versions(TF_SYMBOLS).startswith("tensorflow 2.")
    assert versions(TORCH_SYMBOLS).startswith("torch 2.")
