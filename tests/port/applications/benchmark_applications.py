"""Measure all of ``keras.applications``, and write a JSON file.

Takes tens of minutes, so it is no test: ``python benchmark_applications.py OUT``,
or with names of models behind it. Each model runs in a process of its own, which
gives its memory back, at its own input size or at ``--size``.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from migrate_examples._torchvision import declare_missing_operators

SIZES = {"NASNetLarge": 331, "InceptionV3": 299, "InceptionResNetV2": 299}
DEFAULT_SIZE = 224


def measure_one(name: str, size: int) -> None:
    """Print the measurement of a model as a line of JSON."""
    declare_missing_operators()
    from migrate_examples.port.applications import generated, measure
    from migrate_examples.port.applications.families import TWINS
    from migrate_examples.port.applications.table import as_json

    start = time.perf_counter()
    found = measure.measure if name in TWINS else generated.measure
    (entry,) = as_json([found(name, size)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    entry |= {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_megabytes": peak // 1024,
    }
    sys.stdout.write(json.dumps(entry))


def all_names() -> list[str]:
    """Names of all constructors, from Keras itself."""
    import inspect

    import keras

    return [n for n, _ in inspect.getmembers(keras.applications, inspect.isfunction)]


def main() -> None:
    """Measure models one after the other; a failed one is written as such."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--size", type=int)
    arguments.add_argument("--one", action="store_true", help="print one, in-process")
    given = arguments.parse_intermixed_args()
    if given.one:
        measure_one(given.names[0], given.size)
        return
    found = []
    for name in given.names or all_names():
        size = given.size or SIZES.get(name, DEFAULT_SIZE)
        command = [sys.executable, __file__, "-", name, "--one", "--size", str(size)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            found.append(json.loads(run.stdout.splitlines()[-1]))
        else:
            found.append({"name": name, "failed": run.stderr.strip()[-600:]})
        sys.stderr.write(f"{found[-1]}\n")
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
