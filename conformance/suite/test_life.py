"""Stories of whole lives: random programs, told to their end; what breaks something is made smaller and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from conformance.life import keep_smallest, lived, with_one_key
from conformance.strategies import programs

if TYPE_CHECKING:
    from conformance.life import Program
    from conformance.teller import Teller

pytestmark = pytest.mark.quiet(payer="everybody")


@pytest.mark.aims("BILL-9", "BILL-2", "BILL-4", "BILL-7", "BILL-8")
@pytest.mark.aims("IDENT-4", "IDENT-5", "IDENT-8", "IDENT-9", "ISO-2", "ISO-5", "ISO-7")
@pytest.mark.aims("STATE-3", "STATE-6", "STATE-7", "IDEMP-3", "IDEMP-5", "PARITY-2")
@pytest.mark.luck
@pytest.mark.stories(4)
@given(program=programs())
def test_living_at_random(teller: Teller, program: Program) -> None:
    """A few tasks of one or two keys are submitted, asked for and cancelled at random; in the end it all adds up."""
    life = lived(teller, program if teller.run.order.profile.others else with_one_key(program))
    life.telling.verify()
    keep_smallest(teller, life)
    if life.stuck:
        teller.run.journal.obstacle(teller.aims, life.stuck)
