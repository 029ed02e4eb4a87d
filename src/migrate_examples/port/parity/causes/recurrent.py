"""Recurrent layers: gates, biases, direction, the last state."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.place import Place, Trial, attempt, bound, run, tensor
from migrate_examples.port.parity.torch_trace import TorchCall

GATES = {"lstm": ("LSTM-GATES", 4), "gru": ("GRU-GATES", 3)}
RIGHT = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2], "rnn_": [0]}
"""Gates of Keras in the order of PyTorch: LSTM i f g o in both, GRU z r h to r z n."""


def answers(result: list[Tensor], *, batch_first: bool) -> list[Tensor]:
    """What a port may make of a recurrent layer: all steps, the last one, the state."""
    output, last = result[0], result[1]
    if not batch_first:
        output = output.transpose(0, 1)
    both = torch.cat(list(last), -1)
    return [output, output[:, -1], both, *result[1:]]


def tried(place: Place, call: TorchCall, **changes: Any) -> float:
    """Error of the recurrent layer with other arguments."""
    first = bool(changes.get("batch_first", bound(call).get("batch_first")))
    if "input" not in changes:
        x = place.layer.inputs[0]
        like = next(t for t in bound(call)["weights"])
        changes["input"] = tensor(x).to(like.dtype)
    if not first:
        changes["input"] = changes["input"].transpose(0, 1)
    return place.gives(
        lambda: answers(
            attempt(functools.partial(run, call, **changes)), batch_first=first
        )
    )


def blocks(weights: list[Tensor], order: list[int], gates: int) -> list[Tensor]:
    """Rows of every weight, gate by gate in another order."""
    return [torch.cat([w.chunk(gates)[g] for g in order]) for w in weights]


def recurrent_calls(place: Place) -> Iterator[tuple[TorchCall, str, list[Tensor]]]:
    """Calls of torch's recurrent layers, with their family and weights."""
    for call in place.calls:
        family = next((f for f in RIGHT if call.name.startswith(f)), "")
        if family and isinstance(bound(call).get("weights"), list | tuple):
            yield call, family, list(bound(call)["weights"])


def fresh(place: Place, call: TorchCall) -> dict[str, Any]:
    """A zero state for the batch; a packed or transposed call had another shape."""
    given = bound(call)["hx"]
    states = given if isinstance(given, list | tuple) else (given,)
    batch = len(place.layer.inputs[0])
    zeros = [torch.zeros(s.shape[0], batch, s.shape[-1], dtype=s.dtype) for s in states]
    return {"hx": tuple(zeros) if isinstance(given, list | tuple) else zeros[0]}


def direction(place: Place) -> Iterator[Trial]:
    """Try the reversed sequence, the axes exchanged, and the state as it should be."""
    for call, _, weights in recurrent_calls(place):
        x, state = (
            tensor(place.layer.inputs[0]).to(weights[0].dtype),
            fresh(place, call),
        )
        plain = tried(place, call, **state)
        if place.layer.config("go_backwards"):
            error = tried(place, call, input=x.flip(1), **state)
            yield Trial("GO-BACKWARDS", error, "lstm(x.flip(1))", call)
        given = next(iter(call.read), None)
        read = None if given is None else place.trace.values[given].tensor
        wrong = not bound(call).get("batch_first") and read is not None
        if wrong and read is not None and tuple(read.shape) == x.shape:
            error = tried(place, call, batch_first=True, **state)
            yield Trial("BATCH-FIRST", error, "nn.LSTM(..., batch_first=True)", call)
        if place.kind == "Bidirectional" and not place.layer.config("return_sequences"):
            # the layer is right, what was read of its output is not
            _, taken = place.seen_from(last_steps, call, x, state)
            if taken is not None:
                line = "torch.cat([h_n[0], h_n[1]], 1)"
                yield Trial("BIDIRECTIONAL-LAST", plain, line, taken)


def last_steps(call: TorchCall, x: Tensor, state: dict[str, Any]) -> list[Tensor]:
    """The steps that a port takes for the last state and that are not."""
    first = bool(bound(call).get("batch_first"))
    output = run(call, input=x if first else x.transpose(0, 1), **state)[0]
    output = output if first else output.transpose(0, 1)
    return [output[:, -1], output[:, 0]]


def gates(place: Place) -> Iterator[Trial]:
    """Try every other order of the gates."""
    for call, family, weights in recurrent_calls(place):
        if family not in GATES:
            continue
        cause, count = GATES[family]
        for order in itertools.permutations(range(count)):
            if list(order) == list(range(count)):
                continue
            changed = blocks(weights, list(order), count)
            error = tried(place, call, weights=changed, **fresh(place, call))
            if error <= place.tolerance:
                line = f"rows of every weight in blocks {list(order)} of hidden_size"
                yield Trial(cause, error, line, call)


def biases(place: Place) -> Iterator[Trial]:
    """Try Keras's bias once."""
    w = place.layer.weights()
    for call, family, weights in recurrent_calls(place):
        if len(weights) != 4 or "recurrent_kernel" not in {n.split("/")[-1] for n in w}:
            continue
        right = in_torch(w, family)
        changed = [*weights[:2], *(t.to(weights[0].dtype) for t in right[2:])]
        error = tried(place, call, weights=changed, **fresh(place, call))
        line = "bias_ih takes Keras's bias, bias_hh zeros (GRU: one row each)"
        yield Trial("LSTM-BIAS", error, line, call)
        all_right = [t.to(weights[0].dtype) for t in right]
        error = tried(place, call, weights=all_right, **fresh(place, call))
        if error <= place.tolerance:
            known = [sorted_numbers(m.call.weights()) for m in place.matches]
            mine = np.sort(weights[0].double().numpy(), axis=None)
            elsewhere = any(np.array_equal(mine, n) for group in known for n in group)
            cause = "WEIGHTS-SWAPPED" if elsewhere else "WEIGHTS-STALE"
            yield Trial(cause, error, f"load the weights of {place.layer.path}", call)


def sorted_numbers(weights: dict[str, Array]) -> list[Array]:
    """Each weight's numbers, sorted."""
    return [np.sort(w.astype(np.float64), axis=None) for w in weights.values()]


def in_torch(weights: dict[str, Array], family: str) -> list[Tensor]:
    """Weights of a recurrent layer of Keras as PyTorch takes them."""
    last = {name.split("/")[-1]: array for name, array in weights.items()}
    kernel, recurrent = last["kernel"].T, last["recurrent_kernel"].T
    bias = last.get("bias", np.zeros(len(kernel)))
    rows = list(bias) if bias.ndim == 2 else [bias, np.zeros_like(bias)]
    order, count = RIGHT[family], len(RIGHT[family])
    return blocks([tensor(a) for a in (kernel, recurrent, *rows)], order, count)


def reset_before(place: Place) -> Iterator[Trial]:
    """See whether the port has nn.GRU where Keras resets before the product."""
    if place.kind != "GRU" or place.layer.config("reset_after"):
        return
    for call, family, weights in recurrent_calls(place):
        mine = [t.to(weights[0].dtype) for t in in_torch(place.layer.weights(), family)]
        for change in (mine, weights):
            x = tensor(place.layer.inputs[0]).to(weights[0].dtype)
            first = bool(bound(call).get("batch_first"))
            x = x if first else x.transpose(0, 1)
            error, seen = place.seen_from(
                run, call, input=x, weights=change, **fresh(place, call)
            )
            if seen is not None:
                line = (
                    "a loop of your own: n = tanh(x @ Kn + (r * h) @ Rn); "
                    "h = z * h + (1 - z) * n"
                )
                yield Trial("GRU-RESET-AFTER", error, line, call)


def mask(place: Place) -> Iterator[Trial]:
    """See whether the port computes what Keras does without its mask."""
    if place.layer.keywords.get("mask") is None:
        return
    without = {k: v for k, v in place.layer.keywords.items() if k != "mask"}
    layer = place.layer.layer
    call = type(place.layer)(
        **{**vars(place.layer), "keywords": {**without, "mask": None}, "layer": layer}
    )
    error, seen = place.seen(call.rerun(place.layer.inputs))
    if seen is None:  # masked steps may be read from all of them
        return
    line = "nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)"
    yield Trial("MASK-ZERO", error, line, seen)
