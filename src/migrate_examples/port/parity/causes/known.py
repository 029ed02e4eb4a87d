"""The causes that are known, each with its sentence and its page of pitfalls."""

from typing import NamedTuple

from migrate_examples.pitfalls import Pitfall, pitfalls


class Cause(NamedTuple):
    """One known cause.

    Attributes
    ----------
    identifier : str
        ``PADDING-SAME``.
    says : str
        What is wrong with the port, in a sentence.
    pitfall : str
        Identifier of the pitfall that says more; empty where there is none.
    """

    identifier: str
    says: str
    pitfall: str = ""

    def entry(self) -> Pitfall | None:
        """The pitfall, whose text and address are the only source of both."""
        found = {p.identifier: p for p in pitfalls()}
        return found[self.pitfall] if self.pitfall else None

    @property
    def address(self) -> str:
        """Where the site speaks of it, relative to its root; empty where nowhere."""
        entry = self.entry()
        return f"pitfalls.html#{entry.anchor}" if entry else ""


def own(identifier: str, says: str) -> Cause:
    """Make a cause that a pitfall of the same name describes."""
    return Cause(identifier, says, identifier)


KNOWN = (
    own("PADDING-SAME", "'same' pads more at the end than in front, the port as much"),
    Cause("PADDING-AMOUNT", "the port pads by another amount", "PADDING-SAME"),
    Cause("CONV-STRIDE", "the port's convolution has another stride"),
    own("RESNET-STRIDE", "the stride lies on another convolution of the block"),
    Cause("CONV-DILATION", "the port's convolution has another dilation"),
    own("TRANSPOSED-CROP", "the transposed convolution is cropped elsewhere"),
    own("BATCHNORM-EPSILON", "the port's batch normalisation has another epsilon"),
    own("LAYERNORM-EPSILON", "the port's layer normalisation has another epsilon"),
    own("GROUPNORM-EPSILON", "the port's group normalisation has another epsilon"),
    own("LAYERNORM-AXIS", "the port normalises over other axes"),
    own("BATCHNORM-MOMENTUM", "momentum means the complement in PyTorch"),
    own("BATCHNORM-VARIANCE", "PyTorch keeps the unbiased variance, Keras the biased"),
    Cause("BATCHNORM-EXCHANGED", "scale, shift, mean or variance took another's place"),
    own("KERNEL-LAYOUT", "the kernel was copied without being transposed"),
    Cause("KERNEL-FLIPPED", "the kernel is flipped along its spatial axes"),
    Cause("KERNEL-AXES", "the kernel's axes are in another order", "KERNEL-LAYOUT"),
    own(
        "DEPTHWISE-ORDER",
        "channels and multiplier of the depthwise kernel are exchanged",
    ),
    Cause("BIAS-MISSING", "the port has no bias"),
    Cause("WEIGHTS-SWAPPED", "the weights are those of another layer"),
    Cause("WEIGHTS-STALE", "the weights were never loaded: Keras has no such numbers"),
    Cause(
        "EMBEDDING-PADDING",
        "padding_idx holds a row at zero that Keras trained",
        "MASK-ZERO",
    ),
    own("FLATTEN-ORDER", "flattening counts channels first, the kernel channels last"),
    Cause("RESHAPE-ORDER", "the reshape counts channels first", "FLATTEN-ORDER"),
    own("GRU-GATES", "the gates of the GRU are in Keras's order"),
    Cause("LSTM-GATES", "the gates of the LSTM are in another order"),
    own("LSTM-BIAS", "the bias of the recurrent layer is missing or counted twice"),
    own("GRU-RESET-AFTER", "nn.GRU resets after the product, this layer before it"),
    own("BIDIRECTIONAL-LAST", "the backward half was read at its first step"),
    own("GO-BACKWARDS", "the sequence is read forwards in the port"),
    own("BATCH-FIRST", "the port takes the first axis for time"),
    own("MASK-ZERO", "the padded steps are not masked in the port"),
    own("LEAKY-RELU", "the slope of the leaky ReLU differs"),
    Cause(
        "GELU-APPROXIMATE", "one side has the exact GELU, the other its approximation"
    ),
    own("HARD-SIGMOID", "Keras 2 and 3 define hard_sigmoid differently"),
    Cause("ACTIVATION", "the port has another activation"),
    Cause("ACTIVATION-MISSING", "the port has no activation here"),
    own("SOFTMAX-AXIS", "the softmax runs over another axis"),
    own("SOFTMAX-TWICE", "the port ends in one softmax too many"),
    Cause(
        "SOFTMAX-MISSING",
        "the port returns logits, Keras probabilities",
        "SOFTMAX-TWICE",
    ),
    Cause("OUTPUT-ORDER", "the outputs come in another order"),
    own("MODE-DEFAULT", "the port is in training mode: call eval()"),
    own("PREPROCESS-BGR", "one side takes the colours in the order blue, green, red"),
    own("PREPROCESS-INSIDE", "the scaling of the inputs is missing or done twice"),
    Cause(
        "PREPROCESS-SCALE",
        "the inputs are scaled by other numbers",
        "PREPROCESS-INSIDE",
    ),
    own("POOL-SAME-AVERAGE", "the average counts the padding"),
    own("POOL-SAME-MAX", "the maximum runs over other windows or over zeros"),
    own("RESIZE-CORNERS", "the grid is aligned at the corners"),
    own("RESIZE-NEAREST", "nearest is not nearest-exact"),
    own("RESIZE-ANTIALIAS", "one side smooths before it shrinks"),
    own("RESIZE-BICUBIC", "Keras's bicubic has another coefficient"),
    Cause("RESIZE-MODE", "the port interpolates in another way"),
    Cause("LAYER-MISSING", "the port leaves the layer out"),
    Cause("LAYER-EXTRA", "the port does something more"),
    Cause("RESIDUAL-SKIPPED", "the port does not add the shortcut"),
    Cause("MERGE-OPERATION", "the port joins the branches by another operation"),
    Cause(
        "LAYERS-EXCHANGED", "the port has this layer and the next in the other order"
    ),
    own("CONCATENATE-AXIS", "the port joins along another axis"),
    Cause("CONCATENATE-ORDER", "the port joins the branches in another order"),
    own("ATTENTION-SCALE", "the scores are scaled by another number"),
    own("ATTENTION-MASK", "the mask's sense is inverted"),
    Cause("ATTENTION-MASK-MISSING", "the mask is not applied", "ATTENTION-MASK"),
    own("ATTENTION-ORDER", "key and value took each other's place"),
    Cause("DTYPE-FLOAT16", "numbers went through float16"),
    Cause(
        "CONSTANT-FLOAT32",
        "a constant of Keras, or weights computed from it, went through float32",
    ),
    Cause("UNKNOWN", "none of the known causes explains it"),
)

CAUSES: dict[str, Cause] = {cause.identifier: cause for cause in KNOWN}
"""By identifier."""
