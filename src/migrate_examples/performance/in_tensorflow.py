"""Performance in TensorFlow: placement is automatic."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace


def pick_device() -> str:
    """Device to compute on: the accelerator, else the CPU.

    Examples
    --------
    >>> device = pick_device()
    >>> with tf.device(device):
    ...     tf.ones(2).device.endswith(device)
    True
    """
    for kind in ("TPU", "GPU", "XPU"):
        found = tf.config.list_logical_devices(kind)
        if found:
            return found[0].name
    return "/device:CPU:0"


def move_batch(batch: Any, device: str) -> Any:
    """Copy every tensor of a nested batch to a device.

    Parameters
    ----------
    batch : tensor, or dict, list, tuple of batches
        What is not a tensor (a name, a number) stays as it is.
    device : str
        As from `pick_device`.

    Examples
    --------
    >>> batch = {"image": tf.ones(2), "names": ("a", "b")}
    >>> move_batch(batch, pick_device())["names"]
    ('a', 'b')
    """

    def move(part: Any) -> Any:
        return tf.identity(part) if tf.is_tensor(part) else part

    with tf.device(device):
        return tf.nest.map_structure(move, batch)


def batches_on_device(
    x: np.ndarray,
    y: np.ndarray,
    batch_size: int,
    device: str,
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Pairs of batches, copied while the device computes.

    Parameters
    ----------
    x, y : array
        Examples and targets, (examples, ...).
    batch_size : int
        The last batch may be smaller.
    device : str
        As from `pick_device`.

    Examples
    --------
    >>> x, y = np.ones((5, 3)), np.arange(5)
    >>> found = batches_on_device(x, y, 2, pick_device())
    >>> [len(labels) for features, labels in found]
    [2, 2, 1]
    """
    data = tf.data.Dataset.from_tensor_slices((x, y))
    data = data.batch(batch_size)
    # has to be the last step of the pipeline
    fetch = tf.data.experimental.prefetch_to_device(device)
    yield from data.apply(fetch)


class MixedClassifier(keras.Model):
    """Two layers: the wide one in half precision, the head not.

    Parameters
    ----------
    features, hidden, classes : int
        Sizes of input, hidden layer and output.
    dtype : {"bfloat16", "float16", "float32"}
        What the hidden layer computes in; others raise. All
        weights and the output are float32.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3)
    >>> model(tf.ones((2, 7))).dtype
    tf.float32
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        dtype: str = "bfloat16",
    ) -> None:
        known = ("bfloat16", "float16", "float32")
        if dtype not in known:
            raise ValueError(
                f"dtype {dtype!r}: take one of {known}"
            )
        mixed = "" if dtype == "float32" else "mixed_"
        super().__init__()
        self.hidden = keras.layers.Dense(
            hidden, activation="relu", dtype=mixed + dtype
        )
        self.head = keras.layers.Dense(classes, dtype="float32")
        self.hidden.build((None, features))
        self.head.build((None, hidden))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        return self.head(self.hidden(x))


class ScaledTrainer:
    """Training steps with loss scaling, as float16 needs it.

    A step whose gradients overflow is skipped, and the factor
    of the loss halved; it doubles after enough good steps.

    Parameters
    ----------
    model, optimizer
        The optimiser gets the model's variables here.
    loss_function : callable
        Maps prediction and target to a scalar tensor.
    initial_scale, growth_interval : float, int
        First factor of the loss, good steps until it doubles.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3, dtype="float16")
    >>> optimizer = keras.optimizers.SGD(0.1)
    >>> mean = lambda logits, y: tf.reduce_mean(logits - y)
    >>> trainer = ScaledTrainer(model, optimizer, mean)
    >>> _ = trainer.step(tf.ones((2, 7)), tf.ones((2, 3)))
    >>> trainer.scale
    32768.0
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss_function: Callable[
            [tf.Tensor, tf.Tensor], tf.Tensor
        ],
        initial_scale: float = 2.0**15,
        growth_interval: int = 2000,
    ) -> None:
        self.model = model
        self.loss_function = loss_function
        self.optimizer = keras.optimizers.LossScaleOptimizer(
            optimizer,
            initial_scale=initial_scale,
            dynamic_growth_steps=growth_interval,
        )
        self.optimizer.build(model.trainable_variables)

    @property
    def scale(self) -> float:
        """Factor of the next loss."""
        return float(self.optimizer.dynamic_scale)

    def step(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Train on one batch and return its unscaled loss."""
        weights = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.loss_function(
                self.model(x, training=True), y
            )
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, weights)
        self.optimizer.apply(gradients, weights)  # or skips it
        return loss


def pick_backend() -> str:
    """Name of the best compiler that this machine can run.

    "xla" is a part of most builds; "graph", which traces but
    generates no code, is always there.

    Examples
    --------
    >>> double = compiled(lambda x: x * 2, pick_backend())
    """
    return "xla" if tf.test.is_built_with_xla() else "graph"


def compiled(
    function: Callable[..., Any], backend: str | None = None
) -> Callable[..., Any]:
    """Compile a function of tensors, at its first call.

    Parameters
    ----------
    function : callable
        Of tensors; a model will do.
    backend : str, optional
        "xla" or "graph"; by default what `pick_backend` finds.

    Examples
    --------
    >>> double = compiled(lambda x: x * 2, "graph")
    >>> double(tf.constant([1.0, 3.0])).numpy().tolist()
    [2.0, 6.0]
    """
    backend = backend or pick_backend()
    if backend not in ("xla", "graph"):
        raise ValueError(f"backend {backend!r}: xla or graph")
    return tf.function(function, jit_compile=backend == "xla")


def convolve_images(
    images: np.ndarray, kernel: np.ndarray
) -> tf.Tensor:
    """Convolve, unpadded, with the channels last in memory.

    Parameters
    ----------
    images : array
        (batch, height, width, channels).
    kernel : array
        (height, width, channels in, channels out).

    Examples
    --------
    >>> images = np.ones((1, 5, 4, 2), "float32")
    >>> kernel = np.ones((3, 3, 2, 7), "float32")
    >>> tuple(convolve_images(images, kernel).shape)
    (1, 3, 2, 7)
    """
    # TensorFlow's axes are in this order already
    return tf.nn.conv2d(images, kernel, 1, "VALID")


def predict(
    model: keras.Model, batches: Iterable[tf.Tensor]
) -> tf.Tensor:
    """All outputs in inference mode, nothing recorded.

    Parameters
    ----------
    model : keras.Model
        Called with ``training=False``, which is stored nowhere.
    batches : iterable of Tensor
        At least one.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3)
    >>> batches = [tf.ones((4, 7)), tf.ones((1, 7))]
    >>> tuple(predict(model, batches).shape)
    (5, 3)
    """
    # without a tape there is nothing to switch off
    outputs = [model(x, training=False) for x in batches]
    return tf.concat(outputs, axis=0)


def train_epoch(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    batches: Iterable[tuple[tf.Tensor, tf.Tensor]],
) -> float:
    """Train on all batches and return the mean loss.

    The host waits for the device once, at the end.

    Parameters
    ----------
    model, optimizer, loss_function
        As in `ScaledTrainer`; the loss is a mean.
    batches : iterable of (Tensor, Tensor)
        Examples and targets, at least one batch.

    Examples
    --------
    >>> model = MixedClassifier(7, 5, 3)
    >>> optimizer = keras.optimizers.SGD(0.1)
    >>> mean = lambda logits, y: tf.reduce_mean(logits * 0 + y)
    >>> batches = [(tf.ones((2, 7)), tf.ones((2, 3)))]
    >>> train_epoch(model, optimizer, mean, batches)
    1.0
    """
    weights = model.trainable_variables
    losses, count = [], 0
    for x, y in batches:
        with tf.GradientTape() as tape:
            loss = loss_function(model(x, training=True), y)
        gradients = tape.gradient(loss, weights)
        optimizer.apply(gradients, weights)
        losses.append(loss * len(x))  # no .numpy()
        count += len(x)
    return float(sum(losses) / count)


def checkpointed(
    block: Callable[..., tf.Tensor],
) -> Callable[..., tf.Tensor]:
    """Keep no activations of a block; compute them again.

    Parameters
    ----------
    block : callable
        Maps tensors to a tensor; run again in the backward
        pass. Values and gradients stay the same.

    Examples
    --------
    >>> x = tf.Variable(3.0)
    >>> with tf.GradientTape() as tape:
    ...     y = checkpointed(tf.square)(x)
    >>> float(tape.gradient(y, x))
    6.0
    """
    return tf.recompute_grad(block)


def benchmark(
    function: Callable[[], object],
    repeats: int = 20,
    warm_up: int = 3,
) -> float:
    """Median time of a call, in seconds, its work finished.

    Parameters
    ----------
    function : callable
        Without arguments.
    repeats, warm_up : int
        Calls that are timed, and calls before them that pay
        for compilation and caches.

    Examples
    --------
    >>> benchmark(lambda: tf.ones(3) + 1) > 0
    True
    """
    for _ in range(warm_up):
        function()
    seconds = []
    for _ in range(repeats):
        tf.test.experimental.sync_devices()
        start = perf_counter()
        function()
        tf.test.experimental.sync_devices()
        seconds.append(perf_counter() - start)
    return statistics.median(seconds)


def count_operations(
    function: Callable[[], object],
) -> Counter[str]:
    """Operations that ran on the CPU, counted by the profiler.

    Examples
    --------
    >>> x = tf.ones((3, 3))
    >>> count_operations(lambda: x @ x @ x)["MatMul"]
    2
    """
    with TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            function()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = XSpace.FromString(file.read_bytes())
    names = [
        plane.event_metadata[event.metadata_id].name
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    ]
    mark = "EagerLocalExecute: "  # one a call from Python
    return Counter(
        name.removeprefix(mark)
        for name in names
        if name.startswith(mark)
    )
