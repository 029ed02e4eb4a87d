"""The state of a Keras optimizer: its slots, by variable."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrate_examples.port.archive import Array

Shape = tuple[int, ...]

SUFFIXES = ("velocity_hat", "average_gradient", "momentum", "velocity")
"""Of Keras 3, after the name of the variable; the longer ones first."""
SHORT = {
    "m": "momentum",
    "v": "velocity",
    "vhat": "velocity_hat",
    "mg": "average_gradient",
}
SHORT |= {"rms": "velocity", "momentum": "momentum", "velocity": "velocity"}
"""Of Keras 2, a word of its own in the name."""
ORDER: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Adam": (("momentum", "velocity"), ("velocity_hat",)),
    "SGD": (("momentum",),),
    "RMSprop": (("velocity",), ("momentum",), ("average_gradient",)),
}
"""Slots as Keras creates them: those of one group in turn for each variable."""


class SlotError(ValueError):
    """A state that cannot be told apart; says what is there and what is expected."""


@dataclass
class Slots:
    """State of an optimizer.

    Attributes
    ----------
    iteration : int
        Steps that were taken.
    learning_rate : float or None
        None under a schedule.
    by_slot : dict of str to list of (name, ndarray)
        ``momentum``, ``velocity``, ``velocity_hat``, ``average_gradient``, each in the
        order of the trainable variables; names are empty where only the order is known.
    """

    iteration: int = 0
    learning_rate: float | None = None
    by_slot: dict[str, list[tuple[str, Array]]] = field(default_factory=dict)


def slots_of(state: Mapping[str, Array], family: str, variables: int) -> Slots:
    """Sort the arrays of an optimizer into slots.

    Parameters
    ----------
    state : mapping of str to ndarray
        By name, or by number in the order of creation.
    family : str
        ``Adam``, ``SGD`` or ``RMSprop``: what the numbers mean.
    variables : int
        How many trainable variables there are.
    """
    if not state:
        raise SlotError(
            "the source has no state of an optimizer: save the compiled model after "
            "training, or give the model itself"
        )
    if all(re.fullmatch(r"(.*/)?\d+", name) for name in state):
        return _numbered(list(state.values()), family, variables)
    return _named(state)


def _named(state: Mapping[str, Array]) -> Slots:
    slots = Slots()
    for name, array in state.items():
        bare = re.sub(r":\d+$", "", name)
        last = bare.rpartition("/")[2]
        if last in {"iteration", "iterations", "iter"}:
            slots.iteration = int(array)
        elif last in {"learning_rate", "current_learning_rate"}:
            slots.learning_rate = float(array)
        else:
            variable, slot = _split(bare)
            if slot:
                slots.by_slot.setdefault(slot, []).append((variable, array))
    return slots


def _split(name: str) -> tuple[str, str]:
    """Variable, with underscores, and slot in the name of an array of the state.

    >>> _split("adam/sequential_fc_kernel_velocity_hat")
    ('sequential_fc_kernel', 'velocity_hat')
    >>> _split("Adam/m/fc/kernel")
    ('fc_kernel', 'momentum')
    """
    last = name.rpartition("/")[2]
    for suffix in SUFFIXES:
        if last.endswith(f"_{suffix}"):
            return last.removesuffix(f"_{suffix}"), suffix
    words = name.split("/")
    for word in words:
        if word in SHORT:
            rest = [w for w in words[1:] if w != word]
            return "_".join(rest), SHORT[word]
    return name, ""


def _numbered(arrays: Sequence[Array], family: str, variables: int) -> Slots:
    """Slots by their order: the iteration, the learning rate if any, the slots."""
    slots = Slots(iteration=int(arrays[0]))
    rest = list(arrays[1:])
    if rest and rest[0].ndim == 0 and len(rest) % max(variables, 1) == 1:
        slots.learning_rate = float(rest.pop(0))
    for group in ORDER[family]:
        if len(rest) < len(group) * variables:
            break
        for n, slot in enumerate(group):
            taken = rest[n : len(group) * variables : len(group)]
            slots.by_slot[slot] = [("", array) for array in taken]
        rest = rest[len(group) * variables :]
    if rest:
        raise SlotError(
            f"{len(arrays)} arrays are not the state of {family} for {variables} "
            "trainable variables: train the same variables on both sides"
        )
    return slots


def paired(
    slot: Sequence[tuple[str, Array]], variables: Mapping[str, Shape]
) -> dict[str, Array]:
    """Arrays of a slot by variable: by the names where they tell, else by order.

    Parameters
    ----------
    slot : sequence of (str, ndarray)
        Of ``Slots``.
    variables : mapping of str to shape
        Trainable ones by full name, ``encoder/conv1/kernel``, in order.

    Raises
    ------
    SlotError
        Neither names nor order and shapes tell which array belongs to which variable.
    """
    by_name = {name: _one_of(name, slot) for name in variables}
    if all(array is not None for array in by_name.values()):
        named = {name: a for name, a in by_name.items() if a is not None}
        if len({id(a) for a in named.values()}) == len(slot):
            return named
    shapes = [array.shape for _, array in slot]
    if shapes != list(variables.values()):
        raise SlotError(
            f"the state has shapes {shapes}, the trainable variables "
            f"{list(variables.values())}: train the same ones on both sides"
        )
    return {name: array for name, (_, array) in zip(variables, slot, strict=True)}


def _one_of(name: str, slot: Sequence[tuple[str, Array]]) -> Array | None:
    """Find the one array named as a variable is, models in front aside."""
    parts = name.split("/")
    for start in range(len(parts) - 1):
        ending = "_".join(parts[start:])
        hits = [a for n, a in slot if n == ending or n.endswith(f"_{ending}")]
        if len(hits) == 1:
            return hits[0]
    return None
