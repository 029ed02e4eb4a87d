"""ImageNet predictions in PyTorch: SAME padding written out."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class _SamePadding(nn.Module):
    """Zeros as SAME adds them: an odd one goes behind."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for size in (
            x.shape[3],
            x.shape[2],
        ):  # F.pad: width first
            steps = -(-size // self.stride) - 1  # rounded up
            reach = steps * self.stride + self.kernel_size
            total = max(reach - size, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)


class InvertedResidual(nn.Module):
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
    >>> tuple(block(torch.ones((2, 16, 9, 7))).shape)
    (2, 24, 5, 4)
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
            nn.BatchNorm2d, eps=epsilon, momentum=0.01
        )
        width = in_channels * expand_ratio
        self.expands = expand_ratio > 1
        self.adds = stride == 1 and in_channels == out_channels
        if self.expands:
            self.expand_conv = nn.Conv2d(
                in_channels, width, 1, bias=False
            )
            self.bn0 = norm(width)
        self.pad = _SamePadding(kernel_size, stride)
        self.depthwise_conv = nn.Conv2d(
            width,
            width,
            kernel_size,
            stride,
            groups=width,
            bias=False,
        )
        self.bn1 = norm(width)
        self.project_conv = nn.Conv2d(
            width, out_channels, 1, bias=False
        )
        self.bn2 = norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        y = x
        if self.expands:
            y = F.relu6(self.bn0(self.expand_conv(y)))
        y = self.depthwise_conv(self.pad(y))
        y = F.relu6(self.bn1(y))
        y = self.bn2(self.project_conv(y))
        return x + y if self.adds else y


def efficientnet_lite0(
    num_classes: int = 1000, epsilon: float = 1e-3
) -> nn.Sequential:
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
        Maps (N, 3, H, W) to logits of shape (N, num_classes).

    Examples
    --------
    >>> model = efficientnet_lite0(num_classes=10)
    >>> sum(w.numel() for w in model.parameters())
    3383818
    """
    norm = partial(nn.BatchNorm2d, eps=epsilon, momentum=0.01)
    blocks = [
        InvertedResidual(*sizes, epsilon) for sizes in BLOCKS
    ]
    return nn.Sequential(
        OrderedDict(
            pad=_SamePadding(3, 2),
            conv_stem=nn.Conv2d(3, 32, 3, 2, bias=False),
            bn0=norm(32),
            relu0=nn.ReLU6(),
            blocks=nn.Sequential(*blocks),
            conv_head=nn.Conv2d(320, 1280, 1, bias=False),
            bn1=norm(1280),
            relu1=nn.ReLU6(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dropout=nn.Dropout(0.2),
            fc=nn.Linear(1280, num_classes),
        )
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


def load_trained_weights(
    model: nn.Sequential, state: Mapping[str, np.ndarray]
) -> None:
    """Fill a network with every tensor of a state, or raise.

    Parameters
    ----------
    model : Sequential
        Of ``efficientnet_lite0``.
    state : mapping of str to array
        By the names of the file, in PyTorch's layouts: (out,
        in, height, width), and (out, in) for the last layer.

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
    places = {  # the file has _blocks.0._bn1.weight
        re.sub(r"([a-z]\w*\.)", r"_\1", name): tensor
        for name, tensor in model.state_dict().items()
    }
    problems = [
        *(f"{n} is missing" for n in places.keys() - state),
        *(f"{n} has no place" for n in state.keys() - places),
        *(
            f"{n} is {array.shape}, its place "
            f"{tuple(places[n].shape)}"
            for n, array in state.items()
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
        place.copy_(torch.tensor(state[name]))


def preprocess(
    photograph: np.ndarray, image_size: int = 224
) -> Tensor:
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
        Of shape (3, image_size, image_size), about -1 to 1.

    Raises
    ------
    ValueError
        When the photograph is grey or not uint8.

    Examples
    --------
    >>> grey = np.full((40, 30, 3), 127, "uint8")
    >>> image = preprocess(grey, 8)
    >>> tuple(image.shape), image.abs().max().item()
    ((3, 8, 8), 0.0)
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
    pixels = torch.tensor(square).permute(2, 0, 1)  # HWC -> CHW
    image = F.interpolate(
        pixels[None].float(),
        (image_size, image_size),
        mode="bicubic",
        antialias=True,
    )
    return (image[0] - 127) / 128


def top_classes(
    logits: Tensor, categories: Sequence[str], k: int = 5
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
    >>> logits = torch.log(torch.tensor([[0.25, 0.75]]))
    >>> top_classes(logits, ["cat", "dog"], k=1)
    [[('dog', 0.75)]]
    """
    if logits.shape[-1] != len(categories):
        raise ValueError(
            f"{len(categories)} names for {logits.shape[-1]} "
            "classes: pass the names that belong to the weights"
        )
    found = torch.topk(logits.softmax(-1), k)
    return [
        [(categories[i], p) for p, i in zip(*row, strict=True)]
        for row in zip(
            found.values.tolist(),
            found.indices.tolist(),
            strict=True,
        )
    ]
