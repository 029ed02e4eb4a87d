"""The driver: borders, nested models, flattening, everything unsupported at once."""

from typing import Any

import keras
import pytest
from keras import layers, ops

from migrate_examples.port.graph import Call
from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import LOWERINGS, PortError, UnsupportedError
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.lower.split import split_preprocessing
from migrate_examples.port.program import Layout, Program
from tests.port.models_zoo import ZOO


def expressions(program: Program) -> list[str]:
    return [step.expression for step in program.steps]


def permutes(program: Program) -> int:
    return sum("permute" in text for text in expressions(program))


def chain(shape: tuple[int, ...], *made: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *made], name="chain")


def test_images_are_permuted_at_the_border_alone() -> None:
    conv = [layers.Conv2D(3, 3, padding="same", activation="relu") for _ in range(4)]
    program = lower(graph_of(chain((8, 8, 3), *conv, layers.MaxPooling2D())))
    assert permutes(program) == 2
    assert program.inputs[0].layout is program.outputs[0].layout is Layout.LAST


def test_channels_first_at_the_border() -> None:
    graph = graph_of(chain((8, 8, 3), layers.Conv2D(3, 3)))
    program = lower(graph, layout="channels_first")
    assert permutes(program) == 0
    assert program.inputs[0].layout is program.outputs[0].layout is Layout.FIRST
    with pytest.raises(ValueError, match="neither"):
        lower(graph, layout="NCHW")


def test_nested_models_take_images_as_they_want_them() -> None:
    program = lower(graph_of(ZOO["reused_submodel"]()))
    (inner,) = {id(s.inner): s.inner for s in program.steps if s.inner}.values()
    assert permutes(inner) == 0
    assert permutes(program) == 1


def test_flatten_in_front_of_dense_permutes_the_kernel() -> None:
    model = chain((4, 4, 2), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(2))
    program = lower(graph_of(model))
    assert permutes(program) == 1
    assert "channels first" in program.steps[-1].filled[0].layout


@pytest.mark.parametrize(
    "behind",
    [
        [layers.BatchNormalization(), layers.Dense(2)],
        [layers.Reshape((6, 2))],
        [],
    ],
    ids=["normalised", "reshaped", "returned"],
)
def test_flatten_that_others_see_keeps_keras_order(behind: list[Any]) -> None:
    model = chain((4, 4, 2), layers.Conv2D(3, 3), layers.Flatten(), *behind)
    assert permutes(lower(graph_of(model))) == 2


def test_flatten_in_front_of_a_shared_dense_keeps_keras_order() -> None:
    image = keras.Input((4, 4, 2))
    x = layers.Flatten()(layers.Conv2D(3, 3)(image))
    dense = layers.Dense(12)
    program = lower(graph_of(keras.Model(image, dense(dense(x)))))
    assert permutes(program) == 2


def test_masks_that_nobody_asks_for_are_not_written() -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 3, mask_zero=True)(tokens)
    program = lower(graph_of(keras.Model(tokens, layers.Dense(2)(x))))
    assert not any("!=" in text for text in expressions(program))


def odd_model() -> keras.Model:
    x = keras.Input((4, 3), name="steps")
    y = layers.Dense(3, name="known")(x)
    y = layers.Dense(3, activation=odd_activation, name="odd_dense")(y)
    y = ops.fft((y, y))[0]
    return keras.Model(x, y, name="odd")


@keras.saving.register_keras_serializable(package="tests")
def odd_activation(x: Any) -> Any:
    return ops.sin(x)


def test_all_that_is_unsupported_is_listed_at_once() -> None:
    with pytest.raises(PortError) as caught:
        lower(graph_of(odd_model()))
    found = {one.layer: one for one in caught.value.unsupported}
    assert len(found) == 2
    assert found["odd_dense"].kind == "Dense"
    assert found["odd_dense"].config["units"] == 3
    message = str(caught.value)
    assert "model 'odd'" in message
    assert "units=3" in message
    assert all(one.advice in message for one in found.values())


def test_what_is_known_of_a_class_is_said() -> None:
    x = keras.Input((64, 1))
    model = keras.Model(x, layers.STFTSpectrogram("log", 16, 8)(x), name="sound")
    with pytest.raises(PortError) as caught:
        lower(graph_of(model))
    (one,) = caught.value.unsupported
    assert one.kind == "STFTSpectrogram"
    assert one.advice.startswith("PyTorch computes spectra by torch.stft")
    assert "Compute the spectrum in front of the model" in one.advice


def test_stubs_stand_in_for_what_is_unsupported() -> None:
    program = lower(graph_of(odd_model()), allow_stubs=True)
    stubs = [s for s in program.steps if s.module and s.module.call == "Stub"]
    assert stubs[0].layer == "odd_dense"
    assert all(stub.note.startswith("STUB") for stub in stubs)
    assert "Stub" in program.helpers


def test_what_a_failing_lowering_wrote_is_taken_back() -> None:
    def fails(call: Call, body: Body) -> None:
        body.line("wrong({0})", body.take(call.inputs[0], Layout.FIRST))
        raise UnsupportedError("not this one")

    graph = graph_of(chain((4, 4, 2), layers.ReLU(), layers.Conv2D(1, 1)))
    program = lower(graph, {**LOWERINGS, "ReLU": fails}, allow_stubs=True)
    assert not any("wrong" in text for text in expressions(program))
    known = {port.local.key for port in program.inputs}
    for step in program.steps:
        assert {local.key for local in step.operands} <= known
        known |= {local.key for local in step.results}


def test_preprocessing_is_split_off() -> None:
    graph = graph_of(ZOO["preprocessing_cnn"]())
    front, rest = split_preprocessing(graph)
    assert front is not None
    assert [call.kind for call in front.calls] == ["Rescaling", "Normalization"]
    assert rest.calls[0].kind == "Conv2D"
    assert rest.inputs == (front.outputs,)
    assert rest.input_names == front.input_names == ("image",)


def test_a_model_without_preprocessing_stays_whole() -> None:
    graph = graph_of(ZOO["mlp"]())
    assert split_preprocessing(graph) == (None, graph)


def test_weights_tied_across_layouts_are_refused() -> None:
    class Mirrored(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = layers.Dense(4, use_bias=False)

        def build(self, shape: Any) -> None:
            self.dense.build(shape)
            super().build(shape)

        def call(self, x: Any) -> Any:
            return ops.matmul(self.dense(x), self.dense.kernel)

    x = keras.Input((4,))
    with pytest.raises(PortError, match="tie them by hand"):
        lower(graph_of(keras.Model(x, Mirrored()(x))))
