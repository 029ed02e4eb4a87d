"""Recurrent layers whose products are convolutions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from migrate_examples.port.graph import Call
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.activations import name_of
from migrate_examples.port.lower.axes import numbers, short
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.padding import Window, same_padding
from migrate_examples.port.lower.recurrent import (
    callable_of,
    check_state,
    given_to,
    reversed_steps,
)
from migrate_examples.port.program import Filled, Layout, Local, Verbatim


@lowers("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def conv_lstm(call: Call, body: Body) -> None:
    """A helper that takes one step after the other."""
    config = call.config
    check_state(config)
    given = given_to(call, body)
    if given.states or config.get("data_format") == "channels_first":
        raise UnsupportedError(
            "a ConvLSTM with initial_state or channels first: write its loop by hand"
        )
    x, mask = given.x, given.mask
    if config.get("go_backwards"):
        x, mask = reversed_steps(body, x, mask)
    axes = x.rank - 3
    steps = (0, 1, axes + 2, *range(2, axes + 2))
    x = body.line(f"{{0}}.permute({', '.join(map(str, steps))})", x)
    arguments, filled = _convolutions(call, axes)
    operands = [x, *([] if mask is None else [mask])]
    outputs, state = body.module(
        body.need("ConvLSTM"),
        arguments,
        operands,
        keywords=_keywords(body, call),
        filled=filled,
        expression="{module}({0})" if mask is None else "{module}({0}, mask={1})",
        results=2,
        note=_note(call),
    )
    _give(call, body, (outputs, mask), state)


def _note(call: Call) -> str:
    rates = [call.config.get("dropout"), call.config.get("recurrent_dropout")]
    if any(rates):
        return "Keras drops inputs and states in training; this does not"
    return ""


def _keywords(body: Body, call: Call) -> dict[str, Verbatim]:
    names = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    return {
        key: callable_of(body, name_of(call.config[key]))
        for key, default in names.items()
        if name_of(call.config[key]) != default
    }


def _convolutions(
    call: Call, axes: int
) -> tuple[tuple[Verbatim, Verbatim], list[Filled]]:
    """Both convolutions as they are written, and their tensors."""
    config = call.config
    arrays = {name.rpartition("/")[2]: name for name in call.weights}
    kernel, recurrent = (
        call.weights[arrays["kernel"]],
        call.weights[arrays["recurrent_kernel"]],
    )
    ones = (1,) * axes
    size, gap = (
        numbers(config["kernel_size"], axes),
        numbers(config["dilation_rate"], axes),
    )
    window = Window(size, numbers(config["strides"], axes), gap)
    same = config["padding"] == "same"
    sizes = call.inputs[0].shape[2:-1]
    pairs = same_padding(sizes, window) if same else ((0, 0),) * axes
    around = same_padding(sizes, Window(size, ones, ones))
    if pairs is None or around is None:
        raise UnsupportedError("a ConvLSTM with strides over images of unknown size")
    bias = "bias" in arrays
    first, path = _written(kernel.shape, window, pairs, bias=bias)
    second, way = _written(
        recurrent.shape, Window(size, ones, ones), around, bias=False
    )
    given = {
        "kernel": kernel,
        **({"bias": call.weights[arrays["bias"]]} if bias else {}),
    }
    filled = [
        *_named(f"input{path}", to_torch(f"Conv{axes}D", {}, given), arrays),
        *_named(
            f"recurrent{way}",
            to_torch(f"Conv{axes}D", {}, {"kernel": recurrent}),
            {"kernel": arrays["recurrent_kernel"]},
        ),
    ]
    return (Verbatim(first), Verbatim(second)), filled


def _named(
    prefix: str, filled: Sequence[Filled], names: dict[str, str]
) -> list[Filled]:
    return [
        replace(
            part,
            target=f"{prefix}.{part.target}",
            sources=tuple(names[source] for source in part.sources),
        )
        for part in filled
    ]


def _written(
    shape: Sequence[int],
    window: Window,
    pairs: Sequence[tuple[int, int]],
    *,
    bias: bool,
) -> tuple[str, str]:
    """An ``nn.Conv`` as code, and where its tensors are in it."""
    axes = len(window.size)
    parts: list[Any] = [shape[-2], shape[-1], short(window.size)]
    for name, values in (("stride", window.step), ("dilation", window.gap)):
        if set(values) != {1}:
            parts.append(f"{name}={short(values)}")
    even = all(front == behind for front, behind in pairs)
    if even and any(map(any, pairs)):
        parts.append(f"padding={short([front for front, _ in pairs])}")
    if not bias:
        parts.append("bias=False")
    convolution = f"nn.Conv{axes}d({', '.join(map(str, parts))})"
    if even:
        return convolution, ""
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    return f"nn.Sequential(nn.ZeroPad{axes}d({flat}), {convolution})", ".1"


def _give(
    call: Call, body: Body, outputs: tuple[Local, Local | None], state: Local
) -> None:
    """Outputs and states, the channels of each step behind again."""
    x, mask = outputs
    out = call.outputs[0]
    if mask is not None and call.config.get("zero_output_for_mask"):
        new = ", ".join([":"] * 2 + ["None"] * (x.rank - 2))
        x = body.line(f"{{0}} * {{1}}[{new}]", x, mask)
    if call.config["return_sequences"]:
        order = (0, 1, *range(3, x.rank), 2)
        x = body.line(f"{{0}}.permute({', '.join(map(str, order))})", x)
        body.give(out, x, Layout.LAST)
    else:
        x = body.line("{0}[:, -1]", x, rank=out.rank)
        body.give(out, x, Layout.FIRST)
    for n, value in enumerate(call.outputs[1:]):
        body.give(value, body.line(f"{{0}}[{n}]", state, rank=value.rank), Layout.FIRST)
