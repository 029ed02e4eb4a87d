"""Source of the helper classes that a written file needs."""

import ast
from collections.abc import Iterable
from functools import cache
from importlib.resources import files


@cache
def definitions() -> dict[str, str]:
    """Text of each class and function of ``lower.helper_code``, by name.

    The files are read, not imported: what writes a module needs no PyTorch.
    """
    found: dict[str, str] = {}
    folder = files("migrate_examples.port.lower") / "helper_code"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            text = file.read_text(encoding="utf-8")
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef):
                    found[node.name] = ast.get_source_segment(text, node) or ""
    return found


def helper_source(names: Iterable[str]) -> dict[str, str]:
    """Text of some helpers and of those that they use, each before its users.

    Raises
    ------
    KeyError
        For a name that is no helper.
    """
    ordered: dict[str, str] = {}

    def add(name: str) -> None:
        if name in ordered:
            return
        text = definitions()[name]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name) and node.id in {*definitions()} - {name}:
                add(node.id)
        ordered[name] = text

    for name in sorted(names):
        add(name)
    return ordered
