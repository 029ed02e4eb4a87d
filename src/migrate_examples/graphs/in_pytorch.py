"""Computational graphs in PyTorch: Python, then a capture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._higher_order_ops import scan, while_loop
from torch.fx import GraphModule

Array = NDArray[np.floating[Any]]


class _Projection(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.weight)


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
    constant = torch.tensor(weight)
    x = constant.new_zeros(2, len(weight))  # a stand-in
    batch = ({0: torch.export.Dim("batch")},)
    graph = torch.export.export(
        _Projection(constant), (x,), dynamic_shapes=batch
    )
    program = graph.module()
    return lambda batch: program(torch.tensor(batch)).numpy()


def list_operations(
    function: Callable[..., Any], *arguments: Tensor
) -> list[str]:
    """Operations in the graph of a function.

    Forgets all that ``torch.compile`` compiled before.

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
    >>> x = torch.ones(3)
    >>> list_operations(lambda x: torch.tanh(x + x), x)
    ['add', 'tanh']
    """
    operations: list[str] = []

    def backend(graph: GraphModule, _: Any) -> Any:
        for part in graph.modules():
            if isinstance(part, GraphModule):
                operations.extend(
                    getattr(
                        node.target, "__name__", node.target
                    )
                    for node in part.graph.nodes
                    if node.op.startswith("call")
                )
        return graph.forward

    torch.compiler.reset()
    whole = torch.compile(fullgraph=True, backend=backend)
    whole(function)(*arguments)
    return operations


def count_graphs(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    shapes: str,
) -> int:
    """Count the graphs that a series of calls makes.

    Forgets all that ``torch.compile`` compiled before.

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
        Graphs, the pieces between graph breaks included.

    Raises
    ------
    ValueError
        If ``shapes`` is none of the three.

    Examples
    --------
    >>> calls = [(torch.ones(size),) for size in (2, 3, 4, 5)]
    >>> ways = ["fixed", "relaxed", "any"]
    >>> [count_graphs(torch.sin, calls, way) for way in ways]
    [4, 2, 1]
    """
    dynamic = {"fixed": False, "relaxed": None, "any": True}
    if shapes not in dynamic:
        raise ValueError(
            f"shapes is {shapes!r}: fixed, relaxed or any?"
        )
    graphs: list[GraphModule] = []

    def backend(graph: GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward  # run it as it is

    torch.compiler.reset()  # what it remembers would not count
    compiled = torch.compile(
        function, backend=backend, dynamic=dynamic[shapes]
    )
    for arguments in calls:
        compiled(*arguments)
    return len(graphs)


def clip_norm(x: Tensor, limit: float) -> Tensor:
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
    >>> clip_norm(torch.tensor([3.0, 4.0]), 1.0)
    tensor([0.6000, 0.8000])
    """
    norm = torch.linalg.vector_norm(x)
    if norm > limit:  # torch.compile breaks the graph here
        x = x * (limit / norm)
    return x


def clip_norm_in_graph(x: Tensor, limit: float) -> Tensor:
    """Shorten a tensor to a norm, both branches in one graph.

    Parameters and result are those of :func:`clip_norm`.

    Examples
    --------
    >>> clip_norm_in_graph(torch.tensor([3.0, 4.0]), 1.0)
    tensor([0.6000, 0.8000])
    """
    norm = torch.linalg.vector_norm(x)
    longest = torch.full_like(
        norm, limit
    )  # cond takes no float
    return torch.cond(
        norm > longest,
        lambda x: x * (longest / norm),
        lambda x: x.clone(),  # may not return its input
        (x,),
    )


def newton_sqrt(
    x: Tensor, tolerance: float = 1e-6
) -> tuple[Tensor, Tensor | int]:
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
        How often the loop ran.

    Examples
    --------
    >>> root, steps = newton_sqrt(torch.tensor([1.0, 9.0]))
    >>> root, int(steps)
    (tensor([1., 3.]), 4)
    """
    root, steps = (x + 1) / 2, 0
    while ((root**2 - x).abs() > tolerance * x).any():
        root = (root + x / root) / 2
        steps += 1
    return root, steps


def newton_sqrt_in_graph(
    x: Tensor, tolerance: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """Square root by Newton's method, the loop in the graph.

    Parameters and result are those of :func:`newton_sqrt`, but
    ``steps`` is a scalar tensor. ``while_loop`` is a prototype
    without a public name; do not train through it yet.

    Examples
    --------
    >>> x = torch.tensor([1.0, 9.0])
    >>> root, steps = newton_sqrt_in_graph(x)
    >>> root, int(steps)
    (tensor([1., 3.]), 4)
    """

    def is_rough(root: Tensor, _: Tensor) -> Tensor:
        return ((root**2 - x).abs() > tolerance * x).any()

    def improve(
        root: Tensor, steps: Tensor
    ) -> tuple[Tensor, Tensor]:
        return (root + x / root) / 2, steps + 1

    start = ((x + 1) / 2, torch.tensor(0))
    root, steps = while_loop(is_rough, improve, start)
    return root, steps


def last_state(
    weight: Tensor, state: Tensor, inputs: Tensor
) -> Tensor:
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
    >>> x = torch.ones(3, 1, 1)
    >>> last_state(x[0], x[0] * 0, x)
    tensor([[0.9597]])
    """
    for step in inputs:
        state = torch.tanh(state @ weight + step)
    return state


def last_state_in_graph(
    weight: Tensor, state: Tensor, inputs: Tensor
) -> Tensor:
    """Run a recurrence over a sequence, the loop in the graph.

    Parameters and result are those of :func:`last_state`; a
    sequence of length zero is refused. ``scan`` is a prototype
    without a public name.

    Examples
    --------
    >>> x = torch.ones(3, 1, 1)
    >>> last_state_in_graph(x[0], x[0] * 0, x)
    tensor([[0.9597]])
    """

    def step(state: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(state @ weight + x)
        return state, state.clone()  # carried on, and stacked

    _, states = scan(step, state, inputs)
    return states[-1]


class ClippedLinear(nn.Module):
    """A product with a weight, the result clipped to a norm.

    Parameters
    ----------
    weight : Tensor (inputs, outputs)
        Start of the trainable weight, floating dtype.
    limit : float
        The largest Euclidean norm of the result.

    Examples
    --------
    >>> layer = ClippedLinear(torch.eye(2), 1.0)
    >>> with torch.no_grad():
    ...     layer(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """

    def __init__(self, weight: Tensor, limit: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor (batch, inputs) to (batch, outputs)."""
        return clip_norm_in_graph(x @ self.weight, self.limit)


def save_program(
    module: nn.Module, example: Tensor, path: Path
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
        Where to; one file, named ``.pt2``.

    Examples
    --------
    >>> import tempfile
    >>> layer = ClippedLinear(torch.eye(2), 1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "program.pt2")
    ...     save_program(layer, torch.ones(2, 2), path)
    ...     program = load_program(path)
    >>> with torch.no_grad():
    ...     program(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    batch = torch.export.Dim("batch")
    with torch.no_grad():  # to be run, not trained
        graph = torch.export.export(
            module, (example,), dynamic_shapes=({0: batch},)
        )
    torch.export.save(graph, path)


def load_program(path: Path) -> Callable[[Tensor], Tensor]:
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
    return torch.export.load(path).module()
