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


def exchange_bytes(
    url: str, head: bytes, content: bytes, *, deadline: float, most: int, context: ssl.SSLContext | None
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Send `head` and `content` as they are, and read the answer: status, headers, body cut at `most` bytes.

    Raises:
        OSError: the connection failed, or `deadline` (on the monotonic clock) passed.
        h11.RemoteProtocolError: what came back is no HTTP.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname or "", port), _left(deadline)) as plain:
        if parts.scheme == "https" and context is not None:
            with context.wrap_socket(plain, server_hostname=parts.hostname) as secured:
                return _talk(secured, head + content, deadline, most)
        return _talk(plain, head + content, deadline, most)


def head_bytes(method: str, url: str, headers: Sequence[tuple[str, str]], length: int | None) -> bytes:
    """The head of a request to the letter, whatever its headers hold; it asks the server to close."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _talk(
    channel: socket.socket, sent: bytes, deadline: float, most: int
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    channel.settimeout(_left(deadline))
    with contextlib.suppress(ConnectionError):  # it may have answered before it had read all
        channel.sendall(sent)
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
