"""What may lawfully follow from a cancel, ruling by ruling."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from conformance.exchange import ABSENT, Named
from conformance.lawful import Acts, Refusal, Task, confusable, effects, effects_without_key, well_formed

A = Task(task_id="task_01HQX9F2P6Y80001VEX3CRZ8GX", out_task_id="render-1", role="owner")
B = Task(task_id="task_01HQX9F2P6Y80002VEX3CRZ8GX", out_task_id="render-2", role="owner")
FOREIGN = Task(task_id="task_01HQX9F2P6Y80003VEX3CRZ8GX", out_task_id="render-1", role="other")
UNKNOWN = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"

INVALID, UNFOUND, KEY, ANY = Refusal.INVALID_PARAM, Refusal.TASK_NOT_FOUND, Refusal.INVALID_KEY, Refusal.ANY


def lawful(path: str | None = None, role: str = "owner", **fields: Any) -> set[object]:  # noqa: ANN401 - any JSON value
    """The effects of a call, a task that is acted on by itself."""
    found = effects(Named(path=path, **fields), role, [A, B, FOREIGN])
    return {effect.task if isinstance(effect, Acts) else effect for effect in found}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"path": A.task_id}, {A}, id="path"),
        pytest.param({"task_id": A.task_id}, {A}, id="task_id"),
        pytest.param({"out_task_id": "render-2"}, {B}, id="out_task_id"),
        pytest.param({"path": A.task_id, "task_id": B.task_id}, {A}, id="R2"),
        pytest.param({"path": A.task_id, "task_id": "no such"}, {A}, id="R2 beside an unknown one"),
        pytest.param({"path": UNKNOWN, "task_id": B.task_id}, {UNFOUND}, id="R2 with an unknown path"),
        pytest.param({"path": A.task_id, "out_task_id": "render-2"}, {A, INVALID}, id="R1"),
        pytest.param({"path": UNKNOWN, "out_task_id": "render-2"}, {UNFOUND, INVALID}, id="R1 with an unknown path"),
        pytest.param({"task_id": A.task_id, "out_task_id": "render-1"}, {INVALID}, id="both, of one task"),
        pytest.param({"task_id": A.task_id, "out_task_id": 7}, {INVALID}, id="both, one of a wrong type"),
        pytest.param({}, {INVALID}, id="neither"),
        pytest.param({"task_id": None}, {INVALID}, id="R3"),
        pytest.param({"task_id": None, "out_task_id": None}, {INVALID}, id="R3 twice"),
        pytest.param({"task_id": None, "out_task_id": "render-2"}, {B, INVALID}, id="R3 beside a usable one"),
        pytest.param({"path": A.task_id, "task_id": None}, {A, INVALID}, id="R3 beside the path"),
        pytest.param({"path": A.task_id, "out_task_id": None}, {A, INVALID}, id="R3 beside the path, too"),
        pytest.param({"task_id": 7}, {INVALID}, id="R4"),
        pytest.param({"task_id": ["a"]}, {INVALID}, id="R4 with a list"),
        pytest.param({"out_task_id": ""}, {INVALID, UNFOUND}, id="R4, empty"),
        pytest.param({"path": A.task_id, "task_id": 7}, {A, INVALID}, id="R4 beside the path"),
        pytest.param({"task_id": "", "out_task_id": "render-2"}, {INVALID, UNFOUND}, id="R4 beside a usable one"),
        pytest.param({"path": "boat"}, {UNFOUND, INVALID}, id="R5"),
        pytest.param({"path": UNKNOWN}, {UNFOUND}, id="unknown"),
        pytest.param({"out_task_id": "no-such"}, {UNFOUND}, id="an unknown out_task_id"),
        pytest.param({"out_task_id": A.task_id}, {UNFOUND}, id="the wrong field"),
        pytest.param({"task_id": "render-1"}, {UNFOUND, INVALID}, id="the wrong field, malformed"),
        pytest.param({"task_id": f" {A.task_id}"}, {UNFOUND, INVALID}, id="untrimmed"),
        pytest.param({"path": A.task_id.lower()}, {UNFOUND, INVALID}, id="another case"),
        pytest.param({"path": f"{A.task_id}/"}, {A, UNFOUND, ANY}, id="a slash at the end"),
        pytest.param({"path": f"x/../{A.task_id}"}, {A, UNFOUND, ANY}, id="up and down"),
        pytest.param({"path": f"x/{A.task_id}"}, {UNFOUND, ANY}, id="a folder in front"),
        pytest.param({"path": f"{A.task_id};a=b"}, {A, UNFOUND, ANY}, id="a parameter"),
        pytest.param({"task_id": f"{A.task_id};a=b"}, {UNFOUND, INVALID}, id="what would be a parameter in a path"),
        pytest.param({"path": f"{A.task_id}/x"}, {UNFOUND, ANY}, id="a folder"),
        pytest.param({"path": f"{A.task_id}%20"}, {UNFOUND, ANY}, id="an odd path"),
        pytest.param({"path": ""}, {INVALID, UNFOUND, ANY}, id="an empty path"),
        pytest.param({"out_task_id": "a" * 9000}, {UNFOUND, ANY}, id="a very long one"),
        pytest.param({"readable": False}, {ANY}, id="no JSON"),
        pytest.param({"path": A.task_id, "readable": False}, {A, ANY}, id="R20"),
        pytest.param({"task_id": A.task_id, "odd": True}, {A, ANY}, id="R19"),
        pytest.param({"odd": True}, {INVALID, ANY}, id="R19 with neither"),
        pytest.param(
            {"task_id": B.task_id, "odd": True, "otherwise": Named(path=None, task_id=A.task_id)}, {A, B, ANY}, id="R18"
        ),
        pytest.param({"role": "other", "out_task_id": "render-1"}, {FOREIGN}, id="one's own of two"),
        pytest.param({"role": "other", "path": A.task_id}, {UNFOUND}, id="another's"),
        pytest.param({"role": "other", "out_task_id": "render-2"}, {UNFOUND}, id="another's out_task_id"),
    ],
)
def test_the_norm_allows_just_so_much(fields: dict[str, Any], expected: set[object]) -> None:
    """What the seed says and what the rulings add, and nothing beside."""
    assert lawful(**fields) == expected


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (Named(path=A.task_id), {KEY}),
        (Named(path=UNKNOWN), {KEY}),
        (Named(path=None, out_task_id="render-1"), {KEY}),
        (Named(path=None), {KEY, INVALID}),
        (Named(path=None, task_id="a", out_task_id="b"), {KEY, INVALID}),
        (Named(path=None, task_id=ABSENT, readable=False), {KEY, ANY}),
        (Named(path="a/b"), {KEY, ANY}),
        (Named(path="task_123"), {KEY, INVALID}),
    ],
    ids=["own", "unknown", "by out_task_id", "neither", "both", "no JSON", "odd", "malformed"],
)
def test_without_a_key_nothing_is_acted_on(named: Named, expected: set[object]) -> None:
    """401, whether the task exists or not; that it comes before 400 is a recommendation (R10)."""
    assert effects_without_key(named, [A, B, FOREIGN]) == expected


@pytest.mark.parametrize("apart", ["-", "~"])
def test_what_is_made_like_the_known_ids_is_nothing_odd(apart: str) -> None:
    """However long those are, and whatever is in them (R5)."""
    known, unknown = (apart.join(["job" * 30, number]) for number in ("1044", "1099"))
    named = Named(path=unknown)
    assert effects(named, "owner", [replace(A, task_id=known)]) == {UNFOUND}
    assert effects_without_key(named, [replace(A, task_id=known)]) == {KEY}
    assert ANY in effects(named, "owner", [A])


@pytest.mark.parametrize(
    ("task_id", "known", "expected"),
    [
        (UNKNOWN, A.task_id, True),
        (UNKNOWN.replace("V", "U"), A.task_id, False),
        (UNKNOWN.lower(), A.task_id, False),
        (UNKNOWN[:-1], A.task_id, False),
        ("task_81HQX9F2P6Y8VEX3CRZ8GXJVD9", A.task_id, False),
        ("5f0c1d2e-aaaa-4bbb-8ccc-0123456789ab", "5e0c1d2e-1111-4222-8333-0123456789ab", True),
        ("5f0c1d2e-aaaa-1bbb-8ccc-0123456789ab", "5e0c1d2e-1111-4222-8333-0123456789ab", False),
        ("5f0c1d2g-aaaa-4bbb-8ccc-0123456789ab", "5e0c1d2e-1111-4222-8333-0123456789ab", False),
        ("1044", "1099", True),
        ("104x", "1099", False),
        ("job-1044", "job-1099", True),
    ],
)
def test_well_formed_is_what_is_certainly_made_alike(task_id: str, known: str, *, expected: bool) -> None:
    """Length, separators, alphabet and the places of a UUID or a ULID that tell its version (R5)."""
    assert well_formed(task_id, [known]) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("render", "RENDER"),
        ("render", " render\n"),
        ("render", "render%"),
        ("render", "ren*"),
        ("render", "r_nder"),
        ("render", "ren.*"),
        ("render", "rend"),
        ("é", "e\u0301"),
        ("ﬁnal", "final"),
        ("a%20b", "a b"),
        ("a+b", "a b"),
        ("my-render", "my_render"),
        ("1", "1.0"),
        ("x" * 300 + "1", "x" * 300 + "2"),
        ("straße", "STRASSE"),
        ("task_01HQ", "task_OIHQ"),
        ("task_01HQ", "01HQ"),
        ("a&b", "a&amp;b"),
        ("🎬-1", "🎲-1"),
    ],
)
def test_a_sloppy_comparison_confuses(one: str, other: str) -> None:
    """Folding, trimming, cutting, decoding and patterns are looked through, both ways round."""
    assert confusable(one, other)
    assert confusable(other, one)


@pytest.mark.parametrize(("one", "other"), [("render", "render"), ("render-1", "render-2"), (A.task_id, UNKNOWN)])
def test_what_is_the_same_or_another_is_not_confused(one: str, other: str) -> None:
    """Two identifiers that nobody takes for each other are no look-alikes, nor is one of itself."""
    assert not confusable(one, other)


def test_no_pattern_takes_long() -> None:
    """A hostile identifier does not stall the judge."""
    start = time.perf_counter()
    assert not confusable("a%" * 100 + "b", "a" * 500)
    assert not confusable("a.*" * 100 + "b", "a" * 500)
    assert time.perf_counter() - start < 1
