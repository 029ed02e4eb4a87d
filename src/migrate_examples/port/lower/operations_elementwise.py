"""Operations of ``keras.ops`` that work element by element, in any layout."""

from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.activations import relu
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.operands import (
    argument,
    cast,
    floats,
    layout_for,
    literal,
    places,
)
from migrate_examples.port.program import Layout

ONE = {
    "Abs": "{0}.abs()",
    "Absolute": "{0}.abs()",
    "Fabs": "{0}.abs()",
    "Arccos": "torch.acos({0})",
    "Arccosh": "torch.acosh({0})",
    "Arcsin": "torch.asin({0})",
    "Arcsinh": "torch.asinh({0})",
    "Arctan": "torch.atan({0})",
    "Arctanh": "torch.atanh({0})",
    "BitwiseInvert": "~{0}",
    "BitwiseNot": "~{0}",
    "Cbrt": "{0}.sign() * {0}.abs() ** (1 / 3)",
    "Ceil": "torch.ceil({0})",
    "Copy": "{0}.clone()",
    "Cos": "torch.cos({0})",
    "Cosh": "torch.cosh({0})",
    "Deg2rad": "torch.deg2rad({0})",
    "Erf": "torch.erf({0})",
    "Erfc": "torch.erfc({0})",
    "Erfinv": "torch.erfinv({0})",
    "Exp": "torch.exp({0})",
    "Exp2": "torch.exp2({0})",
    "Expm1": "torch.expm1({0})",
    "Floor": "torch.floor({0})",
    "HardSigmoid": "F.hardsigmoid({0})",
    "HardSilu": "F.hardswish({0})",
    "HardTanh": "F.hardtanh({0})",
    "Isfinite": "torch.isfinite({0})",
    "Isinf": "torch.isinf({0})",
    "Isnan": "torch.isnan({0})",
    "Log": "torch.log({0})",
    "Log10": "torch.log10({0})",
    "Log1p": "torch.log1p({0})",
    "Log2": "torch.log2({0})",
    "LogSigmoid": "F.logsigmoid({0})",
    "LogicalNot": "~{0}",
    "Mish": "F.mish({0})",
    "Negative": "-{0}",
    "Rad2deg": "torch.rad2deg({0})",
    "Reciprocal": "1 / {0}",
    "Relu": "F.relu({0})",
    "Relu6": "F.relu6({0})",
    "Rsqrt": "torch.rsqrt({0})",
    "Selu": "F.selu({0})",
    "Sigmoid": "torch.sigmoid({0})",
    "Sign": "torch.sign({0})",
    "Silu": "F.silu({0})",
    "Sin": "torch.sin({0})",
    "Sinc": "torch.sinc({0})",
    "Sinh": "torch.sinh({0})",
    "Softplus": "F.softplus({0})",
    "Softsign": "F.softsign({0})",
    "SparsePlus": "torch.where({0} < 1, ({0} + 1).clamp(min=0).square() / 4, {0})",
    "SparseSigmoid": "(({0} + 1) / 2).clamp(0, 1)",
    "Sqrt": "torch.sqrt({0})",
    "Square": "{0}.square()",
    "StopGradient": "{0}.detach()",
    "Tan": "torch.tan({0})",
    "Tanh": "torch.tanh({0})",
    "TanhShrink": "F.tanhshrink({0})",
    "Trunc": "torch.trunc({0})",
}
"""Functions of one tensor."""

TWO = {
    "Add": "{0} + {1}",
    "Arctan2": "torch.atan2({0}, {1})",
    "BitwiseAnd": "{0} & {1}",
    "BitwiseOr": "{0} | {1}",
    "BitwiseXor": "{0} ^ {1}",
    "Divide": "{0} / {1}",
    "DivideNoNan": "torch.where({1} == 0, 0.0, {0} / torch.where({1} == 0, 1.0, {1}))",
    "Equal": "{0} == {1}",
    "Greater": "{0} > {1}",
    "GreaterEqual": "{0} >= {1}",
    "Hypot": "torch.hypot({0}, {1})",
    "Less": "{0} < {1}",
    "LessEqual": "{0} <= {1}",
    "Logaddexp": "torch.logaddexp({0}, {1})",
    "LogicalAnd": "{0} & {1}",
    "LogicalOr": "{0} | {1}",
    "LogicalXor": "{0} ^ {1}",
    "Mod": "{0} % {1}",
    "Multiply": "{0} * {1}",
    "NotEqual": "{0} != {1}",
    "Power": "{0} ** {1}",
    "Subtract": "{0} - {1}",
    "TrueDivide": "{0} / {1}",
}
"""Functions of two tensors, or of a tensor and a number."""


@lowers(*(f"ops.{name}" for name in ONE))
def of_one(call: Call, body: Body) -> None:
    """A function of one tensor."""
    _written(call, body, ONE[call.kind.removeprefix("ops.")])


@lowers(*(f"ops.{name}" for name in TWO))
def of_two(call: Call, body: Body) -> None:
    """A function of two, broadcast as in Keras."""
    name = call.kind.removeprefix("ops.")
    pair = [argument(call, 0, "x1"), argument(call, 1, "x2")]
    _given(call, body, TWO[name], pair)


def _given(call: Call, body: Body, expression: str, arguments: list[Any]) -> None:
    """Write an expression over tensors and numbers, and give it."""
    out = call.outputs[0]
    values = [one for one in arguments if isinstance(one, Value)]
    layout = layout_for(body, values, out.rank)
    written, locals_ = places(body, arguments, layout)
    made = body.line(expression.format(*written), *locals_, rank=out.rank)
    body.give(out, made, layout)


def _written(call: Call, body: Body, expression: str) -> None:
    """Write an expression over one tensor, in the layout it has."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    local = body.take(value, layout)
    body.give(call.outputs[0], body.line(expression, local), layout)


@lowers("ops.FloorDivide")
def floor_divide(call: Call, body: Body) -> None:
    """``torch.div``, rounded down, which has a gradient; ``//`` has none."""
    pair = [argument(call, 0, "x1"), argument(call, 1, "x2")]
    written = "torch.div({0}, {1}, rounding_mode='floor')"
    if not isinstance(pair[0], Value):
        written = "torch.floor({0} / {1})"
    _given(call, body, written, pair)


@lowers("ops.Maximum", "ops.Minimum")
def extreme(call: Call, body: Body) -> None:
    """``torch.maximum``; with a number, ``clamp``."""
    pair = [argument(call, 0, "x1"), argument(call, 1, "x2")]
    most = call.kind == "ops.Maximum"
    numbers = [one for one in pair if not isinstance(one, Value)]
    if numbers:
        side = "min" if most else "max"
        _written(call, body, f"{{0}}.clamp({side}={literal(numbers[0])})")
        return
    _given(call, body, f"torch.{'maximum' if most else 'minimum'}({{0}}, {{1}})", pair)


@lowers("ops.Clip")
def clip(call: Call, body: Body) -> None:
    """``clamp``."""
    low, high = call.config["x_min"], call.config["x_max"]
    if isinstance(low, Value) or isinstance(high, Value):
        raise UnsupportedError("clip by tensors: use maximum and minimum")
    sides = [
        literal(float(low)) if isinstance(low, float) else str(low),
        literal(float(high)) if isinstance(high, float) else str(high),
    ]
    _written(call, body, f"{{0}}.clamp({', '.join(sides)})")


@lowers("ops.Where")
def where(call: Call, body: Body) -> None:
    """``torch.where``."""
    parts = [
        argument(call, n, name) for n, name in enumerate(("condition", "x1", "x2"))
    ]
    if parts[1] is None or parts[2] is None:
        raise UnsupportedError(
            "where with a condition alone: the shape of its result "
            "depends on values; use a mask"
        )
    if isinstance(parts[0], Value) and parts[0].dtype != "bool":
        raise UnsupportedError("where: the condition must be bool, cast it")
    _given(call, body, "torch.where({0}, {1}, {2})", parts)


@lowers("ops.Cast", "ops.SaturateCast")
def cast_to(call: Call, body: Body) -> None:
    """``to``; between floats of the model nothing is written."""
    value, out = call.inputs[0], call.outputs[0]
    layout = body.layout_of(value)
    local = body.take(value, layout)
    if value.dtype != out.dtype and {value.dtype, out.dtype} != {"float32", "float64"}:
        local = body.line(cast(out.dtype), local)
    body.give(out, local, layout)


@lowers("ops.Round")
def rounded(call: Call, body: Body) -> None:
    """``torch.round``, half to even in both."""
    decimals = call.config.get("decimals", 0)
    given = f", decimals={decimals}" if decimals else ""
    _written(call, body, f"torch.round({{0}}{given})")


@lowers(
    "ops.LeakyRelu",
    "ops.Elu",
    "ops.Celu",
    "ops.SoftShrink",
    "ops.HardShrink",
    "ops.Gelu",
    "ops.Threshold",
    "ops.Squareplus",
    "ops.NanToNum",
    "ops.ReLU",
)
def with_setting(call: Call, body: Body) -> None:
    """Activations with a slope or a threshold."""
    config = call.config
    name = call.kind.removeprefix("ops.")
    if name == "ReLU":
        _written(call, body, relu(config))
        return
    written = {
        "LeakyRelu": lambda: f"F.leaky_relu({{0}}, {config['negative_slope']})",
        "Elu": lambda: f"F.elu({{0}}, {config['alpha']})",
        "Celu": lambda: f"F.celu({{0}}, {config['alpha']})",
        "SoftShrink": lambda: f"F.softshrink({{0}}, {config['threshold']})",
        "HardShrink": lambda: f"F.hardshrink({{0}}, {config['threshold']})",
        "Gelu": lambda: _gelu(approximate=config["approximate"]),
        "Threshold": lambda: (
            f"F.threshold({{0}}, {config['threshold']}, {config['default_value']})"
        ),
        "Squareplus": lambda: f"({{0}} + ({{0}}.square() + {config['b']}).sqrt()) / 2",
        "NanToNum": lambda: (
            f"torch.nan_to_num({{0}}, {config['nan']}, {config['posinf']}, "
            f"{config['neginf']})"
        ),
    }
    _written(call, body, written[name]())


def _gelu(*, approximate: bool) -> str:
    return f"F.gelu({{0}}{', approximate=' + repr('tanh') if approximate else ''})"


@lowers("ops.ZerosLike", "ops.OnesLike", "ops.FullLike")
def like(call: Call, body: Body) -> None:
    """A tensor of one value, of the shape of another."""
    name = call.kind.removeprefix("ops.")
    value = call.inputs[0]
    layout = body.layout_of(value)
    if name == "FullLike":
        fill = argument(call, 1, "fill_value")
        if isinstance(fill, Value):
            raise UnsupportedError("full_like of a tensor: multiply ones_like by it")
        made = body.line(
            f"torch.full_like({{0}}, {literal(fill)})", body.take(value, layout)
        )
    else:
        function = "zeros_like" if name == "ZerosLike" else "ones_like"
        made = body.line(f"torch.{function}({{0}})", body.take(value, layout))
    out = call.outputs[0]
    if out.dtype != value.dtype:
        made = body.line(cast(out.dtype), made)
    body.give(out, made, layout)


@lowers("Rescaling")
def rescaling(call: Call, body: Body) -> None:
    """A scale and an offset; integers become floats first."""
    value, config = call.inputs[0], call.config
    scale, offset = config["scale"], config["offset"]
    plain = not isinstance(scale, (list, tuple)) and not isinstance(
        offset, (list, tuple)
    )
    layout = body.layout_of(value) if plain else Layout.LAST
    local = floats(body, value, layout)
    written = "{0}"
    for sign, setting, neutral in (("*", scale, 1.0), ("+", offset, 0.0)):
        if isinstance(setting, (list, tuple)):
            written += f" {sign} {{0}}.new_tensor({list(map(float, setting))})"
        elif setting != neutral:
            written += _signed(sign, float(setting))
    if written != "{0}":
        local = body.line(written, local)
    body.give(call.outputs[0], local, layout)


def _signed(sign: str, number: float) -> str:
    """A number behind its sign: ``- 1.0``, and ``/ 255`` where that is meant.

    >>> _signed("+", -1.0), _signed("*", 1 / 255)
    (' - 1.0', ' / 255')
    """
    if sign == "+":
        return f" - {-number}" if number < 0 else f" + {number}"
    whole = round(1 / number) if number else 0
    if abs(number) < 1 and whole and 1 / whole == number:
        return f" / {whole}"
    inverse = round(1 / number, 6) if number else 0.0
    if abs(number) < 1 and inverse and 1 / inverse == number:
        return f" / {inverse}"
    return f" * {number}"
