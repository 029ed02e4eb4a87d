"""Whatever the layout, what is not rewritten is kept to the byte."""

import ast
import io
import tokenize
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_examples.scan.rewrite import RewriteError, Rewritten, rewrite_text
from tests.scan.planted_rules import ROWS, planted


@pytest.fixture(scope="module", autouse=True)
def _rules() -> Iterator[None]:
    with planted(ROWS):
        yield


def spliced(source: str, found: Rewritten) -> str:
    """Put the changes into a source by their places alone, the outermost of each."""
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    text, end = "", 0
    for change in found.changes:
        start = starts[change.line - 1] + change.column - 1
        assert source[start : start + len(change.before)] == change.before
        if start >= end:
            text += source[end:start] + change.after
            end = start + len(change.before)
    return text + source[end:]


def comments(source: str) -> list[str]:
    """Comments of a source, in order."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [t.string for t in tokens if t.type == tokenize.COMMENT]


SPACES = st.sampled_from(
    ["", "", " ", "  ", "\n", "\n    ", " # why\n", "  # a, b)\n\n  ", "\\\n", "\t"]
)
TENSORS = st.sampled_from(["x", "self.x", "x[0]", "-x", "x + y", "(x * 2)", "x[:, 1:]"])


@st.composite
def calls(draw: st.DrawFn, depth: int = 2) -> str:
    """A call of TensorFlow in some layout, which may or may not be rewritten."""
    if depth == 0:
        return draw(TENSORS)
    inner = draw(st.one_of(TENSORS, calls(depth - 1)))
    name, arguments = draw(
        st.sampled_from(
            [
                ("tf.square", ["{x}"]),
                ("tf.reduce_mean", ["{x}", "axis=-1", "keepdims=True"]),
                ("tf.reduce_mean", ["{x}", "1", "name='a'"]),
                ("tf.reduce_sum", ["axis=0", "input_tensor={x}"]),
                ("tf.cast", ["{x}", "dtype=tf.float32"]),
                ("tf.matmul", ["{x}", "b=z"]),
                ("tf.concat", ["[{x}, z]", "axis=0"]),
                ("tf.reshape", ["{x}", "[-1, 3]"]),
                ("tf.one_hot", ["{x}", "depth=3"]),
                ("tf.nn.leaky_relu", ["{x}", "alpha=0.3"]),
                ("tf.bincount", ["{x}"]),
                ("f", ["{x}", "tf.square(z)"]),
            ]
        )
    )
    equals = draw(st.sampled_from(["=", " = "]))
    parts = [a.format(x=inner).replace("=", equals) for a in arguments]
    code = name + draw(st.sampled_from(["", "", " "])) + "("
    for n, part in enumerate(parts):
        is_last = n == len(parts) - 1
        comma = "" if is_last and draw(st.booleans()) else ","
        code += draw(SPACES) + part + draw(SPACES) + comma
    return code + draw(SPACES) + ")"


@st.composite
def modules(draw: st.DrawFn) -> str:
    """A module with such calls among other code."""
    code = draw(st.sampled_from(["", '"""Doc."""\n', "# -*- x -*-\n\n"]))
    code += "import tensorflow as tf  # it\n"
    for _ in range(draw(st.integers(1, 3))):
        call = draw(calls())
        code += draw(
            st.sampled_from(
                [
                    f"y = {call}\n",
                    f"y = ({call})  # tf.square(x)\n",
                    f"class A:\n\n  def f(self, x):\n\n    return {call} ;\n\n",
                    f"if z :  pass\nelse: print( {call} , 'tf.square(x)' )\n",
                    f"g = lambda x , * z : {call}\n",
                    f"y = [ {call} , [ 1,2 ,3 ] ] \n\n\n",
                    f"é = {call} @ {{ 'a' : 1 }}[ 'a' ]\n",
                    f"y = f'{{x!r:>{{z}}}}' , {call}\n",
                ]
            )
        )
    text = code + draw(st.sampled_from(["", "# end", "\n\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"])))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(modules())
def test_the_rest_is_kept(source: str) -> None:
    try:
        ast.parse(source)
    except SyntaxError:
        return  # a backslash before a comment
    found = rewrite_text(source)
    new = {"import torch", "import torch.nn.functional as F"}
    kept = [
        line
        for line in found.text.splitlines(keepends=True)
        if line.rstrip("\r\n") not in new
    ]
    assert "".join(kept) == spliced(source, found)
    assert comments(found.text) == comments(source)
    assert rewrite_text(found.text) == (found.text, ())


def test_the_modules_are_rewritten_in_part() -> None:
    """The property is not held by doing nothing, nor by rewriting everything."""
    changed: list[int] = []

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(modules())
    def count(source: str) -> None:
        try:
            ast.parse(source)
        except SyntaxError:
            return
        changed.append(len(rewrite_text(source).changes))

    count()
    assert len(changed) > 50
    assert sum(n > 0 for n in changed) > 0.3 * len(changed)
    assert sum(n == 0 for n in changed) > 5


WORDS = st.sampled_from(
    [
        *("tf", "tf.square(", "x", ")", ",", "\n", "    ", "=", "import", "tensorflow"),
        *("as", "def f", ":", "lambda", "#", "'", "[", "]", "*", "\\", "\t", "\x00"),
        *("\x0c", "é"),
    ]
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_text_is_rewritten_or_refused(text: str) -> None:
    try:
        found = rewrite_text("import tensorflow as tf\n" + text)
    except RewriteError:
        return
    ast.parse(found.text)
