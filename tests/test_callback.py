"""Callbacks are received whatever is sent, answered at once, bound to their task, and bounded."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
from stand_in import profile

from conformance.exchange import GIVEN_UP, Exchange, Operation
from conformance.target import callback
from conformance.target.background import Background
from conformance.target.callback import LATE, MOST_BYTES, Deaf, Place, Receiver, Reply, Subscription, place

if TYPE_CHECKING:
    from conftest import BeginRun

TOLD: Final = json.dumps({"task_id": "task_1", "status": "cancelled"}).encode()
A_WHILE: Final = 5.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback, of which nothing is left when the test is over."""
    background = Background()
    made = Receiver(Place("127.0.0.1", 0), background)
    yield made
    made.close()
    background.close()
    assert "listening" not in {thread.name for thread in threading.enumerate()}


def sent(url: str, content: bytes, *, method: str = "POST", headers: str = "", length: int | None = None) -> bytes:
    """The whole answer to a call that is written to the letter, one connection a call."""
    parts = urlsplit(url)
    size = len(content) if length is None else length
    head = f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {size}\r\n{headers}\r\n"
    return exchanged(url, head.encode() + content)


def exchanged(url: str, sent: bytes) -> bytes:
    """What comes back for some bytes until the connection is closed."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), A_WHILE) as connection:
        received = b""
        try:
            connection.sendall(sent)
            while piece := connection.recv(1 << 16):
                received += piece
        except ConnectionError:
            pass
        return received


def status(answer: bytes) -> int:
    """The status of an answer."""
    return int(answer.split(b" ")[1])


def only(subscription: Subscription) -> Exchange:
    """The one call that came."""
    assert subscription.has_more(time.monotonic() + A_WHILE)
    [call] = subscription.take()
    return call


def test_a_call_is_answered_and_kept(receiver: Receiver) -> None:
    """With what it said, when, and that we answered."""
    subscription = receiver.subscribe()
    before = time.monotonic()
    assert status(sent(subscription.url, TOLD, headers="Content-Type: application/json\r\n")) == 200
    call = only(subscription)
    assert call.request.operation is Operation.CALLBACK
    assert (call.request.method, call.request.url, call.request.content) == ("POST", subscription.url, TOLD)
    assert ("content-type", "application/json") in call.request.headers
    assert call.answer is not None
    assert call.answer.status == 200
    assert before <= call.sent_at <= call.ended_at <= time.monotonic()


def test_whoever_still_waits_at_the_end_is_hung_up_on(caplog: pytest.LogCaptureFixture) -> None:
    """At once, and without a word: nothing went wrong that a user should read of."""
    background = Background()
    receiver = Receiver(Place("127.0.0.1", 0), background)
    subscription = receiver.subscribe(Reply.LATE)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sent, subscription.url, TOLD)
        while not subscription.calls:
            time.sleep(0.01)
        began = time.monotonic()
        receiver.close()
        background.close()
        assert waiting.result(A_WHILE) == b""
    assert time.monotonic() - began < LATE / 2
    assert only(subscription).lost == "the call was broken off before we could answer"
    assert caplog.text == ""


@pytest.mark.parametrize(("reply", "said", "after"), [(Reply.LATE, 200, LATE), (Reply.ERROR, 500, 0.0)])
def test_a_call_is_answered_as_a_bad_receiver_does(receiver: Receiver, reply: Reply, said: int, after: float) -> None:
    """Late, or with an error; neither is an answer within anybody's patience that says that the call was taken."""
    subscription = receiver.subscribe(reply)
    assert status(sent(subscription.url, TOLD)) == said
    call = only(subscription)
    assert call.answer is not None
    assert (call.answer.status, call.request.content) == (said, TOLD)
    assert call.took >= after


def test_a_call_in_chunks_is_read(receiver: Receiver) -> None:
    """And one that asks first whether to go on."""
    subscription = receiver.subscribe()
    path = urlsplit(subscription.url).path
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode()
    answer = exchanged(subscription.url, head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(TOLD), TOLD))
    assert answer.startswith(b"HTTP/1.1 100")
    assert b"HTTP/1.1 200" in answer
    assert only(subscription).request.content == TOLD


def test_every_task_has_an_address_of_its_own(receiver: Receiver) -> None:
    """Which nobody can guess; what comes to another one belongs to nobody."""
    one, other = receiver.subscribe(), receiver.subscribe()
    assert len({one.token, other.token}) == 2
    assert len(one.token) >= 32
    assert status(sent(other.url, TOLD)) == 200
    for url in (one.url[:-1], one.url.replace(one.token, "x"), one.url.replace(one.token, ""), f"{one.url}/x"):
        assert status(sent(url, TOLD)) == 404
    assert one.take() == []
    assert len(other.take()) == 1


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_only_a_post_tells_something(receiver: Receiver, method: str) -> None:
    """And whatever is like it."""
    subscription = receiver.subscribe()
    assert status(sent(subscription.url, b"", method=method)) == 405
    assert subscription.take() == []


def test_a_huge_body_is_refused_and_cut(receiver: Receiver) -> None:
    """So that it may come again: that is no answer to rely on."""
    subscription = receiver.subscribe()
    answer = sent(subscription.url, b"x" * (MOST_BYTES + 1))
    call = only(subscription)
    assert call.answer is not None
    assert call.answer.status == 413
    assert answer == b"" or status(answer) == 413
    assert len(call.request.content or b"") == MOST_BYTES


def test_a_slow_body_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call was not answered, and others are answered meanwhile."""
    monkeypatch.setattr(callback, "LONGEST", 0.3)
    slow, quick = receiver.subscribe(), receiver.subscribe()
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        waiting = pool.submit(sent, slow.url, TOLD[:5], length=len(TOLD))
        assert status(sent(quick.url, TOLD)) == 200
        assert waiting.result() == b""
        assert 0.2 < time.monotonic() - started < A_WHILE
    call = only(slow)
    assert call.answer is None
    assert call.lost is not None
    assert call.lost != GIVEN_UP
    assert call.request.content is not None


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"POST //[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nx: " + b"y" * 100_000,
    ],
)
def test_what_is_no_call_is_turned_away(receiver: Receiver, said: bytes) -> None:
    """And does no harm to those that are."""
    subscription = receiver.subscribe()
    url = urlsplit(subscription.url)
    with socket.create_connection((url.hostname or "", url.port or 80), A_WHILE) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
    assert status(sent(subscription.url, TOLD)) == 200
    assert len(subscription.take()) == 1


def test_a_caller_that_hangs_up_was_not_answered(receiver: Receiver) -> None:
    """Half a body is no body."""
    subscription = receiver.subscribe()
    url = urlsplit(subscription.url)
    with socket.create_connection((url.hostname or "", url.port or 80), A_WHILE) as connection:
        connection.sendall(f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123".encode())
    call = only(subscription)
    assert call.answer is None


def test_many_calls_at_once_are_all_answered(receiver: Receiver) -> None:
    """As far as that is anybody's business."""
    subscription = receiver.subscribe()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: sent(subscription.url, TOLD), range(64)))
    assert {status(answer) for answer in answers} == {200}
    assert len(subscription.take()) == 64


def test_calls_without_end_are_not_kept(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a number that is enough."""
    monkeypatch.setattr(callback, "MOST_CALLS", 3)
    subscription = receiver.subscribe()
    for _ in range(5):
        sent(subscription.url, TOLD)
    assert len(subscription.take()) == 3


def test_what_comes_after_the_end_is_not_heard(receiver: Receiver) -> None:
    """And the end is written down."""
    subscription = receiver.subscribe()
    receiver.forget(subscription)
    subscription.end()
    assert status(sent(subscription.url, TOLD)) == 404
    end = only(subscription)
    assert (end.answer, end.lost, end.request.content) == (None, GIVEN_UP, None)
    assert end.sent_at <= end.ended_at


# where


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:8080/v1"])
def test_a_target_on_loopback_is_listened_to_on_loopback(base_url: str) -> None:
    """At a port that is free."""
    assert place(profile(base_url)) == Place("127.0.0.1", 0)


def test_a_target_elsewhere_cannot_reach_loopback() -> None:
    """Unless the profile says how, nothing is listened at."""
    with pytest.raises(Deaf, match=r"write \[callback\]"):
        place(profile("https://staging.example.com/v1"))


@pytest.mark.parametrize("listen", ["0.0.0.0:8765", "[::]:8765"])
def test_the_profile_says_where_to_listen_and_how_to_be_reached(listen: str) -> None:
    """Also where the target is on loopback."""
    url = "https://hooks.example.com/in"
    given = profile("http://127.0.0.1:1/v1", callback__url=url, callback__listen=listen)
    assert place(given) == Place(listen.rpartition(":")[0].strip("[]"), 8765, url)


def test_a_url_of_the_profile_is_put_before_the_token() -> None:
    """Whatever stands between the target and the suite passes the path on."""
    background = Background()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Receiver(Place("127.0.0.1", port, "https://hooks.example.com/in"), background)
    subscription = made.subscribe()
    assert subscription.url == f"https://hooks.example.com/in/{subscription.token}"
    assert status(sent(f"http://127.0.0.1:{port}/in/{subscription.token}", TOLD)) == 200
    made.close()
    background.close()


def test_a_taken_port_is_a_reason() -> None:
    """And says what to write."""
    background = Background()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Deaf, match=r"write another \[callback\] listen"):
            Receiver(Place("127.0.0.1", port), background)
    background.close()


def test_no_address_is_opened_before_somebody_asks_for_a_callback(begin_run: BeginRun) -> None:
    """A run that listens to nothing has no thread for it."""
    begin_run(lambda _: b"")
    assert "listening" not in {thread.name for thread in threading.enumerate()}
