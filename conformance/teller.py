"""Tellers: how a test of the suite makes stories. A test tells what is said; the checks say what it means."""

from __future__ import annotations

import contextlib
import time
import zlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Self

from conformance.checks import judgements
from conformance.exchange import Form, Operation
from conformance.lawful import Task
from conformance.states import LIVE, TERMINAL, State
from conformance.story import OK, Moment, Notice, Story
from conformance.target.abreast import abreast
from conformance.target.call import Call, Timed, by, naming
from conformance.target.ears import Ear
from conformance.target.profile import OWNER
from conformance.target.provision import AUTO, NotAccepted, OutOfReach, Stage, fresh_identifier
from conformance.target.tables import Capability
from conformance.verdict import Judgement, Outcome
from conformance.windows import hits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from conformance.exchange import Exchange, Request
    from conformance.journal import Kept
    from conformance.life import Reruns
    from conformance.payers import Payer
    from conformance.run import Run
    from conformance.target.callback import Reply, Subscription
    from conformance.target.credentials import Credential

    _Send = Callable[[str, dict[str, object]], list[Exchange]]

_FORMS: Final = (Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID)
_SHARED: Final = {State.COMPLETED, State.FAILED}
_HOLDS_LONG: Final = 15.0
_MOST_AT_ONCE: Final = 8
_TWO: Final = 2
_TURNS: Final = 4
_SERVER_ERROR: Final = 500


class Violation(AssertionError):
    """A story broke a requirement; the text tells all of it."""


class Teller:
    """Makes the stories of one test; `aims` are the rows for which the test exists.

    One that does not judge its stories leaves that to whoever reads the journal afterwards. Where a `payer` is named,
    its stories are told with that key, while nothing else of the run may move its account. What is told with `one_key`,
    the owner's, beside those that are not valid, can move his account alone.
    """

    def __init__(
        self,
        run: Run,
        title: str,
        aims: Iterable[str],
        *,
        judges: bool = True,
        payer: Payer | None = None,
        one_key: bool = False,
    ) -> None:
        self.run = run
        self.title = title
        self.judges = judges
        self._payer = payer
        self._one_key = one_key
        run.provision.deal(title.partition("[")[0])
        self.aims = tuple(aims)
        self.broken: list[Judgement] = []
        self.reproductions: dict[str, str] = {}
        self.reruns: Reruns | None = None
        self.told = 0
        self.obstructed = ""
        self._current: Telling | None = None
        self._number: int | None = None

    def story(self, *, alone: bool = False) -> Telling:
        """A new story, so far without tasks; `alone` where it asks for accounts.

        Raises:
            OutOfReach: the target fell silent.
        """
        run = self.run
        self.leave()
        run.expect_life()
        self.told += 1
        run.provision.glance()
        role = run.payers.role(self._payer) if self._payer else OWNER
        accounts = run.payers.owners if self._one_key else run.payers.accounts(self._payer) if self._payer else None
        begun = {"alone": alone, "quiet": self._payer is not None}
        self._number = number = run.journal.begin_story(self.title, self.aims, accounts=accounts, **begun)
        alone = alone and run.payers.are_quiet(accounts)
        haunted = bool(run.pool.ghosts())
        alone = run.journal.amend_story(number, alone=alone, haunted=haunted)
        first = self.told == 1 and not alone
        self._current = Telling(self, number, role=role, first=first, alone=alone, haunted=haunted)
        return self._current

    def break_off(self, reason: str) -> None:
        """The story cannot be told to its end: judge what there is of it, and write down why."""
        reason = self.run.client.mask.text(reason)
        self.obstructed = reason
        self.run.journal.obstacle(self.aims, reason)
        if self._current is not None:
            self._current.verify()

    def go_on_with_another_payer(self) -> bool:
        """The story cannot be told on this account: judge what there is of it; whether it can be on the owner's."""
        if self._current is None or self._current.role == OWNER:
            return False
        self._current.verify()
        self.run.payers.excuse_another()
        return True

    def leave(self) -> None:
        """Say no more in a story that is not told to its end."""
        if self._number is not None:
            self.run.journal.leave_story(self._number)
        self._current = self._number = None

    def done(self, telling: Telling) -> None:
        """A story was told to its end."""
        if self._current is telling:
            self._current = self._number = None

    def pause(self, seconds: float) -> None:
        """Let time pass, if there is any left."""
        time.sleep(max(0.0, seconds))

    def others(self) -> tuple[str, ...]:
        """The roles beside the owner's whose keys are valid.

        Raises:
            OutOfReach: the profile names none.
        """
        others = self.run.order.profile.others
        if not others:
            raise OutOfReach("the profile names no second key; write [keys.other] or set CONFORMANCE_OTHER_KEY")
        return others

    @property
    def most_at_once(self) -> int:
        """How many calls may be sent at once, beside the streams that are open in any process.

        Raises:
            OutOfReach: the profile allows one only.
        """
        most = self.run.order.profile.limits.in_flight
        if most < _TWO:
            raise OutOfReach("limits.in_flight is 1, and nothing is simultaneous; write limits.in_flight of 2 or more")
        return max(_TWO, min(most - self.run.journal.streams(), _MOST_AT_ONCE))

    def about(self, task: State, *more: State) -> tuple[Telling, Task]:
        """A new story about tasks in the given states; the first of them beside it."""
        telling = self.story()
        tasks = [telling.task(state) for state in (task, *more)]
        return telling, tasks[0]


class Telling:
    """A story while it is being told: what is said through it goes to the target and into the journal."""

    def __init__(
        self, teller: Teller, number: int, *, role: str = OWNER, first: bool, alone: bool, haunted: bool
    ) -> None:
        self.number = number
        self.role = role
        """Whose key speaks where no other is named."""
        self.alone = alone
        self.haunted = haunted
        self.alone_until = float("inf")
        self.title = teller.title
        self.tasks: dict[str, Task] = {}
        self.exchanges: list[Exchange] = []
        self.broken: list[Judgement] = []
        self._teller = teller
        self._run = teller.run
        self._first = first
        self._asked_before = teller.run.client.asked
        self._stages: dict[str, Stage] = {}
        self._left: set[str] = set()
        self.ears: list[Ear] = []
        self._chance = zlib.crc32(f"{teller.title}:{teller.told}".encode())

    def task(
        self,
        state: State = State.PENDING,
        *,
        out: str | None = AUTO,
        like: State | None = None,
        role: str | None = None,
        callback: Reply | None = None,
        variant: int | None = None,
    ) -> Task:
        """A task in `state`: made for this story, or, completed and failed, one of those that all stories share.

        `like` submits by the recipe of another state, which may have a variant. A cancelled task is made by cancelling
        a pending one. One with a `callback`, which is answered so, is the story's own; where none can be received it
        is a task like any other.

        Raises:
            OutOfReach: the target cannot be brought to show one.
        """
        role = role or self.role
        if state in _SHARED and role == OWNER and not callback:
            return self._shared(state, named=out is not None)
        if state is State.CANCELLED:
            task = self.task(State.PENDING, out=out, like=like, role=role, callback=callback)
            self.cancel(by(Form.PATH, task), role=role)
            self.query(task)
            return task
        submit = partial(self._subscribed, callback) if callback else self._submit
        stage = submit(like or state, role=role, out_task_id=out, variant=variant)
        self._adopt(stage)
        if state is not State.PENDING:
            self.wait(stage.task)
        return stage.task

    def task_like(
        self,
        state: State,
        *,
        out: str | None = AUTO,
        role: str | None = None,
        callback: Reply | None = None,
        variant: int | None = None,
    ) -> Task:
        """A task in `state`, or a pending one, where the target shows none.

        Raises:
            OutOfReach: no task can be made at all.
        """
        try:
            return self.task(state, out=out, role=role, callback=callback, variant=variant)
        except OutOfReach:
            return self.task(out=out, role=role, callback=callback, variant=variant)

    def tasks_in(self, states: Iterable[State]) -> list[Task]:
        """Tasks in these states, made for this story, side by side where that is worth it.

        Raises:
            OutOfReach: the target cannot be brought to show one.
        """
        turns = [(state, self._run.provision.turn(state)) for state in states]
        calls = [partial(self.task, state, variant=turn) for state, turn in turns]
        return abreast(calls, self._run.breadth)

    def begin(
        self,
        like: State,
        *,
        variant: int,
        out: str | None = AUTO,
        role: str | None = None,
        races: Literal["", "start", "end"] = "",
        callback: Reply | None = None,
    ) -> Task:
        """A task by one variant of the recipe for a state, not waited for; with the step that its cancel `races`.

        Raises:
            OutOfReach: it cannot be submitted.
        """
        submit = partial(self._subscribed, callback) if callback else self._submit
        stage = submit(like, role=role or self.role, out_task_id=out, variant=variant)
        stage.task = replace(stage.task, races=races)
        self._adopt(stage)
        return stage.task

    def named(
        self,
        out_task_id: str,
        *,
        role: str | None = None,
        like: State = State.PENDING,
        variant: int | None = None,
        send: _Send | None = None,
    ) -> Task | None:
        """A new task of that very `out_task_id`, by the recipe of the state that it is `like`, and not waited for.

        None where submit refuses the name, or takes it for another's; `send` sends the submit in another way.

        Raises:
            OutOfReach: no such task can be made at all, or the budget is spent.
        """
        try:
            stage = self._submit(like, role=role or self.role, out_task_id=out_task_id, variant=variant, send=send)
        except NotAccepted:
            return None
        if stage.task.task_id in self.tasks:
            self.exchanges += stage.exchanges
            return None
        self._adopt(stage)
        return stage.task

    def submit_again(self, task: Task) -> None:
        """Send the submit of a task that has an `out_task_id` once more, to the letter; nothing, if a hook made it.

        Raises:
            OutOfReach: the budget is spent.
        """
        submits = [each.request for each in self._stages[task.task_id].exchanges]
        if task.out_task_id is not None and submits and isinstance(body := submits[0].document, dict):
            client = self._run.client
            self.named(task.out_task_id, role=task.role, send=lambda role, _: client.submit(self.number, role, body))

    def submit_other_work(self, task: Task) -> bool:
        """Submit other work under the `out_task_id` of a task, if it has one; whether that still names this task alone.

        Raises:
            OutOfReach: the budget is spent.
        """
        return task.out_task_id is None or self.named(task.out_task_id, role=task.role, like=State.RUNNING) is None

    def again(self, task: Task, like: State, *, variant: int) -> None:
        """Submit the work of a cancelled task anew, with the parameters of another variant, and wait for it to run.

        Raises:
            OutOfReach: it cannot be submitted, and never could.
        """
        out_task_id = fresh_identifier()
        try:
            stage = self._submit(like, role=task.role, out_task_id=out_task_id, after=task.task_id, variant=variant)
        except NotAccepted as error:
            if not error.proven:
                raise
            never = Task(task_id=f"none for {out_task_id}", out_task_id=out_task_id, role=task.role, after=task.task_id)
            self._cast(never)
            return
        self._adopt(stage)
        with contextlib.suppress(OutOfReach):  # then the checks say what became of it
            self.wait(stage.task)

    def _submit(
        self,
        state: State,
        *,
        role: str,
        out_task_id: str | None,
        after: str | None = None,
        variant: int | None = None,
        send: _Send | None = None,
        callback_url: str | None = None,
    ) -> Stage:
        try:
            return self._run.provision.submit(
                self.number,
                state,
                role=role,
                out_task_id=out_task_id,
                after=after,
                variant=variant,
                send=send,
                callback_url=callback_url,
            )
        except NotAccepted as error:
            self.exchanges += error.exchanges
            raise

    def _subscribed(
        self, reply: Reply, state: State, *, role: str, out_task_id: str | None, variant: int | None = None
    ) -> Stage:
        """Submit a task with a callback URL of its own; without one, where no callback can be received."""
        subscription = self._run.ears.subscribe(reply)
        if subscription is None:
            return self._submit(state, role=role, out_task_id=out_task_id, variant=variant)
        try:
            url = subscription.url
            stage = self._submit(state, role=role, out_task_id=out_task_id, variant=variant, callback_url=url)
        except NotAccepted:
            stage = self._submit(state, role=role, out_task_id=out_task_id, variant=variant)
            reason = "submit takes a body without callback_url, and refuses the same body with one"
            self._run.ears.give_up(Capability.CALLBACK, reason)
            return stage
        if _named_once(stage, subscription):
            self.ears.append(Ear(stage.task, subscription))
        return stage

    def listen(self, *tasks: Task) -> None:
        """Open event streams, and follow them beside what is said; nothing, where the target has none."""
        for ear in self._run.ears.streams(tasks):
            self.ears.append(ear)
            self._overhear(ear)

    def query(self, task: Task, *, form: Form = Form.TASK_ID, fresh: bool = False) -> Exchange:
        """Ask for a task by one of its identifiers, with its owner's key.

        Raises:
            OutOfReach: nothing is answered any more.
        """
        by_out = form is Form.OUT_TASK_ID and task.out_task_id is not None
        field = Form.OUT_TASK_ID if by_out else Form.TASK_ID
        identifier = task.out_task_id if by_out and task.out_task_id is not None else task.task_id
        return self._answered(self._run.client.query(self.number, task.role, field.value, identifier, fresh=fresh))

    def look(self) -> None:
        """Ask for each of the story's tasks."""
        self.look_at(*self.tasks.values())

    def look_at(self, *tasks: Task) -> None:
        """Ask for each of these tasks, side by side where that is worth it."""
        self.abreast(*(partial(self.query, task) for task in tasks))

    def still_live(self, *tasks: Task, state: State = State.PENDING) -> list[Task]:
        """Ask for each of these tasks; where one has ended, another in `state` stands in for it.

        Raises:
            OutOfReach: none can be made, or nothing is answered any more.
        """
        reads = abreast([partial(self.query, task) for task in tasks], self._run.breadth)
        return [
            self.task(state) if self.shows(read) in TERMINAL else task for task, read in zip(tasks, reads, strict=True)
        ]

    def abreast(self, *calls: Callable[[], object]) -> None:
        """Say what does not depend on one another: one after the other, or, if the target is far, side by side."""
        abreast(calls, self._run.breadth)

    def cancel(
        self, call: Call, *, role: str | None = None, fresh: bool = False, credential: Credential | None = None
    ) -> Exchange:
        """Send a cancel with the key of `role`, or with what a `credential` makes of the owner's.

        Raises:
            OutOfReach: nothing is answered any more.
        """
        role = role or self.role
        heard = self._run.client.cancel(self.number, role, call, fresh=fresh, credential=credential)
        last = self._answered(heard)
        failed = last.unavailable and last.answer is not None and last.answer.status >= _SERVER_ERROR
        if failed and not Moment(self.told(), last).certain:
            self._ask_in_turns(call, role, credential)
        return last

    def _ask_in_turns(self, call: Call, role: str, credential: Credential | None) -> None:
        """Send a call that got a 5xx of the infrastructure again, in turns with ordinary ones: is it the call (R17)?"""
        client, unknown = self._run.client, self._run.unknown_task_id(next(iter(self.tasks), None))
        ordinary = naming(Form.TASK_ID if call.path is None else Form.PATH, unknown)
        for _ in range(_TURNS):
            spared = self._hear(client.cancel(self.number, role, ordinary, fresh=True, once=True))
            again = self._hear(client.cancel(self.number, role, call, fresh=True, credential=credential, once=True))
            if spared.unavailable or not again.unavailable:
                return

    def at_once(self, *calls: Timed, start_at: float = 0.0) -> list[Exchange]:
        """Send several calls at once, each on a connection of its own, now or at an instant to come."""
        requests = [(self._request(call), call.after) for call in calls]
        heard = self._run.client.together(self.number, requests, start_at=start_at)
        for exchange in heard:
            self._hear([exchange])
        return heard

    def cancel_and_hang_up(self, call: Call) -> None:
        """Send a cancel, and wait for no answer."""
        self._hear([self._run.client.hang_up(self.number, self._run.client.cancel_request(self.role, call))])

    def submit_beside(self, out_task_id: str, *delays: float) -> Task:
        """Submit a pending task, and cancel it by its name at the same time, so many seconds after.

        Raises:
            OutOfReach: the submit is not accepted, or its answer is lost.
        """
        cancels: list[Exchange] = []

        def send(role: str, body: dict[str, object]) -> list[Exchange]:
            client, call = self._run.client, Call(body={"out_task_id": out_task_id})
            calls = [(client.submit_request(role, body), 0.0)]
            calls += [(client.cancel_request(role, call), delay) for delay in delays]
            submit, *others = client.together(self.number, calls)
            cancels.extend(others)
            return [submit]

        try:
            self._adopt(stage := self._submit(State.PENDING, role=self.role, out_task_id=out_task_id, send=send))
        finally:
            for exchange in cancels:
                self._hear([exchange])
        return stage.task

    def _request(self, call: Timed) -> Request:
        client, task = self._run.client, call.task
        if not call.asks:
            return client.cancel_request(call.role, by(call.form, task))
        if call.form is Form.OUT_TASK_ID and task.out_task_id is not None:
            return client.query_request(call.role, call.form.value, task.out_task_id)
        return client.query_request(call.role, Form.TASK_ID.value, task.task_id)

    def account(self, *roles: str) -> None:
        """Read what is left on the payer's account, or on those of some roles, and ask for no task of the story's."""
        self.abreast(*self.readings(*roles))

    def readings(self, *roles: str) -> Iterator[Callable[[], object]]:
        """The ways to read these accounts, for whoever says other things beside."""
        if self._run.tells_credits:
            yield from (partial(self._read_account, role) for role in roles or (self.role,))

    def _read_account(self, role: str) -> None:
        self._answered(self._run.read_account(self.number, role))

    def wait(self, task: Task) -> None:
        """Ask for a task until it is in the state that its recipe leads to.

        Raises:
            OutOfReach: it does not get there.
        """
        stage = self._stages[task.task_id]
        heard = len(stage.exchanges)
        try:
            self._run.provision.bring(self.number, stage)
        finally:
            self.exchanges += stage.exchanges[heard:]

    def unknown(self, like: Task | None = None) -> str:
        """A well-formed task id that names nothing."""
        return self._run.unknown_task_id(like.task_id if like else None)

    def is_free(self, out_task_id: str) -> bool:
        """Whether none but this story's tasks answers to this name: a common word may long be somebody's.

        Raises:
            OutOfReach: nothing is answered any more.
        """
        query = self._run.client.query
        asked = self._answered(query(self.number, self.role, Form.OUT_TASK_ID.value, out_task_id))
        shown = Moment(self.told(), asked).shown
        return shown is None or shown.get("task_id") in self.tasks

    def has_a_name(self, task: Task) -> bool:
        """Ask whether a task has an `out_task_id`, by what is shown of it: it may have one that nobody gave it.

        Raises:
            OutOfReach: nothing is answered any more.
        """
        shown = Moment(self.told(), self.query(task)).shown or {}
        return shown.get("out_task_id") is not None

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def leave(self, task: Task) -> None:
        """Let a task of the story's own live on when the story ends, until it is looked at again."""
        self._left.add(task.task_id)

    def verify(self) -> None:
        """End what is not to be looked at again, and have every check judge the story, if that is to be done here."""
        self._keep_or_end()
        self._hear_out()
        self._run.told(self._run.client.asked - self._asked_before)
        self.alone_until = time.monotonic()
        self.alone = self._run.journal.end_story(self.number, self.alone_until)
        if self._teller.judges:
            self.judge()
            self._teller.broken += self.broken
        self._teller.done(self)
        if self.is_listening:
            self._run.journal.take_up(self.number)  # nobody else hears what is told
            self._run.listening[self.number] = self

    def judge(self) -> None:
        """Judge the story as it now stands, in place of any earlier judgement."""
        story = self.told()
        found = list(judgements(story, self._run.order.only))
        self._run.journal.judge(self.number, found, story.forms_seen, hits(story))
        self.broken = [each for each in found if each.outcome is Outcome.BROKEN]

    def told(self) -> Story:
        """The story so far."""
        return Story(
            tuple(self.tasks.values()),
            self.exchanges,
            self._run.terms,
            self.title,
            alone=self.alone,
            alone_until=self.alone_until,
            haunted=self.haunted,
        )

    @classmethod
    def resumed(cls, teller: Teller, number: int) -> Self:
        """A story that was told to its end, by whichever process, as the journal has it."""
        run = teller.run
        story = run.journal.story(number, run.terms)
        telling = cls(teller, number, first=False, alone=story.alone, haunted=story.haunted)
        telling.alone_until, telling.title = story.alone_until, story.title
        telling.tasks = {task.task_id: task for task in story.tasks}
        telling.exchanges = list(story.exchanges)
        telling.ears = run.listening[number].ears if number in run.listening else []
        return telling

    def look_again(self, kept: Kept, *, cancel_as: Form | None) -> None:
        """Ask again for each of the story's own tasks, cancel the first of them again, and end what lingered.

        What was cancelled is asked for once more.

        Raises:
            OutOfReach: the target fell silent.
        """
        self._run.expect_life()
        self._asked_before = self._run.client.asked
        for index, task_id in enumerate(task.task_id for task in kept.own):
            task = self._run.provision.due(self.tasks[task_id])
            self.tasks[task_id] = task
            self._run.journal.keep_task(task)
            self.query(task, form=Form.OUT_TASK_ID if cancel_as is Form.PATH else Form.TASK_ID, fresh=True)
            if task_id in kept.lingers:
                self.cancel(by(Form.PATH, task), role=task.role)
            elif cancel_as is not None and index == 0:
                self.cancel(by(cancel_as, task), role=task.role, fresh=True)
            else:
                continue
            self.query(task)
        self.stop_listening()
        self._run.told(self._run.client.asked - self._asked_before)
        self.judge()

    def wait_out(self, at_most: float) -> None:
        """Let time pass until every task of the story would have ended undisturbed, if that is known to be soon."""
        for task_id in self._stages:
            self._cast(self._run.provision.due(self.tasks[task_id]))
        if (left := self.watched_until - time.monotonic()) < at_most:
            time.sleep(max(0.0, left))

    def stop_listening(self) -> None:
        """Hear no more; what was heard so far belongs to the story."""
        for ear in self.ears:
            self._run.ears.stop(ear)
            self._overhear(ear)
        self.ears.clear()

    @property
    def is_listening(self) -> bool:
        """Whether a stream or a callback URL of this story is still listened to."""
        return bool(self.ears)

    def listens_until(self) -> float:
        """The instant by which all that the story listens to has surely been told, by what was heard so far."""
        for ear in self.ears:
            self._overhear(ear)
        return 0.0 if all(map(self._has_told, self.ears)) else self.alone_until + self._run.terms.notice

    @property
    def watched_until(self) -> float:
        """The instant by which every task of the story would have ended undisturbed, as far as that is known."""
        return self._run.watched_until(self.tasks[task_id] for task_id in self._stages)

    def _shared(self, state: State, *, named: bool) -> Task:
        """A shared task that, by the last that was heard of it, is still in its state."""
        while True:
            stage = self._run.provision.shared(state, self._chance, named=named)
            if stage.task.task_id not in self.tasks:
                self._adopt(stage, own=False)
            read = stage.exchanges[-1] if stage.exchanges else None
            if read is not None and read.request.operation is Operation.QUERY and self._chance % 2:
                return stage.task
            read = self.query(stage.task)
            if self.shows(read) in {state, None}:
                stage.exchanges.append(read)
                return stage.task
            self._run.provision.dismiss(stage.task)

    def _adopt(self, stage: Stage, *, own: bool = True) -> None:
        task = stage.task
        self._cast(task, own=own)
        if own:
            self._stages[task.task_id] = stage
            self.exchanges += stage.exchanges
        elif stage.exchanges and stage.exchanges[-1].request.operation is Operation.QUERY:
            self.exchanges.append(stage.exchanges[-1])
            self._run.journal.retell(self.number, stage.exchanges[-1].number)

    def _cast(self, task: Task, *, own: bool = False) -> None:
        self.tasks[task.task_id] = task
        with self._run.journal.transaction():
            self._run.journal.keep_task(task)
            self._run.journal.cast(self.number, task, own=own)

    def _answered(self, heard: Sequence[Exchange]) -> Exchange:
        last = self._hear(heard)
        if self._run.client.asks_in_vain:
            raise OutOfReach(f"the target does not answer: {last.lost}")
        return last

    def _hear(self, heard: Sequence[Exchange]) -> Exchange:
        self.exchanges += heard
        for exchange in heard:
            if exchange.request.role in self._roles() and self.shows(exchange) in TERMINAL:
                document = exchange.answer.document if exchange.answer else None
                if isinstance(document, dict) and document.get("task_id") in self.tasks:
                    self._run.saw_end(document["task_id"], exchange)
        return heard[-1]

    def _roles(self) -> set[str]:
        return {task.role for task in self.tasks.values()}

    def shows(self, exchange: Exchange) -> State | None:
        """The state that a 200 answer shows, by the target's names."""
        answer = exchange.answer
        if answer is None or answer.status != OK or not isinstance(answer.document, dict):
            return None
        name = answer.document.get("status")
        return self._run.terms.states.get(name) if isinstance(name, str) else None

    def _hear_out(self) -> None:
        """Wait a moment for what is about to be told; what is not remains listened to, as far as there is room."""
        now = time.monotonic()
        for ear in self.ears:
            until = now + self._run.ears.patience(ear)
            while not self._is_done(ear) and ear.listener.has_more(until):
                self._overhear(ear)
            self._run.ears.learn(ear, told=self._has_told(ear))
        self.ears = [ear for ear in self.ears if not ear.is_over]
        for ear in reversed(self.ears):  # those that were opened first may have been open before the cancel
            if not self._run.ears.has_room_for(ear):
                self._run.ears.stop(ear)
                self._overhear(ear)
        self.ears = [ear for ear in self.ears if not ear.is_over]

    def _overhear(self, ear: Ear) -> None:
        self.exchanges += self._run.ears.collect(self.number, ear)

    def _is_done(self, ear: Ear) -> bool:
        return ear.is_over or (not ear.is_stream and self._has_told(ear))

    def _has_told(self, ear: Ear) -> bool:
        """Whether a listener was told the end of its task, or can be told no more."""
        story = self.told()
        return ear.is_over or any(Notice(story, each).state in TERMINAL for each in ear.heard)

    def _keep_or_end(self) -> None:
        """End what still runs; the first story of a test keeps what is sure to hold, to be looked at again."""
        story, live = self._told_afresh(), []
        for task_id in self._stages:
            task = self.tasks[task_id]
            reads = story.reads_of(task)
            if reads and reads[-1].state in TERMINAL:
                continue
            if task_id in self._left or (self._first and task.pending_until > time.monotonic() + _HOLDS_LONG):
                self._run.journal.linger(self.number, task_id)
            elif not reads or reads[-1].state in LIVE:
                live.append(task)
        self.end(*live)

    def _told_afresh(self) -> Story:
        """The story so far; what was told to wait after it was told to run is asked for once that is no old look."""
        story = self.told()
        last = {task: read for task in story.tasks for read in story.reads_of(task)[-1:]}
        fresh_from = {task: story.fresh_from(read, task) for task, read in last.items()}
        doubtful = [task for task, read in last.items() if read.exchange.sent_at < fresh_from[task]]
        if not doubtful:
            return story
        time.sleep(max(0.0, max(fresh_from[task] for task in doubtful) - time.monotonic()))
        self.look_at(*doubtful)
        return self.told()

    def end(self, *tasks: Task) -> None:
        """Cancel each of these tasks by its path, with its own key."""
        self.abreast(*(partial(self._end, task) for task in tasks))

    def _end(self, task: Task) -> None:
        self._hear(self._run.client.cancel(self.number, task.role, by(Form.PATH, task)))


def _named_once(stage: Stage, subscription: Subscription) -> bool:
    """Whether just one task was given that URL: a submit that was sent twice may have made two."""
    if len(stage.exchanges) != 1:
        return False
    asked = stage.exchanges[0].request.document
    return isinstance(asked, dict) and asked.get("callback_url") == subscription.url
