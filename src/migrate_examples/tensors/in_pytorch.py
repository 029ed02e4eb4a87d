"""Tensors in PyTorch: values that change in place, or share."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter


def images_from_numpy(array: NDArray[np.uint8]) -> Tensor:
    """Photographs as floats from 0 to 1, in the native layout.

    Parameters
    ----------
    array : ndarray
        (batch, height, width, channels), uint8.

    Returns
    -------
    Tensor
        float32, NCHW (channels-last in memory).

    Raises
    ------
    TypeError
        If the array is not uint8: what is 1 there?

    Examples
    --------
    >>> array = np.full((1, 2, 3, 4), 255, "uint8")
    >>> images = images_from_numpy(array)
    >>> tuple(images.shape), images.numpy().max()
    ((1, 4, 2, 3), np.float32(1.0))
    """
    if array.dtype != np.uint8:
        raise TypeError(
            f"images of dtype {array.dtype}: give uint8 from 0 "
            "to 255, or divide by your own maximum"
        )
    images = torch.from_numpy(array)  # no copy yet
    images = images.permute(0, 3, 1, 2)  # NHWC -> NCHW
    return images.to(torch.float32) / 255.0


def images_to_numpy(images: Tensor) -> NDArray[np.uint8]:
    """Floats from 0 to 1 back to photographs.

    Parameters
    ----------
    images : Tensor
        NCHW, floating; what lies outside 0 to 1 is clipped.

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
    levels = torch.round(torch.clamp(images, 0, 1) * 255)
    levels = levels.permute(0, 2, 3, 1)  # NCHW -> NHWC
    return levels.to(torch.uint8).numpy(force=True)


def normalise(
    images: Tensor, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """Subtract a mean and divide by a deviation, by channel.

    Parameters
    ----------
    images : Tensor
        NCHW, floating.
    mean, std : sequence of float
        One number a channel, in the units of the images.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``images``.

    Examples
    --------
    >>> images = torch.ones(1, 2, 2, 3)
    >>> scaled = normalise(images, mean=[1, 0], std=[1, 2])
    >>> scaled.numpy()[0, :, 0, 0].tolist()
    [0.0, 0.5]
    """
    m = torch.tensor(mean, dtype=images.dtype)
    s = torch.tensor(std, dtype=images.dtype)
    m, s = m[:, None, None], s[:, None, None]  # C -> C, 1, 1
    return (images - m) / s


def flatten_images(images: Tensor) -> Tensor:
    """Images as rows, pixel by pixel, the channels innermost.

    The order of TensorFlow on both sides, so that a Dense
    kernel that was trained behind a Flatten still fits.

    Parameters
    ----------
    images : Tensor
        NCHW, any dtype.

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
    # flatten alone would put the channels outermost
    return images.permute(0, 2, 3, 1).flatten(1)


def seeded_normal(shape: Sequence[int], seed: int) -> Tensor:
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
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


def coordinate_grid(height: int, width: int) -> Tensor:
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
    x = torch.linspace(-1, 1, width)
    y = torch.linspace(-1, 1, height)
    # the default, "ij", would give (width, height)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def windows(series: Tensor, size: int, step: int) -> Tensor:
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
        (windows, size), a view of the same memory.

    Raises
    ------
    ValueError
        If the series is shorter than one window.

    Examples
    --------
    >>> series = torch.arange(6)
    >>> windows(series, size=3, step=2).numpy().tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    if len(series) < size:
        raise ValueError(
            f"a series of {len(series)} has no window of "
            f"{size}: choose a smaller size or pad the series"
        )
    return series.unfold(0, size, step)


def add_as(a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
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
    >>> a, b = torch.tensor(2), torch.tensor(0.5)
    >>> float(add_as(a, b, torch.float64))
    2.5
    """
    return a.to(dtype) + b.to(dtype)


def pick_each(x: Tensor, index: Tensor) -> Tensor:
    """One element of each row, such as the score of the label.

    Parameters
    ----------
    x : Tensor
        (rows, columns), any dtype.
    index : Tensor
        (rows,), int64, from 0 to columns - 1.

    Returns
    -------
    Tensor
        (rows,).

    Examples
    --------
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> pick_each(x, torch.tensor([1, 0])).numpy().tolist()
    [2.0, 3.0]
    """
    return x.gather(1, index[:, None]).squeeze(1)


def values_at(x: Tensor, coordinates: Tensor) -> Tensor:
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
    >>> x = torch.tensor([[1, 2], [3, 4]])
    >>> points = torch.tensor([[0, 1], [1, 1]])
    >>> values_at(x, points).numpy().tolist()
    [2, 4]
    """
    return x[coordinates.unbind(1)]  # one index an axis


def select_pixels(images: Tensor, mask: Tensor) -> Tensor:
    """Pixels where a mask is true.

    Parameters
    ----------
    images : Tensor
        NCHW, any dtype.
    mask : Tensor
        (batch, height, width), bool.

    Returns
    -------
    Tensor
        (pixels, channels), in the order of the mask.

    Examples
    --------
    >>> images = torch.ones(1, 4, 2, 3)
    >>> mask = images[:, 0] > 0
    >>> tuple(select_pixels(images, mask).shape)
    (6, 4)
    """
    return images.permute(0, 2, 3, 1)[mask]


def set_rows(x: Tensor, rows: Tensor, values: Tensor) -> Tensor:
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
    >>> x, rows = torch.zeros(3, 1), torch.tensor([2, 0])
    >>> values = torch.tensor([[7.0], [5.0]])
    >>> set_rows(x, rows, values).numpy().tolist()
    [[5.0], [0.0], [7.0]]
    """
    x = x.clone()  # or leave this out: in place
    x[rows] = values
    return x


def add_at(x: Tensor, rows: Tensor, values: Tensor) -> Tensor:
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
    >>> x, rows = torch.zeros(3), torch.tensor([0, 0, 2])
    >>> values = torch.tensor([1.0, 2.0, 4.0])
    >>> add_at(x, rows, values).numpy().tolist()
    [3.0, 0.0, 4.0]
    """
    return x.index_add(0, rows, values)


def descend(
    weight: Parameter, gradient: Tensor, learning_rate: float
) -> None:
    """One step of gradient descent, in place.

    Parameters
    ----------
    weight : Parameter
        Any shape, floating; changed.
    gradient : Tensor
        Of the shape and dtype of ``weight``.
    learning_rate : float
        How far to go.

    Examples
    --------
    >>> weight = Parameter(torch.tensor([1.0, 2.0]))
    >>> descend(weight, torch.tensor([2.0, 0.0]), 0.25)
    >>> weight.numpy(force=True).tolist()
    [0.5, 2.0]
    """
    with torch.no_grad():  # autograd must not follow
        weight.sub_(learning_rate * gradient)
