"""The acceptance test passes on the right port, and fails on each planted fault."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from migrate_examples.port.command import port
from migrate_examples.port.command.acceptance.writing import TestError as WritingError
from migrate_examples.port.command.acceptance.writing import write_test

Arrays = dict[str, NDArray[Any]]
Fault = Callable[[str, Arrays], str]
"""Changes the source, or the arrays in their place."""


def model() -> keras.Model:
    """Images and texts: each layer that a fault is planted in."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(6, activation="tanh", name="first")(x)
    x = layers.Dense(6, activation="tanh", name="second")(x)
    x = layers.Dense(6, name="third")(x)
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    y = layers.Embedding(20, 6, mask_zero=True, embeddings_initializer="normal")(tokens)
    y = layers.GRU(5)(y)
    x = layers.Dropout(0.25)(layers.Concatenate()([x, y]))
    x = layers.Dense(3, activation="softmax", name="scores")(x)
    made = keras.Model([image, tokens], x, name="both")
    rng = np.random.default_rng(0)
    for weight in made.weights:
        name = weight.path.rpartition("/")[2]
        if name in {"gamma", "moving_variance"}:
            weight.assign(rng.uniform(0.3, 1.3, weight.shape))
        elif name in {"bias", "beta", "moving_mean"}:  # negative: ReLU is to be seen
            weight.assign(rng.uniform(-1.5, 0.1, weight.shape))
    return made


def in_source(pattern: str, new: str) -> Fault:
    def change(source: str, _: Arrays) -> str:
        changed, count = re.subn(pattern, new, source, count=1)
        assert count == 1, f"{pattern} is not in\n{source}"
        return changed

    return change


def in_arrays(change: Callable[[Arrays], None]) -> Fault:
    def changed(source: str, arrays: Arrays) -> str:
        change(arrays)
        return source

    return changed


def swap(arrays: Arrays) -> None:
    a, b = arrays["second.weight"], arrays["third.weight"]
    arrays["second.weight"], arrays["third.weight"] = b, a


def transpose(arrays: Arrays) -> None:
    arrays["second.weight"] = np.ascontiguousarray(arrays["second.weight"].T)


def turn_gates(arrays: Arrays) -> None:
    name = next(name for name in arrays if "weight_ih" in name)
    arrays[name] = np.roll(arrays[name], 5, axis=0)


def go_stale(arrays: Arrays) -> None:
    arrays["first.bias"] = arrays["first.bias"] * np.float32(1.001)


def flatten_otherwise(arrays: Arrays) -> None:
    weight = arrays["first.weight"]  # (6, 4 * 2 * 2)
    turned = weight.reshape(6, 4, 2, 2).transpose(0, 2, 3, 1).reshape(6, 16)
    arrays["first.weight"] = np.ascontiguousarray(turned)


FAULTS: dict[str, tuple[Fault, str]] = {
    "eps": (in_source(r"eps=0\.001", "eps=1e-05"), "test_forward"),
    "momentum": (in_source(r"momentum=0\.01", "momentum=0.1"), "one_training_step"),
    "padding": (in_source(r"\(0, 1, 0, 1\)", "(1, 0, 1, 0)"), "test_forward"),
    "activation": (in_source(r"F\.relu\(", "("), "test_forward"),
    "softmax": (in_source(r"\.softmax\(dim=1\)", ""), "test_forward"),
    "dropout": (in_source(r"nn\.Dropout\(0\.25\)", "nn.Dropout(0.5)"), "training_step"),
    "eval": (in_source(r"model\.eval\(\)", "model"), "loaded_for_evaluation"),
    "mask": (in_source(r"\w+ != 0", "x > -1"), "test_forward"),
    "gradient": (
        in_source(r"self\.third\((.*)\)", r"self.third((\1).detach())"),
        "test_gradients",
    ),
    "frozen": (
        in_source(
            r"return model\.eval", "model.third.requires_grad_(False)\n    \\g<0>"
        ),
        "test_gradients",
    ),
    "transposed": (in_arrays(transpose), "test_weights"),
    "swapped": (in_arrays(swap), "test_weights"),
    "gates": (in_arrays(turn_gates), "test_weights"),
    "stale": (in_arrays(go_stale), "test_weights"),
    "flatten": (in_arrays(flatten_otherwise), "test_weights"),
}
"""What is planted, and a test that has to fail of it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its port, its acceptance test, and a copy of it all by fault."""
    top = tmp_path_factory.mktemp("acceptance")
    right = top / "right"
    right.mkdir()
    model().save(right / "model.keras")
    report = port(right / "model.keras", right / "ported")
    assert report.agrees, report.verdict
    notes = write_test(right / "model.keras", right / "ported", right / "test_port.py")
    assert notes == ()
    for name, (fault, _) in FAULTS.items():
        shutil.copytree(right, top / name)
        source = top / name / "ported/model.py"
        weights = source.with_name("model.safetensors")
        arrays = load_file(weights)
        source.write_text(fault(source.read_text(), arrays))
        save_file(arrays, weights)
    return top


def results(folder: Path, *files: Path, backend: str) -> dict[str, set[str]]:
    """Run tests in a process of their own; names of those that failed, by folder."""
    out = folder / f"{backend}.xml"
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--tb=short",
                "--rootdir",
                str(folder),
            ),
            *("--import-mode=importlib", "-p", "no:cacheprovider", "-c", os.devnull),
            *("-o", "pythonpath=.", "--junit-xml", str(out), *map(str, files)),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=files[0].parent,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert out.exists(), done.stdout + done.stderr
    failed: dict[str, set[str]] = {file.parent.name: set() for file in files}
    seen = dict.fromkeys(failed, 0)
    for case in ET.parse(out).iter("testcase"):
        name = case.attrib["classname"].split(".")[-2]
        seen[name] += 1
        assert case.find("skipped") is None
        if case.find("failure") is not None or case.find("error") is not None:
            failed[name].add(case.attrib["name"])
    assert set(seen.values()) == {8}, done.stdout
    return failed


@pytest.fixture(scope="module")
def failed(folder: Path) -> dict[str, set[str]]:
    files = [folder / name / "test_port.py" for name in ("right", *FAULTS)]
    return results(folder, *files, backend="torch")


def test_it_passes_on_the_right_port(folder: Path, failed: dict[str, set[str]]) -> None:
    assert failed["right"] == set()
    on_tensorflow = results(folder, folder / "right/test_port.py", backend="tensorflow")
    assert on_tensorflow == {"right": set()}


@pytest.mark.parametrize("name", FAULTS)
def test_it_fails_on_each_planted_fault(name: str, failed: dict[str, set[str]]) -> None:
    wanted = FAULTS[name][1]
    assert any(wanted in test for test in failed[name]), failed[name]


def test_it_is_formatted_and_names_no_package_of_ours(folder: Path) -> None:
    test = folder / "right/test_port.py"
    text = test.read_text()
    assert "import migrate_examples" not in text
    assert "from migrate_examples" not in text
    assert str(folder) not in text
    for asked in (["format", "--check"], ["check", "--select", "E,F,I,B,UP"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *asked, "--isolated", str(test)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_a_port_by_hand_is_tested_by_its_values(folder: Path, tmp_path: Path) -> None:
    hand = tmp_path / "by_hand"
    hand.mkdir()
    shutil.copy(folder / "right/model.keras", hand)
    shutil.copy(folder / "right/ported/model.py", hand / "net_by_hand.py")
    shutil.copy(folder / "right/ported/model.safetensors", hand)
    test = hand / "test_port.py"
    write_test(
        hand / "model.keras", hand / "model.safetensors", test, of="net_by_hand:Both"
    )
    assert "from net_by_hand import Both" in test.read_text()
    failed = results(tmp_path, test, backend="torch")
    assert failed["by_hand"] == set()


def test_what_is_asked_wrongly_is_said(folder: Path, tmp_path: Path) -> None:
    right = folder / "right"
    keras_file, ported, test = (
        *(right / "model.keras", right / "ported", right / "test_port.py"),
    )
    with pytest.raises(WritingError, match="exists: name another file"):
        write_test(keras_file, ported, test)
    with pytest.raises(WritingError, match="is no folder that"):
        write_test(keras_file, tmp_path, tmp_path / "test_port.py")
    with pytest.raises(WritingError, match="is not of the form"):
        write_test(keras_file, ported, tmp_path / "test_port.py", of="Net")
    with pytest.raises(WritingError, match="is no file of weights"):
        write_test(keras_file, ported, tmp_path / "test_port.py", of="net:Net")
    with pytest.raises(WritingError, match="is a folder"):
        write_test(keras_file, ported, tmp_path)
    assert list(tmp_path.iterdir()) == []
