"""Computational graphs in TensorFlow: Python, then a trace."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def build_program(weight: Array) -> Callable[[Array], Array]:
    """Define ``tanh(x @ weight)`` first, run it on data later.

    Parameters
    ----------
    weight : array (inputs, outputs)
        Floating dtype; becomes a constant of the program.

    Returns
    -------
    callable
        Maps an array (batch, inputs) of that dtype to an array
        (batch, outputs); any batch size.

    Examples
    --------
    >>> run = build_program(np.eye(2))
    >>> run(np.array([[0.0, 1.0]])).round(3)
    array([[0.   , 0.762]])
    """
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(
            weight.dtype, [None, weight.shape[0]]
        )
        y = tf.tanh(x @ tf.constant(weight))
    session = tf.compat.v1.Session(graph=graph)
    return lambda batch: session.run(y, {x: batch})


def list_operations(
    function: Callable[..., Any], *arguments: tf.Tensor
) -> list[str]:
    """Operations in the graph of a function.

    Parameters
    ----------
    function : callable
        Takes and returns tensors; captured as one graph.
    *arguments : Tensor
        What it is traced with.

    Returns
    -------
    list of str
        Those inside of branches and loop bodies included.

    Examples
    --------
    >>> x = tf.ones(3)
    >>> list_operations(lambda x: tf.tanh(x + x), x)
    ['AddV2', 'Tanh']
    """
    traced = tf.function(function)
    concrete = traced.get_concrete_function(*arguments)
    graph = concrete.graph.as_graph_def()
    nodes = list(graph.node)
    for body in graph.library.function:
        nodes += body.node_def
    plumbing = {"Placeholder", "Const", "Identity", "NoOp"}
    return [n.op for n in nodes if n.op not in plumbing]


def count_graphs(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    shapes: str,
) -> int:
    """Count the graphs that a series of calls makes.

    Parameters
    ----------
    function : callable
        Takes tensors or numbers.
    calls : sequence of tuple
        The arguments of each call.
    shapes : {"fixed", "relaxed", "any"}
        A graph for each shape; or a general graph as soon as
        two shapes were seen; or a general graph at once.

    Returns
    -------
    int
        Graphs, those that were no longer used included.

    Raises
    ------
    ValueError
        If ``shapes`` is none of the three.

    Examples
    --------
    >>> calls = [(tf.ones(size),) for size in (2, 3, 4, 5)]
    >>> ways = ["fixed", "relaxed", "any"]
    >>> [count_graphs(tf.sin, calls, way) for way in ways]
    [4, 2, 1]
    """
    if shapes not in ("fixed", "relaxed", "any"):
        raise ValueError(
            f"shapes is {shapes!r}: fixed, relaxed or any?"
        )
    traces: list[int] = []

    def traced(*arguments: Any) -> Any:
        traces.append(1)  # Python: runs while tracing only
        return function(*arguments)

    signature = None
    if shapes == "any":
        first = [tf.convert_to_tensor(a) for a in calls[0]]
        signature = [
            tf.TensorSpec([None] * a.shape.rank, a.dtype)
            for a in first
        ]
    graph = tf.function(
        traced,
        input_signature=signature,
        reduce_retracing=shapes == "relaxed",
    )
    for arguments in calls:
        graph(*arguments)
    return len(traces)


def clip_norm(x: tf.Tensor, limit: float) -> tf.Tensor:
    """Shorten a tensor to a norm, with a Python ``if``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating dtype.
    limit : float
        The largest Euclidean norm let through.

    Returns
    -------
    Tensor
        Of the shape of ``x``; a short one is returned as it is.

    Examples
    --------
    >>> clip_norm(tf.constant([3.0, 4.0]), 1.0).numpy()
    array([0.6, 0.8], dtype=float32)
    """
    norm = tf.norm(x)
    if norm > limit:  # AutoGraph makes this a tf.cond
        x = x * (limit / norm)
    return x


def clip_norm_in_graph(x: tf.Tensor, limit: float) -> tf.Tensor:
    """Shorten a tensor to a norm, both branches in one graph.

    Parameters and result are those of :func:`clip_norm`.

    Examples
    --------
    >>> x = tf.constant([3.0, 4.0])
    >>> clip_norm_in_graph(x, 1.0).numpy()
    array([0.6, 0.8], dtype=float32)
    """
    norm = tf.norm(x)
    return tf.cond(
        norm > limit,
        lambda: x * (limit / norm),
        lambda: x,
    )


def newton_sqrt(
    x: tf.Tensor, tolerance: float = 1e-6
) -> tuple[tf.Tensor, tf.Tensor | int]:
    """Square root by Newton's method, with a Python ``while``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating dtype; positive.
    tolerance : float
        Of the square of the root, relative to ``x``.

    Returns
    -------
    root : Tensor
        Of the shape of ``x``.
    steps : int
        How often the loop ran; a scalar tensor in a graph.

    Examples
    --------
    >>> root, steps = newton_sqrt(tf.constant([1.0, 9.0]))
    >>> root.numpy(), int(steps)
    (array([1., 3.], dtype=float32), 4)
    """
    root, steps = (x + 1) / 2, 0
    while tf.reduce_any(tf.abs(root**2 - x) > tolerance * x):
        root = (root + x / root) / 2
        steps += 1
    return root, steps


def newton_sqrt_in_graph(
    x: tf.Tensor, tolerance: float = 1e-6
) -> tuple[tf.Tensor, tf.Tensor]:
    """Square root by Newton's method, the loop in the graph.

    Parameters and result are those of :func:`newton_sqrt`, but
    ``steps`` is a scalar tensor.

    Examples
    --------
    >>> x = tf.constant([1.0, 9.0])
    >>> root, steps = newton_sqrt_in_graph(x)
    >>> root.numpy(), int(steps)
    (array([1., 3.], dtype=float32), 4)
    """

    def is_rough(root: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(
            tf.abs(root**2 - x) > tolerance * x
        )

    def improve(
        root: tf.Tensor, steps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return (root + x / root) / 2, steps + 1

    start = ((x + 1) / 2, tf.constant(0))
    root, steps = tf.while_loop(is_rough, improve, start)
    return root, steps


def last_state(
    weight: tf.Tensor, state: tf.Tensor, inputs: tf.Tensor
) -> tf.Tensor:
    """Run a recurrence over a sequence, with a Python ``for``.

    Each step is ``state = tanh(state @ weight + input)``.

    Parameters
    ----------
    weight : Tensor (units, units)
        Floating dtype.
    state : Tensor (batch, units)
        Before the first step.
    inputs : Tensor (length, batch, units)
        Any length.

    Returns
    -------
    Tensor (batch, units)
        The state after the last step.

    Examples
    --------
    >>> x = tf.ones((3, 1, 1))
    >>> last_state(x[0], x[0] * 0, x).numpy().round(3)
    array([[0.96]], dtype=float32)
    """
    for step in inputs:
        state = tf.tanh(state @ weight + step)
    return state


def last_state_in_graph(
    weight: tf.Tensor, state: tf.Tensor, inputs: tf.Tensor
) -> tf.Tensor:
    """Run a recurrence over a sequence, the loop in the graph.

    Parameters and result are those of :func:`last_state`; a
    sequence of length zero is refused.

    Examples
    --------
    >>> x = tf.ones((3, 1, 1))
    >>> last_state_in_graph(x[0], x[0] * 0, x).numpy().round(3)
    array([[0.96]], dtype=float32)
    """

    def step(state: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(state @ weight + x)

    states = tf.scan(step, inputs, initializer=state)
    return states[-1]


class ClippedLinear(tf.Module):
    """A product with a weight, the result clipped to a norm.

    Parameters
    ----------
    weight : Tensor (inputs, outputs)
        Start of the trainable weight, floating dtype.
    limit : float
        The largest Euclidean norm of the result.

    Examples
    --------
    >>> layer = ClippedLinear(tf.eye(2), 1.0)
    >>> layer(tf.constant([[3.0, 4.0]])).numpy()
    array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, weight: tf.Tensor, limit: float) -> None:
        super().__init__()
        self.weight = tf.Variable(weight)
        self.limit = limit

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Map a tensor (batch, inputs) to (batch, outputs)."""
        return clip_norm_in_graph(x @ self.weight, self.limit)


def save_program(
    module: tf.Module, example: tf.Tensor, path: Path
) -> None:
    """Save a module's graph and weights, without its Python.

    Parameters
    ----------
    module : Module
        Called with one tensor.
    example : Tensor (batch, ...)
        Fixes dtype and shape, but for the batch size; at least
        two in a batch.
    path : Path
        Where to; a SavedModel is a folder.

    Examples
    --------
    >>> import tempfile
    >>> layer = ClippedLinear(tf.eye(2), 1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "program")
    ...     save_program(layer, tf.ones((2, 2)), path)
    ...     program = load_program(path)
    >>> program(tf.constant([[3.0, 4.0]])).numpy()
    array([[0.6, 0.8]], dtype=float32)
    """
    signature = tf.TensorSpec(
        [None, *example.shape[1:]], example.dtype
    )
    saved = tf.Module()
    saved.module = module  # its variables are saved as well
    saved.__call__ = tf.function(
        module, input_signature=[signature]
    )
    tf.saved_model.save(saved, str(path))


def load_program(
    path: Path,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Load what :func:`save_program` wrote.

    Parameters
    ----------
    path : Path
        Of the saved program.

    Returns
    -------
    callable
        Maps a tensor as the module did; its code is not needed.
    """
    return tf.saved_model.load(str(path))
