"""Both sides of each twin of training: batches, steps, epochs, whole trainings."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray
from torch import nn

from migrate_examples.training import in_pytorch, in_tensorflow

Arrays = tuple[NDArray[Any], NDArray[Any]]
# A few roundings of each step, carried on by the steps after it.
RTOL = {"float32": 1e-5, "float64": 1e-11}


@pytest.fixture(autouse=True)
def precision(dtype: str) -> Iterator[None]:
    """Keras computes, and accumulates its losses, in the dtype of the test."""
    keras.config.set_dtype_policy(dtype)
    keras.config.set_floatx(dtype)
    keras.utils.set_random_seed(7)
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")


@pytest.fixture
def flat(rng: np.random.Generator, dtype: str) -> Arrays:
    """Draw 53 samples of 11 features that a network can learn a little of."""
    x = rng.normal(size=(53, 11)).astype(dtype)
    return x, (x[:, :5].argmax(1) + rng.integers(0, 2, 53)).astype("int64")


@pytest.fixture
def images(rng: np.random.Generator, dtype: str) -> Arrays:
    return rng.normal(size=(19, 17, 21, 1)).astype(dtype), rng.integers(0, 10, 19)


def dense(dtype: str) -> tuple[keras.Model, nn.Sequential]:
    """Make two equal networks; tanh, because a ReLU turns rounding into jumps."""
    ours = keras.Sequential(
        [
            keras.layers.Input((11,)),
            keras.layers.Dense(13, activation="tanh"),
            keras.layers.Dense(6),
        ]
    )
    theirs = nn.Sequential(nn.Linear(11, 13), nn.Tanh(), nn.Linear(13, 6))
    theirs = theirs.to(getattr(torch, dtype))
    in_pytorch.set_weights(theirs, ours.get_weights())
    return ours, theirs


def loss_tf() -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def in_keras_layout(model: nn.Module) -> list[NDArray[Any]]:
    """Return weights and statistics as Keras lists them."""
    state = model.state_dict().items()
    # copies: numpy() shows the live weights, which the next load would change
    arrays = [t.numpy().copy() for name, t in state if not name.endswith("tracked")]
    return [a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.T for a in arrays]


def agree(theirs: object, ours: object, dtype: str) -> None:
    left, right = np.asarray(ours), np.asarray(theirs)
    assert left.dtype == right.dtype == dtype
    np.testing.assert_allclose(right, left, rtol=RTOL[dtype], atol=RTOL[dtype])


def agree_weights(theirs: nn.Module, ours: keras.Model, dtype: str) -> None:
    for left, right in zip(ours.get_weights(), in_keras_layout(theirs), strict=True):
        agree(right, left, dtype)


def agree_logs(theirs: dict[str, Any], ours: dict[str, Any], dtype: str) -> None:
    assert theirs.keys() == ours.keys()
    for name, curve in ours.items():
        np.testing.assert_allclose(theirs[name], curve, rtol=RTOL[dtype], err_msg=name)


def test_make_cnn_in_both_modes(images: Arrays, dtype: str) -> None:
    x, _ = images
    ours = in_tensorflow.make_cnn(3)
    theirs = in_pytorch.make_cnn(3).to(getattr(torch, dtype))
    in_pytorch.set_weights(theirs, ours.get_weights())
    x_torch = torch.tensor(x).permute(0, 3, 1, 2)
    for _ in range(3):  # statistics move: the biased variance shows at N = 19 * 9 * 11
        logits = ours(tf.constant(x), training=True)
        agree(theirs.train()(x_torch).detach(), logits, dtype)
    agree_weights(theirs, ours, dtype)
    logits = ours(tf.constant(x), training=False)
    agree(theirs.eval()(x_torch).detach(), logits, dtype)


def test_make_cnn_keeps_the_biased_variance(images: Arrays, dtype: str) -> None:
    x = torch.tensor(images[0]).permute(0, 3, 1, 2)
    model = in_pytorch.make_cnn(3).to(x.dtype)
    model(x)
    first = nn.functional.conv2d(x, model.get_parameter("0.weight"), stride=2)
    variance = first.var((0, 2, 3), correction=0)
    agree(model.get_buffer("1.running_var"), (0.9 + 0.1 * variance).detach(), dtype)


def test_set_weights(dtype: str) -> None:
    source, target = in_tensorflow.make_cnn(3), in_tensorflow.make_cnn(3)
    in_tensorflow.set_weights(target, source.get_weights())
    theirs = in_pytorch.make_cnn(3).to(getattr(torch, dtype))
    in_pytorch.set_weights(theirs, source.get_weights())
    agree_weights(theirs, source, dtype)
    agree_weights(theirs, target, dtype)


def test_set_weights_refuses_what_does_not_fit(dtype: str) -> None:
    ours, theirs = dense(dtype)
    weights = ours.get_weights()
    swapped = [weights[0].T, *weights[1:]]
    for model, side in ((ours, in_tensorflow), (theirs, in_pytorch)):
        with pytest.raises(ValueError, match="weight"):
            side.set_weights(model, weights[:-1])
        with pytest.raises(ValueError, match=r"shape|order"):
            side.set_weights(model, swapped)


@pytest.mark.parametrize("seed", [None, 5])
def test_make_batches(flat: Arrays, seed: int | None, dtype: str) -> None:
    x, y = flat
    ours = in_tensorflow.make_batches(x, y, 8, seed)
    theirs = in_pytorch.make_batches(x, y, 8, seed)
    assert len(ours) == len(theirs) == 7
    epochs = []
    for _ in range(2):
        pairs = list(zip(ours, theirs, strict=True))
        for (x_tf, y_tf), (x_torch, y_torch) in pairs:
            agree(x_torch, x_tf, dtype)
            np.testing.assert_array_equal(y_torch, y_tf)
        assert len(pairs[-1][1][1]) == 53 % 8
        epochs.append(np.concatenate([batch.numpy() for _, (batch, _) in pairs]))
    np.testing.assert_array_equal(np.sort(epochs[0], 0), np.sort(x, 0))
    assert np.array_equal(epochs[0], x) == (seed is None)
    assert np.array_equal(epochs[0], epochs[1]) == (seed is None)


@pytest.mark.parametrize("epsilon", [1e-7, 1e-2])
def test_make_adam(flat: Arrays, epsilon: float, dtype: str) -> None:
    x, y = flat
    ours, theirs = dense(dtype)
    optimizer_tf = in_tensorflow.make_adam(ours, 0.01, epsilon)
    optimizer = in_pytorch.make_adam(theirs, 0.01, epsilon)
    function = loss_tf()
    for _ in range(12):
        in_tensorflow.train_step(
            ours, tf.constant(x), tf.constant(y), function, optimizer_tf
        )
        in_pytorch.train_step(
            theirs, torch.tensor(x), torch.tensor(y), nn.CrossEntropyLoss(), optimizer
        )
    agree_weights(theirs, ours, dtype)


def test_make_adam_is_not_the_adam_of_pytorch(flat: Arrays, dtype: str) -> None:
    x, y = map(torch.tensor, flat)
    found = []
    for make in (
        in_pytorch.make_adam,
        lambda m, lr, eps: torch.optim.Adam(m.parameters(), lr, eps=eps),
    ):
        keras.utils.set_random_seed(7)
        _, model = dense(dtype)
        optimizer = make(model, 0.001, 1e-2)
        for _ in range(3):
            in_pytorch.train_step(model, x, y, nn.CrossEntropyLoss(), optimizer)
        found.append(model.get_parameter("0.weight").detach().numpy())
    assert np.abs(found[0] - found[1]).max() > 1e-5


def test_make_adam_runs_a_closure(flat: Arrays, dtype: str) -> None:
    _, model = dense(dtype)
    optimizer = in_pytorch.make_adam(model)
    x, y = map(torch.tensor, flat)

    def closure() -> float:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss.item()

    before = closure()
    optimizer.zero_grad()
    assert optimizer.step(closure) == before
    assert closure() < before


@pytest.mark.parametrize("max_norm", [None, 0.1])
def test_train_step(flat: Arrays, max_norm: float | None, dtype: str) -> None:
    x, y = flat
    ours, theirs = dense(dtype)
    optimizer_tf = keras.optimizers.SGD(0.5)
    optimizer_tf.build(ours.trainable_variables)
    optimizer = torch.optim.SGD(theirs.parameters(), 0.5)
    before = ours.get_weights()
    args_tf = loss_tf(), optimizer_tf, max_norm
    args = nn.CrossEntropyLoss(), optimizer, max_norm
    for _ in range(2):  # twice: a gradient that is not forgotten would show
        logs_tf = in_tensorflow.train_step(
            ours, tf.constant(x), tf.constant(y), *args_tf
        )
        logs = in_pytorch.train_step(theirs, torch.tensor(x), torch.tensor(y), *args)
        for left, result in zip(logs_tf, logs, strict=True):
            assert not result.requires_grad
            # PyTorch clips to max_norm / (norm + 1e-6), here 1e-5 relative at most
            loose = 0 if max_norm is None else 1e-5
            np.testing.assert_allclose(
                result, left, rtol=RTOL[dtype] + loose, atol=RTOL[dtype] + loose
            )
    moved = np.sqrt(
        sum(
            ((a - b) ** 2).sum()
            for a, b in zip(before, ours.get_weights(), strict=True)
        )
    )
    for left, right in zip(ours.get_weights(), in_keras_layout(theirs), strict=True):
        bound = RTOL[dtype] if max_norm is None else 1e-5
        np.testing.assert_allclose(right, left, rtol=bound, atol=bound)
    if max_norm is not None:
        assert moved <= 2 * 0.5 * max_norm * 1.001


def test_train_epoch_weights_each_loss_by_its_batch(flat: Arrays, dtype: str) -> None:
    ours, theirs = dense(dtype)
    x, y = flat
    logs_tf = in_tensorflow.train_epoch(
        ours,
        in_tensorflow.make_batches(x, y, 10),
        loss_tf(),
        keras.optimizers.SGD(0.0),
    )
    frozen = torch.optim.SGD(theirs.parameters(), 0.0)
    logs = in_pytorch.train_epoch(
        theirs, in_pytorch.make_batches(x, y, 10), nn.CrossEntropyLoss(), frozen
    )
    agree_logs(logs, logs_tf, dtype)
    logits = theirs(torch.tensor(x)).detach()
    whole = nn.functional.cross_entropy(logits, torch.tensor(y))
    np.testing.assert_allclose(logs["loss"], float(whole), rtol=RTOL[dtype])


def test_train_epoch_with_a_schedule(flat: Arrays, dtype: str) -> None:
    ours, theirs = dense(dtype)
    optimizer_tf = keras.optimizers.SGD(0.5)
    optimizer = torch.optim.SGD(theirs.parameters(), 0.5)
    # halves are exact in float32, the precision of a schedule of Keras
    halve = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    halve_tf = keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5, staircase=True)
    for seed in (1, 2):
        logs_tf = in_tensorflow.train_epoch(
            ours,
            in_tensorflow.make_batches(*flat, 20, seed),
            loss_tf(),
            optimizer_tf,
            halve_tf,
        )
        logs = in_pytorch.train_epoch(
            theirs,
            in_pytorch.make_batches(*flat, 20, seed),
            nn.CrossEntropyLoss(),
            optimizer,
            halve,
        )
        agree_logs(logs, logs_tf, dtype)
    agree_weights(theirs, ours, dtype)
    assert halve.get_last_lr() == [float(optimizer_tf.learning_rate)] == [0.5 / 8]


def test_train_epoch_with_momentum_at_a_constant_rate(flat: Arrays, dtype: str) -> None:
    ours, theirs = dense(dtype)
    # 7/8 is exact in float32, through which Keras passes its constants
    optimizer_tf = keras.optimizers.SGD(0.1, momentum=0.875)
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.875)
    for seed in (1, 2):
        batches_tf = in_tensorflow.make_batches(*flat, 20, seed)
        batches = in_pytorch.make_batches(*flat, 20, seed)
        in_tensorflow.train_epoch(ours, batches_tf, loss_tf(), optimizer_tf)
        in_pytorch.train_epoch(theirs, batches, nn.CrossEntropyLoss(), optimizer)
    agree_weights(theirs, ours, dtype)


def test_train_epoch_shows_a_bar_when_asked(
    flat: Arrays, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = dense(dtype)
    for progress in (False, True):
        in_tensorflow.train_epoch(
            ours,
            in_tensorflow.make_batches(*flat, 20),
            loss_tf(),
            keras.optimizers.SGD(0.1),
            progress=progress,
        )
        shown = [capsys.readouterr().err]
        in_pytorch.train_epoch(
            theirs,
            in_pytorch.make_batches(*flat, 20),
            nn.CrossEntropyLoss(),
            torch.optim.SGD(theirs.parameters(), 0.1),
            progress=progress,
        )
        shown.append(capsys.readouterr().err)
        assert ["3/3" in text for text in shown] == [progress, progress]


def test_evaluate_does_not_train(images: Arrays, dtype: str) -> None:
    x, y = images
    ours = in_tensorflow.make_cnn(3)
    theirs = in_pytorch.make_cnn(3).to(getattr(torch, dtype))
    in_pytorch.set_weights(theirs, ours.get_weights())
    logs_tf = in_tensorflow.evaluate(
        ours, in_tensorflow.make_batches(x, y, 8), loss_tf()
    )
    batches = in_pytorch.make_batches(np.moveaxis(x, 3, 1), y, 8)
    theirs.train()
    logs = in_pytorch.evaluate(theirs, batches, nn.CrossEntropyLoss())
    agree_logs(logs, logs_tf, dtype)
    agree_weights(theirs, ours, dtype)  # the statistics did not move
    assert not theirs.training
    theirs(next(iter(batches))[0]).sum().backward()  # nothing left in inference mode


def test_save_weights(dtype: str, tmp_path: Path) -> None:
    ours, theirs = dense(dtype)
    in_tensorflow.save_weights(ours, tmp_path / "best.weights.h5")
    in_pytorch.save_weights(theirs, tmp_path / "best.pt")
    keras.utils.set_random_seed(8)
    other_tf, other = dense(dtype)
    other_tf.load_weights(tmp_path / "best.weights.h5")
    state = torch.load(tmp_path / "best.pt", weights_only=True)
    other.load_state_dict(state)
    agree_weights(other, other_tf, dtype)
    agree_weights(other, ours, dtype)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"best.weights.h5", "best.pt"}


def test_save_weights_leaves_the_old_file_when_it_fails(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.pt"
    _, model = dense(dtype)
    in_pytorch.save_weights(model, path)
    before = path.read_bytes()

    def break_off(_: object, file: os.PathLike[str]) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", break_off)
    with pytest.raises(OSError, match="disk full"):
        in_pytorch.save_weights(model, path)
    assert path.read_bytes() == before


def both_fits(
    flat: Arrays, dtype: str, epochs: int, rate: float, **settings: Any
) -> tuple[keras.Model, nn.Module, dict[str, Any], dict[str, Any]]:
    """Fit the first 30 samples, validate on the rest, on both sides."""
    x, y = flat
    ours, theirs = dense(dtype)
    history_tf = in_tensorflow.fit(
        ours,
        in_tensorflow.make_batches(x[:30], y[:30], 8, 1),
        in_tensorflow.make_batches(x[30:], y[30:], 8),
        loss_tf(),
        in_tensorflow.make_adam(ours, rate),
        epochs,
        **settings,
    )
    if checkpoint := settings.get("checkpoint"):
        settings["checkpoint"] = checkpoint.with_name("best.pt")
    history = in_pytorch.fit(
        theirs,
        in_pytorch.make_batches(x[:30], y[:30], 8, 1),
        in_pytorch.make_batches(x[30:], y[30:], 8),
        nn.CrossEntropyLoss(),
        in_pytorch.make_adam(theirs, rate),
        epochs,
        **settings,
    )
    return ours, theirs, history_tf, history


def test_fit(flat: Arrays, dtype: str) -> None:
    ours, theirs, history_tf, history = both_fits(flat, dtype, 4, 0.01)
    assert [len(curve) for curve in history.values()] == [4] * 4
    agree_logs(history, history_tf, dtype)
    agree_weights(theirs, ours, dtype)


def test_fit_stops_restores_and_writes_the_best(
    flat: Arrays, dtype: str, tmp_path: Path
) -> None:
    file = tmp_path / "best.weights.h5"
    ours, theirs, history_tf, history = both_fits(
        flat, dtype, 60, 0.02, patience=2, checkpoint=file
    )
    best = int(np.argmin(history["val_loss"]))
    assert best == np.argmin(history_tf["val_loss"]) > 0
    assert len(history["loss"]) == len(history_tf["loss"]) == best + 3 < 60
    restored_tf, restored = ours.get_weights(), in_keras_layout(theirs)
    ours.load_weights(file)
    state = torch.load(file.with_name("best.pt"), weights_only=True)
    theirs.load_state_dict(state)
    for left, right in zip(restored_tf, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(restored, in_keras_layout(theirs), strict=True):
        np.testing.assert_array_equal(left, right)
    x, y = flat
    val = in_pytorch.make_batches(x[30:], y[30:], 8)
    found = in_pytorch.evaluate(theirs, val, nn.CrossEntropyLoss())
    assert found["loss"] == history["val_loss"][best]


def test_fit_without_patience_keeps_the_last_weights(flat: Arrays, dtype: str) -> None:
    _, theirs, _, history = both_fits(flat, dtype, 12, 0.1)
    assert len(history["loss"]) == 12
    assert np.argmin(history["val_loss"]) < 11
    x, y = flat
    val = in_pytorch.make_batches(x[30:], y[30:], 8)
    found = in_pytorch.evaluate(theirs, val, nn.CrossEntropyLoss())
    assert found["loss"] == history["val_loss"][-1]


def test_fit_with_batch_norm_in_float64(images: Arrays, dtype: str) -> None:
    if dtype == "float32":
        # chaotic: only the first loss is compared
        epochs, rtol = 1, 1e-4
    else:
        epochs, rtol = 5, 1e-9
    x, y = images
    ours = in_tensorflow.make_cnn(3)
    theirs = in_pytorch.make_cnn(3).to(getattr(torch, dtype))
    in_pytorch.set_weights(theirs, ours.get_weights())
    history_tf = in_tensorflow.fit(
        ours,
        in_tensorflow.make_batches(x, y, 10, 3),
        in_tensorflow.make_batches(x, y, 10),
        loss_tf(),
        in_tensorflow.make_adam(ours, 0.01),
        epochs,
    )
    x = np.moveaxis(x, 3, 1)
    history = in_pytorch.fit(
        theirs,
        in_pytorch.make_batches(x, y, 10, 3),
        in_pytorch.make_batches(x, y, 10),
        nn.CrossEntropyLoss(),
        in_pytorch.make_adam(theirs, 0.01),
        epochs,
    )
    np.testing.assert_allclose(history["loss"], history_tf["loss"], rtol=rtol)
    if dtype == "float64":
        np.testing.assert_allclose(
            history["val_loss"], history_tf["val_loss"], rtol=rtol
        )
