"""Light inference of types: what calls of known symbols and methods return."""

from functools import cache

from migrate_examples.api_map.index import rows_by_symbol
from migrate_examples.api_map.symbols import TF_SYMBOLS, lines, symbol
from migrate_examples.scan.kinds import (
    CLASSES,
    CLASSES_IN,
    DISTINCTIVE,
    ENDINGS,
    FAMILIES,
    KEYWORDS,
    LIKE_TENSORS,
    MADE_BY,
    MEMBERS,
    NO_TENSORS,
    PROPERTIES,
    RETURNS,
    TENSORS_IN,
)
from migrate_examples.scan.names import WORDS, Entry, entry_of_row


def family(kind: str) -> tuple[str, ...]:
    """Types under which the methods of an object may be found, its own first."""
    return FAMILIES.get(kind, (kind,))


@cache
def member(kind: str, name: str) -> Entry | None:
    """What the map says about a member of a type; None where it has none such.

    >>> member("Dataset", "cardinality").symbol
    'Dataset.cardinality'
    >>> member("Dataset", "no_such_method")
    """
    if not kind or name.startswith("__"):
        return None
    mapped = rows_by_symbol()
    for owner in family(kind):
        if found := mapped.get(f"{owner}.{name}"):
            return entry_of_row(f"{owner}.{name}", found[0])
    known = lines(TF_SYMBOLS)
    for owner in family(kind):
        for full in CLASSES.get(owner, ()):
            if found := mapped.get(f"{full}.{name}"):
                return entry_of_row(f"{full}.{name}", found[0])
            if f"{full}.{name}" in known:
                return unmapped(owner, name)
        if name in MEMBERS.get(owner, ()):
            return unmapped(owner, name)
    return None


def unmapped(owner: str, name: str) -> Entry:
    """Entry of a member that exists and has no row."""
    return Entry("unmapped", f"{owner.rstrip('1')}.{name}", "", WORDS["unmapped"], "")


@cache
def is_class(name: str) -> bool:
    """Tell whether a symbol is a class; of names no longer there the case decides."""
    known = symbol(name)
    last = name.rpartition(".")[2]
    return known.is_class if known else last[:1].isupper()


@cache
def made_by(name: str) -> str:
    """Type of what a symbol returns when it is called; empty where unknown.

    >>> made_by("keras.layers.Dense"), made_by("tf.reduce_mean"), made_by("tf.device")
    ('Layer', 'Tensor', '')
    """
    if name in MADE_BY:
        return MADE_BY[name]
    if name in NO_TENSORS:
        return ""
    if name.startswith("keras.applications."):  # models are functions here
        return "Model" if name.rpartition(".")[2][:1].isupper() else ""
    return made_by_class(name) if is_class(name) else made_by_function(name)


def made_by_class(name: str) -> str:
    """Type of the objects of a class, by where it is and what it is called."""
    for prefix, kind in CLASSES_IN:
        if name.startswith(prefix):
            is_other = kind in ENDINGS and not name.endswith(kind.rstrip("1"))
            return "" if is_other else kind
    return ""


def made_by_function(name: str) -> str:
    """Type of what a function returns, by where it is and what it is called."""
    beginnings = [b for b in LIKE_TENSORS if name.startswith(b)]
    if beginnings:
        return LIKE_TENSORS[max(beginnings, key=len)]
    is_shallow = name.startswith("tf.") and (
        name.replace("tf.compat.v1.", "tf.").count(".") == 1
    )
    return "Tensor" if is_shallow or name.startswith(TENSORS_IN) else ""


@cache
def kind_of_class(name: str) -> str:
    """Type of the objects of a class, as a base class or an annotation names it."""
    if is_class(name):
        return made_by(name)
    return ""


@cache
def returned(kind: str, name: str) -> str:
    """Type of what a method returns, or calling the object; empty where unknown.

    >>> returned("Dataset", "batch"), returned("Sequential", "fit")
    ('Dataset', 'History')
    """
    for owner in family(kind):
        if (found := RETURNS.get(f"{owner}.{name}")) is not None:
            return found
    is_step = kind == "Dataset" and f"tf.data.Dataset.{name}" in lines(TF_SYMBOLS)
    return "Dataset" if is_step else ""


@cache
def property_kind(kind: str, name: str) -> str:
    """Type of an attribute of an object; empty where unknown."""
    owners = (f"{owner}.{name}" for owner in family(kind))
    return next((PROPERTIES[o] for o in owners if o in PROPERTIES), "")


@cache
def guess(name: str) -> Entry | None:
    """What a member of an unknown object most likely is, where its name tells.

    >>> guess("apply_gradients").symbol, guess("append")
    ('Optimizer.apply_gradients', None)
    """
    kind = DISTINCTIVE.get(name)
    if kind is None:
        return None
    return member(kind, name) or unmapped(kind, name)


def guess_by_keywords(name: str, keywords: set[str | None]) -> str:
    """Type of an unknown object by the arguments one of its methods is given."""
    kind, telling = KEYWORDS.get(name, ("", set()))
    return kind if telling & keywords else ""
