"""Verifies a port: Keras here, the port in a process of its own, layer by layer."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.command import keras_side
from migrate_examples.port.command.probes import probe_inputs
from migrate_examples.port.command.report import Gradient, Layer
from migrate_examples.port.command.sampled import Sample, sample
from migrate_examples.port.command.tolerance import Bounds
from migrate_examples.port.command.written import all_calls
from migrate_examples.port.graph import Graph
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.precision import keras_copy

Place: TypeAlias = tuple[str, int]
"""Path of a Keras layer, and which call of it."""

REACTS = 1e-3
"""Outputs that move by less than this, by their largest value, show nothing."""


class CheckError(RuntimeError):
    """A port that does not run: says what it ended with."""


@dataclass(frozen=True)
class Plan:
    """What a port says of itself, as far as it has to be known to verify it.

    Attributes
    ----------
    class_name : str
        Of the module.
    layers : tuple of Layer
        Calls of the Keras layers, without errors.
    targets : tuple of str
        Tensors of the port that hold variables.
    channels_first : bool
        The port takes and gives images so.
    split : bool
        What prepares the inputs is an attribute of its own, if there is any.
    """

    class_name: str
    layers: tuple[Layer, ...]
    targets: tuple[str, ...]
    channels_first: bool = False
    split: bool = False


@dataclass(frozen=True)
class Checked:
    """What a verification found."""

    layers: tuple[Layer, ...]
    gradients: tuple[Gradient, ...]
    sensitivity: float
    skipped: tuple[str, ...]
    versions: Mapping[str, str]


def check(
    model: Any,
    graph: Graph,
    plan: Plan,
    ported: Path,
    gradients_of: Any,
    bounds: Bounds,
) -> Checked:
    """Run both and compare.

    Parameters
    ----------
    model : keras.Model
        The original.
    graph : Graph
        What it computes.
    plan : Plan
        Of the port.
    ported : Path
        Folder of the port.
    gradients_of : callable
        Lays out, of a model whose trainable variables hold gradients, the gradients
        by parameter of the port.
    bounds : callable
        Tolerance for ``float32``, ``float64`` or ``gradient``.

    Raises
    ------
    CheckError
        If the port does not run.
    """
    skipped: list[str] = []
    with tempfile.TemporaryDirectory(prefix="port-") as name:
        work = Path(name)
        inputs = probe_inputs(graph)
        named: dict[str, Any] = {f"x{n:03}": x for n, x in enumerate(inputs)}
        np.savez(work / "inputs.npz", **named)
        outputs, notes = keras_side.run(model, inputs, "float32")
        save(work / "float32.npz", outputs, notes)
        try:
            wide = keras_copy(model, "float64")
        except ParityError as error:
            skipped.append(f"float64 and gradients: {error}")
        else:
            outputs, notes = keras_side.run(wide, inputs, "float64")
            save(work / "float64.npz", outputs, notes)
            save_gradients(work, wide, inputs, outputs, gradients_of, skipped)
        (work / "plan.json").write_text(
            json.dumps(
                {
                    "ported": str(ported.resolve()),
                    "class": plan.class_name,
                    "targets": plan.targets,
                    "channels_first": plan.channels_first,
                    "split": plan.split,
                }
            ),
            encoding="utf-8",
        )
        found = in_fresh_process(work)
    for name in found["free"]:
        skipped.append(
            f"{name}: Keras has no such variable; freeze it before you train the port, "
            "requires_grad_(False)"
        )
    shapes = {place: one.shape for place, one in notes.items()}
    layers = with_errors(plan.layers, shapes, len(outputs), found, bounds)
    layers = with_counterparts(layers, graph)
    gradients = tuple(
        Gradient(target, e, bounds("gradient"))
        for target, e in found.get("gradients", {}).items()
    )
    return Checked(
        layers, gradients, sensitivity(outputs), tuple(skipped), found["versions"]
    )


def save(
    file: Path, outputs: Sequence[NDArray[Any]], notes: Mapping[Place, Sample]
) -> None:
    """Write what the layers gave, and the outputs as calls of the empty path."""
    everything = dict(notes)
    everything |= {("", n): sample(y) for n, y in enumerate(outputs)}
    names = [[path, n, list(one.shape)] for (path, n), one in everything.items()]
    arrays: dict[str, Any] = {
        f"values{n}": one.values for n, one in enumerate(everything.values())
    }
    scales = np.array([one.scale for one in everything.values()])
    np.savez(file, names=np.array(json.dumps(names)), scales=scales, **arrays)


def save_gradients(
    work: Path,
    wide: Any,
    inputs: Sequence[NDArray[Any]],
    outputs: Sequence[NDArray[Any]],
    gradients_of: Any,
    skipped: list[str],
) -> None:
    """Write the gradients as the port has them; or note why there are none.

    The gradients are put in the place of the weights, and laid out as those are.
    """
    if not any(y.dtype.kind == "f" for y in outputs):
        skipped.append("gradients: the model has no output of floating point")
        return
    probes = keras_side.output_probes(outputs)
    try:
        by_variable, by_input = keras_side.gradients(wide, inputs, probes)
    except NotImplementedError as error:
        skipped.append(f"gradients: {error}")
        return
    trainable = {
        id(v): g for v, g in zip(wide.trainable_variables, by_variable, strict=True)
    }
    for variable in wide.weights:
        if id(variable) in trainable:
            gradient = trainable[id(variable)]
            zeros = np.zeros(variable.shape)
            variable.assign(zeros if gradient is None else gradient)
        elif keras_side.is_floating(variable):  # by this it is known again
            variable.assign(np.full(variable.shape, np.nan))
    arrays: dict[str, Any] = {
        target: array
        for target, array in gradients_of(wide).items()
        if not np.isnan(array).any()
    }
    for n, gradient in enumerate(by_input):
        if gradient is not None:
            arrays[f"input {n}"] = gradient
    arrays |= {f"probe {n}": p for n, p in enumerate(probes)}
    np.savez(work / "gradients.npz", **arrays)


def in_fresh_process(work: Path) -> dict[str, Any]:
    """Run the port where Keras cannot be imported.

    Raises
    ------
    CheckError
        If it ends with an error.
    """
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", "migrate_examples.port.command.torch_side", str(work)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"code {done.returncode}"]
        raise CheckError(f"the written module does not run: {last[0]}")
    found = json.loads((work / "found.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def with_errors(
    layers: Sequence[Layer],
    shapes: Mapping[Place, tuple[int, ...]],
    outputs: int,
    found: Mapping[str, Any],
    bounds: Bounds,
) -> tuple[Layer, ...]:
    """Layers with what was measured, and the outputs after them."""
    errors = {
        floating: {(path, n): e for path, n, e, _ in found.get(floating, ())}
        for floating in ("float32", "float64")
    }
    ends = [
        Layer("" if outputs == 1 else f"{n}", "output", n, "", 0)
        for n in range(outputs)
    ]
    made = []
    for layer in [*layers, *ends]:
        place = ("" if layer.kind == "output" else layer.keras, layer.call)
        values = {f"error_{f}": errors[f].get(place) for f in errors if errors[f]}
        limits = {f"tolerance_{f}": bounds(f) for f in errors}
        if layer.kind == "output":  # one of another shape is off by any measure
            values = {k: float("inf") if e is None else e for k, e in values.items()}
        said = {**vars(layer), **values, **limits}
        said["shape"] = shapes.get(place, layer.shape)
        if layer.kind == "output":
            said["keras"] = f"output {layer.keras}".strip()
        made.append(Layer(**said))
    return tuple(made)


def with_counterparts(layers: Sequence[Layer], graph: Graph) -> tuple[Layer, ...]:
    """Take the errors from layers whose values the port has in no tensor, rightly.

    Where all outputs agree, a layer without its values in the port was joined with
    others: what comes after it was compared. Where they do not, it was so if a layer
    that takes its output agrees.
    """
    ends = [layer for layer in layers if layer.kind == "output"]
    agree = not any(layer.differs for layer in ends)
    right = {layer.keras for layer in layers if layer.error_float32 is not None}
    right -= {layer.keras for layer in layers if layer.differs}
    made_by = {
        value.key: call.layer for call in all_calls(graph) for value in call.outputs
    }
    behind: dict[str, set[str]] = {}
    for call in all_calls(graph):
        for value in call.inputs:
            if value.key in made_by:
                behind.setdefault(made_by[value.key], set()).add(call.layer)
    return tuple(
        replace(layer, error_float32=None, error_float64=None)
        if layer.kind != "output"
        and layer.differs
        and (agree or behind.get(layer.keras, set()) & right)
        else layer
        for layer in layers
    )


def sensitivity(outputs: Sequence[NDArray[Any]]) -> float:
    """How far outputs differ between the samples, by their largest value.

    The least of all outputs: each of them has to react to the input.

    >>> round(sensitivity([np.array([[1.0, 2.0], [1.0, 4.0]])]), 3)
    0.5
    """
    reactions = []
    for y in outputs:
        wide = y.astype(np.float64)
        scale = float(np.abs(wide).max(initial=0.0))
        spread = float(np.ptp(wide, axis=0).max(initial=0.0)) if wide.ndim else 0.0
        reactions.append(spread / scale if scale else 0.0)
    return min(reactions, default=0.0)


def verdict(checked: Checked) -> tuple[bool, str]:
    """Whether both agree, and that in words, with what comes first first."""
    if wrong := [layer for layer in checked.layers if layer.differs]:
        first = wrong[0]
        name = (
            first.keras if first.kind == "output" else f"{first.keras} ({first.kind})"
        )
        return False, (
            f"differs: first at {name}, by {shown(first.error_float32)} in float32 and "
            f"{shown(first.error_float64)} in float64 of its largest value"
        )
    if bad := [g for g in checked.gradients if g.differs]:
        return False, (
            f"differs: the outputs agree, the gradient of {bad[0].target} does not, by "
            f"{shown(bad[0].error)}"
        )
    if not checked.sensitivity >= REACTS:
        return False, (
            "shows nothing: the outputs agree, but hardly react to the inputs "
            f"(by {shown(checked.sensitivity)}), so that a wrong port would agree too"
        )
    largest = {
        f: max(getattr(layer, f"error_{f}") or 0.0 for layer in checked.layers)
        for f in ("float32", "float64")
    }
    words = (
        f"agrees: largest error {shown(largest['float32'])} in float32, "
        f"{shown(largest['float64'])} in float64"
    )
    if checked.gradients:
        worst = max(g.error for g in checked.gradients)
        words += f"; {len(checked.gradients)} gradients within {shown(worst)}"
    return True, words


def shown(error: float | None) -> str:
    """An error in words.

    >>> shown(3.14e-7), shown(None)
    ('3.1e-07', 'nothing comparable')
    """
    return "nothing comparable" if error is None else f"{error:.1e}"
