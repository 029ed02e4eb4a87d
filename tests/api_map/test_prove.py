"""The machinery that runs a row: what it compares, and what it refuses."""

import re

import pytest

from migrate_examples.api_map import Row
from migrate_examples.api_map.check import remarks
from migrate_examples.api_map.prove import (
    MismatchError,
    edge_differences,
    prove,
)


@pytest.mark.parametrize(
    "row, message",
    [
        (
            Row("x + 0", "x + 1e-3", inputs={"x": "f32[3]"}),
            "values of x + 0 and x + 1e-3 differ",
        ),
        (Row("x", "x[:2]", inputs={"x": "f32[3]"}), "values (3,) against (2,)"),
        (Row("x * x", "x.detach() * x", inputs={"x": "f64[3]"}), "gradients of x * x"),
        (
            Row("tf.stop_gradient(x)", "x * 1", inputs={"x": "f64[3]"}),
            "only PyTorch has a gradient",
        ),
        (
            Row("x > 0", "(x > 0) * 1", inputs={"x": "f32[6]"}),
            "values of type bool against int64",
        ),
        (
            Row("tf.split(x, 2)", "x.split(2)", inputs={"x": "f32[6]"}),
            "2 values against 3",
        ),
    ],
)
def test_each_kind_of_mismatch_is_named(row: Row, message: str) -> None:
    with pytest.raises(MismatchError, match=re.escape(message)):
        prove(row)


def test_a_row_that_ends_with_a_statement_is_refused() -> None:
    with pytest.raises(SyntaxError, match="end with an expression"):
        prove(Row("y = x", "x", inputs={"x": "f32[3]"}))


def test_channels_are_moved_where_the_input_says_so() -> None:
    row = Row(
        "tf.reduce_mean(x, axis=3)", "x.mean(dim=1)", inputs={"x": "f64[2,5,7,3] NHWC"}
    )
    assert prove(row).error < 1e-15


def test_only_the_gradients_of_images_are_moved() -> None:
    row = Row(
        'tf.nn.conv2d(x, w, strides=1, padding="VALID")',
        "F.conv2d(x, w.permute(3, 2, 0, 1))",
        inputs={"x": "f64[2,5,7,3] NHWC", "w": "f64[2,3,3,4]"},
    )
    gradient_error = prove(row).gradient_error
    assert gradient_error is not None
    assert gradient_error < 1e-12


DENSE = Row(
    "keras.layers.Dense(3)(x)",
    "nn.Linear(5, 3)(x)",
    inputs={"x": "f32[2,5]"},
    weights={"weight": "kernel.T", "bias": "bias"},
)


def test_weights_are_carried_over() -> None:
    assert prove(DENSE).error < 1e-5


@pytest.mark.parametrize(
    "weights, message",
    [
        ({"weight": "kernel.T"}, "weights do not fill bias"),
        ({"weight": "kernel", "bias": "bias"}, "kernel (5, 3) for weight (3, 5)"),
        ({"weight": "kernel.T", "bias": "bias * 2"}, "values of keras.layers.Dense"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    weights: dict[str, str], message: str
) -> None:
    with pytest.raises(MismatchError, match=re.escape(message)):
        prove(DENSE._replace(weights=weights))


def test_weights_can_be_used_by_name() -> None:
    code = "F.linear(x, kernel.T, bias)"
    assert prove(DENSE._replace(torch=code, weights={})).error < 1e-5


def test_optimisers_are_stepped() -> None:
    row = Row(
        "keras.optimizers.SGD(0.125, momentum=0.5)",
        "torch.optim.SGD(params, 0.125, momentum=0.5)",
        inputs={"x": "f64[4]"},
    )
    assert prove(row).error < 1e-14
    with pytest.raises(MismatchError):
        prove(row._replace(torch="torch.optim.SGD(params, 0.125)"))


def test_schedules_are_followed() -> None:
    row = Row(
        "keras.optimizers.schedules.PiecewiseConstantDecay([9], [0.5, 0.25])",
        "torch.optim.lr_scheduler.MultiStepLR("
        "torch.optim.SGD(params, 0.5), [10], gamma=0.5)",
        inputs={"x": "f64[4]"},
    )
    assert prove(row).error == 0
    with pytest.raises(MismatchError):
        prove(row._replace(torch=row.torch.replace("[10]", "[9]")))


def test_draws_are_compared_as_distributions() -> None:
    row = Row(
        "tf.random.normal([20000])",
        "torch.randn(20000)",
        inputs={},
        compare="distribution",
    )
    assert prove(row).error < 0.05
    for wrong in ("torch.randn(20000) * 1.2", "torch.rand(20000)", "torch.randn(99)"):
        with pytest.raises(MismatchError):
            prove(row._replace(torch=wrong))
    with pytest.raises(MismatchError, match="tell no distribution"):
        prove(row._replace(tf="tf.random.normal([9])", torch="torch.randn(9)"))


def test_a_gradient_that_a_plain_sum_hides_is_compared() -> None:
    """The sum of a softmax has no gradient: the results are weighed."""
    row = Row(
        "tf.nn.softmax(x)",
        "torch.softmax(x, -1).detach() + 0 * x",
        inputs={"x": "f64[2,3]"},
    )
    with pytest.raises(MismatchError, match="gradients"):
        prove(row)


@pytest.mark.parametrize(
    "tf_side, torch_side, text",
    [
        ("tf.float32", "torch.float64", "float32 against float64"),
        ("tf.strings.upper('a')", "'a'.lower()", "A against a"),
        ("{'b': x, 'a': 2 * x}", "{'a': x, 'b': 2 * x}", "values of"),
    ],
)
def test_dtypes_texts_and_dictionaries_are_compared(
    tf_side: str, torch_side: str, text: str
) -> None:
    with pytest.raises(MismatchError, match=text):
        prove(Row(tf_side, torch_side, inputs={"x": "f32[2]"}))


def test_files_can_be_written() -> None:
    row = Row(
        "tf.io.write_file(str(tmp / 'a'), 'text'); (tmp / 'a').read_text()",
        "(tmp / 'a').write_text('text'); (tmp / 'a').read_text()",
    )
    assert prove(row).error == 0


def test_edges_are_tried() -> None:
    row = Row("tf.argmax(x, axis=1)", "x.argmax(1)", inputs={"x": "f64[4,5]"})
    assert edge_differences(row).keys() == {"nan"}
    assert next(remarks(row)).startswith('differs on "nan"')
    declared = row._replace(differs=("nan", "empty"))
    assert list(remarks(declared)) == [
        'does not differ on "empty": take it out of differs'
    ]


def test_what_tensorflow_refuses_is_no_difference() -> None:
    row = Row("tf.linalg.inv(x)", "torch.zeros(1)", inputs={"x": "f64[3,2]"})
    assert edge_differences(row) == {}


def test_layouts_of_one_and_three_dimensions() -> None:
    for spec, dim in (("f64[2,5,3] NWC", 2), ("f64[2,5,7,4,3] NDHWC", 4)):
        row = Row(f"tf.cumsum(x, axis={dim})", "x.cumsum(1)", inputs={"x": spec})
        assert prove(row).error < 1e-14
