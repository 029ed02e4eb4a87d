"""Rules of a few rows of the tests' own, so that they do not change with the map."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from migrate_examples.api_map import Row
from migrate_examples.scan import rewrite, rewrite_plan
from migrate_examples.scan.rules import constants_of, derive, rules_of

X = {"x": "f32[3,5]"}
XY = {"x": "f32[3,5]", "y": "f32[3,5]"}
ROWS = [
    Row("tf.reduce_mean(x)", "torch.mean(x)", inputs=X),
    Row("tf.reduce_mean(x, axis=1)", "torch.mean(x, dim=1)", inputs=X),
    Row(
        "tf.reduce_mean(x, axis=1, keepdims=True)",
        "torch.mean(x, dim=1, keepdim=True)",
        inputs=X,
    ),
    Row("tf.reduce_sum(x, axis=1)", "x.sum(1)", inputs=X),
    Row("tf.square(x)", "x.square()", inputs=X),
    Row("tf.cast(x, tf.float64)", "x.to(torch.float64)", inputs=X),
    Row("tf.matmul(x, y)", "x @ y", inputs=XY),
    Row("tf.equal(x, y)", "x == y", inputs=XY),
    Row("tf.concat([x, y], axis=1)", "torch.cat([x, y], dim=1)", inputs=XY),
    Row("tf.reshape(x, (5, -1))", "x.reshape(5, -1)", inputs=X),
    Row("tf.argsort(x)", "torch.argsort(x, dim=-1)", inputs=X),
    Row("tf.nn.leaky_relu(x, alpha=0.1)", "F.leaky_relu(x, 0.1)", inputs=X),
    Row("tf.one_hot(x, 4)", "F.one_hot(x, 4).float()", inputs={"x": "i64[3]"}),
    Row("tf.cast(x, tf.float32)", "x.to(torch.float32)", inputs=X),
    Row("x[:, tf.newaxis]", "x[:, None]", inputs=X),
    Row("tf.add(x, y)", "torch.add(x, y)", inputs=XY),
    Row("tf.size(x)", "x.numel()", inputs=X),
    Row("tf.unstack(x, axis=1)", "torch.unbind(x, dim=1)", inputs=X),
    Row("tf.pad(x, y, mode='REFLECT')", "F.pad(x, y, mode='reflect')", inputs=XY),
]


@contextmanager
def planted(rows: list[Row]) -> Iterator[None]:
    """Let the rewriter know the rules of these rows alone."""
    for row in rows:
        if not row.tf.startswith("x["):
            derive(row)  # each of them has to give one
    rules, constants = rules_of(rows), constants_of(rows)
    with pytest.MonkeyPatch.context() as patch:
        for module in (rewrite, rewrite_plan):
            patch.setattr(module, "rules", lambda: rules)
            patch.setattr(module, "constants", lambda: constants)
        yield
