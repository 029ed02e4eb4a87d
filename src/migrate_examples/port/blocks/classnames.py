"""Names and first lines of docstrings of the classes."""

from collections.abc import Collection, Sequence

from migrate_examples.port.blocks.naming import FUNCTIONS, is_depthwise, part_name
from migrate_examples.port.blocks.slots import FUNCTION, Registry
from migrate_examples.port.blocks.variants import Skeleton
from migrate_examples.port.program import Step

WORDS = {
    "conv": "Conv",
    "bn": "BN",
    "norm": "Norm",
    "linear": "Linear",
    "dropout": "Dropout",
    "pool": "Pool",
}


def parts_of(
    steps: Sequence[Step], registry: Registry, varied: Collection[int] = ()
) -> list[str]:
    """What the lines are, in words of :data:`WORDS`, names of activations, or signs.

    Activations in the lines `varied` are parameters.
    """
    parts = []
    for n, step in enumerate(steps):
        function = FUNCTION.match(step.expression)
        if step.module is not None:
            parts.append(part_name(step.module, registry))
        elif function:
            name = FUNCTIONS.get(function.group(), "Activation")
            parts.append("Activation" if n in varied else name)
        elif step.expression.startswith("torch.cat("):
            parts.append("cat")
        elif " + " in step.expression:
            parts.append("add")
        elif " * " in step.expression:
            parts.append("multiply")
        elif "mean(" in step.expression:
            parts.append("mean")
    return parts


def class_name(
    steps: Sequence[Step],
    form: Skeleton,
    registry: Registry,
    varied: Collection[int] = (),
    *,
    unit: bool,
) -> str:
    """Name of a class, by what its lines are."""
    parts = parts_of(steps, registry, varied)
    deep = any(is_depthwise(step) for step in steps)
    if unit:
        return _unit_name(steps, parts)
    if "attention" in " ".join(parts):
        feed = parts.count("linear") > 1 or "feed_forward" in parts
        return "EncoderBlock" if feed else "AttentionBlock"
    if parts[-1] == "multiply" and "mean" in parts:
        return "SqueezeExcitation"
    if "cat" in parts:
        return _concatenating_name(steps, form)
    if "add" in parts:
        return _residual_name(parts, deep=deep)
    separable = "pointwise" in [step.role for step in steps]
    return "SeparableBlock" if separable else _chain_name(parts, deep=deep)


def _residual_name(parts: Sequence[str], *, deep: bool) -> str:
    if deep and "norm" in parts:
        return "ConvNeXtBlock"
    gated = "multiply" in parts and "mean" in parts
    if deep and (gated or "squeeze_excitation" in parts):
        return "MBConv"
    if deep:
        return "InvertedResidual"
    if "linear" in parts and not {"conv", "bn"} & set(parts):
        return "FeedForward"
    return "ResidualBlock"


def _concatenating_name(steps: Sequence[Step], form: Skeleton) -> str:
    last = max(n for n, s in enumerate(steps) if s.expression.startswith("torch.cat("))
    if form.inputs > 1 and len(form.operands[last]) > 2:
        return "Cell"
    if ("in", 0, 0) in form.operands[last] and form.inputs == 1:
        return "DenseLayer"
    return "UpBlock" if form.inputs > 1 else "InceptionBlock"


def _chain_name(parts: Sequence[str], *, deep: bool) -> str:
    if deep:
        return "DepthwiseSeparable"
    if parts[-1] == "pool" and "bn" in parts:
        return "Transition"
    convs = [part for part in parts if part.startswith("conv")]
    if len(convs) == len(parts) == 2:
        return "DoubleConv"
    return "ConvBlock" if convs else "Block"


def _unit_name(steps: Sequence[Step], parts: Sequence[str]) -> str:
    roles = [step.role for step in steps]
    separable = "depthwise" in roles and "pointwise" in roles
    words: list[str] = []
    for part in parts:
        word = WORDS.get(part, part)
        if not (separable and words == ["Conv"] and word == "Conv"):
            words.append(word)
    if separable:
        words[words.index("Conv")] = "SeparableConv"
    return "".join(word for word in words if word.isidentifier())


DESCRIPTIONS = {
    "conv": "convolution",
    "bn": "batch normalisation",
    "norm": "normalisation",
    "linear": "linear",
    "dropout": "dropout",
    "pool": "pooling",
    "cat": "concatenation",
    "add": "sum",
    "multiply": "product",
    "mean": "mean",
    "squeeze_excitation": "squeeze and excitation",
}


def summary(
    steps: Sequence[Step], registry: Registry, varied: Collection[int] = ()
) -> str:
    """First line of a docstring: what the lines are.

    Equal neighbours are said once.
    """
    words: list[str] = []
    for part in parts_of(steps, registry, varied):
        word = DESCRIPTIONS.get(part, part.replace("_", " "))
        if not words or words[-1] != word:
            words.append(word)
    if len(words) > 5:
        words = list(dict.fromkeys(words))
    if not words:
        return "A block."
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"{text[:1].upper()}{text[1:]}."
