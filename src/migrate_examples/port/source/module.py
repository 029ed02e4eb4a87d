"""A whole file: imports, helpers, blocks, nested models, the model, ``load``."""

import ast
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from posixpath import commonpath
from typing import Any

from numpy.typing import NDArray

from migrate_examples.port.blocks.fold import fold, programs
from migrate_examples.port.blocks.folded import BlockClass, Folded, FoldedStep
from migrate_examples.port.program import Port, Program, Step
from migrate_examples.port.source import classes
from migrate_examples.port.source.helper_source import definitions, helper_source
from migrate_examples.port.source.names import attribute_names, class_name

IMPORTS = {
    "math": "import math",
    "OrderedDict": "from collections import OrderedDict",
    "Callable": "from collections.abc import Callable",
    "Sequence": "from collections.abc import Sequence",
    "Path": "from pathlib import Path",
    "": "",
    "torch": "import torch",
    "F": "import torch.nn.functional as F",
    "load_file": "from safetensors.torch import load_file",
}
"""By the name that asks for it; the empty one stands between two groups."""

LOAD = '''WEIGHTS = Path(__file__).with_name("model.safetensors")


def load(weights: Path = WEIGHTS) -> {name}:
    """Build the model with its trained weights, in evaluation mode."""
    model = {name}()
    model.load_state_dict(load_file(weights))
{frozen}    return model.eval()
'''

FROZEN = """    # Keras has one bias: the second one stays zero, and does not learn.
    for name in {names}:
        model.get_parameter(name).requires_grad_(False)
"""


@dataclass(frozen=True)
class Entry:
    """A tensor of the state dict: its name, the variables it comes from, and how."""

    target: str
    sources: tuple[str, ...]
    layout: str


@dataclass(frozen=True)
class Row:
    """What a call of a Keras layer has become.

    Attributes
    ----------
    layer : str
        Its path in Keras.
    torch : str
        Attribute of the module, ``encoder.conv1``; of a layer without one, the
        expression.
    line : int
        In the file.
    """

    layer: str
    torch: str
    line: int


@dataclass(frozen=True)
class Written:
    """A written module.

    Attributes
    ----------
    text : str
        Of ``model.py``, formatted.
    name : str
        Of its public class.
    tensors : mapping of str to ndarray
        The state dict.
    entries : tuple of Entry
        Where each tensor of the state dict comes from.
    rows : tuple of Row
        Where each layer has gone, in the order of ``forward``.
    inputs, outputs : tuple of Port
        As ``forward`` takes and gives them.
    """

    text: str
    name: str
    tensors: Mapping[str, NDArray[Any]]
    entries: tuple[Entry, ...]
    rows: tuple[Row, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def write_module(
    program: Program, preprocessing: Program | None = None, *, folded: bool = True
) -> Written:
    """Write the source of a module that does what a program says.

    Parameters
    ----------
    program : Program
        As ``lower`` makes it.
    preprocessing : Program, optional
        What was split off in front: a module of its own, an attribute of the model
        that its ``forward`` does not call.
    folded : bool
        Whether what repeats becomes classes and loops.

    Returns
    -------
    Written
        The same for the same model, whatever was built before it.
    """
    parts = programs(program)
    parts += [] if preprocessing is None else programs(preprocessing)
    named = {class_name(part.name) for part in parts}  # before any block takes it
    reserved = {*named, *definitions()}
    made = fold(program, reserved) if folded else Folded(program, ())
    if preprocessing is not None:
        step = Step((), "", (), preprocessing.name, inner=preprocessing)
        helpers = tuple(dict.fromkeys((*program.helpers, *preprocessing.helpers)))
        steps = (step, *made.program.steps)
        made = replace(
            made, program=replace(made.program, steps=steps, helpers=helpers)
        )
    return Writer(made).written()


@dataclass
class Writer:
    """Writes one file; remembers its classes."""

    folded: Folded
    texts: dict[str, classes.Written] = field(default_factory=dict)
    inner: dict[int, str] = field(default_factory=dict)
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    rows: list[tuple[str, str, str, int]] = field(default_factory=list)

    def written(self) -> Written:
        """The file."""
        program = self.folded.program
        helpers = helper_source(program.helpers)
        self.taken = {*definitions(), *(block.name for block in self.folded.classes)}
        name = class_name(program.name, self.taken)
        self.taken.add(name)
        for block in self.folded.classes:
            self.block(block)
        self.program(program, "", name)
        self.fill(program, "", name, "")
        parts = [*helpers.values(), *(one.text for one in self.texts.values())]
        body = "\n\n\n".join([*parts, self.load(name)])
        head = f'"""The Keras model ``{program.name}`` in PyTorch."""\n\n'
        text = formatted(f"{head}{imports(body)}\n\n\n{body}")
        return Written(
            text,
            name,
            self.tensors,
            tuple(self.entries),
            self.located(text),
            program.inputs,
            program.outputs,
        )

    def load(self, name: str) -> str:
        """Write the function that loads; biases that Keras has not are frozen."""
        names = tuple(
            entry.target
            for entry in self.entries
            if not entry.sources and "bias_hh" in entry.target
        )
        frozen = FROZEN.format(names=names) if names else ""
        return LOAD.format(name=name, frozen=frozen)

    def block(self, block: BlockClass) -> None:
        """Write the class of a block."""
        attributes = {
            (step.layer, step.role): step.layer
            for step in block.steps
            if step.module is not None or step.inner is not None
        }
        built = self.nested(block.steps)
        returns = block.outputs[0] if len(block.outputs) == 1 else block.outputs
        self.texts[block.name] = classes.write_class(
            classes.block_signature(block),
            block.steps,
            attributes,
            returns,
            built,
            block.kept,
        )

    def program(self, program: Program, prefix: str, name: str) -> None:
        """Write the class of a model, those of its nested models before it."""
        built = self.nested(program.steps)
        attributes = attribute_names(program.steps, prefix)
        nested = program is not self.folded.program
        signature = classes.program_signature(name, program, nested=nested)
        self.texts[name] = classes.write_class(
            signature, program.steps, attributes, program.returns, built
        )

    def nested(self, steps: Sequence[Step]) -> dict[tuple[str, str], str]:
        """Write the classes of nested models; return their names, by their steps."""
        built: dict[tuple[str, str], str] = {}
        for step in steps:
            if step.inner is None:
                continue
            if id(step.inner) not in self.inner:
                self.inner[id(step.inner)] = self.inner_class(step.inner, step.layer)
            built[step.layer, step.role] = self.inner[id(step.inner)]
        return built

    def inner_class(self, program: Program, layer: str) -> str:
        """Write the class of a nested model, or find one that reads the same."""
        name = class_name(program.name, self.taken)
        before = dict(self.texts)
        self.program(program, inner_prefix(program, layer), name)
        text = self.texts[name].text
        plain = class_name(program.name)
        for other, written in before.items():
            if other.startswith(plain) and same_class(written.text, other, text, name):
                self.texts.pop(name)
                return other
        self.taken.add(name)
        return name

    def fill(self, program: Program, prefix: str, name: str, path: str) -> None:
        """Collect tensors and rows, with the path of the module that has them."""
        attributes = attribute_names(program.steps, prefix)
        done: set[tuple[str, str]] = set()
        for number, step in enumerate(program.steps):
            key = step.layer, step.role
            attribute = attributes.get(key, "")
            where = f"{path}{attribute}"
            if step.results:
                self.row(step, name, number, where)
            if key in done or not has_module(step):
                continue
            done.add(key)
            if step.inner is not None:
                inside = inner_prefix(step.inner, step.layer)
                self.fill(step.inner, inside, self.inner[id(step.inner)], f"{where}.")
            for one in step.filled:
                target = f"{where}.{one.target}" if one.target else where
                self.tensors[target] = one.array
                whole = isinstance(step, FoldedStep)
                sources = tuple(
                    source if whole else f"{step.layer}/{source}"
                    for source in one.sources
                )
                self.entries.append(Entry(target, sources, one.layout))

    def row(self, step: Step, name: str, number: int, where: str) -> None:
        """Note where a step is: class, and attribute or number of the statement."""
        if not isinstance(step, FoldedStep):
            path = where if has_module(step) else ""
            for layer in (*step.absorbs, step.layer):
                self.rows.append((layer, path, name, number))
            return
        for origin in step.origins:
            path = f"{where}.{origin.path}".rstrip(".") if origin.path else where
            self.rows.append((origin.layer, path, origin.block, origin.index))

    def located(self, text: str) -> tuple[Row, ...]:
        """Rows with lines, of the formatted text."""
        places = {
            node.name: places_in(node)
            for node in ast.parse(text).body
            if isinstance(node, ast.ClassDef)
        }
        rows: list[Row] = []
        for layer, group in groupby(self.rows, key=lambda row: row[0]):
            steps = list(group)
            built = [step for step in steps if step[1]]
            rows += [
                self.locate(layer, step[1:], *places[step[2]])
                for step in built or steps[-1:]
            ]
        return tuple(dict.fromkeys(rows))

    def locate(
        self,
        layer: str,
        step: tuple[str, str, int],
        attributes: Mapping[str, int],
        lines: Sequence[int],
    ) -> Row:
        """The line that builds a module, or that says what a step does."""
        path, name, number = step
        written = self.texts[name]
        own = path.rpartition(".")[2]
        if path and own in attributes:
            return Row(layer, path, attributes[own])
        if number not in written.lines:  # a bare parameter in no line of its own
            return Row(layer, path, lines[0])
        shown = path or written.expressions[number]
        return Row(layer, shown, lines[written.lines[number]])


def inner_prefix(program: Program, layer: str) -> str:
    """What the paths of a nested model's layers begin with."""
    own = f"{layer}/"
    inside = [
        step.layer
        for step in program.steps
        if has_module(step) and step.layer.startswith(own)
    ]
    if not inside:
        return own
    shared = commonpath([path.rpartition("/")[0] for path in inside])
    return f"{shared}/"


def has_module(step: Step) -> bool:
    """Whether a step calls an attribute."""
    return step.module is not None or step.inner is not None


def same_class(text: str, name: str, other: str, other_name: str) -> bool:
    """Whether two classes differ by their names alone."""
    head = f"class {name}("
    return text.replace(head, f"class {other_name}(", 1) == other


def places_in(node: ast.ClassDef) -> tuple[dict[str, int], list[int]]:
    """Lines of a class: where each attribute is built, and each line of forward."""
    attributes: dict[str, int] = {}
    lines: list[int] = []
    for function in node.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        if function.name == "forward":
            lines = [statement.lineno for statement in function.body]
            continue
        for statement in function.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            if isinstance(target, ast.Attribute):
                attributes[target.attr] = statement.lineno
            call = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(call, ast.Call) and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant):
                    attributes[str(first.value)] = statement.lineno
    return attributes, lines


def imports(body: str) -> str:
    """Imports of the names that a text uses, sorted as ruff sorts them."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    lines = [line for name, line in IMPORTS.items() if not name or name in used]
    short = ", ".join(name for name in ("Tensor", "nn") if name in used)
    return "\n".join([*lines, f"from torch import {short}"])


def formatted(text: str) -> str:
    """A text as ruff formats it."""
    done = subprocess.run(  # the command is ours, the text goes by pipe
        [sys.executable, "-m", "ruff", "format", "--isolated", "-"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"a file was written that does not parse: {done.stderr}")
    return done.stdout
