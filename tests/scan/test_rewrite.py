"""What is rewritten, how it is written, and what is left as it is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate_examples.scan.rewrite import Change, RewriteError, diff, rewrite_text
from tests.scan.planted_rules import ROWS, planted

DATA = Path(__file__).parents[1] / "data/rewrite"
HEAD = "import tensorflow as tf\n"


@pytest.fixture(scope="module", autouse=True)
def _rules() -> Iterator[None]:
    with planted(ROWS):
        yield


def line(code: str, head: str = HEAD) -> str:
    """Rewrite a line after the import, and return what became of it."""
    return rewrite_text(f"{head}{code}\n").text.splitlines()[-1]


@pytest.mark.parametrize(
    "before, after",
    [
        ("tf.reduce_mean(x)", "torch.mean(x)"),
        ("tf.reduce_mean(x, axis=-1)", "torch.mean(x, dim=-1)"),
        ("tf.reduce_mean(x, 0)", "torch.mean(x, dim=0)"),
        ("tf.reduce_mean(x, 0, True)", "torch.mean(x, dim=0, keepdim=True)"),
        (
            "tf.reduce_mean(keepdims=False, axis=1, input_tensor=x)",
            "torch.mean(x, dim=1, keepdim=False)",
        ),
        ("tf.reduce_mean(x, keepdims=False)", "torch.mean(x)"),
        ("tf.reduce_mean(x, axis=None)", "torch.mean(x)"),
        ("tf.reduce_mean(x, axis=1, name='m')", "torch.mean(x, dim=1)"),
        ("tf.math.reduce_mean( x , axis = 1 )", "torch.mean( x , dim = 1 )"),
        ("tf.reduce_mean(x, axis=1,)", "torch.mean(x, dim=1,)"),
        ("tf.reduce_mean(x[0].loss, axis=1)", "torch.mean(x[0].loss, dim=1)"),
        ("tf.reduce_sum(x, axis=1)", "x.sum(1)"),
        ("tf.square( x )", "x.square()"),
        ("tf.square(-x)", "(-x).square()"),
        ("tf.square((a - b))", "(a - b).square()"),
        ("tf.square(a.b[0])", "a.b[0].square()"),
        ("tf.cast(a + b, tf.float32)", "(a + b).to(torch.float32)"),
        ("tf.cast(dtype=tf.float32, x=x)", "x.to(torch.float32)"),
        ("tf.cast(x > 0, y.dtype)", "(x > 0).to(y.dtype)"),
        ("(tf.cast(x, tf.float64))", "(x.to(torch.float64))"),
        ("tf.matmul(a + b, c)", "(a + b) @ c"),
        ("tf.matmul(a, b)[0]", "(a @ b)[0]"),
        ("tf.matmul(a, b) * c", "(a @ b) * c"),
        ("f(tf.matmul(b=b, a=a))", "f(a @ b)"),
        ("tf.equal(a == b, c)", "(a == b) == c"),
        ("tf.concat([a, b], axis=-1)", "torch.cat([a, b], dim=-1)"),
        ("tf.concat(values=(a, b, c), axis=0)", "torch.cat((a, b, c), dim=0)"),
        ("tf.concat(parts, 0)", "torch.cat(parts, dim=0)"),
        ("tf.reshape(x, [-1, n * 2])", "x.reshape(-1, n * 2)"),
        ("tf.reshape(x, (x.shape[0], 3),)", "x.reshape(x.shape[0], 3,)"),
        ("tf.argsort(x, axis=-1)", "torch.argsort(x, dim=-1)"),
        ("tf.nn.leaky_relu(x)", "F.leaky_relu(x, 0.2)"),
        ("tf.nn.leaky_relu(x, 0.3)", "F.leaky_relu(x, 0.3)"),
        ("tf.one_hot(i, 10)", "F.one_hot(i, 10).float()"),
        ("tf.one_hot(i + 1, depth=10)", "F.one_hot(i + 1, 10).float()"),
        ("tf.pad(x, p, 'REFLECT')", "F.pad(x, p, mode='reflect')"),
        ("tf.reduce_sum(tf.square(a - b), axis=-1)", "(a - b).square().sum(-1)"),
        ("tf.square(tf.matmul(a, b))", "(a @ b).square()"),
        ("print(x.dtype == tf.float32)", "print(x.dtype == torch.float32)"),
        ("y = x[:, tf.newaxis] * 2", "y = x[:, None] * 2"),
        ("tf.square(x[..., tf.newaxis])", "x[..., None].square()"),
        ("tf.square(x)[tf.newaxis]", "x.square()[None]"),
        ("tf.add(x, 2)", "torch.add(x, 2)"),
        ("tf.add(y=-2.5, x=x)", "torch.add(x, -2.5)"),
        ("tf.size(x) / 2", "x.numel() / 2"),
        ("tf.square(x / tf.size(x))", "(x / x.numel()).square()"),
        ("tf.unstack(x, axis=0)[1]", "torch.unbind(x, dim=0)[1]"),
        ("g(tf.square(a), tf.foo(b))", "g(a.square(), tf.foo(b))"),
        ("tf.square(x).shape", "x.square().shape"),
        ("f = lambda x: tf.square(x)", "f = lambda x: x.square()"),
    ],
)
def test_a_call_is_rewritten(before: str, after: str) -> None:
    assert line(before) == after


@pytest.mark.parametrize(
    "code",
    [
        # Arguments that no row covers.
        "tf.reduce_mean(x, axis=[0, 1])",
        "tf.reduce_mean(x, axis=a)",
        "tf.reduce_mean(x, axis=1.0)",
        "tf.reduce_mean(x, axis=True)",
        "tf.reduce_mean(x, keepdims=True)",
        "tf.reduce_mean(x, 1, True, 'm', 3)",
        "tf.reduce_mean(x, dim=1)",
        "tf.reduce_mean(x, axis=1, name=n)",
        "tf.reduce_mean(*x)",
        "tf.reduce_mean(x, **options)",
        "tf.reduce_mean()",
        "tf.reduce_sum(x)",
        "tf.argsort(x, axis=1)",
        "tf.nn.leaky_relu(x, 1)",
        "tf.pad(x, p)",
        "tf.pad(x, p, 'SYMMETRIC')",
        "tf.cast(x, dtype)",
        "tf.cast(x, 'float32')",
        "tf.cast(x, tf.string)",
        "tf.reshape(x, shape)",
        "tf.reshape(x, [*shape, 3])",
        "tf.reshape(x, [])",
        "tf.reshape(x, [len(y), 3])",
        "x[tf.newaxis] + tf.foo(y)",
        "f(tf.newaxis)",
        "tf.add(2, x)",
        # What is no tensor, or need not be one.
        "tf.square(3)",
        "tf.square(-3.0)",
        "tf.square([1, 2])",
        "tf.square((x, y))",
        "tf.square('x')",
        "tf.square(np.ones(3))",
        "tf.square(f(x))",
        "tf.square(x.f())",
        "tf.square([a for a in x])",
        "tf.square(x.shape)",
        "tf.square(x.shape[0])",
        "tf.square(x[::-1])",
        "tf.square(x[[0, 1]])",
        "tf.square(x if y else z)",
        "tf.square(x and y)",
        "tf.square(not x)",
        "tf.square(x in y)",
        "tf.square(a < b < c)",
        "tf.square(None)",
        "tf.square(x := y)",
        "tf.square(lambda: x)",
        "tf.concat([a, 1], axis=0)",
        "tf.concat([], axis=0)",
        "tf.concat([*a, b], axis=0)",
        # Tensors of both frameworks would meet.
        "tf.square(tf.foo(x))",
        "tf.foo(tf.square(x))",
        "tf.square(x) + tf.foo(y)",
        "tf.foo(y)[tf.square(x)]",
        "tf.foo(y).f(tf.square(x))",
        "[tf.square(x) for x in tf.foo(y)]",
        "tf.square(x) if tf.foo(y) else z",
        "tf.square(x[tf.foo(y)])",
        "tf.keras.layers.Dense(3)(tf.square(x))",
        "tf.map_fn(lambda x: tf.square(x), y)",
        "dataset.map(lambda x: tf.square(x))",
        # What follows means something else.
        "tf.size(x).numpy()",
        "tf.square(tf.size(x))",
        "tf.square(tf.unstack(x, axis=0))",
        "tf.square(x).set_shape(y)",
        "tf.square(x).shape.as_list()",
        "tf.square(x)[::-1]",
        "tf.square(x)[[0, 1]]",
        "(tf.square(x) + 1)[::-1]",
        "tf.square(x)()",
        "f'{tf.square(x)} {tf.square(x)=}'",
        "tf.square(x)  # migrate: ignore",
        "tf.square(x)  #migrate:ignore[tf.square] because",
        # Constants of which nobody knows where they go.
        "dtype = tf.float32",
        "f(dtype=tf.float32)",
        "tf.float32 == kind",
        "f(tf.square)",
        # Not TensorFlow's.
        "np.square(x)",
        "tf.compat.v1.square(x).eval()",
        "tf_keras.ops.square(x)",
    ],
)
def test_what_is_not_sure_stays(code: str) -> None:
    source = f"{HEAD}import numpy as np\nimport tf_keras\n{code}\n"
    assert rewrite_text(source) == (source, ())


def test_what_is_rewritten_is_listed() -> None:
    source = f"{HEAD}def f(x):\n    y = tf.square(tf.square(x))\n    return y\n"
    assert rewrite_text(source).changes == (
        Change(3, 9, "tf.square(tf.square(x))", "x.square().square()", "tf.square"),
        Change(3, 19, "tf.square(x)", "x.square()", "tf.square"),
    )


@pytest.mark.parametrize(
    "source, line, message",
    [
        ("import tensorflow as tf\ntf.square(x\n", 2, "syntax error"),
        ("import tensorflow as tf\nprint tf.square(x)\n", 2, "syntax error"),
        ("x = (1,\n  2]]\n", 2, "syntax error"),
    ],
)
def test_what_is_no_python_is_an_error(source: str, line: int, message: str) -> None:
    with pytest.raises(RewriteError, match=message) as caught:
        rewrite_text(source)
    assert isinstance(caught.value, ValueError)
    assert caught.value.line == line


@pytest.mark.parametrize("count", [60, 900, 3000, 50_000])
@pytest.mark.parametrize(
    "start, part, end",
    [
        ("", "tf.square(", "x"),
        ("x", ".a()", ""),
        ("", "-", "x"),
        ("x", " and x", ""),
        ("", "'a' ", ""),
        ("x", " + x", ""),
    ],
)
def test_what_is_nested_deeply_is_rewritten_or_an_error(
    start: str, part: str, end: str, count: int
) -> None:
    """The parser's stack is not Python's: without care it takes the process down."""
    close = ")" * count if "(" in part and end else ""
    source = f"{HEAD}z = tf.square(x)\ny = {start}{part * count}{end}{close}\n"
    if count == 60:
        assert rewrite_text(source).changes
    else:
        with pytest.raises(RewriteError, match="nested"):
            rewrite_text(source)


def test_a_diff_can_be_applied(tmp_path: Path) -> None:
    """Line ends of Windows, a form feed, and no newline at the end."""
    before = "import tensorflow as tf\r\n\x0c\r\ny = tf.square(x)\r\nz = 'a\u2028b'"
    after = rewrite_text(before).text
    assert after != before
    file = tmp_path / "x.py"
    file.write_bytes(before.encode())
    patch = diff(before, after, "x.py")
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(command, input=patch.encode(), cwd=tmp_path, check=True)
    assert file.read_bytes().decode() == after


def test_no_diff_without_a_change() -> None:
    assert diff("a\n", "a\n", "x.py") == ""


def test_the_scan_works_without_libcst() -> None:
    """Only the rewriter needs it, and it is slow to import."""
    code = (
        "import sys, migrate_examples.scan.rules, migrate_examples.scan.findings\n"
        "sys.exit('libcst' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


BEFORE = sorted(DATA.glob("*.before.txt"))


@pytest.mark.parametrize("file", BEFORE, ids=lambda file: file.name.partition(".")[0])
def test_a_whole_file_is_rewritten_as_shown(file: Path) -> None:
    after = file.with_name(file.name.replace("before", "after")).read_text()
    found = rewrite_text(file.read_text())
    assert found.text == after
    assert rewrite_text(after) == (after, ()), "a second time changes nothing"


def test_no_loop_over_nothing() -> None:
    assert len(BEFORE) >= 4
