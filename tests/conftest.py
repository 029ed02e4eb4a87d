"""Seeds for every test, and the condition of the tests that need a GPU."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir("build/cache/hypothesis")


@pytest.fixture
def rng() -> np.random.Generator:
    """NumPy's generator, the same draws in every run."""
    return np.random.default_rng(20260)


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    """Both precisions: float32 as it is used, float64 where rounding cannot hide."""
    return str(request.param)
