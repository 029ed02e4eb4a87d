"""A process beside the gallery that measures what pages of this build print.

``python -m MODULE FILE`` writes what it measured into FILE, whole or not at all,
and measures nothing that FILE already holds. The build starts it first and reads
FILE when a page needs it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError


class Measuring:
    """The process that measures, and what it found.

    Parameters
    ----------
    module : str
        What is run.
    file : Path
        Where it keeps what it measured.
    subject : str
        What is wrong where the process fails: ``a row of the API map``.
    """

    def __init__(self, module: str, file: Path, subject: str) -> None:
        self.file, self.subject = file, subject
        self.errors: str | None = None
        self.process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", module, str(file)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def results(self) -> Any:
        """Wait for the process; return what it wrote.

        Raises
        ------
        ExtensionError
            When something is wrong: the build must fail.
        """
        if self.errors is None:  # two pages may ask
            _, self.errors = self.process.communicate()
        if self.process.returncode:
            raise ExtensionError(f"{self.subject} is wrong:\n{self.errors[-3000:]}")
        return json.loads(self.file.read_text())
