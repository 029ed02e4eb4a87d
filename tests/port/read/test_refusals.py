"""What cannot be read, or must not be: one sentence with the file and the entry."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

from migrate_examples.port.read import ReadError, check_config, read

L = keras.layers


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.keras"
    keras.Sequential([keras.Input((4,)), L.Dense(3, name="fc")]).save(path)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, parts: dict[str, bytes], *, packed: bool = False) -> Path:
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


FOREIGN = [
    (b"\x80\x04\x95hello", "a pickle"),
    (b"\x1c\0\0\0TFL3rest", "TensorFlow Lite"),
    (b"\x08\x08\x12\x07pytorch\x1a", "ONNX"),
    (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    (b"\n<!DOCTYPE html><html>404", "a web page"),
    (b"", "an empty file"),
    (b"\x1f\x8b\x08rest", "gzip"),
    (b"\x93NUMPY\x01\0", "NumPy"),
    (b"GGUF\x03", "GGUF"),
    (b"what is this?", "no known kind"),
]


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.npz", "m.weights.h5"])
@pytest.mark.parametrize("content,what", FOREIGN)
def test_a_foreign_file_is_called_by_its_kind(
    content: bytes, what: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReadError, match=what) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_a_file_of_pytorch_is_not_unpickled(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "m.keras")
    with pytest.raises(ReadError, match="PyTorch"):
        read(tmp_path / "m.keras")


class Trap:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was run",))


def test_pickled_objects_in_an_npz_are_skipped(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        data, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    data.write(pickle.dumps(Trap()))
    plain = io.BytesIO()
    np.save(plain, np.ones(2))
    parts = {"bad.npy": data.getvalue(), "good.npy": plain.getvalue()}
    archive = read(write(tmp_path / "m.npz", parts))
    assert len(archive.arrays()) == 1
    assert any("bad" in line and "pickle" in line for line in archive.skipped)


def test_an_npz_whose_shape_lies(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        data, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**3)}
    )
    with pytest.raises(ReadError, match="4000000000000 bytes"):
        read(write(tmp_path / "m.npz", {"w.npy": data.getvalue()}))


def test_a_path_that_leads_out_of_the_archive(whole: Path, tmp_path: Path) -> None:
    for name in ("../evil", "/etc/evil", "a/../../evil", "..\\evil"):
        with pytest.raises(ReadError, match="leads out"):
            read(write(tmp_path / "m.keras", {**parts_of(whole), name: b""}))


def test_an_entry_that_occurs_twice(whole: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "m.keras", parts_of(whole))
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("config.json", b"{}")
    with pytest.raises(ReadError, match=r"config\.json: this entry occurs twice"):
        read(path)


def test_an_encrypted_entry(whole: Path, tmp_path: Path) -> None:
    data = bytearray(whole.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    (tmp_path / "m.keras").write_bytes(data)
    with pytest.raises(ReadError, match="is encrypted"):
        read(tmp_path / "m.keras")


def test_a_zip_bomb(whole: Path, tmp_path: Path) -> None:
    parts = {**parts_of(whole), "model.weights.h5": bytes(1 << 27)}
    path = write(tmp_path / "m.keras", parts, packed=True)
    assert path.stat().st_size < 1 << 18
    with pytest.raises(ReadError, match="would grow to 134217728"):
        read(path)


@pytest.mark.parametrize("entry", ["config.json", "model.weights.h5"])
def test_a_missing_entry(entry: str, whole: Path, tmp_path: Path) -> None:
    parts = parts_of(whole)
    del parts[entry]
    with pytest.raises(ReadError, match=entry):
        read(write(tmp_path / "m.keras", parts))


def with_weights(whole: Path, target: Path, edit: Any) -> Path:
    parts = parts_of(whole)
    data = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(data, "a") as file:
        edit(file)
    return write(target, {**parts, "model.weights.h5": data.getvalue()})


KERNEL = "layers/dense/vars/0"


def external(file: Any) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file: Any) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/layers/dense/vars/1")


def outside(file: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (4, 3), "f4", external=[("/etc/hostname", 0, 48)])


def virtual(file: Any) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4, 3))
    file.create_virtual_dataset(KERNEL, layout)


def enormous(file: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (1 << 20, 1 << 20), "f4", chunks=(64, 64))


def never_written(file: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (1 << 14, 1 << 14), "f4")


def other_shape(file: Any) -> None:
    del file[KERNEL]
    file[KERNEL] = np.zeros((4, 5), "f4")


def words(file: Any) -> None:
    del file[KERNEL]
    file[KERNEL] = np.array([b"a", b"b"], object)


def one_more(file: Any) -> None:
    file["layers/dense_1/vars/0"] = np.zeros(3, "f4")


def gap(file: Any) -> None:
    file.move(KERNEL, "layers/dense/vars/7")


@pytest.mark.parametrize(
    "edit,said",
    [
        (external, "leads to another file"),
        (soft, "leads to another file or place"),
        (outside, "lie in another file"),
        (virtual, "lie in another file"),
        (enormous, "which is no array"),
        (never_written, "which has 0 for it"),
        (other_shape, r"shape \(4, 5\) is not that of the config, \(any, 3\)"),
        (words, "are no numbers"),
        (one_more, "layers/dense_1: arrays of a layer that the config does not know"),
        (gap, "vars/0 is missing"),
    ],
)
def test_weights_that_lead_elsewhere_or_lie(
    edit: Any, said: str, whole: Path, tmp_path: Path
) -> None:
    path = with_weights(whole, tmp_path / "m.keras", edit)
    with pytest.raises(ReadError, match=said) as caught:
        read(path)
    assert "m.keras" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_shard(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((20,)), L.Dense(30), L.Dense(20)])
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=3e-6)
    shards = sorted(tmp_path.glob("*.h5"))
    assert len(shards) > 1
    shards[-1].unlink()
    with pytest.raises(ReadError, match=f"{shards[-1].name} is missing"):
        read(tmp_path / "m.weights.json")


def test_a_shard_outside_the_folder(tmp_path: Path) -> None:
    listed = {"weight_map": {"/layers/dense/vars": "../other.h5"}}
    (tmp_path / "m.weights.json").write_text(json.dumps(listed))
    with pytest.raises(ReadError, match="beside their list"):
        read(tmp_path / "m.weights.json")


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="there is no such file"):
        read(tmp_path / "none.h5")
    with pytest.raises(ReadError, match="without a SavedModel"):
        read(tmp_path)


# Configs ------------------------------------------------------------------------


def lambda_model(path: Path) -> Path:
    layer = L.Lambda(lambda x: x * 2, name="twice", output_shape=(4,))
    keras.Sequential([keras.Input((4,)), layer, L.Dense(3)]).save(path)
    return path


def test_the_body_of_a_lambda_is_skipped_and_refused(tmp_path: Path) -> None:
    archive = read(lambda_model(tmp_path / "m.keras"))
    assert any("function is a program" in line for line in archive.skipped)
    assert len(archive.arrays()) == 2
    assert archive.config is not None
    with pytest.raises(ReadError, match="body of a function"):
        check_config(archive.config)


@pytest.mark.parametrize(
    "module,name", [("os", "system"), ("builtins", "eval"), ("kerasx", "Layer")]
)
def test_other_modules_are_refused(module: str, name: str) -> None:
    inner = {"module": module, "class_name": name, "config": {}}
    config = {"class_name": "Sequential", "config": {"layers": [inner]}}
    with pytest.raises(ReadError, match=f"{module}.{name}"):
        check_config(config)
    check_config(config, allowed={name})
    check_config(config, allowed={module})


def test_functions_of_other_modules_are_refused() -> None:
    function = {
        "module": "os", "class_name": "function", "config": "system",
        "registered_name": "function",
    }  # fmt: skip
    with pytest.raises(ReadError, match=r"os\.system"):
        check_config({"class_name": "Dense", "config": {"activation": function}})
    with pytest.raises(ReadError, match=r"os\.system"):
        check_config({"config": function}, allowed={"function"})


@pytest.mark.parametrize(
    "part,said",
    [
        ({"class_name": "TorchModuleWrapper", "module": "keras.layers"}, "unpickles"),
        ({"class_name": "TFSMLayer", "module": "keras.layers"}, "runs a SavedModel"),
        (
            {
                "class_name": "function",
                "module": "tensorflow.io",
                "config": "write_file",
            },
            "write_file",
        ),
        (
            {"class_name": "function", "module": "keras.utils", "config": "get_file"},
            "get_file",
        ),
        (
            {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
            "/etc/passwd",
        ),
    ],
)
def test_what_runs_or_opens_other_files_is_refused(
    part: dict[str, Any], said: str
) -> None:
    with pytest.raises(ReadError, match=said):
        check_config({"class_name": "Sequential", "config": {"layers": [part]}})


def test_functions_of_keras_pass() -> None:
    function = {"class_name": "function", "module": "keras.activations"}
    check_config({"activation": {**function, "config": "relu"}})


def test_models_of_keras_pass(whole: Path) -> None:
    config = read(whole).config
    assert config is not None
    check_config(config)


def test_a_config_nested_without_end(whole: Path, tmp_path: Path) -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    path = write(tmp_path / "m.keras", {**parts_of(whole), "config.json": deep})
    with pytest.raises(ReadError, match=r"config.json"):
        read(path)


def test_sizes_of_a_safetensors_file_are_checked(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ReadError, match="safetensors"):
        read(path)


@pytest.mark.parametrize("length", [0, 1 << 63, (1 << 64) - 8])
def test_a_heap_in_which_hdf5_would_walk_without_end(
    length: int, tmp_path: Path
) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}" * 100
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    second = heap + 16 + 16 + 200  # the free rest, after one string of 200
    data[second + 8 : second + 16] = length.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(ReadError, match="leaves the heap"):
        read(path)


def test_a_string_longer_than_its_file(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}" * 100
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL").to_bytes(8, "little")
    place = data.index((200).to_bytes(4, "little") + heap)
    data[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(ReadError, match="says 4294967295 bytes"):
        read(path)
