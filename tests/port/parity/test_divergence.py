"""The first layer apart: pairs, folded layers, tables and pictures."""

from collections.abc import Iterator
from typing import Any

import keras
import matplotlib as mpl
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor, nn

from migrate_examples.port.parity import ParityError, first_divergence
from migrate_examples.port.parity.divergence import Divergence
from tests.port.parity.scenes import Port, batch_norm, conv, dense, draw, filled
from tests.port.parity.test_causes import found, original, port


@pytest.fixture
def drawing() -> Iterator[None]:
    """Pictures without a screen."""
    mpl.use("agg")
    yield
    mpl.pyplot.close("all")


def test_text_names_layer_cause_line_and_place() -> None:
    result = found("cnn", "eps")
    text = str(result)
    assert ">bn" in text
    assert "BATCHNORM-EPSILON" in text
    assert "eps=0.001" in text
    assert "pitfalls.html#batchnorm-epsilon" in text
    assert "scenes.py:" in result.torch
    assert result.where == "the layer itself"


def test_what_stands_before_is_told_from_the_layer() -> None:
    assert found("cnn", "flatten").where == "what stands before it"
    assert found("cnn", "scaled").where == "what stands before it"
    assert found("cnn", "flipped").where == "the layer itself"


def test_html_holds_every_layer() -> None:
    result = found("cnn", "eps")
    assert result._repr_html_().count("<tr") == len(result.rows) + 1


@pytest.mark.usefixtures("drawing")
def test_picture_shows_errors_and_tolerance() -> None:
    result = found("cnn", "eps")
    axes = result.plot()
    assert axes.get_yscale() == "log"
    line: Any = axes.lines[0].get_ydata()
    assert len(line) == len(result.rows)
    assert max(line[:2]) < result.tolerance < min(line[2:])
    levels = [set(np.asarray(artist.get_ydata())) for artist in axes.lines[1:]]
    assert {result.tolerance} in levels
    assert found("cnn").plot(axes) is axes


def test_pairs_bind_a_layer_to_a_module() -> None:
    model, inputs = original("cnn")
    pairs = {"conv1": "conv1", "head": "head"}
    assert first_divergence(model, port("cnn"), inputs, pairs).agrees
    result = first_divergence(model, port("cnn"), inputs, {"conv1": "conv2"})
    assert result.layer == "conv1" or result.agrees


@pytest.mark.parametrize(
    "pairs,says", [({"conv9": "conv1"}, "conv9"), ({"conv1": "stem"}, "stem")]
)
def test_unknown_names_in_pairs_are_refused(pairs: dict[str, str], says: str) -> None:
    model, inputs = original("cnn")
    with pytest.raises(ParityError, match=says):
        first_divergence(model, port("cnn"), inputs, pairs)


def folded(fault: bool) -> tuple[Any, nn.Module]:
    """A port that folds the normalisation into the convolution before it."""
    inputs = keras.Input((6, 7, 2), name="x")
    x = keras.layers.Conv2D(3, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Conv2D(2, 1, name="last")(x)
    model = filled(keras.Model(inputs, x))
    one: Any = conv(model, "conv")
    bn: Any = batch_norm(model, "bn")
    factor = bn.weight / (bn.running_var + bn.eps).sqrt()
    with torch.no_grad():
        one.weight.mul_(factor[:, None, None, None])
        one.bias.copy_((one.bias - bn.running_mean) * factor + bn.bias)
    last = conv(model, "last")
    if fault:
        last.weight.data.mul_(1.5)
    return model, Port(lambda s, x: s.last(s.one(x)), one=one, last=last).eval()


def test_folded_layers_are_passed_over() -> None:
    model, module = folded(fault=False)
    result = first_divergence(model, module, draw(2, 6, 7, 2))
    assert result.rows[0].skipped
    assert result.agrees, str(result)
    # the port's folded weights are rounded to float32: no convention is broken
    assert result.cause is not None
    assert (result.layer, result.cause.identifier) == ("bn", "CONSTANT-FLOAT32")


def test_small_epsilon_is_no_constant() -> None:
    inputs = keras.Input((6, 7, 2), name="x")
    bn = keras.layers.BatchNormalization(name="bn", epsilon=1.001e-5)
    model = filled(keras.Model(inputs, bn(inputs)))
    module = Port(lambda s, x: s.bn(x), bn=batch_norm(model, "bn", 1e-5)).eval()
    result = first_divergence(model, module, draw(2, 6, 7, 2))
    assert result.cause is not None
    assert result.error < 1e-6
    assert (result.layer, result.cause.identifier) == ("bn", "BATCHNORM-EPSILON")
    assert not result.agrees


def test_fault_behind_folded_layers_is_found() -> None:
    model, module = folded(fault=True)
    result = first_divergence(model, module, draw(2, 6, 7, 2))
    assert result.layer == "last"
    assert result.cause is not None
    assert result.cause.identifier == "WEIGHTS-STALE"


def test_port_that_ends_with_an_error_is_explained() -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn")
    module.conv1.padding = (2, 2)
    result = first_divergence(model, module, inputs)
    assert result.layer == "conv1"
    assert result.cause is not None
    assert result.cause.pitfall == "PADDING-SAME"
    assert "shapes cannot be multiplied" in result.raised


class Strange(nn.Linear):
    """Does something that no convention explains."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bi,oi->bo", x, self.weight.tanh()) + self.bias


class More(nn.Conv2d):
    """Does something more behind the layer."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.01 * x.square().sum()


def test_something_more_is_named_with_its_place() -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn")
    module.conv2.__class__ = More
    result = first_divergence(model, module, inputs)
    assert result.cause is not None
    assert (result.layer, result.cause.identifier) == ("relu2", "LAYER-EXTRA")
    assert result.torch.startswith("conv2 (add, test_divergence.py:")
    assert result.where == "what stands before it"


def test_unknown_cause_is_not_invented() -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn")
    module.square.__class__ = Strange
    result = first_divergence(model, module, inputs)
    assert isinstance(result, Divergence)
    assert result.cause is not None
    assert (result.layer, result.cause.identifier) == ("square", "UNKNOWN")
    assert result.tried > 0


class KerasNorm(nn.BatchNorm2d):
    """Keeps the biased variance, as Keras does."""

    running_mean: Tensor
    running_var: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        variance, mean = torch.var_mean(x, [0, 2, 3], correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        return F.batch_norm(
            x, None, None, self.weight, self.bias, training=True, eps=self.eps
        )


@pytest.mark.parametrize(
    "momentum,cause", [(0.99, "BATCHNORM-MOMENTUM"), (0.01, "BATCHNORM-VARIANCE")]
)
def test_running_statistics_are_explained(momentum: float, cause: str) -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn")
    module.bn.momentum = momentum
    result = first_divergence(model, module, inputs, training=True)
    assert result.cause is not None
    assert (result.cause.identifier, result.layer) == (cause, "bn")


def test_training_agrees_when_draws_are_replayed() -> None:
    model, inputs = original("cnn")
    module: Any = port("cnn")
    module.bn.__class__ = KerasNorm
    result = first_divergence(model, module, inputs, training=True)
    assert result.agrees, str(result)
    assert max(row.error for row in result.rows) < 1e-12


def test_nested_models_are_seen_into() -> None:
    inside = keras.Input((4,), name="inside")
    y = keras.layers.Dense(3, activation="gelu", name="one")(inside)
    encoder = keras.Model(inside, y, name="encoder")
    inputs = keras.Input((4,), name="x")
    model = filled(
        keras.Model(inputs, keras.layers.Dense(2, name="two")(encoder(inputs)))
    )
    module = Port(
        lambda s, x: s.two(F.gelu(s.one(x), approximate="tanh")),
        one=dense(encoder, "one"),
        two=dense(model, "two"),
    )
    result = first_divergence(model, module, draw(5, 4))
    assert result.cause is not None
    assert result.cause.identifier == "GELU-APPROXIMATE"
    assert result.layer == "encoder/one activation"


def test_error_of_integers_and_masks_is_no_trouble() -> None:
    result = found("masked LSTM")
    assert result.agrees
    assert all(np.isfinite(row.error) for row in result.rows)
