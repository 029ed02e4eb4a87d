"""
Checkpoints and SavedModels
===========================

Trained weights lie in many formats: ``.keras``, ``.h5``, a
SavedModel, a checkpoint of TensorFlow. All of them can be read
without TensorFlow and without running a line of what is in
them. Then the weights go into a module, and the state of the
optimizer too, so that training goes on where it stopped.
"""

# %%
# Everything below is written into one folder by TensorFlow and
# read from there.

import tempfile
from pathlib import Path

import numpy as np

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
inputs = rng.normal(size=(64, 10))
targets = inputs @ rng.normal(size=(10, 1))

# %%
# One model, seven formats
# ------------------------

# %%
# **TensorFlow** trains a small model and saves it in each way
# that it has.
import keras
import tensorflow as tf

keras.utils.set_random_seed(0)
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
model_tf = keras.Sequential(
    [
        keras.Input((10,)),
        keras.layers.Dense(8, activation="tanh", name="hidden"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dense(1, name="out"),
    ]
)
model_tf.compile(keras.optimizers.Adam(0.0078125), "mse")
model_tf.fit(inputs, targets, 16, 3, shuffle=False, verbose=0)

model_tf.save(folder / "model.keras")
model_tf.save(folder / "model.h5")
model_tf.save_weights(folder / "model.weights.h5")
model_tf.export(folder / "saved_model", verbose=False)
checkpoint = tf.train.Checkpoint(model=model_tf)
checkpoint.write(str(folder / "checkpoint"))
weights_tf = {
    w.path.removeprefix(f"{model_tf.name}/"): w.numpy()
    for w in model_tf.weights
}
np.savez(folder / "model.npz", **weights_tf)
print(len(weights_tf), "weights")

# %%
# **PyTorch** reads them with ``read``, which needs NumPy and
# h5py. What a file does not say stays open: one that knows the
# order of the variables alone gives them numbers.
from migrate_examples.port.read import read

names = (
    "model.keras",
    "model.h5",
    "model.weights.h5",
    "saved_model",
    "checkpoint",
    "model.npz",
)
archives_torch = {name: read(folder / name) for name in names}
for name, archive in archives_torch.items():
    print(f"{name:17} {archive.kind:12}", len(archive.layers))
print(*archives_torch["saved_model"].arrays(), sep="\n")

# %%
# **Compare.** Bit by bit what TensorFlow has in memory.

for name, archive in archives_torch.items():
    arrays = archive.arrays().values()
    for weight in weights_tf.values():
        assert any(np.array_equal(weight, a) for a in arrays), (
            name
        )
print("6 formats, all weights bit by bit")

# %%
# Into a module
# -------------
# ``transfer`` takes the path. Where the file has names only, it
# pairs layers by order and shape, and lists what it did.

# %%
# **TensorFlow** answers for a batch that it has not seen.
unseen = rng.normal(size=(5, 10))
answer_tf = model_tf(unseen).numpy()
print(answer_tf[:2].ravel())

# %%
# **PyTorch** answers with the weights of each file.
import torch
from torch import nn

from migrate_examples.port.transfer import transfer


def network():
    """The same network."""
    return nn.Sequential(
        nn.Linear(10, 8),
        nn.Tanh(),
        nn.BatchNorm1d(8, eps=1e-3, momentum=0.01),
        nn.Linear(8, 1),
    ).double()


answers_torch = {}
for name in names:
    module = network().eval()
    ledger = transfer(folder / name, module)
    with torch.no_grad():
        answer = module(torch.tensor(unseen)).numpy()
    answers_torch[name] = answer
print(ledger)

# %%
# **Compare.** From every format the same answers.

for name, answer in answers_torch.items():
    gap = np.abs(answer - answer_tf).max()
    assert gap < 1e-12, name
    print(f"{name:17} {gap:.0e}")

# %%
# And training goes on
# --------------------
# Adam remembers two averages for each weight, and how many
# steps it has made. They are in the ``.keras`` file.

# %%
# **TensorFlow** trains for two more epochs.
model_tf.fit(inputs, targets, 16, 2, shuffle=False, verbose=0)
resumed_tf = model_tf(unseen).numpy()
print(resumed_tf[:2].ravel())

# %%
# **PyTorch** does so from the file. Keras adds its epsilon at
# another place; ``keras_epsilon`` sets it before each step.
from migrate_examples.port.transfer import (
    keras_epsilon,
    transfer_optimizer,
)


class BiasedBatchNorm1d(nn.BatchNorm1d):
    """Keeps the biased variance, as Keras 3 does."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x, 0, correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
        scaled = (x - mean) * (var + self.eps).rsqrt()
        return scaled * self.weight + self.bias


def resume(with_state):
    """Load the file, train two epochs, and answer."""
    module = network()
    module[2] = BiasedBatchNorm1d(8, eps=1e-3, momentum=0.01)
    module.double()
    file = folder / "model.keras"
    ledger = transfer(file, module)
    optimizer = torch.optim.Adam(module.parameters(), 0.0078125)
    if with_state:
        transfer_optimizer(file, optimizer, module, ledger)
    x, y = torch.tensor(inputs), torch.tensor(targets)
    for _ in range(2):
        for batch in torch.arange(64).split(16):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(
                module(x[batch]), y[batch]
            )
            loss.backward()
            keras_epsilon(optimizer, 1e-7)
            optimizer.step()
    with torch.no_grad():
        return module.eval()(torch.tensor(unseen)).numpy()


resumed_torch = resume(with_state=True)
forgetful_torch = resume(with_state=False)
print(resumed_torch[:2].ravel())

# %%
# **Compare.** With the state both go the same way, but for
# Keras's betas, which pass through float32. The weights alone
# are not enough: a fresh Adam takes other steps.

gap = np.abs(resumed_torch - resumed_tf).max()
off = np.abs(forgetful_torch - resumed_tf).max()
assert gap < 1e-5
assert off > 1e-3
print(f"with the state {gap:.0e}, without {off:.0e}")

# %%
# Files that are not what they seem
# ---------------------------------
# A file that is cut off, or of another kind, is refused with
# its name and the entry that is wrong. Nothing in it is run.

whole = (folder / "model.keras").read_bytes()
(folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
torch.save(network(), folder / "pickle.h5")
for name in ("cut.keras", "pickle.h5"):
    try:
        read(folder / name)
    except ValueError as error:
        print(str(error).replace(str(folder), "…"))
    else:
        raise AssertionError(name)
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
