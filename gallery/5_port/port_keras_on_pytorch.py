"""
Keras on PyTorch as a bridge
============================

Keras 3 runs on PyTorch too. A model saved under TensorFlow
opens there, answers the same, and is a ``torch.nn.Module``:
one variable in the environment, no line of code. It is a
bridge, not a port: what you get is Keras, with Keras's layouts
and Keras's ``fit``. Here is what crosses it, what does not, and
the one difference that says nothing.
"""

# %%
# Both sides need a process of their own, since a process has
# one backend. This one runs TensorFlow. The other one starts
# below; files lie between them.

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
images = rng.normal(size=(64, 12, 12, 3)).astype("float32")
labels = rng.integers(0, 5, 64)
np.savez(folder / "data.npz", images=images, labels=labels)

# %%
# A trained file crosses
# ----------------------

# %%
# **TensorFlow** trains a small network and saves it, with the
# state of its optimizer.
import keras

keras.utils.set_random_seed(0)
model_tf = keras.Sequential(
    [
        keras.Input((12, 12, 3)),
        keras.layers.Conv2D(8, 3, strides=2, padding="same"),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(5, activation="softmax"),
    ]
)
model_tf.compile(
    keras.optimizers.Adam(0.01),
    "sparse_categorical_crossentropy",
)
model_tf.fit(images, labels, 16, epochs=2, verbose=0)
model_tf.save(folder / "model.keras")
answer_tf = model_tf.predict(images, verbose=0)
model_tf.fit(
    images, labels, 16, epochs=1, verbose=0, shuffle=False
)
resumed_tf = model_tf.predict(images, verbose=0)
print(keras.backend.backend(), answer_tf.shape)

# %%
# **PyTorch** opens the same file, goes on training from the
# same optimizer state, and hands the model to PyTorch.
script = """
import sys
from pathlib import Path
import keras, numpy as np, torch

folder = Path(sys.argv[1])
data = np.load(folder / "data.npz")
model = keras.saving.load_model(folder / "model.keras")
answer = model.predict(data["images"], verbose=0)
model.fit(
    data["images"], data["labels"], 16,
    epochs=1, verbose=0, shuffle=False,
)
np.savez(
    folder / "bridge.npz", answer=answer,
    resumed=model.predict(data["images"], verbose=0),
)
conv = model.layers[0]
print(keras.backend.backend(), answer.shape)
print("an nn.Module:", isinstance(model, torch.nn.Module))
print("kernel:", tuple(conv.kernel.shape))
"""


def on_pytorch(script):
    """Run a script where Keras stands on PyTorch."""
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


print(on_pytorch(script))
bridge = np.load(folder / "bridge.npz")
answer_torch = bridge["answer"]
resumed_torch = bridge["resumed"]

# %%
# **Compare.** The same answers, before and after four more
# steps of Adam, as far as float32 and batch norm let them: the
# optimizer's state came along. The kernel is still (height,
# width, in, out) and the images are still channels last: below
# the surface nothing was ported.

gap = np.abs(answer_torch - answer_tf).max()
gap_resumed = np.abs(resumed_torch - resumed_tf).max()
moved = np.abs(resumed_tf - answer_tf).max()
assert gap < 1e-5
assert gap_resumed < moved / 30
print(f"loaded {gap:.0e}, after more steps {gap_resumed:.0e}")
print(f"while those steps moved the answers by {moved:.2f}")

# %%
# The difference that says nothing
# --------------------------------
# A network ends in ``softmax`` and is certain of a wrong class.
# Under TensorFlow, Keras finds the logits behind the softmax
# and takes the loss from them. Under PyTorch it sees
# probabilities only, and cuts them off at 1e-7. The files are
# the same, the losses are not.

# %%
# **TensorFlow** sees the logits: the loss has no upper end.
certain_tf = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(4, activation="softmax"),
    ]
)
certain_tf.compile(loss="sparse_categorical_crossentropy")
certain_tf.set_weights([30 * np.eye(4), np.zeros(4)])
certain_tf.save(folder / "certain.keras")
one = np.eye(4, dtype="float32")
wrong = np.array([1, 2, 3, 0])
loss_tf = certain_tf.evaluate(one, wrong, verbose=0)
print(f"loss {loss_tf:.2f}")

# %%
# **PyTorch** sees probabilities: at 1e-7 the loss ends, and the
# gradient with it.
script = """
import sys
from pathlib import Path
import keras, numpy as np

model = keras.saving.load_model(
    Path(sys.argv[1]) / "certain.keras"
)
one = np.eye(4, dtype="float32")
wrong = np.array([1, 2, 3, 0])
print(model.evaluate(one, wrong, verbose=0))
"""
loss_torch = float(on_pytorch(script))
print(f"loss {loss_torch:.2f}")

# %%
# **Compare.** 30 is the true cross-entropy of these logits, 16
# is the logarithm of 1e-7. Leave the softmax out of the network
# and say ``from_logits=True``: then both agree.

assert abs(loss_tf - 30) < 1e-4
assert abs(loss_torch - -np.log(1e-7)) < 1e-2
print(f"TensorFlow {loss_tf:.2f}, PyTorch {loss_torch:.2f}")

# %%
# What does not cross
# -------------------
# Whatever holds TensorFlow inside: a ``Lambda`` around ``tf``
# functions, layers that split strings, a SavedModel.

# %%
# **TensorFlow** saves one of each.
import tensorflow as tf

keras.Sequential(
    [keras.Input((3,)), keras.layers.Lambda(tf.math.erf)]
).save(folder / "lambda.keras")
vocabulary = keras.layers.StringLookup(vocabulary=["a", "b"])
words = keras.Input((1,), dtype="string")
keras.Model(words, vocabulary(words)).save(
    folder / "words.keras"
)
model_tf.export(folder / "saved_model", verbose=False)
files_tf = sorted(
    path.name
    for path in folder.iterdir()
    if path.name != "data.npz"
)
print(*files_tf, sep="\n")

# %%
# **PyTorch** refuses each of them, and says so, in an
# environment that has no TensorFlow.
script = """
import sys
from pathlib import Path

sys.modules["tensorflow"] = None  # as if not installed
import keras

for name in ("lambda.keras", "words.keras", "saved_model"):
    try:
        keras.saving.load_model(Path(sys.argv[1]) / name)
        print(name, "loads")
    except Exception as error:
        print(name, "is refused:", type(error).__name__)
"""
refused_torch = on_pytorch(script)
print(refused_torch)

# %%
# **Compare.** None of the three loads; weights of a SavedModel
# can be read all the same, see :doc:`port_checkpoints`.

assert refused_torch.count("is refused") == 3
assert set(files_tf) > {"lambda.keras", "words.keras"}
print("3 of 3 are refused")

# %%
# When to take the bridge
# -----------------------
# To run an old model today, beside PyTorch code, while you port
# it. Or to open a ``.keras`` file where TensorFlow is not
# installed: ``migrate-examples port`` does that by itself. Do
# not stop on it: the model needs Keras for ever, and a reader
# of your PyTorch code finds channels last where all else is
# channels first.
