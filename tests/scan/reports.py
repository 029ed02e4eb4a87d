"""Reports made by hand: every kind, notebooks, problems, hostile names."""

from migrate_examples.scan.findings import Finding, Place, Problem, Report
from migrate_examples.scan.report.summary import MEANINGS

HOSTILE = (
    '</script><script>alert("x")</script>',
    "\"' onmouseover=alert(1) x='",
    "<img src=x onerror=alert(1)>",
    "<!-- ]]> --> &amp; &lt;",
    "\x1b[2J\x1b]0;title\x07\r\x00\x7f\x85",
    "\u202e reversed \u2066 \u2028 \ufeff",
    "\udcff \ud800 \U0001f600 \N{HIRAGANA LETTER A}",
    "a:b,c%0A::error::d\n::warning file=x::y",
    "javascript:alert(1)",
    "%s {x} $y `z` \\n \\u0041",
)
"""What a terminal, a page, a workflow or a parser could take for its own."""


def finding(
    file: str, line: int, kind: str, symbol: str, **more: str | bool | int
) -> Finding:
    """A finding with plain places; a counterpart where its kind has one."""
    name = str(more.pop("name", symbol))
    cell, column = int(more.pop("cell", 0)), int(more.pop("column", 5))
    fields: dict[str, str | bool | int] = {
        "category": "trap" if kind == "trap" else "symbol",
        "counterpart": f"torch.{symbol}" if has_counterpart(kind) else "",
        "message": f"About {symbol}.",
        "link": f"api-map.html#{symbol}",
        "code": f"y = {name}(x)",
        **more,
    }
    place = Place(file, line, column, line, column + len(name), cell)
    return Finding(place, kind=kind, name=name, symbol=symbol, **fields)  # type: ignore[arg-type]


def has_counterpart(kind: str) -> bool:
    return kind in {"same", "arguments", "semantics", "lines"}


def every_kind() -> Report:
    """One file with each kind, the n-th of them n times; a notebook; problems."""
    findings = [
        finding("src/net.py", 100 * n + again, kind, f"tf.{kind}")
        for n, kind in enumerate(MEANINGS, 1)
        for again in range(n)
    ]
    findings += [
        finding("b/explore.ipynb", 2, "same", "tf.same", cell=3, name="T.same"),
        finding("b/explore.ipynb", 7, "same", "tf.other", cell=3, certain=False),
        finding("b/lines.py", 4, "lines", "tf.lines", counterpart="a = 1\nb = a + x"),
    ]
    problems = (
        Problem(Place("old.py", 12, 7, 12, 7), "Python 2: print without parentheses"),
        Problem(Place("b/broken.ipynb", 0, 0, 0, 0), "not JSON"),
    )
    ordered = tuple(sorted(findings, key=lambda f: f.place[:1] + f.place[5:] + f.place))
    return Report(ordered, problems, files=5, lines=2400, ignored=2)


def hostile() -> Report:
    """Each of :data:`HOSTILE` as file, name, symbol, code, message and the rest."""
    findings = [
        finding(
            text,
            1 + n,
            kind,
            text,
            name=text,
            counterpart=text,
            message=text,
            link=text,
            code=text,
            cell=n % 2,
        )
        for n, text in enumerate(HOSTILE)
        for kind in ("same", "unknown", "trap")
    ]
    problems = tuple(Problem(Place(t, 1, 1, 1, 1), t) for t in HOSTILE)
    return Report(tuple(findings), problems, files=10, lines=10)


def large(count: int = 20_000, files: int = 400) -> Report:
    """As many findings as a big code base has, unevenly spread over symbols."""
    kinds = ("same",) * 12 + ("arguments",) * 4 + ("semantics", "lines", "none", "trap")
    findings = []
    for n in range(count):
        symbol = (n * n + n // 7) % 300 % (1 + n % 60)
        kind = kinds[symbol % len(kinds)]
        findings.append(
            finding(
                f"package_{n * files // count // 20}/module_{n * files // count}.py",
                1 + n * 3 % 997,
                kind,
                f"tf.namespace.symbol_{symbol}",
                code=f"value_{n % 97} = tf.namespace.symbol_{symbol}(inputs, axis=-1)",
                message="A sentence about it, as long as those of the map usually are.",
            )
        )
    ordered = sorted(findings, key=lambda f: f.place)
    return Report(tuple(ordered), (), files=files, lines=400_000)


EMPTY = Report((), (), files=1, lines=3)
