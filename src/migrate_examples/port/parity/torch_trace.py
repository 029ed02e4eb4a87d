"""What every function that a module calls read and wrote in one run."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import Closeness, closeness, fingerprint
from migrate_examples.port.parity.feeding import Feed

TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor as it was when it was written; call is -1 for an input of the model."""

    number: int
    call: int
    tensor: Tensor
    size: int
    mean: float
    root: float

    @property
    def array(self) -> Array:
        """The numbers."""
        return self.tensor.numpy()


@dataclass(frozen=True, eq=False)
class TorchCall:
    """One call of a function of PyTorch.

    Attributes
    ----------
    number : int
        Its place in the order of the calls.
    name : str
        ``conv2d``, ``batch_norm``, ``lstm``, ``__add__``.
    function : callable
        What was called.
    arguments, keywords : tuple and dict
        As they were, tensors copied at that time.
    read, wrote : tuple of int
        Numbers of the values.
    module : str
        Path of the module whose forward called it; empty for the model itself.
    parameters : tuple of str
        Names of the parameters and buffers it was given.
    where : str
        File and line outside of PyTorch: ``port.py:42``.
    """

    number: int
    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    read: tuple[int, ...]
    wrote: tuple[int, ...]
    module: str
    parameters: tuple[str, ...]
    where: str

    def label(self) -> str:
        """Say it in words: ``stem.conv (conv2d, port.py:42)``."""
        return f"{self.module or 'forward'} ({self.name}, {self.where})"


@dataclass
class TorchTrace:
    """All calls and values of one run, and what the module returned or raised."""

    values: list[Value] = field(default_factory=list)
    calls: list[TorchCall] = field(default_factory=list)
    outputs: tuple[Array, ...] = ()
    raised: str = ""

    def add_value(self, tensor: Tensor, call: int) -> Value:
        """Keep a copy of a tensor, so that later changes in place do not show."""
        kept = tensor.detach().clone().cpu()
        if kept.is_complex():
            kept = torch.view_as_real(kept)
        kept = kept.double()
        size, mean, root = fingerprint(kept.numpy())
        value = Value(len(self.values), call, kept, size, mean, root)
        self.values.append(value)
        return value

    def nearest(
        self, ours: Array, within: float = np.inf, among: set[int] | None = None
    ) -> tuple[Closeness, Value | None]:
        """Value that is closest to an array of Keras, in the layout that fits best.

        Where ``within`` is finite, values whose mean or root mean square differ
        by more are passed over unread.
        """
        best: tuple[Closeness, Value | None] = (Closeness(np.inf, ""), None)
        size, mean, root = fingerprint(ours)
        room = 10 * within * float(np.abs(ours).max(initial=0.0)) + 1e-300
        for value in self.values:
            if value.size != size or (among is not None and value.number not in among):
                continue
            if within < np.inf and (
                abs(value.mean - mean) > room or abs(value.root - root) > room
            ):
                continue
            found = closeness(ours, value.array)
            if found.error < best[0].error:
                best = found, value
        return best

    def readers(self, number: int) -> list[TorchCall]:
        """Calls that read a value."""
        return [call for call in self.calls if number in call.read]

    def after(self, number: int) -> set[int]:
        """Numbers of a value and of all that depend on it."""
        found = {number}
        for call in self.calls:
            if found & set(call.read):
                found |= set(call.wrote)
        return found


def pieces(value: Any) -> Iterator[Tensor]:
    """All tensors of a nested structure, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from pieces(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from pieces(part)


def frozen(value: Any) -> Any:
    """Copy a nested structure and its tensors; parameters are not written to."""
    if isinstance(value, Tensor):
        return (
            value.detach()
            if isinstance(value, nn.Parameter)
            else value.detach().clone()
        )
    if isinstance(value, dict):
        return {key: frozen(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(frozen(part) for part in value)
    return value


def place_of_call() -> str:
    """File and line of the code outside of PyTorch that runs now."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(TORCH) and file != __file__:
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "?"


class Recorder(TorchFunctionMode):
    """Keeps every function call that returns tensors."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.trace = TorchTrace()
        self.stack: list[str] = []
        self.known: dict[int, int] = {}  # address of a tensor to its latest value
        self.alive: list[Tensor] = []  # an address is not given away meanwhile
        self.names = {
            id(tensor): name
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]
        }

    def leave(self, *_: Any) -> None:
        """Come out of a module; a hook that returns something changes the output."""
        self.stack.pop()

    def know(self, tensor: Tensor, call: int) -> int:
        """Take a value down under its tensor's address."""
        value = self.trace.add_value(tensor, call)
        self.known[id(tensor)] = value.number
        self.alive.append(tensor)
        return value.number

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        keywords = kwargs or {}
        name = getattr(func, "__name__", type(func).__name__)
        if name == "__get__":
            return func(*args, **keywords)
        before = frozen(args), frozen(keywords)
        result = func(*args, **keywords)
        if name == "__setitem__":  # writes into its first argument
            self.keep(func, name, before, (args, keywords), args[0])
        elif next(pieces(result), None) is not None:
            self.keep(func, name, before, (args, keywords), result)
        return result

    def keep(self, func: Any, name: str, before: Any, given: Any, result: Any) -> None:
        """Take a call down."""
        number = len(self.trace.calls)
        tensors = list(pieces(given))
        read = tuple(self.known[id(t)] for t in tensors if id(t) in self.known)
        named = tuple(self.names[id(t)] for t in tensors if id(t) in self.names)
        wrote = tuple(self.know(t, number) for t in pieces(result))
        self.trace.calls.append(
            TorchCall(
                number,
                name,
                func,
                before[0],
                before[1],
                read,
                wrote,
                self.stack[-1] if self.stack else "",
                named,
                place_of_call(),
            )
        )


def trace_torch(
    module: nn.Module,
    feed: Feed,
    dtype: str,
    moved: str,
    recorder_of: Callable[[nn.Module], Recorder] = Recorder,
) -> TorchTrace:
    """Run the module and keep what every function it calls read and wrote.

    The module should be a copy: it is run as it is, in its own mode, and layers
    in training mode change their statistics. Hooks are taken away afterwards.
    """
    recorder = recorder_of(module)
    handles = []
    for name, part in module.named_modules():
        handles.append(
            part.register_forward_pre_hook(
                lambda _m, _a, name=name: recorder.stack.append(name)
            )
        )
        handles.append(part.register_forward_hook(recorder.leave))
    tensors = feed.torch_tensors(dtype, moved)
    for tensor in tensors:
        recorder.know(tensor, -1)
    try:
        with torch.no_grad(), recorder:
            result = feed.call(module, tensors)
        recorder.trace.outputs = tuple(
            t.detach().double().numpy() for t in pieces(result)
        )
        for tensor in pieces(result):
            if id(tensor) not in recorder.known:  # written by what no mode sees
                recorder.know(tensor, -1)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        recorder.trace.raised = f"{type(error).__name__}: {str(error).strip()}"
    finally:
        for handle in handles:
            handle.remove()
    return recorder.trace
