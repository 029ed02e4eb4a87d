"""ImageNet predictions in TensorFlow: SAME padding built in."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

# in and out channels, kernel size, stride, expansion
BLOCKS = (
    (32, 16, 3, 1, 1),
    (16, 24, 3, 2, 6),
    (24, 24, 3, 1, 6),
    (24, 40, 5, 2, 6),
    (40, 40, 5, 1, 6),
    (40, 80, 3, 2, 6),
    (80, 80, 3, 1, 6),
    (80, 80, 3, 1, 6),
    (80, 112, 5, 1, 6),
    (112, 112, 5, 1, 6),
    (112, 112, 5, 1, 6),
    (112, 192, 5, 2, 6),
    (192, 192, 5, 1, 6),
    (192, 192, 5, 1, 6),
    (192, 192, 5, 1, 6),
    (192, 320, 3, 1, 6),
)


class InvertedResidual(keras.Layer):
    """Inverted residual: widen, filter each channel, narrow.

    Sandler et al. (2018), "MobileNetV2"; without squeeze and
    excitation, as the Lite networks have it.

    Parameters
    ----------
    in_channels, out_channels : int
        Equal, with a stride of 1: the input is added.
    kernel_size, stride : int
        Of the depthwise convolution.
    expand_ratio : int
        Times the width inside; 1 leaves the first part out.
    epsilon : float
        Added to the variance of each normalisation.

    Examples
    --------
    >>> block = InvertedResidual(16, 24, 3, 2, 6)
    >>> tuple(block(tf.ones((2, 9, 7, 16))).shape)
    (2, 5, 4, 24)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expand_ratio: int,
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__()
        norm = partial(
            layers.BatchNormalization, epsilon=epsilon
        )
        width = in_channels * expand_ratio
        self.expands = expand_ratio > 1
        self.adds = stride == 1 and in_channels == out_channels
        if self.expands:
            self.expand_conv = layers.Conv2D(
                width, 1, use_bias=False, name="expand_conv"
            )
            self.bn0 = norm(name="bn0")
        self.depthwise_conv = layers.DepthwiseConv2D(
            kernel_size,
            stride,
            padding="same",
            use_bias=False,
            name="depthwise_conv",
        )
        self.bn1 = norm(name="bn1")
        self.project_conv = layers.Conv2D(
            out_channels, 1, use_bias=False, name="project_conv"
        )
        self.bn2 = norm(name="bn2")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Map (N, H, W, in) to (N, H', W', out)."""
        y = x
        if self.expands:
            y = tf.nn.relu6(self.bn0(self.expand_conv(y)))
        y = tf.nn.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.adds else y


def efficientnet_lite0(
    num_classes: int = 1000, epsilon: float = 1e-3
) -> keras.Sequential:
    """EfficientNet-Lite0: 224 x 224 RGB to class logits.

    Tan and Le (2019), "EfficientNet"; the Lite variant of
    github.com/tensorflow/tpu: ReLU6, no squeeze and excitation.

    Parameters
    ----------
    num_classes : int
        Width of the last layer.
    epsilon : float
        Added to the variance of each normalisation. The trained
        weights expect 1e-3, Keras's default.

    Returns
    -------
    Sequential
        Maps (N, H, W, 3) to logits of shape (N, num_classes).

    Examples
    --------
    >>> model = efficientnet_lite0(num_classes=10)
    >>> sum(w.numpy().size for w in model.trainable_weights)
    3383818
    """
    norm = partial(layers.BatchNormalization, epsilon=epsilon)
    blocks = [
        InvertedResidual(*sizes, epsilon) for sizes in BLOCKS
    ]
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(
                32,
                3,
                2,
                "same",
                use_bias=False,
                name="conv_stem",
            ),
            norm(name="bn0"),
            layers.ReLU(6),
            *blocks,
            layers.Conv2D(
                1280, 1, use_bias=False, name="conv_head"
            ),
            norm(name="bn1"),
            layers.ReLU(6),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(num_classes, name="fc"),
        ]
    )


def check_hash(path: Path) -> Path:
    """Compare a weights file with the hash in its own name.

    Published weights are named ``name-01234567.pth``: the first
    digits of the SHA-256 of their bytes, as ``torch.hub`` and
    ``check_hash=True`` have it.

    Parameters
    ----------
    path : Path
        A file whose name ends in a dash and at least 8 digits.

    Returns
    -------
    Path
        The same path, checked.

    Raises
    ------
    ValueError
        Names the file, its size and both hashes.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "none-e3b0c442.pth"
    >>> path.touch()
    >>> check_hash(path).name
    'none-e3b0c442.pth'
    """
    named = re.search(r"-([0-9a-f]{8,64})$", path.stem)
    if named is None:
        raise ValueError(
            f"{path.name}: no hash to compare with; expected a "
            "name such as model-01234567.pth"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(named[1]):
        raise ValueError(
            f"{path}: {path.stat().st_size:,} bytes, SHA-256 "
            f"{found[:8]}, but the name says {named[1]}: the "
            "file is cut short or altered, install it again"
        )
    return path


# Keras's names, and those of the file
_NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def _places(
    model: keras.Sequential,
) -> Iterator[tuple[str, keras.Variable]]:
    block = 0
    for layer in model.layers:
        prefix = "_"
        if layer.name.startswith("inverted"):
            prefix = f"_blocks.{block}._"
            block += 1
        for variable in layer.weights:
            owner, kind = variable.path.split("/")[-2:]
            name = f"{prefix}{owner}.{_NAMES.get(kind, kind)}"
            yield name, variable


def _in_keras_layout(
    name: str, array: np.ndarray
) -> np.ndarray:
    if array.ndim == 4 and "depthwise" in name:
        return array.transpose(2, 3, 0, 1)  # C1HW -> HWC1
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)  # OIHW -> HWIO
    return array.T  # of one axis: as it is


def load_trained_weights(
    model: keras.Sequential, state: Mapping[str, np.ndarray]
) -> None:
    """Fill a network with every tensor of a state, or raise.

    Parameters
    ----------
    model : Sequential
        Of ``efficientnet_lite0``.
    state : mapping of str to array
        By the names of the file, in PyTorch's layouts: (out,
        in, height, width), and (out, in) for the last layer.
        Keras keeps no ``num_batches_tracked``.

    Raises
    ------
    ValueError
        Names the tensors that are missing, left over or of
        another shape; the model is then as it was.

    Examples
    --------
    >>> try:
    ...     load_trained_weights(efficientnet_lite0(), {})
    ... except ValueError as error:
    ...     print(error)
    the weights do not fit the network, _blocks.0...
    """
    arrays = {
        name: _in_keras_layout(name, array)
        for name, array in state.items()
        if not name.endswith("num_batches_tracked")
    }
    places = dict(_places(model))
    problems = [
        *(f"{n} is missing" for n in places.keys() - arrays),
        *(f"{n} has no place" for n in arrays.keys() - places),
        *(
            f"{n} is {array.shape}, its place "
            f"{tuple(places[n].shape)}"
            for n, array in arrays.items()
            if n in places and array.shape != places[n].shape
        ),
    ]
    if problems:
        first = "; ".join(sorted(problems)[:3])
        raise ValueError(
            f"the weights do not fit the network, {first}, "
            f"{len(problems)} in all; nothing was loaded. Are "
            "they of another network or version?"
        )
    for name, place in places.items():
        place.assign(arrays[name])


def preprocess(
    photograph: np.ndarray, image_size: int = 224
) -> tf.Tensor:
    """Crop, scale and centre a photograph as in the training.

    The middle square, bicubic, (pixel - 127) / 128: what
    ``efficientnet_lite_builder.py`` of the authors states.

    Parameters
    ----------
    photograph : array, uint8
        Of shape (height, width, 3), red first, 0 to 255.
    image_size : int
        Height and width of the result.

    Returns
    -------
    Tensor, float32
        Of shape (image_size, image_size, 3), about -1 to 1.

    Raises
    ------
    ValueError
        When the photograph is grey or not uint8.

    Examples
    --------
    >>> grey = np.full((40, 30, 3), 127, "uint8")
    >>> image = preprocess(grey, 8)
    >>> tuple(image.shape), float(tf.reduce_max(abs(image)))
    ((8, 8, 3), 0.0)
    """
    if (
        photograph.shape[2:] != (3,)
        or photograph.dtype != np.uint8
    ):
        raise ValueError(
            f"photograph of {photograph.dtype}, shape "
            f"{photograph.shape}: expected uint8, (height, "
            "width, 3); for a grey one, "
            "np.stack([grey] * 3, axis=-1)"
        )
    height, width, _ = photograph.shape
    side = min(height, width) * image_size // (image_size + 32)
    top, left = (
        (height - side + 1) // 2,
        (width - side + 1) // 2,
    )
    square = photograph[top : top + side, left : left + side]
    image = tf.image.resize(
        tf.constant(square),
        (image_size, image_size),
        "bicubic",
        antialias=True,
    )
    return (image - 127) / 128


def top_classes(
    logits: tf.Tensor, categories: Sequence[str], k: int = 5
) -> list[list[tuple[str, float]]]:
    """Names and probabilities of the most likely classes.

    Parameters
    ----------
    logits : Tensor
        Of shape (N, number of classes).
    categories : sequence of str
        The name of each class.
    k : int
        How many to return, the likeliest first.

    Returns
    -------
    list of list of (str, float)
        One list an image, k pairs each.

    Raises
    ------
    ValueError
        When there are more or fewer names than classes.

    Examples
    --------
    >>> logits = tf.math.log([[0.25, 0.75]])
    >>> top_classes(logits, ["cat", "dog"], k=1)
    [[('dog', 0.75)]]
    """
    if logits.shape[-1] != len(categories):
        raise ValueError(
            f"{len(categories)} names for {logits.shape[-1]} "
            "classes: pass the names that belong to the weights"
        )
    found = tf.math.top_k(tf.nn.softmax(logits), k)
    return [
        [
            (categories[i], float(p))
            for p, i in zip(*row, strict=True)
        ]
        for row in zip(
            found.values.numpy(),
            found.indices.numpy(),
            strict=True,
        )
    ]
