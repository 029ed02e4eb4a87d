"""Activations, by name, as layers, and as layers that are activations."""

import keras
import numpy as np
import pytest

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.lower.activations import ALONG, PLAIN
from migrate_examples.port.lower.driver import lower
from tests.port.lower.run_program import CONSTANT, EXACT, of_layer, of_outputs

L = keras.layers
THROUGH_FLOAT32 = {"leaky_relu", "gelu", "hard_sigmoid", "hard_silu", "hard_swish"}


@pytest.mark.parametrize("name", ["linear", *PLAIN, *ALONG])
def test_each_name_agrees(name: str, rng: np.random.Generator) -> None:
    allowed = CONSTANT if name in THROUGH_FLOAT32 else EXACT
    inputs = keras.Input((5, 3))
    outputs = L.Activation(name)(L.Conv1D(6, 2)(inputs))
    assert of_outputs([inputs], outputs, rng=rng).error < allowed
    assert of_layer(L.Dense(4, activation=name), (5,), rng=rng).error < allowed


def test_every_activation_of_keras_is_known() -> None:
    known = {"linear", *PLAIN, *ALONG}
    no_names = {"deserialize", "get", "serialize"}
    needs_arguments = {"threshold"}
    theirs = {n for n in dir(keras.activations) if not n.startswith("_")}
    assert theirs - no_names - needs_arguments - known == set()


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"max_value": 6.0},
        {"max_value": 1.0},
        {"negative_slope": 0.125},
        {"threshold": 0.5},
        {"threshold": 0.5, "negative_slope": 0.125, "max_value": 1.0},
        {"negative_slope": 0.125, "max_value": 0.5},
    ],
)
def test_relu_agrees(setting: dict[str, float], rng: np.random.Generator) -> None:
    assert of_layer(L.ReLU(**setting), (4, 7), rng=rng).error < EXACT


def test_layers_agree(rng: np.random.Generator) -> None:
    for layer, shape in (
        (L.ELU(0.75), (7,)),
        (L.Softmax(), (5, 4)),
        (L.Softmax(axis=1), (5, 4, 3)),
        (L.Softmax(axis=[1, 2]), (5, 4, 3)),
        (L.PReLU(), (5,)),
        (L.PReLU(), (5, 4)),
        (L.PReLU(), (5, 4, 3)),
        (L.PReLU(shared_axes=[1, 2]), (5, 4, 3)),
        (L.PReLU(shared_axes=[1]), (5, 4, 3)),
    ):
        assert of_layer(layer, shape, rng=rng).error < EXACT
    assert of_layer(L.LeakyReLU(), (7,), rng=rng).error < CONSTANT


def test_shared_slopes_are_a_module(rng: np.random.Generator) -> None:
    compared = of_layer(L.PReLU(shared_axes=[1, 2]), (5, 4, 3), rng=rng)
    assert [m.call for m in compared.modules] == ["nn.PReLU"]


def test_a_softmax_with_a_mask_agrees(rng: np.random.Generator) -> None:
    inputs, kept = keras.Input((4, 3)), keras.Input((4, 3), dtype="int32")
    mask = keras.ops.cast(kept, "bool")
    outputs = L.Softmax()(inputs, mask)
    assert of_outputs([inputs, kept], outputs, rng=rng).error < EXACT


def test_a_layer_as_an_activation_agrees(rng: np.random.Generator) -> None:
    for layer in (L.LeakyReLU(0.25), L.ReLU(max_value=2.0), L.Softmax()):
        compared = of_layer(L.Conv2D(4, 1, activation=layer), (5, 4, 3), rng=rng)
        assert compared.error < EXACT


def test_the_last_axis_is_followed_into_channels_first(
    rng: np.random.Generator,
) -> None:
    compared = of_layer(L.Conv2D(4, 1, activation="softmax"), (5, 4, 3), rng=rng)
    assert "{0}.softmax(dim=1)" in compared.lines


def test_a_function_of_the_users_own_is_refused() -> None:
    @keras.saving.register_keras_serializable("tests")
    def doubled(x: object) -> object:
        return x

    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(2, activation=doubled)(inputs))
    with pytest.raises(PortError, match=r"doubled.*not one of Keras's own"):
        lower(graph_of(model))
