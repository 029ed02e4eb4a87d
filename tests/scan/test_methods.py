"""What objects the scan knows, and the members it finds on them."""

import pytest

from migrate_examples.scan import scan_text
from migrate_examples.scan.methods import made_by, member, returned

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\n"


def members(source: str) -> list[str]:
    """Members that a source uses, in the order of the text; guesses marked by ``?``.

    Without their types: the map may have a row for a type or for its base.
    """
    found = scan_text(HEAD + source).findings
    return [
        f.symbol.rpartition(".")[2] + ("" if f.certain else "?")
        for f in found
        if f.category == "method"
    ]


FOUND = {
    # source -> members
    "tf.abs(x).numpy()": "numpy",
    "x = tf.abs(y)\nx.numpy()": "numpy",
    "(tf.abs(x) + 1).numpy()": "numpy",
    "(1 - tf.abs(x)).numpy()": "numpy",
    "(-tf.abs(x)).numpy()": "numpy",
    "(tf.abs(x) > 0).numpy()": "numpy",
    "tf.abs(x)[0, ..., None].numpy()": "numpy",
    "(tf.abs(x) if a else b).numpy()": "numpy",
    "(a or tf.abs(x)).numpy()": "numpy",
    "q, r = tf.linalg.qr(x)\nr.numpy()": "numpy",
    "a, *b = tf.split(x, 3)\nb[0].numpy()": "numpy",
    "x = y = tf.abs(z)\ny.numpy()": "numpy",
    "x = tf.abs(z)\nx += 1\nx.numpy()": "numpy",
    "for x in tf.abs(y):\n    x.numpy()": "numpy",
    "[x.numpy() for x in tf.unstack(y)]": "numpy",
    "for a, b in zip(tf.abs(x), c):\n    a.numpy()": "numpy",
    "xs = [tf.abs(a), tf.abs(b)]\nxs[1].numpy()": "numpy",
    "xs = [tf.abs(a) for a in b]\nxs[-1].numpy()": "numpy",
    "tf.abs(x).get_shape().as_list()": "get_shape as_list",
    "tf.abs(x).shape.as_list()": "shape as_list",
    "def f(x: tf.Tensor):\n    x.numpy()": "numpy",
    "def f(x: 'tf.Tensor | None' = None):\n    x.numpy()": "numpy",
    "from typing import Optional\ndef f(x: Optional[tf.Tensor]):\n    x.numpy()": (
        "numpy"
    ),
    "v = tf.Variable(1.0)\nv.assign(2.0)\nv.numpy()": "assign numpy",
    "keras.layers.Dense(3)(x).numpy()": "numpy",
    "d = keras.layers.Dense(3)\nd.build(s)\nd(x).numpy()": "build numpy",
    "m = keras.Sequential()\nm.add(l)\nm.summary()": "add summary",
    "m = keras.applications.ResNet50()\nm.trainable = False": "trainable",
    "m = keras.models.load_model('m')\nm.predict(x)": "predict",
    "m = keras.Model(a, b)\nm(x).numpy()": "numpy",
    "m = keras.Model(a, b)\nm.layers[0].get_weights()": "layers get_weights",
    "h = keras.Model(a, b).fit(x)\nh.history": "fit history",
    "with tf.GradientTape() as t:\n    t.watch(x)": "watch",
    "t = tf.GradientTape()\nwith t:\n    pass\nt.gradient(a, b)": ("gradient"),
    "o = keras.optimizers.Adam()\no.apply_gradients(g)": "apply_gradients",
    "o = keras.optimizers.Adam()\no.iterations.numpy()": ("iterations numpy"),
    "d = tf.data.Dataset.range(3).batch(2)\nd.take(1)": "batch take",
    "d = tf.data.Dataset.range(3)\nfor x in d:\n    x.numpy()": "numpy",
    "d = tf.data.Dataset.range(3)\nd = d.map(lambda x: x.shape)": ("map shape"),
    "def f(x): return x.shape\ntf.data.Dataset.range(3).map(f)": ("shape map"),
    "def f(): return tf.data.Dataset.range(3)\nf().batch(2)": "batch",
    "def f():\n    yield tf.abs(x)\nfor y in f():\n    y.numpy()": "numpy",
    "@tf.function\ndef f(x): return tf.abs(x)\nf.get_concrete_function()": (
        "get_concrete_function"
    ),
    "f = tf.function(g)\nf.get_concrete_function()": "get_concrete_function",
    "s = tf.compat.v1.Session()\ns.run(x)": "run",
    "with tf.compat.v1.Session() as s:\n    s.run(x)": "run",
    "l = keras.losses.Huber()\nl(a, b).numpy()": "numpy",
    "m = keras.metrics.Mean()\nm.update_state(x)": "update_state",
    "class A(keras.Model):\n    def call(self, x): return x.shape": ("call shape"),
    "class A(keras.layers.Layer):\n    def f(self): self.add_weight()": ("add_weight"),
    "class A(keras.Model): ...\nclass B(A):\n    def call(self, x): ...": "call",
    "class A(keras.Model): ...\nA().fit(x)": "fit",
    "class A(keras.Model): ...\nA()(x).numpy()": "numpy",
    "class A:\n    def __init__(self): self.m = keras.Model(a, b)\n"
    "    def f(self): self.m.fit(x)": "fit",
    "class A:\n    def make(self): return keras.Model(a, b)\n"
    "    def f(self): self.make().fit(x)": "fit",
    "class A:\n    @property\n    def m(self): return keras.Model(a, b)\n"
    "    def f(self): self.m.fit(x)": "fit",
    "class A(keras.Model):\n    def f(self): super().fit(x)": "fit",
    "unknown.apply_gradients(g)": "apply_gradients?",
    "unknown.compile(loss=l)": "compile?",
    "unknown.fit(x, epochs=3).history": "fit? history",
    "unknown.map(f, num_parallel_calls=3).batch(2)": "map? batch",
    "getattr(tf.abs(x), 'numpy')()": "numpy",
    "try:\n    x = tf.abs(y)\nexcept E:\n    x = None\nx.numpy()": "numpy",
    "while a:\n    x = tf.abs(y)\nx.numpy()": "numpy",
}

NOTHING = [
    "unknown.fit(x)",
    "unknown.map(f)",
    "unknown.batch(3)",
    "unknown.compile('x')",
    "unknown.run(x)",
    "unknown.shape",
    "import numpy as np\nnp.abs(x).fit(y)",
    "tf.abs(x).no_such_method()",
    "keras.Model(a, b).no_such_method()",
    "import torch\nunknown.numpy()",
    "tf.device('/cpu:0').fit(x)",
    "class A(keras.Model):\n    def __init__(self): self.loss = 3\n"
    "    def f(self): return self.loss",
    "class A(keras.Model):\n    def f(self): return self.loss\n"
    "    def g(self): self.loss = 3",
    "class A(keras.Model):\n    metrics = []\n    def f(self): return self.metrics",
    "class A:\n    def fit(self): ...\nA().fit(x)",
    "class A:\n    def call(self, x): return x.shape",
    "x = tf.abs(y)\nx = 3\nx.get_config()",
    "def f(x): return x\nf(tf.abs(y)).foo",
]


@pytest.mark.parametrize("source, expected", FOUND.items())
def test_members_are_found(source: str, expected: str) -> None:
    assert members(source) == expected.split()


@pytest.mark.parametrize("source", NOTHING)
def test_no_member_is_found(source: str) -> None:
    assert members(source) == []


def test_without_tensorflow_nothing_is_guessed() -> None:
    source = "# about keras\nunknown.apply_gradients(g)\nunknown.fit(x, epochs=3)"
    assert scan_text(source).findings == ()


@pytest.mark.parametrize(
    "symbol, kind",
    [
        ("keras.layers.Dense", "Layer"),
        ("keras.layers.add", "Tensor"),
        ("keras.applications.ResNet50", "Model"),
        ("keras.applications.resnet50.preprocess_input", ""),
        ("keras.optimizers.schedules.CosineDecay", "Schedule"),
        ("tf.distribute.MirroredStrategy", "Strategy"),
        ("tf.distribute.ReduceOp", ""),
        ("tf.sparse.to_dense", "Tensor"),
        ("tf.sparse.slice", "SparseTensor"),
        ("tf.contrib.slim.conv2d", "Tensor"),
        ("tf.executing_eagerly", ""),
        ("tf.io.gfile.glob", ""),
    ],
)
def test_what_calls_make(symbol: str, kind: str) -> None:
    assert made_by(symbol) == kind


def test_members_of_a_type_are_those_of_its_family() -> None:
    assert returned("Sequential", "fit") == "History"
    found = member("Sequential", "get_weights")
    assert found is not None
    assert found.symbol.endswith(".get_weights")
    assert member("Sequential", "__init__") is None
    assert member("", "shape") is None
