"""Time and memory of porting two models, by this package and through ONNX.

Takes minutes, so it is no test: ``python benchmark_port.py OUT``. Each route starts
from the same Keras model in memory, in a process of its own, and ends with a module
that answers one photograph. The peak of a process holds Keras too: what it held when
the model was built is given beside it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from migrate_examples._torchvision import declare_missing_operators

MODELS = {"ResNet50": 224, "EfficientNetV2L": 480}


def write_only(model: Any, folder: Path) -> Any:
    """Write source and tensors, and load them; nothing is verified."""
    from safetensors.numpy import save_file

    from migrate_examples.port.applications.generated import write

    written = write(model)
    (folder / "model.py").write_text(written.text)
    save_file(dict(written.tensors), folder / "model.safetensors")
    return loaded(folder)


def port_and_verify(model: Any, folder: Path) -> Any:
    """Run what the command runs: written, compared layer by layer, reported."""
    from migrate_examples.port.command import port

    port(model, folder / "ported")
    return loaded(folder / "ported")


def loaded(folder: Path) -> Any:
    """Import the written file, and load its weights."""
    spec = spec_from_file_location("model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def through_onnx(model: Any, folder: Path) -> Any:
    """Export by tf2onnx, convert by onnx2torch."""
    import onnx
    from onnx2torch import convert

    file = folder / "model.onnx"
    model.export(file, format="onnx", verbose=False)
    return convert(onnx.load(file)).eval()


ROUTES: dict[str, Callable[[Any, Path], Any]] = {
    "written": write_only,
    "port": port_and_verify,
    "tf2onnx + onnx2torch": through_onnx,
}


def peak() -> int:
    """Largest memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure_one(name: str, route: str) -> None:
    """Print time, memory and error of one route as a line of JSON."""
    declare_missing_operators()
    import keras
    import numpy as np
    import torch

    from migrate_examples.port.applications.reference import photographs

    size = MODELS[name]
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    pixels = photographs(size, 1, "float32")
    expected = np.asarray(model(pixels))
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        net = ROUTES[route](model, Path(folder))
        seconds = time.perf_counter() - start
        with torch.inference_mode():
            answer = net(torch.tensor(pixels)).numpy()
    found = {
        "model": name,
        "route": route,
        "seconds": round(seconds, 1),
        "peak_megabytes": peak(),
        "with_keras_alone_megabytes": before,
        "error": float(np.abs(answer - expected).max() / np.abs(expected).max()),
    }
    sys.stdout.write(json.dumps(found))


def main() -> None:
    """Run every route for both models, one after the other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--one", nargs=2, metavar=("MODEL", "ROUTE"))
    given = arguments.parse_args()
    if given.one:
        measure_one(*given.one)
        return
    found: list[dict[str, Any]] = []
    for name in MODELS:
        for route in ROUTES:
            command = [sys.executable, __file__, "-", "--one", name, route]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode == 0:
                found.append(json.loads(run.stdout.splitlines()[-1]))
            else:
                why = run.stderr.strip()[-600:]
                found.append({"model": name, "route": route, "failed": why})
            sys.stderr.write(f"{found[-1]}\n")
            given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
