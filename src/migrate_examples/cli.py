"""The command ``migrate-examples``: look names up, scan code, port models.

What a command needs is imported when it runs, so that the start takes a tenth of
a second and no framework.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from migrate_examples import __version__

DESCRIPTION = (
    "What TensorFlow and Keras code is in PyTorch, and trained models too. All but "
    "port and parity-test run without either framework."
)
FORMATS = ("text", "json", "html", "sarif", "github")
KINDS_HELP = (
    "kinds of findings that make the exit code 1, with commas between: those of the "
    "report (same, arguments, semantics, lines, none, tf1, trap, unmapped, removed, "
    "private, unknown), any, or never (default: unknown)"
)
EXIT_CODES = (
    "exit codes: 0 nothing to fail on; 1 findings of the kinds of --fail-on, or, with "
    "--diff, something to rewrite; 2 wrong usage, or something that could not be read"
)
LAYOUTS = ("channels_last", "channels_first")
PORT_CODES = (
    "exit codes: 0 both agree; 1 they differ, or the outputs react so little that it "
    "shows nothing (the folder is written, the report says where); 2 wrong usage, a "
    "file that cannot be read, or a layer that cannot be written (nothing is written)"
)


def parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    made = argparse.ArgumentParser("migrate-examples", description=DESCRIPTION)
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, fill) in COMMANDS.items():
        fill(commands.add_parser(name, help=summary))
    return made


def command_parser(name: str) -> argparse.ArgumentParser:
    """Parser of one command, which knows its help.

    >>> command_parser("lookup").prog
    'migrate-examples lookup'
    """
    _, fill = COMMANDS[name]
    made = argparse.ArgumentParser(f"migrate-examples {name}")
    fill(made)
    return made


def fill_lookup(made: argparse.ArgumentParser) -> None:
    """Give a parser what the command takes that looks names up."""
    made.description = "Say what names are in PyTorch, and what bites."
    made.epilog = "exit code 1 where a name is not in the map"
    made.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help='tf.reduce_mean, keras.layers.Dense, Dataset.batch, padding="same"',
    )
    made.add_argument("--json", action="store_true", help="for programs")


def fill_scan(made: argparse.ArgumentParser) -> None:
    """Give a parser what the command takes that scans code."""
    made.description = "Say of each reference in your code what it is in PyTorch."
    made.epilog = EXIT_CODES
    made.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="files, folders (.py and .ipynb in them), or - for standard input",
    )
    made.add_argument("--format", choices=FORMATS, help="of the report (default: text)")
    made.add_argument("--output", type=Path, metavar="FILE", help="write it to a file")
    made.add_argument("--fail-on", metavar="KIND,...", help=KINDS_HELP)
    made.add_argument("--config", type=Path, metavar="FILE", help="a pyproject.toml")
    made.add_argument(
        "--jobs", type=positive, metavar="N", help="processes to share it"
    )
    made.add_argument("--site", default="", metavar="URL", help="link findings to it")
    made.add_argument("--quiet", action="store_true", help="the summary alone")
    made.add_argument("--no-progress", action="store_true", help="show no bar")
    change = made.add_mutually_exclusive_group()
    change.add_argument(
        "--diff", action="store_true", help="show what can be rewritten mechanically"
    )
    change.add_argument("--write", action="store_true", help="rewrite it, in the files")


def fill_coverage(made: argparse.ArgumentParser) -> None:
    """Give a parser what the command takes that measures the map."""
    made.description = "Measure how much of real code the map knows, by references."
    made.add_argument(
        "file",
        nargs="?",
        type=Path,
        help="a CSV file with the columns symbol and references (default: the "
        "references of 125 public code bases)",
    )
    made.add_argument("--missing", type=positive, default=20, metavar="N", help="names")


def fill_port(made: argparse.ArgumentParser) -> None:
    """Give a parser what the command takes that ports models."""
    made.description = (
        "Write a trained Keras model as readable PyTorch: model.py and "
        "model.safetensors, and report.html and report.json that show layer by layer "
        "that both compute the same. Needs Keras 3 (on TensorFlow, or on PyTorch where "
        "TensorFlow is missing); what is written needs PyTorch alone. Nothing that the "
        "file holds is executed."
    )
    made.epilog = PORT_CODES
    made.add_argument(
        "model", type=Path, help="a .keras file, or an .h5 file of a model"
    )
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="what is written, whole or not at all",
    )
    made.add_argument(
        "--force",
        action="store_true",
        help="replace the folder, if it holds what a port wrote and nothing else",
    )
    made.add_argument(
        "--class-name",
        metavar="NAME",
        help="of the class in model.py (default: after the model's name)",
    )
    made.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="channels_last",
        help="how the written model takes and gives images: as Keras does (the "
        "default), or as is usual in PyTorch",
    )
    made.add_argument(
        "--split-preprocessing",
        action="store_true",
        help="leave out the layers in front that prepare the input: the written model "
        "has them as its attribute preprocessing, which you call before it",
    )
    made.add_argument(
        "--allow-stubs",
        action="store_true",
        help="where a layer is not supported, write a module that raises, to be "
        "written by hand; nothing is verified then",
    )
    made.add_argument(
        "--custom",
        type=Path,
        metavar="FILE",
        help="a Python file with the model's own layers and classes; it IS executed",
    )
    made.add_argument(
        "--no-verify", action="store_true", help="do not run both models to compare"
    )
    made.add_argument("--quiet", action="store_true", help="the verdict alone")


def fill_parity_test(made: argparse.ArgumentParser) -> None:
    """Give a parser what the command takes that writes acceptance tests."""
    made.description = (
        "Write a file of pytest that tells whether a port computes what the Keras "
        "model computes: shapes, weights, outputs, gradients and one step of training, "
        "with stated tolerances. It imports nothing of migrate-examples: keep it as "
        "the acceptance test of the port, or of one that you write by hand."
    )
    made.epilog = "exit codes: 0 written; 2 wrong usage, or a file that cannot be read"
    made.add_argument(
        "model", type=Path, help="a .keras file, or an .h5 file of a model"
    )
    made.add_argument(
        "port",
        type=Path,
        help="the folder that `migrate-examples port` wrote; with --class, the "
        "weights: a .safetensors or .pt file",
    )
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("test_port.py"),
        metavar="FILE",
        help="the test (default: test_port.py)",
    )
    made.add_argument(
        "--class",
        dest="of",
        metavar="MODULE:NAME",
        help="your own port: a class that takes no arguments, or a function that "
        "returns the module",
    )
    made.add_argument(
        "--custom",
        type=Path,
        metavar="FILE",
        help="a Python file with the model's own layers and classes; it IS executed, "
        "by the test too",
    )
    made.add_argument("--force", action="store_true", help="replace an existing file")


def positive(text: str) -> int:
    """Number of at least one, of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


COMMANDS = {
    "lookup": ("say what names are in PyTorch, and what bites", fill_lookup),
    "scan": ("say of each reference in your code what it is in PyTorch", fill_scan),
    "port": ("write a trained Keras model as readable PyTorch", fill_port),
    "parity-test": ("write the acceptance test of a port", fill_parity_test),
    "coverage": ("measure how much of real code the map knows", fill_coverage),
}
"""Commands: what the list of them says, and what fills their parser."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    asked = parser().parse_args(arguments)
    try:
        match asked.command:
            case "lookup":
                from migrate_examples.api_map.terminal import look_up

                return look_up(asked.names, as_json=asked.json)
            case "coverage":
                from migrate_examples.api_map.terminal import print_coverage

                return print_coverage(asked.file, asked.missing)
            case "port" | "parity-test":
                from migrate_examples.port.command.terminal import run_command

                return run_command(asked)
            case _:
                from migrate_examples.scan.command import run

                return run(asked)
    except BrokenPipeError:  # what reads us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
