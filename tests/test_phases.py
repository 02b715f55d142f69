"""Tests are dealt out to the processes of a run: functions and lanes whole, and what comes after everything alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.phases import Phases, Place

Late = tuple[int, int, int, int, int, int]
"""How many tests come late, of each kind."""

_NONE: Late = (0, 0, 0, 0, 0, 0)
_LATE = ("another", "owner", "alone", "everywhere", "last")


@dataclass(eq=False)
class Process:
    """A process as pytest-xdist has it: it runs a test when it knows the next one, or that there is none."""

    in_hand: list[int] = field(default_factory=list)
    ran: list[int] = field(default_factory=list)
    shutting_down: bool = False

    def send_runtest_some(self, indices: list[int]) -> None:
        """Take tests."""
        assert not self.shutting_down
        self.in_hand += indices

    def shutdown(self) -> None:
        """Run what is in hand, and go."""
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        """Whether it knows enough to run its next test."""
        return len(self.in_hand) > 1 or (self.shutting_down and bool(self.in_hand))


def config(processes: int) -> Any:  # noqa: ANN401 - what the scheduler asks of pytest's configuration
    """The configuration of a session with so many processes."""
    return SimpleNamespace(getvalue={"tx": ["popen"] * processes}.__getitem__)


class Session:
    """What pytest-xdist does around a scheduler, with processes that take their time by chance."""

    def __init__(
        self,
        tests: list[str],
        late: Late,
        processes: int,
        chance: Random,
        *,
        apart: bool = False,
        weights: tuple[float, ...] = (),
    ) -> None:
        self.phases = Phases(config(processes), lambda: places(tests, late, weights), self.are_apart)
        self.apart = apart
        self.tests, self.chance = tests, chance
        self.there: list[Process] = []
        self.gone: list[Process] = []
        self.order: list[int] = []
        self.crashes: list[str] = []
        for _ in range(processes):
            self.join()

    def are_apart(self) -> bool:
        """Whether the accounts were seen to be two; if they are, that takes some time."""
        return self.apart and self.chance.random() < 0.5

    def join(self) -> None:
        """A process starts and finds its tests."""
        process: Any = Process()
        self.there.append(process)
        self.phases.add_node(process)
        self.phases.add_node_collection(process, self.tests)
        if self.phases.collection_is_completed:
            self.phases.schedule()

    def step(self) -> None:
        """Some process runs its next test, or goes because it has none and there will be none."""
        able = [each for each in self.there if each.can_run or (each.shutting_down and not each.in_hand)]
        assert able, "nobody can go on"
        process: Any = self.chance.choice(able)
        if not process.in_hand:
            self.there.remove(process)
            self.gone.append(process)
            assert self.phases.remove_node(process) is None
            return
        test = process.in_hand.pop(0)
        kind = _function(self.tests[test])
        beside = {_function(self.tests[each.in_hand[0]]) for each in self.there if each is not process and each.can_run}
        assert kind not in {"alone", "last"} or not beside, "something else is under way"
        process.ran.append(test)
        self.order.append(test)
        self.phases.mark_test_complete(process, test)

    def crash(self) -> None:
        """Some process dies of the test that it is running; another takes its place."""
        process: Any = self.chance.choice([each for each in self.there if each.can_run])
        self.there.remove(process)
        self.gone.append(process)
        died_of = self.phases.remove_node(process)
        assert died_of is not None
        self.crashes.append(died_of)
        self.join()

    def run(self, crashes: int = 0) -> None:
        """Go on until all processes have gone."""
        while self.there:
            if self.phases.tests_finished:
                for process in self.there:
                    process.shutdown()
            if crashes and any(each.can_run for each in self.there) and self.chance.random() < 0.2:
                crashes -= 1
                self.crash()
            else:
                self.step()


def places(tests: list[str], late: Late, weights: tuple[float, ...]) -> list[Place]:
    """Where these tests have their places, each function as a group."""
    phases = [0] * (len(tests) - sum(late)) + [phase for phase, count in enumerate(late, 1) for _ in range(count)]
    groups = {function: number for number, function in enumerate(dict.fromkeys(map(_function, tests)))}
    found = zip(tests, phases, weights or [1.0] * len(tests), strict=True)
    return [Place(phase, groups[_function(test)], weight) for test, phase, weight in found]


def names(sizes: list[int], late: Late = _NONE) -> list[str]:
    """Tests of so many functions, so many each, and those that come late; those with one key are a function each."""
    one_key = [(f"one{number}", 1) for number in range(late[0])]
    functions = [
        *((str(number), size) for number, size in enumerate(sizes)),
        *one_key,
        *zip(_LATE, late[1:], strict=True),
    ]
    return [f"suite/test_x.py::test_{function}[{index}]" for function, size in functions for index in range(size)]


late_tests = st.tuples(*(st.integers(0, most) for most in (6, 4, 4, 3, 2, 3)))
chances = st.randoms(use_true_random=False)


@given(st.lists(st.integers(1, 9), max_size=8), late_tests, st.integers(1, 6), chances, st.booleans())
def test_every_test_is_run_once(sizes: list[int], late: Late, processes: int, chance: Random, apart: bool) -> None:
    """By one process, functions and lanes whole and in their order, but those that every process runs for itself.

    What is told alone is told by the process that ran the owner's lane, which may still hear what was told there.
    """
    tests = names(sizes, late)
    session = Session(tests, late, processes, chance, apart=apart)
    session.run()
    everywhere = [index for index, test in enumerate(tests) if _function(test) == "everywhere"]
    assert sorted(session.order) == sorted([*range(len(tests)), *everywhere * (processes - 1)])
    kinds = [_function(tests[index]) for index in session.order]
    ranks = [_LATE.index(kind) if kind in _LATE[2:] else 0 for kind in kinds]
    assert ranks == sorted(ranks)
    for process in session.gone:
        functions = [_function(tests[index]) for index in process.ran]
        assert len(set(functions)) == sum(one != other for one, other in zip(functions, ["", *functions], strict=False))
        assert all(
            one < other
            for one, other in zip(process.ran, process.ran[1:], strict=False)
            if _function(tests[one]) == _function(tests[other])
        )
        assert all(index in process.ran for index in everywhere)
        there = {"owner", "alone", "last"} & {*map(_function, tests)}
        assert there <= {*functions} or there.isdisjoint(functions)


def _function(test: str) -> str:
    return test.partition("::test_")[2].partition("[")[0]


@given(st.integers(2, 6), chances)
def test_lanes_are_dealt_out_to_two_processes(processes: int, chance: Random) -> None:
    """So that stories on two accounts are told at once; those that get none go, where nothing is left to do for all."""
    late = (0, 3, 4, 1, 0, 1)
    session = Session(names([], late), late, processes, chance)
    assert [process.in_hand for process in session.there] == [[3, 4, 5, 6], [0, 1, 2], *[[]] * (processes - 2)]
    assert [process.shutting_down for process in session.there] == [False, False, *[True] * (processes - 2)]


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=6),
    late_tests,
    st.integers(1, 4),
    chances,
    st.booleans(),
)
def test_what_a_process_that_dies_had_in_hand_is_run_by_others(
    sizes: list[int], late: Late, processes: int, chance: Random, apart: bool
) -> None:
    """All but the test that it died of, which is named; the last ones still come last and alone."""
    tests = names(sizes, late)
    session = Session(tests, late, processes, chance, apart=apart)
    session.run(crashes=2)
    died_of = {tests.index(each) for each in session.crashes}
    once = [index for index in session.order if _function(tests[index]) != "everywhere"]
    assert set(session.order) | died_of == set(range(len(tests)))
    assert len(once) == len({*once})
    early = [place for place, index in enumerate(once) if _function(tests[index]) != "last"]
    assert all(place < len(early) for place in early)


class Fair(Random):
    """Has processes run tests in turn."""

    def choice(self, seq: Any) -> Any:  # noqa: ANN401 - processes
        """The one that has run the fewest."""
        return min(seq, key=lambda process: len(process.ran))


@pytest.mark.parametrize("apart", [True, False])
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_a_lane_is_run_beside_what_is_told_with_one_key(sizes: list[int], apart: bool) -> None:
    """When all that is told with several keys was told, and the accounts are known to be two; else after that."""
    late = (20, 4, 1, 0, 0, 0)
    tests = names(sizes, late)
    session = Session(tests, late, 3, Fair(1), apart=apart)
    session.run()
    kinds = [_function(tests[index]) for index in session.order]
    after = kinds[kinds.index("another") :]
    assert not any(kind.isdecimal() for kind in after)
    assert (sum(kind.startswith("one") for kind in after) > 3) is apart


@given(chances)
def test_the_heaviest_function_is_dealt_out_first(chance: Random) -> None:
    """So that nobody is left with it at the end: the one with the most tests, if their weights are not known."""
    session = Session(names([1, 7, 2]), _NONE, 2, chance)
    assert [process.in_hand for process in session.there] == [[*range(1, 8)], [8, 9]]
    session = Session(names([1, 7, 2]), _NONE, 2, chance, weights=(9, *[1] * 7, 4, 4))
    assert [process.in_hand for process in session.there] == [[0, *range(1, 8)], [8, 9]]


@given(chances)
def test_who_has_the_most_in_hand_gets_the_lightest(chance: Random) -> None:
    """A process is to know its next test; one that is busy for long takes none that others would begin sooner."""
    session = Session(names([1, 1, 2, 1]), _NONE, 2, chance, weights=(9, 8, 3, 3, 1))
    assert [process.in_hand for process in session.there] == [[0, 2, 3], [1, 4]]


def test_processes_that_found_different_tests_are_no_run() -> None:
    """Then nothing that was dealt out would be what was meant."""
    phases = Phases(config(2), list, lambda: True)
    for tests in (["a"], ["b"]):
        process: Any = Process()
        phases.add_node(process)
        phases.add_node_collection(process, tests)
    with pytest.raises(RuntimeError, match="different tests"):
        phases.schedule()
