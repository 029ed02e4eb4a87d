"""Wrong versions of rows."""

import pytest

from migrate_examples.api_map import Row
from migrate_examples.api_map.mutate import mutants


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("x.sum(dim=0)", "x.sum(dim=1)"),
        ("x.sum(dim=(0, 2))", "x.sum(dim=(0,))"),
        ("x.sum(1, keepdim=True)", "x.sum(1, keepdim=False)"),
        ("nn.LayerNorm(7, eps=0.001)(x)", "nn.LayerNorm(7)(x)"),
        ("nn.LayerNorm(7, eps=0.001)(x)", "nn.LayerNorm(7, eps=0.01)(x)"),
        ("F.mse_loss(x, y, reduction='sum')", "F.mse_loss(x, y, reduction='mean')"),
        ("x - y", "x + y"),
        ("x.roll(2)", "x.roll(3)"),
        ("x > y", "x < y"),
        ("x.amax()", "x.amin()"),
    ],
)
def test_each_kind_of_mistake_is_made(right: str, wrong: str) -> None:
    made = [mutant.torch for mutant in mutants(Row("tf.abs(x)", right))]
    assert wrong in made
    assert right not in made


def test_what_changes_no_number_is_left_alone() -> None:
    assert mutants(Row("f(x)", "torch.compile(f, backend='eager')(x)")) == []
