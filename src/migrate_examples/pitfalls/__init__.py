"""Silent traps of a port: what goes wrong, why, and how the scanner sees it.

The entries are data, one file a pitfall: ``entries/PADDING-SAME.toml``. Reading
them needs neither framework; :mod:`migrate_examples.pitfalls.prove` runs the
three pieces of code of an entry.
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ENTRIES = Path(__file__).parent / "entries"

CONDITIONS = ("not", "given", "call")
"""What may stand in braces instead of a literal, see :class:`When`."""


class When(NamedTuple):
    """A piece of source code that shows the pitfall; all that is stated must hold.

    Attributes
    ----------
    call : tuple of str
        The called symbol is one of these main names.
    method : tuple of str
        The called method is one of these: ``Model.fit``.
    any_receiver : bool
        The method counts also where its object is not known.
    after : tuple of str
        The layer before the call is one of these.
    arguments : dict
        Name of an argument of the call to what it has to be: a literal, which
        its default may be too; ``{"not": literal}``; ``{"given": bool}``;
        ``{"call": [symbols]}``.
    attribute : str
        This attribute of a layer or model is assigned to.
    value : object
        The literal that is assigned.
    reference : tuple of str
        One of these symbols is named, called or not.
    """

    call: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    any_receiver: bool = False
    after: tuple[str, ...] = ()
    arguments: dict[str, Any] = {}  # noqa: RUF012  never changed, shared on purpose
    attribute: str = ""
    value: object = None
    reference: tuple[str, ...] = ()


class Pitfall(NamedTuple):
    """One pitfall.

    Attributes
    ----------
    identifier : str
        The stem of its file: ``PADDING-SAME``.
    title, symptom, why, do : str
        What it is, how it shows, what causes it and what to do about it.
    page : str
        Section whose chapter says more.
    likely, silent : int
        How often it is met and how silent it is, from 1 to 5: judgements.
    tensorflow, wrong, right : str
        The original, the port that suggests itself, and the one that agrees.
        Statements may stand before the last line, an expression.
    inputs : dict
        Name to dtype and shape, see :func:`migrate_examples.api_map.inputs.draw`.
    wrong_by_more_than : float
        The wrong port differs from the original by more than this.
    wrong_raises : bool
        The wrong port raises, or its result has another shape.
    rtol : float or None
        Tolerance of the right port where that of the dtype does not do.
    when : tuple of When
        How the scanner sees it; any of them is enough.
    flags, keeps : tuple of str
        Lines of code in which the scanner must and must not see it.
    unverified : str
        Why the proof cannot be run; empty where it is.
    """

    identifier: str
    title: str
    symptom: str
    why: str
    do: str
    page: str
    likely: int
    silent: int
    tensorflow: str
    wrong: str
    right: str
    inputs: dict[str, str] = {}  # noqa: RUF012  never changed, shared on purpose
    wrong_by_more_than: float = 0.0
    wrong_raises: bool = False
    rtol: float | None = None
    when: tuple[When, ...] = ()
    flags: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    unverified: str = ""

    @property
    def anchor(self) -> str:
        """Where the page of pitfalls speaks of it."""
        return self.identifier.lower()

    @property
    def risk(self) -> int:
        """How likely times how silent, from 1 to 25."""
        return self.likely * self.silent


class PitfallError(ValueError):
    """An entry that cannot be read, with its file and field."""


SEVERAL = ("flags", "keeps", "call", "method", "after", "reference")
TYPES: dict[str, tuple[type, ...]] = {
    "likely": (int,),
    "silent": (int,),
    "inputs": (dict,),
    "wrong_by_more_than": (int, float),
    "wrong_raises": (bool,),
    "rtol": (float,),
    "any_receiver": (bool,),
    "arguments": (dict,),
    "value": (object,),
}


def read_fields(
    table: dict[str, Any], record: type[When] | type[Pitfall], name: str
) -> dict[str, Any]:
    """Check names and types of the fields of a table; text alone is a tuple of one."""
    if unknown := sorted(table.keys() - set(record._fields)):
        raise PitfallError(f"{name}: unknown field {', '.join(unknown)}")
    fields: dict[str, Any] = {}
    for key, value in table.items():
        several = key in SEVERAL
        given: Any = [value] if several and isinstance(value, str) else value
        allowed: tuple[Any, ...] = (list,) if several else TYPES.get(key, (str,))
        # True is an int to Python, not to us
        if not isinstance(given, allowed) or (
            isinstance(given, bool) and not {bool, object} & set(allowed)
        ):
            kinds = " or ".join(kind.__name__ for kind in allowed)
            raise PitfallError(f"{name}: {key} is {value!r}, not {kinds}")
        fields[key] = tuple(given) if several else given
    return fields


def read_when(table: dict[str, Any], name: str) -> When:
    """Make a rule of a ``[[when]]`` table, or say what is wrong with it."""
    when = When(**read_fields(table, When, f"{name}: when"))
    ways = [way for way in ("call", "method", "attribute", "reference") if way in table]
    if len(ways) != 1:
        message = "one of call, method, attribute, reference"
        raise PitfallError(
            f"{name}: when has {', '.join(ways) or 'none'}, not {message}"
        )
    if ("value" in table) != (ways == ["attribute"]):
        raise PitfallError(f"{name}: when: value belongs to attribute, and it to value")
    for argument, condition in when.arguments.items():
        if isinstance(condition, dict) and (
            len(condition) != 1 or not condition.keys() <= set(CONDITIONS)
        ):
            kinds = ", ".join(CONDITIONS)
            raise PitfallError(
                f"{name}: when.arguments.{argument} is {condition!r}: one of {kinds}"
            )
    return when


def read_pitfall(entry: dict[str, Any], file: Path) -> Pitfall:
    """Make a pitfall of a file's table.

    Raises
    ------
    PitfallError
        On a field that is missing, unknown or out of range.
    """
    table = {key: value for key, value in entry.items() if key != "when"}
    fields = read_fields(table, Pitfall, file.name)
    needed = set(Pitfall._fields) - Pitfall._field_defaults.keys() - {"identifier"}
    if missing := sorted(needed - table.keys()):
        raise PitfallError(f"{file.name}: no field {', '.join(missing)}")
    rules = tuple(read_when(when, file.name) for when in entry.get("when", ()))
    pitfall = Pitfall(**{**fields, "identifier": file.stem, "when": rules})
    if problem := next(problems(pitfall), ""):
        raise PitfallError(f"{file.name}: {problem}")
    return pitfall


def problems(pitfall: Pitfall) -> Iterator[str]:
    """What is wrong with a pitfall whose fields have their types, in words."""
    if not pitfall.identifier.replace("-", "").isalnum() or (
        pitfall.identifier != pitfall.identifier.upper()
    ):
        yield "the name of the file is capital letters, digits and hyphens"
    for field in ("likely", "silent"):
        if not 1 <= getattr(pitfall, field) <= 5:
            yield f"{field} is {getattr(pitfall, field)}, not 1 to 5"
    for field in ("title", "symptom", "why", "do", "page", "tensorflow"):
        if not getattr(pitfall, field).strip():
            yield f"{field} is empty"
    proven = not pitfall.unverified
    if proven and not (pitfall.wrong_raises or pitfall.wrong_by_more_than > 0):
        yield "wrong_by_more_than or wrong_raises says how the wrong port is off"
    if proven and not (pitfall.wrong and pitfall.right):
        yield "wrong and right are the proof; or unverified says why there is none"
    if bool(pitfall.when) != bool(pitfall.flags):
        yield "flags goes with when: a line that the rules must see"


@cache
def pitfalls() -> tuple[Pitfall, ...]:
    """All pitfalls, those of the highest risk first, then by name.

    >>> pitfalls()[0].risk
    25
    >>> {p.identifier: p for p in pitfalls()}["PADDING-SAME"].anchor
    'padding-same'
    """
    found = [read_file(path) for path in sorted(ENTRIES.glob("*.toml"))]
    return tuple(sorted(found, key=lambda pitfall: -pitfall.risk))


def read_file(path: Path) -> Pitfall:
    """Read one entry."""
    try:
        entry = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise PitfallError(f"{path.name}: {error}") from error
    return read_pitfall(entry, path)
