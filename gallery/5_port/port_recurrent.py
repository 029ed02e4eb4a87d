"""
Recurrent layers
================

``keras.layers.LSTM`` and ``nn.LSTM`` compute the same, if the
weights lie where each expects them. A GRU orders its gates in
another way, one kind of GRU has no counterpart, the last output
of a bidirectional layer is not the one you expect, and a mask
travels by itself on one side only. None of this raises an
error. Here each is measured, wrong and right.
"""

# %%
# Both sides get the same sequences, in float64, where a wrong
# convention cannot hide behind rounding.

import numpy as np

rng = np.random.default_rng(0)
units = 6
sequences = rng.normal(size=(3, 7, 4))
lengths = np.array([7, 4, 2])

# %%
# LSTM: one bias or two
# ---------------------

# %%
# **TensorFlow** keeps a kernel for each of input and state, and
# one bias.
import keras

keras.utils.set_random_seed(0)


def run(layer, *inputs):
    """Build a layer, draw all its weights, and call it."""
    layer.build(inputs[0].shape)
    weights = [rng.normal(size=w.shape) for w in layer.weights]
    layer.set_weights(weights)
    return layer(*inputs).numpy()


def arrays(layer):
    """Weights by their names inside the layer."""
    names = [w.path.partition("/")[2] for w in layer.weights]
    return dict(zip(names, layer.get_weights(), strict=True))


lstm = keras.layers.LSTM(
    units, return_sequences=True, dtype="float64"
)
lstm_tf = run(lstm, sequences)
print({name: w.shape for name, w in arrays(lstm).items()})

# %%
# **PyTorch** keeps the transposed kernels and two biases, which
# are added. The second stays zero: left trainable, both would
# learn, and the bias would move twice as fast.
import torch
from torch import nn

from migrate_examples.port.layouts import to_torch

x = torch.tensor(sequences)


def fill(module, layer, **options):
    """Lay a Keras layer's weights out, and load all of them."""
    kind, config = type(layer).__name__, layer.get_config()
    filled = to_torch(kind, config, arrays(layer), **options)
    state = {f.target: torch.tensor(f.array) for f in filled}
    module.double().load_state_dict(state)
    return filled


module = nn.LSTM(4, units, batch_first=True)
for tensor in fill(module, lstm):
    print(f"{tensor.target:13} {tensor.layout}")
module.bias_hh_l0.requires_grad_(False)
lstm_torch = module(x)[0].detach().numpy()

# %%
# **Compare.** The gates stand in the same order, i, f, g, o, so
# a transpose is all.

gap = np.abs(lstm_torch - lstm_tf).max()
assert gap < 1e-14
print(f"LSTM: {gap:.0e}")

# %%
# GRU: the gates change places
# ----------------------------

# %%
# **TensorFlow** has them as update, reset, new: z, r, h.
gru = keras.layers.GRU(
    units, return_sequences=True, dtype="float64"
)
gru_tf = run(gru, sequences)
print({name: w.shape for name, w in arrays(gru).items()})

# %%
# **PyTorch** has them as reset, update, new: r, z, n. Kernels
# that are only transposed fit as well.
module = nn.GRU(4, units, batch_first=True).double()
kernel, recurrent, bias = map(torch.tensor, gru.get_weights())
naive = {
    "weight_ih_l0": kernel.T,
    "weight_hh_l0": recurrent.T,
    "bias_ih_l0": bias[0],
    "bias_hh_l0": bias[1],
}
module.load_state_dict(naive)  # no error
naive_torch = module(x)[0].detach().numpy()
fill(module, gru)
gru_torch = module(x)[0].detach().numpy()

# %%
# **Compare.** The order of the gates is the whole difference.

gap = np.abs(gru_torch - gru_tf).max()
gap_naive = np.abs(naive_torch - gru_tf).max()
assert gap < 1e-14
assert gap_naive > 0.1
print(f"only transposed {gap_naive:.2f}, in order {gap:.0e}")

# %%
# The GRU that PyTorch does not have
# ----------------------------------
# Keras's ``GRU`` resets the state after the product with the
# recurrent kernel, as ``nn.GRU`` does. ``reset_after=False``,
# the default of older models, resets before it. The shapes give
# it away: its bias has one row.

# %%
# **TensorFlow** takes it as an argument.
older = keras.layers.GRU(
    units,
    return_sequences=True,
    reset_after=False,
    dtype="float64",
)
older_tf = run(older, sequences)
print(older.get_weights()[2].shape)

# %%
# **PyTorch** needs the loop written out.


kernel, recurrent, bias = map(torch.tensor, older.get_weights())


def reset_before(x):
    """Run a GRU that resets before the product."""
    state = x.new_zeros(len(x), units)
    states = []
    new = slice(2 * units, None)
    for step in x.unbind(1):
        inputs = step @ kernel + bias
        hidden = state @ recurrent[:, : 2 * units]
        gates = torch.sigmoid(inputs[:, : 2 * units] + hidden)
        update, reset = gates.chunk(2, dim=1)
        product = (reset * state) @ recurrent[:, new]
        candidate = torch.tanh(inputs[:, new] + product)
        state = torch.lerp(candidate, state, update)
        states.append(state)
    return torch.stack(states, dim=1)


older_torch = reset_before(x).numpy()
try:
    fill(nn.GRU(4, units, batch_first=True), older)
except ValueError as error:
    refused_torch = str(error)
print(refused_torch)

# %%
# **Compare.** The transfer refuses what cannot be right.

gap = np.abs(older_torch - older_tf).max()
assert gap < 1e-14
assert "reset_after=False" in refused_torch
print(f"reset before: {gap:.0e}")

# %%
# Both directions: which output is the last?
# ------------------------------------------

# %%
# **TensorFlow** returns where each direction ends: the forward
# one at the last step, the backward one at the first.
both = keras.layers.Bidirectional(
    keras.layers.LSTM(units, dtype="float64"), dtype="float64"
)
both_tf = run(both, sequences)
print(both_tf.shape)

# %%
# **PyTorch** lines both up in time: at the last step, the
# backward direction has seen one element.
module = nn.LSTM(4, units, batch_first=True, bidirectional=True)
fill(module, both)
outputs, (final, _) = module(x)
last_torch = outputs[:, -1].detach().numpy()
both_torch = torch.cat([final[0], final[1]], 1).detach().numpy()

# %%
# **Compare.** Take the final states, not the last step.

gap = np.abs(both_torch - both_tf).max()
gap_last = np.abs(last_torch - both_tf).max()
assert gap < 1e-14
assert gap_last > 0.1
print(f"last step {gap_last:.2f}, final states {gap:.0e}")

# %%
# Masks travel, or do not
# -----------------------

# %%
# **TensorFlow** hands the mask of ``Embedding(mask_zero=True)``
# or ``Masking`` on to every layer behind. A masked step leaves
# the state as it is and repeats the output.
steps = np.arange(7)
padded = np.where(
    (steps < lengths[:, None])[..., None], sequences, 0.0
)
masking = keras.layers.Masking(dtype="float64")
masked_tf = lstm(masking(padded)).numpy()
print(masked_tf[2, :, 0].round(3))

# %%
# **PyTorch** knows lengths: pack the batch, and unpack it.
# ``padding_idx`` of an embedding masks nothing.
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pad_packed_sequence,
)

module = nn.LSTM(4, units, batch_first=True)
fill(module, lstm)
unmasked = module(torch.tensor(padded))[0]
unmasked_torch = unmasked.detach().numpy()
packed = pack_padded_sequence(
    torch.tensor(padded), torch.tensor(lengths), True
)
outputs, _ = pad_packed_sequence(module(packed)[0], True)
masked_torch = outputs.detach().numpy()
print(masked_torch[2, :, 0].round(3))

# %%
# **Compare.** Equal wherever there is a step. On the padding
# Keras repeats the last output, PyTorch writes zeros: a mean
# over time sees the difference.

valid = steps < lengths[:, None]
gap = np.abs(masked_torch - masked_tf)[valid].max()
last = np.abs(unmasked_torch[:, -1] - masked_tf[:, -1]).max()
assert gap < 1e-14
assert last > 0.1
assert np.abs(masked_torch[~valid]).max() == 0
print(
    f"packed {gap:.0e}, last output without a mask {last:.2f}"
)

# %%
# What else differs
# -----------------
# - ``dropout=`` of a Keras layer drops inputs; that of
#   ``nn.LSTM`` stands between layers, and does nothing to a
#   single one. Write ``nn.Dropout`` before it.
# - ``recurrent_dropout=`` has no counterpart.
# - ``batch_first`` is False unless you say so: a batch that is
#   as long as its sequences raises no error.
# - ``go_backwards=True`` returns the steps as they were
#   computed: flip the input and leave the output.
#
# ``migrate-examples port`` writes all of these, masks in any
# place included. :doc:`port_by_command` shows it.
