"""Reading entries: what is wrong is said with its file and field."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrate_examples.pitfalls import PitfallError, pitfalls, read_file, read_pitfall

ROOT = Path(__file__).parents[2]
WHOLE: dict[str, Any] = {
    "title": "A title",
    "symptom": "What shows.",
    "why": "Because.",
    "do": "Something.",
    "page": "tensors",
    "likely": 3,
    "silent": 4,
    "tensorflow": "tf.abs(x)",
    "wrong": "x",
    "right": "x.abs()",
    "inputs": {"x": "f32[3]"},
    "wrong_by_more_than": 0.1,
}
RULE = {"call": ["tf.abs"], "arguments": {"x": {"not": 1}}}


def read(**changes: Any) -> Any:
    entry = {key: value for key, value in {**WHOLE, **changes}.items() if value != ""}
    return read_pitfall(entry, Path("AN-ENTRY.toml"))


def test_whole_entry_is_read() -> None:
    found = read(when=[RULE], flags="tf.abs(x)", keeps=["tf.sin(x)", "tf.cos(x)"])
    assert (found.identifier, found.anchor, found.risk) == ("AN-ENTRY", "an-entry", 12)
    assert found.when[0].call == ("tf.abs",)
    assert found.when[0].arguments == {"x": {"not": 1}}
    assert (found.flags, found.keeps) == (("tf.abs(x)",), ("tf.sin(x)", "tf.cos(x)"))


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"symptom": ""}, "symptom"),
        ({"why": " "}, "why"),
        ({"likely": 6}, "likely"),
        ({"silent": 0}, "silent"),
        ({"likely": True}, "likely"),
        ({"likely": "5"}, "likely"),
        ({"simptom": "typo"}, "simptom"),
        ({"inputs": "f32[3]"}, "inputs"),
        ({"wrong": ""}, "wrong"),
        ({"wrong_by_more_than": ""}, "wrong_by_more_than"),
        ({"wrong_by_more_than": 0}, "wrong_by_more_than"),
        ({"wrong_raises": "yes"}, "wrong_raises"),
        ({"rtol": "1e-3"}, "rtol"),
        ({"when": [RULE]}, "flags"),
        ({"flags": "tf.abs(x)"}, "flags"),
        ({"when": [{}], "flags": "x"}, "call"),
        ({"when": [{**RULE, "method": ["Model.fit"]}], "flags": "x"}, "method"),
        ({"when": [{"attribute": "trainable"}], "flags": "x"}, "value"),
        ({"when": [{**RULE, "value": 1}], "flags": "x"}, "value"),
        ({"when": [{**RULE, "cal": "tf.abs"}], "flags": "x"}, "cal"),
        ({"when": [{"call": 3}], "flags": "x"}, "call"),
        ({"when": [{**RULE, "arguments": {"x": {"is": 1}}}], "flags": "x"}, "x is"),
        ({"when": [{**RULE, "arguments": {"x": {}}}], "flags": "x"}, "x is"),
    ],
)
def test_wrong_entry_names_file_and_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(PitfallError, match=rf"AN-ENTRY\.toml: .*{field}"):
        read(**changes)


def test_reason_stands_in_for_the_proof() -> None:
    found = read(wrong_by_more_than=0, unverified="needs two machines")
    assert found.unverified


def test_name_of_the_file_is_the_identifier() -> None:
    with pytest.raises(PitfallError, match=r"an_entry\.toml: .*capital"):
        read_pitfall(WHOLE, Path("an_entry.toml"))


def test_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "BROKEN.toml").write_text("title = \n")
    with pytest.raises(PitfallError, match=r"BROKEN\.toml: .*line 1"):
        read_file(tmp_path / "BROKEN.toml")


def test_entries_belong_to_chapters() -> None:
    chapters = {path.stem for path in (ROOT / "docs/guide").glob("*.md")} - {"index"}
    assert {pitfall.page for pitfall in pitfalls()} <= chapters


def test_risk_falls_from_entry_to_entry() -> None:
    risks = [pitfall.risk for pitfall in pitfalls()]
    assert risks == sorted(risks, reverse=True)


def test_reading_imports_no_framework() -> None:
    code = (
        "import sys; from migrate_examples.pitfalls import pitfalls; pitfalls();"
        "print({'tensorflow', 'keras', 'torch', 'numpy'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
