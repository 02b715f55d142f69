"""Whatever a target does on the wire, an exchange is bounded, is in the journal, and shows no key."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from stand_in import KEY, Heard, Says, answer, nowhere, profile
from told import CONTRACT

from conformance.contract import Contract
from conformance.exchange import unheard
from conformance.target.call import Call, in_plain_letters
from conformance.target.client import MOST_BYTES, Client

if TYPE_CHECKING:
    from conftest import Speak

    from conformance.exchange import Exchange
    from conformance.journal import Journal

TASK = "task_01JZ8Q4M7T9V2K5XNB3CWEH6RD"
SHOWN = answer(200, {"task_id": TASK, "status": "cancelled"})
SUBMIT: dict[str, object] = {"model": "boat", "params": {}}
NAMED = {**SUBMIT, "out_task_id": "boat-1"}


def always(said: bytes) -> Says:
    """The same answer to everything."""
    return lambda _: said


def in_turn(*said: bytes) -> Says:
    """One answer after the other, the last one for ever."""
    left = list(said)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def statuses(attempts: list[Exchange]) -> list[int | None]:
    """The statuses of all attempts; none for a lost one."""
    return [attempt.answer.status if attempt.answer else None for attempt in attempts]


# trouble of the infrastructure


@pytest.mark.parametrize("status", [429, 502, 503, 504, 522])
def test_trouble_is_waited_out(speak: Speak, status: int) -> None:
    """The target has its answer asked for again, and every attempt is an exchange."""
    wire = speak(in_turn(answer(status, {}), SHOWN), limits__retries=2)
    assert statuses(wire.client.cancel(1, "owner", Call(path=TASK))) == [status, 200]
    assert wire.journal.count() == 2


def test_retry_after_is_kept(speak: Speak) -> None:
    """The target says how long, and is not asked before."""
    wire = speak(in_turn(answer(503, {}, retry_after="0.6"), SHOWN), limits__retries=2)
    first, second = wire.client.cancel(1, "owner", Call(path=TASK))
    assert second.sent_at - first.ended_at >= 0.6


def test_a_wait_beyond_patience_is_not_begun(speak: Speak) -> None:
    """An hour's Retry-After ends the call at once."""
    wire = speak(always(answer(429, {}, retry_after="3600")), limits__patience=5)
    started = time.monotonic()
    assert statuses(wire.client.cancel(1, "owner", Call(path=TASK))) == [429]
    assert time.monotonic() - started < 2


def test_a_date_to_retry_after_is_kept(speak: Speak) -> None:
    """HTTP has two ways to say when; a date is one of whole seconds."""
    wire = speak(in_turn(answer(503, {}, retry_after=formatdate(time.time() + 2, usegmt=True)), SHOWN))
    first, second = wire.client.cancel(1, "owner", Call(path=TASK))
    assert 0.8 <= second.sent_at - first.ended_at < 3


def test_the_end_of_a_rate_limit_is_waited_for(speak: Speak) -> None:
    """A Unix time, or seconds; either for a while at the most."""
    for reset in (str(time.time() + 0.8), "0.8"):
        wire = speak(in_turn(answer(429, {}, x_ratelimit_reset=reset), SHOWN))
        first, second = wire.client.cancel(1, "owner", Call(path=TASK))
        assert 0.5 <= second.sent_at - first.ended_at < 2


def test_a_time_that_is_none_is_not_trusted(speak: Speak) -> None:
    """A date gone by or out of this world, a negative number, nonsense: the client's own pause counts."""
    for said in ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 99999 07:28:00 GMT", "-5", "nan", "soon", ""):
        wire = speak(in_turn(answer(503, {}, retry_after=said), SHOWN), limits__retries=1)
        assert statuses(wire.client.cancel(1, "owner", Call(path=TASK))) == [503, 200]


def test_retries_have_an_end(speak: Speak) -> None:
    """As many more attempts as the profile allows, and no more."""
    wire = speak(always(answer(503, {})), limits__retries=1)
    assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [503, 503]


def test_a_500_is_the_targets_own_answer(speak: Speak) -> None:
    """To ask again after a 500 would hide the loser of a race."""
    wire = speak(always(answer(500, {})), limits__retries=3)
    assert statuses(wire.client.cancel(1, "owner", Call(path=TASK))) == [500]


def test_a_lost_submit_without_a_key_of_its_own_is_not_sent_again(speak: Speak) -> None:
    """It may have made a task already, and a second one would be paid for."""
    wire = speak(always(b""), limits__retries=3)
    assert statuses(wire.client.submit(1, "owner", SUBMIT)) == [None]
    assert len(wire.server.heard) == 1


def test_a_submit_that_never_left_is_sent_again(journal: Journal) -> None:
    """No connection was made, so nothing can have been made of it."""
    client = Client(profile(nowhere(), limits__retries=2), CONTRACT, journal)
    attempts = client.submit(1, "owner", SUBMIT)
    client.close()
    assert len(attempts) == 3
    assert not any(attempt.sent for attempt in attempts)
    assert unheard(journal.submits()) == []


def test_a_connection_that_was_closed_while_idle_costs_nothing(speak: Speak) -> None:
    """What a server closed after a while without requests is renewed, unseen; a submit never risks a used one."""
    for ask in (
        lambda client: client.cancel(1, "owner", Call(path=TASK)),
        lambda client: client.submit(1, "owner", SUBMIT),
    ):
        kept = answer(200, {"task_id": TASK}, connection="keep-alive")
        wire = speak(lambda _, kept=kept: [kept], limits__retries=0)  # and it is closed all the same
        wire.client.query(1, "owner", "task_id", TASK)
        time.sleep(0.05)
        assert statuses(ask(wire.client)) == [200]


def test_an_answer_that_nobody_asked_for_answers_nothing(speak: Speak) -> None:
    """What comes behind an answer on a connection that is kept alive is not taken for the next one."""
    kept = answer(200, {"said": "first"}, connection="keep-alive")
    wire = speak(in_turn(kept + answer(200, {"said": "unasked"}, connection="keep-alive"), kept))
    for _ in range(3):
        [exchange] = wire.client.query(1, "owner", "task_id", TASK)
        assert exchange.answer is not None
        assert exchange.answer.document == {"said": "first"}


def test_connections_are_kept_alive_and_take_turns(speak: Speak) -> None:
    """No answer is dropped that was asked for; and not one connection alone, which would speak to one process."""
    wire = speak(always(answer(200, {}, connection="keep-alive")))
    for _ in range(12):
        wire.client.query(1, "owner", "task_id", TASK)
    ports = [heard.port for heard in wire.server.heard]
    assert len(set(ports[:4])) == len(set(ports)) == 4


def test_what_comes_in_chunks_has_a_connection_of_its_own(speak: Speak) -> None:
    """Whoever does not read them takes them for the next request on the connection: no other call is to suffer."""
    wire = speak(always(answer(200, {}, connection="keep-alive")))
    for call in (Call(raw=b"{}", chunked=True), Call(raw=b"{}")) * 4:
        wire.client.cancel(1, "owner", call)
    chunked = {heard.port for heard in wire.server.heard if "transfer-encoding" in heard.headers}
    assert len(chunked) == 4
    assert chunked.isdisjoint(heard.port for heard in wire.server.heard if "content-length" in heard.headers)


def test_hints_without_an_end_have_one(speak: Speak) -> None:
    """Informational answers are read past, until the deadline."""
    hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    wire = speak(in_turn(hint * 3 + SHOWN), limits__retries=0)
    assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [200]
    wire = speak(dripping(hint, hint), limits__timeout=0.4, limits__retries=0)
    [exchange] = wire.client.query(1, "owner", "task_id", TASK)
    assert exchange.answer is None
    assert exchange.ended_at - exchange.sent_at < 1


def test_an_encoding_that_nobody_asked_for_is_a_lost_answer(speak: Speak) -> None:
    """It cannot be read here, which is no fault of what it says."""
    wire = speak(always(answer(200, content=b"\x8b\x05\x80{}", content_encoding="br")), limits__retries=0)
    [exchange] = wire.client.query(1, "owner", "task_id", TASK)
    assert exchange.answer is None
    assert "content-encoding is 'br'" in str(exchange.lost)


def test_long_answers_are_kept_as_long_as_there_is_room(speak: Speak) -> None:
    """Each up to its cap, and all together up to theirs; ordinary ones are kept all the same."""
    said = [answer(200, content=b"[" + b"[]," * (1 << 16) + b"1]")] * 10
    wire = speak(in_turn(*said, SHOWN), limits__retries=0)
    exchanges = [wire.client.query(1, "owner", "task_id", TASK)[0] for _ in range(11)]
    assert exchanges[0].answer is not None
    assert exchanges[9].answer is None
    assert "TooMuchSaid" in str(exchanges[9].lost)
    assert exchanges[10].answer is not None


def test_how_an_answer_was_lost_shows_no_key_and_does_nothing(speak: Speak) -> None:
    """The library that reads it quotes what it could not read."""
    wire = speak(always(f"HTTP/1.1 \x1b[31m{KEY} no\r\n\r\n".encode()), limits__retries=0)
    [exchange] = wire.client.query(1, "owner", "task_id", TASK)
    assert "$KEY" in str(exchange.lost)
    assert str(exchange.lost).isprintable()


def test_a_lost_submit_with_an_out_task_id_is_sent_again(speak: Speak) -> None:
    """The same key names the same task."""
    wire = speak(in_turn(b"", SHOWN), limits__retries=3)
    assert statuses(wire.client.submit(1, "owner", NAMED)) == [None, 200]
    assert [heard.document for heard in wire.server.heard] == [NAMED, NAMED]


def test_a_refused_connection_is_a_lost_answer(journal: Journal) -> None:
    """Nobody listens: that is told as a loss, not as an error."""
    client = Client(profile(nowhere(), limits__retries=0), CONTRACT, journal)
    [exchange] = client.query(1, "owner", "task_id", TASK)
    client.close()
    assert exchange.answer is None
    assert "refused" in str(exchange.lost)
    assert client.unanswered == 1


# answers without an end


def dripping(head: bytes, drop: bytes) -> Says:
    """An answer that comes byte by byte, and would go on for ever."""

    def drip(_: Heard) -> Iterator[bytes]:
        yield head
        for _ in range(80):
            time.sleep(0.05)
            yield drop

    return drip


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx-long: ", b"x", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", id="chunks"),
    ],
)
def test_a_drip_has_a_deadline(speak: Speak, head: bytes, drop: bytes) -> None:
    """A byte now and then defeats a read timeout, but not the deadline over all."""
    wire = speak(dripping(head, drop), limits__timeout=0.4, limits__retries=0)
    [exchange] = wire.client.cancel(1, "owner", Call(path=TASK))
    assert exchange.answer is None
    assert exchange.ended_at - exchange.sent_at < 2


def test_a_deadline_is_of_one_exchange_only(speak: Speak) -> None:
    """What the last call used up is not taken from the next one."""
    wire = speak(always(SHOWN), limits__timeout=0.5)
    for _ in range(2):
        assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [200]
        time.sleep(0.4)


def test_a_body_is_cut_at_its_cap(speak: Speak) -> None:
    """No target fills the memory, or the journal."""
    wire = speak(always(answer(200, content=b"x" * (MOST_BYTES + 5000))))
    [exchange] = wire.client.query(1, "owner", "task_id", TASK)
    assert exchange.answer is not None
    assert len(exchange.answer.content) == MOST_BYTES


def test_a_bomb_does_not_go_off(speak: Speak) -> None:
    """A compressed body is inflated up to the same cap."""
    bomb = gzip.compress(bytes(50 * MOST_BYTES), 1)
    wire = speak(always(answer(200, content=bomb, content_encoding="gzip")), limits__timeout=20)
    [exchange] = wire.client.query(1, "owner", "task_id", TASK)
    assert exchange.answer is not None
    assert len(exchange.answer.content) == MOST_BYTES


@pytest.mark.parametrize("stranger", [None, "nobody:empty"])
def test_a_compressed_answer_is_read(speak: Speak, stranger: str | None) -> None:
    """Some targets compress though nobody asked them to; also what goes out by itself, past the HTTP client."""
    content = gzip.compress(b'{"status": "pending"}')
    wire = speak(always(answer(200, content=content, content_encoding="gzip")))
    credential = wire.client.strangers[stranger] if stranger else None
    exchange = wire.client.cancel(1, "owner", Call(path=TASK), credential=credential)[-1]
    assert exchange.answer is not None
    assert exchange.answer.document == {"status": "pending"}


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 999999 what\r\n\r\n", b"\0\1\2\r\n\r\n"])
def test_what_is_no_http_is_a_lost_answer(speak: Speak, said: bytes) -> None:
    """Another protocol on that port does not break the suite."""
    wire = speak(always(said), limits__retries=0)
    assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [None]


def test_an_inflater_that_chokes_is_a_lost_answer(speak: Speak) -> None:
    """What calls itself gzip and is none does not break the suite."""
    wire = speak(always(answer(200, content=b"no gzip at all", content_encoding="gzip")), limits__retries=0)
    assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [None]


# keys


def test_redirects_are_not_followed(speak: Speak) -> None:
    """Nobody else is shown the key."""
    elsewhere = speak(always(SHOWN))
    wire = speak(always(answer(307, {}, location=f"{elsewhere.server.base_url}/tasks/query")))
    assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [307]
    assert elsewhere.server.heard == []


def test_the_proxies_of_the_environment_are_ignored(speak: Speak, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for one host does not travel by way of another."""
    proxy = speak(always(answer(200, {})))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.server.base_url.removesuffix("/v1"))
    wire = speak(always(SHOWN))
    assert statuses(wire.client.query(1, "owner", "task_id", TASK)) == [200]
    assert proxy.server.heard == []


def test_an_echoed_key_is_masked_in_the_journal(speak: Speak) -> None:
    """A target that shows the key in a header and in the body does not bring it into a report."""
    wire = speak(always(answer(200, {"you_sent": KEY}, x_echo=f"Bearer {KEY}", set_cookie=f"k={KEY}")))
    [exchange] = wire.client.query(1, "owner", "task_id", TASK)
    assert exchange.answer is not None
    assert exchange.answer.document == {"you_sent": "$KEY"}
    assert exchange.answer.header("x-echo") == "Bearer $KEY"
    assert exchange.request.headers[-1] == ("authorization", "Bearer $KEY")
    stored = b"".join(path.read_bytes() for path in wire.journal.path.parent.iterdir())
    assert KEY.encode() not in stored
    assert b"$KEY" in stored


def test_a_key_goes_out_as_the_profile_says(speak: Speak) -> None:
    """As a bearer token, or in a header of its own."""
    for header, shown in (("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)):
        wire = speak(always(SHOWN), auth__header=header)
        wire.client.query(1, "owner", "task_id", TASK)
        [heard] = wire.server.heard
        assert {name: value for name, value in heard.headers.items() if KEY in value} == {header: shown}


# how a request looks


def test_a_get_query_carries_its_identifier_in_the_url(speak: Speak) -> None:
    """No body, no content type, and every character encoded."""
    wire = speak(always(SHOWN), query__method="GET")
    wire.client.query(1, "owner", "out_task_id", "a&b=c d/é+#")
    [heard] = wire.server.heard
    assert (heard.method, heard.content) == ("GET", b"")
    assert heard.path == "/v1/tasks/query?out_task_id=a%26b%3Dc+d%2F%C3%A9%2B%23"
    assert "content-type" not in heard.headers


def test_the_paths_are_those_of_the_profile(speak: Speak) -> None:
    """A target that keeps its routes elsewhere is spoken to there."""
    wire = speak(
        always(SHOWN),
        paths__cancel_task="/jobs/{task_id}:stop",
        paths__cancel="/jobs/stop",
        paths__query="/jobs/find",
        paths__submit="/jobs",
    )
    wire.client.cancel(1, "owner", Call(path=TASK))
    wire.client.cancel(1, "owner", Call(body={"task_id": TASK}))
    wire.client.query(1, "owner", "task_id", TASK)
    wire.client.submit(1, "owner", NAMED)
    said = [heard.path for heard in wire.server.heard]
    assert said == [f"/v1/jobs/{TASK}:stop", "/v1/jobs/stop", "/v1/jobs/find", "/v1/jobs"]


def test_the_place_of_an_identifier_may_have_any_name(speak: Speak) -> None:
    """What a contract calls the parameter in its path is its own affair."""
    contract = Contract(CONTRACT.text.replace("/tasks/cancel/{task_id}:", "/renders/{render}/stop:"))
    wire = speak(always(SHOWN), contract=contract)
    wire.client.cancel(1, "owner", Call(path=r"a\1{x}"))
    assert [heard.path for heard in wire.server.heard] == ["/v1/renders/a%5C1%7Bx%7D/stop"]


@pytest.mark.parametrize(
    ("identifier", "segment"),
    [
        (TASK, TASK),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("50% off", "50%25%20off"),
        ("a%2Fb", "a%252Fb"),
        ("a+b", "a%2Bb"),
        ("é🎬", "%C3%A9%F0%9F%8E%AC"),
        ("\0\n\t", "%00%0A%09"),
        ("\ud800", "%ED%A0%80"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../x/..", "..%2Fx%2F.."),
        ("*'()~_-.", "%2A%27%28%29~_-."),
        ("", ""),
    ],
)
def test_an_identifier_in_the_path_is_one_segment(speak: Speak, identifier: str, segment: str) -> None:
    """Whatever it is made of, it arrives as it was meant, and in the journal too."""
    wire = speak(always(SHOWN))
    [exchange] = wire.client.cancel(1, "owner", Call(path=identifier))
    assert [heard.path for heard in wire.server.heard] == [f"/v1/tasks/cancel/{segment}"]
    kept = wire.journal.exchange(exchange.number)
    assert kept is not None
    assert kept.request.path_id == identifier


def test_the_path_form_has_neither_body_nor_content_type(speak: Speak) -> None:
    """The bare form is sent bare."""
    wire = speak(always(SHOWN))
    wire.client.cancel(1, "owner", Call(path=TASK))
    [heard] = wire.server.heard
    assert (heard.method, heard.content, "content-type" in heard.headers) == ("POST", b"", False)


@pytest.mark.parametrize(("announced", "length"), [(True, "0"), (False, None)])
def test_no_body_may_be_announced(speak: Speak, *, announced: bool, length: str | None) -> None:
    """By a length of 0, or not at all, as curl does; and the journal shows which."""
    wire = speak(always(SHOWN))
    [exchange] = wire.client.cancel(1, "owner", Call(path=TASK, announced=announced))
    [heard] = wire.server.heard
    assert heard.headers.get("content-length") == length
    assert dict(exchange.request.headers).get("content-length") == length


def test_letters_may_go_out_in_plain(speak: Speak) -> None:
    """UTF-8 in place of escapes."""
    wire = speak(always(SHOWN))
    wire.client.cancel(1, "owner", in_plain_letters(Call(body={"out_task_id": "é"})))
    assert wire.server.heard[0].content == '{"out_task_id": "é"}'.encode()


def test_raw_bodies_go_out_as_they_are(speak: Speak) -> None:
    """Broken UTF-8, NUL, another content type: nothing is mended on the way."""
    wire = speak(always(SHOWN))
    wire.client.cancel(1, "owner", Call(raw=b'{"task_id": "\xff\0', content_type="text/plain"))
    [heard] = wire.server.heard
    assert (heard.content, heard.headers["content-type"]) == (b'{"task_id": "\xff\0', "text/plain")


def test_the_rate_is_kept(speak: Speak) -> None:
    """No more requests a second than the profile allows."""
    wire = speak(always(SHOWN), limits__rate=20)
    sent = [wire.client.query(1, "owner", "task_id", TASK)[-1].sent_at for _ in range(5)]
    assert sent[-1] - sent[0] >= 4 * 0.05 * 0.9
