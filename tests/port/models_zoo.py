"""Small Keras models of many kinds, for the tests of the port.

Each function builds one, with weights drawn from a seed; ``ZOO`` has them by name.
"""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

ZOO: dict[str, Callable[[], keras.Model]] = {}


def zoo(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
    """Register a model."""
    ZOO[build.__name__] = build
    return build


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a value that matters: no zeros, no ones, variances above 0."""
    rng = np.random.default_rng(seed)
    values = []
    for variable in model.weights:
        drawn = rng.normal(size=variable.shape) * 0.3
        if "variance" in variable.path:
            drawn = 0.5 + rng.random(variable.shape)
        elif "gamma" in variable.path:
            drawn = 1 + drawn
        elif variable.dtype.startswith("int"):
            drawn = np.zeros(variable.shape)
        values.append(drawn)
    model.set_weights(values)
    return model


def symbolic_inputs(model: keras.Model) -> list[Any]:
    """What a model takes; of a subclassed one, what it was built with."""
    if not isinstance(model, Subclassed):
        return list(model.inputs)
    shape = model.get_build_config()["input_shape"]
    return [keras.KerasTensor(shape, model.compute_dtype)]


def inputs_of(model: keras.Model, batch: int = 3, seed: int = 1) -> list[NDArray[Any]]:
    """Arrays that a model can be called with: tokens below 10 for integer inputs."""
    rng = np.random.default_rng(seed)
    drawn = []
    for tensor in symbolic_inputs(model):
        shape = tuple(size or 7 for size in tensor.shape[1:])
        if tensor.dtype.startswith("int"):
            tokens = rng.integers(1, 10, (batch, *shape))
            if tokens.ndim == 2:  # the last steps of some are padding
                for row, end in enumerate(rng.integers(2, shape[0] + 1, batch)):
                    tokens[row, end:] = 0
            drawn.append(tokens.astype(tensor.dtype))
        else:
            drawn.append(rng.normal(size=(batch, *shape)).astype(tensor.dtype))
    return drawn


# Images ------------------------------------------------------------------------


@zoo
def mlp() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="tanh", use_bias=False),
            layers.Dense(3, activation="softmax"),
        ],
        name="mlp",
    )


@zoo
def flat_image_mlp() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            layers.Flatten(),
            layers.Dense(4, activation="relu"),
            layers.Dense(2),
        ]
    )


@zoo
def cnn_batch_norm() -> keras.Model:
    image = keras.Input((9, 8, 3), name="image")
    x = image
    for filters in (4, 6):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(image, layers.Dense(4)(x), name="small_cnn")


def residual(x: Any, filters: int, stride: int) -> Any:
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=stride)(x)
        shortcut = layers.BatchNormalization()(shortcut)
    x = layers.Conv2D(filters, 3, strides=stride, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.Conv2D(filters, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(layers.Add()([shortcut, x]))


@zoo
def resnet() -> keras.Model:
    image = keras.Input((16, 16, 3))
    x = layers.ZeroPadding2D(1)(image)
    x = layers.Conv2D(4, 3, strides=2)(x)
    for filters, stride in ((4, 1), (4, 1), (4, 1), (8, 2), (8, 1), (8, 1)):
        x = residual(x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(5)(x), name="resnet")


@zoo
def unet() -> keras.Model:
    image = keras.Input((16, 16, 2), name="image")
    x, skips = image, []
    for filters in (3, 4):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(5, 3, padding="same", activation="relu")(x)
    for filters, skip in zip((4, 3), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = layers.Concatenate()([x, skip])
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x), name="unet")


@zoo
def autoencoder() -> keras.Model:
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(5),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(2 * 2 * 4, activation="relu"),
            layers.Reshape((2, 2, 4)),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
        ],
        name="decoder",
    )
    image = keras.Input((8, 8, 1), name="image")
    return keras.Model(image, decoder(encoder(image)), name="autoencoder")


@zoo
def squeeze_excite() -> keras.Model:
    image = keras.Input((6, 6, 4))
    x = layers.DepthwiseConv2D(3, padding="same", activation="swish")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu")(gate)
    gate = layers.Conv2D(4, 1, activation="hard_sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    return keras.Model(image, layers.Conv2D(3, 1)(x), name="squeeze_excite")


@zoo
def separable_cnn() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((11, 11, 3)),
            layers.SeparableConv2D(4, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.1),
            layers.SeparableConv2D(5, 3, depth_multiplier=2, use_bias=False),
            layers.AveragePooling2D(2, padding="same"),
            layers.GlobalMaxPooling2D(),
        ],
        name="separable_cnn",
    )


@zoo
def inception() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = image
    for _ in range(2):
        one = layers.Conv2D(2, 1, activation="relu")(x)
        three = layers.Conv2D(2, 1, activation="relu")(x)
        three = layers.Conv2D(3, 3, padding="same", activation="relu")(three)
        five = layers.Conv2D(2, 5, padding="same", activation="relu")(x)
        pool = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        pool = layers.Conv2D(2, 1, activation="relu")(pool)
        x = layers.Concatenate()([one, three, five, pool])
    return keras.Model(image, layers.GlobalAveragePooling2D()(x), name="inception")


@zoo
def dense_net() -> keras.Model:
    image = keras.Input((8, 8, 4))
    x = image
    for _ in range(3):
        y = layers.BatchNormalization()(x)
        y = layers.Activation("relu")(y)
        y = layers.Conv2D(3, 3, padding="same", use_bias=False)(y)
        x = layers.Concatenate()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(2)(x), name="dense_net")


@zoo
def preprocessing_cnn() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 128, offset=-1)(image)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(x)
    x = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(image, layers.GlobalMaxPooling2D()(x), name="classifier")


# Several inputs and outputs, shared and nested models -----------------------------


@zoo
def siamese() -> keras.Model:
    encoder = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4),
        ],
        name="encoder",
    )
    left, right = (
        keras.Input((6, 6, 1), name="left"),
        keras.Input((6, 6, 1), name="right"),
    )
    apart = layers.Subtract()([encoder(left), encoder(right)])
    apart = ops.sqrt(ops.sum(ops.square(apart), axis=1, keepdims=True) + 1e-3)
    return keras.Model([left, right], apart, name="siamese")


@zoo
def many_ports() -> keras.Model:
    image, meta = keras.Input((8, 8, 3), name="image"), keras.Input((5,), name="meta")
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.GlobalAveragePooling2D()(x)
    y = layers.Dense(4, activation="relu")(meta)
    both = layers.Concatenate()([x, y])
    outputs = {
        "price": layers.Dense(1, name="price")(both),
        "kind": layers.Dense(3, activation="softmax", name="kind")(both),
    }
    return keras.Model({"image": image, "meta": meta}, outputs, name="many_ports")


@zoo
def two_maps() -> keras.Model:
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, padding="same")(image)
    small = layers.MaxPooling2D(name="small")(x)
    return keras.Model(image, [x, small], name="two_maps")


@zoo
def shared_layer() -> keras.Model:
    x = keras.Input((4,))
    dense, norm = layers.Dense(4, activation="elu"), layers.LayerNormalization()
    y = x
    for _ in range(3):
        y = norm(dense(y))
    return keras.Model(x, layers.Average()([x, y]), name="shared_layer")


@zoo
def reused_submodel() -> keras.Model:
    image = keras.Input((6, 6, 3))
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    block = keras.Model(image, layers.Add()([image, y]), name="block")
    x = keras.Input((6, 6, 3))
    y = block(block(x))
    return keras.Model(x, layers.GlobalAveragePooling2D()(y), name="reused_submodel")


@zoo
def nested_twice() -> keras.Model:
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3)], name="inner")
    middle = keras.Sequential([keras.Input((3,)), inner, layers.ReLU()], name="middle")
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2)(middle(x)), name="nested_twice")


# Sequences -----------------------------------------------------------------------


@zoo
def text_cnn() -> keras.Model:
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    x = layers.Embedding(10, 4)(tokens)
    pooled = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(3, width, activation="relu")(x))
        for width in (2, 3, 4)
    ]
    x = layers.Dropout(0.2)(layers.Concatenate()(pooled))
    return keras.Model(
        tokens, layers.Dense(1, activation="sigmoid")(x), name="text_cnn"
    )


@zoo
def bilstm_mask() -> keras.Model:
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    x = layers.Embedding(10, 4, mask_zero=True)(tokens)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(3))(x)
    return keras.Model(tokens, layers.Dense(2)(x), name="bilstm_mask")


@zoo
def nested_mask() -> keras.Model:
    inner = keras.Sequential(
        [
            keras.Input((8,), dtype="int32"),
            layers.Embedding(10, 4, mask_zero=True),
            layers.Dropout(0.1),
        ],
        name="embed",
    )
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    x = layers.GRU(3)(inner(tokens))
    return keras.Model(tokens, x, name="nested_mask")


@zoo
def mask_into_nested() -> keras.Model:
    steps = keras.Input((8, 4))
    inner = keras.Model(steps, layers.LSTM(3)(steps), name="inner")
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    x = layers.Embedding(10, 4, mask_zero=True)(tokens)
    with warnings.catch_warnings():
        # Keras says that the mask ends here, and hands it on all the same.
        warnings.simplefilter("ignore", UserWarning)
        x = inner(x)
    return keras.Model(tokens, x, name="mask_into_nested")


class Tied(keras.layers.Layer):
    """A head that uses the table of words the other way round."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = layers.Embedding(10, 4, name="table")
        self.mix = layers.Dense(4, name="mix")

    def build(self, shape: Any) -> None:
        self.table.build(shape)
        self.mix.build((*shape, 4))
        super().build(shape)

    def call(self, tokens: Any) -> Any:
        x = ops.tanh(self.mix(self.table(tokens)))
        return ops.matmul(x, ops.transpose(self.table.embeddings))


@zoo
def tied_words() -> keras.Model:
    tokens = keras.Input((5,), dtype="int32", name="tokens")
    return keras.Model(tokens, Tied(name="tied")(tokens), name="tied_words")


@zoo
def stacked_gru() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((7, 3)),
            layers.GRU(4, return_sequences=True),
            layers.GRU(4, return_sequences=True, reset_after=False),
            layers.SimpleRNN(3),
            layers.Dense(2),
        ],
        name="stacked_gru",
    )


@zoo
def masking_lstm() -> keras.Model:
    x = keras.Input((6, 2))
    y = layers.Masking(0.0)(x)
    y = layers.LSTM(3, return_sequences=True)(y)
    y = layers.TimeDistributed(layers.Dense(2))(y)
    return keras.Model(x, layers.GlobalAveragePooling1D()(y), name="masking_lstm")


class Positions(keras.layers.Layer):
    """Learned embeddings of tokens and of their places."""

    def __init__(self, length: int, tokens: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length
        self.tokens = layers.Embedding(tokens, size)
        self.places = layers.Embedding(length, size)

    def build(self, shape: Any) -> None:
        self.tokens.build(shape)
        self.places.build((self.length,))
        super().build(shape)

    def call(self, tokens: Any) -> Any:
        return self.tokens(tokens) + self.places(ops.arange(self.length))


class Encoder(keras.layers.Layer):
    """A block of a Transformer, as people write their own."""

    def __init__(self, heads: int, size: int, hidden: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(heads, size // heads)
        self.hidden = layers.Dense(hidden, activation="gelu")
        self.back = layers.Dense(size)
        self.first, self.second = (
            layers.LayerNormalization(),
            layers.LayerNormalization(),
        )
        self.dropout = layers.Dropout(0.1)

    def build(self, shape: Any) -> None:
        self.attention.build(shape, shape)
        self.hidden.build(shape)
        self.back.build((*shape[:-1], self.hidden.units))
        self.first.build(shape)
        self.second.build(shape)
        super().build(shape)

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.first(x + self.attention(x, x))
        y = self.dropout(self.back(self.hidden(x)), training=training)
        return self.second(x + y)


@zoo
def transformer() -> keras.Model:
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = Positions(6, 10, 8)(tokens)
    x = Encoder(2, 8, 12)(x)
    x = Encoder(2, 8, 12)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, layers.Dense(3)(x), name="transformer")


@zoo
def plain_transformer() -> keras.Model:
    x = keras.Input((5, 8))
    y = x
    for _ in range(2):
        z = layers.MultiHeadAttention(2, 3)(y, y, use_causal_mask=True)
        y = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([y, z]))
        z = layers.Dense(8)(layers.Dense(16, activation="relu")(y))
        y = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([y, z]))
    return keras.Model(x, layers.Dense(2)(y), name="plain_transformer")


@zoo
def wavenet() -> keras.Model:
    x = keras.Input((16, 2))
    y = layers.Conv1D(4, 1)(x)
    skips = []
    for rate in (1, 2, 4):
        gate = layers.Conv1D(
            4, 2, padding="causal", dilation_rate=rate, activation="tanh"
        )(y)
        way = layers.Conv1D(
            4, 2, padding="causal", dilation_rate=rate, activation="sigmoid"
        )(y)
        z = layers.Multiply()([gate, way])
        skips.append(layers.Conv1D(4, 1)(z))
        y = layers.Add()([y, skips[-1]])
    y = layers.ReLU()(layers.Add()(skips))
    return keras.Model(x, layers.Conv1D(1, 1)(y), name="wavenet")


@zoo
def distributed_cnn() -> keras.Model:
    frame = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
        name="frame",
    )
    video = keras.Input((4, 6, 6, 1), name="video")
    x = layers.TimeDistributed(frame)(video)
    return keras.Model(video, layers.LSTM(3)(x), name="distributed_cnn")


# Operations and code of the user's own -------------------------------------------


@zoo
def ops_graph() -> keras.Model:
    x = keras.Input((4, 6))
    scores = ops.matmul(x, ops.transpose(x, (0, 2, 1))) / 6**0.5
    y = ops.matmul(ops.softmax(scores, axis=-1), x)
    y = ops.concatenate([y[:, 1:], y[:, :1]], axis=1) * 2.0 - 1.0
    return keras.Model(x, ops.mean(ops.maximum(y, 0.0), axis=1), name="ops_graph")


@zoo
def lambda_layer() -> keras.Model:
    x = keras.Input((5,))
    y = layers.Lambda(lambda z: z / (1.0 + ops.abs(z)))(layers.Dense(3)(x))
    return keras.Model(x, y, name="lambda_layer")


class Scale(keras.layers.Layer):
    """A layer with variables of its own."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")
        self.still = self.add_weight(shape=(1,), name="still", trainable=False)

    def call(self, x: Any) -> Any:
        y = x * self.scale + self.still
        return ops.maximum(y, 0.1 * ops.minimum(y, 1.0))


@zoo
def own_weights() -> keras.Model:
    x = keras.Input((5,))
    return keras.Model(x, Scale()(Scale()(layers.Dense(3)(x))), name="own_weights")


class Gain(keras.layers.Layer):
    """One variable without a name, and one formula."""

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(shape[-1],))

    def call(self, x: Any) -> Any:
        return x * self.gain


@zoo
def short_formulas() -> keras.Model:
    image = keras.Input((6, 6, 2), name="image")
    x = image
    for _ in range(2):
        x = Gain()(layers.Conv2D(2, 3, padding="same")(x))
    return keras.Model(image, x, name="short_formulas")


class Subclassed(keras.Model):
    """A model whose graph is its code."""

    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.conv = layers.Conv2D(4, 3, padding="same")
        self.norm = layers.BatchNormalization()
        self.head = layers.Dense(3)

    def call(self, x: Any, training: bool = False) -> Any:
        y = ops.relu(self.norm(self.conv(x), training=training))
        if training:
            y = y * 2.0
        return self.head(ops.mean(y, axis=(1, 2)))


@zoo
def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, 6, 6, 2), "float32"))
    return model
