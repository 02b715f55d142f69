"""Ending what a run has made: task by task, and all of it at the end, or after a run that came to no end of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from conformance.exchange import ABSENT, Form, unheard
from conformance.states import TERMINAL
from conformance.story import OK
from conformance.target.abreast import abreast
from conformance.target.call import Call, by

if TYPE_CHECKING:
    from conformance.exchange import Exchange
    from conformance.journal import Journal
    from conformance.lawful import Task
    from conformance.story import Terms
    from conformance.target.client import Client

_OVER: Final = (200, 404)
_ROUNDS: Final = 2
_NAMELESS: Final = "a submit without an out_task_id to cancel by, whose answer was lost"


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The tasks that a sweep ended, and what it could not, each with the reason.

    A submit that was lost is named by its `out_task_id`; it is over when the target ends such a task, or knows none.
    One without a name is left: nobody can end what it may have made.
    """

    ended: tuple[str, ...]
    left: Mapping[str, str]


class Sweeper:
    """Cancels tasks of one run; `saw_end` is told of each that has ended. Of a silent target it asks no more."""

    def __init__(
        self,
        *,
        journal: Journal,
        client: Client,
        terms: Terms,
        saw_end: Callable[[str, Exchange], None],
        breadth: int = 1,
    ) -> None:
        self._journal = journal
        self._client = client
        self._terms = terms
        self._saw_end = saw_end
        self.breadth = breadth

    def sweep(self) -> Swept:
        """Cancel every task of the run that was never seen to be terminal, or never seen at all."""
        story = self._journal.begin_story("nothing is left running", ())
        live = self._journal.live_tasks()
        lost = [(each, each.request.role, each.request.named.out_task_id) for each in unheard(self._journal.submits())]
        lost_names = {(role, name) for _, role, name in lost if isinstance(name, str)}
        named = sorted(each for each in lost_names if not self._is_laid(*each))
        ways = [partial(self.end, story, task) for task in live]
        ways += [partial(self._end_unheard, story, *each) for each in named]
        names = [f"{task.task_id} of {task.role}" for task in live]
        names += [f"whatever {name} of {role} has made" for role, name in named]
        self._client.unanswered = 0
        told = dict(zip(names, abreast([partial(self._try_twice, way) for way in ways], self.breadth), strict=True))
        left = {f"{task.task_id} of {task.role}" for task in self._journal.live_tasks()}
        for way, (role, name) in zip(names[len(live) :], named, strict=True):
            if _is_over(told[way]):
                self._journal.pool.learn(_laid(role, name), value=True)
            else:
                left.add(way)
        nameless = [
            f"what exchange {each.number} of {role} may have made" for each, role, name in lost if name is ABSENT
        ]
        return Swept(
            ended=tuple(name for name in names if name not in left),
            left={name: _reason(told[name]) for name in names if name in left} | dict.fromkeys(nameless, _NAMELESS),
        )

    def end(self, story: int, task: Task) -> list[Exchange]:
        """Cancel one task, in the first form that works; every attempt that it took."""
        attempts: list[Exchange] = []
        for form in (Form.PATH, Form.OUT_TASK_ID):
            heard = self._client.cancel(story, task.role, by(form, task))
            attempts += heard
            if ending := next((each for each in heard if self.shows_an_end(each)), None):
                self._saw_end(task.task_id, ending)
                return attempts
        return attempts

    def shows_an_end(self, exchange: Exchange) -> bool:
        """Whether the answer shows a task that has ended."""
        shown = exchange.answer.document if exchange.answer and exchange.answer.status == OK else ABSENT
        name = shown.get("status") if isinstance(shown, dict) else None
        return isinstance(name, str) and self._terms.states.get(name) in TERMINAL

    def lay(self, story: int, role: str, out_task_id: str) -> bool:
        """Cancel a task that there may be, by its own name; whether there is certainly none in flight any more."""
        return _is_over(self._end_unheard(story, role, out_task_id))

    def _end_unheard(self, story: int, role: str, out_task_id: str) -> list[Exchange]:
        return self._client.cancel(story, role, Call(body={"out_task_id": out_task_id}))

    def _is_laid(self, role: str, out_task_id: str) -> bool:
        return bool(self._journal.pool.learned(_laid(role, out_task_id)))

    def _try_twice(self, way: Callable[[], list[Exchange]]) -> list[Exchange]:
        """Go a way, and once more where it led to nobody; not at all when the target has fallen silent."""
        attempts: list[Exchange] = []
        for _ in range(_ROUNDS):
            if not self._client.asks_in_vain and (not attempts or attempts[-1].unavailable):
                attempts += way()
        return attempts


def _laid(role: str, out_task_id: str) -> str:
    return f"nothing of {role} is in flight by the name {out_task_id}"


def _is_over(attempts: list[Exchange]) -> bool:
    answer = attempts[-1].answer if attempts else None
    return answer is not None and answer.status in _OVER


def _reason(attempts: list[Exchange]) -> str:
    """Why a task is left, in a few words."""
    if not attempts:
        return "not asked for: the target is silent"
    answer = attempts[-1].answer
    return f"no answer: {attempts[-1].lost}" if answer is None else f"its cancel was answered {answer.status}"
