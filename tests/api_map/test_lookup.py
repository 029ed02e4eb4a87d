"""Finding what the map says, under any name."""

import pytest

from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.lookup import aliases, anchor, find


@pytest.mark.parametrize(
    "name, status",
    [
        ("tf.reduce_mean", "mapped"),
        ("tensorflow.math.reduce_mean", "mapped"),
        ("tf.keras.layers.Dense", "mapped"),
        ("keras.layers.Dense", "mapped"),
        ("reduce_mean", "mapped"),
        ("tf.python.ops.no_such_ops.thing", "private"),
        ("keras.src.layers.thing", "private"),
        ("tf.contrib.no_such_module.thing", "removed"),
        ("tf.mul", "removed"),
        ("keras.applications.RegNetX002", "removed"),
        ("tf.experimental.numpy.no_such_name", "unmapped"),
        ("tf.no_such_function", "unknown"),
        ("tf.raw_ops.XlaHostCompute", "unknown"),
    ],
)
def test_status(name: str, status: str) -> None:
    assert find(name).status == status


def test_a_name_that_exists_and_has_no_row() -> None:
    answer = find("tf.raw_ops.BoostedTreesBucketize")
    assert answer.status == "unmapped"
    assert answer.rows == ()


def test_a_mistyped_name_is_guessed() -> None:
    answer = find("tf.reduce_meen")
    assert answer.status == "unknown"
    assert answer.suggestions[0] == "tf.reduce_mean"


def test_every_symbol_is_found_by_each_of_its_names() -> None:
    for symbol, rows in rows_by_symbol().items():
        for name in (symbol, *aliases(symbol)):
            assert find(name).rows == rows, name


def test_anchors_are_distinct() -> None:
    symbols = list(rows_by_symbol())
    assert len({anchor(symbol) for symbol in symbols}) == len(symbols)
