"""Loads a Keras model from a file of which nothing is executed."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np

from migrate_examples.port.archive import Archive, ReadError
from migrate_examples.port.read import check_config, read

WHOLE_MODELS = {"keras", "h5"}
"""Kinds of files that hold the layers of a model as well as its weights."""

INSTEAD = {
    "saved_model": "a SavedModel folder, whose layers Keras 3 cannot load",
    "checkpoint": "a TensorFlow checkpoint, which holds weights and no layers",
    "weights.h5": "a file of weights, which holds no layers",
    "npz": "a file of arrays, which holds no layers",
}
"""What the other kinds are, in words."""


class LoadError(ValueError):
    """A model that Keras cannot load, or loads otherwise: says why and what to do."""


def open_file(path: Path, custom: ModuleType | None = None) -> Archive:
    """Read all that a file holds, and make sure that it can be ported.

    Parameters
    ----------
    path : Path
        The file.
    custom : module, optional
        Whose classes the file may name.

    Raises
    ------
    ReadError
        If it is missing, corrupt, unsafe or foreign.
    LoadError
        If it holds no layers, or layers of another framework's file.
    """
    if not path.exists():
        raise ReadError(f"{path}: there is no such file")
    archive = read(path)
    if archive.kind not in WHOLE_MODELS:
        what = INSTEAD.get(archive.kind, "no model of Keras")
        raise LoadError(
            f"{path} is {what}. Write the module by hand, or load the model where it "
            "was made and save it as .keras; `migrate_examples.port.transfer` puts the "
            "weights of this file into a module"
        )
    if archive.config is None:
        raise LoadError(
            f"{path} holds weights and no layers: save the whole model, or put these "
            "weights into your own module with `migrate_examples.port.transfer`"
        )
    try:
        check_config(archive.config, names_of(custom) if custom else ())
    except ReadError as error:
        hint = "" if custom else " (--custom FILE executes that module)"
        own = "not Keras's" in str(error)
        raise ReadError(f"{path}: {error}{hint if own else ''}") from error
    return archive


def import_custom(path: Path) -> ModuleType:
    """Execute a module that defines a model's own layers.

    Its classes are found by their names when the model is loaded.

    Raises
    ------
    LoadError
        If it cannot be imported.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise LoadError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[path.stem]
        raise LoadError(f"{path} fails: {type(error).__name__}: {error}") from error
    return module


def names_of(module: ModuleType) -> set[str]:
    """Names by which a file may know the classes of a module.

    It may have been imported under another name when the file was saved, so that
    each class is allowed by its own name, whatever its module was.
    """
    found = {module.__name__}
    for name, value in classes_of(module).items():
        found |= {name, keras.saving.get_registered_name(value)}
    return found


def classes_of(module: ModuleType) -> dict[str, Any]:
    """Layers, models and functions that a module defines, by their names."""
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }


def load(
    path: Path, archive: Archive, custom: ModuleType | None = None
) -> tuple[Any, list[str]]:
    """Let Keras load a model in safe mode; it equals what was read, bit by bit.

    Parameters
    ----------
    path : Path
        The file.
    archive : Archive
        What :func:`open_file` read of it.
    custom : module, optional
        With the model's own classes.

    Returns
    -------
    keras.Model
    list of str
        Arrays of the file that Keras did not load.

    Raises
    ------
    LoadError
        If Keras cannot load it, or its weights differ from those in the file.
    """
    objects = classes_of(custom) if custom else {}
    try:
        model = keras.saving.load_model(
            path, custom_objects=objects, compile=False, safe_mode=True
        )
    except Exception as error:
        raise LoadError(sentence(path, error, archive)) from error
    return model, compare_weights(path, model, archive)


def sentence(path: Path, error: Exception, archive: Archive) -> str:
    """What Keras says of a file, in one sentence, and what can be done."""
    said = " ".join(str(error).split())
    if "tf_keras" in str(archive.config) or "Unable to revive model" in said:
        advice = "it looks like a file of Keras 2: load it there and save it as .h5"
    elif "ould not locate" in said or "nknown layer" in said or "nknown object" in said:
        advice = (
            "name the module that defines the model's own classes with --custom; it "
            "is executed"
        )
    elif "ambda" in said:
        advice = (
            "a Lambda's code is never executed: replace it by a layer and save again"
        )
    else:
        advice = "load it in Python to see more"
    return f"{path}: Keras cannot load it: {said[:300]}… ({advice})"


def compare_weights(path: Path, model: Any, archive: Archive) -> list[str]:
    """Make sure that Keras loaded what the file holds, bit by bit.

    Order and names differ between the formats; each array has to be there as
    often as the other side has it. The state of random generators is no weight.

    Returns
    -------
    list of str
        Arrays of the file that Keras did not load.

    Raises
    ------
    LoadError
        If an array differs; says which.
    """
    stored: dict[tuple[object, ...], list[str]] = {}
    for name, array in archive.arrays().items():
        stored.setdefault(fingerprint(array), []).append(name)
    for variable in model.weights:
        if "seed_generator" in variable.path:
            continue
        array = variable.numpy()
        if not (names := stored.get(fingerprint(array))):
            raise LoadError(
                f"{path}: Keras loaded {variable.path} {array.shape} with values that "
                "are not in the file: the file and this version of Keras do not fit"
            )
        names.pop()
    return [name for names in stored.values() for name in names if "seed" not in name]


def fingerprint(array: Any) -> tuple[object, ...]:
    """Shape, type and a digest of the bytes of an array.

    >>> fingerprint(np.zeros(1, "float32"))[:2]
    ((1,), 'float32')
    """
    plain = np.ascontiguousarray(array)
    data = plain.reshape(-1).view(np.uint8)
    digest = hashlib.blake2b(data.tobytes(), digest_size=16).hexdigest()
    return array.shape, str(array.dtype), digest
