"""The two recipes of CONTRIBUTING.md, performed on a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import walls

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"^`([\w./]+)`:\n\n```(?:python|toml)\n(.*?)^```", re.M | re.S)
PAGE = "gallery/2_usage/stacking.py"
ROWS = "src/migrate_examples/api_map/rows/tf.toml"


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """What the recipes say to write: path to text."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    found = dict(FILE.findall(text))
    assert len(found) == text.count("```python") + text.count("```toml"), (
        "all have a path"
    )
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> Path:
    """Copy the project and follow the recipes; other pages are left out, for speed."""
    copy = tmp_path_factory.mktemp("recipes") / "tree"
    ignore = shutil.ignore_patterns(
        ".venv", "build", "examples", "__pycache__", ".git", ".*_cache"
    )
    shutil.copytree(ROOT, copy, ignore=ignore)
    subprocess.run(["git", "-C", str(copy), "init", "--quiet"], check=True)
    for name, text in files.items():
        path = copy / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.read_text() + "\n" + text if path.is_file() else text)
    return copy


def run(tree: Path, *command: str) -> str:
    """Run a module of this environment on the copy; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tree,
        env={
            **os.environ,
            "PYTHONPATH": str(tree / "src"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.mark.parametrize("wall", walls.WALLS, ids=lambda wall: wall.__name__)
def test_the_recipes_keep_the_house(wall: walls.type_of_wall, tree: Path) -> None:
    assert wall(tree) == []


def test_the_recipes_are_formatted_and_typed(tree: Path) -> None:
    narrow = [PAGE, "src/migrate_examples/stacking"]
    run(tree, "ruff", "format", "--check", "--line-length", "64", *narrow)
    run(tree, "ruff", "check", "--line-length", "64", *narrow)
    run(tree, "ruff", "check", "tests/sections/test_stacking.py")


def test_the_recipes_pass_their_tests(tree: Path, files: dict[str, str]) -> None:
    printed = run(
        tree,
        "pytest",
        "tests/sections/test_stacking.py",
        "src/migrate_examples/stacking",
        "tests/api_map/test_rows.py",
        "-k",
        "stack",
    )
    # two precisions, two docstrings, and the row
    (count,) = re.findall(r"(\d+) passed", printed)
    assert int(count) >= 5
    assert "tf.stack" in files[ROWS]


@pytest.fixture(scope="module")
def html(tree: Path) -> Path:
    """The copy's site, with the new page as its only page that runs."""
    for page in (tree / "gallery").rglob("*.py"):
        if page.name != "stacking.py":
            page.unlink()
    shutil.rmtree(tree / "docs/guide")  # speaks of the pages that were left out
    (tree / "docs/guide").mkdir()
    contents = "# The guide\n\n```{toctree}\ntensors\n```\n"
    (tree / "docs/guide/index.md").write_text(contents)
    (tree / "docs/guide/tensors.md").write_text(
        "# Tensors\n\n```{api-map} tensors\n```\n"
    )
    index = "# Home\n\n```{toctree}\nguide/index\nexamples/index\n```\n"
    (tree / "docs/index.md").write_text(index)
    for path in (tree / "docs").glob("*.md"):
        if path.name != "index.md":
            path.unlink()
    run(tree, "sphinx", "-W", "-n", "-q", "-c", ".", "docs", "html")
    return tree / "html"


def test_the_new_page_stands_side_by_side(html: Path) -> None:
    page = (html / "examples/2_usage/stacking.html").read_text()
    panes = re.findall(r'<div class="twin twin-(\w+)', page)
    assert panes == ["tensorflow", "pytorch"]
    assert len(re.findall(r'class="twin-time">[\d.]+ m?s<', page)) == 2
    text = re.sub(r"<[^>]+>", "", page)
    assert "def stack_last(tensors: Sequence[tf.Tensor])" in text
    assert (
        "migrate_examples"
        not in text.partition("Download")[0].partition("Stacking\n")[2]
    )
    assert "(2, 5, 3)" in text
    assert "torch.Size([2, 5, 3])" in text
    assert "equal, bit by bit: True" in text


def test_the_new_page_has_card_search_entry_and_downloads(html: Path) -> None:
    assert "stacking.html" in (html / "examples/2_usage/index.html").read_text()
    assert "examples/2_usage/stacking" in (html / "searchindex.js").read_text()
    (script,) = html.glob("_downloads/*/stacking.py")
    (notebook,) = html.glob("_downloads/*/stacking.ipynb")
    assert script.read_text().startswith("# /// script\n")
    assert '"torch==' in script.read_text()
    cells = json.loads(notebook.read_text())["cells"]
    source = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    assert "def stack_last(tensors: Sequence[Tensor])" in source
    words = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    assert "This page ran with" in words
    assert "torch==" in words


def test_the_new_row_is_in_the_table(html: Path) -> None:
    page = (html / "guide/tensors.html").read_text()
    assert 'id="row-tf-stack-x-y-axis-1"' in page
