"""Wrong versions of every row: they have to fail."""

from collections import Counter
from collections.abc import Callable

from migrate_examples.api_map import rows
from migrate_examples.api_map.check import survives
from migrate_examples.api_map.mutate import mutants


def test_wrong_rows_are_refused(
    record_property: Callable[[str, object], None],
) -> None:
    """A row is not green because its inputs are trivial."""
    tried = [mutant for row in rows() if row.executed for mutant in mutants(row)]
    survived = [mutant for mutant in tried if survives(mutant)]
    score = 1 - len(survived) / len(tried)
    record_property("mutants", f"{len(tried)} made, {score:.1%} refused")
    assert len(tried) >= 2000
    assert score >= 0.95, Counter(mutant.symbol for mutant in survived).most_common(40)
