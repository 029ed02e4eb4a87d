"""Names in the written file: of classes and attributes."""

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from migrate_examples.port.program import Step

SHORT = {
    "additive_attention": "attention",
    "attention": "attention",
    "average_pooling1d": "pool",
    "average_pooling2d": "pool",
    "average_pooling3d": "pool",
    "batch_normalization": "bn",
    "conv1d": "conv",
    "conv1d_transpose": "deconv",
    "conv2d": "conv",
    "conv2d_transpose": "deconv",
    "conv3d": "conv",
    "conv3d_transpose": "deconv",
    "conv_lstm1d": "conv_lstm",
    "conv_lstm2d": "conv_lstm",
    "conv_lstm3d": "conv_lstm",
    "dense": "fc",
    "depthwise_conv1d": "depthwise",
    "depthwise_conv2d": "depthwise",
    "einsum_dense": "projection",
    "grouped_query_attention": "attention",
    "group_normalization": "norm",
    "layer_normalization": "norm",
    "max_pooling1d": "pool",
    "max_pooling2d": "pool",
    "max_pooling3d": "pool",
    "multi_head_attention": "attention",
    "p_re_lu": "prelu",
    "rms_normalization": "norm",
    "separable_conv1d": "separable",
    "separable_conv2d": "separable",
    "simple_rnn": "rnn",
    "spatial_dropout1d": "dropout",
    "spatial_dropout2d": "dropout",
    "spatial_dropout3d": "dropout",
    "time_distributed": "distributed",
    **{
        name: name
        for name in (
            "alpha_dropout",
            "bidirectional",
            "constant",
            "dropout",
            "embedding",
            "functional",
            "gaussian_dropout",
            "gaussian_noise",
            "gru",
            "lstm",
            "normalization",
            "sequential",
        )
    },
}
"""Names that Keras gives, ``conv2d_3``, and what PyTorch's users would say."""

TAKEN = {
    "T_destination",
    "call_super_init",
    "dump_patches",
    "training",
    *re.findall(
        r"\w+",
        """
        add_module apply bfloat16 buffers children compile cpu cuda double eval
        extra_repr float forward get_buffer get_extra_state get_parameter
        get_submodule half ipu load_state_dict modules mtia named_buffers
        named_children named_modules named_parameters parameters register_buffer
        register_module register_parameter requires_grad_ set_extra_state
        set_submodule share_memory state_dict to to_empty train type xpu zero_grad
        """,
    ),
}
"""Attributes that ``nn.Module`` has already."""

SPELLINGS = (
    "ConvNeXt",
    "DenseNet",
    "EfficientNet",
    "InceptionResNet",
    "MobileNet",
    "NASNet",
    "ResNet",
    "UNet",
    "VGG",
    "WaveNet",
)
"""Networks, as people write them."""

GLOBALS = {"F", "Path", "Tensor", "Callable", "OrderedDict", "load", "math", "nn"}
GLOBALS |= {"torch", "load_file", "WEIGHTS"}


def identifier(text: str) -> str:
    """A lower-case name out of any text.

    >>> identifier("block-1/Conv 3"), identifier("3d"), identifier("class")
    ('block_1_conv_3', 'layer_3d', 'class_')
    """
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    if not name or name[0].isdigit():
        name = f"layer_{name}".rstrip("_")
    return f"{name}_" if keyword.iskeyword(name) else name


def class_name(text: str, taken: Iterable[str] = ()) -> str:
    """Name of a class; ``Model`` where Keras has made the name up.

    >>> class_name("resnet50_v2"), class_name("sequential_3"), class_name("siamese")
    ('ResNet50V2', 'Model', 'Siamese')
    >>> class_name("mobilenetv2_1.00_224"), class_name("TinyUNet")
    ('MobileNetV2', 'TinyUNet')
    >>> class_name("encoder", taken={"Encoder"})
    'Encoder2'
    """
    plain = re.sub(r"_\d+\.\d+(_\d+)?$", "", text)  # width and size of a MobileNet
    words = re.split(r"[\W_]+", plain, flags=re.ASCII)
    name = "".join(word[:1].upper() + word[1:] for word in words)
    for spelling in SPELLINGS:
        name = re.sub(spelling.capitalize(), spelling, name)
    name = re.sub(r"(?<=[a-z])v(?=\d)", "V", name)
    if not name or re.fullmatch(r"(functional|sequential|model)(_\d+)?", text):
        name = "Model"
    if name[0].isdigit():
        name = f"Model{name}"
    reserved = {*taken, *GLOBALS, *dir(builtins)}
    plain, number = name, 2
    while name in reserved or keyword.iskeyword(name):
        name, number = f"{plain}{number}", number + 1
    return name


def attribute_names(
    steps: Sequence[Step], prefix: str = ""
) -> dict[tuple[str, str], str]:
    """Attribute of each module, by layer and role.

    Names of the user's stay as they are; those that Keras made up are counted anew,
    so that a model has the same source whatever was built before it.

    >>> from migrate_examples.port.program import Construction
    >>> norm = Construction("nn.BatchNorm2d", (8,))
    >>> steps = [Step((), "", (), f"batch_normalization_{n}", "", norm) for n in (7, 9)]
    >>> list(attribute_names(steps).values())
    ['bn1', 'bn2']
    """
    owned = [s for s in steps if s.module is not None or s.inner is not None]
    layers = dict.fromkeys(step.layer for step in owned)
    made_up = {step.layer: snake(step.inner.name) for step in owned if step.inner}
    plain = {layer: _plain(layer, prefix, made_up.get(layer)) for layer in layers}
    many = Counter(name for name, counted in plain.values() if counted)
    given = {name for name, counted in plain.values() if not counted}
    names: dict[tuple[str, str], str] = {}
    seen: Counter[str] = Counter()
    final: dict[str, str] = {}
    for layer, (name, counted) in plain.items():
        seen[name] += counted
        single = not counted or (many[name] == 1 and name not in given)
        final[layer] = name if single else f"{name}{seen[name]}"
    for step in owned:
        key = step.layer, step.role
        if key not in names:
            parts = [part for part in (final[step.layer], step.role) if part]
            names[key] = _free(identifier("_".join(parts)), set(names.values()))
    return names


def snake(name: str) -> str:
    """Name that Keras makes up for a layer of a class.

    >>> snake("TransformerBlock")
    'transformer_block'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _plain(layer: str, prefix: str, made_up: str | None) -> tuple[str, bool]:
    """Name of a layer, and whether it is made up, and to be counted."""
    if layer == prefix.rstrip("/"):  # tensors of the layer itself
        return "", False
    *around, own = layer.removeprefix(prefix).split("/")
    bare = re.sub(r"_\d+$", "", own)
    counted = bare in SHORT or bare == made_up
    parts = [*around, SHORT.get(bare, bare) if counted else own]
    return identifier("_".join(parts)), counted


def _free(name: str, taken: set[str]) -> str:
    if name in TAKEN:
        name = f"{name}_layer"
    plain, number = name, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name
