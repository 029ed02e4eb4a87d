"""Finds what the map says about a name, under any of the names it goes by."""

import difflib
import re
from functools import cache
from typing import NamedTuple

from migrate_examples.api_map import Row
from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.older import last_had
from migrate_examples.api_map.symbols import TF_SYMBOLS, lines, main_name, normalise

REMOVED = (
    "tf.compat.v1.layers.",
    "tf.compat.v1.nn.rnn_cell.",
    "tf.contrib.",
    "tf.estimator.",
    "tf.flags.",
    "tf.keras.backend.",
    "tf.keras.estimator.",
    "tf.keras.experimental.",
    "tf.keras.layers.experimental.",
    "tf.keras.losses.Reduction.",
    "tf.keras.mixed_precision.experimental.",
    "tf.keras.optimizers.experimental.",
    "tf.keras.wrappers.",
    "tf.layers.",
)
"""Namespaces that older versions had and the installed one no longer has."""

PRIVATE = ("tf.python.", "tf.core.", "tf.compiler.", "tf.tools.", "tf.examples.")
"""Code of TensorFlow that is importable, and no part of its published API."""

UNLISTED = (
    "tf.experimental.dtensor.",
    "tf.experimental.numpy.",
    "keras.optimizers.legacy.",
    "tf.keras.optimizers.legacy.",
)
"""Namespaces that exist and whose names the list of symbols leaves out."""


class Answer(NamedTuple):
    """What is known of a name.

    Attributes
    ----------
    asked : str
        The name as it was given.
    symbol : str
        The name the object is known by.
    status : str
        ``mapped``: the map has rows for it. ``unmapped``: it exists, the map
        does not have it. ``removed``: an older version had it, or its
        namespace. ``private``: not part of the published API. ``unknown``: there is no
        such name.
    rows : tuple of Row
        What the map says, the main row first.
    suggestions : tuple of str
        Names like it, where the status is ``unknown``; others that end alike
        where the last part of a name was asked for.
    """

    asked: str
    symbol: str
    status: str
    rows: tuple[Row, ...] = ()
    suggestions: tuple[str, ...] = ()


@cache
def find(name: str) -> Answer:
    """Say what the map knows of a name.

    Parameters
    ----------
    name : str
        As code writes it: ``tf.math.reduce_mean``, ``tensorflow.placeholder``,
        ``keras.layers.Dense``; a method as ``Dataset.batch``; an argument as
        ``padding="same"``; or the last part alone.

    Examples
    --------
    >>> find("tf.math.add").rows[0].torch
    'torch.add(x, y)'
    >>> find("tf.reduce_meen").status
    'unknown'
    """
    mapped = rows_by_symbol()
    plain = normalise(name.strip())
    symbol = main_name(plain) or plain
    for candidate in (symbol, *other_spellings(symbol), short_name(symbol)):
        if candidate in mapped:
            return Answer(name, candidate, "mapped", mapped[candidate])
    if symbol in lines(TF_SYMBOLS):
        return Answer(name, symbol, "unmapped")
    if (status := status_of(plain)) != "unknown":
        return Answer(name, plain, status)
    if ends := sorted((s for s in mapped if s.rpartition(".")[2] == plain), key=rank):
        return find(ends[0])._replace(suggestions=tuple(ends[1:5]))
    return Answer(name, plain, "unknown", suggestions=tuple(similar(plain)))


def status_of(name: str) -> str:
    """Status of a name that is not in the list of symbols.

    >>> status_of("tf.mul"), status_of("tf.python.ops.math_ops.add")
    ('removed', 'private')
    """
    plain = normalise(name)
    if plain.startswith(UNLISTED):
        return "unmapped"
    if is_private(plain):
        return "private"
    return "removed" if last_had(plain) or is_gone(plain) else "unknown"


def is_private(path: str) -> bool:
    """Tell whether a name is importable and no part of the published API."""
    plain = normalise(path) + "."
    return (
        plain.startswith(PRIVATE)
        or ".src." in plain
        or ".python." in plain
        or any(p.startswith("_") and not p.startswith("__") for p in plain.split("."))
    )


def is_gone(path: str) -> bool:
    """Tell whether a name lies where names are removed or private."""
    plain = normalise(path) + "."
    return is_private(path) or plain.replace("tf.compat.v1.", "tf.").startswith(REMOVED)


def rank(symbol: str) -> tuple[bool, int, bool]:
    """Order of symbols that end alike: today's before old ones, short before long."""
    is_old = symbol.startswith((*REMOVED, *PRIVATE, "tf.compat.", "tf.raw_ops."))
    return is_old, symbol.count("."), not symbol.startswith("tf.")


def short_name(symbol: str) -> str:
    """Name under which the rows of a method stand: of its class, without modules.

    >>> short_name("tf.data.Dataset.batch"), short_name("tf.nn.relu")
    ('Dataset.batch', 'tf.nn.relu')
    """
    *_, owner, name = ["", *symbol.split(".")]
    owner = "Model" if owner == "Sequential" else owner
    return f"{owner}.{name}" if owner[:1].isupper() else symbol


def other_spellings(symbol: str) -> list[str]:
    """Names under which rows of removed or TF1 symbols may stand."""
    if symbol.startswith("tf.compat.v1."):
        return [symbol.replace("tf.compat.v1.", "tf.", 1)]
    if symbol.startswith("tf.keras."):
        return [symbol.removeprefix("tf.")]
    if symbol.startswith("tf."):
        return [symbol.replace("tf.", "tf.compat.v1.", 1)]
    return []


def similar(name: str) -> list[str]:
    """Names that look like a mistyped one, the nearest first.

    >>> similar("tf.reduce_meen")[0]
    'tf.reduce_mean'
    """
    first = name.rpartition(".")[2][:1].lower()  # few mistype it; it makes this fast
    known = [
        n
        for n in lines(TF_SYMBOLS)
        if n.count(".") == name.count(".") and n.rpartition(".")[2][:1].lower() == first
    ]
    return difflib.get_close_matches(name, known, n=3, cutoff=0.75)


def anchor(symbol: str) -> str:
    """Place of a symbol on the page of the map.

    Capitals are kept: ``keras.losses.Huber`` and ``keras.losses.huber`` differ.

    >>> anchor("tf.reduce_mean"), anchor('padding="same"')
    ('tf-reduce_mean', 'padding-same')
    """
    return re.sub(r"\W+", "-", symbol).strip("-")


@cache
def aliases(symbol: str) -> tuple[str, ...]:
    """Other public names of what a main name stands for.

    >>> aliases("tf.reduce_mean")
    ('tf.math.reduce_mean',)
    """
    return names_of().get(symbol, ())


@cache
def names_of() -> dict[str, tuple[str, ...]]:
    """Other names of each main name."""
    found: dict[str, list[str]] = {}
    for line in lines(TF_SYMBOLS).values():
        name, _, main = line.partition(" = ")
        if main and "(" not in line:
            found.setdefault(main, []).append(name)
    return {main: tuple(names) for main, names in found.items()}
