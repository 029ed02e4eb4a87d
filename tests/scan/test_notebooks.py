"""Notebooks: their cells, and what only IPython understands."""

import json
from typing import Any

import pytest

from migrate_examples.scan import scan_text
from migrate_examples.scan.findings import Report
from migrate_examples.scan.notebooks import without_magic

HEAD = "import tensorflow as tf"


def notebook(*cells: str | list[str], **metadata: Any) -> str:
    """A notebook of code cells, with prose between them."""
    listed = []
    for cell in cells:
        listed += [
            {"cell_type": "markdown", "source": "tf.abs(x)"},
            {"cell_type": "code", "source": cell, "outputs": []},
        ]
    return json.dumps({"cells": listed, "metadata": metadata, "nbformat": 4})


def look(*cells: str | list[str]) -> Report:
    """Scan a notebook of these cells, the first of which imports TensorFlow."""
    return scan_text(notebook(HEAD, *cells), "x.ipynb")


def places(report: Report) -> list[tuple[int, int, int]]:
    """Cell, line and column of the findings."""
    return [(f.place.cell, f.place.line, f.place.column) for f in report.findings]


def test_names_go_from_cell_to_cell() -> None:
    report = look("L = tf.keras.layers", ["L.Dense(3)\n", "y = L.Add()"])
    assert report.problems == ()
    assert places(report) == [(3, 1, 1), (3, 2, 5)]
    assert report.findings[1].code == "y = L.Add()"
    assert report.lines == 4


@pytest.mark.parametrize(
    "cell, found",
    [
        ("!pip install x\ntf.abs(x)", (2, 1)),
        ("%matplotlib inline\ntf.abs(x)", (2, 1)),
        ("tf.abs?\ntf.abs(x)", (2, 1)),
        ("??tf\ntf.abs(x)", (2, 1)),
        ("if x:\n    !ls\n    tf.abs(x)", (3, 5)),
        ("files = !ls\ntf.abs(x)", (2, 1)),
        ("x = %env HOME\ntf.abs(x)", (2, 1)),
        ("%time tf.abs(x)", (1, 7)),
        ("    %timeit tf.abs(x)".strip(), (1, 9)),
        ("%timeit -n 3 f(x)\ntf.abs(x)", (2, 1)),
        ("%%time\ntf.abs(x)", (2, 1)),
        ("\n%%capture out\ntf.abs(x)", (3, 1)),
        ("!echo 'it\ntf.abs(x)", (2, 1)),
        ("!cat \\\n  file\ntf.abs(x)", (3, 1)),
        ("x = (3\n % 2)\ntf.abs(x)", (3, 1)),
        ('"""\n%magic\n!shell\n"""\ntf.abs(x)', (5, 1)),
    ],
)
def test_magics_are_put_aside(cell: str, found: tuple[int, int]) -> None:
    report = look(cell)
    assert report.problems == ()
    assert places(report) == [(2, *found)]


@pytest.mark.parametrize("magic", ["bash", "html", "writefile x.py", "javascript", "!"])
def test_cells_in_other_languages_are_passed_over(magic: str) -> None:
    report = look(f"%%{magic}\ntf.abs(x) (", "tf.exp(x)")
    assert report.problems == ()
    assert places(report) == [(3, 1, 1)]


def test_a_cell_that_is_no_python_leaves_the_others() -> None:
    report = look("x = 1\ny = (", "tf.abs(x)")
    (problem,) = report.problems
    assert problem.place[1:3] == (2, 5)
    assert problem.place.cell == 2
    assert places(report) == [(3, 1, 1)]


def test_python_2_in_a_cell() -> None:
    (problem,) = look("x = 1\nprint x").problems
    assert "Python 2" in problem.message
    assert (problem.place.cell, problem.place.line) == (2, 2)


def test_a_notebook_without_tensorflow_is_read_all_the_same() -> None:
    assert scan_text(notebook("%matplotlib inline\n!ls"), "x.ipynb").problems == ()
    assert len(scan_text(notebook("x = ("), "x.ipynb").problems) == 1


def test_the_older_format() -> None:
    cells = [{"cell_type": "code", "input": [HEAD + "\n", "tf.abs(x)"]}]
    text = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3})
    assert places(scan_text(text, "x.ipynb")) == [(1, 2, 1)]


@pytest.mark.parametrize(
    "text, line, word",
    [
        ("", 1, "not a notebook"),
        ('{"cells": [\n\n', 3, "not a notebook"),
        ("[]", 1, "no JSON object"),
        ("{}", 1, "no list of cells"),
        ('{"cells": 3}', 1, "no list of cells"),
        ('{"worksheets": [3]}', 1, "no list of cells"),
        ("[" * 100_000, 1, "not a notebook"),
        (notebook("1 + 1", kernelspec={"language": "R"}), 1, "in r"),
        (notebook("1 + 1", language_info={"name": "julia"}), 1, "in julia"),
    ],
    ids=range(9),
)
def test_broken_notebooks_are_reported(text: str, line: int, word: str) -> None:
    (problem,) = scan_text(text, "x.ipynb").problems
    assert problem.place.line == line
    assert word in problem.message


@pytest.mark.parametrize(
    "text",
    [
        '{"cells": [3, null, {"cell_type": "code"}]}',
        '{"cells": [{"cell_type": "code", "source": 3}]}',
        '{"cells": [{"cell_type": "code", "source": [3, "x = 1"]}], "metadata": 3}',
        '{"cells": []}',
    ],
)
def test_strange_cells_are_passed_over(text: str) -> None:
    report = scan_text(text, "x.ipynb")
    assert report.problems == ()
    assert report.findings == ()


@pytest.mark.parametrize("language", ["python", "Python", "python3", "ipython"])
def test_languages_that_are_python(language: str) -> None:
    text = notebook(HEAD, "tf.abs(x)", kernelspec={"language": language})
    assert len(scan_text(text, "x.ipynb").findings) == 1


def test_columns_are_kept() -> None:
    line = "    %timeit f(x)"
    plain = without_magic(line)
    assert plain is not None
    assert plain.index("f(x)") == line.index("f(x)")
