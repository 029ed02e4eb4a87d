"""Activations: functions by name, and the layers that are one function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from migrate_examples.port.graph import Call
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import LOWERINGS, UnsupportedError, lowers
from migrate_examples.port.lower.axes import axis_in, dims
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.parameters import bare
from migrate_examples.port.program import Filled, Layout, Local

PLAIN = {
    "relu": "F.relu({0})",
    "relu6": "F.relu6({0})",
    "leaky_relu": "F.leaky_relu({0}, 0.2)",  # PyTorch's own default is 0.01
    "elu": "F.elu({0})",
    "selu": "F.selu({0})",
    "celu": "F.celu({0})",
    "gelu": "F.gelu({0})",
    "silu": "F.silu({0})",
    "swish": "F.silu({0})",
    "mish": "F.mish({0})",
    "tanh": "torch.tanh({0})",
    "sigmoid": "torch.sigmoid({0})",
    "hard_sigmoid": "F.hardsigmoid({0})",
    "hard_silu": "F.hardswish({0})",
    "hard_swish": "F.hardswish({0})",
    "hard_tanh": "F.hardtanh({0})",
    "log_sigmoid": "F.logsigmoid({0})",
    "exponential": "torch.exp({0})",
    "softplus": "F.softplus({0})",
    "softsign": "F.softsign({0})",
    "soft_shrink": "F.softshrink({0})",
    "hard_shrink": "F.hardshrink({0})",
    "tanh_shrink": "F.tanhshrink({0})",
    "squareplus": "({0} + ({0}.square() + 4).sqrt()) / 2",
    "sparse_plus": "torch.where({0} < 1, ({0} + 1).clamp(min=0).square() / 4, {0})",
    "sparse_sigmoid": "(({0} + 1) / 2).clamp(0, 1)",
}
"""Keras's activations, by name, that work element by element."""

ALONG = {
    "softmax": "{{0}}.softmax(dim={dim})",
    "log_softmax": "{{0}}.log_softmax(dim={dim})",
    "glu": "F.glu({{0}}, dim={dim})",
    "sparsemax": "sparsemax({{0}}, dim={dim})",
}
"""Those that work along an axis: Keras's last one."""


def expression_of(
    body: Body, name: str, layout: Layout, rank: int, axis: int = -1
) -> str:
    """Expression of an activation over ``{0}``; empty for the linear one.

    Raises
    ------
    UnsupportedError
        For a function that is not one of Keras's own.
    """
    if name == "linear":
        return ""
    if name in ALONG:
        if name == "sparsemax":
            body.need("sparsemax")
        return ALONG[name].format(dim=axis_in(layout, axis, rank))
    if name not in PLAIN:
        raise UnsupportedError(
            f"activation {name!r} is not one of Keras's own: replace it by one of "
            f"{', '.join(sorted({*PLAIN, *ALONG}))}, or write the line by hand"
        )
    return PLAIN[name]


def name_of(activation: Any) -> str:
    """Name of an activation in a config: a string, or the dict of a function."""
    if activation is None:
        return "linear"
    if isinstance(activation, str):
        return activation
    if isinstance(activation, Mapping):
        inner = activation.get("config")
        return inner if isinstance(inner, str) else str(activation.get("class_name"))
    return str(getattr(activation, "__name__", activation))


def activate(
    call: Call, body: Body, local: Local, layout: Layout, key: str = "activation"
) -> Local:
    """Write the activation that a layer of another kind ends with."""
    activation = call.config.get(key)
    if isinstance(activation, Mapping) and activation.get("class_name") in LOWERINGS:
        return _activate_by_layer(call, body, local, layout, activation)
    expression = expression_of(body, name_of(activation), layout, local.rank)
    return body.line(expression, local) if expression else local


def _activate_by_layer(
    call: Call,
    body: Body,
    local: Local,
    layout: Layout,
    activation: Mapping[str, Any],
) -> Local:
    """A layer as an activation: ``Dense(3, activation=LeakyReLU(0.1))``."""
    if activation["class_name"] in {"PReLU", "Lambda"}:
        raise UnsupportedError(
            f"activation {activation['class_name']} has weights or code of its own: "
            "make it a layer behind this one"
        )
    before = body.value(call.outputs[0].shape, call.outputs[0].dtype)
    body.give(before, local, layout)
    after = body.value(before.shape, before.dtype)
    inner = Call(
        call.layer,
        activation["class_name"],
        activation.get("config") or {},
        (before,),
        (before,),
        {},
        (None,),
        (after,),
        {},
    )
    body.lower(inner)
    return body.take(after, layout)


@lowers("Activation")
def activation(call: Call, body: Body) -> None:
    """``Activation("relu")``."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    local = activate(call, body, body.take(value, layout), layout)
    body.give(call.outputs[0], local, layout)


def function(expression: Callable[[Mapping[str, Any]], str], *kinds: str) -> None:
    """Register layers that are one function of their input, in any layout."""

    @lowers(*kinds)
    def lower(call: Call, body: Body) -> None:
        value = call.inputs[0]
        layout = body.layout_of(value)
        written = expression(call.config)
        local = body.take(value, layout)
        local = body.line(written, local) if written else local
        body.give(call.outputs[0], local, layout)


def relu(config: Mapping[str, Any]) -> str:
    """Expression of a ReLU of any slope, ceiling and threshold.

    >>> relu({"max_value": 6.0}), relu({"negative_slope": 0.1})
    ('F.relu6({0})', 'F.leaky_relu({0}, 0.1)')
    >>> relu({"negative_slope": 0.1, "threshold": 0.5})
    'torch.where({0} > 0.5, {0}, 0.1 * ({0} - 0.5))'
    """
    slope = config.get("negative_slope") or 0.0
    threshold = config.get("threshold") or 0.0
    most = config.get("max_value")
    if threshold:
        below = f"{slope} * ({{0}} - {threshold})" if slope else "0.0"
        above = "{0}" if most is None else f"{{0}}.clamp(max={most})"
        return f"torch.where({{0}} > {threshold}, {above}, {below})"
    if most is None:
        return f"F.leaky_relu({{0}}, {slope})" if slope else "F.relu({0})"
    if slope:
        return f"F.leaky_relu({{0}}, {slope}).clamp(max={most})"
    return "F.relu6({0})" if most == 6 else f"{{0}}.clamp(0, {most})"


def _elu(config: Mapping[str, Any]) -> str:
    alpha = config.get("alpha", 1.0)
    return "F.elu({0})" if alpha == 1 else f"F.elu({{0}}, {alpha})"


function(relu, "ReLU")
function(lambda config: f"F.leaky_relu({{0}}, {config['negative_slope']})", "LeakyReLU")
function(_elu, "ELU")


@lowers("Softmax")
def softmax(call: Call, body: Body) -> None:
    """Softmax along one axis or several; masked places are zeros, as in Keras."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    local = body.take(value, layout)
    given = call.config.get("axis", -1)
    axes = [given] if isinstance(given, int) else list(given)
    places = [axis_in(layout, axis, value.rank) for axis in axes]
    masks = [v for v in (*call.inputs[1:], call.masks[0] if call.masks else None) if v]
    if masks:
        mask = body.take(
            masks[0],
            layout if masks[0].rank == value.rank else body.layout_of(masks[0]),
        )
        local = body.line(
            "{0}.masked_fill(~{1}, torch.finfo({0}.dtype).min)", local, mask
        )
    if len(places) == 1:
        local = body.line(f"{{0}}.softmax(dim={places[0]})", local)
    else:
        dim = dims(places)
        local = body.line(
            f"({{0}} - {{0}}.logsumexp({dim}, keepdim=True)).exp()", local
        )
    if masks:
        local = body.line("{0}.masked_fill(~{1}, 0.0)", local, mask)
    body.give(call.outputs[0], local, layout)


@lowers("PReLU")
def prelu(call: Call, body: Body) -> None:
    """``nn.PReLU``, with a slope a channel; a helper for a slope a place."""
    value = call.inputs[0]
    layout = Layout.FIRST if value.rank > 2 else body.layout_of(value)
    local = body.take(value, layout)
    filled: Sequence[Filled] = to_torch("PReLU", call.config, call.weights)
    shape = filled[0].array.shape
    if len(shape) == 1:
        local = body.module("nn.PReLU", (shape[0],), (local,), filled=filled)
    else:
        slope = bare(body, filled[0], "slope")
        local = body.line("torch.where({0} > 0, {0}, {1} * {0})", local, slope)
    body.give(call.outputs[0], local, layout)
