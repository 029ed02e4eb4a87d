"""The place where both models part, and what can be tried there."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import (
    channels_first,
    closeness,
    distance,
    forms,
)
from migrate_examples.port.parity.feeding import Feed
from migrate_examples.port.parity.keras_trace import KerasCall, KerasTrace
from migrate_examples.port.parity.lineup import Match
from migrate_examples.port.parity.tolerances import CONSTANT
from migrate_examples.port.parity.torch_trace import (
    Recorder,
    TorchCall,
    TorchTrace,
    Value,
    pieces,
    trace_torch,
)

ITSELF, BEFORE, AFTER = (
    "the layer itself",
    "what stands before it",
    "what stands after the last layer",
)

RECURRENT = (
    "input hx weights has_biases num_layers dropout train bidirectional batch_first"
)
NAMES: dict[str, str] = {
    "conv_transpose": "input weight bias stride padding output_padding groups dilation",
    "conv": "input weight bias stride padding dilation groups",
    "linear": "input weight bias",
    "batch_norm": "input running_mean running_var weight bias training momentum eps",
    "layer_norm": "input normalized_shape weight bias eps",
    "group_norm": "input num_groups weight bias eps",
    "embedding": "input weight padding_idx max_norm norm_type",
    "lstm": RECURRENT,
    "gru": RECURRENT,
    "rnn_": RECURRENT,
    "max_pool": "input kernel_size stride padding dilation ceil_mode return_indices",
    "avg_pool": "input kernel_size stride padding ceil_mode count_include_pad",
    "interpolate": "input size scale_factor mode align_corners "
    "recompute_scale_factor antialias",
    "softmax": "input dim",
    "log_softmax": "input dim",
    "scaled_dot_product_attention": "query key value attn_mask "
    "dropout_p is_causal scale",
    "dropout": "input p training inplace",
}
"""Positional parameters of the functions whose calls are tried again."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "Transpose": ("conv_transpose",),
    "Conv": ("conv",),
    "Dense": ("linear", "matmul", "__matmul__", "addmm"),
    "BatchNormalization": ("batch_norm",),
    "LayerNormalization": ("layer_norm",),
    "GroupNormalization": ("group_norm",),
    "Embedding": ("embedding",),
    "LSTM": ("lstm",),
    "GRU": ("gru",),
    "SimpleRNN": ("rnn_",),
    "Bidirectional": ("lstm", "gru", "rnn_"),
    "MaxPool": ("max_pool",),
    "AveragePool": ("avg_pool",),
    "UpSampling": ("interpolate",),
    "Resiz": ("interpolate",),
    "Attention": ("scaled_dot_product_attention", "multi_head_attention", "softmax"),
    "Softmax": ("softmax",),
}
"""Part of a layer's name to the functions that do its work in PyTorch."""

PASSING = [
    "pad",
    "permute",
    "transpose",
    "contiguous",
    "reshape",
    "view",
    "flatten",
    "squeeze",
    "unsqueeze",
    "movedim",
    "to",
    "float",
    "double",
    "half",
    "dropout",
    "__getitem__",
    "clone",
    "mT",
    "T",
    "swapaxes",
    "flip",
]
"""Functions that may stand between a value and the layer that reads it."""


class Trial(NamedTuple):
    """A cause that was tried, and what was left of the error.

    Attributes
    ----------
    cause : str
        Identifier, see :data:`migrate_examples.port.parity.causes.CAUSES`.
    error : float
        Of the mended port from Keras, or of the mistake from the port.
    line : str
        What to write in PyTorch.
    call : TorchCall or None
        The call of the port it is about.
    where : str
        The layer itself, or what stands before it.
    """

    cause: str
    error: float
    line: str
    call: TorchCall | None = None
    where: str = ITSELF


def bound(call: TorchCall) -> dict[str, Any]:
    """Arguments of a call by name, as far as its function is known."""
    names = next(
        (n for part, n in NAMES.items() if call.name.startswith(part)), "input"
    )
    found = dict(zip(names.split(), call.arguments, strict=False))
    return {**found, **call.keywords}


def run(call: TorchCall, **changes: Any) -> Any:
    """Call the function again with other arguments; numbers in float64."""
    arguments = {**bound(call), **changes}
    if call.name in ("lstm", "gru") or call.name.startswith("rnn_"):
        order = RECURRENT.split()
        return call.function(*(arguments[name] for name in order))
    arguments.pop("_stacklevel", None)
    return call.function(**arguments)


def attempt(work: Callable[[], Any]) -> list[Tensor]:
    """Tensors of a trial; none where PyTorch refuses the shapes."""
    try:
        with torch.no_grad():
            return list(pieces(work()))
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError):
        return []


@dataclass
class Place:
    """Where the first layer differs, with both runs.

    Attributes
    ----------
    layer : KerasCall
        The first call that differs.
    matches : list of Match
        All calls of Keras, lined up.
    module : nn.Module
        The copy of the port that ran; trials may run it again.
    tolerance, exact : float
        Errors below the first may be a constant that went through float32,
        those below the second are rounding.
    """

    layer: KerasCall
    matches: list[Match]
    keras: KerasTrace
    trace: TorchTrace
    module: nn.Module
    feed: Feed
    dtype: str
    moved: str
    tolerance: float
    exact: float
    owners: dict[str, str]
    training: bool = False

    @property
    def kind(self) -> str:
        """Class of the layer."""
        return self.layer.kind

    def is_a(self, *names: str) -> bool:
        """Whether the layer's class has one of these in its name."""
        return any(name in self.kind for name in names)

    @cached_property
    def equal(self) -> set[int]:
        """Values of the port that are the layer's first input, in any layout."""
        return self.equal_to(self.layer.inputs[0]) if self.layer.inputs else set()

    def equal_to(self, array: Array) -> set[int]:
        """Values of the port that are this array, in any layout."""
        size, scale = array.size, float(np.abs(array).max(initial=0.0))
        root = (
            float(np.sqrt(np.square(array.astype(np.float64)).mean())) if size else 0.0
        )
        found = {
            value.number
            for value in self.trace.values
            if value.size == size
            and abs(value.root - root) <= 10 * self.tolerance * scale + 1e-300
            and closeness(array, value.array).error <= self.tolerance
        }
        for parent in self.layer.parents:
            match = self.matches[parent] if parent >= 0 else None
            if match is not None and match.agrees and match.value is not None:
                found.add(match.value.number)
        return found

    @cached_property
    def within_reach(self) -> set[int]:
        """Values that are the input but for padding, layout, order or dropout."""
        found = set(self.equal)
        for call in self.trace.calls:
            if call.name in PASSING and found & set(call.read):
                found |= set(call.wrote)
        return found

    @cached_property
    def calls(self) -> list[TorchCall]:
        """Calls of the port that do the layer's work, the likeliest first."""
        family = next((f for part, f in FAMILIES.items() if part in self.kind), ())
        if self.layer.stage == "activation" or not family:
            return []
        able = [c for c in self.trace.calls if c.name.startswith(family)]
        if "conv" in family:
            able = [c for c in able if "transpose" not in c.name]
        reading = [c for c in able if set(c.read) & self.within_reach]
        owner = self.owners.get(self.layer.path)
        owned = [c for c in able if owner is not None and c.module == owner]
        after: set[int] = set()
        for number in self.equal:
            after |= self.trace.after(number)
        # a call with the weights of another layer does that layer's work
        others = {m for path, m in self.owners.items() if path != self.layer.path}
        later = [c for c in able if set(c.read) & after and c.module not in others][:1]
        return list(dict.fromkeys([*reading, *owned, *later]))

    def unpadded(self, call: TorchCall) -> Value | None:
        """What a call reads, as it was before it was padded."""
        number = call.read[0] if call.read else None
        while number is not None:
            writer = self.trace.values[number].call
            if writer < 0 or self.trace.calls[writer].name != "pad":
                return self.trace.values[number]
            number = next(iter(self.trace.calls[writer].read), None)
        return None

    def calls_apart(self, call: TorchCall) -> bool:
        """Whether a call reads what is not the layer's input, padded or reordered."""
        return not set(call.read) & self.within_reach

    def input_for(self, call: TorchCall) -> Tensor:
        """Keras's input of the layer in the layout that the call reads."""
        array = self.layer.inputs[0]
        given = next(pieces(call.arguments), next(pieces(call.keywords), None))
        spatial = ("conv", "max_pool", "avg_pool", "batch_norm", "group_norm")
        first = call.name.startswith((*spatial, "interpolate")) or (
            given is not None
            and tuple(given.shape) != array.shape
            and tuple(given.shape) == channels_first(array).shape
        )
        found = tensor(channels_first(array) if first else array)
        if given is None or not given.is_floating_point():
            return found
        return found.to(given.dtype) if found.is_floating_point() else found

    def gives(
        self, work: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> float:
        """Error of what a function computes from the layer's output in Keras."""
        made = functools.partial(work, *arguments, **keywords)
        return self.gives_array(made, self.layer.output)

    @staticmethod
    def gives_array(work: Callable[[], Any], array: Array) -> float:
        """Error of what a trial computes from an array of Keras."""
        found = [
            closeness(array, part.double().numpy()).error for part in attempt(work)
        ]
        return min(found, default=np.inf)

    def seen(self, array: Array | None) -> tuple[float, TorchCall | None]:
        """How near the port comes to a mistaken value, and where it does.

        A value that Keras computes too is no mistake and does not count.
        """
        if array is None or not np.isfinite(array).all():
            return np.inf, None
        if any(self.is_right(array, m.call.output) for m in self.matches):
            return np.inf, None
        found, value = self.trace.nearest(array, 1e-6)
        if value is None or value.call < 0:
            return np.inf, None
        return found.error, self.trace.calls[value.call]

    @staticmethod
    def is_right(array: Array, right: Array) -> bool:
        """Whether a mistaken value is one of Keras, but for a constant in float32."""
        return array.shape == right.shape and distance(right, array) < CONSTANT

    def seen_from(
        self, work: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> tuple[float, TorchCall | None]:
        """Like ``seen``, of what a function of PyTorch computes."""
        for part in attempt(functools.partial(work, *arguments, **keywords)):
            error, call = self.seen(part.double().numpy())
            if error < np.inf:
                return error, call
        return np.inf, None

    def in_port(self, number: int, change: Callable[..., Any]) -> float:
        """Error of the layer when one call of the port is replaced by another."""
        trace = trace_changed(self, number, change)
        return trace.nearest(self.layer.output)[0].error

    def readers(self) -> list[KerasCall]:
        """Calls of Keras that read what the layer writes."""
        return self.keras.readers(self.layer)

    def ends_here(self) -> bool:
        """Whether the layer's output is one of the model's."""
        return any(
            output.shape == self.layer.output.shape
            and np.array_equal(output, self.layer.output)
            for output in self.keras.outputs
        )

    def outputs_equal(self, array: Array) -> bool:
        """Whether one of the port's outputs is this array."""
        return any(closeness(array, o).error <= 1e-6 for o in self.trace.outputs)


class Changing(Recorder):
    """Runs the port with one call replaced."""

    def __init__(
        self, module: nn.Module, number: int, change: Callable[..., Any]
    ) -> None:
        super().__init__(module)
        self.number, self.change = number, change

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if len(self.trace.calls) == self.number and func is self.expected:
            change = self.change
            return super().__torch_function__(
                lambda *a, **k: change(func, *a, **k), types, args, kwargs
            )
        return super().__torch_function__(func, types, args, kwargs)

    expected: Any = None


def trace_changed(place: Place, number: int, change: Callable[..., Any]) -> TorchTrace:
    """Trace the port with one call replaced by ``change(function, *arguments)``."""

    def make(module: nn.Module) -> Recorder:
        recorder = Changing(module, number, change)
        recorder.expected = place.trace.calls[number].function
        return recorder

    return trace_torch(place.module, place.feed, place.dtype, place.moved, make)


def tensor(array: Array) -> Tensor:
    """A tensor of its own; numbers in float64."""
    made = torch.from_numpy(np.ascontiguousarray(array).copy())
    return made.double() if made.is_floating_point() else made


def reads(array: Array, shape: Sequence[int]) -> Iterator[Array]:
    """Each reading of the port's array in a shape of Keras."""
    for _, read in forms(array, tuple(shape)):
        yield read
