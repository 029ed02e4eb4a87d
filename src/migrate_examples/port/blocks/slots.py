"""What may differ between two lines of one form: the numbers, and the function."""

import re
from ast import literal_eval
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrate_examples.port.blocks.folded import BlockClass, Required
from migrate_examples.port.program import Step, Verbatim

POSITIONAL: dict[str, tuple[str, ...]] = {
    "nn.Conv": ("in_channels", "out_channels", "kernel_size", "stride", "padding"),
    "nn.Linear": ("in_features", "out_features"),
    "nn.BatchNorm": ("num_features",),
    "nn.LayerNorm": ("normalized_shape",),
    "nn.GroupNorm": ("num_groups", "num_channels"),
    "nn.InstanceNorm": ("num_features",),
    "nn.MaxPool": ("kernel_size", "stride", "padding"),
    "nn.AvgPool": ("kernel_size", "stride", "padding"),
    "nn.Dropout": ("p",),
    "nn.MultiheadAttention": ("embed_dim", "num_heads"),
    "nn.Embedding": ("num_embeddings", "embedding_dim"),
}
"""Names of positional arguments, by how the call begins."""

CONV_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
NORM_DEFAULTS = {"eps": 1e-5, "momentum": 0.1, "affine": True}
DEFAULTS: dict[str, Mapping[str, Any]] = {
    "nn.ConvTranspose": {**CONV_DEFAULTS, "output_padding": 0},
    "nn.Conv": CONV_DEFAULTS,
    "nn.Linear": {"bias": True},
    "nn.BatchNorm": NORM_DEFAULTS,
    "nn.LayerNorm": {"eps": 1e-5, "elementwise_affine": True, "bias": True},
    "nn.GroupNorm": {"eps": 1e-5, "affine": True},
    "nn.MaxPool": {"padding": 0, "ceil_mode": False},
    "nn.AvgPool": {"padding": 0, "ceil_mode": False, "count_include_pad": True},
}
"""Defaults of keywords, so that a call that leaves one out has the same form."""

SIZES = {
    "in_channels",
    "out_channels",
    "num_features",
    "in_features",
    "out_features",
    "normalized_shape",
    "num_channels",
    "embed_dim",
    "embedding_dim",
    "input_size",
    "hidden_size",
    "shape",
}
"""Names of arguments that count channels or features."""

SHAPED = {"nn.Parameter", "register_buffer", "nn.LayerNorm"}
"""Calls whose first argument is a shape: each of its numbers may differ."""

PAD = re.compile(r"(F\.pad\(\{0\}, )(\([-\d, ]+\))(\))")
SIZES_GIVEN = r"(\d+|\([\d, ]+\))"
PAD_SAME = re.compile(rf"(pad_same\(\{{0\}}, ){SIZES_GIVEN}(, ){SIZES_GIVEN}(\))")
FUNCTION = re.compile(r"(?:F|torch)\.\w+(?=\(\{0\}\)$)")
PLACE = re.compile(r"(\{\w+\})")
FLOAT = re.compile(r"(?<![\w.])\d+\.\d*(?:e[+-]?\d+)?|(?<![\w.])\d+e[+-]?\d+")
INTEGER = re.compile(r"(?<![\w.])-?\d+(?![\w.])")
SIZED = (".reshape(", ".view(", ".unflatten(", ".expand(")


@dataclass
class Registry:
    """The classes made so far, and what their parameters count.

    Attributes
    ----------
    classes : dict of str to BlockClass
        By name, in an order in which they can be defined.
    kinds : dict of str to dict
        By class and parameter: ``size``, ``stride``, …
    parts : dict of str to str
        What a class is made of, for naming those that use it: ``conv``, ``se``.
    """

    classes: dict[str, BlockClass] = field(default_factory=dict)
    kinds: dict[str, dict[str, str]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """A line with its numbers taken out.

    Attributes
    ----------
    token : tuple
        Equal for lines that may become one line of a block.
    slots : dict of str to literal
        What was taken out: ``in_channels``, ``shape.0``, ``expression.1``.
    """

    token: tuple[Hashable, ...]
    slots: Mapping[str, Any]


def beginning(table: Mapping[str, Any], call: str, otherwise: Any) -> Any:
    """Entry of the first key that a call begins with."""
    return next((v for k, v in table.items() if call.startswith(k)), otherwise)


def positional_names(call: str, registry: Registry) -> tuple[str, ...]:
    """Names of the positional arguments of a call, as far as they are known."""
    if call in registry.classes:
        return tuple(p.name for p in registry.classes[call].parameters)
    if call in SHAPED - {"nn.LayerNorm"}:
        return ("shape",)
    if call.startswith("nn.ConvTranspose"):
        return POSITIONAL["nn.Conv"]
    names: tuple[str, ...] = beginning(POSITIONAL, call, ())
    return names


def defaults_of(call: str, registry: Registry) -> Mapping[str, Any]:
    """Keywords of a call that may be left out, and what they are then."""
    if call in registry.classes:
        return {
            p.name: p.default
            for p in registry.classes[call].parameters
            if p.default is not Required.NO_DEFAULT
        }
    found: Mapping[str, Any] = beginning(DEFAULTS, call, {})
    return found


def kind_of(call: str, slot: str, registry: Registry) -> str:
    """What a slot counts: ``size`` of channels, or its own name."""
    name = slot.partition(".")[0]
    if call in registry.kinds:
        return registry.kinds[call].get(name, name)
    return "size" if name in SIZES else name


def call_slots(step: Step, registry: Registry) -> tuple[dict[str, Any], Hashable]:
    """Arguments of the module of a step by name, and what else makes its form."""
    module = step.module
    if module is None:
        return {}, None
    names = positional_names(module.call, registry)
    slots: dict[str, Any] = dict(defaults_of(module.call, registry))
    for n, argument in enumerate(module.arguments):
        slots[names[n] if n < len(names) else f"argument{n}"] = argument
    slots.update(module.keywords)
    if module.call in SHAPED:
        name = names[0]
        shape = slots.pop(name)
        if isinstance(shape, tuple):
            slots.update({f"{name}.{n}": size for n, size in enumerate(shape)})
        else:
            slots[name] = shape
    return slots, (module.call, type(module).__name__, tuple(sorted(slots)))


def expression_slots(expression: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Take numbers, or the function, out of an expression.

    >>> expression_slots("F.relu({0})")
    ({'activation': Verbatim(text='F.relu')}, ('', '({0})'))
    >>> expression_slots("{0} + 0.17 * {1}")
    ({'expression.0': 0.17}, ('{0} + ', ' * {1}'))
    >>> expression_slots("F.pad({0}, (0, 1, 0, 1))")
    ({'pad': (0, 1, 0, 1)}, ('F.pad({0}, ', ')'))
    >>> expression_slots("{0}.permute(0, 3, 1, 2)")
    ({}, ('{0}.permute(0, 3, 1, 2)',))
    """
    function = FUNCTION.match(expression)
    if function:
        rest = expression[function.end() :]
        return {"activation": Verbatim(function.group())}, ("", rest)
    pad = PAD.fullmatch(expression)
    if pad:
        return {"pad": literal_eval(pad.group(2))}, (pad.group(1), pad.group(3))
    same = PAD_SAME.fullmatch(expression)
    if same:
        given = {"kernel_size": same.group(2), "stride": same.group(4)}
        values = {name: literal_eval(text) for name, text in given.items()}
        return values, (same.group(1), same.group(3), same.group(5))
    pattern = INTEGER if any(word in expression for word in SIZED) else FLOAT
    pieces = [""]
    slots: dict[str, Any] = {}
    for part in PLACE.split(expression):
        if PLACE.fullmatch(part):
            pieces[-1] += part
            continue
        at = 0
        for found in pattern.finditer(part):
            pieces[-1] += part[at : found.start()]
            text = found.group()
            value = int(text) if pattern is INTEGER else float(text)
            slots[f"expression.{len(slots)}"] = value
            pieces.append("")
            at = found.end()
        pieces[-1] += part[at:]
    return slots, tuple(pieces)


def form_of(step: Step, registry: Registry) -> Form:
    """Form of a line: equal tokens mean that only numbers differ.

    >>> from migrate_examples.port.program import Construction
    >>> def conv(*arguments, **keywords):
    ...     module = Construction("nn.Conv2d", arguments, tuple(keywords.items()))
    ...     return form_of(Step((), "{module}({0})", (), "a", "", module), Registry())
    >>> conv(3, 8, 1).token == conv(8, 8, 3, stride=2).token
    True
    >>> conv(3, 8, 1).slots["stride"]
    1
    """
    slots, module = call_slots(step, registry)
    inside, pieces = expression_slots(step.expression)
    return Form((pieces, module, len(step.results)), {**slots, **inside})
