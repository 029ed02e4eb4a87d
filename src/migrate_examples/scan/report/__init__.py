"""Shows a report: as text, as a page, and in three formats for machines.

Only the module of the format that is asked for is imported.
"""

from migrate_examples import __version__
from migrate_examples.scan.findings import Report

FORMATS = ("text", "json", "html", "sarif", "github")
"""Formats that :func:`render` knows."""


def render(
    report: Report,
    format: str,  # noqa: A002  named as the option of the command is
    *,
    color: bool = False,
    quiet: bool = False,
    site: str = "",
    version: str = __version__,
) -> str:
    """Write a report in one of :data:`FORMATS`, ending in a newline.

    Parameters
    ----------
    report : Report
        What the scan found.
    format : str
        ``text`` for people; ``html``, one file to pass around; ``json``, see
        :mod:`.machine`; ``sarif`` 2.1.0; ``github``, annotations of a workflow.
    color : bool
        Colour the text for a terminal.
    quiet : bool
        The summary alone, in ``text`` and ``github``.
    site : str
        Address of the documentation: where it is given, findings link to it.
    version : str
        Version that the report says it was made by.

    Raises
    ------
    ValueError
        If the format is none of these.

    Examples
    --------
    >>> from migrate_examples.scan.findings import Finding, Place
    >>> place = Place("net.py", 3, 5, 3, 11)
    >>> found = Finding(place, "symbol", "same", "tf.abs", "tf.abs", "torch.abs(x)")
    >>> print(render(Report((found,), (), files=1, lines=9), "text"))
    net.py:3:5: [same] tf.abs → torch.abs(x)
    ...
    Rough effort: 1–3 minutes
    ...
    """
    match format:
        case "text":
            from migrate_examples.scan.report.text import as_text  # noqa: PLC0415

            return as_text(report, color=color, quiet=quiet, site=site)
        case "json":
            from migrate_examples.scan.report.machine import as_json  # noqa: PLC0415

            return as_json(report, version=version)
        case "github":
            from migrate_examples.scan.report.machine import as_github  # noqa: PLC0415

            return as_github(report, quiet=quiet, site=site)
        case "sarif":
            from migrate_examples.scan.report.sarif import as_sarif  # noqa: PLC0415

            return as_sarif(report, site=site, version=version)
        case "html":
            from migrate_examples.scan.report.page import as_page  # noqa: PLC0415

            return as_page(report, site=site, version=version)
    raise ValueError(f"format is {format!r}, not one of {', '.join(FORMATS)}")


def address(site: str, link: str) -> str:
    """Address of a page of the site; empty where the site or the page is unknown.

    >>> address("https://example.org/guide/", "api-map.html#tf-abs")
    'https://example.org/guide/api-map.html#tf-abs'
    >>> address("", "api-map.html#tf-abs")
    ''
    """
    return f"{site.rstrip('/')}/{link.lstrip('/')}" if site and link else ""
