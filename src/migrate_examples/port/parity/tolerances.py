"""One policy for how far two frameworks may differ, and when it is a bug.

Rounding grows with the numbers that are summed and with the depth; a convention
that is not followed does not care for the dtype. In float64 the two stand apart
by many orders, which is why ports are compared there.
"""

import math
from typing import NamedTuple

UNIT = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "bfloat16": 2.0**-7,
    "float16": 2.0**-10,
}
"""Distance from 1 to the next number."""

WHOLE = {"float64": 1e-9, "float32": 3e-4}
"""Of a whole model whose depth is not stated, relative to its largest output."""

CONSTANT = 1e-6
"""In float64, where a Python constant of Keras passed through float32."""

EXACT = {"float64": 1e-9, "float32": 3e-5}
"""Errors of one layer that are rounding."""

MATCHING = {"float64": 1e-6, "float32": 3e-4}
"""Errors of one layer that may be rounding and a constant together."""

ULPS = {
    "copy": 0.5,
    "elementwise": 8.0,
    "resize": 8.0,
    "sum": 2.0,
    "pooling": 4.0,
    "matmul": 2.0,
    "convolution": 2.0,
    "normalization": 16.0,
    "softmax": 8.0,
    "recurrent": 8.0,
    "attention": 8.0,
    "loss": 8.0,
    "gradient": 16.0,
    "network": 64.0,
}
"""Units allowed by operation, times the root of how many numbers are summed."""


class Tolerance(NamedTuple):
    """How far two results may differ.

    Attributes
    ----------
    relative : float
        To the largest value of the reference: small values of an output come
        of large ones that cancel, and cannot be more exact than these.
    reason : str
        Where the number is from.
    """

    relative: float
    reason: str

    def absolute(self, scale: float) -> float:
        """The bound for an output whose largest value is ``scale``."""
        return self.relative * scale


def tolerance(
    dtype: str,
    *,
    depth: int | None = None,
    operation: str = "network",
    size: int = 1,
    constant_in_float32: bool = False,
) -> Tolerance:
    """Give the tolerance of a comparison.

    The unit of the dtype, times what the operation is allowed, times the root of
    the numbers that are summed, whose errors add like independent ones, times the
    depth, since a layer may hand on all that came before. Measured by
    ``measure``.

    Parameters
    ----------
    depth : int, optional
        Layers one behind the other; None for a whole model of any depth.
    operation : str
        One of :data:`ULPS`.
    size : int
        How many numbers are summed for one output: inputs of a dense layer,
        kernel height x width x channels, steps of a recurrent layer.
    constant_in_float32 : bool
        A Python number of Keras is part of it: leaky ReLU, GELU, Rescaling,
        the scale of attention, Adam.

    Raises
    ------
    ValueError
        On a dtype or operation without a policy.

    >>> tolerance("float64").relative, tolerance("float32").relative
    (1e-09, 0.0003)
    >>> tolerance("float64", constant_in_float32=True).relative
    1e-06
    >>> tolerance("float32", operation="matmul", size=400, depth=1).relative
    4.77e-06
    """
    if dtype not in UNIT:
        raise ValueError(f"no tolerance for {dtype!r}: one of {', '.join(UNIT)}")
    if operation not in ULPS:
        raise ValueError(f"no tolerance for {operation!r}: one of {', '.join(ULPS)}")
    if size < 1 or (depth is not None and depth < 1):
        raise ValueError(f"size {size} and depth {depth} count from 1")
    if constant_in_float32 and dtype == "float64":
        return Tolerance(CONSTANT, "a constant passed through float32")
    if depth is None and operation == "network":
        whole = WHOLE.get(dtype, WHOLE["float32"] * UNIT[dtype] / UNIT["float32"])
        return Tolerance(whole, "a whole model")
    layers = depth or 1
    units = ULPS[operation] * math.sqrt(size) * layers
    reason = f"{units:.3g} units of {dtype} for {operation} over {size}, depth {layers}"
    return Tolerance(units * UNIT[dtype], reason)
