"""Performance in PyTorch: you place, cast and compile."""

import os
import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import timer
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset


def pick_device() -> torch.device:
    """Device to compute on: the accelerator, else the CPU.

    Examples
    --------
    >>> device = pick_device()
    >>> torch.ones(2, device=device).device.type == device.type
    True
    """
    found = torch.accelerator.current_accelerator(
        check_available=True
    )
    return found or torch.device("cpu")


def move_batch(batch: Any, device: torch.device) -> Any:
    """Copy every tensor of a nested batch to a device.

    Parameters
    ----------
    batch : tensor, or dict, list, tuple of batches
        What is not a tensor (a name, a number) stays as it is.
    device : torch.device
        As from `pick_device`.

    Examples
    --------
    >>> batch = {"image": torch.ones(2), "names": ("a", "b")}
    >>> move_batch(batch, pick_device())["names"]
    ('a', 'b')
    """
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {k: move_batch(batch[k], device) for k in batch}
    if isinstance(batch, list | tuple):
        parts = [move_batch(part, device) for part in batch]
        if hasattr(batch, "_fields"):  # a namedtuple
            return type(batch)(*parts)
        return type(batch)(parts)
    return batch


def batches_on_device(
    x: np.ndarray,
    y: np.ndarray,
    batch_size: int,
    device: torch.device,
) -> Iterator[list[Tensor]]:
    """Pairs of batches, copied while the device computes.

    Parameters
    ----------
    x, y : array
        Examples and targets, (examples, ...).
    batch_size : int
        The last batch may be smaller.
    device : torch.device
        As from `pick_device`.

    Examples
    --------
    >>> x, y = np.ones((5, 3)), np.arange(5)
    >>> found = batches_on_device(x, y, 2, pick_device())
    >>> [len(labels) for features, labels in found]
    [2, 2, 1]
    """
    data = TensorDataset(
        torch.from_numpy(x), torch.from_numpy(y)
    )
    # pinned memory is what an asynchronous copy starts from
    pinned = device.type in ("cuda", "xpu")
    loader = DataLoader(data, batch_size, pin_memory=pinned)
    for batch in loader:
        yield move_batch(batch, device)


class MixedClassifier(nn.Module):
    """Two layers: the wide one in half precision, the head not.

    Parameters
    ----------
    features, hidden, classes : int
        Sizes of input, hidden layer and output.
    dtype : {"bfloat16", "float16", "float32"}
        What the hidden layer computes in; others raise. All
        weights and the output are float32.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3)
    >>> model(torch.ones(2, 7)).dtype
    torch.float32
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        dtype: str = "bfloat16",
    ) -> None:
        super().__init__()
        known = ("bfloat16", "float16", "float32")
        if dtype not in known:
            raise ValueError(
                f"dtype {dtype!r}: take one of {known}"
            )
        self.dtype = getattr(torch, dtype)
        self.hidden = nn.Linear(features, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        with torch.autocast(
            x.device.type,
            self.dtype,
            enabled=self.dtype != torch.float32,
        ):
            hidden = self.hidden(x).relu()
        return self.head(hidden.float())  # outside: in float32


class ScaledTrainer:
    """Training steps with loss scaling, as float16 needs it.

    A step whose gradients overflow is skipped, and the factor
    of the loss halved; it doubles after enough good steps.

    Parameters
    ----------
    model, optimizer
        The optimiser holds the model's parameters.
    loss_function : callable
        Maps prediction and target to a scalar tensor.
    initial_scale, growth_interval : float, int
        First factor of the loss, good steps until it doubles.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3, dtype="float16")
    >>> optimizer = torch.optim.SGD(model.parameters(), 0.1)
    >>> mean = lambda logits, y: (logits - y).mean()
    >>> trainer = ScaledTrainer(model, optimizer, mean)
    >>> _ = trainer.step(torch.ones(2, 7), torch.ones(2, 3))
    >>> trainer.scale
    32768.0
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_function: Callable[[Tensor, Tensor], Tensor],
        initial_scale: float = 2.0**15,
        growth_interval: int = 2000,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss_function = loss_function
        self.scaler = torch.amp.GradScaler(
            next(model.parameters()).device.type,
            init_scale=initial_scale,
            growth_interval=growth_interval,
        )

    @property
    def scale(self) -> float:
        """Factor of the next loss."""
        return self.scaler.get_scale()

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """Train on one batch and return its unscaled loss."""
        self.model.train()
        loss = self.loss_function(self.model(x), y)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)  # or skips it
        self.scaler.update()
        return loss.detach()


def pick_backend() -> str:
    """Name of the best compiler that this machine can run.

    "inductor" needs a C++ compiler; "aot_eager", which traces
    but generates no code, does not.

    Examples
    --------
    >>> double = compiled(lambda x: x * 2, pick_backend())
    """
    names = (os.environ.get("CXX"), "g++", "clang++", "cl")
    if any(name and shutil.which(name) for name in names):
        return "inductor"
    return "aot_eager"


def compiled(
    function: Callable[..., Any], backend: str | None = None
) -> Callable[..., Any]:
    """Compile a function of tensors, at its first call.

    Parameters
    ----------
    function : callable
        Of tensors; a module will do.
    backend : str, optional
        "inductor", "aot_eager" or "eager"; by default what
        `pick_backend` finds.

    Examples
    --------
    >>> double = compiled(lambda x: x * 2, "aot_eager")
    >>> double(torch.tensor([1.0, 3.0])).tolist()
    [2.0, 6.0]
    """
    backend = backend or pick_backend()
    return torch.compile(function, backend=backend)


def convolve_images(
    images: np.ndarray, kernel: np.ndarray
) -> Tensor:
    """Convolve, unpadded, with the channels last in memory.

    Parameters
    ----------
    images : array
        (batch, height, width, channels).
    kernel : array
        (height, width, channels in, channels out).

    Examples
    --------
    >>> images = np.ones((1, 5, 4, 2), "float32")
    >>> kernel = np.ones((3, 3, 2, 7), "float32")
    >>> tuple(convolve_images(images, kernel).shape)
    (1, 3, 2, 7)
    """
    # the axes are renamed, no byte moves
    x = torch.from_numpy(images).permute(0, 3, 1, 2)  # NCHW
    w = torch.from_numpy(kernel).permute(3, 2, 0, 1)  # OIHW
    y = nn.functional.conv2d(x, w)
    return y.permute(0, 2, 3, 1)  # NHWC


def predict(
    model: nn.Module, batches: Iterable[Tensor]
) -> Tensor:
    """All outputs in inference mode, nothing recorded.

    Parameters
    ----------
    model : nn.Module
        Each layer's training mode is restored afterwards.
    batches : iterable of Tensor
        At least one.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3)
    >>> batches = [torch.ones(4, 7), torch.ones(1, 7)]
    >>> tuple(predict(model, batches).shape)
    (5, 3)
    """
    modes = {m: m.training for m in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            return torch.cat([model(x) for x in batches])
    finally:
        for module, training in modes.items():
            module.training = training


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
) -> float:
    """Train on all batches and return the mean loss.

    The host waits for the device once, at the end.

    Parameters
    ----------
    model, optimizer, loss_function
        As in `ScaledTrainer`; the loss is a mean.
    batches : iterable of (Tensor, Tensor)
        Examples and targets, at least one batch.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3)
    >>> optimizer = torch.optim.SGD(model.parameters(), 0.1)
    >>> mean = lambda logits, y: (logits * 0 + y).mean()
    >>> batches = [(torch.ones(2, 7), torch.ones(2, 3))]
    >>> train_epoch(model, optimizer, mean, batches)
    1.0
    """
    model.train()
    losses, count = [], 0
    for x, y in batches:
        loss = loss_function(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach() * len(x))  # no .item()
        count += len(x)
    return float(sum(losses) / count)


def checkpointed(
    block: Callable[..., Tensor],
) -> Callable[..., Tensor]:
    """Keep no activations of a block; compute them again.

    Parameters
    ----------
    block : callable
        Maps tensors to a tensor; run again in the backward
        pass. Values and gradients stay the same.

    Examples
    --------
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> checkpointed(torch.square)(x).backward()
    >>> float(x.grad)
    6.0
    """
    return partial(checkpoint, block, use_reentrant=False)


def benchmark(
    function: Callable[[], object],
    repeats: int = 20,
    warm_up: int = 3,
) -> float:
    """Median time of a call, in seconds, its work finished.

    Parameters
    ----------
    function : callable
        Without arguments.
    repeats, warm_up : int
        Calls that are timed, and calls before them that pay
        for compilation and caches.

    Examples
    --------
    >>> benchmark(lambda: torch.ones(3) + 1) > 0
    True
    """
    for _ in range(warm_up):
        function()
    seconds = []
    for _ in range(repeats):
        start = timer()  # it waits for the device first
        function()
        seconds.append(timer() - start)
    return statistics.median(seconds)


def count_operations(
    function: Callable[[], object],
) -> Counter[str]:
    """Operations that ran on the CPU, counted by the profiler.

    Examples
    --------
    >>> x = torch.ones(3, 3)
    >>> count_operations(lambda: x @ x @ x)["aten::mm"]
    2
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        function()
    events = profiler.key_averages()
    return Counter({event.key: event.count for event in events})
