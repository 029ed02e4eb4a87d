"""Twins into pages: what is put in place of an import, and what is refused."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrate_examples import __version__
from migrate_examples._site import expand

TWIN_TF = '''
"""A twin."""

import math
from collections.abc import Callable

import tensorflow as tf

# Half a turn.
HALF = math.pi


def turn(x: float) -> float:
    """Turn by half."""
    return x + HALF


@tf.function
def twice(x: float) -> float:
    """Turn twice."""
    return turn(turn(x))


def apply(function: Callable[[float], float]) -> float:
    """Apply."""
    return function(1.0)
'''
TWIN_TORCH = TWIN_TF.replace("tensorflow as tf", "torch").replace("@tf.function\n", "")


@pytest.fixture
def expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """Expand the text of a page against the two small twin modules above."""
    folder = tmp_path / "migrate_examples/angles"
    folder.mkdir(parents=True)
    (folder / "in_tensorflow.py").write_text(TWIN_TF)
    (folder / "in_pytorch.py").write_text(TWIN_TORCH)
    monkeypatch.setattr(expand, "SOURCE", tmp_path)
    expand.read_module.cache_clear()
    yield lambda text: expand.Page(text, "page.py").expand()
    expand.read_module.cache_clear()


def cell(side: str, code: str) -> str:
    return f"# %%\n# **{side}** does.\n{code}\n\n"


IMPORT_TF = "from migrate_examples.angles.in_tensorflow import {}\n"
IMPORT_TORCH = "from migrate_examples.angles.in_pytorch import {}\n"


def test_import_becomes_source_with_all_it_uses(expanded: Callable[[str], str]) -> None:
    text = expanded(cell("TensorFlow", IMPORT_TF.format("twice") + "y = twice(0.0)"))
    assert "migrate_examples" not in text
    order = [
        "import math",
        "import tensorflow as tf",
        "# Half a turn.",
        "HALF = math.pi",
    ]
    order += ["def turn", "@tf.function\ndef twice", "y = twice(0.0)"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "Callable" not in text, "what is not used is not brought along"
    assert "def apply" not in text


def test_what_the_page_has_already_is_not_repeated(
    expanded: Callable[[str], str],
) -> None:
    first = cell(
        "TensorFlow", "import math\n" + IMPORT_TF.format("turn") + "y = turn(0.0)"
    )
    second = cell("TensorFlow", IMPORT_TF.format("twice") + "y = twice(0.0)")
    text = expanded(first + second)
    assert text.count("import math") == 1
    assert text.count("def turn") == 1


def test_a_hidden_neighbour_is_written_again(expanded: Callable[[str], str]) -> None:
    text = expanded(
        cell("TensorFlow", IMPORT_TF.format("turn") + "a = turn(0.0)")
        + cell("PyTorch", IMPORT_TORCH.format("turn") + "b = turn(0.0)")
        + cell("TensorFlow", IMPORT_TF.format("twice") + "c = twice(0.0)")
    )
    assert text.count("def turn") == 3, "twice must not call PyTorch's turn"


def test_the_expanded_page_runs(expanded: Callable[[str], str], tmp_path: Path) -> None:
    page = cell("PyTorch", IMPORT_TORCH.format("twice") + "print(round(twice(0.0), 2))")
    script = tmp_path / "page.py"
    script.write_text(expanded(page).replace("import torch\n", ""))
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    )
    assert run.stdout == "6.28\n"


@pytest.mark.parametrize(
    "page, message",
    [
        (
            cell("TensorFlow", IMPORT_TF.format("turn") + "a = turn(0.0)")
            + cell("PyTorch", IMPORT_TORCH.format("turn") + "b = turn(0.0)")
            + "# %%\n# **Compare.**\nassert turn(0.0) == turn(0.0)\n",
            "page.py:13: `turn` is PyTorch's here, but the cell is not labelled",
        ),
        (
            cell("TensorFlow", IMPORT_TF.format("twice"))
            + cell("PyTorch", IMPORT_TORCH.format("turn"))
            + cell("TensorFlow", "c = twice(0.0)"),
            "`twice` uses `HALF`, which has been replaced since",
        ),
        (
            cell("PyTorch", IMPORT_TF.format("turn")),
            "belongs in a cell labelled **TensorFlow**",
        ),
        (
            "# %%\n" + IMPORT_TF.format("turn"),
            "belongs in a cell labelled **TensorFlow**",
        ),
        (cell("PyTorch", IMPORT_TORCH.format("spin")), "in_pytorch has no spin"),
        (cell("PyTorch", IMPORT_TORCH.format("turn as t")), "cannot be renamed"),
        (
            cell("PyTorch", "import migrate_examples.angles"),
            "from migrate_examples.… import",
        ),
        (
            cell("PyTorch", "from migrate_examples.nothing import x"),
            "nothing.py not found",
        ),
    ],
)
def test_a_page_that_would_mislead_is_refused(
    page: str, message: str, expanded: Callable[[str], str]
) -> None:
    with pytest.raises(expand.PageError) as caught:
        expanded(page)
    assert message in str(caught.value)


def test_gallery_is_mirrored_and_pruned(tmp_path: Path) -> None:
    source, target, output = (
        tmp_path / name for name in ("gallery", "expanded", "examples")
    )
    (source / "part").mkdir(parents=True)
    (source / "part/GALLERY_HEADER.rst").write_text("Part\n====\n")
    for name in ("kept", "gone"):
        (source / f"part/{name}.py").write_text(
            '"""\nTitle\n=====\n"""\n\nimport sys\n'
        )
    expand.expand_gallery(source, target, output)
    assert {p.name for p in target.rglob("*.*")} == {
        "GALLERY_HEADER.rst",
        "kept.py",
        "gone.py",
    }
    written = (target / "part/kept.py").stat().st_mtime_ns
    output.mkdir()
    (output / "gone.html").write_text("stale")

    (source / "part/gone.py").unlink()
    expand.expand_gallery(source, target, output)
    assert {p.name for p in target.rglob("*.*")} == {"GALLERY_HEADER.rst", "kept.py"}
    assert not output.exists(), "the traces of a page that is gone go too"
    assert (target / "part/kept.py").stat().st_mtime_ns == written, (
        "unchanged, not written"
    )


def test_metadata_names_what_the_page_imports(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text(
        '"""\nTitle\n=====\n"""\n\nimport json\n\n'
        "import numpy as np\nfrom skimage import data\n"
    )
    head, _, rest = expand.expand_page(page).partition('"""')
    assert head.startswith("# /// script\n# requires-python = ")
    assert '"numpy==' in head
    assert '"scikit-image==' in head
    assert "json" not in head
    assert rest.startswith("\nTitle")


def test_metadata_refuses_a_package_that_is_not_installed() -> None:
    from migrate_examples._site.metadata import script_metadata

    with pytest.raises(ModuleNotFoundError, match="a page imports no_such_package"):
        script_metadata("import no_such_package")


def test_tools_are_imported_as_any_library(expanded: Callable[[str], str]) -> None:
    line = "from migrate_examples.port.transfer import transfer"
    page = cell("PyTorch", line)
    assert expanded(page) == page


def test_metadata_names_the_package_where_a_page_uses_its_tools() -> None:
    from migrate_examples._site.metadata import requirements

    line = "from migrate_examples.port.transfer import transfer"
    assert requirements(line) == [f"migrate-examples[port]=={__version__}"]
