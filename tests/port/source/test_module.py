"""Written files: their form, names, imports, rows, ledger, stubs, preprocessing."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers
from safetensors.torch import save_file

from migrate_examples.port.keras_graph import graph_of
from migrate_examples.port.lower.driver import lower
from migrate_examples.port.lower.split import split_preprocessing
from migrate_examples.port.source import Written, write_module
from tests.port.models_zoo import ZOO, inputs_of, randomise
from tests.port.written_case import written_of


@pytest.fixture(scope="module")
def sources() -> dict[str, Written]:
    """Each model of the zoo, written."""
    return {name: written_of(build()) for name, build in ZOO.items()}


def imported(written: Written) -> Any:
    """The module of a written file, with its weights."""
    names: dict[str, Any] = {"__file__": "model.py", "__name__": "ported"}
    exec(compile(written.text, "model.py", "exec"), names)  # what is tested
    module = names[written.name]()
    tensors = {name: torch.tensor(np.array(a)) for name, a in written.tensors.items()}
    module.load_state_dict(tensors)
    return module.eval()


def write_all(folder: Path, sources: dict[str, Written]) -> None:
    for name, written in sources.items():
        (folder / f"{name}.py").write_text(written.text, "utf-8")


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_files_are_formatted_and_clean(
    sources: dict[str, Written], tmp_path: Path
) -> None:
    write_all(tmp_path, sources)
    assert run("ruff", "format", "--isolated", "--check", ".", cwd=tmp_path) == ""
    rules = "--select=E,F,I,B,C4,PIE,RET,SIM,UP,W"
    assert run("ruff", "check", "--isolated", rules, ".", cwd=tmp_path) == ""


def test_files_are_annotated(sources: dict[str, Written], tmp_path: Path) -> None:
    write_all(tmp_path, sources)
    # What a module returns is Any for a type checker, whatever it is.
    said = run("mypy", "--strict", "--no-warn-return-any", ".", cwd=tmp_path)
    assert said == ""


def test_files_are_the_same_every_time(sources: dict[str, Written]) -> None:
    for name in ("resnet", "bilstm_mask", "transformer", "ops_graph", "own_weights"):
        keras.layers.Dense(1)  # counts on in Keras's names
        assert written_of(ZOO[name]()).text == sources[name].text


def test_files_import_nothing_of_ours(sources: dict[str, Written]) -> None:
    allowed = {"collections", "math", "pathlib", "safetensors", "torch", "typing"}
    for written in sources.values():
        for node in ast.walk(ast.parse(written.text)):
            if isinstance(node, ast.Import):
                assert {a.name.split(".")[0] for a in node.names} <= allowed
            if isinstance(node, ast.ImportFrom):
                assert str(node.module).split(".")[0] in allowed


def test_ledger_has_each_variable(sources: dict[str, Written]) -> None:
    for name, written in sources.items():
        module = imported(written)
        state = {key for key in module.state_dict() if "num_batches" not in key}
        assert state == set(written.tensors), name
        assert [entry.target for entry in written.entries] == list(written.tensors)
        kept = {source for entry in written.entries for source in entry.sources}
        assert len(kept) == len(ZOO[name]().weights), name


def test_rows_lead_to_their_lines(sources: dict[str, Written]) -> None:
    for name, written in sources.items():
        lines = written.text.splitlines()
        for row in written.rows:
            line = lines[row.line - 1]
            own = row.torch.rpartition(".")[2]
            attribute = own if own.isidentifier() else ""
            whole = " ".join(lines[row.line - 1 : row.line + 7])
            fits = attribute and attribute in line
            assert fits or line.strip(), (name, row)
            if row.torch.startswith(("F.", "torch.")):
                assert row.torch[:10] in whole, (name, row, line)


def test_rows_have_each_layer(sources: dict[str, Written]) -> None:
    layers_of_rows = {row.layer for row in sources["cnn_batch_norm"].rows}
    made = ZOO["cnn_batch_norm"]()
    assert len(layers_of_rows) == len(made.layers) - 1  # but for the input


def test_names_are_counted_anew() -> None:
    layers.Dense(1)
    x = keras.Input((3,))
    y = layers.Dense(4, name="Stem/1".replace("/", "-"))(x)
    for _ in range(2):
        y = layers.Dense(4)(y)
    text = written_of(keras.Model(x, layers.LayerNormalization()(y))).text
    for line in ("self.stem_1 =", "self.fc1 =", "self.fc2 =", "self.norm ="):
        assert line in text
    assert "class Model(nn.Module)" in text


@pytest.mark.parametrize("name", ["train", "forward", "class", "self", "3d", "F"])
def test_awkward_names_are_made_valid(name: str) -> None:
    x = keras.Input((3,), name=name)
    model = keras.Model(x, layers.Dense(2, name=f"{name}_")(x), name=name)
    y = keras.Input((2,))
    model = keras.Model(y, layers.Dense(2, name=name)(layers.Dense(3)(y)), name=name)
    got = imported(written_of(model))(torch.ones(1, 2))
    wanted = np.asarray(model(np.ones((1, 2), "float32")))
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-5)


def test_docstring_says_shapes(sources: dict[str, Written]) -> None:
    text = sources["many_ports"].text
    assert "Takes ``image``: float32 (batch, 8, 8, 3), channels last." in text
    assert "Returns ``price``: float32 (batch, 1)." in text
    assert "The Keras layer ``Encoder``." in sources["transformer"].text
    x = keras.Input((3,))
    text = written_of(keras.Model(x, layers.Dense(2)(x), name="TinyNet")).text
    assert "The Keras model ``TinyNet``." in text


def test_residual_and_skip_connections_have_names(sources: dict[str, Written]) -> None:
    assert "shortcut = " in sources["resnet"].text
    assert "skip1 = " in sources["unet"].text
    assert "branch4 = " in sources["inception"].text


def test_equal_layers_of_a_user_share_a_class(sources: dict[str, Written]) -> None:
    assert sources["transformer"].text.count("class Encoder") == 1
    assert sources["own_weights"].text.count("class Scale") == 1


def test_helpers_come_along_only_when_used(sources: dict[str, Written]) -> None:
    assert "def valid_first" in sources["bilstm_mask"].text
    assert "def valid_first" not in sources["stacked_gru"].text


def test_stub_says_what_is_missing() -> None:
    x = keras.Input((8,))
    model = keras.Model(x, layers.Dense(2)(layers.Dense(3)(x)), name="half")
    graph = graph_of(model)
    odd = replace(graph.calls[0], kind="Odd")
    graph = replace(graph, calls=(odd, *graph.calls[1:]))
    written = write_module(lower(graph, allow_stubs=True))
    assert "# STUB" in written.text
    names: dict[str, Any] = {"__file__": "model.py", "__name__": "ported"}
    exec(compile(written.text, "model.py", "exec"), names)  # what is tested
    with pytest.raises(NotImplementedError, match=odd.layer):
        names[written.name]()(torch.ones(1, 8))


def test_preprocessing_split_off_does_the_same() -> None:
    model = randomise(ZOO["preprocessing_cnn"]())
    front, rest = split_preprocessing(graph_of(model))
    assert front is not None
    module = imported(write_module(lower(rest), lower(front)))
    (image,) = inputs_of(model)
    got = module(module.preprocessing(torch.tensor(image)))
    wanted = np.asarray(model(image))
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-4, atol=1e-5)
    alone = module(torch.tensor(image)).detach().numpy()
    assert np.abs(alone - wanted).max() > 1e-2  # forward leaves it to the caller


def test_channels_first_takes_images_as_pytorch_does() -> None:
    model = randomise(ZOO["unet"]())
    module = imported(write_module(lower(graph_of(model), layout="channels_first")))
    (image,) = inputs_of(model)
    got = module(torch.tensor(image).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    wanted = np.asarray(model(image))
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-4, atol=1e-5)


def repeated_convolutions(x: Any, name: str) -> Any:
    """Units that fold into a class ``ConvBNReLU``."""
    for n in range(4):
        x = layers.Conv2D(4, 3, padding="same", name=f"{name}_{n}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_{n}_bn")(x)
        x = layers.ReLU(name=f"{name}_{n}_relu")(x)
    return x


def test_blocks_leave_the_names_of_models_alone() -> None:
    x = keras.Input((6, 6, 4))
    written = written_of(keras.Model(x, repeated_convolutions(x, "a"), name="free"))
    assert "class ConvBNReLU(nn.Module)" in written.text
    inner = keras.Model(x, repeated_convolutions(x, "a"), name="ConvBNReLU")
    y = keras.Input((6, 6, 4))
    z = repeated_convolutions(inner(inner(y)), "b")
    text = written_of(keras.Model(y, z, name="outer")).text
    assert "= ConvBNReLU()" in text
    assert "class ConvBNReLU2(nn.Module)" in text


def test_numbers_are_printed_without_noise() -> None:
    x = keras.Input((4,))
    y = layers.Dropout(0.1 * 0.75)(x) * (0.1 + 0.2) + 1 / 3
    y = layers.LeakyReLU(0.7 * 0.1)(layers.Dense(3)(y))
    text = written_of(keras.Model(x, y)).text
    assert "nn.Dropout(0.075)" in text
    assert "* 0.3 + 0.3333333333333333" in text
    assert ", 0.07)" in text


def test_second_bias_of_an_lstm_does_not_learn(
    sources: dict[str, Written], tmp_path: Path
) -> None:
    for name in ("masking_lstm", "stacked_gru", "mlp"):
        written = sources[name]
        module = imported(written)
        save_file(module.state_dict(), tmp_path / "model.safetensors")
        names: dict[str, Any] = {"__file__": str(tmp_path / "model.py")}
        exec(compile(written.text, "model.py", "exec"), names)
        loaded = names["load"]()
        frozen = {n for n, p in loaded.named_parameters() if not p.requires_grad}
        lacking = {e.target for e in written.entries if not e.sources}
        assert frozen == lacking, name
    assert "requires_grad_" in sources["masking_lstm"].text
    assert "requires_grad_" not in sources["mlp"].text
