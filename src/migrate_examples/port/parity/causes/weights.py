"""Weights: layouts that shapes do not show, exchanged and forgotten ones."""

import itertools
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import FLATTENED, channels_first
from migrate_examples.port.parity.keras_trace import KerasCall
from migrate_examples.port.parity.place import BEFORE, Place, Trial, bound, run, tensor
from migrate_examples.port.parity.torch_trace import TorchCall

NORMALS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


KERNELS = {"weight": "kernel", "bias": "bias"}


def expected(call: KerasCall) -> dict[str, Array]:
    """Weights of the layer as PyTorch's functions take them; empty where unknown."""
    w, kind = call.weights(), call.kind
    if "Normalization" in kind:
        return {ours: w[theirs] for ours, theirs in NORMALS.items() if theirs in w}
    if kind == "Embedding":
        return {"weight": w["embeddings"]} if "embeddings" in w else {}
    if "kernel" not in w or w["kernel"].ndim < 2 or "recurrent_kernel" in w:
        return {}
    kernel = w["kernel"]
    if "Depthwise" in kind:
        spatial = range(kernel.ndim - 2)
        moved = kernel.transpose(kernel.ndim - 2, kernel.ndim - 1, *spatial)
        kernel = moved.reshape(-1, 1, *kernel.shape[:-2])
    elif "Conv" in kind:  # (spatial, in, out), transposed (spatial, out, in)
        kernel = kernel.transpose(
            kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2)
        )
    elif kind == "Dense":
        kernel = kernel.T
    else:
        return {}
    return {"weight": kernel, **({"bias": w["bias"]} if "bias" in w else {})}


def weights(place: Place) -> Iterator[Trial]:
    """Try Keras's own weights in the port's call; where they do, say what its are."""
    right = expected(place.layer)
    if not right or place.is_a("Separable"):
        return
    for call in place.calls:
        given = bound(call)
        changes = {
            name: tensor(array).to(given["weight"].dtype)
            for name, array in right.items()
            if given.get("weight") is not None
        }
        if not changes:
            continue
        read = place.trace.values[call.read[0]].tensor if call.read else None
        inputs = [place.input_for(call)]
        if read is not None and not place.calls_apart(call):
            inputs.append(read.to(inputs[0].dtype))  # with the padding of the port
        for x in inputs:
            error = place.gives(run, call, input=x, **changes)
            if error <= place.tolerance:
                yield from named(place, call, right, error)
                break


def named(
    place: Place, call: TorchCall, right: dict[str, Array], error: float
) -> Iterator[Trial]:
    """Say what the port's weights are instead of Keras's."""
    given = bound(call)
    for name, array in right.items():
        have = given.get(name)
        if have is None:
            line = f"bias=True in {call.module or call.name}, and copy it"
            yield Trial("BIAS-MISSING", error, line, call)
            continue
        mine = have.double().numpy()
        if mine.shape == array.shape and np.allclose(
            mine, array, rtol=1e-9, atol=1e-12
        ):
            continue
        cause, line = instead(place, call, name, mine, array)
        yield Trial(cause, error, line, call)


def instead(
    place: Place, call: TorchCall, name: str, mine: Array, right: Array
) -> tuple[str, str]:
    """Name what one weight of the port is, and the line that mends it."""
    target = next((p for p in call.parameters if p.endswith(name)), name)
    if np.array_equal(np.sort(mine, axis=None), np.sort(right, axis=None)):
        return order_of(place, target, mine, right)
    with np.errstate(over="ignore"):
        half = right.astype(np.float16).astype(np.float64)
    if mine.shape == right.shape and np.allclose(mine, half, rtol=1e-9, atol=1e-12):
        return (
            "DTYPE-FLOAT16",
            f"keep {target} in float32: module.float() before loading",
        )
    if place.kind == "Embedding" and mine.shape == right.shape:
        rows = np.flatnonzero((mine != right).any(axis=1))
        if len(rows) == 1 and not mine[rows[0]].any():
            line = (
                "nn.Embedding(..., padding_idx=None): Keras trains row 0 like any other"
            )
            return "EMBEDDING-PADDING", line
    for other in place.layer.weights().values():
        if other is not right and same_numbers(mine, other):
            return "BATCHNORM-EXCHANGED", f"copy {NORMALS.get(name, name)} to {target}"
    for match in place.matches:
        if match.call.layer is place.layer.layer or match.call.stage == "activation":
            continue
        if any(same_numbers(mine, w) for w in match.call.weights().values()):
            says = f"{target} holds the weights of {match.call.path}"
            return "WEIGHTS-SWAPPED", f"{says}: load {place.layer.path} there"
    theirs = NORMALS[name] if place.is_a("Normalization") else KERNELS.get(name, name)
    return "WEIGHTS-STALE", f"load {theirs} of {place.layer.path} into {target}"


def same_numbers(mine: Array, other: Array) -> bool:
    """Whether two arrays hold the same numbers in any order, and several of them."""
    if mine.size != other.size or np.ptp(other) == 0:
        return False
    return bool(
        np.allclose(np.sort(mine, axis=None), np.sort(other, axis=None), rtol=1e-9)
    )


def order_of(place: Place, target: str, mine: Array, right: Array) -> tuple[str, str]:
    """Say in which order the port holds the right numbers."""
    if place.is_a("Depthwise"):
        line = f"{target}.copy_(kernel.transpose(2, 3, 0, 1).reshape(-1, 1, kh, kw))"
        return "DEPTHWISE-ORDER", line
    if mine.ndim == 2 and mine.shape == right.T.shape and np.array_equal(mine, right.T):
        return "KERNEL-LAYOUT", f"{target}.copy_(kernel.T)"
    spatial = range(2, right.ndim)
    for count in range(1, len(spatial) + 1):
        for axes in itertools.combinations(spatial, count):
            if mine.shape == right.shape and np.array_equal(mine, np.flip(right, axes)):
                line = f"{target}.copy_(kernel.permute(3, 2, 0, 1)), nothing flipped"
                return "KERNEL-FLIPPED", line
    for axes in itertools.permutations(range(right.ndim)):
        turned = right.transpose(axes)
        if turned.shape == mine.shape and np.array_equal(mine, turned):
            return "KERNEL-AXES", f"{target}.copy_(kernel.permute(3, 2, 0, 1))"
    if mine.ndim == 2 and mine.shape == right.shape:
        line = f"order the columns of {target} as the flattened input: HWC to CHW"
        return "FLATTEN-ORDER", line
    return "KERNEL-AXES", f"bring the numbers of {target} into PyTorch's order"


def flatten(place: Place) -> Iterator[Trial]:
    """Try the dense layer on the input flattened as Keras does."""
    if place.kind != "Dense" or place.layer.inputs[0].ndim != 2:
        return
    parent = place.layer.parents[0]
    match = place.matches[parent] if parent >= 0 else None
    if match is None or match.closeness.form != FLATTENED:
        return
    image = match.call.inputs[0]
    for call in place.calls:
        x: Tensor = place.input_for(call)
        line = "x.permute(0, 2, 3, 1).flatten(1) before the linear layer"
        error = place.gives(run, call, input=x)
        yield Trial("FLATTEN-ORDER", error, line, call, BEFORE)
        kernel = place.layer.weights()["kernel"]
        order = channels_first(np.arange(image[0].size).reshape(1, *image.shape[1:]))
        weight = tensor(kernel[order.ravel()].T).to(x.dtype)
        read = place.trace.values[call.read[0]].tensor.to(x.dtype)
        error = place.gives(run, call, input=read, weight=weight)
        have = bound(call).get("weight")
        if have is not None and same_numbers(have.double().numpy(), kernel):
            continue
        if error <= place.tolerance:
            yield from named(place, call, {"weight": weight.double().numpy()}, error)
