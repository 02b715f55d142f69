"""What a target shows of itself for nothing: queries and cancels of tasks that nobody has, and never a submit."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from conformance.account import amount
from conformance.exchange import ABSENT
from conformance.sameness import pointed
from conformance.states import State
from conformance.target.call import Call
from conformance.target.client import Client

if TYPE_CHECKING:
    from conformance.contract import Contract
    from conformance.exchange import Answer, Exchange
    from conformance.journal import Journal
    from conformance.target.profile import Profile

_UNKNOWN: Final = "task_00000000000000000000000000"
_LONGEST: Final = 10.0
_PREFIXES: Final = ("/v1", "/api/v1", "/api")
_CANCEL_PATHS: Final = ("/tasks/{task_id}/cancel", "/tasks/{task_id}:cancel")
_ACCOUNT: Final = ("/api/v1/me/account", "/balance/available_usd")
_MOST_NODES: Final = 2000
_PLAIN_STEP: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_HEADER_OF_MONEY: Final = re.compile(r"(?i)(?=.*(remaining|balance|left))(?=.*(credit|balance))[a-z0-9-]{1,60}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_WORD: Final = re.compile(r"[A-Za-z0-9_ -]{1,40}")
_KEY_REFUSED: Final = (401, 403)
_NOT_FOUND, _INVALID = 404, 400
_SUCCESSES: Final = range(200, 300)
_WORDS: Final[Mapping[State, str]] = {
    State.PENDING: "pending queued waiting submitted created accepted scheduled notstarted inqueue new",
    State.RUNNING: "running processing inprogress started working generating rendering active executing",
    State.COMPLETED: "completed complete succeeded success successful done finished ready",
    State.FAILED: "failed failure error errored timedout timeout",
    State.CANCELLED: "cancelled canceled aborted revoked stopped terminated",
}


class Grade(IntEnum):
    """How surely an answer, to a call for a task that nobody has, comes from the route that was meant."""

    SILENT = 0
    REFUSED = 1
    ANSWERED = 2
    INVALID = 3
    FOUND = 4

    def outdoes(self, other: Grade) -> bool:
        """Whether this speaks for a change; between what is refused and what is merely answered, nothing does."""
        return self > other and (self >= Grade.INVALID or other is Grade.SILENT)


_SURE: Final = {_NOT_FOUND: Grade.FOUND, _INVALID: Grade.INVALID}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of a target: the settings, by their dotted names, that it needs beside those of its profile."""

    grade: Grade
    settings: Mapping[str, Any] = field(default_factory=dict)
    latency: float | None = None
    trouble: str = ""
    """What came in the place of an answer of such an API."""
    states: Mapping[str, str] = field(default_factory=dict)
    """What the tasks that were named are said to be, in the target's words."""


class Look:
    """One look at the target of a profile, each call of it in the journal."""

    def __init__(self, profile: Profile, contract: Contract, journal: Journal) -> None:
        limits = profile.limits.model_copy(update={"retries": 1, "timeout": min(profile.limits.timeout, _LONGEST)})
        self._given = profile
        self._profile = profile.model_copy(update={"limits": limits})
        self._contract = contract
        self._journal = journal
        self._codes = {documented.status: documented.codes for documented in contract.refusals.values()}
        self._story = journal.begin_story("a look at the target", ())
        self._took: list[float] = []

    def take(self, tasks: Sequence[str] = ()) -> Seen:
        """Look for the API's routes and its ways; of each of `tasks`, which exist, only what a query says is seen."""
        grade, profile, exchange = self._best()
        if exchange.answer is None or grade is Grade.SILENT:
            return Seen(grade=grade, trouble=_trouble(exchange))
        settings = self._differing(profile)
        with self._client(profile) as client:
            if grade > Grade.REFUSED:
                settings |= self._code(exchange.answer) | self._accounts(client, exchange.answer)
            named = {task: status_in(self._ask(client.query, "task_id", task)) for task in tasks}
        if grade > Grade.REFUSED:
            settings |= self._cancel_path(profile)
        return Seen(
            grade=grade,
            settings=settings,
            latency=median(self._took),
            states={task: word for task, word in named.items() if word},
        )

    def grade(self, exchange: Exchange) -> Grade:
        """How surely the answer comes from the route that was meant; a code may stand anywhere in it (ruling R12)."""
        answer = exchange.answer
        if answer is None or not isinstance(answer.document, dict):
            return Grade.SILENT
        if answer.status in _KEY_REFUSED:
            return Grade.REFUSED
        if answer.status in _SURE and place_of(answer.document, self._codes.get(answer.status, frozenset())):
            return _SURE[answer.status]
        return Grade.ANSWERED if answer.status in _SUCCESSES or answer.status == _NOT_FOUND else Grade.SILENT

    def _best(self) -> tuple[Grade, Profile, Exchange]:
        """The variant of the profile under which a query for nobody's task is answered best, and that answer."""
        found: tuple[Grade, Profile, Exchange] | None = None
        for profile in self._variants():
            with self._client(profile) as client:
                exchange = self._ask(client.query, "task_id", _UNKNOWN)
            grade = self.grade(exchange)
            if found is None or grade.outdoes(found[0]):
                found = (grade, profile, exchange)
            if grade is Grade.FOUND or exchange.answer is None:
                break
        assert found is not None  # noqa: S101 - there is always the profile as it stands
        return found

    def _variants(self) -> Iterator[Profile]:
        """The profile as it stands, and then with other headers for the key, ways to query, and bases."""
        given = self._profile
        methods = dict.fromkeys((given.query.method or self._contract.routes["query"].method, "POST", "GET"))
        for base in _bases(given.base_url):
            for header in dict.fromkeys((given.auth.header, "authorization", "x-api-key")):
                for method in methods:
                    changed = {
                        "base_url": base,
                        "auth": given.auth.model_copy(update={"header": header}),
                        "query": given.query.model_copy(update={"method": method}),
                    }
                    yield given.model_copy(update=changed)

    def _differing(self, profile: Profile) -> dict[str, Any]:
        given, usual = self._given, self._contract.routes["query"].method
        settings: dict[str, Any] = {}
        if profile.base_url != given.base_url:
            settings["base_url"] = profile.base_url
        if profile.auth.header != given.auth.header:
            settings["auth.header"] = profile.auth.header
        if profile.query.method != (given.query.method or usual):
            settings["query.method"] = profile.query.method
        return settings

    def _code(self, answer: Answer) -> dict[str, Any]:
        codes = self._codes.get(answer.status, frozenset())
        if pointed(answer.document, self._given.errors.code) in codes:
            return {}
        place = place_of(answer.document, codes)
        return {"errors.code": place} if place else {}

    def _accounts(self, client: Client, answer: Answer) -> dict[str, Any]:
        """Where the credits left are told (ruling R16): in a header, in an account's document, or both."""
        given, usual = self._given.account, self._contract.balance_header or ""
        settings: dict[str, Any] = {}
        if given.header is None and (header := _header_of_credits(answer, usual)):
            settings["account.header"] = header
        if given.url is None:
            url, pointer = _ACCOUNT
            account = self._ask(client.account, url).answer
            document = account.document if account and account.status in _SUCCESSES else ABSENT
            if amount(pointed(document, pointer)) is not None:
                settings |= {"account.url": url, "account.pointer": pointer}
        return settings

    def _cancel_path(self, profile: Profile) -> dict[str, Any]:
        """The path of a cancel by task id: as it is, or one of those that are in use elsewhere."""
        usual = profile.paths.cancel_task or self._contract.routes["cancel_task"].path
        for path in dict.fromkeys((usual, *_CANCEL_PATHS)):
            paths = profile.paths.model_copy(update={"cancel_task": path})
            with self._client(profile.model_copy(update={"paths": paths})) as client:
                if self.grade(self._ask(client.cancel, Call(path=_UNKNOWN))) >= Grade.INVALID:
                    return {} if path == usual else {"paths.cancel_task": path}
        return {}

    @contextlib.contextmanager
    def _client(self, profile: Profile) -> Iterator[Client]:
        with contextlib.closing(Client(profile, self._contract, self._journal)) as client:
            yield client

    def _ask(self, call: Callable[..., list[Exchange]], *details: object) -> Exchange:
        """Make a call as the owner; the last attempt of it."""
        [*_, exchange] = call(self._story, "owner", *details)
        self._took.append(exchange.took)
        return exchange


def place_of(document: object, words: Collection[object]) -> str | None:
    """The JSON pointer to the uppermost of `words` in a document, of those pointers that a profile can hold."""
    waiting: deque[tuple[str, object]] = deque([("", document)])
    for _ in range(_MOST_NODES):
        if not waiting:
            break
        place, node = waiting.popleft()
        if isinstance(node, str) and node in words and place:
            return place
        inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        waiting.extend((f"{place}/{name}", value) for name, value in inner if _PLAIN_STEP.fullmatch(str(name)))
    return None


def state_like(word: str) -> State | None:
    """The documented state that a target's word for one most likely means."""
    plain = re.sub(r"[^a-z]", "", word.lower())
    return next((state for state, words in _WORDS.items() if plain in words.split()), None)


def _bases(url: str) -> list[str]:
    """The URL as it was given, and what it may have been meant for: without a route's path, or with a version."""
    short = re.sub(r"/tasks(/.*)?$", "", url)
    return list(dict.fromkeys([url, short, *(short + prefix for prefix in _PREFIXES if not short.endswith(prefix))]))


def _header_of_credits(answer: Answer, usual: str) -> str | None:
    """The documented header, where it is sent, else one that by its name and value tells the credits left."""
    if answer.header(usual) is not None:
        return usual
    names = [name for name, value in answer.headers if _HEADER_OF_MONEY.fullmatch(name) and _NUMBER.fullmatch(value)]
    return min(names, key=len, default=None)


def status_in(exchange: Exchange) -> str | None:
    """The word for the state of a task that an answer shows, if it is one that a profile can hold."""
    document = exchange.answer.document if exchange.answer and exchange.answer.status in _SUCCESSES else ABSENT
    word = document.get("status") if isinstance(document, dict) else None
    return word if isinstance(word, str) and _WORD.fullmatch(word) else None


def _trouble(exchange: Exchange) -> str:
    if exchange.answer is None:
        return f"no answer: {exchange.lost}"
    kind = exchange.answer.header("content-type") or "no content type"
    return f"{exchange.request.url} answered {exchange.answer.status} with {kind!r:.60} where JSON was wanted"
