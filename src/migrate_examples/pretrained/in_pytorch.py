"""Pre-trained models in PyTorch: torchvision and its hub."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.functional import normalize


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
) -> nn.Module:
    """MobileNetV2 that returns logits, pre-trained or seeded.

    It is in eval mode and takes (N, 3, 224, 224).

    Parameters
    ----------
    weights : str, optional
        "IMAGENET1K_V2" or "DEFAULT": downloaded once, into the
        hub's cache. None draws weights and needs no network.
    width, classes : float, int
        Multiplier of the channels, number of logits; 1 and 1000
        for the ImageNet weights.
    seed : int
        Seeds PyTorch before the weights are drawn.

    Examples
    --------
    >>> model = mobilenet(width=0.35, classes=7)
    >>> tuple(model(torch.zeros(1, 3, 224, 224)).shape)
    (1, 7)
    """
    torch.manual_seed(seed)
    with _explained(
        f"weights={weights!r}, width={width}",
        f"Check them, network and {torch.hub.get_dir()}.",
    ):
        model = models.mobilenet_v2(
            weights=weights,
            width_mult=width,
            num_classes=classes,
        )
    return model.eval()  # a new module is in train mode


def mobilenet_from_arrays(
    arrays: Sequence[np.ndarray], width: float = 1.0
) -> nn.Module:
    """MobileNetV2 with Keras's weights and Keras's arithmetic.

    It is in eval mode and of the arrays' dtype.

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
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 1e-3  # torchvision: 1e-5
        elif isinstance(layer, nn.Conv2d) and 2 in layer.stride:
            layer.padding = (0, 0)  # torchvision: 1 a side
            layer.register_forward_pre_hook(
                lambda _, x: F.pad(x[0], (0, 1, 0, 1))
            )
    state = model.state_dict()
    names = [n for n in state if "num_batches" not in n]
    with _explained(
        f"{len(arrays)} arrays",
        f"Are they MobileNetV2's, of width {width}?",
    ):
        for name, array in zip(names, arrays, strict=True):
            value = torch.from_numpy(array)
            if value.ndim == 4 and state[name].shape[1] == 1:
                value = value.permute(2, 3, 0, 1)  # HWC1: C1HW
            elif value.ndim == 4:
                value = value.permute(3, 2, 0, 1)  # HWIO: OIHW
            elif value.ndim == 2:
                value = value.T  # (in, out): (out, in)
            state[name] = value
        model.to(value.dtype).load_state_dict(state)
    return model


def preprocess(image: Tensor, mode: str) -> Tensor:
    """Pixels 0..255 to what a family of weights was fed.

    Parameters
    ----------
    image : Tensor
        RGB, (..., 3, height, width), any dtype; the result has
        its shape and is float32.
    mode : str
        "tf": -1..1. "torch": ImageNet's mean and deviation
        taken out. "caffe": BGR, the mean taken out.

    Examples
    --------
    >>> white = torch.full((3, 1, 1), 255)
    >>> preprocess(white, "tf").flatten().tolist()
    [1.0, 1.0, 1.0]
    """
    x = image.float()
    if mode == "tf":
        return x / 127.5 - 1
    if mode == "torch":
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return normalize(x / 255, mean, std)
    if mode == "caffe":
        mean = (103.939, 116.779, 123.68)
        return normalize(x.flip(-3), mean, (1.0, 1.0, 1.0))
    raise ValueError(f"{mode!r} is not tf, torch or caffe")


def prepare(
    photo: np.ndarray, resize: int = 232, crop: int = 224
) -> Tensor:
    """Photograph to a batch, as IMAGENET1K_V2 was evaluated.

    The batch is (1, 3, crop, crop) and float32.

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
    (1, 3, 224, 224)
    """
    pixels = torch.from_numpy(photo).permute(2, 0, 1)  # CHW
    weights = models.MobileNet_V2_Weights.IMAGENET1K_V2
    preset = weights.transforms(
        resize_size=resize, crop_size=crop
    )
    return preset(pixels)[None]


class FrozenBody(nn.Module):
    """Classifier whose pre-trained body does not change.

    Parameters
    ----------
    body : Module
        Maps images to features; frozen, batch norm as well.
    features, classes : int
        Number of features of the body, of logits of the head.

    Examples
    --------
    >>> model = FrozenBody(nn.Linear(3, 2), 2, 4)
    >>> [p.requires_grad for p in model.parameters()]
    [False, False, True, True]
    """

    def __init__(
        self, body: nn.Module, features: int, classes: int
    ) -> None:
        super().__init__()
        self.body = body.requires_grad_(False)
        self.head = nn.Linear(features, classes)
        self.train()

    def train(self, mode: bool = True) -> "FrozenBody":
        """Leave the body in eval mode, whatever is asked."""
        super().train(mode)
        self.body.eval()  # else batch norm goes on learning
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch of images."""
        return self.head(self.body(images))


def train_head(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    steps: int,
    learning_rate: float,
) -> list[float]:
    """Train what is not frozen; the loss before each step.

    Parameters
    ----------
    model : Module
        Maps images to logits; changed in place.
    images, labels : Tensor
        One batch; labels are class numbers, int64.
    steps, learning_rate : int, float
        Of plain gradient descent.

    Examples
    --------
    >>> model = FrozenBody(nn.Identity(), 2, 3)
    >>> labels = torch.tensor([0, 2])
    >>> loss = train_head(model, torch.eye(2), labels, 9, 1.0)
    >>> loss[-1] < loss[0]
    True
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, learning_rate)
    losses = []
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return losses


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's weights: the whole file, or none.

    Parameters
    ----------
    model, path : Module, Path
        The file is replaced if it exists.

    Examples
    --------
    >>> with TemporaryDirectory() as folder:
    ...     save_weights(nn.Linear(3, 2), Path(folder, "a.pth"))
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.pth']
    """
    with (
        _explained(path, "Name a file in a writable folder."),
        TemporaryDirectory(dir=path.parent) as part,
    ):
        new = Path(part, path.name)
        torch.save(model.state_dict(), new)
        new.replace(path)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(
            path, map_location="cpu", weights_only=True
        )
    except UnpicklingError as error:
        raise ValueError(
            "no file of plain tensors, so it was not unpickled;"
            " a web page, or a pickle that may run code?"
        ) from error
    if not all(isinstance(w, Tensor) for w in found.values()):
        raise TypeError("it holds more than named tensors")
    return found


def _differences(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> str:
    wrong = {
        "missing": [n for n in own if n not in found],
        "unexpected": [n for n in found if n not in own],
        "of another shape": [
            f"{n} {(*found[n].shape,)} for {(*own[n].shape,)}"
            for n in own
            if n in found and found[n].shape != own[n].shape
        ],
    }
    return "; ".join(
        f"{len(names)} {kind}: {', '.join(names[:3])}"
        for kind, names in wrong.items()
        if names
    )


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a model from a file: all its weights, or none.

    Parameters
    ----------
    model, path : Module, Path
        The file is what ``save_weights`` wrote for such a
        model; nothing in it is executed.

    Raises
    ------
    WeightsError
        If the file cannot be read or is of another model.

    Examples
    --------
    >>> a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> with TemporaryDirectory() as folder:
    ...     save_weights(a, Path(folder, "a.pth"))
    ...     load_weights(b, Path(folder, "a.pth"))
    >>> bool((a.weight == b.weight).all())
    True
    """
    with _explained(path, "Get the file that fits the model."):
        found = _read(path)
        # load_state_dict raises too, but half-way
        if wrong := _differences(model.state_dict(), found):
            raise ValueError(wrong)
        model.load_state_dict(found)


def download_weights(
    url: str, folder: Path | None = None, sha256: str = ""
) -> Path:
    """Fetch a file once, check it; its path in the folder.

    Parameters
    ----------
    url : str
        http, https or file.
    folder : Path, optional
        By default the hub's, which follows ``TORCH_HOME``.
    sha256 : str
        What the hash begins with; a file that is there already
        is checked too, and replaced if it is another.

    Raises
    ------
    WeightsError
        If it cannot be had or is no file of weights.

    Examples
    --------
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.pth")
    ...     save_weights(nn.Linear(3, 2), path)
    ...     cache = Path(folder, "cache")
    ...     download_weights(path.as_uri(), cache).name
    'a.pth'
    """
    if folder is None:
        folder = Path(torch.hub.get_dir(), "checkpoints")
    name = Path(urlsplit(url).path).name
    path = folder / name
    with _explained(
        url, f"Check address, network and {folder}; none kept."
    ):
        if not (name and urlsplit(url).scheme):
            raise ValueError("it is not like https://a/b.pth")
        if path.exists():
            digest = hashlib.sha256(path.read_bytes())
            if digest.hexdigest().startswith(sha256):
                return path
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as part:
            new = Path(part, path.name)
            torch.hub.download_url_to_file(
                url, str(new), sha256, progress=False
            )
            _read(new)  # the hub keeps what was cut short
            new.replace(path)
    return path
