"""Losses and optimizers that are the same function on both sides."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor, nn

from migrate_examples.port.parity.errors import ParityError

KerasLoss: TypeAlias = Callable[[Any, Any], Any]
TorchLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class Loss(NamedTuple):
    """One loss: Keras's takes targets and outputs, PyTorch's outputs and targets."""

    keras: KerasLoss
    torch: TorchLoss


class Optimizer(NamedTuple):
    """One optimizer: a new one of Keras, and one of PyTorch for parameters."""

    keras: Callable[[], Any]
    torch: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def in_float32(constant: float) -> float:
    """The constant as Keras uses it, in float64 too: it casts through float32."""
    return float(np.float32(constant))


class KerasAdam(torch.optim.Optimizer):
    """Adam as Keras computes it: epsilon is added before the bias correction.

    From Kingma and Ba, section 2, the form with epsilon hat; torch.optim.Adam
    adds epsilon after the correction.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float = 1e-3) -> None:
        super().__init__(params, {"lr": in_float32(lr)})
        self.steps = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step."""
        del closure
        self.steps += 1
        first, second = in_float32(0.9), in_float32(0.999)
        for group in self.param_groups:
            rate = (
                group["lr"] * np.sqrt(1 - second**self.steps) / (1 - first**self.steps)
            )
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                m = state.setdefault("m", torch.zeros_like(p))
                v = state.setdefault("v", torch.zeros_like(p))
                # the powers pass through float32 in Keras, these do not
                m.add_(p.grad - m, alpha=1 - 0.9)
                v.add_(p.grad.square() - v, alpha=1 - 0.999)
                p.sub_(rate * m / (v.sqrt() + 1e-7))


def squared(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of shapes that are the same."""
    return F.mse_loss(output, target.reshape(output.shape).to(output.dtype))


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of logits and classes."""
    return F.cross_entropy(output, target.long())


LOSSES: dict[str, Loss] = {
    "mean_squared_error": Loss(keras.losses.MeanSquaredError(dtype="float64"), squared),
    "cross_entropy": Loss(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64"),
        cross_entropy,
    ),
}
"""By name, for ladders; a pair of functions serves as well."""

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(
        lambda: keras.optimizers.SGD(0.05),
        lambda p: torch.optim.SGD(p, in_float32(0.05)),
    ),
    "momentum": Optimizer(
        lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        lambda p: torch.optim.SGD(p, in_float32(0.05), momentum=in_float32(0.9)),
    ),
    "adam": Optimizer(lambda: keras.optimizers.Adam(1e-3), KerasAdam),
}
"""By name, in the form that agrees to rounding."""


def chosen(given: Any, known: dict[str, Any], kind: type[Any], what: str) -> Any:
    """Look a name up, or take a pair.

    Raises
    ------
    ParityError
        On a name that is not known.
    """
    if isinstance(given, str):
        if given not in known:
            raise ParityError(
                f"{what} is {given!r}: one of {', '.join(known)}, or a pair of "
                "functions, Keras's and PyTorch's"
            )
        return known[given]
    if not (isinstance(given, tuple) and len(given) == 2 and all(map(callable, given))):
        raise ParityError(f"{what} is no pair of functions, Keras's and PyTorch's")
    return kind(*given)
