"""The only module that speaks HTTP: requests out, exchanges into the journal, nothing else.

Whatever comes back is bounded: each exchange has one deadline over all of it, a body is cut at a size, compressed ones
are inflated under the same cap, redirects are not followed and the environment's proxies are not used. Keys are masked
before anybody sees an answer. Trouble of the infrastructure is waited out within the profile's limits (ruling R17),
every attempt an exchange of its own.
"""

from __future__ import annotations

import json
import logging
import random
import re
import ssl
import time
import zlib
from dataclasses import replace
from functools import lru_cache
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urljoin

import h11

from conformance.exchange import ABSENT, EVENTS, NOBODY, REVOKED, UNSENT, Answer, Exchange, Operation, Request
from conformance.interpreter import without
from conformance.target.capacity import MOST_BYTES, MOST_HEADER_BYTES, Capacity, inflated
from conformance.target.credentials import Credential, strangers
from conformance.target.deadline import BoundedNetwork, Deadline
from conformance.target.patience import pause
from conformance.target.raw import exchange_bytes, head_bytes
from conformance.target.stream import Opening
from conformance.target.together import Flight, Shot, fired

with without("httpx._main"):  # its command line, for which it would load rich
    import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from conformance.contract import Contract, Route
    from conformance.journal import Journal
    from conformance.target.call import Call
    from conformance.target.profile import Profile

_LANES: Final = 4
"""Connections that are kept open and used in turn: one alone would speak to one process of the target's."""

_OURS: Final = (
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "cancel-conformance"),
)
OWNER: Final = "owner"
_ODD_TOO: Final = "surrogatepass"
_PLACE: Final = re.compile(r"\{[^{}]*\}")
_GLANCE: Final = 0.002
_LEASE: Final = 5.0
"""Seconds past its deadline after which an exchange of a process that died is certainly over."""

_STREAMS_LAST: Final = 3.0
"""Seconds for which simultaneous calls wait for streams to end that were opened while they were made ready."""

_WITH_LENGTH: Final = frozenset({"POST", "PUT", "PATCH"})
_NO_LENGTH: Final = ("content-length", "0")
"""How a call without a body says so; the same without it is lawful, and what curl sends."""

_PARSED: Final = 256
"""So many URLs are kept as they were parsed: most calls go to one of a few."""

_LONGEST_REASON: Final = 200
_IN_VAIN: Final = 8
_LOST: Final = (httpx.HTTPError, httpx.InvalidURL, h11.RemoteProtocolError, zlib.error, OSError, UnicodeError)
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, ConnectionRefusedError)

for _name in ("httpcore.connection", "httpcore.http11"):  # they log headers, in which a key may be echoed
    logging.getLogger(_name).setLevel(logging.INFO)


class Client:
    """Sends requests for the roles of one profile, and writes each exchange into the journal before it returns it."""

    def __init__(self, profile: Profile, contract: Contract, journal: Journal) -> None:
        self._profile = profile
        self._contract = contract
        self._journal = journal
        self._chance = random.Random()  # noqa: S311 - jitter
        self.mask = profile.mask
        """Puts `$KEY` in the place of every key of the run."""
        self._capacity = Capacity()
        self._strangers = strangers(profile.auth.header)
        bundle = profile.ca_bundle
        self._context = ssl.create_default_context(cafile=str(bundle)) if bundle else None
        self._timeout = dict.fromkeys(("connect", "read", "write", "pool"), profile.limits.timeout)
        self._deadline = Deadline()
        self._warm = [self._connections(keep=True) for _ in range(_LANES)]
        self._lanes = cycle(self._warm)
        self._fresh = self._connections(keep=False)
        self.asked = 0
        """Exchanges so far."""
        self.count_streams: Callable[[], object] = int
        """Has the journal know how many event streams are open here: each is a request in flight."""
        self.glance = _GLANCE
        """Seconds between two looks for room, where as many requests are in flight as may be."""
        self.unanswered = 0
        """Exchanges in a row that brought no answer at all."""
        self.holds_back = True
        """Whether simultaneous calls hold their last byte back; what does not stand that is served otherwise."""

    def close(self) -> None:
        """Close every connection."""
        for warm in self._warm:
            warm.close()
        self._fresh.close()

    def cancel(
        self,
        story: int,
        role: str,
        call: Call,
        *,
        fresh: bool = False,
        credential: Credential | None = None,
        once: bool = False,
    ) -> list[Exchange]:
        """Send one cancel; every attempt that it took, the last one last. A `credential` speaks for its own role."""
        request = self.cancel_request(role, call, credential=credential)
        return self._persevere(story, request, fresh=fresh, credential=credential, once=once)

    def cancel_request(self, role: str, call: Call, *, credential: Credential | None = None) -> Request:
        """A cancel, not yet sent."""
        name = "cancel" if call.path is None else "cancel_task"
        route = self._contract.routes[name]
        content = call.raw
        if content is None and call.body is not ABSENT:
            content = json.dumps(call.body).encode()
        headers = [] if content is None or call.content_type is None else [("content-type", call.content_type)]
        if call.chunked:
            headers.append(("transfer-encoding", "chunked"))
        method = call.method or route.method
        if content is None and call.announced and not call.chunked and method in _WITH_LENGTH:
            headers.append(_NO_LENGTH)
        url = self._url(name, route, call.path, call.spelled) + call.suffix
        return Request(
            operation=Operation.PROBE if credential is not None and self._probes(credential) else Operation.CANCEL,
            role=role if credential is None else credential.role,
            method=method,
            url=url,
            headers=(*headers, *call.headers),
            content=content,
            path_id=call.path,
        )

    @property
    def asks_in_vain(self) -> bool:
        """Whether nothing came back for so long that nothing is to be expected of the next call."""
        return self.unanswered > self._profile.limits.retries + _IN_VAIN

    @property
    def kept_open(self) -> int:
        """How many connections are kept open, and used in turn."""
        return len(self._warm)

    @property
    def strangers(self) -> Mapping[str, Credential]:
        """The ways to show no valid key, by role."""
        return self._strangers

    def query(self, story: int, role: str, field: str, identifier: str, *, fresh: bool = False) -> list[Exchange]:
        """Ask for the task that has `identifier` in `field`; every attempt, the last one last."""
        return self._persevere(story, self.query_request(role, field, identifier), fresh=fresh)

    def query_request(self, role: str, field: str, identifier: str) -> Request:
        """A query, not yet sent."""
        route = self._contract.routes["query"]
        method = self._profile.query.method or route.method
        url, content, headers = self._url("query", route), None, []
        if method == "GET":
            url = f"{url}?{urlencode({field: identifier}, errors=_ODD_TOO)}"
        else:
            content, headers = json.dumps({field: identifier}).encode(), [("content-type", "application/json")]
        return Request(
            operation=Operation.QUERY, role=role, method=method, url=url, headers=tuple(headers), content=content
        )

    def submit(self, story: int, role: str, body: dict[str, object]) -> list[Exchange]:
        """Submit one task.

        Without an idempotency key in `body` a lost answer is not asked for again, and none is risked on a connection
        that may have been closed meanwhile.
        """
        request = self.submit_request(role, body)
        return self._persevere(story, request, fresh=False, repeatable="out_task_id" in body)

    def submit_request(self, role: str, body: dict[str, object]) -> Request:
        """A submit, not yet sent."""
        route = self._contract.routes["submit"]
        return Request(
            operation=Operation.SUBMIT,
            role=role,
            method=route.method,
            url=self._url("submit", route),
            headers=(("content-type", "application/json"),),
            content=json.dumps(body).encode(),
        )

    def account(self, story: int, role: str, url: str) -> list[Exchange]:
        """Read the account of `role`."""
        absolute = urljoin(self._profile.base_url, url)
        request = Request(operation=Operation.ACCOUNT, role=role, method="GET", url=absolute)
        return self._persevere(story, request, fresh=False)

    def together(self, story: int, calls: Sequence[tuple[Request, float]], *, start_at: float = 0.0) -> list[Exchange]:
        """Send several requests at once, each so many seconds after the first; one attempt each, in the order given.

        They leave together, or at `start_at` on the monotonic clock. What is sent here is never sent again: the loser
        of a race would be hidden by that.
        """
        requests = [replace(each, headers=(*each.headers, *self._shown_key(each.role, None)[1])) for each, _ in calls]
        begun = list(zip(self._begun(story, requests)[0], requests, strict=True))
        flights = fired(
            [Shot(url=request.url, request=self._bytes(request), after=after) for request, after in calls],
            timeout=self._profile.limits.timeout,
            most=MOST_BYTES,
            context=self._secure_context(),
            hold_back=self.holds_back,
            start_at=start_at,
        )
        at_once = [flight.sent_at for flight in flights if not flight.shot.after]
        way = "last byte held back" if self.holds_back else "whole requests"
        self._journal.volley(way, len(flights), max(at_once, default=0.0) - min(at_once, default=0.0))
        if self.holds_back and any(
            isinstance(flight.lost, ConnectionError | h11.RemoteProtocolError) for flight in flights
        ):
            self.holds_back = False  # perhaps something on the way gives up on half a request
        return [self._over(*each, flight) for each, flight in zip(begun, flights, strict=True)]

    def hang_up(self, story: int, request: Request) -> Exchange:
        """Send a request, and close the connection without waiting for an answer."""
        shown = replace(request, headers=(*request.headers, *self._shown_key(request.role, None)[1]))
        [number], _ = self._begun(story, [shown])
        [flight] = fired(
            [Shot(url=request.url, request=self._bytes(request), hangs_up=True)],
            timeout=self._profile.limits.timeout,
            most=MOST_BYTES,
            context=self._secure_context(),
            hold_back=False,
        )
        return self._over(number, shown, flight)

    def opening(self, role: str, task_id: str) -> Opening:
        """What opens an event stream of a task, for whoever follows it."""
        route = self._contract.routes["stream"]
        key, masked = self._shown_key(role, None)
        ours = [(name, EVENTS if name == "accept" else value) for name, value in _OURS]
        url = self._url("stream", route, task_id)
        request = Request(
            operation=Operation.STREAM, role=role, method=route.method, url=url, headers=masked, path_id=task_id
        )
        self._keep_rate()
        return Opening(
            request=request,
            headers=(*ours, *key),
            context=self._secure_context(),
            within=self._profile.limits.timeout,
        )

    def without_secrets(self, heard: Exchange) -> Exchange:
        """What a target told unasked, every key in it masked."""
        request, answer = heard.request, heard.answer
        if request.content is not None:
            request = replace(request, content=self.mask.content(request.content))
        if request.operation is Operation.CALLBACK:
            named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
            request = replace(request, headers=tuple(self._shown_headers(named)))
        if answer is not None:
            named = [
                (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
                for name, value in answer.headers
            ]
            answer = replace(
                answer, headers=tuple(self._shown_headers(named)), content=self.mask.content(answer.content)
            )
        lost = None if heard.lost is None else self.mask.text(heard.lost)
        return replace(heard, request=request, answer=answer, lost=lost)

    def _begun(self, story: int, requests: Sequence[Request]) -> tuple[list[int], float]:
        """Write requests down before any of them leaves, as soon as so many may be in flight: numbers, and when.

        Only what has room takes its turns by the rate: else those who wait for room would use up theirs, and then all
        leave at once.
        """
        limits = self._profile.limits
        asked = time.monotonic()
        while True:
            now = time.monotonic()
            self.count_streams()
            begun = self._journal.begin_exchanges(
                story,
                requests,
                now,
                at_most=limits.in_flight,
                since=now - limits.timeout - _LEASE,
                squeeze=now - asked >= _STREAMS_LAST,
            )
            if begun:
                for _ in requests:
                    self._keep_rate()
                return begun, time.monotonic()
            time.sleep(self.glance)

    def has_room_for_a_stream(self) -> bool:
        """Whether one more event stream may be open beside all that is in flight, once there is room for it."""
        limits = self._profile.limits
        while True:
            now = time.monotonic()
            since = now - limits.timeout - _LEASE
            begun = self._journal.begin_stream(now, at_most=limits.in_flight, since=since)
            if begun is not None:
                return begun
            time.sleep(self.glance)

    def _over(self, number: int, shown: Request, flight: Flight) -> Exchange:
        """The exchange that a flight was, in the journal."""
        answer = None
        lost = None if flight.lost is None else self._reason(flight.lost)
        if flight.answer is not None:
            try:
                answer = self._heard_raw(*flight.answer)
            except _LOST as error:
                lost = self._reason(error)
        exchange = Exchange(
            number=number, request=shown, sent_at=flight.sent_at, ended_at=flight.ended_at, answer=answer, lost=lost
        )
        return self._ended(exchange)

    def _bytes(self, request: Request) -> bytes:
        """A request to the last byte, its key in the clear."""
        content = request.content or b""
        headers = [*_said(request), *self._shown_key(request.role, None)[0]]
        length = len(content) if request.content is not None else None
        return head_bytes(request.method, request.url, headers, length) + content

    def _secure_context(self) -> ssl.SSLContext | None:
        """How https is secured, without a bundle of the profile's by the system's certificates."""
        if self._context is None and self._profile.base_url.startswith("https:"):
            self._context = ssl.create_default_context()
        return self._context

    def _persevere(
        self,
        story: int,
        request: Request,
        *,
        fresh: bool,
        repeatable: bool = True,
        credential: Credential | None = None,
        once: bool = False,
    ) -> list[Exchange]:
        """Send until the target gives an answer of its own, within the limits on retries and patience.

        While nothing at all comes back, not even to the last call, one attempt is enough.
        """
        limits = self._profile.limits
        most = 1 if once or self.unanswered > limits.retries else limits.retries + 1
        give_up = time.monotonic() + limits.patience
        attempts: list[Exchange] = []
        while True:
            alone = fresh or bool(attempts) or not repeatable
            exchange = self._exchange(story, request, credential, fresh=alone)
            attempts.append(exchange)
            if not exchange.unavailable or len(attempts) >= most:
                return attempts
            if exchange.answer is None and exchange.sent and not repeatable:
                return attempts
            wait = pause(exchange.answer, len(attempts), self._chance)
            if time.monotonic() + wait > give_up:
                return attempts
            time.sleep(wait)

    def _exchange(self, story: int, request: Request, credential: Credential | None, *, fresh: bool) -> Exchange:
        key, masked = self._shown_key(request.role, credential)
        shown = replace(request, headers=(*request.headers, *masked))
        [number], sent_at = self._begun(story, [shown])
        answer, lost = None, None
        try:
            lane = self._fresh if fresh or request.chunked else next(self._lanes)  # its chunks may be left unread
            answer = self._answer(request, key, lane, sent_at)
        except _LOST as error:
            lost = self._reason(error)
        ended_at = time.monotonic()
        exchange = Exchange(number=number, request=shown, sent_at=sent_at, ended_at=ended_at, answer=answer, lost=lost)
        return self._ended(exchange)

    def _ended(self, exchange: Exchange) -> Exchange:
        """Write down how an exchange ended, and count it."""
        self._journal.end_exchange(exchange)
        self.asked += 1
        self.unanswered = 0 if exchange.answer else self.unanswered + 1
        return exchange

    def _answer(
        self, request: Request, key: list[tuple[str, str]], connections: httpx.HTTPTransport, sent_at: float
    ) -> Answer:
        headers = [*_said(request), *key]
        deadline = sent_at + self._profile.limits.timeout
        if any(not _sendable(value) for _, value in headers):
            return self._raw_answer(request, headers, deadline)
        content = request.content
        made = httpx.Request(
            request.method,
            _parsed(request.url),
            headers=headers,
            content=iter([content]) if ("transfer-encoding", "chunked") in headers and content else content,
            extensions={"timeout": self._timeout},
        )
        if content is None and _NO_LENGTH not in request.headers:
            made.headers.pop("content-length", None)  # httpx would announce it
        self._deadline.at = deadline
        response = connections.handle_request(made)
        try:
            body = inflated(_chunks(response, deadline), response.headers.get("content-encoding", ""))
        finally:
            _drop_what_nobody_asked_for(connections, response)
            response.close()
        return self._heard(response.status_code, response.headers.raw, body)

    def _raw_answer(self, request: Request, headers: list[tuple[str, str]], deadline: float) -> Answer:
        """What no HTTP client sends goes out by itself."""
        content = request.content or b""
        head = head_bytes(request.method, request.url, headers, len(content) if request.content is not None else None)
        context = self._secure_context()
        return self._heard_raw(
            *exchange_bytes(request.url, head, content, deadline=deadline, most=MOST_BYTES, context=context)
        )

    def _heard_raw(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
        encoding = next((value for name, value in headers if name.lower() == b"content-encoding"), b"")
        return self._heard(status, headers, inflated([body], encoding.decode("latin-1")))

    def _heard(self, status: int, headers: Iterable[tuple[bytes, bytes]], content: bytes) -> Answer:
        self._capacity.admit(content)
        return Answer(status=status, headers=tuple(self._shown_headers(headers)), content=self.mask.content(content))

    def _reason(self, error: Exception) -> str:
        """How an answer went missing; what the target has said in it neither shows a key nor acts in a terminal."""
        said = self.mask.text(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]
        said = "".join(char if char.isprintable() else "\ufffd" for char in said)
        return f"{UNSENT}{said}" if isinstance(error, _UNSENT) else said

    def _shown_key(
        self, role: str, credential: Credential | None
    ) -> tuple[list[tuple[str, str]], tuple[tuple[str, str], ...]]:
        """The headers that show the key of a role, and the same with the key masked."""
        if credential is not None:
            whose = credential.role.partition(":")[0]
            return credential.headers(self._profile.secret(OWNER if whose == NOBODY else whose)), credential.masked
        secret = self._profile.secret(role)
        if self._profile.auth.header == "authorization":
            return [("authorization", f"Bearer {secret}")], (("authorization", "Bearer $KEY"),)
        return [("x-api-key", secret)], (("x-api-key", "$KEY"),)

    def _probes(self, credential: Credential) -> bool:
        """Whether it rests on the surrounding documentation alone how a key shown so is judged."""
        return credential.role not in self._strangers and not credential.role.startswith(f"{REVOKED}:")

    def _url(self, name: str, route: Route, path_id: str | None = None, spelled: str | None = None) -> str:
        path = getattr(self._profile.paths, name) or route.path
        if path_id is not None:
            written = spelled or _segment(path_id)
            path = _PLACE.sub(lambda _: written, path)
        return self._profile.base_url.rstrip("/") + "/" + path.lstrip("/")

    def _keep_rate(self) -> None:
        rate = self._profile.limits.rate
        if rate is not None:
            time.sleep(max(0.0, self._journal.pool.turn(time.monotonic(), 1 / rate) - time.monotonic()))

    def _shown_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
        left = MOST_HEADER_BYTES
        for name, value in headers:
            left -= len(name) + len(value)
            if left < 0:
                return
            yield self.mask.content(name).decode("latin-1"), self.mask.content(value).decode("latin-1")

    def _connections(self, *, keep: bool) -> httpx.HTTPTransport:
        """The bare transport: no redirects, no cookies, no proxies of the environment."""
        verify = self._secure_context() or False  # without TLS there is nothing to verify
        limits = httpx.Limits(max_keepalive_connections=None if keep else 0)
        transport = httpx.HTTPTransport(verify=verify, trust_env=False, limits=limits)
        network = BoundedNetwork(transport._pool._network_backend, self._deadline)  # noqa: SLF001 - httpx has no door
        transport._pool._network_backend = network  # noqa: SLF001 - likewise
        return transport


_parsed: Final = lru_cache(_PARSED)(httpx.URL)


def _said(request: Request) -> list[tuple[str, str]]:
    """The headers of a request without its key: ours, where it has none of that name itself, and its own."""
    own = {name for name, _ in request.headers}
    return [*(header for header in _OURS if header[0] not in own), *request.headers]


def _segment(identifier: str) -> str:
    """The identifier as one segment of a path; those that mean a folder elsewhere are encoded too."""
    return identifier.replace(".", "%2E") if identifier in {".", ".."} else quote(identifier, safe="", errors=_ODD_TOO)


def _chunks(response: httpx.Response, deadline: float) -> Iterator[bytes]:
    """The body as it comes.

    Raises:
        TimeoutError: the deadline passed first.
    """
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - what a synchronous transport gives
    for chunk in response.stream:
        if time.monotonic() > deadline:
            raise TimeoutError("the exchange passed its deadline")
        yield chunk


def _drop_what_nobody_asked_for(connections: httpx.HTTPTransport, response: httpx.Response) -> None:
    """Close a connection on which more came than the answer, lest that be taken for the answer to the next request."""
    stream = response.extensions["network_stream"]
    for each in connections._pool.connections:  # noqa: SLF001 - httpx has no door
        inner: Any = getattr(each, "_connection", None)
        if inner is not None and inner._network_stream is stream and inner._h11_state.trailing_data[0]:  # noqa: SLF001 - likewise
            stream.close()


def _sendable(value: str) -> bool:
    """Whether an HTTP client takes this as a header's value."""
    return value == value.strip() and value.isprintable() and value.isascii()


def posted(url: str, document: object, within: float) -> str:
    """The answer's text of one POST of a JSON document to a URL of the user's own, within so many seconds.

    Raises:
        ConnectionError: it was not answered with a 2xx.
    """
    try:
        response = httpx.post(url, json=document, timeout=within, trust_env=False)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    return response.text[:MOST_BYTES]
