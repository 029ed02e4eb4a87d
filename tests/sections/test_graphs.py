"""Both sides of each twin of the graphs, on random inputs; graphs are counted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch._higher_order_ops import while_loop

from migrate_examples.graphs import in_pytorch, in_tensorflow

# A few roundings: products and norms are summed in different orders.
RTOL = {"float32": 1e-5, "float64": 1e-12}

# PyTorch hides this warning of its own from users, but not from an error filter:
# its control flow asks every operand for `.grad`.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)


@pytest.fixture(autouse=True)
def forget_graphs() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def agree(theirs: Any, ours: Any, dtype: str) -> None:
    """Assert equal dtype and equal values but for rounding."""
    left, right = np.asarray(ours), np.asarray(theirs)
    assert left.dtype == right.dtype == dtype
    np.testing.assert_allclose(right, left, rtol=RTOL[dtype], atol=RTOL[dtype])


def gradients_tf(
    function: Callable[..., tf.Tensor], *arrays: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Value, and gradients of the sum of its squares."""
    sources = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = function(*sources)
        loss = tf.reduce_sum(value**2)
    return value.numpy(), [g.numpy() for g in tape.gradient(loss, sources)]


def gradients_torch(
    function: Callable[..., torch.Tensor], *arrays: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Value, and gradients of the sum of its squares."""
    sources = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = function(*sources)
    found = torch.autograd.grad((value**2).sum(), sources)
    return value.numpy(force=True), [g.numpy() for g in found]


def agree_with_gradients(
    theirs: tuple[np.ndarray, list[np.ndarray]],
    ours: tuple[np.ndarray, list[np.ndarray]],
    dtype: str,
) -> None:
    agree(theirs[0], ours[0], dtype)
    for right, left in zip(theirs[1], ours[1], strict=True):
        agree(right, left, dtype)


@pytest.fixture
def x(rng: np.random.Generator, dtype: str) -> np.ndarray:
    return rng.normal(size=(3, 5)).astype(dtype)


@pytest.fixture
def sequence(
    rng: np.random.Generator, dtype: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, first state and inputs of a recurrence."""
    shapes = (4, 4), (3, 4), (7, 3, 4)
    weight, state, inputs = (rng.normal(size=s).astype(dtype) for s in shapes)
    return weight, state, inputs


def test_build_program_runs_any_batch_and_matches_numpy(
    rng: np.random.Generator, dtype: str
) -> None:
    weight = rng.normal(size=(5, 2)).astype(dtype)
    ours = in_tensorflow.build_program(weight)
    theirs = in_pytorch.build_program(weight)
    for size in (1, 2, 7):
        batch = rng.normal(size=(size, 5)).astype(dtype)
        agree(theirs(batch), ours(batch), dtype)
        agree(theirs(batch), np.tanh(batch @ weight), dtype)


def test_build_program_refuses_another_width() -> None:
    weight, wrong = np.ones((5, 2)), np.ones((3, 4))
    with pytest.raises(ValueError, match="Cannot feed value of shape"):
        in_tensorflow.build_program(weight)(wrong)
    with pytest.raises(AssertionError, match="Guard failed"):
        in_pytorch.build_program(weight)(wrong)


def test_build_program_leaves_tensorflow_eager() -> None:
    in_tensorflow.build_program(np.ones((2, 2)))
    assert tf.executing_eagerly()


def test_list_operations_of_a_layer() -> None:
    ours = in_tensorflow.list_operations(
        lambda x, w: tf.tanh(x @ w + 1.0), tf.ones((2, 3)), tf.ones((3, 4))
    )
    theirs = in_pytorch.list_operations(
        lambda x, w: torch.tanh(x @ w + 1.0), torch.ones(2, 3), torch.ones(3, 4)
    )
    assert ours == ["MatMul", "AddV2", "Tanh"]
    assert theirs == ["matmul", "add", "tanh"]


def test_list_operations_grows_with_an_unrolled_loop_alone() -> None:
    def sizes(module: Any, name: str, ones: Any) -> list[int]:
        loop = getattr(module, name)
        return [
            len(
                module.list_operations(
                    loop, ones((4, 4)), ones((3, 4)), ones((n, 3, 4))
                )
            )
            for n in (2, 5, 9)
        ]

    for name in ("last_state", "last_state_in_graph"):
        ours = sizes(in_tensorflow, name, tf.ones)
        assert len(set(ours)) == 1
    python = sizes(in_pytorch, "last_state", torch.ones)
    graph = sizes(in_pytorch, "last_state_in_graph", torch.ones)
    # a slice, a product, a sum and a tanh a step
    assert python == [4 * 2, 4 * 5, 4 * 9]
    assert len(set(graph)) == 1


def test_list_operations_sees_into_branches() -> None:
    ours = in_tensorflow.list_operations(
        lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sin(x), lambda: tf.cos(x)),
        tf.ones(3),
    )
    theirs = in_pytorch.list_operations(
        lambda x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)), torch.ones(3)
    )
    assert {"Sin", "Cos"} <= set(ours)
    assert {"sin", "cos"} <= set(theirs)


@pytest.mark.parametrize(
    "shapes,sizes,ours,theirs",
    [
        ("fixed", (3, 5, 3, 7, 9), 4, 4),
        ("relaxed", (3, 5, 3, 7, 9), 2, 2),
        ("any", (3, 5, 3, 7, 9), 1, 1),
        # A size of one is a case of its own to PyTorch, and to it alone.
        ("relaxed", (3, 5, 1, 7), 2, 3),
        ("any", (3, 5, 1, 7), 1, 2),
    ],
)
def test_count_graphs_of_sizes(
    shapes: str, sizes: tuple[int, ...], ours: int, theirs: int
) -> None:
    calls_tf = [(tf.ones((size, 2)),) for size in sizes]
    calls_torch = [(torch.ones(size, 2),) for size in sizes]
    assert in_tensorflow.count_graphs(tf.sin, calls_tf, shapes) == ours
    assert in_pytorch.count_graphs(torch.sin, calls_torch, shapes) == theirs


@pytest.mark.parametrize(
    "shapes,ours,theirs", [("fixed", 4, 4), ("relaxed", 4, 2), ("any", 1, 1)]
)
def test_count_graphs_of_python_numbers(shapes: str, ours: int, theirs: int) -> None:
    numbers = (2, 3, 4, 5)
    calls_tf = [(tf.ones(3), n) for n in numbers]
    calls_torch = [(torch.ones(3), n) for n in numbers]

    def scale_tf(x: tf.Tensor, n: Any) -> tf.Tensor:
        return x * tf.cast(n, x.dtype)

    def scale_torch(x: torch.Tensor, n: Any) -> torch.Tensor:
        return x * n

    assert in_tensorflow.count_graphs(scale_tf, calls_tf, shapes) == ours
    assert in_pytorch.count_graphs(scale_torch, calls_torch, shapes) == theirs


@pytest.mark.parametrize("shapes", ["fixed", "relaxed"])
def test_count_graphs_of_a_branch(shapes: str) -> None:
    for name, theirs in (("clip_norm", 2), ("clip_norm_in_graph", 1)):
        clip_tf, clip_torch = getattr(in_tensorflow, name), getattr(in_pytorch, name)
        calls_tf = [(tf.ones(3) * s, 1.0) for s in (9.0, 0.1)]
        calls_torch = [(torch.ones(3) * s, 1.0) for s in (9.0, 0.1)]
        assert in_tensorflow.count_graphs(clip_tf, calls_tf, shapes) == 1
        assert in_pytorch.count_graphs(clip_torch, calls_torch, shapes) == theirs


@pytest.mark.parametrize(
    "name,lengths,theirs",
    [
        ("last_state", (5, 7, 9, 11), 4),
        ("last_state_in_graph", (5, 7, 9, 11), 1),
        # Three is the size of the batch as well: PyTorch takes the two for one size.
        ("last_state_in_graph", (3, 5, 7, 9), 2),
    ],
)
def test_count_graphs_of_lengths(
    name: str, lengths: tuple[int, ...], theirs: int
) -> None:
    weight, state = np.ones((4, 4)), np.ones((3, 4))
    sequences = [np.ones((length, 3, 4)) for length in lengths]
    calls_tf = [[tf.constant(a) for a in (weight, state, s)] for s in sequences]
    calls_torch = [[torch.tensor(a) for a in (weight, state, s)] for s in sequences]
    loop_tf, loop_torch = getattr(in_tensorflow, name), getattr(in_pytorch, name)
    count = in_tensorflow.count_graphs(loop_tf, [tuple(c) for c in calls_tf], "any")
    assert count == 1
    count = in_pytorch.count_graphs(loop_torch, [tuple(c) for c in calls_torch], "any")
    assert count == theirs


def test_count_graphs_refuses_an_unknown_way() -> None:
    for count in (in_tensorflow.count_graphs, in_pytorch.count_graphs):
        with pytest.raises(ValueError, match="shapes is 'all': fixed, relaxed or any"):
            count(abs, [], "all")


@pytest.mark.parametrize("name", ["clip_norm", "clip_norm_in_graph"])
@pytest.mark.parametrize("scale", [3.0, 0.01])
def test_clip_norm_eager_and_captured(
    x: np.ndarray, dtype: str, name: str, scale: float
) -> None:
    clip_tf, clip_torch = getattr(in_tensorflow, name), getattr(in_pytorch, name)
    x *= scale
    want = x * min(1.0, 2.0 / np.linalg.norm(x))
    eager = gradients_tf(lambda x: clip_tf(x, 2.0), x)
    agree(eager[0], want.astype(dtype), dtype)
    captured = gradients_tf(tf.function(lambda x: clip_tf(x, 2.0)), x)
    agree_with_gradients(captured, eager, dtype)
    agree_with_gradients(gradients_torch(lambda x: clip_torch(x, 2.0), x), eager, dtype)
    compiled = torch.compile(clip_torch, backend="aot_eager")
    agree_with_gradients(gradients_torch(lambda x: compiled(x, 2.0), x), eager, dtype)


def test_clip_norm_in_graph_takes_a_limit_that_varies(x: np.ndarray) -> None:
    calls_tf = [(tf.constant(x), tf.constant(n, x.dtype)) for n in (1.0, 2.0, 3.0)]
    calls_torch = [(torch.tensor(x), n) for n in (1.0, 2.0, 3.0)]
    clip_tf, clip_torch = (
        in_tensorflow.clip_norm_in_graph,
        in_pytorch.clip_norm_in_graph,
    )
    assert in_tensorflow.count_graphs(clip_tf, calls_tf, "any") == 1
    assert in_pytorch.count_graphs(clip_torch, calls_torch, "any") == 1

    def clip_with_float(x: torch.Tensor, limit: float) -> torch.Tensor:
        return torch.cond(
            x.norm() > limit, lambda x: x * limit, lambda x: x.clone(), (x,)
        )

    # what the tensor made of the limit is for
    with pytest.raises(RuntimeError, match="SymFloat"):
        in_pytorch.count_graphs(clip_with_float, calls_torch, "any")


def assert_same_newton(
    newton_tf: Callable[..., Any], newton_torch: Callable[..., Any], x: np.ndarray
) -> None:
    """Assert equal roots, equal numbers of steps, and equal gradients."""
    dtype = str(x.dtype)
    x = x**2 + np.asarray(0.1, dtype)
    root, steps = newton_torch(torch.tensor(x))
    for function in (newton_tf, tf.function(newton_tf)):
        root_tf, steps_tf = function(tf.constant(x))
        agree(root, root_tf, dtype)
        assert int(steps) == int(steps_tf) > 2
    # the tolerance is of the square: half of it remains in the root
    np.testing.assert_allclose(root, np.sqrt(x), rtol=1e-6)
    ours = gradients_tf(lambda x: newton_tf(x)[0], x)
    theirs = gradients_torch(lambda x: newton_torch(x)[0], x)
    agree_with_gradients(theirs, ours, dtype)


def test_newton_sqrt(x: np.ndarray) -> None:
    assert_same_newton(in_tensorflow.newton_sqrt, in_pytorch.newton_sqrt, x)


def test_newton_sqrt_in_graph(x: np.ndarray) -> None:
    assert_same_newton(
        in_tensorflow.newton_sqrt_in_graph, in_pytorch.newton_sqrt_in_graph, x
    )


@pytest.mark.parametrize("name", ["last_state", "last_state_in_graph"])
@pytest.mark.parametrize("length", [1, 4, 7])
def test_last_state(
    sequence: tuple[np.ndarray, np.ndarray, np.ndarray],
    dtype: str,
    name: str,
    length: int,
) -> None:
    weight, state, inputs = sequence
    arrays = weight, state, inputs[:length]
    loop_tf, loop_torch = getattr(in_tensorflow, name), getattr(in_pytorch, name)
    ours = gradients_tf(loop_tf, *arrays)
    want = state
    for step in inputs[:length]:
        want = np.tanh(want @ weight + step)
    agree(ours[0], want, dtype)
    agree_with_gradients(gradients_tf(tf.function(loop_tf), *arrays), ours, dtype)
    agree_with_gradients(gradients_torch(loop_torch, *arrays), ours, dtype)


def test_last_state_in_graph_trains_a_weight_from_a_plain_first_state(
    sequence: tuple[np.ndarray, np.ndarray, np.ndarray], dtype: str
) -> None:
    # where PyTorch's other loop, while_loop, loses the gradient
    weight, state, inputs = sequence
    for loop in (in_pytorch.last_state, in_pytorch.last_state_in_graph):
        _, (slope,) = gradients_torch(
            lambda w, loop=loop: loop(w, torch.tensor(state), torch.tensor(inputs)),
            weight,
        )
        _, (want,) = gradients_tf(
            lambda w: in_tensorflow.last_state(w, state, inputs), weight
        )
        agree(slope, want, dtype)


def test_last_state_in_graph_refuses_an_empty_sequence() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_tensorflow.last_state_in_graph(
            tf.ones((4, 4)), tf.ones((3, 4)), tf.ones((0, 3, 4))
        )
    with pytest.raises(RuntimeError, match="scan dimension > 0"):
        in_pytorch.last_state_in_graph(
            torch.ones(4, 4), torch.ones(3, 4), torch.ones(0, 3, 4)
        )


def test_while_loop_still_loses_the_gradient_of_a_plain_carry() -> None:
    # The page warns of it; when this fails, PyTorch has been repaired.
    a = torch.tensor(2.0, requires_grad=True)

    def cube(start: torch.Tensor) -> torch.Tensor:
        def body(n: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return n + 1, x * a

        return while_loop(lambda n, _: n < 3, body, (torch.tensor(0), start))[1]

    (plain,) = torch.autograd.grad(cube(torch.tensor(1.0)), a)
    (tracked,) = torch.autograd.grad(cube(torch.tensor(1.0, requires_grad=True)), a)
    assert tracked == 12.0
    assert plain == 4.0


@pytest.fixture
def layers(
    rng: np.random.Generator, dtype: str
) -> tuple[in_tensorflow.ClippedLinear, in_pytorch.ClippedLinear]:
    weight = rng.normal(size=(5, 2)).astype(dtype)
    return (
        in_tensorflow.ClippedLinear(tf.constant(weight), 1.5),
        in_pytorch.ClippedLinear(torch.tensor(weight), 1.5),
    )


@pytest.mark.parametrize("scale", [3.0, 0.01])
def test_clipped_linear_trains_its_weight(
    x: np.ndarray, dtype: str, layers: Any, scale: float
) -> None:
    ours, theirs = layers
    x *= scale
    with tf.GradientTape() as tape:
        value_tf = ours(tf.constant(x))
        loss = tf.reduce_sum(value_tf**3)
    value = theirs(torch.tensor(x))
    (value**3).sum().backward()
    agree(value.detach(), value_tf, dtype)
    agree(theirs.weight.grad, tape.gradient(loss, ours.weight), dtype)
    assert [v.shape for v in ours.trainable_variables] == [(5, 2)]
    assert [tuple(p.shape) for p in theirs.parameters()] == [(5, 2)]


def test_save_program_and_load_program(
    rng: np.random.Generator, dtype: str, layers: Any, tmp_path: Path
) -> None:
    x = rng.normal(size=(4, 5)).astype(dtype)
    ours, theirs = layers
    in_tensorflow.save_program(ours, tf.constant(x), tmp_path / "saved")
    in_pytorch.save_program(theirs, torch.tensor(x), tmp_path / "saved.pt2")
    loaded_tf = in_tensorflow.load_program(tmp_path / "saved")
    loaded_torch = in_pytorch.load_program(tmp_path / "saved.pt2")
    for size in (1, 3, 8):  # both branches, sizes not seen before
        for scale in (3.0, 0.01):
            batch = (rng.normal(size=(size, 5)) * scale).astype(dtype)
            with torch.no_grad():
                found = loaded_torch(torch.tensor(batch))
                want = theirs(torch.tensor(batch))
            agree(found, loaded_tf(tf.constant(batch)), dtype)
            agree(found, want, dtype)


def test_load_program_refuses_another_width(layers: Any, tmp_path: Path) -> None:
    ours, theirs = layers
    x = ours.weight.numpy().T  # two in a batch of the right width
    in_tensorflow.save_program(ours, tf.constant(x), tmp_path / "saved")
    in_pytorch.save_program(theirs, torch.tensor(x), tmp_path / "saved.pt2")
    with pytest.raises(TypeError, match="Can not cast TensorSpec"):
        in_tensorflow.load_program(tmp_path / "saved")(tf.constant(x[:, 1:]))
    with pytest.raises(AssertionError, match=r"Guard failed: x.size\(\)\[1\] == 5"):
        in_pytorch.load_program(tmp_path / "saved.pt2")(torch.tensor(x[:, 1:]))


def test_save_program_wants_two_in_a_batch(layers: Any, tmp_path: Path) -> None:
    x = torch.ones(1, 5, dtype=layers[1].weight.dtype)
    with pytest.raises(torch._dynamo.exc.UserError, match="Constraints violated"):
        in_pytorch.save_program(layers[1], x, tmp_path / "saved.pt2")


def test_python_effects_run_once_a_trace_or_once_a_call() -> None:
    seen: list[str] = []
    graphs: list[torch.fx.GraphModule] = []

    def effect_tf(x: tf.Tensor) -> tf.Tensor:
        seen.append("tf")
        return x + 1

    def effect_torch(x: torch.Tensor) -> torch.Tensor:
        seen.append("torch")
        return x + 1

    def keep(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    traced = tf.function(effect_tf)
    compiled = torch.compile(effect_torch, backend=keep)
    for _ in range(3):
        traced(tf.ones(2))
        compiled(torch.ones(2))
    assert seen.count("tf") == 1
    assert seen.count("torch") == 3
    # the list is longer at each call, and the graph is guarded on its length
    assert len(graphs) == 3
    for _ in range(10):
        compiled(torch.ones(2))
    assert seen.count("torch") == 13
    assert len(graphs) == torch._dynamo.config.recompile_limit < 13


def test_python_effects_are_not_exported() -> None:
    seen: list[str] = []

    class Noted(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append("ran")
            return x + 1

    program = torch.export.export(Noted(), (torch.ones(2),)).module()
    for _ in range(3):
        program(torch.ones(2))
    assert seen == ["ran"]


def test_a_branch_on_data_can_be_refused() -> None:
    without_rewriting = tf.function(in_tensorflow.clip_norm, autograph=False)
    with pytest.raises(TypeError, match="as a Python `bool` is not allowed"):
        without_rewriting(tf.ones(3), 1.0)
    without_breaks = torch.compile(
        in_pytorch.clip_norm, fullgraph=True, backend="eager"
    )
    with pytest.raises(RuntimeError, match="Data-dependent branching"):
        without_breaks(torch.ones(3), 1.0)
