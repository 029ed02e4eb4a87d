"""Python expressions as text: literals, constructions, operands put in."""

import ast
import math
import re
import struct
from collections.abc import Sequence
from typing import Any

from migrate_examples.port.blocks.folded import Choice, Repeat
from migrate_examples.port.program import Construction, Verbatim

PLACE = re.compile(r"\{(\d+|module)\}")
LONG_FLOAT = re.compile(r"(?<![\w.])\d+\.\d{12,}(?:e[+-]?\d+)?")
MOST_DIGITS = 9
LARGEST_FLOAT32 = 3.4e38


def filled_in(template: str, operands: Sequence[str], module: str = "") -> str:
    """Put operands into the format string of a step, in parentheses where needed.

    >>> filled_in("{0}.flatten(1)", ["x + y"])
    '(x + y).flatten(1)'
    >>> filled_in("F.relu({0})", ["x + y"]), filled_in("{module}({0})", ["x"], "self.a")
    ('F.relu(x + y)', 'self.a(x)')
    >>> filled_in("{0} + {1}", ["x * y", "z"]), filled_in("{0} * {1}", ["x + y", "z"])
    ('x * y + z', '(x + y) * z')
    """
    template = LONG_FLOAT.sub(lambda found: plain_float(float(found[0])), template)
    text = ""
    end = 0
    for found in PLACE.finditer(template):
        text += template[end : found.start()]
        end = found.end()
        if found[1] == "module":
            text += module
            continue
        operand = operands[int(found[1])]
        text += operand if is_atom(operand) else f"({operand})"
    text = (text + template[end:]).replace("{{", "{").replace("}}", "}")
    for operand in operands:
        text = _without_parentheses(text, operand)
    return text


def _without_parentheses(text: str, operand: str) -> str:
    """Take the parentheses off an operand where the expression stays the same."""
    if f"({operand})" not in text:
        return text
    bare = text.replace(f"({operand})", operand, 1)
    try:
        same = ast.dump(ast.parse(bare)) == ast.dump(ast.parse(text))
    except SyntaxError:
        same = False
    return bare if same else text


def is_atom(text: str) -> bool:
    """Whether an expression holds together without parentheses.

    >>> is_atom("self.conv(x)"), is_atom("-x"), is_atom("1.0")
    (True, False, False)
    """
    tree = ast.parse(text, mode="eval").body
    return isinstance(
        tree, ast.Call | ast.Attribute | ast.Subscript | ast.Name | ast.Tuple
    )


def literal(value: Any) -> str:
    """An argument as it is printed.

    >>> literal((3, 3)), literal(Verbatim("out_channels * 4")), literal("reflect")
    ('(3, 3)', 'out_channels * 4', "'reflect'")
    """
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, Repeat):
        one = construction(value.construction)
        return f"*({one} for {value.variable} in range({value.count}))"
    if isinstance(value, Construction):
        return construction(value)
    if isinstance(value, float):
        return plain_float(value)
    if isinstance(value, tuple):
        comma = "," if len(value) == 1 else ""
        return f"({', '.join(map(literal, value))}{comma})"
    return repr(value)


def plain_float(value: float) -> str:
    """A number without the noise of the computation that it comes from.

    It stays as it is where that noise is seen in float32, and where it has no end: a
    third is not ``0.333333333333``.

    >>> plain_float(0.07500000000000001), plain_float(1 / 3), plain_float(1e-05)
    ('0.075', '0.3333333333333333', '1e-05')
    """
    value = float(value)  # NumPy prints its own by another name
    if not math.isfinite(value) or abs(value) > LARGEST_FLOAT32:
        return repr(value)
    plain = float(f"{value:.12g}")
    digits = re.sub(r"e.*", "", repr(abs(plain))).replace(".", "").strip("0")
    same = struct.pack("f", plain) == struct.pack("f", value)
    return repr(plain if same and len(digits) <= MOST_DIGITS else value)


def construction(built: Construction) -> str:
    """What ``__init__`` writes for a module or a parameter.

    >>> construction(Construction("nn.Conv2d", (3, 8, 3), (("stride", 2),)))
    'nn.Conv2d(3, 8, 3, stride=2)'
    >>> construction(Choice("nn.Dropout", (0.5,), (), "rate > 0"))
    'nn.Dropout(0.5) if rate > 0 else nn.Identity()'
    """
    if built.call == "nn.Parameter":
        return f"nn.Parameter(torch.zeros({literal(built.arguments[0])}))"
    arguments = [literal(value) for value in built.arguments]
    arguments += [f"{name}={literal(value)}" for name, value in built.keywords]
    text = f"{built.call}({', '.join(arguments)})"
    if isinstance(built, Choice) and built.condition:
        return f"{text} if {built.condition} else nn.Identity()"
    return text
