"""Dropout and noise: what acts in training alone, and what does nothing at all."""

from migrate_examples.port.graph import Call
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Layout


@lowers("Dropout", "AlphaDropout")
def dropout(call: Call, body: Body) -> None:
    """``nn.Dropout``; with a noise shape, ``nn.Dropout2d`` and friends."""
    value = call.inputs[0]
    shape = call.config.get("noise_shape")
    if shape is not None:
        _shared_dropout(call, body, list(shape))
        return
    layout = body.layout_of(value)
    local = body.take(value, layout)
    made = body.module(f"nn.{call.kind}", (call.config["rate"],), (local,))
    body.give(call.outputs[0], made, layout)


def _shared_dropout(call: Call, body: Body, shape: list[int | None]) -> None:
    """Whole channels at once: the noise has one place for all steps."""
    value = call.inputs[0]
    axes = value.rank - 2
    if call.kind != "Dropout" or axes not in {1, 2, 3} or set(shape[1:-1]) != {1}:
        raise UnsupportedError(
            f"noise_shape={shape}: PyTorch drops single values or whole channels; use "
            "SpatialDropout, or write it by hand"
        )
    local = body.take(value, Layout.FIRST)
    made = body.module(f"nn.Dropout{axes}d", (call.config["rate"],), (local,))
    body.give(call.outputs[0], made, Layout.FIRST)


@lowers("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def spatial_dropout(call: Call, body: Body) -> None:
    """``nn.Dropout2d``: a channel as a whole."""
    first = call.config.get("data_format") == "channels_first"
    layout = Layout.LAST if first else Layout.FIRST
    local = body.take(call.inputs[0], layout)
    axes = call.inputs[0].rank - 2
    made = body.module(f"nn.Dropout{axes}d", (call.config["rate"],), (local,))
    body.give(call.outputs[0], made, layout)


@lowers("GaussianNoise")
def gaussian_noise(call: Call, body: Body) -> None:
    """A helper that adds noise in training."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    name = body.need("GaussianNoise")
    made = body.module(name, (call.config["stddev"],), (body.take(value, layout),))
    body.give(call.outputs[0], made, layout)


@lowers("GaussianDropout")
def gaussian_dropout(call: Call, body: Body) -> None:
    """A helper that multiplies by noise in training."""
    rate = call.config["rate"]
    value = call.inputs[0]
    layout = body.layout_of(value)
    name = body.need("GaussianDropout")
    made = body.module(name, (rate,), (body.take(value, layout),))
    body.give(call.outputs[0], made, layout)


@lowers(
    *("Identity", "ActivityRegularization", "InputLayer"),
    *("ops.ConvertToTensor", "ops.Identity"),
)
def identity(call: Call, body: Body) -> None:
    """Nothing: a penalty on activities belongs to the training loop."""
    value = call.inputs[0]
    layout = body.layout_of(value)
    body.give(call.outputs[0], body.take(value, layout), layout)


@lowers("Masking")
def masking(call: Call, body: Body) -> None:
    """Zeros in the steps that hold nothing but the mask value."""
    value = call.inputs[0]
    local = body.take(value, Layout.LAST)
    mask_value = float(call.config["mask_value"])
    note = "steps without content become zeros"
    made = body.line(
        f"{{0}} * ({{0}} != {mask_value}).any(-1, keepdim=True)", local, note=note
    )
    body.give(call.outputs[0], made, Layout.LAST)
