"""Models that torchvision lacks: the module written for them answers as Keras does."""

from migrate_examples.port.applications.generated import measure
from migrate_examples.port.applications.measure import TOLERANCE
from migrate_examples.port.applications.table import row_of_written


def test_written_module_is_exact() -> None:
    found = measure("MobileNet", 64, alpha=0.25)
    assert found.float64 < TOLERANCE["float64"]
    assert found.float32 < TOLERANCE["float32"]
    assert found.sensitivity > 0.2, "else a wrong port would look right"
    assert found.lines < 200, "thirteen blocks are one class"
    assert f"{found.lines} lines" in row_of_written("MobileNet", found).twin


def test_row_without_figures_is_empty() -> None:
    assert row_of_written("NASNetLarge", None).float32 == ""
