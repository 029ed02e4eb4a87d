"""Runs a row of the API map on random inputs in both frameworks.

The only place of the package that evaluates text as code: the text is the
project's own data, never a user's.
"""

import ast
import re
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import torch
from numpy.typing import NDArray

from migrate_examples.api_map import Row

# 32 and 64 bits are a fact of either library; float, integer and truth are not.
KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "truth"}
INPUT = re.compile(r"(f32|f64|i32|i64|bool)\[([\d,]*)\](?: (NHWC))?")
DTYPES = {
    "f32": "float32",
    "f64": "float64",
    "i32": "int32",
    "i64": "int64",
    "bool": "bool",
}
# A handful of roundings: the two libraries sum in different orders.
RTOL = {"float32": 2e-5, "float64": 1e-12}
NAMES_TF = {"tf": tf, "keras": keras, "np": np}
NAMES_TORCH = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np}


class Proof(NamedTuple):
    """Largest difference of values and of gradients, and what was allowed."""

    error: float
    gradient_error: float | None
    rtol: float


class MismatchError(AssertionError):
    """The two sides of a row disagree."""


def draw(spec: str, rng: np.random.Generator) -> NDArray[Any]:
    """Draw a random array of a spec such as ``"f32[2,3]"``; integers from 0 to 3."""
    match = INPUT.fullmatch(spec)
    if match is None:
        raise ValueError(f"input {spec!r}: write dtype[shape], as in f32[2,3]")
    shape = tuple(int(n) for n in match[2].split(",") if n)
    dtype = np.dtype(DTYPES[match[1]])
    if dtype.kind == "f":
        return np.asarray(rng.normal(size=shape), dtype)
    return np.asarray(rng.integers(0, 2 if dtype.kind == "b" else 4, size=shape), dtype)


def run(code: str, names: dict[str, Any]) -> Any:
    """Run a side of a row; its last line is an expression, its value."""
    *statements, last = ast.parse(code.strip()).body
    if not isinstance(last, ast.Expr):
        message = f"{code!r} ends with a statement: end with an expression"
        raise SyntaxError(message)  # noqa: TRY004  the code is wrong, no argument
    exec(compile(ast.Module(statements, []), "<row>", "exec"), names)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "<row>", "eval"), names)  # noqa: S307


def arrays(value: Any) -> list[NDArray[Any]]:
    """Flatten the result of either side to a list of arrays."""
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return [array for part in value for array in arrays(part)]
    if isinstance(value, torch.Tensor):
        return [value.numpy(force=True)]
    return [np.asarray(value)]


def evaluate_tf(
    row: Row, inputs: dict[str, NDArray[Any]]
) -> tuple[list[NDArray[Any]], list[NDArray[Any] | None]]:
    """Evaluate the TensorFlow side: its results, and the gradients of their sum."""
    tensors = {name: tf.constant(x) for name, x in inputs.items()}
    floats = [t for t in tensors.values() if t.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        value = run(row.tf, {**NAMES_TF, **tensors})
        parts = [
            p for p in tf.nest.flatten(value) if tf.is_tensor(p) and p.dtype.is_floating
        ]
        total = (
            tf.add_n([tf.reduce_sum(p) for p in parts]) if parts and floats else None
        )
    if total is None:
        return arrays(value), [None] * len(floats)
    gradients = tape.gradient(total, floats)
    dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]
    return arrays(value), dense


def evaluate_torch(
    row: Row, inputs: dict[str, NDArray[Any]]
) -> tuple[list[NDArray[Any]], list[NDArray[Any] | None]]:
    """Evaluate the PyTorch side: its results, and the gradients of their sum."""
    tensors = {name: torch.tensor(x) for name, x in inputs.items()}
    floats = [t.requires_grad_() for t in tensors.values() if t.is_floating_point()]
    value = run(row.torch, {**NAMES_TORCH, **tensors})
    flat = list(value) if isinstance(value, list | tuple) else [value]
    parts = [p for p in flat if isinstance(p, torch.Tensor) and p.requires_grad]
    if not parts:
        return arrays(value), [None] * len(floats)
    total = torch.stack([p.sum() for p in parts]).sum()
    gradients = torch.autograd.grad(total, floats, allow_unused=True)
    return arrays(value), [None if g is None else g.numpy() for g in gradients]


def largest_difference(
    row: Row,
    ours: list[NDArray[Any]],
    theirs: list[NDArray[Any]],
    rtol: float,
    what: str,
) -> float:
    """Largest absolute difference; raise where it is more than rounding."""
    if len(ours) != len(theirs):
        raise MismatchError(
            f"{row.tf}: {len(ours)} {what} against {len(theirs)} in {row.torch}"
        )
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            raise MismatchError(
                f"{row.tf}: {what} {a.shape} against {b.shape} in {row.torch}"
            )
        if KINDS.get(a.dtype.kind) is None or KINDS[a.dtype.kind] != KINDS.get(
            b.dtype.kind
        ):
            message = f"{what} of type {a.dtype} against {b.dtype} in {row.torch}"
            raise MismatchError(f"{row.tf}: {message}")
        scale = max(1.0, float(np.nanmax(np.abs(a.astype("float64")), initial=0.0)))
        try:
            np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * scale)
        except AssertionError as error:
            message = f"{what} of {row.tf} and {row.torch} differ: {error}"
            raise MismatchError(message) from error
        both = a.astype("float64"), b.astype("float64")
        worst = max(worst, float(np.max(np.abs(both[0] - both[1]), initial=0.0)))
    return worst


def prove(row: Row, seed: int = 0) -> Proof:
    """Run both sides of a row on the same random inputs and compare.

    Parameters
    ----------
    row : Row
        A row without ``unverified``.
    seed : int
        Of the inputs.

    Returns
    -------
    Proof
        The differences measured. The gradient's is None where one of the
        sides has no gradient to any floating input.

    Raises
    ------
    MismatchError
        Where values, shapes or gradients differ by more than rounding.

    Examples
    --------
    >>> row = Row("tf.square(x)", "x**2", "tensors", {"x": "f64[3]"})
    >>> prove(row).error
    0.0
    """
    rng = np.random.default_rng(seed)
    inputs = {name: draw(spec, rng) for name, spec in row.inputs.items()}
    swapped = {
        name: np.ascontiguousarray(np.moveaxis(x, -1, 1))
        if "NHWC" in row.inputs[name]
        else x
        for name, x in inputs.items()
    }
    values_tf, gradients_tf = evaluate_tf(row, inputs)
    values_torch, gradients_torch = evaluate_torch(row, swapped)
    channels_last = any("NHWC" in spec for spec in row.inputs.values())
    values_tf = [nchw(v) if channels_last else v for v in values_tf]
    width = (
        "float64" if any("f64" in spec for spec in row.inputs.values()) else "float32"
    )
    rtol = row.rtol or RTOL[width]
    error = largest_difference(row, values_tf, values_torch, rtol, "values")
    floats = [spec for spec in row.inputs.values() if spec.startswith("f")]
    gradients_tf = [  # a kernel's gradient keeps its axes, an image's follows it
        nchw(g) if g is not None and "NHWC" in spec else g
        for g, spec in zip(gradients_tf, floats, strict=True)
    ]
    ours, theirs = comparable(row, gradients_tf, gradients_torch)
    if not ours:
        return Proof(error, None, rtol)
    return Proof(
        error, largest_difference(row, ours, theirs, rtol * 10, "gradients"), rtol
    )


def comparable(
    row: Row, ours: list[NDArray[Any] | None], theirs: list[NDArray[Any] | None]
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Select the gradients that both sides have; one side's alone must be zero."""
    pairs = []
    for a, b in zip(ours, theirs, strict=True):
        if a is not None and b is not None:
            pairs.append((a, b))
            continue
        alone = b if a is None else a
        if alone is not None and np.any(alone):
            side = "PyTorch" if a is None else "TensorFlow"
            raise MismatchError(f"{row.tf}: only {side} has a gradient")
    return [a for a, _ in pairs], [b for _, b in pairs]


def nchw(array: NDArray[Any]) -> NDArray[Any]:
    """Move the channels of a 4-D array from last to second; leave others alone."""
    return np.moveaxis(array, -1, 1) if array.ndim == 4 else array
