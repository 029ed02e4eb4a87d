"""Training loops in PyTorch: written once, yours to read."""

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Sampler, TensorDataset
from tqdm import tqdm


# For inference Keras 3 keeps the biased variance, PyTorch the
# unbiased one, which is N / (N - 1) times as large.
class _BatchNorm(nn.BatchNorm2d):
    momentum: float
    running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        old = (1 - self.momentum) * self.running_var
        y = super().forward(x)
        if self.training:
            part = x.shape[1] / x.numel()  # 1 / N
            self.running_var = self.running_var.lerp(old, part)
        return y


def make_cnn(filters: int = 8) -> nn.Module:
    """Images (N, 1, H, W) to logits (N, 10), with BatchNorm.

    Parameters
    ----------
    filters : int
        Channels after the first; the second has twice as many.

    Examples
    --------
    >>> sum(w.numel() for w in make_cnn(8).parameters())
    3618
    """
    # momentum is the share of the new value, 0.1 by default
    return nn.Sequential(
        nn.Conv2d(1, filters, 5, stride=2, bias=False),
        _BatchNorm(filters, eps=1e-3),
        nn.ReLU(),
        nn.Conv2d(
            filters, 2 * filters, 5, stride=2, bias=False
        ),
        _BatchNorm(2 * filters, eps=1e-3),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * filters, 10),
    )


def set_weights(
    model: nn.Module, weights: list[NDArray[Any]]
) -> None:
    """Copy weights in the order and layout of Keras.

    Parameters
    ----------
    model : Module
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
    state = model.state_dict()
    names = [n for n in state if not n.endswith("tracked")]
    if len(weights) != len(names):
        raise ValueError(f"{len(weights)} weights for {names}")
    for name, weight in zip(names, weights, strict=True):
        value = torch.from_numpy(weight)
        if value.ndim == 4:
            value = value.permute(3, 2, 0, 1)  # HWIO -> OIHW
        if value.ndim == 2:
            value = value.T  # (in, out) -> (out, in)
        if value.shape != state[name].shape:
            raise ValueError(
                f"{name} is {tuple(state[name].shape)}, not "
                f"{tuple(value.shape)}: is the order Keras'?"
            )
        state[name].copy_(value)


class _Permutations(Sampler[int]):
    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[int]:
        order = self.rng.permutation(self.size)  # once an epoch
        return iter(order.tolist())

    def __len__(self) -> int:
        return self.size


def make_batches(
    x: NDArray[Any],
    y: NDArray[Any],
    batch_size: int,
    seed: int | None = None,
) -> DataLoader[Any]:
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
    rows = TensorDataset(torch.tensor(x), torch.tensor(y))
    if seed is None:
        return DataLoader(rows, batch_size)
    return DataLoader(
        rows, batch_size, sampler=_Permutations(len(x), seed)
    )


class _Adam(Optimizer):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.update(weight, group)
        return loss

    def update(
        self, weight: Any, group: dict[str, Any]
    ) -> None:
        state = self.state[weight]
        step = state["step"] = state.get("step", 0) + 1
        zero = torch.zeros_like(weight)
        mean = state.setdefault("mean", zero)
        square = state.setdefault("square", zero.clone())
        mean.lerp_(weight.grad, 1 - 0.9)
        square.lerp_(weight.grad**2, 1 - 0.999)
        # Keras rounds the two decays to float32 here
        decays = torch.tensor([0.9, 0.999]).to(weight)
        first, second = 1 - decays**step
        rate = group["lr"] * second.sqrt() / first
        weight -= rate * mean / (square.sqrt() + group["eps"])


def make_adam(
    model: nn.Module,
    learning_rate: float = 0.001,
    epsilon: float = 1e-7,
) -> Optimizer:
    """Adam as Keras computes it.

    Parameters
    ----------
    model : Module
        Whose trainable weights are to be updated.
    learning_rate, epsilon : float
        The epsilon is added before the bias is corrected:
        "epsilon hat" in Kingma and Ba (2015), section 2.

    Examples
    --------
    >>> optimizer = make_adam(make_cnn(), 0.01)
    >>> optimizer.param_groups[0]["lr"]
    0.01
    """
    rates = {"lr": learning_rate, "eps": epsilon}
    return _Adam(model.parameters(), rates)


def train_step(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss_function: Callable[..., Tensor],
    optimizer: Optimizer,
    max_norm: float | None = None,
) -> tuple[Tensor, Tensor]:
    """One update from one batch: loss and logits before it.

    Parameters
    ----------
    model : Module
        Maps ``x`` to logits (N, classes).
    x, y : Tensor
        The batch: inputs, and class numbers of shape (N,).
    loss_function : callable
        Called as ``loss_function(logits, y)``.
    optimizer : Optimizer
        Of the model's weights.
    max_norm : float, optional
        Longest gradient, over all weights together.

    Examples
    --------
    >>> model = make_cnn()
    >>> x, y = torch.zeros(2, 1, 28, 28), torch.tensor([3, 5])
    >>> cross = nn.CrossEntropyLoss()
    >>> loss, logits = train_step(
    ...     model, x, y, cross, make_adam(model)
    ... )
    >>> tuple(logits.shape)
    (2, 10)
    """
    logits = model(x)
    loss = loss_function(logits, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), logits.detach()


def train_epoch(
    model: nn.Module,
    batches: DataLoader[Any],
    loss_function: Callable[..., Tensor],
    optimizer: Optimizer,
    schedule: LRScheduler | None = None,
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
    schedule : LRScheduler, optional
        Stepped after each update.
    progress : bool
        Show a bar.
    """
    model.train()
    device = next(model.parameters()).device
    # tensors: to read a number here would stall a GPU
    losses, hits, count = [], [], 0
    for batch in tqdm(batches, disable=not progress):
        x, y = (t.to(device, non_blocking=True) for t in batch)
        loss, logits = train_step(
            model, x, y, loss_function, optimizer, max_norm
        )
        if schedule is not None:
            schedule.step()
        losses.append(loss * len(y))
        hits.append((logits.argmax(1) == y).sum())
        count += len(y)
    return {
        "loss": float(sum(losses)) / count,
        "accuracy": float(sum(hits)) / count,
    }


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: DataLoader[Any],
    loss_function: Callable[..., Tensor],
) -> dict[str, float]:
    """Loss and accuracy without learning.

    Means over the samples, as in ``train_epoch``.

    Examples
    --------
    >>> x = np.zeros((10, 1, 28, 28), "float32")
    >>> batches = make_batches(x, np.arange(10), 4)
    >>> cross = nn.CrossEntropyLoss()
    >>> logs = evaluate(make_cnn(), batches, cross)
    >>> round(logs["accuracy"], 6)  # ten times one answer
    0.1
    """
    model.eval()
    device = next(model.parameters()).device
    losses, hits, count = [], [], 0
    for batch in batches:
        x, y = (t.to(device, non_blocking=True) for t in batch)
        logits = model(x)
        loss = loss_function(logits, y)
        losses.append(loss * len(y))
        hits.append((logits.argmax(1) == y).sum())
        count += len(y)
    return {
        "loss": float(sum(losses)) / count,
        "accuracy": float(sum(hits)) / count,
    }


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights to a file, whole or not at all.

    Parameters
    ----------
    path : Path
        Replaced once all is written: nobody finds half a file.
    """
    partial = path.with_name(f"{path.name}.partial")
    torch.save(model.state_dict(), partial)
    partial.replace(path)


def fit(
    model: nn.Module,
    train_batches: DataLoader[Any],
    validation_batches: DataLoader[Any],
    loss_function: Callable[..., Tensor],
    optimizer: Optimizer,
    epochs: int,
    schedule: LRScheduler | None = None,
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
        File for the weights of the lowest ``val_loss``.
    model, loss_function, optimizer, schedule, max_norm
        As in ``train_epoch``; so is ``progress``.

    Returns
    -------
    dict
        Lists of ``loss``, ``accuracy``, ``val_loss`` and so on.
    """
    history: dict[str, list[float]] = {}
    best, best_epoch, best_state = math.inf, 0, None
    for epoch in range(epochs):
        logs = train_epoch(
            model,
            train_batches,
            loss_function,
            optimizer,
            schedule,
            max_norm,
            progress=progress,
        )
        val = evaluate(model, validation_batches, loss_function)
        logs |= {f"val_{name}": val[name] for name in val}
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        if logs["val_loss"] < best:
            best, best_epoch = logs["val_loss"], epoch
            best_state = copy.deepcopy(model.state_dict())
            if checkpoint is not None:
                save_weights(model, checkpoint)
        elif patience and epoch - best_epoch >= patience:
            break
    if patience is not None and best_state is not None:
        model.load_state_dict(best_state)
    return history
