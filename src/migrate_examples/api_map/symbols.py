"""Public names of both frameworks, known without importing either.

The lists are written by :mod:`migrate_examples.api_map.generate`. A line is a
name with its parameters, ``class`` before it where it is one, or one more name
of the same object: ``tf.math.reduce_mean = tf.reduce_mean``.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

TF_SYMBOLS = Path(__file__).parent / "tf_symbols.txt"
TORCH_SYMBOLS = Path(__file__).parent / "torch_symbols.txt"
ALIAS = re.compile(r"[\w.]+ = ([\w.]+)$")
LINE = re.compile(r"(class )?([\w.]+)(\(.*\))?$")

# Names that code gives the same thing, longest first.
PREFIXES = (
    ("tensorflow.", "tf."),
    ("tf.compat.v2.", "tf."),
    ("tf.compat.v1.keras.", "tf.keras."),
    ("tf_keras.", "tf.keras."),
    ("tf_slim.", "tf.contrib.slim."),
)

KERAS_MODULES = ("tf.initializers.", "tf.losses.", "tf.metrics.", "tf.optimizers.")
"""Modules of Keras that TensorFlow has under its own name, too."""


class Symbol(NamedTuple):
    """A public name: what it is, its parameters, and the name it is known by.

    Attributes
    ----------
    name : str
        The main name of the object.
    is_class : bool
        Whether it is a class.
    signature : str
        Parameters in brackets, as source; empty where there are none to know.
    """

    name: str
    is_class: bool
    signature: str


class Parameter(NamedTuple):
    """One parameter of a signature; ``default`` is source, or None without one."""

    name: str
    default: str | None
    keyword_only: bool = False


@cache
def lines(file: Path) -> dict[str, str]:
    """Lines of a list by name; the first line of the file says its versions."""
    found = {}
    for line in file.read_text().splitlines()[1:]:
        name = line.removeprefix("class ").partition("(")[0].partition(" ")[0]
        found[name] = line
    return found


def versions(file: Path) -> str:
    """Versions that a list was made from, as its first line says.

    >>> versions(TORCH_SYMBOLS).startswith("torch 2.")
    True
    """
    with file.open() as text:
        return text.readline().partition(" of ")[2].partition(";")[0]


def normalise(name: str) -> str:
    """Write a name as the lists do: ``tensorflow.math.abs`` as ``tf.math.abs``.

    >>> normalise("tensorflow.compat.v1.keras.layers.Dense")
    'tf.keras.layers.Dense'
    """
    for long, short in PREFIXES:
        if name.startswith(long):
            name = short + name.removeprefix(long)
    return name


def main_name(name: str) -> str | None:
    """Return the name a TensorFlow object is known by; None where there is none such.

    A TF1 name without ``compat.v1`` is looked for there too.

    >>> main_name("tf.math.reduce_mean")
    'tf.reduce_mean'
    >>> main_name("tf.keras.layers.Dense")
    'keras.layers.Dense'
    >>> main_name("tf.placeholder")
    'tf.compat.v1.placeholder'
    >>> main_name("tf.reduce_meen")
    """
    known = lines(TF_SYMBOLS)
    if line := known.get(name):  # the quick way, for a name as the lists have it
        return line[len(name) + 3 :] if line.startswith(f"{name} = ") else name
    for candidate in candidates(normalise(name)):
        if line := known.get(candidate):
            alias = ALIAS.match(line)
            return alias[1] if alias else candidate
    owner, _, last = name.rpartition(".")
    known_owner = main_name(owner) if "." in owner else None
    if known_owner and f"{known_owner}.{last}" in known:
        return f"{known_owner}.{last}"  # a method of a class under another name
    return None


def candidates(name: str) -> list[str]:
    """Names under which the lists may hold a name, in order of preference."""
    found = [name]
    if name.startswith("tf.keras."):
        found.append(name.removeprefix("tf."))
    elif name.startswith("keras."):
        found.append(f"tf.{name}")
    elif name.startswith("tf.compat.v1."):
        found.append(name.replace("tf.compat.v1.", "tf.", 1))
    elif name.startswith("tf."):
        found.append(name.replace("tf.", "tf.compat.v1.", 1))
        if name.startswith(KERAS_MODULES):
            found.append(name.replace("tf.", "keras.", 1))
    return found


@cache
def symbol(name: str, file: Path = TF_SYMBOLS) -> Symbol | None:
    """Look up a main name, with its parameters.

    >>> symbol("tf.reduce_mean").signature
    '(input_tensor, axis=None, keepdims=False, name=None)'
    """
    line = lines(file).get(name)
    match = line and LINE.match(line)
    if not match:
        return None
    return Symbol(match[2], bool(match[1]), match[3] or "")


def parameters(signature: str) -> list[Parameter]:
    """Parameters of a signature, in order; ``*args`` and ``**kwargs`` left out.

    >>> [p.name for p in parameters("(x, *, axis=-1, **kwargs)")]
    ['x', 'axis']
    """
    if not signature:
        return []
    tree = ast.parse(f"def f{signature}: ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    given = tree.args
    plain = [*given.posonlyargs, *given.args]
    missing = [None] * (len(plain) - len(given.defaults))
    pairs = zip(plain, [*missing, *given.defaults], strict=True)
    named = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return [parameter(a, d) for a, d in pairs] + [
        parameter(a, d, keyword_only=True) for a, d in named
    ]


def parameter(
    argument: ast.arg, default: ast.expr | None, *, keyword_only: bool = False
) -> Parameter:
    """Make a parameter of its nodes."""
    text = None if default is None else ast.unparse(default)
    return Parameter(argument.arg, text, keyword_only)
