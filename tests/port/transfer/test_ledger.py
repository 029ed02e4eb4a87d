"""What a ledger says, and what a transfer leaves alone."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

from migrate_examples.port.archive import Archive, StoredLayer
from migrate_examples.port.transfer import Ledger, TransferError, transfer
from migrate_examples.port.transfer.sources import archive_of_arrays
from tests.port.transfer import nets

L = keras.layers
RNG = np.random.default_rng(1)


def arrays(*layers: str, shape: tuple[int, int] = (4, 4)) -> dict[str, Any]:
    return {
        f"{name}/{variable}": RNG.normal(size=size)
        for name in layers
        for variable, size in (("kernel", shape), ("bias", shape[1:]))
    }


def test_a_ledger_in_three_forms() -> None:
    module = nn.ModuleDict({"a": nn.Linear(3, 4), "new": nn.Linear(4, 9)})
    source = {**arrays("a", shape=(3, 4)), "old/scale": np.ones(7)}
    ledger = transfer(source, module, {"old": None}, keep=["new.*"])
    text = str(ledger).splitlines()
    assert text[0].split() == ["source", "target", "shape", "layout", "proven", "by"]
    assert "left out: old/scale: mapped to None" in text
    assert "kept: new.weight: keep" in text
    html = ledger._repr_html_()
    assert "<td>(in, out) -&gt; (out, in)</td>" in html
    assert "<li>kept: new.bias: keep</li>" in html
    told = json.loads(json.dumps(ledger.as_dict()))
    assert told["entries"][0] == {
        "target": "a.weight",
        "shape": [4, 3],
        "sources": ["a/kernel"],
        "layout": "(in, out) -> (out, in)",
        "proof": "shape",
    }
    assert told["unused"] == [{"source": "old/scale", "why": "mapped to None"}]


def proofs(ledger: Ledger) -> dict[str, str]:
    return {entry.target: entry.proof for entry in ledger.entries}


def test_shape_proves_only_what_it_can() -> None:
    module = nn.ModuleDict({"long": nn.Linear(3, 4), "square": nn.Linear(4, 4)})
    source = {**arrays("long", shape=(3, 4)), **arrays("square")}
    assert proofs(transfer(source, module)) == {
        "long.weight": "shape",
        "long.bias": "shape",
        "square.weight": "probe",
        "square.bias": "probe",
    }


def test_kept_tensors_keep_their_values() -> None:
    head = nn.Linear(4, 2)
    before = head.weight.clone()
    module = nn.ModuleDict({"a": nn.Linear(4, 4), "head": head})
    transfer(arrays("a"), module, keep=["head.*"])
    assert torch.equal(head.weight, before)


def test_equal_shapes_in_a_row_are_noted() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    ledger = transfer(arrays("one", "two"), module)
    assert ledger.notes == (
        "of equal shapes, paired by their order alone: one -> 0, two -> 2",
    )
    named = nn.ModuleDict({"two": nn.Linear(4, 4), "one": nn.Linear(4, 4)})
    assert transfer(arrays("one", "two"), named).notes == ()


def test_files_without_an_order_are_sorted_as_keras_numbers() -> None:
    names = ("dense", "dense_1", "dense_10", "dense_2")  # as h5 sorts them
    source = archive_of_arrays(arrays(*names))
    archive = Archive(None, "weights.h5", source.layers)
    ledger = transfer(archive, nn.Sequential(*(nn.Linear(4, 4) for _ in names)))
    order = [entry.sources[0].split("/")[0] for entry in ledger.entries[::2]]
    assert order == ["dense", "dense_1", "dense_2", "dense_10"]
    assert "paired by the order of their names" in ledger.notes[0]


def layer_with(config: dict[str, Any], **extra: Any) -> Archive:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    values = {name: RNG.normal(size=4) for name in names} | extra
    return Archive(
        None, "npz", (StoredLayer("n", "BatchNormalization", config, values),)
    )


def test_arguments_that_differ_are_noted() -> None:
    archive = layer_with({"epsilon": 1e-3, "momentum": 0.99})
    notes = " ".join(transfer(archive, nn.BatchNorm1d(4)).notes)
    assert "epsilon is 0.001 in Keras, eps 1e-05 in the module" in notes
    assert "momentum=0.99 of Keras is 0.01 in PyTorch, the module has 0.1" in notes
    right = nn.BatchNorm1d(4, eps=1e-3, momentum=0.01)
    assert transfer(archive, right).notes == ()


def test_strides_and_padding_that_differ_are_noted() -> None:
    model = nets.model(L.Conv2D(4, 3, strides=2, padding="same"), shape=(8, 8, 3))
    notes = " ".join(transfer(model, nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1))).notes)
    assert "pads more behind than in front" in notes
    model = nets.model(L.Conv2D(4, 3, dilation_rate=2), shape=(8, 8, 3))
    notes = " ".join(transfer(model, nn.Sequential(nn.Conv2d(3, 4, 3))).notes)
    assert "dilation_rate are (2, 2) in Keras, dilation (1, 1) in the module" in notes


def test_activations_that_nn_lstm_lacks_are_noted() -> None:
    model = nets.words(L.LSTM(4, activation="relu", return_sequences=True))
    notes = " ".join(transfer(model, nets.Words(kind=nn.LSTM)).notes)
    assert "activation='relu' in Keras, always tanh in the module" in notes


def test_values_that_are_not_finite_are_noted() -> None:
    archive = layer_with({}, gamma=np.array([1.0, np.nan, np.inf, 2.0]))
    ledger = transfer(archive, nn.BatchNorm1d(4))
    assert ledger.notes == ("weight: 2 of 4 values are not finite",)


def test_dtype_and_counter_stay() -> None:
    module = nn.BatchNorm1d(4).to(torch.float32)
    assert isinstance(module.num_batches_tracked, torch.Tensor)
    module.num_batches_tracked += 7
    ledger = transfer(layer_with({}), module)
    assert module.weight.dtype == torch.float32
    assert int(module.num_batches_tracked) == 7
    assert "weight: float64 was rounded to torch.float32" in ledger.notes


def test_tied_tensors_are_filled_once() -> None:
    model, _ = nets.randomised(nets.NETS["tied table"], seed=2)
    ledger = transfer(model, nets.Tied())
    assert [entry.target for entry in ledger.entries] == ["table.weight"]
    assert ledger.kept == (("score.weight", "tied to table.weight"),)


def test_a_layer_goes_to_a_tensor_and_a_function_lays_it_out() -> None:
    linear = nn.Linear(3, 4, bias=False)
    module = nn.ModuleDict({"a": linear})
    kernel = RNG.normal(size=(3, 4))
    ledger = transfer(
        {"old/kernel": kernel}, module, {"old": ("a.weight", np.transpose)}
    )
    assert np.array_equal(linear.weight.detach().numpy(), kernel.T)
    assert ledger.entries[0].layout == "by transpose"


@pytest.mark.parametrize(
    "key,goal",
    [
        ("net/block?/fc*", "blocks.block?.lin*"),
        ("net/*/fc1", "blocks.*.lin1"),
    ],
)
def test_patterns_carry_what_their_stars_stand_for(key: str, goal: str) -> None:
    blocks = nn.ModuleDict(
        {f"block{n}": nn.ModuleDict({"lin1": nn.Linear(4, 4)}) for n in (2, 1)}
    )
    module = nn.ModuleDict({"blocks": blocks})
    ledger = transfer(arrays("net/block1/fc1", "net/block2/fc1"), module, {key: goal})
    for entry in ledger.entries:
        number = entry.target.split(".")[1]
        assert entry.sources[0].split("/")[1] == number


def test_two_stars_pass_slashes() -> None:
    module = nn.ModuleDict({"net": nn.ModuleDict({"a": nn.Linear(4, 4)})})
    ledger = transfer(arrays("x/net/b"), module, {"x/**/b": "**.a"})
    assert ledger.entries[0].target == "net.a.weight"
    module = nn.ModuleDict({"net": nn.ModuleDict({"a": nn.Linear(4, 4)})})
    with pytest.raises(TransferError, match="names no layer"):
        transfer(arrays("x/y/net/b"), module, {"x/*/b": "*.a"})


def test_a_full_name_goes_before_a_pattern() -> None:
    module = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("a", "b")})
    source = arrays("fc1", "fc2")
    ledger = transfer(source, module, {"fc*": "a", "fc2": "b"})
    pairs = {e.sources[0]: e.target for e in ledger.entries}
    assert pairs["fc2/kernel"] == "b.weight"
    assert pairs["fc1/kernel"] == "a.weight"


def test_names_of_variables_are_grouped_into_layers() -> None:
    names = [
        "bi/forward_lstm/lstm_cell/kernel:0",
        "bi/backward_lstm/lstm_cell/kernel:0",
        "rnn/gru_cell/bias",
        "block/attend/query/kernel",
        "block/attend/attention_output/bias",
    ]
    archive = archive_of_arrays({name: np.zeros(1) for name in names})
    assert [(s.name, list(s.arrays)) for s in archive.layers] == [
        ("bi", ["forward_lstm/lstm_cell/kernel", "backward_lstm/lstm_cell/kernel"]),
        ("rnn", ["gru_cell/bias"]),
        ("block/attend", ["query/kernel", "attention_output/bias"]),
    ]


def test_weights_without_classes_are_recognised() -> None:
    for name in (
        "LSTM",
        "Bidirectional",
        "Transformer, stock",
        "groups",
        "residual, by equal names",
    ):
        net = nets.NETS[name]
        model, x = nets.randomised(net, seed=4)
        source = {
            v.path.removeprefix(f"{model.name}/"): np.asarray(v) for v in model.weights
        }
        module = net.torch().eval()
        ledger = transfer(source, module)
        with torch.no_grad():
            got = module(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(got, np.asarray(model(x)), rtol=0, atol=1e-12)
        assert not ledger.unproven()
