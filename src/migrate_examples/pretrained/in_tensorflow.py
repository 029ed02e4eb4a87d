"""Pre-trained models in TensorFlow: keras.applications."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras.applications import imagenet_utils


class WeightsError(RuntimeError):
    """Weights that cannot be had, read or fitted: says why."""


@contextmanager
def _explained(subject: object, advice: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kind = type(error).__name__
        cause = " ".join(str(error).split())[:200]
        text = f"{subject}: {kind}: {cause}\n{advice}"
        raise WeightsError(text) from error


def mobilenet(
    weights: str | None = None,
    width: float = 1.0,
    classes: int = 1000,
    seed: int = 0,
) -> keras.Model:
    """MobileNetV2 that returns logits, pre-trained or seeded.

    It takes (N, 224, 224, 3), and infers unless told to train.

    Parameters
    ----------
    weights : str, optional
        "imagenet": downloaded once, into Keras's cache. None
        draws weights and needs no network.
    width, classes : float, int
        Multiplier of the channels, number of logits; 0.35, 0.5,
        0.75, 1, 1.3 or 1.4, and 1000 for the ImageNet weights.
    seed : int
        Seeds Python, NumPy and TensorFlow before the draw.

    Examples
    --------
    >>> model = mobilenet(width=0.35, classes=7)
    >>> tuple(model(tf.zeros((1, 224, 224, 3))).shape)
    (1, 7)
    """
    keras.utils.set_random_seed(seed)
    with _explained(
        f"weights={weights!r}, width={width}",
        "Check them, network and KERAS_HOME or ~/.keras.",
    ):
        return keras.applications.MobileNetV2(
            weights=weights,
            alpha=width,
            classes=classes,
            classifier_activation=None,  # logits
        )


def mobilenet_from_arrays(
    arrays: Sequence[np.ndarray], width: float = 1.0
) -> keras.Model:
    """MobileNetV2 with Keras's weights and Keras's arithmetic.

    It is of Keras's current dtype policy.

    Parameters
    ----------
    arrays : sequence of ndarray
        What ``get_weights`` returns for Keras's MobileNetV2.
    width : float
        Multiplier of the channels, Keras's ``alpha``.

    Examples
    --------
    >>> try:
    ...     mobilenet_from_arrays([np.zeros(3)])
    ... except WeightsError as error:
    ...     print(error)
    1 arrays: ValueError: ...
    Are they MobileNetV2's, of width 1.0?
    """
    model = mobilenet(width=width, classes=arrays[-1].size)
    with _explained(
        f"{len(arrays)} arrays",
        f"Are they MobileNetV2's, of width {width}?",
    ):
        model.set_weights(arrays)
    return model


def preprocess(image: tf.Tensor, mode: str) -> tf.Tensor:
    """Pixels 0..255 to what a family of weights was fed.

    Parameters
    ----------
    image : Tensor
        RGB, (..., height, width, 3), any dtype; the result has
        its shape and is float32.
    mode : str
        "tf": -1..1. "torch": ImageNet's mean and deviation
        taken out. "caffe": BGR, the mean taken out.

    Examples
    --------
    >>> white = tf.fill((1, 1, 3), 255)
    >>> preprocess(white, "tf").numpy().ravel().tolist()
    [1.0, 1.0, 1.0]
    """
    x = tf.cast(image, tf.float32)
    return imagenet_utils.preprocess_input(x, mode=mode)


def prepare(
    photo: np.ndarray, resize: int = 232, crop: int = 224
) -> tf.Tensor:
    """Photograph to a batch, as IMAGENET1K_V2 was evaluated.

    The batch is (1, crop, crop, 3) and float32.

    Parameters
    ----------
    photo : ndarray
        RGB, (height, width, 3), uint8.
    resize, crop : int
        Length of the shorter side, then of the central square.

    Examples
    --------
    >>> photo = np.full((300, 400, 3), 255, np.uint8)
    >>> tuple(prepare(photo).shape)
    (1, 224, 224, 3)
    """
    shorter = min(photo.shape[:2])
    height, width = (
        resize * side // shorter for side in photo.shape[:2]
    )
    x = tf.image.resize(photo, (height, width), antialias=True)
    x = tf.round(x)  # whole grey levels again
    top, left = (
        round((height - crop) / 2),
        round((width - crop) / 2),
    )
    x = x[top : top + crop, left : left + crop]
    return preprocess(x, "torch")[None]


class FrozenBody(keras.Model):
    """Classifier whose pre-trained body does not change.

    Parameters
    ----------
    body : Model
        Maps images to features; frozen, batch norm as well.
    features, classes : int
        Number of features of the body, of logits of the head.

    Examples
    --------
    >>> dense = keras.layers.Dense(2)
    >>> dense.build((None, 3))
    >>> model = FrozenBody(dense, 2, 4)
    >>> [w.trainable for w in model.weights]
    [False, False, True, True]
    """

    def __init__(
        self, body: keras.Model, features: int, classes: int
    ) -> None:
        super().__init__()
        self.body = body
        self.body.trainable = False  # batch norm infers as well
        self.head = keras.layers.Dense(classes)
        self.head.build((None, features))

    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Logits of a batch of images."""
        return self.head(self.body(images, training=training))


def train_head(
    model: keras.Model,
    images: tf.Tensor,
    labels: tf.Tensor,
    steps: int,
    learning_rate: float,
) -> list[float]:
    """Train what is not frozen; the loss before each step.

    Parameters
    ----------
    model : Model
        Maps images to logits; changed in place.
    images, labels : Tensor
        One batch; labels are class numbers.
    steps, learning_rate : int, float
        Of plain gradient descent.

    Examples
    --------
    >>> model = FrozenBody(keras.layers.Identity(), 2, 3)
    >>> labels = tf.constant([0, 2])
    >>> loss = train_head(model, tf.eye(2), labels, 9, 1.0)
    >>> loss[-1] < loss[0]
    True
    """
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True
    )
    optimizer = keras.optimizers.SGD(learning_rate)
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = cross_entropy(labels, logits)
        trained = model.trainable_variables
        slopes = tape.gradient(loss, trained)
        optimizer.apply(slopes, trained)
        losses.append(float(loss))
    return losses


def save_weights(model: keras.Model, path: Path) -> None:
    """Write a model's weights: the whole file, or none.

    Parameters
    ----------
    model, path : Model, Path
        The file is replaced if it exists; its name ends in
        ".weights.h5".

    Examples
    --------
    >>> model = keras.Sequential([keras.layers.Dense(2)])
    >>> model.build((None, 3))
    >>> with TemporaryDirectory() as folder:
    ...     save_weights(model, Path(folder, "a.weights.h5"))
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.weights.h5']
    """
    with (
        _explained(path, "Name a file in a writable folder."),
        TemporaryDirectory(dir=path.parent) as part,
    ):
        new = Path(part, path.name)
        model.save_weights(new)
        new.replace(path)


def _read(path: Path) -> dict[str, np.ndarray]:
    found = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def _differences(
    own: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
) -> str:
    wrong = {
        "missing": [n for n in own if n not in found],
        "unexpected": [n for n in found if n not in own],
        "of another shape": [
            f"{n} {found[n].shape} for {own[n].shape}"
            for n in own
            if n in found and found[n].shape != own[n].shape
        ],
    }
    return "; ".join(
        f"{len(names)} {kind}: {', '.join(names[:3])}"
        for kind, names in wrong.items()
        if names
    )


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill a model from a file: all its weights, or none.

    Parameters
    ----------
    model, path : Model, Path
        The file is what ``save_weights`` wrote for such a
        model; nothing in it is executed.

    Raises
    ------
    WeightsError
        If the file cannot be read or is of another model.

    Examples
    --------
    >>> a, b = keras.layers.Dense(2), keras.layers.Dense(2)
    >>> a, b = keras.Sequential([a]), keras.Sequential([b])
    >>> a.build((None, 3)), b.build((None, 3))
    (None, None)
    >>> with TemporaryDirectory() as folder:
    ...     save_weights(a, Path(folder, "a.weights.h5"))
    ...     load_weights(b, Path(folder, "a.weights.h5"))
    >>> bool((a.weights[0] == b.weights[0]).numpy().all())
    True
    """
    with _explained(path, "Get the file that fits the model."):
        found = _read(path)
        with TemporaryDirectory() as folder:
            new = Path(folder, "own.weights.h5")
            model.save_weights(new)
            own = _read(new)
        # load_weights raises too, but half-way or not at all
        if wrong := _differences(own, found):
            raise ValueError(wrong)
        model.load_weights(path)


def download_weights(
    url: str, folder: Path | None = None, sha256: str = ""
) -> Path:
    """Fetch a file once, check it; its path in the folder.

    Parameters
    ----------
    url : str
        http, https or file.
    folder : Path, optional
        By default Keras's, which follows ``KERAS_HOME``.
    sha256 : str
        What the hash begins with; a file that is there already
        is checked too, and replaced if it is another.

    Raises
    ------
    WeightsError
        If it cannot be had or is no file of weights.

    Examples
    --------
    >>> model = keras.Sequential([keras.layers.Dense(2)])
    >>> model.build((None, 3))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.weights.h5")
    ...     save_weights(model, path)
    ...     cache = Path(folder, "cache")
    ...     download_weights(path.as_uri(), cache).name
    Downloading data from ...'a.weights.h5'
    """
    if folder is None:
        home = os.environ.get("KERAS_HOME", "~/.keras")
        folder = Path(home, "models").expanduser()
    name = Path(urlsplit(url).path).name
    path = folder / name
    with _explained(
        url, f"Check address, network and {folder}; none kept."
    ):
        if not (name and urlsplit(url).scheme):
            raise ValueError("it is not like https://a/b.h5")
        if path.exists():
            digest = hashlib.sha256(path.read_bytes())
            if digest.hexdigest().startswith(sha256):
                return path
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as part:
            new = keras.utils.get_file(
                path.name,
                url,
                cache_dir=part,
                cache_subdir=part,
            )
            digest = hashlib.sha256(Path(new).read_bytes())
            if not digest.hexdigest().startswith(sha256):
                raise ValueError(f"hash is not {sha256}...")
            _read(Path(new))  # a web page is no HDF5
            Path(new).replace(path)
    return path
