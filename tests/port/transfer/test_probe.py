"""The probe: faults planted in the layouts themselves, and what it cannot decide."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from migrate_examples.port import layouts
from migrate_examples.port.archive import Archive, StoredLayer
from migrate_examples.port.layouts import attention, dense, recurrent
from migrate_examples.port.layouts.variables import Variables
from migrate_examples.port.live import archive_of
from migrate_examples.port.program import Filled
from migrate_examples.port.transfer import TransferError, transfer
from migrate_examples.port.transfer.reference import REFERENCES
from tests.port.test_layouts import arrays_of
from tests.port.transfer import nets

L = keras.layers


def refusal(model: Any, module: nn.Module) -> str:
    with pytest.raises(TransferError) as error:
        transfer(model, module)
    return str(error.value)


def test_gates_of_a_gru_left_as_in_keras_are_caught(monkeypatch: Any) -> None:
    monkeypatch.setattr(recurrent, "_reordered", lambda array, kind: array)
    model = nets.words(L.GRU(4, return_sequences=True))
    message = refusal(model, nets.Words(kind=nn.GRU))
    assert "in the module the gates stand in the order z, r, n" in message


def test_a_square_kernel_left_as_in_keras_is_caught(monkeypatch: Any) -> None:
    right = dense.dense

    def wrong(variables: Any, options: Any) -> Any:
        weight, *bias = right(variables, options)
        return (type(weight)("weight", weight.array.T, weight.sources, "as"), *bias)

    monkeypatch.setitem(layouts.LAYOUTS, "Dense", wrong)
    model = nets.model(L.Dense(4), shape=(4,))
    message = refusal(model, nn.Sequential(nn.Linear(4, 4)))
    assert "kernel -> 0.weight is right after permute(1, 0)" in message


def test_a_depthwise_multiplier_in_front_is_caught(monkeypatch: Any) -> None:
    def wrong(variables: Any, options: Any) -> Any:  # noqa: ARG001
        name, kernel = variables.need("kernel")
        array = kernel.transpose(3, 2, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        bias = variables.need("bias")
        return (
            Filled("weight", array, (name,), "multiplier * channels"),
            Filled("bias", bias[1], (bias[0],), "as it is"),
        )

    monkeypatch.setitem(layouts.LAYOUTS, "DepthwiseConv2D", wrong)
    model = nets.model(L.DepthwiseConv2D(3, depth_multiplier=2), shape=(5, 5, 3))
    message = refusal(model, nets.Pictures(nn.Conv2d(3, 6, 3, groups=3)))
    assert "computes something else than the DepthwiseConv2D" in message


def test_query_and_key_of_the_stock_module_swapped_are_caught(monkeypatch: Any) -> None:
    swapped = {"key": "q_proj", "query": "k_proj", "value": "v_proj"}
    monkeypatch.setattr(attention, "PROJECTIONS", swapped)
    model = nets.encoder()
    message = refusal(model, nets.Block(nets.Stock(8, 2)))
    assert "computes something else than the MultiHeadAttention" in message


class Doubled(nets.Attention):
    """No attention that Keras has."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = 2 * super().forward(x)
        return out


class Faulty(nets.Attention):
    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        raise RuntimeError("no such luck")


@pytest.mark.parametrize(
    "kind,says",
    [
        (Doubled, "Doubled computes something else than a MultiHeadAttention"),
        (Faulty, "Faulty could not be run on probe values: no such luck"),
    ],
)
def test_what_is_not_proven_is_said(kind: Callable[..., nn.Module], says: str) -> None:
    ledger = transfer(nets.encoder(), nets.Block(kind(8, 2)))
    assert {e.target.split(".")[1] for e in ledger.unproven()} == {
        "query",
        "key",
        "value",
        "out",
    }
    assert says in str(ledger)


def test_the_module_that_is_probed_keeps_its_values() -> None:
    own = nets.Attention(8, 2)
    module = nets.Block(own)
    model, _ = nets.randomised(nets.NETS["Transformer, own attention"], seed=9)
    transfer(model, module)
    wanted = archive_of(model).layers
    kernel = next(s for s in wanted if s.class_name == "MultiHeadAttention").arrays
    got = own.query.weight.detach().numpy().T.reshape(8, 2, 4)
    np.testing.assert_array_equal(got, kernel["query/kernel"])


LAYERS: dict[str, tuple[Callable[[], Any], tuple[tuple[int, ...], ...]]] = {
    "Dense": (lambda: L.Dense(4), ((3, 5),)),
    "Conv1D": (lambda: L.Conv1D(4, 3), ((3, 3, 5),)),
    "Conv2D": (lambda: L.Conv2D(4, (3, 2), groups=2), ((3, 3, 2, 6),)),
    "Conv3D": (lambda: L.Conv3D(4, (3, 2, 2)), ((3, 3, 2, 2, 5),)),
    "DepthwiseConv1D": (
        lambda: L.DepthwiseConv1D(3, depth_multiplier=2),
        ((3, 3, 5),),
    ),
    "DepthwiseConv2D": (
        lambda: L.DepthwiseConv2D((3, 2), depth_multiplier=2),
        ((3, 3, 2, 5),),
    ),
    "SeparableConv1D": (
        lambda: L.SeparableConv1D(4, 3, depth_multiplier=2),
        ((3, 3, 5),),
    ),
    "SeparableConv2D": (lambda: L.SeparableConv2D(4, (3, 2)), ((3, 3, 2, 5),)),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(4, 3), ((3, 1, 5),)),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(4, (3, 2)), ((3, 1, 1, 5),)),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(4, (3, 2, 2)), ((3, 1, 1, 1, 5),)),
    "BatchNormalization": (
        lambda: L.BatchNormalization(epsilon=nets.EPSILON),
        ((3, 5),),
    ),
    "LayerNormalization": (
        lambda: L.LayerNormalization(axis=[1, 2], epsilon=nets.EPSILON),
        ((3, 5, 4),),
    ),
    "GroupNormalization": (
        lambda: L.GroupNormalization(3, epsilon=nets.EPSILON),
        ((3, 6),),
    ),
    "RMSNormalization": (lambda: L.RMSNormalization(epsilon=nets.EPSILON), ((3, 5),)),
    "PReLU": (lambda: L.PReLU(shared_axes=[1]), ((3, 4, 5),)),
    "SimpleRNN": (lambda: L.SimpleRNN(4, return_sequences=True), ((3, 6, 5),)),
    "LSTM": (lambda: L.LSTM(4, return_sequences=True), ((3, 6, 5),)),
    "GRU": (lambda: L.GRU(4, return_sequences=True), ((3, 6, 5),)),
    "GRU that resets before": (
        lambda: L.GRU(4, return_sequences=True, reset_after=False),
        ((3, 6, 5),),
    ),
    "Bidirectional": (
        lambda: L.Bidirectional(L.GRU(4, return_sequences=True)),
        ((3, 6, 5),),
    ),
    "RNN": (
        lambda: L.RNN([L.GRUCell(4), L.LSTMCell(3)], return_sequences=True),
        ((3, 6, 5),),
    ),
    "MultiHeadAttention": (
        lambda: L.MultiHeadAttention(2, 4, value_dim=3),
        ((3, 4, 5), (3, 6, 7), (3, 6, 2)),
    ),
    "GroupedQueryAttention": (
        lambda: L.GroupQueryAttention(4, 4, 2),
        ((3, 4, 6), (3, 5, 6)),
    ),
    "EinsumDense": (
        lambda: L.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="e"),
        ((3, 4, 5),),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_references_compute_what_keras_does(name: str) -> None:
    make, shapes = LAYERS[name]
    rng = np.random.default_rng(13)
    inputs = [rng.normal(size=shape) for shape in shapes]
    layer = make()
    layer(*inputs)
    for v in layer.weights:
        v.assign(
            np.abs(rng.normal(size=v.shape)) + 0.1
            if v.name == "moving_variance"
            else rng.normal(size=v.shape)
        )
    wanted = np.asarray(layer(*inputs))
    kind = name.split(maxsplit=1)[0]
    given = inputs
    if "Transpose" in kind:  # the reference takes one place
        given = [inputs[0].reshape(3, 5)]
    variables = Variables(kind, layer.get_config(), arrays_of(layer))
    got = REFERENCES[kind](variables, given)
    # 1e-12: Keras scales the queries first; the epsilon of RMSNormalization is exact
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=0, atol=1e-12)


def test_simple_references() -> None:
    arrays = {"mean": np.array([1.0, 2.0]), "variance": np.array([4.0, 9.0])}
    normal = REFERENCES["Normalization"](
        Variables("Normalization", {}, arrays), [np.array([[3.0, 8.0]])]
    )
    assert normal.tolist() == [[1.0, 2.0]]
    table = np.arange(6.0).reshape(3, 2)
    rows = REFERENCES["Embedding"](
        Variables("Embedding", {}, {"embeddings": table}), [np.array([2, 0])]
    )
    assert rows.tolist() == [[4.0, 5.0], [0.0, 1.0]]


def test_every_reference_is_compared() -> None:
    compared = {name.split()[0] for name in LAYERS}
    cells = {"SimpleRNNCell", "LSTMCell", "GRUCell"}  # the same functions
    apart = {"Normalization", "Embedding", "GroupQueryAttention", *cells}
    assert compared | apart == set(REFERENCES)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_cells_are_probed(kind: str) -> None:
    rng = np.random.default_rng(2)
    gates = recurrent.GATES[kind]
    bias = (2, 4 * gates) if kind == "GRU" else (4 * gates,)
    arrays = {
        "kernel": rng.normal(size=(4, 4 * gates)),
        "recurrent_kernel": rng.normal(size=(4, 4 * gates)),
        "bias": rng.normal(size=bias),
    }
    layer = StoredLayer("cell", f"{kind}Cell", {}, arrays)
    cell = getattr(nn, f"{kind.removeprefix('Simple')}Cell")(4, 4)
    ledger = transfer(Archive(None, "npz", (layer,)), cell)
    assert {entry.proof for entry in ledger.entries} == {"probe"}
    assert torch.equal(
        cell.weight_hh[-4:], torch.from_numpy(arrays["recurrent_kernel"].T[-4:].copy())
    )
