"""Each page runs alone, as a reader would run its download, and proves something."""

import ast
import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from migrate_examples._site.expand import CELL, expand_page

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "gallery").rglob("*.py"))
NAMES = [page.stem for page in PAGES]
# The text that this guide makes real has nine sections; readers know it.
SECTIONS_OF_THE_OLDER_GUIDE = {
    *("graphs", "autodiff", "tensors", "models", "training"),
    *("data", "pretrained", "readability", "performance"),
}
CORRECTIONS = "# Corrections to older guides\n# ---"
# What a fresh interpreter does before the page: nothing but what the mismatched
# torchvision of a CPU-only machine needs; then this package is out of reach,
# but for pages that use its tools and say so.
DRIVER = """
import runpy, sys
from migrate_examples._torchvision import declare_missing_operators
if "torchvision" in open(sys.argv[1]).read():
    declare_missing_operators()
for name in [n for n in sys.modules if n.startswith("migrate_examples")]:
    del sys.modules[name]
if "migrate-examples[port]" not in open(sys.argv[1]).read():
    sys.modules["migrate_examples"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the expanded page in a new interpreter, in an empty folder."""
    script = folder / page.name
    script.write_text(expand_page(page))
    (folder / "empty").mkdir()
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__"]
    return subprocess.run(
        [*command, "-c", DRIVER, str(script)],
        cwd=folder / "empty",
        env={**os.environ, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="session")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Path, Future[subprocess.CompletedProcess[str]]]]:
    """All pages, started together, as many at a time as there are cores."""
    pool = ThreadPoolExecutor(os.cpu_count())
    folders = {page.stem: tmp_path_factory.mktemp(page.stem) for page in PAGES}
    return {
        page.stem: (folders[page.stem], pool.submit(run_page, page, folders[page.stem]))
        for page in PAGES
    }


@pytest.mark.parametrize("name", NAMES)
def test_page_runs_alone(
    name: str, runs: dict[str, tuple[Path, Future[subprocess.CompletedProcess[str]]]]
) -> None:
    folder, future = runs[name]
    run = future.result()
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.strip(), "a page that prints nothing shows nothing"
    left = sorted(p.name for p in (folder / "empty").rglob("*"))
    assert left == [], "a page leaves nothing behind in the reader's folder"


def cells(page: Path) -> list[tuple[str, str | None, ast.Module]]:
    """Text, label and code of each cell of a page."""
    text = page.read_text()
    starts = [(m.start(), m[1]) for m in CELL.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    parts = [(text[a:b], label) for (a, label), b in zip(starts, ends, strict=True)]
    return [(part, label, ast.parse(part)) for part, label in parts]


def names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    return {n.id for n in found if isinstance(n.ctx, context)}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_each_pair_is_compared(page: Path) -> None:
    """After the pairs of panes, cells compare results of both sides.

    Corrections may put their checks into the panes themselves.
    """
    found = cells(page)
    texts = [text for text, _, _ in found]
    if ends := [n for n, text in enumerate(texts) if CORRECTIONS in text]:
        found = found[: ends[0]]
    assigned: dict[str, set[str]] = {"TensorFlow": set(), "PyTorch": set()}
    pairs = compared = 0
    for (_, before, _), (text, label, tree) in zip(
        [("", None, None), *found], found, strict=False
    ):
        if label:
            assigned[label] |= names(tree, ast.Store)
            pairs += (before, label) == ("TensorFlow", "PyTorch")
        elif re.search(r"^# \*\*Compare\.\*\*", text, re.M):
            used = names(tree, ast.Load)
            assert "assert" in text, f"this comparison asserts nothing: {text}"
            assert used & assigned["TensorFlow"], f"no result of TensorFlow in: {text}"
            assert used & assigned["PyTorch"], f"no result of PyTorch in: {text}"
            assert "print(" in text, f"this comparison prints no figure: {text}"
            compared += 1
    assert pairs >= 1
    assert compared >= pairs


@pytest.mark.parametrize("name", sorted(SECTIONS_OF_THE_OLDER_GUIDE))
def test_page_has_corrections_that_run(name: str) -> None:
    (page,) = [page for page in PAGES if page.stem == name]
    _, _, corrections = page.read_text().partition(CORRECTIONS)
    assert corrections, "says what older guides have wrong"
    checks = [
        n
        for n in ast.walk(ast.parse("#" + corrections))
        if isinstance(n, ast.Assert | ast.Call)
    ]
    asserted = [
        n
        for n in checks
        if isinstance(n, ast.Assert)
        or ast.unparse(n.func).startswith("np.testing.assert")
    ]
    assert len(asserted) >= 2, "each correction has a check that runs"


def test_no_loop_over_nothing() -> None:
    assert set(NAMES) >= SECTIONS_OF_THE_OLDER_GUIDE
    assert len(NAMES) == len(set(NAMES)), "a page's name is its address"
