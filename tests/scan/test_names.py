"""Which symbols a source refers to, by whatever way their names come about."""

import pytest

from migrate_examples.scan import scan_text
from migrate_examples.scan.names import import_path, resolve, star_names


def symbols(source: str) -> list[str]:
    """Symbols that a source refers to, in the order of the text."""
    found = scan_text(source)
    assert found.problems == ()
    return [f.symbol for f in found.findings if f.category == "symbol"]


FOUND: dict[str, tuple[str, str]] = {
    # how -> source, symbols
    "import as": ("import tensorflow as tf\ntf.abs(x)", "tf.abs"),
    "import": ("import tensorflow\ntensorflow.abs(x)", "tf.abs"),
    "import below": (
        "import tensorflow.keras.layers\ntensorflow.keras.layers.Dense(3)",
        "keras.layers.Dense",
    ),
    "import below as": (
        "import tensorflow.keras.layers as L\nL.Dense(3)",
        "keras.layers.Dense",
    ),
    "compat.v1": (
        "import tensorflow.compat.v1 as tf\ntf.placeholder(tf.float32)",
        "tf.compat.v1.placeholder tf.float32",
    ),
    "compat.v2": ("import tensorflow.compat.v2 as tf\ntf.abs(x)", "tf.abs"),
    "compat.v2 by attribute": (
        "import tensorflow as tf\ntf.compat.v2.abs(x)",
        "tf.abs",
    ),
    "TF1 name": ("import tensorflow as tf\ntf.log(x)", "tf.math.log"),
    "alias of a function": ("import tensorflow as tf\ntf.math.abs(x)", "tf.abs"),
    "from module": (
        "from tensorflow import keras\nkeras.layers.Dense(3)",
        "keras.layers.Dense",
    ),
    "from module as": (
        "from tensorflow.keras import layers as L\nL.Dense(3)",
        "keras.layers.Dense",
    ),
    "from symbol as": (
        "from tensorflow.keras.layers import Dense as D\nD(3)",
        "keras.layers.Dense",
    ),
    "several in one line": (
        "import os, tensorflow as tf, sys\ntf.abs(x)",
        "tf.abs",
    ),
    "keras": ("import keras\nkeras.layers.Dense(3)", "keras.layers.Dense"),
    "tf_keras": (
        "import tf_keras as keras\nkeras.layers.Dense(3)",
        "keras.layers.Dense",
    ),
    "backend of keras": (
        "from keras import backend as K\nK.epsilon()",
        "keras.backend.epsilon",
    ),
    "alias of a module": (
        "import tensorflow as tf\nL = tf.keras.layers\nL.Dense(3)",
        "keras.layers.Dense",
    ),
    "alias of a symbol": (
        "import tensorflow as tf\nDense = tf.keras.layers.Dense\nDense(3)",
        "keras.layers.Dense keras.layers.Dense",
    ),
    "two aliases at once": (
        "import tensorflow as tf\nL, nn = tf.keras.layers, tf.nn\n"
        "L.Dense(3)\nnn.relu(x)",
        "keras.layers.Dense tf.nn.relu",
    ),
    "chain of aliases": (
        "import tensorflow as tf\na = b = tf.nn\nc = b\nc.relu(x)\na.elu(x)",
        "tf.nn.relu tf.nn.elu",
    ),
    "walrus": (
        "import tensorflow as tf\nif (nn := tf.nn):\n    nn.relu(x)",
        "tf.nn.relu",
    ),
    "walrus in a comprehension": (
        "import tensorflow as tf\n[m := tf.nn for _ in y]\nm.relu(x)",
        "tf.nn.relu",
    ),
    "alias in a class": (
        "import tensorflow as tf\nclass A:\n    nn = tf.nn\n    y = nn.relu(x)",
        "tf.nn.relu",
    ),
    "alias on self": (
        "import tensorflow as tf\nclass A:\n    def __init__(self):\n"
        "        self.nn = tf.nn\n    def f(self, x):\n        self.nn.relu(x)",
        "tf.nn.relu",
    ),
    "alias in a function": (
        "import tensorflow as tf\ndef f(x):\n    nn = tf.nn\n    return nn.relu(x)",
        "tf.nn.relu",
    ),
    "import in a function": (
        "def f(x):\n    import tensorflow as tf\n    return tf.abs(x)",
        "tf.abs",
    ),
    "alias after the function": (
        "def f(x):\n    return nn.relu(x)\nimport tensorflow as tf\nnn = tf.nn",
        "tf.nn.relu",
    ),
    "global import": (
        "def load():\n    global tf\n    import tensorflow as tf\n"
        "def f(x):\n    return tf.abs(x)",
        "tf.abs",
    ),
    "global import after its use": (
        "tf = None\ndef f(x):\n    return tf.abs(x)\n"
        "def load():\n    global tf\n    import tensorflow as tf\n",
        "tf.abs",
    ),
    "nonlocal alias": (
        "import tensorflow as tf\ndef f(x):\n    m = None\n    def g():\n"
        "        nonlocal m\n        m = tf.nn\n    g()\n    return m.relu(x)",
        "tf.nn.relu",
    ),
    "star": (
        "from tensorflow.keras.layers import *\nDense(3)\nInput(3)",
        "keras.layers.Dense keras.Input",
    ),
    "star of tensorflow": (
        "from tensorflow import *\nabs(x)\nkeras.layers.Dense(3)",
        "tf.abs keras.layers.Dense",
    ),
    "try and except": (
        "try:\n    from tensorflow import keras\nexcept ImportError:\n"
        "    import keras\nkeras.layers.Dense(3)",
        "keras.layers.Dense",
    ),
    "try and none": (
        "try:\n    import tensorflow as tf\nexcept ImportError:\n    tf = None\n"
        "tf.abs(x)",
        "tf.abs",
    ),
    "if and else": (
        "if new:\n    import tensorflow as tf\nelse:\n    import mock as tf\ntf.abs(x)",
        "tf.abs",
    ),
    "each branch by itself": (
        "import tensorflow as tf\nif new:\n    m = tf.nn\n    m.relu(x)\nelse:\n"
        "    m = other\n    m.no_such(x)\n",
        "tf.nn.relu",
    ),
    "match": (
        "import tensorflow as tf\nmatch x:\n    case [a, *b] if tf.abs(a):\n"
        "        tf.exp(a)\n    case {'k': v, **r}:\n        tf.sin(v)",
        "tf.abs tf.exp tf.sin",
    ),
    "getattr": ("import tensorflow as tf\ngetattr(tf, 'abs')(x)", "tf.abs"),
    "getattr of an alias": (
        "import tensorflow as tf\nm = getattr(tf, 'nn')\nm.relu(x)",
        "tf.nn.relu",
    ),
    "import_module": (
        "import importlib\ntf = importlib.import_module('tensorflow')\ntf.abs(x)",
        "tf.abs",
    ),
    "__import__": ("tf = __import__('tensorflow')\ntf.abs(x)", "tf.abs"),
    "partial": (
        "from functools import partial\nfrom tensorflow.keras import layers\n"
        "conv = partial(layers.Conv2D, padding='valid')\nconv(3, 3)",
        "keras.layers.Conv2D keras.layers.Conv2D",
    ),
    "decorator": (
        "import tensorflow as tf\n@tf.function\ndef f(x): return x",
        "tf.function",
    ),
    "decorator with arguments": (
        "import tensorflow as tf\n@tf.function(jit_compile=True)\ndef f(x): return x",
        "tf.function",
    ),
    "annotation": (
        "import tensorflow as tf\ndef f(x: tf.Tensor) -> tf.Variable: ...",
        "tf.Tensor tf.Variable",
    ),
    "annotation in quotes": (
        "import tensorflow as tf\ndef f(x: 'tf.Tensor', y: list['tf.Variable']): ...",
        "tf.Tensor tf.Variable",
    ),
    "annotated variable": (
        "import tensorflow as tf\nx: tf.Tensor = tf.abs(y)",
        "tf.Tensor tf.abs",
    ),
    "default argument": (
        "import tensorflow as tf\ndef f(tf=tf.float32): ...",
        "tf.float32",
    ),
    "default of a lambda": (
        "import tensorflow as tf\nf = lambda tf=tf.float32: tf",
        "tf.float32",
    ),
    "in a lambda": ("import tensorflow as tf\nf = lambda x: tf.abs(x)", "tf.abs"),
    "in a comprehension": (
        "import tensorflow as tf\n[tf.abs(x) for x in tf.range(3) if tf.exp(x)]",
        "tf.abs tf.range tf.exp",
    ),
    "base class": (
        "import tensorflow as tf\nclass A(tf.keras.Model): ...",
        "keras.Model",
    ),
    "in an f-string": (
        "import tensorflow as tf\nprint(f'{tf.abs(x)}')",
        "tf.abs",
    ),
    "with": (
        "import tensorflow as tf\nwith tf.device('/cpu:0'):\n    tf.abs(x)",
        "tf.device tf.abs",
    ),
    "attribute of a symbol": ("import tensorflow as tf\ntf.float32.max", "tf.float32"),
    "attribute of a result": (
        "import tensorflow as tf\ntf.keras.layers.Dense(3).units",
        "keras.layers.Dense",
    ),
    "item of a result": ("import tensorflow as tf\ntf.shape(x)[0]", "tf.shape"),
    "passed by name": (
        "import tensorflow as tf\nf(g=tf.nn.relu, h=[tf.nn.elu])",
        "tf.nn.relu tf.nn.elu",
    ),
    "async": (
        "import tensorflow as tf\nasync def f():\n    async with a as b:\n"
        "        async for x in b:\n            await g(tf.abs(x))",
        "tf.abs",
    ),
    "losses are those of keras": (
        "import tensorflow as tf\ntf.losses.Huber()\ntf.optimizers.Adam()",
        "keras.losses.Huber keras.optimizers.Adam",
    ),
    "later assignment ends an alias": (
        "import tensorflow as tf\nm = tf.nn\nm.relu(x)\nm = 3\nm.relu(x)",
        "tf.nn.relu",
    ),
    "loop variable shadows after the loop begins": (
        "import tensorflow as tf\ntf.abs(x)\nfor tf in y:\n    tf.abs(x)",
        "tf.abs",
    ),
    "deleted": ("import tensorflow as tf\ntf.abs(x)\ndel tf\ntf.abs(x)", "tf.abs"),
    "class scope is not seen by methods": (
        "import tensorflow as tf\nclass A:\n    tf = None\n    def f(self, x):\n"
        "        return tf.abs(x)",
        "tf.abs",
    ),
    "first source of a comprehension in a class": (
        "import tensorflow as tf\nclass A:\n    nn = tf.nn\n"
        "    y = [x for x in nn.relu(z)]",
        "tf.nn.relu",
    ),
}

NOTHING = {
    "no import": "tf.abs(x)\nkeras.layers.Dense(3)",
    "another package": "import numpy as tf\ntf.abs(x)",
    "relative import": "from .tensorflow import abs\nabs(x)",
    "name that begins alike": "import tensorflow_datasets as tfds\ntfds.load('x')",
    "module alone": "import tensorflow as tf\nprint(tf, tf.nn, tf.keras.layers)",
    "import alone": "from tensorflow.keras.layers import Dense, Conv2D",
    "parameter": "import tensorflow as tf\ndef f(tf):\n    return tf.abs(x)",
    "keyword-only parameter": "import tensorflow as tf\ndef f(*, tf):\n    tf.abs(x)",
    "star parameters": "import tensorflow as tf\ndef f(*tf, **nn):\n    tf.abs(nn)",
    "local variable": "import tensorflow as tf\ndef f(x):\n    tf = x\n    tf.abs(x)",
    "lambda parameter": "import tensorflow as tf\nf = lambda tf: tf.abs(x)",
    "comprehension variable": "import tensorflow as tf\n[tf.abs(x) for tf in y]",
    "for target": "import tensorflow as tf\nfor tf in y:\n    tf.abs(x)",
    "nested for target": "import tensorflow as tf\nfor a, (tf, b) in y:\n    tf.abs(x)",
    "except name": (
        "import tensorflow as tf\ntry: ...\nexcept E as tf:\n    tf.abs(x)"
    ),
    "with name": "import tensorflow as tf\nwith a as tf:\n    tf.abs(x)",
    "deleted": "import tensorflow as tf\ndel tf\ntf.abs(x)",
    "rebound": "import tensorflow as tf\ntf = other\ntf.abs(x)",
    "rebound by a class": "import tensorflow as tf\nclass tf: ...\ntf.abs(x)",
    "rebound by a function": "import tensorflow as tf\ndef tf(): ...\ntf.abs(x)",
    "rebound by an import": "import tensorflow as tf\nimport mock as tf\ntf.abs(x)",
    "captured by a pattern": (
        "import tensorflow as tf\nmatch x:\n    case tf:\n        tf.abs(x)"
    ),
    "another object's attribute": "import tensorflow as tf\nself.tf.abs(x)",
    "attribute assigned": "import tensorflow as tf\na.tf = 3\nb.abs(x)",
    "in a string": "import tensorflow as tf\n'tf.abs(x)'\n# tf.abs(x)",
    "alias in a class from a method": (
        "import tensorflow as tf\nclass A:\n    nn = tf.nn\n    def f(self, x):\n"
        "        return nn.relu(x)"
    ),
    "names of a module": "import tensorflow as tf\nprint(tf.__name__, tf.__file__)",
    "hasattr": "import tensorflow as tf\nhasattr(tf, 'contrib')",
    "getattr with a variable": "import tensorflow as tf\ngetattr(tf, name)(x)",
    "own getattr": (
        "import tensorflow as tf\ndef getattr(a, b): ...\ngetattr(tf, 'abs')"
    ),
    "annotation that is no code": "import tensorflow as tf\nx: 'tf.abs(' = 3",
    "empty": "",
    "comment": "# import tensorflow as tf",
}


@pytest.mark.parametrize("source, expected", FOUND.values(), ids=FOUND)
def test_symbols_are_found(source: str, expected: str) -> None:
    assert symbols(source) == expected.split()


@pytest.mark.parametrize("source", NOTHING.values(), ids=NOTHING)
def test_nothing_is_found(source: str) -> None:
    assert symbols(source) == []


STATUS = [
    ("tf.no_such_thing", "unknown"),
    ("tf.nn.no_such_thing", "unknown"),
    ("tf.keras.layer.Dense", "unknown"),
    ("tf.raw_ops.BoostedTreesBucketize", "unmapped"),
    ("tf.experimental.numpy.no_such_thing", "unmapped"),
    ("tf.contrib.no_such.thing", "removed"),
    ("tf.keras.utils.conv_utils.convert_kernel", "removed"),
    ("tf.compat.v1.keras.utils.conv_utils.convert_kernel", "removed"),
    ("keras.legacy.layers.generate_legacy_interface", "removed"),
    ("tf.histogram_summary", "removed"),
    ("tf.estimator.tpu.NoSuchEstimator", "removed"),
    ("tf.python.ops.no_such_ops.thing", "private"),
    ("tf.lite.python.no_such.thing", "private"),
    ("keras.src.no_such.thing", "private"),
    ("tf._no_such_thing", "private"),
]


@pytest.mark.parametrize("name, status", STATUS)
def test_names_without_a_row_are_told_apart(name: str, status: str) -> None:
    module = name.replace("tf.", "tensorflow.", 1).partition(".")[0]
    found = scan_text(f"import {module} as {name.partition('.')[0]}\n{name}")
    assert [f.kind for f in found.findings] == [status]


def test_a_mistyped_name_gets_a_suggestion() -> None:
    (found,) = scan_text("import tensorflow as tf\ntf.reduce_meen(x)").findings
    assert "tf.reduce_mean" in found.message


def test_a_removed_name_says_who_had_it() -> None:
    source = "import keras\nkeras.utils.conv_utils.convert_kernel(x)"
    (found,) = scan_text(source).findings
    assert "Keras 2" in found.message
    assert "have not" in found.message


@pytest.mark.parametrize(
    "source",
    [
        "from tensorflow.python.ops import no_such_ops",
        "from keras.utils.conv_utils import convert_kernel\nconvert_kernel(x)",
        "from tensorflow import no_such_thing\nno_such_thing(x)\nno_such_thing.y",
        "import tensorflow.contrib.no_such as no_such",
    ],
)
def test_an_import_that_cannot_be_ported_is_reported_once(source: str) -> None:
    (found,) = scan_text(source).findings
    assert found.place.line == 1


def test_what_lies_below_a_private_import_is_reported_too() -> None:
    source = "from tensorflow.python.ops import no_such_ops\nno_such_ops.thing(x)"
    assert symbols(source) == [
        "tf.python.ops.no_such_ops",
        "tf.python.ops.no_such_ops.thing",
    ]


def test_names_are_given_as_they_are_written() -> None:
    source = "import tensorflow as tf\nL = tf.keras.layers\nL.Dense(3)\ntf.float32.max"
    assert [f.name for f in scan_text(source).findings] == ["L.Dense", "tf.float32"]


def test_places_count_characters_from_one() -> None:
    source = "import tensorflow as tf\n'ü€𝄞', tf.abs(\n  x), tf.\\\n  exp(x)"
    one, two = (f.place for f in scan_text(source).findings)
    assert one[1:5] == (2, 8, 2, 14)
    assert two[1:5] == (3, 7, 4, 6)


def test_a_quoted_annotation_has_its_place() -> None:
    source = "import tensorflow as tf\ndef f(x: 'tf.Tensor'): ..."
    (found,) = scan_text(source).findings
    assert found.place[1:5] == (2, 11, 2, 20)


def test_the_name_of_a_module_is_no_symbol() -> None:
    assert resolve("tf.keras.layers") is None
    assert resolve("tf.compat.v1") is None
    assert resolve("tf.optimizers") is None


def test_import_paths() -> None:
    assert import_path("tensorflow") == "tf"
    assert import_path("tensorflow.compat.v2.nn") == "tf.nn"
    assert import_path("keras.api._v2.keras.layers") == "keras.layers"
    assert import_path("tensorflow_hub") is None


def test_star_names_are_modules_and_symbols() -> None:
    names = star_names("tf")
    assert {"abs", "keras", "nn"} <= set(names)
    assert not any(name.startswith("_") for name in names)
