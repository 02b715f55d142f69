"""How much of what a target sends is kept: one answer up to a size, all heavy ones together as long as there is room.

An answer weighs what it takes once its JSON is read, which may be many times its length on the wire. What is no
longer kept counts as lost, with the reason: it speaks neither for the target nor against it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NoReturn

MOST_BYTES: Final = 1 << 20
"""Bytes of an answer's body that are read; the rest is cut off."""

MOST_HEADER_BYTES: Final = 64 << 10
"""Bytes of an answer's headers that are kept."""

_LIGHT: Final = 64 << 10
_ROOM: Final = 24 << 20
_PER_VALUE: Final = 128
_INFLATED: Final = {"gzip", "x-gzip", "deflate"}
_PLAIN: Final = {"", "identity"}


class TooMuchSaid(OSError):
    """The target has sent more than a run keeps."""


class EncodingUnknown(OSError):
    """An answer came encoded in a way that nobody asked for, and that is not read here."""


class Capacity:
    """The room that one run has for heavy answers."""

    def __init__(self) -> None:
        self._left = _ROOM

    def admit(self, content: bytes) -> None:
        """Take in one answer.

        Raises:
            TooMuchSaid: it is heavy, and there is no room for it.
        """
        weight = len(content) + _PER_VALUE * sum(content.count(mark) for mark in (b",", b"[", b"{"))
        if weight <= _LIGHT:
            return
        if weight > self._left:
            raise TooMuchSaid("the target's long answers are more than this suite keeps")
        self._left -= weight


def inflated(chunks: Iterable[bytes], encoding: str) -> bytes:
    """The body that comes in `chunks`, by its `content-encoding`, cut at `MOST_BYTES`.

    Raises:
        EncodingUnknown: it cannot be read.
        zlib.error: it is not what it says it is.
    """
    inflate = _inflater(encoding.strip().lower())
    parts: list[bytes] = []
    left = MOST_BYTES
    for chunk in chunks:
        part = inflate(chunk, left)
        parts.append(part)
        left -= len(part)
        if left <= 0:
            break
    return b"".join(parts)


def _inflater(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding in _INFLATED:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
    return _as_it_is if encoding in _PLAIN else partial(_refuse, encoding)


def _as_it_is(chunk: bytes, most: int) -> bytes:
    return chunk[:most]


def _refuse(encoding: str, _chunk: bytes, _most: int) -> NoReturn:
    raise EncodingUnknown(f"its content-encoding is {encoding[:40]!r}, where identity was asked for")
