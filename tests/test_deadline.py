"""Connections under a deadline send what belongs together in one piece."""

from __future__ import annotations

import httpcore
import pytest

from conformance.target.deadline import BoundedNetwork, Deadline


class Wire(httpcore.NetworkBackend, httpcore.NetworkStream):
    """A network of one connection, which keeps what was written, or is broken to writers."""

    def __init__(self, *, broken: bool = False) -> None:
        self.written: list[bytes] = []
        self.broken = broken

    def connect_tcp(self, *_: object, **__: object) -> httpcore.NetworkStream:
        """Connect."""
        return self

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as httpcore has it
        """Keep it."""
        if self.broken:
            raise httpcore.WriteError
        self.written.append(buffer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - likewise
        """Say why."""
        return b"answer"


def connected(wire: Wire) -> httpcore.NetworkStream:
    """A connection over the wire."""
    return BoundedNetwork(wire, Deadline()).connect_tcp("target.example", 80)


def test_a_head_and_its_brief_body_leave_together() -> None:
    """As soon as an answer is wanted."""
    wire = Wire()
    stream = connected(wire)
    stream.write(b"head ")
    stream.write(b"body")
    assert wire.written == []
    assert stream.read(10) == b"answer"
    assert wire.written == [b"head body"]


def test_a_long_body_does_not_wait() -> None:
    """It is sent as it comes, and nothing twice."""
    wire = Wire()
    stream = connected(wire)
    stream.write(b"x" * 20_000)
    assert wire.written == [b"x" * 20_000]
    stream.read(10)
    assert len(wire.written) == 1


def test_who_refuses_to_listen_may_still_answer() -> None:
    """A broken way there does not hide what comes back."""
    assert connected_and_written(Wire(broken=True)).read(10) == b"answer"


def connected_and_written(wire: Wire) -> httpcore.NetworkStream:
    """A connection on which something waits to leave."""
    stream = connected(wire)
    stream.write(b"head")
    return stream


def test_nothing_is_sent_past_the_deadline() -> None:
    """What waited is not, either."""
    deadline = Deadline()
    wire = Wire()
    stream = BoundedNetwork(wire, deadline).connect_tcp("target.example", 80)
    stream.write(b"head")
    deadline.at = 0.0
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(10)
    assert wire.written == []
