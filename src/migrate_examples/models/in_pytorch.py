"""Model definition in PyTorch: modules and parameters."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.lazy import LazyModuleMixin


def build_cnn(
    height: int, width: int, channels: int, classes: int
) -> nn.Module:
    """Make a convolutional classifier, layer after layer.

    From images (batch, channels, height, width) to logits.

    Parameters
    ----------
    height, width, channels : int
        Of one image; height and width at least 4.
    classes : int
        Number of logits.

    Examples
    --------
    >>> model = build_cnn(6, 8, 1, 10)
    >>> x = torch.zeros(2, 1, 6, 8)
    >>> tuple(model(x).shape)
    (2, 10)
    """
    pooled = ((height - 2) // 2) * ((width - 2) // 2)
    return nn.Sequential(
        OrderedDict(
            # the normalisation has its own offset
            conv=nn.Conv2d(channels, 8, 3, bias=False),
            # 1 - 0.99: here it weighs the new batch
            norm=nn.BatchNorm2d(8, eps=1e-3, momentum=0.01),
            relu=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            head=nn.Linear(8 * pooled, classes),
        )
    )


class _SkipNetwork(nn.Module):
    def __init__(
        self, left: int, right: int, hidden: int
    ) -> None:
        super().__init__()
        self.first = nn.Linear(left + right, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        x = torch.cat([a, b], dim=1)
        x = F.relu(self.first(x))
        x = F.relu(self.second(x)) + x
        return self.head(x)


def build_skip_network(
    left: int, right: int, hidden: int
) -> nn.Module:
    """Make a model of two inputs with a skip connection.

    From (batch, left) and (batch, right) to (batch, 1).

    Parameters
    ----------
    left, right, hidden : int
        Widths of the two inputs and of the hidden layers.

    Examples
    --------
    >>> model = build_skip_network(3, 2, 8)
    >>> y = model(torch.zeros(5, 3), torch.zeros(5, 2))
    >>> tuple(y.shape)
    (5, 1)
    """
    return _SkipNetwork(left, right, hidden)


class DropoutClassifier(nn.Module):
    """Classifier that behaves differently while it trains.

    Parameters
    ----------
    features, hidden, classes : int
        Widths of the input, the hidden layer and the logits.
    rate : float
        Share of the hidden units dropped in training.

    Examples
    --------
    >>> model = DropoutClassifier(4, 8, 3)
    >>> tuple(model(torch.zeros(2, 4)).shape)
    (2, 3)
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        rate: float = 0.5,
    ) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.norm = nn.BatchNorm1d(hidden, 1e-3, momentum=0.01)
        self.dropout = nn.Dropout(rate)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        x = self.norm(self.hidden(x))
        x = self.dropout(F.relu(x))
        return self.head(x)


class CosineHead(nn.Module):
    """Logits by the angle between features and class vectors.

    The cosine classifier of Gidaris and Komodakis (2018).

    Parameters
    ----------
    features, classes : int
        Length and number of the class vectors.
    scale : float
        Factor that takes the cosine to the range of logits.

    Examples
    --------
    >>> head = CosineHead(4, 3)
    >>> tuple(head(torch.ones(2, 4)).shape)
    (2, 3)
    """

    def __init__(
        self, features: int, classes: int, scale: float = 16.0
    ) -> None:
        super().__init__()
        self.scale = scale
        weight = torch.empty(classes, features)
        self.weight = nn.Parameter(weight)
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        x = F.normalize(x, dim=-1, eps=1e-7)
        weight = F.normalize(self.weight, dim=1, eps=1e-7)
        return self.scale * (x @ weight.T)


class LazyCosineHead(LazyModuleMixin, nn.Module):
    """Cosine head that learns its width from the first batch.

    Parameters
    ----------
    classes : int
        Number of the class vectors.
    scale : float
        Factor that takes the cosine to the range of logits.

    Examples
    --------
    >>> head = LazyCosineHead(3)
    >>> tuple(head(torch.ones(2, 4)).shape)
    (2, 3)
    """

    def __init__(
        self, classes: int, scale: float = 16.0
    ) -> None:
        super().__init__()
        self.classes = classes
        self.scale = scale
        self.weight = nn.UninitializedParameter()

    def initialize_parameters(self, x: Tensor) -> None:
        """Make the weight, once the input's shape is known."""
        if self.has_uninitialized_params():
            self.weight.materialize((self.classes, x.shape[-1]))
            nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes) of x (batch, features)."""
        x = F.normalize(x, dim=-1, eps=1e-7)
        weight = F.normalize(self.weight, dim=1, eps=1e-7)
        return self.scale * (x @ weight.T)


def _initialise_kernel(weight: Tensor, groups: int) -> None:
    if groups > 1 and weight.shape[1] == 1:  # depthwise
        # Keras counts fans over (..., channels, multiplier)
        weight = weight.unflatten(0, (groups, -1)).squeeze(2)
    nn.init.xavier_uniform_(weight)


def _initialise_recurrent(module: nn.RNNBase) -> None:
    for name, parameter in module.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
        elif name.startswith("weight_hh"):
            # one orthogonal matrix for all gates together
            nn.init.orthogonal_(parameter)
        else:
            nn.init.zeros_(parameter)
        if isinstance(module, nn.LSTM) and "bias_ih" in name:
            # gates i, f, g, o: the forget gate starts open
            size = module.hidden_size
            nn.init.ones_(parameter[size : 2 * size])


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Draw all weights anew by Keras's rules, reset statistics.

    Parameters
    ----------
    model : Module
        Changed in place.
    seed : int
        Set for the whole process.

    Raises
    ------
    ValueError
        Where a module has no weights yet, or no rule.

    Examples
    --------
    >>> model = build_cnn(6, 8, 1, 10)
    >>> initialise(model, seed=0)
    >>> bool((model.head.bias == 0).all())
    True
    """
    torch.manual_seed(seed)
    for name, module in model.named_modules():
        match module:
            case nn.Linear() | nn.modules.conv._ConvNd():
                groups = getattr(module, "groups", 1)
                _initialise_kernel(module.weight, groups)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            case nn.Embedding():
                nn.init.uniform_(module.weight, -0.05, 0.05)
            case nn.RNNBase(proj_size=0):
                _initialise_recurrent(module)
            case nn.LayerNorm() | nn.GroupNorm() | _BatchNorm():
                module.reset_parameters()  # 1 and 0, as Keras
            case _ if list(module.parameters(recurse=False)):
                raise ValueError(
                    f"no rule for {name}: {module}"
                )


def _views(
    model: nn.Module,
    flattened: Mapping[str, tuple[int, int, int]] | None,
) -> dict[str, Tensor]:
    found: dict[str, Tensor | None] = {}
    for name, module in model.named_modules():
        match module:
            case nn.Linear():
                found[f"{name}/kernel"] = module.weight.T
                found[f"{name}/bias"] = module.bias
            case nn.Conv2d():  # (out, in, h, w)
                kernel = module.weight.permute(2, 3, 1, 0)
                found[f"{name}/kernel"] = kernel
                found[f"{name}/bias"] = module.bias
            case _BatchNorm():
                found[f"{name}/gamma"] = module.weight
                found[f"{name}/beta"] = module.bias
                mean = module.running_mean
                variance = module.running_var
                found[f"{name}/moving_mean"] = mean
                found[f"{name}/moving_variance"] = variance
            case _ if list(module.parameters(recurse=False)):
                raise ValueError(f"no layout for {module}")
    views = {
        k: v.detach() for k, v in found.items() if v is not None
    }
    for name, (h, w, c) in (flattened or {}).items():
        kernel = views[f"{name}/kernel"].T  # (out, c*h*w)
        kernel = kernel.unflatten(1, (c, h, w))
        views[f"{name}/kernel"] = kernel.permute(2, 3, 1, 0)
    return views


def read_weights(
    model: nn.Module,
    flattened: Mapping[str, tuple[int, int, int]] | None = None,
) -> dict[str, NDArray[Any]]:
    """Weights as arrays in Keras's names and layouts.

    Parameters
    ----------
    model : Module
        Of linear, convolution and batch normalisation modules.
    flattened : mapping, optional
        For each linear module behind a flatten, by name, the
        (height, width, channels) flattened. Its kernel is then
        (height, width, channels, out): free of their order.

    Returns
    -------
    dict
        Copies, as ``"conv/kernel"``.

    Examples
    --------
    >>> arrays = read_weights(build_cnn(6, 8, 1, 10))
    >>> arrays["conv/kernel"].shape, arrays["head/kernel"].shape
    ((3, 3, 1, 8), (48, 10))
    """
    views = _views(model, flattened)
    return {
        k: v.numpy(force=True).copy() for k, v in views.items()
    }


def write_weights(
    model: nn.Module,
    arrays: Mapping[str, NDArray[Any]],
    flattened: Mapping[str, tuple[int, int, int]] | None = None,
) -> None:
    """Set all weights from arrays as `read_weights` gives them.

    Parameters
    ----------
    model : Module
        Changed in place, or not at all.
    arrays : mapping
        One array for each weight, as ``"conv/kernel"``.
    flattened : mapping, optional
        As for `read_weights`.

    Raises
    ------
    ValueError
        Where names or shapes of model and arrays differ.

    Examples
    --------
    >>> shape = {"head": (2, 3, 8)}
    >>> arrays = read_weights(build_cnn(6, 8, 1, 10), shape)
    >>> write_weights(build_cnn(6, 8, 1, 10), arrays, shape)
    """
    present = _views(model, flattened)
    if odd := present.keys() ^ arrays.keys():
        raise ValueError(f"only on one side: {sorted(odd)}")
    for key, old in present.items():
        if old.shape != arrays[key].shape:
            raise ValueError(
                f"{key}: the array is {arrays[key].shape}, "
                f"the model needs {tuple(old.shape)}"
            )
    for key, view in present.items():
        view.copy_(torch.from_numpy(arrays[key]))


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Count the trained weights, and all others.

    Parameters
    ----------
    model : Module
        With all its weights built.

    Returns
    -------
    tuple of int
        Trained; frozen, with the running statistics.

    Raises
    ------
    ValueError
        Where the model has no weights yet.

    Examples
    --------
    >>> count_parameters(build_cnn(6, 8, 1, 10))
    (578, 16)
    """
    weights = list(model.parameters())
    trained = sum(p.numel() for p in weights if p.requires_grad)
    # an integer buffer is a counter that Keras does not keep
    fixed = sum(
        t.numel()
        for t in [*weights, *model.buffers()]
        if t.is_floating_point() and not t.requires_grad
    )
    return trained, fixed
