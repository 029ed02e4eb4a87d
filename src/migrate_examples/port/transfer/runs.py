"""One layer, ready to be run on both sides: its inputs, its reference, its module."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the field's name

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts.recurrent import GATES
from migrate_examples.port.layouts.variables import Variables, channels_first
from migrate_examples.port.transfer.attending import (
    Attending,
    NotRunError,
    attending,
)
from migrate_examples.port.transfer.kinds import is_own
from migrate_examples.port.transfer.placing import Match, carried_arrays
from migrate_examples.port.transfer.reference import REFERENCES
from migrate_examples.port.transfer.targets import Unit

Values = Mapping[str, Tensor]
"""Tensors of one unit by their name inside it."""
BATCH, STEPS = 3, 4
ATTENTION = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")
LARGE = 2**22
"""Weights from which on a Dense is probed on some of its columns alone."""


@dataclass
class Run:
    """A layer with probe weights and probe inputs.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The weights, by variable.
    wanted : ndarray
        What the Keras layer computes.
    module : nn.Module
        What is run.
    torch : callable
        What the module computes with tensors given by name in the network.
    """

    arrays: dict[str, Array]
    wanted: Array
    module: nn.Module
    torch: Callable[[Mapping[str, Array]], Array]


def run_of(match: Match, network: nn.Module, rng: np.random.Generator) -> Run:
    """Prepare a layer to be run.

    Raises
    ------
    NotRunError
        There is no reference of its class, or no way to call the module.
    """
    kind = match.class_name
    if kind not in REFERENCES:
        raise NotRunError(f"no reference of a {kind or 'layer of unknown class'}")
    if not match.units:
        raise NotRunError("it fills no module")
    arrays = probe_weights(match, rng)
    module, name = _module_of(match, network)
    attention = attending(module) if kind in ATTENTION else None
    inputs = (
        probe_inputs(match, arrays, rng)
        if attention is None
        else attention.inputs(arrays, rng)
    )
    layer = Variables(kind, _config(match, module), arrays)
    wanted = REFERENCES[kind](layer, inputs)
    tensors = [torch.from_numpy(x) for x in inputs]

    def run(laid: Mapping[str, Array]) -> Array:
        given = {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in laid.items()}
        with torch.no_grad():
            return _run(match, module, name, given, tensors, attention).numpy()

    return Run(arrays, wanted, module, run)


def probe_weights(match: Match, rng: np.random.Generator) -> dict[str, Array]:
    """Random weights in float64; positive where there may be a variance."""
    shapes = {n: a.shape for n, a in carried_arrays(match.layer).items()}
    first = next(iter(shapes.values()))
    large = match.class_name == "Dense" and prod(first) > LARGE
    if large and not _reshaped(match):
        shapes = {n: (*s[:-1], min(8, s[-1])) for n, s in shapes.items()}
    arrays = {n: rng.normal(size=shape) for n, shape in shapes.items()}
    if match.class_name in {"BatchNormalization", "Normalization"}:
        return {n: np.abs(a) + 0.5 for n, a in arrays.items()}
    return arrays


def _reshaped(match: Match) -> bool:
    square = {
        a.shape[0] == a.shape[-1] for a in match.layer.arrays.values() if a.ndim > 1
    }
    return bool(match.options.get("unflattened")) or any(square)


def _module_of(match: Match, network: nn.Module) -> tuple[nn.Module, str]:
    """Return the module to run, and its name: the only one, or the common parent."""
    if len(match.units) == 1:
        return match.units[0].module, match.units[0].name
    parents = {unit.parent for unit in match.units}
    if len(parents) > 1:
        raise NotRunError(f"its tensors lie in {', '.join(sorted(parents))}")
    (name,) = parents
    return network.get_submodule(name), name


def _config(match: Match, module: nn.Module) -> dict[str, Any]:
    """Config of the layer, with the arguments of the module that are no layout."""
    config = dict(match.layer.config or {})
    eps = getattr(module, "eps", None)
    config["epsilon"] = eps if eps is not None else float(np.finfo(np.float64).eps)
    config["groups"] = getattr(module, "num_groups", config.get("groups", 1))
    if match.class_name == "Bidirectional" and "layer" not in config:
        config["layer"] = {"class_name": KIND_OF.get(type(module), "LSTM")}
    return config


KIND_OF = {nn.RNN: "SimpleRNN", nn.LSTM: "LSTM", nn.GRU: "GRU"}


def probe_inputs(
    match: Match, arrays: Mapping[str, Array], rng: np.random.Generator
) -> list[Array]:
    """Inputs as the Keras layer takes them, as small as they can be."""
    kind = match.class_name
    first = next(iter(arrays.values()))
    if kind == "Embedding":
        return [rng.integers(0, first.shape[0], size=(BATCH, STEPS))]
    if kind.removesuffix("Cell") in {*GATES, "Bidirectional", "RNN"}:
        return [rng.normal(size=(BATCH, STEPS, first.shape[0]))]
    return [rng.normal(size=(BATCH, *_shape(match, first)))]


def _shape(match: Match, first: Array) -> tuple[int, ...]:
    """Shape of one input of a layer that takes one tensor."""
    kind = match.class_name
    if kind == "Dense":
        return (first.shape[0],)
    if "Transpose" in kind:
        return (first.shape[-1],)
    if "Depthwise" in kind or "Separable" in kind:
        return first.shape[:-1]
    if "Conv" in kind:
        return (*first.shape[:-2], first.shape[-2] * _groups(match))
    return first.shape


def _groups(match: Match) -> int:
    return int(getattr(match.units[0].module, "groups", 1))


def _run(
    match: Match,
    module: nn.Module,
    name: str,
    given: Values,
    inputs: list[Tensor],
    attention: Attending | None,
) -> Tensor:
    """Run the module, or the function that it calls."""
    for kinds, function in FUNCTIONS.items():
        if match.class_name in kinds and not any(is_own(u.module) for u in match.units):
            return function(match, [_local(u, given) for u in match.units], inputs)
    if any(isinstance(module, kind) for kind in (nn.Sequential, nn.ModuleList)):
        raise NotRunError(f"{name or 'the module'} is a {type(module).__name__}")
    twin = copy.deepcopy(module).double().eval()
    cut = f"{name}." if name else ""
    own = {n.removeprefix(cut): t for n, t in given.items() if n.startswith(cut)}
    try:
        twin.load_state_dict(own, strict=False)
        return (
            attention.call(twin, inputs) if attention else _called(match, twin, inputs)
        )
    except NotRunError:
        raise
    except Exception as error:  # whatever a module of one's own raises
        raise NotRunError(
            f"{type(module).__name__} could not be run on probe values: {error}"
        ) from error


def _local(unit: Unit, given: Values) -> dict[str, Tensor]:
    """Tensors of a unit by their own names; those not given as they are."""
    state = unit.module.state_dict()
    return {
        n: given[unit.full(n)] if unit.full(n) in given else t.double()
        for n, t in state.items()
    }


def _linear(match: Match, units: list[dict[str, Tensor]], x: list[Tensor]) -> Tensor:
    (tensors,) = units
    given = _reordered(x[0], match.options.get("flattened"))
    out = F.linear(given, tensors["weight"], tensors.get("bias"))
    return _restored(out, match.options.get("unflattened"))


def _reordered(x: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """Features as PyTorch flattens them, from features as Keras does."""
    if not shape:
        return x
    return torch.from_numpy(channels_first(("input", x.numpy()), shape, 1)[0])


def _restored(x: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """Features as Keras flattens them, from features as PyTorch does."""
    if not shape:
        return x
    picture: Tensor = x.unflatten(1, (shape[-1], *shape[:-1]))
    return picture.movedim(1, -1).flatten(1)


CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _convolve(match: Match, units: list[dict[str, Tensor]], x: list[Tensor]) -> Tensor:
    """Convolve one window, by the modules one after the other."""
    out = x[0].movedim(-1, 1)
    for unit, tensors in zip(match.units, units, strict=True):
        weight, groups = tensors["weight"], int(getattr(unit.module, "groups", 1))
        function: Callable[..., Tensor] = CONVOLVE[weight.ndim - 2]
        out = function(out, weight, tensors.get("bias"), groups=groups)
    return out.flatten(1)


def _transpose(match: Match, units: list[dict[str, Tensor]], x: list[Tensor]) -> Tensor:
    (tensors,) = units
    rank = tensors["weight"].ndim - 2
    place = x[0].reshape(*x[0].shape, *[1] * rank)
    function = TRANSPOSED[rank]
    out = function(place, tensors["weight"], tensors.get("bias"), groups=_groups(match))
    return out.movedim(1, -1)


def _normalise(match: Match, units: list[dict[str, Tensor]], x: list[Tensor]) -> Tensor:
    (tensors,), module = units, match.units[0].module
    shape = match.options.get("flattened") or match.options.get("unflattened")
    given = _reordered(x[0], shape)
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if isinstance(module, nn.LayerNorm):
        out = F.layer_norm(given, module.normalized_shape, weight, bias, module.eps)
    elif isinstance(module, nn.RMSNorm):
        out = F.rms_norm(given, module.normalized_shape, weight, module.eps)
    elif isinstance(module, nn.GroupNorm):
        out = F.group_norm(given, module.num_groups, weight, bias, module.eps)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        mean, variance = tensors["running_mean"], tensors["running_var"]
        out = F.batch_norm(given, mean, variance, weight, bias, eps=module.eps)
    else:
        raise NotRunError(f"no way to run a {type(module).__name__} by itself")
    return _restored(out, shape)


def _look_up(match: Match, units: list[dict[str, Tensor]], x: list[Tensor]) -> Tensor:  # noqa: ARG001  # every function is called alike
    return F.embedding(x[0], units[0]["weight"])


def _prelu(match: Match, units: list[dict[str, Tensor]], x: list[Tensor]) -> Tensor:
    given = _reordered(x[0], match.options.get("flattened"))
    out = F.prelu(given.movedim(-1, 1), units[0]["weight"]).movedim(1, -1)
    return _restored(out, match.options.get("flattened"))


FUNCTIONS: Mapping[tuple[str, ...], Callable[..., Tensor]] = {
    ("Dense",): _linear,
    (
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
    ): _convolve,
    ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"): _transpose,
    (
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "RMSNormalization",
    ): _normalise,
    ("Embedding",): _look_up,
    ("PReLU",): _prelu,
}
"""What stock modules call, padding and strides aside: they are no matter of layout."""


def _called(match: Match, twin: nn.Module, inputs: list[Tensor]) -> Tensor:
    """Call a module as its layer is called; the first of several results."""
    if isinstance(twin, nn.RNN | nn.LSTM | nn.GRU):
        x = inputs[0] if twin.batch_first else inputs[0].transpose(0, 1)
        out: Tensor = twin(x)[0]
        return out if twin.batch_first else out.transpose(0, 1)
    if isinstance(twin, nn.RNNCell | nn.GRUCell | nn.LSTMCell):
        return _stepped(twin, inputs[0])
    result = twin(_first(match, inputs[0]))
    result = result[0] if isinstance(result, tuple) else result
    return _last(match, result)


def _stepped(cell: nn.RNNCell | nn.GRUCell | nn.LSTMCell, x: Tensor) -> Tensor:
    """All states of a cell, step by step."""
    state: Any = None
    states = []
    for step in x.unbind(1):
        state = cell(step, state)
        states.append(state[0] if isinstance(cell, nn.LSTMCell) else state)
    return torch.stack(states, 1)


def _first(match: Match, x: Tensor) -> Tensor:
    return x.movedim(-1, 1) if "Conv" in match.class_name and x.ndim > 2 else x


def _last(match: Match, x: Tensor) -> Tensor:
    return x.flatten(1) if "Conv" in match.class_name else x
