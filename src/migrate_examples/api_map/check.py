"""Checks rows as their tests do, and says what to change in them.

``python -m migrate_examples.api_map.check tf.nn keras.layers tf.abs`` takes
files of rows by namespace and symbols by name; without names it checks all.
"""

import ast
import sys
from collections.abc import Iterator

from migrate_examples.api_map import Row, rows
from migrate_examples.api_map.arguments import hidden_defaults
from migrate_examples.api_map.lookup import find
from migrate_examples.api_map.mutate import mutants
from migrate_examples.api_map.prove import edge_differences, prove
from migrate_examples.api_map.symbols import main_name

SEEDS = range(3)


def remarks(row: Row) -> Iterator[str]:
    """What is wrong with a row; nothing where it is right."""
    for hidden in hidden_defaults(row):
        yield f'{hidden}: kind "arguments", or "semantics" where it is silent'
    if not row.executed:
        return
    try:
        for seed in SEEDS:
            prove(row, seed)
    except Exception as error:
        yield f"{type(error).__name__}: {str(error)[:600]}"
        return
    found = edge_differences(row)
    for edge in sorted(found.keys() - set(row.differs)):
        yield f'differs on "{edge}" ({found[edge]}): note it, add it to differs'
    for edge in sorted(set(row.differs) - found.keys()):
        yield f'does not differ on "{edge}": take it out of differs'


def syntax_errors(row: Row) -> Iterator[str]:
    """Sides that are prose, where code belongs: words go into note."""
    for side in (row.tf, row.torch):
        try:
            ast.parse(side.strip())
        except SyntaxError as error:
            yield f"{side!r} is not Python: {error.msg}"


def survivors(row: Row) -> list[str]:
    """Wrong versions of the PyTorch side that pass as right."""
    return [mutant.torch for mutant in mutants(row) if survives(mutant)]


def survives(mutant: Row) -> bool:
    """Tell whether a wrong row passes on every seed."""
    try:
        for seed in SEEDS:
            prove(mutant, seed)
    except (Exception, SystemExit):  # a wrong call of argparse leaves the program
        return False
    return True


def selected(names: list[str]) -> list[Row]:
    """Rows of the namespaces and symbols named; all without names."""
    if not names:
        return list(rows())
    found = [r for r in rows() if r.symbol.rpartition(".")[0] in names]
    return found + [row for name in names for row in find(name).rows]


def main(names: list[str]) -> int:
    """Print what is wrong with the rows named; tell whether anything is."""
    bad = made = alive = 0
    for row in selected(names):
        problems = [*syntax_errors(row)] or [*remarks(row)]
        if not problems and row.executed:
            made += len(mutants(row))
            left = survivors(row)
            alive += len(left)
            problems = [f"this wrong version passes: {text}" for text in left]
        elif problems:
            bad += 1
        if not main_name(row.symbol) and "." in row.symbol and not row.named:
            problems.append(f"{row.symbol} is no name of the installed TensorFlow")
        if problems:
            sys.stdout.write(f"{row.tf.strip()}\n")
            sys.stdout.writelines(f"    {problem}\n" for problem in problems)
    sys.stdout.write(f"{bad} rows to mend; {alive} of {made} wrong versions pass\n")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
