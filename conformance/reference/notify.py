"""Telling callbacks: each ended task's callback URL is told once, by a thread beside the service."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from conformance.reference.service import Document

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_PATIENCE: Final = 5.0

_logger = logging.getLogger(__name__)


def tell(url: str, document: Document) -> None:
    """POST a task to its callback URL, on this machine only: the sandbox does not reach out."""
    from urllib.request import ProxyHandler, Request, build_opener  # noqa: PLC0415 - rarely needed, slow to import

    if not on_this_machine(url):
        return
    content = json.dumps(document).encode()
    request = Request(url, content, {"content-type": "application/json"})  # noqa: S310 - http on loopback, as checked
    try:
        build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        _logger.warning("callback %s: %s", url, error)


def on_this_machine(url: str) -> bool:
    """Whether `url` is plain HTTP to a loopback address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
