"""Checks written modules in a process without Keras and TensorFlow.

Run with a folder of folders, each with ``model.py``, ``float64.npz`` and
``float32.npz``; writes ``result.json`` beside them.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn


def outputs_of(returned: Any) -> list[Tensor]:
    """All tensors that a module returned; a dict in the order of its keys."""
    if isinstance(returned, Tensor):
        return [returned]
    if isinstance(returned, dict):
        returned = [returned[key] for key in sorted(returned)]
    return [tensor for part in returned for tensor in outputs_of(part)]


def relative_error(got: Any, wanted: NDArray[Any]) -> float:
    """Largest difference, by the largest value; infinite for another shape."""
    array = got.detach().numpy()
    if array.shape != wanted.shape:
        return float("inf")
    if not wanted.size:
        return 0.0
    difference = np.abs(array.astype(wanted.dtype) - wanted).max()
    return float(difference / max(np.abs(wanted).max(), 1e-3))


class Case:
    """One written model, and what Keras computed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / "model.py"
        spec = importlib.util.spec_from_file_location(f"ported_{folder.name}", file)
        assert spec is not None
        assert spec.loader is not None
        self.written = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = self.written
        spec.loader.exec_module(self.written)
        self.name = json.loads((folder / "case.json").read_text("utf-8"))["class"]

    def arrays(self, dtype: str, part: str) -> dict[str, NDArray[Any]]:
        """What Keras gave: ``inputs``, ``outputs``, ``tensors``, ``gradients``."""
        with np.load(self.folder / f"{dtype}.npz") as stored:
            return {
                name.removeprefix(f"{part}:"): stored[name]
                for name in stored.files
                if name.startswith(f"{part}:")
            }

    def inputs(self, dtype: str) -> tuple[Tensor, ...]:
        """Inputs, in their order."""
        return tuple(map(torch.from_numpy, self.arrays(dtype, "inputs").values()))

    def module(self, dtype: str) -> nn.Module:
        """The module with its weights, by ``load`` for float32."""
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array))
            for name, array in self.arrays(dtype, "tensors").items()
        }
        file = self.folder / "model.safetensors"
        if dtype == "float32":
            save_file(tensors, file)
            loaded: nn.Module = self.written.load(file)
            return loaded
        module: nn.Module = getattr(self.written, self.name)()
        module.double().load_state_dict(tensors)
        return module.eval()

    def forward(self, dtype: str) -> float:
        """Error of the outputs."""
        got = outputs_of(self.module(dtype)(*self.inputs(dtype)))
        wanted = list(self.arrays(dtype, "outputs").values())
        return max(relative_error(a, b) for a, b in zip(got, wanted, strict=True))

    def gradients(self) -> dict[str, float]:
        """Error of each gradient of the loss that Keras took too, in float64."""
        module = self.module("float64")
        returned = outputs_of(module(*self.inputs("float64")))
        loss = torch.stack([((out - 0.3) ** 2).mean() for out in returned]).sum()
        if not loss.requires_grad:  # a model without weights
            return {}
        loss.backward()
        wanted = self.arrays("float64", "gradients")
        found = dict(module.named_parameters())
        scale = max([float(np.abs(g).max()) for g in wanted.values()], default=1.0)
        errors = {}
        for name, array in wanted.items():
            grad = found[name].grad
            filled = torch.zeros_like(found[name]) if grad is None else grad
            errors[name] = float(np.abs(filled.numpy() - array).max()) / scale
        return errors

    def exported(self) -> float:
        """Difference of what ``torch.export`` makes of it."""
        module, inputs = self.module("float32"), self.inputs("float32")
        program = torch.export.export(module, inputs)
        return self.apart(module, program.module(), inputs)

    def compiled(self, backend: str) -> float:
        """Difference of what ``torch.compile`` makes of it, in one graph if it can."""
        module, inputs = self.module("float32"), self.inputs("float32")
        # Dynamo leaves PyTorch's own recurrent layers as they are, and goes on behind.
        recurrent = any(isinstance(part, nn.RNNBase) for part in module.modules())
        compiled = torch.compile(module, backend=backend, fullgraph=not recurrent)
        return self.apart(module, compiled, inputs)

    def saved(self) -> float:
        """Difference after saving its state and loading it into a new one."""
        module, inputs = self.module("float32"), self.inputs("float32")
        file = self.folder / "saved.pt"
        torch.save(module.state_dict(), file)
        other = getattr(self.written, self.name)()
        other.load_state_dict(torch.load(file, weights_only=True))
        return self.apart(module, other.eval(), inputs)

    def apart(
        self, one: nn.Module, other: Callable[..., Any], inputs: tuple[Tensor, ...]
    ) -> float:
        """Largest difference between two modules."""
        with torch.no_grad():
            pairs = zip(
                outputs_of(one(*inputs)), outputs_of(other(*inputs)), strict=True
            )
            return max(float((a - b).abs().max()) for a, b in pairs)


def check(folder: Path) -> dict[str, Any]:
    """All that is measured of one model; what fails is told by its message."""
    settings = json.loads((folder / "case.json").read_text("utf-8"))
    case = Case(folder)
    parts: dict[str, Callable[[], Any]] = {
        "float64": lambda: case.forward("float64"),
        "float32": lambda: case.forward("float32"),
        "gradients": case.gradients,
        "export": case.exported,
        "saved": case.saved,
        "compile": lambda: case.compiled(settings.get("backend", "eager")),
    }
    results: dict[str, Any] = {}
    for name in settings["checks"]:
        torch.manual_seed(0)
        try:
            results[name] = parts[name]()
        except Exception as error:  # the test that reads it fails
            results[name] = f"{type(error).__name__}: {error}"
    return results


def main() -> None:
    """Check all; neither Keras nor TensorFlow may have been imported by anything."""
    root = Path(sys.argv[1])
    results: dict[str, Any] = {
        folder.name: check(folder)
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    }
    foreign = sorted({"keras", "tensorflow", "migrate_examples"} & set(sys.modules))
    (root / "result.json").write_text(json.dumps([results, foreign]), "utf-8")


if __name__ == "__main__":
    main()
