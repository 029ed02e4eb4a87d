"""From a file to a folder: what is written, verified, refused, and left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from migrate_examples.cli import main
from migrate_examples.port.command import port
from migrate_examples.port.command.loading import LoadError, compare_weights, open_file
from migrate_examples.port.read import read

CUSTOM = """import keras


@keras.saving.register_keras_serializable("own")
class Twice(keras.Model):
    def __init__(self, units=4, **keywords):
        super().__init__(**keywords)
        self.units = units
        self.inner = keras.layers.Dense(units, activation="relu")
        self.outer = keras.layers.Dense(3)

    def call(self, x):
        return self.outer(self.inner(x) + self.inner(2 * x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}
"""


def image_model() -> keras.Model:
    keras.utils.set_random_seed(2)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ],
        name="images",
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "images.keras"
    image_model().save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_command_writes_verifies_and_replaces(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ported"
    asked = ["port", str(file), "-o", str(out), "--quiet"]
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{out}: agrees: largest error ")
    assert shown.err == ""
    files = ["model.py", "model.safetensors", "report.html", "report.json"]
    assert names(out) == files
    report = json.loads((out / "report.json").read_text())
    assert report["source"] == "images.keras"
    assert report["agrees"] is True
    assert report["unused"] == []
    assert [one["kind"] for one in report["layers"]] == [
        *("Rescaling", "Conv2D", "Flatten", "Dense", "output")
    ]
    assert all(one["error_float64"] < 1e-6 for one in report["layers"])
    assert len(report["gradients"]) == 5
    assert set(report["files"]) == set(files) - {"report.json"}
    for name in files:
        assert str(tmp_path).encode() not in (out / name).read_bytes()
    assert main(asked) == 2
    assert "exists: name another folder" in capsys.readouterr().err
    assert main([*asked, "--force", "--no-verify", "--class-name", "Mine"]) == 0
    assert "not verified" in capsys.readouterr().out
    assert "class Mine(" in (out / "model.py").read_text()


def test_channels_first_and_preprocessing_apart_agree_too(
    file: Path, tmp_path: Path
) -> None:
    report = port(
        file, tmp_path / "a", layout="channels_first", split_preprocessing=True
    )
    assert report.agrees, report.verdict
    assert "preprocessing" in (tmp_path / "a/model.py").read_text()


def test_what_is_ported_wrongly_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        before = names(tmp_path)
        assert main(["port", *arguments, "-o", str(tmp_path / "out")]) == 2
        assert names(tmp_path) == before
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1 + said.err.count("migrate-examples: executing")
        return said.err

    weights = tmp_path / "net.weights.h5"
    image_model().save_weights(weights)
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "notes.keras").write_text("notes")
    assert "there is no such file" in refused(str(tmp_path / "none.keras"))
    assert "a file of weights" in refused(str(weights))
    for name in ("broken.keras", "notes.keras"):
        assert name in refused(str(tmp_path / name))
    assert "no name of a class" in refused(str(weights), "--class-name", "1st")
    assert "is no Python module" in refused(str(weights), "--custom", "none.py")


def test_a_lambda_is_never_executed(tmp_path: Path) -> None:
    made = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)])
    made.save(tmp_path / "net.keras")
    with pytest.raises(ValueError, match="never run"):
        port(tmp_path / "net.keras", tmp_path / "out")
    assert names(tmp_path) == ["net.keras"]


def test_layers_that_are_not_supported_are_listed_or_stubs(tmp_path: Path) -> None:
    made = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Solarization(name="sun"),
            keras.layers.AutoContrast(name="even"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    with pytest.raises(NotImplementedError) as error:
        port(made, tmp_path / "out")
    assert "sun: Solarization(" in str(error.value)
    assert "even: AutoContrast(" in str(error.value)
    assert names(tmp_path) == []
    report = port(made, tmp_path / "out", allow_stubs=True)
    assert report.agrees is None
    assert "stub to write: sun (Solarization)" in report.skipped


def test_a_models_own_classes_are_named_by_custom(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(CUSTOM)
    save = (
        "import own, numpy; m = own.Twice(name='twice')\n"
        "m(numpy.zeros((1, 5), 'float32')); m.save('twice.keras')"
    )
    subprocess.run(
        [sys.executable, "-c", save],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    with pytest.raises(ValueError, match=r"twice\.keras: .*--custom FILE"):
        port(tmp_path / "twice.keras", tmp_path / "out")
    report = port(
        tmp_path / "twice.keras", tmp_path / "out", custom=tmp_path / "own.py"
    )
    assert report.agrees, report.verdict


def test_weights_that_keras_loads_otherwise_are_refused(file: Path) -> None:
    model: Any = keras.saving.load_model(file, compile=False)
    assert compare_weights(file, model, read(file)) == []
    kernel = model.weights[0]
    changed = kernel.numpy().copy()
    changed[0, 0, 0, 0] = np.nextafter(changed[0, 0, 0, 0], np.float32(9))
    kernel.assign(changed)
    with pytest.raises(LoadError, match=r"kernel \(3, 3, 3, 4\) with values"):
        compare_weights(file, model, open_file(file))
