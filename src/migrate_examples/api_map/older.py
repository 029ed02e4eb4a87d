"""Names that older versions of TensorFlow and Keras had, and newer ones have not.

They tell code of another time from a typing error. ``older_names.txt`` is
written by :mod:`migrate_examples.scan.older_wheels`; a few names are of before
there were wheels to read.
"""

from functools import cache
from pathlib import Path

NAMES = Path(__file__).parent / "older_names.txt"
BEFORE_WHEELS = """
tf.batch_matmul tf.complex_abs tf.concat_v2 tf.histogram_summary tf.image_summary
tf.initialize_all_tables tf.initialize_local_variables tf.inv tf.listdiff
tf.merge_all_summaries tf.merge_summary tf.models tf.mul tf.neg tf.nn.rnn tf.nn.seq2seq
tf.pack tf.scalar_summary tf.select tf.sub tf.train.SummaryWriter tf.unpack
tf.nn.bidirectional_rnn tf.nn.state_saving_rnn tf.random_ops
"""


def canonical(name: str) -> str:
    """One spelling for a name under ``tf``, ``tf.compat.v1``, ``tf.keras``, ``keras``.

    >>> canonical("tf.compat.v1.keras.layers.DenseFeatures")
    'keras.layers.DenseFeatures'
    """
    name = name.replace("tf.compat.v1.", "tf.", 1).replace("tf.compat.v2.", "tf.", 1)
    return name.removeprefix("tf.") if name.startswith("tf.keras.") else name


@cache
def older_names() -> dict[str, str]:
    """Names that are gone, with the last version looked at that had them."""
    found = dict.fromkeys(BEFORE_WHEELS.split(), "TensorFlow 0.12")
    for line in NAMES.read_text(encoding="utf-8").splitlines()[1:]:
        name, _, version = line.partition(" ")
        found[name] = version
    return found


@cache
def older_namespaces() -> frozenset[str]:
    """Modules that names lie in which are gone."""
    found: set[str] = set()
    for name in older_names():
        parts = name.split(".")
        found |= {".".join(parts[:length]) for length in range(2, len(parts))}
    return frozenset(found)


def last_had(name: str) -> str:
    """The last version that had a name, or one it lies in; empty where none had.

    >>> last_had("tf.keras.layers.DenseFeatures").startswith("tf-keras 2")
    True
    >>> last_had("tf.reduce_meen")
    ''
    """
    known = older_names()
    part = canonical(name)
    while part.count(".") > 0:
        if part in known:
            return known[part]
        part = part.rpartition(".")[0]
    return "an older version" if canonical(name) in older_namespaces() else ""
