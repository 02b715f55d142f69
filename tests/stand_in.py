"""A stand-in for a target: a loopback server that says whatever a test wants, and keeps what it was sent."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from conformance.target.loading import load
from conformance.target.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "sk-byts-not-a-real-key-1"
OTHER_KEY: Final = "sk-byts-not-a-real-key-2"
KEYS: Final = {"CONFORMANCE_OWNER_KEY": KEY, "CONFORMANCE_OTHER_KEY": OTHER_KEY}
_A_WHILE: Final = 10.0


@dataclass(frozen=True)
class Heard:
    """A request as it was on the wire, the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    port: int = 0
    """The caller's, which tells one connection from another."""

    @property
    def document(self) -> Any:  # noqa: ANN401 - any JSON
        """The JSON value of the body."""
        return json.loads(self.content)


Says = Callable[[Heard], bytes | Iterable[bytes]]
"""What is answered to a request: all of it, or piece by piece."""


@dataclass
class StandIn:
    """The server while it listens: where it is, and all that it heard."""

    base_url: str
    heard: list[Heard] = field(default_factory=list)


def answer(status: int, document: object = None, /, *, content: bytes | None = None, **headers: str) -> bytes:
    """A whole answer: a JSON document or raw content, and headers (`retry_after="1"`, `connection="keep-alive"`)."""
    body = json.dumps(document).encode() if content is None else content
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"content-type": "application/json", "connection": "close", **given}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


@contextmanager
def standing_in(says: Says) -> Iterator[StandIn]:
    """A server that answers each request as `says` has it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = StandIn(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        thread = threading.Thread(target=_listen, args=(listener, server, says), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(_A_WHILE)


def profile(base_url: str, **settings: object) -> Profile:
    """A profile of a target at `base_url`; `limits__timeout=1` is a setting of a table."""
    lines = [f"{name.replace('__', '.')} = {_toml(value)}\n" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "target.toml"
        path.write_text("".join(lines), encoding="utf-8")
        return load(path, environ=KEYS, base_url=base_url)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


def nowhere() -> str:
    """A base URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def _listen(listener: socket.socket, server: StandIn, says: Says) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_converse, args=(connection, server, says), daemon=True).start()


def _converse(connection: socket.socket, server: StandIn, says: Says) -> None:
    """Answer what comes on one connection: one request, or as many as the answers do not close it after."""
    connection.settimeout(_A_WHILE)
    with connection, suppress(OSError):
        goes_on = True
        while goes_on:
            heard = _hear(connection)
            server.heard.append(heard)
            said = says(heard)
            goes_on = isinstance(said, bytes) and b"\r\nconnection: keep-alive\r\n" in said
            for piece in [said] if isinstance(said, bytes) else said:
                connection.sendall(piece)


def _hear(connection: socket.socket) -> Heard:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, content = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(content) < int(headers.get("content-length", 0)):
        content += _some(connection)
    return Heard(method, path, headers, content, connection.getpeername()[1])


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(1 << 16)
    if not received:
        raise ConnectionError
    return received
