"""When two JSON documents show the same task: exact, but for what is declared or known to be volatile (ruling R9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from conformance.exchange import ABSENT

_DIGITS = 40


def pointed(document: object, pointer: str) -> object:
    """The value that a JSON pointer finds in `document`, else `ABSENT`."""
    for token in _tokens(pointer):
        document = _child(document, token)
    return document


def settled(document: object, volatile: Iterable[str] = ()) -> object:
    """`document` in a form whose equality means "the same task".

    What the `volatile` pointers find is removed (`*` stands for any element); a URL loses its query and fragment; a
    number is equal to a number of the same value, and never to `true`.
    """
    return _settled(document, [_tokens(pointer) for pointer in volatile])


def differences(
    one: object, other: object, volatile: Iterable[str] = (), at: str = ""
) -> list[tuple[str, object, object]]:
    """The places, as JSON pointers, where two documents differ, with both values (`ABSENT` where there is none)."""
    pointers = [_tokens(pointer) for pointer in volatile]
    return list(_differences(_pruned(one, pointers), _pruned(other, pointers), at))


def _differences(one: object, other: object, at: str) -> Iterable[tuple[str, object, object]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            yield from _differences(one.get(name, ABSENT), other.get(name, ABSENT), f"{at}/{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{at}/{index}")
    elif _settled(one, []) != _settled(other, []):
        yield at, one, other


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _child(document: object, token: str) -> object:
    if isinstance(document, dict):
        return document.get(token, ABSENT)
    if isinstance(document, list) and token.isdecimal() and int(token[:_DIGITS]) < len(document):
        return document[int(token)]
    return ABSENT


def _pruned(document: object, pointers: list[list[str]]) -> object:
    if not pointers:
        return document
    if isinstance(document, dict):
        items: Iterable[tuple[str, object]] = document.items()
    elif isinstance(document, list):
        items = ((str(index), value) for index, value in enumerate(document))
    else:
        return document
    kept = {}
    for name, value in items:
        inner = [pointer[1:] for pointer in pointers if pointer[:1] in ([name], ["*"])]
        if [] not in inner:
            kept[name] = _pruned(value, inner)
    return kept if isinstance(document, dict) else list(kept.values())


def _settled(document: object, pointers: list[list[str]]) -> object:
    document = _pruned(document, pointers)
    if isinstance(document, dict):
        return {name: _settled(value, []) for name, value in document.items()}
    if isinstance(document, list):
        return [_settled(value, []) for value in document]
    if isinstance(document, bool) or document is None:
        return _Literal(document)
    if isinstance(document, str) and document.startswith(("http://", "https://")):
        return _without_query(document)
    return document


@dataclass(frozen=True)
class _Literal:
    """`true`, `false` or `null`: unlike any number, which for Python `True` is not."""

    value: bool | None


def _without_query(url: str) -> str:
    try:
        return urlunsplit((*urlsplit(url)[:3], "", ""))
    except ValueError:
        return url
