"""Keras's padding="same": how much, on which side, and how PyTorch is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from migrate_examples.port.lower.axes import short
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Local

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """A window that slides: its size, step and gaps, an axis each."""

    size: tuple[int, ...]
    step: tuple[int, ...]
    gap: tuple[int, ...]


def same_padding(sizes: Sequence[int | None], window: Window) -> Pairs | None:
    """Places that padding="same" adds in front and behind; None if not known.

    The output has ``ceil(size / step)`` places; an odd one of padding goes behind.
    With a step of 1 the size does not matter.

    >>> same_padding((7, 8), Window((3, 3), (2, 2), (1, 1)))
    ((1, 1), (0, 1))
    >>> same_padding((None,), Window((3,), (1,), (2,)))
    ((2, 2),)
    >>> same_padding((None,), Window((3,), (2,), (1,)))
    """
    pairs = []
    for size, width, step, gap in zip(
        sizes, window.size, window.step, window.gap, strict=True
    ):
        reach = (width - 1) * gap + 1
        if size is None and step > 1 and reach > 1:
            return None
        if size is None:
            total = reach - 1 if step == 1 else 0
        else:
            total = max((-(-size // step) - 1) * step + reach - size, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def pad_line(body: Body, local: Local, pairs: Pairs, note: str = "") -> Local:
    """Write ``F.pad`` over the last axes; nothing where nothing is added."""
    if not any(map(any, pairs)):
        return local
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    return body.line(f"F.pad({{0}}, {flat})", local, note=note)


def pad_for(
    body: Body,
    local: Local,
    sizes: Sequence[int | None],
    window: Window,
    *,
    value: str = "",
) -> tuple[Local, int | tuple[int, ...]]:
    """Pad as padding="same" does; return what the module itself is to pad.

    Parameters
    ----------
    value : str
        What is put there instead of zeros, ``-torch.inf``; the module does not pad
        then, but where PyTorch's own pooling pads with the same.
    """
    pairs = same_padding(sizes, window)
    if pairs is None:
        return _pad_at_run_time(body, local, window, value), 0
    if all(front == behind for front, behind in pairs):
        return local, short([front for front, _ in pairs])
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    given = f", value={value}" if value else ""
    note = 'Keras\'s "same" pads more behind than in front'
    return body.line(f"F.pad({{0}}, {flat}{given})", local, note=note), 0


def _pad_at_run_time(body: Body, local: Local, window: Window, value: str) -> Local:
    helper = body.need("pad_same")
    arguments = [str(short(window.size)), str(short(window.step))]
    if set(window.gap) != {1}:
        arguments.append(f"dilation={short(window.gap)}")
    if value:
        arguments.append(f"value={value}")
    return body.line(f"{helper}({{0}}, {', '.join(arguments)})", local)
