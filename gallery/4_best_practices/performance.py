"""
Performance optimisation
========================

TensorFlow places, prefetches and traces on its own. In PyTorch
each of these is a line that you write. This page shows the
lines, and proves for each that the numbers stay the same.
"""

# %%
# Both halves get the same examples and the same weights.

import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 32)).astype("float32")
y = rng.normal(size=(50, 10)).astype("float32")
# of a layer 32 -> 48 and of a head 48 -> 10
sizes = ((32, 48), 48, (48, 10), 10)
weights = [
    rng.normal(0, 0.2, s).astype("float32") for s in sizes
]
# Two libraries sum in two orders: a few units in the last
# place of float32, relative to the largest number.
tolerance = 16 * np.finfo("float32").eps


def relative_gap(one, other):
    """Largest difference, in parts of the largest number."""
    return np.abs(one - other).max() / np.abs(other).max()


# %%
# Devices and batches
# -------------------
# A batch is rarely one tensor: move the whole structure, and
# leave what is no tensor alone. A copy from ordinary memory
# makes the host wait; from pinned memory it can run beside the
# computation. On a CPU there is nothing to copy, so this page
# verifies what arrives, not the overlap.

# %%
# **TensorFlow** uses a GPU unasked, and prefetches to it.
import tensorflow as tf

from migrate_examples.performance.in_tensorflow import (
    batches_on_device,
    move_batch,
    pick_device,
)

device_tf = pick_device()
nested_tf = {"inputs": [tf.constant(x)], "name": "first"}
nested_tf = move_batch(nested_tf, device_tf)
x_tf = nested_tf["inputs"][0]
batches_tf = list(batches_on_device(x, y, 16, device_tf))
print(device_tf, [len(part) for part, _ in batches_tf])

# %%
# **PyTorch** computes where its tensors are; you put them.
import torch

from migrate_examples.performance.in_pytorch import (
    batches_on_device,
    move_batch,
    pick_device,
)

device_torch = pick_device()
nested_torch = {"inputs": [torch.tensor(x)], "name": "first"}
nested_torch = move_batch(nested_torch, device_torch)
x_torch = nested_torch["inputs"][0]
batches_torch = list(batches_on_device(x, y, 16, device_torch))
print(device_torch, [len(part) for part, _ in batches_torch])

# %%
# **Compare.** The same structure, the same batches.

np.testing.assert_array_equal(x_torch.cpu(), x_tf)
assert nested_tf["name"] == nested_torch["name"] == "first"
for ours, theirs in zip(batches_tf, batches_torch, strict=True):
    np.testing.assert_array_equal(theirs[0].cpu(), ours[0])
    np.testing.assert_array_equal(theirs[1].cpu(), ours[1])
print(f"{len(batches_torch)} batches arrived unchanged")

# %%
# Mixed precision
# ---------------
# Weights stay in float32, the large products are computed in
# half precision. Keras decides by layer, when the layer is
# made; PyTorch by block of code, when it runs.

# %%
# **TensorFlow** gives the layer a ``mixed_bfloat16`` policy.
from migrate_examples.performance.in_tensorflow import (
    MixedClassifier,
)

half_tf = MixedClassifier(32, 48, 10, "bfloat16")
half_tf.set_weights(weights)
full_tf = MixedClassifier(32, 48, 10, "float32")
full_tf.set_weights(weights)
logits_tf = full_tf(x_tf).numpy(), half_tf(x_tf).numpy()
print("weights", half_tf.hidden.kernel.dtype)

# %%
# **PyTorch** opens a ``torch.autocast`` block.
from migrate_examples.performance.in_pytorch import (
    MixedClassifier,
)


def load(model):
    arrays = [torch.tensor(w.T) for w in weights]  # (out, in)
    names = model.state_dict()
    model.load_state_dict(dict(zip(names, arrays, strict=True)))
    return model.to(device_torch)


half_torch = load(MixedClassifier(32, 48, 10, "bfloat16"))
full_torch = load(MixedClassifier(32, 48, 10, "float32"))
with torch.no_grad():
    outputs = full_torch(x_torch), half_torch(x_torch)
logits_torch = [logits.cpu().numpy() for logits in outputs]
print("weights", half_torch.hidden.weight.dtype)

# %%
# **Compare.** bfloat16 keeps 8 bits, so one rounding costs up
# to 1/256 of a number. Several meet in a product, most of them
# in different directions: twice that, of the largest logit.

full_gap = relative_gap(logits_torch[0], logits_tf[0])
half_gap = relative_gap(logits_torch[1], logits_tf[1])
cost = relative_gap(logits_torch[1], logits_torch[0])
print(f"float32,  the two libraries: {full_gap:.1e}")
print(f"bfloat16, the two libraries: {half_gap:.1e}")
print(f"bfloat16 against float32:    {cost:.1e}")
assert full_gap < tolerance < cost < 2 / 256
assert half_gap < 2 / 256

# %%
# Loss scaling
# ------------
# float16 has more digits than bfloat16 and less range: small
# gradients become zero. So the loss is multiplied, and the
# gradients are divided. bfloat16 does without.

small = np.float32(1e-8)
scaled = np.float16(small * 2**15).astype("float32") / 2**15
print(f"1e-8 becomes {np.float16(small)}; scaled, {scaled:.1e}")
# the inputs of two of the steps are more than float16 holds
factors = [1, 1, 1, 1, 1, 1, 1e6, 1e6, 1, 1, 1, 1]

# %%
# **TensorFlow** wraps the optimiser.
import keras

from migrate_examples.performance.in_tensorflow import (
    MixedClassifier,
    ScaledTrainer,
)

model = MixedClassifier(32, 48, 10, "float16")
model.set_weights(weights)
sgd = keras.optimizers.SGD(0.01)
mse_tf = keras.losses.MeanSquaredError()
train = ScaledTrainer(model, sgd, mse_tf, growth_interval=3)
scales_tf, kernels_tf = [], []
for factor in factors:
    train.step(x_tf * factor, tf.constant(y))
    scales_tf.append(train.scale)
    kernels_tf.append(model.get_weights()[0].T)

# %%
# **PyTorch** has a scaler beside the optimiser.
from migrate_examples.performance.in_pytorch import (
    MixedClassifier,
    ScaledTrainer,
)

model = load(MixedClassifier(32, 48, 10, "float16"))
sgd = torch.optim.SGD(model.parameters(), 0.01)
mse_torch = torch.nn.MSELoss()
train = ScaledTrainer(model, sgd, mse_torch, growth_interval=3)
y_torch = torch.tensor(y, device=device_torch)
scales_torch, kernels_torch = [], []
for factor in factors:
    train.step(x_torch * factor, y_torch)
    scales_torch.append(train.scale)
    kernels_torch.append(model.hidden.weight.tolist())

# %%
# **Compare.** The same factor at every step. The two steps that
# overflowed moved nothing. At the end the weights agree as
# float16 does: one rounding costs up to 1/2048.

import matplotlib.pyplot as plt

assert scales_tf == scales_torch
for kernels in (kernels_tf, kernels_torch):
    moved = np.diff(kernels, axis=0).any(axis=(1, 2))
    skipped = 1 + np.flatnonzero(~moved)
    np.testing.assert_array_equal(skipped, [6, 7])
gap = relative_gap(np.array(kernels_torch[-1]), kernels_tf[-1])
assert gap < 1 / 2048
print(f"steps {skipped} skipped; weights differ by {gap:.1e}")

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.step(range(12), scales_tf, lw=5, label="TensorFlow")
ax.step(range(12), scales_torch, label="PyTorch")
ax.set(xlabel="step", ylabel="factor of the next loss")
ax.set_yscale("log", base=2)
ax.legend()
plt.show()

# %%
# Inference
# ---------
# What a forward pass records stays in memory. TensorFlow
# records inside a tape only, PyTorch unless you say otherwise.
# ``eval`` is another matter: it switches Dropout and BatchNorm,
# and records still.

# %%
# **TensorFlow** takes the mode as an argument of the call.
from migrate_examples.performance.in_tensorflow import predict

noisy = keras.Sequential([full_tf, keras.layers.Dropout(0.5)])
found_tf = predict(noisy, [x_tf[:30], x_tf[30:]])

# %%
# **PyTorch** has ``eval``, and ``inference_mode`` beside it.
from migrate_examples.performance.in_pytorch import predict

noisy = torch.nn.Sequential(full_torch, torch.nn.Dropout(0.5))
found_torch = predict(noisy, [x_torch[:30], x_torch[30:]])
print("recorded:", found_torch.requires_grad)
print("training mode restored:", noisy.training)

# %%
# **Compare.** Equal outputs, with Dropout off on both sides.

gap = relative_gap(found_torch.cpu().numpy(), found_tf.numpy())
assert gap < tolerance
print(f"relative difference: {gap:.1e}")

# %%
# Compile, and measure
# --------------------
# Both compilers trace a function at its first call. PyTorch's
# default, ``inductor``, writes C++ or Triton and needs a
# compiler at hand. This page runs ``aot_eager``, which traces
# and generates no code: expect equal results and no gain. To
# time either, warm up, wait for the device, take the median;
# the ratios are noisy, and those of this machine.

# %%
# **TensorFlow** compiles with XLA: ``jit_compile``.
from migrate_examples.performance.in_tensorflow import (
    benchmark,
    compiled,
    pick_backend,
)

fast = compiled(full_tf, backend="xla")
compiled_tf = fast(x_tf).numpy()
ratio = benchmark(lambda: full_tf(x_tf), repeats=5)
ratio /= benchmark(lambda: fast(x_tf), repeats=5)
print(f"eager takes {ratio:.1f} times as long as xla")
print("default of this machine:", pick_backend())

# %%
# **PyTorch** compiles with a backend that you can name.
from migrate_examples.performance.in_pytorch import (
    benchmark,
    compiled,
    pick_backend,
)

fast = compiled(full_torch, backend="aot_eager")
with torch.no_grad():
    compiled_torch = fast(x_torch).cpu().numpy()
    ratio = benchmark(lambda: full_torch(x_torch), repeats=5)
    ratio /= benchmark(lambda: fast(x_torch), repeats=5)
print(f"eager takes {ratio:.1f} times as long as aot_eager")
print("default of this machine:", pick_backend())

# %%
# **Compare.** Compiled here and there, and not compiled.

gap = relative_gap(compiled_torch, compiled_tf)
assert gap < tolerance
assert relative_gap(compiled_torch, logits_torch[0]) < tolerance
print(f"relative difference: {gap:.1e}")

# %%
# Channels last
# -------------
# GPUs convolve fastest with the channels last in memory, which
# is TensorFlow's layout. PyTorch keeps its order of axes, NCHW,
# and changes the strides: an NHWC array with its axes permuted
# has that layout already, without a copy.

images = rng.normal(size=(2, 15, 13, 3)).astype("float32")
kernel = rng.normal(size=(3, 3, 3, 8)).astype("float32")

# %%
# **TensorFlow** has nothing to rename.
from migrate_examples.performance.in_tensorflow import (
    convolve_images,
)

convolved_tf = convolve_images(images, kernel).numpy()

# %%
# **PyTorch** renames the axes; a model is moved by ``.to``.
from migrate_examples.performance.in_pytorch import (
    convolve_images,
)

convolved_torch = convolve_images(images, kernel)

conv, last = torch.nn.Conv2d(3, 8, 3), torch.channels_last
nchw = torch.tensor(images).permute(0, 3, 1, 2).contiguous()
usual = conv(nchw)
moved = conv.to(memory_format=last)(nchw.to(memory_format=last))
print("strides:", usual.stride(), "then", moved.stride())

# %%
# **Compare.** Equal values, in equal places of memory; and the
# model gives the same in either layout.

assert convolved_torch.is_contiguous()
assert moved.is_contiguous(memory_format=last)
torch.testing.assert_close(moved, usual)
gap = relative_gap(convolved_torch.numpy(), convolved_tf)
assert gap < tolerance
print(f"relative difference: {gap:.1e}")

# %%
# Less memory: checkpoints
# ------------------------
# The backward pass needs what the forward pass computed. Keep
# it, or keep the block's input and compute it a second time.

# %%
# **TensorFlow** has ``tf.recompute_grad``.
from migrate_examples.performance.in_tensorflow import (
    checkpointed,
)

first_tf = tf.Variable(weights[0])


def block_tf(first):
    return tf.tanh(tf.tanh(x_tf @ first) * 2) ** 2


with tf.GradientTape() as tape:
    total = tf.reduce_sum(checkpointed(block_tf)(first_tf))
slope_tf = tape.gradient(total, first_tf).numpy()

# %%
# **PyTorch** has ``torch.utils.checkpoint``.
from migrate_examples.performance.in_pytorch import checkpointed

first_torch = torch.tensor(weights[0]).to(device_torch)
first_torch.requires_grad_()


def block_torch(first):
    return torch.tanh(torch.tanh(x_torch @ first) * 2) ** 2


def slope_and_bytes(block):
    kept = []
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: kept.append(t) or t, lambda t: t):
        total = block(first_torch).sum()
    (slope,) = torch.autograd.grad(total, first_torch)
    return slope.cpu().numpy(), sum(t.nbytes for t in kept)


slope_torch, few = slope_and_bytes(checkpointed(block_torch))
slope_plain, many = slope_and_bytes(block_torch)
print(f"kept: {many} bytes; with checkpoints {few}")

# %%
# **Compare.** The gradient is that without checkpoints, bit by
# bit, and TensorFlow's up to rounding.

np.testing.assert_array_equal(slope_torch, slope_plain)
gap = relative_gap(slope_torch, slope_tf)
assert gap < tolerance
assert few < many
print(f"relative difference: {gap:.1e}")

# %%
# Wait for the device once
# ------------------------
# A GPU works through a queue that your code fills. Reading a
# number, ``.item()`` or ``.numpy()``, stops until the queue is
# empty. Keep the losses on the device, read them at the end.

# %%
# **TensorFlow** sums tensors, then converts one.
from migrate_examples.performance.in_tensorflow import (
    train_epoch,
)

sgd = keras.optimizers.SGD(0.1)
loss_tf = train_epoch(full_tf, sgd, mse_tf, batches_tf)

# %%
# **PyTorch** detaches too, else each graph stays in memory.
from migrate_examples.performance.in_pytorch import train_epoch

sgd = torch.optim.SGD(full_torch.parameters(), 0.1)
loss_torch = train_epoch(
    full_torch, sgd, mse_torch, batches_torch
)

# %%
# **Compare.** The mean loss of the epoch.

np.testing.assert_allclose(loss_torch, loss_tf, rtol=tolerance)
gap = abs(loss_torch / loss_tf - 1)
print(f"relative difference: {gap:.1e}")

# %%
# Profile
# -------
# Which operations ran, and how often: ask before you optimise.

# %%
# **TensorFlow** writes a file, for TensorBoard or to be parsed.
from migrate_examples.performance.in_tensorflow import (
    count_operations,
)

ran_tf = count_operations(lambda: full_tf(x_tf))
print(dict(ran_tf))

# %%
# **PyTorch** answers in Python, outer and inner operations.
from migrate_examples.performance.in_pytorch import (
    count_operations,
)

ran_torch = count_operations(lambda: full_torch(x_torch))
print(dict(ran_torch))

# %%
# **Compare.** Two products and one ``relu``. TensorFlow adds
# the bias in an operation of its own.

assert ran_tf["MatMul"] == ran_torch["aten::addmm"] == 2
assert ran_tf["Relu"] == ran_torch["aten::relu"] == 1
print("products:", ran_tf["MatMul"], ran_torch["aten::addmm"])

# %%
# Where the time goes is a table of the same profile. It also
# proves that the epoch above read one number, once.

# %%
# **PyTorch** sorts it by the column that you name.
from torch.profiler import ProfilerActivity, profile

with profile(activities=[ProfilerActivity.CPU]) as profiler:
    train_epoch(full_torch, sgd, mse_torch, batches_torch)
averages = profiler.key_averages()
print(averages.table("self_cpu_time_total", row_limit=4))
counts = {event.key: event.count for event in averages}
print("numbers read:", counts["aten::_local_scalar_dense"])
assert counts["aten::_local_scalar_dense"] == 1

# %%
# Corrections to older guides
# ---------------------------
# Older guides say that in both libraries you move model and
# tensors to the GPU. TensorFlow does it by itself. In PyTorch
# what you forget to move is an error. (``meta`` is a second
# device that every machine has.)

# %%
# **TensorFlow** placed this without a word from you.
print((x_tf + 1).device)

# %%
# **PyTorch** refuses to mix devices.
try:
    torch.nn.Linear(3, 2, device="meta")(torch.ones(1, 3))
    refused = ""
except RuntimeError as error:
    refused = str(error)
print(refused)
assert "not on the expected device" in refused

# %%
# They choose between ``"cuda"`` and ``"cpu"``, and leave an
# Apple or Intel GPU idle. ``torch.accelerator`` finds these
# too. They also move every batch from ordinary memory.

# %%
# **PyTorch** has one question for all kinds:
any_kind = torch.accelerator.is_available()
print("of any kind:", any_kind)
assert any_kind or not torch.cuda.is_available()
print("pinned by itself:", torch.ones(2).is_pinned())

# %%
# They stop at ``.to(device)``. On recent NVIDIA GPUs float32
# products have a setting too, and the defaults differ: a port
# can be more exact, and slower. The setting is read here; its
# effect is not verified, since a CPU has no TF32.

# %%
# **TensorFlow** allows TF32 from the start.
tf32 = tf.config.experimental.tensor_float_32_execution_enabled
print("TF32:", tf32())
assert tf32()

# %%
# **PyTorch** does not; ``"high"`` would allow it.
print("float32:", torch.get_float32_matmul_precision())
assert torch.get_float32_matmul_precision() == "highest"

# %%
# They use a model without ``eval`` and ``inference_mode``: then
# Dropout is on and the graph recorded.

# %%
# **PyTorch** after training, with neither of the two:
one, two = noisy(x_torch), noisy(x_torch)
print("recorded:", one.requires_grad)
print(f"changed: {(one != two).float().mean().item():.0%}")
assert not torch.equal(one, two)

# %%
# And where they time, they use a bare clock, which on a GPU
# measures how fast work is queued. ``Timer`` waits; but by
# default it runs on one thread, unlike your training.

# %%
# **PyTorch** says on how many threads it measured.
from torch.utils.benchmark import Timer

timer = Timer("x.exp()", globals={"x": x_torch})
print("threads:", timer.timeit(10).num_threads)
assert timer.timeit(10).num_threads == 1

# %%
# Not verified here, for want of a GPU: the overlap of copies,
# the gain of half precision, of channels last and of TF32,
# ``inductor``'s Triton code, and peak memory. The tests that
# need a GPU are listed as skipped on this site.
