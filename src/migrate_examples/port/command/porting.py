"""The whole way from a Keras model to a folder of PyTorch, verified."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import save

from migrate_examples import __version__
from migrate_examples.port.archive import ReadError
from migrate_examples.port.command.checking import CheckError, Plan, check, verdict
from migrate_examples.port.command.folder import (
    FolderError,
    check_target,
    digest,
    whole_folder,
)
from migrate_examples.port.command.loading import (
    LoadError,
    import_custom,
    load,
    open_file,
)
from migrate_examples.port.command.page import as_page
from migrate_examples.port.command.probes import ProbeError
from migrate_examples.port.command.report import Entry, Report, Tensor, as_json
from migrate_examples.port.command.tolerance import bounds_of
from migrate_examples.port.command.written import (
    all_calls,
    lay_out,
    layers_of,
    write,
)
from migrate_examples.port.graph import Graph
from migrate_examples.port.keras_graph import TraceError, graph_of
from migrate_examples.port.lower import PortError
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.source import Written

EXPECTED = (
    ReadError,
    LoadError,
    FolderError,
    TraceError,
    PortError,
    CheckError,
    ProbeError,
    ParityError,
)
"""Errors that are the person's to mend: one sentence, no traceback."""


@dataclass(frozen=True)
class Options:
    """What can be asked of a port.

    Attributes
    ----------
    force : bool
        Replace a folder that a port wrote.
    allow_stubs : bool
        Write modules that raise in the place of layers that are not supported.
    layout : str
        How images come and go: ``channels_last`` or ``channels_first``.
    split_preprocessing : bool
        Leave out what prepares the inputs; it is the attribute ``preprocessing``.
    class_name : str or None
        Of the written class; by default after the model's name.
    custom : Path or None
        Python file with the model's own classes. It is executed.
    verify : bool
        Run both and compare.
    """

    force: bool = False
    allow_stubs: bool = False
    layout: str = "channels_last"
    split_preprocessing: bool = False
    class_name: str | None = None
    custom: Path | None = None
    verify: bool = True

    def of_writing(self) -> dict[str, Any]:
        """Those by which another module would be written."""
        return {
            "layout": self.layout,
            "split_preprocessing": self.split_preprocessing,
            "class_name": self.class_name,
            "allow_stubs": self.allow_stubs,
        }


def nobody(_: str) -> None:
    """Take a message and keep it."""


def port_model(
    source: Any,
    folder: Path,
    options: Options = Options(),
    say: Callable[[str], None] = nobody,
) -> Report:
    """Port a model into a folder.

    Parameters
    ----------
    source : str, Path, or keras.Model
        A file, or the model itself.
    folder : Path
        Written whole or not at all.
    options : Options
        What is asked.
    say : callable
        Takes sentences on what is being done.

    Raises
    ------
    ReadError, LoadError, TraceError, PortError, CheckError, FolderError
        See the function ``port`` of the package. Nothing is written then.
    """
    check_name(options.class_name)
    check_target(folder, force=options.force)
    model, name, skipped = opened(source, options, say)
    graph = graph_of(model)
    written, stubs = written_of(graph, options)
    say(f"written: class {written.name}, {written.text.count(chr(10)):,} lines")
    with whole_folder(folder, force=options.force) as made:
        (made / "model.py").write_text(written.text, encoding="utf-8")
        (made / "model.safetensors").write_bytes(
            save({n: np.ascontiguousarray(a) for n, a in written.tensors.items()})
        )
        report = first_report(name, graph, written, options, skipped)
        if stubs:
            report = unverified(report, [f"stub to write: {one}" for one in stubs])
        elif not options.verify:
            report = unverified(report, ["verification: not asked for"])
        else:
            say("verifying: Keras here, the port in a process of its own")
            report = verified(report, model, graph, written, made, options)
        finish(report, made)
    return report


def check_name(name: str | None) -> None:
    """Refuse a name that no class can have."""
    if name is not None and not name.isidentifier():
        raise LoadError(f"--class-name {name!r} is no name of a class in Python")


def opened(
    source: Any, options: Options, say: Callable[[str], None]
) -> tuple[Any, str, list[str]]:
    """Give the model, a name for where it comes from, and what was skipped."""
    if isinstance(source, keras.Model):
        return source, f"the model {source.name}", []
    path = Path(source)
    if options.custom:
        say(f"executing {options.custom}, which --custom names")
    custom = import_custom(options.custom) if options.custom else None
    archive = open_file(path, custom)
    arrays = archive.arrays()
    say(f"read: {len(archive.layers):,} layers, {len(arrays):,} arrays")
    model, left = load(path, archive, custom)
    skipped = [*archive.skipped, *(f"{one}: Keras does not load it" for one in left)]
    return model, path.name, skipped


def written_of(graph: Graph, options: Options) -> tuple[Written, list[str]]:
    """Write the module; give the layers that it has stubs for."""
    asked = options.of_writing()
    try:
        return write(graph, {**asked, "allow_stubs": False}), []
    except PortError as error:
        if not options.allow_stubs:
            raise
        stubs = [f"{one.layer} ({one.kind})" for one in error.unsupported]
        return write(graph, asked), stubs


def first_report(
    name: str,
    graph: Graph,
    written: Written,
    options: Options,
    skipped: Sequence[str],
) -> Report:
    """All that is known before anything is compared."""
    variables = dict.fromkeys(
        f"{call.layer}/{variable}"
        for call in all_calls(graph)
        for variable in call.weights
    )
    used = {source for entry in written.entries for source in entry.sources}
    return Report(
        name,
        written.name,
        inputs=tuple(Tensor(p.name, p.shape, p.dtype) for p in written.inputs),
        outputs=tuple(Tensor(p.name, p.shape, p.dtype) for p in written.outputs),
        tensors=tuple(
            Entry(e.target, e.sources, e.layout, written.tensors[e.target].shape)
            for e in written.entries
        ),
        unused=tuple(v for v in variables if v not in used),
        layers=layers_of(graph, written.rows),
        skipped=tuple(skipped),
        versions=dict(versions()),
        options=options.of_writing(),
    )


def versions() -> Iterator[tuple[str, str]]:
    """Of what took part."""
    yield "migrate-examples", __version__
    yield "python", platform.python_version()
    yield "keras", keras.__version__
    backend = keras.backend.backend()
    yield f"{backend}, under Keras", version(backend)
    yield "numpy", np.__version__


def unverified(report: Report, reasons: Sequence[str]) -> Report:
    """Say that nothing was compared, and why."""
    return replace(
        report,
        skipped=(*report.skipped, *reasons),
        verdict=f"not verified: {'; '.join(reasons)}",
    )


def verified(
    report: Report,
    model: Any,
    graph: Graph,
    written: Written,
    made: Path,
    options: Options,
) -> Report:
    """Run both, and add what was found."""
    plan = Plan(
        written.name,
        report.layers,
        tuple(entry.target for entry in report.tensors if entry.sources),
        channels_first=options.layout == "channels_first",
        split=options.split_preprocessing,
    )
    found = check(
        model,
        graph,
        plan,
        made,
        lambda wide: lay_out(wide, options.of_writing()),
        bounds_of(graph),
    )
    agrees, words = verdict(found)
    return replace(
        report,
        layers=found.layers,
        gradients=found.gradients,
        agrees=agrees,
        verdict=words,
        sensitivity=found.sensitivity,
        skipped=(*report.skipped, *found.skipped),
        versions={**report.versions, **found.versions},
    )


def finish(report: Report, made: Path) -> None:
    """Write the reports; the one for programs knows all other files."""
    (made / "report.html").write_text(as_page(report), encoding="utf-8")
    files = {path.name: digest(path) for path in sorted(made.iterdir())}
    text = as_json(replace(report, files=files))
    (made / "report.json").write_text(text, encoding="utf-8")
