"""What a config says of flattening, with shapes stated and with shapes worked out."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

from migrate_examples.port.archive import Archive
from migrate_examples.port.live import archive_of
from migrate_examples.port.transfer import transfer
from migrate_examples.port.transfer.extents import output_shape
from migrate_examples.port.transfer.flatten import UNKNOWN, flattened_of
from tests.port.transfer import nets

L = keras.layers


def config_of(model: Any, *, shapes: bool = True) -> Any:
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    return config if shapes else bare(config)


def bare(value: Any) -> Any:
    """A config as Keras 2 writes it, without the shapes that calls got."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if k != "build_config"}
    return [bare(v) for v in value] if isinstance(value, list) else value


def stack(*layers: Any) -> Any:
    return nets.model(*layers, shape=(13, 12, 3))


@pytest.mark.parametrize("shapes", [True, False])
def test_flatten_is_found_behind_all_kinds_of_layers(shapes: bool) -> None:
    model = stack(
        L.ZeroPadding2D(((1, 0), 2)),
        L.Conv2D(4, 3, strides=2, padding="same"),
        L.ReLU(),
        L.MaxPooling2D(2),
        L.DepthwiseConv2D(2, depth_multiplier=2, dilation_rate=1),
        L.Cropping2D(((0, 1), 0)),
        L.Flatten(name="flat"),
        L.BatchNormalization(name="norm"),
        L.Dropout(0.5),
        L.Dense(5, name="fc"),
        L.Dense(5, name="after"),
    )
    wanted = tuple(model.get_layer("flat").input.shape[1:])
    found = flattened_of(config_of(model, shapes=shapes))
    assert found.before["fc"] == found.before["norm"] == wanted
    assert "after" not in found.before


def test_extents_are_those_of_keras() -> None:
    layers = [
        L.Conv2D(4, (3, 2), strides=2),
        L.Conv2D(4, 3, padding="same"),
        L.Conv2D(4, 3, dilation_rate=3),
        L.SeparableConv2D(4, 3),
        L.AveragePooling2D((3, 2), strides=2, padding="same"),
        L.MaxPooling2D(3, strides=1),
        L.GlobalAveragePooling2D(),
        L.GlobalMaxPooling2D(keepdims=True),
        L.ZeroPadding2D(2),
        L.ZeroPadding2D((1, 2)),
        L.Cropping2D(((1, 2), (0, 1))),
        L.Dense(7),
        L.LayerNormalization(),
    ]
    for layer in layers:
        wanted = layer.compute_output_shape((None, 13, 12, 3))[1:]
        got = output_shape(type(layer).__name__, layer.get_config(), (13, 12, 3))
        assert got == tuple(wanted), layer
    steps = [L.Conv1D(4, 3, padding="causal", dilation_rate=2), L.ZeroPadding1D((1, 2))]
    for layer in steps:
        wanted = layer.compute_output_shape((None, 13, 3))[1:]
        got = output_shape(type(layer).__name__, layer.get_config(), (13, 3))
        assert got == tuple(wanted), layer
    assert output_shape("LSTM", {}, (5, 3)) is None
    assert output_shape("Conv2D", {}, None) is None


def test_a_reshape_to_one_axis_flattens() -> None:
    model = stack(L.Reshape((13 * 12 * 3,)), L.Dense(2, name="fc"))
    assert flattened_of(config_of(model)).before == {"fc": (13, 12, 3)}


def test_one_channel_or_one_place_is_no_other_order() -> None:
    model = nets.model(L.Flatten(), L.Dense(2), shape=(7, 8, 1))
    assert flattened_of(config_of(model)).before == {}
    model = stack(L.GlobalAveragePooling2D(keepdims=True), L.Flatten(), L.Dense(2))
    assert flattened_of(config_of(model)).before == {}


def test_joined_features_are_unknown() -> None:
    x = keras.Input((4, 5, 3))
    flat = L.Flatten()(x)
    y = L.Concatenate()([flat, L.GlobalAveragePooling2D()(x)])
    model = keras.Model(x, L.Dense(2, name="fc")(y))
    assert flattened_of(config_of(model)).before["fc"] == UNKNOWN
    model = keras.Model(x, L.Dense(2, name="fc")(L.Add()([flat, L.ReLU()(flat)])))
    assert flattened_of(config_of(model)).before["fc"] == (4, 5, 3)


def test_nested_models_are_entered() -> None:
    inner = keras.Sequential([keras.Input((60,)), L.Dense(2, name="fc")], name="head")
    x = keras.Input((4, 5, 3))
    model = keras.Model(x, inner(L.Flatten()(x)))
    assert flattened_of(config_of(model)).before["head/fc"] == (4, 5, 3)


def test_reshape_to_a_picture_marks_the_dense() -> None:
    model = nets.model(
        L.Dense(54, name="fc"),
        L.BatchNormalization(name="norm"),
        L.ReLU(name="relu"),
        L.Reshape((3, -1, 6)),
        shape=(5,),
    )
    found = flattened_of(config_of(model))
    assert found.after == dict.fromkeys(("fc", "norm", "relu"), (3, 3, 6))
    steps = nets.model(L.Dense(12, name="fc"), L.Reshape((3, 4)), shape=(5,))
    assert flattened_of(config_of(steps)).after == {}
    steps.add(L.Conv1D(2, 2))
    assert flattened_of(config_of(steps)).after == {"fc": (3, 4)}


def test_keras_2_names_its_calls_in_lists() -> None:
    layers = [
        {"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
         "config": {"batch_input_shape": [None, 6, 7, 3]}},
        {"class_name": "Conv2D", "name": "conv", "inbound_nodes": [[["x", 0, 0, {}]]],
         "config": {"filters": 4, "kernel_size": [3, 3], "strides": [1, 1]}},
        {"class_name": "Flatten", "name": "flat",
         "inbound_nodes": [[["conv", 0, 0, {}]]], "config": {}},
        {"class_name": "Dense", "name": "fc", "inbound_nodes": [[["flat", 0, 0, {}]]],
         "config": {"units": 2}},
    ]  # fmt: skip
    config = {"class_name": "Functional", "config": {"name": "m", "layers": layers}}
    assert flattened_of(config).before == {"fc": (4, 5, 4)}
    assert flattened_of(None).before == {}


@pytest.mark.parametrize("kind", ["npz", "weights.h5"])
def test_without_a_config_the_user_says_it(kind: str) -> None:
    for name, options in (
        ("pictures with own names", {"flattened": (4, 4, 6)}),
        ("steps, flattened", {"flattened": (6, 4)}),
        ("generator", {"reshaped": (3, 3, 6)}),
    ):
        net = nets.NETS[name]
        model, x = nets.randomised(net, seed=6)
        layers = archive_of(model).layers
        module = net.torch().eval()
        transfer(Archive(None, kind, layers), module, **options)
        with torch.no_grad():
            got = module(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(got, np.asarray(model(x)), rtol=0, atol=1e-12)


def test_empty_means_channels_last_on_both_sides() -> None:
    model = stack(L.Conv2D(4, 3), L.Flatten(), L.Dense(5, name="fc"))
    linear = nn.Linear(440, 5)
    module = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "fc": linear})
    kernel = archive_of(model).arrays()["fc/kernel"]
    for options in ({"flattened": ()}, {"flattened": {"fc": ()}}):
        transfer(model, module, **options)
        assert np.array_equal(linear.weight.detach().numpy(), kernel.T)
