"""The policy of tolerances stands between what was measured and what is a bug."""

import numpy as np
import pytest

from migrate_examples.port.parity.measure import conventions, measurements
from migrate_examples.port.parity.tolerances import CONSTANT, ULPS, tolerance

MARGIN = 2.0
"""Measurements of another machine, with other kernels, may be twice as large."""

ORDERS = 1e7
"""The smallest mistake, an epsilon of 1.001e-3, stands 2e8 above what is allowed."""


def test_measurements_stay_below_the_policy() -> None:
    rows = measurements()
    assert len(rows) >= 40
    assert {row.dtype for row in rows} == {"float32", "float64"}
    over = [row for row in rows if row.measured * MARGIN > row.policy]
    assert not over, over


def test_measurements_are_no_zeros() -> None:
    moved = {row.operation for row in measurements() if row.measured > 0}
    assert moved >= {"matmul", "convolution", "normalization", "recurrent", "attention"}


def test_mistakes_stand_above_the_policy() -> None:
    found = conventions()
    assert len(found) >= 9
    assert min(mistake.factor for mistake in found) > ORDERS, found
    large = [mistake for mistake in found if mistake.factor > 1e10]
    assert len(large) >= 8  # ten orders above rounding, but for the small epsilon


def test_tolerance_grows_with_size_depth_and_unit() -> None:
    one = tolerance("float64", operation="matmul", size=100, depth=2).relative
    assert (
        tolerance("float64", operation="matmul", size=400, depth=2).relative == 2 * one
    )
    assert (
        tolerance("float64", operation="matmul", size=100, depth=6).relative == 3 * one
    )
    single = tolerance("float32", operation="matmul", size=100, depth=2).relative
    assert single == one * 2**29


def test_whole_models_have_the_bounds_of_the_project() -> None:
    assert tolerance("float64").relative == 1e-9
    assert tolerance("float32").relative == 3e-4
    assert tolerance("float64", constant_in_float32=True).relative == CONSTANT == 1e-6
    assert np.isclose(tolerance("float32").absolute(50.0), 0.015)
    assert tolerance("float16").relative > tolerance("float32").relative


@pytest.mark.parametrize(
    "arguments,says",
    [
        ({"dtype": "int8"}, "int8"),
        ({"dtype": "float32", "operation": "magic"}, "magic"),
        ({"dtype": "float32", "size": 0}, "count from 1"),
    ],
)
def test_tolerance_refuses(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tolerance(**arguments)  # type: ignore[arg-type]


def test_every_operation_that_is_measured_has_a_policy() -> None:
    assert {row.operation for row in measurements()} <= set(ULPS)
