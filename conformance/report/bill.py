"""What a run took: requests, time, and what its tasks were seen to cost, by the rows and families they were for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conformance.journal import Journal

SHARED: Final = "shared"
"""In place of a family: what all stories share, and what is done for the run as a whole."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Credits by what was seen, beside those that are still expected of tasks nobody saw the price of.

    Each task, each request and each second counts for one family, that of the first row at which its story aims; a task
    counts for every row at which it aims. Where several processes tell stories, their seconds add up.
    """

    spent: Decimal
    expected: Decimal
    families: Mapping[str, Decimal]
    rows: Mapping[str, Decimal]
    requests: Mapping[str, int]
    seconds: Mapping[str, float]


def bill(journal: Journal) -> Bill:
    """The bill of a run, from its journal."""
    aims = journal.aims()
    families: dict[str, Decimal] = defaultdict(Decimal)
    rows: dict[str, Decimal] = defaultdict(Decimal)
    expected = Decimal(0)
    for expense in journal.pool.expenses():
        if expense.charged is None:
            expected += expense.expected or 0
            continue
        aimed = aims.get(expense.story, ())
        families[_family(aimed)] += expense.charged
        for row in aimed:
            rows[row] += expense.charged
    requests: dict[str, int] = defaultdict(int)
    for story, sent in journal.requests_of_stories().items():
        requests[_family(aims.get(story, ()))] += sent
    seconds: dict[str, float] = defaultdict(float)
    for story, took in journal.seconds_of_stories().items():
        seconds[_family(aims.get(story, ()))] += took
    kept = {family: spent for family, spent in sorted(families.items()) if spent}
    return Bill(
        spent=sum(kept.values(), Decimal(0)),
        expected=expected,
        families=kept,
        rows={row: spent for row, spent in rows.items() if spent},
        requests=dict(sorted(requests.items())),
        seconds=dict(sorted(seconds.items())),
    )


def _family(aimed: tuple[str, ...]) -> str:
    return aimed[0].partition("-")[0] if aimed else SHARED
