"""``{command-help}``: what a command says of itself, taken from its own parser."""

import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from migrate_examples.cli import command_parser

COLUMNS = "80"


def help_of(command: str) -> str:
    """Help of one command, in lines of one width wherever it is made.

    Raises
    ------
    KeyError
        Where there is no such command.
    """
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        return command_parser(command).format_help()
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


class CommandHelp(SphinxDirective):
    """The help of the command that is the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build a block of plain text."""
        text = help_of(self.arguments[0])
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
