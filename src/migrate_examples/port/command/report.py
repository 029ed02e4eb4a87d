"""What a port says of itself: the report, for programs and in a line of words."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
"""Number of this form of ``report.json``."""


@dataclass(frozen=True)
class Tensor:
    """An input or output: name, shape with None for the batch, type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: a tensor of the port, and where its values come from.

    Attributes
    ----------
    target : str
        Name in the state dict.
    sources : tuple of str
        Variables of the Keras model; none for a constant.
    layout : str
        What was done with them, in words.
    shape : tuple of int
        As PyTorch has it.
    """

    target: str
    sources: tuple[str, ...]
    layout: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A call of a Keras layer, and what the port has in its place.

    Attributes
    ----------
    keras : str
        Path of the layer, ``encoder/conv1``.
    kind : str
        Its class, ``Conv2D``.
    call : int
        Which call of that layer it is, from 0: shared layers have several.
    torch : str
        Module of the port, ``encoder.conv1``, or an expression of ``forward``.
    line : int
        In ``model.py``; 0 where it has none.
    shape : tuple of int
        Of the output, as Keras has it.
    error_float32, error_float64 : float or None
        Largest difference, by the largest absolute output; None where the port has
        no tensor of these values, and what comes after it is compared.
    tolerance_float32, tolerance_float64 : float or None
        Beyond it, the difference is no rounding.
    """

    keras: str
    kind: str
    call: int
    torch: str
    line: int
    shape: tuple[int | None, ...] = ()
    error_float32: float | None = None
    error_float64: float | None = None
    tolerance_float32: float | None = None
    tolerance_float64: float | None = None

    @property
    def differs(self) -> bool:
        """Whether an error is beyond its tolerance, or no number at all."""
        pairs = (
            (self.error_float32, self.tolerance_float32),
            (self.error_float64, self.tolerance_float64),
        )
        return any(e is not None and t is not None and not e <= t for e, t in pairs)


@dataclass(frozen=True)
class Gradient:
    """Gradient of a parameter on both sides, in float64, after one loss.

    Attributes
    ----------
    target : str
        Parameter of the port; ``input x`` for an input.
    error : float
        Largest difference, by the largest absolute value.
    tolerance : float
        Beyond it, the difference is no rounding.
    """

    target: str
    error: float
    tolerance: float

    @property
    def differs(self) -> bool:
        """Whether the error is beyond the tolerance, or no number at all."""
        return not self.error <= self.tolerance


@dataclass(frozen=True)
class Report:
    """All that a port found.

    Attributes
    ----------
    source : str
        Name of the file that was ported.
    class_name : str
        The class in ``model.py``.
    inputs, outputs : tuple of Tensor
        Of both models.
    tensors : tuple of Entry
        The ledger.
    unused : tuple of str
        Variables of the Keras model that fill no tensor.
    layers : tuple of Layer
        In the order of their calls; the outputs stand last, as kind ``output``.
    gradients : tuple of Gradient
        Of one loss, in float64.
    agrees : bool or None
        None where it was not verified.
    verdict : str
        In words.
    sensitivity : float or None
        How far the outputs go when the inputs change, by the largest output.
    skipped : tuple of str
        What was not read, written or compared, each in a sentence.
    versions : mapping of str to str
        Of what took part.
    options : mapping
        What was asked for.
    files : mapping of str to str
        What was written, with SHA-256.
    """

    source: str
    class_name: str
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    tensors: tuple[Entry, ...] = ()
    unused: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    gradients: tuple[Gradient, ...] = ()
    agrees: bool | None = None
    verdict: str = "not verified"
    sensitivity: float | None = None
    skipped: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def worst(values: "list[float | None]") -> float | None:
    """Largest of the numbers among some values; None of none, NaN before all.

    >>> worst([1e-7, None, 3e-7])
    3e-07
    """
    numbers = [v for v in values if v is not None]
    if not numbers:
        return None
    return max(numbers, key=lambda v: (v != v, v))  # noqa: PLR0124  NaN is not itself


def as_json(report: Report) -> str:
    """Write a report for programs; ``report.json``.

    What is no number in JSON, a NaN or an infinity, stands as a string.

    >>> text = as_json(Report("net.keras", "Net"))
    >>> json.loads(text)["class"]
    'Net'
    """
    said = asdict(report)
    said = {
        "format": FORMAT,
        "source": said.pop("source"),
        "class": said.pop("class_name"),
        **said,
    }
    return json.dumps(plain(said), indent=1, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Make a value out of what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):  # noqa: PLR0124
        return str(value)
    return value
