"""Event streams are read whatever a target sends, in bounded time and space, and told as exchanges."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in import KEY, Heard, Says, answer, nowhere, profile, standing_in
from told import CONTRACT

from conformance.exchange import ENDED, GIVEN_UP, Exchange, Operation
from conformance.target.background import Background
from conformance.target.client import Client
from conformance.target.stream import Event, Reader, Stream, TooMuch

if TYPE_CHECKING:
    from conformance.journal import Journal

TASK: Final = "task_01JZ8Q4M7T9V2K5XNB3CWEH6RD"
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
SHOWN: Final = b'data: {"status": "cancelled"}\n\n'
A_WHILE: Final = 5.0

Listen = Callable[..., Stream]


def chunked(*pieces: bytes, last: bytes = b"0\r\n\r\n") -> Iterator[bytes]:
    """The head of a stream, and pieces of it as HTTP has them; without `last` it is cut."""
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield last


def closing(*pieces: bytes, head: bytes = b"") -> Iterator[bytes]:
    """A stream that ends with its connection."""
    yield HEAD + head + b"\r\n"
    yield from pieces


def dripping(piece: bytes, pause: float = 0.05) -> Iterator[bytes]:
    """The head of a stream, and the same piece again and again."""
    yield HEAD + b"\r\n"
    for _ in itertools.count():
        yield piece
        time.sleep(pause)


@pytest.fixture
def background() -> Iterator[Background]:
    """A thread to listen on, of which nothing is left when the test is over."""
    made = Background()
    yield made
    made.close()
    assert "listening" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def listen(journal: Journal, background: Background) -> Listen:
    """Opens a stream at a stand-in that says what a test wants."""

    def open_at(base_url: str, **settings: object) -> Stream:
        with contextlib.closing(Client(profile(base_url, **settings), CONTRACT, journal)) as client:
            return Stream(client.opening("owner", TASK), background)

    return open_at


def heard(
    listen: Listen, says: Iterable[bytes] | Says, *, give_up: float = A_WHILE, **settings: object
) -> list[Exchange]:
    """All that is heard of a stream, which is given up after a while."""
    with standing_in(says if callable(says) else lambda _: says) as server:
        stream = listen(server.base_url, **settings)
        if stream.wait(bool, time.monotonic() + A_WHILE):
            stream.give_up_at(stream.asked_at + give_up)
        assert stream.is_over(time.monotonic() + give_up + A_WHILE)
        return stream.take()


def read(*pieces: bytes) -> list[tuple[str, bytes]]:
    """The events in some bytes, read piece by piece."""
    reader = Reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [(event.name, event.data) for event in (*events, *reader.close()) if not event.is_comment]


# the reader


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_three_ways(end: bytes) -> None:
    """And an event in an empty one."""
    lines = [b"event: task", b"data: 1", b"data:2", b"id: 7", b"retry: 5", b"", b"data: 3", b"", b""]
    assert read(end.join(lines)) == [("task", b"1\n2"), ("", b"3")]


@pytest.mark.parametrize(
    ("sent", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b": still here\n\n", []),
        (b"id: 1\n\n", []),
        (b"data\n\n", [("", b"")]),
        (b"data: a", [("", b"a")]),
        (b"data: a\n", [("", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b"data: \xff\xfe\n\n", [("", b"\xff\xfe")]),
        (b"event: \xff\ndata: x\n\n", [("\ufffd", b"x")]),
        (b"event: end\n\n", [("end", b"")]),
        (b"data:  two\n\n", [("", b" two")]),
        (b"dates: 1\ndata: 2\n\n", [("", b"2")]),
        (b"data: \x00\x1b[2J\n\n", [("", b"\x00\x1b[2J")]),
    ],
)
def test_odd_streams_are_read_as_the_format_has_it(sent: bytes, events: list[tuple[str, bytes]]) -> None:
    """And an event at the very end counts, with or without an empty line."""
    assert read(sent) == events


@given(
    st.lists(st.sampled_from([b"data: 1", b"event: e", b":", b"", b"\r", b"\n", b"\r\n", b"\xc3"]), max_size=20),
    st.data(),
)
def test_it_does_not_matter_how_a_stream_is_cut_into_pieces(parts: list[bytes], data: st.DataObject) -> None:
    """Byte by byte, or all at once."""
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)))))
    pieces = [whole[a:b] for a, b in itertools.pairwise([0, *cuts, len(whole)])]
    assert read(*pieces) == read(whole) == read(*(bytes([byte]) for byte in whole))


def test_an_empty_line_after_a_return_is_no_part_of_it() -> None:
    """Of CR, LF and LF the first two end a line, and the third ends the event, though each comes by itself."""
    whole = b"data: 1\r\n\ndata: 2"
    assert read(*(bytes([byte]) for byte in whole)) == read(whole) == [("", b"1"), ("", b"2")]


def test_a_line_without_an_end_is_too_much() -> None:
    """Long before memory is."""
    with pytest.raises(TooMuch, match="a line without an end"):
        read(*[b"x" * 1000] * 1000)


def test_an_event_without_an_end_is_too_much() -> None:
    """Its lines may be short."""
    with pytest.raises(TooMuch, match="an event without an end"):
        read(*[b"data: " + b"x" * 1000 + b"\n"] * 3000)


def test_a_comment_is_a_sign_of_life() -> None:
    """And no event."""
    assert [event.is_comment for event in Reader().feed(b": still here\n")] == [True]
    assert not Event("", b"x").is_comment


# the stream


@pytest.mark.parametrize("says", [chunked(SHOWN), closing(SHOWN), closing(SHOWN, head=b"Content-Length: 30\r\n")])
def test_a_stream_is_told_as_head_event_and_end(listen: Listen, says: Iterator[bytes]) -> None:
    """All of them sent when it was asked for, each ended when it was read."""
    head, event, end = heard(listen, says)
    assert head.answer is not None
    assert event.answer is not None
    assert head.answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert event.answer.document == {"status": "cancelled"}
    assert (end.answer, end.lost) == (None, ENDED)
    assert head.sent_at == event.sent_at == end.sent_at <= head.ended_at <= event.ended_at <= end.ended_at


def test_a_stream_is_asked_for_with_the_key_which_is_not_shown(listen: Listen) -> None:
    """In the header of the profile's choice, at the path of its choice."""
    asked: list[Heard] = []

    def says(request: Heard) -> Iterable[bytes]:
        asked.append(request)
        return chunked()

    [head, _] = heard(listen, says, paths__stream="/jobs/{task_id}/events", auth__header="x-api-key")
    assert asked[0].path == f"/v1/jobs/{TASK}/events"
    assert asked[0].headers["x-api-key"] == KEY
    assert asked[0].headers["accept"] == "text/event-stream"
    assert (head.request.operation, head.request.path_id, head.request.role) == (Operation.STREAM, TASK, "owner")
    assert KEY not in repr(head)


def test_the_name_of_an_event_is_kept(listen: Listen) -> None:
    """It may say what the data do not."""
    _, event, _ = heard(listen, chunked(b"event: task.cancelled\ndata: {}\n\n"))
    assert event.answer is not None
    assert event.answer.header("event") == "task.cancelled"


def test_a_cut_stream_did_not_end(listen: Listen) -> None:
    """What it told before counts."""
    *_, event, end = heard(listen, chunked(SHOWN, last=b""))
    assert event.answer is not None
    assert end.lost is not None
    assert end.lost.startswith("RemoteProtocolError")


def test_the_last_comment_is_kept_and_no_other(listen: Listen) -> None:
    """A stream that goes on says so, however long."""
    head, comment, end = heard(listen, dripping(b": still here\n"), give_up=1.0)
    assert head.answer is not None
    assert comment.answer is not None
    assert comment.answer.content == b": still here"
    assert comment.ended_at > head.ended_at + 0.2
    assert end.lost == GIVEN_UP


def test_keep_alives_do_not_defeat_the_deadline(listen: Listen) -> None:
    """It is over all of it."""
    started = time.monotonic()
    *_, end = heard(listen, dripping(b"d"), give_up=0.3)
    assert end.lost == GIVEN_UP
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "piece",
    [b"x" * 65536, b"data: 1\n\n" * 5000, b"data: " + b"x" * 60000 + b"\n"],
    ids=["line", "events", "event"],
)
def test_an_endless_stream_is_left_alone(listen: Listen, piece: bytes) -> None:
    """At a line, an event, or a number of events that nobody needs."""
    *told, end = heard(listen, dripping(piece, 0))
    assert len(told) <= 1001
    assert end.lost is not None
    assert end.lost.startswith("TooMuch")


def test_a_compressed_stream_is_read(listen: Listen) -> None:
    """Though nobody asked for it."""
    _, event, _ = heard(listen, closing(gzip.compress(SHOWN), head=b"Content-Encoding: gzip\r\n"))
    assert event.answer is not None
    assert event.answer.document == {"status": "cancelled"}


@pytest.mark.parametrize(
    "content", [b"no gzip at all", gzip.compress(b"data: " + b"\0" * (64 << 20))], ids=["lie", "bomb"]
)
def test_a_badly_compressed_stream_is_lost(listen: Listen, content: bytes) -> None:
    """A bomb is not blown up."""
    *_, end = heard(listen, closing(content, head=b"Content-Encoding: gzip\r\n"))
    assert end.lost is not None
    assert end.lost.split(":")[0] in {"error", "TooMuch"}


@pytest.mark.parametrize(
    "said",
    [
        answer(404, {"error": {"code": "not_found"}}),
        answer(200, {"status": "pending"}),
        answer(302, None, location="http://127.0.0.1:1/"),
        answer(401, {}),
    ],
)
def test_what_is_no_stream_is_not_followed(listen: Listen, said: bytes) -> None:
    """Its head says enough."""
    head, end = heard(listen, lambda _: said)
    assert head.answer is not None
    assert not head.answer.is_event_stream
    assert end.lost == ENDED


@pytest.mark.parametrize(
    "said", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000], ids=["", "no", "long"]
)
def test_what_is_no_answer_is_lost(listen: Listen, said: bytes) -> None:
    """Whatever it is."""
    [end] = heard(listen, lambda _: said)
    assert end.lost not in {ENDED, GIVEN_UP, None}


def test_a_head_that_does_not_come_is_not_waited_for(listen: Listen) -> None:
    """Longer than for any other answer."""

    def says(_: Heard) -> Iterable[bytes]:
        time.sleep(1)
        return []

    started = time.monotonic()
    [end] = heard(listen, says, limits__timeout=0.3)
    assert time.monotonic() - started < 2
    assert end.lost is not None
    assert end.lost.startswith("TimeoutError")


def test_nobody_there_is_no_reason_to_fail(listen: Listen) -> None:
    """The story goes on without a stream."""
    stream = listen(nowhere())
    assert stream.is_over(time.monotonic() + A_WHILE)
    [end] = stream.take()
    assert end.lost is not None
    assert end.lost.startswith("ConnectionRefusedError")


def test_what_was_taken_is_not_taken_again(listen: Listen) -> None:
    """Each exchange belongs to its story once."""
    with standing_in(lambda _: chunked(SHOWN)) as server:
        stream = listen(server.base_url)
        assert stream.is_over(time.monotonic() + A_WHILE)
        assert len(stream.take()) == 3
        assert stream.take() == []
        assert not stream.has_more(time.monotonic())


def test_the_background_may_be_closed_while_a_stream_goes_on(listen: Listen, background: Background) -> None:
    """And more than once; what was heard before that can still be taken."""
    with standing_in(lambda _: dripping(b":\n")) as server:
        stream = listen(server.base_url)
        assert stream.wait(bool, time.monotonic() + A_WHILE)
        for _ in range(2):
            background.close()
        stream.give_up_at(time.monotonic())
        assert len(stream.take()) == 1
        assert not stream.is_over()


def test_a_mistake_of_our_own_comes_out(listen: Listen, background: Background) -> None:
    """Where the story takes what was heard, and not in silence."""
    with standing_in(lambda _: chunked(SHOWN)) as server:
        stream = listen(server.base_url)
        assert stream.is_over(time.monotonic() + A_WHILE)

    async def mistake() -> None:
        raise ZeroDivisionError

    stream.work = background.run(mistake())
    assert isinstance(stream.work.exception(A_WHILE), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        stream.take()
