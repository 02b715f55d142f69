"""How far away a target is, more than one answer says: a slow first one is no distance."""

from __future__ import annotations

import time

import pytest
from conftest import BeginRun
from stand_in import answer

from conformance import run as of_run
from conformance.exchange import Answer, Exchange, Operation, Request
from conformance.target import distance
from conformance.target.distance import soonest

_UNKNOWN = answer(404, {"error": {"code": "task_not_found"}})
_NEAR, _FAR = 0.25, 0.3


def exchange(number: int, took: float | None) -> Exchange:
    """A query that was answered after so many seconds, or not at all."""
    asked = Request(operation=Operation.QUERY, role="owner", method="POST", url="http://127.0.0.1/v1/tasks/query")
    said = {"lost": "timeout"} if took is None else {"answer": Answer(status=404)}
    return Exchange(number=number, request=asked, sent_at=1.0, ended_at=1.0 + (took or 0.0), **said)  # type: ignore[arg-type] # one of the two


@pytest.mark.parametrize(
    ("took", "chosen", "asked"),
    [
        ((0.004,), 0, 1),
        ((0.3, 0.004), 1, 2),
        ((0.3, 0.1, 0.2), 1, 3),
        ((0.3, None, 0.2), 2, 3),
        ((0.3, None, None), 0, 3),
        ((None,), 0, 1),
    ],
)
def test_the_soonest_answer_counts(took: tuple[float | None, ...], chosen: int, asked: int) -> None:
    """Nothing more is asked of who is near, or silent, and never more than three times."""
    made = iter(exchange(number, each) for number, each in enumerate((*took, 0.001)))
    assert soonest(lambda: next(made)).number == chosen
    assert next(made).number == asked


@pytest.mark.parametrize(("slow", "breadth"), [((1,), 1), ((1, 2, 3), 5)])
def test_what_is_asked_side_by_side_hangs_on_the_distance(
    begin_run: BeginRun, slow: tuple[int, ...], breadth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that is held up once is asked as one near by is; one that is always late, as one far away."""

    def says(_: object) -> bytes:
        if len(server.heard) in slow:
            time.sleep(_FAR)
        return _UNKNOWN

    for module in (distance, of_run):
        monkeypatch.setattr(module, "NEAR", _NEAR)
    run, server = begin_run(says, limits__in_flight=5)
    run.begin()
    assert run.breadth == breadth
