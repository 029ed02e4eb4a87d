"""Helpers of windows over places, and of resizing; printed as they stand."""

import torch
import torch.nn.functional as F  # noqa: N812  # as PyTorch's users write it
from torch import Tensor


def pad_same(
    x: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    value: float = 0.0,
) -> Tensor:
    """Pad as Keras's padding="same": for ceil(size / stride) outputs, more behind."""
    padding: list[int] = []
    for axis in reversed(range(x.ndim - 2)):
        width, step, gap = (
            n if isinstance(n, int) else n[axis]
            for n in (kernel_size, stride, dilation)
        )
        size = x.shape[axis + 2]
        reach = (width - 1) * gap + 1
        total = torch.sym_max((-(-size // step) - 1) * step + reach - size, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding, value=value)


def average_pool_same(
    x: Tensor, kernel_size: int | tuple[int, ...], stride: int | tuple[int, ...]
) -> Tensor:
    """Average pooling with padding="same", where what was added does not count."""
    pool = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim]
    padded = pool(pad_same(x, kernel_size, stride), kernel_size, stride)
    ones = pad_same(torch.ones_like(x[:1, :1]), kernel_size, stride)
    return padded / pool(ones, kernel_size, stride)


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images (batch, channels, height, width) as TensorFlow's bicubic.

    Keys's kernel with a = -0.5, read from a table of 1024 entries; at the edges the
    weights of what lies inside are scaled to a sum of one.
    """
    for axis, places in zip((2, 3), size, strict=True):
        count = x.shape[axis]
        target = torch.arange(places, device=x.device, dtype=torch.float64)
        source = (target + 0.5) * (count / places) - 0.5
        shift = ((source - source.floor()) * 1024).round() / 1024
        taps = torch.arange(-1, 3, device=x.device)
        far = (shift[:, None] - taps).abs()
        near = (1.5 * far - 2.5) * far**2 + 1
        weight = torch.where(far <= 1, near, ((2.5 - 0.5 * far) * far - 4) * far + 2)
        index = source.floor().long()[:, None] + taps
        weight = weight * ((index >= 0) & (index < count))
        weight = weight / weight.sum(1, keepdim=True)
        picked = x.index_select(axis, index.clamp(0, count - 1).flatten())
        picked = picked.unflatten(axis, (places, 4))
        shape = [1] * picked.ndim
        shape[axis : axis + 2] = [places, 4]
        x = (picked * weight.to(x.dtype).view(shape)).sum(axis + 1)
    return x
