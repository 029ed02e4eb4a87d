"""pytest plug-in: runs the Python of the docs and of every docstring.

Fences of plain ``python`` run as code or, where they hold prompts, as
doctests; docstring examples see the names of their module.
"""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path

from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.evaluators.doctest import NUMBER
from sybil.parsers.myst import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

from migrate_examples._torchvision import declare_missing_operators

ROOT = str(Path(__file__).parents[3])
FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE | NUMBER

in_docs = Sybil(
    path=ROOT,
    parsers=[PythonCodeBlockParser(doctest_optionflags=FLAGS)],
    # CONTRIBUTING.md holds whole files: tests/test_recipes.py runs them
    patterns=["docs/*.md", "docs/guide/*.md", "README.md"],
)
in_docstrings = Sybil(
    path=ROOT,
    parsers=[DocTestParser(optionflags=FLAGS)],
    # before Python 3.13, ** in a pattern means one folder
    patterns=[f"src/{'*/' * depth}*.py" for depth in range(1, 6)],
    document_types={".py": PythonDocStringDocument},
)

pytest_collect_file = (in_docs + in_docstrings).pytest()


def pytest_configure() -> None:
    """Let any test and any docstring import torchvision, whatever its build."""
    declare_missing_operators()
