"""Finds the pitfalls that source code shows, by the rules of their entries."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from migrate_examples.api_map.symbols import main_name, parameters, symbol
from migrate_examples.pitfalls import ENTRIES, Pitfall, When, read_pitfall
from migrate_examples.scan.kinds import CLASSES
from migrate_examples.scan.names import Entry

UNKNOWN = object()
"""Stands for the value of an expression that is no literal."""

SymbolOf = Callable[[ast.expr], str]
"""Gives the symbol that an expression is or was made by."""


class Rule(NamedTuple):
    """One rule of a pitfall, and what a finding says where it holds."""

    when: When
    entry: Entry


def entry_of(pitfall: Pitfall) -> Entry:
    """What a finding of a pitfall says."""
    message = f"{pitfall.title}. {pitfall.why} {pitfall.do}"
    link = f"pitfalls.html#{pitfall.identifier.lower()}"
    return Entry("trap", pitfall.identifier, "", message, link)


NAMES = re.compile(r"""["']([\w.]+)["']""")
"""Names in the rules of an entry: symbols, methods and attributes among them."""

Rules = dict[str, list[Rule]]


class Index:
    """Rules by the name that has to be met for them to be tried.

    Of the entries that come with the package only the names are read at first:
    a scan waits for those alone that it meets.

    Attributes
    ----------
    calls, after, methods, any_receiver, attributes, references : dict
        Rules that were read, by the name of a called symbol, of one that comes
        after another, of a method, of a method of an unknown object, of an
        attribute that is assigned to, of a symbol that is named.
    unread : dict
        Files that speak of a name and were not read yet.
    known_methods : set of str
        Methods that rules look for whatever the object.
    """

    def __init__(
        self, entries: Iterable[Pitfall] = (), files: Iterable[Path] = ()
    ) -> None:
        self.calls: Rules = {}
        self.after: Rules = {}
        self.methods: Rules = {}
        self.any_receiver: Rules = {}
        self.attributes: Rules = {}
        self.references: Rules = {}
        self.unread: dict[str, set[Path]] = {}
        self.known_methods: set[str] = set()
        for entry in entries:
            self.add(entry)
        for file in files:
            rules = file.read_text(encoding="utf-8").partition("[[when]]")[2]
            is_for_any = "any_receiver" in rules
            for name in set(NAMES.findall(rules)):
                last = name.rpartition(".")[2]
                self.unread.setdefault(main_name(name) or name, set()).add(file)
                self.unread.setdefault(last, set()).add(file)
                if is_for_any:
                    self.known_methods.add(last)

    def met(self, rules: Rules, name: str) -> "list[Rule] | tuple[()]":
        """Rules of a name, read where they were not."""
        if name in self.unread:
            for file in self.unread.pop(name):
                self.add(read_entry(file))
        return rules.get(name, ())

    def add(self, pitfall: Pitfall) -> None:
        """Sort the rules of a pitfall by the names they look for, once."""
        entry = entry_of(pitfall)
        for when in pitfall.when:
            rule = Rule(when, entry)
            for name in when.call:
                rules = self.after if when.after else self.calls
                put(rules, main_name(name) or name, rule)
            for name in when.method:
                put(self.methods, name, rule)
                if when.any_receiver:
                    last = name.rpartition(".")[2]
                    self.known_methods.add(last)
                    put(self.any_receiver, last, rule)
            for name in when.reference:
                put(self.references, main_name(name) or name, rule)
            if when.attribute:
                put(self.attributes, when.attribute, rule)


def put(rules: Rules, name: str, rule: Rule) -> None:
    """Add a rule to those of a name, where it is not among them."""
    known = rules.setdefault(name, [])
    if rule not in known:
        known.append(rule)


@cache
def read_entry(file: Path) -> Pitfall:
    """Read one entry that comes with the package."""
    return read_pitfall(tomllib.loads(file.read_text(encoding="utf-8")), file)


@cache
def index() -> Index:
    """Rules of all pitfalls."""
    return Index(files=sorted(ENTRIES.glob("*.toml")))


@cache
def parameter_names(target: str) -> tuple[str, ...]:
    """Names of the parameters of a symbol or method that take a place.

    >>> parameter_names("Model.evaluate")[:3]
    ('x', 'y', 'batch_size')
    """
    return tuple(p.name for p in signature(target) if not p.keyword_only)


@cache
def signature(target: str) -> tuple[Any, ...]:
    """Parameters of a symbol, or of a method as the map names it."""
    owner, _, name = target.rpartition(".")
    for full in (target, *(f"{c}.{name}" for c in CLASSES.get(owner, ()))):
        if known := symbol(main_name(full) or full):
            return tuple(parameters(known.signature))
    return ()


@cache
def default(target: str, argument: str) -> object:
    """Default of an argument, where it is a literal."""
    for parameter in signature(target):
        if parameter.name == argument and parameter.default is not None:
            return literal(ast.parse(parameter.default, mode="eval").body)
    return UNKNOWN


def literal(node: ast.expr) -> object:
    """Value of a literal; of a tuple of equal elements, the element.

    >>> literal(ast.parse("(2, 2)", mode="eval").body)
    2
    """
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN
    while isinstance(value, list | tuple) and value:
        if any(v != value[0] for v in value):
            return tuple(value) if isinstance(value, list) else value
        value = value[0]
    return value


def same(one: object, other: object) -> bool:
    """Compare two literals; strings in any case, and True is not 1."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


class Arguments(NamedTuple):
    """Arguments of a call by name; ``is_all`` is False behind ``*`` and ``**``."""

    given: dict[str, ast.expr]
    is_all: bool


def arguments_of(call: ast.Call, target: str) -> Arguments:
    """Bind the arguments of a call by the signature of its symbol or method."""
    given: dict[str, ast.expr] = {}
    is_all = True
    for name, value in zip(parameter_names(target), call.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        given[name] = value
    if any(isinstance(a, ast.Starred) for a in call.args):
        is_all = False
    for keyword in call.keywords:
        if keyword.arg is None:
            is_all = False
        else:
            given[keyword.arg] = keyword.value
    return Arguments(given, is_all)


def holds(
    condition: object,
    argument: str,
    bound: Arguments,
    target: str,
    symbol_of: SymbolOf,
) -> bool:
    """Tell whether a condition on one argument holds."""
    node = bound.given.get(argument)
    if isinstance(condition, dict) and "given" in condition:
        return condition["given"] is (node is not None) and (
            node is not None or bound.is_all
        )
    if isinstance(condition, dict) and "call" in condition:
        wanted = {main_name(name) or name for name in condition["call"]}
        return node is not None and symbol_of(node) in wanted
    if node is not None:
        value = literal(node)
    else:
        value = default(target, argument) if bound.is_all else UNKNOWN
    if value is UNKNOWN:
        return False
    if isinstance(condition, dict):
        return not same(value, condition["not"])
    return same(value, condition)


def matching(
    rules: Iterable[Rule],
    call: ast.Call,
    target: str,
    symbol_of: SymbolOf,
) -> Iterator[Entry]:
    """Entries of the rules whose conditions on the arguments all hold."""
    bound: Arguments | None = None
    seen = set()
    for rule in rules:
        if rule.when.arguments and bound is None:
            bound = arguments_of(call, target)
        # A default says nothing of a method whose object is only guessed.
        known = "" if rule.when.any_receiver else target
        if rule.entry.symbol not in seen and all(
            holds(condition, name, bound, known, symbol_of)  # type: ignore[arg-type]
            for name, condition in rule.when.arguments.items()
        ):
            seen.add(rule.entry.symbol)
            yield rule.entry
