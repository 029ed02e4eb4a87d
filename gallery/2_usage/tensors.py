"""
Tensor creation
===============

The constructors have the same names, nearly. What differs is
silent: the dtype a list gets, who shares memory with whom, what
an index means, where the channels stand. This page makes each
of them visible.
"""

# %%
# Both halves get the same arrays: small photographs, a series.

import numpy as np

rng = np.random.default_rng(0)
photographs = rng.integers(0, 256, (4, 6, 5, 3), dtype="uint8")
series = rng.normal(size=11).astype("float32")
# One rounding more on either side, relative to the number.
two_ulp = 2 * np.finfo("float32").eps


# %%
# The dtype you did not ask for
# -----------------------------
# A float is single precision on both sides, whereas an integer
# is not: 32 bits against 64. Arrays of NumPy keep theirs.

# %%
# **TensorFlow** makes integers of 32 bits.
import tensorflow as tf

made_tf = {
    "1": tf.constant(1),
    "1.0": tf.constant(1.0),
    "1j": tf.constant(1j),
    "range": tf.range(3),
    "zeros": tf.zeros((2, 3)),
    "ones": tf.ones(3),
    "filled with 1": tf.fill((2,), 1),
    "one_hot": tf.one_hot([0, 2], 3),
}

# %%
# **PyTorch** makes integers of 64 bits.
import torch
from torch.nn import functional as F

made_torch = {
    "1": torch.tensor(1),
    "1.0": torch.tensor(1.0),
    "1j": torch.tensor(1j),
    "range": torch.arange(3),
    "zeros": torch.zeros(2, 3),
    "ones": torch.ones(3),
    "filled with 1": torch.full((2,), 1),
    "one_hot": F.one_hot(torch.tensor([0, 2]), 3),
}

# %%
# **Compare.** Equal values all the way; these dtypes differ:

apart = []
for name, ours in made_tf.items():
    theirs = made_torch[name].numpy()
    np.testing.assert_array_equal(theirs, ours)
    if theirs.dtype != ours.numpy().dtype:
        apart.append(name)
        print(f"{name:14}{ours.dtype.name:11}{theirs.dtype}")
differ = ["1", "1j", "range", "filled with 1", "one_hot"]
assert apart == differ

# %%
# A dtype for the sum
# -------------------
# TensorFlow never mixes dtypes; PyTorch promotes, by rules of
# its own. In a port, choose the dtype and write it down.

# %%
# **TensorFlow** raises where the dtypes differ.
from migrate_examples.tensors.in_tensorflow import add_as

whole, half = tf.constant([1, 2]), tf.constant([0.5, 0.5])
try:
    whole + half
except tf.errors.InvalidArgumentError as error:
    mixed_tf = str(error).partition(" [")[0]
print(mixed_tf)
sum_tf = add_as(whole, half, tf.float64)

# %%
# **PyTorch** promotes; a tensor without axes counts less.
from migrate_examples.tensors.in_pytorch import add_as

whole, half = torch.tensor([1, 2]), torch.tensor([0.5, 0.5])
mixed_torch = (whole + half).dtype
print("int64 + float32:", mixed_torch)
scalar = torch.tensor(1.0, dtype=torch.float64)
print("float32 + float64 scalar:", (half + scalar).dtype)
sum_torch = add_as(whole, half, torch.float64)

# %%
# **Compare.** An error against float32; then float64 on both.

assert "expected to be a int32 tensor" in mixed_tf
assert mixed_torch == torch.float32
assert sum_tf.dtype == sum_torch.numpy().dtype == "float64"
np.testing.assert_array_equal(sum_torch, sum_tf)
print("asked for:", sum_torch.dtype, "and", sum_tf.dtype.name)

# %%
# A tensor that is trained
# ------------------------
# The counterpart of ``tf.Variable`` is ``nn.Parameter``: a
# tensor that asks for gradients and that a module registers.

# %%
# **TensorFlow** assigns to a variable.
from migrate_examples.tensors.in_tensorflow import descend

weight_tf = tf.Variable(series)
for _ in range(3):
    descend(weight_tf, tf.sin(weight_tf), learning_rate=0.1)

# %%
# **PyTorch** changes the tensor itself, unseen by autograd.
from migrate_examples.tensors.in_pytorch import descend

weight_torch = torch.nn.Parameter(torch.tensor(series))
for _ in range(3):
    slope = torch.sin(weight_torch.detach())
    descend(weight_torch, slope, learning_rate=0.1)

# %%
# **Compare.** Three steps downhill.

after_torch = weight_torch.numpy(force=True)
np.testing.assert_allclose(after_torch, weight_tf, rtol=1e-6)
gap = np.abs(weight_tf.numpy() - after_torch).max()
print(f"largest difference after three steps: {gap:.1e}")

# %%
# Random, with a stream of your own
# ---------------------------------
# A seed repeats its draws within one framework. It gives other
# numbers in the other one: where both must start alike, draw
# with NumPy and hand the array to both.

# %%
# **TensorFlow** has ``tf.random.Generator``.
from migrate_examples.tensors.in_tensorflow import seeded_normal

drawn_tf = seeded_normal((10_000,), seed=7).numpy()
again_tf = seeded_normal((10_000,), seed=7).numpy()

# %%
# **PyTorch** has ``torch.Generator``.
from migrate_examples.tensors.in_pytorch import seeded_normal

drawn_torch = seeded_normal((10_000,), seed=7).numpy()
again_torch = seeded_normal((10_000,), seed=7).numpy()

# %%
# **Compare.** One distribution, two streams: the bounds are
# four standard errors.

np.testing.assert_array_equal(again_tf, drawn_tf)
np.testing.assert_array_equal(again_torch, drawn_torch)
drawn = np.stack([drawn_tf, drawn_torch])
means, spreads = drawn.mean(axis=1), drawn.std(axis=1)
correlation = np.corrcoef(drawn)[0, 1]
print("means", means.round(3), "deviations", spreads.round(3))
print(f"correlation of equal seeds: {correlation:+.4f}")
np.testing.assert_allclose([*means, correlation], 0, atol=0.04)
np.testing.assert_allclose(spreads, 1, atol=0.04 / 2**0.5)

# %%
# From NumPy and back: who copies
# -------------------------------
# To see it, write into one and look at the other.

# %%
# **TensorFlow** copies both ways; ``asarray`` is a locked view.
source = np.zeros(3)
held_tf = tf.constant(source)
source[0] = 7
held_tf.numpy()[1] = 7
print(held_tf.numpy(), np.asarray(held_tf).flags.writeable)

# %%
# **PyTorch** shares, unless you call ``torch.tensor``.
source = np.zeros(3)
held_torch = torch.tensor(source)
shared = torch.from_numpy(source)
source[0] = 7
shared.numpy()[1] = 7
print(held_torch.numpy(), shared.numpy())

# %%
# **Compare.** A buffer that is filled again is where sharing
# bites: the batch that was made from it changes too.

np.testing.assert_array_equal(held_tf, [0, 0, 0])
np.testing.assert_array_equal(held_torch, [0, 0, 0])
np.testing.assert_array_equal(shared, [7, 7, 0])
assert not np.asarray(held_tf).flags.writeable
print("shared both ways:", shared.tolist(), source.tolist())

# %%
# Photographs in NHWC and NCHW
# ----------------------------
# Files are (height, width, channels) of uint8. Bring them into
# the layout of the framework once, at the border, and back
# once. Statistics are one number a channel: where the channels
# are not last, they need two axes to spread over.

# %%
# **TensorFlow** keeps the channels last.
from migrate_examples.tensors.in_tensorflow import (
    flatten_images,
    images_from_numpy,
    images_to_numpy,
    normalise,
)

images_tf = images_from_numpy(photographs)
scaled_tf = normalise(images_tf, [0.5, 0.4, 0.3], [0.1, 1, 7])
flat_tf = flatten_images(images_tf)
back_tf = images_to_numpy(images_tf)
print(images_tf.shape, flat_tf.shape)

# %%
# **PyTorch** has the channels second.
from migrate_examples.tensors.in_pytorch import (
    flatten_images,
    images_from_numpy,
    images_to_numpy,
    normalise,
)

images = images_from_numpy(photographs)
scaled_torch = normalise(images, [0.5, 0.4, 0.3], [0.1, 1, 7])
flat_torch = flatten_images(images)
back_torch = images_to_numpy(images)
print(tuple(images.shape), tuple(flat_torch.shape))

# %%
# **Compare.** Every level survives the way there and back. A
# plain ``flatten(1)`` has the right shape and the wrong order.

np.testing.assert_array_equal(back_tf, photographs)
np.testing.assert_array_equal(back_torch, photographs)
np.testing.assert_array_equal(flat_torch, flat_tf)
ours = scaled_tf.numpy().transpose(0, 3, 1, 2)
np.testing.assert_allclose(scaled_torch, ours, rtol=two_ulp)
gap = np.abs(ours - scaled_torch.numpy()).max()
print(f"normalised, largest difference: {gap:.1e}")
gap = np.abs(images.flatten(1).numpy() - flat_tf).max()
print(f"flatten(1), largest difference: {gap:.2f}")
assert gap > 0.1  # not rounding

# %%
# The shape says how axes are named, the strides how the memory
# lies. ``permute`` changes the shape only, so photographs that
# came as NHWC stay NHWC in memory, a layout with a name.

# %%
# **PyTorch** calls it ``channels_last``.
print("strides:", images.stride())
assert images.is_contiguous(memory_format=torch.channels_last)
try:
    images.view(4, -1)
except RuntimeError as error:
    refused = str(error).partition(" (")[0]
print(refused)

# %%
# Ranges, grids and shapes
# ------------------------
# ``-1`` stands for the rest, on both sides. Mind ``meshgrid``:
# its default order of axes differs.

# %%
# **TensorFlow** says ``None`` for a size unknown in the graph.
from migrate_examples.tensors.in_tensorflow import (
    coordinate_grid,
)
from migrate_examples.tensors.in_tensorflow import windows

grid_tf = coordinate_grid(4, 3)
windows_tf = windows(tf.constant(series), size=4, step=3)


@tf.function(input_signature=[tf.TensorSpec((None, 6))])
def halves(x):
    print("traced:", x.shape)
    return tf.reshape(x, (tf.shape(x)[0], 2, -1))


halves_tf = halves(tf.reshape(tf.range(24.0), (-1, 6)))
print("run:", halves_tf.shape)

# %%
# **PyTorch** knows every size when the line runs.
from migrate_examples.tensors.in_pytorch import coordinate_grid
from migrate_examples.tensors.in_pytorch import windows

grid_torch = coordinate_grid(4, 3)
windows_torch = windows(torch.tensor(series), size=4, step=3)
x = torch.arange(24.0).reshape(-1, 6)
halves_torch = x.reshape(x.shape[0], 2, -1)
print("run:", tuple(halves_torch.shape))

# %%
# **Compare.** Grid, windows and halves.

np.testing.assert_allclose(grid_torch, grid_tf, atol=two_ulp)
np.testing.assert_array_equal(windows_torch, windows_tf)
np.testing.assert_array_equal(halves_torch, halves_tf)
gap = np.abs(grid_tf.numpy() - grid_torch.numpy()).max()
print(f"grid {grid_tf.shape}, largest difference: {gap:.1e}")

# %%
# Read by index
# -------------
# One element a row, a list of points, the pixels of a mask. A
# list in brackets is an address on one side and a choice of
# rows on the other.

# %%
# **TensorFlow** has a function for each.
from migrate_examples.tensors.in_tensorflow import pick_each
from migrate_examples.tensors.in_tensorflow import select_pixels
from migrate_examples.tensors.in_tensorflow import values_at

scores = images_tf[0, :3, :, 0]  # 3, 5
read_tf = {
    "picked": pick_each(scores, tf.constant([4, 0, 3])),
    "points": values_at(scores, tf.constant([[0, 1], [2, 4]])),
    "pixels": select_pixels(images_tf, images_tf[..., 0] > 0.7),
    "flipped": scores[::-1],
    "rows": tf.gather(scores, [0, 2]),
}
print("scores[[0, 2]]:", scores[[0, 2]].shape)

# %%
# **PyTorch** indexes as NumPy does, but for a negative step.
from migrate_examples.tensors.in_pytorch import pick_each
from migrate_examples.tensors.in_pytorch import select_pixels
from migrate_examples.tensors.in_pytorch import values_at

scores = images[0, 0, :3]  # 3, 5
read_torch = {
    "picked": pick_each(scores, torch.tensor([4, 0, 3])),
    "points": values_at(scores, torch.tensor([[0, 1], [2, 4]])),
    "pixels": select_pixels(images, images[:, 0] > 0.7),
    "flipped": scores.flip(0),
    "rows": scores[[0, 2]],
}
print("scores[[0, 2]]:", tuple(scores[[0, 2]].shape))
try:
    scores[::-1]
except ValueError as error:
    step_error = str(error)
print("scores[::-1]:", step_error)

# %%
# **Compare.** All readings are equal, dtype and shape too.

for name, ours in read_tf.items():
    theirs = read_torch[name].numpy()
    np.testing.assert_array_equal(theirs, ours, strict=True)
print({name: x.shape for name, x in read_tf.items()})

# %%
# Write by index
# --------------
# A TensorFlow tensor cannot be assigned to; its ``scatter``
# functions return a new one. In PyTorch assignment is plain,
# but ``x[rows] += values`` loses repeats: use ``index_add``.

# %%
# **TensorFlow** refuses assignment.
from migrate_examples.tensors.in_tensorflow import add_at
from migrate_examples.tensors.in_tensorflow import set_rows

x = tf.zeros(4)
try:
    x[0] = 1.0
except TypeError as error:
    assign_error = str(error).rpartition("' ")[2]
print(assign_error)
rows, values = tf.constant([0, 0, 2]), tf.constant([1.0, 2, 4])
added_tf = add_at(x, rows, values)
set_tf = set_rows(x, rows[1:], values[1:])

# %%
# **PyTorch** assigns, and keeps one of two for ``+=``.
from migrate_examples.tensors.in_pytorch import add_at
from migrate_examples.tensors.in_pytorch import set_rows

x = torch.zeros(4)
rows = torch.tensor([0, 0, 2])
values = torch.tensor([1.0, 2, 4])
added_torch = add_at(x, rows, values)
set_torch = set_rows(x, rows[1:], values[1:])
x[rows] += values  # the trap

# %%
# **Compare.** Repeats add up; by ``+=`` one of them is gone.

np.testing.assert_array_equal(added_torch, added_tf)
np.testing.assert_array_equal(set_torch, set_tf)
print("added:", added_torch.tolist(), "by +=:", x.tolist())
assert x.sum() < added_torch.sum()

# %%
# Where it lives
# --------------
# TensorFlow places a tensor on a GPU by itself if there is one.
# PyTorch does it when told. This page asks for the CPU on both
# sides: placement on a GPU is not verified here.

# %%
# **TensorFlow** has a context for the exceptions.
with tf.device("CPU:0"):
    placed_tf = tf.ones(2)
print(placed_tf.device)

# %%
# **PyTorch** takes a device wherever a tensor is made.
placed_torch = torch.ones(2, device="cpu")
print(placed_torch.device)

# %%
# **Compare.** One device, two spellings; ``to`` copies only
# where something changes.

assert placed_tf.device.endswith("device:CPU:0")
assert placed_torch.to("cpu") is placed_torch
print("the same object:", placed_torch)

# %%
# Corrections to older guides
# ---------------------------
# Older guides set a constant and a variable beside a tensor and
# zeros, as if the second were the counterpart of the first.
# The counterpart of a variable is a parameter; zeros are a
# plain value, and both sides have them. Their variable is made
# of whole numbers besides, and those cannot be trained. That
# whole numbers have two widths, shown above, goes unsaid.

# %%
# **TensorFlow** finds no gradient for whole numbers: ``None``.
weight_tf, zeros_tf = tf.Variable([4.0, 5.0]), tf.zeros(2)
whole = tf.Variable([4, 5])
with tf.GradientTape() as tape:
    x = tf.cast(whole, "float32")
    total = tf.reduce_sum(weight_tf**2 + zeros_tf**2 + x**2)
found_tf = tape.gradient(total, [weight_tf, zeros_tf, whole])
print(found_tf[0].numpy(), found_tf[1:])

# %%
# **PyTorch** refuses to make a parameter of whole numbers.
zeros = torch.zeros(2)
weight = torch.nn.Parameter(torch.tensor([4.0, 5.0]))
(weight**2 + zeros**2).sum().backward()
found_torch = weight.grad.numpy()
print(found_torch, zeros.grad)
try:
    torch.nn.Parameter(torch.tensor([4, 5]))
except RuntimeError as error:
    whole_error = str(error)
print(whole_error)

# %%
# **Compare.** The variable is trained, and so is the parameter.

np.testing.assert_array_equal(found_torch, found_tf[0])
assert found_tf[1:] == [None, None]
assert zeros.grad is None
print("gradient on both sides:", found_torch)
