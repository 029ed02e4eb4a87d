"""The inputs on which rows are tried."""

import numpy as np
import pytest

from migrate_examples.api_map.inputs import channels_second, draw, edge_inputs, parse


@pytest.mark.parametrize(
    "text, shape, dtype",
    [
        ("f64[2,5]", (2, 5), "float64"),
        ("i32[]", (), "int32"),
        ("bool[7]", (7,), "bool"),
        ("c64[3,2]", (3, 2), "complex64"),
        ("u8[4] 0..256", (4,), "uint8"),
    ],
)
def test_shape_and_dtype(
    text: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    array = draw(text, rng)
    assert array.shape == shape
    assert str(array.dtype) == dtype


def test_domains(rng: np.random.Generator) -> None:
    assert (draw("f32[40] >0", rng) > 0).all()
    np.testing.assert_allclose(draw("f64[3,5] prob", rng).sum(-1), 1)
    hot = draw("i64[6,4] onehot", rng)
    assert hot.sum(-1).tolist() == [1] * 6
    assert hot.sum(0).max() < 6
    assert (np.linalg.eigvalsh(draw("f64[2,4,4] spd", rng)) > 0).all()
    assert np.array_equal(np.triu(draw("f64[4,4] lower", rng), 1), np.zeros((4, 4)))
    assert (np.diff(draw("f64[9] sorted", rng)) >= 0).all()
    assert sorted(draw("i32[7] unique", rng)) == list(range(7))
    bounded = draw("i32[99] 2..5", rng)
    assert (bounded.min(), bounded.max()) == (2, 4)
    assert draw("str[3]", rng).dtype.kind == "U"


@pytest.mark.parametrize(
    "text, message",
    [
        ("float[2]", "write dtype"),
        ("f32[2] NCHW", "NCHW is none of NWC"),
        ("f32", "f3"),
    ],
)
def test_a_wrong_description_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_edges(rng: np.random.Generator) -> None:
    specs = {"x": "f32[3,5]", "i": "i64[3]", "w": "f32[5,2]", "j": "i64[4] 0..2"}
    nan = edge_inputs(specs, "nan", rng)
    assert nan is not None
    assert (int(np.isnan(nan["x"]).sum()), int(np.isnan(nan["w"]).sum())) == (1, 1)
    empty = edge_inputs(specs, "empty", rng)
    assert empty is not None
    assert [x.shape for x in empty.values()] == [(0, 5), (0,), (5, 2), (4,)]
    negative = edge_inputs({"i": "i64[40]", "j": "i64[40] 0..2"}, "negative", rng)
    assert negative is not None
    assert negative["i"].min() == -3
    assert negative["j"].min() == 0
    assert edge_inputs({"b": "bool[]"}, "nan", rng) is None


def test_channels_second() -> None:
    assert channels_second(np.zeros((2, 5, 3)), {"NWC"}).shape == (2, 3, 5)
    assert channels_second(np.zeros((2, 5, 3)), {"NHWC"}).shape == (2, 5, 3)
