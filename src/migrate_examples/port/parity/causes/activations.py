"""Activations: another slope, approximation, axis, function, or none."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F  # noqa: N812  as the field calls it
from torch import Tensor

from migrate_examples.port.parity.place import Place, Trial, tensor

CANDIDATES: dict[str, Callable[[Tensor], Tensor]] = {
    "F.leaky_relu(x, 0.01)": lambda x: F.leaky_relu(x, 0.01),
    "F.leaky_relu(x, 0.2)": lambda x: F.leaky_relu(x, 0.2),
    "F.leaky_relu(x, 0.3)": lambda x: F.leaky_relu(x, 0.3),
    "F.leaky_relu(x, 0.1)": lambda x: F.leaky_relu(x, 0.1),
    "F.gelu(x)": F.gelu,
    "F.gelu(x, approximate='tanh')": lambda x: F.gelu(x, approximate="tanh"),
    "F.hardsigmoid(x)": F.hardsigmoid,
    "clip(0.2 * x + 0.5, 0, 1)": lambda x: (0.2 * x + 0.5).clamp(0.0, 1.0),
    "F.relu(x)": F.relu,
    "F.relu6(x)": F.relu6,
    "F.elu(x)": F.elu,
    "F.selu(x)": F.selu,
    "F.celu(x)": F.celu,
    "F.silu(x)": F.silu,
    "F.mish(x)": F.mish,
    "F.hardswish(x)": F.hardswish,
    "torch.sigmoid(x)": torch.sigmoid,
    "torch.tanh(x)": torch.tanh,
    "F.hardtanh(x)": F.hardtanh,
    "F.softplus(x)": F.softplus,
    "F.softsign(x)": F.softsign,
    "torch.exp(x)": torch.exp,
    "F.log_softmax(x, -1)": lambda x: F.log_softmax(x, -1),
}
"""What a port may have written, by the line."""

FAMILIES = {
    "leaky": "LEAKY-RELU",
    "gelu": "GELU-APPROXIMATE",
    "hard_sigmoid": "HARD-SIGMOID",
}


def name_of(place: Place) -> str:
    """What the layer of Keras applies: ``leaky_relu``; empty where no activation."""
    layer = place.layer.layer
    own = {
        "LeakyReLU": "leaky_relu",
        "Softmax": "softmax",
        "ReLU": "relu",
        "ELU": "elu",
        "PReLU": "prelu",
    }
    if place.kind in own:
        return own[place.kind]
    if place.kind in ("Activation",):
        function = layer.activation
        return str(getattr(function, "__name__", type(function).__name__)).lower()
    lower = place.kind.lower()
    known = ("gelu", "silu", "sigmoid", "tanh", "elu", "selu", "leakyrelu", "relu6")
    return {"leakyrelu": "leaky_relu"}.get(lower, lower) if lower in known else ""


def right_line(place: Place, name: str) -> str:
    """Line that computes in PyTorch what the layer does."""
    x = tensor(place.layer.inputs[0])
    slope = place.layer.config("negative_slope")
    if isinstance(slope, float) and slope:
        return f"F.leaky_relu(x, {slope})"
    for line, function in CANDIDATES.items():
        if place.gives(function, x) <= 1e-6:
            return line
    return f"the activation {name} of Keras"


def activation(place: Place) -> Iterator[Trial]:
    """See whether the port has the value of another activation."""
    name = name_of(place)
    if not name:
        return
    x = tensor(place.layer.inputs[0])
    line = right_line(place, name)
    for wrong, function in CANDIDATES.items():
        error, call = place.seen_from(function, x)
        if call is None:
            continue
        alike = next((c for part, c in FAMILIES.items() if part in name), "ACTIVATION")
        kin = {
            "LEAKY-RELU": "leaky",
            "GELU-APPROXIMATE": "gelu",
            "HARD-SIGMOID": "0.2 * x",
        }
        cause = alike if alike in kin and kin[alike] in wrong else "ACTIVATION"
        if name == "hard_sigmoid" and wrong in (
            "F.hardsigmoid(x)",
            "clip(0.2 * x + 0.5, 0, 1)",
        ):
            cause = "HARD-SIGMOID"
        if "sigmoid" in name and "0.2 * x" in wrong:
            cause = "HARD-SIGMOID"
        yield Trial(cause, error, f"{line}, not {wrong}", call)


def slope(place: Place) -> Iterator[Trial]:
    """Try the layer's slope in the port's call, whatever it has."""
    wanted = place.layer.config("negative_slope")
    if name_of(place) != "leaky_relu":
        return
    wanted = 0.2 if wanted is None else float(wanted)
    for call in place.trace.calls:
        if call.name.startswith("leaky_relu") and set(call.read) & place.within_reach:
            x = place.input_for(call)
            error = place.gives(F.leaky_relu, x, wanted)
            yield Trial("LEAKY-RELU", error, f"F.leaky_relu(x, {wanted})", call)


def softmax_axis(place: Place) -> Iterator[Trial]:
    """See whether the port's softmax runs over another axis."""
    if name_of(place) != "softmax":
        return
    x = tensor(place.layer.inputs[0])
    for axis in range(x.ndim):
        error, call = place.seen_from(x.softmax, axis)
        if call is not None:
            line = "x.softmax(1)" if x.ndim > 2 else "x.softmax(-1)"
            yield Trial("SOFTMAX-AXIS", error, line, call)
