"""Masks keys: however a target, a hook or a traceback spells one, `$KEY` stands in its place.

A key that is echoed is rarely echoed as it went out: it comes in JSON, HTML or a URL, in base64 or hex, in another
case, cut short, or as one of the spoiled keys that the suite itself sends, which are nearly the key. What is masked is
the same in equal texts, so that comparing answers means what it meant before.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property, lru_cache
from html.entities import html5
from typing import Final

from conformance.target.credentials import TELLING, near_misses

SHOWN: Final = "$KEY"
"""What stands in the place of a key."""

_SHORT: Final = 6
_LONGEST: Final = 96
_ALIGNMENTS: Final = (0, 1, 2)
_BEGINNING: Final = 6
"""So many characters tell that a key may follow: a text that has no such beginning has no key."""

_BRIEF: Final = 128
_REMEMBERED: Final = 2048
"""So many brief texts, such as the names of headers, are known to show no key, or how they look without it."""

Spelling = Callable[[str], bytes]
"""How a character may be written: a pattern."""


class Mask:
    """Knows the keys of one run, and puts `$KEY` in their place."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = sorted({key for key in keys if key}, key=len, reverse=True)
        codes = [(code, spelled) for key in self._keys for group, spelled in _groups(key) for code in group]
        beginnings = (b"".join(map(spelled, code[:_BEGINNING])) for code, spelled in codes)
        self._beginning = re.compile(b"|".join(dict.fromkeys(beginnings)))
        self._remembered = lru_cache(_REMEMBERED)(self._masked)

    def content(self, content: bytes) -> bytes:
        """Bytes without keys."""
        return self._remembered(content) if len(content) <= _BRIEF else self._masked(content)

    def text(self, text: str) -> str:
        """Text without keys."""
        return self.content(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _masked(self, content: bytes) -> bytes:
        if self._beginning.search(content):
            for whole in self._wholes:
                content = whole.sub(SHOWN.encode(), content)
        return content

    @cached_property
    def _wholes(self) -> list[re.Pattern[bytes]]:
        """The keys in all their spellings: patterns that take long to compile, for targets that show any."""
        return [re.compile(pattern) for key in self._keys for pattern in _patterns(key)]


def _patterns(key: str) -> Iterator[bytes]:
    if len(key) < _SHORT:  # it may be any word: it is a key only where it is said to be one
        yield rb"(?i:(?<=bearer )|(?<=x-api-key: ))" + re.escape(key.encode()) + rb"(?![\w-])"
        return
    for group, spelled in _groups(key):
        wholes = dict.fromkeys(_mostly([*map(spelled, code)]) for code in group)
        apart = spelled is _in_text and len(key) < TELLING
        yield b"|".join(rb"(?<!\w)" + whole + rb"(?!\w)" if apart else whole for whole in wholes)


def _groups(key: str) -> Iterator[tuple[list[str], Spelling]]:
    """A key, and what is nearly the key, as text, in base64, and in hex; and how that may be written."""
    if len(key) < _SHORT:
        yield [key], _in_text
        return
    alike = [key, *near_misses(key)]
    yield alike, _in_text
    yield [code for each in alike for code in _base64s(each)], _in_base64
    yield [each.encode().hex() for each in alike], _folded


def _mostly(characters: list[bytes]) -> bytes:
    """A key, given the patterns of its characters: of one that tells, its beginning and what is written after it."""
    if len(characters) < TELLING:
        return b"".join(characters)
    enough = min(len(characters) * 3 // 4, _LONGEST)
    rest = b"".join(character + b"?" for character in characters[enough : 2 * _LONGEST])
    return b"".join(characters[:enough]) + rest + rb"[\w.~+/=-]*"


@cache
def _in_text(char: str) -> bytes:
    """A character as text, JSON, a URL or HTML may have it, in either case.

    Every branch begins with one certain byte, so that `re` skips what begins with none of them.
    """
    codes = {ord(char.lower()), ord(char.upper())}
    hexes = b"|".join(_folded_text(f"{code:02x}") for code in codes)
    names = b"|".join(name.rstrip(";").encode() for name, value in html5.items() if value == char)
    entity = b"|".join([b"#0{0,5}%d" % code for code in codes] + [b"#[xX]0{0,5}(?:%s)" % hexes, *filter(None, [names])])
    return (
        rb"(?:&(?:amp;)?(?:" + entity + rb");?|%(?:25){0,2}(?:" + hexes + rb")"
        rb"|\\\\{0,3}(?:(?:[uU]00|x)(?:" + hexes + rb")|" + _folded(char) + rb")|" + _either(char) + rb")"
    )


def _either(char: str) -> bytes:
    return b"|".join(re.escape(case.encode()) for case in sorted({char.lower(), char.upper()}))


def _folded(char: str) -> bytes:
    either = sorted({char.lower(), char.upper()})
    return re.escape(char.encode()) if len(either) == 1 else "[{}{}]".format(*either).encode()


def _folded_text(text: str) -> bytes:
    return b"".join(map(_folded, text))


def _base64s(key: str) -> Iterator[str]:
    """What of a key is the same in all base64 texts that contain it, by its place in a group of three bytes."""
    for before in _ALIGNMENTS:
        code = base64.b64encode(bytes(before) + key.encode() + bytes(2)).decode()
        yield code[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]


def _in_base64(char: str) -> bytes:
    return {"+": rb"(?:\+|-|%2[bB]|\\u002[bB])", "/": rb"(?:\\{0,2}/|_|%2[fF]|\\u002[fF])"}.get(char, char.encode())
