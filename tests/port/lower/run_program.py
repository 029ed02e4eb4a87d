"""Runs a Program as it stands, without printing it: an interpreter for tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # as the written files import it
from torch import Tensor, nn

from migrate_examples.port.graph import Call, Graph, Value
from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower import helper_code
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.program import Construction, Program, Step, Verbatim

NAMES: dict[str, Any] = {
    "torch": torch,
    "nn": nn,
    "F": F,
    **{name: getattr(helper_code, name) for name in helper_code.__all__},
}


class Interpreted(nn.Module):
    """The module that a Program describes; takes what the Keras model takes."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.parts: dict[tuple[str, str], str] = {}
        for step in program.steps:
            if (step.module or step.inner) and (
                step.layer,
                step.role,
            ) not in self.parts:
                name = f"part{len(self.parts)}"
                self.parts[step.layer, step.role] = name
                self._add(name, step)

    def _add(self, name: str, step: Step) -> None:
        if step.inner is not None:
            self.add_module(name, Interpreted(step.inner))
            return
        assert step.module is not None
        arrays = {f.target: torch.tensor(np.array(f.array)) for f in step.filled}
        if step.module.call == "nn.Parameter":
            self.register_parameter(name, nn.Parameter(arrays[""]))
        elif step.module.call == "register_buffer":
            self.register_buffer(name, arrays[""])
        else:
            module = construct(step.module)
            if any(a.dtype == torch.float64 for a in arrays.values()):
                module = module.double()
            missing, unexpected = module.load_state_dict(arrays, strict=False)
            assert not unexpected
            left = [key for key in missing if not key.endswith("num_batches_tracked")]
            assert not left, f"{step.layer}: nothing fills {left}"
            self.add_module(name, module)

    def forward(self, *inputs: Tensor) -> Any:
        """Run the steps."""
        at = {
            port.local.key: x
            for port, x in zip(self.program.inputs, inputs, strict=True)
        }
        for step in self.program.steps:
            names = {f"x{n}": at[local.key] for n, local in enumerate(step.operands)}
            own = self.parts.get((step.layer, step.role))
            if step.module is not None or step.inner is not None:
                assert own is not None
                names["part"] = getattr(self, own)
            text = step.expression.format(
                *(f"x{n}" for n in range(len(step.operands))), module="part"
            )
            result = eval(text, NAMES | names)
            results = (result,) if len(step.results) == 1 else result
            if step.inner is not None and len(step.results) == 1:
                results = result if isinstance(result, tuple) else (result,)
            for local, made in zip(step.results, results, strict=True):
                if isinstance(made, Tensor):
                    assert made.ndim == local.rank or isinstance(result, tuple), (
                        f"{step.layer}: {step.expression} has {made.ndim} axes, "
                        f"not {local.rank}"
                    )
                at[local.key] = made
        return tuple(at[port.local.key] for port in self.program.outputs)


def construct(construction: Construction) -> nn.Module:
    """Build a module as the written ``__init__`` does."""
    arguments = [_literal(a) for a in construction.arguments]
    arguments += [f"{key}={_literal(a)}" for key, a in construction.keywords]
    module = eval(f"{construction.call}({', '.join(arguments)})", NAMES)
    assert isinstance(module, nn.Module)
    return module


def _literal(argument: Any) -> str:
    return argument.text if isinstance(argument, Verbatim) else repr(argument)


@dataclass(frozen=True)
class Compared:
    """What came out on both sides."""

    program: Program
    module: Interpreted
    error: float

    @property
    def lines(self) -> list[str]:
        """Expressions of the forward."""
        return [step.expression for step in self.program.steps]

    @property
    def modules(self) -> list[Construction]:
        """What the ``__init__`` builds."""
        return [step.module for step in self.program.steps if step.module]


def randomise(model: keras.Model, rng: np.random.Generator) -> None:
    """Weights that are nobody's default; variances stay positive."""
    for weight in model.weights:
        if "seed" in weight.path or "count" in weight.path:
            continue
        values = rng.normal(size=weight.shape, scale=0.5)
        if "variance" in weight.path or "gamma" in weight.path:
            values = np.abs(values) + 0.3
        weight.assign(values.astype(weight.dtype))


def port(model: keras.Model) -> Interpreted:
    """Lower a model and run what comes of it."""
    return Interpreted(lower(graph_of(model))).eval()


def compare(
    model: keras.Model, inputs: list[np.ndarray], *, gradients: bool = True
) -> Compared:
    """Run a Keras model and its Program on the same inputs.

    The error is the largest difference of outputs, and of gradients with respect to
    the inputs, over the largest value.
    """
    program = lower(graph_of(model))
    module = Interpreted(program).eval()
    expected = keras.tree.flatten(_keras(model, inputs))
    tensors = [torch.tensor(x) for x in inputs]
    floating = [x.requires_grad_() for x in tensors if x.is_floating_point()]
    made = module(*tensors)
    assert len(made) == len(expected)
    error = 0.0
    for ours, his in zip(made, expected, strict=True):
        theirs = np.asarray(keras.ops.convert_to_numpy(his))
        assert tuple(ours.shape) == theirs.shape, (ours.shape, theirs.shape)
        error = max(error, _off(ours.detach().numpy(), theirs))
    if gradients and floating and any(m.requires_grad for m in made):
        error = max(error, _gradient_error(model, inputs, floating, made))
    return Compared(program, module, error)


def _keras(model: keras.Model, inputs: list[Any]) -> Any:
    one = isinstance(model, keras.Sequential) or not isinstance(model.input, list)
    return model(inputs[0] if one else inputs, training=False)


def _off(ours: np.ndarray, theirs: np.ndarray) -> float:
    if not theirs.size:
        return 0.0
    if ours.dtype.kind != "f":
        return float(np.max(np.abs(ours.astype(float) - theirs.astype(float))))
    scale = max(1.0, float(np.max(np.abs(theirs))))
    return float(np.max(np.abs(ours.astype(float) - theirs.astype(float)))) / scale


def _gradient_error(
    model: keras.Model,
    inputs: list[np.ndarray],
    floating: list[Tensor],
    made: tuple[Tensor, ...],
) -> float:
    import tensorflow as tf

    weights = [
        np.cos(np.arange(m.numel(), dtype="float64")).reshape(m.shape) for m in made
    ]
    ours_sum = sum(
        (m * torch.tensor(w).to(m.dtype)).sum()
        for m, w in zip(made, weights, strict=True)
        if m.is_floating_point()
    )
    assert isinstance(ours_sum, Tensor)
    ours = torch.autograd.grad(ours_sum, floating, allow_unused=True)
    variables = [tf.convert_to_tensor(x) for x in inputs]
    watched = [v for v in variables if v.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs = keras.tree.flatten(_keras(model, variables))
        total = tf.add_n(
            [
                tf.reduce_sum(tf.cast(o, "float64") * w)
                for o, w in zip(outputs, weights, strict=True)
                if o.dtype.is_floating
            ]
        )
    theirs = tape.gradient(total, watched)
    error = 0.0
    for mine, his in zip(ours, theirs, strict=True):
        if mine is not None and his is not None:
            error = max(
                error, _off(mine.numpy(), np.asarray(tf.convert_to_tensor(his)))
            )
        else:
            assert (mine is None and his is None) or float(abs(mine).max()) == 0
    return error


def call_of(
    kind: str, config: Mapping[str, Any], shape: tuple[int | None, ...]
) -> tuple[Call, Graph]:
    """A call made by hand, of one input and an output of the same shape."""
    value, out = Value(0, shape, "float32"), Value(1, shape, "float32")
    call = Call("layer", kind, config, (value,), (value,), {}, (None,), (out,), {})
    return call, Graph("model", (value,), ("x",), (call,), out)


EXACT = 1e-9
"""Of float64, relative to the largest value: rounding, summed up."""

CONSTANT = 1e-6
"""Where Keras takes a number of Python through float32, or resizes in float32."""


def of_layer(
    layer: Any,
    *shapes: tuple[int | None, ...],
    rng: np.random.Generator,
    size: int = 5,
    **arguments: Any,
) -> Compared:
    """Compare one layer, called on inputs of some shapes without the batch.

    A size that is not known to the layer is `size` when it is run.
    """
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = layer(inputs if len(inputs) > 1 else inputs[0], **arguments)
    return of_outputs(inputs, outputs, rng=rng, size=size)


def of_outputs(
    inputs: list[Any], outputs: Any, *, rng: np.random.Generator, size: int = 5
) -> Compared:
    """Compare a functional model, with random weights and values."""
    model = keras.Model(inputs, outputs)
    randomise(model, rng)
    return compare(model, [drawn(i, rng, size=size) for i in inputs])


def drawn(
    tensor: Any, rng: np.random.Generator, *, batch: int = 3, size: int = 5
) -> np.ndarray:
    """Values for an input: normal, or small whole numbers."""
    shape = (batch, *(size if n is None else n for n in tensor.shape[1:]))
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 3, size=shape).astype(dtype)
