"""Names that people would give: to attributes, to classes, to instances."""

import re
from collections import Counter
from collections.abc import Sequence

from migrate_examples.port.blocks.slots import Registry, beginning
from migrate_examples.port.program import Construction, Step

ATTRIBUTES = {
    "nn.Conv": "conv",
    "nn.BatchNorm": "bn",
    "nn.Linear": "linear",
    "nn.LayerNorm": "norm",
    "nn.GroupNorm": "norm",
    "nn.InstanceNorm": "norm",
    "nn.MaxPool": "pool",
    "nn.AvgPool": "pool",
    "nn.AdaptiveAvgPool": "pool",
    "nn.Dropout": "dropout",
    "nn.AlphaDropout": "dropout",
    "nn.MultiheadAttention": "attention",
    "nn.Embedding": "embedding",
    "nn.LSTM": "lstm",
    "nn.GRU": "gru",
    "nn.PReLU": "prelu",
    "nn.Upsample": "upsample",
}
"""Attributes by what a module's call begins with."""

FUNCTIONS = {
    "F.relu": "ReLU",
    "F.relu6": "ReLU6",
    "F.silu": "SiLU",
    "F.gelu": "GELU",
    "F.hardswish": "Hardswish",
    "F.elu": "ELU",
    "F.selu": "SELU",
    "torch.tanh": "Tanh",
    "torch.sigmoid": "Sigmoid",
    "F.hardsigmoid": "Hardsigmoid",
}
"""How class names spell activations."""


def snake(name: str) -> str:
    """Lower-case words of a class name.

    >>> snake("ResidualBlock"), snake("SamePad2d"), snake("ConvBNReLU")
    ('residual_block', 'same_pad2d', 'conv_bnre_lu')
    """
    return re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", name).lower()


def part_name(module: Construction, registry: Registry) -> str:
    """What a module is, as a name for its attribute: ``conv``, ``bn``."""
    if module.call in registry.parts:
        return registry.parts[module.call]
    last = module.call.rpartition(".")[2]
    return str(beginning(ATTRIBUTES, module.call, snake(last).rstrip("123d")))


def is_depthwise(step: Step) -> bool:
    """Whether each channel is convolved for itself."""
    module = step.module
    if module is None or not module.arguments or step.role == "depthwise":
        return False  # half of a separable one is told by its role
    groups = dict(module.keywords).get("groups", 1)
    return bool(groups != 1 and groups == module.arguments[0])


def numbered(names: Sequence[str]) -> list[str]:
    """Number those names that occur more than once.

    >>> numbered(["conv", "bn", "conv"])
    ['conv1', 'bn', 'conv2']
    """
    counts, seen = Counter(names), Counter[str]()
    taken = {name for name in names if counts[name] == 1}
    made = []
    for name in names:
        if counts[name] == 1:
            made.append(name)
            continue
        seen[name] += 1
        gap = "_" if name[-1].isdigit() else ""
        while f"{name}{gap}{seen[name]}" in taken:
            seen[name] += 1
        made.append(f"{name}{gap}{seen[name]}")
    return made


AUTOMATIC = re.compile(
    r"(conv(olution)?\d?d?|batch_normalization|activation|add|dense|re_lu|dropout|"
    r"concatenate|multiply|layer_normalization|separable_conv2d|depthwise_conv2d|"
    r"max_pooling2d|average_pooling2d|layer|block|rescaling|mean|functional|model)?"
)


def instance_name(layers: Sequence[str], otherwise: str) -> str:
    """Name for what was made of some Keras layers: what their names begin with.

    >>> instance_name(["conv4_block1_1_conv", "conv4_block1_add"], "block")
    'conv4_block1'
    >>> instance_name(["conv2d_4", "batch_normalization_4"], "block")
    'block'
    """
    words = [re.split(r"[_/]", layer.rpartition("/")[2]) for layer in layers if layer]
    shared = []
    for column in zip(*words, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    name = "_".join(shared).lower()
    stem = name.rstrip("_0123456789")
    if len(layers) < 2 or AUTOMATIC.fullmatch(stem) or not name.isidentifier():
        return otherwise
    return name


def unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number where it is taken; take it.

    >>> taken = {"block"}
    >>> unique("block", taken), unique("stem", taken)
    ('block2', 'stem')
    """
    gap = "_" if name[-1].isdigit() else ""
    made, n = name, 2
    while made in taken:
        made, n = f"{name}{gap}{n}", n + 1
    taken.add(made)
    return made
