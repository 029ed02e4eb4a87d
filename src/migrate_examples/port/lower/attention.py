"""Attention: several heads, or none; masks from wherever Keras takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.parameters import bare
from migrate_examples.port.program import Layout, Local

PARAMETERS = (
    "query",
    "value",
    "key",
    "query_mask",
    "value_mask",
    "key_mask",
    "attention_mask",
    "return_attention_scores",
    "training",
    "use_causal_mask",
)
"""Of the ``call`` of both layers of several heads, in their order."""

KINDS = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")


@lowers(*KINDS)
def multi_head_attention(call: Call, body: Body) -> None:
    """``nn.MultiheadAttention`` where it fits and no mask is given, else a helper."""
    given: dict[str, Any] = dict(zip(PARAMETERS, call.arguments, strict=False))
    given |= call.keywords
    _check(call, given)
    names = [n for n in ("query", "value", "key") if given.get(n) is not None]
    values = {name: given[name] for name in names}
    values.setdefault("key", values["value"])
    locals_ = [_sequence(body, values[name]) for name in ("query", "value", "key")]
    scores = bool(given.get("return_attention_scores"))
    causal = bool(given.get("use_causal_mask"))
    mask = _mask(call, body, given, locals_)
    plain = mask is None and not causal
    if plain and call.kind == "MultiHeadAttention" and _fits(call, values):
        made = _packed(call, body, locals_, scores=scores)
    else:
        if causal and (scores or mask is not None or call.config["dropout"]):
            mask, causal = _and_causal(body, mask, locals_), False
        made = _helper(call, body, (locals_, mask), causal=causal, scores=scores)
    outputs = made if scores else (made,)
    query = values["query"]
    if query.rank > 3:
        sizes = f"{{1}}.shape[1:{query.rank - 1}]"
        first = body.line(
            f"{{0}}.unflatten(1, {sizes})",
            outputs[0],
            body.take(query, Layout.LAST),
            rank=query.rank,
        )
        outputs = (first, *outputs[1:])
    for value, local in zip(call.outputs, outputs, strict=True):
        body.give(value, local, Layout.LAST)


def _check(call: Call, given: Mapping[str, Any]) -> None:
    config = call.config
    rank = given["query"].rank
    axes = config.get("attention_axes")
    if axes is not None and [a % rank for a in axes] != list(range(1, rank - 1)):
        raise UnsupportedError(
            f"attention_axes={axes} of {rank} axes: permute the other axes to the "
            "batch in front of this layer"
        )
    if rank > 3 and given.get("return_attention_scores"):
        raise UnsupportedError("scores over several axes: flatten them in front")
    if config.get("use_gate"):
        raise UnsupportedError(
            "use_gate=True: write it as a Dense with a sigmoid and a Multiply"
        )


def _sequence(body: Body, value: Value) -> Local:
    """Queries, keys or values as (batch, steps, features)."""
    local = body.take(value, Layout.LAST)
    if value.rank == 3:
        return local
    return body.line("{0}.flatten(1, -2)", local, rank=3)


def _fits(call: Call, values: Mapping[str, Value]) -> bool:
    """Whether ``nn.MultiheadAttention`` can hold it: heads share out the width."""
    config = call.config
    width = values["query"].shape[-1]
    out = call.outputs[0].shape[-1]
    dims = {config["key_dim"], config.get("value_dim") or config["key_dim"]}
    return {dim * config["num_heads"] for dim in dims} | {out} == {width}


def _packed(call: Call, body: Body, locals_: Sequence[Local], *, scores: bool) -> Any:
    config = call.config
    filled = to_torch(call.kind, config, call.weights, multihead=True)
    width = call.outputs[0].shape[-1]
    keywords: dict[str, Any] = {}
    if config["dropout"]:
        keywords["dropout"] = config["dropout"]
    if not config["use_bias"]:
        keywords["bias"] = False
    for part in filled:
        side = {"k_proj_weight": "kdim", "v_proj_weight": "vdim"}.get(part.target)
        if side:
            keywords[side] = part.array.shape[1]
    need = "average_attn_weights=False" if scores else "need_weights=False"
    query, value, key = locals_
    made = body.module(
        "nn.MultiheadAttention",
        (width, config["num_heads"]),
        (query, key, value),
        keywords={**keywords, "batch_first": True},
        filled=filled,
        expression=f"{{module}}({{0}}, {{1}}, {{2}}, {need})",
        results=2,
    )
    return made if scores else made[0]


def _helper(
    call: Call,
    body: Body,
    operands: tuple[Sequence[Local], Local | None],
    *,
    causal: bool,
    scores: bool,
) -> Any:
    config = call.config
    filled = to_torch(call.kind, config, call.weights)
    shapes = {part.target: part.array.shape for part in filled}
    grouped = call.kind != "MultiHeadAttention"
    keywords: dict[str, Any] = {
        "heads": config["num_query_heads" if grouped else "num_heads"],
        "key_dim": config["head_dim" if grouped else "key_dim"],
    }
    value_dim = None if grouped else config.get("value_dim")
    if value_dim and value_dim != config["key_dim"]:
        keywords["value_dim"] = value_dim
    if grouped:
        keywords["key_heads"] = config["num_key_value_heads"]
    if not config["use_bias"]:
        keywords["bias"] = False
    if config["dropout"]:
        keywords["dropout"] = config["dropout"]
    locals_, mask = operands
    places = "{0}, {1}, {2}" + (", {3}" if mask is not None else "")
    return body.module(
        body.need("ScoredAttention" if scores else "MultiHeadAttention"),
        (
            *(shapes[f"{part}_proj.weight"][1] for part in "qvk"),
            shapes["out_proj.weight"][0],
        ),
        (*locals_, *([] if mask is None else [mask])),
        keywords=keywords,
        filled=filled,
        expression=f"{{module}}({places}{', causal=True' if causal else ''})",
        results=2 if scores else 1,
    )


def _mask(
    call: Call, body: Body, given: Mapping[str, Any], locals_: Sequence[Local]
) -> Local | None:
    """All that restricts who attends to whom, as one mask; None if nothing does."""
    parts: list[Local] = []
    explicit = given.get("attention_mask")
    if explicit is not None:
        local = body.take(explicit, Layout.LAST)
        if explicit.dtype != "bool":
            local = body.line("{0}.bool()", local)
        parts.append(local)
    implicit = {
        value.key: mask
        for value, mask in zip(call.inputs, call.masks, strict=True)
        if mask is not None
    }
    seen: set[tuple[int, str]] = set()
    for name, new in (
        ("query", "[:, :, None]"),
        ("value", "[:, None]"),
        ("key", "[:, None]"),
    ):
        if given.get(name) is None:
            continue
        mask = given.get(f"{name}_mask")
        mask = implicit.get(given[name].key) if mask is None else mask
        if mask is not None and (mask.key, new) not in seen:
            seen.add((mask.key, new))
            parts.append(body.line(f"{{0}}{new}", body.take(mask, Layout.LAST), rank=3))
    window = call.config.get("sliding_window")
    if window is not None:
        helper = body.need("window_mask")
        parts.append(
            body.line(f"{helper}({{0}}, {{1}}, {window})", *locals_[:2], rank=3)
        )
    if not parts:
        return None
    if any(part.rank == 4 for part in parts):
        parts = [
            part if part.rank == 4 else body.line("{0}[:, None]", part, rank=4)
            for part in parts
        ]
    places = " & ".join(f"{{{n}}}" for n in range(len(parts)))
    return parts[0] if len(parts) == 1 else body.line(places, *parts)


def _and_causal(body: Body, mask: Local | None, locals_: Sequence[Local]) -> Local:
    """A mask that keeps from looking ahead, and what was masked before."""
    query, value = locals_[:2]
    causal = body.line(
        f"{body.need('causal_mask')}({{0}}, {{1}})", query, value, rank=3
    )
    if mask is None:
        return causal
    return body.line("{0} & {1}", mask, causal, rank=mask.rank)


@lowers("Attention", "AdditiveAttention")
def attention(call: Call, body: Body) -> None:
    """Scores, softmax, product: lines of their own; unmasked ones are one function."""
    names = ("inputs", "mask", "training", "return_attention_scores", "use_causal_mask")
    given: dict[str, Any] = dict(zip(names, call.arguments, strict=False))
    given |= call.keywords
    values = list(given["inputs"])
    query, value = (body.take(v, Layout.LAST) for v in values[:2])
    key = body.take(values[2], Layout.LAST) if len(values) > 2 else value
    explicit = given.get("mask") or ()
    masks = [
        explicit[n]
        if n < len(explicit)
        else call.masks[n]
        if n < len(call.masks)
        else None
        for n in range(2)
    ]
    scores = _scores(call, body, query, key)
    kept = None
    if masks[1] is not None:
        kept = body.line("{0}[:, None]", body.take(masks[1], Layout.LAST), rank=3)
    if given.get("use_causal_mask"):
        kept = _and_causal(body, kept, (query, value))
    if kept is not None:
        note = "Keras takes 1e9 off what is masked"
        scores = body.line("torch.where({0}, {1}, {1} - 1e9)", kept, scores, note=note)
    weights = body.line("{0}.softmax(dim=-1)", scores)
    dropped = weights
    if call.config.get("dropout"):
        dropped = body.module(
            "nn.Dropout", (call.config["dropout"],), (weights,), role="dropout"
        )
    made = body.line("{0} @ {1}", dropped, value)
    if masks[0] is not None:
        made = body.line(
            "{0} * {1}[:, :, None]", made, body.take(masks[0], Layout.LAST)
        )
    body.give(call.outputs[0], made, Layout.LAST)
    if given.get("return_attention_scores"):
        body.give(call.outputs[1], weights, Layout.LAST)


def _scores(call: Call, body: Body, query: Local, key: Local) -> Local:
    """How well each query fits each key."""
    filled = {f.target: f for f in to_torch(call.kind, call.config, call.weights)}
    scale = None
    if "scale" in filled:
        scale = bare(body, filled["scale"])
    if call.kind == "Attention" and call.config.get("score_mode", "dot") == "dot":
        if scale is None:
            return body.line("{0} @ {1}.mT", query, key)
        return body.line("{0} @ {1}.mT * {2}", query, key, scale)
    both = "{0}[:, :, None] + {1}[:, None]"
    if call.kind == "AdditiveAttention":
        if scale is None:
            return body.line(f"torch.tanh({both}).sum(-1)", query, key)
        return body.line(f"({{2}} * torch.tanh({both})).sum(-1)", query, key, scale)
    weight = bare(body, filled["concat_score_weight"], "weight")
    if scale is None:
        return body.line(f"{{2}} * torch.tanh({both}).sum(-1)", query, key, weight)
    return body.line(
        f"{{2}} * torch.tanh({{3}} * ({both})).sum(-1)", query, key, weight, scale
    )
