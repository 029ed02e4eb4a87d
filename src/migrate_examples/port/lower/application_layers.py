"""Layers that ``keras.applications`` has for itself."""

from migrate_examples.port.graph import Call
from migrate_examples.port.lower import lowers
from migrate_examples.port.lower.axes import common_layout
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Filled, Layout


@lowers("LayerScale")
def layer_scale(call: Call, body: Body) -> None:
    """A scale for each channel (ConvNeXt)."""
    ((name, array),) = call.weights.items()
    local = body.take(call.inputs[0], Layout.LAST)
    scale = body.parameter(Filled("", array, (name,), "as it is"), "scale", 1)
    body.give(call.outputs[0], body.line("{0} * {1}", local, scale), Layout.LAST)


@lowers("StochasticDepth")
def stochastic_depth(call: Call, body: Body) -> None:
    """A helper that drops whole branches in training (ConvNeXt)."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    rate = float(call.config["drop_path_rate"])
    name = body.need("StochasticDepth")
    made = body.module(name, (rate,), (body.take(value, layout),))
    body.give(call.outputs[0], made, layout)


@lowers("CustomScaleLayer")
def scaled_sum(call: Call, body: Body) -> None:
    """A branch, scaled, on top of its input (InceptionResNetV2)."""
    layout = common_layout(body, call.inputs)
    locals_ = [body.take(value, layout) for value in call.inputs]
    scale = float(call.config["scale"])
    made = body.line(f"{{0}} + {scale} * {{1}}", *locals_)
    body.give(call.outputs[0], made, layout)
