"""Random draws of one side, recorded and replayed on the other.

Seeds do not help: both frameworks draw other numbers from the same one. What
Keras's dropout and noise draw is taken down while it runs, and PyTorch's modules
use it instead of drawing. Initial values and the order of the data are handed
over as numbers too.
"""

import copy
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import Sampler

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import channels_first
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.keras_trace import arrays_of, fill, nodes, tensors_of
from migrate_examples.port.parity.precision import flat_layers

DRAWING = (
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
)
"""Layers whose output is input times something drawn plus something drawn."""


@dataclass(frozen=True)
class Draw:
    """What one call drew: its output is ``input * scale + shift``.

    Attributes
    ----------
    layer : str
        Path of the layer of Keras.
    scale, shift : ndarray
        In Keras's layout, of the input's shape.
    """

    layer: str
    scale: Array
    shift: Array


@dataclass
class Draws:
    """All draws of a run, in order."""

    made: list[Draw] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.made)


def check_recordable(keras_model: Any) -> None:
    """Refuse layers that draw inside of a loop, where nothing can listen.

    Raises
    ------
    ParityError
        Naming the recurrent layers with dropout of their own, and random image
        layers.
    """
    deaf = [
        layer.name
        for layer in flat_layers(keras_model)
        if (
            (getattr(layer, "dropout", 0.0) or 0.0) != 0.0
            and hasattr(layer, "recurrent_dropout")
        )
        or type(layer).__name__.startswith("Random")
    ]
    if deaf:
        raise ParityError(
            f"draws of {', '.join(deaf)} cannot be recorded: set dropout to 0 in "
            "recurrent layers, and augment images outside of the model"
        )


@contextmanager
def record(keras_model: Any) -> Iterator[Draws]:
    """Take down what dropout and noise of a Keras model draw, call by call.

    The model draws as it would alone, from the same generators, and is given
    back its methods afterwards.

    Raises
    ------
    ParityError
        On recurrent layers with dropout and random image layers.
    """
    check_recordable(keras_model)
    draws = Draws()
    covered = []
    paths = {id(layer): path for path, layer in nodes(keras_model)}
    for layer in flat_layers(keras_model):
        if type(layer).__name__ in DRAWING:
            path = paths.get(id(layer), layer.name)
            # the outermost call of several that watch
            before = layer.__dict__.get("call")
            covered.append((layer, before))
            layer.__dict__["call"] = listening(path, layer, layer.call, draws)
    try:
        yield draws
    finally:
        for layer, before in covered:
            if before is None:
                layer.__dict__.pop("call", None)
            else:
                layer.__dict__["call"] = before


def listening(
    path: str, layer: Any, call: Callable[..., Any], draws: Draws
) -> Callable[..., Any]:
    """Give a layer's call that draws once and takes the draw down."""

    def listened(*arguments: Any, **keywords: Any) -> Any:
        given = next(tensors_of([arguments, keywords]))
        state = (
            keras.ops.convert_to_numpy(layer.seed_generator.state).copy()
            if hasattr(layer, "seed_generator")
            else None
        )
        result = call(*arguments, **keywords)
        if state is None or np.array_equal(
            state, keras.ops.convert_to_numpy(layer.seed_generator.state)
        ):
            return result  # evaluation: nothing was drawn
        after = keras.ops.convert_to_numpy(layer.seed_generator.state).copy()
        parts = []
        for value in (keras.ops.zeros_like(given), keras.ops.ones_like(given)):
            layer.seed_generator.state.assign(state)
            again = fill((arguments, keywords), iter([value]))
            parts.append(arrays_of(call(*again[0], **again[1]))[0])
        layer.seed_generator.state.assign(after)
        draws.made.append(Draw(path, parts[1] - parts[0], parts[0]))
        return result

    return listened


def in_layout(array: Array, x: Tensor) -> Tensor:
    """A draw of Keras for a tensor of the port.

    Raises
    ------
    ParityError
        Where the shapes do not fit: the draws are in another order.
    """
    shape = tuple(x.shape)
    moved = channels_first(array)
    image = array.ndim > 3 and moved.shape == shape
    if not image and array.shape != shape:
        if moved.shape != shape:
            raise ParityError(
                f"a draw of shape {array.shape} does not fit {shape} of the port: "
                "give pairs of layer and module"
            )
        image = True
    chosen = np.ascontiguousarray(moved if image else array)
    return torch.from_numpy(chosen.copy()).to(x)


class Dispenser:
    """Hands the draws out, in order or by layer."""

    def __init__(self, draws: Draws, pairs: Mapping[str, str]) -> None:
        self.left = list(draws.made)
        self.layer_of = {module: layer for layer, module in pairs.items()}

    def take(self, module: str, x: Tensor) -> Tensor:
        """Apply the next draw of the module to a tensor."""
        layer = self.layer_of.get(module)
        for number, draw in enumerate(self.left):
            if layer in (None, draw.layer):
                del self.left[number]
                return x * in_layout(draw.scale, x) + in_layout(draw.shift, x)
        raise ParityError(
            "the port draws more often than Keras: nothing left for "
            f"{module or 'F.dropout'}"
        )


class Functional(TorchFunctionMode):
    """Replaces ``F.dropout`` and its kin while the mode is on."""

    def __init__(self, dispenser: Dispenser) -> None:
        super().__init__()
        self.dispenser = dispenser

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        if "dropout" in name and args and isinstance(args[0], Tensor):
            keywords = kwargs or {}
            training = keywords.get("training", args[2] if len(args) > 2 else True)
            return self.dispenser.take("", args[0]) if training else args[0]
        return func(*args, **(kwargs or {}))


def draws_itself(module: nn.Module) -> bool:
    """Whether a module without parts is dropout or noise by its class."""
    name = type(module).__name__
    return not list(module.children()) and ("Dropout" in name or "Noise" in name)


@contextmanager
def replay(
    module: nn.Module,
    draws: Draws,
    pairs: Mapping[str, str] | None = None,
    *,
    all_used: bool = True,
) -> Iterator[None]:
    """Let dropout and noise of a port use recorded draws while the context is open.

    Modules are given a forward of their own, which is taken away afterwards;
    ``F.dropout`` is replaced too. Modules in evaluation mode draw nothing.

    Parameters
    ----------
    pairs : mapping of str to str, optional
        Layer of Keras to dropout module of the port; else in the order of calls.
    all_used : bool
        Refuse draws that are left over.

    Raises
    ------
    ParityError
        Where one side draws more often than the other, or shapes do not fit.
    """
    dispenser = Dispenser(draws, pairs or {})
    covered = []
    for name, part in module.named_modules():
        if draws_itself(part) and "forward" not in part.__dict__:
            covered.append(part)
            part.forward = types.MethodType(replaying(name, dispenser), part)
    with ExitStack() as stack:
        for part in covered:
            stack.callback(part.__dict__.pop, "forward", None)
        stack.enter_context(Functional(dispenser))
        yield
    if dispenser.left and all_used:
        raise ParityError(
            f"Keras draws more often than the port: {len(dispenser.left)} left, the "
            f"first of {dispenser.left[0].layer}"
        )


def replaying(name: str, dispenser: Dispenser) -> Callable[[nn.Module, Tensor], Tensor]:
    """Give a forward that uses the next draw in training mode."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return dispenser.take(name, x) if self.training else x

    return forward


def weights_to_keras(module: nn.Module, keras_model: Any, **arguments: Any) -> None:
    """Give a Keras model the weights of a port, laid out as Keras wants them.

    The other way is :func:`migrate_examples.port.transfer.transfer`, and where
    each number goes is found by it: numbered weights are transferred, and read
    back. Two biases of a recurrent layer are added. ``arguments`` are transfer's:
    ``mapping``, ``flattened``.

    Raises
    ------
    TransferError
        Where the port has no place for a weight of Keras.
    ParityError
        Where a weight of Keras is found nowhere in the port.
    """
    from migrate_examples.port.transfer import transfer  # noqa: PLC0415  it is large

    numbered, count = keras_model.get_weights(), 0
    kept = [w.copy() for w in numbered]
    labels = []
    for array in kept:
        labels.append(np.arange(count + 1, count + 1 + array.size).reshape(array.shape))
        count += array.size
    target = copy.deepcopy(module).double()
    try:
        keras_model.set_weights(
            [(n / count).astype(k.dtype) for n, k in zip(labels, kept, strict=True)]
        )
        transfer(keras_model, target, **arguments)
    finally:
        keras_model.set_weights(kept)
    found = np.full(count + 1, np.nan)
    mine = module.state_dict()
    for name, places in target.state_dict().items():
        index = np.rint(places.double().numpy() * count).astype(int)
        if "num_batches" in name or not index.any() or (index < 0).any():
            continue
        value = mine[name].double().numpy()
        second = mine.get(name.replace("bias_ih", "bias_hh"))
        if "bias_ih" in name and second is not None:
            partner = target.state_dict()[name.replace("bias_ih", "bias_hh")]
            value = value + (0.0 if partner.any() else second.double().numpy())
        found[index] = value
    if np.isnan(found[1:]).any():
        lost = [
            v.path
            for v, n in zip(keras_model.weights, labels, strict=True)
            if np.isnan(found[n]).any()
        ]
        raise ParityError(f"the port has no numbers for {', '.join(lost)}")
    keras_model.set_weights(
        [found[n].astype(k.dtype) for n, k in zip(labels, kept, strict=True)]
    )


class Shuffles(Sampler[int]):
    """One order of the data for both sides, another one every epoch.

    For PyTorch it is a sampler; for Keras, fit one epoch at a time with
    ``shuffle=False`` on data that were put into :meth:`order`.

    >>> shuffles = Shuffles(4, seed=1)
    >>> list(shuffles) == shuffles.order(0).tolist()
    True
    >>> list(shuffles) == shuffles.order(1).tolist()
    True
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def order(self, epoch: int) -> Array:
        """Indices of one epoch, (count,)."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)

    def arrange(self, epoch: int, *arrays: Array) -> tuple[Array, ...]:
        """Data in the order of one epoch, for Keras's fit."""
        order = self.order(epoch)
        return tuple(array[order] for array in arrays)

    def __iter__(self) -> Iterator[int]:
        order = self.order(self.epoch)
        self.epoch += 1
        return iter(order.tolist())

    def __len__(self) -> int:
        return self.count
