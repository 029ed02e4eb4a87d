"""Layouts of convolutions: channels last to channels first."""

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts.variables import (
    SPATIAL,
    LayoutError,
    Options,
    Variables,
    as_it_is,
    permuted,
)
from migrate_examples.port.program import Filled


def _space(variables: Variables, name: str, rank: int) -> str:
    """Names of the axes of the window of a kernel that has two axes more."""
    stated = [int(c) for c in variables.class_name if c in "123"]
    if rank - 2 not in SPATIAL or (stated and stated[0] != rank - 2):
        raise LayoutError(
            f"{variables.class_name}: {name} has shape "
            f"{variables.arrays[name].shape}, where {stated[0] + 2} axes are expected"
        )
    return SPATIAL[rank - 2]


def convolution(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay a convolution out, grouped or dilated or not, or a transposed one.

    The kernel of a transposed one is (h, w, out, in) and its weight (in, out, h, w):
    the permutation is the same.
    """
    order = variables.order(("kernel", ""), ("bias", "use_bias"))
    kernel = variables.need("kernel", order)
    space = _space(variables, kernel[0], kernel[1].ndim)
    swapped = "Transpose" in variables.class_name
    before = f"{space} out in" if swapped else f"{space} in out"
    after = f"in out {space}" if swapped else f"out in {space}"
    weight = permuted("weight", kernel, before, after)
    return (weight, *as_it_is("bias", variables.take("bias", order, rank=1)))


def depthwise(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay a depthwise convolution out as one with as many groups as channels.

    Channels count first, then the multiplier, in both frameworks.
    """
    order = variables.order(("kernel", ""), ("bias", "use_bias"))
    word = "depthwise_kernel" if variables.name("depthwise_kernel") else "kernel"
    weight = _depthwise(variables, "weight", variables.need(word, order))
    return (weight, *as_it_is("bias", variables.take("bias", order, rank=1)))


def _depthwise(variables: Variables, target: str, kernel: tuple[str, Array]) -> Filled:
    name, array = kernel
    space = _space(variables, name, array.ndim)
    return permuted(
        target,
        (name, array),
        f"{space} channels multiplier",
        f"channels multiplier {space}",
        f"channels*multiplier 1 {space}",
    )


def separable(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay a separable convolution out as two, ``depthwise`` and ``pointwise``."""
    order = variables.order(
        ("depthwise_kernel", ""), ("pointwise_kernel", ""), ("bias", "use_bias")
    )
    first = variables.need("depthwise_kernel", order)
    second = variables.need("pointwise_kernel", order)
    space = _space(variables, second[0], second[1].ndim)
    return (
        _depthwise(variables, "depthwise.weight", first),
        permuted("pointwise.weight", second, f"{space} in out", f"out in {space}"),
        *as_it_is("pointwise.bias", variables.take("bias", order, rank=1)),
    )
