"""Both sides of each twin of performance; nothing here asserts a time."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

from migrate_examples.performance import in_pytorch, in_tensorflow

# A few roundings of sums in another order, and of the libraries' own tanh.
RTOL = {"float32": 1e-5, "float64": 1e-12}
# Spacing of the numbers next to 1: what one rounding to half precision may cost.
EPS = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
CPU_TF, CPU = "/device:CPU:0", torch.device("cpu")


class Pair(NamedTuple):
    """A batch as many data sets give it."""

    image: Any
    label: Any


def agree(theirs: object, ours: object, dtype: str) -> None:
    """Assert equal dtype and equal values but for rounding."""
    left, right = np.asarray(ours), np.asarray(theirs)
    assert left.dtype == right.dtype == dtype
    np.testing.assert_allclose(right, left, rtol=RTOL[dtype], atol=RTOL[dtype])


def copy_weights(ours: keras.Model, theirs: nn.Module) -> None:
    """Give the PyTorch model the weights of the Keras model."""
    arrays = [torch.tensor(w.T) for w in ours.get_weights()]  # (in, out) -> (out, in)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), arrays, strict=True)))


def mixed_pair(
    rng: np.random.Generator, dtype: str
) -> tuple[in_tensorflow.MixedClassifier, in_pytorch.MixedClassifier]:
    """Both classifiers with the same random weights, 7 -> 11 -> 3."""
    ours = in_tensorflow.MixedClassifier(7, 11, 3, dtype=dtype)
    ours.set_weights([rng.normal(size=w.shape) for w in ours.get_weights()])
    theirs = in_pytorch.MixedClassifier(7, 11, 3, dtype=dtype)
    copy_weights(ours, theirs)
    return ours, theirs


def mean_square_tf(prediction: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean((prediction - y) ** 2)


def mean_square_torch(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((prediction - y) ** 2).mean()


# Devices and batches


def test_pick_device_without_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: None
    )
    assert in_tensorflow.pick_device() == CPU_TF
    assert in_pytorch.pick_device() == CPU


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_pick_device_takes_what_is_there(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    gpu = tf.config.LogicalDevice("/device:GPU:0", "GPU")
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda asked: [gpu] if asked == "GPU" else []
    )
    monkeypatch.setattr(
        torch.accelerator,
        "current_accelerator",
        lambda check_available: torch.device(kind),
    )
    assert in_tensorflow.pick_device() == "/device:GPU:0"
    assert in_pytorch.pick_device() == torch.device(kind)


def test_move_batch_keeps_the_structure(rng: np.random.Generator, dtype: str) -> None:
    x = rng.normal(size=(2, 3, 5)).astype(dtype)

    def batch(make: Callable[[np.ndarray], Any]) -> dict[str, Any]:
        pair = Pair(make(x[0]), [make(x[1]), make(x[0, :1])])
        return {"pair": pair, "plain": (make(x), 4), "names": ["a", "b"], "none": None}

    ours = in_tensorflow.move_batch(batch(tf.constant), CPU_TF)
    theirs = in_pytorch.move_batch(batch(torch.tensor), CPU)
    assert list(ours) == list(theirs) == ["pair", "plain", "names", "none"]
    for moved in (ours, theirs):
        assert isinstance(moved["pair"], Pair)
        assert isinstance(moved["plain"], tuple)
        assert (moved["plain"][1], moved["names"]) == (4, ["a", "b"])
        assert moved["none"] is None
    agree(theirs["pair"].image, ours["pair"].image, dtype)
    for left, right in zip(ours["pair"].label, theirs["pair"].label, strict=True):
        agree(right, left, dtype)
    agree(theirs["plain"][0], ours["plain"][0], dtype)


def test_move_batch_reaches_every_tensor() -> None:
    meta = torch.device("meta")  # a device that every machine has
    batch = {"a": torch.ones(2), "b": [Pair(torch.ones(3), (torch.ones(4), 1))]}
    moved = in_pytorch.move_batch(batch, meta)
    image, (label, _) = moved["b"][0]
    assert {moved["a"].device, image.device, label.device} == {meta}


def test_batches_on_device(rng: np.random.Generator, dtype: str) -> None:
    x = rng.normal(size=(11, 3, 2)).astype(dtype)
    y = rng.integers(0, 5, size=11)
    ours = list(in_tensorflow.batches_on_device(x, y, 4, CPU_TF))
    theirs = list(in_pytorch.batches_on_device(x, y, 4, CPU))
    assert [len(labels) for _, labels in theirs] == [4, 4, 3]
    for (x_tf, y_tf), (x_torch, y_torch) in zip(ours, theirs, strict=True):
        agree(x_torch, x_tf, dtype)
        np.testing.assert_array_equal(y_torch, y_tf)
        assert y_torch.dtype == torch.int64
    np.testing.assert_array_equal(torch.cat([x for x, _ in theirs]), x)


# Precision


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_classifier(rng: np.random.Generator, dtype: str) -> None:
    ours, theirs = mixed_pair(rng, dtype)
    x = rng.normal(size=(13, 7)).astype("float32")
    logits_tf, logits_torch = ours(x), theirs(torch.tensor(x))
    assert (logits_tf.dtype, logits_torch.dtype) == (tf.float32, torch.float32)
    assert ours.hidden(x).dtype == dtype
    for weight in (*ours.weights, *theirs.parameters()):
        assert str(weight.dtype).removeprefix("torch.") == "float32"

    w, b, v, c = (weight.astype("float64") for weight in ours.get_weights())
    exact = np.maximum(x @ w + b, 0) @ v + c
    # Every input, weight, bias and hidden value is rounded once or twice.
    bound = EPS[dtype] * 2 * ((np.abs(x) @ np.abs(w) + np.abs(b)) @ np.abs(v))
    for logits in (logits_tf.numpy(), logits_torch.detach().numpy()):
        assert (np.abs(logits - exact) <= bound).all()
        assert np.abs(logits - exact).max() > 1e-4, "it was not rounded to half"
    assert (np.abs(logits_tf - logits_torch.detach().numpy()) <= bound).all()


def test_mixed_classifier_in_float32_is_exact(rng: np.random.Generator) -> None:
    ours, theirs = mixed_pair(rng, "float32")
    x = rng.normal(size=(5, 7)).astype("float32")
    agree(theirs(torch.tensor(x)).detach(), ours(x), "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_classifier_gradients(rng: np.random.Generator, dtype: str) -> None:
    ours, theirs = mixed_pair(rng, dtype)
    x = rng.normal(size=(13, 7)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(ours(x) ** 2)
    gradients = tape.gradient(loss, ours.trainable_variables)
    (theirs(torch.tensor(x)) ** 2).mean().backward()
    for left, parameter in zip(gradients, theirs.parameters(), strict=True):
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        right = parameter.grad.numpy().T
        # A chain of four roundings to half: compared as vectors, since single
        # elements are small differences of large sums.
        gap = np.linalg.norm(right - left.numpy()) / np.linalg.norm(right)
        assert gap <= 4 * EPS[dtype]


@pytest.mark.parametrize("module", [in_tensorflow, in_pytorch])
def test_mixed_classifier_refuses_another_dtype(module: Any) -> None:
    with pytest.raises(ValueError, match=r"'half': take one of .*bfloat16"):
        module.MixedClassifier(7, 5, 3, dtype="half")


def test_scaled_trainer_skips_overflows_and_adapts(rng: np.random.Generator) -> None:
    model_tf, model_torch = mixed_pair(rng, "float16")
    ours = in_tensorflow.ScaledTrainer(
        model_tf, keras.optimizers.SGD(1e-3), mean_square_tf, 2.0**4, 2
    )
    theirs = in_pytorch.ScaledTrainer(
        model_torch,
        torch.optim.SGD(model_torch.parameters(), 1e-3),
        mean_square_torch,
        2.0**4,
        2,
    )
    scales = []
    for good in (True, True, False, False, True, True, True):
        x = rng.normal(size=(5, 7)).astype("float32")
        if not good:
            x *= 1e6  # over 65504, the largest float16
        y = rng.normal(size=(5, 3)).astype("float32")
        before = [w.copy() for w in model_tf.get_weights()]
        loss_tf = ours.step(tf.constant(x), tf.constant(y))
        loss_torch = theirs.step(torch.tensor(x), torch.tensor(y))
        assert bool(tf.math.is_finite(loss_tf)) is good
        if good:  # float16 rounds in both, at different places
            np.testing.assert_allclose(loss_torch, loss_tf, rtol=4 * EPS["float16"])
        after = model_tf.get_weights()
        torch_after = [p.detach().numpy().T for p in model_torch.parameters()]
        for old, new, other in zip(before, after, torch_after, strict=True):
            assert (old == new).all() != good, "skipped if, and only if, it overflowed"
            np.testing.assert_allclose(other, new, rtol=1e-3, atol=1e-3)
        assert ours.scale == theirs.scale
        scales.append(theirs.scale)
    assert scales == [16, 32, 16, 8, 8, 16, 16]


def test_scaled_trainer_names_the_factor_in_which_the_defaults_differ() -> None:
    inner = keras.optimizers.SGD()
    assert keras.optimizers.LossScaleOptimizer(inner).initial_scale == 2.0**15
    assert torch.amp.GradScaler("cpu").get_scale() == 2.0**16


def test_scaled_trainer_saves_small_gradients(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 7)).astype("float32")
    y = np.zeros((5, 3), "float32")
    moved = {}
    for scale in (1.0, 2.0**15):
        model_tf, model_torch = mixed_pair(np.random.default_rng(1), "float16")
        start = model_tf.get_weights()[0]
        # A loss of small weight, and a rate that makes up for it.
        in_tensorflow.ScaledTrainer(
            model_tf,
            keras.optimizers.SGD(1e6),
            lambda prediction, y: mean_square_tf(prediction, y) * 1e-9,
            scale,
        ).step(tf.constant(x), tf.constant(y))
        in_pytorch.ScaledTrainer(
            model_torch,
            torch.optim.SGD(model_torch.parameters(), 1e6),
            lambda prediction, y: mean_square_torch(prediction, y) * 1e-9,
            scale,
        ).step(torch.tensor(x), torch.tensor(y))
        step_tf = model_tf.get_weights()[0] - start
        step_torch = model_torch.hidden.weight.detach().numpy().T - start
        moved[scale] = np.abs(step_tf).max(), np.abs(step_torch).max()
    assert moved[1.0] == (0.0, 0.0), "float16 flushed the gradient to zero"
    assert min(moved[2.0**15]) > 1e-4


def test_scaled_trainer_with_scale_is_training_without(
    rng: np.random.Generator,
) -> None:
    """In float32 a power of two changes no bit of the step."""
    x = torch.tensor(rng.normal(size=(5, 7)), dtype=torch.float32)
    y = torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32)
    steps = []
    for scale in (1.0, 2.0**15):
        ours, theirs = mixed_pair(np.random.default_rng(2), "float32")
        in_tensorflow.ScaledTrainer(
            ours, keras.optimizers.SGD(0.1), mean_square_tf, scale
        ).step(tf.constant(x.numpy()), tf.constant(y.numpy()))
        optimizer = torch.optim.SGD(theirs.parameters(), 0.1)
        in_pytorch.ScaledTrainer(theirs, optimizer, mean_square_torch, scale).step(x, y)
        weights = [p.detach().numpy().T for p in theirs.parameters()]
        steps.append((ours.get_weights(), weights))
    for plain, scaled in zip(*steps, strict=True):
        for left, right in zip(plain, scaled, strict=True):
            np.testing.assert_array_equal(left, right)
    for left, right in zip(*steps[0], strict=True):
        agree(right, left, "float32")


# Compilers and layouts


def test_pick_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(tf.test, "is_built_with_xla", lambda: True)
    assert in_tensorflow.pick_backend() == "xla"
    assert in_pytorch.pick_backend() == "inductor"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(tf.test, "is_built_with_xla", lambda: False)
    assert in_tensorflow.pick_backend() == "graph"
    assert in_pytorch.pick_backend() == "aot_eager"


@pytest.mark.parametrize(
    "backend_tf, backend_torch", [("graph", "eager"), ("xla", "aot_eager")]
)
def test_compiled_changes_neither_value_nor_gradient(
    rng: np.random.Generator, dtype: str, backend_tf: str, backend_torch: str
) -> None:
    x, w = (rng.normal(size=s).astype(dtype) for s in [(5, 7), (7, 3)])

    def function_tf(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.tanh(x @ w) ** 2, axis=0)

    def function_torch(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(x @ w) ** 2).sum(0)

    weight_tf = tf.Variable(w)
    with tf.GradientTape() as tape:
        y_tf = in_tensorflow.compiled(function_tf, backend_tf)(x, weight_tf)
    torch._dynamo.reset()
    weight = torch.tensor(w, requires_grad=True)
    y_torch = in_pytorch.compiled(function_torch, backend_torch)(
        torch.tensor(x), weight
    )
    y_torch.sum().backward()
    agree(y_torch.detach(), y_tf, dtype)
    agree(y_torch.detach(), function_torch(torch.tensor(x), weight).detach(), dtype)
    agree(weight.grad, tape.gradient(y_tf, weight_tf), dtype)


@pytest.mark.skipif(
    shutil.which("g++") is None, reason="inductor needs a C++ compiler, g++"
)
def test_compiled_by_inductor(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.normal(size=(5, 7)), dtype=torch.float32)

    def function(x: torch.Tensor) -> torch.Tensor:
        return (x.tanh() ** 2).sum(0)

    torch._dynamo.reset()
    agree(in_pytorch.compiled(function, "inductor")(x), function(x), "float32")


def test_compiled_takes_the_backend_that_was_picked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(in_tensorflow, "pick_backend", lambda: "graph")
    monkeypatch.setattr(in_pytorch, "pick_backend", lambda: "eager")
    monkeypatch.setattr(
        tf, "function", lambda f, jit_compile: asked.append(jit_compile)
    )
    monkeypatch.setattr(torch, "compile", lambda f, backend: asked.append(backend))
    in_tensorflow.compiled(abs)
    in_pytorch.compiled(abs)
    assert asked == [False, "eager"]


def test_compiled_refuses_an_unknown_backend() -> None:
    with pytest.raises(ValueError, match="'turbo': xla or graph"):
        in_tensorflow.compiled(abs, "turbo")
    with pytest.raises(RuntimeError, match="turbo"):
        in_pytorch.compiled(abs, "turbo")


def test_convolve_images(rng: np.random.Generator, dtype: str) -> None:
    images = rng.normal(size=(2, 9, 7, 3)).astype(dtype)
    kernel = rng.normal(size=(3, 2, 3, 5)).astype(dtype)
    ours = in_tensorflow.convolve_images(images, kernel)
    theirs = in_pytorch.convolve_images(images, kernel)
    agree(theirs, ours, dtype)
    assert theirs.shape == (2, 7, 6, 5)
    assert theirs.is_contiguous(), "channels last in memory, from end to end"


# Inference and training


def test_predict(rng: np.random.Generator, dtype: str) -> None:
    ours = keras.Sequential(
        [
            keras.layers.Input((7,), dtype=dtype),
            keras.layers.Dense(5, dtype=dtype),
            keras.layers.BatchNormalization(epsilon=1e-3, dtype=dtype),
            keras.layers.Dropout(0.5, dtype=dtype),
        ]
    )
    weights = [rng.uniform(0.5, 2, size=w.shape) for w in ours.get_weights()]
    ours.set_weights(weights)
    theirs = nn.Sequential(
        nn.Linear(7, 5), nn.BatchNorm1d(5, eps=1e-3), nn.Dropout(0.5)
    ).to(getattr(torch, dtype))
    names = [name for name in theirs.state_dict() if "num_batches" not in name]
    state = zip(names, (torch.tensor(w.T) for w in weights), strict=True)
    theirs.load_state_dict(dict(state), strict=False)

    x = rng.normal(size=(11, 7)).astype(dtype)
    theirs.train()
    theirs[1].eval()  # a frozen layer stays frozen
    y_tf = in_tensorflow.predict(ours, [tf.constant(x[:8]), tf.constant(x[8:])])
    y_torch = in_pytorch.predict(theirs, [torch.tensor(x[:8]), torch.tensor(x[8:])])
    agree(y_torch, y_tf, dtype)
    assert y_torch.is_inference()
    assert [m.training for m in theirs.modules()] == [True, True, False, True]


def test_predict_restores_the_modes_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        in_pytorch.predict(model, [torch.ones(1, 4)])
    assert all(m.training for m in model.modules())


def test_train_epoch(rng: np.random.Generator, dtype: str) -> None:
    ours = keras.Sequential(
        [keras.layers.Input((7,), dtype=dtype), keras.layers.Dense(3, dtype=dtype)]
    )
    theirs = nn.Linear(7, 3, dtype=getattr(torch, dtype))
    copy_weights(ours, theirs)
    x = rng.normal(size=(11, 7)).astype(dtype)
    y = rng.normal(size=(11, 3)).astype(dtype)
    parts = [slice(0, 4), slice(4, 8), slice(8, 11)]
    theirs.eval()
    loss_tf = in_tensorflow.train_epoch(
        ours,
        keras.optimizers.SGD(0.125),
        mean_square_tf,
        [(tf.constant(x[p]), tf.constant(y[p])) for p in parts],
    )
    loss_torch = in_pytorch.train_epoch(
        theirs,
        torch.optim.SGD(theirs.parameters(), 0.125),
        mean_square_torch,
        [(torch.tensor(x[p]), torch.tensor(y[p])) for p in parts],
    )
    assert theirs.training
    np.testing.assert_allclose(loss_torch, loss_tf, rtol=RTOL[dtype])
    for left, right in zip(ours.get_weights(), theirs.parameters(), strict=True):
        agree(right.detach().numpy().T, left, dtype)


def test_train_epoch_reads_one_number_from_the_device() -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batches = [(torch.ones(4, 3), torch.ones(4, 2))] * 5
    counts = in_pytorch.count_operations(
        lambda: in_pytorch.train_epoch(model, optimizer, mean_square_torch, batches)
    )
    assert counts["aten::_local_scalar_dense"] == 1
    assert counts["aten::mse_loss"] == 0
    assert counts["aten::linear"] == 5


def test_checkpointed(rng: np.random.Generator, dtype: str) -> None:
    x, w = (rng.normal(size=s).astype(dtype) for s in [(5, 7), (7, 3)])
    runs = {"tf": 0, "torch": 0}

    def block_tf(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        runs["tf"] += 1
        return tf.tanh(x @ w)

    def block_torch(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        runs["torch"] += 1
        return torch.tanh(x @ w)

    x_tf, w_tf = tf.Variable(x), tf.Variable(w)
    with tf.GradientTape() as tape:
        y_tf = in_tensorflow.checkpointed(block_tf)(x_tf, w_tf)
        total = tf.reduce_sum(y_tf**2)
    gradients = tape.gradient(total, [x_tf, w_tf])
    x_torch, w_torch = (torch.tensor(a, requires_grad=True) for a in (x, w))
    y_torch = in_pytorch.checkpointed(block_torch)(x_torch, w_torch)
    (y_torch**2).sum().backward()
    assert runs == {"tf": 2, "torch": 2}, "run again in the backward pass"
    agree(y_torch.detach(), y_tf, dtype)
    agree(x_torch.grad, gradients[0], dtype)
    agree(w_torch.grad, gradients[1], dtype)

    plain = torch.autograd.grad((block_torch(x_torch, w_torch) ** 2).sum(), x_torch)
    np.testing.assert_array_equal(plain[0], x_torch.grad)


# Measuring


def ticks(seconds: list[float]) -> Iterator[float]:
    """Readings of a clock around calls that take these times."""
    now = 0.0
    for length in seconds:
        yield now
        now += length
        yield now


@pytest.mark.parametrize("module", [in_tensorflow, in_pytorch])
def test_benchmark_is_the_median_after_the_warm_up(
    monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    clock = "perf_counter" if module is in_tensorflow else "timer"
    readings = ticks([8.0, 1.0, 2.0, 64.0, 4.0])
    monkeypatch.setattr(module, clock, lambda: next(readings))
    calls: list[None] = []
    assert module.benchmark(lambda: calls.append(None), repeats=5, warm_up=2) == 4.0
    assert len(calls) == 7


def test_benchmark_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(
        tf.test.experimental, "sync_devices", lambda: events.append("wait")
    )
    in_tensorflow.benchmark(lambda: events.append("run"), repeats=1, warm_up=0)
    assert events == ["wait", "run", "wait"]
    events.clear()
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: events.append("wait"))
    in_pytorch.benchmark(lambda: events.append("run"), repeats=1, warm_up=0)
    assert events == ["wait", "run", "wait"]


def test_count_operations(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 5)).astype("float32")
    x_tf, x_torch = tf.constant(x), torch.tensor(x)
    ours = in_tensorflow.count_operations(lambda: tf.tanh(x_tf @ x_tf @ x_tf @ x_tf))
    theirs = in_pytorch.count_operations(
        lambda: torch.tanh(x_torch @ x_torch @ x_torch @ x_torch)
    )
    assert (ours["MatMul"], ours["Tanh"], ours["Relu"]) == (3, 1, 0)
    assert (theirs["aten::mm"], theirs["aten::tanh"], theirs["aten::relu"]) == (3, 1, 0)


# What needs a GPU; run where there is one, else counted on the site


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_on_device_arrive_on_the_gpu(rng: np.random.Generator) -> None:
    device = in_pytorch.pick_device()
    x, y = rng.normal(size=(11, 3)), np.arange(11)
    for got in in_pytorch.batches_on_device(x, y, 4, device):
        assert {part.device.type for part in got} == {"cuda"}
    found = in_pytorch.batches_on_device(x, y, 4, device)
    np.testing.assert_array_equal(torch.cat([part.cpu() for part, _ in found]), x)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_train_epoch_waits_for_the_gpu_once(rng: np.random.Generator) -> None:
    device = in_pytorch.pick_device()
    model = nn.Linear(3, 2).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.tensor(rng.normal(size=(4, 3)), dtype=torch.float32, device=device)
    batches = [(x, x[:, :2])] * 5
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchronizing") as seen:
            in_pytorch.train_epoch(model, optimizer, mean_square_torch, batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(seen) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_scaled_trainer_on_the_gpu_follows_the_cpu(
    rng: np.random.Generator, dtype: str
) -> None:
    x = torch.tensor(rng.normal(size=(5, 7)), dtype=torch.float32)
    y = torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32)
    losses = []
    for device in (CPU, in_pytorch.pick_device()):
        _, model = mixed_pair(np.random.default_rng(3), dtype)
        model.to(device)
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        trainer = in_pytorch.ScaledTrainer(model, optimizer, mean_square_torch)
        losses.append(float(trainer.step(x.to(device), y.to(device))))
        assert trainer.scale == 2.0**15
    np.testing.assert_allclose(losses[1], losses[0], rtol=4 * EPS[dtype])
