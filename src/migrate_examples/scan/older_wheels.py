"""Writes the list of names that older versions had, from their wheels.

``python -m migrate_examples.scan.older_wheels WHEEL...`` takes wheels as they
lie on the package index, the oldest first: Keras 2.2, TensorFlow 1.15, 2.3 and
2.10, Keras 2.6 and 2.15, tf-keras. Nothing of them is installed or run.
"""

import ast
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from migrate_examples.api_map.lookup import UNLISTED
from migrate_examples.api_map.older import NAMES, canonical
from migrate_examples.api_map.symbols import main_name
from migrate_examples.scan.names import is_namespace

HEAD = "# Names that newer versions lack, and the last looked at that had them.\n"

# The published API of a wheel, and what its names begin with.
PUBLISHED = (
    (r"tensorflow\w*/_api/v\d/(?:compat/v1/)?(?!compat/)(.*)__init__\.py", "tf."),
    (r"(?:\w+/python/)?\w*keras/api/_v\d/keras/(.*)__init__\.py", "keras."),
)
# Keras by itself, before it had a published API: what its modules define.
BEFORE_API = ((r"keras/((?!.*(?:cntk|numpy|theano|test)).*)\.py", "keras."),)

MODULE = r"(keras/(?!api/|src/|.*_test|.*tests/)\w[\w/]*)\.py"
"""Modules of Keras that people imported from, published or not."""


def names_in(wheel: Path) -> Iterator[str]:
    """Names that the published modules of a wheel define or import."""
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
        has_api = any("/api/_v" in m or "/_api/v" in m for m in members)
        for member in members:
            if match := re.fullmatch(MODULE, member):
                yield match[1].replace("/", ".")
            for pattern, prefix in PUBLISHED if has_api else BEFORE_API:
                if match := re.fullmatch(pattern, member):
                    module = prefix + match[1].replace("/", ".")
                    module = module.removesuffix("__init__").rstrip(".")
                    text = archive.read(member).decode("utf-8", "replace")
                    yield from names_of(text, module, imports=has_api)
                    break


def names_of(text: str, module: str, *, imports: bool) -> Iterator[str]:
    """Public names that a module's text binds at its top."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names if imports else []:
                yield f"{module}.{alias.asname or alias.name}"
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield f"{module}.{node.name}"
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield f"{module}.{target.id}"


def is_gone(name: str) -> bool:
    """Tell whether a name is public and the installed versions lack it."""
    public = not re.search(r"\._|\.\*|raw_ops|__", name)
    spellings = (name, f"tf.{name}") if name.startswith("keras.") else (name,)
    return (
        public
        and not name.startswith(UNLISTED)
        and not any(main_name(s) or is_namespace(s) for s in spellings)
    )


def version_of(wheel: Path) -> str:
    """Name and version of a wheel, as people write them."""
    name, version = wheel.name.split("-")[:2]
    short = ".".join(version.split(".")[:2])
    if name == "tf_keras":
        return f"tf-keras {short}"
    return f"{'TensorFlow' if name.startswith('tensorflow') else 'Keras'} {short}"


def main(wheels: list[str]) -> None:
    """Write the list from wheels, the oldest first: the last that has a name counts."""
    found: dict[str, str] = {}
    for wheel in map(Path, wheels):
        names = {canonical(name) for name in names_in(wheel)}
        found |= dict.fromkeys(filter(is_gone, names), version_of(wheel))
    lines = [f"{name} {version}" for name, version in sorted(found.items())]
    NAMES.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
