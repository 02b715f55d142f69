"""STATE: what a cancel does to a task, and to no other."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.findings import (
    answered,
    blamable,
    broken,
    held,
    kept_from_work,
    left_alone,
    quoted,
    touches,
    unavailable,
    undecided,
)
from conformance.checks.registry import check
from conformance.lawful import Task
from conformance.states import LIVE, TERMINAL, State
from conformance.story import OK, Moment, Story
from conformance.verdict import Judgement

_ACCEPTED = range(200, 300)


@check("STATE-1")
def pending_tasks_become_cancelled(story: Story) -> Iterator[Judgement]:
    """A cancel that met a pending task answers 200 `cancelled`; one right after a pending read does so too (R25)."""
    for moment, task in _certain(story):
        during, last = moment.during(task), moment.last_read(task)
        sure = during <= {State.PENDING, State.CANCELLED} and State.PENDING in during
        if sure or (last is not None and last.state is State.PENDING and during & LIVE):
            yield _ended_as(moment, task, {State.CANCELLED}, sure=sure)


@check("STATE-2")
def running_tasks_end(story: Story) -> Iterator[Judgement]:
    """A cancel that met a running task answers 200 with a terminal status (ruling R6)."""
    for moment, task in _certain(story):
        last = moment.last_read(task)
        if last is not None and last.state is State.RUNNING:
            yield _ended_as(moment, task, set(TERMINAL), sure=moment.during(task) <= {State.RUNNING})


@check("STATE-3")
def cancelled_tasks_leave_flight(story: Story) -> Iterator[Judgement]:
    """After a 200 every later query shows a terminal status."""
    for moment, task in story.answered_cancels:
        if not (moment.shows(task) or moment.certain):
            continue
        for read in moment.later_reads(task):
            yield _terminal(read, task, f"a terminal status, as exchange {moment.exchange.number} answered 200")


@check("STATE-4")
def terminal_statuses_stay(story: Story) -> Iterator[Judgement]:
    """Once a query showed a terminal status, every later one shows the same, also past the task's natural end."""
    for task in story.tasks:
        ended: list[Moment] = []
        for read in story.reads_of(task):
            earlier = next((each for each in reversed(ended) if each.exchange.ended_at <= read.exchange.sent_at), None)
            if earlier is not None:
                yield _stays(task, earlier, read)
            if read.state in TERMINAL:
                ended.append(read)


@check("STATE-5")
def cancelled_tasks_gain_no_output(story: Story) -> Iterator[Judgement]:
    """What a cancelled task shows as its output does not grow, from its cancel on and past its natural end."""
    for task in story.tasks:
        first: Moment | None = None
        for moment in _sightings(story, task):
            if first is not None and moment.exchange.sent_at >= first.exchange.ended_at:
                yield from _no_new_output(task, first, moment)
            if moment.state is not State.CANCELLED:
                continue
            if _output(moment) and moment.exchange.ended_at <= task.pending_until:
                yield broken(moment, "no output: the task never started", f"output {quoted(_output(moment))}")
            first = first or moment


@check("STATE-6")
def a_query_shows_the_result_at_once(story: Story) -> Iterator[Judgement]:
    """The first query after the cancel, by either identifier, shows the status that the cancel answered."""
    for moment, task in story.answered_cancels:
        if not moment.shows(task) or moment.state not in TERMINAL:
            continue
        asked = set()
        for read in moment.later_reads(task):
            forms = read.exchange.request.named.forms
            if forms not in asked:
                asked.add(forms)
                wanted = f"status {moment.state}, as exchange {moment.exchange.number} answered"
                if read.state is moment.state:
                    yield held(read)
                elif read.state is not None or (read.telling and _readable(read)):
                    yield broken(read, wanted, answered(read) if read.state is None else f"status {read.state}")


@check("STATE-7")
def other_tasks_go_on(story: Story) -> Iterator[Judgement]:
    """A cancel that was accepted leaves every other task of the key alone."""
    for task in story.tasks:
        suspects = [each for each in story.cancels if each.role == task.role and not each.may_have_acted(task)]
        for moment in suspects:
            if not touches(moment, task) and moment.status == OK:
                yield left_alone(moment, task)
        yield from _unexplained(task, story, suspects)
    yield from kept_from_work(story, foreign=False)


@check("STATE-8")
def the_work_can_be_submitted_again(story: Story) -> Iterator[Judgement]:
    """After the cancel, the work is accepted anew with other parameters and identifier, and goes on."""
    for task in story.tasks:
        if task.after is None:
            continue
        for submit in story.submits:
            if submit.exchange.request.named.out_task_id == task.out_task_id:
                yield from _resubmitted(submit, task)


def _certain(story: Story) -> Iterator[tuple[Moment, Task]]:
    return ((moment, moment.task) for moment in story.cancels if moment.certain and moment.task is not None)


def _stays(task: Task, earlier: Moment, later: Moment) -> Judgement:
    if later.state is not earlier.state:
        wanted = f"status {earlier.state}, as exchange {earlier.exchange.number} showed"
        return broken(later, wanted, f"status {later.state}")
    if earlier.state is not State.CANCELLED or _past_its_end(task, later):
        return held(later)
    return undecided(later, "the time at which the task would have ended by itself was not reached")


def _past_its_end(task: Task, moment: Moment) -> bool:
    return task.due is not None and moment.exchange.sent_at >= task.due


def _no_new_output(task: Task, first: Moment, later: Moment) -> Iterator[Judgement]:
    """What a task that `first` showed as cancelled shows later; on a cancel's word alone, while it stays cancelled."""
    told = later.last_read(task)
    if later.state is not State.CANCELLED and not (told is not None and told.state is State.CANCELLED):
        return
    before, after = _output(first), _output(later)
    if after and not _same_output(first, before, after):
        wanted = f"output {quoted(before)}, as exchange {first.exchange.number} showed" if before else ""
        wanted = wanted or f"no output, as exchange {first.exchange.number} showed the task as cancelled"
        yield broken(later, wanted, f"output {quoted(after)}")
    elif _past_its_end(task, later):
        yield held(later)
    else:
        yield undecided(later, "the time at which the task would have had an output was not reached")


def _same_output(moment: Moment, before: object, after: object) -> bool:
    """Whether two outputs are the same but for what is volatile in a task."""
    return moment.story.same({"output": before}, {"output": after})


def _ended_as(moment: Moment, task: Task, wanted: set[State], *, sure: bool) -> Judgement:
    """A 200 is owed in any state; which status is certain only where it is `sure` in which state the task was met."""
    if moment.exchange.unavailable:
        return unavailable(moment)
    if moment.status != OK and moment.follows_another(task):
        return undecided(moment, f"the task may have been cancelled before, which is for IDEMP: {answered(moment)}")
    if moment.status != OK or not moment.shows(task) or moment.state not in TERMINAL:
        return broken(moment, f"200 with status {' or '.join(sorted(wanted))}", answered(moment))
    if moment.state is State.CANCELLED or (sure and moment.state in wanted):
        return held(moment)
    if sure:
        return broken(moment, f"200 with status {' or '.join(sorted(wanted))}", answered(moment))
    return undecided(moment, f"the task may have ended by itself before the cancel: {answered(moment)} (R25)")


def _terminal(read: Moment, task: Task, wanted: str) -> Judgement:
    if read.state in TERMINAL:
        return held(read)
    if read.state is None and not (read.telling and _readable(read)):
        return undecided(read, f"the task could not be read: {answered(read)}")
    return broken(read, wanted, answered(read) if read.state is None else f"status {read.state} of task {task.task_id}")


def _readable(read: Moment) -> bool:
    """Whether the same query, in the same form, had shown the task before."""
    task, forms = read.task, read.exchange.request.named.forms
    return task is not None and any(
        earlier.exchange.request.named.forms == forms and earlier.exchange.number < read.exchange.number
        for earlier in read.story.reads_of(task)
    )


def _sightings(story: Story, task: Task) -> list[Moment]:
    """Every answer that showed `task`, of queries and of cancels, in order."""
    seen = [*story.reads_of(task), *(moment for moment in story.cancels if moment.shows(task))]
    return sorted(seen, key=lambda moment: moment.exchange.sent_at)


def _output(moment: Moment) -> object:
    return moment.shown.get("output") if moment.shown else None


def _unexplained(task: Task, story: Story, suspects: list[Moment]) -> Iterator[Judgement]:
    """Moves to `cancelled` that no cancel of this very task explains, and that no single look-alike is to blame for."""
    for read in story.reads_of(task):
        previous = story.last_read(task, read.exchange.sent_at)
        if read.state is not State.CANCELLED or (previous is not None and previous.state not in LIVE):
            continue
        lawful = story.belief(task, read.exchange.sent_at, read.exchange.ended_at)
        if State.CANCELLED in lawful or story.stopped_before(task, read):
            continue
        since = previous.exchange.sent_at if previous else float("-inf")
        earlier = [each for each in suspects if each.exchange.sent_at < read.exchange.ended_at]
        culprits = [each for each in earlier if each.exchange.ended_at > since] or earlier
        near = [each for each in culprits if touches(each, task)]
        if culprits and not (len(near) == 1 and blamable(near[0], task, read)):
            yield broken(read, f"task {task.task_id} in flight: nobody cancelled it", "status cancelled")


def _resubmitted(submit: Moment, task: Task) -> Iterator[Judgement]:
    if submit.exchange.unavailable:
        yield unavailable(submit)
    elif submit.status not in _ACCEPTED:
        yield broken(submit, "the same work, with other parameters and a new identifier, accepted", answered(submit))
    elif task.task_id == task.after:
        yield broken(submit, "a new task", f"the cancelled task {task.after} again")
    else:
        yield _goes_on(submit, task)


def _goes_on(submit: Moment, task: Task) -> Judgement:
    story = submit.story
    reads = story.reads_of(task)
    if any(read.state in {State.RUNNING, State.COMPLETED} for read in reads):
        return held(reads[-1])
    if reads and reads[-1].state is State.CANCELLED and not story.stopped_before(task, reads[-1]):
        return broken(reads[-1], f"task {task.task_id} at work: nobody cancelled it", "status cancelled")
    return undecided(submit, "the new task was not seen to run")
