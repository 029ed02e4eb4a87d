"""Bidirectional: both directions in one module, or each in its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from migrate_examples.port.graph import Call
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.merging import cat
from migrate_examples.port.lower.recurrent import (
    STATES,
    TORCH,
    Given,
    Recurrence,
    check_state,
    drop_inputs,
    given_to,
    reversed_steps,
    run,
    sizes,
    torch_keywords,
    zeroed,
)
from migrate_examples.port.program import Layout, Local

MERGES = {"sum": "{0} + {1}", "ave": "({0} + {1}) / 2", "mul": "{0} * {1}"}


@lowers("Bidirectional")
def bidirectional(call: Call, body: Body) -> None:
    """``nn.LSTM(bidirectional=True)`` where both directions are alike and plain."""
    ahead = call.config["layer"]["config"]
    check_state(ahead)
    given = given_to(call, body)
    ways = _ways(call)
    if _in_one(ways) and given.mask is None:
        merged, states = _one_module(call, body, ways, given)
    else:
        merged, states = _two_modules(call, body, ways, given)
    wanted = (*merged, *(states if ahead.get("return_state") else ()))
    for value, local in zip(call.outputs, wanted, strict=True):
        body.give(value, local, Layout.LAST)


def _ways(call: Call) -> tuple[Recurrence, Recurrence]:
    """Forward and backward recurrence."""
    made = []
    for way, key in (("forward", "layer"), ("backward", "backward_layer")):
        stored: Mapping[str, Any] = call.config.get(key) or call.config["layer"]
        kind = stored["class_name"]
        if kind not in TORCH:
            raise UnsupportedError(
                f"Bidirectional of {kind}: use LSTM, GRU or SimpleRNN, or two layers"
            )
        weights = {n: a for n, a in call.weights.items() if n.startswith(f"{way}_")}
        if not weights:
            half = len(call.weights) // 2
            names = list(call.weights)
            picked = names[:half] if way == "forward" else names[half:]
            weights = {n: call.weights[n] for n in picked}
        config = stored["config"]
        backwards = bool(config.get("go_backwards"))
        if key == "backward_layer" and not call.config.get(key):
            backwards = not backwards
        made.append(Recurrence(kind, config, weights, backwards, way))
    return made[0], made[1]


def _in_one(ways: tuple[Recurrence, Recurrence]) -> bool:
    ahead, back = ways
    keys = ("units", "activation", "use_bias", "dropout")
    return (
        ahead.plain
        and back.plain
        and ahead.kind == back.kind
        and not ahead.backwards
        and all(ahead.config.get(k) == back.config.get(k) for k in keys)
    )


def _one_module(
    call: Call, body: Body, ways: tuple[Recurrence, Recurrence], given: Given
) -> tuple[list[Local], list[Local]]:
    """Outputs and states of a module that runs both ways."""
    part = Recurrence(ways[0].kind, ways[0].config, {})
    filled = to_torch("Bidirectional", call.config, call.weights)
    written, operands = _initial(part, given.states)
    x = drop_inputs(body, part, given.x)
    outputs, state = body.module(
        f"nn.{TORCH[part.kind]}",
        sizes(part, filled),
        (x, *operands),
        keywords={**torch_keywords(part), "bidirectional": True},
        filled=filled,
        expression=f"{{module}}({{0}}{written})",
        results=2,
    )
    wanted = part.config.get("return_state")
    states = _states(body, part, state) if wanted else []
    mode, units = call.config["merge_mode"], part.config["units"]
    if part.config["return_sequences"]:
        if mode == "concat":
            return [outputs], states
        halves = [
            body.line(f"{{0}}[..., {place}]", outputs)
            for place in (f":{units}", f"{units}:")
        ]
    else:
        halves = [
            body.line(f"{{0}}[:, {place}]", outputs, rank=2, note=note)
            for place, note in (
                (f"-1, :{units}", ""),
                (f"0, {units}:", "backwards, the first step comes last"),
            )
        ]
    return merge(body, mode, halves), states


def _initial(part: Recurrence, states: Sequence[Local]) -> tuple[str, list[Local]]:
    """First states of both directions, one above the other."""
    if not states:
        return "", []
    if STATES[part.kind] == 2:
        stacked = ", ".join(f"torch.stack(({{{a}}}, {{{a + 2}}}))" for a in (1, 2))
        return f", ({stacked})", list(states)
    return ", torch.stack(({1}, {2}))", list(states)


def _states(body: Body, part: Recurrence, state: Local) -> list[Local]:
    """Last states: those of the forward direction, then those of the backward one."""
    if STATES[part.kind] == 2:
        places = [(way, n) for way in (0, 1) for n in (0, 1)]
        return [body.line(f"{{0}}[{n}][{way}]", state, rank=2) for way, n in places]
    return [body.line(f"{{0}}[{way}]", state, rank=2) for way in (0, 1)]


def merge(body: Body, mode: str | None, halves: Sequence[Local]) -> list[Local]:
    """Forward and backward outputs as the layer returns them."""
    if mode is None:
        return list(halves)
    if mode == "concat":
        return [cat(body, halves, halves[0].rank - 1)]
    return [body.line(MERGES[mode], *halves)]


def _two_modules(
    call: Call, body: Body, ways: tuple[Recurrence, Recurrence], given: Given
) -> tuple[list[Local], list[Local]]:
    """Each direction by itself, over the steps in its own order."""
    halves, states = [], []
    count = len(given.states) // 2
    for n, way in enumerate(ways):
        x, mask = given.x, given.mask
        if way.backwards:
            x, mask = reversed_steps(body, x, mask)
        own = given.states[n * count : (n + 1) * count]
        wanted = bool(way.config.get("return_state"))
        half, made = run(body, way, Given(x, mask, own), states=wanted)
        half = zeroed(body, way.config, half, mask)
        states += made
        if not way.config["return_sequences"]:
            half = body.line("{0}[:, -1]", half, rank=2)
        elif n == 1:
            half = body.line("{0}.flip(1)", half)
        halves.append(half)
    return merge(body, call.config["merge_mode"], halves), states
