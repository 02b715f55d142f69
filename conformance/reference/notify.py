"""Telling callbacks: each ended task's callback URL is told once, by a thread beside the service."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from conformance.reference.service import Document

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_PATIENCE: Final = 5.0

_logger = logging.getLogger(__name__)


def tell(url: str, document: Document, patience: float = _PATIENCE) -> int | None:
    """POST a task to its callback URL, on this machine only: the sandbox does not reach out, nor is it led astray.

    The status of the answer, none if there was none within so many seconds.
    """
    if not on_this_machine(url):
        return None
    try:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=patience)) as connection:
            connection.request("POST", target, json.dumps(document), {"content-type": "application/json"})
            return connection.getresponse().status
    except (OSError, ValueError, HTTPException) as error:
        _logger.warning("callback %s: %s", url, error)
        return None


def on_this_machine(url: str) -> bool:
    """Whether `url` is plain HTTP to a loopback address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
