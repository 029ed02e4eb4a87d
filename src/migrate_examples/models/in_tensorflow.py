"""Model definition in TensorFlow: Keras layers and models."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray


def build_cnn(
    height: int, width: int, channels: int, classes: int
) -> keras.Model:
    """Make a convolutional classifier, layer after layer.

    From images (batch, height, width, channels) to logits.

    Parameters
    ----------
    height, width, channels : int
        Of one image; height and width at least 4.
    classes : int
        Number of logits.

    Examples
    --------
    >>> model = build_cnn(6, 8, 1, 10)
    >>> x = tf.zeros((2, 6, 8, 1))
    >>> tuple(model(x).shape)
    (2, 10)
    """
    return keras.Sequential(
        [
            keras.Input((height, width, channels)),
            # the normalisation has its own offset
            layers.Conv2D(8, 3, use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(classes, name="head"),
        ]
    )


def build_skip_network(
    left: int, right: int, hidden: int
) -> keras.Model:
    """Make a model of two inputs with a skip connection.

    From (batch, left) and (batch, right) to (batch, 1).

    Parameters
    ----------
    left, right, hidden : int
        Widths of the two inputs and of the hidden layers.

    Examples
    --------
    >>> model = build_skip_network(3, 2, 8)
    >>> y = model([tf.zeros((5, 3)), tf.zeros((5, 2))])
    >>> tuple(y.shape)
    (5, 1)
    """
    a, b = keras.Input((left,)), keras.Input((right,))
    x = layers.Concatenate()([a, b])
    x = layers.Dense(hidden, name="first")(x)
    x = layers.ReLU()(x)
    skip = x
    x = layers.Dense(hidden, name="second")(x)
    x = layers.ReLU()(x)
    x = layers.Add()([x, skip])
    return keras.Model([a, b], layers.Dense(1, name="head")(x))


class DropoutClassifier(keras.Model):
    """Classifier that behaves differently while it trains.

    Parameters
    ----------
    features, hidden, classes : int
        Widths of the input, the hidden layer and the logits.
    rate : float
        Share of the hidden units dropped in training.

    Examples
    --------
    >>> model = DropoutClassifier(4, 8, 3)
    >>> tuple(model(tf.zeros((2, 4))).shape)
    (2, 3)
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        rate: float = 0.5,
    ) -> None:
        super().__init__()
        self.hidden = layers.Dense(hidden, name="hidden")
        self.norm = layers.BatchNormalization(name="norm")
        self.dropout = layers.Dropout(rate)
        self.head = layers.Dense(classes, name="head")
        self(keras.Input((features,)))  # weights exist now

    def call(
        self, x: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        x = self.norm(self.hidden(x), training=training)
        x = self.dropout(ops.relu(x), training=training)
        return self.head(x)


class CosineHead(keras.Layer):
    """Logits by the angle between features and class vectors.

    The cosine classifier of Gidaris and Komodakis (2018).

    Parameters
    ----------
    features, classes : int
        Length and number of the class vectors.
    scale : float
        Factor that takes the cosine to the range of logits.

    Examples
    --------
    >>> head = CosineHead(4, 3)
    >>> tuple(head(tf.ones((2, 4))).shape)
    (2, 3)
    """

    def __init__(
        self, features: int, classes: int, scale: float = 16.0
    ) -> None:
        super().__init__()
        self.scale = scale
        self.kernel = self.add_weight(
            shape=(features, classes),
            initializer="glorot_uniform",
            name="kernel",
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        x = ops.normalize(x, axis=-1)
        kernel = ops.normalize(self.kernel, axis=0)
        return self.scale * (x @ kernel)


class LazyCosineHead(keras.Layer):
    """Cosine head that learns its width from the first batch.

    Parameters
    ----------
    classes : int
        Number of the class vectors.
    scale : float
        Factor that takes the cosine to the range of logits.

    Examples
    --------
    >>> head = LazyCosineHead(3)
    >>> tuple(head(tf.ones((2, 4))).shape)
    (2, 3)
    """

    def __init__(
        self, classes: int, scale: float = 16.0
    ) -> None:
        super().__init__()
        self.classes = classes
        self.scale = scale

    def build(
        self, input_shape: tuple[int | None, ...]
    ) -> None:
        """Make the weight, once the input's shape is known."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.classes),
            initializer="glorot_uniform",
            name="kernel",
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        x = ops.normalize(x, axis=-1)
        kernel = ops.normalize(self.kernel, axis=0)
        return self.scale * (x @ kernel)


def initialise(model: keras.Model, seed: int) -> None:
    """Draw all weights anew by Keras's rules, reset statistics.

    Parameters
    ----------
    model : Model
        Changed in place.
    seed : int
        Set for the whole process.

    Raises
    ------
    ValueError
        Where a layer has no weights yet.

    Examples
    --------
    >>> model = build_cnn(6, 8, 1, 10)
    >>> initialise(model, seed=0)
    >>> bool(tf.reduce_all(model.layers[-1].bias == 0))
    True
    """
    keras.utils.set_random_seed(seed)
    for layer in model.layers:
        if not layer.built:
            raise ValueError(
                f"{layer.name} has no weights yet: "
                "call the model on a batch first"
            )
        # calling its initialisers again gives the same values
        fresh = type(layer).from_config(layer.get_config())
        fresh.build_from_config(layer.get_build_config() or {})
        layer.set_weights(fresh.get_weights())


def _variables(model: keras.Model) -> dict[str, Any]:
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }


def read_weights(
    model: keras.Model,
    flattened: Mapping[str, tuple[int, int, int]] | None = None,
) -> dict[str, NDArray[Any]]:
    """Weights as arrays in Keras's names and layouts.

    Parameters
    ----------
    model : Model
        Of dense, convolution and batch normalisation layers.
    flattened : mapping, optional
        For each dense layer behind a flatten, by name, the
        (height, width, channels) flattened. Its kernel is then
        (height, width, channels, out): free of their order.

    Returns
    -------
    dict
        Copies, as ``"conv/kernel"``.

    Examples
    --------
    >>> arrays = read_weights(build_cnn(6, 8, 1, 10))
    >>> arrays["conv/kernel"].shape, arrays["head/kernel"].shape
    ((3, 3, 1, 8), (48, 10))
    """
    arrays = {
        k: v.numpy() for k, v in _variables(model).items()
    }
    for layer, shape in (flattened or {}).items():
        key = f"{layer}/kernel"  # (h*w*c, out)
        arrays[key] = arrays[key].reshape(*shape, -1)
    return arrays


def write_weights(
    model: keras.Model,
    arrays: Mapping[str, NDArray[Any]],
    flattened: Mapping[str, tuple[int, int, int]] | None = None,
) -> None:
    """Set all weights from arrays as `read_weights` gives them.

    Parameters
    ----------
    model : Model
        Changed in place, or not at all.
    arrays : mapping
        One array for each weight, as ``"conv/kernel"``.
    flattened : mapping, optional
        As for `read_weights`.

    Raises
    ------
    ValueError
        Where names or shapes of model and arrays differ.

    Examples
    --------
    >>> shape = {"head": (2, 3, 8)}
    >>> arrays = read_weights(build_cnn(6, 8, 1, 10), shape)
    >>> write_weights(build_cnn(6, 8, 1, 10), arrays, shape)
    """
    present = read_weights(model, flattened)
    if odd := present.keys() ^ arrays.keys():
        raise ValueError(f"only on one side: {sorted(odd)}")
    for key, old in present.items():
        if old.shape != arrays[key].shape:
            raise ValueError(
                f"{key}: the array is {arrays[key].shape}, "
                f"the model needs {old.shape}"
            )
    for key, variable in _variables(model).items():
        variable.assign(arrays[key].reshape(variable.shape))


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Count the trained weights, and all others.

    Parameters
    ----------
    model : Model
        With all its weights built.

    Returns
    -------
    tuple of int
        Trained; frozen, with the running statistics.

    Raises
    ------
    ValueError
        Where the model has no weights yet.

    Examples
    --------
    >>> count_parameters(build_cnn(6, 8, 1, 10))
    (578, 16)
    """
    if not model.built:
        raise ValueError(f"call {model.name} on a batch first")
    trained = sum(
        math.prod(w.shape) for w in model.trainable_weights
    )
    fixed = sum(
        math.prod(w.shape) for w in model.non_trainable_weights
    )
    return trained, fixed
