"""Stretches of lines that occur again, and what a class of them would save."""

from collections.abc import Hashable, Sequence

from migrate_examples.port.blocks.find import follows, has_modules
from migrate_examples.port.blocks.windows import Lines, Window, signature, window
from migrate_examples.port.program import Step

LONGEST = 60
"""Lines of the longest stretch that is looked for."""


def weight(steps: Sequence[Step]) -> int:
    """Lines of source that some steps take, in ``__init__`` and ``forward``."""
    return len(steps) + sum(step.module is not None for step in steps)


def saving(steps: Sequence[Step], times: int) -> int:
    """Lines of source that a class of these steps saves, used so many times."""
    return times * (weight(steps) - 2) - weight(steps) - 6


def period(tokens: Sequence[Hashable]) -> int:
    """Shortest period of a sequence.

    >>> period("abab"), period("abcab"), period("abc")
    (2, 3, 3)
    """
    borders = [0]  # of each beginning, the longest end that is a beginning too
    for n in range(1, len(tokens)):
        k = borders[-1]
        while k and tokens[n] != tokens[k]:
            k = borders[k - 1]
        borders.append(k + (tokens[n] == tokens[k]))
    return len(tokens) - borders[-1]


def stretches(
    all_lines: Sequence[Lines], banned: set[Hashable], *, chains: bool
) -> list[Window]:
    """The stretches whose class saves the most lines; none where none saves any.

    Parameters
    ----------
    chains : bool
        Only those that pass one tensor from line to line.
    """
    best: tuple[int, list[Window]] = (0, [])
    rows = _numbers(all_lines)
    reaches = [_reaches(lines, chains=chains) for lines in all_lines]
    longest = max((r - n for reach in reaches for n, r in enumerate(reach)), default=0)
    for length in range(2, min(LONGEST, longest) + 1):
        places: dict[tuple[int, ...], list[tuple[Lines, int]]] = {}
        for row, reach, lines in zip(rows, reaches, all_lines, strict=True):
            for n in range(len(row) - length + 1):
                if n + length <= reach[n]:
                    key = tuple(row[n : n + length])
                    places.setdefault(key, []).append((lines, n))
        repeated = {key: found for key, found in places.items() if len(found) > 1}
        if not repeated:
            break
        for key, found in repeated.items():
            best = _better(best, key, found, banned, most_inputs=1 if chains else 3)
    return best[1]


def _reaches(lines: Lines, *, chains: bool) -> list[int]:
    """For each line, where the longest stretch that begins with it ends."""
    reach: list[int] = []
    stop = len(lines.steps)
    for n in range(len(lines.steps) - 1, -1, -1):
        ends_here = chains and not follows(lines, n + 1)
        stop = n if lines.barred[n] else n + 1 if ends_here else max(stop, n + 1)
        reach.append(stop)
        stop = n if lines.barred[n] else stop
    return reach[::-1]


def _better(
    best: tuple[int, list[Window]],
    key: tuple[int, ...],
    found: Sequence[tuple[Lines, int]],
    banned: set[Hashable],
    most_inputs: int,
) -> tuple[int, list[Window]]:
    """The best so far, or what some equal stretches save."""
    lines, start = found[0]
    steps = lines.steps[start : start + len(key)]
    # The number of calls is no more than that of stretches: most cannot win.
    if saving(steps, len(found)) <= best[0] or not has_modules(steps):
        return best
    if 2 * period(key) <= len(key):
        return best
    groups: dict[Hashable, list[Window]] = {}
    for lines, n in found:
        part = window(lines, n, n + len(key))
        if len(part.outputs) == 1 and 1 <= len(part.inputs) <= most_inputs:
            group = groups.setdefault(signature(part), [])
            if not (group and group[-1].lines is lines and group[-1].stop > n):
                group.append(part)
    for form, group in groups.items():
        score = saving(steps, len(group))
        if len(group) > 1 and score > best[0] and form not in banned:
            best = score, group
    return best


def _numbers(all_lines: Sequence[Lines]) -> list[list[int]]:
    """Tokens as small numbers, equal for equal tokens in all programs."""
    table: dict[Hashable, int] = {}
    return [
        [table.setdefault(token, len(table)) for token in lines.tokens]
        for lines in all_lines
    ]
