"""Every refusal says what is wrong and what to do, and leaves the module as it was."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from migrate_examples.port.archive import Archive, StoredLayer
from migrate_examples.port.transfer import TransferError, transfer
from tests.port.transfer import nets


def layer(name: str, class_name: str, /, **shapes: tuple[int, ...]) -> StoredLayer:
    rng = np.random.default_rng(len(name))
    arrays = {variable: rng.normal(size=shape) for variable, shape in shapes.items()}
    return StoredLayer(name, class_name, {}, arrays)


def dense(name: str, rows: int, columns: int) -> StoredLayer:
    return layer(name, "Dense", kernel=(rows, columns), bias=(columns,))


def conv(name: str, *shape: int) -> StoredLayer:
    return layer(name, "Conv2D", kernel=shape, bias=shape[-1:])


def attention() -> StoredLayer:
    rng = np.random.default_rng(5)
    arrays = {}
    for part in ("query", "key", "value"):
        arrays[f"{part}/kernel"] = rng.normal(size=(8, 2, 4))
        arrays[f"{part}/bias"] = rng.normal(size=(2, 4))
    arrays["attention_output/kernel"] = rng.normal(size=(2, 4, 8))
    arrays["attention_output/bias"] = rng.normal(size=8)
    return StoredLayer("attend", "MultiHeadAttention", {}, arrays)


def narrow_attention() -> StoredLayer:
    arrays = {
        name: a[:, :, :3] if a.ndim == 3 else a
        for name, a in attention().arrays.items()
    }
    arrays |= {n: a[:, :3] for n, a in arrays.items() if a.shape == (2, 4)}
    arrays["attention_output/kernel"] = np.zeros((2, 3, 8))
    return StoredLayer("attend", "MultiHeadAttention", {}, arrays)


class Turned(nn.Module):
    """Keeps a kernel in an order of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(6, 5, 4, 3))


def lstm() -> StoredLayer:
    return layer("rnn", "LSTM", kernel=(3, 16), recurrent_kernel=(4, 16), bias=(16,))


def normed() -> StoredLayer:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return layer("norm", "BatchNormalization", **dict.fromkeys(names, (4,)))


class Case(NamedTuple):
    layers: list[StoredLayer]
    module: Callable[[], nn.Module]
    options: Mapping[str, Any]
    says: str


def named(**parts: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.ModuleDict(parts)


PROJECTIONS = {
    f"attend/{part}/{variable}": f"{to}.{name}"
    for part, to in (
        ("query", "key"),  # these two change places
        ("key", "query"),
        ("value", "value"),
        ("attention_output", "out"),
    )
    for variable, name in (("kernel", "weight"), ("bias", "bias"))
}
FC = dense("fc", 4, 4)
CASES = {
    "a layer too many": Case(
        [dense("a", 3, 4), dense("b", 4, 2)],
        named(a=nn.Linear(3, 4)),
        {},
        "b (Dense: kernel (4, 2), bias (2,)) found no module: none is left",
    ),
    "a module too many": Case(
        [dense("a", 3, 4)],
        named(a=nn.Linear(3, 4), b=nn.Linear(4, 2)),
        {},
        "b (Linear) got nothing: b.weight (2, 4), b.bias (2,); map a layer to it",
    ),
    "another width": Case(
        [dense("a", 3, 4)],
        named(a=nn.Linear(3, 5)),
        {},
        "kernel, laid out as (4, 3), does not fit a.weight (5, 3)",
    ),
    "another kind": Case(
        [dense("a", 3, 4)],
        named(a=nn.Embedding(4, 3)),
        {},
        "a Dense does not become a Embedding; kernel (3, 4) fits a.weight (4, 3) "
        "after permute(1, 0)",
    ),
    "groups": Case(
        [conv("a", 3, 3, 2, 6)],
        named(a=nn.Conv2d(6, 6, 3)),
        {},
        "does not fit a.weight (6, 6, 3, 3): the source is grouped, build it with "
        "groups=3",
    ),
    "a window of another size": Case(
        [conv("a", 3, 5, 2, 6)],
        named(a=nn.Conv2d(2, 6, 3)),
        {},
        "build it with kernel_size=(3, 5)",
    ),
    "no bias in the source": Case(
        [layer("a", "Dense", kernel=(3, 4))],
        named(a=nn.Linear(3, 4)),
        {},
        "a.bias (4,) has no source: build the Linear without it",
    ),
    "no bias in the module": Case(
        [dense("a", 3, 4)],
        named(a=nn.Linear(3, 4, bias=False)),
        {},
        "a has no bias for bias",
    ),
    "an order of its own": Case(
        [layer("a", "Conv2D", kernel=(3, 4, 5, 6))],
        Turned,
        {},
        "kernel (3, 4, 5, 6) fits filters (6, 5, 4, 3) after permute(3, 2, 1, 0)",
    ),
    "a convolution of one place": Case(
        [conv("a", 1, 1, 4, 6)],
        named(a=nn.Linear(4, 6)),
        {},
        "fits a.weight (6, 4) after permute(3, 2, 0, 1) and reshape(6, 4)",
    ),
    "a key that names nothing": Case(
        [FC], named(fc=nn.Linear(4, 4)), {"mapping": {"fcc": "fc"}}, "there are fc"
    ),
    "a goal that names nothing": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"mapping": {"fc": "fcc"}},
        "mapping: 'fc' -> 'fcc' names no module or tensor; there are fc",
    ),
    "half a layer": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"mapping": {"fc/kernel": "fc.weight"}},
        "fc/bias (4,): the mapping names other variables of this layer",
    ),
    "a layer into a tensor": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"mapping": {"fc": "fc.weight"}},
        "'fc' has 2 variables and goes to one tensor fc.weight",
    ),
    "twice the same": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"mapping": {"fc/kernel": "fc.weight", "fc/bias": "fc.weight"}},
        "fc.weight would be filled twice: by fc/kernel and by fc/bias",
    ),
    "mapped where it does not fit": Case(
        [FC],
        named(a=nn.Linear(4, 4), b=nn.Linear(4, 5)),
        {"mapping": {"fc": "b"}},
        "fc -> b, as mapped: kernel, laid out as (4, 4), does not fit b.weight (5, 4)",
    ),
    "no order of axes": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"mapping": {"fc/kernel": ("fc.weight", (0, 0)), "fc/bias": "fc.bias"}},
        "(0, 0) is no order of its axes",
    ),
    "flattened, nobody says from what": Case(
        [conv("a", 3, 3, 3, 4), dense("fc", 48, 2)],
        named(a=nn.Conv2d(3, 4, 3), fc=nn.Linear(48, 2)),
        {},
        "fc: its 48 rows are 12 places of the 4 channels before it, as after a "
        "Flatten; pass flattened={'fc': (h, w, c)}",
    ),
    "reshaped, nobody says to what": Case(
        [
            dense("fc", 5, 54),
            layer("up", "Conv2DTranspose", kernel=(3, 3, 2, 6), bias=(2,)),
        ],
        named(fc=nn.Linear(5, 54), up=nn.ConvTranspose2d(6, 2, 3)),
        {},
        "fc: its 54 columns are 9 places of the 6 channels behind it, as before a "
        "Reshape; pass reshaped={'fc': (h, w, c)}",
    ),
    "flattened from another size": Case(
        [conv("a", 3, 3, 3, 4), dense("fc", 48, 2)],
        named(a=nn.Conv2d(3, 4, 3), fc=nn.Linear(48, 2)),
        {"flattened": (3, 3, 4)},
        "flattened=(3, 3, 4): no Dense has 36 rows",
    ),
    "flattened, a layer that is not there": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"flattened": {"fcc": (2, 2)}},
        "flattened: there is no layer 'fcc'; there are fc",
    ),
    "a GRU that resets before": Case(
        [
            layer("rnn", "GRU", kernel=(3, 12), recurrent_kernel=(4, 12), bias=(12,)),
        ],
        named(rnn=nn.GRU(3, 4)),
        {},
        "write the cell by hand",
    ),
    "heads of another width": Case(
        [narrow_attention()],
        named(attend=nn.MultiheadAttention(8, 2)),
        {},
        "nn.MultiheadAttention has heads * dim equal to the width",
    ),
    "an unknown layer": Case(
        [layer("odd", "Mystery", left=(2, 3, 4), right=(7,))],
        named(a=nn.Linear(3, 4)),
        {},
        "odd (Mystery: left (2, 3, 4), right (7,)) found no module; its class has no "
        "known layout",
    ),
    "a lazy module": Case(
        [FC], named(fc=nn.LazyLinear(4)), {}, "fc is lazy and has no shapes yet"
    ),
    "a parametrized module": Case(
        [FC],
        named(fc=parametrizations.weight_norm(nn.Linear(4, 4))),
        {},
        "fc is parametrized",
    ),
    # from here on the shapes fit, and the probe finds the fault
    "a square kernel that is not transposed": Case(
        [FC],
        named(fc=nn.Linear(4, 4)),
        {"mapping": {"fc/kernel": ("fc.weight", (0, 1)), "fc/bias": "fc.bias"}},
        "kernel -> fc.weight is right after permute(1, 0)",
    ),
    "height and width swapped": Case(
        [conv("a", 3, 3, 2, 6)],
        named(a=nn.Conv2d(2, 6, 3)),
        {"mapping": {"a/kernel": ("a.weight", (3, 2, 1, 0)), "a/bias": "a.bias"}},
        "kernel -> a.weight is right after permute(3, 2, 0, 1)",
    ),
    "channels in and out swapped": Case(
        [layer("a", "Conv2DTranspose", kernel=(2, 3, 4, 4), bias=(4,))],
        named(a=nn.ConvTranspose2d(4, 4, (2, 3))),
        {"mapping": {"a/kernel": ("a.weight", (2, 3, 0, 1)), "a/bias": "a.bias"}},
        "kernel -> a.weight is right after permute(3, 2, 0, 1)",
    ),
    "scale and shift swapped": Case(
        [normed()],
        named(norm=nn.BatchNorm1d(4)),
        {
            "mapping": {
                "norm/gamma": "norm.bias",
                "norm/beta": "norm.weight",
                "norm/moving_mean": "norm.running_mean",
                "norm/moving_variance": "norm.running_var",
            }
        },
        "right is norm.bias from beta, norm.weight from gamma",
    ),
    "query and key swapped": Case(
        [attention()],
        lambda: nets.Attention(8, 2),
        {"mapping": PROJECTIONS},
        "right is key.weight from key/kernel, query.weight from query/kernel",
    ),
    "gates in another order": Case(
        [lstm()],
        nets.Handwritten,
        {
            "mapping": {
                "rnn/kernel": "w",
                "rnn/recurrent_kernel": "u",
                "rnn/bias": "b",
            }
        },
        "in the module the gates stand in the order o, i, f, g",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_in_words_and_nothing_loaded(name: str) -> None:
    case = CASES[name]
    module = case.module()
    before = {
        n: None if nn.parameter.is_lazy(t) else t.clone()
        for n, t in module.state_dict().items()
    }
    archive = Archive(None, "npz", tuple(case.layers))
    with pytest.raises(TransferError) as refusal:
        transfer(archive, module, **case.options)
    assert case.says in str(refusal.value), str(refusal.value)
    for n, tensor in module.state_dict().items():
        kept = before[n]
        assert kept is None or torch.equal(kept, tensor), n


def test_all_problems_are_listed_at_once() -> None:
    layers = (dense("a", 3, 4), dense("b", 4, 2), dense("c", 9, 9))
    module = nn.ModuleDict({"a": nn.Linear(3, 4), "x": nn.Linear(7, 2)})
    with pytest.raises(TransferError) as refusal:
        transfer(Archive(None, "npz", layers), module)
    assert len(refusal.value.problems) == 3
    assert "nothing was loaded, 3 problems" in str(refusal.value)


def test_another_kind_of_source_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot read weights from a int"):
        transfer(3, nn.Linear(2, 2))
