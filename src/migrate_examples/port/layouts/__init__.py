"""Layouts: the tensors of the natural PyTorch twin of one Keras layer.

Keras keeps channels last and multiplies from the right; PyTorch keeps them first
and multiplies from the left. Every row here is run in both frameworks by its test.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from migrate_examples.port.archive import Array
from migrate_examples.port.layouts import (
    attention,
    convolution,
    dense,
    normalisation,
    recurrent,
)
from migrate_examples.port.layouts.variables import (
    LayoutError,
    Layouts,
    Options,
    Variables,
    nothing,
)
from migrate_examples.port.program import Filled

__all__ = ["LAYOUTS", "LayoutError", "inner", "not_carried", "to_torch"]

WRAPPERS = ("TimeDistributed", "SpectralNormalization")
"""Layers whose weights are those of the layer inside."""


def wrapper(variables: Variables, options: Options) -> tuple[Filled, ...]:
    """Lay out the layer inside a wrapper; its twin has no wrapper.

    Keras divides the kernel in place when a SpectralNormalization trains, so the
    kernel that it stores is the one that it uses.
    """
    found = inner(variables.config)
    if found is None:
        raise LayoutError(
            f"{variables.class_name}: its config does not say which layer it wraps; "
            "give to_torch the class, config and arrays of the layer inside"
        )
    class_name, config = found
    inside = variables.inside(class_name, config)
    return _layout_of(class_name)(inside, options)


def inner(config: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]] | None:
    """Class and config of the layer that a wrapper wraps, if its config says."""
    layer = (config or {}).get("layer")
    if not isinstance(layer, Mapping) or "class_name" not in layer:
        return None
    return str(layer["class_name"]), layer.get("config") or {}


LAYOUTS: dict[str, Layouts] = {
    "Dense": dense.dense,
    "EinsumDense": dense.einsum_dense,
    "Embedding": dense.embedding,
    "ReversibleEmbedding": dense.reversible_embedding,
    "PReLU": dense.prelu,
    "Attention": dense.scaled_scores,
    "AdditiveAttention": dense.scaled_scores,
    "Conv1D": convolution.convolution,
    "Conv2D": convolution.convolution,
    "Conv3D": convolution.convolution,
    "Conv1DTranspose": convolution.convolution,
    "Conv2DTranspose": convolution.convolution,
    "Conv3DTranspose": convolution.convolution,
    "DepthwiseConv1D": convolution.depthwise,
    "DepthwiseConv2D": convolution.depthwise,
    "SeparableConv1D": convolution.separable,
    "SeparableConv2D": convolution.separable,
    "BatchNormalization": normalisation.batch_normalization,
    "LayerNormalization": normalisation.layer_normalization,
    "GroupNormalization": normalisation.layer_normalization,
    "RMSNormalization": normalisation.rms_normalization,
    "UnitNormalization": nothing,
    "Normalization": normalisation.normalization,
    "SimpleRNN": recurrent.recurrent,
    "LSTM": recurrent.recurrent,
    "GRU": recurrent.recurrent,
    "RNN": recurrent.wrapped_cells,
    "SimpleRNNCell": recurrent.cell,
    "LSTMCell": recurrent.cell,
    "GRUCell": recurrent.cell,
    "Bidirectional": recurrent.bidirectional,
    "MultiHeadAttention": attention.attention,
    "GroupQueryAttention": attention.grouped_attention,
    "GroupedQueryAttention": attention.grouped_attention,
    **dict.fromkeys(WRAPPERS, wrapper),
}
"""By class of the Keras layer."""


def to_torch(
    class_name: str,
    config: Mapping[str, Any] | None,
    arrays: Mapping[str, Array],
    *,
    flattened: tuple[int, ...] | None = None,
    unflattened: tuple[int, ...] | None = None,
    multihead: bool = False,
    by_hand: bool = False,
) -> tuple[Filled, ...]:
    """Lay the variables of a Keras layer out as its natural PyTorch twin has them.

    Parameters
    ----------
    class_name : str
        Class of the Keras layer, ``Conv2D``.
    config : mapping or None
        Its ``get_config()``. What can be seen in the arrays is not asked of it.
    arrays : mapping of str to ndarray
        By name inside the layer; numbers where only the order is known.
    flattened : tuple of int, optional
        Of a Dense after a Flatten: the shape ``(h, w, c)`` that was flattened, as
        PyTorch flattens ``(c, h, w)``. Normalisation between them takes it too.
    unflattened : tuple of int, optional
        Of a Dense before a Reshape to ``(h, w, c)``, which PyTorch views as
        ``(c, h, w)``; and of normalisation between them.
    multihead : bool
        Lay an attention out for ``nn.MultiheadAttention``, not for four
        ``nn.Linear`` named ``q_proj``, ``k_proj``, ``v_proj``, ``out_proj``.
    by_hand : bool
        Lay a GRU of ``reset_after=False`` out for a cell written by hand, with the
        names and the order of gates of ``nn.GRU``, but no ``bias_hh``.

    Returns
    -------
    tuple of Filled
        Targets, arrays of the dtype they came in, sources and layout in words. A
        target without sources is a constant that the twin has and Keras lacks.

    Raises
    ------
    LayoutError
        An unknown class, a variable that is missing, unknown or of another rank, or
        a layer that has no such twin.

    Examples
    --------
    >>> import numpy as np
    >>> kernel, bias = np.zeros((3, 5, 8, 16)), np.zeros(16)
    >>> for f in to_torch("Conv2D", None, {"kernel": kernel, "bias": bias}):
    ...     print(f.target, f.array.shape, f.layout)
    weight (16, 8, 3, 5) (h, w, in, out) -> (out, in, h, w)
    bias (16,) as it is
    """
    config = config or {}
    options = Options(flattened, unflattened, multihead, by_hand)
    names = list(arrays)
    carried = {k: a for k, a in arrays.items() if not not_carried(class_name, k, names)}
    variables = Variables(class_name, config, carried)
    filled = _layout_of(class_name)(variables, options)
    variables.check_all_used()
    return filled


def not_carried(class_name: str, name: str, names: Sequence[str] = ()) -> str:
    """Why a variable of a Keras layer has no tensor in the twin; empty if it has.

    Parameters
    ----------
    class_name : str
        Class of the layer.
    name : str
        Of the variable.
    names : sequence of str
        Of all variables of the layer; numbers say what they are by their place.

    >>> not_carried("Normalization", "count")
    'counts what adapt() has seen'
    """
    last = name.rpartition("/")[2]
    numbered = bool(names) and all(n.isdecimal() for n in names)
    if class_name == "Normalization" and (
        last == "count" or (numbered and name == "2")
    ):
        return "counts what adapt() has seen"
    if class_name == "SpectralNormalization" and (
        last == "vector_u" or (numbered and name == "1")  # it follows the kernel
    ):
        return "iterated in training alone; the kernel is stored divided"
    if last in {"seed_generator_state", "seed_state"} or "seed_generator" in name:
        return "state of Keras's random generator"
    return ""


def _layout_of(class_name: str) -> Layouts:
    if class_name not in LAYOUTS:
        raise LayoutError(
            f"no layout is known for a {class_name or 'layer without a class'}: map "
            "its variables to tensors one by one"
        )
    return LAYOUTS[class_name]
