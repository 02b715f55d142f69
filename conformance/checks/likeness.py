"""Whether two groups of answers can be told apart: by what they look like, and by how long they take."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from conformance.exchange import ABSENT
from conformance.sameness import pointed
from conformance.story import Moment

_VARIABLE: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.,+Z-]*|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|\b(?=\w*\d)[\w-]+\b"
)
_WORD: Final = re.compile(r"[\w.-]+")
_SHORTEST: Final = 3
_CHANCE: Final = 1 / 400
"""So often, at the most, chance alone is taken for a separation: two groups of six constant answers are one in 462."""
_PER_CONNECTION: Final = {"connection", "keep-alive", "age", "set-cookie"}


def look(moment: Moment) -> dict[str, object]:
    """What a caller may compare of a refusal: each aspect by its name (ruling R11).

    Identifiers that the call sent, dates, numbers and request ids are masked out of the texts.
    """
    answer = moment.exchange.answer
    headers = {name.lower() for name, _ in answer.headers} - _PER_CONNECTION if answer else set()
    message = pointed(moment.document, "/error/message")
    return {
        "status": moment.status,
        "code": str(moment.code),
        "fields": _fields(moment.document),
        "headers": tuple(sorted(headers)),
        "message": masked(moment, message) if isinstance(message, str) else str(message is ABSENT),
        "values": tuple(masked(moment, text) for text in _texts(moment.document)),
        "text": "" if isinstance(moment.document, dict) else masked(moment, _text(moment)),
    }


def masked(moment: Moment, text: str) -> str:
    """`text` without what differs from call to call."""
    for value in moment.exchange.request.named.given:
        if isinstance(value, str) and len(value) >= _SHORTEST:
            text = text.replace(value, "…")
    return _VARIABLE.sub("…", text)


def separation(ones: Sequence[Moment], others: Sequence[Moment]) -> str:
    """The first aspect that separates two groups wholly: no value of it is common to both, and hardly by chance.

    A word that stands in one answer alone is as good as any other: a request id is not known by its looks.
    """
    looks = [*map(look, (*ones, *others))]
    for aspect in looks[0]:
        values = _without_lone_words([str(each[aspect]) for each in looks])
        if chance_of_separation(values[: len(ones)], values[len(ones) :]) < _CHANCE:
            return aspect
    return ""


def _without_lone_words(texts: Sequence[str]) -> list[str]:
    seen = Counter(word for text in texts for word in set(_WORD.findall(text)))
    return [_WORD.sub(lambda word: word[0] if seen[word[0]] > 1 else "…", text) for text in texts]


def chance_of_separation(ones: Sequence[object], others: Sequence[object]) -> float:
    """How likely two groups of such values have none in common, if it is chance alone that deals them out.

    Of all ways to deal the values, it is the share of those in which equal values stay together; 1 where a value is in
    both groups. Values of which hardly any comes twice are never in common: that says nothing.
    """
    mine, theirs = Counter(ones), Counter(others)
    if not mine.keys().isdisjoint(theirs):
        return 1.0
    ways = [1] + [0] * len(ones)  # to have so many values by taking together what is equal
    for count in (*mine.values(), *theirs.values()):
        for total in range(len(ones), count - 1, -1):
            ways[total] += ways[total - count]
    return ways[-1] / math.comb(len(ones) + len(others), len(ones))


def switches(ones: Sequence[Moment], others: Sequence[Moment]) -> int:
    """How often, in the order of sending, a call of one group comes next to one of the other (ruling R11)."""
    calls = sorted([(each.exchange.sent_at, 0) for each in ones] + [(each.exchange.sent_at, 1) for each in others])
    return sum(one != other for (_, one), (_, other) in pairwise(calls))


def rank_test(ones: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Mann and Whitney's test of two samples: the p-value, and the effect's size from -1 to 1.

    The p-value is two-sided, by the normal approximation ties corrected; the size is the rank-biserial correlation.
    """
    ranks = _ranks([*ones, *others])
    n, m = len(ones), len(others)
    rank_sum = sum(ranks[:n])
    above = rank_sum - n * (n + 1) / 2
    mean = n * m / 2
    total = n + m
    ties = sum(count**3 - count for count in _ties([*ones, *others]))
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0, 0.0
    distance = max(0.0, abs(above - mean) - 0.5) / math.sqrt(variance)
    return math.erfc(distance / math.sqrt(2)), 2 * above / (n * m) - 1


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + 1 + end) / 2
        start = end
    return ranks


def _ties(values: Sequence[float]) -> list[int]:
    return [values.count(value) for value in set(values)]


def _fields(document: object) -> object:
    if isinstance(document, dict):
        return tuple(sorted((name, _fields(value)) for name, value in document.items()))
    return type(document).__name__


def _texts(document: object) -> Iterator[str]:
    """Every text in a document, in the order of the names of its fields."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for _, value in sorted(document.items()):
            yield from _texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from _texts(value)


def _text(moment: Moment) -> str:
    answer = moment.exchange.answer
    return answer.content[:4096].decode(errors="replace") if answer else ""
