"""Writes the lists of public names from the installed frameworks.

``python -m migrate_examples.api_map.generate`` renews ``tf_symbols.txt`` and
``torch_symbols.txt``. Both are kept in the repository, because the look-up and
the scanner must work where neither framework is installed; a test compares
them with the installed versions, so that a release that moves a default or
drops a name fails a test instead of making the map wrong.
"""

import ast
import enum
import importlib
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import torch

from migrate_examples.api_map.symbols import TF_SYMBOLS, TORCH_SYMBOLS

TORCH_MODULES = (
    "torch",
    "torch.amp",
    "torch.autograd",
    "torch.distributions",
    "torch.fft",
    "torch.func",
    "torch.linalg",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.utils",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.optim.swa_utils",
    "torch.signal.windows",
    "torch.special",
    "torch.utils.data",
)
"""Where a port looks; the rest of PyTorch is found by its own documentation."""


def module_name(module: types.ModuleType) -> str:
    """Name of a module; empty for the lazy loaders of Keras, which have none."""
    return str(vars(module).get("__name__", ""))


def is_public(module: types.ModuleType) -> bool:
    """Tell whether a module is part of TensorFlow's or Keras's published API."""
    name = module_name(module)
    published = name.startswith(("tensorflow._api", "keras"))
    return published and ".src" not in name and ".compat.v2" not in name


WALKED_ELSEWHERE = {"tf.keras", "tf.compat.v1.keras", "tf.compat.v1.compat"}

METHODS_OF = {
    "keras.Layer",
    "keras.Metric",
    "keras.Model",
    "keras.Optimizer",
    "keras.Sequential",
    "keras.callbacks.Callback",
    "tf.GradientTape",
    "tf.Module",
    "tf.RaggedTensor",
    "tf.TensorArray",
    "tf.TensorShape",
    "tf.Variable",
    "tf.compat.v1.Session",
    "tf.compat.v1.train.Optimizer",
    "tf.data.Dataset",
    "tf.distribute.Strategy",
    "tf.sparse.SparseTensor",
    "tf.train.Checkpoint",
    "tf.train.CheckpointManager",
}
"""Classes whose methods code calls by the class, or on what it made of it."""


def walk(module: types.ModuleType, prefix: str) -> Iterator[tuple[str, Any]]:
    """Public names below a module with their objects; modules are entered."""
    for name in sorted(dir(module)):
        if name.startswith("_") and name != "__version__":
            continue
        value = getattr(module, name)
        path = f"{prefix}.{name}"
        if not isinstance(value, types.ModuleType):
            yield path, value
        elif is_public(value) and path.count(".") < 7 and path not in WALKED_ELSEWHERE:
            yield from walk(value, path)


def literal(value: object) -> str:
    """Source of a default, or ``...`` where it is an object without one."""
    if isinstance(value, tf.DType):
        return f"tf.{value.name}"
    if isinstance(value, torch.dtype):
        return str(value)
    text = repr(value)
    try:
        ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return "..."
    return text


def signature(value: Any) -> str:
    """Parameters in brackets, with defaults and without annotations; or nothing."""
    target = getattr(value, "__init__", value) if inspect.isclass(value) else value
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return ""
    plain = []
    for p in parameters:
        if p.name == "self":
            continue
        has_default = p.default is not inspect.Parameter.empty
        plain.append(
            p.replace(
                annotation=inspect.Parameter.empty,
                default=Literal(p.default) if has_default else p.default,
            )
        )
    return str(inspect.Signature(plain))


class Literal:
    """A default that prints as :func:`literal` says."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return literal(self.value)


def line(path: str, value: object) -> str:
    """One line of a list: kind where it is a class, name, parameters."""
    if inspect.isclass(value):
        return f"class {path}{signature(value)}"
    return f"{path}{signature(value) if callable(value) else ''}"


def preference(path: str, value: object) -> tuple[bool, bool, int, bool, str]:
    """Order in which names of one object are preferred as its main name."""
    last = path.rpartition(".")[2]
    return (
        path.startswith(("tf.compat", "keras.legacy")),
        last != getattr(value, "__name__", last),
        path.count("."),
        path.startswith("tf.keras."),
        path,
    )


def tf_names() -> dict[str, Any]:
    """All public names of TensorFlow and Keras, as code writes them."""
    found = dict(walk(tf, "tf"))
    found |= dict(walk(keras, "keras"))
    tf_keras = dict(walk(importlib.import_module("keras._tf_keras.keras"), "tf.keras"))
    for path, value in tf_keras.items():
        if found.get(path.removeprefix("tf.")) is not value:
            found[path] = value  # the others are keras.X under a longer name
    for path in [p for p in found if p.startswith("tf.compat.v1.")]:
        if found.get(path.replace("tf.compat.v1.", "tf.")) is found[path]:
            del found[path]  # likewise
    return found


def tf_lines() -> list[str]:
    """Lines of ``tf_symbols.txt``: each object once, its other names refer to it."""
    found = tf_names()
    groups: dict[int, list[str]] = {}
    for path, value in found.items():
        if callable(value) or isinstance(value, tf.DType):
            groups.setdefault(id(value), []).append(path)
    main: dict[str, str] = {}
    for paths in groups.values():
        first, *others = sorted(paths, key=lambda p: preference(p, found[p]))
        main |= dict.fromkeys(others, first)
    classes = {p: v for p, v in found.items() if inspect.isclass(v) and p not in main}
    for path, value in classes.items():
        if path in METHODS_OF or is_enumeration(value):
            found |= {p: m for p, m in methods(value, path) if p not in found}
    return [
        f"{path} = {main[path]}" if path in main else line(path, value)
        for path, value in sorted(found.items())
    ]


def is_enumeration(kind: type) -> bool:
    """Tell whether a class only names constants, as ``tf.image.ResizeMethod`` does."""
    if issubclass(kind, enum.Enum):
        return True
    own = [v for n, v in vars(kind).items() if not n.startswith("_")]
    return bool(own) and all(isinstance(v, str | int) for v in own)


def methods(kind: type, path: str) -> Iterator[tuple[str, Any]]:
    """Public methods and attributes of a class, under its name."""
    for name in dir(kind):
        if not name.startswith("_"):
            yield f"{path}.{name}", inspect.getattr_static(kind, name)


STUBS = (
    # file, the class it is in, what its names begin with
    ("_VariableFunctions.pyi", "", "torch"),
    ("__init__.pyi", "TensorBase", "torch.Tensor"),
    ("../nn/functional.pyi", "", "torch.nn.functional"),
    ("_nn.pyi", "", "torch.nn.functional"),
)


def stub_signatures() -> dict[str, str]:
    """Signatures of torch's built-in functions, from the stubs it comes with."""
    found: dict[str, list[ast.arguments]] = {}
    folder = Path(torch.__file__).parent / "_C"
    for file, owner, prefix in STUBS:
        for node in ast.walk(ast.parse((folder / file).read_text())):
            if not isinstance(node, ast.Module | ast.ClassDef):
                continue
            if getattr(node, "name", "") != owner:
                continue
            for function in node.body:
                if isinstance(function, ast.FunctionDef):
                    path = f"{prefix}.{function.name}"
                    found.setdefault(path, []).append(function.args)
    return {path: one_signature(several) for path, several in found.items()}


def one_signature(several: list[ast.arguments]) -> str:
    """Make one signature, in brackets, of those that a function has.

    It is the longest; what another one goes without may be left out: its default
    is written as None.
    """
    longest = max(several, key=lambda a: len(names_of(a)))
    others = [names_of(a) for a in several if not a.vararg]
    optional = {n for n in names_of(longest) for names in others if n not in names}
    plain = [*longest.posonlyargs, *longest.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(longest.defaults))
    defaults += longest.defaults
    for n, argument in enumerate(plain):
        if defaults[n] is None and (argument.arg in optional or any(defaults[:n])):
            defaults[n] = ast.Constant(None)
    longest.defaults = [default for default in defaults if default is not None]
    for node in ast.walk(longest):
        if isinstance(node, ast.arg):
            node.annotation = None
    text = ast.unparse(longest)
    return f"({re.sub(r'^self(, /)?(, )?', '', text)})"


def names_of(arguments: ast.arguments) -> list[str]:
    """Names of all parameters but ``*args`` and ``**kwargs``."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in every]


def torch_lines() -> list[str]:
    """Lines of ``torch_symbols.txt``."""
    stubs = stub_signatures()
    found = {}
    for name in TORCH_MODULES:
        module = importlib.import_module(name)
        for attribute in dir(module):
            value = getattr(module, attribute)
            if attribute.startswith("_") or isinstance(value, types.ModuleType):
                continue
            found[f"{name}.{attribute}"] = value
    for attribute in dir(torch.Tensor):
        if not attribute.startswith("_"):
            found[f"torch.Tensor.{attribute}"] = getattr(torch.Tensor, attribute)
    lines = []
    for path, value in sorted(found.items()):
        text = line(path, value)
        if "(" not in text:
            text += stubs.get(path, "")
        lines.append(text)
    return lines


HEAD = "# Public names of {}; written by migrate_examples.api_map.generate.\n"


def texts() -> dict[Path, str]:
    """Both files, as the installed versions make them."""
    ours = f"tensorflow {tf.__version__} and keras {keras.__version__}"
    theirs = f"torch {torch.__version__.partition('+')[0]}"
    return {
        TF_SYMBOLS: HEAD.format(ours) + "\n".join(tf_lines()) + "\n",
        TORCH_SYMBOLS: HEAD.format(theirs) + "\n".join(torch_lines()) + "\n",
    }


if __name__ == "__main__":
    for file, text in texts().items():
        file.write_text(text)
