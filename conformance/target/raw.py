"""The small way out for what an HTTP client refuses to send: bytes onto a socket, the answer read by h11."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import h11

_CHUNK: Final = 1 << 16

RawAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, and a body as it came."""


def exchange_bytes(
    url: str, head: bytes, content: bytes, *, deadline: float, most: int, context: ssl.SSLContext | None
) -> RawAnswer:
    """Send `head` and `content` as they are, and read the answer: status, headers, body cut at `most` bytes.

    Raises:
        OSError: the connection failed, or `deadline` (on the monotonic clock) passed.
        h11.RemoteProtocolError: what came back is no HTTP.
    """
    with connected(url, deadline, context) as channel:
        with contextlib.suppress(ConnectionError):  # it may have answered before it had read all
            channel.sendall(head + content)
        return heard(channel, deadline, most)


def connected(url: str, deadline: float, context: ssl.SSLContext | None) -> socket.socket:
    """An open connection to the host of `url`, secured by `context` where it is https.

    Raises:
        OSError: there is none by the `deadline`.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    channel = socket.create_connection((parts.hostname or "", port), _left(deadline))
    try:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.settimeout(_left(deadline))
        secured = parts.scheme == "https" and context is not None
        return context.wrap_socket(channel, server_hostname=parts.hostname) if secured and context else channel
    except OSError:
        channel.close()
        raise


def head_bytes(method: str, url: str, headers: Sequence[tuple[str, str]], length: int | None) -> bytes:
    """The head of a request to the letter, whatever its headers hold; it asks the server to close."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def heard(channel: socket.socket, deadline: float, most: int) -> RawAnswer:
    """The answer to the one request that was sent on `channel`, its body cut at `most` bytes.

    Raises:
        OSError: the connection broke, or the `deadline` passed.
        h11.RemoteProtocolError: what came back is no HTTP.
    """
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    reader.send(h11.EndOfMessage())
    status, headers, body = 0, [], b""
    while len(body) < most:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            channel.settimeout(_left(deadline))
            reader.receive_data(channel.recv(_CHUNK))
        elif isinstance(event, h11.Response):
            status, headers = event.status_code, list(event.headers)
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    if not status:
        raise ConnectionError("the connection was closed without an answer")
    return status, headers, body[:most]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the exchange passed its deadline")
    return left
