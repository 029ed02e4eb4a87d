"""Helpers on their own: self-contained, exportable, and what their docstrings say."""

import inspect

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as the written files import it
from torch import Tensor, nn

from migrate_examples.port.lower import helper_code


@pytest.mark.parametrize("name", helper_code.__all__)
def test_a_helper_stands_alone(name: str) -> None:
    helper = getattr(helper_code, name)
    source = inspect.getsource(helper)
    assert helper.__doc__
    assert len(source.splitlines()) <= 75
    others = [other for other in helper_code.__all__ if other != name]
    used = {other for other in others if f"{other}(" in source}
    allowed = {"average_pool_same": {"pad_same"}}
    assert used <= allowed.get(name, set())
    names: dict[str, object] = {"torch": torch, "F": F, "nn": nn, "Tensor": Tensor}
    exec("from collections.abc import Callable", names)
    exec(source, names)
    assert name in names


class Chain(nn.Module):
    """Helpers whose sizes are asked at run time, in one module."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = helper_code.StepwiseLSTM(3, 4, recurrent_dropout=0.1)
        self.gru = helper_code.StepwiseGRU(3, 4, reset_after=False)
        self.attention = helper_code.MultiHeadAttention(3, 3, 3, 3, heads=2, key_dim=4)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Use each of them once."""
        together = helper_code.valid_first(x, mask)
        spread = helper_code.repeat_last(together, mask)
        causal = helper_code.causal_mask(x, x) & mask[:, None]
        images = helper_code.average_pool_same(x[:, None], 3, 2)
        images = helper_code.resize_bicubic(images, (4, 5))
        padded = helper_code.pad_same(images, 3, 2)
        return torch.cat(
            [
                self.lstm(x, mask=mask)[0].flatten(1),
                self.gru(x, mask=mask)[0].flatten(1),
                self.attention(x, x, x, causal).flatten(1),
                helper_code.sparsemax(spread).flatten(1),
                padded.flatten(1),
            ],
            dim=1,
        )


def test_helpers_can_be_exported() -> None:
    torch.manual_seed(0)
    module = Chain().double().eval()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True, False], [False] * 5])
    expected = module(x, mask)
    exported = torch.export.export(module, (x, mask)).module()
    torch.testing.assert_close(exported(x, mask), expected)
    other = ~mask  # nothing of the example's values was kept
    torch.testing.assert_close(exported(x, other), module(x, other))


def test_steps_are_brought_together_and_spread_again() -> None:
    x = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    mask = torch.tensor([[False, True, False, True]])
    together = helper_code.valid_first(x, mask)
    assert together[0, :, 0].tolist() == [2.0, 4.0, 1.0, 3.0]
    spread = helper_code.repeat_last(together, mask)
    assert spread[0, :, 0].tolist() == [0.0, 2.0, 2.0, 4.0]


def test_noise_acts_in_training_alone() -> None:
    x = torch.ones(1000, dtype=torch.float64)
    torch.manual_seed(0)
    for noise, deviation in (
        (helper_code.GaussianNoise(0.5), 0.5),
        (helper_code.GaussianDropout(0.2), 0.5),
    ):
        assert torch.equal(noise.eval()(x), x)
        spread = noise.train()(x).std().item()
        assert spread == pytest.approx(deviation, rel=0.1)


def test_a_stub_raises_with_its_layer() -> None:
    with pytest.raises(NotImplementedError, match=r"Odd 'a/b'.*\(2, 3\)"):
        helper_code.Stub("Odd 'a/b'")(torch.ones(2, 3))
