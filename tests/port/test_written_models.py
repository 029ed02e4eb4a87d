"""The proof: written modules, in a process without Keras, do what Keras does."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.port.parity.precision import default_dtype
from tests.port.models_zoo import ZOO, inputs_of, randomise
from tests.port.written_case import CHECKS, prepare, run_fresh

# Of mask_into_nested: Keras says so and hands the mask on all the same.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking")

# Keras in float64 still rounds some constants to float32: Rescaling's scale,
# attention's, the slope of leaky_relu and gelu.
TOLERANCE = {"float64": 1e-9, "float32": 3e-4, "gradients": 1e-8}
CONSTANTS = {"separable_cnn", "plain_transformer", "transformer", "preprocessing_cnn"}
CONSTANTS |= {"ops_graph", "siamese"}
INDUCTOR = {"mlp"}  # the others go through the tracer alone: it is minutes otherwise


def built(name: str, dtype: str) -> keras.Model:
    """A model of the zoo in some precision, with the same weights in each."""
    keras.utils.clear_session()
    with default_dtype(dtype):
        return randomise(ZOO[name]())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.fixture(scope="module")
def results(root: Path) -> dict[str, Any]:
    for name in ZOO:
        models = {dtype: built(name, dtype) for dtype in ("float64", "float32")}
        inputs = {}
        for dtype, model in models.items():
            drawn = inputs_of(model)
            inputs[dtype] = drawn
        backend = "inductor" if name in INDUCTOR else "eager"
        prepare(root / name, models, inputs, backend=backend)
    found, foreign = run_fresh(root)
    assert foreign == []
    return found


def test_there_are_enough_models() -> None:
    assert len(ZOO) >= 25


@pytest.mark.parametrize("name", ZOO)
def test_outputs_are_equal(results: dict[str, Any], name: str) -> None:
    found = results[name]
    bound = 1e-6 if name in CONSTANTS else TOLERANCE["float64"]
    assert found["float64"] < bound
    assert found["float32"] < TOLERANCE["float32"]


@pytest.mark.parametrize("name", ZOO)
def test_outputs_depend_on_the_inputs(
    results: dict[str, Any], root: Path, name: str
) -> None:
    assert results  # they have been written
    with np.load(root / name / "float64.npz") as stored:
        outputs = stored["outputs:0"]
    spread = np.abs(outputs - outputs[:1]).max() / np.abs(outputs).max()
    assert spread > 1e-3  # a port of a constant would prove nothing


@pytest.mark.parametrize("name", ZOO)
def test_gradients_are_equal(results: dict[str, Any], name: str) -> None:
    errors = results[name]["gradients"]
    bound = 1e-6 if name in CONSTANTS else TOLERANCE["gradients"]
    assert isinstance(errors, dict), errors
    assert {target: e for target, e in errors.items() if not e < bound} == {}


@pytest.mark.parametrize("check", ["export", "saved", "compile"])
@pytest.mark.parametrize("name", ZOO)
def test_goes_through(results: dict[str, Any], name: str, check: str) -> None:
    assert check in CHECKS
    found = results[name][check]
    assert isinstance(found, float), found
    assert found < 1e-5
