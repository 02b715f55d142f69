"""The process that keeps a soak: it begins the run, has others make the load, and then judges what they heard.

Locust is never loaded here. However the load ends, nothing of it is left running, and what there is of it is judged.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import IO, TYPE_CHECKING, Any, Final

from conformance.checks import CHECKS
from conformance.exchange import Form
from conformance.plugin import begin
from conformance.report.summary import judge_again
from conformance.soak.habits import HABITS
from conformance.soak.post import Address, Post, Role
from conformance.target.provision import OutOfReach
from conformance.teller import Teller, Telling
from conformance.verdict import ExitCode, Outcome

if TYPE_CHECKING:
    from conformance.journal import Journal
    from conformance.run import Order, Run

_GLANCE: Final = 0.1
_IDLE: Final = 0.25
_LONGEST_START: Final = 90.0
_LONGEST_TRACE: Final = 8000
_FORMS_IN_TURN: Final = (None, Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID)
_MOST_SUMMED: Final = 10_000
"""Tasks of which the account is summed up: each is held against each, and with more of them that takes minutes."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The load that is wanted: so many users for so many seconds, of whom `spawn_rate` a second begin.

    With `workers`, so many processes share the users; else one has them all. Workers on other machines, `elsewhere`,
    come to `master`. A soak that is itself elsewhere takes its users from the master at `joins`.
    """

    users: int
    seconds: float
    spawn_rate: float
    workers: int = 0
    elsewhere: int = 0
    master: Address | None = None
    joins: Address | None = None

    @property
    def is_shared(self) -> bool:
        """Whether other machines call the target too."""
        return self.master is not None or self.joins is not None

    def roles(self) -> list[Role]:
        """The processes that this machine starts, a master first."""
        if self.joins is not None:
            return [Role.WORKER] * max(1, self.workers)
        if not self.workers and self.master is None:
            return [Role.ALONE]
        return [Role.MASTER, *[Role.WORKER] * max(1, self.workers)]


class LoadFailed(Exception):
    """A process that makes the load came to a bad end; the text is what it said."""


class NobodyCame(LoadFailed):
    """Master and workers did not find each other."""


def keep(run: Run, load: Load) -> None:
    """Make the load on a run's target, end all that it left, and judge every story of it."""
    journal = run.journal
    try:
        begin(run)
        if not run.silence:
            _press(run, load)
            _look_again(run)
    except KeyboardInterrupt:
        journal.note("interrupted", value=True)
    finally:
        journal.dismiss()
        journal.bury(None, time.monotonic())
        journal.note("left_running", 0 if run.silence else run.sweep())
    if not run.silence:
        _sum_up(run, load)
    run.close()
    judge_again(journal)
    journal.note("only", _rows(journal))


def _press(run: Run, load: Load) -> None:
    """Have the load made, and write down what there was of it."""
    begun, said = time.monotonic(), []
    try:
        said = made(run.order, load)
    except NobodyCame as error:
        run.journal.obstacle(run.order.only, str(error))
    except LoadFailed as error:
        run.journal.note("our_fault", str(error)[-_LONGEST_TRACE:])
    finally:
        users = None if load.joins is not None else load.users
        told = {"users": users, "workers": load.workers, "begun": begun, "ended": time.monotonic()}
        counted = sum(each.get("requests", 0) for each in said) if load.master is not None else None
        busy = any(each.get("busy") for each in said)
        run.journal.note("load", told | {"busy": busy, "counted_by_locust": counted})


def made(order: Order, load: Load) -> list[dict[str, Any]]:
    """What the processes said that made the load, once all have come to their end.

    Raises:
        NobodyCame: they did not find each other.
        LoadFailed: one came to a bad end.
    """
    address = load.joins or load.master or Address()
    with tempfile.TemporaryFile("w+") as errors, contextlib.ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        for number, role in enumerate(load.roles()):
            post = _post(order, load, role, f"{role}-{number}", address)
            processes.append(stack.enter_context(_started(post, errors)))
            if role is Role.MASTER:
                address = Address(host=address.host, port=_port_of(processes[0], errors))
        _wait_for(processes, load, errors)
        return [json.loads(line) for each in processes if each.stdout for line in each.stdout]


def _post(order: Order, load: Load, role: Role, name: str, address: Address) -> Post:
    return Post(
        order=order,
        keeper=os.getpid(),
        name=name,
        role=role,
        address=address,
        workers=max(1, load.workers) + load.elsewhere,
        users=load.users,
        spawn_rate=load.spawn_rate,
        seconds=load.seconds,
        grace=_grace(order),
    )


def _grace(order: Order) -> float:
    """Seconds in which whatever is under way when the time is over comes to its end."""
    return order.profile.limits.timeout + 1


@contextlib.contextmanager
def _started(post: Post, errors: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process at its post; at the end it is told to stop, and if it does not, it is stopped."""
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance.soak.swarm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # then its end says why
            pipe.write(pickle.dumps(post))
        yield process
    finally:
        process.terminate()
        try:
            process.wait(post.grace + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _port_of(master: subprocess.Popen[bytes], errors: IO[str]) -> int:
    """The port at which a master that was just started listens."""
    assert master.stdout is not None  # noqa: S101 - it was asked for
    line = master.stdout.readline()
    if not line:
        raise LoadFailed(_said(errors, f"the master ended with {master.wait()}"))
    return int(json.loads(line)["port"])


def _wait_for(processes: Sequence[subprocess.Popen[bytes]], load: Load, errors: IO[str]) -> None:
    """Wait until all have come to their end.

    Raises:
        NobodyCame: they did not find each other.
        LoadFailed: one came to a bad end, or to none.
    """
    give_up = time.monotonic() + load.seconds + _LONGEST_START
    while True:
        codes = [process.poll() for process in processes]
        if ExitCode.INCONCLUSIVE in codes:
            raise NobodyCame(_said(errors, "no load was made"))
        if any(codes):
            raise LoadFailed(_said(errors, f"they ended with {codes}"))
        if None not in codes:
            return
        if load.joins is None and time.monotonic() > give_up and codes[0] is None:
            raise LoadFailed(_said(errors, "they did not end in time"))
        time.sleep(_GLANCE)


def _said(errors: IO[str], end: str) -> str:
    errors.seek(0)
    return f"the processes that make the load: {end}: {errors.read()[-_LONGEST_TRACE:].strip()}"


def _look_again(run: Run) -> None:
    """Look once more at some stories when all of their tasks would have ended by themselves, and cancel again."""
    teller = Teller(run, "looking again", ())
    looks = sorted(run.worth_another_look(), key=lambda look: look[0])
    step = max(1, len(looks) // run.order.depth.looks)
    with contextlib.suppress(OutOfReach):  # the target has fallen silent, and that is written down
        for (instant, kept), form in zip(looks[::step], cycle(_FORMS_IN_TURN), strict=False):
            teller.pause(instant - time.monotonic())
            Telling.resumed(teller, kept.number).look_again(kept, cancel_as=form)


def _sum_up(run: Run, load: Load) -> None:
    """Judge what all tasks together have cost, where that can be known; where not, write down why."""
    tasks = run.budget.tasks
    if load.is_shared:
        run.journal.note("unsummed", "users on other machines move the account too")
    elif tasks > _MOST_SUMMED:
        run.journal.note("unsummed", f"there were {tasks} tasks, and the sum is made of up to {_MOST_SUMMED}")
    else:
        run.read_accounts()
        time.sleep(_IDLE)
        run.read_accounts()
        run.close_accounts()


def _rows(journal: Journal) -> list[str]:
    """The rows that a soak speaks of: those at which its stories aim, and whichever others were judged."""
    aimed = {row for habit in HABITS for row in habit.aims}
    decided = (each.judgement for each in journal.judgements() if each.judgement.outcome is not Outcome.UNDECIDED)
    rows = aimed | {judgement.requirement for judgement in decided}
    return [row for row in CHECKS if row in rows]
