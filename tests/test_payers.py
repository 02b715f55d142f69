"""Two processes tell stories about money at once where two accounts are known to be two, and not where they are not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from stand_in import KEY, OTHER_KEY, Heard, answer

from conformance.journal import Journal
from conformance.lawful import Task
from conformance.run import Run
from conformance.states import State
from conformance.target.provision import OutOfReach
from conformance.teller import Teller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import BeginRun, RunSuite

_UNKNOWN = {"error": {"code": "task_not_found", "message": "No.", "type": "invalid_request_error"}}


class Bank:
    """A target that takes no task, and tells the credits of two keys."""

    def __init__(self, owner: float | None, other: float | None) -> None:
        self.left: dict[str, float | None] = {KEY: owner, OTHER_KEY: other}

    def __call__(self, heard: Heard) -> bytes:
        """Answer one request."""
        left = self.left[heard.headers["authorization"].removeprefix("Bearer ")]
        shown = {} if left is None else {"X-Quota-Remaining-Credits": f"{left}"}
        return answer(404, _UNKNOWN, **shown)


Begun = Callable[..., tuple[Run, Run]]


@pytest.fixture
def two_processes(begin_run: BeginRun) -> Iterator[Begun]:
    """Begins a run against a bank, in the process that keeps it and in one that takes part."""
    with contextlib.ExitStack() as stack:

        def begin(bank: Bank, **settings: object) -> tuple[Run, Run]:
            keeper, _ = begin_run(bank, limits__retries=0, **settings)
            keeper.begin()
            journal = stack.enter_context(contextlib.closing(Journal.join(keeper.journal.path, "gw1")))
            part = Run(keeper.order, journal)
            part.join()
            stack.callback(part.leave)
            return keeper, part

        yield begin


@pytest.mark.parametrize(
    ("other", "settings", "payer"),
    [
        (50.0, {}, "other"),
        (50.0, {"keys__other__account": "owner"}, "owner"),
        (None, {}, "owner"),
    ],
    ids=["its own account", "the owner's account", "tells no credits"],
)
def test_another_key_pays_where_its_own_account_is_seen(
    two_processes: Begun, other: float | None, settings: dict[str, object], payer: str
) -> None:
    """Else the owner pays for everything."""
    keeper, part = two_processes(Bank(100.0, other), **settings)
    assert [run.payers.role("another") for run in (keeper, part)] == [payer, payer]
    assert keeper.payers.role("owner") == "owner"


@pytest.mark.parametrize(
    ("charged", "owner", "other", "apart"),
    [
        ("2.5", 97.5, 50.0, True),
        ("2.5", 96.0, 48.0, True),
        ("2.5", 97.5, 47.5, False),
        ("2.5", 98.0, 50.0, False),
        (None, 97.5, 50.0, False),
    ],
    ids=["one has paid", "the other has paid less", "both moved alike", "not paid yet", "nothing charged"],
)
def test_accounts_are_two_where_one_alone_has_paid(
    two_processes: Begun, charged: str | None, owner: float, other: float, apart: bool
) -> None:
    """A common pot of which each key shows a share would have moved alike: then a story has all accounts to itself."""
    bank = Bank(100.0, 50.0)
    keeper, part = two_processes(bank)
    pays(keeper, charged)
    bank.left = {KEY: owner, OTHER_KEY: other}
    assert keeper.payers.are_apart() is apart
    assert part.payers.accounts("another") == ({"other"} if apart else {"owner", "other"})
    assert keeper.payers.accounts("owner") == part.payers.owners == {"owner"}
    assert part.payers.accounts("everybody") == {"owner", "other"}


def pays(run: Run, charged: str | None) -> None:
    """A task of the owner's has ended, and so has one of the other key, which has cost more."""
    for role, price in (("owner", charged), ("other", "30")):
        task_id = f"task of {role}"
        run.journal.begin_task(Task(task_id=task_id, out_task_id=None, role=role))
        run.pool.made(run.pool.book(1, "completed", lambda *_: None), task_id)
        run.journal.end_task(task_id)
        if price is not None:
            run.pool.charge(task_id, Decimal(price))


def test_whether_accounts_are_two_is_seldom_asked(two_processes: Begun) -> None:
    """Again when more than twice as much was charged as the last time, for what was read then told nothing."""
    keeper, _ = two_processes(Bank(100.0, 50.0))
    asked = []
    for charged in ("1", "2", "40"):
        pays(keeper, charged)
        before = keeper.journal.count()
        assert not keeper.payers.are_apart()
        asked.append(keeper.journal.count() - before)
    assert asked == [4, 0, 4]


def test_where_no_account_is_seen_nothing_can_disturb_one(two_processes: Begun) -> None:
    """Two stories can be told at once all the same."""
    keeper, part = two_processes(Bank(None, None))
    assert part.payers.role("another") == "other"
    assert keeper.payers.are_apart()
    assert part.payers.accounts("owner") == {"owner"}


def test_what_another_key_cannot_pay_for_is_told_on_the_owners_account(run_suite: RunSuite) -> None:
    """Its rows are proven all the same."""
    options = ["--only", "BILL-3,BILL-4", "--depth", "smoke", "--report-dir", "results"]
    run = run_suite("run", *options, "--stranger", "opens-one-model-to-the-other-key")
    assert (run.code, {*run.verdicts.values()}) == (0, {"pass"}), run.stdout


def test_a_key_that_cannot_pay_is_excused_once(two_processes: Begun) -> None:
    """Later stories begin with the owner's key; when that does not do either, there is nobody left."""
    keeper, _ = two_processes(Bank(100.0, 50.0))
    teller = Teller(keeper, "money", ("BILL-3",), payer="another")
    story = teller.story(alone=True)
    with pytest.raises(OutOfReach):
        story.task(State.RUNNING)
    assert story.role == "other"
    assert teller.go_on_with_another_payer()
    again = [each.story(alone=True) for each in (teller, Teller(keeper, "more money", ("BILL-3",), payer="another"))]
    assert [each.role for each in again] == ["owner", "owner"]
    assert not teller.go_on_with_another_payer()


def test_a_story_that_broke_down_as_it_began_keeps_nobody_waiting(
    two_processes: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for its accounts has them when the test is over."""
    _, part = two_processes(Bank(100.0, 50.0))
    teller = Teller(part, "money", ("BILL-3",), payer="owner")
    part.pool.learn("its account is another", value=True)
    monkeypatch.setattr(part.payers, "are_quiet", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        teller.story(alone=True)
    teller.leave()
    waiting = Journal.join(part.journal.path, "gw2", keeper=os.getppid())
    with contextlib.closing(waiting) as other, ThreadPoolExecutor(1) as pool:
        began = pool.submit(other.begin_story, "money", ["BILL-3"], accounts={"owner"}, quiet=True)
        try:
            assert began.result(5)
        finally:
            part.journal.dismiss()  # it would wait for ever
