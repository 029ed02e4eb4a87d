"""Prepares a Keras model for the fresh process: source, arrays, what Keras gives."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.source import Written, write_module

CHECKS = ("float64", "float32", "gradients", "export", "saved", "compile")


def arguments(model: keras.Model, inputs: list[NDArray[Any]]) -> Any:
    """Inputs as a model takes them: by name where its own are."""
    if isinstance(getattr(model, "input", None), dict):
        return dict(zip(sorted(model.input), inputs, strict=True))
    return inputs[0] if len(inputs) == 1 else inputs


def written_of(model: keras.Model, *, folded: bool = True) -> Written:
    """Source and tensors of a model."""
    return write_module(lower(graph_of(model)), folded=folded)


def gradients_of(
    model: keras.Model, inputs: list[NDArray[Any]], *, folded: bool = True
) -> dict[str, NDArray[Any]]:
    """Keras's gradients, laid out as PyTorch's.

    They go where the weights are, and the model is written once more: what it has
    for tensors then are the gradients.
    """
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(arguments(model, inputs), training=False))
        loss = sum(tf.reduce_mean((out - 0.3) ** 2) for out in outputs)
    variables = model.trainable_variables
    found = tape.gradient(loss, [variable.value for variable in variables])
    values = model.get_weights()
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape))
    for variable, gradient in zip(variables, found, strict=True):
        if gradient is not None:
            variable.assign(tf.convert_to_tensor(gradient))
    written = written_of(model, folded=folded)
    model.set_weights(values)
    trained = {v.path for v in variables}
    return {
        entry.target: written.tensors[entry.target]
        for entry in written.entries
        if entry.sources
        and any(path.endswith(last_words(s)) for path in trained for s in entry.sources)
    }


def last_words(source: str) -> str:
    """Layer and variable of a source."""
    return "/".join(source.split("/")[-2:])


def prepare(
    folder: Path,
    models: dict[str, keras.Model],
    inputs: dict[str, list[NDArray[Any]]],
    checks: tuple[str, ...] = CHECKS,
    backend: str = "eager",
) -> Written:
    """Write all that the fresh process needs of a model, built in both precisions."""
    folder.mkdir()
    for dtype, model in models.items():
        written = written_of(model)
        outputs = keras.tree.flatten(model(arguments(model, inputs[dtype])))
        arrays: dict[str, Any] = {
            f"inputs:{n}": array for n, array in enumerate(inputs[dtype])
        }
        arrays |= {f"outputs:{n}": np.asarray(out) for n, out in enumerate(outputs)}
        arrays |= {f"tensors:{name}": array for name, array in written.tensors.items()}
        if dtype == "float64" and "gradients" in checks:
            gradients = gradients_of(model, inputs[dtype])
            arrays |= {f"gradients:{name}": array for name, array in gradients.items()}
        np.savez(folder / f"{dtype}.npz", **arrays)
    (folder / "model.py").write_text(written.text, "utf-8")
    case = {"class": written.name, "checks": checks, "backend": backend}
    (folder / "case.json").write_text(json.dumps(case), "utf-8")
    return written


def run_fresh(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Results by model, and the foreign packages that were imported (none)."""
    script = Path(__file__).with_name("fresh_process.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(  # our own script
        [sys.executable, "-I", str(script), str(root)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results, foreign = json.loads((root / "result.json").read_text("utf-8"))
    return results, foreign
