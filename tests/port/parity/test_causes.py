"""Every cause is planted in a small right port, and has to be named."""

from functools import cache
from typing import Any

import pytest
from torch import nn

from migrate_examples.pitfalls import pitfalls
from migrate_examples.port.parity.causes.known import CAUSES, KNOWN
from migrate_examples.port.parity.divergence import Divergence, first_divergence
from tests.port.parity import scenes

FAULTS = {
    "cnn": {
        "symmetric": ("PADDING-SAME", "conv1"),
        "front": ("PADDING-SAME", "conv1"),
        "eps": ("BATCHNORM-EPSILON", "bn"),
        "training": ("MODE-DEFAULT", "bn"),
        "functional dropout": ("MODE-DEFAULT", "flatten"),
        "exchanged": ("BATCHNORM-EXCHANGED", "bn"),
        "bn left out": ("LAYER-MISSING", "bn"),
        "no relu": ("ACTIVATION-MISSING", "conv1 activation"),
        "elu": ("ACTIVATION", "conv1 activation"),
        "pool zero": ("POOL-SAME-MAX", "pool"),
        "pool half": ("POOL-SAME-MAX", "pool"),
        "flatten": ("FLATTEN-ORDER", "square"),
        "flipped": ("KERNEL-FLIPPED", "conv2"),
        "axes": ("KERNEL-AXES", "conv2"),
        "transposed": ("KERNEL-LAYOUT", "square"),
        "swapped": ("WEIGHTS-SWAPPED", "conv1"),
        "stale": ("WEIGHTS-STALE", "conv2"),
        "no bias": ("BIAS-MISSING", "conv2"),
        "float16": ("DTYPE-FLOAT16", "conv1"),
        "half": ("DTYPE-FLOAT16", "square"),
        "bgr": ("PREPROCESS-BGR", "conv1"),
        "scaled": ("PREPROCESS-INSIDE", "conv1"),
        "relu extra": ("LAYER-EXTRA", "head"),
        "no softmax": ("SOFTMAX-MISSING", "head activation"),
        "axis": ("SOFTMAX-AXIS", "head activation"),
        "softmax twice": ("SOFTMAX-TWICE", "head activation"),
    },
    "block": {
        "raw": ("PREPROCESS-INSIDE", "rescaling"),
        "255": ("PREPROCESS-SCALE", "rescaling"),
        "v1.5": ("RESNET-STRIDE", "reduce"),
        "order": ("LAYERS-EXCHANGED", "add"),
        "skipped": ("RESIDUAL-SKIPPED", "add"),
        "product": ("MERGE-OPERATION", "add"),
        "cat order": ("CONCATENATE-ORDER", "join"),
        "padded evenly": ("PADDING-SAME", "padding"),
        "softmax axis": ("SOFTMAX-AXIS", "head activation"),
    },
    "decoder": {
        "slope": ("LEAKY-RELU", "leaky"),
        "reshape": ("RESHAPE-ORDER", "reshape"),
        "crop": ("TRANSPOSED-CROP", "up"),
        "gelu": ("GELU-APPROXIMATE", "gelu"),
        "corners": ("RESIZE-CORNERS", "bilinear"),
        "multiplier": ("DEPTHWISE-ORDER", "depthwise"),
        "counted": ("POOL-SAME-AVERAGE", "average"),
        "norm axis": ("LAYERNORM-AXIS", "norm"),
        "norm eps": ("LAYERNORM-EPSILON", "norm"),
        "groups eps": ("GROUPNORM-EPSILON", "groups"),
        "keras 2": ("HARD-SIGMOID", "gate"),
    },
    "shrink": {
        "antialias": ("RESIZE-ANTIALIAS", "resize"),
        "nearest": ("RESIZE-NEAREST", "nearest"),
    },
    "attending": {
        "scale": ("ATTENTION-SCALE", "mha"),
        "by hand": ("ATTENTION-SCALE", "mha"),
        "mask": ("ATTENTION-MASK", "mha"),
        "luong": ("ATTENTION-SCALE", "luong"),
    },
    "GRU": {
        "keras gates": ("GRU-GATES", "rnn"),
        "time first": ("BATCH-FIRST", "rnn"),
        "padding": ("EMBEDDING-PADDING", "embedding"),
    },
    "LSTM": {
        "keras gates": ("LSTM-GATES", "rnn"),
        "doubled": ("LSTM-BIAS", "rnn"),
        "no bias": ("LSTM-BIAS", "rnn"),
        "stale": ("WEIGHTS-STALE", "rnn"),
    },
    "both LSTM": {"last step": ("BIDIRECTIONAL-LAST", "rnn")},
    "masked LSTM": {"unmasked": ("MASK-ZERO", "rnn")},
    "backwards LSTM": {"forwards": ("GO-BACKWARDS", "rnn")},
    "before GRU": {"after": ("GRU-RESET-AFTER", "rnn")},
}
CASES = [(s, f, *e) for s, faults in FAULTS.items() for f, e in faults.items()]
WITHOUT_TWIN = ("before GRU",)
ARGUMENTS = {
    "backwards LSTM": {"go_backwards": True},
    "before GRU": {"reset_after": False},
}


@cache
def original(scene: str) -> tuple[Any, Any]:
    """Keras's side of a scene, and inputs."""
    if hasattr(scenes, scene):
        made: tuple[Any, Any] = getattr(scenes, scene)()
        return made
    kind = scene.rsplit(maxsplit=1)[-1] if scene in ARGUMENTS else scene
    return scenes.recurrent(kind, **ARGUMENTS.get(scene, {}))


def port(scene: str, fault: str = "") -> nn.Module:
    """The port of a scene with a fault."""
    model, _ = original(scene)
    if hasattr(scenes, scene):
        made: nn.Module = getattr(scenes, f"port_{scene}")(model, fault)
        return made
    kind = scene.rsplit(maxsplit=1)[-1] if scene in ARGUMENTS else scene
    return scenes.port_recurrent(model, kind, fault)


def found(scene: str, fault: str = "", dtype: str = "float64") -> Divergence:
    """What is said of a port."""
    model, inputs = original(scene)
    return first_divergence(model, port(scene, fault), inputs, dtype=dtype)


@pytest.mark.parametrize("scene,fault,cause,layer", CASES)
def test_fault_is_named(scene: str, fault: str, cause: str, layer: str) -> None:
    result = found(scene, fault)
    assert result.cause is not None, result
    assert (result.cause.identifier, result.layer) == (cause, layer), str(result)
    assert result.remaining < result.error / 100
    assert result.line


@pytest.mark.parametrize("scene", [s for s in FAULTS if s not in WITHOUT_TWIN])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_port_has_no_cause(scene: str, dtype: str) -> None:
    result = found(scene, dtype=dtype)
    assert result.agrees, str(result)
    assert all(row.error < 1e-6 for row in result.rows), str(result)


def test_enough_faults_are_planted() -> None:
    assert len(CASES) >= 24
    assert len({cause for _, _, cause, _ in CASES}) >= 35


def test_every_cause_links_to_a_pitfall_that_exists() -> None:
    known = {pitfall.identifier for pitfall in pitfalls()}
    assert {c.pitfall for c in KNOWN if c.pitfall} <= known
    assert len(CAUSES) == len(KNOWN)
