"""Whole lives: programs of steps on a few tasks, how they are told, made smaller, and kept for another day.

A program is a plain tuple of frozen steps. It names tasks by their index, keys by their part and recipes by their
number, and nothing that a target made up: one seed gives one program, and a program means the same in every run. One
that broke a requirement is made smaller by telling parts of it again, and is kept as a replay: the fewest steps that
were seen to break the requirement too.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

import conformance
from conformance.account import noise, readings
from conformance.exchange import Exchange, Form
from conformance.lawful import Task
from conformance.report.text import curl, printable
from conformance.requirements import catalogue
from conformance.sameness import pointed
from conformance.states import TERMINAL, State
from conformance.story import Story
from conformance.target.call import Call, by
from conformance.target.provision import AUTO, OutOfReach
from conformance.teller import Teller, Telling

if TYPE_CHECKING:
    from conformance.target.profile import Profile
    from conformance.verdict import Judgement

MOST_TASKS: Final = 5
"""Tasks that live in one random program."""

MOST_REQUESTS: Final = 200
"""Requests that making the programs of one story smaller may take."""

_MOST_STEPS: Final = 200
_MOST_SECONDS: Final = 60.0
_MOST_BYTES: Final = 1 << 20
_REQUESTS_OF_A_TASK: Final = 4
_FEW: Final = 3
_FORMAT: Final = "cancel-conformance/replay"
_VERSION: Final = 1

Item = TypeVar("Item")


class Key(StrEnum):
    """Whose key a step uses: the owner's, or the first other one that the profile names."""

    OWNER = "owner"
    OTHER = "other"


# --- steps ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Submit:
    """A task is submitted by a variant of the recipe for `state`; where that is `awaited`, it is waited for."""

    task: int
    state: State = State.PENDING
    variant: int = 0
    named: bool = True
    awaited: bool = False
    key: Key = Key.OWNER

    def __str__(self) -> str:
        named = "with" if self.named else "without"
        waited = f", and wait until it is {self.state}" if self.awaited else ""
        recipe = f"by variant {self.variant} of the {self.state} recipe"
        return f"submit task {self.task} {recipe}, {named} an out_task_id, with {self.key}'s key{waited}"

    def tell(self, life: Life) -> None:
        """Submit it, and wait where that is asked for."""
        out, role = AUTO if self.named else None, life.role(self.key)
        life.tasks[self.task] = life.telling.begin(self.state, variant=self.variant, out=out, role=role)
        if self.awaited:
            life.telling.wait(life.tasks[self.task])


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """A task is cancelled in one form, with its own key or a foreign one."""

    task: int
    form: Form = Form.PATH
    key: Key = Key.OWNER

    def __str__(self) -> str:
        return f"cancel task {self.task} in the {self.form} form, with {self.key}'s key"

    def tell(self, life: Life) -> None:
        """Cancel it."""
        life.cancel(by(self.form, life.tasks[self.task]), self.key)


@dataclass(frozen=True, kw_only=True)
class CancelBoth:
    """One body names `task` by its task id and `other` by its `out_task_id`, or, `turned`, in the other order."""

    task: int
    other: int
    turned: bool = False
    key: Key = Key.OWNER

    def __str__(self) -> str:
        pair = [f"task_id of task {self.task}", f"out_task_id of task {self.other}"]
        return f"cancel by {' and '.join(pair[::-1] if self.turned else pair)} in one body, with {self.key}'s key"

    def tell(self, life: Life) -> None:
        """Send both."""
        pair = [("task_id", life.tasks[self.task].task_id), ("out_task_id", _out(life.tasks[self.other]))]
        life.cancel(Call(body=dict(pair[::-1] if self.turned else pair)), self.key)


@dataclass(frozen=True, kw_only=True)
class CancelAcross:
    """The path names `task`, the body `other`."""

    task: int
    other: int
    field: Form = Form.TASK_ID
    key: Key = Key.OWNER

    def __str__(self) -> str:
        inside = f"{self.field} of task {self.other} in the body"
        return f"cancel task {self.task} in the path form with {inside}, with {self.key}'s key"

    def tell(self, life: Life) -> None:
        """Send both."""
        other = life.tasks[self.other]
        value = _out(other) if self.field is Form.OUT_TASK_ID else other.task_id
        life.cancel(Call(path=life.tasks[self.task].task_id, body={self.field.value: value}), self.key)


@dataclass(frozen=True, kw_only=True)
class Query:
    """A task is asked for with its own key."""

    task: int
    field: Form = Form.TASK_ID

    def __str__(self) -> str:
        return f"query task {self.task} by {self.field}"

    def tell(self, life: Life) -> None:
        """Ask for it."""
        life.telling.query(life.tasks[self.task], form=self.field)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Time passes."""

    seconds: float

    def __str__(self) -> str:
        return f"wait {self.seconds:g} s"

    def tell(self, life: Life) -> None:
        """Wait."""
        life.telling.pause(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account is read, where the target shows one."""

    key: Key = Key.OWNER

    def __str__(self) -> str:
        return f"read the account of {self.key}'s key"

    def tell(self, life: Life) -> None:
        """Read it."""
        life.telling.account(life.role(self.key))


Step = Submit | Cancel | CancelBoth | CancelAcross | Query | Pause | Account
Program = tuple[Step, ...]

STEPS: Final[Mapping[str, type[Step]]] = {
    "submit": Submit,
    "cancel": Cancel,
    "cancel both": CancelBoth,
    "cancel across": CancelAcross,
    "query": Query,
    "wait": Pause,
    "account": Account,
}
"""The kinds of steps by their names in a replay."""


def names(step: Step) -> tuple[int, ...]:
    """The indices of the tasks that a step is about."""
    return tuple(getattr(step, field) for field in ("task", "other") if hasattr(step, field))


def with_one_key(program: Program) -> Program:
    """The program as it is where the owner's is the only key."""
    return tuple(_changed(step, key=Key.OWNER) if hasattr(step, "key") else step for step in program)


def grounded(program: Sequence[Step]) -> Program:
    """The program without steps on tasks that were not submitted before, its tasks numbered in their order."""
    numbers: dict[int, int] = {}
    kept = []
    for step in program:
        if isinstance(step, Submit):
            numbers[step.task] = len(numbers)
        if all(task in numbers for task in names(step)):
            kept.append(_renumbered(step, numbers))
    return tuple(kept)


def _renumbered(step: Step, numbers: Mapping[int, int]) -> Step:
    return _changed(
        step, **{field: numbers[getattr(step, field)] for field in ("task", "other") if hasattr(step, field)}
    )


def _changed(step: Step, **fields: object) -> Step:
    return cast("Step", replace(cast("Any", step), **fields))


def _out(task: Task) -> str:
    """The task's `out_task_id`, or one that nothing has."""
    return task.out_task_id or f"{task.task_id}-x"


# --- a life --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """A step, and what was said and heard by it."""

    step: Step
    exchanges: tuple[Exchange, ...]


class Life:
    """A program while it is told, and what came of it.

    The accounts are read first and last; at the end every task is looked at and ended. A step that cannot be told ends
    the program early, and `stuck` says why.
    """

    def __init__(self, telling: Telling, program: Program, roles: Sequence[str]) -> None:
        self.telling = telling
        self.program = program
        self.tasks: dict[int, Task] = {}
        self.told: list[Told] = []
        self.stuck = ""
        self._roles = dict(zip(Key, roles, strict=False))

    def tell(self) -> Iterator[Told]:
        """Say it all, step by step."""
        try:
            self._read_accounts()
            for step in self.program:
                heard = len(self.telling.exchanges)
                step.tell(self)
                self.told.append(Told(step, tuple(self.telling.exchanges[heard:])))
                yield self.told[-1]
        except OutOfReach as error:
            self.stuck = str(error)
        self._end()

    def role(self, key: Key) -> str:
        """The profile's role that speaks with `key`.

        Raises:
            OutOfReach: the profile has no such key.
        """
        if key not in self._roles:
            raise OutOfReach("the program needs a second key; write [keys.other] or set CONFORMANCE_OTHER_KEY")
        return self._roles[key]

    def cancel(self, call: Call, key: Key) -> None:
        """Send a cancel with `key`."""
        self.telling.cancel(call, role=self.role(key))

    @cached_property
    def broken(self) -> dict[str, Judgement]:
        """The first judgement of each requirement that is broken; on accounts, where nobody else moves them."""
        moved = noise(self.telling.told())
        certain = [judgement for judgement in self.telling.broken if not (judgement.account and moved)]
        return {judgement.requirement: judgement for judgement in reversed(certain)}

    def place_of(self, exchange: int | None) -> int | None:
        """The place in the program of the step that an exchange belongs to."""
        numbers = [{each.number for each in told.exchanges} for told in self.told]
        return next((place for place, those in enumerate(numbers) if exchange in those), None)

    def mentioned(self, text: str) -> set[int]:
        """The tasks that stand in `text` by one of their identifiers."""
        return {index for index, task in self.tasks.items() if any(name in text for name in task.identifiers)}

    def disguised(self, text: str) -> str:
        """`text` with `TASK-0` and `OUT-0` in the place of the identifiers of task 0."""
        for index, task in self.tasks.items():
            text = text.replace(task.task_id, f"TASK-{index}")
            text = text.replace(task.out_task_id, f"OUT-{index}") if task.out_task_id else text
        return text

    def _read_accounts(self) -> None:
        used = {getattr(step, "key", None) for step in self.program}
        self.telling.abreast(*self.telling.readings(*(self.role(key) for key in Key if key in used)))

    def _end(self) -> None:
        self.telling.look()
        story = self.telling.told()
        live = [task for task in story.tasks if not _has_ended(story, task)]
        self.telling.end(*live)
        self.telling.look_at(*live)
        roles = dict.fromkeys(exchange.request.role for exchange in self.telling.exchanges)
        self.telling.abreast(*self.telling.readings(*roles))


def lived(teller: Teller, program: Program) -> Life:
    """The program, told to its end in a story of its own."""
    life = Life(teller.story(alone=True), program, ("owner", *teller.run.order.profile.others))
    for _ in life.tell():
        pass
    return life


def _has_ended(story: Story, task: Task) -> bool:
    reads = story.reads_of(task)
    return bool(reads) and reads[-1].state in TERMINAL


# --- smaller lives -------------------------------------------------------------------------------------------------


def reduced(items: Sequence[Item], breaks: Callable[[tuple[Item, ...]], bool]) -> tuple[Item, ...]:
    """As few of `items` as still break, by delta debugging (ddmin): no single one can be taken away any more.

    Pieces are taken away from the end, where they depend on others and none on them: at first halves, at last single
    items, these as often as it helps.
    """
    kept, size = tuple(items), len(items) // 2
    while size:
        smaller = _without_pieces(kept, size, breaks)
        size = size // 2 if size > 1 else int(smaller != kept)
        kept = smaller
    return kept


def _without_pieces(kept: tuple[Item, ...], size: int, breaks: Callable[[tuple[Item, ...]], bool]) -> tuple[Item, ...]:
    end = len(kept)
    while end > 0:
        start = max(0, end - size)
        rest = kept[:start] + kept[end:]
        if rest and breaks(rest):
            kept = rest
        end = start
    return kept


def shrunk(program: Program, breaks: Callable[[Program], bool]) -> Program:
    """A smaller program that still breaks: without some tasks, without some steps, and with one task for two."""
    tasks = reduced(
        [step.task for step in program if isinstance(step, Submit)], lambda few: breaks(about(program, few))
    )
    smaller = grounded(reduced(about(program, tasks), breaks))
    simpler = next((each for each in _merged(smaller) if breaks(each)), None)
    return smaller if simpler is None else shrunk(simpler, breaks)


def about(program: Program, tasks: Sequence[int]) -> Program:
    """The steps that are about no other tasks than these."""
    return tuple(step for step in program if {*names(step)} <= {*tasks})


def _merged(program: Program) -> Iterator[Program]:
    """The programs in which one task stands for two."""
    tasks = [step.task for step in program if isinstance(step, Submit)]
    for kept, dropped in ((kept, dropped) for dropped in tasks for kept in tasks if kept < dropped):
        numbers = {task: kept if task == dropped else task for task in tasks}
        rest = [step for step in program if not (isinstance(step, Submit) and step.task == dropped)]
        yield grounded([_renumbered(step, numbers) for step in rest])


def patient(program: Program) -> Program:
    """The program with every task waited for that is to run: then it depends less on time."""
    return tuple(
        replace(step, awaited=True) if isinstance(step, Submit) and step.state is State.RUNNING else step
        for step in program
    )


def doubled(program: Program) -> Program:
    """The program, and the same once more with other tasks."""
    submits = [step for step in program if isinstance(step, Submit)]
    numbers = {step.task: step.task + len(submits) for step in submits}
    return (*program, *(_renumbered(step, numbers) for step in program))


def guesses(life: Life, row: str) -> Iterator[Program]:
    """What of a life may be enough to break `row` again, by the exchange that broke it: the boldest guess first."""
    judgement = life.broken[row]
    evidence = next((each for each in life.telling.exchanges if each.number == judgement.exchange), None)
    place = life.place_of(judgement.exchange)
    upto = life.program if place is None else life.program[: place + 1]
    last = None if place is None else life.program[place]
    tasks = life.mentioned(f"{_sent(evidence)} {judgement.wanted} {judgement.got}")
    those = about(upto, sorted(tasks if last is None else tasks | {*names(last)}))
    yield tuple(step for step in those if isinstance(step, Submit) or step is last)
    yield tuple(step for step in those if isinstance(step, Submit | Cancel | CancelBoth | CancelAcross))
    yield those
    yield upto


def _sent(exchange: Exchange | None) -> str:
    return f"{exchange.request.url} {(exchange.request.content or b'').decode(errors='replace')}" if exchange else ""


class Reruns:
    """The programs that a test told, and parts of them that are told again, each once and in a story of its own.

    They may take so many requests for each life that broke something, and of what the run may still submit no more
    than half. What the allowance does not have, and what gets stuck, is not known to break.
    """

    def __init__(self, teller: Teller) -> None:
        run = teller.run
        self._run = run
        self._teller = Teller(run, f"{teller.title}, made smaller", ())
        self._lives: dict[Program, Life] = {}
        self._until = self._end = run.journal.count()
        self._tasks = _midway(run.budget.tasks, run.budget.most_tasks)
        self._credits = _midway(float(run.budget.credits), run.budget.most_credits)
        self._short = False
        self.done: set[str] = set()
        """The requirements for which no smaller program is to be looked for."""
        self.found_in: dict[str, int] = {}
        """How many steps the program had that was the first to break a requirement."""

    def add(self, life: Life, requests: int = MOST_REQUESTS) -> None:
        """A life that broke something, and what may be sent to make it smaller."""
        self._end = self._run.journal.count() + requests
        self._keep(life)

    @property
    def broken(self) -> set[str]:
        """The requirements that one of the programs broke."""
        return {row for life in self._lives.values() for row in life.broken}

    def breaks(self, program: Program, row: str) -> bool:
        """Whether the program was seen to break `row`."""
        life = self.life(grounded(program))
        return life is not None and row in life.broken

    def life(self, program: Program) -> Life | None:
        """What came of a program, none where nobody can tell."""
        if program not in self._lives and self._affords(program):
            life = lived(self._teller, program)
            life.telling.judge()
            self._keep(life)
        return self._lives.get(program)

    def shrink(self, row: str, share: float) -> None:
        """Look for a smaller program that breaks `row`, as long as its share of what is left lasts."""
        count, self._short = self._run.journal.count(), False
        self._until = count + round((self._end - count) * share)
        shrunk(self.smallest(row).program, lambda program: self.breaks(program, row))
        if not self._short:
            self.done.add(row)

    def guess(self, rows: Iterable[str]) -> None:
        """Try what is likely to be enough to break each of the rows, the boldest guess first, and sums last."""
        self._until = self._end
        lives = {row: self.smallest(row) for row in sorted(rows)}
        for row in sorted(lives, key=lambda row: self._is_of_the_end(lives[row], row)):
            start = self.smallest(row)
            next((each for each in self._guesses(start, row) if self.breaks(each, row)), None)

    def smallest(self, row: str) -> Life:
        """The life of the fewest steps that was seen to break `row`."""
        return min((life for life in self._lives.values() if row in life.broken), key=lambda life: len(life.program))

    def _guesses(self, life: Life, row: str) -> Iterator[Program]:
        """Where only the sum was wrong, two tasks that each break something; and what the exchange points to."""
        if self._is_of_the_end(life, row):
            few = sorted({self.smallest(other).program for other in self.broken}, key=len)
            yield from (doubled(program) for program in few[:_FEW] if 2 * len(program) < len(life.program))
        yield from map(patient, guesses(life, row))

    def _is_of_the_end(self, life: Life, row: str) -> bool:
        return life.place_of(life.broken[row].exchange) is None

    def _keep(self, life: Life) -> None:
        self._lives[grounded(life.program)] = life
        for row in life.broken:
            self.found_in.setdefault(row, len(life.program))

    def _affords(self, program: Program) -> bool:
        tasks = sum(isinstance(step, Submit) for step in program)
        within = tasks > 0 and self._is_within(len(program), tasks)
        self._short |= tasks > 0 and not within
        return within

    def _is_within(self, steps: int, tasks: int) -> bool:
        run = self._run
        return (
            run.client.unanswered == 0
            and run.journal.count() + steps + _REQUESTS_OF_A_TASK * (tasks + 1) <= self._until
            and run.budget.tasks + tasks <= self._tasks
            and run.budget.credits <= self._credits
        )


def _midway(spent: float, most: object) -> float:
    return math.inf if most is None else (spent + float(str(most))) / 2


def keep_smallest(teller: Teller, life: Life) -> None:
    """Make smaller what broke each requirement, keep it as a replay, and tell of it; what is known is left alone."""
    if not life.broken:
        return
    reruns = teller.reruns = teller.reruns or Reruns(teller)
    reruns.add(life)
    order = teller.run.order
    known = {each.requirement for each in order.profile.known}
    reruns.guess(reruns.broken - known - reruns.done)
    tried = known | reruns.done
    while rows := reruns.broken - tried:
        row = max(rows, key=lambda row: (catalogue()[row].level == "MUST", len(reruns.smallest(row).program), row))
        reruns.shrink(row, share=1.0 if len(rows) == 1 else 0.5)
        tried.add(row)
    for row in sorted(reruns.broken - known, key=[*catalogue()].index):
        life = reruns.smallest(row)
        replay = Replay(requirement=row, program=life.program, found_in=reruns.found_in[row], seed=order.seed)
        path = replay.write(order.report_dir)
        teller.reproductions[row] = reproduction(life, replay, path, order.profile)
    teller.run.journal.note("reproductions", teller.reproductions)


def reproduction(life: Life, replay: Replay, path: Path, profile: Profile) -> str:
    """The program for a reader: a numbered line a step, each with the line that sends it, and how to replay it."""
    lines = [f"  {replay.requirement} is broken by {replay.size}:"]
    for number, told in enumerate(life.told, start=1):
        lines.append(f"  {number:>3}  {told.step}")
        lines += [f"       {command(life, told, profile.base_url)}"] if told.exchanges else []
    lines += [
        "       and at the end: look at every task, cancel by path what is in flight, look again, read the account"
    ]
    lines += [f"  replay  cancel-conformance replay {shlex.quote(str(path))} {_target(profile)}"]
    return "\n".join(lines)


def command(life: Life, told: Told, base_url: str) -> str:
    """The line that sends a step again, with placeholders for what the target makes up and for the keys."""
    exchange = told.exchanges[0 if isinstance(told.step, Submit) else -1]
    return life.disguised(curl(exchange.request, base_url))


def outcome(life: Life, told: Told) -> str:
    """What a step was answered, in a few words."""
    if not told.exchanges:
        return ""
    answer, terms = told.exchanges[-1].answer, life.telling.told().terms
    if answer is None:
        return printable(f"no answer: {told.exchanges[-1].lost}")
    found = [series[-1] for series in readings(Story((), told.exchanges, terms)).values()]
    if isinstance(told.step, Account) and found:
        return f"{found[-1].credits} credits left"
    document = answer.document
    said = document.get("status") if isinstance(document, dict) else None
    said = said if isinstance(said, str) else pointed(document, terms.code_at)
    return printable(f"{answer.status} {said}" if isinstance(said, str) else str(answer.status))


def _target(profile: Profile) -> str:
    """The options of `replay` that name the target again."""
    if profile.source is None:
        return f"--base-url {shlex.quote(profile.base_url)}"
    inside = profile.source.is_relative_to(Path(conformance.__file__).parent)
    return "--fault …" if inside else f"--target {shlex.quote(str(profile.source))}"


def prove_forms(teller: Teller, roles: Sequence[str]) -> None:
    """See each form accepted for each role, where that can be: without that, what is refused proves nothing."""
    for role in roles:
        telling = teller.story()
        with suppress(OutOfReach):
            task = telling.task(role=role)
            for form in (Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID):
                telling.cancel(by(form, task), role=role)
            telling.query(task)
        telling.verify()


# --- replays -------------------------------------------------------------------------------------------------------


class NoReplay(Exception):
    """The file holds no program that can be told; the text says which file, what is wrong, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A program that was seen to break a requirement; it was found in one of so many steps, in a run of that seed."""

    requirement: str
    program: Program
    found_in: int
    seed: int

    @property
    def size(self) -> str:
        """How long the program is, and was."""
        few, many = len(self.program), self.found_in
        return f"{few} step{'s' if few > 1 else ''}" + (f" (found in a random life of {many})" if many > few else "")

    def write(self, folder: Path) -> Path:
        """Keep it in `folder`; the file's path."""
        path = folder / f"replay-{self.requirement}.json"
        path.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")
        return path

    def document(self) -> dict[str, Any]:
        """It as JSON: no key, no address, and no identifier of any task."""
        kinds = {kind: name for name, kind in STEPS.items()}
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "suite": conformance.__version__,
            "requirement": self.requirement,
            "statement": catalogue()[self.requirement].statement,
            "seed": self.seed,
            "found_in": self.found_in,
            "program": [{"do": kinds[type(step)], **asdict(step)} for step in self.program],
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """The replay that a file holds.

        Raises:
            NoReplay: it holds none.
        """
        try:
            return cls.understood(_json(path))
        except _Wrong as error:
            raise NoReplay(f"{path}: {error}") from error

    @classmethod
    def understood(cls, document: object) -> Self:
        """The replay that a JSON value is, read strictly."""
        given = _object(document, "the document")
        if given.get("format") != _FORMAT:
            raise _Wrong(f"format is {_shown(given.get('format'))}; allowed is {_FORMAT!r}, as `run` writes it")
        if given.get("version") != _VERSION or isinstance(given.get("version"), bool):
            raise _Wrong(f"version is {_shown(given.get('version'))}; this suite reads version {_VERSION}")
        requirement = given.get("requirement")
        if requirement not in list(catalogue()):
            raise _Wrong(
                f"requirement is {_shown(requirement)}; allowed is an id of the catalogue, such as IDENT-4:"
                " `cancel-conformance requirements` lists them"
            )
        program = _program(given.get("program"))
        found_in, seed = (_number(given, name) for name in ("found_in", "seed"))
        return cls(requirement=str(requirement), program=program, found_in=found_in, seed=seed)


class _Wrong(Exception):
    """Something in a document is not as it must be."""


def _json(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _Wrong(
            f"cannot be read: {error.strerror}; a run that breaks something by a random life writes"
            " replay-<REQUIREMENT>.json into its report folder"
        ) from error
    if len(content) > _MOST_BYTES:
        raise _Wrong(f"is too large; allowed are {_MOST_BYTES} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"is no JSON: {printable(str(error))}; allowed is a file as `run` writes it") from error


def _program(given: object) -> Program:
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_STEPS:
        raise _Wrong(f"program is {_shown(given)}; allowed is a list of 1 to {_MOST_STEPS} steps")
    program = tuple(_step(each, f"program[{index}]") for index, each in enumerate(given))
    there: set[int] = set()
    for index, step in enumerate(program):
        if isinstance(step, Submit):
            if step.task in there:
                raise _Wrong(f"program[{index}]: task {step.task} is submitted twice; allowed is once")
            there.add(step.task)
        if not {*names(step)} <= there:
            raise _Wrong(f"program[{index}] names a task that no earlier step submits; allowed: {sorted(there)}")
    return program


def _step(given: object, where: str) -> Step:
    step = _object(given, where)
    do = step.get("do")
    kind: Any = STEPS.get(do) if isinstance(do, str) else None
    if kind is None:
        raise _Wrong(f"{where}.do is {_shown(do)}; allowed: {', '.join(STEPS)}")
    wanted = [field.name for field in fields(kind)]
    for name in step:
        if name not in {"do", *wanted}:
            raise _Wrong(f"{where}.{name} is not known; allowed: do, {', '.join(wanted)}")
    made: Step = kind(**{name: _value(name, step.get(name), f"{where}.{name}") for name in wanted})
    return made


def _value(name: str, given: object, where: str) -> Any:  # noqa: ANN401 - as the field has it
    allowed = _ALLOWED[name]
    if isinstance(allowed, tuple):
        for each in allowed:
            if type(given) is type(each.value if isinstance(each, StrEnum) else each) and given == each:
                return each
        said = ", ".join(json.dumps(each) for each in allowed)
        raise _Wrong(f"{where} is {_shown(given)}; allowed: {said}")
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= allowed:
        raise _Wrong(f"{where} is {_shown(given)}; allowed is a number from 0 to {allowed:g}")
    if isinstance(allowed, int) and not isinstance(given, int):
        raise _Wrong(f"{where} is {_shown(given)}; allowed is a whole number from 0 to {allowed}")
    return given


_ALLOWED: Final[Mapping[str, tuple[StrEnum | bool, ...] | int | float]] = {
    "task": _MOST_STEPS,
    "other": _MOST_STEPS,
    "variant": 99,
    "seconds": _MOST_SECONDS,
    "state": (State.PENDING, State.RUNNING),
    "form": (Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID),
    "field": (Form.TASK_ID, Form.OUT_TASK_ID),
    "key": tuple(Key),
    **dict.fromkeys(("named", "awaited", "turned"), (True, False)),
}
"""What may stand in each field of a step: one of so many values, or a number up to so much (whole, if that is)."""


def _object(given: object, where: str) -> dict[str, object]:
    if not isinstance(given, dict):
        raise _Wrong(f"{where} is {_shown(given)}; allowed is a JSON object")
    return given


def _number(given: Mapping[str, object], name: str) -> int:
    value = given.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Wrong(f"{name} is {_shown(value)}; allowed is a whole number, 0 or more")
    return value


def _shown(value: object) -> str:
    return "missing" if value is None else printable(json.dumps(value)[:80])
