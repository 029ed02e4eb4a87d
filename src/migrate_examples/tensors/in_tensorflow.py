"""Tensors in TensorFlow: constants and variables."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def images_from_numpy(array: NDArray[np.uint8]) -> tf.Tensor:
    """Photographs as floats from 0 to 1, in the native layout.

    Parameters
    ----------
    array : ndarray
        (batch, height, width, channels), uint8.

    Returns
    -------
    Tensor
        float32, NHWC.

    Raises
    ------
    TypeError
        If the array is not uint8: what is 1 there?

    Examples
    --------
    >>> array = np.full((1, 2, 3, 4), 255, "uint8")
    >>> images = images_from_numpy(array)
    >>> tuple(images.shape), images.numpy().max()
    ((1, 2, 3, 4), np.float32(1.0))
    """
    if array.dtype != np.uint8:
        raise TypeError(
            f"images of dtype {array.dtype}: give uint8 from 0 "
            "to 255, or divide by your own maximum"
        )
    images = tf.constant(array)  # a copy
    return tf.cast(images, tf.float32) / 255.0


def images_to_numpy(images: tf.Tensor) -> NDArray[np.uint8]:
    """Floats from 0 to 1 back to photographs.

    Parameters
    ----------
    images : Tensor
        NHWC, floating; what lies outside 0 to 1 is clipped.

    Returns
    -------
    ndarray
        (batch, height, width, channels), uint8.

    Examples
    --------
    >>> array = np.arange(24, dtype="uint8").reshape(1, 2, 3, 4)
    >>> again = images_to_numpy(images_from_numpy(array))
    >>> bool((again == array).all())
    True
    """
    levels = tf.round(tf.clip_by_value(images, 0, 1) * 255)
    return tf.cast(levels, tf.uint8).numpy()


def normalise(
    images: tf.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
) -> tf.Tensor:
    """Subtract a mean and divide by a deviation, by channel.

    Parameters
    ----------
    images : Tensor
        NHWC, floating.
    mean, std : sequence of float
        One number a channel, in the units of the images.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``images``.

    Examples
    --------
    >>> images = tf.ones((1, 2, 3, 2))
    >>> scaled = normalise(images, mean=[1, 0], std=[1, 2])
    >>> scaled.numpy()[0, 0, 0].tolist()
    [0.0, 0.5]
    """
    m = tf.constant(mean, images.dtype)  # C: the last axis
    s = tf.constant(std, images.dtype)
    return (images - m) / s


def flatten_images(images: tf.Tensor) -> tf.Tensor:
    """Images as rows, pixel by pixel, the channels innermost.

    The order of TensorFlow on both sides, so that a Dense
    kernel that was trained behind a Flatten still fits.

    Parameters
    ----------
    images : Tensor
        NHWC, any dtype.

    Returns
    -------
    Tensor
        (batch, height * width * channels).

    Examples
    --------
    >>> array = np.arange(12, dtype="uint8").reshape(1, 2, 3, 2)
    >>> rows = flatten_images(images_from_numpy(array) * 255)
    >>> rows.numpy().tolist() == [list(range(12))]
    True
    """
    # tf.shape: inside a graph the batch size may be unknown
    return tf.reshape(images, (tf.shape(images)[0], -1))


def seeded_normal(shape: Sequence[int], seed: int) -> tf.Tensor:
    """Draw standard normal values from a stream of their own.

    Parameters
    ----------
    shape : sequence of int
        Of the result.
    seed : int
        Equal seeds, equal draws, within this framework only.

    Returns
    -------
    Tensor
        float32; no global state is read or changed.

    Examples
    --------
    >>> a = seeded_normal((2, 3), seed=1)
    >>> b = seeded_normal((2, 3), seed=1)
    >>> bool((a.numpy() == b.numpy()).all())
    True
    """
    generator = tf.random.Generator.from_seed(seed)
    return generator.normal(shape)


def coordinate_grid(height: int, width: int) -> tf.Tensor:
    """Coordinates of each pixel, from -1 to 1, first x, then y.

    Parameters
    ----------
    height, width : int
        In pixels.

    Returns
    -------
    Tensor
        (height, width, 2), float32.

    Examples
    --------
    >>> coordinate_grid(2, 3).numpy()[1].tolist()
    [[-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    """
    x = tf.linspace(-1.0, 1.0, width)
    y = tf.linspace(-1.0, 1.0, height)
    return tf.stack(tf.meshgrid(x, y), axis=-1)


def windows(
    series: tf.Tensor, size: int, step: int
) -> tf.Tensor:
    """Overlapping windows of a series; a short rest is dropped.

    Parameters
    ----------
    series : Tensor
        (time,), any dtype.
    size, step : int
        Length of a window, and from one start to the next.

    Returns
    -------
    Tensor
        (windows, size), a copy.

    Raises
    ------
    ValueError
        If the series is shorter than one window.

    Examples
    --------
    >>> series = tf.range(6)
    >>> windows(series, size=3, step=2).numpy().tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    if len(series) < size:
        raise ValueError(
            f"a series of {len(series)} has no window of "
            f"{size}: choose a smaller size or pad the series"
        )
    return tf.signal.frame(series, size, step)


def add_as(
    a: tf.Tensor, b: tf.Tensor, dtype: tf.DType
) -> tf.Tensor:
    """Sum of two tensors in a dtype that you chose.

    Parameters
    ----------
    a, b : Tensor
        Shapes that broadcast, any dtypes.
    dtype : dtype
        Of the sum; both are cast before they are added.

    Returns
    -------
    Tensor
        Of the broadcast shape.

    Examples
    --------
    >>> a, b = tf.constant(2), tf.constant(0.5)
    >>> float(add_as(a, b, tf.float64))
    2.5
    """
    return tf.cast(a, dtype) + tf.cast(b, dtype)


def pick_each(x: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """One element of each row, such as the score of the label.

    Parameters
    ----------
    x : Tensor
        (rows, columns), any dtype.
    index : Tensor
        (rows,), int32 or int64, from 0 to columns - 1.

    Returns
    -------
    Tensor
        (rows,).

    Examples
    --------
    >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    >>> pick_each(x, tf.constant([1, 0])).numpy().tolist()
    [2.0, 3.0]
    """
    return tf.gather(x, index, axis=1, batch_dims=1)


def values_at(
    x: tf.Tensor, coordinates: tf.Tensor
) -> tf.Tensor:
    """Values at a list of coordinates.

    Parameters
    ----------
    x : Tensor
        Any shape and dtype.
    coordinates : Tensor
        (points, dimensions of ``x``), integers, not negative.

    Returns
    -------
    Tensor
        (points,).

    Examples
    --------
    >>> x = tf.constant([[1, 2], [3, 4]])
    >>> points = tf.constant([[0, 1], [1, 1]])
    >>> values_at(x, points).numpy().tolist()
    [2, 4]
    """
    return tf.gather_nd(x, coordinates)


def select_pixels(
    images: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """Pixels where a mask is true.

    Parameters
    ----------
    images : Tensor
        NHWC, any dtype.
    mask : Tensor
        (batch, height, width), bool.

    Returns
    -------
    Tensor
        (pixels, channels), in the order of the mask.

    Examples
    --------
    >>> images = tf.ones((1, 2, 3, 4))
    >>> mask = images[..., 0] > 0
    >>> tuple(select_pixels(images, mask).shape)
    (6, 4)
    """
    return tf.boolean_mask(images, mask)


def set_rows(
    x: tf.Tensor, rows: tf.Tensor, values: tf.Tensor
) -> tf.Tensor:
    """Copy of a tensor in which some rows are replaced.

    Parameters
    ----------
    x : Tensor
        (rows, ...), any dtype; left alone.
    rows : Tensor
        (n,), integers, each once: the winner of two is open.
    values : Tensor
        (n, ...), of the dtype of ``x``.

    Returns
    -------
    Tensor
        Of the shape of ``x``.

    Examples
    --------
    >>> x, rows = tf.zeros((3, 1)), tf.constant([2, 0])
    >>> values = tf.constant([[7.0], [5.0]])
    >>> set_rows(x, rows, values).numpy().tolist()
    [[5.0], [0.0], [7.0]]
    """
    index = rows[:, None]  # n, 1
    return tf.tensor_scatter_nd_update(x, index, values)


def add_at(
    x: tf.Tensor, rows: tf.Tensor, values: tf.Tensor
) -> tf.Tensor:
    """Copy of a tensor with values added to some rows.

    Parameters
    ----------
    x : Tensor
        (rows, ...), any dtype; left alone.
    rows : Tensor
        (n,), integers; a row named twice is added to twice.
    values : Tensor
        (n, ...), of the dtype of ``x``.

    Returns
    -------
    Tensor
        Of the shape of ``x``.

    Examples
    --------
    >>> x, rows = tf.zeros(3), tf.constant([0, 0, 2])
    >>> values = tf.constant([1.0, 2.0, 4.0])
    >>> add_at(x, rows, values).numpy().tolist()
    [3.0, 0.0, 4.0]
    """
    index = rows[:, None]  # n, 1
    return tf.tensor_scatter_nd_add(x, index, values)


def descend(
    weight: tf.Variable,
    gradient: tf.Tensor,
    learning_rate: float,
) -> None:
    """One step of gradient descent, in place.

    Parameters
    ----------
    weight : Variable
        Any shape, floating; changed.
    gradient : Tensor
        Of the shape and dtype of ``weight``.
    learning_rate : float
        How far to go.

    Examples
    --------
    >>> weight = tf.Variable([1.0, 2.0])
    >>> descend(weight, tf.constant([2.0, 0.0]), 0.25)
    >>> weight.numpy().tolist()
    [0.5, 2.0]
    """
    weight.assign_sub(learning_rate * gradient)
