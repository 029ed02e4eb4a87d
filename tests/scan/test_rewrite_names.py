"""Names: whose they are, what they hold, and what PyTorch is imported as."""

from collections.abc import Iterator

import pytest

from migrate_examples.scan.rewrite import rewrite_text
from tests.scan.planted_rules import ROWS, planted


@pytest.fixture(scope="module", autouse=True)
def _rules() -> Iterator[None]:
    with planted(ROWS):
        yield


@pytest.mark.parametrize(
    "head",
    [
        "import tensorflow as tf",
        "import tensorflow.compat.v2 as tf",
        "import tensorflow.math as tf",
        "from tensorflow import math as tf",
        "import os, tensorflow as tf; import sys",
        "import tensorflow as tf\nimport tensorflow as tf",
        "try:\n    import tensorflow as tf\nexcept OSError:\n    raise",
        "from os import *\nimport tensorflow as tf",
        "import tensorflow as tf\nfrom tensorflow.keras.layers import *",
        "import tensorflow as tf\nf(tf=3)\nf.tf = 4",
        "import tensorflow as tf\ndef g(tf): ...",
    ],
)
def test_a_name_of_tensorflow_is_followed(head: str) -> None:
    found = rewrite_text(f"{head}\ny = tf.square(x)\n")
    assert [change.after for change in found.changes] == ["x.square()"]


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as tf",
        "import tensorflow_probability as tf",
        "import tf_keras as tf",
        "import tensorflow.compat.v1.keras.backend as tf",
        "from .tensorflow import math as tf",
        "from mine import tf",
        "import mine",
        "import tensorflow as tf\nimport numpy as tf",
        "import tensorflow as tf\ntf = other",
        "import tensorflow as tf\nif y:\n    tf = other",
        "import tensorflow as tf\ntry:\n    import mine as tf\nexcept OSError: ...",
        "try:\n    import tensorflow.compat.v1 as tf\n"
        "except OSError:\n    import tensorflow as tf",
        "import tensorflow as tf\nfor tf in y: ...",
        "import tensorflow as tf\nwith y as tf: ...",
        "import tensorflow as tf\ntry: ...\nexcept OSError as tf: ...",
        "import tensorflow as tf\ndef f():\n    global tf\n    tf = y",
        "import tensorflow as tf\nclass tf: ...",
        "import tensorflow as tf\n(tf := y)",
        "import tensorflow as tf\nfrom mine import *",
        "import tensorflow as tf\n# migrate: ignore-file",
    ],
)
def test_a_name_that_may_be_another_is_not(source: str) -> None:
    source += "\ny = tf.square(x)\n"
    assert rewrite_text(source) == (source, ())


@pytest.mark.parametrize(
    "code",
    [
        "def f(tf):\n    return tf.square(x)",
        "def f(x, *, tf=None):\n    return tf.square(x)",
        "def f():\n    tf = y\n    def g():\n        return tf.square(x)",
        "y = [tf.square(x) for tf in z]",
        "f = lambda tf: tf.square(x)",
        "class A:\n    tf = y\n    z = tf.square(x)",
    ],
)
def test_an_inner_name_hides_the_import(code: str) -> None:
    source = f"import tensorflow as tf\n{code}\n"
    assert rewrite_text(source) == (source, ())


@pytest.mark.parametrize(
    "before",
    [
        "x = 3",
        "x = -3.0",
        "x = 'a'",
        "x = True",
        "x = y = [1, 2]",
        "x: int = 3",
        "x = f(2)\nx = (1, 2)",
        "x = np.ones(3)",
        "x = {a: b}",
        "x = lambda: 3",
        "import x",
        "from mine import x",
        "def x(): ...",
        "class x: ...",
        "for x in range(3): ...",
        "for x, y in enumerate(z): ...",
    ],
)
def test_a_name_of_no_tensor_stays(before: str) -> None:
    source = (
        f"import tensorflow as tf\nimport numpy as np\n{before}\nz = tf.square(x)\n"
    )
    assert rewrite_text(source) == (source, ())


@pytest.mark.parametrize(
    "parameters", ["x=3", "x: int", "x: float = y", "x='a'", "*, x=1", "x: str"]
)
def test_a_parameter_of_no_tensor_stays(parameters: str) -> None:
    code = f"import tensorflow as tf\ndef f({parameters}):\n    return tf.square(x)\n"
    assert rewrite_text(code) == (code, ())


@pytest.mark.parametrize(
    "before",
    [
        "x = f(3)",
        "x = y",
        "for x in y: ...",
        "for i, x in enumerate(y): ...",
        "x, y = z",
        "x = None",
        "x: object",
        "with y as x: ...",
    ],
)
def test_a_name_that_may_be_a_tensor_is_taken_for_one(before: str) -> None:
    found = rewrite_text(f"import tensorflow as tf\n{before}\nz = tf.square(x)\n")
    assert len(found.changes) == 1


@pytest.mark.parametrize(
    "code, is_rewritten",
    [
        ("F = 3", False),
        ("def f(F): ...", False),
        ("from mine import F", False),
        ("import torch.functional as F", False),
        ("print(F)", False),
        ("class A:\n    F = 3", False),
        ("x.F = 3", True),
        ("f(F=3)", True),
        ("import torch.nn.functional as F", True),
        ("from torch.nn import functional as F", True),
        ("torch = 3", True),  # what is written does not need it
        ("import torch", True),
    ],
)
def test_a_name_that_is_taken_is_not_used(code: str, is_rewritten: bool) -> None:
    source = f"import tensorflow as tf\n{code}\nz = tf.nn.leaky_relu(y)\n"
    found = rewrite_text(source)
    assert bool(found.changes) == is_rewritten
    assert rewrite_text(found.text) == (found.text, ())


@pytest.mark.parametrize("code", ["torch = 3", "import torchx as torch", "del torch"])
def test_a_dtype_needs_torch(code: str) -> None:
    source = f"import tensorflow as tf\n{code}\nz = tf.cast(y, tf.float32)\n"
    assert rewrite_text(source) == (source, ())


@pytest.mark.parametrize(
    "before, after",
    [
        (
            "import tensorflow as tf\n{}",
            "import tensorflow as tf\nimport torch\n{}",
        ),
        (
            "import torch\nimport tensorflow as tf\n{}",
            "import torch\nimport tensorflow as tf\n{}",
        ),
        (
            "import torch.nn as nn\nimport tensorflow as tf\n{}",
            "import torch.nn as nn\nimport tensorflow as tf\nimport torch\n{}",
        ),
        (
            "import torch.nn\nimport tensorflow as tf\n{}",
            "import torch.nn\nimport tensorflow as tf\n{}",
        ),
        (  # too late
            "import tensorflow as tf\n{}\nimport torch\n",
            "import tensorflow as tf\nimport torch\n{}\nimport torch\n",
        ),
        (
            '"""Doc."""\nfrom __future__ import annotations\n\n'
            "import tensorflow as tf\nfrom keras import ops\nimport os\n{}",
            '"""Doc."""\nfrom __future__ import annotations\n\n'
            "import tensorflow as tf\nfrom keras import ops\nimport torch\n"
            "import os\n{}",
        ),
        (
            "# Top.\n\nimport tensorflow as tf; import os  # both\n{}",
            "# Top.\n\nimport tensorflow as tf; import os  # both\nimport torch\n{}",
        ),
        (
            "if y:\n    import tensorflow as tf\n{}",
            "if y:\n    import tensorflow as tf\nimport torch\n{}",
        ),
        (
            '"""Doc."""\nfrom __future__ import division\nimport os\n'
            "def f(y):\n    import tensorflow as tf\n    {}",
            '"""Doc."""\nfrom __future__ import division\nimport os\nimport torch\n'
            "def f(y):\n    import tensorflow as tf\n    {}",
        ),
        (
            "#!/usr/bin/python\ndef f(y):\n    import tensorflow as tf\n    {}",
            "#!/usr/bin/python\nimport torch\n"
            "def f(y):\n    import tensorflow as tf\n    {}",
        ),
        (
            "import tensorflow as tf\r\n\r\n{}",
            "import tensorflow as tf\r\nimport torch\r\n\r\n{}",
        ),
    ],
)
def test_pytorch_is_imported_once_after_tensorflow(before: str, after: str) -> None:
    found = rewrite_text(before.format("z = tf.reduce_mean(y)"))
    assert found.text == after.format("z = torch.mean(y)")
    assert rewrite_text(found.text) == (found.text, ())
