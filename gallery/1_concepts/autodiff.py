"""
Automatic differentiation
=========================

TensorFlow records, on a tape, what happens while you hold it
open. PyTorch's tensors remember how they were made, so a
gradient needs no tape, only a tensor that was told
``requires_grad``.
"""

# %%
# Both halves differentiate at the same points.

import numpy as np

rng = np.random.default_rng(0)
point = rng.normal(size=(2, 3)).astype("float32")
# Three batches of one weight each: what a small step sees.
batches = rng.normal(size=(3, 3)).astype("float32")
# Two libraries, two ways to round: a few units in the last
# place of float32, relative to the numbers compared.
tolerance = 8 * np.finfo("float32").eps


# %%
# A scalar function
# -----------------
# The loss is one number; its gradient has the input's shape.

# %%
# **TensorFlow** has to be told to watch a constant.
import tensorflow as tf

from migrate_examples.autodiff.in_tensorflow import gradient

x_tf = tf.constant(point)
slope_tf = gradient(lambda x: tf.reduce_sum(tf.sin(x)), x_tf)
print(slope_tf.numpy())

# %%
# **PyTorch** has to be told that a leaf wants a gradient.
import torch

from migrate_examples.autodiff.in_pytorch import gradient

x_torch = torch.tensor(point)
slope_torch = gradient(lambda x: torch.sin(x).sum(), x_torch)
print(slope_torch.numpy())

# %%
# **Compare.** Both are the cosine.

np.testing.assert_allclose(
    slope_torch, slope_tf, rtol=tolerance
)
np.testing.assert_allclose(
    slope_torch, np.cos(point), rtol=tolerance
)
gap = np.abs(slope_tf.numpy() - slope_torch.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# Many sources, some of them unused
# ---------------------------------
# Ask for several gradients in one walk. A source that the
# loss does not use has no gradient: ``None``, not zero.

# %%
# **TensorFlow** answers ``None`` without being asked.
from migrate_examples.autodiff.in_tensorflow import gradients


def loss_tf(a, b, unused):
    return tf.reduce_sum(a * tf.exp(b))


found_tf = gradients(loss_tf, [x_tf, x_tf / 2, x_tf / 3])
print([None if g is None else g.shape for g in found_tf])

# %%
# **PyTorch** raises, unless you pass ``allow_unused``.
from migrate_examples.autodiff.in_pytorch import gradients


def loss_torch(a, b, unused):
    return (a * torch.exp(b)).sum()


found_torch = gradients(
    loss_torch, [x_torch, x_torch / 2, x_torch / 3]
)
print([None if g is None else g.shape for g in found_torch])

# %%
# **Compare.** The same two gradients, the same gap.

assert found_tf[2] is None
assert found_torch[2] is None
for ours, theirs in zip(
    found_tf[:2], found_torch[:2], strict=True
):
    np.testing.assert_allclose(theirs, ours, rtol=tolerance)
    gap = np.abs(ours.numpy() - theirs.numpy()).max()
    print(f"largest difference: {gap:.1e}")

# %%
# What nobody watches
# -------------------
# A constant on one side, a tensor without ``requires_grad`` on
# the other: the first is silent, the second says so.

# %%
# **TensorFlow** returns ``None``, and an optimiser skips it.
unwatched = tf.constant(3.0)
with tf.GradientTape() as tape:
    y = unwatched**2
none_tf = tape.gradient(y, unwatched)
print(none_tf)

# %%
# **PyTorch** refuses to walk back.
unwatched = torch.tensor(3.0)
y = unwatched**2
try:
    y.backward()
    error_torch = None
except RuntimeError as error:
    error_torch = str(error).partition("\n")[0]
print(error_torch)

# %%
# **Compare.** The loud side is the one you port to.

assert none_tf is None
assert "does not require grad" in error_torch
print("None against:", error_torch)

# %%
# One forward pass, several losses
# --------------------------------
# The trunk runs once; each head is differentiated by itself.
# By default the record is freed after the first gradient.

# %%
# **TensorFlow** keeps a tape that is ``persistent``.
from migrate_examples.autodiff.in_tensorflow import (
    gradients_of_heads,
)

heads_tf = gradients_of_heads(
    tf.tanh, [tf.reduce_sum, tf.reduce_max], x_tf
)

# %%
# **PyTorch** keeps the graph with ``retain_graph``.
from migrate_examples.autodiff.in_pytorch import (
    gradients_of_heads,
)

heads_torch = gradients_of_heads(
    torch.tanh, [torch.sum, torch.amax], x_torch
)

# %%
# **Compare.** Gradient by gradient.

for ours, theirs in zip(heads_tf, heads_torch, strict=True):
    np.testing.assert_allclose(
        theirs, ours, rtol=tolerance, atol=tolerance
    )
print(f"{len(heads_tf)} gradients of one forward pass agree")

# %%
# Gradients add up
# ----------------
# Here the two part: ``backward`` adds to ``.grad``, so a loop
# that forgets ``zero_grad`` trains on the sum of all batches
# so far. It raises nothing. Where you want the sum, because a
# batch does not fit into memory, it costs no line.

# %%
# **TensorFlow** answers anew each time; adding is up to you.
from migrate_examples.autodiff.in_tensorflow import (
    accumulated_gradient,
)

weight_tf = tf.constant(point[0])
total_tf = accumulated_gradient(
    lambda w, batch: tf.reduce_sum(tf.sin(w * batch)),
    weight_tf,
    [tf.constant(batch) for batch in batches],
)

# %%
# **PyTorch** adds until you say ``zero_grad``.
from migrate_examples.autodiff.in_pytorch import (
    accumulated_gradient,
)

weight_torch = torch.tensor(point[0])
total_torch = accumulated_gradient(
    lambda w, batch: torch.sin(w * batch).sum(),
    weight_torch,
    [torch.tensor(batch) for batch in batches],
)

# %%
# **Compare.** The sum over all batches, on both sides.

np.testing.assert_allclose(
    total_torch, total_tf, rtol=tolerance
)
gap = np.abs(total_tf.numpy() - total_torch.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# What a forgotten ``zero_grad`` does, in a loop of two steps:
# the second gradient holds the first.

# %%
# **PyTorch** with and without ``zero_grad``:
weight = torch.nn.Parameter(torch.tensor(2.0))
optimizer = torch.optim.SGD([weight], lr=0.1)
seen = []
for forget in (False, True):
    optimizer.zero_grad()
    for _ in range(2):
        if not forget:
            optimizer.zero_grad()
        (3 * weight).backward()
    seen.append(weight.grad.item())
print("with:", seen[0], "without:", seen[1])
assert seen[1] == 2 * seen[0]

# %%
# Second derivatives
# ------------------
# A gradient that will be differentiated has to be recorded.

# %%
# **TensorFlow** nests one tape in another.
from migrate_examples.autodiff.in_tensorflow import (
    hessian,
    jacobian,
    second_derivative,
)

vector_tf = tf.constant(point[0])
curve_tf = second_derivative(tf.sin, vector_tf)
square_tf = hessian(tf.reduce_prod, vector_tf)
table_tf = jacobian(lambda v: tf.cumsum(v**2), vector_tf)
print(table_tf.numpy().round(3))

# %%
# **PyTorch** has ``create_graph``, and ``torch.func``.
from migrate_examples.autodiff.in_pytorch import (
    hessian,
    jacobian,
    second_derivative,
)

vector_torch = torch.tensor(point[0])
curve_torch = second_derivative(torch.sin, vector_torch)
square_torch = hessian(torch.prod, vector_torch)
table_torch = jacobian(
    lambda v: torch.cumsum(v**2, 0), vector_torch
)
print(table_torch.numpy().round(3))

# %%
# **Compare.** Second derivative, Hessian and Jacobian.

for name, ours, theirs in (
    ("second derivative", curve_tf, curve_torch),
    ("Hessian", square_tf, square_torch),
    ("Jacobian", table_tf, table_torch),
):
    np.testing.assert_allclose(
        theirs, ours, rtol=tolerance, atol=tolerance
    )
    gap = np.abs(ours.numpy() - theirs.numpy()).max()
    print(f"{name}: largest difference {gap:.1e}")

# %%
# Stop a gradient, or write your own
# ----------------------------------
# A target is not to be trained; a domain classifier wants its
# gradient reversed.

# %%
# **TensorFlow** has ``stop_gradient`` and a decorator.
from migrate_examples.autodiff.in_tensorflow import (
    gradient,
    reverse_gradient,
    squared_error_to_target,
)

stopped_tf = gradient(
    lambda x: squared_error_to_target(tf.sin(x), x**2), x_tf
)
reversed_tf = gradient(
    lambda x: tf.reduce_sum(reverse_gradient(x**2, 0.5)), x_tf
)

# %%
# **PyTorch** has ``detach`` and a ``Function`` class.
from migrate_examples.autodiff.in_pytorch import (
    gradient,
    reverse_gradient,
    squared_error_to_target,
)

stopped_torch = gradient(
    lambda x: squared_error_to_target(x.sin(), x**2), x_torch
)
reversed_torch = gradient(
    lambda x: reverse_gradient(x**2, 0.5).sum(), x_torch
)

# %%
# **Compare.** The reversed gradient of ``x**2`` is ``-x``.

np.testing.assert_allclose(
    stopped_torch, stopped_tf, rtol=tolerance, atol=tolerance
)
np.testing.assert_allclose(reversed_tf, -point, rtol=tolerance)
np.testing.assert_allclose(
    reversed_torch, -point, rtol=tolerance
)
gap = np.abs(stopped_tf.numpy() - stopped_torch.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# The NaN behind ``where``
# ------------------------
# ``where`` picks values, not gradients: both branches are
# differentiated, and zero times the infinite slope of the one
# not taken is NaN. Make the argument safe *before* the
# function.

# %%
# **TensorFlow** gives NaN for the naive form.
from migrate_examples.autodiff.in_tensorflow import (
    gradient,
    safe_log,
)

trap_tf = tf.constant([0.0, 2.0])
naive_tf = gradient(
    lambda x: tf.reduce_sum(
        tf.where(x > 0, tf.math.log(x), 0.0)
    ),
    trap_tf,
)
safe_tf = gradient(
    lambda x: tf.reduce_sum(safe_log(x)), trap_tf
)
print("naive:", naive_tf.numpy(), "safe:", safe_tf.numpy())

# %%
# **PyTorch** gives it too; it has no safer kernel for ``log``.
from migrate_examples.autodiff.in_pytorch import (
    gradient,
    safe_log,
)

trap_torch = torch.tensor([0.0, 2.0])
naive_torch = gradient(
    lambda x: torch.where(x > 0, torch.log(x), 0.0).sum(),
    trap_torch,
)
safe_torch = gradient(lambda x: safe_log(x).sum(), trap_torch)
print(
    "naive:", naive_torch.numpy(), "safe:", safe_torch.numpy()
)

# %%
# **Compare.** NaN in the same place, and the same cure.

np.testing.assert_array_equal(naive_torch, naive_tf)
np.testing.assert_array_equal(safe_torch, safe_tf)
assert naive_torch.isnan()[0]
print("gradients after the cure:", safe_torch.numpy())

# %%
# It is not always NaN on both sides. TensorFlow's ``sqrt`` has
# a kernel that answers zero times infinity with zero; PyTorch's
# has not. Code that never needed a guard needs one after the
# port.

# %%
# **TensorFlow** forgives ``sqrt`` at zero.
from migrate_examples.autodiff.in_tensorflow import gradient

root_tf = gradient(
    lambda x: tf.reduce_sum(tf.where(x > 0, tf.sqrt(x), 0.0)),
    trap_tf,
)
print(root_tf.numpy())

# %%
# **PyTorch** does not.
from migrate_examples.autodiff.in_pytorch import gradient

root_torch = gradient(
    lambda x: torch.where(x > 0, torch.sqrt(x), 0.0).sum(),
    trap_torch,
)
print(root_torch.numpy())

# %%
# **Compare.** Zero against NaN, and equal elsewhere.

np.testing.assert_allclose(
    root_torch[1], root_tf[1], rtol=tolerance
)
assert root_tf[0] == 0
assert root_torch.isnan()[0]
print(f"at zero: {root_tf[0]:.0f} against {root_torch[0]}")

# %%
# Corrections to older guides
# ---------------------------
# Older guides show ``y.backward()`` and ``x.grad`` alone. That
# is right once. They leave out that ``.grad`` accumulates
# (shown above), and that ``torch.autograd.grad`` returns the
# gradient without touching ``.grad``, as a tape does.

# %%
# **PyTorch** called twice, both ways:
x = torch.tensor(3.0, requires_grad=True)
(x * x).backward()
(x * x).backward()
print("backward, twice:", x.grad.item())
(fresh,) = torch.autograd.grad(x * x, x)
print("autograd.grad:  ", fresh.item())
assert (x.grad, fresh) == (12.0, 6.0)

# %%
# They also say that a gradient needs a ``tf.Variable``. It
# needs to be *watched*; trainable variables are by default.

# %%
# **TensorFlow** watches what you name, and no frozen variable.
frozen = tf.Variable(3.0, trainable=False)
constant = tf.constant(3.0)
with tf.GradientTape() as tape:
    tape.watch(constant)
    y = frozen**2 + constant**2
slopes = tape.gradient(y, [frozen, constant])
print(slopes[0], slopes[1].numpy())
assert slopes[0] is None
assert slopes[1] == 6.0
