"""A process that makes load: locust, and users of its kind who tell one story after the other.

Only the keeper of a soak starts it, which tells it over a pipe what to do. Locust puts gevent's networking in the place
of Python's for the whole process: so nothing of it is ever loaded where the rest of the suite is, and here it is
loaded first. Every user speaks through a client of its own and writes the soak's journal over a connection of its own.
SQLite does not give way to other users; no transaction waits for anything but the file, so none is ever half done while
another user has its turn.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
import traceback
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gevent
from gevent.event import Event
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import LocalRunner, MasterRunner

from conformance.journal import Journal
from conformance.run import Run
from conformance.soak.habits import Turns
from conformance.soak.post import Post, Role
from conformance.target.provision import OutOfReach
from conformance.teller import Teller
from conformance.verdict import ExitCode

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from locust.event import EventHook

    from conformance.exchange import Exchange

_NUMBERS: Final = count(1)
_GLANCE: Final = 0.1
_IDLE: Final = 0.1
_LONGEST_ARRIVAL: Final = 60.0


class CountedJournal(Journal):
    """A journal that tells locust, too, of each exchange that has ended."""

    def __init__(self, path: Path, *, teller: str, keeper: int, request: EventHook) -> None:
        super().__init__(path, teller=teller, keeper=keeper)
        self._request = request

    def end_exchange(self, exchange: Exchange) -> None:
        """Write it down, and count it."""
        super().end_exchange(exchange)
        self._request.fire(
            request_type=exchange.request.operation.value,
            name=exchange.request.named.form or "",
            response_time=exchange.took * 1000,
            response_length=len(exchange.answer.content) if exchange.answer else 0,
            exception=None if exchange.answer else ConnectionError(exchange.lost),
            context={},
        )


class Caller(User):
    """A user: it tells one story after the other, each like those of the suite."""

    post: ClassVar[Post]

    def on_start(self) -> None:
        """Take part in the run that the keeper has begun."""
        order, name = self.post.order, f"{self.post.name}-{next(_NUMBERS)}"
        journal = CountedJournal(
            order.report_dir / "journal.sqlite",
            teller=name,
            keeper=self.post.keeper,
            request=self.environment.events.request,
        )
        self.choice = Random(f"{order.seed}:{name}")  # noqa: S311 - nothing here is secret
        self.turns = Turns(self.choice)
        self.tellers: dict[str, Teller] = {}
        self.part = Run(order, journal)
        self.part.join()
        self.part.sweeper.breadth = 1  # there are others to be side by side with
        self.part.client.glance *= max(1.0, self.post.users / order.profile.limits.in_flight)

    def on_stop(self) -> None:
        """Close what this user holds of the run."""
        self.part.leave()
        self.part.journal.close()

    @task
    def tell(self) -> None:
        """Tell one story; of a target that fell silent nobody asks any more."""
        habit = self.turns.next(time.monotonic())
        if habit is None:
            gevent.sleep(_IDLE)
            return
        if habit.name not in self.tellers:
            self.tellers[habit.name] = Teller(self.part, habit.name, habit.aims, judges=False)
        teller = self.tellers[habit.name]
        try:
            habit.deed(teller, self.choice)
        except OutOfReach as error:
            teller.break_off(str(error))
            self.turns.rest(habit, time.monotonic())
        if self.part.fell_silent:
            raise StopUser


class Station:
    """This process at its post: until the time is over, it is told to stop, or nobody is left to call."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._over = Event()
        self._all_there = False
        self.code = ExitCode.PASSED
        Caller.post = post
        self._environment = Environment(user_classes=[Caller], stop_timeout=post.grace)
        self._environment.events.user_error.add_listener(self._fail)
        self._environment.events.spawning_complete.add_listener(self._see_all_there)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keeper has been told too
        gevent.signal_handler(signal.SIGTERM, self._stop)

    def serve(self) -> dict[str, Any]:
        """Do what the post says; what locust has counted."""
        address = self._post.address
        if self._post.role is Role.WORKER:
            worker = self._environment.create_worker_runner(address.host, address.port)
            gevent.spawn(self._over.wait).link(lambda _: worker.quit())
            worker.greenlet.join()
            return {"busy": worker.worker_cpu_warning_emitted or worker.cpu_warning_emitted}
        if self._post.role is Role.MASTER:
            master = self._environment.create_master_runner(address.host, address.port)
            say({"port": master.server.port})
            self._await_workers(master)
            self._press(master)
            return {"busy": master.worker_cpu_warning_emitted, "requests": self._environment.stats.total.num_requests}
        local = self._environment.create_local_runner()
        self._press(local)
        return {"busy": local.cpu_warning_emitted, "requests": self._environment.stats.total.num_requests}

    def _press(self, runner: LocalRunner | MasterRunner) -> None:
        until = time.monotonic() + self._post.seconds
        runner.start(self._post.users, self._post.spawn_rate)
        while not self._over.wait(_GLANCE) and time.monotonic() < until:
            if self._all_there and not runner.user_count:
                break
        runner.quit()

    def _await_workers(self, master: MasterRunner) -> None:
        """Wait until every worker has come.

        Raises:
            TimeoutError: they do not.
        """
        give_up = time.monotonic() + _LONGEST_ARRIVAL
        while len(master.clients.ready) < self._post.workers and not self._over.wait(_GLANCE):
            if time.monotonic() > give_up:
                came = len(master.clients.ready)
                raise TimeoutError(f"{came} of {self._post.workers} workers came within {_LONGEST_ARRIVAL:.0f} s")

    def _stop(self) -> None:
        """Come to an end; at once, where the master was not found yet, and so nothing was begun."""
        self._over.set()
        if self._post.role is Role.WORKER and self._environment.runner is None:
            os._exit(ExitCode.PASSED)

    def _see_all_there(self, **_: object) -> None:
        self._all_there = True

    def _fail(self, exception: BaseException, tb: TracebackType, **_: object) -> None:
        """A user met what is no matter of the target's: the soak is over, and the fault ours."""
        traceback.print_exception(type(exception), exception, tb)
        self.code = ExitCode.OUR_FAULT
        self._over.set()


def say(document: dict[str, Any]) -> None:
    """Tell the keeper something, on a line by itself."""
    print(json.dumps(document), flush=True)  # noqa: T201 - the pipe to the keeper


def main() -> None:
    """Take up the post that stands in the pipe."""
    post: Post = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    station = Station(post)
    try:
        say(station.serve())
    except KeyboardInterrupt:  # the run is over, or its keeper has died
        return
    except (TimeoutError, ConnectionError) as error:  # other machines are no fault of ours
        print(str(error) or f"no master answers at {post.address}", file=sys.stderr)  # noqa: T201 - the keeper reads it
        sys.exit(ExitCode.INCONCLUSIVE)
    sys.exit(station.code)


if __name__ == "__main__":
    main()
