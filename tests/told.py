"""Stories told by hand: tasks, queries and cancels at chosen instants, with whatever answers a test wants to hear.

Each call takes a tenth of a second and begins when the last one has ended, unless `sent` or `ended` say otherwise.

    tale = Tale()
    task = tale.submitted("pending", holds=60)
    tale.query(task, "pending")
    tale.cancel(path=task, answer=INVALID_PARAM)
    assert tale.judged("STATE-1") == "broken"
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import quote

from conformance.checks import judgements
from conformance.contract import Contract
from conformance.exchange import ENDED, GIVEN_UP, Answer, Exchange, Operation, Request
from conformance.lawful import Task
from conformance.story import Story, Terms
from conformance.verdict import Judgement, Outcome

Document = dict[str, object]
Told = tuple[int, object] | tuple[int, object, str] | Document | None
"""An answer: status and body, and a content type other than JSON's; a document alone is a 200; `None` is a loss."""

CONTRACT: Final = Contract.load()
UNKNOWN: Final = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"
"""A task id that is made like those of the tale, and names nothing."""

BALANCE: Final = "X-Quota-Remaining-Credits"
AUTO: Final = "\0auto"
_CALL_TAKES: Final = 0.1


def refusal(status: int, code: str) -> tuple[int, Document]:
    """A refusal in the documented envelope."""
    return status, {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": code}}


INVALID_PARAM: Final = refusal(400, "invalid_param")
NOT_FOUND: Final = refusal(404, "task_not_found")
INVALID_KEY: Final = refusal(401, "invalid_api_key")
UNAVAILABLE: Final = refusal(503, "overloaded")


def showing(task: Task, status: str, **more: object) -> Document:
    """A task as query and cancel show it; `out_task_id=...` leaves that field out."""
    shown: Document = {"task_id": task.task_id, "out_task_id": task.out_task_id, "status": status, **more}
    return {name: value for name, value in shown.items() if value is not ... and (value is not None or name in more)}


def terms(
    *,
    states: Mapping[str, str] | None = None,
    code_at: str = "/error/code",
    volatile: Sequence[str] = (),
    accounting: bool = True,
    accounts: Mapping[str, str] | None = None,
    notice: float = 10.0,
) -> Terms:
    """The terms of a target that keeps to the contract, but for what its profile may say."""
    return CONTRACT.terms(
        states=states or {},
        code_at=code_at,
        volatile=volatile,
        balance_header=BALANCE if accounting else None,
        balance_pointer="/balance/left" if accounting else None,
        accounts=accounts,
        notice=notice,
    )


class Tale:
    """A story in the making."""

    def __init__(self, told_by: Terms | None = None, *, alone: bool = False, haunted: bool = False) -> None:
        self.alone = alone
        self.haunted = haunted
        self.shown: tuple[tuple[str, str], ...] = ()
        """The headers in which the submits of this tale show their key."""
        self.terms = told_by or terms()
        self.tasks: list[Task] = []
        self.exchanges: list[Exchange] = []
        self.now = 100.0

    def submitted(
        self,
        state: str = "pending",
        *,
        out: str | None = AUTO,
        role: str = "owner",
        holds: float | None = None,
        due: float | None = None,
        after: str | None = None,
        races: Literal["", "start", "end"] = "",
        shows: str = "pending",
        answer: Told = None,
        sent: float | None = None,
        ended: float | None = None,
    ) -> Task:
        """A new task on its way into `state`, which it `holds` so long from now, by the profile; `due` is its end.

        The submit's answer `shows` it in another, unless the whole `answer` is given.
        """
        number = len(self.tasks) + 1
        until = self.now + holds if holds is not None else float("-inf")
        task = Task(
            task_id=f"task_01HQX9F2P6Y8{number:04d}VEX3CRZ8GX",
            out_task_id=f"render-{number}-of-mine" if out == AUTO else out,
            role=role,
            wanted=state,
            submitted_at=self.now,
            pending_until=until if state == "pending" else float("-inf"),
            live_until=until,
            due=None if due is None else self.now + due,
            after=after,
            races=races,
        )
        self.tasks.append(task)
        body = {
            "model": "boat",
            "params": {},
            **({} if task.out_task_id is None else {"out_task_id": task.out_task_id}),
        }
        answer = answer if answer is not None else showing(task, shows)
        headers = (("content-type", "application/json"), *self.shown)
        request = _request(Operation.SUBMIT, role, "/tasks/submit", _bytes(body), headers=headers)
        self._tell(request, answer, sent, ended)
        return task

    def given(self, state: str = "completed", *, out: str | None = None, role: str = "owner") -> Task:
        """A task that the profile names: nobody saw it submitted."""
        task = Task(
            task_id=f"task_01HQX9F2P6Y8{len(self.tasks) + 1:04d}GIVENX3CRZ", out_task_id=out, role=role, wanted=state
        )
        self.tasks.append(task)
        return task

    def query(
        self,
        task: Task,
        answer: str | Told,
        *,
        by: str = "task_id",
        sent: float | None = None,
        ended: float | None = None,
    ) -> None:
        """The owner asks for a task; a mere name of a state stands for the task in that state."""
        document = showing(task, answer) if isinstance(answer, str) else answer
        identifier = task.task_id if by == "task_id" else task.out_task_id
        self._tell(
            _request(Operation.QUERY, task.role, "/tasks/query", _bytes({by: identifier})), document, sent, ended
        )

    def cancel(
        self,
        body: object = None,
        *,
        path: Task | str | None = None,
        answer: Told,
        role: str = "owner",
        method: str = "POST",
        content_type: str | None = "application/json",
        sent: float | None = None,
        ended: float | None = None,
        shown: Sequence[tuple[str, str]] = (),
        operation: Operation = Operation.CANCEL,
        adding: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A cancel by path, by body (a document, or raw bytes), or by both; `shown` are headers that show a key.

        The headers `adding` come with the answer.
        """
        content = None if body is None else _bytes(body)
        path_id = path.task_id if isinstance(path, Task) else path
        url = "/tasks/cancel" if path_id is None else f"/tasks/cancel/{quote(path_id, safe='', errors='surrogatepass')}"
        headers = () if content is None or content_type is None else (("content-type", content_type),)
        headers = (*headers, *shown)
        request = _request(operation, role, url, content, method=method, path_id=path_id, headers=headers)
        self._tell(request, answer, sent, ended, adding)

    def probe(self, task: Task, *shown: tuple[str, str], answer: Told, role: str = "owner") -> None:
        """A cancel by path that shows its key in those headers."""
        self.cancel(path=task, answer=answer, role=role, shown=shown, operation=Operation.PROBE)

    def left(
        self,
        balance: object,
        *,
        role: str = "owner",
        source: str = "document",
        answer: Told = None,
        sent: float | None = None,
        ended: float | None = None,
    ) -> None:
        """The account of `role` is read: in its document, or in the header that comes with a query."""
        if source == "document":
            request = _request(Operation.ACCOUNT, role, "/account", None, method="GET", headers=())
            self._tell(request, answer or {"balance": {"left": balance}}, sent, ended)
        else:
            request = _request(Operation.QUERY, role, "/tasks/query", _bytes({"task_id": UNKNOWN}))
            self._tell(request, answer or NOT_FOUND, sent, ended, ((BALANCE, str(balance)),))

    def lost(
        self,
        body: object = None,
        *,
        path: Task | str | None = None,
        sent: float | None = None,
        ended: float | None = None,
    ) -> None:
        """A cancel whose answer never came."""
        self.cancel(body, path=path, answer=None, sent=sent, ended=ended)

    def wait(self, seconds: float) -> None:
        """Nothing is said for a while."""
        self.now += seconds

    def stream(self, task: Task, *, status: int = 200, kind: str = "text/event-stream") -> Line:
        """An event stream of a task is asked for, and the head of its answer comes."""
        line = Line(self, _request(Operation.STREAM, task.role, "/stream", None, method="GET", path_id=task.task_id))
        line.hear(Answer(status=status, headers=(("content-type", kind),)))
        return line

    def callback_url(self, task: Task) -> Line:
        """A task has been submitted with a callback URL of its own."""
        url = f"/called/{task.task_id}"
        return Line(self, _request(Operation.CALLBACK, task.role, url, None, path_id=task.task_id))

    @property
    def story(self) -> Story:
        """The story so far."""
        return Story(self.tasks, self.exchanges, self.terms, alone=self.alone, haunted=self.haunted)

    def findings(self, requirement: str) -> list[Judgement]:
        """All that one check finds in the story."""
        return list(judgements(self.story, [requirement]))

    def judged(self, requirement: str) -> str:
        """What the findings of one check amount to: `broken`, else `held`, else `undecided`, else `silent`."""
        outcomes = Counter(finding.outcome for finding in self.findings(requirement))
        worst_first = (Outcome.BROKEN, Outcome.HELD, Outcome.UNDECIDED)
        return next((outcome.value for outcome in worst_first if outcomes[outcome]), "silent")

    @property
    def blamed(self) -> list[str]:
        """The requirements that the story breaks, by any check."""
        return sorted({each.requirement for each in judgements(self.story) if each.outcome is Outcome.BROKEN})

    def _tell(
        self,
        request: Request,
        answer: Told,
        sent: float | None,
        ended: float | None,
        adding: Sequence[tuple[str, str]] = (),
    ) -> None:
        sent_at = self.now if sent is None else sent
        ended_at = sent_at + _CALL_TAKES if ended is None else ended
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            request=request,
            sent_at=sent_at,
            ended_at=ended_at,
            answer=_answer(answer, adding),
            lost="ReadTimeout" if answer is None else None,
        )
        self.exchanges.append(exchange)
        self.now = max(self.now, ended_at)


class Line:
    """An event stream, or a callback URL, in a tale: what comes over it, each a tenth of a second after the last."""

    def __init__(self, tale: Tale, request: Request) -> None:
        self._tale = tale
        self._request = request
        self._since = tale.now

    def tells(self, told: str | Document | bytes, *, name: str = "") -> None:
        """An event of the stream: a task in a state, another document, or raw bytes."""
        headers = (("content-type", "text/event-stream"), *((("event", name),) if name else ()))
        self.hear(Answer(status=200, headers=headers, content=self._content(told)))

    def ends(self, lost: str = ENDED) -> None:
        """The stream is over."""
        self.hear(None, lost)

    def calls(
        self, told: str | Document | bytes, *, at: float | None = None, takes: float = 0.01, status: int | None = 200
    ) -> None:
        """A call to the callback URL, which we answered; or could not, without a `status`."""
        sent_at = self._tale.now if at is None else at
        request = replace(self._request, content=self._content(told))
        answer = Answer(status=status) if status is not None else None
        self._keep(request, sent_at, sent_at + takes, answer, None if answer else "broken off")

    def closes(self) -> None:
        """Nobody listens any longer."""
        self.hear(None, GIVEN_UP)

    def hear(self, answer: Answer | None, lost: str | None = None) -> None:
        """Something is heard, or that there is nothing more to hear."""
        self._keep(self._request, self._since, self._tale.now + _CALL_TAKES, answer, lost)

    def _content(self, told: str | Document | bytes) -> bytes:
        shown = {"task_id": self._request.path_id, "status": told} if isinstance(told, str) else told
        return _bytes(shown)

    def _keep(self, request: Request, sent_at: float, ended_at: float, answer: Answer | None, lost: str | None) -> None:
        exchanges = self._tale.exchanges
        exchanges.append(
            Exchange(
                number=len(exchanges) + 1,
                request=request,
                sent_at=sent_at,
                ended_at=ended_at,
                answer=answer,
                lost=lost,
            )
        )
        self._tale.now = max(self._tale.now, ended_at)


def _request(
    operation: Operation,
    role: str,
    url: str,
    content: bytes | None,
    *,
    method: str = "POST",
    path_id: str | None = None,
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
) -> Request:
    return Request(
        operation=operation,
        role=role,
        method=method,
        url=f"https://target.example/v1{url}",
        headers=headers,
        content=content,
        path_id=path_id,
    )


def _answer(told: Told, adding: Sequence[tuple[str, str]]) -> Answer | None:
    if told is None:
        return None
    status, body, *kind = (200, told) if isinstance(told, dict) else told
    headers = (("Content-Type", str(kind[0]) if kind else "application/json; charset=utf-8"),)
    return Answer(status=status, headers=(*headers, *adding), content=_bytes(body))


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
