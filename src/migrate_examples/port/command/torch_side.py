"""Runs a ported module in a process of its own, where there is no Keras.

``python -m migrate_examples.port.command.torch_side FOLDER`` reads what the Keras
model gave from the folder and writes how far the module is from it.
"""

import importlib.util
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from migrate_examples.port.command.sampled import Sample, error, picked

Place: TypeAlias = tuple[str, int]
"""Path of a Keras layer, and which call of it."""

FAR_OFF = 1e-2
"""Rows beyond this error are looked at in another order too."""

BARRED = ("tensorflow", "keras", "tf_keras", "jax")
"""What a ported module must not need."""


def bar() -> None:
    """Make an import of Keras or of its backends fail from here on.

    Raises
    ------
    RuntimeError
        If one of them is imported already.
    """
    if there := [name for name in BARRED if name in sys.modules]:
        raise RuntimeError(f"{', '.join(there)} is imported: this proves nothing")
    for name in BARRED:
        sys.modules[name] = None  # type: ignore[assignment]  # import raises then


def load(module_file: Path, class_name: str, weights: Path) -> nn.Module:
    """Import a module from a file and load its weights; in evaluation mode."""
    spec = importlib.util.spec_from_file_location("ported_model", module_file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ported_model"] = module
    spec.loader.exec_module(module)
    made = module.load(weights)
    if type(made).__name__ != class_name:
        raise TypeError(f"load gives a {type(made).__name__}, not a {class_name}")
    assert isinstance(made, nn.Module)
    return made


def leaves(value: Any) -> Iterator[Tensor]:
    """Tensors in a structure, in the order in which Keras flattens it."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for name in sorted(value):
            yield from leaves(value[name])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)


class Watch(TorchFunctionMode):
    """Looks at each tensor while the port runs, for those that Keras layers give.

    A layer need not be a module of its own, nor a line: what counts is whether the
    port has a tensor of its values anywhere.

    Attributes
    ----------
    nearest : dict
        Of each layer's call: the smallest error, and how the axes lie.
    """

    def __init__(self, expected: Mapping[Place, Sample]) -> None:
        super().__init__()
        self.expected = expected
        self.by_size: dict[int, list[Place]] = {}
        for place, one in expected.items():
            self.by_size.setdefault(math.prod(one.shape), []).append(place)
        self.nearest: dict[Place, tuple[float, str]] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") != "__get__":
            for tensor in leaves(result):
                self.look_at(tensor.detach().numpy())
        return result

    def look_at(self, array: NDArray[Any]) -> None:
        """Compare a tensor with all layers whose outputs are of its size."""
        by_shape: dict[tuple[int, ...], list[Place]] = {}
        for place in self.by_size.get(array.size, ()):
            by_shape.setdefault(self.expected[place].shape, []).append(place)
        for shape, found in by_shape.items():
            for form, read in forms(array, shape):
                values = picked(read)
                for place in found:
                    self.compare(place, values, form)

    def compare(self, place: Place, values: NDArray[Any], form: str) -> None:
        """Keep an error where it is the smallest of a layer so far."""
        one = self.expected[place]
        best = self.nearest.get(place, (float("inf"), ""))[0]
        here = error(one, values)
        if here < best or place not in self.nearest:
            self.nearest[place] = here, form
        if min(here, best) > FAR_OFF and len(one.shape) == 2 and one.is_whole:
            # Rows may hold the values of a flattened image channels first, which the
            # kernel behind them knows.
            ours, theirs = (
                np.sort(v.reshape(one.shape), axis=1).reshape(-1)
                for v in (one.values, values)
            )
            if (sorted_error := error(replace(one, values=ours), theirs)) < FAR_OFF:
                self.nearest[place] = sorted_error, "in another order"


def forms(
    array: NDArray[Any], shape: tuple[int, ...]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Each way to read an array as one of a shape that Keras gives.

    >>> [form for form, _ in forms(np.zeros((2, 3, 5, 7)), (2, 5, 7, 3))]
    ['channels first']
    >>> [form for form, _ in forms(np.zeros((2, 3, 1, 1)), (2, 3))]
    ['axes of one']
    """
    if array.shape == shape:
        yield "", array
    if array.ndim > 2 and (moved := np.moveaxis(array, 1, -1)).shape == shape:
        yield "channels first", moved
    bare = [n for n in array.shape if n != 1]
    if array.ndim != len(shape) and bare == [n for n in shape if n != 1]:
        yield "axes of one", array.reshape(shape)


def compare_layers(
    module: nn.Module, inputs: Sequence[Tensor], watch: Watch
) -> list[Tensor]:
    """Run the module while it is watched; return its outputs."""
    with torch.no_grad(), watch:
        return list(leaves(module(*inputs)))


class AsKeras(nn.Module):
    """Takes and gives what Keras does, of a port that was asked to be otherwise."""

    def __init__(self, port: nn.Module, *, channels_first: bool) -> None:
        super().__init__()
        self.port = port
        self.channels_first = channels_first

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """Run the port."""
        taken = list(inputs)
        if self.channels_first:
            taken = [x.movedim(-1, 1) if x.ndim > 3 else x for x in inputs]
        if hasattr(self.port, "preprocessing"):  # split off: forward leaves it out
            taken = list(leaves(self.port.get_submodule("preprocessing")(*taken)))
        given = list(leaves(self.port(*taken)))
        if not self.channels_first:
            return given
        return [y.movedim(1, -1) if y.ndim > 3 else y for y in given]

    def named_parameters(
        self, *_: Any, **__: Any
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters by their names in the port."""
        return self.port.named_parameters()


def compare_gradients(
    module: nn.Module,
    inputs: Sequence[Tensor],
    probes: Sequence[NDArray[np.float64]],
    expected: Mapping[str, NDArray[Any]],
) -> dict[str, float]:
    """Errors of the gradients of one loss by parameters and inputs, in float64.

    Raises
    ------
    KeyError
        If a parameter that Keras trains is none of the module's.
    """
    floating = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    module.zero_grad()
    loss = torch.zeros((), dtype=torch.float64)
    for y, p in zip(leaves(module(*inputs)), probes, strict=True):
        if y.is_floating_point():
            loss = loss + (y * torch.from_numpy(p)).sum()
    loss.backward()
    got: dict[str, Tensor] = dict(module.named_parameters())
    got |= {f"input {n}": x for n, x in enumerate(floating)}
    largest = max(
        (float(np.abs(g).max(initial=0.0)) for g in expected.values()), default=0
    )
    # A gradient that is zero but for rounding, that of a key's bias, has no scale.
    floor = 1e-6 * largest
    errors = {}
    for target, gradient in expected.items():
        found = got[target].grad
        array = np.zeros(gradient.shape) if found is None else found.numpy()
        if array.shape != gradient.shape:
            errors[target] = float("inf")
            continue
        scale = max(float(np.abs(gradient).max(initial=0.0)), floor)
        difference = float(np.abs(array - gradient).max(initial=0.0))
        errors[target] = difference / scale if scale else difference
    return errors


def samples(file: Path) -> dict[tuple[str, int], Sample]:
    """What the Keras layers gave, as ``record.save`` wrote it."""
    with np.load(file, allow_pickle=False) as stored:
        names = json.loads(str(stored["names"]))
        return {
            (path, number): Sample(
                stored[f"values{n}"], tuple(shape), float(stored["scales"][n])
            )
            for n, (path, number, shape) in enumerate(names)
        }


def verify(folder: Path) -> dict[str, Any]:
    """Compare in both precisions, as the plan in the folder says."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    ported = Path(plan["ported"])
    with np.load(folder / "inputs.npz", allow_pickle=False) as stored:
        arrays = [stored[name] for name in stored.files]
    found: dict[str, Any] = {"versions": {"torch": torch.__version__}}
    module = load(ported / "model.py", plan["class"], ported / "model.safetensors")
    if plan["channels_first"] or plan["split"]:
        module = AsKeras(module, channels_first=plan["channels_first"])
    for floating in ("float32", "float64"):
        if not (folder / f"{floating}.npz").exists():
            continue
        dtype = getattr(torch, floating)
        module = module.to(dtype)
        inputs = [torch.from_numpy(a) for a in arrays]
        inputs = [x.to(dtype) if x.is_floating_point() else x for x in inputs]
        expected = samples(folder / f"{floating}.npz")
        ends = {place: expected.pop(place) for place in list(expected) if not place[0]}
        watch = Watch(expected)
        outputs = compare_layers(module, inputs, watch)
        found[floating] = [[*place, *seen] for place, seen in watch.nearest.items()]
        for n, output in enumerate(t.numpy() for t in outputs):
            one = ends.get(("", n))
            fits = one is not None and output.shape == one.shape
            found[floating].append(
                ["", n, error(one, picked(output)) if one and fits else np.inf, ""]
            )
    found["free"] = [
        name
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and name not in plan["targets"]
    ]
    if (folder / "gradients.npz").exists():
        with np.load(folder / "gradients.npz", allow_pickle=False) as stored:
            gradients = {name: stored[name] for name in stored.files}
        count = sum(name.startswith("probe ") for name in gradients)
        probes = [gradients.pop(f"probe {n}") for n in range(count)]
        found["gradients"] = compare_gradients(module, inputs, probes, gradients)
    return found


def main(folder: Path) -> None:
    """Verify, and write what was found into the folder."""
    bar()
    found = verify(folder)
    if loaded := [name for name in BARRED if sys.modules.get(name)]:
        raise RuntimeError(f"the port imported {', '.join(loaded)}")
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
