"""Makes foreign text safe to show: nothing in it acts on a terminal or a page.

File names, code and notebooks are written by others. An escape sequence could
clear the screen, a character that turns the direction of writing could show
other code than there is, half a surrogate pair could not be written at all.
"""

import re

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and newline
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"  # directions and line ends
    "\ufffe\uffff\ud800-\udfff]"  # what UTF-8 does not have
)


def printable(text: str) -> str:
    r"""Write controls, directions and halves of characters as their escapes.

    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return UNSAFE.sub(escaped, text)


def one_line(text: str) -> str:
    r"""Like :func:`printable`, with newlines and tabs escaped as well.

    >>> print(one_line("a\nb.py"))
    a\nb.py
    """
    return re.sub(r"[\n\t]", escaped, printable(text))


def escaped(match: re.Match[str]) -> str:
    """Escape of the character that was matched, as Python writes it."""
    return match[0].encode("unicode_escape").decode("ascii")
