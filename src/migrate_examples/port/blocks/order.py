"""The order of the lines: each branch written whole, before the next one begins."""

from collections.abc import Sequence

from migrate_examples.port.program import Local, Step


def depth_first(steps: Sequence[Step], outputs: Sequence[Local]) -> tuple[Step, ...]:
    """Order steps so that what belongs together stands together.

    Keras lists layers by their depth, so the branches of a block come interleaved.
    Here each step follows what it takes: its first operand's line, then the
    second's. Steps that no output needs come last, in the order they had.

    >>> a, b, c, d, e = (Local(n, 2) for n in range(5))
    >>> one, two = Step((b,), "one", (a,), ""), Step((c,), "two", (b,), "")
    >>> left, both = Step((d,), "left", (a,), ""), Step((e,), "both", (c, d), "")
    >>> [step.expression for step in depth_first([left, one, two, both], [e])]
    ['one', 'two', 'left', 'both']
    """
    maker = {local: n for n, step in enumerate(steps) for local in step.results}
    done: dict[int, None] = {}
    roots = [maker[local] for local in outputs if local in maker]
    for root in [*roots, *range(len(steps))]:
        stack = [root]
        while stack:
            n = stack[-1]
            waiting = [
                maker[local]
                for local in steps[n].operands
                if local in maker and maker[local] not in done
            ]
            if n in done or not waiting:
                done.setdefault(n)
                stack.pop()
            else:
                stack.append(waiting[0])
    return tuple(steps[n] for n in done)
