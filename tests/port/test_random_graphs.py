"""Random models, and whether their ports compute the same: a property."""

from typing import Any

import keras
import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

from migrate_examples.port.parity.precision import default_dtype
from tests.port.models_zoo import inputs_of, randomise
from tests.port.written_case import written_of

IMAGE = (
    "conv", "strided", "depthwise", "bn", "relu", "pool", "average", "pad", "crop",
    "up", "deconv", "dropout", "permute", "add", "cat", "gate", "norm",
)  # fmt: skip
STEPS = (
    "dense", "conv1d", "causal", "gru", "lstm", "bidirectional", "norm", "add", "cat",
    "pool1d", "attention", "gelu",
)  # fmt: skip


def image_step(kind: str, x: Any, before: Any) -> Any:
    """One more layer on an image; `before` is some tensor of the same model."""
    made = {
        "conv": lambda: layers.Conv2D(3, 3, padding="same", activation="tanh")(x),
        "strided": lambda: layers.Conv2D(3, 3, strides=2, padding="same")(x),
        "depthwise": lambda: layers.DepthwiseConv2D(2, padding="same")(x),
        "bn": lambda: layers.BatchNormalization()(x),
        "relu": lambda: layers.ReLU()(x),
        "pool": lambda: layers.MaxPooling2D(3, strides=2, padding="same")(x),
        "average": lambda: layers.AveragePooling2D(2, strides=1, padding="same")(x),
        "pad": lambda: layers.ZeroPadding2D(((0, 1), (1, 0)))(x),
        "crop": lambda: layers.Cropping2D(((1, 0), (0, 1)))(x),
        "up": lambda: layers.UpSampling2D(2)(x),
        "deconv": lambda: layers.Conv2DTranspose(2, 3, strides=2, padding="same")(x),
        "dropout": lambda: layers.Dropout(0.4)(x),
        "permute": lambda: layers.Permute((2, 1, 3))(x),
        "norm": lambda: layers.LayerNormalization()(x),
        "gate": lambda: layers.Multiply()(
            [x, layers.GlobalAveragePooling2D(keepdims=True)(x)]
        ),
    }
    return joined(kind, x, before) if kind in {"add", "cat"} else made[kind]()


def steps_step(kind: str, x: Any, before: Any) -> Any:
    """One more layer on a sequence."""
    made = {
        "dense": lambda: layers.Dense(4, activation="elu")(x),
        "conv1d": lambda: layers.Conv1D(4, 3, padding="same")(x),
        "causal": lambda: layers.Conv1D(4, 2, padding="causal", dilation_rate=2)(x),
        "gru": lambda: layers.GRU(3, return_sequences=True)(x),
        "lstm": lambda: layers.LSTM(3, return_sequences=True, go_backwards=True)(x),
        "bidirectional": lambda: layers.Bidirectional(
            layers.GRU(2, return_sequences=True)
        )(x),
        "norm": lambda: layers.LayerNormalization()(x),
        "pool1d": lambda: layers.MaxPooling1D(2, padding="same")(x),
        "attention": lambda: layers.MultiHeadAttention(2, 2)(x, x),
        "gelu": lambda: layers.Activation("gelu")(x),
    }
    return joined(kind, x, before) if kind in {"add", "cat"} else made[kind]()


def joined(kind: str, x: Any, before: Any) -> Any:
    """Two tensors as one, where their shapes allow it."""
    if kind == "add":
        return layers.Add()([x, before]) if x.shape == before.shape else x
    if x.shape[:-1] != before.shape[:-1] or x.shape[-1] > 12:
        return x
    return layers.Concatenate()([before, x])


def model_of(kinds: list[str], jumps: list[int], end: str, *, image: bool) -> Any:
    """A model out of drawn names; each step sees the last tensor and an older one."""
    start = keras.Input((6, 5, 2) if image else (6, 3))
    tensors = [start]
    for kind, jump in zip(kinds, jumps, strict=False):
        before = tensors[-1 - jump % len(tensors)]
        step = image_step if image else steps_step
        if kind == "crop" and min(tensors[-1].shape[1:3]) < 3:
            continue
        if kind in {"up", "deconv"} and max(tensors[-1].shape[1:3]) > 12:
            continue
        tensors.append(step(kind, tensors[-1], before))
    x = tensors[-1]
    if end == "flatten":
        x = layers.Dense(3)(layers.Dropout(0.2)(layers.Flatten()(x)))
    elif end == "mean":
        pool = layers.GlobalAveragePooling2D if image else layers.GlobalMaxPooling1D
        x = layers.Dense(2, activation="softmax")(pool()(x))
    elif end == "both":
        return keras.Model(start, [x, layers.Flatten()(x)])
    return keras.Model(start, x)


def assert_port_is_equal(model: keras.Model) -> None:
    """The printed file computes what the model does, in float64."""
    randomise(model)
    inputs = inputs_of(model)
    written = written_of(model)
    names: dict[str, Any] = {"__file__": "model.py", "__name__": "ported"}
    exec(compile(written.text, "model.py", "exec"), names)  # what is tested
    module = names[written.name]().double()
    tensors = {name: torch.tensor(np.array(a)) for name, a in written.tensors.items()}
    module.load_state_dict(tensors)
    with torch.no_grad():
        got = keras.tree.flatten(module.eval()(torch.tensor(inputs[0])))
    wanted = keras.tree.flatten(model(inputs[0]))
    for mine, theirs in zip(got, wanted, strict=True):
        array = np.asarray(theirs)
        assert tuple(mine.shape) == array.shape, written.text
        bound = 1e-6 * max(np.abs(array).max(), 1.0)  # constants in float32, see facts
        assert np.abs(mine.numpy() - array).max() < bound, written.text


FEW = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
ENDS = st.sampled_from(["flatten", "mean", "both", "as it is"])
JUMPS = st.lists(st.integers(0, 6), min_size=9, max_size=9)


def in_double(kinds: list[str], jumps: list[int], end: str, *, image: bool) -> None:
    with default_dtype("float64"):
        assert_port_is_equal(model_of(kinds, jumps, end, image=image))


@FEW
@given(st.lists(st.sampled_from(IMAGE), min_size=2, max_size=9), JUMPS, ENDS)
def test_random_image_models(kinds: list[str], jumps: list[int], end: str) -> None:
    in_double(kinds, jumps, end, image=True)


@FEW
@given(st.lists(st.sampled_from(STEPS), min_size=2, max_size=9), JUMPS, ENDS)
def test_random_sequence_models(kinds: list[str], jumps: list[int], end: str) -> None:
    in_double(kinds, jumps, end, image=False)
