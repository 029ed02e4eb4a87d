"""What every layer of a Keras model read and wrote in one run."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.feeding import Feed

ACTIVATION, BEFORE = "activation", "before the activation"


@dataclass(frozen=True, eq=False)
class KerasCall:
    """One call of a layer or operation.

    Attributes
    ----------
    number : int
        Its place in the order of the calls.
    path : str
        Names of the models it lies in and its own: ``encoder/conv1``; the second
        call of a shared layer is ``encoder/conv1#2``.
    layer : keras.Layer or keras.Operation
        The layer of the copy that ran.
    inputs, outputs : tuple of ndarray
        Floating as they were computed, in Keras's layout.
    parents : tuple of int
        For each input the call that wrote it; -1 where it is the model's own.
    stage : str
        A layer with an activation is two calls: what it computes before it, and
        the activation itself, ``conv1 activation``.
    """

    number: int
    path: str
    layer: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    parents: tuple[int, ...]
    stage: str = ""

    @property
    def kind(self) -> str:
        """Name of the layer's class; ``Activation`` for one inside of a layer."""
        return "Activation" if self.stage == ACTIVATION else type(self.layer).__name__

    @property
    def output(self) -> Array:
        """Its first output."""
        return self.outputs[0]

    def config(self, name: str, default: Any = None) -> Any:
        """One argument of the layer, or the default where it has none of that name."""
        return getattr(self.layer, name, default)

    def weights(self) -> dict[str, Array]:
        """Variables by their name inside of the layer: ``kernel``, ``bias``."""
        return {
            name_inside(variable.path, self.layer.name): keras.ops.convert_to_numpy(
                variable
            )
            for variable in getattr(self.layer, "variables", ())
            if "seed_generator" not in variable.path
        }

    def rerun(self, inputs: Sequence[Array]) -> Array:
        """First output of the layer on other inputs of Keras's layout."""
        tensors = [keras.ops.convert_to_tensor(a) for a in inputs]
        if self.stage == ACTIVATION:
            return arrays_of(self.layer.activation(tensors[0]))[0]
        rest = iter(tensors)
        arguments, keywords = fill(self.arguments, rest), fill(self.keywords, rest)
        if not self.stage:
            return arrays_of(self.layer(*arguments, **keywords))[0]
        activation = self.layer.activation
        self.layer.__dict__["activation"] = keras.activations.linear
        try:
            return arrays_of(self.layer(*arguments, **keywords))[0]
        finally:
            self.layer.__dict__["activation"] = activation


@dataclass
class KerasTrace:
    """All calls of one run, in order, and what the model returned."""

    calls: list[KerasCall] = field(default_factory=list)
    outputs: tuple[Array, ...] = ()

    def readers(self, call: KerasCall) -> list[KerasCall]:
        """Calls that read what the call wrote."""
        return [other for other in self.calls if call.number in other.parents]

    def descendants(self, call: KerasCall) -> set[int]:
        """Numbers of all calls that depend on the call."""
        found = {call.number}
        for other in self.calls[call.number + 1 :]:
            if found & set(other.parents):
                found.add(other.number)
        return found - {call.number}


def name_inside(path: str, layer: str) -> str:
    """Name of a variable seen from its layer: ``model/conv/kernel`` is ``kernel``."""
    parts = path.split("/")
    return "/".join(parts[parts.index(layer) + 1 :]) if layer in parts else parts[-1]


def is_tensor(value: Any) -> bool:
    """Whether it is a tensor of Keras's backend, or an array."""
    return keras.ops.is_tensor(value) or isinstance(value, np.ndarray)


def tensors_of(value: Any) -> Iterator[Any]:
    """All tensors of a nested structure, in order."""
    if is_tensor(value):
        yield value
    elif isinstance(value, dict):
        for key in value:
            yield from tensors_of(value[key])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_of(part)


def fill(value: Any, tensors: Iterator[Any]) -> Any:
    """Put other tensors into a nested structure, as long as there are some."""
    if is_tensor(value):
        return next(tensors, value)
    if isinstance(value, dict):
        return {key: fill(part, tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(fill(part, tensors) for part in value)
    return value


def arrays_of(value: Any) -> tuple[Array, ...]:
    """Tensors of a structure as arrays."""
    return tuple(keras.ops.convert_to_numpy(tensor) for tensor in tensors_of(value))


def key(array: Array) -> bytes:
    """What two equal arrays have in common: Keras may hand on a copy of a tensor."""
    shape = repr((array.shape, array.dtype.str)).encode()
    return hashlib.blake2b(shape + array.tobytes(), digest_size=16).digest()


def nodes(keras_model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer and operation that is watched, with its path.

    Layers of Keras that hold others (``Bidirectional``, ``TimeDistributed``,
    recurrent cells) are watched as one: what lies in them runs in a loop.
    """
    inside = [
        *getattr(keras_model, "operations", ()),
        # the layers of a class of one's own; Keras has no public name for them
        *keras_model._flatten_layers(include_self=False, recursive=False),
    ]
    seen: set[int] = set()
    for layer in inside:
        if id(layer) in seen or type(layer).__name__ == "InputLayer":
            continue
        seen.add(id(layer))
        path = f"{prefix}{layer.name}"
        if isinstance(layer, keras.Model):
            yield from nodes(layer, f"{path}/")
            continue
        if isinstance(layer, keras.Layer) and not type(layer).__module__.startswith(
            "keras."
        ):
            yield from nodes(layer, f"{path}/")
        yield path, layer


@contextmanager
def watched(keras_model: Any, report: Callable[..., None]) -> Iterator[None]:
    """Report every call of a layer while the context is open.

    The method ``call`` of each instance is hidden by one that reports, and
    uncovered again whatever happens.
    """
    covered: dict[int, Any] = {}
    for path, layer in nodes(keras_model):
        if id(layer) in covered:
            continue
        covered[id(layer)] = layer
        layer.__dict__["call"] = reporting(path, layer, layer.call, report)
    try:
        yield
    finally:
        for layer in covered.values():
            layer.__dict__.pop("call", None)


def has_activation(layer: Any) -> bool:
    """Whether the layer ends in an activation of its own: Dense, convolutions."""
    activation = getattr(layer, "activation", None)
    return (
        callable(activation)
        and getattr(activation, "__name__", "") != "linear"
        and (hasattr(layer, "kernel_initializer") or hasattr(layer, "depth_multiplier"))
        and not hasattr(layer, "recurrent_initializer")
    )


def reporting(
    path: str, layer: Any, call: Callable[..., Any], report: Callable[..., None]
) -> Callable[..., Any]:
    """Give the call of one layer that tells what it read and wrote."""

    def reported(*arguments: Any, **keywords: Any) -> Any:
        if not has_activation(layer):
            result = call(*arguments, **keywords)
            report(path, layer, arguments, keywords, result, "")
            return result
        activation, before = layer.activation, []

        def seen(tensor: Any) -> Any:
            before.append(tensor)
            return activation(tensor)

        layer.__dict__["activation"] = seen
        try:
            result = call(*arguments, **keywords)
        finally:
            layer.__dict__["activation"] = activation
        if len(before) == 1:
            report(path, layer, arguments, keywords, before[0], BEFORE)
            report(f"{path} activation", layer, (before[0],), {}, result, ACTIVATION)
        else:  # a layer that is called again by its own activation, or never
            report(path, layer, arguments, keywords, result, "")
        return result

    return reported


def trace_keras(
    keras_model: Any, feed: Feed, dtype: str, *, training: bool = False
) -> KerasTrace:
    """Run the model eagerly and keep what every layer read and wrote."""
    trace = KerasTrace()
    writers: dict[bytes, int] = {}
    times: dict[str, int] = {}

    def report(
        path: str, layer: Any, arguments: Any, keywords: Any, result: Any, stage: str
    ) -> None:
        times[path] = times.get(path, 0) + 1
        name = path if times[path] == 1 else f"{path}#{times[path]}"
        # masks and flags stand among the keywords, and are no data of the layer
        read = arrays_of(arguments) or arrays_of(keywords)
        wrote = arrays_of(result)
        if not wrote or wrote[0].dtype == bool:  # a mask is no output to compare
            return
        number = len(trace.calls)
        parents = tuple(writers.get(key(array), -1) for array in read)
        kept = {k: v for k, v in keywords.items() if v is not None}
        trace.calls.append(
            KerasCall(number, name, layer, arguments, kept, read, wrote, parents, stage)
        )
        for array in wrote:
            writers[key(array)] = number

    tensors = feed.keras_tensors(dtype)
    with watched(keras_model, report):
        result = keras_model(feed.for_keras(tensors), training=training)
    trace.outputs = arrays_of(result)
    return trace
