"""Every pitfall, run: the right port agrees, the wrong one does not."""

import pytest

from migrate_examples.pitfalls import Pitfall, pitfalls
from migrate_examples.pitfalls.prove import Distance, UnprovenError, prove

PROVEN = [pitfall for pitfall in pitfalls() if not pitfall.unverified]
STD = Pitfall(
    *("STD", "", "", "", "", "tensors", 4, 4),
    tensorflow="tf.math.reduce_std(x)",
    wrong="x.std()",
    right="x.std(correction=0)",
    inputs={"x": "f32[4]"},
    wrong_by_more_than=0.01,
)


def test_no_loop_over_nothing() -> None:
    assert len(PROVEN) >= 110


@pytest.mark.parametrize("seed", [3, 4, 5])
@pytest.mark.parametrize("pitfall", PROVEN, ids=lambda p: p.identifier)
def test_pitfall(pitfall: Pitfall, seed: int) -> None:
    proof = prove(pitfall, seed)
    assert proof.right.largest <= proof.allowed
    assert proof.wrong.largest > pitfall.wrong_by_more_than


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"right": "x.std()"}, "right port differs"),
        ({"right": "x.std(correction=0)[None]"}, r"right port shape \(1,\)"),
        ({"right": "0 * x.std() / 0"}, "right port NaN"),
        ({"wrong": "x.std(correction=0)"}, "wrong port differs"),
        ({"wrong": "x.std()[None]"}, "see wrong_raises"),
        ({"wrong": "x.no_such_method()"}, "no_such_method"),
        ({"wrong": "x.reshape(3, 3)"}, "see wrong_raises"),
        ({"wrong_raises": True}, "see wrong_raises"),
        ({"wrong_by_more_than": 100.0}, "wrong port differs"),
        ({"rtol": 0.5}, "wrong port differs"),
    ],
)
def test_a_false_claim_is_seen(changes: dict[str, object], message: str) -> None:
    assert prove(STD).wrong.largest > 0.01
    with pytest.raises((UnprovenError, AttributeError), match=message):
        prove(STD._replace(**changes))  # type: ignore[arg-type]


def test_images_reach_the_port_with_channels_second() -> None:
    entry = STD._replace(
        tensorflow="tf.reduce_sum(x, -1, keepdims=True)",
        wrong="x.sum(-1, keepdim=True).mT",
        right="x.sum(1, keepdim=True)",
        inputs={"x": "f64[2,3,4,5] NHWC"},
        wrong_raises=True,
    )
    assert prove(entry).right.largest < 1e-14
    assert prove(entry).wrong == Distance(
        float("inf"), "shape (2, 5, 1, 3) instead of (2, 1, 3, 4)"
    )


def test_equal_infinities_are_no_difference() -> None:
    entry = STD._replace(
        tensorflow="x / [0.0, 1.0, 1.0, 1.0]",
        wrong="x + 1",
        right="x / torch.tensor([0.0, 1.0, 1.0, 1.0])",
        inputs={"x": "f32[4] >0"},
    )
    assert prove(entry).right.largest == 0
    assert prove(entry).wrong.largest == float("inf")
