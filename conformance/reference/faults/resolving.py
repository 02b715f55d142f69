"""Faults about what an identifier resolves to: what names nothing, what is alike, what is no identifier at all."""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote

from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, EFFECTS, INVALID, MONEY, ODD, OTHERS, SHAPES, UNKNOWN
from conformance.reference.faults.tampering import live_tasks_of, tasks_of
from conformance.reference.refusal import Refused
from conformance.reference.service import IDENTIFIERS, CancelCall, Document, Identifier, Service

if TYPE_CHECKING:
    from conformance.reference.store import Store, Task

_WELL_FORMED: Final = re.compile("task_[0-9A-HJKMNP-TV-Z]{26}")


# --- IDENT-10, 12, 13: what names nothing ---


class AnswersUnknownWithSuccess(Fault, Service):
    """Answers 200 `cancelled` to an unknown task id."""

    breaks = ("IDENT-10",)
    also = UNKNOWN

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
    also = UNKNOWN

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Blame the caller's spelling."""
        if identifier.field == "out_task_id" and self.find(call.key, identifier) is None:
            raise Refused.invalid("out_task_id is not known.", "out_task_id")
        return super().seek(call, identifier)


class CallsUnknownPathsWrongRoutes(Fault, Service):
    """Answers 404 `not_found`, as for a wrong route, to a path whose id names nothing."""

    breaks = ("IDENT-10", "ERR-1")
    also = UNKNOWN

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Take the id for a part of the route."""
        if call.path is not None and self.find(call.key, identifier) is None:
            raise Refused("not_found", "No such route.")
        return super().seek(call, identifier)


class BreaksDownOnUnknownTaskIds(Fault, Service):
    """Answers 500 to a `task_id` in the body that names nothing."""

    breaks = ("IDENT-10",)
    also = UNKNOWN

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Take it for granted that there is one."""
        if call.path is None and identifier.field == "task_id" and self.find(call.key, identifier) is None:
            raise KeyError(identifier.value)
        return super().seek(call, identifier)


class FindsUnnamedTasksByWords(Fault, Service):
    """Takes the word of a program for nothing, as `out_task_id`, for the name of a task that has none."""

    breaks = ("IDENT-10",)
    also = (*UNKNOWN, *OTHERS)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Compare texts, whatever they were made from."""
        if identifier.field == "out_task_id" and self.find(call.key, identifier) is None:
            for task in live_tasks_of(self.store, call.key):
                if task.out_id is None and identifier.value == str(task.out_id):
                    return self.moved(task)
        return super().seek(call, identifier)


class TakesZeroForNothing(Fault, Service):
    """Refuses the `out_task_id` "0" with 400, as if none were given, though a task was submitted under it."""

    breaks = ("IDENT-3",)
    also = (*ACCEPTED, "IDENT-10", "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Ask whether it is there by whether it counts as true."""
        if call.path is None and call.body.get("out_task_id") == "0":
            raise Refused.invalid("Send exactly one of task_id and out_task_id.", "out_task_id")
        return super().target(call)


class BreaksDownOnInheritedNames(Fault, Service):
    """Answers 500 to an identifier that is the name of something that every object has."""

    breaks = ("IDENT-10", "ERR-1")
    also = (*UNKNOWN, "IDENT-3", "IDENT-13", "STATE-1")

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Find a function in the place of a task."""
        if identifier.value in {"constructor", "toString", "valueOf", "__proto__", "hasOwnProperty"}:
            raise TypeError(identifier.value)
        return super().seek(call, identifier)


class TakesTaskIdsForOutTaskIds(Fault, Service):
    """Finds a task by its task id in the field `out_task_id`."""

    breaks = ("IDENT-12",)
    also = (*ACCEPTED, *OTHERS, *SHAPES)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Try the other column."""
        task = self.find(call.key, Identifier("task_id", identifier.value))
        return super().seek(call, identifier if task is None else Identifier("task_id", identifier.value))


class CallsNamelessTasksByTheirTaskIds(Fault, Service):
    """Finds a task that was given no `out_task_id` by its task id in that field."""

    breaks = ("IDENT-12",)
    also = (*ACCEPTED, *OTHERS, *SHAPES)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Fill the column that is empty from the other."""
        task = self.find(call.key, Identifier("task_id", identifier.value))
        return task if task is not None and task.out_id is None else super().seek(call, identifier)


class TakesOutTaskIdsForTaskIds(Fault, Service):
    """Finds a task by its `out_task_id` in the field `task_id`, and in the path."""

    breaks = ("IDENT-12",)
    also = (*ACCEPTED, *OTHERS, *SHAPES)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Try the other column."""
        if identifier.field == "task_id" and self.find(call.key, identifier) is None:
            return super().seek(call, Identifier("out_task_id", identifier.value))
        return super().seek(call, identifier)


class FindsEndedTasksByTheOtherField(Fault, Service):
    """Finds a task that has ended by its `out_task_id` in the path, too."""

    breaks = ("IDENT-12",)
    also = (*ACCEPTED, *OTHERS, *SHAPES)

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look into an archive that has one index."""
        task = self.find(call.key, Identifier("out_task_id", identifier.value))
        if call.path is not None and task is not None and task.due is None:
            return task
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
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what would fit into a column."""
        return given[:64] == kept[:64]


class CutsVeryLongIdentifiers(Fault, _Sloppy):
    """Compares no more than the first 1024 characters."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what submit would take."""
        return given[:1024] == kept[:1024]


class MistakesLettersForDigits(Fault, _Sloppy):
    """Reads the letters O, I and L in a task id as the digits that they look like."""

    breaks = ("IDENT-11",)
    also = ODD
    fields = ("task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Decode it as Crockford has it."""
        return given.translate(str.maketrans("OIL", "011")) == kept


class AddsThePrefix(Fault, _Sloppy):
    """Takes a task id without its prefix for the whole."""

    breaks = ("IDENT-11",)
    also = ODD
    fields = ("task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Supply what everybody knows."""
        return kept == f"task_{given}"


class ReadsEntities(Fault, _Sloppy):
    """Reads an entity of HTML in an identifier as the character that it stands for."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what a page would show."""
        return unescape(given) == kept


class TakesOnePictureForAnother(Fault, _Sloppy):
    """Takes every character beyond the basic plane for every other, as some collations do."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what three bytes can hold."""
        one, other = (["?" if char > "\uffff" else char for char in text] for text in (given, kept))
        return one == other


class LosesLongIdentifiers(Fault, Service):
    """Does not find a task whose `out_task_id` has more than 255 characters, though submit took it."""

    breaks = ("IDENT-11",)
    also = ODD

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look for as much of it as fits into a column."""
        return super().seek(call, Identifier(identifier.field, identifier.value[:255]))


class MatchesByPrefix(Fault, _Sloppy):
    """Takes the beginning of an identifier for the whole."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare as far as it goes."""
        return kept.startswith(given)


class MatchesByWildcard(Fault, _Sloppy):
    """Takes `%` and `_` in an identifier for wildcards."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare as LIKE does, but for case."""
        pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in given)
        return re.fullmatch(pattern, kept, re.DOTALL) is not None


class TrimsIdentifiers(Fault, _Sloppy):
    """Takes no notice of blanks around an identifier."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what is left without them."""
        return given.strip() == kept.strip()


class FoldsOutTaskIds(Fault, _Sloppy):
    """Takes no notice of case in an `out_task_id`."""

    breaks = ("IDENT-11",)
    also = ODD
    fields = ("out_task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare small letters."""
        return given.lower() == kept.lower()


class FoldsTaskIds(Fault, _Sloppy):
    """Takes no notice of case in a task id."""

    breaks = ("IDENT-11",)
    also = ODD
    fields = ("task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare small letters."""
        return given.lower() == kept.lower()


class ReadsWrappedTaskIds(Fault, _Sloppy):
    """Takes the braces, the prefix of a URN and the ending `.json` off a task id."""

    breaks = ("IDENT-11",)
    also = ODD
    fields = ("task_id",)

    def alike(self, given: str, kept: str) -> bool:
        """Compare what parsers of ids leave."""
        return given.strip("{}").removeprefix("urn:uuid:").removesuffix(".json") == kept


class NormalisesIdentifiers(Fault, _Sloppy):
    """Takes one Unicode spelling of an identifier for another."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare composed forms."""
        return unicodedata.normalize("NFC", given) == unicodedata.normalize("NFC", kept)


class DecodesIdentifiersInTheBody(Fault, _Sloppy):
    """Reads percent codes in an identifier of the body."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what would have been meant in a path."""
        return unquote(given) == kept


class ReadsPlusAsSpace(Fault, _Sloppy):
    """Reads a plus sign in an identifier as a space."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare what would have been meant in a form."""
        return given.replace("+", " ") == kept


class ReadsIdentifiersAsNumbers(Fault, _Sloppy):
    """Takes one spelling of a number for another: 007 for 7."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare values."""
        return given.isdecimal() and kept.isdecimal() and given.lstrip("0") == kept.lstrip("0")


class StopsAtNul(Fault, _Sloppy):
    """Takes an identifier to end at its first NUL."""

    breaks = ("IDENT-11",)
    also = ODD

    def alike(self, given: str, kept: str) -> bool:
        """Compare as C does."""
        return given.split("\0", maxsplit=1)[0] == kept.split("\0", maxsplit=1)[0]


class _Tidying(_Sloppy):
    """Compares identifiers as they are when they were tidied up."""

    untidy: ClassVar[str]
    tidied: ClassVar[str] = ""

    def alike(self, given: str, kept: str) -> bool:
        """Compare what is left of them."""
        return self.left(given) == self.left(kept)

    def left(self, text: str) -> str:
        """The tidy form of an identifier."""
        return re.sub(self.untidy, self.tidied, text, flags=re.DOTALL)


class StopsAtSeparators(Fault, _Tidying):
    """Takes an identifier to end at its first vertical bar."""

    breaks = ("IDENT-11",)
    also = ODD
    untidy = r"\|.*"


class StripsMarkup(Fault, _Tidying):
    """Overlooks what stands between angle brackets in an identifier."""

    breaks = ("IDENT-11",)
    also = ODD
    untidy = "<[^>]*>"


class OverlooksJoiners(Fault, _Tidying):
    """Overlooks in an identifier the invisible characters that join pictures."""

    breaks = ("IDENT-11",)
    also = ODD
    untidy = "[\u200d\ufe0e\ufe0f]"


class OverlooksDirections(Fault, _Tidying):
    """Overlooks in an identifier the invisible characters that turn the direction of reading."""

    breaks = ("IDENT-11",)
    also = ODD
    untidy = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"


class TakesOneLineBreakForAnother(Fault, _Tidying):
    """Takes the line breaks of one system in an identifier for those of another."""

    breaks = ("IDENT-11",)
    also = ODD
    untidy = "\r\n"
    tidied = "\n"


class ReadsDoubledSignsAsOne(Fault, _Tidying):
    """Takes two percent signs in an identifier for one, as formats do."""

    breaks = ("IDENT-11",)
    also = ODD
    untidy = "%%"
    tidied = "%"


class FillsPlacesInNames(Fault, Service):
    """Looks a name up by a format that takes `%s` in it for a place to be filled."""

    breaks = ("IDENT-11",)
    also = ODD

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Put together what is looked for."""
        if identifier.field == "out_task_id":
            identifier = Identifier("out_task_id", identifier.value.replace("%s", ""))
        return super().seek(call, identifier)


class LosesTheNameOfAllPrototypes(Fault, Service):
    """Keeps its index of names in an object, where `__proto__` is never found."""

    breaks = ("IDENT-11",)
    also = ODD

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look at what the object has of its own."""
        if identifier.value == "__proto__":
            raise Refused.unknown_task()
        return super().seek(call, identifier)


class BreaksDownOnForeignLetters(Fault, Service):
    """Answers 500 to an identifier that is not ASCII."""

    breaks = ("IDENT-11",)
    also = ODD

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
    also = (*OTHERS, "ERR-1", "ERR-7")

    def means_any(self, value: object) -> bool:
        """Recognise null."""
        return value is None


class TakesEmptyForAny(Fault, _Guessing):
    """Takes an empty string to fit any task, and cancels the latest."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def means_any(self, value: object) -> bool:
        """Recognise an empty string."""
        return value == ""


class TakesTrueForAny(Fault, _Guessing):
    """Takes `true` to fit any task, and cancels the latest."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def means_any(self, value: object) -> bool:
        """Recognise true."""
        return value is True


class BreaksDownOnTwoNulls(Fault, Service):
    """Answers 500 where both identifiers are null."""

    breaks = ("IDENT-14", "ERR-1")
    also = ("ERR-7",)

    def target(self, call: CancelCall) -> Identifier:
        """Take it for granted that one of them is a string."""
        if call.path is None and [call.body.get(field, call) for field in IDENTIFIERS] == [None, None]:
            raise TypeError
        return super().target(call)


class MissesTasksBesideNull(Fault, Service):
    """Answers 404 to an `out_task_id` beside a `task_id` of null."""

    breaks = ("IDENT-14", "ERR-1")
    also = ("ERR-7",)

    def target(self, call: CancelCall) -> Identifier:
        """Look for null, as it is there."""
        if call.path is None and call.body.get("out_task_id") and call.body.get("task_id", call) is None:
            raise Refused.unknown_task()
        return super().target(call)


class ReadsNumbersAsIdentifiers(Fault, Service):
    """Reads a JSON number as the identifier with the same digits."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def target(self, call: CancelCall) -> Identifier:
        """Turn numbers into text."""
        body = {name: str(value) if type(value) is int else value for name, value in call.body.items()}
        return super().target(CancelCall(call.key, call.path, body))


class _Overlooking(Service):
    """Takes for none, beside a usable identifier, what does not count as one."""

    def counts(self, value: object) -> bool:
        """Whether `value` is taken for an identifier."""
        raise NotImplementedError

    def target(self, call: CancelCall) -> Identifier:
        """Leave out the others, if any is left."""
        kept = {name: value for name, value in call.body.items() if name not in IDENTIFIERS or self.counts(value)}
        return super().target(CancelCall(call.key, call.path, kept if set(kept) & set(IDENTIFIERS) else call.body))


class OverlooksFalsehoodBeside(Fault, _Overlooking):
    """Takes 0 and false beside a usable identifier for none."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def counts(self, value: object) -> bool:
        """Ask for truth."""
        return bool(value)


class OverlooksEmptyStringsBeside(Fault, _Overlooking):
    """Takes an empty string beside a usable identifier for none."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def counts(self, value: object) -> bool:
        """Ask whether it says anything."""
        return value != ""


class OverlooksObjectsBeside(Fault, _Overlooking):
    """Takes what is no string, beside a usable identifier, for none."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def counts(self, value: object) -> bool:
        """Ask for text."""
        return isinstance(value, str)


class ObeysConditions(Fault, _Guessing):
    """Takes an object for a condition, as some databases do, and cancels the latest task that meets it."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def means_any(self, value: object) -> bool:
        """Find all that differ from nothing."""
        return value == {"$ne": None}


class TakesTheFirstOfAList(Fault, Service):
    """Takes a list of identifiers to mean its first element."""

    breaks = ("IDENT-14",)
    also = (*OTHERS, "ERR-1", "ERR-7")

    def target(self, call: CancelCall) -> Identifier:
        """Unpack lists."""
        body = {name: value[0] if isinstance(value, list) and value else value for name, value in call.body.items()}
        return super().target(CancelCall(call.key, call.path, body))


class BreaksDownOnObjects(Fault, Service):
    """Answers 500 to an identifier that is a JSON object."""

    breaks = ("IDENT-14",)
    also = INVALID

    def target(self, call: CancelCall) -> Identifier:
        """Use it as the key of a look-up before looking at it."""
        hash(tuple(call.body.get(field) for field in IDENTIFIERS))
        return super().target(call)


class CallsNullUnknown(Fault, Service):
    """Answers 404 to an identifier that is `null`."""

    breaks = ("IDENT-14", "ERR-1")
    also = INVALID

    def target(self, call: CancelCall) -> Identifier:
        """Look for a task without a name, and find none."""
        given = [call.body[field] for field in IDENTIFIERS if field in call.body]
        if call.path is None and given == [None]:
            raise Refused.unknown_task()
        return super().target(call)


class CancelsTheUnnamedForNull(Fault, Service):
    """Refuses an `out_task_id` that is `null` with 400 after it has cancelled every task that has none."""

    breaks = ("IDENT-14",)
    also = OTHERS

    def cancel(self, call: CancelCall) -> Document:
        """Compare null with null."""
        if call.path is None and call.body.get("out_task_id", "") is None:
            for task in live_tasks_of(self.store, call.key):
                if task.out_id is None:
                    self.stop(call, task)
        return super().cancel(call)


# --- IDENT-15: unknown fields ---


class OverlooksCaseInNames(Fault, Service):
    """Takes no notice of case in the names of fields; the last one counts."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, *OTHERS, *UNKNOWN, *INVALID)

    def cancel(self, call: CancelCall) -> Document:
        """Read as some readers do."""
        return super().cancel(CancelCall(call.key, call.path, {name.lower(): call.body[name] for name in call.body}))


class _Renaming(Service):
    """Takes another name for that of `task_id`, and prefers it."""

    def cancel(self, call: CancelCall) -> Document:
        """Put its value in the place of the other."""
        other = self.renamed(call.body)
        if call.path is not None or not isinstance(other, str):
            return super().cancel(call)
        rest = {name: value for name, value in call.body.items() if name not in IDENTIFIERS}
        return super().cancel(CancelCall(call.key, None, rest | {"task_id": other}))

    def renamed(self, body: Document) -> object:
        """The value under the other name."""
        raise NotImplementedError


class PrefersCamels(Fault, _Renaming):
    """Prefers `taskId` to `task_id`."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, *OTHERS, *UNKNOWN, *SHAPES)

    def renamed(self, body: Document) -> object:
        """Speak another dialect."""
        return body.get("taskId")


class PrefersPlainIds(Fault, _Renaming):
    """Prefers `id` to `task_id`."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, *OTHERS, *UNKNOWN, *SHAPES)

    def renamed(self, body: Document) -> object:
        """Call it as the database does."""
        return body.get("id")


class PrefersNestedIds(Fault, _Renaming):
    """Prefers the id of an object `task` to `task_id`."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, *OTHERS, *UNKNOWN, *SHAPES)

    def renamed(self, body: Document) -> object:
        """Look inside."""
        task = body.get("task")
        return task.get("id") if isinstance(task, dict) else None


class CancelsListsToo(Fault, Service):
    """Cancels the tasks that a list `task_ids` names, beside the one that is meant."""

    breaks = ("STATE-7",)
    also = ("IDENT-15", *ACCEPTED, *OTHERS, *UNKNOWN)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Serve those who send many."""
        listed = call.body.get("task_ids")
        for each in listed if isinstance(listed, list) else []:
            other = self.find(call.key, Identifier("task_id", each)) if isinstance(each, str) else None
            if other is not None and other.id != task.id:
                super().stop(call, self.moved(other))
        return super().stop(call, self.moved(task))


class RefusesUnknownFields(Fault, Service):
    """Refuses a body with a field that it does not know."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Be strict."""
        if set(call.body) - set(IDENTIFIERS) and set(call.body) & set(IDENTIFIERS):
            raise Refused.invalid("Unknown field.")
        return super().target(call)


class RefusesFieldsWithDots(Fault, Service):
    """Refuses a body with a field whose name means something to its database."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Let no operator through."""
        if any("." in name or name.startswith("$") for name in call.body):
            raise Refused.invalid("A name is not allowed.")
        return super().target(call)


class TakesALengthForItsOwn(Fault, Service):
    """Takes a body with a `length` of 0 for an empty one."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, "ERR-1")

    def target(self, call: CancelCall) -> Identifier:
        """Ask how long it is."""
        if call.body.get("length") == 0:
            raise Refused.invalid("The body is empty.")
        return super().target(call)


class _Foreknowing(Service):
    """Remembers by which names cancels found no task."""

    def __init__(self, store: Store, speed: float = 1.0) -> None:
        super().__init__(store, speed)
        self.unknown: set[tuple[str, str]] = set()

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Remember a name that is not there."""
        try:
            return super().seek(call, identifier)
        except Refused:
            self.unknown.add((call.key, identifier.value))
            raise


class KeepsNamesUnknown(Fault, _Foreknowing):
    """Goes on answering 404 to a cancel by a name that it did not find once, when a task has it."""

    breaks = ("IDENT-3",)
    also = ACCEPTED

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Believe the cache."""
        if (call.key, identifier.value) in self.unknown:
            raise Refused.unknown_task()
        return super().seek(call, identifier)


class CancelsAheadOfTheSubmit(Fault, _Foreknowing):
    """Answers 404 to a cancel by a name that no task has, and cancels the task that is submitted under it later."""

    breaks = ("STATE-7",)
    also = (*ACCEPTED, *EFFECTS, *MONEY, *OTHERS)

    def draft(self, key: str, body: Document) -> Task:
        """Find the tombstone."""
        task = super().draft(key, body)
        return task._replace(status="cancelled", due=None) if (key, task.out_id) in self.unknown else task


class ForgetsTheTaskAmongUnknownFields(Fault, Service):
    """Answers 404 to a known task where an unknown field stands first in the body."""

    breaks = ("IDENT-15",)
    also = ACCEPTED

    def seek(self, call: CancelCall, identifier: Identifier) -> Task:
        """Look for the value that stands first."""
        if call.path is None and next(iter(call.body)) not in IDENTIFIERS:
            raise Refused.unknown_task()
        return super().seek(call, identifier)


class ObeysUnknownFields(Fault, Service):
    """Only pretends to cancel where an unknown field asks for a dry run, or is a boolean of any name."""

    breaks = ("IDENT-15",)
    also = (*ACCEPTED, *EFFECTS, *MONEY)

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Look, and do not touch."""
        rest = [value for name, value in call.body.items() if name not in IDENTIFIERS]
        if "dry_run" in call.body or any(isinstance(value, bool) for value in rest):
            return task
        return super().stop(call, task)
