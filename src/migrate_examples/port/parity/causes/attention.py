"""Attention: scale, mask, order of the inputs. Tried within the port itself."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from migrate_examples.port.parity.place import Place, Trial, bound
from migrate_examples.port.parity.torch_trace import TorchCall


def attention_calls(place: Place) -> list[TorchCall]:
    """Calls of the port that weigh values, after the layer's input."""
    after: set[int] = set()
    for number in place.equal:
        after |= place.trace.after(number)
    names = ("scaled_dot_product_attention", "multi_head_attention_forward", "softmax")
    return [c for c in place.trace.calls if c.name in names and set(c.read) & after]


def inverted(mask: Tensor) -> Tensor:
    """The mask of the other sense."""
    if mask.dtype == torch.bool:
        return ~mask
    return torch.where(
        mask == 0, torch.full_like(mask, -torch.inf), torch.zeros_like(mask)
    )


def with_keywords(
    change: Callable[[dict[str, Any]], dict[str, Any]], call: TorchCall
) -> Any:
    """Make the change of a call out of one of its arguments by name."""

    def changed(function: Any, *arguments: Any, **keywords: Any) -> Any:
        names = list(bound(call))
        given = {**dict(zip(names, arguments, strict=False)), **keywords}
        return function(**change(given))

    return changed


def attention(place: Place) -> Iterator[Trial]:
    """Try another scale, the inverted mask, key and value exchanged."""
    if not place.is_a("Attention"):
        return
    for call in attention_calls(place):
        if call.name == "softmax":
            yield from by_hand(place, call)
        elif call.name == "scaled_dot_product_attention":
            yield from fused(place, call)
        else:
            yield from module(place, call)


def scales(place: Place, width: int) -> list[float]:
    """What the scores may have to be multiplied with."""
    key = place.layer.config("key_dim") or place.layer.config("_key_dim") or width
    return [1.0, 1 / np.sqrt(float(key)), 1 / np.sqrt(float(width))]


def fused(place: Place, call: TorchCall) -> Iterator[Trial]:
    """Try torch's fused attention with other arguments."""
    given = bound(call)
    for scale in scales(place, given["query"].shape[-1]):
        change = with_keywords(lambda g, scale=scale: {**g, "scale": scale}, call)  # type: ignore[misc]
        error = place.in_port(call.number, change)
        line = f"F.scaled_dot_product_attention(q, k, v, mask, scale={scale:.17g})"
        yield Trial("ATTENTION-SCALE", error, line, call)
    if given.get("attn_mask") is not None:
        change = with_keywords(
            lambda g: {**g, "attn_mask": inverted(g["attn_mask"])}, call
        )
        line = "attn_mask: True attends, in scaled_dot_product_attention as in Keras"
        yield Trial("ATTENTION-MASK", place.in_port(call.number, change), line, call)
    change = with_keywords(lambda g: {**g, "key": g["value"], "value": g["key"]}, call)
    line = "Keras calls layer(query, value, key)"
    yield Trial("ATTENTION-ORDER", place.in_port(call.number, change), line, call)
    wanted = keras_mask(place)
    if given.get("attn_mask") is None and not given.get("is_causal"):
        for name, mask in wanted:
            change = with_keywords(lambda g, mask=mask: {**g, "attn_mask": mask}, call)  # type: ignore[misc]
            error = place.in_port(call.number, change)
            yield Trial("ATTENTION-MASK-MISSING", error, name, call)


def keras_mask(place: Place) -> list[tuple[str, Tensor]]:
    """Masks that the layer was called with, as torch broadcasts them."""
    found = []
    for name in ("attention_mask", "mask"):
        value = place.layer.keywords.get(name)
        if value is None or isinstance(value, list | tuple):
            continue
        mask = torch.from_numpy(np.asarray(value).astype(bool))
        found.append(("attn_mask=mask[:, None]", mask[:, None]))
    if place.layer.keywords.get("use_causal_mask"):
        steps, keys = place.layer.inputs[0].shape[1], place.layer.inputs[-1].shape[1]
        found.append(("is_causal=True", torch.ones(steps, keys).tril().bool()))
    return found


def module(place: Place, call: TorchCall) -> Iterator[Trial]:
    """Try nn.MultiheadAttention with the mask inverted: its True blocks."""
    for name in ("attn_mask", "key_padding_mask"):
        if isinstance(call.keywords.get(name), Tensor):
            change = with_keywords(lambda g, n=name: {**g, n: inverted(g[n])}, call)  # type: ignore[misc]
            error = place.in_port(call.number, change)
            line = f"{name}=~mask: True blocks in nn.MultiheadAttention"
            yield Trial("ATTENTION-MASK", error, line, call)


def by_hand(place: Place, call: TorchCall) -> Iterator[Trial]:
    """Try other scores before a softmax written out."""
    scores = next((t for t in call.arguments if isinstance(t, Tensor)), None)
    if scores is None:
        return
    width = place.layer.inputs[0].shape[-1]
    for scale in scales(place, width):
        for factor in (scale, 1 / scale):
            if factor == 1.0:
                continue

            def change(
                function: Any, x: Tensor, *rest: Any, factor: float = factor, **k: Any
            ) -> Any:
                return function(x * factor, *rest, **k)

            error = place.in_port(call.number, change)
            line = f"multiply the scores by {factor:.17g} before the softmax"
            yield Trial("ATTENTION-SCALE", error, line, call)
