"""The argument-by-argument comparison, from the installed signatures."""

import inspect

import keras
import pytest
import torch

from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.arguments import compare, hidden_defaults, torch_symbol


@pytest.mark.parametrize(
    "code, name",
    [
        ("torch.sum(x, dim=1)", "torch.sum"),
        ("F.gelu(x)", "torch.nn.functional.gelu"),
        ("nn.Conv2d(3, 4, 5)(F.pad(x, (1, 1)))", "torch.nn.Conv2d"),
        ("x.permute(0, 2, 1)", "torch.Tensor.permute"),
        ("x + y", None),
    ],
)
def test_torch_symbol(code: str, name: str | None) -> None:
    assert torch_symbol(code) == name


def test_defaults_are_those_of_the_installed_classes() -> None:
    row = Row("keras.layers.BatchNormalization()(x)", "nn.BatchNorm1d(5)(x)")
    found = {a.tf: a for a in compare(row)}
    ours = inspect.signature(keras.layers.BatchNormalization.__init__).parameters
    theirs = inspect.signature(torch.nn.BatchNorm1d.__init__).parameters
    assert found["momentum"].tf_default == repr(ours["momentum"].default)
    assert found["momentum"].torch_default == repr(theirs["momentum"].default)
    assert found["epsilon"].torch == "eps"
    assert "default 0.001 against 1e-05" in found["epsilon"].remark
    assert found["center"].remark == "TensorFlow only"


def test_a_default_that_differs_is_not_hidden() -> None:
    row = Row("keras.layers.LeakyReLU()(x)", "nn.LeakyReLU(0.3)(x)", kind="same")
    assert hidden_defaults(row) == ["negative_slope: default 0.3 against 0.01"]
    assert hidden_defaults(row._replace(kind="arguments")) == []


def test_defaults_that_mean_the_same_do_not_differ() -> None:
    row = Row("keras.layers.Conv2D(4, 3)(x)", "nn.Conv2d(3, 4, 3)(x)")
    assert hidden_defaults(row) == []


def test_no_loop_over_nothing() -> None:
    assert sum(bool(compare(row)) for row in rows() if row.executed) >= 300
