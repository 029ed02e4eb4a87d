"""Entries of the look-up page: their lines and bodies."""

import pytest

from migrate_examples._site.map_entry import (
    badge,
    body,
    first_line,
    inline,
    line,
    measured_text,
)
from migrate_examples._site.proofs import Measured
from migrate_examples.api_map import Row

ROW = Row(
    "tf.reduce_sum(x, axis=1)",
    "torch.sum(x, dim=1)",
    inputs={"x": "f32[2,5]"},
    note="axis is called `dim`",
    see="tensors",
)
MEASURED = Measured(2.4e-7, None, 2e-5, {"empty": "shape (0,) against ()"})


def test_an_entry_says_all_that_the_row_says() -> None:
    shown = line("tf.reduce_sum", (ROW,), MEASURED)
    assert 'id="tf-reduce_sum"' in shown
    assert "✓ 2e-07" in shown
    assert "torch.sum" in shown
    html = body("tf.reduce_sum", (ROW,), [MEASURED])
    assert "<code>tf.math.reduce_sum</code>" in html
    assert "axis is called <code>dim</code>" in html
    assert "On an empty batch the sides differ: shape (0,) against ()." in html
    assert 'href="guide/tensors.html"' in html
    assert "<code>keepdims=False</code>" in html


def test_text_is_escaped() -> None:
    row = ROW._replace(note="<script>x</script>", torch="x < y", pitfall="a & b")
    html = line("tf.x", (row,), MEASURED) + body("tf.x", (row,), [MEASURED])
    assert "<script>" not in html
    assert "a &amp; b" in html


@pytest.mark.parametrize(
    "change, text",
    [
        ({"unverified": "needs a server"}, "not executed"),
        ({"compare": "distribution"}, "same distribution"),
        ({"compare": "shape"}, "shapes agree"),
        ({}, "✓ 2e-07"),
    ],
)
def test_a_badge_says_what_was_verified(change: dict[str, str], text: str) -> None:
    assert text in badge(ROW._replace(**change), MEASURED)  # type: ignore[arg-type]


def test_a_row_without_code_is_advice() -> None:
    row = ROW._replace(torch="", kind="none")
    assert "advice" in badge(row, None)
    assert measured_text(row, None) == ""
    assert first_line(row.torch) == "—"


def test_code_in_notes() -> None:
    assert inline("take `a < b` here") == "take <code>a &lt; b</code> here"
