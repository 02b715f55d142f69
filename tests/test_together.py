"""Simultaneous calls leave together, are never sent twice, and hang on nothing."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from stand_in import Heard, answer, nowhere

from conformance.target.call import Call
from conformance.target.raw import head_bytes
from conformance.target.together import Flight, Shot, fired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Speak

TASK = "task_01JZ8Q4M7T9V2K5XNB3CWEH6RD"
SHOWN = answer(200, {"task_id": TASK, "status": "cancelled"})
_MOST = 1 << 16


def shot(base_url: str, **more: Any) -> Shot:  # noqa: ANN401 - a field of a shot
    """A cancel by path."""
    url = f"{base_url}/tasks/cancel/{TASK}"
    return Shot(url=url, request=head_bytes("POST", url, [], 0), **more)


def fire(*shots: Shot, hold_back: bool = True, timeout: float = 2.0, start_at: float = 0.0) -> list[Flight]:
    """Fire them, without TLS."""
    return fired(shots, timeout=timeout, most=_MOST, context=None, hold_back=hold_back, start_at=start_at)


@pytest.mark.parametrize("hold_back", [True, False])
def test_all_of_them_are_answered_in_their_order(speak: Speak, hold_back: bool) -> None:
    """Each gets the answer to its own request, whichever way they leave."""
    wire = speak(lambda heard: answer(200, {"path": heard.path}))
    shots = [shot(f"{wire.server.base_url}/{index}") for index in range(5)]
    flights = fire(*shots, hold_back=hold_back)
    bodies = [flight.answer[2] if flight.answer else b"" for flight in flights]
    assert bodies == [b'{"path": "/v1/%d/tasks/cancel/%s"}' % (index, TASK.encode()) for index in range(5)]
    assert all(flight.sent_at < flight.ended_at for flight in flights)


def test_nothing_is_heard_before_the_release(speak: Speak) -> None:
    """The last byte is what makes a request, and it waits for its instant."""
    heard_at: list[float] = []

    def says(_: Heard) -> bytes:
        heard_at.append(time.monotonic())
        return SHOWN

    wire = speak(says)
    start = time.monotonic() + 0.15
    early, late = fire(shot(wire.server.base_url), shot(wire.server.base_url, after=0.1), start_at=start)
    assert start <= early.sent_at <= heard_at[0]
    assert start + 0.1 <= late.sent_at <= heard_at[1]


def test_nobody_there_is_a_loss_for_each() -> None:
    """With the reason, at once."""
    flights = fire(*[shot(nowhere())] * 3)
    assert all(isinstance(flight.lost, ConnectionError) for flight in flights)


def test_a_drip_ends_at_its_deadline(speak: Speak) -> None:
    """One byte a tenth of a second does not keep a volley for ever."""

    def drip(_: Heard) -> Any:  # noqa: ANN401 - bytes, piece by piece
        for byte in SHOWN:
            time.sleep(0.1)
            yield bytes([byte])

    wire = speak(drip)
    began = time.monotonic()
    [flight] = fire(shot(wire.server.base_url), timeout=0.5)
    assert isinstance(flight.lost, TimeoutError)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [429, 503, 500])
def test_what_leaves_together_is_sent_once(speak: Speak, status: int) -> None:
    """Asking again would hide the loser of a race."""
    wire = speak(lambda _: answer(status, {}), limits__retries=3)
    request = wire.client.cancel_request("owner", Call(path=TASK))
    exchanges = wire.client.together(1, [(request, 0.0), (request, 0.0)])
    assert [each.answer.status for each in exchanges if each.answer] == [status, status]
    assert len(wire.server.heard) == wire.journal.count() == 2


def test_a_volley_stands_in_the_journal_as_it_was(speak: Speak) -> None:
    """With the instants of release, the key masked, and the spread."""
    wire = speak(lambda _: SHOWN)
    request = wire.client.cancel_request("owner", Call(body={"task_id": TASK}))
    exchanges = wire.client.together(1, [(request, 0.0), (request, 0.02)])
    assert list(wire.journal.exchanges()) == exchanges
    assert exchanges[1].sent_at - exchanges[0].sent_at > 0.018
    assert ("authorization", "Bearer $KEY") in exchanges[0].request.headers
    assert [(way, calls) for way, calls, _ in wire.journal.volleys()] == [("last byte held back", 2)]


def test_whoever_hangs_up_has_said_all(speak: Speak) -> None:
    """The whole request has left, nobody waits for its answer, and it is no volley."""
    wire = speak(lambda _: SHOWN)
    request = wire.client.cancel_request("owner", Call(body={"task_id": TASK}))
    exchange = wire.client.hang_up(1, request)
    while not wire.server.heard:
        time.sleep(0.005)
    assert wire.server.heard[0].document == {"task_id": TASK}
    assert list(wire.journal.exchanges()) == [exchange]
    assert (exchange.answer, exchange.sent) == (None, True)
    assert exchange.lost is not None
    assert "closed before an answer" in exchange.lost
    assert list(wire.journal.volleys()) == []


def test_whoever_gives_up_on_half_a_request_is_sent_whole_ones(speak: Speak) -> None:
    """From the next volley on; what was lost by then may or may not have happened."""
    said = [b""]
    wire = speak(lambda _: said[0])
    request = wire.client.cancel_request("owner", Call(path=TASK))
    [lost] = wire.client.together(1, [(request, 0.0)])
    said[0] = SHOWN
    [heard] = wire.client.together(1, [(request, 0.0)])
    assert lost.answer is None
    assert heard.answer is not None
    assert [way for way, _, _ in wire.journal.volleys()] == ["last byte held back", "whole requests"]


def own_certificate(folder: Path) -> Path:
    """A key and a certificate of this machine's loopback address, in one file."""
    key, name, now = generate_private_key(SECP256R1()), x509.Name([]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "own.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file


@contextmanager
def secured(certificate: Path, heard_at: list[float]) -> Iterator[str]:
    """A server behind TLS that answers each connection's request, and keeps when it had heard all of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer_one(plain: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as channel:
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                if not (piece := channel.recv(1 << 12)):
                    return
                received += piece
            heard_at.append(time.monotonic())
            channel.sendall(SHOWN)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer_one, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)


def test_the_last_byte_is_held_back_behind_tls_too(tmp_path: Path) -> None:
    """What is complete but for one byte is no request, and each gets its answer."""
    certificate, heard_at = own_certificate(tmp_path), list[float]()
    with secured(certificate, heard_at) as base_url:
        context = ssl.create_default_context(cafile=str(certificate))
        start = time.monotonic() + 0.2
        shots = [shot(base_url) for _ in range(4)]
        flights = fired(shots, timeout=5.0, most=_MOST, context=context, start_at=start)
    assert [flight.answer and flight.answer[0] for flight in flights] == [200] * 4
    assert start <= min(heard_at)


def test_a_certificate_that_nobody_vouches_for_is_a_loss(tmp_path: Path) -> None:
    """No key leaves for a host that cannot say who it is."""
    with secured(own_certificate(tmp_path), []) as base_url:
        [flight] = fired([shot(base_url)], timeout=5.0, most=_MOST, context=ssl.create_default_context())
    assert isinstance(flight.lost, ssl.SSLCertVerificationError)
