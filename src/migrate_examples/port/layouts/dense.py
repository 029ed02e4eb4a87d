"""Layouts of matrices and tables: Dense, EinsumDense, Embedding, PReLU."""

from math import prod

import numpy as np

from migrate_examples.port.layouts.variables import (
    Options,
    Variables,
    as_it_is,
    channels_first,
    permuted,
    vector,
)
from migrate_examples.port.program import Filled


def dense(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay a Dense out as ``nn.Linear``.

    After a Flatten its rows go from HWC to CHW; before a Reshape its columns do.
    """
    order = variables.order(("kernel", ""), ("bias", "use_bias"))
    name, weight = variables.need("kernel", order, rank=2)
    before, after = ["in", "out"], ["in", "out"]
    for axis, shape in enumerate((options.flattened, options.unflattened)):
        if shape:
            laid = channels_first((name, weight), shape, axis)
            weight, before[axis], after[axis] = laid
    words = f"({', '.join(before)}) -> ({', '.join(reversed(after))})"
    filled = Filled("weight", np.ascontiguousarray(weight.T), (name,), words)
    bias = variables.take("bias", order, rank=1)
    return (filled, *vector("bias", bias, options._replace(flattened=None)))


def einsum_dense(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay an EinsumDense out as ``nn.Linear`` where it is one, else as it is.

    It is one where the equation sums over the last axes of the input, and the new
    axes are the last ones of the output; several axes are joined.
    """
    order = variables.order(("kernel", ""), ("bias", "bias_axes"))
    kernel = variables.need("kernel", order)
    bias = variables.take("bias", order)
    axes = linear_axes(str(variables.config.get("equation", "")))
    if axes is None:
        return (*as_it_is("weight", kernel), *as_it_is("bias", bias))
    letters, summed, new = axes
    weight = permuted(
        "weight",
        kernel,
        " ".join(letters),
        " ".join(new + summed),
        f"{'*'.join(new)} {'*'.join(summed)}",
    )
    if bias is None:
        return (weight,)
    return (weight, _joined_bias(bias, kernel[1].shape, letters, new))


def linear_axes(equation: str) -> tuple[str, str, str] | None:
    """Axes of the kernel, those summed over, the new ones; None if no ``nn.Linear``.

    >>> linear_axes("abc,cde->abde")
    ('cde', 'c', 'de')
    >>> linear_axes("abc,bcd->abd") is None
    True
    """
    if "->" not in equation or equation.count(",") != 1:
        return None
    inputs, output = equation.replace(" ", "").replace("...", "").split("->")
    given, kernel = inputs.split(",")
    if set(given) & set(kernel) & set(output):
        return None
    summed = "".join(a for a in given if a in kernel)
    new = "".join(a for a in output if a in kernel)
    if not summed or not new or not given.endswith(summed) or not output.endswith(new):
        return None
    return kernel, summed, new


def _joined_bias(
    bias: tuple[str, np.ndarray], shape: tuple[int, ...], letters: str, new: str
) -> Filled:
    """Bias of all new axes, joined; broadcast where it has only some of them."""
    name, array = bias
    sizes = [shape[letters.index(axis)] for axis in new]
    if array.ndim == 1 and array.shape == (prod(sizes),):
        return as_it_is("bias", bias)[0]
    while array.ndim > len(sizes) and array.shape[0] == 1:
        array = array[0]
    laid = np.ascontiguousarray(np.broadcast_to(array, sizes)).reshape(-1)
    before, after = ", ".join(new), " * ".join(new)
    return Filled("bias", laid, (name,), f"({before}) -> ({after})")


def embedding(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay an Embedding out as ``nn.Embedding``: nothing to do."""
    return as_it_is("weight", variables.need("embeddings", ("embeddings",), rank=2))


def reversible_embedding(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay the table out as ``nn.Embedding``, an untied way back as an ``nn.Linear``."""
    back = variables.take("reverse_embeddings", ("embeddings", "reverse_embeddings"))
    there = embedding(variables, options)
    if back is None:
        return there
    return (*there, permuted("reverse.weight", back, "dim tokens", "tokens dim"))


def prelu(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay a PReLU out as ``nn.PReLU``, or with a slope a place, channels first."""
    name, alpha = variables.need("alpha", ("alpha",))
    if alpha.ndim > 1 and alpha.size == alpha.shape[-1]:
        ones = ", ".join("1" for _ in alpha.shape[:-1])
        return (Filled("weight", alpha.reshape(-1), (name,), f"({ones}, c) -> (c)"),)
    axes = {2: "w c", 3: "h w c", 4: "d h w c"}.get(alpha.ndim)
    if axes is None:
        return vector("weight", (name, alpha), options)
    return (permuted("weight", (name, alpha), axes, f"c {axes[:-2]}"),)


def scaled_scores(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay the learned scale of Attention and AdditiveAttention out: as it is."""
    order = ("scale", "concat_score_weight")
    scale = as_it_is("scale", variables.take("scale", order))
    concat = variables.take("concat_score_weight", order)
    return (*scale, *as_it_is("concat_score_weight", concat))
