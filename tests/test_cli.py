"""The command line, run as people run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrate_examples import cli
from migrate_examples.cli import command_parser, main
from migrate_examples.scan.report import FORMATS
from migrate_examples.scan.settings import FINDING_KINDS

SOURCE = """import tensorflow as tf
y = tf.reduce_sum(x, axis=1, keepdims=True)
z = tf.reduce_meen(y)
"""
CLEAN = "import tensorflow as tf\ny = tf.reduce_sum(x, axis=1)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(SOURCE)
    (tmp_path / "clean.py").write_text(CLEAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migrate_examples", *arguments],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
        check=False,
    )


def test_the_command_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from migrate_examples.cli import main\n"
        "main(['lookup', 'tf.abs'])\n"
        "main(['scan', '--quiet', '-'])\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'numpy', 'libcst', 'tqdm'}\n"
        "print('heavy:', sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=CLEAN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("heavy: []\n"), done.stdout + done.stderr


def test_lookup_says_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookup", "tensorflow.math.reduce_mean"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("tf.reduce_mean  (also tf.math.reduce_mean)")
    assert "torch.mean(x, dim=1, keepdim=True)" in text
    assert "axis=None" in text
    assert "dim=None" in text


def test_lookup_of_a_layer_says_how_weights_map(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lookup", "tf.keras.layers.Dense"]) == 0
    assert "weights: weight = kernel.T" in capsys.readouterr().out


def test_lookup_of_no_name_suggests_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookup", "tf.abs", "tf.reduce_meen"]) == 1
    text = capsys.readouterr().out
    assert "torch.abs" in text
    assert "tf.reduce_meen is no name that TensorFlow or Keras has." in text
    assert "Did you mean tf.reduce_mean" in text


def test_lookup_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookup", "--json", "tf.abs", "tf.nothing_such"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [answer["status"] for answer in found] == ["mapped", "unknown"]
    assert found[0]["rows"][0]["torch"]
    assert found[0]["aliases"] == ["tf.math.abs"]


def test_exit_codes_of_a_scan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "clean.py"]) == 0
    assert main(["scan", "."]) == 1, "an unknown name"
    assert main(["scan", "--fail-on", "never", "."]) == 0
    assert main(["scan", "--fail-on", "same", "clean.py"]) == 1
    assert main(["scan", "--fail-on", "rubbish", "clean.py"]) == 2
    assert "'rubbish' is none of" in capsys.readouterr().err
    assert main(["scan", "missing.py"]) == 2
    assert main(["scan", "net.py", "missing.py"]) == 2
    (folder / "broken.py").write_text("def f(:\n")
    assert main(["scan", "broken.py"]) == 2


def test_standard_input() -> None:
    done = run("scan", "--format", "json", "-", text=SOURCE)
    assert done.returncode == 1, done.stderr
    symbols = [f["symbol"] for f in json.loads(done.stdout)["findings"]]
    assert symbols == ["tf.reduce_sum", "tf.reduce_meen"]
    assert run("scan", "-", "net.py").returncode == 2


def test_settings_are_found_and_overruled(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text(
        '[tool.migrate-examples]\nignore = ["unknown"]\nfail-on = ["same"]\n'
    )
    assert main(["scan", "clean.py"]) == 1
    assert main(["scan", "--fail-on", "unknown", "net.py"]) == 0
    (folder / "pyproject.toml").write_text("[tool.migrate-examples]\nignored = []\n")
    capsys.readouterr()
    assert main(["scan", "clean.py"]) == 2
    assert "unknown key ignored" in capsys.readouterr().err


def test_a_report_is_written_whole_and_never_over_a_source(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["scan", "--fail-on", "never", "--format", "html", "--output"]
    assert main([*asked, "report.html", "."]) == 0
    assert (folder / "report.html").read_text().startswith("<!")
    assert main([*asked, "net.py", "."]) == 2
    assert "one of the scanned files" in capsys.readouterr().err
    assert (folder / "net.py").read_text() == SOURCE
    assert main([*asked, "no/such/folder.html", "."]) == 2
    assert sorted(p.name for p in folder.iterdir()) == [
        "clean.py",
        "net.py",
        "report.html",
    ]


def test_diff_shows_and_write_rewrites(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", "--diff", "clean.py"]) == 1
    shown = capsys.readouterr()
    assert "+y = torch.sum(x, dim=1)" in shown.out
    assert "1 calls in 1 files to rewrite" in shown.err
    assert (folder / "clean.py").read_text() == CLEAN
    assert main(["scan", "--write", "."]) == 0
    assert "y = torch.sum(x, dim=1)\n" in (folder / "clean.py").read_text()
    assert main(["scan", "--diff", "."]) == 0, "nothing is left to rewrite"
    assert main(["scan", "--write", "-"]) == 2


def test_what_cannot_be_rewritten_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.py").write_text("import tensorflow as tf\ndef f(:\n")
    assert main(["scan", "--write", "."]) == 2
    assert "broken.py:2: syntax error" in capsys.readouterr().err
    assert "torch.sum" in (folder / "clean.py").read_text(), "the others are"


def test_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage"]) == 0
    assert "% of all references are to these" in capsys.readouterr().out
    (tmp_path / "use.csv").write_text("name\nx\n")
    assert main(["coverage", str(tmp_path / "use.csv")]) == 2
    assert main(["coverage", str(tmp_path / "none.csv")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_wrong_usage_is_one_sentence() -> None:
    for arguments in (["scan"], ["scan", "--jobs", "0", "x"], ["nonsense"], []):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    (folder / "long.py").write_text(SOURCE + "tf.abs(x)\n" * 20000)
    command = f"{sys.executable} -m migrate_examples scan long.py | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_formats_are_those_of_the_report() -> None:
    """The command line names them itself, so that its start imports no report."""
    assert cli.FORMATS == FORMATS
    for kind in FINDING_KINDS:
        assert kind in cli.KINDS_HELP


def test_help_of_each_command_is_known() -> None:
    for name in ("lookup", "scan", "port", "parity-test", "coverage"):
        assert name in command_parser(name).format_help()
    with pytest.raises(KeyError):
        command_parser("nonsense")


def test_the_help_of_a_port_says_what_is_executed() -> None:
    for name in ("port", "parity-test"):
        text = " ".join(command_parser(name).format_help().split())
        assert "it IS executed" in text
        assert "exit codes: 0" in text


def test_asking_for_a_port_wrongly_imports_no_framework() -> None:
    for arguments in (["port"], ["port", "a.keras"], ["parity-test", "a.keras"]):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
