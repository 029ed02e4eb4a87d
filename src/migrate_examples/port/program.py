"""What the written module does: steps of ``forward``, and the modules they call.

Lowering makes it of a Graph, ``blocks`` folds what repeats, ``source`` prints it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray


class Layout(StrEnum):
    """Where the channels of a tensor stand in the written module."""

    LAST = "channels last"  # as in Keras; also all of one or two axes
    FIRST = "channels first"  # (batch, channels, …), as PyTorch convolves


@dataclass(frozen=True)
class Local:
    """A tensor of the written ``forward``."""

    key: int
    rank: int


@dataclass(frozen=True)
class Verbatim:
    """An argument printed as it stands: a name or an expression, no literal."""

    text: str


@dataclass(frozen=True)
class Construction:
    """What ``__init__`` builds.

    Attributes
    ----------
    call : str
        ``nn.Conv2d``, ``SamePad2d``, ``nn.Parameter``.
    arguments : tuple
        Python literals, or Verbatim.
    keywords : tuple of (str, literal)
        In the order in which they are printed; defaults left out.
    """

    call: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Filled:
    """A tensor of the module's state dict, and where its values come from.

    Attributes
    ----------
    target : str
        Name inside the module, ``weight``; empty for a bare parameter or buffer.
    array : ndarray
        Its values, already laid out as PyTorch wants them.
    sources : tuple of str
        Variables of the Keras layer, ``kernel``.
    layout : str
        What was done, in words: ``(h, w, in, out) -> (out, in, h, w)``.
    """

    target: str
    array: NDArray[Any]
    sources: tuple[str, ...]
    layout: str


@dataclass(frozen=True)
class Step:
    """A line of ``forward``.

    Attributes
    ----------
    results : tuple of Local
        What it defines.
    expression : str
        A format string: ``{0}``, ``{1}`` are operands, ``{module}`` its module.
    operands : tuple of Local
        What it uses.
    layer : str
        Path of the Keras layer it comes from.
    role : str
        Tells the modules of one layer apart: empty for its main one,
        ``activation``, ``pad``, …
    module : Construction or None
        Steps of equal layer and role call one and the same module.
    filled : tuple of Filled
        The tensors of that module.
    inner : Program or None
        Of a nested model, whose class is the module.
    note : str
        A comment for the line, where the reader would stumble.
    absorbs : tuple of str
        Paths of other layers whose lines have gone into this one.
    """

    results: tuple[Local, ...]
    expression: str
    operands: tuple[Local, ...]
    layer: str
    role: str = ""
    module: Construction | None = None
    filled: tuple[Filled, ...] = ()
    inner: "Program | None" = None
    note: str = ""
    absorbs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """An input or an output of a program, with what its docstring says of it."""

    name: str
    local: Local
    shape: tuple[int | None, ...]
    dtype: str
    layout: Layout


@dataclass(frozen=True)
class Program:
    """One module to be written.

    Attributes
    ----------
    name : str
        The Keras model's name.
    inputs, outputs : tuple of Port
        Of ``forward``, in order.
    returns : Any
        Structure of the outputs, as the Keras model returns them, of Locals.
    steps : tuple of Step
        In an order that can be run.
    helpers : tuple of str
        Names of the helper classes and functions it uses, of ``lower.helper_code``.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    returns: Any
    steps: tuple[Step, ...]
    helpers: tuple[str, ...]
