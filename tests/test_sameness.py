"""Two documents show the same task, or they do not."""

from decimal import Decimal

import pytest

from conformance.exchange import ABSENT, parsed
from conformance.sameness import differences, pointed, settled

SIGNED = "https://cdn.example/boat.mp4"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1.50}', b'{"a": 1.5}'),
        (b'{"a": 1}', b'{"a": 1.0}'),
        (b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}'),
        (b'{"a": "https://x/y?sig=1#top"}', b'{"a": "https://x/y?sig=2"}'),
        (b'{"a": [{"url": "http://x/y?e=1"}]}', b'{"a": [{"url": "http://x/y"}]}'),
    ],
)
def test_what_means_the_same_is_the_same(one: bytes, other: bytes) -> None:
    """The order of keys, the spelling of numbers and the signature of a URL tell nothing of a task (R9)."""
    assert settled(parsed(one)) == settled(parsed(other))
    assert differences(parsed(one), parsed(other)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1}', b'{"a": true}'),
        (b'{"a": 0}', b'{"a": false}'),
        (b'{"a": "True"}', b'{"a": true}'),
        (b'{"a": "None"}', b'{"a": null}'),
        (b'{"a": null}', b"{}"),
        (b'{"a": "1.5"}', b'{"a": 1.5}'),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}'),
        (b'{"a": "https://x/y"}', b'{"a": "https://x/z"}'),
        (b'{"a": 0.1}', b'{"a": 0.1000000000000000000001}'),
        (b'{"a": []}', b'{"a": {}}'),
    ],
)
def test_what_means_something_else_differs(one: bytes, other: bytes) -> None:
    """Types, order and the last digit count, and an absent field is not `null` (R21)."""
    assert settled(parsed(one)) != settled(parsed(other))
    assert differences(parsed(one), parsed(other))


@pytest.mark.parametrize("pointer", ["/output/*/url", "/output/0/url", "/output/0", "/output", "/*"])
def test_a_volatile_place_is_left_out(pointer: str) -> None:
    """A pointer of the profile takes out what it finds; a star stands for any element."""
    one, other = ({"output": [{"url": f"{SIGNED}/{part}"}]} for part in "ab")
    assert settled(one) != settled(other)
    assert settled(one, [pointer]) == settled(other, [pointer])
    assert differences(one, other, [pointer]) == []


def test_a_volatile_place_hides_nothing_beside_it() -> None:
    """Only what a pointer finds is left out."""
    assert settled({"a": 1, "b": 1}, ["/a"]) != settled({"a": 2, "b": 2}, ["/a"])


def test_a_difference_is_told_by_its_place() -> None:
    """Each difference has its pointer and both values; what is not there is absent."""
    one, other = {"status": "cancelled", "output": [{"n": 1}]}, {"output": [{"n": 2}], "credits_used": Decimal("1.5")}
    assert differences(one, other) == [
        ("/status", "cancelled", ABSENT),
        ("/output/0/n", 1, 2),
        ("/credits_used", ABSENT, Decimal("1.5")),
    ]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/a/0/b", 1), ("/a/1", ABSENT), ("/a/x", ABSENT), ("/c~1d", 2), ("/e~0f", 3), ("/a/0/b/c", ABSENT)],
)
def test_a_pointer_finds_its_value_or_nothing(pointer: str, value: object) -> None:
    """Arrays, escapes and dead ends."""
    assert pointed({"a": [{"b": 1}], "c/d": 2, "e~f": 3}, pointer) == value
