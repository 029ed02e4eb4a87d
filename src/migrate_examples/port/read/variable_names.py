"""Names of the variables of Keras's layers, where a file has their order alone."""

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType
from typing import Any, TypeAlias

from migrate_examples.port.archive import Array
from migrate_examples.port.read.tree import snake

Order: TypeAlias = tuple[tuple[str, str], ...]
"""Name of a variable, and the argument on which it depends; empty for none."""

SOMETIMES = "?"
"""Not in every version of Keras."""
KERNEL: Order = (("kernel", ""), ("bias", "use_bias"))
CELL: Order = (("kernel", ""), ("recurrent_kernel", ""), ("bias", "use_bias"))
SEPARABLE: Order = (
    ("depthwise_kernel", ""),
    ("pointwise_kernel", ""),
    ("bias", "use_bias"),
)
SCALED: Order = (("gamma", "scale"), ("beta", "center"))
ORDERS: Mapping[str, Order] = MappingProxyType(
    {
        "Dense": KERNEL,
        "EinsumDense": (("kernel", ""), ("bias", "bias_axes")),
        **{f"Conv{n}D": KERNEL for n in (1, 2, 3)},
        **{f"Conv{n}DTranspose": KERNEL for n in (1, 2, 3)},
        **{f"DepthwiseConv{n}D": KERNEL for n in (1, 2)},
        **{f"SeparableConv{n}D": SEPARABLE for n in (1, 2)},
        "LocallyConnected1D": KERNEL,
        "LocallyConnected2D": KERNEL,
        "BatchNormalization": (
            *SCALED,
            ("moving_mean", ""),
            ("moving_variance", ""),
            ("moving_stddev", "renorm"),
            ("renorm_mean", "renorm"),
            ("renorm_stddev", "renorm"),
        ),
        "LayerNormalization": SCALED,
        "GroupNormalization": SCALED,
        "RMSNormalization": (("scale", ""),),
        "Normalization": (
            ("mean", "adapted"),
            ("variance", "adapted"),
            ("count", "adapted"),
        ),
        "Embedding": (("embeddings", ""),),
        "ReversibleEmbedding": (
            ("embeddings", ""),
            ("reverse_embeddings", "untied"),
        ),
        "PReLU": (("alpha", ""),),
        "STFTSpectrogram": (("real_kernel", "real"), ("imag_kernel", "imag")),
        "Attention": (("scale", "use_scale"), ("concat_score_weight", "concat")),
        "AdditiveAttention": (("scale", "use_scale"),),
        "SpectralNormalization": (("kernel", SOMETIMES), ("vector_u", "")),
        **{f"{kind}Cell": CELL for kind in ("SimpleRNN", "LSTM", "GRU", "ConvLSTM")},
        **{f"ConvLSTMCell{n}D": CELL for n in (1, 2, 3)},
    }
)
"""In the order of ``save_own_variables``, by class."""

QUANTISED = {
    "Dense": "kernel",
    "EinsumDense": "kernel",
    "Embedding": "embeddings",
    "ReversibleEmbedding": "embeddings",
}
"""What int8 and int4 give a scale."""

WHOLE = frozenset(
    {
        *ORDERS,
        *("SimpleRNN", "LSTM", "GRU", "RNN", "StackedRNNCells", "Bidirectional"),
        *(f"ConvLSTM{n}D" for n in (1, 2, 3)),
        *("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"),
        "TimeDistributed",
    }
)
"""Classes that are one layer to their user, whatever they are made of."""

BY_SNAKE = MappingProxyType({snake(name): name for name in sorted(WHOLE)})
"""Classes by their names in files; of two of one name, the last."""

RANKS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "Dense": (2, 1),
        **{f"Conv{n}D": (n + 2, 1) for n in (1, 2, 3)},
        **{f"Conv{n}DTranspose": (n + 2, 1) for n in (1, 2, 3)},
        **{f"DepthwiseConv{n}D": (n + 2, 1) for n in (1, 2)},
        **{f"SeparableConv{n}D": (n + 2, n + 2, 1) for n in (1, 2)},
        "BatchNormalization": (1, 1, 1, 1, 1, 1, 1),
        "GroupNormalization": (1, 1),
        "RMSNormalization": (1,),
        "Embedding": (2,),
        "ReversibleEmbedding": (2, 2),
    }
)
"""Axes of their variables, to tell whether a guess can be right."""


def expected(
    class_name: str, config: Mapping[str, Any] | None
) -> tuple[str, ...] | None:
    """Names of the variables that a layer of Keras has, in the order of the file.

    Returns
    -------
    tuple of str or None
        None where it is not known: no such layer, or its config is not.

    Examples
    --------
    >>> expected("Dense", {"use_bias": False})
    ('kernel',)
    >>> expected("BatchNormalization", {"scale": False})
    ('beta', 'moving_mean', 'moving_variance')
    """
    order = ORDERS.get(class_name)
    if order is None or config is None:
        return None
    if any(flag == SOMETIMES for _, flag in order):
        return None
    if quantisation(config) is not None:
        return None
    return tuple(name for name, flag in order if _has(flag, config))


def names_for(
    class_name: str, config: Mapping[str, Any] | None, count: int
) -> tuple[str, ...] | None:
    """Names of that many variables of a layer; None where the count leaves a doubt.

    >>> names_for("Dense", None, 1), names_for("BatchNormalization", None, 4)
    (('kernel',), ('gamma', 'beta', 'moving_mean', 'moving_variance'))
    >>> names_for("BatchNormalization", None, 3)  # without gamma, or without beta
    """
    order = ORDERS.get(class_name)
    if order is None:
        return None
    if config is not None and (mode := quantisation(config)) is not None:
        return _quantised(class_name, config, mode, count)
    known = expected(class_name, config)
    if known is not None:
        return known if len(known) == count else None
    flags = sorted({flag for _, flag in order if flag})
    found = set()
    for choice in product((True, False), repeat=len(flags)):
        on = dict(zip(flags, choice, strict=True))
        names = tuple(name for name, flag in order if on.get(flag, True))
        if len(names) == count:
            found.add(names)
    return found.pop() if len(found) == 1 else None


def _has(flag: str, config: Mapping[str, Any]) -> bool:
    """Whether a variable exists, by the arguments of its layer."""
    if flag in ("scale", "center") and config.get("rms_scaling"):
        return flag == "scale"  # whatever the arguments say
    rules = {
        "": True,
        "untied": not config.get("tie_weights", True),
        "concat": config.get("score_mode") == "concat",
        "adapted": config.get("mean") is None or config.get("variance") is None,
        "real": config.get("mode") != "imag",
        "imag": config.get("mode") != "real",
        "bias_axes": config.get("bias_axes") is not None,
    }
    on = flag in ("use_bias", "scale", "center")
    return rules.get(flag, bool(config.get(flag, on)))


def quantisation(config: Mapping[str, Any]) -> str | None:
    """``int8``, ``int4``, ``float8`` …, or None: from the policy in a config."""
    policy = config.get("dtype")
    if not isinstance(policy, Mapping):
        return None
    inner = policy.get("config")
    name = inner.get("mode") or inner.get("name") if isinstance(inner, Mapping) else ""
    if not str(policy.get("class_name", "")).startswith("Quantized"):
        return None
    return str(name).split("_", 1)[0].split("/", 1)[0]


def _quantised(
    class_name: str, config: Mapping[str, Any], mode: str, count: int
) -> tuple[str, ...] | None:
    """Names in the order of ``variable_serialization_spec``."""
    main = QUANTISED.get(class_name)
    if main is None or mode not in ("int8", "int4"):
        return None
    names = [name for name, flag in ORDERS[class_name] if _has(flag, config)]
    if main == "embeddings":
        reverse = names[1:]
        names = [main, f"{main}_scale", *reverse, *(f"{r}_scale" for r in reverse)]
        return tuple(names) if len(names) == count else None
    names.append(f"{main}_scale")
    if mode == "int4" and count == len(names) + 2:
        names += [f"{main}_zero", "g_idx"]
    return tuple(names) if len(names) == count else None


def guess(word: str, arrays: Mapping[str, Array]) -> str:
    """Class of a layer of some name, if its arrays can be of that class; or empty.

    >>> import numpy as np
    >>> guess("dense_3", {"kernel": np.zeros((2, 3)), "bias": np.zeros(3)})
    'Dense'
    >>> guess("dense_3", {"gamma": np.zeros(3)})
    ''
    """
    class_name = by_word(word)
    return class_name if class_name and fits(class_name, arrays) else ""


def by_word(word: str) -> str:
    """Class that Keras names so, with a number or without."""
    bare = word.rstrip("0123456789").rstrip("_")
    return BY_SNAKE.get(word) or BY_SNAKE.get(bare, "")


def fits(class_name: str, arrays: Mapping[str, Array]) -> bool:
    """Whether arrays in the order of the file can be those of a class."""
    names = names_for(class_name, None, len(arrays))
    ranks = RANKS.get(class_name)
    if names is None or ranks is None:
        return False
    full = [name for name, _ in ORDERS[class_name]]
    wanted = [ranks[full.index(name)] for name in names]
    if set(arrays) == set(names):
        found = [arrays[name].ndim for name in names]
    else:
        found = [array.ndim for array in arrays.values()]
    return found == wanted
