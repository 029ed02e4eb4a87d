"""Models of Keras whose outputs can tell a right port from a wrong one.

No trained weights of ``keras.applications`` come without a download. Random ones
are as good to compare with, if the outputs depend on the input and on each weight:
so scales and shifts are drawn, and the statistics of the norms are those of
photographs. Without that, several models hardly react to their input, and a wrong
port of them looks right.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.transform import resize

from migrate_examples.port.applications.families import TWINS, WITHOUT_TWIN
from migrate_examples.port.archive import Archive
from migrate_examples.port.live import archive_of
from migrate_examples.port.parity.precision import default_dtype

Floats = NDArray[np.floating[Any]]
CALIBRATED_ON = 4
"""Photographs through which the statistics of the norms are taken."""
COMPARED_ON = 2
GATES = ("se_reduce", "se_expand", "squeeze_excite")
"""Names of layers whose sigmoid multiplies others: at full strength they amplify
rounding a thousandfold."""


@dataclass(frozen=True)
class Reference:
    """What a model of Keras computed.

    Attributes
    ----------
    archive : Archive
        Its layers and weights.
    pixels : ndarray
        (B, H, W, 3) from 0 to 255, of the model's dtype.
    logits : ndarray
        (B, classes).
    """

    archive: Archive
    pixels: Floats
    logits: Floats

    @property
    def dtype(self) -> str:
        """Of the weights and of all that was computed."""
        return self.logits.dtype.name

    @property
    def sensitivity(self) -> float:
        """How much the logits of two photographs differ, against the largest one."""
        first, second = self.logits[:2]
        return float(np.abs(first - second).max() / np.abs(self.logits).max())


def photographs(size: int, count: int, dtype: str) -> Floats:
    """Photographs of scikit-image as squares, from 0 to 255 in whole numbers.

    Parameters
    ----------
    size : int
        Height and width.
    count : int
        At most four.
    dtype : str
        Of the result (count, size, size, 3).
    """
    pictures = (data.chelsea(), data.coffee(), data.rocket(), data.camera())
    squares = []
    for picture in pictures[:count]:
        side = min(picture.shape[:2])
        square = np.atleast_3d(picture[:side, :side]) * np.ones(3)
        squares.append(resize(square, (size, size), anti_aliasing=True))
    return np.stack(squares).round().astype(dtype)


def preprocess_input(name: str, pixels: Floats) -> Floats:
    """Apply Keras's own ``preprocess_input`` of a model to a copy."""
    module = TWINS[name].family.module if name in TWINS else WITHOUT_TWIN[name][0]
    found = import_module(f"keras.applications.{module}")
    done: Floats = found.preprocess_input(pixels.copy())
    return done


def models(name: str, size: int, **options: Any) -> Iterator[Any]:
    """Build a model with drawn weights, in float32, then in float64.

    One after the other, as the largest fill gigabytes: keep none of them.

    Parameters
    ----------
    name : str
        In ``keras.applications``.
    size : int
        Height and width of its input.
    options
        For its constructor, ``alpha=0.35``.

    Yields
    ------
    keras.Model
        Both have the same weights, to the last bit.
    """
    model = build(name, size, "float32", **options)
    draw_weights(model, seed=len(name))
    pixels = photographs(size, CALIBRATED_ON, "float32")
    calibrate(model, preprocess_input(name, pixels))
    weights = model.get_weights()
    yield model
    del model
    keras.utils.clear_session(free_memory=True)
    model = build(name, size, "float64", **options)
    model.set_weights(weights)
    del weights
    settle(model)
    yield model
    del model
    keras.utils.clear_session(free_memory=True)


def references(name: str, size: int, **options: Any) -> Iterator[Reference]:
    """Outputs of both ``models``, one after the other."""
    for model in models(name, size, **options):
        yield run(model, name, size)
        del model


def build(name: str, size: int, dtype: str, **options: Any) -> Any:
    """Model of ``keras.applications`` that returns logits, in a dtype."""
    keras.utils.set_random_seed(0)
    with default_dtype(dtype):
        return getattr(keras.applications, name)(
            weights=None,
            input_shape=(size, size, 3),
            classifier_activation=None,
            **options,
        )


def draw_weights(model: Any, seed: int) -> None:
    """Draw what Keras starts at zero and one; kernels keep the variance through ReLU.

    The mean and variance of a Normalization are set to those of ImageNet, as its
    trained weights have them.
    """
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        owner, _, kind = variable.path.rpartition("/")
        shape = variable.shape
        if "normalization" in owner and kind in {"mean", "variance"}:
            mean = np.array([0.485, 0.456, 0.406])
            variable.assign(mean if kind == "mean" else (mean / 2) ** 2)
        elif "layer_scale" in owner:
            variable.assign(rng.uniform(0.1, 0.5, shape))
        elif kind == "gamma":
            variable.assign(rng.uniform(0.5, 1.5, shape))
        elif kind in {"beta", "bias"}:
            variable.assign(rng.normal(0, 0.1, shape))
        elif "kernel" in kind:
            drawn = np.asarray(variable)
            gain = 0.5 if any(word in owner for word in GATES) else 1.0
            variable.assign(drawn * gain * np.sqrt(2 / fan_in(shape)) / drawn.std())
    settle(model)


def fan_in(shape: tuple[int, ...]) -> int:
    """Count what a kernel sums up; one that ends in 1 is depthwise.

    >>> fan_in((3, 3, 8, 16)), fan_in((3, 3, 8, 1)), fan_in((8, 16))
    (72, 9, 8)
    """
    return prod(shape[:2] if shape[-1] == 1 else shape[:-1])


def settle(model: Any) -> None:
    """Let each Normalization compute with its variables.

    It copies them when it is adapted or loaded from a file; assigning to them, as
    ``set_weights`` does, changes nothing.
    """
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.finalize_state()


def calibrate(model: Any, inputs: Floats) -> None:
    """Set the statistics of the norms to those of a batch, then shake them a little.

    Nothing is dropped meanwhile: the blocks that a Dropout leaves out would shift
    the statistics of all that follow.
    """
    rng = np.random.default_rng(1)
    norms = [n for n in layers_of(model) if isinstance(n, NORM)]
    if not norms:
        return
    with swapped(norms, "momentum", 0.0), swapped(droppers(model), "rate", 0.0):
        model(inputs, training=True)
    for norm in norms:
        shape = norm.moving_mean.shape
        spread = np.sqrt(np.asarray(norm.moving_variance))
        norm.moving_mean.assign_add(spread * rng.normal(0, 0.1, shape))
        norm.moving_variance.assign(
            np.asarray(norm.moving_variance) * rng.uniform(0.8, 1.25, shape)
        )


@contextmanager
def swapped(layers: list[Any], attribute: str, value: float) -> Iterator[None]:
    """Give layers another value of an attribute for a while."""
    kept = [getattr(layer, attribute) for layer in layers]
    for layer in layers:
        setattr(layer, attribute, value)
    yield
    for layer, before in zip(layers, kept, strict=True):
        setattr(layer, attribute, before)


def droppers(model: Any) -> list[Any]:
    """Layers that leave something out in training."""
    return [n for n in layers_of(model) if isinstance(n, keras.layers.Dropout)]


NORM = keras.layers.BatchNormalization


def layers_of(model: Any) -> list[Any]:
    """All layers, those of nested models too."""
    return [
        inner
        for layer in model.layers
        for inner in (layers_of(layer) if isinstance(layer, keras.Model) else [layer])
    ]


def run(model: Any, name: str, size: int) -> Reference:
    """Archive of a model, and its outputs on photographs."""
    dtype = str(keras.backend.standardize_dtype(model.compute_dtype))
    pixels = photographs(size, COMPARED_ON, dtype)
    with default_dtype(dtype):
        inputs = preprocess_input(name, pixels)
    logits = keras.ops.convert_to_numpy(model(inputs, training=False))
    return Reference(archive_of(model), pixels, logits)
