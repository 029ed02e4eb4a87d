"""One class of the written file: its ``__init__`` and its ``forward``."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrate_examples.port.blocks.folded import BlockClass, Required
from migrate_examples.port.program import Layout, Local, Port, Program, Step
from migrate_examples.port.source.expressions import (
    construction,
    filled_in,
    literal,
)
from migrate_examples.port.source.locals_named import locals_named
from migrate_examples.port.source.names import GLOBALS, identifier
from migrate_examples.port.source.statements import (
    TOKEN,
    WIDTH,
    Statement,
    is_bare,
    statements,
)

AUTO_INPUT = re.compile(r"(input|inputs|input_layer|keras_tensor|input\d+)(_\d+)?")

LAYOUT_COMMENTS = {
    "0, 3, 1, 2": "NHWC -> NCHW",
    "0, 2, 3, 1": "NCHW -> NHWC",
    "0, 4, 1, 2, 3": "NDHWC -> NCDHW",
    "0, 2, 3, 4, 1": "NCDHW -> NDHWC",
}


@dataclass(frozen=True)
class Signature:
    """What the head of a class says.

    Attributes
    ----------
    name : str
        Of the class.
    docstring : str
        Its text, without indentation.
    parameters : tuple of str
        Of ``__init__``, with annotations.
    inputs : mapping of int to str
        Arguments of ``forward``: key of the local, name.
    """

    name: str
    docstring: str
    parameters: tuple[str, ...]
    inputs: Mapping[int, str]


@dataclass(frozen=True)
class Written:
    """A class in text, and where its steps are.

    Attributes
    ----------
    text : str
        Not yet formatted.
    attributes : mapping
        Attribute of each module, by layer and role.
    lines : mapping of int to int
        Number of the statement of ``forward`` that each step is in.
    expressions : mapping of int to str
        Text of that statement.
    """

    text: str
    attributes: Mapping[tuple[str, str], str]
    lines: Mapping[int, int]
    expressions: Mapping[int, str]


def write_class(
    signature: Signature,
    steps: Sequence[Step],
    attributes: Mapping[tuple[str, str], str],
    returns: Any,
    built: Mapping[tuple[str, str], str],
    kept: Sequence[tuple[str, str]] = (),
) -> Written:
    """Write one class.

    Parameters
    ----------
    signature : Signature
        Its head.
    steps : sequence of Step
        Of its ``forward``.
    attributes : mapping
        Attribute of each module, by layer and role.
    returns : structure of Local
        What ``forward`` returns.
    built : mapping
        Expressions for the classes of nested models, by layer and role.
    kept : sequence of (str, str)
        Other attributes, with their expressions.
    """
    outputs = locals_in(returns)
    inputs = [Local(key, 0) for key in signature.inputs]
    lines = statements(steps, attributes, inputs, outputs)
    named_outputs = {local.key: "" for local in outputs}
    if isinstance(returns, Mapping):
        named_outputs |= {
            part.key: identifier(str(key))
            for key, part in returns.items()
            if isinstance(part, Local)
        }
    names = locals_named(lines, signature.inputs, named_outputs)
    plain = {
        step.results[0].key: filled_in(
            step.expression, [], f"self.{attributes[step.layer, step.role]}"
        )
        for step in steps
        if is_bare(step)
    }
    body = forward_lines(lines, names, plain, returns)
    arguments = ", ".join(f"{name}: Tensor" for name in signature.inputs.values())
    made = init_lines(steps, attributes, built, kept)
    text = [f"class {signature.name}(nn.Module):"]
    text.append(textwrap.indent(f'"""{signature.docstring}"""', "    ") + "\n")
    buffers = [attributes[s.layer, s.role] for s in steps if is_buffer(s)]
    text += [f"    {name}: Tensor" for name in dict.fromkeys(buffers)] + [""]
    if made:
        parameters = "".join(f", {parameter}" for parameter in signature.parameters)
        text += [f"    def __init__(self{parameters}) -> None:"]
        text += ["        super().__init__()"]
        text += [f"        {line}" for line in made] + [""]
    text += [f"    def forward(self, {arguments}) -> {annotation(returns)}:"]
    text += [f"        {line}" for line in body]
    places = {step: n for n, line in enumerate(lines) for step in line.steps}
    shown = {step: named(line.text, names) for line in lines for step in line.steps}
    return Written("\n".join(text), attributes, places, shown)


def forward_lines(
    lines: Sequence[Statement],
    names: Mapping[int, str],
    plain: Mapping[int, str],
    returns: Any,
) -> list[str]:
    """Statements of ``forward``, comments among them."""
    body: list[str] = []
    for line in lines:
        for note in line.notes:
            body += textwrap.wrap(
                note, WIDTH - 8, initial_indent="# ", subsequent_indent="# "
            )
        left = ", ".join(names[result.key] for result in line.results)
        text = f"{named(line.text, names)}{layout_comment(line)}"
        if line is lines[-1] and line.results == (returns,):
            return [*body, f"return {text}"]
        body.append(f"{left} = {text}")
    return [*body, f"return {returned(returns, {**names, **plain})}"]


def layout_comment(line: Statement) -> str:
    """What a line that does nothing else but permute an image is for."""
    for order, words in LAYOUT_COMMENTS.items():
        if re.fullmatch(rf"{TOKEN.pattern}\.permute\({order}\)", line.text):
            return f"  # {words}"
    return ""


def init_lines(
    steps: Sequence[Step],
    attributes: Mapping[tuple[str, str], str],
    built: Mapping[tuple[str, str], str],
    kept: Sequence[tuple[str, str]],
) -> list[str]:
    """Assignments of ``__init__``, each module once."""
    made = {f"self.{name} = {expression}": None for name, expression in kept}
    for step in steps:
        key = step.layer, step.role
        if step.inner is not None:
            made[f"self.{attributes[key]} = {built[key]}()"] = None
        elif is_buffer(step):
            array = step.filled[0].array
            dtype = "" if array.dtype.kind == "f" else f", dtype=torch.{array.dtype}"
            zeros = f"torch.zeros({array.shape!r}{dtype})"
            made[f'self.register_buffer("{attributes[key]}", {zeros})'] = None
        elif step.module is not None:
            made[f"self.{attributes[key]} = {construction(step.module)}"] = None
    return list(made)


def is_buffer(step: Step) -> bool:
    """Whether a step is a tensor that is not trained."""
    return step.module is not None and step.module.call == "register_buffer"


def named(text: str, names: Mapping[int, str]) -> str:
    """An expression with names in the place of tokens."""
    return TOKEN.sub(lambda found: names[int(found[1])], text)


def returned(returns: Any, names: Mapping[int, str]) -> str:
    """What ``return`` says."""
    if isinstance(returns, Local):
        return names[returns.key]
    if isinstance(returns, Mapping):
        pairs = (f'"{key}": {returned(part, names)}' for key, part in returns.items())
        return f"{{{', '.join(pairs)}}}"
    return ", ".join(
        f"({returned(part, names)})"
        if isinstance(part, tuple | list)
        else returned(part, names)
        for part in returns
    )


def annotation(returns: Any) -> str:
    """Type of what ``forward`` returns."""
    if isinstance(returns, Local):
        return "Tensor"
    if isinstance(returns, Mapping):
        kinds = list(dict.fromkeys(annotation(part) for part in returns.values()))
        return f"dict[str, {' | '.join(kinds)}]"
    return f"tuple[{', '.join(annotation(part) for part in returns)}]"


def locals_in(returns: Any) -> list[Local]:
    """All locals of a structure."""
    if isinstance(returns, Local):
        return [returns]
    parts = returns.values() if isinstance(returns, Mapping) else returns
    return [local for part in parts for local in locals_in(part)]


def program_signature(name: str, program: Program, *, nested: bool) -> Signature:
    """Head of the class of a whole model, or of one nested in it."""
    inputs = input_names(program.inputs)
    # A layer of the user's own has the name of its class.
    what = "layer" if nested and program.name[:1].isupper() else "model"
    lines = [f"The Keras {what} ``{program.name}``.", ""]
    for port, written in zip(program.inputs, inputs.values(), strict=True):
        lines.append(f"Takes ``{written}``: {described(port)}.")
    several = isinstance(program.returns, Mapping)
    for port in program.outputs:
        which = f"``{port.name}``: " if several else ""
        lines.append(f"Returns {which}{described(port)}.")
    return Signature(name, "\n".join([*lines, ""]), (), inputs)


def block_signature(block: BlockClass) -> Signature:
    """Head of the class of a block."""
    parameters = []
    for one in block.parameters:
        default = ""
        if one.default is not Required.NO_DEFAULT:
            default = f" = {literal(one.default)}"
        parameters.append(f"{one.name}: {one.annotation}{default}")
    keys = [local.key for local in block.inputs]
    names = ["x"] if len(keys) == 1 else [f"x{n}" for n, _ in enumerate(keys, 1)]
    return Signature(
        block.name,
        block.summary,
        tuple(parameters),
        dict(zip(keys, names, strict=True)),
    )


def input_names(ports: Sequence[Port]) -> dict[int, str]:
    """Arguments of ``forward``: the names of Keras's inputs where users gave them."""
    names: dict[int, str] = {}
    for number, port in enumerate(ports, 1):
        name = identifier(port.name)
        if AUTO_INPUT.fullmatch(name):
            name = "x" if len(ports) == 1 else f"x{number}"
        if name in GLOBALS or name == "self" or name in names.values():
            name = f"{name}_{number}"
        names[port.local.key] = name
    return names


def described(port: Port) -> str:
    """Shape and type of an input or output, in words.

    >>> described(Port("x", Local(0, 4), (None, 8, 8, 3), "float32", Layout.FIRST))
    'float32 (batch, 3, 8, 8), channels first'
    """
    shape = list(port.shape)
    if port.layout is Layout.FIRST and len(shape) > 2:
        shape = [shape[0], shape[-1], *shape[1:-1]]
    sizes = ["any" if size is None else str(size) for size in shape]
    sizes[:1] = ["batch" if shape and shape[0] is None else size for size in sizes[:1]]
    words = f", {port.layout.value}" if len(shape) > 3 else ""
    comma = "," if len(sizes) == 1 else ""
    return f"{port.dtype} ({', '.join(sizes)}{comma}){words}"
