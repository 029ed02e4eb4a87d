"""Pages stand in the order of the guide's chapters, not of the alphabet."""

import re
from functools import cache
from pathlib import Path

GUIDE = Path(__file__).parents[3] / "docs/guide/index.md"


@cache
def chapters() -> list[str]:
    """Names of the chapters, as the guide's table of contents lists them."""
    (listed,) = re.findall(
        r"^```\{toctree\}\n(.*?)^```", GUIDE.read_text(), re.M | re.S
    )
    return [line for line in listed.split() if not line.startswith(":")]


class GuideOrder:
    """Sort key of sphinx-gallery: a page follows its chapter, then its name.

    ``data_files.py`` belongs to the chapter ``data``; a page without a chapter
    comes last.

    >>> pages = ["zebra.py", "data_files.py", "graphs.py", "data.py"]
    >>> sorted(pages, key=GuideOrder(""))
    ['graphs.py', 'data.py', 'data_files.py', 'zebra.py']
    """

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        """Return the place of a page among its neighbours."""
        stem = Path(filename).stem
        owners = [c for c in chapters() if stem == c or stem.startswith(f"{c}_")]
        place = chapters().index(max(owners, key=len)) if owners else len(chapters())
        return place, stem

    def __repr__(self) -> str:
        """Return the same text in each build: Sphinx compares settings by it."""
        return "<GuideOrder>"
