"""The table of variable orders, against live layers of Keras, one by one."""

import inspect
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.layers.layer import Layer

from migrate_examples.port.keras_graph.variables import named_variables
from migrate_examples.port.read import ReadError, read
from migrate_examples.port.read.variable_names import ORDERS, WHOLE

L = keras.layers
IMAGE, ROW, STEPS = (6, 6, 4), (4,), (5, 4)


def attend(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer(x, x)


def pair(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer([x, x])


def einsum(**options: Any) -> Any:
    return L.EinsumDense("abc,cd->abd", (None, 3), **options)


def rms_scaling() -> Any:
    with warnings.catch_warnings():  # deprecated, and in older files
        warnings.simplefilter("ignore")
        return L.LayerNormalization(rms_scaling=True)


CASES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Dense": (lambda: L.Dense(3), ROW),
    "Dense-bias": (lambda: L.Dense(3, use_bias=False), ROW),
    "EinsumDense": (lambda: einsum(bias_axes="d"), STEPS),
    "EinsumDense-bias": (einsum, STEPS),
    "Conv1D": (lambda: L.Conv1D(3, 2), STEPS),
    "Conv2D": (lambda: L.Conv2D(3, 2, groups=1), IMAGE),
    "Conv2D-bias": (lambda: L.Conv2D(4, (2, 3), groups=2, use_bias=False), IMAGE),
    "Conv3D": (lambda: L.Conv3D(2, 2), (4, 4, 4, 2)),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(3, 2), STEPS),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(3, 2), IMAGE),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(2, 2), (4, 4, 4, 2)),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(2), STEPS),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(2), IMAGE),
    "SeparableConv1D": (lambda: L.SeparableConv1D(3, 2), STEPS),
    "SeparableConv2D": (lambda: L.SeparableConv2D(3, 2), IMAGE),
    "SeparableConv2D-bias": (lambda: L.SeparableConv2D(3, 2, use_bias=False), IMAGE),
    "BatchNormalization": (L.BatchNormalization, ROW),
    "BatchNormalization-scale": (lambda: L.BatchNormalization(scale=False), ROW),
    "BatchNormalization-center": (lambda: L.BatchNormalization(center=False), ROW),
    "BatchNormalization-both": (
        lambda: L.BatchNormalization(center=False, scale=False),
        ROW,
    ),
    "BatchNormalization+renorm": (lambda: L.BatchNormalization(renorm=True), ROW),
    "LayerNormalization": (L.LayerNormalization, ROW),
    "LayerNormalization-scale": (lambda: L.LayerNormalization(scale=False), ROW),
    "LayerNormalization-center": (lambda: L.LayerNormalization(center=False), ROW),
    "LayerNormalization+rms": (rms_scaling, ROW),
    "GroupNormalization": (lambda: L.GroupNormalization(2), IMAGE),
    "GroupNormalization-scale": (lambda: L.GroupNormalization(2, scale=False), IMAGE),
    "RMSNormalization": (L.RMSNormalization, ROW),
    "Normalization": (L.Normalization, ROW),
    "Normalization-state": (lambda: L.Normalization(mean=1.0, variance=2.0), ROW),
    "Embedding": (lambda: L.Embedding(7, 3), ROW),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(7, 3), ROW),
    "ReversibleEmbedding-tied": (
        lambda: L.ReversibleEmbedding(7, 3, tie_weights=False),
        ROW,
    ),
    "STFTSpectrogram": (lambda: L.STFTSpectrogram("log", 8, 4, 8), (32, 1)),
    "STFTSpectrogram-imag": (lambda: L.STFTSpectrogram("real", 8, 4, 8), (32, 1)),
    "PReLU": (L.PReLU, IMAGE),
    "Attention": (lambda: pair(L.Attention(use_scale=True)), STEPS),
    "Attention-scale": (lambda: pair(L.Attention(score_mode="concat")), STEPS),
    "Attention+both": (
        lambda: pair(L.Attention(use_scale=True, score_mode="concat")),
        STEPS,
    ),
    "AdditiveAttention": (lambda: pair(L.AdditiveAttention()), STEPS),
    "MultiHeadAttention": (lambda: attend(L.MultiHeadAttention(2, 3)), STEPS),
    "MultiHeadAttention-bias": (
        lambda: attend(L.MultiHeadAttention(2, 3, use_bias=False)),
        STEPS,
    ),
    "GroupQueryAttention": (lambda: attend(L.GroupQueryAttention(3, 4, 2)), STEPS),
    "SimpleRNN": (lambda: L.SimpleRNN(3), STEPS),
    "LSTM": (lambda: L.LSTM(3), STEPS),
    "LSTM-bias": (lambda: L.LSTM(3, use_bias=False), STEPS),
    "GRU": (lambda: L.GRU(3), STEPS),
    "GRU-reset": (lambda: L.GRU(3, reset_after=False), STEPS),
    "RNN": (lambda: L.RNN(L.LSTMCell(3)), STEPS),
    "RNN-named": (lambda: L.RNN(L.GRUCell(3, name="mine")), STEPS),
    "RNN-stacked": (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2), L.LSTMCell(2)]), STEPS),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(3)), STEPS),
    "Bidirectional-other": (
        lambda: L.Bidirectional(
            L.GRU(3, name="there"),
            backward_layer=L.GRU(2, go_backwards=True, name="back"),
        ),
        STEPS,
    ),
    "Bidirectional-stacked": (
        lambda: L.Bidirectional(L.RNN([L.LSTMCell(3), L.GRUCell(2)])),
        STEPS,
    ),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(2, 2), (3, 5, 2)),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(2, 2), (3, 5, 5, 2)),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(2, 2), (2, 3, 3, 3, 2)),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3)), STEPS),
    "TimeDistributed-norm": (
        lambda: L.TimeDistributed(L.BatchNormalization(scale=False)),
        STEPS,
    ),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Dense(3)), ROW),
    "SpectralNormalization-conv": (
        lambda: L.SpectralNormalization(L.Conv2D(3, 2)),
        IMAGE,
    ),
}


def model_of(case: str) -> Any:
    make, shape = CASES[case]
    x = keras.Input(shape)
    model = keras.Model(x, make()(x))
    rng = np.random.default_rng(sum(map(ord, case)))
    for variable in model.weights:
        if "int" not in variable.dtype:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


def expected(model: Any) -> dict[str, bytes]:
    layer = model.layers[-1]
    return {
        name: np.asarray(variable).tobytes()
        for name, variable in named_variables(layer).items()
    }


def found(path: Path) -> dict[str, bytes]:
    layer = next(layer for layer in read(path).layers if layer.arrays)
    return {name: array.tobytes() for name, array in layer.arrays.items()}


@pytest.mark.parametrize("case", [c for c in CASES if c != "Normalization-state"])
def test_names_and_values_are_those_of_the_live_layer(
    case: str, tmp_path: Path
) -> None:
    model = model_of(case)
    model.save(tmp_path / "m.keras")
    assert found(tmp_path / "m.keras") == expected(model)


@pytest.mark.parametrize("case", [c for c in CASES if c != "Normalization-state"])
def test_weights_alone_have_the_names_or_numbers_in_order(
    case: str, tmp_path: Path
) -> None:
    model = model_of(case)
    model.save_weights(tmp_path / "m.weights.h5")
    mine, live = found(tmp_path / "m.weights.h5"), expected(model)
    if any(name.rpartition("/")[2].isdecimal() for name in mine):
        assert sorted(mine.values()) == sorted(live.values())
    else:
        assert mine == live


@pytest.mark.parametrize("case", [c for c in CASES if c != "Normalization-state"])
def test_files_without_names_take_them_from_the_config(
    case: str, tmp_path: Path
) -> None:
    """As Keras wrote them before it noted names beside the variables."""
    model = model_of(case)
    model.save(tmp_path / "m.keras")
    without_names(tmp_path / "m.keras", tmp_path / "old.keras")
    assert found(tmp_path / "old.keras") == expected(model)


def without_names(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = io.BytesIO(old.read(name))
            if name.endswith(".h5"):
                with h5py.File(data, "a") as file:
                    file.visititems(lambda _, item: item.attrs.pop("name", None))
                    file.attrs.pop("name", None)
            new.writestr(name, data.getvalue())


def test_every_class_of_the_table_is_compared_with_a_live_layer() -> None:
    seen = {case.split("-")[0].split("+")[0] for case in CASES}
    inside = {name for name in ORDERS if "Cell" in name}
    old = {"LocallyConnected1D", "LocallyConnected2D"}  # Keras 2 alone
    stacked = {"StackedRNNCells", "GroupedQueryAttention"}
    assert WHOLE - seen - inside - old - stacked == set()


def test_every_layer_of_keras_with_weights_is_in_the_table() -> None:
    """A new layer of Keras fails here until the table knows it."""
    without = []
    for name, kind in vars(keras.layers).items():
        if (
            inspect.isclass(kind)
            and issubclass(kind, Layer)
            and kind.__name__ not in WHOLE
        ):
            source = "".join(
                inspect.getsource(base)
                for base in kind.__mro__
                if base.__module__.startswith("keras.src.layers.")
                and base.__module__ != "keras.src.layers.layer"
            )
            if "self.add_weight(" in source:
                without.append(name)
    assert sorted(without) == []


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, name="fc")])
    model.save(tmp_path / "m.keras")
    edit(tmp_path / "m.keras", "layers/dense/vars/1")
    with pytest.raises(ReadError, match=r"fc \(Dense\) has no bias"):
        read(tmp_path / "m.keras")


def edit(path: Path, entry: str) -> None:
    """Take one array out of the weights of a .keras file."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    data = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(data, "a") as file:
        del file[entry]
    parts["model.weights.h5"] = data.getvalue()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
