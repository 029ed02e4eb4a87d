"""Normalisations: epsilon, axes, training statistics."""

from collections.abc import Iterator

import torch.nn.functional as F  # noqa: N812  as the field calls it

from migrate_examples.port.parity.place import Place, Trial, bound, run

EPSILON = {
    "BatchNormalization": ("BATCHNORM-EPSILON", "nn.BatchNorm2d(channels, eps={})"),
    "LayerNormalization": ("LAYERNORM-EPSILON", "nn.LayerNorm(features, eps={})"),
    "GroupNormalization": (
        "GROUPNORM-EPSILON",
        "nn.GroupNorm(groups, channels, eps={})",
    ),
}


def epsilon(place: Place) -> Iterator[Trial]:
    """Try the layer's own epsilon."""
    if place.kind not in EPSILON:
        return
    cause, line = EPSILON[place.kind]
    eps = float(place.layer.config("epsilon"))
    for call in place.calls:
        if bound(call).get("eps", 1e-5) == eps:
            continue
        x = place.input_for(call)
        yield Trial(
            cause,
            place.gives(run, call, input=x, eps=eps),
            line.format(eps),
            call,
        )


def running_statistics(place: Place) -> Iterator[Trial]:
    """Try the running statistics where the port takes those of the batch."""
    if place.kind != "BatchNormalization" or place.training:
        return
    for call in place.calls:
        if not bound(call).get("training"):
            continue
        x, eps = place.input_for(call), float(place.layer.config("epsilon"))
        error = place.gives(run, call, input=x, training=False, eps=eps)
        yield Trial("MODE-DEFAULT", error, "module.eval()", call)


def axes(place: Place) -> Iterator[Trial]:
    """Try to normalise the channels of every pixel alone, which Keras does."""
    if place.kind != "LayerNormalization":
        return
    weights = place.layer.weights()
    x = place.layer.inputs[0]
    for call in place.trace.calls:
        if call.name not in ("layer_norm", "group_norm") or not (
            set(call.read) & place.within_reach
        ):
            continue
        given = bound(call)
        like = next(
            (
                v
                for v in given.values()
                if hasattr(v, "dtype") and hasattr(v, "new_tensor")
            ),
            None,
        )
        if like is None:
            continue
        gamma = weights.get("gamma")
        beta = weights.get("beta")
        error = place.gives(
            F.layer_norm,
            like.new_tensor(x),
            (x.shape[-1],),
            None if gamma is None else like.new_tensor(gamma),
            None if beta is None else like.new_tensor(beta),
            float(place.layer.config("epsilon")),
        )
        over = given.get("normalized_shape")
        if over is None or len(tuple(over)) > 1 or x.ndim > 3:
            line = "F.layer_norm(x.permute(0, 2, 3, 1), (channels,), weight, bias, eps)"
            yield Trial("LAYERNORM-AXIS", error, line, call)
