"""
Model definition
================

Keras finds the sizes itself, puts channels last and infers by
default. PyTorch asks for sizes, puts channels first and trains
by default. With the same weights both compute the same.
"""

# %%
# Images for both halves: eight of 12 by 10 pixels and two
# channels, with labels of three classes. PyTorch gets them with
# the channels in second place.

import numpy as np

rng = np.random.default_rng(0)
images = rng.normal(size=(8, 12, 10, 2)).astype("float32")
labels = rng.integers(0, 3, size=8)
# Sums in another order: some units in the last place, of
# numbers about as large as 1.
tolerance = 64 * np.finfo("float32").eps

# %%
# Layer after layer
# -----------------
# A chain needs no class on either side. Mind three lines of the
# PyTorch pane: a linear layer asks for its number of inputs;
# ``eps`` has another default; ``momentum`` is the complement.

# %%
# **TensorFlow** works out the shapes between the layers.
import keras
import tensorflow as tf

from migrate_examples.models.in_tensorflow import (
    build_cnn,
    count_parameters,
)

cnn_tf = build_cnn(12, 10, channels=2, classes=3)
counts_tf = count_parameters(cnn_tf)
cnn_tf.summary(line_length=60)

# %%
# **PyTorch** has to be told; ``print`` is the summary.
import torch
from torch import nn

from migrate_examples.models.in_pytorch import (
    build_cnn,
    count_parameters,
)

cnn_torch = build_cnn(12, 10, channels=2, classes=3)
counts_torch = count_parameters(cnn_torch)
print(cnn_torch)

# %%
# **Compare.** Running statistics are weights that Keras calls
# non-trainable; PyTorch keeps them as buffers.

assert counts_tf == counts_torch
print("trained: {}, not trained: {}".format(*counts_tf))

# %%
# The same weights
# ----------------
# Layouts differ: a dense kernel is (in, out) against
# (out, in), a convolution (height, width, in, out) against
# (out, in, height, width). Behind a flatten the *order* of the
# inputs differs too, and nothing notices: the shapes fit. Here
# a kernel behind a flatten travels as (height, width, channels,
# out), so that each side can put it into its own order.

# %%
# **TensorFlow** holds the layouts that the arrays have.
from migrate_examples.models.in_tensorflow import read_weights

flattened = {"head": (5, 4, 8)}  # as the summary says
arrays = read_weights(cnn_tf, flattened)
print(arrays["conv/kernel"].shape, arrays["head/kernel"].shape)
images_tf = tf.constant(images)
logits_tf = cnn_tf(images_tf)

# %%
# **PyTorch** permutes them once, on the way in.
from migrate_examples.models.in_pytorch import write_weights

images_torch = torch.tensor(images).permute(0, 3, 1, 2)
cnn_torch.eval()
# the mistake: rows in Keras's order of flattening
rows = arrays["head/kernel"].reshape(160, 3)
write_weights(cnn_torch, {**arrays, "head/kernel": rows})
wrong_torch = cnn_torch(images_torch).detach()
write_weights(cnn_torch, arrays, flattened)
logits_torch = cnn_torch(images_torch).detach()

# %%
# **Compare.** The wrong order has the right shape.

np.testing.assert_allclose(
    logits_torch, logits_tf, rtol=tolerance, atol=tolerance
)
gap = np.abs(logits_tf - logits_torch.numpy()).max()
off = np.abs(logits_tf - wrong_torch.numpy()).max()
print(f"largest difference: {gap:.1e}")
print(f"with the flatten forgotten: {off:.2f}")
assert off > 0.1

# %%
# One step of training
# --------------------
# If all weights agree after a step of plain gradient descent,
# so did all gradients.

# %%
# **TensorFlow** trains because you say ``training=True``.
from migrate_examples.models.in_tensorflow import read_weights

with tf.GradientTape() as tape:
    train_tf = cnn_tf(images_tf, training=True)
    losses = keras.losses.sparse_categorical_crossentropy(
        labels, train_tf, from_logits=True
    )
    loss_tf = tf.reduce_mean(losses)
weights = cnn_tf.trainable_weights
slopes = tape.gradient(loss_tf, weights)
keras.optimizers.SGD(0.5).apply(slopes, weights)
after_tf = read_weights(cnn_tf, flattened)

# %%
# **PyTorch** trains because its mode is ``train()``.
from migrate_examples.models.in_pytorch import read_weights

cnn_torch.train()
optimizer = torch.optim.SGD(cnn_torch.parameters(), lr=0.5)
train_torch = cnn_torch(images_torch)
cross_entropy = nn.functional.cross_entropy
loss_torch = cross_entropy(train_torch, torch.tensor(labels))
loss_torch.backward()
optimizer.step()
after_torch = read_weights(cnn_torch, flattened)

# %%
# **Compare.** All weights, and the one statistic that differs
# by design: Keras divides the variance of a batch by the number
# n of its values, PyTorch by n - 1.

variance = "norm/moving_variance"
kept = 0.99 * arrays[variance]
n = 8 * 10 * 8  # images, height and width
new_part = after_torch[variance] - kept
raw = np.abs(after_torch[variance] - after_tf[variance]).max()
after_torch[variance] = kept + new_part * (n - 1) / n
gap = 0.0
for name, ours in after_tf.items():
    gap = max(gap, np.abs(ours - after_torch[name]).max())
moved = np.abs(after_tf["conv/kernel"] - arrays["conv/kernel"])
print(f"conv/kernel moved by up to {moved.max():.2f}")
print(f"largest difference afterwards: {gap:.1e}")
print(f"variance without (n - 1) / n: {raw:.1e}")
np.testing.assert_array_less(gap, raw / 4)

# %%
# Several inputs, and a way past a layer
# --------------------------------------
# The functional API describes a graph of layers. PyTorch has
# none: where a model is more than a chain, you write
# ``forward``, and a branch is an ordinary variable.

# %%
# **TensorFlow** connects symbolic tensors.
from migrate_examples.models.in_tensorflow import (
    build_skip_network,
    read_weights,
)

skip_tf = build_skip_network(left=3, right=2, hidden=16)
pair = rng.normal(size=(8, 5)).astype("float32")
left, right = pair[:, :3], pair[:, 3:]
joined_tf = skip_tf([tf.constant(left), tf.constant(right)])
skip_arrays = read_weights(skip_tf)

# %%
# **PyTorch** runs your Python.
from migrate_examples.models.in_pytorch import (
    build_skip_network,
    write_weights,
)

skip_torch = build_skip_network(left=3, right=2, hidden=16)
write_weights(skip_torch, skip_arrays)
joined_torch = skip_torch(
    torch.tensor(left), torch.tensor(right)
).detach()

# %%
# **Compare.** Neither has a batch statistic: no mode to set.

np.testing.assert_allclose(
    joined_torch, joined_tf, rtol=tolerance, atol=tolerance
)
gap = np.abs(joined_tf - joined_torch.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# A class, and its mode
# ---------------------
# Both frameworks subclass in the same way; ``call`` is
# ``forward``. What differs is who says that it trains: an
# argument that defaults to False, or a state that starts as
# True.

# %%
# **TensorFlow** infers unless an argument says otherwise.
from migrate_examples.models.in_tensorflow import (
    DropoutClassifier,
    read_weights,
)

model = DropoutClassifier(5, 64, classes=3)
class_arrays = read_weights(model)
pair_tf = tf.constant(pair)
default_tf = model(pair_tf)

# %%
# **PyTorch** trains until you say ``eval()``.
from migrate_examples.models.in_pytorch import (
    DropoutClassifier,
    write_weights,
)

model = DropoutClassifier(5, 64, classes=3)
write_weights(model, class_arrays)
pair_torch = torch.tensor(pair)
with torch.no_grad():
    default_torch = model(pair_torch)
    again_torch = model(pair_torch)
    write_weights(model, class_arrays)  # statistics moved
    inferred_torch = model.eval()(pair_torch)

# %%
# **Compare.** Only ``eval()`` gives what Keras gives. The masks
# of dropout are random on both sides and are not compared.

np.testing.assert_allclose(
    inferred_torch, default_tf, rtol=tolerance, atol=tolerance
)
gap = np.abs(default_tf - inferred_torch.numpy()).max()
print(f"after eval(), largest difference: {gap:.1e}")
apart = (again_torch - default_torch).abs().max()
print(f"before it, two calls were {apart:.2f} apart")
assert apart > 0

# %%
# Your own layer
# --------------
# A weight is declared in the constructor if its shape is known,
# or at the first batch. ``build`` becomes a lazy module with a
# parameter that is not there yet; for what PyTorch has already,
# there are ``nn.LazyLinear`` and ``nn.LazyConv2d``.

# %%
# **TensorFlow** adds a weight, now or in ``build``.
from migrate_examples.models.in_tensorflow import (
    CosineHead,
    LazyCosineHead,
)

head, lazy = CosineHead(5, classes=3), LazyCosineHead(3)
print(lazy.weights)
lazy(pair_tf)
print(lazy.kernel.shape)
lazy.kernel.assign(head.kernel)
vectors = head.kernel.numpy()  # (features, classes)
cosine_tf, lazy_tf = head(pair_tf), lazy(pair_tf)

# %%
# **PyTorch** makes a parameter, now or uninitialised.
from migrate_examples.models.in_pytorch import (
    CosineHead,
    LazyCosineHead,
)

head, lazy = CosineHead(5, classes=3), LazyCosineHead(3)
print(type(lazy.weight).__name__)
lazy(pair_torch)
print(tuple(lazy.weight.shape))
with torch.no_grad():
    head.weight.copy_(torch.tensor(vectors).T)
    lazy.weight.copy_(head.weight)
    cosine_torch = head(pair_torch)
    lazy_torch = lazy(pair_torch)

# %%
# **Compare.** One set of vectors, four heads. Before the first
# batch a lazy weight cannot be counted, drawn or copied.

for logits in (lazy_tf, cosine_torch, lazy_torch):
    np.testing.assert_allclose(
        logits, cosine_tf, rtol=tolerance, atol=16 * tolerance
    )
gap = np.abs(cosine_tf - lazy_torch.numpy()).max()
print(f"largest difference: {gap:.1e}")

# %%
# What training starts from
# -------------------------
# Keras draws kernels from Glorot's uniform distribution and
# sets biases to zero; PyTorch draws both from one that is
# narrower for a square kernel. Nine layers in a row show it:
# here is how far the activations of different inputs are apart,
# layer by layer. Where they are all alike, there is little to
# learn from.

# %%
# **TensorFlow** with nine dense layers, as Keras draws them.
from migrate_examples.models.in_tensorflow import initialise

noise = rng.normal(size=(200, 256)).astype("float32")
deep = keras.Sequential([keras.Input((256,))])
for _ in range(9):
    deep.add(keras.layers.Dense(256, activation="relu"))
initialise(deep, seed=0)
x, spread_tf = tf.constant(noise), []
for layer in deep.layers:
    x = layer(x)
    deviation = tf.math.reduce_std(x, axis=0)  # over inputs
    spread_tf.append(float(tf.reduce_mean(deviation)))

# %%
# **PyTorch** as it draws them, and by Keras's rules.
from migrate_examples.models.in_pytorch import initialise

default = [nn.Linear(256, 256) for _ in range(9)]
deep = nn.Sequential(*[nn.Linear(256, 256) for _ in range(9)])
initialise(deep, seed=0)
spread_torch = []
for layers in (default, deep):
    x, found = torch.tensor(noise), []
    for layer in layers:
        x = torch.relu(layer(x)).detach()
        deviation = x.std(dim=0, correction=0)
        found.append(float(deviation.mean()))
    spread_torch.append(found)

# %%
# **Compare.** Random draws agree in distribution, not in value:
# the two curves by Keras's rules lie together.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
default, drawn = spread_torch
depth = range(1, 10)
ax.semilogy(depth, spread_tf, "o-", label="Keras")
ax.semilogy(depth, drawn, ".--", label="PyTorch, initialise()")
ax.semilogy(depth, default, ".-", label="PyTorch, default")
ax.set(xlabel="layer", ylabel="spread over inputs")
ax.legend()
plt.show()
print(f"Keras {spread_tf[-1]:.4f}, PyTorch {default[-1]:.4f}")
print(f"PyTorch after initialise() {drawn[-1]:.4f}")
assert default[-1] < 0.1 * spread_tf[-1]
assert 0.5 < drawn[-1] / spread_tf[-1] < 2

# %%
# Logits or probabilities
# -----------------------
# Many Keras models end in a softmax and train on probabilities.
# Keras finds the logits behind them, so that saturated ones
# lose nothing. PyTorch looks for no such thing: leave the
# softmax out, and take it when you want to read probabilities.

# %%
# **TensorFlow** with a softmax at the end.
sharp = 30 * rng.normal(size=(8, 3)).astype("float32")
softmax = keras.layers.Softmax()
loss = keras.losses.SparseCategoricalCrossentropy()
head_loss_tf = loss(labels, softmax(sharp)).numpy()
# the values alone, without what Keras remembers of them
values = softmax(sharp).numpy()
value_loss_tf = loss(labels, values).numpy()

# %%
# **PyTorch** takes the logits.
target = torch.tensor(labels)
head_loss_torch = cross_entropy(torch.tensor(sharp), target)
clipped = torch.tensor(values).clamp(1e-7, 1 - 1e-7)
value_loss_torch = cross_entropy(clipped.log(), target)

# %%
# **Compare.** Given mere values, Keras clips them; the last
# two lines of the PyTorch pane do the same.

np.testing.assert_allclose(
    head_loss_torch, head_loss_tf, rtol=tolerance
)
np.testing.assert_allclose(
    value_loss_torch, value_loss_tf, rtol=tolerance
)
print(f"true: {head_loss_tf:.3f} {head_loss_torch:.3f}")
print(f"clipped: {value_loss_tf:.3f} {value_loss_torch:.3f}")
assert value_loss_tf < 0.95 * head_loss_tf

# %%
# Corrections to older guides
# ---------------------------
# Older guides end the PyTorch model in a softmax, too. The loss
# of PyTorch then takes a softmax of probabilities. Nothing is
# raised, even a perfect answer cannot reach zero, and the
# gradient of a wrong one nearly vanishes.

# %%
# **PyTorch** with one softmax and with two:
digits = torch.arange(10)
for name, shift in (("right", 0), ("wrong", 1)):
    logits = 20 * torch.eye(10).roll(shift, 0).requires_grad_()
    once = cross_entropy(logits, digits)
    twice = cross_entropy(logits.softmax(dim=1), digits)
    (slope_1,) = torch.autograd.grad(once, logits)
    (slope_2,) = torch.autograd.grad(twice, logits)
    print(f"{name}: loss {once:.3f}, doubled {twice:.3f}")
    print(f"  slope {slope_1.norm():.1e}, {slope_2.norm():.1e}")
    assert twice > 1.4
assert slope_2.norm() < 1e-6 * slope_1.norm()

# %%
# They say that a PyTorch model *must* be a subclass of
# ``nn.Module``. A chain needs none. And they call the parent's
# constructor in a form that Python 2 needed. The class name in
# it is a trap: copy the class, rename it, forget that name.

# %%
# **PyTorch** as a chain, and the copied constructor:
chain = nn.Sequential(
    model.hidden, model.norm, nn.ReLU(), model.head
)
assert torch.equal(chain.eval()(pair_torch), inferred_torch)


class RenamedClassifier(nn.Module):
    def __init__(self):
        super(DropoutClassifier, self).__init__()


try:
    outcome = RenamedClassifier()
except TypeError as error:
    outcome = str(error)
print(outcome)
assert "subtype" in outcome

# %%
# They give the first Keras layer an ``input_shape``. Keras 3
# warns and asks for an ``Input``.

# %%
# **TensorFlow** with ``input_shape`` on a layer:
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    keras.layers.Dense(64, input_shape=(784,))
    modern = [keras.Input((784,)), keras.layers.Dense(64)]
    keras.Sequential(modern)
assert len(caught) == 1
print(str(caught[0].message).partition(".")[0])

# %%
# And they never set a mode: a model with dropout or batch
# normalisation would be tested as it trains, with the effect
# shown above under *A class, and its mode*.
#
# This page does not train to the end, does not run on a GPU,
# and draws initial values once: how much they change an
# accuracy is not measured here.
