"""Which PyTorch modules can be the twin of which Keras layers."""

from collections.abc import Mapping

from torch import nn

from migrate_examples.port.archive import StoredLayer
from migrate_examples.port.layouts import inner, not_carried

KINDS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "Dense": (nn.Linear,),
    "EinsumDense": (nn.Linear,),
    "Embedding": (nn.Embedding, nn.EmbeddingBag),
    "ReversibleEmbedding": (nn.Embedding, nn.Linear),
    "PReLU": (nn.PReLU,),
    "Conv1D": (nn.Conv1d,),
    "Conv2D": (nn.Conv2d,),
    "Conv3D": (nn.Conv3d,),
    "Conv1DTranspose": (nn.ConvTranspose1d,),
    "Conv2DTranspose": (nn.ConvTranspose2d,),
    "Conv3DTranspose": (nn.ConvTranspose3d,),
    "DepthwiseConv1D": (nn.Conv1d,),
    "DepthwiseConv2D": (nn.Conv2d,),
    "SeparableConv1D": (nn.Conv1d,),
    "SeparableConv2D": (nn.Conv2d,),
    "BatchNormalization": (nn.modules.batchnorm._BatchNorm,),
    "LayerNormalization": (nn.LayerNorm,),
    "GroupNormalization": (nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d),
    "RMSNormalization": (nn.RMSNorm,),
    "Normalization": (),
    "SimpleRNN": (nn.RNN,),
    "LSTM": (nn.LSTM,),
    "GRU": (nn.GRU,),
    "RNN": (nn.RNN, nn.LSTM, nn.GRU),
    "Bidirectional": (nn.RNN, nn.LSTM, nn.GRU),
    "SimpleRNNCell": (nn.RNNCell,),
    "LSTMCell": (nn.LSTMCell,),
    "GRUCell": (nn.GRUCell,),
    "MultiHeadAttention": (nn.MultiheadAttention, nn.Linear),
    "GroupQueryAttention": (nn.Linear,),
    "GroupedQueryAttention": (nn.Linear,),
}
"""By class of the Keras layer; a class of one's own can be the twin of any."""

STOCK: tuple[type[nn.Module], ...] = tuple(
    {t for types in KINDS.values() for t in types}
)


def is_own(module: nn.Module) -> bool:
    """Whether a module is written by hand, and no subclass of a known layer."""
    return not isinstance(module, STOCK)


def accepts(class_name: str, module: nn.Module) -> bool:
    """Whether a module can be the twin of a Keras layer, shapes aside."""
    return is_own(module) or isinstance(module, KINDS.get(class_name, STOCK))


def carried(layer: StoredLayer) -> dict[str, tuple[int, ...]]:
    """Shapes of the variables of a layer that have a place in a twin."""
    names = list(layer.arrays)
    return {
        name: array.shape
        for name, array in layer.arrays.items()
        if not not_carried(layer.class_name, name, names)
    }


def unwrapped(layer: StoredLayer) -> StoredLayer:
    """Return the layer inside a TimeDistributed or a SpectralNormalization."""
    if layer.class_name not in WRAPPED:
        return layer
    names = list(carried(layer))
    class_name, config = inner(layer.config) or ("", None)
    arrays = {name: layer.arrays[name] for name in names}
    return unwrapped(StoredLayer(layer.name, class_name, config, arrays))


def classes_of(layer: StoredLayer) -> tuple[str, ...]:
    """Keras classes that a layer can be: its own, or guesses by names and shapes.

    A file of weights alone does not say what it holds; the module that is filled
    decides among the guesses.

    >>> import numpy as np
    >>> arrays = {"0": np.zeros((3, 3, 8, 16)), "1": np.zeros(16)}
    >>> classes_of(StoredLayer("conv", "", None, arrays))
    ('Conv2D', 'DepthwiseConv2D', 'Conv2DTranspose')
    """
    if layer.class_name in KINDS:
        return (layer.class_name,)
    shapes = carried(layer)
    words = {name.rpartition("/")[2] for name in shapes}
    named = _by_words(set(shapes), words, shapes)
    if named or not all(name.isdecimal() for name in shapes):
        return named
    return _by_shapes(list(shapes.values()))


WRAPPED = ("TimeDistributed", "SpectralNormalization")


def _by_words(
    names: set[str], words: set[str], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, ...]:
    """Guesses by the names of the variables; none where they have numbers."""
    for start, classes in STARTS.items():
        if any(name.startswith(start) for name in names):
            return classes
    if "recurrent_kernel" in words:
        width = next(s for n, s in shapes.items() if n.endswith("recurrent_kernel"))
        return _recurrent(width)
    if "pointwise_kernel" in words:
        rank = max(len(shape) for shape in shapes.values())
        return (f"SeparableConv{rank - 2}D",)
    if "depthwise_kernel" in words or "kernel" in words:
        return _by_shapes([s for n, s in shapes.items() if n.endswith("kernel")][:1])
    return next((classes for word, classes in WORDS.items() if word in words), ())


STARTS: Mapping[str, tuple[str, ...]] = {
    "query/": ("MultiHeadAttention", "GroupQueryAttention"),
    "backward": ("Bidirectional",),
}
WORDS: Mapping[str, tuple[str, ...]] = {
    "moving_mean": ("BatchNormalization",),
    "gamma": ("LayerNormalization", "GroupNormalization"),
    "beta": ("LayerNormalization", "GroupNormalization"),
    "embeddings": ("Embedding",),
    "alpha": ("PReLU",),
    "scale": ("RMSNormalization",),
    "variance": ("Normalization",),
}


def _recurrent(shape: tuple[int, ...]) -> tuple[str, ...]:
    kinds = {1: "SimpleRNN", 3: "GRU", 4: "LSTM"}
    ratio = shape[1] // shape[0] if len(shape) == 2 and shape[0] else 0
    return (kinds[ratio],) if ratio in kinds else ()


def _by_shapes(shapes: list[tuple[int, ...]]) -> tuple[str, ...]:
    """Guesses by the shapes in the order of creation."""
    ranks = [len(shape) for shape in shapes]
    if ranks[:2] == [2, 2] and shapes[1][1] == shapes[0][1]:
        both = len(shapes) in {4, 6}
        return ("Bidirectional",) if both else _recurrent(shapes[1])
    if ranks[0:1] == [2]:
        return ("Dense", "Embedding")
    if len(ranks) > 3 and ranks[0] == 3 and ranks.count(3) == 4:
        return ("MultiHeadAttention", "GroupQueryAttention")
    if ranks and 3 <= ranks[0] <= 5:
        return _convolutions(ranks)
    return ONLY_VECTORS.get(len(ranks), ()) if set(ranks) == {1} else ()


def _convolutions(ranks: list[int]) -> tuple[str, ...]:
    n = ranks[0] - 2
    if ranks[1:2] == ranks[:1]:
        return (f"SeparableConv{n}D",)
    depthwise = (f"DepthwiseConv{n}D",) if n < 3 else ()
    return (f"Conv{n}D", *depthwise, f"Conv{n}DTranspose")


ONLY_VECTORS: Mapping[int, tuple[str, ...]] = {
    1: ("RMSNormalization", "PReLU"),
    2: ("LayerNormalization", "GroupNormalization", "Normalization"),
    3: ("BatchNormalization",),
    4: ("BatchNormalization",),
}
