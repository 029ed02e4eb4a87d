"""Models of many kinds, for Keras 3 and for tf_keras, and how each is saved."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras
from keras.src.legacy.saving import legacy_h5_format

Model = Any


def mlp(k: Any) -> Model:
    layers = k.layers
    return k.Sequential(
        [k.Input((4,)), layers.Dense(5, name="one"), layers.Dense(3, use_bias=False)]
    )


def cnn(k: Any) -> Model:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            layers.Conv2D(3, (2, 3), name="stem"),
            layers.BatchNormalization(),
            layers.Conv2D(4, 2, use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.BatchNormalization(center=False),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def nested(k: Any) -> Model:
    layers = k.layers
    encoder = k.Sequential(
        [k.Input((4,)), layers.Dense(6, name="zed"), layers.Dense(5, name="alpha")],
        name="encoder",
    )
    start = k.Input((5,))
    out = layers.LayerNormalization(name="norm")(layers.Dense(5, name="zed")(start))
    head = k.Model(start, out, name="head")
    x = k.Input((4,))
    return k.Model(x, layers.Dense(2, name="alpha")(head(encoder(x))), name="whole")


def shared(k: Any) -> Model:
    layers = k.layers
    tower = k.Sequential([k.Input((4,)), layers.Dense(3, name="inside")], name="tower")
    left, right = k.Input((4,)), k.Input((4,))
    start = k.Input((4,))
    dense = layers.Dense(4, name="shared")
    outer = k.Model(start, tower(layers.Dense(4, name="before")(start)), name="outer")
    parts = [dense(left), dense(right), tower(left), outer(right)]
    return k.Model([left, right], layers.Dense(2)(layers.Concatenate()(parts)))


def recurrent(k: Any) -> Model:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((5,)),
            layers.Embedding(7, 4),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both"),
            layers.GRU(4, return_sequences=True, reset_after=False),
            layers.SimpleRNN(3, return_sequences=True, use_bias=False),
            layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], return_sequences=True),
            layers.TimeDistributed(layers.Dense(2)),
            layers.GRU(2),
        ]
    )


def attention(k: Any) -> Model:
    layers = k.layers
    x = k.Input((5, 6))
    y = layers.MultiHeadAttention(2, 3, value_dim=4, name="attend")(x, x)
    y = layers.LayerNormalization()(layers.Add()([x, y]))
    y = layers.Attention(use_scale=True)([y, y])
    return k.Model(x, layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d")(y))


def convolutions(k: Any) -> Model:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((9, 9, 2)),
            layers.SeparableConv2D(4, 3),
            layers.DepthwiseConv2D(2, depth_multiplier=2),
            layers.Conv2DTranspose(3, 2, strides=2),
            layers.PReLU(shared_axes=[1, 2]),
            layers.Conv2D(4, 1, groups=1, use_bias=False),
            layers.GroupNormalization(2),
            layers.GlobalAveragePooling2D(),
            layers.UnitNormalization(),
        ]
    )


def adapted(k: Any) -> Model:
    layers = k.layers
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(3).normal(2, 3, (64, 4)).astype("float32"))
    return k.Sequential([k.Input((4,)), norm, layers.Rescaling(2.0), layers.Dense(3)])


def half(k: Any) -> Model:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((4,), dtype="float16"),
            layers.Dense(5, dtype="float16"),
            layers.Dense(3, dtype="float64"),
        ]
    )


def brain(k: Any) -> Model:
    layers = k.layers
    return k.Sequential(
        [k.Input((4,)), layers.Dense(5, dtype="bfloat16"), layers.Dense(3)]
    )


def mixed(k: Any) -> Model:
    layers = k.layers
    policy = "mixed_float16"
    return k.Sequential(
        [
            k.Input((4,)),
            layers.Dense(5, dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Dense(3, dtype=policy),
        ]
    )


def trained(k: Any) -> Model:
    model = cnn(k)
    model.compile(k.optimizers.Adam(), "mse", metrics=["mae"])
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(8, 8, 8, 2)), rng.normal(size=(8, 3))
    model.fit(x, y, epochs=1, batch_size=4, verbose=0)
    return model


def subclassed(k: Any) -> Model:
    class Residual(k.layers.Layer):
        def __init__(self, width: int, **options: Any) -> None:
            super().__init__(**options)
            self.width = width
            self.steps = [k.layers.Dense(width), k.layers.Dense(width)]
            self.norm = k.layers.BatchNormalization()

        def build(self, shape: Any) -> None:
            self.gain = self.add_weight(shape=(shape[-1],), name="gain")
            super().build(shape)

        def call(self, x: Any) -> Any:
            y = x
            for step in self.steps:
                y = step(y)
            return self.norm(y) * self.gain + x

    class Net(k.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.first = k.layers.Dense(6, name="entry")
            self.blocks = [Residual(6, name="r1"), Residual(6, name="r2")]
            self.zlast = k.layers.Dense(2, name="exit")

        def call(self, x: Any) -> Any:
            x = self.first(x)
            for block in self.blocks:
                x = block(x)
            return self.zlast(x)

    model = Net()
    model(np.zeros((1, 4), "float32"))
    return model


MODELS: dict[str, Callable[[Any], Model]] = {
    f.__name__: f
    for f in (
        mlp, cnn, nested, shared, recurrent, attention, convolutions, adapted, half,
        brain, mixed, trained, subclassed,
    )
}  # fmt: skip


def randomise(model: Model, seed: int = 11) -> Model:
    """Values that are all different, so that no two variables can be confused."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if (
            np.dtype(variable.dtype if isinstance(variable.dtype, str) else "f4").kind
            != "i"
        ):
            variable.assign(rng.uniform(0.5, 1.5, tuple(variable.shape)))
    return model


# Formats: each writes a model and returns what to read. -------------------------


def as_keras(model: Model, folder: Path) -> Path:
    model.save(folder / "m.keras")
    return folder / "m.keras"


def as_h5(model: Model, folder: Path) -> Path:
    with warnings.catch_warnings():  # tf_keras calls the format legacy, as it is
        warnings.simplefilter("ignore")
        model.save(folder / "m.h5")
    return folder / "m.h5"


def as_weights(model: Model, folder: Path) -> Path:
    model.save_weights(folder / "m.weights.h5")
    return folder / "m.weights.h5"


def as_shards(model: Model, folder: Path) -> Path:
    model.save_weights(folder / "m.weights.json", max_shard_size=4e-6)
    return folder / "m.weights.json"


def as_old_weights(model: Model, folder: Path) -> Path:
    with h5py.File(folder / "w.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return folder / "w.h5"


def as_h5_weights(model: Model, folder: Path) -> Path:
    model.save_weights(str(folder / "w.h5"))
    return folder / "w.h5"


def as_export(model: Model, folder: Path) -> Path:
    model.export(str(folder / "export"), verbose=False)
    return folder / "export"


def as_saved_model(model: Model, folder: Path) -> Path:
    tf.saved_model.save(model, str(folder / "saved"))
    return folder / "saved"


def as_tf_folder(model: Model, folder: Path) -> Path:
    model.save(str(folder / "saved"), save_format="tf")
    return folder / "saved"


def as_checkpoint(model: Model, folder: Path) -> Path:
    return Path(tf.train.Checkpoint(model=model).save(str(folder / "ckpt")))


def as_tf_weights(model: Model, folder: Path) -> Path:
    model.save_weights(str(folder / "w"))
    return folder / "w"


def as_npz(model: Model, folder: Path) -> Path:
    arrays = {
        (v.path if hasattr(v, "path") else v.name): v.numpy() for v in model.weights
    }
    np.savez(folder / "m.npz", **arrays)
    return folder / "m.npz"


KERAS3: dict[str, Callable[[Model, Path], Path]] = {
    "keras": as_keras, "h5": as_h5, "weights.h5": as_weights, "shards": as_shards,
    "old weights": as_old_weights, "export": as_export, "saved_model": as_saved_model,
    "checkpoint": as_checkpoint, "npz": as_npz,
}  # fmt: skip
TF_KERAS: dict[str, Callable[[Model, Path], Path]] = {
    "keras": as_keras, "h5": as_h5, "h5 weights": as_h5_weights,
    "saved_model": as_tf_folder, "checkpoint": as_checkpoint,
    "tf weights": as_tf_weights,
}  # fmt: skip
SIDES: dict[str, tuple[Any, dict[str, Callable[[Model, Path], Path]]]] = {
    "keras": (keras, KERAS3),
    "tf_keras": (tf_keras, TF_KERAS),
}
