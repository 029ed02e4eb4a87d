"""The plug-in finds every example; one that finds none would pass unseen."""

import ast
from pathlib import Path

import pytest

from migrate_examples._site.doctests import in_docs, in_docstrings

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src").rglob("*.py"))


def prompts(path: Path) -> int:
    """Examples in the docstrings of a module, counted without the plug-in."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, documented)
    ]
    return sum((ast.get_docstring(n) or "").count(">>> ") for n in nodes)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_docstring_example_is_collected(path: Path) -> None:
    assert in_docstrings.should_parse(path)
    assert len(list(in_docstrings.parse(path).examples())) == prompts(path)


def test_examples_of_the_docs_are_collected() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = [p for p in files if in_docs.should_parse(p)]
    assert len(found) >= 15
    assert sum(len(list(in_docs.parse(p).examples())) for p in found) >= 1


def test_no_loop_over_nothing() -> None:
    assert sum(map(prompts, MODULES)) >= 300
