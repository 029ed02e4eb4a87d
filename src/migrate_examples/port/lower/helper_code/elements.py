"""Helpers that work on values: noise, sparsemax, a stub; printed as they stand."""

import torch
from torch import Tensor, nn


def sparsemax(x: Tensor, dim: int = -1) -> Tensor:
    """Sparsemax as Keras 3 computes it: its threshold adds up the running sums.

    (Martins, Astudillo 2016 take the last of them; from the second place on that
    would be another threshold.)
    """
    z = x.movedim(dim, -1)
    ordered = z.sort(dim=-1, descending=True).values
    sums = ordered.cumsum(-1)
    rank = torch.arange(1, z.shape[-1] + 1, device=x.device)
    kept = ordered - (sums - 1) / rank > 0
    threshold = ((sums * kept).sum(-1, keepdim=True) - 1) / kept.sum(-1, keepdim=True)
    return (z - threshold).clamp(min=0).movedim(-1, dim)


class GaussianNoise(nn.Module):
    """Add noise of a standard deviation, in training alone."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        """Return x, with noise in training."""
        return x + self.stddev * torch.randn_like(x) if self.training else x


class GaussianDropout(nn.Module):
    """Multiply by noise of mean one, with the variance of a Dropout, in training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.stddev = (rate / (1 - rate)) ** 0.5

    def forward(self, x: Tensor) -> Tensor:
        """Return x, scaled by noise in training."""
        return x * (1 + self.stddev * torch.randn_like(x)) if self.training else x


class StochasticDepth(nn.Module):
    """Drop the branch of some examples as a whole, in training alone."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return x, or in training zeros for some examples and the others scaled."""
        if not self.training or self.rate == 0:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        kept = torch.rand(shape, dtype=x.dtype, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class Stub(nn.Module):
    """Stands where a layer was not ported: write its forward by hand."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Tensor) -> Tensor:
        """Raise: nothing is known of what the layer computes."""
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        raise NotImplementedError(f"{self.layer} was not ported; called with {shapes}")
