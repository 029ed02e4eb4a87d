"""Layers of ``keras.applications``' own, and that all of its kinds are lowered."""

import keras
import numpy as np
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import LOWERINGS, driver
from tests.port.lower.run_program import CONSTANT, EXACT, of_layer

SMALL = ["ConvNeXtTiny", "MobileNetV3Small", "EfficientNetB0", "NASNetMobile"]


def test_layers_of_the_applications_agree(rng: np.random.Generator) -> None:
    for layer, shapes in (
        (LayerScale(0.5, 3), [(5, 4, 3)]),
        (StochasticDepth(0.25), [(5, 4, 3)]),
    ):
        assert of_layer(layer, *shapes, rng=rng).error < EXACT
    scaled = CustomScaleLayer(0.1)
    assert of_layer(scaled, (4, 3), (4, 3), rng=rng).error < CONSTANT


def test_all_kinds_of_small_applications_are_lowered() -> None:
    assert driver.lower is not None
    for name in SMALL:
        model = getattr(keras.applications, name)(weights=None)
        kinds = {call.kind for call in graph_of(model).calls if call.inner is None}
        assert len(kinds) > 6
        assert kinds - set(LOWERINGS) == set()
