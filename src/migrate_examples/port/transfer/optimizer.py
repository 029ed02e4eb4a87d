"""The state of an optimizer, laid out as its parameters are: training resumes."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer, RMSprop

from migrate_examples.port.archive import Archive, Array
from migrate_examples.port.transfer.ledger import Entry, Ledger, TransferError
from migrate_examples.port.transfer.placing import Match, carried_arrays
from migrate_examples.port.transfer.slots import SlotError, Slots, paired, slots_of
from migrate_examples.port.transfer.sources import Source, archive_from
from migrate_examples.port.transfer.targets import tensor_of

NOT_TRAINED = ("moving_mean", "moving_variance")
"""Variables that no optimizer sees."""


@dataclass(frozen=True)
class Rule:
    """How the state of a family of optimizers is called on both sides.

    Attributes
    ----------
    family : str
        As Keras calls it.
    states : mapping of str to str
        Slot of Keras to state of PyTorch.
    per_rate : tuple of str
        Slots in which Keras keeps the learning rate.
    """

    family: str
    states: Mapping[str, str]
    per_rate: tuple[str, ...] = ()


ADAM = Rule(
    "Adam",
    {
        "momentum": "exp_avg",
        "velocity": "exp_avg_sq",
        "velocity_hat": "max_exp_avg_sq",
    },
)
RULES: tuple[tuple[type[Optimizer], Rule], ...] = (
    (Adam, ADAM),
    (torch.optim.AdamW, ADAM),
    (SGD, Rule("SGD", {"momentum": "momentum_buffer"}, ("momentum",))),
    (
        RMSprop,
        Rule(
            "RMSprop",
            {
                "velocity": "square_avg",
                "momentum": "momentum_buffer",
                "average_gradient": "grad_avg",
            },
            ("momentum",),
        ),
    ),
)
SIGN = {"SGD": -1.0}
"""Keras adds its velocity to the weights, PyTorch subtracts its buffer."""


def transfer_optimizer(
    source: Source | Any, optimizer: Optimizer, module: nn.Module, ledger: Ledger
) -> Ledger:
    """Load the state of a Keras optimizer, so that training resumes where it was.

    Parameters
    ----------
    source : path, Archive, keras.Model or keras.Optimizer
        Where the state is: the source of the weights, or the optimizer itself.
    optimizer : torch.optim.Adam, AdamW, SGD or RMSprop
        Made with the learning rate, betas and momentum of the Keras optimizer.
    module : nn.Module
        Whose parameters it steps.
    ledger : Ledger
        Of the transfer of the weights.

    Returns
    -------
    Ledger
        An entry for each tensor of state; notes on what Keras computes differently.

    Raises
    ------
    TransferError
        A parameter of the optimizer has no state in the source, or another family of
        optimizers was saved; the optimizer is as it was.

    Notes
    -----
    Keras's SGD keeps ``m = momentum * m - lr * g``, PyTorch's ``buf = momentum * buf
    + g``: ``buf = -m / lr``. RMSprop's momentum keeps the learning rate as well. Adam's
    epsilon stands before the correction of the bias: see ``keras_epsilon``.
    """
    rule = _rule(optimizer)
    names = {id(p): name for name, p in module.named_parameters()}
    variables = _trainable(ledger.matches)
    try:
        slots = slots_of(_state(source), rule.family, len(variables))
        laid = _laid(ledger.matches, slots, variables)
    except SlotError as error:
        raise TransferError([str(error)]) from error
    problems = _problems(rule, optimizer, slots)
    new: dict[nn.Parameter, dict[str, Any]] = {}
    entries: list[Entry] = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names.get(id(parameter), "a parameter of another module")
            states = {s: t[name] for s, t in laid.items() if name in t}
            problem = _without_state(name, parameter, bool(states), bool(laid))
            if problem:
                problems.append(problem)
            elif parameter.requires_grad:
                scale = _scales(rule, slots, group)
                new[parameter] = _state_of(
                    rule, slots, states, scale, parameter, entries, name
                )
    if problems:
        raise TransferError(problems)
    for parameter, state in new.items():
        optimizer.state[parameter] = state
    return Ledger(tuple(entries), notes=tuple(_notes(rule, optimizer, slots, ledger)))


def keras_epsilon(optimizer: Adam, epsilon: float = 1e-7) -> Callable[[], None]:
    """Let an Adam or AdamW add epsilon where Keras does; return what undoes it.

    Keras adds it to the root of the second moment before the correction of its bias,
    PyTorch after it: at step t its eps is ``epsilon / sqrt(1 - beta2**t)``, set in
    front of each step.

    >>> weight = nn.Parameter(torch.ones(1))
    >>> adam = Adam([weight])
    >>> undo = keras_epsilon(adam, 1e-7)
    >>> weight.sum().backward(); adam.step(); adam.param_groups[0]["eps"]
    3.16e-06
    """

    def set_epsilon(stepped: Optimizer, *_: Any) -> None:
        for group in stepped.param_groups:
            states = [stepped.state[p] for p in group["params"] if p in stepped.state]
            taken = max((float(s["step"]) for s in states if "step" in s), default=0)
            group["eps"] = epsilon / math.sqrt(1 - group["betas"][1] ** (taken + 1))

    return optimizer.register_step_pre_hook(set_epsilon).remove


def _rule(optimizer: Optimizer) -> Rule:
    for kind, rule in RULES:
        if isinstance(optimizer, kind):
            return rule
    raise TransferError(
        [
            f"no state for a torch.optim.{type(optimizer).__name__} is known, but for "
            f"{', '.join(kind.__name__ for kind, _ in RULES)}"
        ]
    )


def _state(source: Any) -> Mapping[str, Array]:
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.optimizers.Optimizer):
        from migrate_examples.port.live import state_of  # noqa: PLC0415  # needs Keras

        return state_of(source)
    archive: Archive = archive_from(source)
    return archive.optimizer


def _trainable(matches: Sequence[Match]) -> dict[str, tuple[int, ...]]:
    """Shapes of the variables that Keras trains, in its order."""
    return {
        f"{match.layer.name}/{name}": array.shape
        for match in matches
        if (match.layer.config or {}).get("trainable", True)
        and match.class_name != "Normalization"
        for name, array in carried_arrays(match.layer).items()
        if not _is_statistic(match, name)
    }


def _is_statistic(match: Match, name: str) -> bool:
    if name.rpartition("/")[2] in NOT_TRAINED:
        return True
    names = list(match.layer.arrays)
    numbered = name.isdecimal() and match.class_name == "BatchNormalization"
    return numbered and names.index(name) >= len(names) - 2


def _laid(
    matches: Sequence[Match], slots: Slots, variables: Mapping[str, tuple[int, ...]]
) -> dict[str, dict[str, Array]]:
    """Arrays of each slot by parameter, laid out as the weights were."""
    laid: dict[str, dict[str, Array]] = {}
    for slot, arrays in slots.by_slot.items():
        by_variable = paired(arrays, variables)
        laid[slot] = {}
        for match in matches:
            own = carried_arrays(match.layer)
            given = {
                name: by_variable.get(f"{match.layer.name}/{name}", np.zeros_like(a))
                for name, a in own.items()
            }
            trained = {n for n in own if f"{match.layer.name}/{n}" in by_variable}
            for tensor, f in match.lay(given).items():
                if set(f.sources) & trained:
                    laid[slot][tensor] = f.array
    return laid


def _problems(rule: Rule, optimizer: Optimizer, slots: Slots) -> list[str]:
    """Families that do not agree, and options that PyTorch's optimizer lacks."""
    problems = []
    group = optimizer.param_groups[0]
    unknown = [slot for slot in slots.by_slot if slot not in rule.states]
    if unknown:
        problems.append(
            f"the state has {', '.join(unknown)}, which a torch.optim."
            f"{type(optimizer).__name__} has not: make the optimizer that was saved"
        )
    wanted = {
        "velocity_hat": ("amsgrad", "amsgrad=True"),
        "average_gradient": ("centered", "centered=True"),
        "momentum": ("momentum", "its momentum"),
    }
    for slot, (option, words) in wanted.items():
        has = slot in slots.by_slot and slot in rule.states
        if has and option in group and not group[option]:
            problems.append(f"the state has {slot}: make the optimizer with {words}")
        if not has and option in group and group[option]:
            problems.append(
                f"the optimizer has {option}={group[option]}, the saved one has not"
            )
    if group.get("dampening"):
        problems.append("Keras has no dampening: make the optimizer without it")
    return problems


def _without_state(
    name: str, parameter: nn.Parameter, found: bool, any_slots: bool
) -> str:
    """Say that a parameter of the optimizer has nothing to resume from."""
    if found or not any_slots or not parameter.requires_grad:
        return ""
    return (
        f"{name} {tuple(parameter.shape)} has no state in the source, as Keras does "
        "not train it: freeze it by requires_grad_(False), or leave it out of this "
        "optimizer"
    )


def _scales(rule: Rule, slots: Slots, group: Mapping[str, Any]) -> dict[str, float]:
    """Factor of each slot: Keras keeps the learning rate in some of them."""
    rate = slots.learning_rate if slots.learning_rate is not None else group["lr"]
    sign = SIGN.get(rule.family, 1.0)
    return {slot: sign / float(rate) for slot in rule.per_rate}


def _state_of(
    rule: Rule,
    slots: Slots,
    states: Mapping[str, Array],
    scale: Mapping[str, float],
    parameter: nn.Parameter,
    entries: list[Entry],
    name: str,
) -> dict[str, Any]:
    """State of one parameter; an entry for each of its tensors."""
    state: dict[str, Any] = {}
    if rule.family != "SGD":
        state["step"] = torch.tensor(float(slots.iteration), dtype=torch.float32)
    for slot, array in states.items():
        if slot not in rule.states:
            continue
        factor = scale.get(slot, 1.0)
        words = "as its parameter"
        if slot in scale:
            words += f", times {'-' if factor < 0 else ''}1 / learning rate"
        tensor = (tensor_of(array).double() * factor).to(parameter)
        state[rule.states[slot]] = tensor
        entries.append(
            Entry(f"{name}: {rule.states[slot]}", array.shape, (slot,), words, "shape")
        )
    return state


def _notes(rule: Rule, optimizer: Optimizer, slots: Slots, ledger: Ledger) -> list[str]:
    notes = [f"{slots.iteration} steps were taken; a schedule goes on from there"]
    rate, given = slots.learning_rate, optimizer.param_groups[0]["lr"]
    if rate is not None and not math.isclose(rate, float(given), rel_tol=1e-6):
        notes.append(f"the learning rate was {rate:.6g}, the optimizer has {given:.6g}")
    if rule.family == "Adam":
        notes.append(
            "Keras adds epsilon before the correction of the bias: call "
            "keras_epsilon(optimizer, epsilon) to step as Keras does"
        )
    if rule.family == "RMSprop":
        notes.append(
            "Keras has epsilon inside the root, torch.optim.RMSprop outside: steps "
            "differ where gradients are as small as the root of epsilon"
        )
    tables = [m.layer.name for m in ledger.matches if "Embedding" in m.class_name]
    if tables and rule.family != "SGD":
        notes.append(
            f"{', '.join(tables)}: Keras on TensorFlow squares the gradient of each "
            "place in which a token stands and then sums, PyTorch sums first: steps "
            "differ where a token stands twice in a batch"
        )
    if rule.per_rate and rate is None:
        notes.append(
            "the learning rate followed a schedule: momentum was divided by that of "
            "the optimizer, which must be the last one that was used"
        )
    return notes
