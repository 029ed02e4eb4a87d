"""Recurrent layers: every switch, with and without masks and first states."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.lower.driver import lower
from tests.port.lower.run_program import (
    EXACT,
    Compared,
    compare,
    of_layer,
    of_outputs,
    randomise,
)

L = keras.layers
KINDS = [L.LSTM, L.GRU, L.SimpleRNN]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"use_bias": False, "dropout": 0.2},
    {"activation": "relu", "recurrent_dropout": 0.2},
    {"go_backwards": True},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("sequences", [False, True])
def test_one_direction_agrees(
    kind: Any, setting: dict[str, Any], sequences: bool, rng: np.random.Generator
) -> None:
    layer = kind(3, return_sequences=sequences, return_state=True, **setting)
    assert of_layer(layer, (5, 4), rng=rng).error < EXACT


@pytest.mark.parametrize("use_bias", [False, True])
def test_reset_before_the_product_agrees(
    use_bias: bool, rng: np.random.Generator
) -> None:
    layer = L.GRU(3, reset_after=False, use_bias=use_bias, return_sequences=True)
    compared = of_layer(layer, (5, 4), rng=rng)
    assert compared.error < EXACT
    assert compared.modules[0].call == "StepwiseGRU"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["concat", "sum", "ave", "mul", None])
def test_both_directions_agree(
    kind: Any, mode: str | None, rng: np.random.Generator
) -> None:
    for inner in (
        kind(3, return_sequences=True),
        kind(3, return_state=True, activation="relu"),
        kind(3, return_state=True, dropout=0.1),
    ):
        layer = L.Bidirectional(inner, merge_mode=mode)
        assert of_layer(layer, (5, 4), rng=rng).error < EXACT


def test_unlike_directions_agree(rng: np.random.Generator) -> None:
    ahead = L.LSTM(3, return_sequences=True)
    back = L.GRU(2, return_sequences=True, go_backwards=True)
    layer = L.Bidirectional(ahead, backward_layer=back)
    compared = of_layer(layer, (5, 4), rng=rng)
    assert compared.error < EXACT
    assert [m.call for m in compared.modules] == ["nn.LSTM", "nn.GRU"]


def masked(
    build: Callable[[Any], Any], rng: np.random.Generator, steps: int = 6
) -> Compared:
    """Compare behind an Embedding with gaps, full, empty, and at either end."""
    inputs = keras.Input((steps,), dtype="int32")
    model = keras.Model(inputs, build(L.Embedding(9, 4, mask_zero=True)(inputs)))
    randomise(model, rng)
    x = rng.integers(0, 3, size=(5, steps)).astype("int32")
    x[0], x[1, 2:], x[2, :-2], x[3] = 1, 0, 0, 0
    return compare(model, [x])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"go_backwards": True},
        {"activation": "relu"},
        {"zero_output_for_mask": True},
    ],
)
def test_masks_agree(
    kind: Any, setting: dict[str, Any], rng: np.random.Generator
) -> None:
    for sequences in (False, True):
        for state in (False, True):
            layer = kind(3, return_sequences=sequences, return_state=state, **setting)
            assert masked(layer, rng).error < EXACT


@pytest.mark.parametrize("kind", KINDS)
def test_masks_in_both_directions_agree(kind: Any, rng: np.random.Generator) -> None:
    for sequences in (False, True):
        inner = kind(3, return_sequences=sequences, return_state=True)
        assert masked(L.Bidirectional(inner), rng).error < EXACT


def test_masks_pass_through_layers(rng: np.random.Generator) -> None:
    def chain(x: Any) -> Any:
        x = L.Dropout(0.2)(L.LSTM(4, return_sequences=True)(x))
        return L.GRU(3)(L.Dense(3)(L.Masking()(x)))

    assert masked(chain, rng).error < EXACT


def test_a_masked_layer_runs_as_one_module(rng: np.random.Generator) -> None:
    compared = masked(L.LSTM(3, return_sequences=True), rng)
    assert [m.call for m in compared.modules] == ["nn.Embedding", "nn.LSTM"]
    assert compared.program.helpers == ("valid_first", "repeat_last")


def test_first_states_agree(rng: np.random.Generator) -> None:
    def state(units: int = 3) -> Any:
        return keras.Input((units,))

    x = keras.Input((5, 4))
    h, c, k, m, small = state(), state(), state(), state(), state(2)
    for given, outputs in (
        ([h, c], L.LSTM(3, return_state=True)(x, initial_state=[h, c])),
        ([h], L.GRU(3, return_state=True)(x, initial_state=h)),
        ([h], L.GRU(3, reset_after=False)(x, initial_state=h)),
        (
            [h, c, k, m],
            L.Bidirectional(L.LSTM(3, return_state=True))(
                x, initial_state=[h, c, k, m]
            ),
        ),
        (
            [h, c, small],
            L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_state=True)(
                x, initial_state=[[h, c], small]
            ),
        ),
    ):
        assert of_outputs([x, *given], outputs, rng=rng).error < EXACT


def test_cells_agree(rng: np.random.Generator) -> None:
    for layer in (
        L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True, return_state=True),
        L.RNN([L.LSTMCell(3), L.LSTMCell(3)], go_backwards=True),
        L.RNN(L.SimpleRNNCell(3)),
    ):
        assert of_layer(layer, (5, 4), rng=rng).error < EXACT
        assert masked(type(layer).from_config(layer.get_config()), rng).error < EXACT


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"padding": "same"},
        {"strides": 2, "padding": "same"},
        {"use_bias": False, "activation": "relu"},
        {"kernel_size": 2, "padding": "same", "go_backwards": True},
    ],
)
def test_convolutions_over_time_agree(
    setting: dict[str, Any], rng: np.random.Generator
) -> None:
    setting = {"kernel_size": 3, **setting}
    whole = {"return_sequences": True, "return_state": True}
    layer = L.ConvLSTM2D(2, **whole, **setting)
    assert of_layer(layer, (3, 5, 6, 2), rng=rng).error < EXACT
    assert of_layer(L.ConvLSTM1D(2, **setting), (3, 5, 2), rng=rng).error < EXACT


def test_stateful_is_refused_with_advice() -> None:
    inputs = keras.Input((5, 4), batch_size=2)
    model = keras.Model(inputs, L.LSTM(3, stateful=True)(inputs))
    with pytest.raises(PortError, match="initial_state"):
        lower(graph_of(model))
