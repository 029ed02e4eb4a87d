"""The table of ``keras.applications`` on the site: measured where it is built."""

from collections.abc import Iterable, Mapping
from math import isinf
from typing import Any, NamedTuple

from migrate_examples.port.applications import generated
from migrate_examples.port.applications.changes import MOMENTUM
from migrate_examples.port.applications.families import TWINS, WITHOUT_TWIN
from migrate_examples.port.applications.measure import Measurement, measure
from migrate_examples.port.applications.twins import changes_of

MEASURED = {
    "VGG16": 64,
    "ResNet50": 96,
    "MobileNetV2": 96,
    "MobileNetV3Small": 96,
    "DenseNet121": 96,
    "EfficientNetB0": 96,
    "EfficientNetV2B0": 96,
    "InceptionV3": 96,
    "ConvNeXtTiny": 64,
}
"""The smallest of each family, and the size of the image: seconds each."""


MEASURED_WRITTEN = {"MobileNet": 96}
"""Likewise, of those without a twin."""

WRITTEN = "written: a module from the model's graph"


class Row(NamedTuple):
    """A line of the table.

    Attributes
    ----------
    model, twin : str
        In ``keras.applications``, in torchvision.
    changes : tuple of str
        What has to change, in words.
    float32, float64 : str
        Relative differences of the logits; empty where they were not measured.
    without : tuple of str
        Difference in float64 without each change, in the order of ``changes``.
    """

    model: str
    twin: str
    changes: tuple[str, ...]
    float32: str
    float64: str
    without: tuple[str, ...]


def table(
    measured: Mapping[str, int] = MEASURED,
    measured_written: Mapping[str, int] = MEASURED_WRITTEN,
) -> list[Row]:
    """Rows of all models of ``keras.applications``, some of them with figures.

    Parameters
    ----------
    measured, measured_written : mapping of str to int
        Names of models with and without a twin, and the height and width of the image
        for each.
    """
    found = {name: measure(name, size) for name, size in measured.items()}
    found |= {n: generated.measure(n, size) for n, size in measured_written.items()}
    twins = [row(name, found.get(name)) for name in TWINS]
    return twins + [row_of_written(name, found.get(name)) for name in WITHOUT_TWIN]


def row_of_written(name: str, found: Measurement | None) -> Row:
    """Row of a model that torchvision lacks."""
    if found is None:
        return Row(name, WRITTEN, (), "", "", ())
    words = f"{WRITTEN}, {found.lines} lines"
    return Row(name, words, (), f"{found.float32:.0e}", f"{found.float64:.0e}", ())


def row(name: str, found: Measurement | None) -> Row:
    """Row of one model, with or without figures."""
    changes = changes_of(name)
    twin = TWINS[name].words
    words = tuple(change.words for change in changes)
    if found is None:
        return Row(name, twin, words, "", "", tuple("" for _ in changes))
    without = tuple(
        "only in training" if c is MOMENTUM else worth(found.left_out[c.name])
        for c in changes
    )
    return Row(
        name, twin, words, f"{found.float32:.0e}", f"{found.float64:.0e}", without
    )


def worth(difference: float) -> str:
    """Difference as a reader wants it.

    >>> worth(0.75), worth(float("inf"))
    ('8e-01', 'does not load')
    """
    return "does not load" if isinf(difference) else f"{difference:.0e}"


def as_json(found: Iterable[Measurement]) -> list[dict[str, Any]]:
    """Measurements as a file keeps them; infinite ones as words."""
    return [
        {
            **{k: v for k, v in vars(m).items() if k != "left_out"},
            "left_out": {
                name: "does not load" if isinf(v) else v
                for name, v in m.left_out.items()
            },
        }
        for m in found
    ]
