"""Reading imports no TensorFlow, no Keras and no PyTorch."""

import subprocess
import sys
from pathlib import Path

import keras
import tensorflow as tf

PROGRAM = """
import sys
from migrate_examples.port.read import read
for path in sys.argv[1:]:
    print(sorted(read(path).arrays()))
loaded = {"tensorflow", "keras", "tf_keras", "torch", "jax"} & set(sys.modules)
assert not loaded, loaded
"""


def test_reading_in_a_fresh_process_imports_no_framework(tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="fc")])
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "c"))
    paths = [tmp_path / "m.keras", tmp_path / "m.weights.h5", prefix]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['fc/bias', 'fc/kernel']"] * 3
