"""Shapes of the outputs of layers, from their configs: as far as pictures need it."""

from collections.abc import Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]


def given_shape(config: Mapping[str, Any]) -> Shape | None:
    """Shape that an InputLayer, or the first layer of a Keras 2 Sequential, states.

    >>> given_shape({"batch_shape": [None, 8, 8, 3]})
    (8, 8, 3)
    """
    stated = config.get("batch_shape") or config.get("batch_input_shape")
    return None if stated is None else without_batch(stated)


def without_batch(shape: Sequence[Any]) -> Shape | None:
    """Shape of one example, unknown sizes as -1; None for several inputs."""
    if any(isinstance(size, Sequence) for size in shape):
        return None
    return tuple(-1 if size is None else int(size) for size in shape[1:])


def output_shape(
    class_name: str, config: Mapping[str, Any], shape: Shape | None
) -> Shape | None:
    """Shape that a layer gives, channels last; None where it is not known.

    >>> conv = {"kernel_size": [3, 3], "strides": [2, 2], "filters": 16}
    >>> output_shape("Conv2D", {**conv, "padding": "same"}, (9, 8, 3))
    (5, 4, 16)
    """
    if shape is None or -1 in shape or config.get("data_format") == "channels_first":
        return None
    if class_name in {"Dense", "EinsumDense"} and "units" in config:
        return (*shape[:-1], int(config["units"]))
    if (
        "Conv" in class_name
        and "Transpose" not in class_name
        and "LSTM" not in class_name
    ):
        return _convolved(class_name, config, shape)
    if "Pooling" in class_name:
        return _pooled(class_name, config, shape)
    if class_name.startswith(("ZeroPadding", "Cropping")):
        return _padded(class_name, config, shape)
    return shape if class_name in SAME else None


SAME = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "AlphaDropout",
        "BatchNormalization",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "InputLayer",
        "LayerNormalization",
        "LeakyReLU",
        "Normalization",
        "PReLU",
        "RandomFlip",
        "RandomRotation",
        "RandomZoom",
        "ReLU",
        "Rescaling",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "UnitNormalization",
    }
)
"""Layers that keep the shape."""


def _convolved(class_name: str, config: Mapping[str, Any], shape: Shape) -> Shape:
    rank = len(shape) - 1
    windows = _windows(config, shape[:-1], "kernel_size")
    dilation = _each(config.get("dilation_rate", 1), rank)
    spatial = _strided(config, shape[:-1], windows, dilation)
    if class_name.startswith("Depthwise"):
        return (*spatial, shape[-1] * int(config.get("depth_multiplier", 1)))
    return (*spatial, int(config["filters"]))


def _pooled(class_name: str, config: Mapping[str, Any], shape: Shape) -> Shape | None:
    rank = len(shape) - 1
    if class_name.startswith("Global"):
        keep = config.get("keepdims", False)
        return (*[1] * rank, shape[-1]) if keep else (shape[-1],)
    if not class_name.startswith(("Max", "Average")):
        return None
    windows = _windows(config, shape[:-1], "pool_size")
    return (*_strided(config, shape[:-1], windows, (1,) * rank), shape[-1])


def _windows(config: Mapping[str, Any], shape: Shape, word: str) -> Shape:
    return _each(config[word], len(shape))


def _strided(
    config: Mapping[str, Any], shape: Shape, windows: Shape, dilation: Shape
) -> Shape:
    """Number of places of a window; ``same`` and ``causal`` pad so that all begin."""
    strides = _each(config.get("strides") or windows, len(shape))
    padded = config.get("padding", "valid") in {"same", "causal"}
    return tuple(
        -(-size // stride)
        if padded
        else (size - (window - 1) * apart - 1) // stride + 1
        for size, window, stride, apart in zip(
            shape, windows, strides, dilation, strict=True
        )
    )


def _each(value: Any, rank: int) -> Shape:
    return tuple(value) if isinstance(value, Sequence) else (int(value),) * rank


def _padded(class_name: str, config: Mapping[str, Any], shape: Shape) -> Shape:
    pads = config["padding" if class_name.startswith("Zero") else "cropping"]
    sign = 1 if class_name.startswith("Zero") else -1
    rank = len(shape) - 1
    if not isinstance(pads, Sequence) or (rank == 1 and isinstance(pads[0], int)):
        pads = [pads] if rank == 1 else [pads] * rank
    sums = [p * 2 if isinstance(p, int) else sum(p) for p in pads]
    spatial = (n + sign * total for n, total in zip(shape, sums, strict=False))
    return (*spatial, shape[-1])
