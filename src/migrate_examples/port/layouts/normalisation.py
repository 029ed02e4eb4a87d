"""Layouts of normalisation: the same vectors under other names."""

import numpy as np

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts.variables import (
    LayoutError,
    Options,
    Variables,
    as_it_is,
    constant,
    vector,
)
from migrate_examples.port.program import Filled


def _affine(
    variables: Variables,
    order: tuple[str, ...],
    like: Array | None,
    options: Options,
) -> tuple[Filled, ...]:
    """Scale and shift; ones and zeros where Keras has none, as they change nothing."""
    gamma = variables.take("gamma", order)
    beta = variables.take("beta", order)
    known = [a for _, a in filter(None, (gamma, beta))]
    if like is None and not known:
        return ()
    like = known[0] if known else like
    assert like is not None
    ones, zeros = np.ones_like(like), np.zeros_like(like)
    return (
        *(
            vector("weight", gamma, options)
            or [constant("weight", ones, "ones: no scale")]
        ),
        *(
            vector("bias", beta, options)
            or [constant("bias", zeros, "zeros: no centre")]
        ),
    )


def batch_normalization(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay a BatchNormalization out as ``nn.BatchNorm``."""
    order = variables.order(
        ("gamma", "scale"),
        ("beta", "center"),
        ("moving_mean", ""),
        ("moving_variance", ""),
    )
    mean = variables.need("moving_mean", order, rank=1)
    variance = variables.need("moving_variance", order, rank=1)
    return (
        *_affine(variables, order, mean[1], options),
        *vector("running_mean", mean, options),
        *vector("running_var", variance, options),
    )


def layer_normalization(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay a LayerNormalization or a GroupNormalization out."""
    order = variables.order(("gamma", "scale"), ("beta", "center"))
    filled = _affine(variables, order, None, options)
    if variables.config.get("rms_scaling"):  # its twin has no bias, and no mean
        return tuple(f for f in filled if f.target == "weight")
    return filled


def rms_normalization(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay an RMSNormalization out as ``nn.RMSNorm``."""
    return as_it_is("weight", variables.need("scale", ("scale",)))


def normalization(variables: Variables, options: Options) -> tuple[Filled, ...]:  # noqa: ARG001  # every layout is called alike
    """Lay a Normalization out as two buffers, ``mean`` and ``variance``.

    They are variables where the layer was adapted, else they are in its config.
    """
    order = ("mean", "variance")
    found = [(word, variables.take(word, order)) for word in order]
    if all(pair for _, pair in found):
        return tuple(f for word, pair in found for f in as_it_is(word, pair))
    given = [variables.config.get(word) for word in order]
    if any(value is None for value in given):
        raise LayoutError("Normalization: neither adapted nor given mean and variance")
    return tuple(
        constant(word, np.asarray(value, np.float32), "of the config")
        for word, value in zip(order, given, strict=True)
    )
