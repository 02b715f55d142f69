"""Which process of a run tells which story: side by side, while one tells of money; then one alone, then all again.

A group is what one function of the suite tells, or one of its cases where they share nothing, in its order and in one
process: so the stories of a seed are the same however many processes there are. The heaviest groups go first. What is
told with several keys is told before what is told with the owner's alone: beside that, once the accounts are seen to be
two, one process tells what another key pays for. That is a lane: it is whole and in one process, and a story in it
waits by itself until nobody can move the account that it is told on. So is what the owner pays for, which comes after
all groups.

A process runs a test only when it knows the next one or that there is none: so each is left with a test in hand until
the others have come as far. The one that has told the lane of the owner goes on alone; then all do what each does for
itself, and are dismissed; and at the end that one is alone once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from xdist.workermanage import parse_tx_spec_config

if TYPE_CHECKING:
    import pytest
    from xdist.workermanage import WorkerController

_SEVERAL_KEYS, _ONE_KEY, _ANOTHER, _OWNER, _ALONE, _EVERYWHERE, _LAST = range(7)
"""The phases of tests, in their order."""

_ENOUGH: Final = 2
"""So many tests in hand keep a process busy with the first of them."""


class Place(NamedTuple):
    """Where a test has its place in a run: its phase, its group, and its weight, about how many requests it sends."""

    phase: int
    group: int
    weight: float


class Phases:
    """The scheduler of pytest-xdist for a run.

    When the tests were found, `places` says of each, in their order, where its place is. Whether the accounts were seen
    to be two is asked of `are_apart`, again and again.
    """

    def __init__(
        self, config: pytest.Config, places: Callable[[], Sequence[Place]], are_apart: Callable[[], bool]
    ) -> None:
        self._ask_places = places
        self._are_apart = are_apart
        self._places: Sequence[Place] = ()
        self._wanted = len(parse_tx_spec_config(config))
        self._collections: dict[WorkerController, Sequence[str]] = {}
        self._in_hand: dict[WorkerController, list[int]] = {}
        self._tests: Sequence[str] = ()
        self._groups: list[list[int]] = []
        self._another: list[int] = []
        self._owner: list[int] = []
        self._alone: list[int] = []
        self._everywhere: list[int] = []
        self._last: list[int] = []
        self._concludes = False
        self._stays: WorkerController | None = None

    @property
    def nodes(self) -> list[WorkerController]:
        """The processes that are there."""
        return list(self._in_hand)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every process that was asked for has found its tests."""
        return bool(self._tests) or len(self._collections) >= self._wanted

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to deal out, and of all tests no more than the last one is in anybody's hand."""
        left = self._groups or self._another or self._owner or self._alone or self._last
        dealt = self.collection_is_completed and not left
        return dealt and sum(map(len, self._in_hand.values())) < _ENOUGH

    @property
    def has_pending(self) -> bool:
        """Whether anybody has a test in hand."""
        return any(self._in_hand.values())

    def add_node(self, node: WorkerController) -> None:
        """A process has started."""
        self._in_hand[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A process has found its tests."""
        self._collections[node] = collection

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:  # noqa: ARG002 - as xdist calls it
        """A process has run a test."""
        self._in_hand[node].remove(item_index)
        self._deal()

    def mark_test_pending(self, item: str) -> None:
        """A test is to be run once more."""
        self._take_back([self._tests.index(item)])
        self._deal()

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """Nobody is ever asked to give tests back."""
        raise NotImplementedError

    def remove_node(self, node: WorkerController) -> str | None:
        """A process has gone; the test that it died of, if it did. What it had in hand besides is others' to run."""
        self._collections.pop(node, None)
        left = self._in_hand.pop(node)
        if node is self._stays:
            self._stays, self._concludes = None, False
        self._take_back(left[1:])
        self._deal()
        return self._tests[left[0]] if left else None

    def schedule(self) -> None:
        """Every process has found its tests: deal them out."""
        if not self._tests:
            self._tests = next(iter(self._collections.values()))
            if any(list(each) != list(self._tests) for each in self._collections.values()):
                raise RuntimeError("the processes of this run have found different tests")
            self._places = self._ask_places()
            self._take_back(range(len(self._tests)))
        self._deal()

    def _take_back(self, indices: Iterable[int]) -> None:
        """What is not in anybody's hand: groups, those with several keys and the heaviest first, and all the rest."""
        for phase, tests in groupby(sorted(indices), self._phase):
            if phase <= _ONE_KEY:
                self._groups.extend(list(group) for _, group in groupby(tests, self._group))
            elif phase == _EVERYWHERE:
                self._everywhere = sorted({*self._everywhere, *tests})
            else:
                left = {_ANOTHER: self._another, _OWNER: self._owner, _ALONE: self._alone, _LAST: self._last}[phase]
                left[:] = sorted([*left, *tests])
        self._groups = sorted(self._groups, key=lambda tests: (self._phase(tests[0]), -self._weight(tests)))

    def _deal(self) -> None:
        ready = [node for node in self._in_hand if not node.shutting_down and node in self._collections]
        while idle := [node for node in ready if len(self._in_hand[node]) < _ENOUGH]:
            busy, node = min(((self._weight(self._in_hand[node]), node) for node in idle), key=itemgetter(0))
            if not (tests := self._next(busy)):
                break
            self._give(node, tests)
        if self._groups or not self._tests:
            return
        if self._another:
            self._are_apart()  # the last time that this is of use
        for node in ready:
            if len(self._in_hand[node]) < _ENOUGH:
                self._stays = self._stays or node
            for lane in (self._owner, self._another):
                if len(self._in_hand[node]) < _ENOUGH:
                    self._give(node, lane)
                    lane.clear()
        if self._stays is not None and not (self._owner or self._another):
            self._conclude(self._stays, [node for node in ready if len(self._in_hand[node]) < _ENOUGH])

    def _next(self, busy: float) -> list[int]:
        """What to deal out next to a process that has so much in hand: a group, or the lane of another key.

        That lane comes when nothing can move its account any more. While that is waited for, the lightest groups come
        first, so that somebody is soon ready for it. One that has more in hand than any group gets the lightest, too.
        """
        if not self._groups:
            return []
        phase = self._phase(self._groups[0][0])
        if phase == _SEVERAL_KEYS or not self._another:
            alike = sum(self._phase(tests[0]) == phase for tests in self._groups)
            place = 0 if busy <= self._weight(self._groups[0]) else alike - 1
            return self._groups.pop(place)
        hands = self._in_hand.values()
        if any(self._phase(index) == _SEVERAL_KEYS for tests in hands for index in tests):
            return self._groups.pop()
        if self._are_apart():
            lane, self._another = self._another, []
            return lane
        return self._groups.pop(0)

    def _conclude(self, stays: WorkerController, ready: Sequence[WorkerController]) -> None:
        """Deal out what comes after the lanes, as far as these processes are ready for more.

        The one that stays goes on when the others have nothing in hand but a test that every process runs. They run it,
        and go, when the one has done what it does alone; it comes to its last test when they have gone.
        """
        others = {node: tests for node, tests in self._in_hand.items() if node is not stays}
        idle = all(self._phase(index) == _EVERYWHERE for tests in others.values() for index in tests)
        if stays in ready and idle and not self._concludes:
            self._concludes = True
            self._give(stays, [*self._alone, *self._everywhere, *self._last[:1]])
            self._alone, self._last = [], self._last[1:]
        alone = not self._concludes or any(self._phase(index) <= _ALONE for index in self._in_hand[stays])
        for node in (each for each in ready if each is not stays):
            shared = [] if stays.shutting_down else self._everywhere
            if not any(self._phase(index) == _EVERYWHERE for index in self._in_hand[node]):
                self._give(node, shared[:1])
            if not (shared and alone):
                self._give(node, shared[1:])
                node.shutdown()
        if stays in ready and len(self._in_hand[stays]) < _ENOUGH and self._concludes and not any(others.values()):
            self._give(stays, self._last)
            self._last = []
            stays.shutdown()

    def _give(self, node: WorkerController, tests: list[int]) -> None:
        self._in_hand[node] += tests
        if tests:
            node.send_runtest_some([*tests])

    def _weight(self, tests: Sequence[int]) -> float:
        return sum(self._places[index].weight for index in tests)

    def _phase(self, index: int) -> int:
        return self._places[index].phase

    def _group(self, index: int) -> int:
        return self._places[index].group
