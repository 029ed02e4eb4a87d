"""A model in memory as an Archive."""

from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.port.live import archive_of, state_of

L = keras.layers


def names(model: Any) -> list[str]:
    return list(archive_of(model).arrays())


def test_layers_of_nested_models_bear_their_path() -> None:
    encoder = keras.Sequential([keras.Input((4,)), L.Dense(3, name="a")], name="enc")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2, name="b")(encoder(x)))
    assert names(model) == ["enc/a/kernel", "enc/a/bias", "b/kernel", "b/bias"]
    archive = archive_of(model)
    assert (archive.kind, archive.path) == ("model", None)
    assert archive.config is not None
    assert archive.config["class_name"] == "Functional"
    kernel = archive.arrays()["enc/a/kernel"]
    assert np.array_equal(kernel, encoder.layers[0].kernel.numpy())
    stored = next(layer for layer in archive.layers if layer.name == "enc/a")
    assert stored.class_name == "Dense"
    assert stored.config is not None
    assert stored.config["units"] == 3


def test_a_shared_layer_comes_once() -> None:
    shared = L.Dense(4, name="shared")
    x = keras.Input((4,))
    assert names(keras.Model(x, shared(shared(x)))) == ["shared/kernel", "shared/bias"]


def test_layers_with_layouts_are_whole() -> None:
    x = keras.Input((5, 4))
    y = L.Bidirectional(L.LSTM(3, return_sequences=True), name="both")(x)
    model = keras.Model(x, L.MultiHeadAttention(2, 3, name="attend")(y, y))
    layers = {layer.name: list(layer.arrays) for layer in archive_of(model).layers}
    assert len(layers["both"]) == 6
    assert "query/kernel" in layers["attend"]


class Composed(keras.layers.Layer):
    """A layer of layers, with a variable of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.inner = L.Dense(3, name="inner")

    def build(self, shape: tuple[int, ...]) -> None:
        self.inner.build(shape)
        self.factor = self.add_weight(shape=(), name="factor", initializer="ones")

    def call(self, x: Any) -> Any:
        return self.inner(x) * self.factor


class Written(keras.Model):
    """A model written as a class."""

    def __init__(self) -> None:
        super().__init__(name="written")
        self.part = Composed("part")
        self.drop = L.Dropout(0.5)

    def call(self, x: Any) -> Any:
        return self.drop(self.part(x))


def test_layers_of_layers_are_entered() -> None:
    model = Written()
    with pytest.raises(ValueError, match="written is not built: call it once"):
        archive_of(model)
    model(np.zeros((1, 2)))
    assert names(model) == ["part/inner/kernel", "part/inner/bias", "part/factor"]


def test_the_state_of_the_optimizer_comes_along() -> None:
    model = keras.Sequential([keras.Input((2,)), L.Dense(1, name="fc")])
    assert archive_of(model).optimizer == {}
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(np.ones((3, 2)), np.ones((3, 1)))
    state = archive_of(model).optimizer
    assert int(state["iteration"]) == 1
    assert sum(name.endswith("fc_kernel_momentum") for name in state) == 1
    assert state.keys() == state_of(model.optimizer).keys()
