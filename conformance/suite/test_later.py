"""The last stories go on: everything is looked at once more, when all of it would have ended by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.strategies import FORMS

if TYPE_CHECKING:
    from conformance.teller import Teller


@pytest.mark.aims("STATE-3", "STATE-4", "STATE-5", "STATE-7", "IDEMP-3", "IDEMP-5", "BILL-9", "NOTIFY-1", "NOTIFY-2")
@pytest.mark.last
def test_looking_again(teller: Teller) -> None:
    """One wait for all stories together; then queries and further cancels, each form in its turn."""
    for index, telling in enumerate(teller.run.worth_another_look()):
        known = set(telling.broken)
        telling.look_again(cancel_as=(None, *FORMS)[index % 4])
        teller.broken += [judgement for judgement in telling.broken if judgement not in known]
    teller.run.read_accounts()
    teller.pause(0.25)
    teller.run.read_accounts()
    teller.broken += teller.run.close_accounts()
