"""Verifying a port: a right one agrees, and what is wrong is found where it is."""

from pathlib import Path
from typing import Any

import keras
import pytest

from migrate_examples.port.command.checking import (
    Checked,
    CheckError,
    Plan,
    check,
    sensitivity,
    verdict,
)
from migrate_examples.port.command.report import Layer
from migrate_examples.port.keras_graph import graph_of
from tests.port.command import ported


@pytest.fixture(scope="module")
def model() -> Any:
    return ported.keras_net()


def checked(model: Any, folder: Path, source: str, **arrays: Any) -> Checked:
    ported.write(folder, model, source, arrays)
    layers = tuple(
        Layer(layer.name, type(layer).__name__, 0, layer.name, 1)
        for layer in model.layers
    )
    plan = Plan("Net", layers, tuple(ported.laid_out(model)))
    bounds = {"float32": 1e-5, "float64": 1e-10, "gradient": 1e-9}
    return check(
        model,
        graph_of(model),
        plan,
        folder,
        ported.laid_out,
        bounds.__getitem__,
    )


def test_a_right_port_agrees_in_every_layer(model: Any, tmp_path: Path) -> None:
    found = checked(model, tmp_path / "net", ported.MODEL)
    agrees, words = verdict(found)
    assert agrees, words
    assert [layer.keras for layer in found.layers] == [
        *("conv", "bn", "pool", "head", "output")
    ]
    for layer in found.layers:
        assert layer.error_float64 is not None, layer
        assert layer.error_float64 < 1e-14, layer
        assert layer.error_float32 is not None, layer
        assert layer.error_float32 < 1e-6, layer
    assert {gradient.target for gradient in found.gradients} == {
        *("conv.weight", "conv.bias", "bn.weight", "bn.bias", "head.weight"),
        *("head.bias", "input 0"),
    }
    assert found.sensitivity > 0.01


def test_the_first_wrong_layer_is_named(model: Any, tmp_path: Path) -> None:
    wrong = ported.MODEL.replace("eps=1e-3", "eps=1e-5")
    agrees, words = verdict(checked(model, tmp_path / "net", wrong))
    assert not agrees
    assert words.startswith("differs: first at bn (BatchNormalization), by ")


def test_a_wrong_gradient_is_found_behind_right_outputs(
    model: Any, tmp_path: Path
) -> None:
    wrong = ported.MODEL.replace("x = self.bn(x)", "x = self.bn(x.detach())")
    agrees, words = verdict(checked(model, tmp_path / "net", wrong))
    assert not agrees
    assert "the outputs agree, the gradient of conv.weight does not" in words


def test_outputs_that_do_not_react_show_nothing(tmp_path: Path) -> None:
    model = ported.keras_net()
    weights = model.get_weights()
    weights[-2] *= 1e-7  # the head hears nothing of the image
    model.set_weights(weights)
    agrees, words = verdict(checked(model, tmp_path / "net", ported.MODEL))
    assert not agrees
    assert words.startswith("shows nothing: ")


def test_a_port_that_needs_keras_does_not_run(model: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"does not run: .*keras"):
        checked(model, tmp_path / "net", "import keras\n" + ported.MODEL)


def test_sensitivity_is_that_of_the_output_that_reacts_least() -> None:
    reacting = keras.ops.convert_to_numpy([[1.0], [2.0]])
    assert sensitivity([reacting, reacting * 0 + 1]) == 0.0
