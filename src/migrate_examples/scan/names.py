"""From dotted names, as code spells them, to what the API map says about them."""

from functools import cache
from typing import NamedTuple

from migrate_examples.api_map import Row
from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.lookup import UNLISTED, anchor, find, is_gone
from migrate_examples.api_map.older import canonical, last_had, older_names
from migrate_examples.api_map.symbols import (
    TF_SYMBOLS,
    candidates,
    lines,
    main_name,
    normalise,
    versions,
)

ROOTS = {
    "tensorflow": "tf",
    "keras": "keras",
    "tf_keras": "tf.keras",
    "tf_slim": "tf_slim",
}
"""Packages whose names the scan follows, and how the map writes them."""

# Other spellings of a whole namespace, longest first.
SPELLINGS = (
    ("tf._api.v2.", "tf."),
    ("tf.compat.v2.", "tf."),
    ("tf.compat.v1.compat.", "tf.compat."),
    ("keras.api._v1.keras.", "keras."),
    ("keras.api._v2.keras.", "keras."),
    ("keras._tf_keras.keras.", "keras."),
    ("keras.api.", "keras."),
)

# TensorFlow has these as views of modules of Keras, since its version 2.
VIEWS = {
    "tf.initializers": "tf.keras.initializers",
    "tf.losses": "tf.keras.losses",
    "tf.metrics": "tf.keras.metrics",
    "tf.optimizers": "tf.keras.optimizers",
}

WORDS = {
    "unmapped": "TensorFlow has it, the map does not: look for it by hand.",
    "removed": "Older versions had it; the one the map was made with does not.",
    "private": "Not part of the published API: it may change with any version.",
    "unknown": "TensorFlow and Keras have no such name.",
}
"""What is said of a name without a row, by the status of the look-up."""


class Entry(NamedTuple):
    """What a finding says about a symbol, wherever it stands."""

    kind: str
    symbol: str
    counterpart: str
    message: str
    link: str


class Reference(NamedTuple):
    """A dotted name that leads to a symbol.

    Attributes
    ----------
    parts : int
        How many parts of the name it takes to get there.
    symbol : str
        Main name of the symbol, in full.
    entry : Entry
        What a finding says about it.
    """

    parts: int
    symbol: str
    entry: Entry


def reference(parts: list[str]) -> Reference:
    """Make a reference of a name that is taken as a whole."""
    name = ".".join(parts)
    return Reference(len(parts), main_name(name) or normalise(name), entry(name))


def import_path(module: str) -> str | None:
    """How the map writes a module that code imports; None for others' modules.

    >>> import_path("tensorflow.keras.layers")
    'tf.keras.layers'
    >>> import_path("numpy")
    """
    root, dot, rest = module.partition(".")
    known = ROOTS.get(root)
    if known is None:
        return None
    path = known + dot + rest
    for long, short in SPELLINGS:
        if (path + ".").startswith(long):
            path = (short + (path + ".").removeprefix(long)).rstrip(".")
    return path


def entry_of_row(symbol: str, row: Row) -> Entry:
    """What a finding says about a symbol that has a row."""
    message = row.note or row.pitfall
    if row.note and row.pitfall:
        message = f"{row.note.rstrip('.')}. {row.pitfall}"
    if row.tf2 and not message:
        message = f"TensorFlow 1; in TensorFlow 2: {row.tf2}"
    link = f"api-map.html#{anchor(symbol)}"
    return Entry(row.kind, symbol, row.torch, message, link)


@cache
def entry(name: str) -> Entry:
    """What a finding says about a name, known or not."""
    answer = find(name)
    if answer.rows:
        return entry_of_row(answer.symbol, answer.rows[0])
    message = WORDS[answer.status]
    if answer.status == "removed" and (version := last_had(name)):
        message = f"{version} had it; {versions(TF_SYMBOLS)} have not."
    if answer.status == "unknown" and answer.suggestions:
        message += f" Did you mean {' or '.join(answer.suggestions[:2])}?"
    return Entry(answer.status, answer.symbol, "", message, "")


@cache
def namespaces() -> frozenset[str]:
    """Modules of TensorFlow and Keras: what names lie in, and is none itself."""
    known = lines(TF_SYMBOLS)
    found: set[str] = {"tf.compat.v1", "tf.compat.v2", *VIEWS}
    found |= {name.rstrip(".") for name in UNLISTED}
    for name in {name.rpartition(".")[0] for name in known}:
        path = name
        while path and path not in found:
            found.add(path)
            path = path.rpartition(".")[0]
    return frozenset(found - known.keys())


def is_namespace(path: str) -> bool:
    """Tell whether a dotted name is a module, under any of its spellings.

    >>> is_namespace("tf.keras.layers"), is_namespace("tf.keras.layers.Dense")
    (True, False)
    """
    known = namespaces()
    return path in known or any(c in known for c in candidates(normalise(path)))


@cache
def resolve(path: str) -> Reference | None:
    """Find the symbol that a dotted name leads to; None for a module alone.

    >>> resolve("tf.keras.layers")
    >>> found = resolve("tf.math.add.x")
    >>> found.parts, found.entry.symbol
    (3, 'tf.add')
    """
    parts = path.split(".")
    if view := VIEWS.get(".".join(parts[:2])):
        found = resolve(".".join([view, *parts[2:]]))
        if found is None or found.entry.kind not in {"unknown", "removed"}:
            return found and found._replace(parts=found.parts - 1)
    end = 1
    while end < len(parts) and is_namespace(".".join(parts[: end + 1])):
        end += 1
    if end == len(parts):
        return None
    name = ".".join(parts[: end + 1])
    if main_name(name) is not None:
        longer = end + 1
        while longer < len(parts) and main_name(".".join(parts[: longer + 1])):
            longer += 1
        return reference(parts[:longer])
    if parts[end].startswith("__"):
        return None  # every module has __name__, __file__ and the like
    return resolve_beyond(parts, end)


def resolve_beyond(parts: list[str], end: int) -> Reference | None:
    """Resolve a name that the installed version does not have, after ``end`` parts."""
    mapped = rows_by_symbol()
    for length in range(len(parts), end, -1):
        name = normalise(".".join(parts[:length]))
        short = name.replace("tf.compat.v1.", "tf.")
        for spelling in (name, short, *candidates(name)):
            if spelling in mapped:
                found = entry_of_row(spelling, mapped[spelling][0])
                return Reference(length, spelling, found)
    whole = ".".join(parts)
    if is_gone(whole):
        return reference(parts)
    if last_had(whole):
        return reference(parts[: older_parts(parts, end)])
    return reference(parts[: end + 1])


def older_parts(parts: list[str], end: int) -> int:
    """How many parts of a name an older version had; all of a module's."""
    known = older_names()
    for length in range(len(parts), end, -1):
        if canonical(".".join(parts[:length])) in known:
            return length
    return len(parts)


def star_names(path: str) -> list[str]:
    """Names that ``from <path> import *`` brings, symbols and modules.

    >>> "Dense" in star_names("tf.keras.layers")
    True
    """
    found: set[str] = set()
    for place in {path, *candidates(normalise(path))}:
        prefix = place + "."
        names = [*lines(TF_SYMBOLS), *namespaces()]
        found |= {
            n[len(prefix) :].partition(".")[0] for n in names if n.startswith(prefix)
        }
    return sorted(n for n in found if not n.startswith("_"))
