"""One request and its answer, or its loss, and who sent it: the word from which stories are made.

An exchange is what was on the wire, the key masked. What a cancel *named* is read back from those very bytes, so a
recorded run is judged on what was sent and not on what was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from email.message import Message
from enum import Enum, StrEnum
from functools import cached_property, lru_cache
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

UNAVAILABLE: Final = frozenset({429, *range(502, 600)})
"""Statuses that are waited out and not held against the target (ruling R17)."""

UNSENT: Final = "not sent: "
"""How the loss of an answer begins where no connection was made: the request never left."""

NOBODY: Final = "nobody"
"""The role of a call without a key; `nobody:…` is one with an unknown, mistyped or otherwise useless key."""

REVOKED: Final = "revoked"
"""The role of a key that was valid once."""

ENDED: Final = "it ended"
"""In the place of an answer, at the end of an event stream that the target closed as HTTP has it."""

GIVEN_UP: Final = "nobody listened any longer"
"""In the place of an answer, at the end of an event stream, or of the calls to a callback URL, that went on."""

EVENTS: Final = "text/event-stream"
"""The media type of an event stream."""

_OK = 200
_SUCCESSES = range(200, 300)
NO_TASK: Final = frozenset(range(400, 500)) - {408}
"""Statuses of a submit that was refused, and has made no task; 408 does not say what became of it."""

_NEVER = frozenset({400, 404, 405, 411, 413, 414, 415, 422})
_IDENTIFIERS: Final = frozenset({"task_id", "out_task_id"})
_LONGEST_INTEGER = 400
_DEEPEST = 64
_PLAIN_DEPTH = 16
_PLAIN_LENGTH = 512
_PLAIN_BYTES = 4096
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMMENT = re.compile(r"\A\s*/\*.*?\*/", re.DOTALL)
_HARD_TO_STORE = re.compile("[\0\ud800-\udfff]")
_NESTING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class Operation(StrEnum):
    """What a request was sent for; a probe is a cancel that shows its key in a way that only others document.

    A stream is asked for once and told of in many exchanges; a callback is the target's own request, and our answer.
    """

    SUBMIT = "submit"
    QUERY = "query"
    CANCEL = "cancel"
    ACCOUNT = "account"
    PROBE = "probe"
    STREAM = "stream"
    CALLBACK = "callback"


class Missing(Enum):
    """The two ways in which there is no JSON value: nothing was sent, or it cannot be read."""

    ABSENT = "absent"
    MALFORMED = "malformed"


ABSENT: Final = Missing.ABSENT
MALFORMED: Final = Missing.MALFORMED


class Form(StrEnum):
    """The ways to name a task to cancel; `BODY` stands for either of the two that use the body."""

    PATH = "path"
    TASK_ID = "task_id"
    OUT_TASK_ID = "out_task_id"
    BODY = "body"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it went out; the value of the key is masked before it gets here."""

    operation: Operation
    role: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    path_id: str | None = None

    @cached_property
    def document(self) -> object:
        """The JSON value of the body, `ABSENT` without one, `MALFORMED` where nobody may take it for JSON."""
        return self._strictly_read if self._strictly_read is not MALFORMED else _more_than_json(self.content or b"")

    @property
    def _strictly_read(self) -> object:
        return self._readings[0]

    @cached_property
    def _readings(self) -> tuple[object, object]:
        return _both_readings(self.content.removeprefix(_BYTE_ORDER_MARK)) if self.content else (ABSENT, ABSENT)

    @cached_property
    def named(self) -> Named:
        """The identifiers that this request carries, and where."""
        if self.operation is Operation.QUERY and not self.content:
            return self._named(self._asked_behind_the_path)
        other = self._other_reading
        return self._named(
            self.document,
            otherwise=None if other is ABSENT else self._named(other),
            odd=other is not ABSENT or self._oddly_dressed or self._oddly_addressed or self._oddly_filled,
        )

    @property
    def _other_reading(self) -> object:
        """What else the identifiers may fairly be read from: a document, or `ABSENT`."""
        if (first := self._readings[1]) is not ABSENT:
            return first
        asked = self._asked_behind_the_path
        return asked if self.path_id is None and asked.keys() & _IDENTIFIERS else ABSENT

    @property
    def _asked_behind_the_path(self) -> dict[str, object]:
        asked = parse_qs(urlsplit(self.url).query) if "?" in self.url else {}
        return {name: values[-1] for name, values in asked.items()}

    @property
    def keyed(self) -> bool:
        """Whether the request carries a valid key."""
        return self.role.partition(":")[0] not in {NOBODY, REVOKED}

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks, its length untold, for which it may be refused (RFC 9110, 15.5.12)."""
        return any(name.lower() == "transfer-encoding" for name, _ in self.headers)

    @property
    def _oddly_dressed(self) -> bool:
        """Whether the body comes in a way that is not documented (rulings R18, R19), or needs a generous reader."""
        kind = next((value for name, value in self.headers if name.lower() == "content-type"), None)
        if not self.content:
            return kind is not None
        if self._strictly_read is MALFORMED:
            return self.document is not MALFORMED
        large = len(self.content) > _PLAIN_BYTES
        return self.chunked or large or not _says_json(kind) or self.content.startswith(_BYTE_ORDER_MARK)

    @property
    def _oddly_addressed(self) -> bool:
        """Whether the path spells its identifier in an unusual way, or is followed by a query (ruling R18)."""
        if "?" in self.url:
            return True
        if not self.path_id:
            return self.path_id is not None
        before, usual, _ = self.url.rpartition(quote(self.path_id, safe="", errors="surrogatepass"))
        return not usual or before[-1:].isalnum()  # `%30` ends as what it stands for begins

    @property
    def _oddly_filled(self) -> bool:
        """Whether the body holds what is odd (ruling R18); beside a path its identifiers are fields like any other."""
        beside = self.document if self.path_id is not None and isinstance(self.document, dict) else {}
        return _is_odd(self.document) or any(_is_odd(beside.get(name)) for name in _IDENTIFIERS)

    def _named(self, document: object, *, otherwise: Named | None = None, odd: bool = False) -> Named:
        fields = document if isinstance(document, dict) else {}
        return Named(
            path=self.path_id,
            task_id=fields.get("task_id", ABSENT),
            out_task_id=fields.get("out_task_id", ABSENT),
            readable=document is ABSENT or isinstance(document, dict),
            extra=bool(fields.keys() - _IDENTIFIERS),
            bare=not self.content and not any(name.lower() == "content-type" for name, _ in self.headers),
            odd=odd,
            otherwise=otherwise,
        )


@dataclass(frozen=True, kw_only=True)
class Named:
    """The identifiers of one call: each a JSON value, or `ABSENT`.

    An `odd` call is one that may be refused for its looks alone (rulings R18, R19). It may be read `otherwise` where
    keys are doubled, of which these are the last and those the first, or where a query names a task beside the body:
    many a framework gives both for one set of parameters.
    """

    path: str | None
    task_id: object = ABSENT
    out_task_id: object = ABSENT
    readable: bool = True
    extra: bool = False
    bare: bool = False
    odd: bool = False
    otherwise: Named | None = None

    @cached_property
    def given(self) -> tuple[object, ...]:
        """The values of the identifiers that are there, path first."""
        path = ABSENT if self.path is None else self.path
        return tuple(value for value in (path, self.task_id, self.out_task_id) if value is not ABSENT)

    @property
    def unusable(self) -> tuple[object, ...]:
        """The values among them that are no identifier: `null`, empty, or of a wrong type (rulings R3, R4)."""
        return tuple(value for value in self.given if not isinstance(value, str) or not value)

    @cached_property
    def forms(self) -> frozenset[Form]:
        """The forms that the call uses; `BODY` alone where the body names nothing."""
        forms = {
            Form.PATH: self.path is not None,
            Form.TASK_ID: self.task_id is not ABSENT,
            Form.OUT_TASK_ID: self.out_task_id is not ABSENT,
        }
        return frozenset(form for form, used in forms.items() if used) or frozenset({Form.BODY})

    @cached_property
    def form(self) -> Form | None:
        """The one form of a call with one identifier, a non-empty string; else none."""
        if len(self.given) == 1 and self.readable and isinstance(self.given[0], str) and self.given[0]:
            return next(iter(self.forms))
        return None

    @property
    def identifier(self) -> str | None:
        """The identifier of a call with one `form`."""
        value = self.given[0] if self.form else None
        return value if isinstance(value, str) else None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it came in, cut at the size that the client allows."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a header, its name matched without regard to case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def is_event_stream(self) -> bool:
        """Whether this is an event stream, to judge by the head of the answer."""
        kind = (self.header("content-type") or "").partition(";")[0]
        return self.status == _OK and kind.strip().lower() == EVENTS

    @cached_property
    def document(self) -> object:
        """The JSON value of the body, `ABSENT` where it is empty, `MALFORMED` where it is no JSON."""
        return parsed(self.content) if self.content else ABSENT


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer; without an answer, `lost` says how it went missing.

    `sent_at` and `ended_at` are seconds on the run's monotonic clock: before the first byte left, and after the last
    one came (or the wait was given up).
    """

    number: int
    request: Request
    sent_at: float
    ended_at: float
    answer: Answer | None = None
    lost: str | None = None

    @property
    def took(self) -> float:
        """Seconds from the first byte that left until the last that came, or until the wait was given up."""
        return self.ended_at - self.sent_at

    @property
    def unavailable(self) -> bool:
        """Whether the target did not get as far as an answer of its own (ruling R17)."""
        return self.answer is None or self.answer.status in UNAVAILABLE

    @property
    def sent(self) -> bool:
        """Whether the target may have heard of the request at all."""
        return self.lost is None or not self.lost.startswith(UNSENT)


def may_hide_a_task(tries: Sequence[Exchange]) -> bool:
    """Whether the tries of one submit, all under one name, may have made a task of which nobody was told.

    None has where one was refused for what it says. Other refusals (a name that is taken, no credits left) may come
    just because an earlier try has made it.
    """
    answers = [each.answer for each in tries if each.answer is not None]
    if any(task_told(answer) or answer.status in _NEVER for answer in answers):
        return False
    return any(each.sent if each.answer is None else each.answer.status not in NO_TASK for each in tries)


def unheard(submits: Iterable[Exchange]) -> list[Exchange]:
    """The last try of each of the submits that may have made a task of which nobody was told."""
    tries: dict[tuple[object, ...], list[Exchange]] = {}
    for submit in submits:
        named = b'"out_task_id"' in (submit.request.content or b"")
        asked = submit.request.role, submit.request.content, 0 if named else submit.number
        tries.setdefault(asked, []).append(submit)
    return [each[-1] for each in tries.values() if may_hide_a_task(each)]


def task_told(answer: Answer | None) -> str:
    """The id of the task that a submit was answered with, empty where it was answered with none."""
    document = answer.document if answer is not None and answer.status in _SUCCESSES else None
    task_id = document.get("task_id") if isinstance(document, dict) else None
    return task_id if isinstance(task_id, str) else ""


@lru_cache(maxsize=64)
def _says_json(content_type: str | None) -> bool:
    """Whether a body is declared to be what it is, JSON in UTF-8, as everybody spells it: capitals are odd."""
    declared = Message()
    declared["content-type"] = content_type or ""
    encoding = declared.get_content_charset("utf-8")
    spelled = (content_type or "").partition(";")[0].strip()
    return spelled == "application/json" and encoding in {"utf-8", "utf8"}


def shell_variable(role: str) -> str:
    """Where a shell has the key of a role other than the owner's: `$OTHER_KEY`."""
    return "$" + re.sub(r"\W", "_", f"{role}_key").upper()


def parsed(content: bytes) -> object:
    """The JSON value in `content`, numbers exact; `MALFORMED` where a strict reader refuses it.

    What is nested deeper than anybody looks is left out, so that no document can exhaust the stack.
    """
    try:
        return _loaded(content.decode(), _LAST_WINS)
    except (ValueError, RecursionError):
        return MALFORMED


def _more_than_json(content: bytes) -> object:
    """The value that a reader finds who takes more than JSON, as readers may and common ones do (RFC 8259, 8.1 and 9).

    That is NaN and infinity, a comment before all else, UTF-16 and UTF-32; `MALFORMED` where it is more than that.
    """
    try:
        return _loaded(_COMMENT.sub("", content.decode(json.detect_encoding(content))), _CONSTANTS_TOO)
    except (ValueError, RecursionError):
        return MALFORMED


def _loaded(text: str, decoder: json.JSONDecoder) -> object:
    if text.count("[") + text.count("{") > _DEEPEST:
        text = _flattened(text)
    return decoder.decode(text)


def _both_readings(content: bytes) -> tuple[object, object]:
    """What `parsed` makes of a body, and the same if the first value of a doubled key counts: `ABSENT` without one."""
    try:
        return _loaded(content.decode(), _NONE_DOUBLED), ABSENT
    except _Doubled:
        last = parsed(content)
        return last, ABSENT if last is MALFORMED else _loaded(content.decode(), _FIRST_WINS)
    except (ValueError, RecursionError):
        return MALFORMED, ABSENT


def _flattened(text: str) -> str:
    """`text` with every container emptied that lies at the greatest depth."""
    kept, since, depth = [], 0, 0
    for token in _NESTING.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == _DEEPEST:
                kept.append(text[since : token.end()])
        elif token[0] in "]}":
            since = token.start() if depth == _DEEPEST else since
            depth -= 1
    return "".join([*kept, text[since:]]) if depth < _DEEPEST else ""


def _is_odd(document: object, depth: int = 0) -> bool:
    """Whether a value is long, deep, hard to store, or a program's own; identifiers at the top are left to others."""
    if depth > _PLAIN_DEPTH:
        return True
    if isinstance(document, str):
        return len(document) > _PLAIN_LENGTH or _HARD_TO_STORE.search(document) is not None
    if isinstance(document, Decimal):
        return not document.is_finite() or abs(document.adjusted()) > _PLAIN_LENGTH
    if isinstance(document, dict):
        return _names_a_prototype(document) or any(
            _is_odd(name, depth + 1) or _is_odd(value, depth + 1)
            for name, value in document.items()
            if depth or not (name in _IDENTIFIERS and isinstance(value, str))
        )
    return isinstance(document, list) and any(_is_odd(value, depth + 1) for value in document)


def _names_a_prototype(document: dict[str, object]) -> bool:
    """Whether its names are those by which JavaScript finds an object's prototype, which careful readers refuse."""
    made = document.get("constructor")
    return "__proto__" in document or (isinstance(made, dict) and "prototype" in made)


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _LONGEST_INTEGER else _number(digits)


def _number(digits: str) -> Decimal:
    """A number as exact as can be; one that no reader holds is infinite."""
    try:
        return Decimal(digits)
    except ArithmeticError:
        return Decimal("-Infinity" if digits.startswith("-") else "Infinity")


def _refused(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


class _Doubled(Exception):
    """An object has one key twice."""


def _none_doubled(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise _Doubled
    return document


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


_LAST_WINS = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_refused)
_CONSTANTS_TOO = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_number)
_FIRST_WINS, _NONE_DOUBLED = (
    json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_refused, object_pairs_hook=hook)
    for hook in (_first_wins, _none_doubled)
)
