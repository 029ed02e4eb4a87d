"""Whether two models compute the same, where they do not, and why.

``compare`` gives a verdict, ``first_divergence`` the first layer that differs
and the cause, ``ladder`` climbs from shapes to training and stops at the first
rung that fails. ``replay`` makes random draws the same on both sides, and
``tolerances`` says what is rounding.
"""

from migrate_examples.port.parity.climbing import ladder
from migrate_examples.port.parity.comparison import Comparison, compare
from migrate_examples.port.parity.divergence import Divergence, first_divergence
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.replay import (
    Draws,
    Shuffles,
    record,
    weights_to_keras,
)
from migrate_examples.port.parity.rungs import Ladder
from migrate_examples.port.parity.tolerances import Tolerance, tolerance

__all__ = [
    "Comparison",
    "Divergence",
    "Draws",
    "Ladder",
    "ParityError",
    "Shuffles",
    "Tolerance",
    "compare",
    "first_divergence",
    "ladder",
    "record",
    "tolerance",
    "weights_to_keras",
]
