"""Every class of ``keras.layers`` is lowered, or the table says why it is not."""

import inspect

import keras

from migrate_examples.port.lower import LOWERINGS, driver
from migrate_examples.port.lower.not_lowered import NOT_LOWERED


def test_every_layer_is_lowered_or_explained() -> None:
    assert driver.lower is not None  # its module registers all of them
    classes = {
        cls.__name__
        for cls in vars(keras.layers).values()
        if inspect.isclass(cls) and cls.__module__.startswith("keras.")
    }
    assert len(classes) > 140
    unexplained = classes - set(LOWERINGS) - set(NOT_LOWERED)
    assert unexplained == set()


def test_the_table_names_layers_that_exist_and_are_not_lowered() -> None:
    for name, missing in NOT_LOWERED.items():
        assert hasattr(keras.layers, name)
        assert name not in LOWERINGS
        assert missing.reason
        assert missing.advice
