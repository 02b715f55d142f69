"""Faults about which identifier of a call counts: the three forms, both at once, none, and the path beside the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from starlette.responses import Response

from conformance.reference.app import Api, json_response
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, EFFECTS, INVALID, KEYLESS, MONEY, OTHERS, SHAPES, UNKNOWN
from conformance.reference.faults.tampering import cancel_at, live_tasks_of
from conformance.reference.refusal import Refused
from conformance.reference.service import IDENTIFIERS, TERMINAL, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from starlette.requests import Request

    from conformance.reference.store import Store, Task

_SHORT_WHILE: Final = 500_000


def _names_both(call: CancelCall) -> bool:
    return call.path is None and all(isinstance(call.body.get(field), str) for field in IDENTIFIERS)


# --- IDENT-1, 2, 3: the three forms ---


class DemandsABody(Fault, Api):
    """Refuses the path form unless it comes with a body."""

    breaks = ("IDENT-1",)
    also = (*ACCEPTED, *UNKNOWN, *INVALID, *MONEY)

    async def cancel(self, key: str, request: Request) -> Response:
        """Ask for a body before anything else."""
        if not await request.body():
            raise Refused.invalid("A body is required.")
        return await super().cancel(key, request)


class InsistsOnItsMediaType(Fault, Api):
    """Answers 406 to a cancel whose caller takes anything, and does not ask for JSON alone."""

    breaks = ("IDENT-1", "IDENT-2", "IDENT-3")
    also = (*ACCEPTED, *SHAPES, *MONEY, "ERR-1")

    async def cancel(self, key: str, request: Request) -> Response:
        """Compare the header to the letter."""
        if request.headers.get("accept") != "application/json":
            refused = Refused.invalid("Ask for application/json.")
            return json_response(406, self.envelope(refused))
        return await super().cancel(key, request)


class DemandsALength(Fault, Api):
    """Answers 411 to the path form without a body, unless a length of 0 is announced."""

    breaks = ("IDENT-1",)
    also = (*ACCEPTED, *UNKNOWN, *INVALID, *KEYLESS, *MONEY)

    async def cancel(self, key: str, request: Request) -> Response:
        """Ask for the length before anything else."""
        if not {"content-length", "transfer-encoding"} & set(request.headers):
            return Response(status_code=411)
        return await super().cancel(key, request)


class DemandsFieldsInABody(Fault, Api):
    """Refuses an empty object beside the path."""

    breaks = ("STATE-1",)
    also = (*ACCEPTED, *INVALID, *MONEY)

    def read(self, request: Request, content: bytes) -> Document:
        """Take it that whoever sends a body has something to say."""
        document = super().read(request, content)
        if not document and "task_id" in request.path_params:
            raise Refused.invalid("The body is empty.")
        return document


class ForgetsTasksWithoutOutTaskId(Fault, Service):
    """Breaks down on the cancel of a task that was submitted without an `out_task_id`."""

    breaks = ("IDENT-1", "IDENT-2", "STATE-1")
    also = (*ACCEPTED, *UNKNOWN, *INVALID, *MONEY)

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Take it for granted that there is one."""
        if task.out_id is None:
            raise KeyError(task.id)
        return super().show_cancelled(call, task)


class OverlooksTaskIdInTheBody(Fault, Service):
    """Does not know `task_id` as a field of the body."""

    breaks = ("IDENT-2",)
    also = (*ACCEPTED, *UNKNOWN, *INVALID, *MONEY)

    def target(self, call: CancelCall) -> Identifier:
        """Look for the other field only."""
        if call.path is None and "task_id" in call.body and "out_task_id" not in call.body:
            raise Refused.invalid("Send out_task_id.")
        return super().target(call)


class AnswersLessToTaskIdInTheBody(Fault, Service):
    """Leaves all but the status out of its answer where the body named the task by `task_id`."""

    breaks = ("IDENT-2", "PARITY-2")
    also = (*SHAPES, *MONEY)

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Show a stub of the task."""
        document = super().show_cancelled(call, task)
        if "task_id" in call.body and call.path is None:
            return {name: document[name] for name in ("task_id", "status")}
        return document


class OverlooksOutTaskId(Fault, Service):
    """Does not know `out_task_id` as a field of the body."""

    breaks = ("IDENT-3",)
    also = (*ACCEPTED, *UNKNOWN, *INVALID, *MONEY)

    def target(self, call: CancelCall) -> Identifier:
        """Look for the other field only."""
        if call.path is None and "out_task_id" in call.body and "task_id" not in call.body:
            raise Refused.invalid("Send task_id.")
        return super().target(call)


class LooksOnlyByOutTaskId(Fault, Service):
    """Shows a live task that was named by its `out_task_id`, and leaves it in flight."""

    breaks = ("IDENT-3", "STATE-1", "STATE-3")
    also = (*ACCEPTED, *EFFECTS, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Do nothing where the call came by `out_task_id`."""
        return task if "out_task_id" in call.body else super().stop(call, task)


class CancelsOnlyWhatWaitsByOutTaskId(Fault, Service):
    """Refuses to cancel a running task that is named by its `out_task_id`."""

    breaks = ("IDENT-3", "STATE-2")
    also = ACCEPTED

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Say that it is unknown."""
        if task.status == "running" and "out_task_id" in call.body:
            raise Refused.unknown_task()
        return super().stop(call, task)


class LosesNamesInConflict(Fault, Service):
    """Finds no task to cancel by an `out_task_id` under which other work was submitted, and refused."""

    breaks = ("IDENT-3", "STATE-1")
    also = (*ACCEPTED, *EFFECTS, *MONEY)

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self._contested: set[str | None] = set()

    def known(self, draft: Task) -> Task:
        """Withdraw the name from both."""
        try:
            return super().known(draft)
        except Refused:
            self._contested.add(draft.out_id)
            raise

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look for the name among those that are not contested."""
        if call.path is None and call.body.get("out_task_id") in self._contested:
            raise Refused.unknown_task()
        return super().stop(call, task)


class RememberingRetries(Service):
    """Knows which tasks' submits came more than once: a part of the service that faults build on."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.retried: set[str] = set()

    def known(self, draft: Task) -> Task:
        """Find the task, and remember it."""
        task = super().known(draft)
        self.retried.add(task.id)
        return task


class MissesTasksSubmittedTwice(Fault, RememberingRetries):
    """Shows a task as cancelled that is named by the `out_task_id` of two submits, and lets it go on."""

    breaks = ("IDENT-3", "STATE-3")
    also = (*ACCEPTED, *EFFECTS, *SHAPES, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """End what the name leads to, the second submit, at which nobody works."""
        lost = task.id in self.retried and call.path is None and "out_task_id" in call.body
        return task._replace(status="cancelled") if lost and task.status not in TERMINAL else super().stop(call, task)


# --- IDENT-4, 5: both identifiers ---


class AcceptsBothIdentifiers(Fault, Service):
    """Acts on `task_id` where the body carries `out_task_id` too."""

    breaks = ("IDENT-4",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Prefer the first that comes to mind."""
        if _names_both(call):
            return Identifier("task_id", call.body["task_id"])
        return super().target(call)


class AcceptsBothForOneTask(Fault, Service):
    """Acts on a body with both identifiers where they name the same task."""

    breaks = ("IDENT-4",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """See no harm in a repetition."""
        if _names_both(call):
            task = self.find(call.key, Identifier("task_id", call.body["task_id"]))
            if task is not None and task.out_id == call.body["out_task_id"]:
                return Identifier("task_id", task.id)
        return super().target(call)


class AcceptsTheFirstOfTwo(Fault, Service):
    """Acts on `out_task_id` where it stands before `task_id`, and refuses the other order."""

    breaks = ("IDENT-4",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Stop reading at the first identifier."""
        if _names_both(call) and next(name for name in call.body if name in IDENTIFIERS) == "out_task_id":
            return Identifier("out_task_id", call.body["out_task_id"])
        return super().target(call)


class AcceptsTheOnlyKnownOfTwo(Fault, Service):
    """Acts on the one of two identifiers that names a task, where the other names none."""

    breaks = ("IDENT-4",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Count what resolves rather than what was sent."""
        if _names_both(call):
            given = [Identifier(field, call.body[field]) for field in IDENTIFIERS]
            known = [each for each in given if self.find(call.key, each) is not None]
            if len(known) == 1:
                return known[0]
        return super().target(call)


class LooksUpBothBeforeRefusing(Fault, Service):
    """Answers 404 to two identifiers that name nothing, because it looks for tasks before it counts."""

    breaks = ("IDENT-4", "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Look first."""
        given = [Identifier(field, call.body[field]) for field in IDENTIFIERS] if _names_both(call) else []
        if given and all(self.find(call.key, each) is None for each in given):
            raise Refused.unknown_task()
        return super().target(call)


class RefusesBothButCancels(Fault, Service):
    """Refuses two identifiers with 400 after it has cancelled the task of `task_id`."""

    breaks = ("IDENT-5",)
    also = (*OTHERS, "ERR-1")

    def cancel(self, call: CancelCall) -> Document:
        """Act, then judge."""
        if _names_both(call):
            task = self.find(call.key, Identifier("task_id", call.body["task_id"]))
            if task is not None:
                self.stop(call, self.moved(task))
        return super().cancel(call)


class RefusesBothButCancelsLater(Fault, Service):
    """Refuses two identifiers of one task with 400, and the task is cancelled in a while, when nobody asks."""

    breaks = ("IDENT-5",)
    also = OTHERS

    def cancel(self, call: CancelCall) -> Document:
        """Queue it, then judge."""
        if _names_both(call):
            task = self.find(call.key, Identifier("task_id", call.body["task_id"]))
            if task is not None and task.status == "pending" and task.out_id == call.body["out_task_id"]:
                cancel_at(self.store, task, self.now() + _SHORT_WHILE)
        return super().cancel(call)


class RefusesBothButEndsWhatRuns(Fault, Service):
    """Refuses two identifiers with 400 after it has cancelled the task of `task_id`, if it runs."""

    breaks = ("IDENT-5",)
    also = (*OTHERS, "ERR-1")

    def cancel(self, call: CancelCall) -> Document:
        """Take it from its worker, then judge."""
        task = self.find(call.key, Identifier("task_id", call.body["task_id"])) if _names_both(call) else None
        if task is not None and self.moved(task).status == "running":
            self.stop(call, self.moved(task))
        return super().cancel(call)


class RefusesBothButCancelsTheOther(Fault, Service):
    """Refuses two identifiers of two tasks with 400 after it has cancelled the one of `out_task_id`."""

    breaks = ("IDENT-5",)
    also = (*OTHERS, "ERR-1")

    def cancel(self, call: CancelCall) -> Document:
        """Act, then judge."""
        if _names_both(call):
            task = self.find(call.key, Identifier("out_task_id", call.body["out_task_id"]))
            if task is not None and task.id != call.body["task_id"]:
                self.stop(call, self.moved(task))
        return super().cancel(call)


# --- IDENT-6: no identifier ---


class CancelsTheLatestWhenUnnamed(Fault, Service):
    """Takes a call without an identifier to mean the latest task."""

    breaks = ("IDENT-6",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def target(self, call: CancelCall) -> Identifier:
        """Guess."""
        latest = live_tasks_of(self.store, call.key)[:1]
        if call.path is None and latest and not set(IDENTIFIERS) & set(call.body):
            return Identifier("task_id", latest[0].id)
        return super().target(call)


class FindsNothingInAnEmptyObject(Fault, Service):
    """Answers 404 to an empty object."""

    breaks = ("IDENT-6", "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Look for a task without a name, and find none."""
        if call.path is None and not call.body:
            raise Refused.unknown_task()
        return super().target(call)


class FindsNothingAmongUnrelatedFields(Fault, Service):
    """Answers 404 to a body that has fields, but no identifier among them."""

    breaks = ("IDENT-6", "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Take it that whoever sends fields has sent an identifier."""
        if call.path is None and call.body and not set(IDENTIFIERS) & set(call.body):
            raise Refused.unknown_task()
        return super().target(call)


class CancelsNothingWhenUnnamed(Fault, Api):
    """Answers 200 with an empty list of tasks to a call without an identifier."""

    breaks = ("IDENT-6",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    async def cancel(self, key: str, request: Request) -> Response:
        """Cancel each of no tasks."""
        body = await self.body(request)
        if "task_id" not in request.path_params and not set(IDENTIFIERS) & set(body):
            return self.answer({"cancelled": []})
        return self.answer_cancel(self.service.cancel(CancelCall(key, request.path_params.get("task_id"), body)))


class TakesIdForTaskId(Fault, Service):
    """Reads `id` where neither identifier is given."""

    breaks = ("IDENT-6",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Guess what the caller meant."""
        given = call.body.get("id")
        if call.path is None and not set(IDENTIFIERS) & call.body.keys() and isinstance(given, str):
            return Identifier("task_id", given)
        return super().target(call)


# --- IDENT-7, 8, 9: the path beside the body ---


class PrefersTheBody(Fault, Service):
    """Acts on the body's `task_id` instead of the path's."""

    breaks = ("IDENT-7", "IDENT-8")
    also = (*ACCEPTED, *OTHERS, *SHAPES)

    def target(self, call: CancelCall) -> Identifier:
        """Let the body win."""
        if call.path is not None and isinstance(call.body.get("task_id"), str):
            return Identifier("task_id", call.body["task_id"])
        return super().target(call)


class RefusesTwoTaskIds(Fault, Service):
    """Refuses a body whose `task_id` is not the path's."""

    breaks = ("IDENT-7",)
    also = (*ACCEPTED, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Let nobody win."""
        if call.path is not None and call.body.get("task_id", call.path) != call.path:
            raise Refused.invalid("Path and body name different tasks.", "task_id")
        return super().target(call)


class RefusesTheSameTaskIdTwice(Fault, Service):
    """Refuses a body whose `task_id` is the path's."""

    breaks = ("IDENT-7",)
    also = (*ACCEPTED, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Take exactly one for one."""
        if call.path is not None and call.body.get("task_id") == call.path:
            raise Refused.invalid("The task is named twice.", "task_id")
        return super().target(call)


class CancelsTheBodysTaskToo(Fault, Service):
    """Cancels the body's task beside the path's."""

    breaks = ("IDENT-8",)
    also = (*OTHERS, "ERR-1")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Let both win."""
        inside = call.body.get("task_id")
        if call.path is not None and isinstance(inside, str):
            second = self.find(call.key, Identifier("task_id", inside))
            if second is not None:
                super().stop(call, self.moved(second))
        return super().stop(call, self.moved(task))


class FallsBackToTheBody(Fault, Service):
    """Acts on the body's `task_id` where the path's names nothing."""

    breaks = ("IDENT-8",)
    also = (*OTHERS, "ERR-1")

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Try the next best."""
        inside = call.body.get("task_id")
        if call.path is not None and isinstance(inside, str) and self.find(call.key, identifier) is None:
            return super().seek(call, Identifier("task_id", inside))
        return super().seek(call, identifier)


class FallsBackFromMalformedPaths(Fault, Service):
    """Acts on the body's `task_id` where the path's is not made like one."""

    breaks = ("IDENT-8",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Take what looks right."""
        inside = call.body.get("task_id")
        if call.path is not None and not call.path.startswith("task_") and isinstance(inside, str) and inside:
            return Identifier("task_id", inside)
        return super().target(call)


class CancelsTheOutTaskIdsTaskToo(Fault, Service):
    """Acts on the path's task, and on the one of the body's `out_task_id` too."""

    breaks = ("IDENT-9",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Let the path win."""
        if call.path is not None and isinstance(call.body.get("out_task_id"), str):
            return Identifier("task_id", call.path)
        return super().target(call)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """And the body as well."""
        inside = call.body.get("out_task_id")
        if call.path is not None and isinstance(inside, str):
            second = self.find(call.key, Identifier("out_task_id", inside))
            if second is not None and second.id != task.id:
                super().stop(call, self.moved(second))
        return super().stop(call, task)


class CancelsTheNameBesideMalformedPaths(Fault, Service):
    """Refuses a malformed path beside an `out_task_id` after it has cancelled the task of that name."""

    breaks = ("IDENT-9",)
    also = (*OTHERS, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Try what looks right before judging."""
        name = call.body.get("out_task_id")
        if call.path is not None and not call.path.startswith("task_") and isinstance(name, str):
            task = self.find(call.key, Identifier("out_task_id", name))
            if task is not None:
                self.stop(call, self.moved(task))
        return super().target(call)


class PrefersOutTaskIdToThePath(Fault, Service):
    """Acts on the body's `out_task_id` instead of the path's id."""

    breaks = ("IDENT-9",)
    also = (*ACCEPTED, *OTHERS, *SHAPES, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Let the body win."""
        if call.path is not None and isinstance(call.body.get("out_task_id"), str):
            return Identifier("out_task_id", call.body["out_task_id"])
        return super().target(call)


class _PrefersTheBodyOfThree(Service):
    """Acts on one field of the body where the body has both, beside the path."""

    preferred: ClassVar[str]

    def target(self, call: CancelCall) -> Identifier:
        """Let the body win."""
        if call.path is not None and all(isinstance(call.body.get(field), str) for field in IDENTIFIERS):
            return Identifier(self.preferred, call.body[self.preferred])
        return super().target(call)


class PrefersTheNameOfThree(Fault, _PrefersTheBodyOfThree):
    """Acts on the body's `out_task_id` where the body has a `task_id` too, beside the path."""

    breaks = ("IDENT-9",)
    also = (*ACCEPTED, *OTHERS, *SHAPES, "ERR-1")
    preferred = "out_task_id"


class PrefersTheTaskIdOfThree(Fault, _PrefersTheBodyOfThree):
    """Acts on the body's `task_id` where the body has an `out_task_id` too, beside the path."""

    breaks = ("IDENT-9",)
    also = (*ACCEPTED, *OTHERS, *SHAPES, "ERR-1")
    preferred = "task_id"


class RefusesThePathButCancels(Fault, Service):
    """Refuses a path with an `out_task_id` in the body after it has cancelled the path's task."""

    breaks = ("IDENT-9",)
    also = (*OTHERS, "ERR-1")

    def cancel(self, call: CancelCall) -> Document:
        """Act, then judge."""
        if call.path is not None and "out_task_id" in call.body:
            task = self.find(call.key, Identifier("task_id", call.path))
            if task is not None:
                self.stop(call, self.moved(task))
        return super().cancel(call)
