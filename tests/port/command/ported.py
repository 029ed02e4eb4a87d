"""A small ported folder, written by hand, for tests of what verifies ports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

MODEL = '''"""A convolution, its normalisation, and a classifier."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.bn = nn.BatchNorm2d(3, eps=1e-3, momentum=0.01)
        self.head = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2)
        x = F.pad(x, (1, 1, 1, 1))
        x = F.relu(self.conv(x))
        x = self.bn(x)
        x = x.mean((2, 3))
        return self.head(x)


def load(weights: Path = Path(__file__).with_name("model.safetensors")) -> Net:
    model = Net()
    model.load_state_dict(load_file(weights))
    return model.eval()
'''


def keras_net() -> keras.Model:
    """The original."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((6, 6, 3), name="images"),
        keras.layers.Conv2D(
            3, 3, padding="same", strides=1, activation="relu", name="conv"
        ),
        keras.layers.BatchNormalization(name="bn"),
        keras.layers.GlobalAveragePooling2D(name="pool"),
        keras.layers.Dense(4, name="head"),
    ]
    model = keras.Sequential(layers, name="net")
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.uniform(0.5, 1.5, w.shape).astype("float32") for w in model.get_weights()]
    )
    return model


def laid_out(model: Any) -> dict[str, NDArray[Any]]:
    """Weights of the original, or what stands in their place, as the port has them."""
    kernel, bias, gamma, beta, mean, variance, dense, dense_bias = model.get_weights()
    return {
        "conv.weight": kernel.transpose(3, 2, 0, 1),
        "conv.bias": bias,
        "bn.weight": gamma,
        "bn.bias": beta,
        "bn.running_mean": mean,
        "bn.running_var": variance,
        "head.weight": dense.T,
        "head.bias": dense_bias,
    }


def write(
    folder: Path, model: Any, source: str, arrays: Mapping[str, NDArray[Any]] = {}
) -> None:
    """Write the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(source)
    state = {
        name: torch.from_numpy(np.ascontiguousarray(array)).float()
        for name, array in {**laid_out(model), **arrays}.items()
    }
    state["bn.num_batches_tracked"] = torch.tensor(0)
    save_file(state, folder / "model.safetensors")
