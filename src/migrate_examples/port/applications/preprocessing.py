"""Preprocessing of ``keras.applications``: it belongs to the weights.

Some models of Keras take pixels from 0 to 255 and preprocess inside, others leave
that to ``preprocess_input``. The twins of torchvision never do it inside, so each
twin comes with the module that goes before it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from migrate_examples.port.archive import StoredLayer
from migrate_examples.port.layouts import to_torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Flip:
    """Red, green, blue to blue, green, red."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to ``x`` (B, 3, H, W)."""
        return x.flip(1)

    def __str__(self) -> str:
        return "blue first"


@dataclass(frozen=True)
class Scale:
    """``x * scale + offset``, one number or one for each channel."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to ``x`` (B, C, H, W)."""
        return x * by_channel(x, self.scale) + by_channel(x, self.offset)

    def __str__(self) -> str:
        return f"x * {brief(self.scale)} + {brief(self.offset)}"


@dataclass(frozen=True)
class Divide:
    """``x / divisor - 1``, or without the minus one."""

    divisor: float
    minus: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to ``x`` (B, C, H, W)."""
        return x / self.divisor - self.minus

    def __str__(self) -> str:
        return f"x / {self.divisor:g}" + (f" - {self.minus:g}" if self.minus else "")


@dataclass(frozen=True)
class Normalise:
    """``(x - mean) / std`` by channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to ``x`` (B, C, H, W)."""
        return (x - by_channel(x, self.mean)) / by_channel(x, self.std)

    def __str__(self) -> str:
        return f"(x - {brief(self.mean)}) / {brief(self.std)}"


def by_channel(x: Tensor, numbers: tuple[float, ...]) -> Tensor:
    """Numbers as a tensor (C, 1, 1) of the dtype of ``x``."""
    return x.new_tensor(numbers)[:, None, None]


def brief(numbers: Iterable[float]) -> str:
    """Numbers in few digits, once where all are equal.

    >>> brief([0.5, 0.25]), brief([2.0, 2.0])
    ('(0.5, 0.25)', '2')
    """
    texts = [f"{n:.4g}" for n in numbers]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"


Step = Flip | Scale | Divide | Normalise


class Preprocessing(nn.Module):
    """Pixels from 0 to 255, red first, to what the weights were trained on.

    Parameters
    ----------
    steps : Step
        What is done, in this order.

    Examples
    --------
    >>> import torch
    >>> caffe = preprocessing("caffe")
    >>> caffe(torch.zeros(1, 3, 1, 1)).flatten().tolist()
    [-103.94, -116.78, -123.68]
    >>> print(caffe)
    blue first; (x - (103.9, 116.8, 123.7)) / 1
    """

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, pixels: Tensor) -> Tensor:
        """Preprocess ``pixels`` (B, 3, H, W), of a floating dtype."""
        for step in self.steps:
            pixels = step(pixels)
        return pixels

    def __repr__(self) -> str:
        return "; ".join(map(str, self.steps)) or "none"


MODES: dict[str, tuple[Step, ...]] = {
    "caffe": (Flip(), Normalise((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))),
    "tf": (Divide(127.5, 1.0),),
    "torch": (Divide(255.0), Normalise(IMAGENET_MEAN, IMAGENET_STD)),
    "none": (),
}
"""By the word that Keras has for it; ``torch`` is that of torchvision's weights."""


def preprocessing(mode: str) -> Preprocessing:
    """Preprocessing of a mode of ``keras.applications.imagenet_utils``.

    Raises
    ------
    KeyError
        Where there is no such mode.
    """
    return Preprocessing(*MODES[mode])


def inside(layers: Iterable[StoredLayer]) -> tuple[Step, ...]:
    """Read the preprocessing that a Keras model does by its own first layers.

    The numbers pass through float32, as they do in Keras even where the model
    computes in float64: a Rescaling by 1/255 multiplies by 0.003921568859368563.
    """
    steps: list[Step] = []
    for layer in layers:
        config = layer.config or {}
        if layer.class_name == "Rescaling":
            scale, offset = config["scale"], config["offset"]
            steps.append(Scale(float32(scale), float32(offset)))
        elif layer.class_name == "Normalization":
            steps.append(normalise(config, layer))
        elif layer.arrays:
            break
    return tuple(steps)


def normalise(config: Mapping[str, Any], layer: StoredLayer) -> Normalise:
    """Step that a Normalization layer does; Keras keeps std above 1e-7."""
    filled = {
        f.target: f.array for f in to_torch("Normalization", config, layer.arrays)
    }
    std = np.maximum(np.sqrt(filled["variance"].astype("float64")), 1e-7)
    return Normalise(
        tuple(np.ravel(filled["mean"]).tolist()), tuple(np.ravel(std).tolist())
    )


def float32(numbers: Any) -> tuple[float, ...]:
    """Numbers as float32 has them.

    >>> float32(0.1)
    (0.10000000149011612,)
    """
    return tuple(np.atleast_1d(np.float32(numbers)).astype("float64").tolist())
