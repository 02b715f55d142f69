"""The way to a target, before anything is said to it: its name, a connection, and how that is secured."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from conformance.target.raw import connected

_DAY: Final = 86_400.0


@dataclass(frozen=True)
class Security:
    """The version of TLS that was agreed on, and how many days the target's certificate is still valid."""

    version: str
    days: float


def addresses(url: str) -> list[str]:
    """The addresses that the host of `url` has.

    Raises:
        OSError: it has none.
    """
    host = urlsplit(url).hostname or ""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))


def knock(url: str, within: float) -> float:
    """Seconds that a connection to the host of `url` takes, by TCP.

    Raises:
        OSError: there is none within that time.
    """
    started = time.monotonic()
    with contextlib.closing(connected(url, started + within, None)):
        return time.monotonic() - started


def security(url: str, within: float, bundle: Path | None) -> Security:
    """How a connection to the host of `url`, which is https, is secured: by the system's certificates or a bundle's.

    Raises:
        ssl.SSLCertVerificationError: the target's certificate is not valid.
        OSError: there is no such connection within that time.
    """
    context = ssl.create_default_context(cafile=str(bundle) if bundle else None)
    with contextlib.closing(connected(url, time.monotonic() + within, context)) as channel:
        assert isinstance(channel, ssl.SSLSocket)  # noqa: S101 - a context was given
        expires = str((channel.getpeercert() or {})["notAfter"])
        return Security(channel.version() or "", (ssl.cert_time_to_seconds(expires) - time.time()) / _DAY)
