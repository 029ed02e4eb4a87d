"""From Keras's record of calls to a Graph, nested models and masks included."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.graph import Call, Graph, Value, values_in
from migrate_examples.port.keras_graph.frozen import check_not_frozen
from migrate_examples.port.keras_graph.models import (
    NESTED,
    built_inputs,
    functional_of,
    input_names,
)
from migrate_examples.port.keras_graph.nested import Nested
from migrate_examples.port.keras_graph.order import nodes_between
from migrate_examples.port.keras_graph.records import (
    attributes,
    config_of,
    explicit,
    makes_masks,
    mapped,
    used,
)
from migrate_examples.port.keras_graph.trace import (
    TraceError,
    call_on,
    keras_kind,
)
from migrate_examples.port.keras_graph.variables import named_variables

COMPOSED = {*NESTED, "Lambda", ""}  # models, and what users wrote


class Frame:
    """Calls that are being collected, of one Graph.

    Attributes
    ----------
    prefix : str
        Path of the models around, with a slash at its end.
    values : dict
        Values of symbolic tensors, by their ``id``.
    traced : bool
        Whether the calls are those of a ``call`` method, which Keras runs anew each
        time; a functional model keeps the masks that it was drawn with.
    """

    def __init__(
        self, prefix: str, calls: list[Call] | None = None, *, traced: bool = False
    ) -> None:
        self.prefix = prefix
        self.traced = traced
        self.calls: list[Call] = [] if calls is None else calls
        self.values: dict[int, Value] = {}


class Walk:
    """Reads one model; remembers what is shared inside it."""

    def __init__(self) -> None:
        self.keys = count()
        self.masks: dict[int, Value] = {}
        self.bare: set[int] = set()  # masked when drawn, no longer when it runs
        self.paths: dict[int, str] = {}
        self.owners: dict[int, tuple[str, str, str]] = {}
        self.arrays: dict[int, NDArray[Any]] = {}
        self.claimed: set[int] = set()
        self.graphs: dict[int, tuple[str, Graph]] = {}
        self.constants: dict[int, Any] = {}
        self.stand_ins: dict[int, Any] = {}
        self.kept: list[Any] = []  # an id is good as long as its object lives

    def frame(
        self, prefix: str, calls: list[Call] | None = None, *, traced: bool
    ) -> Frame:
        """Where to collect calls: those of a graph of their own, or among others."""
        return Frame(prefix, calls, traced=traced)

    # Models ------------------------------------------------------------------

    def model(self, model: keras.Model, inputs: Any) -> Graph:
        """Graph of the outermost model."""
        if keras_kind(model) in NESTED and (functional := functional_of(model)):
            return self.graph(
                model.name, "", functional.inputs, functional.output, input_names(model)
            )
        return self.traced_model(model, inputs)

    def traced_model(self, model: keras.Model, inputs: Any) -> Graph:
        """Graph of a subclassed model, called on symbolic tensors."""
        args = (built_inputs(model) if inputs is None else inputs,)
        self.own(model, "")
        tensors = keras.tree.flatten(args)
        outputs = call_on(model, args, {}, self.constants)
        check_not_frozen(
            model, tensors, lambda: call_on(model, args, {}, self.constants)
        )
        names = tuple(tensor.name for tensor in tensors)
        return self.graph(model.name, "", tensors, outputs, names, traced=True)

    def graph(
        self,
        name: str,
        prefix: str,
        inputs: Sequence[Any],
        outputs: Any,
        names: Sequence[str],
        *,
        traced: bool = False,
    ) -> Graph:
        """All calls between symbolic inputs and outputs."""
        frame = Frame(prefix, traced=traced)
        values = tuple(self.value(frame, tensor) for tensor in inputs)
        returned = self.run(frame, outputs)
        return Graph(name, values, tuple(names), used(frame.calls, returned), returned)

    def run(self, frame: Frame, outputs: Any) -> Any:
        """Collect the calls that lead to some outputs; return their Values."""
        self.kept.append(outputs)
        flat = [
            item
            for item in keras.tree.flatten(outputs)
            if isinstance(item, keras.KerasTensor)
        ]
        for node in nodes_between(frame.values, flat):
            self.node(frame, node)
        return keras.tree.map_structure(lambda item: self.known(frame, item), outputs)

    # Values ------------------------------------------------------------------

    def value(self, frame: Frame, tensor: Any) -> Value:
        """A new Value for a symbolic tensor."""
        self.kept.append(tensor)
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        value = Value(next(self.keys), tuple(tensor.shape), dtype)
        frame.values[id(tensor)] = value
        return value

    def known(self, frame: Frame, item: Any) -> Any:
        """Argument of a call as data: tensors become Values."""
        if isinstance(item, keras.KerasTensor):
            if id(item) not in frame.values and id(item) in self.constants:
                _, array = self.constants[id(item)]
                frame.values[id(item)] = self.constant(frame, array)
            return frame.values[id(item)]
        if isinstance(item, keras.Variable):
            return self.weight(frame, item)
        if keras.ops.is_tensor(item) or isinstance(item, np.ndarray):
            return self.constant(frame, item)
        return item

    def constant(self, frame: Frame, item: Any) -> Any:
        """A plain array among the arguments: a number, or a call that gives it."""
        array = np.asarray(keras.ops.convert_to_numpy(item))
        if array.ndim == 0:
            return array.item()
        self.kept.append(item)
        number = len(self.kept)
        path = self.paths.setdefault(id(item), f"{frame.prefix}constant_{number}")
        return self.source(frame, path, "Constant", {"value": array}, {})

    def weight(self, frame: Frame, variable: Any) -> Value:
        """A variable that a user's layer takes itself."""
        default = frame.prefix.rstrip("/"), variable.name, variable.name
        path, name, attribute = self.owners.get(id(variable), default)
        self.claimed.add(id(variable))
        config = {"name": attribute, "trainable": bool(variable.trainable)}
        array = self.array(variable)
        return self.source(frame, path, "Weight", {name: array}, config)

    def source(
        self,
        frame: Frame,
        path: str,
        kind: str,
        weights: Mapping[str, Any],
        config: Mapping[str, Any],
    ) -> Value:
        """A call without arguments, that gives an array."""
        (array,) = weights.values()
        value = Value(next(self.keys), array.shape, str(array.dtype))
        frame.calls.append(Call(path, kind, config, (), (), {}, (), (value,), weights))
        return value

    # Calls -------------------------------------------------------------------

    def node(self, frame: Frame, node: Any) -> None:
        """Add one recorded call."""
        operation = node.operation
        args, kwargs = keras.tree.map_structure(
            lambda item: self.known(frame, item),
            (node.arguments.args, explicit(node.arguments)),
        )
        if isinstance(operation, keras.Layer):
            drawn = not frame.traced and node.arguments.kwargs.get("mask") is not None
            self.layer(frame, operation, args, kwargs, node.outputs, drawn=drawn)
            return
        inputs = values_in((args, kwargs))
        call = Call(
            self.path(frame, operation),
            f"ops.{type(operation).__name__}",
            attributes(operation),
            inputs,
            args,
            kwargs,
            tuple(None for _ in inputs),
            tuple(self.value(frame, tensor) for tensor in node.outputs),
            {},
        )
        frame.calls.append(call)

    def layer(
        self,
        frame: Frame,
        layer: Any,
        args: Any,
        kwargs: Any,
        tensors: Sequence[Any],
        *,
        drawn: bool,
    ) -> None:
        """Add a call of a layer; of one that is nested, perhaps its own calls.

        ``drawn``: the functional model has its mask as an argument of the call.
        """
        path = self.path(frame, layer)
        kind = keras_kind(layer)
        kwargs = {
            key: item
            for key, item in kwargs.items()
            if not (key in {"training", "mask"} and item is None)
        }
        inner, reason = None, ""
        if kind in COMPOSED:
            nested = Nested(self, layer, path, args, kwargs)
            if nested.inline:
                returned = values_in(nested.into(frame.calls))
                frame.values |= {
                    id(tensor): value
                    for tensor, value in zip(tensors, returned, strict=True)
                }
                self.pass_masks(frame, layer, path, args, kwargs, returned)
                return
            inner, reason = nested.graph, nested.reason
        if inner is None:
            self.claimed |= {id(variable) for variable in layer.weights}
        if kind == "TimeDistributed" and keras_kind(layer.layer) in COMPOSED:
            nested = Nested(self, layer.layer, f"{path}/{layer.layer.name}", (), {})
            inner, reason = nested.graph, nested.reason
        inputs = values_in((args, kwargs))
        if kind in COMPOSED and inner is not None:
            inputs = nested.values
        outputs = tuple(self.value(frame, tensor) for tensor in tensors)
        call = Call(
            path,
            kind or type(layer).__name__,
            config_of(layer),
            inputs,
            args,
            kwargs,
            self.masks_seen(layer, inputs, args, kwargs, drawn=drawn),
            outputs,
            self.weights(layer) if inner is None else {},
            inner,
            reason,
        )
        frame.calls.append(call)
        self.pass_masks(frame, layer, path, args, kwargs, outputs)
        first = values_in(args[0] if args else next(iter(kwargs.values()), None))
        lost = not drawn and any(value.key in self.bare for value in first)
        if lost and kind not in {"Embedding", "Masking"}:
            self.bare |= {value.key for value in outputs}
        if isinstance(layer, keras.layers.MultiHeadAttention):
            self.delete_masks(frame, inputs)

    def delete_masks(self, frame: Frame, inputs: Sequence[Value]) -> None:
        """Do as attention does to the masks of what it is called with.

        It deletes them in place, each time the model runs: a shortcut around it comes
        out unmasked. A functional model has drawn the masks before, and passes them on
        to layers with one input.
        """
        if frame.traced:
            for value in inputs:
                self.masks.pop(value.key, None)
        else:
            self.bare |= {value.key for value in inputs}

    # Masks -------------------------------------------------------------------

    def masks_seen(
        self,
        layer: Any,
        inputs: Sequence[Value],
        args: Any,
        kwargs: Any,
        *,
        drawn: bool,
    ) -> tuple[Value | None, ...]:
        """The implicit masks that Keras hands to a call, one for each input.

        Of a layer with several tensor arguments only ``query_mask`` and its like are
        filled in: a recurrent layer that is given its state has no mask.
        """
        several = sum(bool(values_in(item)) for item in (*args, *kwargs.values())) > 1
        if several and isinstance(
            layer, (keras.layers.RNN, keras.layers.Bidirectional)
        ):
            return tuple(None for _ in inputs)
        return tuple(
            self.masks.get(value.key) if drawn or value.key not in self.bare else None
            for value in inputs
        )

    def stand_in(self, value: Value) -> Any:
        """A symbolic tensor in a value's place, with its mask."""
        tensor = keras.KerasTensor(value.shape, dtype=value.dtype)
        if value.key in self.masks:
            tensor._keras_mask = self.stand_in(self.masks[value.key])
        self.stand_ins[id(tensor)] = (tensor, value)
        return tensor

    def pass_masks(
        self,
        frame: Frame,
        layer: Any,
        path: str,
        args: Any,
        kwargs: Any,
        outputs: Sequence[Value],
    ) -> None:
        """Keras's implicit masks of what a layer returned."""
        if not layer.supports_masking or all(v.key in self.masks for v in outputs):
            return
        first = args[0] if args else next(iter(kwargs.values()), None)
        previous = kwargs.get("mask")
        if previous is None:
            previous = mapped(first, lambda value: self.masks.get(value.key))
        if not values_in(previous) and not makes_masks(layer):
            return
        symbolic = mapped((first, previous), self.stand_in)
        computed = keras.tree.flatten(layer.compute_mask(*symbolic))
        inside = Frame(f"{path}/", frame.calls)
        inside.values |= {key: value for key, (_, value) in self.stand_ins.items()}
        for value, mask in zip(outputs, computed, strict=False):
            if mask is not None and value.key not in self.masks:
                self.masks[value.key] = self.run(inside, mask)

    # Names and weights -------------------------------------------------------

    def path(self, frame: Frame, operation: Any) -> str:
        """Path of a layer or an operation, one and the same at each call."""
        if id(operation) not in self.paths:
            self.kept.append(operation)
            taken = set(self.paths.values())
            path = plain = frame.prefix + operation.name
            number = count(1)
            while path in taken:
                path = f"{plain}_{next(number)}"
            self.paths[id(operation)] = path
        return self.paths[id(operation)]

    def array(self, variable: Any) -> NDArray[Any]:
        """Values of a variable: the same object wherever it is used."""
        if id(variable) not in self.arrays:
            self.arrays[id(variable)] = keras.ops.convert_to_numpy(variable)
        return self.arrays[id(variable)]

    def weights(self, layer: Any) -> dict[str, NDArray[Any]]:
        """Arrays of a layer, by name."""
        named = named_variables(layer)
        return {name: self.array(variable) for name, variable in named.items()}

    def own(self, layer: Any, path: str) -> None:
        """Note where the variables of a user's layer belong, and what it calls them."""
        attributes = {id(value): name for name, value in vars(layer).items()}
        for name, variable in named_variables(layer).items():
            attribute = attributes.get(id(variable), name)
            self.owners[id(variable)] = path, name, attribute

    def claim_all(self, model: keras.Model) -> None:
        """Refuse a graph that leaves variables of the model out."""
        left = [v.path for v in model.weights if id(v) not in self.claimed]
        if left:
            raise TraceError(
                f"model '{model.name}' has variables that its call does not use: "
                f"{', '.join(left)}. Remove those layers, or make them part of what "
                "the model returns."
            )
