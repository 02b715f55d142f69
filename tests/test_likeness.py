"""What tells two groups of answers apart, and what does not."""

from __future__ import annotations

import random

import pytest
from told import NOT_FOUND, UNKNOWN, Tale, Told

from conformance.checks.likeness import chance_of_separation, look, masked, rank_test, separation, switches
from conformance.story import Moment


def answered(*answers: Told, body: object = None) -> tuple[Moment, ...]:
    """Cancels of an unknown task, answered so."""
    tale = Tale()
    for answer in answers:
        tale.cancel(body, path=None if body else UNKNOWN, answer=answer)
    return tale.story.cancels


@pytest.mark.parametrize(
    "text",
    [
        f"No task {UNKNOWN}.",
        "No task, 2026-05-25T10:11:12.5+02:00.",
        "No task, request 0f8fad5b-d9cb-469f-a165-70867728950e.",
        "No task, request a81bc81bdead.",
        "No task, 17 left.",
    ],
)
def test_what_differs_from_call_to_call_is_masked(text: str) -> None:
    """Identifiers that were sent, dates, numbers, request ids (R11)."""
    [moment] = answered(NOT_FOUND)
    assert masked(moment, text).startswith("No task")
    assert not any(char.isdigit() for char in masked(moment, text))


@pytest.mark.parametrize("text", ["Not your task.", "It belongs to another key.", "No-such-task"])
def test_words_are_not_masked(text: str) -> None:
    """What a text says is compared."""
    [moment] = answered(NOT_FOUND)
    assert masked(moment, text) == text


@pytest.mark.parametrize(
    ("answer", "aspect"),
    [
        (NOT_FOUND, ""),
        ((410, NOT_FOUND[1]), "status"),
        ((404, {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": "x"}}), "code"),
        ((404, {"error": {"message": "No.", "code": "task_not_found"}}), "fields"),
        (
            (
                404,
                {"error": {"message": "No!", "type": "invalid_request_error", "param": None, "code": "task_not_found"}},
            ),
            "message",
        ),
        ((404, {"error": {"message": "No.", "type": "other", "param": None, "code": "task_not_found"}}), "values"),
    ],
)
def test_the_aspect_that_separates_is_named(answer: Told, aspect: str) -> None:
    """The first of those in which no value is common to both groups."""
    assert separation(answered(*[answer] * 6), answered(*[NOT_FOUND] * 6)) == aspect


def test_what_overlaps_does_not_separate() -> None:
    """One equal answer is enough."""
    ours, theirs = [(404, b"a")] * 11 + [(404, b"b")], [(404, b"b")] * 12
    assert separation(answered(*ours), answered(*theirs)) == ""


@pytest.mark.parametrize("letters", ["ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdef.-"])
@pytest.mark.parametrize("length", [3, 5, 10])
@pytest.mark.parametrize(("said", "aspect"), [("no task", ""), ("not yours", "text")])
def test_no_request_id_separates(letters: str, length: int, said: str, aspect: str) -> None:
    """It is another one in each answer, whatever it is made of; what is said beside it is compared (R11)."""
    choice = random.Random(f"{letters} {length}")  # noqa: S311 - the same in each run

    def told(what: str) -> list[Told]:
        return [(404, f"{''.join(choice.choices(letters, k=length))}: {what}".encode()) for _ in range(12)]

    assert separation(answered(*told(said)), answered(*told("no task"))) == aspect


@pytest.mark.parametrize(
    ("ones", "others", "chance"),
    [
        ("aaaaaa", "bbbbbb", 2 / 924),
        ("aaaaaa", "bcdefg", 2 / 924),
        ("abcdef", "ghijkl", 1),
        ("aabbcc", "ddeeff", 20 / 924),
        ("aaaaaa", "bbbbba", 1),
        ("a", "b", 1),
    ],
)
def test_what_chance_may_have_dealt_is_told(ones: str, others: str, chance: float) -> None:
    """The share of the ways to deal the values in which none is on both sides."""
    assert chance_of_separation(ones, others) == pytest.approx(chance)


def test_a_lost_answer_has_a_look_too() -> None:
    """There is nothing in it."""
    [moment] = answered(None)
    assert (look(moment)["status"], look(moment)["headers"]) == (None, ())


def test_turns_are_counted() -> None:
    """One after the other is one turn; in turn is many."""
    calls = answered(*[NOT_FOUND] * 6)
    assert (switches(calls[:3], calls[3:]), switches(calls[::2], calls[1::2]), switches(calls, ())) == (1, 5, 0)


def test_equal_samples_do_not_differ() -> None:
    """Nor do two that are all ties."""
    assert rank_test([1.0] * 50, [1.0] * 50) == (1.0, 0.0)
    assert rank_test([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])[0] == 1


def test_samples_that_lie_apart_differ() -> None:
    """And the sign of the effect says which is slower."""
    slow, fast = [2 + n / 100 for n in range(40)], [1 + n / 100 for n in range(40)]
    (p, effect), (_, reverse) = rank_test(slow, fast), rank_test(fast, slow)
    assert p < 1e-10
    assert (effect, reverse) == (1, -1)


def test_false_alarms_are_rare() -> None:
    """Of a thousand pairs of samples of one distribution, about as many look unlikely as should."""
    chance = random.Random(7)  # noqa: S311 - a sample
    found = [rank_test(*[[chance.lognormvariate(0, 1) for _ in range(42)] for _ in range(2)])[0] for _ in range(1000)]
    assert 2 <= sum(p < 0.01 for p in found) <= 25
    assert min(found) > 1e-5
