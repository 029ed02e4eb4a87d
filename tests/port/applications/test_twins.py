"""Twins of torchvision: exact with all changes, and wrong without each one."""

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import torch

from migrate_examples.port.applications.changes import MOMENTUM
from migrate_examples.port.applications.families import TWINS, WITHOUT_TWIN
from migrate_examples.port.applications.measure import (
    THROUGH_FLOAT32,
    TOLERANCE,
    Measurement,
    measure,
)
from migrate_examples.port.applications.reference import build, draw_weights, swapped
from migrate_examples.port.applications.table import MEASURED, row, worth
from migrate_examples.port.applications.twins import (
    TwinError,
    changes_of,
    ledger_of,
    twin,
)
from migrate_examples.port.live import archive_of
from migrate_examples.port.parity.precision import default_dtype

# Of each family the smallest is run; these are built, and each tensor of the twin is
# found to have the shape of its variables, but nothing is run. What is in neither is
# left to benchmark_applications.py: to build it takes gigabytes.
BUILT = (
    *("ResNet101", "MobileNetV3Large", "DenseNet169", "EfficientNetB3"),
    *("EfficientNetB5", "EfficientNetV2B3", "EfficientNetV2S", "ConvNeXtSmall"),
)
ALPHA = {"MobileNetV2": 0.35}


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    keras.utils.clear_session(free_memory=True)


@pytest.fixture(scope="module", params=MEASURED)
def measured(request: pytest.FixtureRequest) -> Measurement:
    name = request.param
    return measure(name, MEASURED[name], alpha=ALPHA.get(name))


def test_every_model_of_keras_has_a_row() -> None:
    found = inspect.getmembers(keras.applications, inspect.isfunction)
    assert {name for name, _ in found} == set(TWINS) | set(WITHOUT_TWIN)
    assert len(found) >= 40
    families = {id(t.family) for t in TWINS.values()}
    ran = {id(TWINS[name].family) for name in (*MEASURED, *BUILT)}
    assert ran == families, "each family is at least built"


def test_twin_is_exact(measured: Measurement) -> None:
    exact = TOLERANCE["float64"]
    if measured.name.startswith("ConvNeXt"):
        exact = THROUGH_FLOAT32  # gelu's sqrt(2) passes through float32 in Keras
    assert measured.float64 < exact
    assert measured.float32 < TOLERANCE["float32"]
    assert measured.sensitivity > 0.2, "else a wrong port would look right"


def test_twin_is_wrong_without_each_change(measured: Measurement) -> None:
    assert measured.left_out
    for name, difference in measured.left_out.items():
        assert difference > 1000 * measured.float64, name
    small = [d for n, d in measured.left_out.items() if n != "eps" and d < 0.05]
    assert not small, "only a small change of epsilon is worth less"


@pytest.mark.parametrize("name", BUILT)
def test_twin_has_the_shapes_of_keras(name: str) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3))
    net = twin(model)  # raises where a tensor has another shape, or none
    trained = sum(v.shape.num_elements() for v in model.trainable_variables)
    folded = sum(
        v.shape.num_elements()
        for v in model.trainable_variables
        if "conv/bias" in v.path and name.startswith("ResNet")
    )
    assert sum(p.numel() for p in net.parameters()) == trained - folded


@pytest.fixture
def small() -> Any:
    model = build("MobileNetV2", 32, "float64", alpha=0.35)
    draw_weights(model, seed=3)
    return model


def test_momentum_shows_in_training(small: Any, rng: np.random.Generator) -> None:
    before = twin(small, width_mult=0.35)
    forgotten = twin(small, leave_out=[MOMENTUM], width_mult=0.35)
    inputs = rng.normal(size=(8, 32, 32, 3))
    dropouts = [n for n in small.layers if isinstance(n, keras.layers.Dropout)]
    with default_dtype("float64"), swapped(dropouts, "rate", 0.0):
        small(inputs, training=True)
    arrays = archive_of(small).arrays()
    worst = []
    for net in (before, forgotten):
        for module in net.modules():
            module.training = isinstance(module, torch.nn.BatchNorm2d)
        with torch.no_grad():
            net(torch.tensor(inputs).permute(0, 3, 1, 2))
        state = net.state_dict()
        means = [e for e in ledger_of(net) if e.target.endswith("running_mean")]
        gaps = [
            np.abs(state[e.target].numpy() - arrays[e.sources[0]]).max() for e in means
        ]
        assert len(gaps) == 52
        worst.append(float(max(gaps)))
    assert worst[0] < 1e-7, "0.999 passes through float32 in Keras"
    assert worst[1] > 1000 * worst[0]


def test_probabilities_of_keras_are_the_softmax_of_the_twin(
    rng: np.random.Generator,
) -> None:
    model = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 3), classes=7
    )
    draw_weights(model, seed=5)
    pixels = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    net = twin(model)
    preprocess = net.get_submodule("preprocess")
    found = (
        net(preprocess(torch.tensor(pixels).permute(0, 3, 1, 2))).softmax(1).detach()
    )
    np.testing.assert_allclose(found, model(pixels), atol=1e-5)
    assert found.shape == (2, 7)


def test_ledger_uses_each_weight_once_and_fills_each_tensor_once(small: Any) -> None:
    net = twin(small, width_mult=0.35)
    targets = [entry.target for entry in ledger_of(net)]
    counters = {n for n in net.state_dict() if n.endswith("num_batches_tracked")}
    assert sorted(targets) == sorted(set(net.state_dict()) - counters)
    sources = [source for entry in ledger_of(net) for source in entry.sources]
    assert sorted(sources) == sorted(archive_of(small).arrays())


def test_twin_keeps_no_memory_of_the_model(small: Any) -> None:
    net = twin(small, width_mult=0.35)
    kept = {name: t.clone() for name, t in net.state_dict().items()}
    for variable in small.variables:
        variable.assign(variable * 0)
    assert all(torch.equal(net.state_dict()[name], t) for name, t in kept.items())


def test_model_without_head_is_refused() -> None:
    model = keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), include_top=False, alpha=0.35
    )
    with pytest.raises(TwinError, match="include_top=True"):
        twin(model, width_mult=0.35)


def test_model_without_twin_is_refused() -> None:
    model = keras.applications.MobileNet(
        weights=None, input_shape=(32, 32, 3), alpha=0.25
    )
    with pytest.raises(TwinError, match=r"mobilenet_0\.25_32.*give its name there"):
        twin(model)
    with pytest.raises(TwinError, match="torchvision has no twin of MobileNet"):
        twin(model, "MobileNet")


def test_another_width_is_refused_with_both_shapes(small: Any) -> None:
    with pytest.raises(TwinError, match=r"Conv1 .*\(16, 3, 3, 3\).*\(32, 3, 3, 3\)"):
        twin(small)


def test_another_model_is_refused(small: Any) -> None:
    with pytest.raises(TwinError, match="Keras has 105 layers with weights"):
        twin(small, "ResNet50")


def test_row_says_what_each_change_is_worth() -> None:
    found = Measurement(
        "ConvNeXtTiny",
        64,
        1e-6,
        1e-9,
        {"layer scale": float("inf"), "input": 0.9},
        0.5,
        1,
    )
    line = row("ConvNeXtTiny", found)
    assert line.without == ("does not load", worth(0.9))
    assert len(line.changes) == len(changes_of("ConvNeXtTiny"))
    assert row("VGG19", None).float64 == ""
