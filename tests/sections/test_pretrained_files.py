"""Pre-trained models: files of weights, and every way to get them that can fail."""

import hashlib
import http.server
import io
import os
import pickle
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError

import h5py
import keras
import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from migrate_examples.pretrained import in_pytorch, in_tensorflow

WIDTH = 0.35  # the smallest member, 0.4 million weights


# ---------------------------------------------------------------- the two sides


class Side(NamedTuple):
    """One framework: its twins, and a small network of layers of given sizes."""

    twins: Any
    suffix: str
    network: Callable[..., Any]
    values: Callable[[Any], list[np.ndarray]]


def keras_network(*sizes: int) -> keras.Model:
    layers = [keras.layers.Dense(size) for size in sizes[1:]]
    return keras.Sequential([keras.Input((sizes[0],)), *layers])


def torch_network(*sizes: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))


SIDES = {
    "tensorflow": Side(
        in_tensorflow, ".weights.h5", keras_network, lambda m: m.get_weights()
    ),
    "pytorch": Side(
        in_pytorch,
        ".pth",
        torch_network,
        lambda m: [w.numpy().copy() for w in m.state_dict().values()],
    ),
}


@pytest.fixture(params=list(SIDES))
def side(request: pytest.FixtureRequest) -> Side:
    return SIDES[request.param]


@pytest.fixture
def saved(side: Side, tmp_path: Path) -> Path:
    """A sound file of weights of a network 3-4-2."""
    path = tmp_path / f"sound{side.suffix}"
    side.twins.save_weights(side.network(3, 4, 2), path)
    return path


def same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


# ------------------------------------------------------------- a loopback server


class Server(NamedTuple):
    """What it answers by path (status, body, claimed length), and what was asked."""

    url: str
    pages: dict[str, tuple[int, bytes, int]]
    asked: list[str]


@pytest.fixture
def server() -> Iterator[Server]:
    pages: dict[str, tuple[int, bytes, int]] = {}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            missing = (404, b"<html>no such page</html>", 25)
            status, body, length = pages.get(self.path, missing)
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{listening.server_port}", pages, asked)
        listening.shutdown()
        thread.join()


def offer(server: Server, name: str, body: bytes, claimed: int | None = None) -> str:
    server.pages[f"/{name}"] = (200, body, len(body) if claimed is None else claimed)
    return f"{server.url}/{name}"


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def refused(twins: Any, match: str) -> Iterator[pytest.ExceptionInfo[RuntimeError]]:
    """Expects the twin's error; closes the response in it, else a warning follows."""
    with pytest.raises(twins.WeightsError, match=match) as caught:
        yield caught
    error: BaseException | None = caught.value
    while error:
        if isinstance(error, HTTPError):
            error.close()
        error = error.__cause__ or error.__context__


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


# ----------------------------------------- the libraries' own weights and caches


def test_mobilenet_is_seeded_and_needs_no_network(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    build = side.twins.mobilenet
    first, again, other = (build(width=WIDTH, classes=7, seed=s) for s in (3, 3, 4))
    assert same(side.values(first), side.values(again))
    assert not same(side.values(first), side.values(other))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TORCH_HOME of this test; the checkpoints in it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def full() -> tuple[bytes, nn.Module]:
    """A state_dict of the size of the ImageNet weights, as a file."""
    model = in_pytorch.mobilenet(seed=9)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.getvalue(), model


def test_mobilenet_takes_the_file_in_the_hub_cache(
    hub: Path, full: tuple[bytes, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.mkdir(parents=True)
    weights = models.MobileNet_V2_Weights.IMAGENET1K_V2
    (hub / weights.url.rpartition("/")[2]).write_bytes(full[0])
    monkeypatch.setattr(socket.socket, "connect", None)  # no way out
    for name in ("IMAGENET1K_V2", "DEFAULT", "MobileNet_V2_Weights.DEFAULT"):
        model = in_pytorch.mobilenet(name)
        values = SIDES["pytorch"].values
        assert same(values(model), values(full[1]))


def test_mobilenet_downloads_and_checks_the_hash(
    hub: Path,
    full: tuple[bytes, nn.Module],
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body, source = full
    prefix = hashlib.sha256(body).hexdigest()[:8]
    weights = models.MobileNet_V2_Weights.IMAGENET1K_V1.value
    monkeypatch.setattr(weights, "url", offer(server, "m-00000000.pth", body))
    with pytest.raises(in_pytorch.WeightsError, match=r"V1.*invalid hash[\s\S]*hub"):
        in_pytorch.mobilenet("IMAGENET1K_V1")
    assert files(hub) == []
    monkeypatch.setattr(weights, "url", offer(server, f"m-{prefix}.pth", body))
    for _ in range(2):  # the second from the cache
        model = in_pytorch.mobilenet("IMAGENET1K_V1")
    values = SIDES["pytorch"].values
    assert same(values(model), values(source))
    assert server.asked == ["/m-00000000.pth", f"/m-{prefix}.pth"]


def test_mobilenet_takes_the_file_in_the_keras_cache(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras.src.applications import mobilenet_v2
    from keras.src.backend import config
    from keras.src.legacy.saving import legacy_h5_format

    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"{server.url}/")
    with refused(in_tensorflow, r"imagenet.*404"):
        in_tensorflow.mobilenet("imagenet", width=WIDTH)
    assert files(tmp_path / "models") == []
    source = in_tensorflow.mobilenet(width=WIDTH, seed=8)
    name = server.asked[0].rpartition("/")[2]
    with h5py.File(tmp_path / "models" / name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, source)
    model = in_tensorflow.mobilenet("imagenet", width=WIDTH)
    assert same(model.get_weights(), source.get_weights())
    assert len(server.asked) == 1


@pytest.mark.parametrize("weights", ["imagnet", "IMAGENET1K_V9"])
def test_mobilenet_names_what_is_unknown(side: Side, weights: str, hub: Path) -> None:
    with pytest.raises(side.twins.WeightsError, match=weights):
        side.twins.mobilenet(weights)
    assert files(hub) == []


# ---------------------------------------------------------------- save and load


def test_save_weights_and_load_weights_return_every_value(
    side: Side, tmp_path: Path
) -> None:
    source, target = side.network(3, 4, 2), side.network(3, 4, 2)
    path = tmp_path / f"model{side.suffix}"
    assert not same(side.values(source), side.values(target))
    for _ in range(2):  # the second replaces the first
        side.twins.save_weights(source, path)
    side.twins.load_weights(target, path)
    assert same(side.values(source), side.values(target))
    assert files(tmp_path) == [path]


def test_save_weights_of_a_whole_mobilenet(side: Side, tmp_path: Path) -> None:
    build = side.twins.mobilenet
    path = tmp_path / f"model{side.suffix}"
    source, target = (build(width=WIDTH, classes=7, seed=s) for s in (1, 2))
    side.twins.save_weights(source, path)
    side.twins.load_weights(target, path)
    assert same(side.values(source), side.values(target))


@pytest.mark.parametrize("place", ["nowhere", "file"])
def test_save_weights_explains_a_bad_path(
    side: Side, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / place / f"model{side.suffix}"
    with pytest.raises(side.twins.WeightsError, match="writable folder") as caught:
        side.twins.save_weights(side.network(3, 2), path)
    assert str(path) in str(caught.value)
    assert files(tmp_path) == [tmp_path / "file"]


def test_save_weights_keeps_the_old_file_when_it_fails(
    side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"model{side.suffix}"
    model = side.network(3, 2)
    side.twins.save_weights(model, path)
    before = path.read_bytes()

    def half(*arguments: object) -> None:
        target = next(a for a in arguments if isinstance(a, Path))
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    monkeypatch.setattr(type(model), "save_weights", half, raising=False)
    with pytest.raises(side.twins.WeightsError, match="No space left"):
        side.twins.save_weights(model, path)
    assert path.read_bytes() == before
    assert files(tmp_path) == [path]


@pytest.mark.parametrize(
    "sizes, complaints",
    [
        ((3, 4, 5), ["2 of another shape", "(4, 5)|(5, 4)", "(4, 2)|(2, 4)"]),
        ((3, 4), ["2 unexpected"]),
        ((3, 4, 2, 6), ["2 missing"]),
        ((4, 4, 5, 1), ["2 missing", "3 of another shape"]),
    ],
)
def test_load_weights_of_another_model_loads_nothing(
    side: Side, saved: Path, sizes: tuple[int, ...], complaints: list[str]
) -> None:
    model = side.network(*sizes)
    before = side.values(model)
    before = [value.copy() for value in before]
    with pytest.raises(side.twins.WeightsError) as caught:
        side.twins.load_weights(model, saved)
    text = str(caught.value)
    assert str(saved) in text
    for complaint in complaints:
        assert any(option in text for option in complaint.split("|")), text
    assert same(side.values(model), before)


def test_load_weights_prevents_what_the_libraries_do(tmp_path: Path) -> None:
    """The reason for the check: both libraries load a part, and raise or do not."""
    ours, theirs = keras_network(3, 4, 2), torch_network(3, 4, 2)
    in_tensorflow.save_weights(ours, tmp_path / "wide.weights.h5")
    wide_tf, wide_torch = keras_network(3, 4, 5), torch_network(3, 4, 5)
    assert not np.array_equal(wide_tf.weights[0], ours.weights[0])
    with pytest.raises(ValueError, match="1 objects could not be loaded"):
        wide_tf.load_weights(tmp_path / "wide.weights.h5")
    np.testing.assert_array_equal(wide_tf.weights[0], ours.weights[0])
    with pytest.raises(RuntimeError, match="size mismatch"):
        wide_torch.load_state_dict(theirs.state_dict())
    assert torch.equal(
        wide_torch.state_dict()["0.weight"], theirs.state_dict()["0.weight"]
    )
    short = keras_network(3, 4)
    short.load_weights(tmp_path / "wide.weights.h5")  # not a word about the rest


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><html><body>Please log in</body></html>",
        b"\x89HDF\r\n\x1a\n cut short",
        b"PK\x03\x04 cut short",
        pickle.dumps({"weight": [1.0, 2.0]}),
    ],
    ids=["empty", "html", "hdf5", "zip", "pickle"],
)
def test_load_weights_refuses_what_is_no_file_of_weights(
    side: Side, tmp_path: Path, body: bytes
) -> None:
    path = tmp_path / f"wrong{side.suffix}"
    path.write_bytes(body)
    model = side.network(3, 4, 2)
    before = [value.copy() for value in side.values(model)]
    with pytest.raises(side.twins.WeightsError, match="Get the file") as caught:
        side.twins.load_weights(model, path)
    assert str(path) in str(caught.value)
    assert same(side.values(model), before)


def test_load_weights_names_a_file_that_is_not_there(
    side: Side, tmp_path: Path
) -> None:
    for path in (tmp_path / f"none{side.suffix}", tmp_path):
        with pytest.raises(side.twins.WeightsError, match=str(path)):
            side.twins.load_weights(side.network(3, 2), path)


def test_load_weights_refuses_a_training_checkpoint(tmp_path: Path) -> None:
    model = torch_network(3, 2)
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": model.state_dict(), "epoch": 3}, path)
    with pytest.raises(in_pytorch.WeightsError, match="more than named tensors"):
        in_pytorch.load_weights(model, path)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_load_weights_does_not_run_a_pickle(
    side: Side, tmp_path: Path, form: str
) -> None:
    trace = tmp_path / "ran"
    path = tmp_path / f"bad{side.suffix}"
    if form == "plain":
        path.write_bytes(pickle.dumps({"0.weight": Payload(trace)}))
    else:
        torch.save(
            {"0.weight": Payload(trace)},
            path,
            _use_new_zipfile_serialization=form == "zip",
        )
    for act in (
        lambda: side.twins.load_weights(side.network(3, 2), path),
        lambda: side.twins.download_weights(path.as_uri(), tmp_path / "kept"),
    ):
        with pytest.raises(side.twins.WeightsError):
            act()
        assert not trace.exists()
    assert files(tmp_path / "kept") == []
    # the payload is live: whoever unpickles the file runs it
    if form == "plain":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert trace.is_dir()


# ------------------------------------------------------------------- downloading


def test_download_weights_asks_once(
    side: Side, saved: Path, tmp_path: Path, server: Server
) -> None:
    body = saved.read_bytes()
    url = offer(server, f"{saved.name}?version=2", body)
    folder = tmp_path / "new" / "cache"
    digest = hashlib.sha256(body).hexdigest()
    for sha256 in ("", digest[:8], digest):
        path = side.twins.download_weights(url, folder, sha256)
        assert path == folder / saved.name
        assert path.read_bytes() == body
        assert files(folder) == [path]
    assert server.asked == [f"/{saved.name}?version=2"]


def test_download_weights_replaces_a_file_of_another_hash(
    side: Side, saved: Path, tmp_path: Path, server: Server
) -> None:
    body = saved.read_bytes()
    url = offer(server, saved.name, body)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / saved.name).write_bytes(b"an older version")
    path = side.twins.download_weights(url, folder, hashlib.sha256(body).hexdigest())
    assert path.read_bytes() == body
    assert files(folder) == [path]


def test_download_weights_follows_the_home_of_its_library(
    side: Side, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    path = side.twins.download_weights(saved.as_uri())
    inside = {".pth": "hub/checkpoints", ".weights.h5": "models"}[side.suffix]
    assert path == tmp_path / "home" / inside / saved.name
    side.twins.load_weights(side.network(3, 4, 2), path)


FAILURES = ["404", "refused", "truncated", "hash", "html", "scheme", "no name"]


@pytest.mark.parametrize("failure", FAILURES)
def test_download_weights_keeps_nothing_when_it_fails(
    side: Side,
    saved: Path,
    tmp_path: Path,
    server: Server,
    closed_port: int,
    failure: str,
) -> None:
    body = saved.read_bytes()
    name = saved.name
    sha256 = "0123abcd" if failure == "hash" else ""
    url, cause = {
        "404": (f"{server.url}/missing{side.suffix}", "404"),
        "refused": (f"http://127.0.0.1:{closed_port}/{name}", "refused"),
        "truncated": (
            offer(server, f"short-{name}", body[:-60], len(body)),
            "retrieval incomplete|failed finding central directory",
        ),
        "hash": (offer(server, name, body), "hash.*0123abcd"),
        "html": (
            offer(server, f"page-{name}", b"<html>log in</html>"),
            "signature not found|no file of plain tensors",
        ),
        "scheme": (str(saved), "not like https://"),
        "no name": (f"{server.url}/", "not like https://"),
    }[failure]
    folder = tmp_path / "cache"
    for _ in range(2):  # the second finds no leftover of the first
        with refused(side.twins, cause) as caught:
            side.twins.download_weights(url, folder, sha256)
        text = str(caught.value)
        assert text.startswith(url)
        assert f"Check address, network and {folder}; none kept." in text
        assert files(folder) == []


def test_download_weights_keeps_the_old_file_when_it_fails(
    side: Side, saved: Path, tmp_path: Path, server: Server
) -> None:
    folder = tmp_path / "cache"
    path = side.twins.download_weights(saved.as_uri(), folder)
    before = path.read_bytes()
    with refused(side.twins, "404"):
        side.twins.download_weights(f"{server.url}/{saved.name}", folder, "ffff")
    assert files(folder) == [path]
    assert path.read_bytes() == before


def test_download_weights_gives_up_on_a_silent_server(
    side: Side, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a{side.suffix}"
        socket.setdefaulttimeout(0.2)
        try:
            with pytest.raises(side.twins.WeightsError, match="timed out"):
                side.twins.download_weights(url, tmp_path / "cache")
        finally:
            socket.setdefaulttimeout(None)
    assert files(tmp_path / "cache") == []


def test_download_weights_names_a_folder_it_cannot_write(
    side: Side, saved: Path
) -> None:
    url = saved.as_uri()
    blocked = saved.parent / "file"
    blocked.write_text("not a folder")
    with pytest.raises(side.twins.WeightsError, match=str(blocked)):
        side.twins.download_weights(url, blocked / "cache")
    folder = Path(tempfile.mkdtemp())
    source = folder / saved.name
    shutil.copy(saved, source)
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    folder.chmod(0o755)
    source.chmod(0o644)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write anywhere: ask as nobody
    try:
        with pytest.raises(side.twins.WeightsError, match="Permission") as caught:
            side.twins.download_weights(source.as_uri(), closed)
    finally:
        os.seteuid(user)
        left = files(closed)
        shutil.rmtree(folder)
    assert str(closed) in str(caught.value)
    assert left == []


def test_weights_error_is_one_class_on_each_side() -> None:
    for twins in (in_tensorflow, in_pytorch):
        assert issubclass(twins.WeightsError, RuntimeError)
    ours, theirs = in_tensorflow.WeightsError, in_pytorch.WeightsError
    assert ours.__doc__ == theirs.__doc__
    assert ours.__name__ == theirs.__name__


def test_weights_error_holds_the_cause(side: Side, tmp_path: Path) -> None:
    with pytest.raises(side.twins.WeightsError) as caught:
        side.twins.load_weights(side.network(3, 2), tmp_path / f"none{side.suffix}")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_the_hub_keeps_what_was_cut_short(tmp_path: Path, server: Server) -> None:
    source, target = tmp_path / "sound.pth", tmp_path / "short.pth"
    in_pytorch.save_weights(torch_network(3, 4), source)
    body = source.read_bytes()
    url = offer(server, "short.pth", body[:-60], len(body))
    torch.hub.download_url_to_file(url, str(target), progress=False)
    assert target.read_bytes() == body[:-60]


def test_get_file_keeps_a_file_of_another_hash(tmp_path: Path, server: Server) -> None:
    url = offer(server, "other.h5", b"other")
    keep = {"cache_dir": str(tmp_path), "cache_subdir": "."}
    with pytest.raises(ValueError, match="does not match"):
        keras.utils.get_file("other.h5", url, file_hash=64 * "0", **keep)
    assert (tmp_path / "other.h5").read_bytes() == b"other"
