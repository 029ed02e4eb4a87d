"""Comments that take findings out: ``# migrate: ignore``."""

import re
from io import StringIO
from typing import NamedTuple

from migrate_examples.scan.findings import Finding
from migrate_examples.scan.settings import matches

COMMENT = re.compile(r"#\s*migrate:\s*(ignore-file|ignore)\b\s*(?:\[([^\]]*)\])?")


class Ignored(NamedTuple):
    """What the comments of a text take out.

    Attributes
    ----------
    file : tuple of str or None
        Globs of ``ignore-file``; empty for all; None where there is none.
    lines : dict
        Line to the globs of its ``ignore``; empty for all.
    """

    file: tuple[str, ...] | None
    lines: dict[int, tuple[str, ...]]

    def takes(self, finding: Finding, first: int, last: int) -> bool:
        """Tell whether a finding that starts and ends on these lines is taken out."""
        asked = [self.file, self.lines.get(first), self.lines.get(last)]
        return any(
            globs is not None
            and (not globs or any(means(finding, glob) for glob in globs))
            for globs in asked
        )


def means(finding: Finding, glob: str) -> bool:
    """Tell whether what stands in a comment's brackets means a finding."""
    return finding.kind == glob or any(
        matches(name, glob) for name in (finding.symbol, finding.name)
    )


def find_ignored(text: str) -> Ignored | None:
    """Read the comments of a text; None where there are none for us."""
    if "migrate:" not in text:
        return None
    lines: dict[int, tuple[str, ...]] = {}
    file: tuple[str, ...] | None = None
    for number, comment in comments(text):
        match = COMMENT.match(comment)
        if match is None:
            continue
        globs = tuple(g.strip() for g in (match[2] or "").split(",") if g.strip())
        if match[1] == "ignore-file":
            file = globs
        else:
            lines[number] = globs
    return Ignored(file, lines)


def comments(text: str) -> list[tuple[int, str]]:
    """Comments of a text with their lines, as far as it can be read."""
    import tokenize  # noqa: PLC0415  takes a while, and few files need it

    found = []
    try:
        for token in tokenize.generate_tokens(StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found.append((token.start[0], token.string))
    except (tokenize.TokenError, SyntaxError):
        pass
    return found
