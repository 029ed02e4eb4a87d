"""Convolutions: padding, stride, dilation, the crop of the transposed one."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor

from migrate_examples.port.parity.axes import channels_first
from migrate_examples.port.parity.place import BEFORE, Place, Trial, bound, run, tensor
from migrate_examples.port.parity.torch_trace import TorchCall, pieces


def several(value: Any, axes: int) -> tuple[int, ...]:
    """One number or one for every axis, as one for every axis."""
    if isinstance(value, int):
        return (value,) * axes
    found = tuple(int(part) for part in value)
    return found * axes if len(found) == 1 else found


def same_amounts(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> list[tuple[int, int]]:
    """What 'same' pads in front and behind, by axis.

    From ``total = max((ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)``, the
    smaller half in front.

    >>> same_amounts([8], [3], [2], [1]), same_amounts([7], [3], [2], [1])
    ([(0, 1)], [(1, 1)])
    """
    amounts = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        amounts.append((total // 2, total - total // 2))
    return amounts


def flat(amounts: Sequence[tuple[int, int]]) -> list[int]:
    """Amounts as F.pad takes them: the last axis first."""
    return [part for pair in reversed(amounts) for part in pair]


def keras_padding(place: Place, x: Tensor, kernel: Sequence[int]) -> list[int]:
    """What the layer of Keras pads, as F.pad takes it."""
    axes = x.ndim - 2
    stride = several(place.layer.config("strides", 1), axes)
    dilation = several(place.layer.config("dilation_rate", 1), axes)
    padding = str(place.layer.config("padding", "valid"))
    if padding == "causal":
        return [(kernel[0] - 1) * dilation[0], 0]
    if padding != "same":
        return [0] * (2 * axes)
    return flat(same_amounts(x.shape[2:], kernel, stride, dilation))


def convolution(place: Place) -> Iterator[Trial]:
    """Try the layer's own padding, stride and dilation on the port's kernel."""
    if not place.is_a("Conv") or place.is_a("Transpose", "Separable"):
        return
    for call in place.calls:
        x, given = place.input_for(call), bound(call)
        kernel = given["weight"].shape[2:]
        stride = several(place.layer.config("strides", 1), len(kernel))
        dilation = several(place.layer.config("dilation_rate", 1), len(kernel))
        amounts = keras_padding(place, x, kernel)
        padded = F.pad(x, amounts)
        right: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": 0}
        error = place.gives(run, call, input=padded, **right)
        read = place.unpadded(call)
        if (
            not error <= place.tolerance
            or read is None
            or read.number not in place.equal
        ):
            continue
        for name in ("stride", "dilation"):
            if several(given.get(name, 1), len(kernel)) != right[name]:
                cause = f"CONV-{name.upper()}"
                if name == "stride" and stride_elsewhere(place, call):
                    cause = "RESNET-STRIDE"
                yield Trial(
                    cause, error, f"{call.name}(..., {name}={right[name]})", call
                )
        yield padding_trial(place, call, amounts, error)


def padding_trial(
    place: Place, call: TorchCall, amounts: list[int], error: float
) -> Trial:
    """Name the padding, asymmetric or only another."""
    uneven = any(a != b for a, b in zip(amounts[::2], amounts[1::2], strict=True))
    cause = "PADDING-SAME" if uneven else "PADDING-AMOUNT"
    line = f"{call.name}(F.pad(x, {amounts}), weight, bias, stride, padding=0)"
    read = place.trace.values[call.read[0]] if call.read else None
    apart = read is not None and read.number not in place.equal
    return Trial(cause, error, line, call, BEFORE if apart else "the layer itself")


def zero_padding(place: Place) -> Iterator[Trial]:
    """Try what the layer pads, in the convolution that reads it."""
    if not place.is_a("ZeroPadding"):
        return
    padded = tensor(channels_first(place.layer.output))
    before = tensor(channels_first(place.layer.inputs[0]))
    amounts = amounts_between(before, padded)
    for reader in place.readers():
        for call in place.trace.calls:
            read = (
                place.unpadded(call)
                if call.name.startswith(("conv", "max_p"))
                else None
            )
            if read is None or read.number not in place.equal:
                continue
            x = padded.to(next(pieces(call.arguments)).dtype)
            work = functools.partial(run, call, input=x, padding=0)
            error = place.gives_array(work, reader.output)
            trial = padding_trial(place, call, amounts, error)
            yield trial._replace(where=BEFORE)


def amounts_between(small: Tensor, large: Tensor) -> list[int]:
    """What was put around a tensor, as F.pad takes it."""
    found = []
    for axis in reversed(range(2, small.ndim)):
        more = large.shape[axis] - small.shape[axis]
        for front in range(more + 1):
            part = large.narrow(axis, front, small.shape[axis])
            rest = [other for other in range(2, small.ndim) if other != axis]
            if torch.allclose(part.sum(rest), small.sum(rest)):
                found += [front, more - front]
                break
    return found


def stride_elsewhere(place: Place, call: TorchCall) -> bool:
    """Whether a neighbour in the port has the stride that Keras has here."""
    wanted = max(several(place.layer.config("strides", 1), 1))
    here = max(several(bound(call).get("stride", 1), 1))
    convolutions = [c for c in place.trace.calls if c.name.startswith("conv")]
    position = convolutions.index(call)
    near = convolutions[max(position - 2, 0) : position + 3]
    other = [max(several(bound(c).get("stride", 1), 1)) for c in near if c is not call]
    return wanted != here and wanted in other and wanted > here


def transposed(place: Place) -> Iterator[Trial]:
    """Try the crop of 'same': max(k - s, 0) // 2 in front, the rest behind."""
    if not place.is_a("Conv") or not place.is_a("Transpose"):
        return
    for call in place.calls:
        weight = bound(call)["weight"]
        stride = several(place.layer.config("strides", 1), weight.ndim - 2)[0]
        front = max(weight.shape[2] - stride, 0) // 2
        line = (
            f"F.{call.name}(x, weight, stride={stride})[..., {front}:{front} + n * "
            f"{stride}] on every spatial axis, then + bias"
        )
        error = place.gives(cropped, place, call, place.input_for(call))
        yield Trial("TRANSPOSED-CROP", error, line, call)


def cropped(place: Place, call: TorchCall, x: Tensor) -> Tensor:
    """The transposed convolution of the layer, with the port's kernel."""
    weight, bias = bound(call)["weight"], bound(call).get("bias")
    axes = x.ndim - 2
    stride = several(place.layer.config("strides", 1), axes)
    dilation = several(place.layer.config("dilation_rate", 1), axes)
    same = place.layer.config("padding") == "same"
    y: Tensor = call.function(x, weight, None, stride=stride, dilation=dilation)
    for axis in range(axes):
        n, s = x.shape[2 + axis], stride[axis]
        k = (weight.shape[2 + axis] - 1) * dilation[axis] + 1
        size = n * s if same else n * s + max(k - s, 0)
        start = max(k - s, 0) // 2 if same else 0
        y = F.pad(y, [0, 0] * (axes - 1 - axis) + [0, max(k, s) - k])
        y = y.narrow(2 + axis, start, min(size, y.shape[2 + axis] - start))
    return y if bias is None else y + bias.reshape(-1, *[1] * axes)


def keras_window(
    place: Place, call: TorchCall
) -> tuple[Tensor, list[int], dict[str, Any]]:
    """Input of a pooling, what Keras pads it by, and arguments that pad nothing."""
    x = place.input_for(call)
    kernel = several(place.layer.config("pool_size"), x.ndim - 2)
    stride = several(place.layer.config("strides") or kernel, x.ndim - 2)
    changes = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": 0,
        "ceil_mode": False,
    }
    return x, keras_padding(place, x, kernel), changes


def maximum_pooling(place: Place) -> Iterator[Trial]:
    """Try windows padded as 'same' pads, with minus infinity."""
    if not place.is_a("MaxPool"):
        return
    for call in place.calls:
        x, amounts, changes = keras_window(place, call)
        kernel, stride = changes["kernel_size"], changes["stride"]
        padded = F.pad(x, amounts, value=-torch.inf)
        error = place.gives(run, call, input=padded, **changes)
        line = (
            f"F.{call.name}(F.pad(x, {amounts}, value=-torch.inf), {kernel}, {stride})"
        )
        yield Trial("POOL-SAME-MAX", error, line, call)


def average_pooling(place: Place) -> Iterator[Trial]:
    """Try averages over what is not padding."""
    if not place.is_a("AveragePool") or place.is_a("Global"):
        return
    for call in place.calls:
        x, amounts, changes = keras_window(place, call)
        line = "count_include_pad=False"
        if amounts[::2] != amounts[1::2]:
            line = (
                f"F.{call.name} of F.pad(x, {amounts}) divided by that of padded ones"
            )
        error = place.gives(average_without, call, x, amounts, changes)
        yield Trial("POOL-SAME-AVERAGE", error, line, call)


def average_without(
    call: TorchCall, x: Tensor, amounts: list[int], changes: dict[str, Any]
) -> Any:
    """Averages of a padded input over what is not padding."""
    ones = F.pad(torch.ones_like(x), amounts)
    above = run(call, input=F.pad(x, amounts), **changes)
    return above / run(call, input=ones, **changes)
