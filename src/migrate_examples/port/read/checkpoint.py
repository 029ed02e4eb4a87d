"""Reads TensorFlow checkpoints and the variables of SavedModels."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from migrate_examples.port.archive import Archive, Array, ReadError, StoredLayer
from migrate_examples.port.read import object_graph
from migrate_examples.port.read.bundle import Bundle
from migrate_examples.port.read.flat import layers_of
from migrate_examples.port.read.layers import Walk
from migrate_examples.port.read.object_graph import KEY, VALUE, Saved, Trees
from migrate_examples.port.read.tree import Node, Spec, natural

MOST_METADATA = 1 << 28
EXPORTED_AGAIN = "_all_variables/"
"""Where an export of Keras 3 holds its variables a second time."""
SLOT = "/.OPTIMIZER_SLOT/"
SLOTS_BY_NAME = ("Adam", "Adam_1", "Momentum", "RMSProp", "RMSProp_1", "Adagrad")
"""What optimizers of TensorFlow 1 append to the name of a variable."""
COUNTERS = ("global_step", "beta1_power", "beta2_power", "save_counter")


def read_checkpoint(prefix: Path) -> Archive:
    """A checkpoint, by what stands before ``.index``.

    Raises
    ------
    ReadError
        Broken, or a data file is missing.
    """
    return _read(prefix, prefix, "checkpoint", {})


def read_saved_model(folder: Path) -> Archive:
    """The variables of a SavedModel; its graph is a program and is not run.

    Raises
    ------
    ReadError
        Broken, or a file is missing.
    """
    metadata = folder / "keras_metadata.pb"
    said = {}
    if metadata.is_file():
        if metadata.stat().st_size > MOST_METADATA:
            raise ReadError(f"{metadata}: longer than {MOST_METADATA} bytes")
        try:
            said = object_graph.metadata_of(metadata.read_bytes(), metadata.name)
        except ReadError as error:
            raise ReadError(f"{metadata}: {error}") from None
    return _read(folder / "variables" / "variables", folder, "saved_model", said)


def _read(
    prefix: Path, path: Path, kind: str, metadata: Mapping[str, dict[str, object]]
) -> Archive:
    bundle = Bundle(prefix)
    skipped, arrays = [], {}
    for key in bundle.entries:
        if key == KEY:
            continue
        if why := bundle.skipped(key):
            skipped.append(why)
        else:
            arrays[key] = bundle.array(key)
    if KEY not in bundle.entries:
        layers, state = _by_name(arrays)
        return Archive(path, kind, layers, None, state, tuple(skipped))
    try:
        objects = object_graph.graph_of(bundle.string(KEY))
        specs = object_graph.specs_by_object(objects, metadata)
        reader = _ByObject(objects, arrays, specs, path)
        layers = reader.layers()
    except ReadError as error:
        known = str(error).startswith(str(prefix))
        raise (error if known else ReadError(f"{prefix}: {error}")) from None
    root = metadata.get("root")
    model = {k: root[k] for k in ("class_name", "config")} if root else None
    skipped += reader.skipped
    return Archive(path, kind, layers, model, reader.state, tuple(skipped))


class _ByObject:
    """Sorts the arrays of a checkpoint that knows its objects."""

    def __init__(
        self,
        objects: list[Saved],
        arrays: Mapping[str, Array],
        specs: Mapping[int, Spec],
        path: Path,
    ) -> None:
        self.objects = objects
        self.arrays = dict(arrays)
        self.specs = specs
        self.path = path
        self.skipped: list[str] = []
        self.state: dict[str, Array] = {}
        self.full = {
            key: full
            for saved in objects
            for name, (full, key) in saved.values.items()
            if name == VALUE
        }

    def layers(self) -> tuple[StoredLayer, ...]:
        """All layers; each array in one of them, or in the optimizer's state."""
        self._check()
        self._take_optimizers()
        trees = Trees(self.objects, self.arrays, self.specs)
        root = trees.node(0)
        object_graph.name_nodes(root, trees.full_names)
        walk = Walk(str(self.path), strict=False)
        found = self._of_root(walk, root)
        self.skipped += walk.skipped
        left = {k: a for k, a in self.arrays.items() if k not in trees.used}
        return (*found, *self._by_full_name(left))

    def _check(self) -> None:
        """Every variable of the graph has to be in the index."""
        for saved in self.objects:
            for name, (_, key) in saved.values.items():
                if name == VALUE and key and key not in self.arrays:
                    self.skipped.append(f"{key}: not among the numbers, not read")

    def _of_root(self, walk: Walk, root: Node) -> tuple[StoredLayer, ...]:
        """Layers of the model that the root is, or holds.

        A checkpoint of one model calls it ``model`` or so: no part of its names.
        """
        models = [key for key, child in root.children.items() if child.any_arrays()]
        is_model = root.spec is not None or any(
            key.startswith(("layer-", "layer_with_weights-")) for key in root.children
        )
        if not is_model and len(models) == 1:
            inner = root.children[models[0]]
            if inner.children and not inner.arrays:
                inner.arrays.update(root.arrays)
                root = inner
        return walk.model(root, root.spec)

    def _take_optimizers(self) -> None:
        for key in list(self.arrays):
            if SLOT in key:
                variable, _, slot = key.partition(SLOT)
                name = self.full.get(key) or variable
                self._move(key, name if "/" in name else f"{variable}/{slot}")
            elif key.split("/")[0] == "save_counter":
                self._move(key, "save_counter")
        for number in self._optimizers():
            for name, child in self.objects[number].children.items():
                for place, key in self._values_under(child, name):
                    if key in self.arrays:
                        full = self.full.get(key, "")
                        named = bool(full) and full != "Variable"
                        self._move(key, full if named else place)

    def _optimizers(self) -> set[int]:
        return {
            child
            for saved in self.objects
            for name, child in saved.children.items()
            if name.lstrip("_") in ("optimizer", "_optimizer")
            or self._is_optimizer(child)
        }

    def _is_optimizer(self, number: int) -> bool:
        names = self.objects[number].children
        return bool(self.objects[number].slots) or (
            ("_iterations" in names or "iterations" in names or "iter" in names)
            and "_learning_rate" in names
        )

    def _values_under(self, number: int, name: str) -> Iterator[tuple[str, str]]:
        """Values of an optimizer's attribute, one list deep."""
        saved = self.objects[number]
        if VALUE in saved.values:
            yield name, saved.values[VALUE][1]
        if name in ("_variables", "_momentums", "_velocities"):
            for place, child in saved.children.items():
                if VALUE in self.objects[child].values:
                    yield f"{name}/{place}", self.objects[child].values[VALUE][1]

    def _move(self, key: str, name: str) -> None:
        bare = name
        for start in ("Adam/", "adam/", "SGD/", "sgd/", "RMSprop/", "rmsprop/"):
            bare = bare.removeprefix(start)
        while bare in self.state:
            bare = f"{bare}#"
        self.state[bare] = self.arrays.pop(key)

    def _by_full_name(self, left: Mapping[str, Array]) -> tuple[StoredLayer, ...]:
        """What no attribute leads to, by the full names of the variables."""
        named: dict[str, Array] = {}
        once: Counter[tuple[str, bytes]] = Counter()
        for key in sorted(left, key=lambda key: (key.startswith("_"), natural(key))):
            full, array = self.full.get(key) or key, left[key]
            if why := _no_weight(key, full):
                self.skipped.append(f"{key}: {why}, not read")
                continue
            same = (full, array.tobytes())
            if key.startswith(EXPORTED_AGAIN):
                once[same] -= 1
                if once[same] >= 0:
                    continue  # an exported variable, held under both attributes
            once[same] += 1
            named[key] = array
        return layers_of(_without_model(self._fitting_names(named)))

    def _fitting_names(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Full names where each is another; keys where not."""
        full = [self.full.get(key) or key for key in arrays]
        if len(set(full)) == len(full):
            return dict(zip(full, arrays.values(), strict=True))
        return {key.partition("/.ATTRIBUTES")[0]: a for key, a in arrays.items()}


def _no_weight(key: str, full: str) -> str:
    """What a variable is that belongs to no layer; empty for a weight."""
    if key.startswith("keras_api/metrics"):
        return "state of a metric"
    if full.endswith("seed_generator_state"):
        return "state of a random generator"
    return ""


def _without_model(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Names without the model's, where it stands before every one."""
    firsts = {name.split("/")[0] for name in arrays}
    deep = all(name.count("/") >= 2 for name in arrays)
    if len(firsts) != 1 or not deep:
        return dict(arrays)
    return {name.partition("/")[2]: array for name, array in arrays.items()}


def _by_name(
    arrays: Mapping[str, Array],
) -> tuple[tuple[StoredLayer, ...], dict[str, Array]]:
    """Layers of a checkpoint of TensorFlow 1, and the state of its optimizer."""
    weights: dict[str, Array] = {}
    state: dict[str, Array] = {}
    for name, array in arrays.items():
        before, _, last = name.rpartition("/")
        slot = last in SLOTS_BY_NAME and before in arrays
        (state if slot or last in COUNTERS else weights)[name] = array
    return layers_of(weights), state
