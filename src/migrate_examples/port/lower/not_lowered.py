"""Keras layers that are not written as PyTorch: why, and what to do instead."""

from typing import NamedTuple


class Missing(NamedTuple):
    """A class of ``keras.layers`` without a lowering."""

    reason: str
    advice: str


_TEXT = Missing(
    "it works on strings, and PyTorch has no tensors of strings",
    "look the words up in front of the model, with a dict of its vocabulary "
    "(get_vocabulary()), and let the model begin with integers",
)
_HASH = Missing(
    "its hash is TensorFlow's own (FarmHash), which PyTorch has not",
    "hash in front of the model with the same layer, and let the model begin with "
    "integers; or train it on a hash that both sides have",
)
_IMAGES = Missing(
    "it changes images in evaluation too, and by a histogram or draws of its own",
    "apply it in front of the model; torchvision.transforms.v2 has much of it",
)
_FOREIGN = Missing(
    "it holds a module of another framework, not of Keras",
    "use that module itself, or port it by its own means",
)
_SPECTRA = Missing(
    "PyTorch computes spectra by torch.stft, with other windows and scales",
    "compute the spectrum in front of the model, with torch.stft(center=False)",
)
_BASIS = Missing(
    "it is a class to derive from, and computes nothing by itself",
    "port the layer that derives from it; its call is read if it uses keras.ops",
)
_CELL = Missing(
    "a single step of a recurrent layer, not called as a layer of a model",
    "wrap it in RNN; or use nn.LSTMCell, nn.GRUCell or nn.RNNCell and transfer",
)

NOT_LOWERED: dict[str, Missing] = {
    "AutoContrast": _IMAGES,
    "ContrastLimitedAdaptiveHistogramEqualization": _IMAGES,
    "Equalization": _IMAGES,
    "Solarization": _IMAGES,
    "RandomCrop": Missing(
        "in evaluation it does not crop to the size that it states",
        "use CenterCrop or Resizing in the model, and RandomCrop in front of it",
    ),
    "MaxNumBoundingBoxes": Missing(
        "it works on dicts of boxes and labels, not on tensors",
        "pad the boxes in front of the model",
    ),
    "FlaxLayer": _FOREIGN,
    "JaxLayer": _FOREIGN,
    "TFSMLayer": _FOREIGN,
    "TorchModuleWrapper": _FOREIGN,
    "HashedCrossing": _HASH,
    "Hashing": _HASH,
    "StringLookup": _TEXT,
    "TextVectorization": _TEXT,
    "IntegerLookup": Missing(
        "its vocabulary is kept beside the weights, in a table of TensorFlow",
        "look the integers up in front of the model, with a dict of get_vocabulary()",
    ),
    "Lambda": Missing(
        "its body is Python code, which is never run from a file",
        "write it with keras.ops, or as a layer of your own; where the model is live "
        "in Python, what it computes is read from a traced call",
    ),
    "MelSpectrogram": _SPECTRA,
    "STFTSpectrogram": _SPECTRA,
    "LSTMCell": _CELL,
    "GRUCell": _CELL,
    "SimpleRNNCell": _CELL,
    "StackedRNNCells": _CELL,
    "InputSpec": Missing(
        "it describes what a layer accepts, and computes nothing", "nothing is to do"
    ),
    "Layer": _BASIS,
    "Wrapper": _BASIS,
}
"""By name of the class, as the site prints them."""
