"""What folding makes of a Program: classes of blocks, and lines that call them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from migrate_examples.port.program import Construction, Local, Program, Step, Verbatim


class Required(Enum):
    """The default of a parameter that has none."""

    NO_DEFAULT = "no default"


@dataclass(frozen=True)
class Parameter:
    """An argument of a block's ``__init__``.

    Attributes
    ----------
    name : str
        ``in_channels``.
    annotation : str
        ``int``, ``tuple[int, int]``, ``Callable[[Tensor], Tensor]``.
    default : literal, Verbatim, or Required
        Printed after ``=``; parameters without one come first.
    """

    name: str
    annotation: str
    default: Any = Required.NO_DEFAULT


@dataclass(frozen=True)
class Choice(Construction):
    """A module that only some instances of a block have.

    Printed ``nn.Conv2d(3, 8, 1) if in_channels != channels else nn.Identity()``;
    where it is a bare ``nn.Sequential``, its arguments are Constructions.

    Attributes
    ----------
    condition : str
        A Python expression over the parameters.
    """

    condition: str = ""


@dataclass(frozen=True)
class Repeat:
    """Several modules in the arguments of an ``nn.Sequential``.

    Printed ``*(ResidualBlock(1024, 256) for _ in range(35))``.

    Attributes
    ----------
    construction : Construction
        One of them; its arguments may be Verbatim expressions of the variable.
    count : int
        How many.
    variable : str
        ``_`` where all are equal; otherwise it counts from 0.
    """

    construction: Construction
    count: int
    variable: str = "_"


@dataclass(frozen=True)
class BlockClass:
    """A class to be written, a module that the program or another block builds.

    Attributes
    ----------
    name : str
        ``ResidualBlock``; unique among the classes, and no name of a helper.
    summary : str
        First line of its docstring.
    parameters : tuple of Parameter
        Of ``__init__``, those with defaults last.
    kept : tuple of (str, str)
        Attributes set in ``__init__``, name and expression, for ``forward`` to use:
        ``("residual", "stride == 1")`` is printed ``self.residual = stride == 1``.
    inputs : tuple of Local
        Of ``forward``.
    steps : tuple of Step
        Of ``forward``. The ``layer`` of a step is the name of its attribute (its
        role is empty); arguments of its module may be Verbatim expressions of the
        parameters; its expression may read ``self.NAME`` for a name that is kept.
        Its ``filled`` is empty: each instance has its own.
    outputs : tuple of Local
        What ``forward`` returns: one, or a tuple.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    kept: tuple[tuple[str, str], ...]
    inputs: tuple[Local, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Local, ...]


@dataclass(frozen=True)
class Origin:
    """Where a line of the flat program has gone.

    Attributes
    ----------
    layer, role : str
        Of the flat step.
    path : str
        Attribute below the module of the folded step: ``11.conv1``; for a line
        without module, the block that has it: ``11``, or empty.
    block : str
        Name of the BlockClass that has the line.
    index : int
        Its number among the steps of that class.
    """

    layer: str
    role: str
    path: str
    block: str
    index: int


@dataclass(frozen=True)
class FoldedStep(Step):
    """A line that calls a block, or an ``nn.Sequential`` of blocks.

    Its ``layer`` is a name for the attribute. Its module is a Construction of a
    BlockClass, or of ``nn.Sequential`` whose arguments are Constructions and
    Repeats. The targets in ``filled`` are paths below the module,
    ``11.conv1.weight``; unlike those of other steps, their ``sources`` are whole
    paths, ``conv4_block12_1_conv/kernel``.

    Attributes
    ----------
    origins : tuple of Origin
        One for each line of the flat program, and for each layer that it absorbs.
    """

    origins: tuple[Origin, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Folded:
    """A program after folding.

    Attributes
    ----------
    program : Program
        Its steps are Steps and FoldedSteps; so are those of inner programs.
    classes : tuple of BlockClass
        Each after those that it uses; for the whole file, inner programs included.
    """

    program: Program
    classes: tuple[BlockClass, ...]


__all__ = [
    "BlockClass",
    "Choice",
    "Folded",
    "FoldedStep",
    "Origin",
    "Parameter",
    "Repeat",
    "Required",
    "Verbatim",
]
