"""What weights do not carry: arguments in which a module differs from its layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.placing import Match

BATCH_NORM = nn.modules.batchnorm._BatchNorm  # the class of all of them


def notes_on(laid: Sequence[tuple[Match, Mapping[str, Filled]]]) -> list[str]:
    """Differences of arguments, and values that are not finite, in sentences."""
    notes: list[str] = []
    for match, filled in laid:
        notes += _values(match, filled)
        config = match.layer.config
        if config is None:
            continue
        for unit in match.units:
            notes += (
                f"{match.layer.name} -> {unit.name or 'itself'}: {note}"
                for note in _arguments(config, unit.module)
            )
    return notes


def _values(match: Match, filled: Mapping[str, Filled]) -> Iterator[str]:
    tensors = {
        unit.full(name): tensor
        for unit in match.units
        for name, tensor in unit.module.state_dict().items()
    }
    for name, f in filled.items():
        if f.array.dtype.kind == "f" and not np.isfinite(f.array).all():
            count = int((~np.isfinite(f.array)).sum())
            yield f"{name}: {count} of {f.array.size} values are not finite"
        if not f.sources and name.rpartition(".")[2].startswith("bias_hh"):
            yield f"{name}: zeros, as Keras has one bias; freeze it before training"
        tensor = tensors.get(name)
        narrower = tensor is not None and tensor.element_size() < f.array.itemsize
        if narrower and f.array.dtype.kind == "f" and f.sources:
            yield f"{name}: {f.array.dtype} was rounded to {tensor.dtype}"  # type: ignore[union-attr]  # narrower says that there is one


def _arguments(config: Mapping[str, Any], module: nn.Module) -> Iterator[str]:
    epsilon, eps = config.get("epsilon"), getattr(module, "eps", None)
    if epsilon is not None and eps is not None and not np.isclose(epsilon, eps):
        yield f"epsilon is {epsilon} in Keras, eps {eps} in the module"
    if isinstance(module, BATCH_NORM) and "momentum" in config:
        wanted = 1 - config["momentum"]
        if module.momentum is None or not np.isclose(wanted, module.momentum):
            yield (
                f"momentum={config['momentum']} of Keras is {wanted:.4g} in PyTorch, "
                f"the module has {module.momentum}"
            )
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        yield from _windows(config, module)
    if isinstance(module, nn.LSTM | nn.GRU):
        yield from _activations(config)


def _windows(
    config: Mapping[str, Any], module: nn.Conv1d | nn.Conv2d | nn.Conv3d
) -> Iterator[str]:
    if int(np.prod(module.kernel_size)) == 1:
        return
    for theirs, ours in (("strides", "stride"), ("dilation_rate", "dilation")):
        given = config.get(theirs)
        if given is None:
            continue
        wanted = tuple(given) if isinstance(given, Sequence) else (given,)
        have = tuple(getattr(module, ours))
        if len(wanted) == len(have) and wanted != have:
            yield f"{theirs} are {wanted} in Keras, {ours} {have} in the module"
    if config.get("padding") == "same" and max(module.stride) > 1:
        yield (
            "padding='same' with strides pads more behind than in front: "
            "pad by hand in front of this module, and let it pad nothing"
        )


def _activations(config: Mapping[str, Any]) -> Iterator[str]:
    layer = config.get("layer")
    inner = layer.get("config", {}) if isinstance(layer, Mapping) else config
    expected = (("activation", "tanh"), ("recurrent_activation", "sigmoid"))
    for word, fixed in expected:
        if inner.get(word, fixed) != fixed:
            yield f"{word}={inner[word]!r} in Keras, always {fixed} in the module"
