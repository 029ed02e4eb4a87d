"""Weights into a module of one's own: matched, laid out, proven, and then copied."""

from collections.abc import Sequence

import torch
from torch import nn

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts import LayoutError
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer.ledger import Entry, Ledger, TransferError
from migrate_examples.port.transfer.mapping import Mapped
from migrate_examples.port.transfer.matching import Match, Outcome, match_all
from migrate_examples.port.transfer.notes import notes_on
from migrate_examples.port.transfer.optimizer import keras_epsilon, transfer_optimizer
from migrate_examples.port.transfer.orders import Flattening
from migrate_examples.port.transfer.outputs import check_outputs
from migrate_examples.port.transfer.probe import proofs
from migrate_examples.port.transfer.sources import Source, archive_from
from migrate_examples.port.transfer.targets import tensor_of

__all__ = [
    "Entry",
    "Ledger",
    "TransferError",
    "keras_epsilon",
    "transfer",
    "transfer_optimizer",
]


def transfer(
    source: Source,
    module: nn.Module,
    mapping: Mapped | None = None,
    *,
    flattened: Flattening = None,
    reshaped: Flattening = None,
    keep: Sequence[str] = (),
    inputs: Array | None = None,
) -> Ledger:
    """Load the weights of a Keras model into a module.

    Each variable is used once, and each parameter and buffer filled once
    (``num_batches_tracked`` aside), or nothing is loaded at all.

    Parameters
    ----------
    source : path, Archive, keras.Model or mapping of arrays
        Where the weights are.
    module : nn.Module
        Where they go, in the dtype and on the device of its tensors.
    mapping : mapping, optional
        Layers or variables to modules or tensors, by name or by pattern:
        ``{"encoder/conv*": "backbone.conv*", "head": None}``. None leaves a layer out.
        ``(tensor, axes)`` or ``(tensor, function)`` says how to lay a variable out.
        The rest is paired by equal names, then by order and shape.
    flattened : tuple or mapping, optional
        The shape ``(h, w, c)`` that is flattened in front of a Dense, or these by the
        Dense's name. Found in the config where there is one; ``()`` says that the
        module flattens channels last as Keras does.
    reshaped : tuple or mapping, optional
        Likewise, the shape that the result of a Dense is reshaped to.
    keep : sequence of str
        Patterns of tensors that keep their values: ``"head.*"``.

    inputs : ndarray, optional
        An input of the model, where the source is one in memory: the outputs of both
        sides are compared before anything is loaded. That alone proves which of several
        layers of one shape is which.

    Returns
    -------
    Ledger
        What matched what, with which layout, and what proves it.

    Raises
    ------
    TransferError
        Something is left over or does not fit, or a layout was proven wrong. It lists
        everything, and the module is as it was.

    Examples
    --------
    >>> import numpy as np
    >>> kernel, bias = np.ones((3, 2), "float32"), np.zeros(2, "float32")
    >>> arrays = {"fc/kernel": kernel, "fc/bias": bias}
    >>> print(transfer(arrays, nn.Sequential(nn.Linear(3, 2))))
    source     target    shape   layout                  proven by
    fc/kernel  0.weight  (2, 3)  (in, out) -> (out, in)  shape
    fc/bias    0.bias    (2,)    as it is                shape
    """
    archive = archive_from(source)
    try:
        outcome = match_all(archive, module, mapping, flattened, reshaped, keep)
    except ValueError as error:
        raise TransferError([str(error)]) from error
    laid = _lay(outcome, module)
    if outcome.problems:
        raise TransferError(outcome.problems)
    proven = proofs(laid, module)
    if proven.problems:
        raise TransferError(proven.problems)
    if inputs is not None:
        try:
            outcome.notes.append(check_outputs(source, inputs, module, laid))
        except ValueError as error:
            raise TransferError([str(error)]) from error
    ledger = _ledger(outcome, laid, proven.by_tensor)
    _copy(laid, module)
    return ledger


Laid = list[tuple[Match, dict[str, Filled]]]


def _lay(outcome: Outcome, module: nn.Module) -> Laid:
    """Lay all matches out; whatever does not fit becomes a problem."""
    shapes = {name: tuple(t.shape) for name, t in module.state_dict().items()}
    laid: Laid = []
    filled: dict[str, str] = {}
    for match in outcome.matches:
        try:
            tensors = match.lay(match.layer.arrays)
        except LayoutError as error:
            outcome.problems.append(f"{match.layer.name}: {error}")
            continue
        for name, f in tensors.items():
            source = ", ".join(f"{match.layer.name}/{s}" for s in f.sources)
            if f.array.shape != shapes[name]:
                outcome.problems.append(
                    f"{source}, laid out as {f.array.shape} ({f.layout}), does not fit "
                    f"{name} {shapes[name]}"
                )
            if name in filled:
                outcome.problems.append(
                    f"{name} would be filled twice: by {filled[name]} and by {source}"
                )
            filled[name] = source
        laid.append((match, tensors))
    return laid


def _ledger(outcome: Outcome, laid: Laid, proven: dict[str, str]) -> Ledger:
    entries = [
        Entry(
            target=name,
            shape=f.array.shape,
            sources=tuple(f"{match.layer.name}/{s}" for s in f.sources),
            layout=f.layout,
            proof=proven[name],
        )
        for match, tensors in laid
        for name, f in tensors.items()
    ]
    return Ledger(
        entries=tuple(entries),
        unused=tuple(outcome.unused),
        kept=tuple(outcome.kept),
        notes=(*outcome.notes, *notes_on(laid)),
        matches=tuple(outcome.matches),
    )


def _copy(laid: Laid, module: nn.Module) -> None:
    """Copy everything; all that could fail has been checked before."""
    tensors = module.state_dict(keep_vars=True)
    with torch.no_grad():
        for _, filled in laid:
            for name, f in filled.items():
                tensors[name].copy_(tensor_of(f.array))
