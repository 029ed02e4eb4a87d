"""Inputs on which a model shows what it computes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.graph import Call, Graph, Value

SEED = 20240229
"""Of all that is drawn here, so that a report can be made again."""

PIXELS = {
    *("Rescaling", "Normalization", "Resizing", "CenterCrop", "RandomFlip"),
    *("RandomCrop", "RandomRotation", "RandomZoom", "RandomTranslation"),
    *("RandomContrast", "RandomBrightness"),
}
"""Layers that take pixels of 0 to 255 where an image meets them first."""

TRANSPARENT = {
    *("InputLayer", "Reshape", "Dropout", "Masking", "Activation", "Permute"),
    *("ops.Cast", "ops.Reshape", "ops.ExpandDims", "ops.Squeeze", "Identity"),
}
"""Layers through which an input arrives as it was."""

OPEN_AXIS = {3: 12, 4: 64, 5: 16}
"""Length of an axis that the model leaves open, by the number of axes."""

SMALL = 50_000
"""Elements of an input of one sample, up to which three samples are drawn."""


class ProbeError(ValueError):
    """An input that numbers cannot be drawn for."""


@dataclass(frozen=True)
class Probe:
    """How one input is drawn.

    Attributes
    ----------
    name : str
        Of the input.
    kind : str
        ``normal``, ``integers`` or ``booleans``.
    shape : tuple of int
        With the batch.
    dtype : str
        Of the input.
    below : int
        Integers are drawn from 0 up to here, and not this one.
    padded : bool
        The second sample ends in zeros, as shorter texts do.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    below: int = 0
    padded: bool = False

    def draw(self, rng: np.random.Generator) -> NDArray[np.generic]:
        """Draw it; values of floating point are those of float32, in any type."""
        if self.kind == "booleans":
            return rng.random(self.shape) < 0.7
        if self.kind == "normal":
            normal = rng.normal(size=self.shape)
            return normal.astype(np.float32).astype(self.dtype)
        whole = rng.integers(0, self.below, self.shape)
        if self.padded:
            whole[1, whole.shape[1] // 2 :] = 0
        return whole.astype(self.dtype)

    def code(self) -> str:
        """Lines of Python that draw the same as ``x``, from ``rng``.

        >>> print(Probe("tokens", "integers", (3, 8), "int32", 100, True).code())
        x = rng.integers(0, 100, (3, 8))
        x[1, 4:] = 0
        x = x.astype("int32")
        """
        if self.kind == "booleans":
            return f"x = rng.random({self.shape}) < 0.7"
        if self.kind == "normal":
            drawn = f'x = rng.normal(size={self.shape}).astype("float32")'
            return drawn + (
                f'.astype("{self.dtype}")' if self.dtype != "float32" else ""
            )
        lines = [f"x = rng.integers(0, {self.below}, {self.shape})"]
        if self.padded:
            lines.append(f"x[1, {self.shape[1] // 2}:] = 0")
        return "\n".join([*lines, f'x = x.astype("{self.dtype}")'])


def probe_inputs(graph: Graph) -> list[NDArray[np.generic]]:
    """Draw all inputs that a model takes.

    Raises
    ------
    ProbeError
        For an input of strings.
    """
    rng = np.random.default_rng(SEED)
    return [probe.draw(rng) for probe in probes(graph)]


def probes(graph: Graph) -> list[Probe]:
    """Decide how the inputs of a model are drawn, by what it does with them first.

    Token ids stay below the size of the vocabulary and end in padding for a sample,
    images are pixels where the model rescales them, booleans are mixed, and anything
    else is normal. Three samples, and two of large inputs.

    Raises
    ------
    ProbeError
        For an input of strings.
    """
    shapes = [concrete(value) for value in graph.inputs]
    samples = 3 if all(np.prod(shape) <= SMALL for shape in shapes) else 2
    return [
        probe(graph, name, value, (value.shape[0] or samples, *shape))
        for name, value, shape in zip(
            graph.input_names, graph.inputs, shapes, strict=True
        )
    ]


def concrete(value: Value) -> tuple[int, ...]:
    """Shape of one sample, with a length for what the model leaves open."""
    return tuple(
        OPEN_AXIS.get(value.rank, 12) if n is None else n for n in value.shape[1:]
    )


def probe(graph: Graph, name: str, value: Value, shape: tuple[int, ...]) -> Probe:
    """Decide how one input is drawn."""
    if value.dtype == "string":
        raise ProbeError(f"input {name} takes strings: no numbers can be drawn for it")
    uses = list(first_uses(graph, value))
    if value.dtype == "bool":
        return Probe(name, "booleans", shape, value.dtype)
    if vocabulary := [size for call in uses if (size := vocabulary_of(call))]:
        padded = len(shape) == 2 and shape[0] > 1 and shape[1] > 1
        return Probe(name, "integers", shape, value.dtype, min(vocabulary), padded)
    image = len(shape) >= 4 and any(call.kind in PIXELS for call in uses)
    if image or value.dtype == "uint8":
        return Probe(name, "integers", shape, value.dtype, 256)
    if "int" in value.dtype:
        return Probe(name, "integers", shape, value.dtype, 10)
    return Probe(name, "normal", shape, value.dtype)


def vocabulary_of(call: Call) -> int | None:
    """Number of ids that a layer knows; None where it takes none."""
    names = {
        "Embedding": "input_dim",
        "CategoryEncoding": "num_tokens",
        "ops.OneHot": "num_classes",
    }
    size = call.config.get(names.get(call.kind, ""))
    return size if isinstance(size, int) else None


def first_uses(graph: Graph, value: Value) -> Iterator[Call]:
    """Calls that take an input, through those that hand it on as it is."""
    for call in graph.calls:
        for position, taken in enumerate(call.inputs):
            if taken.key != value.key:
                continue
            if call.inner is not None and position < len(call.inner.inputs):
                yield from first_uses(call.inner, call.inner.inputs[position])
            else:
                yield call
            if call.kind in TRANSPARENT:
                for handed_on in call.outputs:
                    yield from first_uses(graph, handed_on)
            break
