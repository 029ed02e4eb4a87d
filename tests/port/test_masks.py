"""Masks reach in the port the layers that they reach in Keras, and no others.

Keras passes a mask on by itself. Attention deletes that of what it is called with,
and a functional model keeps those that it recorded when it was built.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

from migrate_examples.port.parity.precision import default_dtype
from tests.port.models_zoo import randomise
from tests.port.written_case import written_of

TOKENS = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]], "int32")
K = keras.layers


def residual(end: Callable[[Any], Any], blocks: int = 1) -> keras.Model:
    """Blocks of attention with a shortcut, and something behind."""
    tokens = keras.Input((5,), dtype="int32")
    x = K.Embedding(6, 8, mask_zero=True)(tokens)
    for _ in range(blocks):
        x = K.LayerNormalization()(K.Add()([x, K.MultiHeadAttention(2, 4)(x, x)]))
    return keras.Model(tokens, end(x))


def decoder() -> keras.Model:
    """A recurrent layer that is given its first state."""
    tokens = keras.Input((5,), dtype="int32")
    x = K.Embedding(6, 3, mask_zero=True)(tokens)
    state = K.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, K.LSTM(3)(x, initial_state=[state, state]))


class Subclassed(keras.Model):
    """The same blocks, called where no graph was recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = K.Embedding(6, 8, mask_zero=True)
        self.attention = K.MultiHeadAttention(2, 4)
        self.pool = K.GlobalAveragePooling1D()
        self.add = K.Add()

    def call(self, tokens: Any) -> Any:
        x = self.embedding(tokens)
        return self.pool(self.add([x, self.attention(x, x)]))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(TOKENS)
    return model


MODELS: dict[str, Callable[[], keras.Model]] = {
    "pooling behind": lambda: residual(K.GlobalAveragePooling1D()),
    "LSTM behind": lambda: residual(K.LSTM(3)),
    "two blocks": lambda: residual(K.GlobalAveragePooling1D(), 2),
    "initial state": decoder,
    "subclassed": subclassed,
}


@pytest.mark.parametrize("name", MODELS)
def test_masks_go_where_they_go_in_keras(name: str) -> None:
    with default_dtype("float64"):
        model = MODELS[name]()
        randomise(model)
        written = written_of(model)
        expected = np.asarray(model(TOKENS))
    names: dict[str, Any] = {"__file__": "model.py", "__name__": "ported"}
    exec(compile(written.text, "model.py", "exec"), names)
    module = names[written.name]().double().eval()
    module.load_state_dict(
        {k: torch.tensor(np.array(a)) for k, a in written.tensors.items()}
    )
    with torch.no_grad():
        found = module(torch.tensor(TOKENS)).numpy()
    # 1e-9: the scale of attention passes through float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
