"""ERR: what refusals look like."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.findings import answered, broken, held, premises, refused, undecided
from conformance.checks.registry import check
from conformance.exchange import MALFORMED
from conformance.lawful import Refusal
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement


@check("ERR-1")
def refusals_are_as_documented(story: Story) -> Iterator[Judgement]:
    """A call that is to be refused has the documented status and code."""
    for moment, refusals in _refusable(story):
        if moment.refused or (moment.task is None and moment.status != OK):
            yield refused(moment, *refusals)


@check("ERR-2")
def refusals_come_in_the_envelope(story: Story) -> Iterator[Judgement]:
    """A refusal's body is the documented envelope, as JSON."""
    for moment, _ in _refusable(story):
        if not moment.refused:
            continue
        if not story.terms.documented_envelope:
            yield undecided(moment, "the profile names another place for the error code (R12)")
            continue
        complaints = moment.complaints("ErrorEnvelope")
        kind = (moment.exchange.answer.header("content-type") if moment.exchange.answer else None) or ""
        if moment.document is MALFORMED or complaints:
            yield broken(moment, "the documented error envelope", complaints[0] if complaints else answered(moment))
        elif "json" not in kind.lower():
            yield broken(moment, "an error envelope with a JSON content type", f"content type {kind or 'none'}")
        else:
            yield held(moment, premises=premises(moment))


def _refusable(story: Story) -> Iterator[tuple[Moment, list[Refusal]]]:
    """The cancels that have documented refusals among their lawful effects, and no undocumented one."""
    for moment in story.cancels:
        refusals = sorted(effect for effect in moment.effects if isinstance(effect, Refusal))
        if refusals and Refusal.ANY not in refusals:
            yield moment, refusals
