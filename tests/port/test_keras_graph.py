"""Graphs of Keras models: calls, arguments, masks, weights, nested and shared."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from migrate_examples.port.graph import Call, Graph, values_in
from migrate_examples.port.keras_graph import TraceError, graph_of, weights_of
from tests.port.models_zoo import ZOO


def kinds(graph: Graph) -> list[str]:
    return [call.kind for call in graph.calls]


def everywhere(graph: Graph) -> list[Call]:
    """Calls of a graph and of the graphs in it."""
    calls = []
    for call in graph.calls:
        calls.append(call)
        if call.inner is not None:
            calls += everywhere(call.inner)
    return calls


@pytest.mark.parametrize("name", ZOO)
def test_every_variable_appears(name: str) -> None:
    model = ZOO[name]()
    arrays = {
        id(array): array
        for call in everywhere(graph_of(model))
        if call.kind != "Constant"
        for array in call.weights.values()
    }
    shapes = sorted(array.shape for array in arrays.values())
    assert shapes == sorted(tuple(v.shape) for v in model.weights)


@pytest.mark.parametrize("name", ZOO)
def test_calls_come_after_what_they_take(name: str) -> None:
    def check(graph: Graph) -> None:
        known = {value.key for value in graph.inputs}
        for call in graph.calls:
            masks = [mask for mask in call.masks if mask is not None]
            assert {value.key for value in (*call.inputs, *masks)} <= known, call.layer
            known |= {value.key for value in call.outputs}
            if call.inner is not None:
                check(call.inner)
        assert {value.key for value in values_in(graph.outputs)} <= known

    check(graph_of(ZOO[name]()))


def test_branches_follow_each_other() -> None:
    x = keras.Input((4, 4, 1))
    one = layers.Conv2D(2, 1, name="one_b")(layers.Conv2D(2, 1, name="one_a")(x))
    two = layers.Conv2D(2, 1, name="two_b")(layers.Conv2D(2, 1, name="two_a")(x))
    graph = graph_of(keras.Model(x, layers.Add(name="sum")([one, two])))
    assert [c.layer for c in graph.calls] == ["one_a", "one_b", "two_a", "two_b", "sum"]


def test_shared_layer_is_called_by_one_name() -> None:
    graph = graph_of(ZOO["shared_layer"]())
    dense = [call for call in graph.calls if call.kind == "Dense"]
    assert len(dense) == 3
    assert len({call.layer for call in dense}) == 1
    assert dense[0].weights["kernel"] is dense[1].weights["kernel"]


def test_reused_submodel_is_one_graph() -> None:
    graph = graph_of(ZOO["reused_submodel"]())
    first, second = (call for call in graph.calls if call.inner is not None)
    assert first.inner is second.inner
    assert first.layer == second.layer == "block"
    assert first.inner is not None
    assert first.inner.calls[0].layer.startswith("block/")


def test_mask_of_an_embedding() -> None:
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 3, mask_zero=True)(tokens)
    x = layers.Dropout(0.1)(x)
    graph = graph_of(keras.Model(tokens, layers.LSTM(2)(x)))
    (lstm,) = (call for call in graph.calls if call.kind == "LSTM")
    (mask,) = lstm.masks
    (made,) = (call for call in graph.calls if mask in call.outputs)
    assert made.kind == "ops.NotEqual"
    assert made.arguments == (graph.inputs[0], 0)
    assert "mask" not in lstm.keywords


def test_mask_ends_where_keras_ends_it() -> None:
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 3, mask_zero=True)(tokens)
    x = layers.LSTM(2)(x)  # returns no sequence
    graph = graph_of(keras.Model(tokens, layers.Dense(1)(x)))
    assert graph.calls[-1].masks == (None,)


def test_explicit_mask_stays_an_argument() -> None:
    x, keep = keras.Input((5, 2)), keras.Input((5,), dtype="bool")
    graph = graph_of(keras.Model([x, keep], layers.LSTM(2)(x, mask=keep)))
    assert graph.calls[0].keywords == {"mask": graph.inputs[1]}
    assert graph.calls[0].inputs == graph.inputs


def test_mask_crosses_into_a_nested_model() -> None:
    graph = graph_of(ZOO["mask_into_nested"]())
    assert "LSTM" in kinds(graph)  # written out: its mask comes from outside
    (lstm,) = (call for call in graph.calls if call.kind == "LSTM")
    assert lstm.masks[0] is not None


def test_operators_are_operations() -> None:
    x = keras.Input((4,))
    graph = graph_of(keras.Model(x, (x * 2.0 + 1.0)[:, :2]))
    assert kinds(graph) == ["ops.Multiply", "ops.Add", "ops.GetItem"]
    assert graph.calls[0].arguments == (graph.inputs[0], 2.0)


def test_attributes_of_an_operation() -> None:
    x = keras.Input((4, 3))
    graph = graph_of(keras.Model(x, ops.mean(x, axis=1, keepdims=True)))
    assert graph.calls[0].config["keepdims"] is True


def test_array_among_the_arguments_is_a_constant() -> None:
    x = keras.Input((3,))
    graph = graph_of(keras.Model(x, x + np.array([1.0, 2.0, 3.0], "float32")))
    assert kinds(graph) == ["Constant", "ops.Add"]
    np.testing.assert_array_equal(graph.calls[0].weights["value"], [1.0, 2.0, 3.0])


def test_inputs_by_name() -> None:
    graph = graph_of(ZOO["many_ports"]())
    assert graph.input_names == ("image", "meta")
    assert set(graph.outputs) == {"price", "kind"}


def test_layer_of_a_user_is_a_graph_inside() -> None:
    graph = graph_of(ZOO["own_weights"]())
    scale = graph.calls[-1]
    assert scale.kind == "Scale"
    assert scale.inner is not None
    begin = ["Weight", "ops.Multiply", "Weight", "ops.Add"]
    assert kinds(scale.inner)[:4] == begin
    assert scale.inner.calls[2].config == {"name": "still", "trainable": False}


def test_short_formula_is_written_out() -> None:
    graph = graph_of(ZOO["short_formulas"]())
    assert kinds(graph) == ["Conv2D", "Weight", "ops.Multiply"] * 2
    assert graph.calls[1].config == {"name": "gain", "trainable": True}
    assert graph.calls[1].layer.startswith("gain")


def test_layers_called_on_plain_arrays_are_recorded() -> None:
    graph = graph_of(ZOO["transformer"]())
    positions = next(call for call in graph.calls if call.kind == "Positions")
    assert positions.inner is not None
    assert kinds(positions.inner).count("Embedding") == 2


def test_training_branch_of_a_subclassed_model_is_left_out() -> None:
    assert "ops.Multiply" not in kinds(graph_of(ZOO["subclassed"]()))


class Looks(keras.layers.Layer):
    """Looks at values, which a graph has not."""

    def call(self, x: Any) -> Any:
        if ops.sum(x) > 0:
            return x
        return -x


def test_untraceable_layer_says_which_line() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.looks = Looks()

        def call(self, x: Any) -> Any:
            return self.looks(x) if bool(ops.max(x) > 0) else x

    model = Model()
    with pytest.raises(TraceError, match=r"at line \d+: .*ops\.max\(x\)"):
        graph_of(model, keras.Input((2,)))


def test_untraceable_layer_in_a_model_keeps_its_reason() -> None:
    class Foreign(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.math.erf(x)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    x = keras.Input((2,))
    graph = graph_of(keras.Model(x, Foreign()(x)))
    assert kinds(graph) == ["Foreign"]
    assert "tf.math.erf" in graph.calls[0].reason


def test_variables_that_an_operation_takes_alone_are_recorded() -> None:
    (tied,) = graph_of(ZOO["tied_words"]()).calls
    assert tied.inner is not None
    assert "Constant" not in kinds(tied.inner)
    (table,) = (call for call in tied.inner.calls if call.kind == "Weight")
    (embedding,) = (call for call in tied.inner.calls if call.kind == "Embedding")
    (array,) = table.weights.values()
    assert array is embedding.weights["embeddings"]


def test_variables_that_would_be_frozen_are_refused() -> None:
    class Frozen(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(shape[-1],), name="scale")

        def call(self, x: Any) -> Any:
            return x * (self.scale * 2.0)

    x = keras.Input((2,))
    layer = Frozen()
    y = layer(x)
    layer.scale.assign([3.0, 4.0])
    (call,) = graph_of(keras.Model(x, y)).calls
    assert "would freeze them" in call.reason
    np.testing.assert_array_equal(layer.scale, [3.0, 4.0])  # as it was


def test_unbuilt_models_say_so() -> None:
    with pytest.raises(TraceError, match="no shapes yet"):
        graph_of(keras.Sequential([layers.Dense(2)]))

    class Model(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(TraceError, match="call it once"):
        graph_of(Model())


def test_variables_that_the_call_leaves_out() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = layers.Dense(2), layers.Dense(2)
            self.idle.build((None, 2))

        def call(self, x: Any) -> Any:
            return self.used(x)

    model = Model()
    model(np.ones((1, 2), "float32"))
    with pytest.raises(TraceError, match="does not use"):
        graph_of(model)


def test_other_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="no model of Keras 3"):
        graph_of(np.zeros(3))


def test_names_of_weights() -> None:
    layer = layers.Bidirectional(layers.LSTM(2, name="lstm"))
    layer.build((None, 3, 4))
    assert set(weights_of(layer)) == {
        f"{way}_lstm/lstm_cell/{name}"
        for way in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    }
    dropout = layers.Dropout(0.5)
    dropout.build((None, 2))
    assert weights_of(dropout) == {}  # the seed's state is no weight
