"""Inline script metadata (PEP 723): what a downloaded page needs to run."""

import ast
import sys
from functools import cache
from importlib.metadata import metadata, packages_distributions, version


@cache
def distributions() -> dict[str, list[str]]:
    """Import names of the environment and the distributions they come from."""
    return dict(packages_distributions())


def requirement(package: str) -> str:
    """Pin of the distribution that provides an import name, as built here.

    Raises
    ------
    ModuleNotFoundError
        When nothing installed provides it.
    """
    if package == "migrate_examples":
        # An editable install does not list what it provides.
        return f"migrate-examples[port]=={version('migrate-examples')}"
    found = distributions().get(package)
    if not found:
        message = f"a page imports {package}, which no installed distribution provides"
        raise ModuleNotFoundError(message, name=package)
    same = [name for name in found if name.lower().replace("-", "_") == package.lower()]
    name = (same or sorted(found))[0]
    return f"{name.lower()}=={version(name).partition('+')[0]}"


def requirements(text: str) -> list[str]:
    """Pins of all packages that a script imports, in alphabetical order."""
    return sorted(map(requirement, third_party_imports(text)))


def third_party_imports(text: str) -> set[str]:
    """Top-level packages that a script imports, without the standard library."""
    nodes = list(ast.walk(ast.parse(text)))
    names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def requirements_cell(text: str) -> list[str]:
    """Text cell that says with which packages a page ran; notebooks carry it too."""
    pins = ", ".join(f"``{pin}``" for pin in requirements(text))
    return [
        "",
        "# %%",
        f"# This page ran with {pins}.",
        "# To run it yourself, ``pip install`` these.",
    ]


def script_metadata(text: str) -> str:
    """Comment block that names Python and the packages a script needs.

    The versions are those of this environment, with which the page was run.
    """
    lines = [f'#   "{pin}",' for pin in requirements(text)]
    python = metadata("migrate-examples")["Requires-Python"]
    return "\n".join(
        [
            "# /// script",
            f'# requires-python = "{python}"',
            "# dependencies = [",
            *lines,
            "# ]",
            "# ///",
            "",
        ]
    )
