"""
Port a model by command
=======================

``migrate-examples port model.keras -o ported/`` reads a trained
Keras model and writes a PyTorch module that a person can read,
its weights, and the proof that both agree. Then
``migrate-examples parity-test`` writes the test that keeps it
so. Here both run on a classifier of text.
"""

# %%
# The commands are run as in a shell, in a folder of their own.

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import migrate_examples.port as tools

print(tools.__doc__.splitlines()[0])
folder = Path(tempfile.mkdtemp())


def shell(command):
    """Run a command; return its output and its exit code."""
    program, *arguments = command.split()
    run = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = (run.stdout + run.stderr).replace(
        str(folder), "…"
    )
    return printed, run.returncode


# %%
# From a file to a folder
# -----------------------

# %%
# **TensorFlow** trains on sentences of unequal length. A mask
# hides the padding: ``Embedding`` makes it, the layers behind
# pass it on, and no line of the model speaks of it. (Write
# ``add`` and not ``+``: Keras drops the mask at an operator.)
import keras

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
words = rng.integers(1, 200, (256, 20))
lengths = rng.integers(4, 21, 256)
words[np.arange(20) >= lengths[:, None]] = 0
labels = (words == 7).any(1) | (words == 9).any(1)


def encoder_block(x, heads, width):
    """Attention and two dense layers, each with a shortcut."""
    attention = keras.layers.MultiHeadAttention(
        heads, width // heads
    )
    x = keras.layers.add([x, attention(x, x)])
    x = keras.layers.LayerNormalization()(x)
    hidden = keras.layers.Dense(2 * width, activation="gelu")(x)
    hidden = keras.layers.Dense(width)(hidden)
    hidden = keras.layers.Dropout(0.1)(hidden)
    x = keras.layers.add([x, hidden])
    return keras.layers.LayerNormalization()(x)


tokens = keras.Input((20,), dtype="int32", name="tokens")
x = keras.layers.Embedding(200, 32, mask_zero=True)(tokens)
for _ in range(2):
    x = encoder_block(x, heads=4, width=32)
x = keras.layers.Bidirectional(keras.layers.GRU(16))(x)
score = keras.layers.Dense(1, name="score")(x)
model_tf = keras.Model(tokens, score, name="text_classifier")
model_tf.compile(
    keras.optimizers.Adam(0.003),
    keras.losses.BinaryCrossentropy(from_logits=True),
)
history = model_tf.fit(words, labels, 32, 6, verbose=0)
model_tf.save(folder / "model.keras")
score_tf = model_tf.predict(words, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}")

# %%
# **PyTorch** gets its module by one command. It is a file like
# any other; here it is imported from where it lies.
from importlib.util import (
    module_from_spec,
    spec_from_file_location,
)

import torch

printed, code = shell(
    "migrate_examples port model.keras -o ported"
)
print(printed)
assert code == 0
specification = spec_from_file_location(
    "ported", folder / "ported/model.py"
)
ported = module_from_spec(specification)
specification.loader.exec_module(ported)
module = ported.load()
with torch.no_grad():
    score_torch = module(torch.tensor(words)).numpy()

# %%
# **Compare.** The module answers as the model does, padding
# included.

largest = np.abs(score_tf).max()
gap = np.abs(score_torch - score_tf).max() / largest
assert gap < 1e-5
print(f"of the largest score: {gap:.0e}")

# %%
# This is what was written. The two encoder blocks have become a
# class; the mask, which was nowhere to be seen, has become a
# line.

source = (folder / "ported/model.py").read_text()
print(source)

# %%
# The second attention has no mask. Neither has Keras's: the
# first one deletes it on its way, as ``MASK-LOST-ATTENTION``
# among the :doc:`/pitfalls` shows. A port keeps what the model
# computes, not what its author meant.

# %%
# The report
# ----------
# ``report.html`` is for you, ``report.json`` for programs. Both
# hold, for each layer of Keras, where it went and how far both
# sides are apart.

import json

report = json.loads((folder / "ported/report.json").read_text())
print(report["verdict"])
for layer in report["layers"]:
    error = layer["error_float64"]
    shown = "" if error is None else f"{error:.0e}"
    print(
        f"{layer['keras'][:24]:25}{layer['torch'][:24]:25}{shown}"
    )

# %%
# What it refuses
# ---------------
# A function inside a file is code that somebody else wrote; it
# is never run. The command says so, and writes nothing. So it
# does for layers that it does not know: it lists all of them,
# with what to do.

# %%
# **TensorFlow** saves a model with a function inside.
inputs = keras.Input((4,))
squared = keras.layers.Lambda(lambda x: x**2, name="square")
keras.Model(inputs, squared(inputs)).save(
    folder / "lambda.keras"
)
files_tf = sorted(path.name for path in folder.iterdir())
print(*files_tf)

# %%
# **PyTorch** gets no module from it.
printed_torch, code_torch = shell(
    "migrate_examples port lambda.keras -o other"
)
print(printed_torch)

# %%
# **Compare.** The file is there, the folder is not.

assert "lambda.keras" in files_tf
assert code_torch == 2
assert "Lambda" in printed_torch
assert not (folder / "other").exists()
print("exit code", code_torch)

# %%
# A test to keep
# --------------
# The test does not need this package. Put it beside your port,
# and change the port as you like: it says when both stop
# agreeing.

printed, code = shell(
    "migrate_examples parity-test"
    " model.keras ported -o test_port.py"
)
print(printed)
assert code == 0
printed, code = shell("pytest -q -p no:warnings test_port.py")
print(printed)
assert code == 0

# %%
# Here is a mistake, of the kind that one makes when tidying:
# the epsilon of Keras's ``LayerNormalization`` is taken for a
# leftover and removed.

path = folder / "ported/model.py"
path.write_text(source.replace(", eps=0.001", ""))
assert path.read_text() != source
printed, code = shell(
    "pytest -q -p no:warnings --tb=no test_port.py"
)
print(printed[-1500:])
assert code == 1
