"""Models inside models, and layers that users wrote: a graph each, or written out."""

import inspect
import re
from typing import TYPE_CHECKING, Any

import keras

from migrate_examples.port.graph import Call, Graph, Value, values_in
from migrate_examples.port.keras_graph.frozen import check_not_frozen
from migrate_examples.port.keras_graph.models import (
    NESTED,
    functional_of,
    input_names,
    nested_inputs,
)
from migrate_examples.port.keras_graph.records import mapped, used
from migrate_examples.port.keras_graph.trace import TraceError, call_on, keras_kind

if TYPE_CHECKING:
    from migrate_examples.port.keras_graph.walk import Walk

FORMULA = 3
"""So many operations are written where they are used."""


class Nested:
    """A model, or a layer of the user's own, that is called inside another one.

    Attributes
    ----------
    values : tuple of Value
        What it is called with, in the order in which its graph takes them.
    graph : Graph or None
        Its graph; None where it cannot be read.
    reason : str
        Why not.
    inline : bool
        Whether its calls have to stand among those of the outer one: where masks
        cross the border, and where its graph is another one at each call.
    """

    def __init__(
        self, walk: "Walk", layer: Any, path: str, args: Any, kwargs: Any
    ) -> None:
        self.walk = walk
        self.layer = layer
        self.path = path
        self.graph: Graph | None = None
        self.reason = ""
        self.values: tuple[Value, ...] = ()
        self.inline = False
        self.traced = True
        try:
            functional = functional_of(layer)
            self.traced = functional is None
            if functional is not None:
                self._recorded(functional, args, kwargs)
            else:
                self._traced(args, kwargs)
        except TraceError as error:
            self.reason = str(error)
            return
        self._settle()

    def _recorded(self, functional: Any, args: Any, kwargs: Any) -> None:
        self.tensors = functional.inputs
        self.outputs = functional.output
        self.names = input_names(functional)
        self.values = nested_inputs(functional, self.names, args, kwargs)
        self.called = self.path

    def _traced(self, args: Any, kwargs: Any) -> None:
        walk = self.walk
        walk.own(self.layer, self.path)
        symbolic_args, symbolic_kwargs = mapped((args, kwargs), walk.stand_in)
        accepted = inspect.signature(self.layer.call).parameters
        if "mask" in accepted and "mask" not in kwargs and args:
            mask = mapped(args[0], lambda value: walk.masks.get(value.key))
            if values_in(mask):
                symbolic_kwargs["mask"] = mapped(mask, walk.stand_in)

        def trace() -> Any:
            return call_on(self.layer, symbolic_args, symbolic_kwargs, walk.constants)

        self.outputs = trace()
        self.values = values_in((args, kwargs))
        self.tensors = [
            item
            for item in keras.tree.flatten((symbolic_args, symbolic_kwargs))
            if isinstance(item, keras.KerasTensor)
        ]
        check_not_frozen(self.layer, self.tensors, trace)
        if len(self.tensors) > len(self.values):  # the mask that it asked for
            self.inline = True
        self.names = tuple(f"input{n}" for n, _ in enumerate(self.values, 1))
        self.called = f"{self.path} {[v.shape for v in self.values]} {kwargs!r}"

    def _settle(self) -> None:
        """Find its graph, or the reason to write its calls out."""
        walk = self.walk
        shown = re.sub(r"key=\d+", "", self.called)
        known = walk.graphs.get(id(self.layer))
        if known is None and not self.inline:
            frame = walk.frame(f"{self.path}/", traced=self.traced)
            inputs = tuple(walk.value(frame, tensor) for tensor in self.tensors)
            returned = walk.run(frame, self.outputs)
            own = keras_kind(self.layer) in NESTED
            name = self.layer.name if own else type(self.layer).__name__
            graph = Graph(
                name, inputs, self.names, used(frame.calls, returned), returned
            )
            known = walk.graphs[id(self.layer)] = (shown, graph)
        if known is not None:
            self.graph = known[1]
        self.inline = (
            self.inline
            or keras_kind(self.layer) == "Lambda"
            or is_formula(self.layer, known[1] if known else None)
            or known is None
            or known[0] != shown
            or any(v.key in walk.masks for v in self.values)
            or any(v.key in walk.masks for v in values_in(known[1].outputs))
        )

    def into(self, calls: list[Call]) -> Any:
        """Write its calls among those of the outer model; return its Values."""
        frame = self.walk.frame(f"{self.path}/", calls, traced=self.traced)
        tensors = self.tensors
        frame.values |= {
            id(tensor): value
            for tensor, value in zip(tensors, self.values, strict=False)
        }
        for tensor in tensors[len(self.values) :]:
            frame.values[id(tensor)] = self.walk.stand_ins[id(tensor)][1]
        return self.walk.run(frame, self.outputs)


def is_formula(layer: Any, graph: Graph | None) -> bool:
    """Whether a user's layer is a short formula, as a scale, and needs no class."""
    if keras_kind(layer) or graph is None:
        return False
    kinds = [call.kind for call in graph.calls]
    operations = [kind for kind in kinds if kind.startswith("ops.")]
    own = {"Weight", "Constant", *operations}
    return set(kinds) <= own and len(operations) <= FORMULA
