"""Faults about which task a cancel names."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote

from conformance.reference.app import Api
from conformance.reference.faults.fault import Fault
from conformance.reference.faults.tampering import live_tasks_of, tasks_of
from conformance.reference.refusal import Refused
from conformance.reference.service import IDENTIFIERS, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from conformance.reference.store import Task

_WELL_FORMED: Final = re.compile("task_[0-9A-HJKMNP-TV-Z]{26}")


def _names_both(call: CancelCall) -> bool:
    return call.path is None and all(isinstance(call.body.get(field), str) for field in IDENTIFIERS)


# --- IDENT-1, 2, 3: the three forms ---


class DemandsABody(Fault, Api):
    """Refuses the path form unless it comes with a body."""

    breaks = ("IDENT-1",)

    async def cancel(self, key: str, request: Request) -> Response:
        """Ask for a body before anything else."""
        if not await request.body():
            raise Refused.invalid("A body is required.")
        return await super().cancel(key, request)


class ForgetsTasksWithoutOutTaskId(Fault, Service):
    """Breaks down on the cancel of a task that was submitted without an `out_task_id`."""

    breaks = ("IDENT-1", "IDENT-2", "STATE-1")

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Take it for granted that there is one."""
        if task.out_id is None:
            raise KeyError(task.id)
        return super().show_cancelled(call, task)


class OverlooksTaskIdInTheBody(Fault, Service):
    """Does not know `task_id` as a field of the body."""

    breaks = ("IDENT-2",)

    def target(self, call: CancelCall) -> Identifier:
        """Look for the other field only."""
        if call.path is None and "task_id" in call.body and "out_task_id" not in call.body:
            raise Refused.invalid("Send out_task_id.")
        return super().target(call)


class AnswersLessToTaskIdInTheBody(Fault, Service):
    """Leaves all but the status out of its answer where the body named the task by `task_id`."""

    breaks = ("IDENT-2", "PARITY-2")

    def show_cancelled(self, call: CancelCall, task: Task) -> Document:
        """Show a stub of the task."""
        document = super().show_cancelled(call, task)
        if "task_id" in call.body and call.path is None:
            return {name: document[name] for name in ("task_id", "status")}
        return document


class OverlooksOutTaskId(Fault, Service):
    """Does not know `out_task_id` as a field of the body."""

    breaks = ("IDENT-3",)

    def target(self, call: CancelCall) -> Identifier:
        """Look for the other field only."""
        if call.path is None and "out_task_id" in call.body and "task_id" not in call.body:
            raise Refused.invalid("Send task_id.")
        return super().target(call)


class LooksOnlyByOutTaskId(Fault, Service):
    """Shows a live task that was named by its `out_task_id`, and leaves it in flight."""

    breaks = ("IDENT-3", "STATE-1", "STATE-3")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Do nothing where the call came by `out_task_id`."""
        return task if "out_task_id" in call.body else super().stop(call, task)


class CancelsOnlyWhatWaitsByOutTaskId(Fault, Service):
    """Refuses to cancel a running task that is named by its `out_task_id`."""

    breaks = ("IDENT-3", "STATE-2")

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Say that it is unknown."""
        if task.status == "running" and "out_task_id" in call.body:
            raise Refused.unknown_task()
        return super().stop(call, task)


# --- IDENT-4, 5: both identifiers ---


class AcceptsBothIdentifiers(Fault, Service):
    """Acts on `task_id` where the body carries `out_task_id` too."""

    breaks = ("IDENT-4",)

    def target(self, call: CancelCall) -> Identifier:
        """Prefer the first that comes to mind."""
        if _names_both(call):
            return Identifier("task_id", call.body["task_id"])
        return super().target(call)


class AcceptsBothForOneTask(Fault, Service):
    """Acts on a body with both identifiers where they name the same task."""

    breaks = ("IDENT-4",)

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

    def target(self, call: CancelCall) -> Identifier:
        """Stop reading at the first identifier."""
        if _names_both(call) and next(name for name in call.body if name in IDENTIFIERS) == "out_task_id":
            return Identifier("out_task_id", call.body["out_task_id"])
        return super().target(call)


class AcceptsTheOnlyKnownOfTwo(Fault, Service):
    """Acts on the one of two identifiers that names a task, where the other names none."""

    breaks = ("IDENT-4",)

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

    def cancel(self, call: CancelCall) -> Document:
        """Act, then judge."""
        if _names_both(call):
            task = self.find(call.key, Identifier("task_id", call.body["task_id"]))
            if task is not None:
                self.stop(call, self.moved(task))
        return super().cancel(call)


class RefusesBothButCancelsTheOther(Fault, Service):
    """Refuses two identifiers of two tasks with 400 after it has cancelled the one of `out_task_id`."""

    breaks = ("IDENT-5",)

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

    async def cancel(self, key: str, request: Request) -> Response:
        """Cancel each of no tasks."""
        body = await self.body(request)
        if "task_id" not in request.path_params and not set(IDENTIFIERS) & set(body):
            return self.answer({"cancelled": []})
        return self.answer_cancel(self.service.cancel(CancelCall(key, request.path_params.get("task_id"), body)))


# --- IDENT-7, 8, 9: the path beside the body ---


class PrefersTheBody(Fault, Service):
    """Acts on the body's `task_id` instead of the path's."""

    breaks = ("IDENT-7", "IDENT-8")

    def target(self, call: CancelCall) -> Identifier:
        """Let the body win."""
        if call.path is not None and isinstance(call.body.get("task_id"), str):
            return Identifier("task_id", call.body["task_id"])
        return super().target(call)


class RefusesTwoTaskIds(Fault, Service):
    """Refuses a body whose `task_id` is not the path's."""

    breaks = ("IDENT-7",)

    def target(self, call: CancelCall) -> Identifier:
        """Let nobody win."""
        if call.path is not None and call.body.get("task_id", call.path) != call.path:
            raise Refused.invalid("Path and body name different tasks.", "task_id")
        return super().target(call)


class CancelsTheBodysTaskToo(Fault, Service):
    """Cancels the body's task beside the path's."""

    breaks = ("IDENT-8",)

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

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Try the next best."""
        inside = call.body.get("task_id")
        if call.path is not None and isinstance(inside, str) and self.find(call.key, identifier) is None:
            return super().seek(call, Identifier("task_id", inside))
        return super().seek(call, identifier)


class CancelsTheOutTaskIdsTaskToo(Fault, Service):
    """Acts on the path's task, and on the one of the body's `out_task_id` too."""

    breaks = ("IDENT-9",)

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


class PrefersOutTaskIdToThePath(Fault, Service):
    """Acts on the body's `out_task_id` instead of the path's id."""

    breaks = ("IDENT-9",)

    def target(self, call: CancelCall) -> Identifier:
        """Let the body win."""
        if call.path is not None and isinstance(call.body.get("out_task_id"), str):
            return Identifier("out_task_id", call.body["out_task_id"])
        return super().target(call)


class RefusesThePathButCancels(Fault, Service):
    """Refuses a path with an `out_task_id` in the body after it has cancelled the path's task."""

    breaks = ("IDENT-9",)

    def cancel(self, call: CancelCall) -> Document:
        """Act, then judge."""
        if call.path is not None and "out_task_id" in call.body:
            task = self.find(call.key, Identifier("task_id", call.path))
            if task is not None:
                self.stop(call, self.moved(task))
        return super().cancel(call)


# --- IDENT-10, 12, 13: what names nothing ---


class AnswersUnknownWithSuccess(Fault, Service):
    """Answers 200 `cancelled` to an unknown task id."""

    breaks = ("IDENT-10",)

    def cancel(self, call: CancelCall) -> Document:
        """Be content that it is not in flight."""
        try:
            return super().cancel(call)
        except Refused as refusal:
            if refusal.code != "task_not_found" or "out_task_id" in call.body:
                raise
            return {"task_id": self.target(call).value, "status": "cancelled"}


class CallsUnknownOutTaskIdsInvalid(Fault, Service):
    """Answers 400 to an `out_task_id` that names nothing."""

    breaks = ("IDENT-10", "ERR-1")

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Blame the caller's spelling."""
        if identifier.field == "out_task_id" and self.find(call.key, identifier) is None:
            raise Refused.invalid("out_task_id is not known.", "out_task_id")
        return super().seek(call, identifier)


class CallsUnknownPathsWrongRoutes(Fault, Service):
    """Answers 404 `not_found`, as for a wrong route, to a path whose id names nothing."""

    breaks = ("IDENT-10", "ERR-1")

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Take the id for a part of the route."""
        if call.path is not None and self.find(call.key, identifier) is None:
            raise Refused("not_found", "No such route.")
        return super().seek(call, identifier)


class BreaksDownOnUnknownTaskIds(Fault, Service):
    """Answers 500 to a `task_id` in the body that names nothing."""

    breaks = ("IDENT-10",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Take it for granted that there is one."""
        if call.path is None and identifier.field == "task_id" and self.find(call.key, identifier) is None:
            raise KeyError(identifier.value)
        return super().seek(call, identifier)


class TakesTaskIdsForOutTaskIds(Fault, Service):
    """Finds a task by its task id in the field `out_task_id`."""

    breaks = ("IDENT-12",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Try the other column."""
        task = self.find(call.key, Identifier("task_id", identifier.value))
        return super().seek(call, identifier if task is None else Identifier("task_id", identifier.value))


class TakesOutTaskIdsForTaskIds(Fault, Service):
    """Finds a task by its `out_task_id` in the field `task_id`, and in the path."""

    breaks = ("IDENT-12",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Try the other column."""
        if identifier.field == "task_id" and self.find(call.key, identifier) is None:
            return super().seek(call, Identifier("out_task_id", identifier.value))
        return super().seek(call, identifier)


class CallsMalformedTaskIdsInvalid(Fault, Service):
    """Answers 400 to a task id that is not well-formed."""

    breaks = ("IDENT-13",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Judge the spelling first."""
        if identifier.field == "task_id" and not _WELL_FORMED.fullmatch(identifier.value):
            raise Refused.invalid("task_id is not well-formed.", "task_id")
        return super().seek(call, identifier)


# --- IDENT-11: to the letter ---


class _Sloppy(Service):
    """Finds a task by an identifier that is `alike`, where none is the same."""

    fields: ClassVar[tuple[str, ...]] = IDENTIFIERS

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look among all tasks of the key."""
        if identifier.field not in self.fields or self.find(call.key, identifier) is not None:
            return super().seek(call, identifier)
        for task in tasks_of(self.store, call.key):
            kept = task.id if identifier.field == "task_id" else task.out_id
            if kept is not None and self.alike(identifier.value, kept):
                return self.moved(task)
        return super().seek(call, identifier)

    def alike(self, given: str, kept: str) -> bool:
        """Whether the identifier given is taken for the one kept."""
        return given == kept


class CutsLongIdentifiers(Fault, _Sloppy):
    """Compares no more than the first 64 characters."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare what would fit into a column."""
        return given[:64] == kept[:64]


class LosesLongIdentifiers(Fault, Service):
    """Does not find a task whose `out_task_id` has more than 255 characters, though submit took it."""

    breaks = ("IDENT-11",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look for as much of it as fits into a column."""
        return super().seek(call, Identifier(identifier.field, identifier.value[:255]))


class MatchesByPrefix(Fault, _Sloppy):
    """Takes the beginning of an identifier for the whole."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare as far as it goes."""
        return kept.startswith(given)


class MatchesByWildcard(Fault, _Sloppy):
    """Takes `%` and `_` in an identifier for wildcards."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare as LIKE does, but for case."""
        pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in given)
        return re.fullmatch(pattern, kept, re.DOTALL) is not None


class TrimsIdentifiers(Fault, _Sloppy):
    """Takes no notice of blanks around an identifier."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare what is left without them."""
        return given.strip() == kept.strip()


class FoldsOutTaskIds(Fault, _Sloppy):
    """Takes no notice of case in an `out_task_id`."""

    breaks = ("IDENT-11",)
    fields = ("out_task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare small letters."""
        return given.lower() == kept.lower()


class FoldsTaskIds(Fault, _Sloppy):
    """Takes no notice of case in a task id."""

    breaks = ("IDENT-11",)
    fields = ("task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare small letters."""
        return given.lower() == kept.lower()


class NormalisesIdentifiers(Fault, _Sloppy):
    """Takes one Unicode spelling of an identifier for another."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare composed forms."""
        return unicodedata.normalize("NFC", given) == unicodedata.normalize("NFC", kept)


class DecodesIdentifiersInTheBody(Fault, _Sloppy):
    """Reads percent codes in an identifier of the body."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare what would have been meant in a path."""
        return unquote(given) == kept


class ReadsPlusAsSpace(Fault, _Sloppy):
    """Reads a plus sign in an identifier as a space."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare what would have been meant in a form."""
        return given.replace("+", " ") == kept


class ReadsIdentifiersAsNumbers(Fault, _Sloppy):
    """Takes one spelling of a number for another: 007 for 7."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare values."""
        return given.isdecimal() and kept.isdecimal() and given.lstrip("0") == kept.lstrip("0")


class StopsAtNul(Fault, _Sloppy):
    """Takes an identifier to end at its first NUL."""

    breaks = ("IDENT-11",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare as C does."""
        return given.split("\0", maxsplit=1)[0] == kept.split("\0", maxsplit=1)[0]


class BreaksDownOnForeignLetters(Fault, Service):
    """Answers 500 to an identifier that is not ASCII."""

    breaks = ("IDENT-11",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Take it for granted that it is."""
        identifier.value.encode("ascii")
        return super().seek(call, identifier)


# --- IDENT-14: what is no identifier at all ---


class _Guessing(Service):
    """Takes what is no identifier to mean the latest task."""

    def means_any(self, value: object) -> bool:
        """Whether `value` is taken to fit any task."""
        raise NotImplementedError

    def target(self, call: CancelCall) -> Identifier:
        """Guess."""
        given = [call.body[field] for field in IDENTIFIERS if field in call.body]
        latest = live_tasks_of(self.store, call.key)[:1]
        if call.path is None and latest and len(given) == 1 and self.means_any(given[0]):
            return Identifier("task_id", latest[0].id)
        return super().target(call)


class TakesNullForAny(Fault, _Guessing):
    """Takes `null` to fit any task, and cancels the latest."""

    breaks = ("IDENT-14",)

    def means_any(self, value: object) -> bool:
        """Recognise null."""
        return value is None


class TakesEmptyForAny(Fault, _Guessing):
    """Takes an empty string to fit any task, and cancels the latest."""

    breaks = ("IDENT-14",)

    def means_any(self, value: object) -> bool:
        """Recognise an empty string."""
        return value == ""


class TakesTrueForAny(Fault, _Guessing):
    """Takes `true` to fit any task, and cancels the latest."""

    breaks = ("IDENT-14",)

    def means_any(self, value: object) -> bool:
        """Recognise true."""
        return value is True


class ReadsNumbersAsIdentifiers(Fault, Service):
    """Reads a JSON number as the identifier with the same digits."""

    breaks = ("IDENT-14",)

    def target(self, call: CancelCall) -> Identifier:
        """Turn numbers into text."""
        body = {name: str(value) if type(value) is int else value for name, value in call.body.items()}
        return super().target(CancelCall(call.key, call.path, body))


class TakesTheFirstOfAList(Fault, Service):
    """Takes a list of identifiers to mean its first element."""

    breaks = ("IDENT-14",)

    def target(self, call: CancelCall) -> Identifier:
        """Unpack lists."""
        body = {name: value[0] if isinstance(value, list) and value else value for name, value in call.body.items()}
        return super().target(CancelCall(call.key, call.path, body))


class BreaksDownOnObjects(Fault, Service):
    """Answers 500 to an identifier that is a JSON object."""

    breaks = ("IDENT-14",)

    def target(self, call: CancelCall) -> Identifier:
        """Use it as the key of a look-up before looking at it."""
        hash(tuple(call.body.get(field) for field in IDENTIFIERS))
        return super().target(call)


class CallsNullUnknown(Fault, Service):
    """Answers 404 to an identifier that is `null`."""

    breaks = ("IDENT-14", "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Look for a task without a name, and find none."""
        given = [call.body[field] for field in IDENTIFIERS if field in call.body]
        if call.path is None and given == [None]:
            raise Refused.unknown_task()
        return super().target(call)


# --- IDENT-15: unknown fields ---


class RefusesUnknownFields(Fault, Service):
    """Refuses a body with a field that it does not know."""

    breaks = ("IDENT-15",)

    def target(self, call: CancelCall) -> Identifier:
        """Be strict."""
        if set(call.body) - set(IDENTIFIERS) and set(call.body) & set(IDENTIFIERS):
            raise Refused.invalid("Unknown field.")
        return super().target(call)


class ForgetsTheTaskAmongUnknownFields(Fault, Service):
    """Answers 404 to a known task where an unknown field stands first in the body."""

    breaks = ("IDENT-15",)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look for the value that stands first."""
        if call.path is None and next(iter(call.body)) not in IDENTIFIERS:
            raise Refused.unknown_task()
        return super().seek(call, identifier)


class ObeysUnknownFields(Fault, Service):
    """Only pretends to cancel where an unknown field asks for a dry run, or is a boolean of any name."""

    breaks = ("IDENT-15",)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look, and do not touch."""
        rest = [value for name, value in call.body.items() if name not in IDENTIFIERS]
        if "dry_run" in call.body or any(isinstance(value, bool) for value in rest):
            return task
        return super().stop(call, task)
