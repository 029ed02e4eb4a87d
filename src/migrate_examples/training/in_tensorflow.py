"""Training loops in TensorFlow: compile, fit, callbacks."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
)
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray
from tqdm import tqdm


def make_cnn(filters: int = 8) -> keras.Model:
    """Images (N, H, W, 1) to logits (N, 10), with BatchNorm.

    Parameters
    ----------
    filters : int
        Channels after the first; the second has twice as many.

    Examples
    --------
    >>> weights = make_cnn(8).trainable_weights
    >>> sum(w.numpy().size for w in weights)
    3618
    """
    # momentum is the share of the old value, 0.99 by default
    return keras.Sequential(
        [
            layers.Input((None, None, 1)),
            layers.Conv2D(
                filters, 5, strides=2, use_bias=False
            ),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(
                2 * filters, 5, strides=2, use_bias=False
            ),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.GlobalMaxPooling2D(),
            layers.Dense(10),
        ]
    )


def set_weights(
    model: keras.Model, weights: list[NDArray[Any]]
) -> None:
    """Copy weights in the order and layout of Keras.

    Parameters
    ----------
    model : Model
        Changed in place.
    weights : list of ndarray
        What ``get_weights()`` gives for the model in Keras.

    Raises
    ------
    ValueError
        Where number or shapes do not fit.

    Examples
    --------
    >>> set_weights(make_cnn(3), [])
    Traceback (most recent call last):
    ValueError: ...
    """
    model.set_weights(weights)


def make_batches(
    x: NDArray[Any],
    y: NDArray[Any],
    batch_size: int,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Batches in order, or in an order that NumPy draws anew.

    Parameters
    ----------
    x, y : ndarray
        Of equal length; dtypes are kept.
    batch_size : int
        The last batch holds what is left.
    seed : int, optional
        Draws a permutation for each epoch; without it the
        order is that of the arrays.

    Examples
    --------
    >>> x = np.arange(5.0)
    >>> batches = make_batches(x, x, 2, seed=0)
    >>> [len(y) for _, y in batches]
    [2, 2, 1]
    """
    if seed is None:
        rows = tf.data.Dataset.from_tensor_slices((x, y))
        return rows.batch(batch_size)
    rng = np.random.default_rng(seed)

    def chunks() -> Iterator[NDArray[np.int64]]:
        order = rng.permutation(len(x))  # once an epoch
        for start in range(0, len(x), batch_size):
            yield order[start : start + batch_size]

    x, y = tf.constant(x), tf.constant(y)
    rows = tf.data.Dataset.from_generator(
        chunks, output_signature=tf.TensorSpec([None], tf.int64)
    )
    count = tf.data.experimental.assert_cardinality(
        math.ceil(len(x) / batch_size)
    )
    return rows.apply(count).map(
        lambda i: (tf.gather(x, i), tf.gather(y, i))
    )


def make_adam(
    model: keras.Model,
    learning_rate: float = 0.001,
    epsilon: float = 1e-7,
) -> keras.optimizers.Optimizer:
    """Adam as Keras computes it.

    Parameters
    ----------
    model : Model
        Whose trainable weights are to be updated.
    learning_rate, epsilon : float
        The epsilon is added before the bias is corrected:
        "epsilon hat" in Kingma and Ba (2015), section 2.

    Examples
    --------
    >>> optimizer = make_adam(make_cnn(), 0.01)
    >>> round(float(optimizer.learning_rate), 6)
    0.01
    """
    optimizer = keras.optimizers.Adam(
        learning_rate, epsilon=epsilon
    )
    optimizer.build(model.trainable_variables)
    return optimizer


@tf.function(reduce_retracing=True)
def train_step(
    model: keras.Model,
    x: tf.Tensor,
    y: tf.Tensor,
    loss_function: keras.losses.Loss,
    optimizer: keras.optimizers.Optimizer,
    max_norm: float | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """One update from one batch: loss and logits before it.

    Parameters
    ----------
    model : Model
        Maps ``x`` to logits (N, classes).
    x, y : Tensor
        The batch: inputs, and class numbers of shape (N,).
    loss_function : callable
        Called as ``loss_function(y, logits)``.
    optimizer : Optimizer
        Of the model's weights, built.
    max_norm : float, optional
        Longest gradient, over all weights together.

    Examples
    --------
    >>> model = make_cnn()
    >>> x, y = tf.zeros((2, 28, 28, 1)), tf.constant([3, 5])
    >>> cross = keras.losses.SparseCategoricalCrossentropy(True)
    >>> loss, logits = train_step(
    ...     model, x, y, cross, make_adam(model)
    ... )
    >>> tuple(logits.shape)
    (2, 10)
    """
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = loss_function(y, logits)
    weights = model.trainable_variables
    gradients = tape.gradient(loss, weights)
    if max_norm is not None:
        gradients, _ = tf.clip_by_global_norm(
            gradients, max_norm
        )
    optimizer.apply_gradients(
        zip(gradients, weights, strict=True)
    )
    return loss, logits


def train_epoch(
    model: keras.Model,
    batches: tf.data.Dataset,
    loss_function: keras.losses.Loss,
    optimizer: keras.optimizers.Optimizer,
    schedule: LearningRateSchedule | None = None,
    max_norm: float | None = None,
    *,
    progress: bool = False,
) -> dict[str, float]:
    """Every batch once: ``loss``, ``accuracy`` on the way.

    Parameters
    ----------
    model, loss_function, optimizer, max_norm
        As in ``train_step``.
    batches : iterable
        Pairs of inputs and class numbers.
    schedule : LearningRateSchedule, optional
        Gives the rate of each update, in place of the
        optimiser's own.
    progress : bool
        Show a bar.
    """
    if not optimizer.built:  # a traced step makes no variables
        optimizer.build(model.trainable_variables)
    if schedule is not None:
        optimizer.learning_rate = schedule
    total = keras.metrics.Mean()
    right = keras.metrics.SparseCategoricalAccuracy()
    for x, y in tqdm(batches, disable=not progress):
        loss, logits = train_step(
            model, x, y, loss_function, optimizer, max_norm
        )
        total.update_state(loss, sample_weight=len(y))
        right.update_state(y, logits)
    return {
        "loss": float(total.result()),
        "accuracy": float(right.result()),
    }


def evaluate(
    model: keras.Model,
    batches: tf.data.Dataset,
    loss_function: keras.losses.Loss,
) -> dict[str, float]:
    """Loss and accuracy without learning.

    Means over the samples, as in ``train_epoch``.

    Examples
    --------
    >>> x = np.zeros((10, 28, 28, 1), "float32")
    >>> batches = make_batches(x, np.arange(10), 4)
    >>> cross = keras.losses.SparseCategoricalCrossentropy(True)
    >>> logs = evaluate(make_cnn(), batches, cross)
    >>> round(logs["accuracy"], 6)  # ten times one answer
    0.1
    """
    total = keras.metrics.Mean()
    right = keras.metrics.SparseCategoricalAccuracy()
    for x, y in batches:
        logits = model(x, training=False)
        loss = loss_function(y, logits)
        total.update_state(loss, sample_weight=len(y))
        right.update_state(y, logits)
    return {
        "loss": float(total.result()),
        "accuracy": float(right.result()),
    }


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights to a file.

    Parameters
    ----------
    path : Path
        Ends in ``.weights.h5``.
    """
    model.save_weights(path)


def fit(
    model: keras.Model,
    train_batches: tf.data.Dataset,
    validation_batches: tf.data.Dataset,
    loss_function: keras.losses.Loss,
    optimizer: keras.optimizers.Optimizer,
    epochs: int,
    schedule: LearningRateSchedule | None = None,
    max_norm: float | None = None,
    patience: int | None = None,
    checkpoint: Path | None = None,
    *,
    progress: bool = False,
) -> dict[str, list[float]]:
    """Train and validate, epoch by epoch; keep the best.

    Parameters
    ----------
    train_batches, validation_batches : iterable
        Pairs of inputs and class numbers.
    epochs, patience : int
        The most epochs; the most in a row without a lower
        ``val_loss``. With patience, the best weights return.
    checkpoint : Path, optional
        ``.weights.h5`` file of the lowest ``val_loss``.
    model, loss_function, optimizer, schedule, max_norm
        As in ``train_epoch``; so is ``progress``.

    Returns
    -------
    dict
        Lists of ``loss``, ``accuracy``, ``val_loss`` and so on.
    """
    callbacks: list[Callback] = []
    if patience is not None:
        stop = EarlyStopping(
            patience=patience, restore_best_weights=True
        )
        callbacks.append(stop)
    if checkpoint is not None:
        keep = ModelCheckpoint(
            checkpoint,
            save_best_only=True,
            save_weights_only=True,
        )
        callbacks.append(keep)
    if schedule is not None:
        optimizer.learning_rate = schedule
    optimizer.global_clipnorm = max_norm
    model.compile(
        optimizer, loss_function, metrics=["accuracy"]
    )
    return model.fit(
        train_batches,
        validation_data=validation_batches,
        epochs=epochs,
        shuffle=False,  # the batches already are
        callbacks=callbacks,
        verbose=int(progress),
    ).history
