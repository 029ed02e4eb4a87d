"""Every row of the map, executed; and rows that are wrong, refused."""

import re

import pytest

from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.prove import MismatchError, draw, prove

ROWS = [row for row in rows() if not row.unverified]
# Several rows may share a first line; a number tells them apart.
IDS = [f"{row.tf.strip().splitlines()[0]} #{n}" for n, row in enumerate(ROWS)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_row(row: Row, seed: int) -> None:
    prove(row, seed)


# (PyTorch as it should be, what a port gets wrong)
MUTANTS = [
    ("dim=1", "dim=0"),
    ("dim=-1", "dim=0"),
    ("x.detach()", "x"),
    ("argmax(1)", "argmax(0)"),
    ("correction=0", "correction=1"),
    (".permute(", ".reshape("),
    ("** 2", "** 3"),
    ("sin", "cos"),
    (" + ", " - "),
    (" * ", " + "),
    ("mean", "sum"),
    ("1, 0, 1", "1, 1, 0"),
]


def mutants() -> list[Row]:
    """Rows with one thing changed on the PyTorch side, of those rows that have it."""
    found = []
    for row in ROWS:
        for right, wrong in MUTANTS:
            if right in row.torch:
                found.append(row._replace(torch=row.torch.replace(right, wrong, 1)))
    return found


def test_wrong_rows_are_refused() -> None:
    """A row is not green because its inputs are trivial: its mutants fail."""
    tried, survived = mutants(), []
    for row in tried:
        try:
            for seed in range(3):
                prove(row, seed)
        except Exception:
            continue
        survived.append(row.torch)
    assert len(tried) >= 20
    assert len(survived) <= 0.05 * len(tried), survived


@pytest.mark.parametrize(
    "row, message",
    [
        (
            Row("x + 0", "x + 1e-3", "p", {"x": "f32[3]"}),
            "values of x + 0 and x + 1e-3 differ",
        ),
        (Row("x", "x[:2]", "p", {"x": "f32[3]"}), "values (3,) against (2,)"),
        (Row("x * x", "x.detach() * x", "p", {"x": "f64[3]"}), "gradients of x * x"),
        (
            Row("tf.stop_gradient(x)", "x * 1", "p", {"x": "f64[3]"}),
            "only PyTorch has a gradient",
        ),
        (
            Row("x > 0", "(x > 0) * 1", "p", {"x": "f32[6]"}),
            "values of type bool against int64",
        ),
        (
            Row("tf.split(x, 2)", "x.split(2)", "p", {"x": "f32[6]"}),
            "2 values against 3",
        ),
    ],
)
def test_each_kind_of_mismatch_is_named(row: Row, message: str) -> None:
    with pytest.raises(MismatchError, match=re.escape(message)):
        prove(row)


def test_a_row_that_ends_with_a_statement_is_refused() -> None:
    with pytest.raises(SyntaxError, match="end with an expression"):
        prove(Row("y = x", "x", "p", {"x": "f32[3]"}))


def test_inputs_are_of_the_stated_shape_and_dtype(rng) -> None:  # type: ignore[no-untyped-def]
    assert draw("f64[2,5]", rng).shape == (2, 5)
    assert draw("i32[]", rng).shape == ()
    assert str(draw("bool[7]", rng).dtype) == "bool"
    with pytest.raises(ValueError, match="write dtype"):
        draw("float[2]", rng)


def test_channels_are_moved_where_the_input_says_so() -> None:
    row = Row(
        "tf.reduce_mean(x, axis=3)", "x.mean(dim=1)", "p", {"x": "f64[2,5,7,3] NHWC"}
    )
    assert prove(row).error < 1e-15


def test_only_the_gradients_of_images_are_moved() -> None:
    row = Row(
        'tf.nn.conv2d(x, w, strides=1, padding="VALID")',
        "F.conv2d(x, w.permute(3, 2, 0, 1))",
        "p",
        {"x": "f64[2,5,7,3] NHWC", "w": "f64[2,3,3,4]"},
    )
    gradient_error = prove(row).gradient_error
    assert gradient_error is not None
    assert gradient_error < 1e-12


def test_no_loop_over_nothing() -> None:
    assert len(ROWS) >= 80
