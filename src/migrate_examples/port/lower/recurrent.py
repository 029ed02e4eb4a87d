"""Recurrent layers: nn.LSTM and its like, or step by step where those cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.layouts import to_torch
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.activations import expression_of, name_of
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Filled, Layout, Local, Verbatim

TORCH = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}
STATES = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}


@dataclass(frozen=True)
class Recurrence:
    """One direction of one recurrent layer.

    Attributes
    ----------
    kind : str
        ``LSTM``, ``GRU`` or ``SimpleRNN``.
    config : mapping
        Of the layer, or of its cell.
    weights : mapping
        Its kernels and bias.
    backwards : bool
        Whether it begins with the last step.
    role : str
        Tells it apart in a layer that has several.
    """

    kind: str
    config: Mapping[str, Any]
    weights: Mapping[str, NDArray[Any]]
    backwards: bool = False
    role: str = ""

    @property
    def plain(self) -> bool:
        """Whether PyTorch's own module computes it."""
        config = self.config
        activation = name_of(config["activation"])
        allowed = {"tanh", "relu"} if self.kind == "SimpleRNN" else {"tanh"}
        gates = name_of(config.get("recurrent_activation", "sigmoid"))
        return (
            activation in allowed
            and gates == "sigmoid"
            and not config.get("recurrent_dropout")
            and config.get("reset_after", True)
        )


@dataclass(frozen=True)
class Given:
    """What a recurrent layer is called with."""

    x: Local
    mask: Local | None
    states: tuple[Local, ...]


@lowers("SimpleRNN", "LSTM", "GRU", "RNN")
def recurrent(call: Call, body: Body) -> None:
    """One layer, or a stack of cells as one layer after the other."""
    check_state(call.config)
    given = given_to(call, body)
    parts = _parts(call)
    states_left = iter(given.states)
    x, mask, states = given.x, given.mask, []
    if parts[0].backwards:
        x, mask = reversed_steps(body, x, mask)
    for part in parts:
        own = tuple(islice(states_left, STATES[part.kind]))
        wanted = bool(call.config.get("return_state"))
        x, made = run(body, part, Given(x, mask, own), states=wanted)
        states += made
    x = zeroed(body, call.config, x, mask)
    if not call.config["return_sequences"]:
        x = body.line("{0}[:, -1]", x, rank=2)
    for value, local in zip(call.outputs, (x, *states), strict=True):
        body.give(value, local, Layout.LAST)


def check_state(config: Mapping[str, Any]) -> None:
    """Refuse a layer that remembers from call to call."""
    if config.get("stateful"):
        raise UnsupportedError(
            "stateful=True: make the states inputs of the model (initial_state) and "
            "outputs (return_state=True), and hand them on from call to call"
        )


def zeroed(
    body: Body, config: Mapping[str, Any], x: Local, mask: Local | None
) -> Local:
    """Outputs of masked steps as zeros, where the layer asks for it."""
    if mask is None or not config.get("zero_output_for_mask"):
        return x
    return body.line("{0} * {1}[:, :, None]", x, mask)


def _parts(call: Call) -> list[Recurrence]:
    """The cells of a layer, one after the other."""
    backwards = bool(call.config.get("go_backwards"))
    if call.kind != "RNN":
        return [Recurrence(call.kind, call.config, call.weights, backwards)]
    cell = call.config["cell"]
    stacked = cell["class_name"] == "StackedRNNCells"
    cells = cell["config"]["cells"] if stacked else [cell]
    arrays = iter(call.weights.items())
    parts = []
    for n, one in enumerate(cells):
        kind = one["class_name"].removesuffix("Cell")
        if kind not in TORCH:
            raise UnsupportedError(
                f"RNN over a {one['class_name']}: write the loop over its steps by hand"
            )
        count = 3 if one["config"].get("use_bias", True) else 2
        weights = dict(islice(arrays, count))
        role = f"{n}" if len(cells) > 1 else ""
        parts.append(Recurrence(kind, one["config"], weights, backwards, role))
    return parts


def given_to(call: Call, body: Body) -> Given:
    """Sequence, mask and first states among the arguments of a call."""
    names = ("sequences", "initial_state", "mask", "training")
    arguments: dict[str, Any] = dict(zip(names, call.arguments, strict=False))
    arguments |= call.keywords
    sequence = arguments.get("sequences", call.inputs[0])
    if isinstance(sequence, Sequence):
        sequence, *states = sequence
    else:
        states = _flat(arguments.get("initial_state"))
    mask = arguments.get("mask")
    if mask is None:
        mask = call.masks[0] if call.masks else None
    return Given(
        body.take(sequence, Layout.LAST),
        None if mask is None else body.take(mask, Layout.LAST),
        tuple(body.take(state, Layout.LAST) for state in states),
    )


def _flat(states: Any) -> list[Value]:
    if states is None:
        return []
    if isinstance(states, Value):
        return [states]
    return [value for state in states for value in _flat(state)]


def reversed_steps(
    body: Body, x: Local, mask: Local | None
) -> tuple[Local, Local | None]:
    """Write the steps the other way round."""
    x = body.line("{0}.flip(1)", x, note="from the last step to the first")
    return x, None if mask is None else body.line("{0}.flip(1)", mask)


def run(
    body: Body, part: Recurrence, given: Given, *, states: bool
) -> tuple[Local, list[Local]]:
    """Write one recurrence; return the outputs of all steps, and the last states."""
    x = drop_inputs(body, part, given.x)
    given = Given(x, given.mask, given.states)
    if part.plain and given.mask is None:
        outputs, state = _torch(body, part, given.x, _initial(part, given.states))
        return outputs, _states_of(body, part, state) if states else []
    lstm_state = part.kind == "LSTM" and states
    if part.plain and not given.states and not lstm_state:
        return _masked(body, part, given, states=states)
    return _stepwise(body, part, given, states=states)


def drop_inputs(body: Body, part: Recurrence, x: Local) -> Local:
    """Dropout of the inputs: the same features at all steps."""
    rate = part.config.get("dropout")
    if not rate:
        return x
    made: Local = body.module(
        "nn.Dropout1d",
        (rate,),
        (x,),
        role=f"{part.role}dropout",
        expression="{module}({0}.transpose(1, 2)).transpose(1, 2)",
        note="the same features at all steps",
    )
    return made


def _initial(part: Recurrence, states: Sequence[Local]) -> tuple[str, list[Local]]:
    """Expression and operands of the first states of a module of one layer."""
    if not states:
        return "", []
    if part.kind == "LSTM":
        return ", ({1}[None], {2}[None])", list(states)
    return ", {1}[None]", list(states)


def _torch(
    body: Body, part: Recurrence, x: Local, initial: tuple[str, list[Local]]
) -> tuple[Local, Local]:
    """``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``: outputs and state."""
    filled = to_torch(part.kind, part.config, part.weights)
    written, operands = initial
    outputs, state = body.module(
        f"nn.{TORCH[part.kind]}",
        sizes(part, filled),
        (x, *operands),
        keywords=torch_keywords(part),
        filled=filled,
        role=part.role,
        expression=f"{{module}}({{0}}{written})",
        results=2,
    )
    return outputs, state


def sizes(part: Recurrence, filled: Sequence[Filled]) -> tuple[int, int]:
    """Width of the input, and units."""
    return filled[0].array.shape[1], part.config["units"]


def torch_keywords(part: Recurrence) -> dict[str, Any]:
    """Keywords of ``nn.LSTM`` and its like."""
    keywords: dict[str, Any] = {}
    if part.kind == "SimpleRNN" and name_of(part.config["activation"]) == "relu":
        keywords["nonlinearity"] = "relu"
    if not part.config.get("use_bias", True):
        keywords["bias"] = False
    return {**keywords, "batch_first": True}


def _states_of(body: Body, part: Recurrence, state: Local) -> list[Local]:
    """Last states, without the axis of the layers of a module."""
    if part.kind == "LSTM":
        return [body.line(f"{{0}}[{n}][0]", state, rank=2) for n in range(2)]
    return [body.line("{0}[0]", state, rank=2)]


def _masked(
    body: Body, part: Recurrence, given: Given, *, states: bool
) -> tuple[Local, list[Local]]:
    """Run over the steps that the mask keeps, brought together, and spread again."""
    assert given.mask is not None
    together = body.line(
        f"{body.need('valid_first')}({{0}}, {{1}})",
        given.x,
        given.mask,
        note="masked steps go behind, where nothing sees them",
    )
    outputs, _ = _torch(body, part, together, ("", []))
    repeat = body.need("repeat_last")
    outputs = body.line(f"{repeat}({{0}}, {{1}})", outputs, given.mask)
    return outputs, [body.line("{0}[:, -1]", outputs, rank=2)] if states else []


def _stepwise(
    body: Body, part: Recurrence, given: Given, *, states: bool
) -> tuple[Local, list[Local]]:
    """A helper class that takes one step after the other."""
    filled = to_torch(
        part.kind,
        part.config,
        part.weights,
        by_hand=not part.config.get("reset_after", True),
    )
    operands, places = [given.x], ["{0}"]
    if given.states:
        count = len(given.states)
        first = ", ".join(f"{{{n + 1}}}" for n in range(count))
        places.append(f"({first})" if count > 1 else first)
        operands += given.states
    if given.mask is not None:
        places.append(f"mask={{{len(operands)}}}")
        operands.append(given.mask)
    name = body.need(f"Stepwise{TORCH[part.kind]}")
    outputs, state = body.module(
        name,
        sizes(part, filled),
        operands,
        keywords=_stepwise_keywords(body, part),
        filled=_as_linear(part, filled),
        role=part.role,
        expression=f"{{module}}({', '.join(places)})",
        results=2,
    )
    if not states:
        return outputs, []
    if part.kind != "LSTM":
        return outputs, [state]
    return outputs, [body.line(f"{{0}}[{n}]", state, rank=2) for n in range(2)]


def _stepwise_keywords(body: Body, part: Recurrence) -> dict[str, Any]:
    config = part.config
    keywords: dict[str, Any] = {}
    if not config.get("use_bias", True):
        keywords["bias"] = False
    if not config.get("reset_after", True):
        keywords["reset_after"] = False
    for key, default in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        name = name_of(config.get(key, default))
        if name != default:
            keywords[key] = callable_of(body, name)
    if config.get("recurrent_dropout"):
        keywords["recurrent_dropout"] = config["recurrent_dropout"]
    return keywords


def callable_of(body: Body, name: str) -> Verbatim:
    """An activation as a function to hand over."""
    expression = expression_of(body, name, Layout.LAST, 2)
    if not expression:
        return Verbatim("lambda x: x")
    if expression.endswith("({0})") and expression.count("{0}") == 1:
        return Verbatim(expression.removesuffix("({0})"))
    return Verbatim(f"lambda x: {expression.format('x')}")


def _as_linear(part: Recurrence, filled: Sequence[Filled]) -> list[Filled]:
    """Tensors of ``nn.LSTM`` as those of two ``nn.Linear``, without a bias of zeros."""
    names = {
        "weight_ih_l0": "input.weight",
        "weight_hh_l0": "recurrent.weight",
        "bias_ih_l0": "input.bias",
        "bias_hh_l0": "recurrent.bias",
    }
    return [
        Filled(names[one.target], one.array, one.sources, one.layout)
        for one in filled
        if one.sources or part.kind == "GRU"
    ]
