"""The modules of a network that hold tensors, in the order of its definition."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from migrate_examples.port.archive import Array

COUNTER = "num_batches_tracked"
"""Counts batches; nothing reads it unless momentum is None, and Keras has none."""


@dataclass(frozen=True)
class Unit:
    """A module with its own tensors.

    Attributes
    ----------
    name : str
        Dotted, empty for the network itself.
    module : nn.Module
        The module.
    tensors : dict of str to Tensor
        Parameters and buffers by name inside the module; tied ones only where they
        are met first.
    """

    name: str
    module: nn.Module
    tensors: dict[str, Tensor]

    def full(self, local: str) -> str:
        """Name of a tensor in the whole network."""
        return f"{self.name}.{local}" if self.name else local

    @property
    def parent(self) -> str:
        """Name of the module that holds this one."""
        return self.name.rpartition(".")[0]


def units_of(network: nn.Module) -> tuple[list[Unit], dict[str, str]]:
    """Units of a network, and its tied tensors with the name they are filled under.

    Raises
    ------
    ValueError
        Tensors that a lazy module has not made, or that a parametrization computes.
    """
    units: list[Unit] = []
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    inside: set[str] = set()
    for name, module in network.named_modules():
        if name in inside:
            continue
        _check(name, module)
        whole = isinstance(module, nn.MultiheadAttention)
        if whole:
            inside.update(f"{name}.{n}".lstrip(".") for n, _ in module.named_modules())
        held = _tensors(module, recurse=whole)
        own: dict[str, Tensor] = {}
        for local, tensor in held.items():
            full = f"{name}.{local}" if name else local
            if id(tensor) in first:
                tied[full] = first[id(tensor)]
            else:
                first[id(tensor)] = full
                own[local] = tensor
        if own:
            units.append(Unit(name, module, own))
    return units, tied


def _tensors(module: nn.Module, *, recurse: bool) -> dict[str, Tensor]:
    """Parameters, then the buffers that the state dict has."""
    kept = set(module.state_dict(keep_vars=True))
    parameters = module.named_parameters(recurse=recurse, remove_duplicate=False)
    buffers = module.named_buffers(recurse=recurse, remove_duplicate=False)
    return {
        **dict(parameters),
        **{n: b for n, b in buffers if n in kept and not n.endswith(COUNTER)},
    }


def _check(name: str, module: nn.Module) -> None:
    if parametrize.is_parametrized(module):
        raise ValueError(
            f"{name or 'the module'} is parametrized (weight or spectral norm): "
            "transfer before parametrizing, or call remove_parametrizations first"
        )
    lazy = getattr(module, "has_uninitialized_params", None)
    if lazy is not None and lazy():
        raise ValueError(
            f"{name or 'the module'} is lazy and has no shapes yet: run it "
            "once on a batch"
        )


def tensor_of(array: Array) -> Tensor:
    """Copy an array into a tensor; dtypes that numpy lacks (bfloat16) go by float32."""
    if array.dtype.kind == "V" or array.dtype.isbuiltin != 1:
        array = array.astype(np.float32)
    return torch.from_numpy(np.array(array, order="C"))
