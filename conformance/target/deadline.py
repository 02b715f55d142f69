"""A network under a deadline: a target that drips its answer, byte by byte, keeps no exchange open for ever."""

from __future__ import annotations

import contextlib
import math
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore

_BRIEF: Final = 16 << 10


class Deadline(threading.local):
    """The instant, on the monotonic clock, by which the exchange of this thread must be over."""

    at: float = math.inf

    def within(self, timeout: float | None) -> float:
        """The seconds that one step may take.

        Raises:
            httpcore.ReadTimeout: there are none left.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the exchange passed its deadline")
        return left if timeout is None else min(timeout, left)


class BoundedNetwork(httpcore.NetworkBackend):
    """Connections on which every step ends by the deadline."""

    def __init__(self, network: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._network = network
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        within = self._deadline.within(timeout)
        return _Bounded(self._network.connect_tcp(host, port, within, local_address, socket_options), self._deadline)


class _Bounded(httpcore.NetworkStream):
    """Keeps what is written until it is long, or an answer is wanted: a head and its brief body leave together."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self._kept = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with contextlib.suppress(httpcore.WriteError):  # there may be an answer that says why
            self._flush(timeout)
        return self._stream.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._kept += buffer
        if len(self._kept) > _BRIEF:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        kept, self._kept = self._kept, b""
        if kept:
            self._stream.write(kept, self._deadline.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.within(timeout))
        return _Bounded(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        return self._stream.get_extra_info(info)
