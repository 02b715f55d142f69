"""The last stories go on: everything is looked at once more, when all of it would have ended by itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from conformance.strategies import FORMS
from conformance.target.abreast import abreast
from conformance.teller import Telling

if TYPE_CHECKING:
    from conformance.exchange import Form
    from conformance.journal import Kept
    from conformance.teller import Teller
    from conformance.verdict import Judgement


@pytest.mark.aims("STATE-3", "STATE-4", "STATE-5", "STATE-7", "IDEMP-3", "IDEMP-5", "BILL-9", "NOTIFY-1", "NOTIFY-2")
@pytest.mark.last
def test_looking_again(teller: Teller) -> None:
    """One wait for all stories together; then queries and further cancels, each form in its turn."""
    run = teller.run
    again = [(kept, (None, *FORMS)[index % 4]) for index, kept in enumerate(run.worth_another_look())]
    found = abreast([partial(_look_again, teller, *each) for each in again], run.breadth)
    teller.broken += [judgement for new in found for judgement in new]
    run.read_accounts()
    teller.pause(0.25)
    run.read_accounts()
    teller.broken += run.close_accounts()


def _look_again(teller: Teller, kept: Kept, form: Form | None) -> list[Judgement]:
    """What is newly broken by another look at a story."""
    telling = Telling.resumed(teller, kept.number)
    telling.judge()
    known = set(telling.broken)
    telling.look_again(kept, cancel_as=form)
    return [judgement for judgement in telling.broken if judgement not in known]
