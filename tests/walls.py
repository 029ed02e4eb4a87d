"""The rules of the house, each a function from the root of a tree to what breaks it.

``test_house.py`` asks each of them about this tree, where nothing may break
it, and about copies in which the rule is broken on purpose.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

type_of_wall = Callable[[Path], list[str]]

PACKAGE = "src/migrate_examples"
TOP_LEVEL = {
    *("docs", "gallery", "src", "tests", "conf.py", "Makefile", "pyproject.toml"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt"),
}
FORBIDDEN_STEMS = {"utils", "helpers", "common", "misc", "base", "core", "manager"}
FRAMEWORKS = {
    "in_tensorflow": {"torch", "torchvision"},
    "in_pytorch": {"tensorflow", "keras", "tf_keras"},
}
LINES_OF_CODE = {"src": 400, "gallery": 300, "tests": 500}
RUNNABLE_FENCES = {"python", "toml", "sh"}
"""Sybil runs python, the rows' test runs toml, the Makefile has what sh calls."""


def modules(root: Path) -> Iterator[Path]:
    """Python files that people write; those of tests/data are there to be scanned."""
    for folder in ("src", "tests", "gallery"):
        for path in sorted((root / folder).rglob("*.py")):
            if not path.is_relative_to(root / "tests/data"):
                yield path


def sections(root: Path) -> list[Path]:
    """Folders of the package that hold twins."""
    return sorted({p.parent for p in (root / PACKAGE).glob("*/in_*.py")})


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def parse_all(paths: list[Path]) -> ast.Module:
    return ast.parse("\n".join(path.read_text() for path in paths))


def imported(tree: ast.AST) -> set[str]:
    """Full names of all modules that a tree imports, at any depth."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def public(path: Path) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes of a module, by name."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    body = [n for n in parse(path).body if isinstance(n, kinds)]
    return {n.name: n for n in body if not n.name.startswith("_")}


def signature(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """Parameters with their kinds and defaults, annotations left out.

    Of a class: those of ``__init__``, or the fields where it has none.
    """
    if isinstance(node, ast.ClassDef):
        methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        for method in methods:
            if method.name == "__init__":
                return signature(method)
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
        return [
            f"{ast.unparse(f.target)}={f.value and ast.unparse(f.value)}"
            for f in fields
        ]
    arguments = ast.parse(ast.unparse(node)).body[0].args  # type: ignore[attr-defined]
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(arguments).split(", ")


def frameworks_stay_out_of_light_modules(root: Path) -> list[str]:
    light = ["migrate_examples", "migrate_examples.api_map", "migrate_examples.cli"]
    light += ["migrate_examples.pitfalls", "migrate_examples.scan"]
    light += ["migrate_examples.scan.report", "migrate_examples.api_map.lookup"]
    light += [f"migrate_examples.{s.name}" for s in sections(root)]
    code = (
        f"import sys; sys.path.insert(0, {str(root / 'src')!r})\n"
        f"for name in {light!r}:\n"
        "    __import__(name)\n"
        "    heavy = {'tensorflow', 'keras', 'torch', 'numpy'} & sys.modules.keys()\n"
        "    print(*(f'{name} imports {module}' for module in heavy), sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    return [line for line in (run.stdout + run.stderr).splitlines() if line]


def sides_import_one_framework(root: Path) -> list[str]:
    problems = []
    for path in sorted((root / PACKAGE).glob("*/in_*.py")):
        banned = FRAMEWORKS[path.stem] | {"migrate_examples", ""}
        for name in sorted(imported(parse(path))):
            if name.partition(".")[0] in banned:
                problems.append(f"{path.parent.name}/{path.name} imports {name}")
    return problems


def sides_have_equal_signatures(root: Path) -> list[str]:
    problems = []
    for section in sections(root):
        paths = [section / "in_tensorflow.py", section / "in_pytorch.py"]
        if missing := [p.name for p in paths if not p.is_file()]:
            problems.append(f"{section.name} has no {missing[0]}")
            continue
        ours, theirs = map(public, paths)
        for name in sorted(ours.keys() ^ theirs.keys()):
            problems.append(f"{section.name}: {name} stands on one side alone")
        for name in ours.keys() & theirs.keys():
            if signature(ours[name]) != signature(theirs[name]):
                problems.append(f"{section.name}: {name} differs in its parameters")
    return problems


def pairs_have_parity_tests(root: Path) -> list[str]:
    problems = []
    for section in sections(root):
        paths = sorted((root / "tests/sections").glob(f"test_{section.name}*.py"))
        tree = parse_all(paths)
        tests = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
        used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        for name in public(section / "in_pytorch.py"):
            snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
            if (
                not any(t.startswith(f"test_{snake}") for t in tests)
                or name not in used
            ):
                problems.append(f"{section.name}: no test_{snake} that calls {name}")
    return problems


def sections_have_pages(root: Path) -> list[str]:
    """Each section is imported by a page; each chapter belongs to a section."""
    text = "".join(p.read_text() for p in (root / "gallery").rglob("*.py"))
    names = [s.name for s in sections(root)]
    without = [n for n in names if f"migrate_examples.{n}.in_" not in text]
    chapters = {p.stem for p in (root / "docs/guide").glob("*.md")} - {"index"}
    return [f"{n} has no page" for n in without] + [
        f"docs/guide/{c}.md belongs to no section"
        for c in sorted(chapters - set(names))
    ]


def twins_appear_on_pages(root: Path) -> list[str]:
    """Each pair is imported by a page, on one side at least: none is hidden."""
    shown: set[tuple[str, str]] = set()
    for page in (root / "gallery").rglob("*.py"):
        for node in ast.walk(parse(page)):
            if isinstance(node, ast.ImportFrom) and node.module:
                section = node.module.rpartition(".")[0]
                shown |= {(section, alias.name) for alias in node.names}
    return [
        f"{section.name}: no page shows {name}"
        for section in sections(root)
        for name in public(section / "in_pytorch.py")
        if (f"migrate_examples.{section.name}", name) not in shown
        and not used_by_neighbours(section / "in_pytorch.py", name)
    ]


def used_by_neighbours(path: Path, name: str) -> bool:
    """Tell whether the module itself uses the name: then it is shown with its user."""
    return any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        for n in ast.walk(parse(path))
    )


def stems_say_the_subject(root: Path) -> list[str]:
    return [
        f"{p.name} says nothing" for p in modules(root) if p.stem in FORBIDDEN_STEMS
    ]


def code_lines(text: str) -> list[bool]:
    """Tell of each line whether it is code: no docstring, no comment, not blank."""
    lines = [line.strip() for line in text.splitlines()]
    is_code = [bool(line) and not line.startswith("#") for line in lines]
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node):
            first, last = node.body[0].lineno, node.body[0].end_lineno or 0
            is_code[first - 1 : last] = [False] * (last - first + 1)
    return is_code


def files_and_functions_are_small(root: Path) -> list[str]:
    """Sizes are counted in lines of code: nobody should save on words to keep them."""
    problems, sizes = [], []
    for path in modules(root):
        text = path.read_text()
        is_code = code_lines(text)
        bound = LINES_OF_CODE[path.relative_to(root).parts[0]]
        if sum(is_code) > bound:
            problems.append(f"{path.name}: {sum(is_code)} lines, at most {bound}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                sizes.append(sum(is_code[node.lineno - 1 : node.end_lineno]))
                if sizes[-1] > 60:
                    problems.append(f"{path.name}: {node.name} has {sizes[-1]} lines")
    if sum(size <= 30 for size in sizes) < 0.9 * len(sizes):
        problems.append("fewer than nine in ten functions fit on a screen of 30 lines")
    return problems


def settings_are_only_settings(root: Path) -> list[str]:
    text = (root / "conf.py").read_text()
    problems = [f"conf.py has {n} lines" for n in [text.count("\n")] if n > 60]
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
    if any(isinstance(n, kinds) for n in ast.walk(ast.parse(text))):
        problems.append("conf.py defines something")
    return problems


def imports_are_plain(root: Path) -> list[str]:
    """No guard around an import, no change of the path."""
    problems = []
    for path in modules(root):
        for node in ast.walk(parse(path)):
            match node:
                case ast.ExceptHandler(
                    type=ast.Name(id="ImportError" | "ModuleNotFoundError")
                ):
                    problems.append(f"{path.name}:{node.lineno} guards an import")
                case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
                    problems.append(f"{path.name}:{node.lineno} touches sys.path")
    return problems


def prose_files(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("*.md"))
    yield from sorted(
        p for p in (root / "docs").rglob("*.md") if "examples" not in p.parts
    )


def fences_are_run(root: Path) -> list[str]:
    problems = []
    makefile = (root / "Makefile").read_text()
    for path in prose_files(root):
        text = path.read_text()
        for kind in re.findall(r"^(?:```|~~~|:::)+ *(\S+)", text, re.M):
            if kind not in RUNNABLE_FENCES and not re.fullmatch(
                r"\{(?!code|test|doctest)[\w-]+\}", kind
            ):
                problems.append(f"{path.name}: nothing runs a block of kind {kind}")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
            for command in re.findall(r"^migrate-examples ([\w-]+)", block, re.M):
                if (
                    not (root / PACKAGE / "cli.py").is_file()
                    or f'"{command}"' not in (root / PACKAGE / "cli.py").read_text()
                ):
                    problems.append(f"{path.name}: there is no command {command}")
            for target in re.findall(r"^make ([\w-]+)", block, re.M):
                if not re.search(rf"^{target}:", makefile, re.M):
                    problems.append(f"{path.name}: make has no target {target}")
        if ">>>" in re.sub(r"```python\n.*?```", "", text, flags=re.S):
            problems.append(f"{path.name}: a prompt outside of a python block")
    return problems


def nothing_derived_is_tracked(root: Path) -> list[str]:
    command = [
        "git",
        "-C",
        str(root),
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    tracked = listed.splitlines()
    derived = re.compile(
        r"^(build|dist|\.venv|docs/examples)/|\.(ipynb|pyc|so|stamp)$|egg-info"
    )
    problems = [f"{name} is derived" for name in tracked if derived.search(name)]
    top = {name.partition("/")[0] for name in tracked}
    strangers = sorted(n for n in top - TOP_LEVEL if not n.startswith("."))
    return problems + [f"{name} does not belong at the top level" for name in strangers]


def skips_say_why(root: Path) -> list[str]:
    from migrate_examples._site.unverified import skips

    return [
        f"{gap.what} skips without a reason"
        for gap in skips(root / "tests")
        if not gap.reason
    ]


def no_machine_is_named(root: Path) -> list[str]:
    pattern = re.compile(r"(?<![\w.])/(work|root|home|opt|mnt)/\w")
    return [
        f"{path.name}: {line.strip()[:60]}"
        for path in [
            *modules(root),
            *prose_files(root),
            root / "Makefile",
            root / "pyproject.toml",
        ]
        for line in path.read_text().splitlines()
        if pattern.search(line) and path.name not in {"walls.py", "test_house.py"}
    ]


WALLS: list[type_of_wall] = [
    frameworks_stay_out_of_light_modules,
    sides_import_one_framework,
    sides_have_equal_signatures,
    pairs_have_parity_tests,
    sections_have_pages,
    twins_appear_on_pages,
    stems_say_the_subject,
    files_and_functions_are_small,
    settings_are_only_settings,
    imports_are_plain,
    fences_are_run,
    nothing_derived_is_tracked,
    skips_say_why,
    no_machine_is_named,
]
