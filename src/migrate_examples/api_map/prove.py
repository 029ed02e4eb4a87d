"""Runs a row of the API map on random inputs in both frameworks.

The only place of the package that evaluates text as code: the text is the
project's own data, never a user's.
"""

import ast
import contextlib
import functools
import itertools
import logging
import math
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import torch
from numpy.typing import NDArray

from migrate_examples._torchvision import declare_missing_operators
from migrate_examples.api_map import EDGES, Row
from migrate_examples.api_map.inputs import (
    channels_last,
    channels_second,
    draw,
    edge_inputs,
    parse,
)
from migrate_examples.api_map.results import (
    SCHEDULE,
    TYPES,
    arrays,
    is_differentiable,
    leaves,
    rates_torch,
    train_tf,
    train_torch,
)

# A handful of roundings: the two libraries sum in different orders.
RTOL = {"float16": 2e-2, "float32": 2e-5, "float64": 1e-12}
RANDOM = re.compile(r"random|dropout|noise|shuffle|sampl|initiali|mask", re.IGNORECASE)
"""Code that may draw. To set TensorFlow's seed makes every operation after it slow,
because it empties the cache of kernels."""
BOTH = {
    "functools": functools,
    "itertools": itertools,
    "logging": logging,
    "math": math,
    "np": np,
    "os": os,
    "Path": Path,
    "re": re,
}
NAMES_TF = {**BOTH, "tf": tf, "keras": keras}
NAMES_TORCH = {**BOTH, "torch": torch, "nn": torch.nn, "F": torch.nn.functional}

# PyTorch warns where nobody says whether to check them.
torch.sparse.check_sparse_tensor_invariants.enable()

Arrays = dict[str, NDArray[Any]]
Side = tuple[list[NDArray[Any]], list[NDArray[Any] | None]]


class Proof(NamedTuple):
    """What a row was found to be.

    Attributes
    ----------
    error : float
        Largest absolute difference of the values.
    gradient_error : float or None
        Likewise of the gradients; None where a side has none.
    rtol : float
        What was allowed, relative to the largest value.
    """

    error: float
    gradient_error: float | None
    rtol: float


class MismatchError(AssertionError):
    """The two sides of a row disagree."""


def run(code: str, names: dict[str, Any]) -> Any:
    """Run a side of a row; its last line is an expression, its value."""
    *statements, last = ast.parse(code.strip()).body
    if not isinstance(last, ast.Expr):
        message = f"{code!r} ends with a statement: end with an expression"
        raise SyntaxError(message)  # noqa: TRY004  the code is wrong, no argument
    execute(statements, names)
    return evaluate(last.value, names)


def execute(statements: list[ast.stmt], names: dict[str, Any]) -> None:
    """Execute statements of a row with its names."""
    exec(compile(ast.Module(statements, []), "<row>", "exec"), names)  # noqa: S102


def evaluate(expression: ast.expr, names: dict[str, Any]) -> Any:
    """Evaluate an expression of a row with its names."""
    return eval(compile(ast.Expression(expression), "<row>", "eval"), names)  # noqa: S307


def run_applied(code: str, names: dict[str, Any], prepare: Any) -> Any:
    """Run a side that applies a layer, as ``Dense(3)(x)``; prepare the layer before.

    ``prepare(layer, call)`` is given the layer and a function that applies it.
    """
    *statements, last = ast.parse(code.strip()).body
    if not isinstance(last, ast.Expr) or not isinstance(last.value, ast.Call):
        message = f"{code!r}: weights are for a layer that the last line applies"
        raise SyntaxError(message)  # noqa: TRY004  likewise
    execute(statements, names)
    names["_layer"] = evaluate(last.value.func, names)
    applied = ast.Call(
        ast.Name("_layer", ast.Load()), last.value.args, last.value.keywords
    )
    call = ast.fix_missing_locations(ast.copy_location(applied, last.value))
    prepare(names["_layer"], lambda: evaluate(call, names))
    return evaluate(call, names)


def randomise(layer: Any, rng: np.random.Generator) -> Arrays:
    """Give a Keras layer random weights; return them by name, and in order as ``w``."""
    found: list[tuple[str, NDArray[Any]]] = []
    for variable in layer.weights:
        name = variable.path.rpartition("/")[2]
        if name == "seed_generator_state":
            continue
        values = np.asarray(0.5 * rng.normal(size=variable.shape))
        if name == "moving_variance":
            values = np.abs(values) + 0.5
        variable.assign(values.astype(variable.dtype))
        found.append((name, values.astype(variable.dtype)))
    names = [name for name, _ in found]
    single = {name: values for name, values in found if names.count(name) == 1}
    return single | {f"w{i}": values for i, (_, values) in enumerate(found)}


def load(module: torch.nn.Module, row: Row, names: dict[str, Any]) -> None:
    """Fill every tensor of a module with what the row's ``weights`` say.

    Raises
    ------
    MismatchError
        Where a tensor is left out or has another shape.
    """
    state = {k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"}
    if left := state.keys() - row.weights.keys():
        raise MismatchError(f"{row.tf}: weights do not fill {', '.join(sorted(left))}")
    with torch.no_grad():
        for name, expression in row.weights.items():
            value = run(expression, {**NAMES_TORCH, **names})
            if name not in state or state[name].shape != value.shape:
                have = tuple(state[name].shape) if name in state else "nowhere"
                raise MismatchError(
                    f"{row.tf}: {expression} {tuple(value.shape)} for {name} {have}"
                )
            state[name].copy_(value)


@contextlib.contextmanager
def folder_for(code: str) -> Iterator[Path | None]:
    """Make an empty folder for code that writes files; it is gone afterwards."""
    if "tmp" not in code:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def uses_weights(row: Row) -> bool:
    """Tell whether the PyTorch side is given the weights of a Keras layer."""
    if row.weights:
        return True
    names = {n.id for n in ast.walk(ast.parse(row.torch)) if isinstance(n, ast.Name)}
    return bool(names & {"kernel", "w0"} - row.inputs.keys()) and "keras" in row.tf


def evaluate_tf(
    row: Row, inputs: Arrays, seed: int, layouts: set[str]
) -> tuple[Side, Arrays]:
    """Evaluate the TensorFlow side: its results, their gradients, its weights."""
    if row.compare != "values" or RANDOM.search(row.tf):
        keras.utils.set_random_seed(seed)
    tensors = {name: tf.constant(x) for name, x in inputs.items()}
    floats = [t for t in tensors.values() if t.dtype.is_floating]
    weights: Arrays = {}

    def prepare(layer: Any, call: Any) -> None:
        call()  # builds it
        weights.update(randomise(layer, np.random.default_rng(seed)))

    with folder_for(row.tf) as folder, tf.GradientTape(persistent=True) as tape:
        tape.watch(floats)
        names = {**NAMES_TF, **tensors, "tmp": folder}
        if uses_weights(row):
            value = run_applied(row.tf, names, prepare)
        else:
            value = run(row.tf, names)
        if isinstance(value, keras.optimizers.Optimizer):
            start = next(iter(inputs.values()))
            return (train_tf(value, start, seed), [None] * len(floats)), weights
        if isinstance(value, SCHEDULE):
            rates = [np.asarray(float(value(step))) for step in range(30)]
            return (rates, [None] * len(floats)), weights
        found = list(leaves(value))
        parts = [p for p in found if is_differentiable(p)]
        total = weighted_sum_tf(parts, seed, layouts) if parts and floats else None
    if total is None:
        return (arrays(found), [None] * len(floats)), weights
    gradients = tape.gradient(total, floats)
    dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in gradients]
    return (arrays(found), dense), weights


def cotangents(
    shapes: list[tuple[int, ...]], seed: int
) -> list[NDArray[np.floating[Any]]]:
    """Random factors, one array a result, so that no gradient vanishes in a sum."""
    rng = np.random.default_rng(seed + 1)
    return [np.asarray(rng.normal(size=shape)) for shape in shapes]


def weighted_sum_tf(parts: list[Any], seed: int, layouts: set[str]) -> Any:
    """Sum of all results times random factors, as PyTorch's side takes it."""
    total = tf.constant(0.0, tf.float64)
    shapes = [
        channels_second(np.empty(p.shape, "b"), layouts).shape if layouts else p.shape
        for p in parts
    ]
    for part, factor in zip(parts, cotangents(shapes, seed), strict=True):
        ours = channels_last(factor, layouts)
        total += tf.reduce_sum(tf.cast(part, tf.float64) * ours)
    return total


def evaluate_torch(row: Row, inputs: Arrays, seed: int, weights: Arrays) -> Side:
    """Evaluate the PyTorch side: its results, and their gradients."""
    if "torchvision" in row.torch or "migrate_examples" in row.torch:
        declare_missing_operators()
    torch.manual_seed(seed)
    tensors = {
        name: x.tolist() if x.dtype.kind == "U" else torch.tensor(x)
        for name, x in inputs.items()
    }
    floats = [
        t.requires_grad_()
        for t in tensors.values()
        if isinstance(t, torch.Tensor) and t.is_floating_point()
    ]
    names: dict[str, Any] = {**NAMES_TORCH, **tensors}
    names |= {name: torch.tensor(w) for name, w in weights.items()}
    if floats:
        names["params"] = [torch.nn.Parameter(floats[0].detach().clone())]
    with folder_for(row.torch) as folder:
        names["tmp"] = folder
        if row.weights:
            value = run_applied(
                row.torch, names, lambda module, _: load(module, row, names)
            )
        else:
            value = run(row.torch, names)
        if isinstance(value, torch.optim.Optimizer):
            return train_torch(value, seed), [None] * len(floats)
        if isinstance(value, torch.optim.lr_scheduler.LRScheduler):
            return [np.asarray(r) for r in rates_torch(value)], [None] * len(floats)
        found = list(leaves(value))
    parts = [p for p in found if isinstance(p, torch.Tensor) and p.is_floating_point()]
    if not floats or not any(p.requires_grad for p in parts):
        return arrays(found), [None] * len(floats)
    factors = cotangents([tuple(p.shape) for p in parts], seed)
    total = torch.stack(
        [
            (p.double() * torch.tensor(f)).sum()
            for p, f in zip(parts, factors, strict=True)
        ]
    ).sum()
    gradients = torch.autograd.grad(total, floats, allow_unused=True)
    return arrays(found), [None if g is None else g.numpy() for g in gradients]


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
        types = TYPES.get(a.dtype.kind), TYPES.get(b.dtype.kind)
        if types[0] is None or types[0] != types[1]:
            message = f"{what} of type {a.dtype} against {b.dtype} in {row.torch}"
            raise MismatchError(f"{row.tf}: {message}")
        if types[0] == "text":
            if (a != b).any():
                raise MismatchError(f"{row.tf}: {a} against {b} in {row.torch}")
            continue
        if row.compare == "shape":
            continue
        if row.compare == "distribution":
            worst = max(worst, distance(row, a, b))
            continue
        worst = max(worst, deviation(row, a, b, rtol, what))
    return worst


def deviation(
    row: Row, ours: NDArray[Any], theirs: NDArray[Any], rtol: float, what: str
) -> float:
    """Largest absolute difference of two arrays of one shape."""
    wide = "complex128" if ours.dtype.kind == "c" else "float64"
    a, b = ours.astype(wide), theirs.astype(wide)
    finite = np.abs(a[np.isfinite(a)])
    scale = max(1.0, float(np.max(finite, initial=0.0)))
    try:
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * scale)
    except AssertionError as error:
        message = f"{what} of {row.tf} and {row.torch} differ: {error}"
        raise MismatchError(message) from error
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.max(np.abs(a[both] - b[both]), initial=0.0))


def distance(row: Row, ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Distance of two samples, after Kolmogorov and Smirnov.

    Equal distributions exceed the bound less than once in a thousand tries; the
    seeds are fixed, so that a row that passes does so every time.
    """
    a, b = np.sort(ours.ravel()), np.sort(theirs.ravel())
    if a.size < 500:
        raise MismatchError(f"{row.tf}: {a.size} draws tell no distribution; take 500")
    points = np.concatenate([a, b])
    shares = [np.searchsorted(x, points, side="right") / x.size for x in (a, b)]
    found = float(np.max(np.abs(shares[0] - shares[1])))
    bound = 2.0 * math.sqrt((a.size + b.size) / (a.size * b.size))
    if found > bound:
        raise MismatchError(
            f"{row.tf}: distributions {found:.3f} apart, {bound:.3f} allowed"
        )
    return found


def layouts_of(row: Row) -> set[str]:
    """Layouts in which the row's inputs are given to TensorFlow."""
    return {layout for t in row.inputs.values() if (layout := parse(t).layout)}


def tolerance(row: Row) -> float:
    """Relative tolerance of a row: its own, or that of its widest input."""
    if row.rtol is not None:
        return row.rtol
    widths = [str(parse(text).dtype) for text in row.inputs.values()]
    if {"float64", "complex128"} & set(widths):
        return RTOL["float64"]
    return RTOL["float16"] if set(widths) == {"float16"} else RTOL["float32"]


def tf_side(row: Row, inputs: Arrays, seed: int) -> tuple[Side, Arrays]:
    """Evaluate TensorFlow's side, its arrays in PyTorch's layout, and its weights."""
    layouts = layouts_of(row)
    (values, gradients), weights = evaluate_tf(row, inputs, seed, layouts)
    values = [channels_second(v, layouts) for v in values]
    specs = [parse(text) for text in row.inputs.values()]
    floats = [spec for spec in specs if spec.dtype.kind == "f"]
    gradients = [  # a kernel's gradient keeps its axes, an image's follows it
        np.moveaxis(g, -1, 1) if g is not None and spec.layout else g
        for g, spec in zip(gradients, floats, strict=True)
    ]
    return (values, gradients), weights


def torch_side(row: Row, inputs: Arrays, seed: int, weights: Arrays) -> Side:
    """Evaluate PyTorch's side, on inputs in its layout."""
    swapped = {
        name: np.ascontiguousarray(np.moveaxis(x, -1, 1))
        if parse(row.inputs[name]).layout
        else x
        for name, x in inputs.items()
    }
    return evaluate_torch(row, swapped, seed, weights)


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
    inputs = {name: draw(text, rng) for name, text in row.inputs.items()}
    ours, weights = tf_side(row, inputs, seed)
    theirs = torch_side(row, inputs, seed, weights)
    rtol = tolerance(row)
    error = largest_difference(row, ours[0], theirs[0], rtol, "values")
    if row.compare != "values":
        return Proof(error, None, rtol)
    slopes = comparable(row, ours[1], theirs[1])
    if not slopes[0]:
        return Proof(error, None, rtol)
    gradient_error = largest_difference(row, *slopes, rtol * 10, "gradients")
    return Proof(error, gradient_error, rtol)


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


def edge_differences(row: Row, seed: int = 0) -> dict[str, str]:
    """Special inputs on which the sides differ, with how.

    An edge counts where TensorFlow gives a result: PyTorch has to give the
    same. What TensorFlow refuses has no meaning to preserve.

    Examples
    --------
    >>> edge_differences(Row("tf.sign(x)", "x.sign()", inputs={"x": "f64[3]"}))
    {'nan': 'nan against 0'}
    """
    if row.compare != "values":
        return {}
    found = {}
    for edge in EDGES:
        inputs = edge_inputs(row.inputs, edge, np.random.default_rng(seed))
        if inputs is None:
            continue
        if difference := edge_difference(row, inputs, seed):
            found[edge] = difference
    return found


def edge_difference(row: Row, inputs: Arrays, seed: int) -> str:
    """How the sides differ on given inputs; empty where they do not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ours, weights = tf_side(row, inputs, seed)
        except Exception:
            return ""  # TensorFlow refuses: nothing to preserve
        try:
            theirs = torch_side(row, inputs, seed, weights)
        except Exception as error:
            reason = str(error).strip().splitlines()
            return f"PyTorch raises: {(reason or [type(error).__name__])[0][:90]}"
        try:
            largest_difference(row, ours[0], theirs[0], tolerance(row), "values")
        except MismatchError as error:
            return first_difference(ours[0], theirs[0]) or str(error)[:90]
    return ""


def first_difference(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> str:
    """Name the first pair of numbers that differ."""
    for a, b in zip(ours, theirs, strict=False):
        if a.shape != b.shape:
            return f"shape {a.shape} against {b.shape}"
        if a.dtype.kind in "US":
            continue
        apart = np.flatnonzero(~np.isclose(a, b, rtol=1e-4, equal_nan=True))
        if apart.size:
            pair = a.ravel()[apart[0]], b.ravel()[apart[0]]
            return " against ".join(
                f"{x.item():.6g}" if x.dtype.kind == "f" else f"{x.item()}"
                for x in pair
            )
    return ""
