"""Lowers a whole Graph, call by call, nested models included."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from itertools import count
from pkgutil import iter_modules
from typing import Any, TypeAlias

import migrate_examples.port.lower as lower_package
from migrate_examples.port.graph import Call, Graph, Value, values_in
from migrate_examples.port.layouts.variables import LayoutError
from migrate_examples.port.lower import (
    LOWERINGS,
    Lowering,
    PortError,
    Unsupported,
    UnsupportedError,
)
from migrate_examples.port.lower.body import Body
from migrate_examples.port.lower.flattened import followers
from migrate_examples.port.lower.not_lowered import NOT_LOWERED
from migrate_examples.port.lower.simplify import permuted_axes, replaced, simplified
from migrate_examples.port.program import Layout, Local, Port, Program

Border: TypeAlias = Callable[[Value], Layout | None]

for _module in iter_modules(lower_package.__path__):  # each registers its own
    if not _module.name.startswith("helper_"):  # printed, and in need of PyTorch
        import_module(f"{lower_package.__name__}.{_module.name}")

BY_HAND = (
    "No lowering is known. Replace it in the Keras model by layers that are, or port "
    "with --allow-stubs and write its forward by hand."
)


def lower(
    graph: Graph,
    lowerings: Mapping[str, Lowering] = LOWERINGS,
    *,
    allow_stubs: bool = False,
    layout: str = "channels_last",
) -> Program:
    """Write the graph of a model as steps of PyTorch.

    Parameters
    ----------
    graph : Graph
        As ``graph_of`` reads it.
    lowerings : mapping of str to function
        By kind of the call.
    allow_stubs : bool
        Writes a module that raises in the place of a layer that is not supported.
    layout : str
        How images come and go: ``channels_last`` as in Keras, ``channels_first`` as
        is usual in PyTorch.

    Raises
    ------
    PortError
        Lists every layer that is not supported.
    """
    if layout not in {"channels_last", "channels_first"}:
        raise ValueError(f"layout={layout!r} is neither channels_last nor -_first")
    driver = Driver(lowerings, allow_stubs=allow_stubs)
    driver.in_layers = in_layers(graph)
    first = layout == "channels_first"
    program = driver.program(graph, border=_images_first if first else _as_in_keras)
    if driver.unsupported:
        raise PortError(graph.name, tuple(driver.unsupported.values()))
    return program


class Driver:
    """Lowers the graphs of one model; collects what is not supported."""

    def __init__(
        self, lowerings: Mapping[str, Lowering], *, allow_stubs: bool = False
    ) -> None:
        self.lowerings = lowerings
        self.allow_stubs = allow_stubs
        self.keys = count()
        self.unsupported: dict[str, Unsupported] = {}
        self.inner: dict[int, Program] = {}
        self.in_layers: set[int] = set()

    def program(self, graph: Graph, border: Border) -> Program:
        """A Graph as a Program; `border` gives the layout of inputs and outputs."""
        lowered = Lowered(self, graph, border)
        return simplified(lowered.program())

    def nested(self, graph: Graph) -> Program:
        """Program of a nested model, which takes what it likes and returns a tuple.

        Its images come and go in the layout that its own lines want.
        """
        if id(graph) not in self.inner:
            outputs = values_in(graph.outputs)
            flat = replace(graph, outputs=outputs[0] if len(outputs) == 1 else outputs)
            program = self.program(flat, _as_it_comes)
            self.inner[id(graph)] = inputs_as_used(program)
        return self.inner[id(graph)]


class Lowered:
    """One Graph while it is lowered."""

    def __init__(self, driver: Driver, graph: Graph, border: Border) -> None:
        self.driver = driver
        self.graph = graph
        self.border = border
        self.body = Body(driver.keys, self.call)
        self.body.reorderable = followers(graph)
        self.body.in_layers = driver.in_layers

    def program(self) -> Program:
        """All calls, then the outputs."""
        graph, body = self.graph, self.body
        inputs = tuple(
            self._input(name, value)
            for name, value in zip(graph.input_names, graph.inputs, strict=True)
        )
        needed = needed_calls(graph)
        for call in graph.calls:
            if id(call) in needed:
                self.call(call)
            else:
                body.pending |= {value.key: call for value in call.outputs}
        outputs = tuple(self._output(*named) for named in output_names(graph.outputs))
        locals_of = {
            value.key: port.local
            for value, port in zip(values_in(graph.outputs), outputs, strict=True)
        }
        return body.program(
            graph.name, inputs, outputs, replaced(graph.outputs, locals_of)
        )

    def call(self, call: Call) -> None:
        """Lower one call; note it down where that is not possible."""
        body, driver = self.body, self.driver
        body.layer = call.layer
        before = body.state()
        try:
            if call.inner is not None and call.kind not in driver.lowerings:
                self._nested(call, call.inner)
            elif call.kind in driver.lowerings:
                driver.lowerings[call.kind](call, body)
            else:
                raise UnsupportedError(explained(call))  # noqa: TRY301
        except (UnsupportedError, LayoutError) as error:
            body.restore(before)
            self._unsupported(call, str(error))

    def _unsupported(self, call: Call, advice: str) -> None:
        driver, body = self.driver, self.body
        if not driver.allow_stubs:
            driver.unsupported[call.layer] = Unsupported(
                call.layer, call.kind, call.config, advice
            )
        operands = [
            body.at_hand[value.key, body.native[value.key]]
            for value in call.inputs
            if value.key in body.native
        ]
        made = body.module(
            body.need("Stub"),
            (f"{call.kind} {call.layer!r}",),
            operands,
            rank=call.outputs[0].rank,
            results=len(call.outputs),
            role="stub",
            note=f"STUB: {advice}" if driver.allow_stubs else "",
        )
        made = made if isinstance(made, tuple) else (made,)
        for value, local in zip(call.outputs, made, strict=True):
            body.give(value, replace(local, rank=value.rank), Layout.LAST)

    def _nested(self, call: Call, inner: Graph) -> None:
        program = self.driver.nested(inner)
        operands = [
            self.body.take(value, port.layout)
            for value, port in zip(call.inputs, program.inputs, strict=True)
        ]
        note = ""
        recorded = call.kind in {"Functional", "Sequential"}  # others say it by default
        if recorded and call.keywords.get("training") is False:
            note = "in Keras always as in evaluation: keep it in eval()"
        made = self.body.nested(call.layer, program, operands, note)
        for value, local, port in zip(call.outputs, made, program.outputs, strict=True):
            self.body.give(value, local, port.layout)

    def _input(self, name: str, value: Value) -> Port:
        layout = self.border(value) or Layout.LAST
        local = Local(next(self.driver.keys), value.rank)
        self.body.give(value, local, layout)
        return Port(name, local, value.shape, value.dtype, layout)

    def _output(self, name: str, value: Value) -> Port:
        layout = self.border(value) or self.body.layout_of(value)
        local = self.body.take(value, layout)
        return Port(name, local, value.shape, value.dtype, layout)


def explained(call: Call) -> str:
    """Why a call that has no lowering has none, and what to do.

    What the trace of this very layer has said comes first, then what is known of
    its class.
    """
    missing = NOT_LOWERED.get(call.kind)
    if call.reason or missing is None:
        return call.reason or BY_HAND
    reason, advice = (part[:1].upper() + part[1:] for part in missing)
    return f"{reason}. {advice}."


def in_layers(graph: Graph) -> set[int]:
    """Arrays that are weights of layers, by their ``id``; nested models included."""
    found: set[int] = set()
    for call in graph.calls:
        if call.kind != "Weight":
            found |= {id(array) for array in call.weights.values()}
        if call.inner is not None:
            found |= in_layers(call.inner)
    return found


def needed_calls(graph: Graph) -> set[int]:
    """Calls that outputs depend on other than by masks, by their ``id``."""
    wanted = {value.key for value in values_in(graph.outputs)}
    needed = set()
    for call in reversed(graph.calls):
        if any(value.key in wanted for value in call.outputs):
            needed.add(id(call))
            wanted |= {value.key for value in call.inputs}
    return needed


def output_names(outputs: Any, name: str = "") -> list[tuple[str, Value]]:
    """Outputs with names: the keys of a dict, or numbers."""
    if isinstance(outputs, Value):
        return [(name or "output", outputs)]
    if isinstance(outputs, Mapping):
        parts = [(str(key), outputs[key]) for key in sorted(outputs)]
    else:
        parts = [(f"output{n}", part) for n, part in enumerate(outputs or (), 1)]
    return [
        found
        for key, part in parts
        for found in output_names(part, f"{name}_{key}" if name else key)
    ]


def inputs_as_used(program: Program) -> Program:
    """Take inputs channels first where all that happens to them is to be made so."""
    steps, inputs = list(program.steps), []
    meant: dict[int, Local] = {}
    returned = {port.local.key for port in program.outputs}
    for port in program.inputs:
        users = [step for step in steps if port.local in step.operands]
        axes = [permuted_axes(step) for step in users]
        first = (0, port.local.rank - 1, *range(1, port.local.rank - 1))
        if axes != [first] or port.local.key in returned or port.local.rank < 3:
            inputs.append(port)
            continue
        (step,) = users
        steps.remove(step)
        meant[step.results[0].key] = port.local
        inputs.append(replace(port, layout=Layout.FIRST))
    return replace(
        program,
        inputs=tuple(inputs),
        steps=tuple(
            replace(s, operands=tuple(meant.get(o.key, o) for o in s.operands))
            for s in steps
        ),
        outputs=tuple(
            replace(p, local=meant.get(p.local.key, p.local)) for p in program.outputs
        ),
        returns=replaced(program.returns, meant),
    )


def _as_in_keras(value: Value) -> Layout | None:  # noqa: ARG001  # a Border
    return Layout.LAST


def _images_first(value: Value) -> Layout | None:
    return Layout.FIRST if value.rank > 3 else Layout.LAST


def _as_it_comes(value: Value) -> Layout | None:  # noqa: ARG001  # a Border
    return None
