"""Both sides of each twin of model definition, with the same weights."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers
from torch import nn

from migrate_examples.models import in_pytorch, in_tensorflow

# A few roundings of each layer; a batch variance is the worst of them.
RTOL = {"float32": 2e-5, "float64": 1e-12}
IMAGE = (7, 10, 3)  # height, width, channels: all different
POOLED = {"head": (2, 4, 8)}  # what the flatten of that image flattens


@pytest.fixture(autouse=True)
def precision(request: pytest.FixtureRequest) -> Iterator[None]:
    """Build the models of a test in the dtype it asks for."""
    if "dtype" not in request.fixturenames:
        yield
        return
    dtype = request.getfixturevalue("dtype")
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    torch.set_default_dtype(getattr(torch, dtype))
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    torch.set_default_dtype(torch.float32)


def agree(theirs: Any, ours: Any, dtype: str, slack: float = 1.0) -> None:
    """Assert equal dtype and shape, and equal values but for rounding."""
    left, right = np.asarray(ours), np.asarray(theirs)
    assert left.dtype == right.dtype == dtype
    assert left.shape == right.shape
    rtol = RTOL[dtype] * slack
    scale = max(1.0, float(np.abs(left).max()))
    np.testing.assert_allclose(right, left, rtol=rtol, atol=rtol * scale)


def random_like(
    arrays: dict[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Weights unlike any default; variances are positive."""
    return {
        key: (
            rng.uniform(0.5, 2, old.shape)
            if key.endswith(("variance", "gamma"))
            else rng.normal(size=old.shape) / 2
        ).astype(old.dtype)
        for key, old in arrays.items()
    }


def share_weights(
    model_tf: keras.Model,
    model_torch: nn.Module,
    rng: np.random.Generator,
    flattened: dict[str, tuple[int, int, int]] | None = None,
) -> None:
    """Give both models the same random weights."""
    arrays = random_like(in_tensorflow.read_weights(model_tf, flattened), rng)
    in_tensorflow.write_weights(model_tf, arrays, flattened)
    in_pytorch.write_weights(model_torch, arrays, flattened)


def gradients_tf(
    model: keras.Model,
    inputs: Any,
    seed: np.ndarray,
    flattened: dict[str, tuple[int, int, int]],
    *,
    training: bool,
) -> dict[str, np.ndarray]:
    """Gradients of sum(output * seed), by the names of read_weights."""
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(inputs, training=training) * seed)
    found = tape.gradient(total, model.trainable_weights)
    named = {
        "/".join(v.path.split("/")[-2:]): g.numpy()
        for v, g in zip(model.trainable_weights, found, strict=True)
    }
    for name, shape in flattened.items():
        named[f"{name}/kernel"] = named[f"{name}/kernel"].reshape(*shape, -1)
    return named


def gradients_torch(
    model: nn.Module,
    inputs: list[torch.Tensor],
    seed: np.ndarray,
    flattened: dict[str, tuple[int, int, int]],
    *,
    training: bool,
) -> dict[str, np.ndarray]:
    """The same: a copy of the model with the gradients for weights is read."""
    model.train(training)
    model.zero_grad()
    (model(*inputs) * torch.tensor(seed)).sum().backward()
    holder = copy.deepcopy(model)
    for parameter, source in zip(holder.parameters(), model.parameters(), strict=True):
        assert source.grad is not None
        parameter.data = source.grad
    named = in_pytorch.read_weights(holder, flattened)
    return {k: v for k, v in named.items() if "moving" not in k}


def compare_models(
    models: tuple[keras.Model, nn.Module],
    inputs_tf: Any,
    inputs_torch: list[torch.Tensor],
    rng: np.random.Generator,
    dtype: str,
    flattened: dict[str, tuple[int, int, int]] | None = None,
) -> None:
    """Forward and gradients, in inference and in training mode."""
    model_tf, model_torch = models
    shapes = flattened or {}
    share_weights(model_tf, model_torch, rng, shapes)
    for training in (False, True):
        model_torch.train(training)
        state = copy.deepcopy(model_torch.state_dict())
        ours = model_tf(inputs_tf, training=training)
        theirs = model_torch(*inputs_torch).detach()
        agree(theirs, ours, dtype)
        model_torch.load_state_dict(state)
        seed = rng.normal(size=ours.shape).astype(dtype)
        left = gradients_tf(model_tf, inputs_tf, seed, shapes, training=training)
        right = gradients_torch(
            model_torch, inputs_torch, seed, shapes, training=training
        )
        assert left.keys() == right.keys()
        for key in left:
            agree(right[key], left[key], dtype, slack=10)  # sums over batch and pixels


def images(
    rng: np.random.Generator, dtype: str, batch: int = 5
) -> tuple[tf.Tensor, torch.Tensor]:
    x = rng.normal(size=(batch, *IMAGE)).astype(dtype)
    return tf.constant(x), torch.tensor(x).permute(0, 3, 1, 2).contiguous()


def test_build_cnn_forward_and_gradients(rng: np.random.Generator, dtype: str) -> None:
    models = in_tensorflow.build_cnn(*IMAGE, 4), in_pytorch.build_cnn(*IMAGE, 4)
    x_tf, x_torch = images(rng, dtype)
    compare_models(models, x_tf, [x_torch], rng, dtype, POOLED)


def test_build_cnn_with_the_flatten_ignored_is_wrong(
    rng: np.random.Generator, dtype: str
) -> None:
    ours, theirs = in_tensorflow.build_cnn(*IMAGE, 4), in_pytorch.build_cnn(*IMAGE, 4)
    share_weights(ours, theirs, rng)  # fits, and means other pixels
    x_tf, x_torch = images(rng, dtype)
    gap = np.abs(ours(x_tf) - theirs.eval()(x_torch).numpy(force=True)).max()
    assert gap > 0.5


def test_build_cnn_running_statistics_after_a_training_step(
    rng: np.random.Generator, dtype: str
) -> None:
    ours, theirs = in_tensorflow.build_cnn(*IMAGE, 4), in_pytorch.build_cnn(*IMAGE, 4)
    share_weights(ours, theirs, rng, POOLED)
    before = in_pytorch.read_weights(theirs)
    x_tf, x_torch = images(rng, dtype, batch=2)
    ours(x_tf, training=True)
    theirs.train()(x_torch)
    left, right = in_tensorflow.read_weights(ours), in_pytorch.read_weights(theirs)
    agree(right["norm/moving_mean"], left["norm/moving_mean"], dtype)
    # Keras's new variance is biased: n values of each channel, divided by n
    n = 2 * 5 * 8
    key = "norm/moving_variance"
    assert np.abs(right[key] / left[key] - 1).max() > 1e-4
    batch_part = right[key] - 0.99 * before[key]
    agree(0.99 * before[key] + batch_part * (n - 1) / n, left[key], dtype)


def test_build_skip_network_forward_and_gradients(
    rng: np.random.Generator, dtype: str
) -> None:
    models = (
        in_tensorflow.build_skip_network(3, 2, 7),
        in_pytorch.build_skip_network(3, 2, 7),
    )
    a, b = (rng.normal(size=(5, n)).astype(dtype) for n in (3, 2))
    inputs_torch = [torch.tensor(a), torch.tensor(b)]
    compare_models(models, [tf.constant(a), tf.constant(b)], inputs_torch, rng, dtype)


def test_dropout_classifier_forward_and_gradients(
    rng: np.random.Generator, dtype: str
) -> None:
    sizes = (6, 9, 4, 0.0)  # no dropout: masks cannot be made equal by a seed
    models = (
        in_tensorflow.DropoutClassifier(*sizes),
        in_pytorch.DropoutClassifier(*sizes),
    )
    x = rng.normal(size=(11, 6)).astype(dtype)
    compare_models(models, tf.constant(x), [torch.tensor(x)], rng, dtype)


def test_dropout_classifier_default_modes_differ(rng: np.random.Generator) -> None:
    ours = in_tensorflow.DropoutClassifier(6, 9, 4)
    theirs = in_pytorch.DropoutClassifier(6, 9, 4)
    share_weights(ours, theirs, rng)
    x = rng.normal(size=(11, 6)).astype("float32")
    by_default_tf = ours(tf.constant(x)).numpy()
    np.testing.assert_array_equal(by_default_tf, ours(tf.constant(x)))
    x_torch = torch.tensor(x)
    assert not torch.equal(theirs(x_torch), theirs(x_torch))
    fresh = in_pytorch.DropoutClassifier(6, 9, 4)
    in_pytorch.write_weights(fresh, in_tensorflow.read_weights(ours))
    agree(fresh.eval()(x_torch).detach(), by_default_tf, "float32")


@pytest.mark.parametrize("rate", [0.2, 0.75])
def test_dropout_classifier_drops_and_scales_alike(rate: float) -> None:
    ours = in_tensorflow.DropoutClassifier(6, 9, 4, rate)
    theirs = in_pytorch.DropoutClassifier(6, 9, 4, rate)
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    size = 40_000
    kept = [
        ours.dropout(tf.ones(size), training=True).numpy(),
        theirs.dropout(torch.ones(size)).numpy(),
    ]
    for values in kept:
        np.testing.assert_allclose(np.unique(values), [0, 1 / (1 - rate)], rtol=1e-6)
        # five standard errors of a share
        bound = 5 * math.sqrt(rate * (1 - rate) / size)
        assert abs(np.mean(values == 0) - rate) < bound


def cosine_logits(
    rng: np.random.Generator, dtype: str, ours: Any, theirs: Any
) -> tuple[tf.Tensor, torch.Tensor, list[np.ndarray], list[np.ndarray]]:
    """Outputs and gradients (of kernel and input) of both heads."""
    x = rng.normal(size=(5, 6)).astype(dtype)
    x[0] *= 1e-9  # shorter than the guard of the division
    kernel = rng.normal(size=(6, 4)).astype(dtype)
    seed = rng.normal(size=(5, 4)).astype(dtype)
    x_tf, x_torch = tf.constant(x), torch.tensor(x, requires_grad=True)
    ours(x_tf), theirs(x_torch)  # the lazy ones make their weights
    ours.kernel.assign(kernel)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(kernel.T.copy()))
    with tf.GradientTape() as tape:
        tape.watch(x_tf)
        y_tf = ours(x_tf)
        total = tf.reduce_sum(y_tf * seed)
    y_torch = theirs(x_torch)
    sources = [theirs.weight, x_torch]
    found = torch.autograd.grad((y_torch * torch.tensor(seed)).sum(), sources)
    d_kernel, d_x = tape.gradient(total, [ours.kernel.value, x_tf])
    return (
        y_tf,
        y_torch.detach(),
        [d_kernel.numpy(), d_x.numpy()],
        [found[0].numpy().T, found[1].numpy()],
    )


@pytest.mark.parametrize("lazy", [False, True])
def test_cosine_head_of_known_and_of_lazy_width(
    rng: np.random.Generator, dtype: str, *, lazy: bool
) -> None:
    ours = (
        in_tensorflow.LazyCosineHead(4, 5.0)
        if lazy
        else in_tensorflow.CosineHead(6, 4, 5.0)
    )
    theirs = (
        in_pytorch.LazyCosineHead(4, 5.0) if lazy else in_pytorch.CosineHead(6, 4, 5.0)
    )
    y_tf, y_torch, left, right = cosine_logits(rng, dtype, ours, theirs)
    assert np.abs(y_tf).max() <= 5.0 * (1 + 1e-6)
    agree(y_torch, y_tf, dtype)
    for a, b in zip(left, right, strict=True):
        agree(b, a, dtype)


def test_lazy_cosine_head_makes_its_weight_at_the_first_batch() -> None:
    ours, theirs = in_tensorflow.LazyCosineHead(4), in_pytorch.LazyCosineHead(4)
    assert ours.weights == []
    assert isinstance(theirs.weight, nn.UninitializedParameter)
    ours(tf.ones((2, 6)))
    theirs(torch.ones(2, 6))
    assert tuple(ours.kernel.shape) == (6, 4)
    assert tuple(theirs.weight.shape) == (4, 6)
    assert type(theirs.weight).__name__ == "Parameter"
    assert not theirs.has_uninitialized_params()
    limit = math.sqrt(6 / 10)
    for weight in (ours.kernel.numpy(), theirs.weight.numpy(force=True)):
        assert 0 < np.abs(weight).max() <= limit


# One entry a kind of layer, large enough for statistics; the pairs share names.
KINDS: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "dense": ((150,), lambda: layers.Dense(260), lambda: nn.Linear(150, 260)),
    "conv": ((9, 9, 24), lambda: layers.Conv2D(70, 3), lambda: nn.Conv2d(24, 70, 3)),
    "groups": (
        (9, 9, 64),
        lambda: layers.Conv2D(160, 3, groups=4),
        lambda: nn.Conv2d(64, 160, 3, groups=4),
    ),
    "depthwise": (
        (9, 9, 300),
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=4),
        lambda: nn.Conv2d(300, 1200, 3, groups=300),
    ),
    "transposed": (
        (5, 5, 40),
        lambda: layers.Conv2DTranspose(31, 3),
        lambda: nn.ConvTranspose2d(40, 31, 3),
    ),
    "embedding": (
        (7,),
        lambda: layers.Embedding(310, 41),
        lambda: nn.Embedding(310, 41),
    ),
}


def draw_both(kind: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of one layer after both sides' initialise, kernel first."""
    shape, make_tf, make_torch = KINDS[kind]
    ours = keras.Sequential([keras.Input(shape), make_tf()])
    theirs = nn.Sequential(make_torch())
    in_tensorflow.initialise(ours, seed=1)
    in_pytorch.initialise(theirs, seed=1)
    return ours.get_weights(), [p.numpy(force=True) for p in theirs.parameters()]


@pytest.mark.parametrize("kind", KINDS)
def test_initialise_draws_from_the_same_uniform_distribution(kind: str) -> None:
    ours, theirs = draw_both(kind)
    # the limit by the formula of Glorot and Bengio (2010), over Keras's layout
    shape = ours[0].shape
    if kind == "embedding":
        limit = 0.05
    else:
        field = math.prod(shape[:-2])
        limit = math.sqrt(6 / (field * (shape[-2] + shape[-1])))
    for kernel in (ours[0], theirs[0]):
        values = np.sort(kernel.ravel()) / limit
        assert values.size > 10_000
        assert np.abs(values).max() <= 1 + 1e-6
        # Kolmogorov-Smirnov at the 0.1 % level: the seed is fixed, no test flickers
        expected = (values + 1) / 2
        empirical = np.arange(1, values.size + 1) / values.size
        assert np.abs(expected - empirical).max() < 1.95 / math.sqrt(values.size)
    if kind != "embedding":
        assert not ours[1].any()
        assert not theirs[1].any()


@pytest.mark.parametrize("kind", KINDS)
def test_initialise_is_needed(kind: str) -> None:
    """PyTorch's own draw has another spread: the test above can fail."""
    ours, _ = draw_both(kind)
    torch.manual_seed(1)
    default = KINDS[kind][2]().weight.numpy(force=True)
    assert abs(default.std() / ours[0].std() - 1) > 0.1


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
def test_initialise_makes_recurrent_weights_as_keras(cell: str) -> None:
    hidden, features = 23, 61
    ours = keras.Sequential([keras.Input((5, features)), getattr(layers, cell)(hidden)])
    make = getattr(nn, cell.replace("Simple", ""))
    theirs = nn.Sequential(make(features, hidden, batch_first=True))
    in_tensorflow.initialise(ours, seed=2)
    in_pytorch.initialise(theirs, seed=2)
    kernel, recurrent, bias = ours.get_weights()
    w_ih, w_hh, b_ih, b_hh = (p.numpy(force=True) for p in theirs.parameters())
    limit = math.sqrt(6 / sum(kernel.shape))
    for array in (kernel, w_ih.T):
        assert array.shape == kernel.shape
        assert 0.99 * limit < np.abs(array).max() <= limit * (1 + 1e-6)
        # of a uniform draw: limit / sqrt(3); five standard errors of a spread
        bound = 5 * math.sqrt(0.2 / array.size)
        assert abs(array.std() * math.sqrt(3) / limit - 1) < bound
    for array in (recurrent, w_hh.T):
        assert array.shape == recurrent.shape
        # QR in float32: some roundings of sums over all gates
        np.testing.assert_allclose(array @ array.T, np.eye(hidden), atol=5e-6)
        if cell != "SimpleRNN":  # the gates together, none by itself
            gate = array[:, :hidden]
            assert np.abs(gate @ gate.T - np.eye(hidden)).max() > 0.1
    np.testing.assert_array_equal(b_ih + b_hh, bias.reshape(-1, b_ih.size).sum(0))
    assert (cell == "LSTM") == bool(b_ih.any())


def test_initialise_copes_with_bidirectional_and_stacked_rnns() -> None:
    rnn = nn.LSTM(5, 4, num_layers=2, bidirectional=True)
    in_pytorch.initialise(rnn, seed=3)
    ours = layers.Bidirectional(layers.LSTM(4))
    ours.build((None, 7, 5))
    expected = ours.get_weights()[2]
    for suffix in ("l0", "l0_reverse", "l1", "l1_reverse"):
        biases = getattr(rnn, f"bias_ih_{suffix}") + getattr(rnn, f"bias_hh_{suffix}")
        np.testing.assert_array_equal(biases.numpy(force=True), expected)
        w_hh = getattr(rnn, f"weight_hh_{suffix}").numpy(force=True)
        np.testing.assert_allclose(w_hh.T @ w_hh, np.eye(4), atol=5e-6)


def test_initialise_repeats_with_the_seed_and_resets_statistics(
    rng: np.random.Generator,
) -> None:
    pairs: list[tuple[Any, Any]] = [
        (in_tensorflow, in_tensorflow.build_cnn(*IMAGE, 4)),
        (in_pytorch, in_pytorch.build_cnn(*IMAGE, 4)),
    ]
    for side, model in pairs:
        drawn = []
        for seed in (5, 6, 5):
            side.write_weights(model, random_like(side.read_weights(model), rng))
            side.initialise(model, seed)
            drawn.append(side.read_weights(model))
        for key, first in drawn[0].items():
            np.testing.assert_array_equal(drawn[2][key], first)
        assert not np.array_equal(drawn[0]["conv/kernel"], drawn[1]["conv/kernel"])
        assert not drawn[0]["norm/moving_mean"].any()
        assert (drawn[0]["norm/moving_variance"] == 1).all()


def test_initialise_builds_new_layers_because_initialisers_repeat() -> None:
    """Called twice, a Keras initialiser gives the same values, seed or none."""
    initialiser = keras.initializers.GlorotUniform()
    first, second = initialiser((5, 7)), initialiser((5, 7))
    np.testing.assert_array_equal(first, second)
    pair = [layers.Dense(7, kernel_initializer=initialiser) for _ in range(2)]
    for layer in pair:
        layer.build((None, 5))
    np.testing.assert_array_equal(pair[0].kernel, pair[1].kernel)
    weight = torch.empty(5, 7)
    drawn = [nn.init.xavier_uniform_(weight).clone() for _ in range(2)]
    assert not torch.equal(*drawn)


def test_initialise_refuses_what_it_cannot_draw() -> None:
    unbuilt = keras.Sequential([layers.Dense(3, name="first")])
    with pytest.raises(ValueError, match="first has no weights yet"):
        in_tensorflow.initialise(unbuilt, seed=0)
    with pytest.raises(ValueError, match="uninitialized parameter"):
        in_pytorch.initialise(nn.Sequential(nn.LazyLinear(3)), seed=0)
    for module in (nn.Bilinear(2, 3, 4), nn.LSTM(3, 4, proj_size=2), nn.PReLU()):
        with pytest.raises(ValueError, match="no rule for 0"):
            in_pytorch.initialise(nn.Sequential(module), seed=0)


def test_read_weights_of_both_sides_name_and_shape_alike() -> None:
    left = in_tensorflow.read_weights(in_tensorflow.build_cnn(*IMAGE, 4), POOLED)
    right = in_pytorch.read_weights(in_pytorch.build_cnn(*IMAGE, 4), POOLED)
    assert {k: v.shape for k, v in left.items()} == {
        k: v.shape for k, v in right.items()
    }
    assert left["head/kernel"].shape == (2, 4, 8, 4)


def test_read_weights_gives_copies(rng: np.random.Generator) -> None:
    pairs: list[tuple[Any, Any]] = [
        (in_tensorflow, in_tensorflow.build_cnn(*IMAGE, 4)),
        (in_pytorch, in_pytorch.build_cnn(*IMAGE, 4)),
    ]
    for side, model in pairs:
        old = side.read_weights(model)
        kept = copy.deepcopy(old)
        side.write_weights(model, random_like(old, rng))
        for key, array in kept.items():
            np.testing.assert_array_equal(old[key], array)
        with pytest.raises(KeyError, match="haed"):
            side.read_weights(model, {"haed": (2, 4, 8)})


def test_read_weights_refuses_a_module_without_a_layout() -> None:
    with pytest.raises(ValueError, match="no layout for Bilinear"):
        in_pytorch.read_weights(nn.Sequential(nn.Bilinear(2, 3, 4)))


def test_write_weights_goes_round_through_the_other_framework(
    rng: np.random.Generator, dtype: str
) -> None:
    ours, theirs = in_tensorflow.build_cnn(*IMAGE, 4), in_pytorch.build_cnn(*IMAGE, 4)
    arrays = random_like(in_tensorflow.read_weights(ours, POOLED), rng)
    in_pytorch.write_weights(theirs, arrays, POOLED)
    passed_on = in_pytorch.read_weights(theirs, POOLED)
    in_tensorflow.write_weights(ours, passed_on, POOLED)
    returned = in_tensorflow.read_weights(ours, POOLED)
    for key, array in arrays.items():
        assert returned[key].dtype == passed_on[key].dtype == dtype
        np.testing.assert_array_equal(returned[key], array)


def test_write_weights_refuses_what_does_not_fit_and_changes_nothing(
    rng: np.random.Generator,
) -> None:
    pairs: list[tuple[Any, Any]] = [
        (in_tensorflow, in_tensorflow.build_cnn(*IMAGE, 4)),
        (in_pytorch, in_pytorch.build_cnn(*IMAGE, 4)),
    ]
    for side, model in pairs:
        old = side.read_weights(model)
        arrays = random_like(old, rng)
        fewer = {k: v for k, v in arrays.items() if k != "norm/gamma"}
        with pytest.raises(ValueError, match=r"one side: \['norm/gamma'\]"):
            side.write_weights(model, fewer)
        with pytest.raises(ValueError, match=r"one side: \['odd/kernel'\]"):
            side.write_weights(model, {**arrays, "odd/kernel": old["head/bias"]})
        # would broadcast over all the classes
        short = {**arrays, "head/bias": arrays["head/bias"][:1]}
        with pytest.raises(ValueError, match=r"head/bias: the array is \(1,\), .*4"):
            side.write_weights(model, short)
        for key, array in side.read_weights(model).items():
            np.testing.assert_array_equal(array, old[key])


def test_count_parameters() -> None:
    sizes = (*IMAGE, 4)
    expected = 27 * 8 + 2 * 8 + 2 * 4 * 8 * 4 + 4
    ours, theirs = in_tensorflow.build_cnn(*sizes), in_pytorch.build_cnn(*sizes)
    assert in_tensorflow.count_parameters(ours) == (expected, 16)
    assert in_pytorch.count_parameters(theirs) == (expected, 16)
    assert ours.count_params() == expected + 16


def test_count_parameters_of_a_model_frozen_in_part() -> None:
    ours = in_tensorflow.build_skip_network(3, 2, 7)
    theirs = in_pytorch.build_skip_network(3, 2, 7)
    ours.get_layer("second").trainable = False
    theirs.get_submodule("second").requires_grad_(requires_grad=False)
    frozen = 7 * 7 + 7
    total = 5 * 7 + 7 + frozen + 7 + 1
    assert in_tensorflow.count_parameters(ours) == (total - frozen, frozen)
    assert in_pytorch.count_parameters(theirs) == (total - frozen, frozen)


def test_count_parameters_refuses_a_model_without_weights() -> None:
    with pytest.raises(ValueError, match="on a batch first"):
        in_tensorflow.count_parameters(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match="uninitialized parameter"):
        in_pytorch.count_parameters(nn.Sequential(nn.LazyLinear(3)))
