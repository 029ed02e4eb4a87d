"""Error by depth, as a picture inside of a page."""

import math
from collections.abc import Iterator, Sequence

from migrate_examples.port.command.report import Layer
from migrate_examples.scan.report.page import line

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 12, 30
LOWEST, HIGHEST = -17.0, 1.0
"""Powers of ten at the ends of the axis; an error of zero stands at the lowest."""

SERIES = (("float32", "square"), ("float64", "circle"))


def error_by_depth(layers: Sequence[Layer]) -> str:
    """Draw the errors of all layers, in the order of their calls, as SVG.

    Colours are those of the page's style. Empty where nothing was compared.
    """
    compared = [
        layer
        for layer in layers
        if layer.error_float32 is not None or layer.error_float64 is not None
    ]
    if not compared:
        return ""
    parts = [*axis(), *tolerances(compared), *points(compared)]
    return (
        f"<svg class='depth' viewBox='0 0 {WIDTH} {HEIGHT}' role='img' "
        "aria-labelledby='depth-title'><title id='depth-title'>Error of each layer, "
        f"from the first to the last of {len(compared)}</title>{''.join(parts)}</svg>\n"
        "<p class='small legend'><span class='s-float32'>■ float32</span> "
        "<span class='s-float64'>● float64</span> "
        "<span class='s-bound'>┄ beyond it, the difference is no rounding</span></p>"
    )


def height_of(error: float) -> float:
    """Height at which an error stands."""
    if error != error:  # noqa: PLR0124  NaN is not itself
        power = HIGHEST
    elif error <= 0:
        power = LOWEST
    else:
        power = min(max(math.log10(error), LOWEST), HIGHEST)
    share = (HIGHEST - power) / (HIGHEST - LOWEST)
    return TOP + share * (HEIGHT - TOP - BOTTOM)


def place_of(position: int, count: int) -> float:
    """Where the layer of a number stands."""
    return LEFT + (position + 0.5) / count * (WIDTH - LEFT - RIGHT)


def axis() -> Iterator[str]:
    """Lines of the powers of ten, and what the axes are."""
    for power in range(-16, 1, 4):
        y = height_of(10.0**power)
        ends = f"x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}'"
        yield f"<line class='grid' {ends}/>"
        label = "1" if power == 0 else f"10<tspan dy='-5' class='power'>{power}</tspan>"
        yield f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{label}</text>"
    y = HEIGHT - 8
    yield f"<text x='{LEFT}' y='{y}'>first layer</text>"
    yield f"<text x='{WIDTH - RIGHT}' y='{y}' text-anchor='end'>output</text>"


def tolerances(layers: Sequence[Layer]) -> Iterator[str]:
    """Dashed lines where the differences stop being rounding."""
    for name, _ in SERIES:
        corners = [
            f"{place_of(n, len(layers)):.1f},{height_of(bound):.1f}"
            for n, layer in enumerate(layers)
            if (bound := getattr(layer, f"tolerance_{name}")) is not None
        ]
        if len(corners) == 1:  # a line of one point is none
            y = corners[0].partition(",")[2]
            corners = [f"{LEFT},{y}", f"{WIDTH - RIGHT},{y}"]
        if corners:
            yield f"<polyline class='bound s-{name}' points='{' '.join(corners)}'/>"


def points(layers: Sequence[Layer]) -> Iterator[str]:
    """A mark for each error."""
    size = 3.5 if len(layers) <= 80 else 2.2
    for name, shape in SERIES:
        for n, layer in enumerate(layers):
            error = getattr(layer, f"error_{name}")
            if error is None:
                continue
            x, y = place_of(n, len(layers)), height_of(error)
            said = f"<title>{line(layer.keras)} {name}: {error:.1e}</title>"
            wrong = " wrong" if layer.differs else ""
            if shape == "circle":
                yield (
                    f"<circle class='s-{name}{wrong}' cx='{x:.1f}' cy='{y:.1f}' "
                    f"r='{size}'>{said}</circle>"
                )
            else:
                yield (
                    f"<rect class='s-{name}{wrong}' x='{x - size:.1f}' "
                    f"y='{y - size:.1f}' width='{2 * size}' height='{2 * size}'>"
                    f"{said}</rect>"
                )
