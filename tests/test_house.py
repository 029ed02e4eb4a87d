"""Each wall stands here, and was seen to fail where its rule is broken."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import walls

ROOT = Path(__file__).parents[1]
TWINS = "src/migrate_examples/autodiff"

# Wall, the file to break, and how: text to append, or a pair to replace.
BREAKS: list[tuple[walls.type_of_wall, str, str | tuple[str, str]]] = [
    (
        walls.frameworks_stay_out_of_light_modules,
        f"{TWINS}/__init__.py",
        "import torch\n",
    ),
    (
        walls.frameworks_stay_out_of_light_modules,
        "src/migrate_examples/__init__.py",
        "import keras\n",
    ),
    (
        walls.sides_import_one_framework,
        f"{TWINS}/in_tensorflow.py",
        "import torch.nn\n",
    ),
    (
        walls.sides_import_one_framework,
        f"{TWINS}/in_pytorch.py",
        "from keras import ops\n",
    ),
    (
        walls.sides_import_one_framework,
        f"{TWINS}/in_pytorch.py",
        "from migrate_examples.tensors import in_pytorch\n",
    ),
    (
        walls.sides_import_one_framework,
        f"{TWINS}/in_pytorch.py",
        "from . import neighbour\n",
    ),
    (
        walls.sides_have_equal_signatures,
        f"{TWINS}/in_pytorch.py",
        "def lonely() -> None: ...\n",
    ),
    (
        walls.sides_have_equal_signatures,
        f"{TWINS}/in_pytorch.py",
        ("strength: float", "strength: float = 1.0"),
    ),
    (
        walls.sides_have_equal_signatures,
        f"{TWINS}/in_pytorch.py",
        ("heads: Seq", "losses: Seq"),
    ),
    (
        walls.pairs_have_parity_tests,
        "tests/sections/test_autodiff.py",
        ("def test_safe_log", "def test_log"),
    ),
    (
        walls.sections_have_pages,
        "gallery/1_concepts/autodiff.py",
        ("migrate_examples.autodiff", "elsewhere"),
    ),
    (walls.sections_have_pages, "docs/guide/nowhere.md", "# Nowhere\n"),
    (
        walls.twins_appear_on_pages,
        "gallery/1_concepts/autodiff.py",
        ("    jacobian,\n", ""),
    ),
    (walls.stems_say_the_subject, f"{TWINS}/utils.py", "x = 1\n"),
    (walls.files_and_functions_are_small, f"{TWINS}/in_pytorch.py", "x = 1\n" * 401),
    (
        walls.files_and_functions_are_small,
        f"{TWINS}/__init__.py",
        "def long():\n" + "    x = 1\n" * 61,
    ),
    (
        walls.files_and_functions_are_small,
        "gallery/1_concepts/autodiff.py",
        "x = 1\n" * 301,
    ),
    (walls.settings_are_only_settings, "conf.py", "def helper(): ...\n"),
    (walls.settings_are_only_settings, "conf.py", "x = 1\n" * 60),
    (
        walls.imports_are_plain,
        f"{TWINS}/__init__.py",
        "try:\n    import h5py\nexcept ImportError:\n    h5py = None\n",
    ),
    (
        walls.imports_are_plain,
        "tests/conftest.py",
        "import sys\nsys.path.insert(0, '')\n",
    ),
    (walls.fences_are_run, "docs/introduction.md", "```pycon\n>>> 1\n```\n"),
    (walls.fences_are_run, "docs/introduction.md", "```{testcode}\n1\n```\n"),
    (walls.fences_are_run, "README.md", "```sh\nmake wonders\n```\n"),
    (walls.fences_are_run, "README.md", "    >>> 1 + 1\n"),
    (walls.nothing_derived_is_tracked, "gallery/1_concepts/autodiff.ipynb", "{}"),
    (walls.nothing_derived_is_tracked, "notes/plan.txt", "later"),
    (walls.skips_say_why, "tests/conftest.py", "pytest.mark.skip()\n"),
    (
        walls.skips_say_why,
        "tests/conftest.py",
        "pytest.mark.skipif(True, reason=why)\n",
    ),
    (walls.no_machine_is_named, "README.md", "See /home/me/notes.\n"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, with a git index of its own."""
    copy = tmp_path_factory.mktemp("house") / "tree"
    ignore = shutil.ignore_patterns(
        ".venv", "build", "examples", "__pycache__", ".git", ".*_cache"
    )
    shutil.copytree(ROOT, copy, ignore=ignore)
    subprocess.run(["git", "-C", str(copy), "init", "--quiet"], check=True)
    return copy


@pytest.mark.parametrize("wall", walls.WALLS, ids=lambda wall: wall.__name__)
def test_the_house_keeps(wall: walls.type_of_wall) -> None:
    assert wall(ROOT) == []


@pytest.mark.parametrize(
    "wall, file, change", BREAKS, ids=lambda v: getattr(v, "__name__", None)
)
def test_the_wall_fails_when_its_rule_is_broken(
    wall: walls.type_of_wall, file: str, change: str | tuple[str, str], tree: Path
) -> None:
    path = tree / file
    before = path.read_text() if path.is_file() else None
    path.parent.mkdir(exist_ok=True)
    if isinstance(change, str):
        path.write_text((before or "") + "\n" + change)
    else:
        assert before is not None
        assert change[0] in before, "the break has to change something"
        path.write_text(before.replace(*change))
    try:
        assert wall(tree), "the wall does not see its rule broken"
    finally:
        path.unlink() if before is None else path.write_text(before)
    assert wall(tree) == [], "undone, the copy keeps the rule again"


def test_every_wall_was_seen_to_fail() -> None:
    assert {wall for wall, _, _ in BREAKS} == set(walls.WALLS)


def test_no_loop_over_nothing() -> None:
    assert len(walls.sections(ROOT)) >= 10
    assert len(list((ROOT / "gallery").rglob("*.py"))) >= 10
    assert len(list((ROOT / "docs/guide").glob("*.md"))) >= 11
    assert len(walls.WALLS) >= 14
    assert len(list(walls.prose_files(ROOT))) >= 15
    pairs = [
        name for s in walls.sections(ROOT) for name in walls.public(s / "in_pytorch.py")
    ]
    assert len(pairs) >= 60
