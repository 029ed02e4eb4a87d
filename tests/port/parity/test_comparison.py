"""Outputs and gradients are compared in both layouts and precisions."""

import copy
import random
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor, nn

from migrate_examples.port.parity import ParityError, compare, first_divergence
from migrate_examples.port.parity import comparison as words
from migrate_examples.port.transfer import transfer
from tests.port.parity import scenes
from tests.port.parity.scenes import Port, conv, dense, draw, filled
from tests.port.parity.test_causes import original, port

RIGHT = {
    "cnn": words.AGREE,
    "block": words.AGREE,
    "decoder": words.CONSTANT_WORDS,
    "attending": words.AGREE,
    "GRU": words.AGREE,
    "LSTM": words.AGREE,
    "both LSTM": words.AGREE,
    "masked LSTM": words.AGREE,
}


@pytest.mark.parametrize("scene,verdict", RIGHT.items())
def test_right_port_agrees(scene: str, verdict: str) -> None:
    model, inputs = original(scene)
    found = compare(model, port(scene), inputs)
    assert found.verdict == verdict, str(found)
    assert found.agrees
    assert found.in_dtype("float32").output < 1e-5
    assert 0 < found.in_dtype("float64").gradient < 1e-6
    assert not found.unpaired_keras
    assert len(found.pairs) >= 6


@pytest.mark.parametrize("fault", ["eps", "symmetric", "softmax twice", "flipped"])
def test_wrong_port_differs(fault: str) -> None:
    model, inputs = original("cnn")
    found = compare(model, port("cnn", fault), inputs, dtypes=["float64"])
    assert found.verdict == words.DIFFER
    assert "first_divergence" in str(found)


class Cut(nn.Linear):
    """A layer that hands no gradient on."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


def test_detached_part_is_seen_in_the_gradients_alone() -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn")
    module.square.__class__ = Cut
    found = compare(model, module, inputs, dtypes=["float64"])
    assert found.verdict == words.GRADIENTS
    assert found.in_dtype("float64").output < 1e-12
    assert found.in_dtype("float64").parameters["conv1.weight"] == np.inf


def test_port_that_raises_is_said_to() -> None:
    model, inputs = original("cnn")
    found = compare(model, nn.Linear(2, 2), inputs)
    assert found.verdict == words.RAISED
    assert "RuntimeError" in str(found)


def test_channels_last_port_is_found_out() -> None:
    inputs = keras.Input((4, 4, 4), name="x")  # no size tells the axes apart
    model = filled(keras.Model(inputs, keras.layers.Conv2D(4, 1, name="c")(inputs)))

    def last(s: Any, x: Tensor) -> Tensor:
        return s.c(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    x = draw(2, 4, 4, 4)
    found = compare(model, Port(last, c=conv(model, "c")), x)
    assert (found.finest.layout, found.verdict) == ("NHWC", words.AGREE)
    assert found.finest.forms == ("the same axes",)
    found = compare(model, Port(lambda s, x: s.c(x), c=conv(model, "c")), x)
    assert (found.finest.layout, found.verdict) == ("NCHW", words.AGREE)
    assert found.finest.forms == ("channels first",)


def several() -> tuple[Any, Any, dict[str, Any]]:
    """Two inputs by name, one of integers; two outputs."""
    tokens = keras.Input((3,), dtype="int32", name="tokens")
    dense_in = keras.Input((5,), name="numbers")
    x = keras.layers.Embedding(7, 4, name="embedding")(tokens)
    x = keras.layers.Flatten(name="flatten")(x)
    joined = keras.layers.Concatenate(name="join")([x, dense_in])
    one = keras.layers.Dense(2, name="one")(joined)
    two = keras.layers.Dense(3, name="two")(joined)
    model = filled(keras.Model({"tokens": tokens, "numbers": dense_in}, [one, two]))
    embedding = nn.Embedding(7, 4)
    embedding.weight.data.copy_(scenes.of(model, "embedding")["embeddings"])

    def run(s: Any, tokens: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([s.embedding(tokens.long()).flatten(1), numbers], 1)
        return s.one(x), s.two(x)

    module = Port(
        run, embedding=embedding, one=dense(model, "one"), two=dense(model, "two")
    )
    given = {
        "tokens": np.random.default_rng(1).integers(0, 7, (4, 3)),
        "numbers": draw(4, 5),
    }
    return model, module.eval(), given


def test_several_inputs_and_outputs() -> None:
    model, module, given = several()
    found = compare(model, module, given)
    assert found.verdict == words.AGREE
    assert len(found.finest.outputs) == 2
    assert len(found.finest.inputs) == 1  # integers have no gradient
    assert first_divergence(model, module, given).agrees


def test_outputs_in_another_order_are_named() -> None:
    model, module, given = several()
    run: Any = module.run
    module.run = lambda s, *x: run(s, *x)[::-1]
    assert compare(model, module, given).verdict == words.SHAPES
    result = first_divergence(model, module, given)
    assert result.cause is not None
    assert result.cause.identifier == "OUTPUT-ORDER"
    assert result.where == "what stands after the last layer"


def state(model: Any, module: nn.Module) -> list[Any]:
    """All that a comparison must leave alone."""
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), sorted(m.__dict__))
        for m in module.modules()
    ]
    layers = [
        (sorted(layer.__dict__), layer.trainable, str(layer.dtype_policy))
        for layer in model._flatten_layers()
    ]
    return [
        [w.tobytes() for w in model.get_weights()],
        {k: v.numpy().tobytes() for k, v in module.state_dict().items()},
        [(m.training, p) for m in module.modules() for p in [m.training]],
        [(p.dtype, p.requires_grad, p.grad) for p in module.parameters()],
        hooks,
        layers,
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
        torch.get_rng_state().tolist(),
        keras.config.floatx(),
        keras.config.dtype_policy().name,
    ]


@pytest.mark.parametrize("training", [False, True])
def test_neither_model_is_changed(training: bool) -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn", "symmetric").train(training)
    module.conv1.requires_grad_(False)
    given = copy.deepcopy(inputs)
    before = state(model, module)
    compare(model, module, inputs)
    first_divergence(model, module, inputs)
    first_divergence(model, module, inputs, dtype="float32")
    first_divergence(model, module, inputs, training=True)
    assert state(model, module) == before
    np.testing.assert_array_equal(inputs, given)


@pytest.mark.parametrize(
    "inputs,says",
    [
        (lambda x: [x, x], "takes 1 inputs"),
        (lambda x: np.moveaxis(x, -1, 1), "channels last"),
        (lambda x: x[..., :2], r"\(2, 8, 12, 2\) was given"),
        (lambda x: x * np.nan, "NaN"),
        (lambda x: x.astype(str), "dtype"),
        (lambda x: {"picture": x}, "takes inputs named image, not picture"),
        (lambda x: x[:0], "holds no number"),
    ],
)
def test_wrong_inputs_are_refused(inputs: Any, says: str) -> None:
    model, x = original("cnn")
    with pytest.raises(ParityError, match=says):
        compare(model, port("cnn"), inputs(x))


def test_floats_for_tokens_are_refused() -> None:
    model, _ = original("GRU")
    with pytest.raises(ParityError, match="integers"):
        compare(model, port("GRU"), draw(4, 7))


@pytest.mark.parametrize(
    "arguments,says",
    [
        ({"dtypes": ["bfloat16"]}, "float64"),
        ({"layout": "CHWN"}, "NHWC"),
        ({"dtypes": []}, "no dtype"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], says: str) -> None:
    model, x = original("cnn")
    with pytest.raises(ParityError, match=says):
        compare(model, port("cnn"), x, **arguments)


@keras.saving.register_keras_serializable(package="tests")
class Own(keras.Model):
    """A subclassed model with a layer of its own."""

    def __init__(self, units: int = 3, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.units = units
        self.first = keras.layers.Dense(5, activation="relu", name="first")
        self.second = keras.layers.Dense(units, name="second")

    def call(self, x: Any) -> Any:
        return self.second(self.first(x) * 2.0)


def test_subclassed_model_is_compared_in_float64() -> None:
    model = Own(3, name="own")
    x = draw(4, 6)
    model(x)
    filled(model)
    parts = {n: dense_of(getattr(model, n)) for n in ("first", "second")}
    module = Port(lambda s, x: s.second(2 * F.relu(s.first(x))), **parts)
    assert compare(model, module.eval(), x).verdict == words.AGREE
    module.run = lambda s, x: s.second(F.relu(s.first(x)))
    result = first_divergence(model, module, x)
    assert (result.layer, result.agrees) == ("second", False)
    assert result.rows[0].agrees


def dense_of(layer: Any) -> nn.Linear:
    """A linear layer of a dense one."""
    kernel, bias = (torch.from_numpy(w) for w in layer.get_weights())
    made = nn.Linear(*kernel.shape)
    with torch.no_grad():
        made.weight.copy_(kernel.T)
        made.bias.copy_(bias)
    return made


def test_lambda_and_shared_layers_are_compared() -> None:
    inputs = keras.Input((6,), name="x")
    shared = keras.layers.Dense(6, name="shared")
    double = keras.layers.Lambda(lambda t: t * 2.0, name="double")
    model = filled(keras.Model(inputs, shared(double(shared(inputs)))))
    module = Port(lambda s, x: s.d(s.d(x) * 2), d=dense(model, "shared"))
    result = first_divergence(model, module, draw(3, 6))
    assert result.agrees
    assert [row.keras for row in result.rows] == ["shared", "double", "shared#2"]
    assert compare(model, module, draw(3, 6)).verdict == words.AGREE


def test_html_escapes() -> None:
    model, inputs = original("cnn")
    assert "<p>Verdict" in compare(model, port("cnn"), inputs)._repr_html_()


def test_fresh_biases_are_paired_as_the_gates_of_their_weights() -> None:
    layer = keras.layers.GRU(3)
    model = keras.Sequential([keras.Input((4, 2)), layer])
    module = nn.GRU(2, 3, batch_first=True)
    transfer(model, module)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.gru(x)[0]
            return states[:, -1]

    x = np.random.default_rng(0).normal(size=(5, 4, 2))
    assert not np.any(layer.get_weights()[2]), "zeros do not tell the gates apart"
    assert compare(model, Last(), x).agrees
