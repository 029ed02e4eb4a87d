"""Resizing: corners, nearest, smoothing, the coefficient of bicubic."""

from collections.abc import Iterator
from typing import Any

from migrate_examples.port.parity.place import Place, Trial, bound, run

WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "RESIZE-NEAREST",
        {"mode": "nearest-exact", "align_corners": None, "antialias": False},
    ),
    ("RESIZE-CORNERS", {"align_corners": False}),
    ("RESIZE-ANTIALIAS", {"antialias": False}),
    ("RESIZE-ANTIALIAS", {"antialias": True}),
    ("RESIZE-ANTIALIAS", {"antialias": False, "align_corners": False}),
    ("RESIZE-BICUBIC", {"mode": "bicubic", "align_corners": False, "antialias": True}),
    ("RESIZE-MODE", {"mode": "bilinear", "align_corners": False, "antialias": False}),
    ("RESIZE-MODE", {"mode": "nearest", "align_corners": None, "antialias": False}),
    ("RESIZE-MODE", {"mode": "bicubic", "align_corners": False, "antialias": False}),
)


def resizing(place: Place) -> Iterator[Trial]:
    """Try each way to interpolate that Keras has."""
    if not place.is_a("UpSampling", "Resiz"):
        return
    for call in place.trace.calls:
        if not call.name.startswith(("interpolate", "upsample")) or place.calls_apart(
            call
        ):
            continue
        given = bound(call)
        for cause, changes in WAYS:
            if all(given.get(name) == value for name, value in changes.items()):
                continue
            same_mode = changes.get("mode", given.get("mode")) == given.get("mode")
            kin = cause == "RESIZE-NEAREST" and "nearest" in str(given.get("mode"))
            if not (same_mode or kin or cause == "RESIZE-MODE"):
                continue
            x = place.input_for(call)
            error = place.gives(run, call, input=x, **changes)
            text = ", ".join(f"{k}={v!r}" for k, v in changes.items() if v is not None)
            yield Trial(cause, error, f"F.interpolate(x, size, {text})", call)
