"""Every format and model: what is read equals, bit by bit, what Keras holds."""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.port.live import archive_of
from migrate_examples.port.read import read
from tests.port.read.models import MODELS, SIDES, randomise

PAIRS = [
    (side, model, form)
    for side, (_, formats) in SIDES.items()
    for model in MODELS
    for form in formats
    if (side, model, form) != ("tf_keras", "subclassed", "h5")  # Keras refuses
]

NUMBERED = {
    # No config: three variables of a BatchNormalization lack gamma or beta, one of
    # an Attention is either. Layers of one's own name nothing in these files.
    *(
        (model, form)
        for model in ("cnn", "trained")
        for form in ("weights.h5", "shards")
    ),
    *(("attention", form) for form in ("weights.h5", "shards")),
    *(("subclassed", form) for form in ("keras", "weights.h5", "shards", "export")),
}
"""Where numbers stay."""
NOT_SAVED = {("recurrent", "checkpoint"), ("subclassed", "checkpoint")}
"""Keras 3 shows TensorFlow no layers in lists: its checkpoints have them not."""

EXACT_NAMES = {"keras", "h5", "old weights"}
"""Formats of Keras 3 in which paths of layers are those of the model in memory."""


@cache
def built(side: str, model: str) -> Any:
    return randomise(MODELS[model](SIDES[side][0]))


def contents(arrays: Mapping[str, Any], *, named: bool) -> Counter[tuple[Any, ...]]:
    """Last names, shapes, types and bytes, each as often as it occurs."""
    return Counter(
        (
            name.rpartition("/")[2].split(":")[0] if named else "",
            array.shape,
            str(array.dtype),
            array.tobytes(),
        )
        for name, array in arrays.items()
    )


def weights(model: Any) -> dict[str, Any]:
    return {
        f"{place}/{getattr(v, 'path', v.name)}": np.asarray(v.numpy())
        for place, v in enumerate(model.weights)
    }


@pytest.mark.parametrize("side,model,form", PAIRS)
def test_read_equals_what_was_saved(
    side: str, model: str, form: str, tmp_path: Path
) -> None:
    keras_model = built(side, model)
    archive = read(SIDES[side][1][form](keras_model, tmp_path))
    named = (model, form) not in NUMBERED
    found = contents(archive.arrays(), named=named)
    expected = contents(weights(keras_model), named=named)
    if side == "keras" and (model, form) in NOT_SAVED:
        assert found
        assert found <= expected
    else:
        assert found == expected


def test_there_are_as_many_pairs_as_reported() -> None:
    assert len(PAIRS) == 194


@pytest.mark.parametrize("model", [m for m in MODELS if m != "subclassed"])
@pytest.mark.parametrize("form", sorted(EXACT_NAMES))
def test_paths_are_those_of_the_model_in_memory(
    model: str, form: str, tmp_path: Path
) -> None:
    keras_model = built("keras", model)
    archive = read(SIDES["keras"][1][form](keras_model, tmp_path))
    live = archive_of(keras_model)
    found, expected = archive.arrays(), live.arrays()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)
    if form == "keras":
        mine = [layer.name for layer in archive.layers if layer.arrays]
        assert mine == [layer.name for layer in live.layers if layer.arrays]


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_optimizer_state_is_named_as_keras_names_it(form: str, tmp_path: Path) -> None:
    # Not the one above: Keras forgets how a model was compiled when it saves .h5.
    keras_model = randomise(MODELS["trained"](keras))
    archive = read(SIDES["keras"][1][form](keras_model, tmp_path))
    expected = archive_of(keras_model).optimizer
    assert len(expected) > 10
    name = keras_model.name
    found = {key.removeprefix(f"{name}_"): a for key, a in archive.optimizer.items()}
    expected = {key.removeprefix(f"{name}_"): a for key, a in expected.items()}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in found)


def test_a_shared_model_comes_once(tmp_path: Path) -> None:
    for form in ("keras", "h5", "weights.h5", "shards", "old weights"):
        archive = read(SIDES["keras"][1][form](built("keras", "shared"), tmp_path))
        names = [layer.name for layer in archive.layers if layer.arrays]
        assert names.count("tower/inside") == 1, form
        assert "outer/tower/inside" not in names, form
