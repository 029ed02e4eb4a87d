"""
Computational graphs
====================

Both frameworks run Python line by line, and both can turn a
function into a graph. What differs is when they build one, what
makes them build another, and what they do with an ``if``.
"""

# %%
# Both halves get the same numbers.

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
weight = rng.normal(size=(4, 3)).astype("float32")
batch = rng.normal(size=(5, 4)).astype("float32")
# A few units in the last place of float32: the libraries sum
# products in different orders.
tolerance = 8 * np.finfo("float32").eps


# %%
# Define first, run later
# -----------------------
# The graph of TensorFlow 1 is a program: you describe it with
# placeholders, then feed it. That is still there, under
# ``tf.compat.v1``. What comes closest in PyTorch is an exported
# program, made from a stand-in instead of a placeholder.

# %%
# **TensorFlow** builds a ``Graph`` and runs a ``Session``.
import tensorflow as tf

from migrate_examples.graphs.in_tensorflow import build_program

fed_tf = build_program(weight)(batch)
print(fed_tf.shape)

# %%
# **PyTorch** exports a module, its batch size left open.
import torch

from migrate_examples.graphs.in_pytorch import build_program

fed_torch = build_program(weight)(batch)
print(fed_torch.shape)

# %%
# **Compare.** The same numbers, from two programs that run
# without the Python that described them.

np.testing.assert_allclose(
    fed_torch, fed_tf, rtol=tolerance, atol=tolerance
)
gap = np.abs(fed_torch - fed_tf).max()
print(f"largest difference: {gap:.1e}")

# %%
# Line by line, then as a graph
# -----------------------------
# Today the same formula is a function that returns numbers at
# once. Wrap it, and it is captured at its first call.
#
# ``backend="eager"`` captures the graph and runs it as it is.
# The default, ``"inductor"``, also generates machine code and
# needs a C++ compiler; this page neither uses nor times it.


# %%
# **TensorFlow** captures with ``tf.function``.
def layer_tf(x, w):
    return tf.tanh(x @ w)


inputs_tf = tf.constant(batch), tf.constant(weight)
eager_tf = layer_tf(*inputs_tf)
graph_tf = tf.function(layer_tf)(*inputs_tf)


# %%
# **PyTorch** captures with ``torch.compile``.
def layer_torch(x, w):
    return torch.tanh(x @ w)


inputs_torch = torch.tensor(batch), torch.tensor(weight)
eager_torch = layer_torch(*inputs_torch)
compiled = torch.compile(layer_torch, backend="eager")
graph_torch = compiled(*inputs_torch)

# %%
# **Compare.** A graph returns what its Python returned, and
# what the program above did.

for found in (graph_tf, eager_torch, graph_torch, fed_tf):
    np.testing.assert_allclose(
        found, eager_tf, rtol=tolerance, atol=tolerance
    )
gap = np.abs(graph_torch.numpy() - graph_tf.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# What makes another graph
# ------------------------
# A graph serves some calls, not all. Three ways: a graph for
# each size, a general one when a second size comes, or a
# general one from the start. Three series of calls: sizes,
# sizes with a one among them, and Python numbers.

# %%
# **TensorFlow**: default, ``reduce_retracing``, a signature.
from migrate_examples.graphs.in_tensorflow import count_graphs


def scale_tf(x, n):
    return x * tf.cast(n, x.dtype)


series = [
    [(tf.ones(n), 2) for n in (3, 5, 7)],
    [(tf.ones(n), 2) for n in (3, 1, 7)],
    [(tf.ones(3), n) for n in (3, 5, 7)],
]
made_tf = {
    way: [count_graphs(scale_tf, c, way) for c in series]
    for way in ("fixed", "relaxed", "any")
}

# %%
# **PyTorch**: ``dynamic=False``, its default, ``dynamic=True``.
from migrate_examples.graphs.in_pytorch import count_graphs


def scale_torch(x, n):
    return x * n


series = [
    [(torch.ones(n), 2) for n in (3, 5, 7)],
    [(torch.ones(n), 2) for n in (3, 1, 7)],
    [(torch.ones(3), n) for n in (3, 5, 7)],
]
made_torch = {
    way: [count_graphs(scale_torch, c, way) for c in series]
    for way in ("fixed", "relaxed", "any")
}

# %%
# **Compare.** Sizes agree. A size of one is a case of its own
# to PyTorch. Each Python number is a new graph to
# ``tf.function`` until a signature makes it a tensor; PyTorch
# generalises a number as it does a size.

for way in ("fixed", "relaxed", "any"):
    pairs = zip(made_tf[way], made_torch[way], strict=True)
    sizes, one, number = pairs
    print(f"{way}: sizes {sizes}, one {one}, numbers {number}")
    assert sizes[0] == sizes[1]
assert made_torch["any"][1] == made_tf["any"][1] + 1
assert made_tf["relaxed"][2] > made_torch["relaxed"][2]

# %%
# Python that is not in the graph
# -------------------------------
# Leave one dimension open, and one graph does for all sizes.
# Then see what becomes of an ``append``.

# %%
# **TensorFlow** runs Python while it traces, then never again.
noted_tf = []


@tf.function(input_signature=[tf.TensorSpec([None, 4])])
def total_tf(x):
    noted_tf.append("ran")
    return tf.reduce_sum(x)


sums_tf = [total_tf(tf.ones((n, 4))) for n in (3, 5, 7)]
print("graphs and effects:", len(noted_tf))

# %%
# **PyTorch** replays it at each call, around the graph.
graphs, noted_torch = [], []


def keep(graph, example_inputs):
    graphs.append(graph)
    return graph.forward  # that is all a backend has to do


total_torch = torch.compile(torch.sum, backend=keep)
xs = [torch.ones(n, 4) for n in (3, 5, 7)]
torch._dynamo.mark_dynamic(xs[0], 0)
sums_torch = [total_torch(x) for x in xs]
print("graphs:", len(graphs))


@torch.compile(backend=keep)
def total_noted(x):
    noted_torch.append("ran")
    return x.sum()


for _ in range(3):
    total_noted(xs[0])
print("effects:", len(noted_torch), " graphs:", len(graphs) - 1)

# %%
# **Compare.** The ``append`` runs at each of three calls, and
# costs a graph each: PyTorch guards the graph on the list it
# read, which is longer now. Keep counters out of compiled code.

np.testing.assert_array_equal(sums_torch, sums_tf)
assert (len(noted_tf), len(noted_torch)) == (1, 3)
assert len(graphs) == 1 + 3
print("effects:", len(noted_tf), "against", len(noted_torch))

# %%
# A branch that depends on data
# -----------------------------
# Which way an ``if`` goes is known when the tensor is. Here a
# tensor is shortened when its norm exceeds a limit.

# %%
# **TensorFlow** rewrites the ``if`` (AutoGraph): one graph.
from migrate_examples.graphs.in_tensorflow import (
    clip_norm,
    clip_norm_in_graph,
    count_graphs,
)

calls = [(tf.constant(batch) * s, 1.0) for s in (1.0, 0.01)]
clipped_tf = [clip_norm(*call) for call in calls]
branch_tf = count_graphs(clip_norm, calls, "fixed")
cond_tf = count_graphs(clip_norm_in_graph, calls, "fixed")
print("graphs: if", branch_tf, " tf.cond", cond_tf)

# %%
# **PyTorch** breaks the graph at the ``if``: two pieces.
from migrate_examples.graphs.in_pytorch import (
    clip_norm,
    clip_norm_in_graph,
    count_graphs,
)

calls = [(torch.tensor(batch) * s, 1.0) for s in (1.0, 0.01)]
clipped_torch = [clip_norm(*call) for call in calls]
branch_torch = count_graphs(clip_norm, calls, "fixed")
cond_torch = count_graphs(clip_norm_in_graph, calls, "fixed")
print("graphs: if", branch_torch, " torch.cond", cond_torch)
strict = torch.compile(fullgraph=True, backend="eager")
try:
    strict(clip_norm)(*calls[0])
except RuntimeError as error:
    print(f"with fullgraph: {error!s:.24}")

# %%
# **Compare.** Both branches agree. ``torch.cond`` keeps them in
# one graph, as AutoGraph does for you. A break is silent and
# costs speed; ``fullgraph=True`` makes it an error.

for ours, theirs in zip(clipped_tf, clipped_torch, strict=True):
    np.testing.assert_allclose(theirs, ours, rtol=tolerance)
assert (branch_tf, cond_tf) == (1, 1)
assert (branch_torch, cond_torch) == (2, 1)
print(f"norm after: {clipped_torch[0].norm():.3f}")

# %%
# A loop until converged
# ----------------------
# Newton's iteration for a square root runs as often as its
# numbers ask for.

# %%
# **TensorFlow** makes the ``while`` a ``tf.while_loop``.
from migrate_examples.graphs.in_tensorflow import (
    count_graphs,
    newton_sqrt,
    newton_sqrt_in_graph,
)

squares = tf.constant(batch) ** 2 + 0.1
root_tf, steps_tf = newton_sqrt(squares)
loop_tf, loop_steps_tf = newton_sqrt_in_graph(squares)
while_tf = count_graphs(newton_sqrt, [(squares,)], "fixed")
print("steps:", steps_tf, " graphs:", while_tf)

# %%
# **PyTorch** runs the ``while`` in Python, between graphs.
from migrate_examples.graphs.in_pytorch import (
    count_graphs,
    newton_sqrt,
    newton_sqrt_in_graph,
)

squares = torch.tensor(batch) ** 2 + 0.1
root_torch, steps_torch = newton_sqrt(squares)
loop_torch, loop_steps_torch = newton_sqrt_in_graph(squares)
while_torch = count_graphs(newton_sqrt, [(squares,)], "fixed")
print("steps:", steps_torch, " graphs:", while_torch)

# %%
# **Compare.** The same number of steps, whoever runs the loop.

for found in (loop_tf, root_torch, loop_torch):
    np.testing.assert_allclose(found, root_tf, rtol=tolerance)
assert steps_tf == loop_steps_tf == steps_torch
assert steps_torch == loop_steps_torch
assert while_torch > while_tf
gap = np.abs(root_torch.numpy() - root_tf.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# ``while_loop`` is a prototype in PyTorch, from a private
# module. Do not train through it yet: where the carried value
# starts without ``requires_grad``, the gradients of earlier
# rounds are lost, and nothing is raised.

# %%
# **PyTorch** multiplies 1 by 2 three times; the slope is 12.
from torch._higher_order_ops import while_loop

base = torch.tensor(2.0, requires_grad=True)
_, cube = while_loop(
    lambda n, x: n < 3,
    lambda n, x: (n + 1, x * base),
    (torch.tensor(0), torch.tensor(1.0)),
)
(slope,) = torch.autograd.grad(cube, base)
print("value", cube.item(), "slope", slope.item())
assert cube == 8.0
assert slope != 12.0

# %%
# A sequence of any length
# ------------------------
# A recurrence in a Python ``for``: TensorFlow's graph holds one
# loop, PyTorch's holds every step.

# %%
# **TensorFlow** makes the ``for`` a loop of the graph.
from migrate_examples.graphs.in_tensorflow import (
    count_graphs,
    last_state,
    list_operations,
)

args = [
    (tf.eye(3), tf.zeros((5, 3)), tf.ones((n, 5, 3)))
    for n in (2, 3, 4)
]
states_tf = [last_state(*a) for a in args]
size_tf = [len(list_operations(last_state, *a)) for a in args]
for_tf = count_graphs(last_state, args, "any")
print("graphs:", for_tf)

# %%
# **PyTorch** unrolls it; ``scan``, a prototype, does not.
from migrate_examples.graphs.in_pytorch import (
    count_graphs,
    last_state,
    last_state_in_graph,
    list_operations,
)

args = [
    (torch.eye(3), torch.zeros(5, 3), torch.ones(n, 5, 3))
    for n in (2, 3, 4)
]
states_torch = [last_state(*a) for a in args]
size_torch = [
    len(list_operations(last_state, *a)) for a in args
]
size_scan = len(list_operations(last_state_in_graph, *args[-1]))
for_torch = count_graphs(last_state, args, "any")
scan_torch = count_graphs(last_state_in_graph, args, "any")
end = last_state_in_graph(*args[-1])
print("graphs: for", for_torch, " scan", scan_torch)

# %%
# **Compare.** Equal states. One graph for all lengths on one
# side; on the other a graph a length, longer with each step.
# Run eagerly, the ``for`` needs no graph: the usual choice.

for ours, theirs in zip(states_tf, states_torch, strict=True):
    np.testing.assert_allclose(theirs, ours, rtol=tolerance)
np.testing.assert_allclose(end, states_tf[-1], rtol=tolerance)
assert (for_tf, for_torch, scan_torch) == (1, 3, 1)
print("graphs:", for_tf, for_torch, "with scan:", scan_torch)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot([2, 3, 4], size_tf, "o-", label="TensorFlow, for")
ax.plot([2, 3, 4], size_torch, "o-", label="PyTorch, for")
ax.plot(4, size_scan, "s", label="PyTorch, scan")
ax.set(xlabel="steps", ylabel="operations in graph", ylim=0)
ax.legend()
plt.show()

# %%
# Save the graph, leave the code
# ------------------------------
# A saved graph brings its weights and runs where the class is
# not known. Open dimensions and both branches have to be in it.

# %%
# **TensorFlow** writes a SavedModel, a folder.
from pathlib import Path
from tempfile import TemporaryDirectory

from migrate_examples.graphs.in_tensorflow import (
    ClippedLinear,
    load_program,
    save_program,
)

layer = ClippedLinear(tf.constant(weight), 1.0)
with TemporaryDirectory() as folder:
    path = Path(folder, "program")
    save_program(layer, tf.constant(batch), path)
    loaded = load_program(path)
    rows_tf = [
        loaded(tf.constant(rows))
        for rows in (batch, batch[:1], batch / 100)
    ]

# %%
# **PyTorch** writes a ``.pt2`` file.
from migrate_examples.graphs.in_pytorch import (
    ClippedLinear,
    load_program,
    save_program,
)

layer = ClippedLinear(torch.tensor(weight), 1.0)
with TemporaryDirectory() as folder, torch.no_grad():
    path = Path(folder, "program.pt2")
    save_program(layer, torch.tensor(batch), path)
    loaded = load_program(path)
    rows_torch = [
        loaded(torch.tensor(rows))
        for rows in (batch, batch[:1], batch / 100)
    ]

# %%
# **Compare.** Two batch sizes, one of them never shown to the
# tracer, and both branches.

for ours, theirs in zip(rows_tf, rows_torch, strict=True):
    np.testing.assert_allclose(
        theirs, ours, rtol=tolerance, atol=tolerance
    )
    gap = np.abs(theirs.numpy() - ours.numpy()).max()
    print(f"{tuple(ours.shape)}: largest difference {gap:.1e}")

# %%
# Not verified here: the speed of any graph, the ``inductor``
# backend, XLA (``jit_compile=True``), GPUs, and runtimes that
# load a saved graph without Python.
#
# Corrections to older guides
# ---------------------------
# Older guides introduce TensorFlow as the library of static
# graphs that a ``tf.Session`` runs. That was TensorFlow 1. The
# same lines run eagerly now, and the session left the main
# namespace.

# %%
# **TensorFlow** adds at once, and has no session to offer.
z = tf.add(tf.constant(3.0), tf.constant(4.0))
print("without a session:", z.numpy())
try:
    tf.Session()
except AttributeError as error:
    print(error)
assert tf.executing_eagerly()
assert hasattr(tf.compat.v1, "Session")

# %%
# They present PyTorch as dynamic and nothing else. It is eager
# by default, as TensorFlow is, and captures graphs on request.

# %%
# **PyTorch** adds at once, and in a graph without a break.
three, four = torch.tensor(3.0), torch.tensor(4.0)
add = torch.compile(torch.add, fullgraph=True, backend="eager")
print("graph:", add(three, four).item())
assert add(three, four) == three + four == 7.0

# %%
# And they say that lengths and conditions that vary ask for a
# dynamic graph. Eager code of either library takes them as they
# are. In a captured graph it is the reverse of what they say:
# TensorFlow rewrites Python's loops and branches; PyTorch needs
# ``torch.cond`` or ``scan``, as counted above.
