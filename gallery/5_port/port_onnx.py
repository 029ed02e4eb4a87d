"""
The ONNX route, compared
========================

tf2onnx turns a Keras model into an ONNX graph. ONNX Runtime
runs that graph; onnx2torch makes a module of it. Both answer as
Keras does. What you cannot do is read, train or change them as
you would your own model. One table at the end has the figures
of all three, measured when this page was built.
"""

# %%
# A small residual network. Its batch norm has seen images, so
# that its statistics are not the trivial zero and one.

import tempfile
import time
from pathlib import Path

import numpy as np

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
images = rng.normal(0.5, 2.0, (32, 32, 32, 3)).astype("float32")

# %%
# Three ways out
# --------------

# %%
# **TensorFlow** exports the graph by itself, through tf2onnx.
import keras

keras.utils.set_random_seed(0)


def residual_block(x, channels, stride):
    """Two convolutions beside a projection."""
    shortcut = keras.layers.Conv2D(channels, 1, stride)(x)
    for step in (stride, 1):
        x = keras.layers.Conv2D(channels, 3, step, "same")(x)
        x = keras.layers.BatchNormalization(momentum=0.0)(x)
        if step == stride:
            x = keras.layers.ReLU()(x)
    return keras.layers.ReLU()(
        keras.layers.Add()([x, shortcut])
    )


inputs = keras.Input((32, 32, 3))
x = inputs
for channels in (16, 32, 64):
    x = residual_block(x, channels, stride=2)
x = keras.layers.GlobalAveragePooling2D()(x)
outputs = keras.layers.Dense(10, name="logits")(x)
model_tf = keras.Model(inputs, outputs, name="small_resnet")
model_tf(images, training=True)
answer_tf = model_tf(images).numpy()

file = folder / "model.onnx"
model_tf.export(file, format="onnx", verbose=False)
print(f"{model_tf.count_params():,} parameters")
print(f"{file.stat().st_size:,} bytes of ONNX")

# %%
# **PyTorch** gets it from onnx2torch, which needs torchvision;
# ONNX Runtime runs it without PyTorch; the third is written by
# ``port``.
import importlib.util

import onnx
import onnxruntime
import torch
from onnx2torch import convert

from migrate_examples.port.command import port

converted = convert(onnx.load(file)).eval()
session = onnxruntime.InferenceSession(file)
(name,) = (i.name for i in session.get_inputs())
report = port(model_tf, folder / "ported")
print(report.verdict)


def load_module(path):
    """Import a file that is not on the path."""
    spec = importlib.util.spec_from_file_location(
        "ported", path
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ported = load_module(folder / "ported/model.py").load()
x = torch.tensor(images)
routes = {
    "ONNX Runtime": lambda: session.run(None, {name: images})[
        0
    ],
    "onnx2torch": lambda: converted(x).numpy(),
    "port": lambda: ported(x).numpy(),
}
with torch.no_grad():
    answers_torch = {k: route() for k, route in routes.items()}

# %%
# **Compare.** All three answer as Keras does.

largest = np.abs(answer_tf).max()
errors = {
    route: np.abs(answer - answer_tf).max() / largest
    for route, answer in answers_torch.items()
}
for route, error in errors.items():
    assert error < 3e-4
    print(f"{route:12} {error:.0e}")

# %%
# What came out
# -------------
# onnx2torch's module is a list of nodes with the names of the
# exporter. This is the whole of its ``forward``, cut off at 60
# columns:

listing = converted.code.strip()
for line in listing.splitlines()[:12]:
    print(line[:60])

# %%
# And this is the module that ``port`` wrote:

source = (folder / "ported/model.py").read_text()
print(source)

# %%
# Training on from there
# ----------------------
# The exporter folds batch norm into the convolutions before it:
# right for inference, and the end of training as it was. Some
# weights become constants and are no parameters any more.


def trainable(module):
    """Count what an optimizer would see."""
    return sum(p.numel() for p in module.parameters())


def batch_norms(module):
    """Count layers with statistics of the batch."""
    kinds = [type(m).__name__ for m in module.modules()]
    return sum(
        k.startswith(("BatchNorm", "OnnxBatchNorm"))
        for k in kinds
    )


# %%
# **TensorFlow** answers otherwise in training mode: batch norm
# looks at the batch.
small = images[:4]
train_tf = model_tf(small, training=True).numpy()
count_tf = sum(
    w.numpy().size for w in model_tf.trainable_weights
)
print(f"{count_tf:,} trainable")

# %%
# **PyTorch** does so where batch norm is left.
x = torch.tensor(small)
with torch.no_grad():
    train_converted = converted.train()(x).numpy()
    train_torch = ported.train()(x).numpy()
converted.eval()
ported.eval()
print(f"{trainable(converted):,} and {trainable(ported):,}")

# %%
# **Compare.** Training mode is lost on the way through ONNX.

off = np.abs(train_converted - train_tf).max() / largest
gap = np.abs(train_torch - train_tf).max() / largest
assert gap < 1e-3
assert off > 0.01
assert batch_norms(converted) == 0
print(f"through ONNX {off:.2f}, ported {gap:.0e}")

# %%
# In one table
# ------------
# Times are of one batch, the median of nine, on the machine
# that built this page: compare them with each other only. The
# size is that of the file with the weights.


def median_time(run):
    """Milliseconds of one call."""
    run()
    times = []
    for _ in range(9):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[4]


sizes = {
    "ONNX Runtime": file,
    "onnx2torch": file,
    "port": folder / "ported/model.safetensors",
}
modules = {"onnx2torch": converted, "port": ported}
print(f"{'':12} error    kB    ms  trainable  batch norms")
with torch.no_grad():
    for route, run in routes.items():
        size = sizes[route].stat().st_size / 1000
        line = f"{route:12} {errors[route]:.0e} {size:5.0f} "
        line += f"{median_time(run):5.1f} "
        if route in modules:
            module = modules[route]
            line += f"{trainable(module):10,} "
            line += f"{batch_norms(module):12}"
        print(line)

# %%
# When to take it
# ---------------
# ONNX Runtime is a good place for a model that nobody will
# change: no PyTorch, no Keras, and often the fastest. As a way
# into PyTorch it gives a model that answers and that you cannot
# go on with.
