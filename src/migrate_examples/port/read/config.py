"""What a model's config says, read as data: nothing in it is executed."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from migrate_examples.port.archive import ReadError
from migrate_examples.port.read.tree import Spec

IMPORTED = ("keras", "tf_keras", "tensorflow")
"""Packages whose classes a config may name."""
KINDS = (
    "activations", "losses", "metrics", "initializers", "regularizers", "constraints",
    "ops",
)  # fmt: skip
FUNCTIONS = tuple(f"{src}{kind}" for kind in KINDS for src in ("", "src."))
"""Modules of Keras whose functions a config may name; others open files."""
LOADERS = {
    "TorchModuleWrapper": "unpickles a module of PyTorch",
    "TFSMLayer": "loads and runs a SavedModel beside the file",
    "JaxLayer": "runs a function of another package",
    "FlaxLayer": "runs a module of another package",
}
"""Layers of Keras that run what a file says."""
LARGEST = 1 << 28
"""Characters of a config."""
DEEPEST = 200


def parse(text: str | bytes, where: str) -> dict[str, Any]:
    """Config as JSON.

    Raises
    ------
    ReadError
        No JSON, or no object in it.
    """
    if len(text) > LARGEST:
        raise ReadError(f"{where}: longer than {LARGEST} characters")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{where}: not the JSON of a config: {error}") from None
    if not isinstance(config, dict):
        raise ReadError(f"{where}: not the JSON of a config: a {type(config).__name__}")
    for depth, _, _ in walk(config, where):
        if depth > DEEPEST:
            raise ReadError(f"{where}: nested more than {DEEPEST} deep")
    return config


def walk(value: Any, where: str, depth: int = 0) -> Iterator[tuple[int, str, Any]]:
    """All dictionaries of a config, with the place of each."""
    stack = [(depth, where, value)]
    while stack:
        depth, where, value = stack.pop()
        if isinstance(value, Mapping):
            yield depth, where, value
            inside = list(value.items())
        elif isinstance(value, list | tuple):
            inside = [(str(place), part) for place, part in enumerate(value)]
        else:
            continue
        for key, part in reversed(inside):
            if isinstance(part, Mapping | list | tuple):
                stack.append((depth + 1, f"{where}/{key}", part))


def check_config(config: Mapping[str, Any], allowed: Collection[str] = ()) -> None:
    """Refuse a config that would have Keras import other code than its own.

    Parameters
    ----------
    config : mapping
        ``Archive.config``.
    allowed : collection of str
        Names that the caller has registered: ``MyLayer``, ``package>MyLayer`` or a
        module, ``mypackage.layers``.

    Raises
    ------
    ReadError
        It names a class or function of another package; it carries a function's
        body, as a Lambda layer does; or a layer that opens other files.

    Examples
    --------
    >>> check_config({"module": "os", "class_name": "function", "config": "system"})
    Traceback (most recent call last):
    ...
    migrate_examples.port.archive.ReadError: the config names os.system, which is not
    Keras's; name the module that defines it, if you trust it
    """
    for body in lambda_bodies(config):
        raise ReadError(
            f"the config carries the body of a function ({body}), which is a program "
            "and is never run: replace that Lambda by a layer and save the model again"
        )
    for _, _, part in walk(config, ""):
        name = part.get("class_name")
        if isinstance(name, str):
            _check_class(part, name, set(allowed))


def _check_class(part: Mapping[str, Any], name: str, allowed: set[str]) -> None:
    """Refuse one class or function of a config."""
    module, inner = part.get("module"), part.get("config")
    function = name == "function" and isinstance(inner, str)
    own = str(inner) if function else name
    known = {own, module, f"{module}.{own}"}
    if not function:
        known.add(part.get("registered_name"))
    if known & allowed:
        return
    if name in LOADERS:
        raise ReadError(f"the config has a {name}, which {LOADERS[name]}")
    if isinstance(inner, Mapping) and isinstance(inner.get("vocabulary"), str):
        where = inner["vocabulary"]
        raise ReadError(f"the config has a {name} that opens another file: {where!r}")
    if not isinstance(module, str):
        return  # looked up among registered names alone
    package, _, rest = module.removesuffix(".").partition(".")
    if package not in IMPORTED or (function and not rest.startswith(FUNCTIONS)):
        raise ReadError(
            f"the config names {module}.{own}, which is not Keras's; name the "
            "module that defines it, if you trust it"
        )


def lambda_bodies(config: Any) -> list[str]:
    """Places of function bodies in a config: they are programs and never run."""
    found = []
    for _, where, part in walk(config, ""):
        name, inner = part.get("class_name"), part.get("config")
        if name == "__lambda__" or part.get("function_type") == "lambda":
            found.append(_layer_at(part, where))
        elif name == "Lambda" and isinstance(inner, Mapping):
            body = inner.get("function")
            if isinstance(body, list | tuple):
                found.append(f"the Lambda layer {inner.get('name', '')}")
    return list(dict.fromkeys(found))


def _layer_at(part: Mapping[str, Any], where: str) -> str:
    name = part.get("name")
    return f"the Lambda layer {name}" if name else f"at {where.strip('/')}"


def is_config_of_layer(value: Any) -> bool:
    """Whether a part of a config describes a layer."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), Mapping)
    )


def spec_of(value: Mapping[str, Any], name: str = "") -> Spec:
    """One layer, out of the config of what holds it."""
    config = dict(value["config"])
    shared = value.get("shared_object_id")
    build = value.get("build_config")
    own = config.get("name") or value.get("name") or name
    module = value.get("module")
    return Spec(
        name=str(own),
        class_name=str(value["class_name"]),
        config=config,
        module=module if isinstance(module, str) else "",
        shared=shared if isinstance(shared, int) else None,
        built=isinstance(build, Mapping) and bool(build),
    )


def specs_in(config: Mapping[str, Any] | None) -> list[Spec] | None:
    """Layers of a Sequential or functional model; None for what is none.

    Operations that were called without a layer are left out: Keras does not count
    them when it saves.
    """
    layers = (config or {}).get("layers")
    if not isinstance(layers, list) or not all(map(is_config_of_layer, layers)):
        return None
    specs = [spec_of(layer) for layer in layers]
    return [spec for spec in specs if not _is_operation(spec)]


def _is_operation(spec: Spec) -> bool:
    return spec.module.startswith(("keras.src.ops", "keras.ops"))


def is_whole_model(config: Mapping[str, Any]) -> bool:
    """Whether it is the serialised form of a model, with class and config."""
    return is_config_of_layer(config)
