"""Writes the acceptance test of a port."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from textwrap import fill, indent
from typing import Any

from migrate_examples import __version__
from migrate_examples.port.archive import ReadError
from migrate_examples.port.command.acceptance.layouts_in_code import (
    Arranged,
    arrangements,
    variable_names,
)
from migrate_examples.port.command.loading import (
    LoadError,
    import_custom,
    load,
    open_file,
)
from migrate_examples.port.command.probes import Probe, ProbeError, probes
from migrate_examples.port.graph import Graph
from migrate_examples.port.keras_graph import TraceError, graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.source.module import formatted
from migrate_examples.whole_file import write_whole


class TestError(ValueError):
    """A test that cannot be written: says why and what to do."""


EXPECTED = (
    ReadError,
    LoadError,
    TestError,
    TraceError,
    PortError,
    ParityError,
    ProbeError,
    OSError,
)
"""Errors that are the person's to mend: one sentence, no traceback."""

DRAWS = {
    *("GaussianDropout", "RandomFlip", "RandomCrop", "RandomRotation", "RandomZoom"),
    *("RandomTranslation", "RandomContrast", "RandomBrightness", "RandomColorJitter"),
    *("RandomHue", "RandomSaturation", "RandomSharpness", "RandomShear", "MixUp"),
    *("CutMix", "RandAugment", "AugMix", "RandomErasing", "RandomGrayscale"),
    *("RandomPerspective", "RandomElasticTransform", "RandomGaussianBlur"),
    *("RandomInvert", "RandomPosterization", "RandomColorDegeneration"),
}
"""Layers whose draws the test cannot switch off."""


def write_test(
    model_file: Path,
    port: Path,
    output: Path,
    *,
    of: str | None = None,
    custom: Path | None = None,
    force: bool = False,
) -> tuple[str, ...]:
    """Write the acceptance test of a port.

    Parameters
    ----------
    model_file : Path
        A ``.keras`` or ``.h5`` file; the test loads it.
    port : Path
        The folder that a port wrote; with `of`, a file of weights.
    output : Path
        The test.
    of : str, optional
        Of a port by hand: ``package.module:Class``, or a function that returns it.
    custom : Path, optional
        Python file with the model's own classes; executed.
    force : bool
        Replace an existing file.

    Returns
    -------
    tuple of str
        What the test does not test, each in a sentence; the test says it as well.

    Raises
    ------
    ReadError, LoadError
        Where the model cannot be read.
    TestError
        Where the port is none, or the test exists already.
    """
    check(output, force=force)
    report = {} if of else report_of(port)
    if of:
        check_by_hand(of, port)
    own = import_custom(custom) if custom else None
    archive = open_file(model_file, own)
    model, _ = load(model_file, archive, own)
    graph = graph_of(model)
    arranged = None if of else arrangements(model, report)
    notes = tuple(not_tested(model, graph, arranged))
    text = whole(
        model_file,
        port,
        output,
        of,
        custom,
        probes(graph),
        variable_names(model),
        report,
        arranged,
        notes,
    )
    write_whole(output, formatted(text).encode())
    return notes


def check(output: Path, *, force: bool) -> None:
    """Refuse to write where there is something, or cannot be."""
    if output.is_dir():
        raise TestError(f"{output} is a folder: name a file")
    if output.exists() and not force:
        raise TestError(f"{output} exists: name another file, or replace it by --force")
    if not output.parent.is_dir():
        raise TestError(f"there is no folder {output.parent}")


def report_of(port: Path) -> dict[str, Any]:
    """Report in a ported folder."""
    try:
        found = json.loads((port / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TestError(
            f"{port} is no folder that `migrate-examples port` wrote; for a port by "
            "hand name its class with --class package.module:Class"
        ) from error
    if not isinstance(found, dict) or "tensors" not in found:
        raise TestError(f"{port / 'report.json'} is no report of a port")
    return found


def check_by_hand(of: str, port: Path) -> None:
    """Make sure that a port by hand is named as it has to be."""
    module, colon, name = of.partition(":")
    if not (colon and name.isidentifier() and module.replace(".", "").isidentifier()):
        raise TestError(f"--class {of} is not of the form package.module:Class")
    if not port.is_file() or port.suffix not in {".safetensors", ".pt", ".pth"}:
        raise TestError(
            f"{port} is no file of weights: with --class, name the .safetensors or .pt "
            "file that your class loads"
        )


def not_tested(
    model: Any, graph: Graph, arranged: Mapping[str, Arranged] | None
) -> Iterator[str]:
    """What the test leaves out, each in a sentence."""
    if draws := sorted(drawing(model)):
        yield (
            f"one step of training: {', '.join(draws)} draw numbers that cannot be "
            "switched off on both sides"
        )
    for target, one in (arranged or {}).items():
        if one.sources and one.code is None:
            yield (
                f"the values of {target} one by one: they are computed of "
                f"{', '.join(one.sources)}; the forward tests them"
            )
    if not any("float" in value.dtype for value in outputs_of(graph)):
        yield "gradients: the model has no output of floating point"


def drawing(model: Any) -> set[str]:
    """Names of layers whose random draws stay on."""
    return {
        layer.name
        for layer in model._flatten_layers(include_self=False)  # no public name
        if type(layer).__name__ in DRAWS
    }


def outputs_of(graph: Graph) -> list[Any]:
    """Values that a model returns, flattened."""
    found: list[Any] = []

    def collect(item: Any) -> None:
        if isinstance(item, Mapping):
            item = tuple(item.values())
        if isinstance(item, list | tuple):
            for part in item:
                collect(part)
        else:
            found.append(item)

    collect(graph.outputs)
    return found


def whole(
    model_file: Path,
    port: Path,
    output: Path,
    of: str | None,
    custom: Path | None,
    drawn: Sequence[Probe],
    names: Sequence[str],
    report: Mapping[str, Any],
    arranged: Mapping[str, Arranged] | None,
    notes: Sequence[str],
) -> str:
    """All of the test."""
    here = output.resolve().parent
    exact = smallest_tolerance(report)
    by = "by_values" if arranged is None else "by_ledger"
    return filled(
        "whole",
        source=model_file.name,
        version=__version__,
        not_tested=paragraph(notes),
        imports=imports(of, port, custom),
        paths=paths(model_file, port, of, custom, here),
        float64=exact,
        weights=filled(by) if arranged is None else ledger_part(arranged),
        weights_test=filled(f"{by}_test"),
        inputs=inputs_part(drawn),
        variables="\n".join(f"    {json.dumps(name)}," for name in names),
        custom_objects=", custom_objects=vars(custom)" if custom else "",
        load_port=indent(load_port(of, port), "    "),
        **optional_parts(notes),
        **moves(report),
    )


def filled(name: str, **values: str) -> str:
    """A template of this folder, with its places filled."""
    file = resources.files("migrate_examples.port.command.acceptance").joinpath(
        f"{name}.template"
    )
    return Template(file.read_text(encoding="utf-8")).substitute(values).rstrip("\n")


def optional_parts(notes: Sequence[str]) -> dict[str, str]:
    """Tests of gradients and training, or the words why there are none."""
    reasons = {note.partition(":")[0]: note for note in notes}
    gradients, training = "gradients", "training"
    reason = ""
    if "gradients" in reasons:
        gradients = "no_gradients"
        reason = reasons["gradients"]
    if "one step of training" in reasons:
        reason = reasons["one step of training"]
    if reason:
        training = "no_training"
    return {
        "gradients_test": filled(gradients),
        "training": filled(training, reason=reason) + "\n",
    }


def moves(report: Mapping[str, Any]) -> dict[str, str]:
    """How images are moved between both layouts, where the port takes the other."""
    asked = report.get("options", {})
    prepare = (
        '    if hasattr(module, "preprocessing"):  # forward leaves it out\n'
        "        inputs = keras.tree.flatten(module.preprocessing(*inputs))\n"
        if asked.get("split_preprocessing")
        else ""
    )
    if asked.get("layout") != "channels_first":
        as_it_is = {"moved": "x", "moved_back": "y", "moved_gradient": ""}
        return {"prepare": prepare, **as_it_is}
    return {
        "prepare": prepare,
        "moved": "x.movedim(-1, 1) if x.ndim > 3 else x",
        "moved_back": "y.movedim(1, -1) if y.ndim > 3 else y",
        "moved_gradient": ".movedim(1, -1) if x.ndim > 3 else x.grad",
    }


def smallest_tolerance(report: Mapping[str, Any]) -> str:
    """Tolerance in float64: lower where the port was seen to be exact."""
    errors = [layer.get("error_float64") for layer in report.get("layers", []) if layer]
    known = [e for e in errors if isinstance(e, float)]
    if known and max(known) >= 1e-7:
        return "1e-5"  # several constants, which add up
    if not known or max(known) >= 1e-11:
        return "1e-6"
    return '1e-9 if keras.backend.backend() == "tensorflow" else 1e-6'


def paragraph(notes: Sequence[str]) -> str:
    """What is not tested, as lines of the docstring."""
    if not notes:
        return ""
    items = [fill(f"- {note}", width=88, subsequent_indent="  ") for note in notes]
    return "\nNot tested:\n\n" + "\n".join(items) + "\n"


def imports(of: str | None, port: Path, custom: Path | None) -> str:
    """Imports of the test, in order."""
    standard = ["import re", "from pathlib import Path"]
    if not of or custom:
        standard.insert(0, "import importlib.util")
    others = ["import keras", "import numpy as np", "import pytest", "import torch"]
    if of and port.suffix == ".safetensors":
        others.append("from safetensors.torch import load_file")
    lines = [*standard, "", *others]
    if of:
        module, _, name = of.partition(":")
        lines += ["", f"from {module} import {name}"]
    return "\n".join(lines)


def paths(
    model_file: Path, port: Path, of: str | None, custom: Path | None, here: Path
) -> str:
    """Where the files lie, seen from the test."""

    def from_here(path: Path) -> str:
        return json.dumps(Path(os.path.relpath(path.resolve(), here)).as_posix())

    lines = [f"KERAS_FILE = HERE / {from_here(model_file)}"]
    lines.append(f"{'WEIGHTS' if of else 'PORT'} = HERE / {from_here(port)}")
    if of and not custom:
        return "\n".join(lines)
    lines += ["", "", filled("import_file"), ""]
    if custom:
        lines += ["", f"custom = import_file(HERE / {from_here(custom)})"]
    if not of:
        lines += ["", 'ported = import_file(PORT / "model.py")']
    return "\n".join(lines)


def load_port(of: str | None, port: Path) -> str:
    """Lines that load the port as ``module``."""
    if not of:
        return 'module = ported.load(PORT / "model.safetensors")'
    name = of.partition(":")[2]
    state = (
        "load_file(WEIGHTS)"
        if port.suffix == ".safetensors"
        else "torch.load(WEIGHTS, weights_only=True)"
    )
    return f"module = {name}()\nmodule.load_state_dict({state})\nmodule.eval()"


def inputs_part(drawn: Sequence[Probe]) -> str:
    """Lines that draw the inputs."""
    blocks = [f"# {probe.name}\n{probe.code()}\ninputs.append(x)" for probe in drawn]
    return indent("\n".join(blocks), "    ")


def ledger_part(arranged: Mapping[str, Arranged]) -> str:
    """Tables of what lies where, and the functions that read them."""
    lines = []
    others = []
    for target, one in arranged.items():
        if one.code is None:
            others.append(target)
            continue
        names = ", ".join(json.dumps(path) for path in one.sources)
        line = f"    {json.dumps(target)}: ({names}, {one.code}),"
        if len(line) > 88:
            parts = [*map(json.dumps, one.sources), one.code]
            inner = "".join(f"        {part},\n" for part in parts)
            line = f"    {json.dumps(target)}: (\n{inner}    ),"
        lines.append(line)
    return filled("by_ledger", layouts="\n".join(lines), others=written_set(others))


def written_set(names: Sequence[str]) -> str:
    """Names as a set, on as many lines as they take."""
    if not names:
        return "set()"
    quoted = [json.dumps(name) for name in names]
    short = f"{{{', '.join(quoted)}}}"
    if len(short) <= 70:
        return short
    return "{\n" + "".join(f"    {name},\n" for name in quoted) + "}"
