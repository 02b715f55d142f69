"""The journal: everything that a run said and heard, in one SQLite file, written before an answer is used.

A request is written before it leaves and its answer before anybody sees it, each at once and in WAL mode, so that a
run that is killed leaves a journal that opens, and another process may read along. Every report is a fold over it.

Several processes and threads may write it together. An exchange that has begun and not ended *is* a request in flight:
so the journal itself keeps the cap on those, and one whose process was killed counts until its time would have been up.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from conformance.account import LEDGER
from conformance.exchange import Answer, Exchange, Form, Operation, Request
from conformance.lawful import Task
from conformance.pool import POOL_SCHEMA, Pool
from conformance.story import Story, Terms
from conformance.verdict import Judgement, Outcome
from conformance.windows import RaceWindow

_SCHEMA: Final = """
CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE story (
    number INTEGER PRIMARY KEY, title TEXT NOT NULL, aims TEXT NOT NULL, alone INTEGER NOT NULL DEFAULT 0,
    alone_until REAL NOT NULL DEFAULT 9e999, haunted INTEGER NOT NULL DEFAULT 0, teller TEXT NOT NULL, accounts TEXT,
    quiet INTEGER NOT NULL DEFAULT 0, over INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX being_told ON story (teller) WHERE NOT over;
CREATE TABLE task (task_id TEXT PRIMARY KEY, record TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE cast_ (
    story INTEGER NOT NULL, task_id TEXT NOT NULL, own INTEGER NOT NULL DEFAULT 0, lingers INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (story, task_id)
) WITHOUT ROWID;
CREATE TABLE exchange (
    number INTEGER PRIMARY KEY, story INTEGER NOT NULL, operation TEXT NOT NULL, role TEXT NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, headers TEXT NOT NULL, content BLOB, path_id TEXT,
    sent_at REAL NOT NULL, ended_at REAL, status INTEGER, answer_headers TEXT, answer BLOB, lost TEXT
);
CREATE INDEX told_in ON exchange (story);
CREATE INDEX in_flight ON exchange (sent_at) WHERE ended_at IS NULL;
CREATE TABLE listening (teller TEXT PRIMARY KEY, streams INTEGER NOT NULL);
CREATE TABLE waiting (number INTEGER PRIMARY KEY, teller TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE retold (story INTEGER NOT NULL, exchange INTEGER NOT NULL, PRIMARY KEY (story, exchange)) WITHOUT ROWID;
CREATE TABLE judgement (
    story INTEGER NOT NULL, requirement TEXT NOT NULL, outcome TEXT NOT NULL, exchange INTEGER, wanted TEXT NOT NULL,
    got TEXT NOT NULL, why TEXT NOT NULL, premises TEXT NOT NULL, account INTEGER NOT NULL, history TEXT NOT NULL,
    times INTEGER NOT NULL
);
CREATE INDEX judgement_of ON judgement (story);
CREATE TABLE met (story INTEGER NOT NULL, meeting TEXT NOT NULL, times INTEGER NOT NULL);
CREATE TABLE volley (way TEXT NOT NULL, calls INTEGER NOT NULL, spread REAL NOT NULL);
CREATE TABLE accepted (role TEXT NOT NULL, form TEXT NOT NULL, PRIMARY KEY (role, form)) WITHOUT ROWID;
CREATE TABLE obstacle (requirement TEXT NOT NULL, reason TEXT NOT NULL, UNIQUE (requirement, reason));
"""

MAIN: Final = "main"
"""The teller of a run in one process, and of what several processes tell beside their stories."""

_TOLD_ELSEWHERE: Final = (
    "SELECT number, accounts, quiet FROM story WHERE NOT over AND aims != '' AND teller NOT IN (?, ?)"
)
_DISTURB: Final = "UPDATE story SET alone = 0 WHERE number = ?"
_BEGIN: Final = (
    "INSERT INTO exchange (story, operation, role, method, url, headers, content, path_id, sent_at)"
    " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
)
_IN_FLIGHT: Final = "SELECT count(*) FROM exchange WHERE ended_at IS NULL AND sent_at > ?"
_STREAMS: Final = "SELECT coalesce(sum(streams), 0) FROM listening"
_ONE_MORE_STREAM: Final = "INSERT INTO listening VALUES (?, 1) ON CONFLICT DO UPDATE SET streams = streams + 1"
_AT_MOST: Final = f"max(1, ? - ({_STREAMS}))"
_FIRST_WAITING: Final = "SELECT teller FROM waiting WHERE until > ? ORDER BY number LIMIT 1"
_DISMISSED: Final = "the run is over"
_IS_OVER: Final = f"EXISTS (SELECT 1 FROM learned WHERE topic = '{_DISMISSED}')"  # noqa: S608 - constant
_BEGIN_IF_THERE_IS_ROOM: Final = (
    f"{_BEGIN} WHERE ({_IN_FLIGHT}) < {_AT_MOST} AND NOT EXISTS ({_FIRST_WAITING}) AND NOT (? AND {_IS_OVER})"
    " RETURNING number"
)
_BURY_EXCHANGES: Final = (
    "UPDATE exchange SET ended_at = :instant, lost = :lost WHERE ended_at IS NULL"
    " AND story IN (SELECT number FROM story WHERE teller = coalesce(:teller, teller))"
)
_BURY_STREAMS: Final = "DELETE FROM listening WHERE teller = coalesce(:teller, teller)"
_BURY_TURNS: Final = "DELETE FROM waiting WHERE teller = coalesce(:teller, teller)"
_BURY_STORIES: Final = (
    "UPDATE story SET alone = 0, alone_until = :instant, over = 1 WHERE teller = coalesce(:teller, teller)"
    " AND NOT over AND aims != '' AND title != :ledger RETURNING aims"
)
_TAKE_UP: Final = "UPDATE story SET over = 2 WHERE number = ? AND over = 1"
_JUDGEMENTS: Final = (
    "SELECT * FROM judgement WHERE story BETWEEN :first AND :last"
    " ORDER BY story IN (SELECT story FROM met WHERE meeting = :twice), story, rowid"
)
_EVERY: Final = 1 << 62
"""A number that no story has, for there are fewer."""

_LONGEST_WAIT: Final = 60.0
_LONGEST_WRITE: Final = 30.0
_WRITES: Final = 0.0002
"""Seconds after which whoever was writing has probably written."""

_PRIMARY: Final = 0xFF
"""The part of SQLite's error codes that is not of detail."""

_BRIEFLY: Final = 0.005
"""Seconds between two looks whether accounts are free."""

_NO_HISTORY: Final = "[]"
_UNENDED: Final = "the run ended before an answer came"


class RunOver(KeyboardInterrupt):
    """This process has no part in the run any more: as if it had been interrupted itself."""


class JournalError(Exception):
    """The file is no journal of a run; the text says which file and why."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One judgement, and how often a story gave it."""

    story: int
    judgement: Judgement
    times: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A story as it was left, at some instant: its own tasks, and those of them that it left alive.

    One that is held is for a certain process to go on with, which has taken it up.
    """

    number: int
    until: float
    is_held: bool
    own: tuple[Task, ...]
    lingers: frozenset[str]


class Journal:
    """One run's file: new (`create`), as another process of the run has it (`join`), or to be read again (`open`).

    `teller` is the name of the process that writes.
    """

    def __init__(self, path: Path, *, teller: str = MAIN, keeper: int | None = None) -> None:
        self.path = path
        self.mask: Callable[[str], str] = str
        """Takes the keys out of what others than the target may have said: hooks, and our own traces."""
        self.teller = teller
        self._keeper = keeper
        self._here = threading.local()
        self._connections: list[sqlite3.Connection] = []

    @classmethod
    def create(cls, path: Path) -> Journal:
        """A new, empty journal at `path`; one that stands there is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        made = cls(path)
        made.connection.execute("PRAGMA journal_mode=WAL")
        made.connection.executescript(_SCHEMA + POOL_SCHEMA)
        return made

    @classmethod
    def join(cls, path: Path, teller: str, *, keeper: int | None = None) -> Journal:
        """The journal of a run that another process has begun, and may keep until it is over."""
        return cls(path, teller=teller, keeper=keeper)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """A recorded run.

        Raises:
            JournalError: there is no such file, or it is no journal.
        """
        if not path.is_file():
            raise JournalError(f"{path}: there is no such journal; a run writes one to reports/latest/journal.sqlite")
        try:
            made = cls(path)
            for table in ("exchange", "judgement", "expense"):
                made.connection.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - constant
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{path}: not the journal of a run: {error}") from error
        return made

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread, its own: what one thread does in a transaction is no other thread's."""
        found: sqlite3.Connection | None = getattr(self._here, "connection", None)
        if found is None:
            found = self._here.connection = _connect(str(self.path))
            self._connections.append(found)
        return found

    @property
    def pool(self) -> Pool:
        """What the run's processes hold in common."""
        return Pool(self)

    def close(self) -> None:
        """Close the file; what was written stays."""
        while self._connections:
            self._connections.pop().close()

    def note(self, key: str, value: object) -> None:
        """Write down a fact about the run: any JSON value."""
        said = self.mask(json.dumps(value, default=str))
        self.connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, said))

    def notes(self) -> dict[str, Any]:
        """All facts about the run."""
        return {key: json.loads(value) for key, value in self.connection.execute("SELECT key, value FROM note")}

    def begin_story(
        self,
        title: str,
        aims: Iterable[str],
        *,
        alone: bool = False,
        accounts: Collection[str] | None = None,
        quiet: bool = False,
    ) -> int:
        """A new story's number; what `alone` means is told by `Story`.

        It may move these `accounts` only, or any, if none are listed. A `quiet` one has them to itself: it waits until
        other processes tell none that may move any of them, and as long as it is told those wait for it. Of others none
        is alone beside such a story, nor is one that is being told elsewhere from now on; housekeeping, which aims at
        nothing, waits for nobody.

        Raises:
            RunOver: this process has been dismissed meanwhile, or its keeper has died.
        """
        told, others = ",".join(aims), (self.teller, MAIN)
        while True:
            with self.transaction():
                rows = self.connection.execute(_TOLD_ELSEWHERE, others).fetchall()
                beside = [(number, is_quiet) for number, moved, is_quiet in rows if not _are_apart(accounts, moved)]
                waits = bool(beside) if quiet else bool(told) and any(is_quiet for _, is_quiet in beside)
                if not waits:
                    if told:
                        self.connection.executemany(_DISTURB, [(number,) for number, _ in beside])
                    listed = None if accounts is None else json.dumps(sorted(accounts))
                    row = self.connection.execute(
                        "INSERT INTO story (title, aims, alone, teller, accounts, quiet) VALUES (?, ?, ?, ?, ?, ?)"
                        " RETURNING number",
                        (title, told, alone and not beside, self.teller, listed, quiet),
                    ).fetchone()
                    return int(row[0])
            self._expect_a_part()
            time.sleep(_BRIEFLY)

    def amend_story(self, story: int, *, alone: bool, haunted: bool) -> bool:
        """What a story that has begun turned out to be, as `Story` tells it; whether it is `alone`, if it still was."""
        row = self.connection.execute(
            "UPDATE story SET alone = alone AND ?, haunted = ? WHERE number = ? RETURNING alone",
            (alone, haunted, story),
        ).fetchone()
        return bool(row and row[0])

    def end_story(self, story: int, instant: float) -> bool:
        """The story was told to its end, and nothing that is added later is alone; whether it was alone until now."""
        row = self.connection.execute(
            "UPDATE story SET alone_until = ?, over = 1 WHERE number = ? RETURNING alone", (instant, story)
        ).fetchone()
        return bool(row and row[0])

    def leave_story(self, story: int) -> None:
        """Nothing more is said in the story, which came to no end: others need not wait for it."""
        self.connection.execute("UPDATE story SET over = 1 WHERE number = ?", (story,))

    def take_up(self, story: int) -> bool:
        """Go on in this process with a story that was told to its end; false if some process has done so already."""
        return self.connection.execute(_TAKE_UP, (story,)).rowcount == 1

    def begin_exchange(self, story: int, request: Request, sent_at: float) -> int:
        """A request that is about to leave; the number of its exchange."""
        row = self.connection.execute(f"{_BEGIN} RETURNING number", _begun(story, request, sent_at)).fetchone()
        return int(row[0])

    def begin_exchanges(
        self,
        story: int,
        requests: Sequence[Request],
        sent_at: float,
        *,
        at_most: int,
        since: float,
        squeeze: bool = True,
    ) -> list[int]:
        """Requests that are about to leave together, and their numbers: none as long as there is no room for them.

        There is room while no more than `at_most` are in flight with them, the open streams of all processes among
        them, and nobody waits who came before; what was sent before `since` and never ended is not in flight any more.
        Where streams leave room for fewer, they leave if they are to `squeeze`, when nothing else is in flight.

        Raises:
            RunOver: this process has been dismissed, or its keeper has died.
        """
        if len(requests) == 1 and not self._is_orphaned:
            values = (*_begun(story, requests[0], sent_at), since, at_most, sent_at, self._keeper is not None)
            if row := self.connection.execute(_BEGIN_IF_THERE_IS_ROOM, values).fetchone():
                return [int(row[0])]
        self._expect_a_part()
        with self.transaction():
            execute = self.connection.execute
            first = execute(_FIRST_WAITING, (sent_at,)).fetchone()
            fits = len(requests) <= at_most
            [at_most] = execute(f"SELECT {_AT_MOST}", (at_most,)).fetchone()
            if fits and len(requests) > at_most and not squeeze:
                return []  # whoever listens must be able to go on
            room = at_most - int(execute(_IN_FLIGHT, (since,)).fetchone()[0])
            if first in {None, (self.teller,)} and (room >= len(requests) or room >= at_most):
                if first is not None:
                    execute("DELETE FROM waiting WHERE teller = ?", first)
                return [self.begin_exchange(story, request, sent_at) for request in requests]
            if len(requests) > 1 and first is None:
                turn = (self.teller, sent_at + _LONGEST_WAIT)
                execute("INSERT INTO waiting (teller, until) VALUES (?, ?)", turn)
        return []

    def begin_stream(self, instant: float, *, at_most: int, since: float) -> bool | None:
        """One more event stream of this process is about to be opened; None as long as there is no room for it.

        False where there will be none, for one request must have room beside all streams. What is in flight is told by
        `begin_exchanges`.

        Raises:
            RunOver: this process has been dismissed, or its keeper has died.
        """
        self._expect_a_part()
        with self.transaction():
            execute = self.connection.execute
            streams = self.streams()
            if streams >= at_most - 1:
                return False
            waits = execute(_FIRST_WAITING, (instant,)).fetchone() is not None
            if waits or streams + int(execute(_IN_FLIGHT, (since,)).fetchone()[0]) >= at_most:
                return None
            execute(_ONE_MORE_STREAM, (self.teller,))
            return True

    def listen(self, streams: int) -> None:
        """So many event streams are open in this process: each is a request in flight."""
        self.connection.execute("INSERT OR REPLACE INTO listening VALUES (?, ?)", (self.teller, streams))

    def streams(self) -> int:
        """How many event streams are open in all processes."""
        return int(self.connection.execute(_STREAMS).fetchone()[0])

    @property
    def _is_orphaned(self) -> bool:
        return self._keeper is not None and self._keeper != os.getppid()

    def _expect_a_part(self) -> None:
        if self._is_orphaned or (self._keeper is not None and self.pool.learned(_DISMISSED)):
            raise RunOver("the run that this process took part in is over")

    def dismiss(self) -> None:
        """The other processes of the run send nothing more."""
        self.pool.learn(_DISMISSED, value=True)

    def bury(self, teller: str | None, instant: float) -> list[tuple[str, ...]]:
        """A process of the run has gone, or all have: nothing of it is under way; the aims of what it was telling."""
        gone = {"teller": teller, "instant": instant, "lost": _UNENDED, "ledger": LEDGER}
        with self.transaction():
            for statement in (_BURY_EXCHANGES, _BURY_TURNS, _BURY_STREAMS):
                self.connection.execute(statement, gone)
            rows = self.connection.execute(_BURY_STORIES, gone).fetchall()
        return [tuple(aims.split(",")) for (aims,) in rows]

    def end_exchange(self, exchange: Exchange) -> None:
        """The answer to a request, or its loss."""
        answer = exchange.answer
        self.connection.execute(
            "UPDATE exchange SET sent_at = ?, ended_at = ?, status = ?, answer_headers = ?, answer = ?, lost = ?"
            " WHERE number = ?",
            (
                exchange.sent_at,
                exchange.ended_at,
                answer.status if answer else None,
                json.dumps(answer.headers) if answer else None,
                answer.content if answer else None,
                exchange.lost,
                exchange.number,
            ),
        )

    def overhear(self, story: int, heard: Exchange) -> Exchange:
        """What was told without being asked for, or heard beside the story: written down as it is, under a number."""
        kept = replace(heard, number=self.begin_exchange(story, heard.request, heard.sent_at))
        self.end_exchange(kept)
        return kept

    def begin_task(self, task: Task) -> None:
        """A task that a submit was answered with: new, unless the submit had been sent before."""
        row = (_storable(task.task_id), json.dumps(vars(task)))
        self.connection.execute("INSERT OR IGNORE INTO task (task_id, record) VALUES (?, ?)", row)

    def keep_task(self, task: Task) -> None:
        """A task that the run knows of, or has learned more of."""
        self.connection.execute(
            "INSERT INTO task (task_id, record) VALUES (?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
            (_storable(task.task_id), json.dumps(vars(task))),
        )

    def end_task(self, task_id: str, seen: int = -1) -> None:
        """The task was seen to be terminal, by the exchange of that number: nothing is left running of it."""
        row = (seen, _storable(task_id))
        self.connection.execute("UPDATE task SET ended = ? WHERE task_id = ? AND NOT ended", row)

    def ends(self) -> list[int]:
        """The number of each exchange that was the first to show the end of a task."""
        rows = self.connection.execute("SELECT number FROM exchange WHERE number IN (SELECT ended FROM task)")
        return [number for (number,) in rows]

    def submits(self) -> list[Exchange]:
        """Every submit, in the order of sending."""
        rows = self.connection.execute(
            "SELECT * FROM exchange WHERE operation = ? ORDER BY number", (Operation.SUBMIT.value,)
        )
        return [_exchange(row) for row in rows]

    def ended_tasks(self) -> list[Task]:
        """The tasks of the run that were seen to be terminal."""
        rows = self.connection.execute("SELECT record FROM task WHERE ended").fetchall()
        return [Task(**json.loads(record)) for (record,) in rows]

    def live_tasks(self) -> list[Task]:
        """The tasks of the run that were never seen to be terminal."""
        rows = self.connection.execute("SELECT record FROM task WHERE NOT ended").fetchall()
        return [Task(**json.loads(record)) for (record,) in rows]

    def cast(self, story: int, *tasks: Task, own: bool = False) -> None:
        """A story is about some tasks, which may be its own."""
        rows = [(story, _storable(task.task_id), own) for task in tasks]
        self.connection.executemany("INSERT OR IGNORE INTO cast_ (story, task_id, own) VALUES (?, ?, ?)", rows)

    def linger(self, story: int, task_id: str, *, still: bool = True) -> None:
        """A story has left one of its tasks alive, to look at it again; or does so no longer."""
        row = (still, story, _storable(task_id))
        self.connection.execute("UPDATE cast_ SET lingers = ? WHERE story = ? AND task_id = ?", row)

    def lingering_in(self, task_id: str) -> int | None:
        """The story that has left a task alive, if one has."""
        row = self.connection.execute(
            "SELECT story FROM cast_ WHERE task_id = ? AND lingers", (_storable(task_id),)
        ).fetchone()
        return int(row[0]) if row else None

    def stories_with(self, task_ids: Iterable[str]) -> set[int]:
        """The stories that are about any of these tasks."""
        found: set[int] = set()
        for task_id in task_ids:
            rows = self.connection.execute("SELECT story FROM cast_ WHERE task_id = ?", (_storable(task_id),))
            found.update(story for (story,) in rows)
        return found

    def stories_told(self) -> list[Kept]:
        """The stories told to their end, each with its own tasks, in one order whichever processes told them."""
        rows = self.connection.execute(
            "SELECT number, alone_until, over = 2, record, coalesce(lingers, 0) FROM story"
            " LEFT JOIN cast_ ON story = number AND own LEFT JOIN task USING (task_id)"
            " WHERE aims != '' AND alone_until < 9e99 ORDER BY title, number, task.rowid"
        )
        found: dict[int, Kept] = {}
        for number, until, held, record, lingers in rows:
            own = () if record is None else (Task(**json.loads(record)),)
            first = Kept(number=number, until=until, is_held=bool(held), own=(), lingers=frozenset())
            before = found.get(number, first)
            left = {task.task_id for task in own} if lingers else set()
            found[number] = replace(before, own=(*before.own, *own), lingers=before.lingers | left)
        return list(found.values())

    def retell(self, story: int, *exchanges: int) -> None:
        """Some exchanges of other stories belong to this one too."""
        rows = [(story, number) for number in exchanges]
        self.connection.executemany("INSERT OR IGNORE INTO retold VALUES (?, ?)", rows)

    def judge(
        self,
        story: int,
        judgements: Iterable[Judgement],
        accepted: Iterable[tuple[str, Form]],
        met: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """The judgements on a story as it now stands, and how often calls met in it, in place of earlier ones."""
        counts: dict[tuple[object, ...], int] = {}
        for judgement in judgements:
            row = _judgement_row(story, judgement)
            counts[row] = counts.get(row, 0) + 1
        with self.transaction():
            for table in ("judgement", "met"):
                self.connection.execute(f"DELETE FROM {table} WHERE story = ?", (story,))  # noqa: S608 - constant
            self.connection.executemany("INSERT INTO met VALUES (?, ?, ?)", [(story, *each) for each in met.items()])
            self.connection.executemany(
                "INSERT INTO judgement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, times) for row, times in counts.items()],
            )
            self.connection.executemany("INSERT OR IGNORE INTO accepted VALUES (?, ?)", list(accepted))

    def unjudge(self) -> None:
        """Forget every judgement, and what was concluded from them."""
        with self.transaction():
            for table in ("judgement", "accepted", "met"):
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constant
            self.connection.execute("DELETE FROM note WHERE key = 'noise'")

    def obstacle(self, requirements: Iterable[str], reason: str) -> None:
        """Why the stories that aimed at some requirements could not be told."""
        rows = [(requirement, _storable(self.mask(reason))) for requirement in requirements]
        self.connection.executemany("INSERT OR IGNORE INTO obstacle VALUES (?, ?)", rows)

    def obstacles(self) -> dict[str, tuple[str, ...]]:
        """The reasons by requirement, in the order in which they were met."""
        found: dict[str, tuple[str, ...]] = {}
        for requirement, reason in self.connection.execute("SELECT requirement, reason FROM obstacle ORDER BY rowid"):
            found[requirement] = (*found.get(requirement, ()), reason)
        return found

    def judgements(self, of: int | None = None) -> Iterator[Counted]:
        """All judgements, story by story, or those `of` one.

        Stories in which cancels met come last: what is seen without that is the easier to see again.
        """
        first, last = (0, _EVERY) if of is None else (of, of)
        wanted = {"first": first, "last": last, "twice": RaceWindow.TWICE.value}
        for row in self.connection.execute(_JUDGEMENTS, wanted):
            yield Counted(story=row[0], judgement=_judgement(row[1:-1]), times=row[-1])

    def accepted(self) -> frozenset[tuple[str, Form]]:
        """The roles and forms that the run saw accepted."""
        rows = self.connection.execute("SELECT role, form FROM accepted")
        return frozenset((role, Form(form)) for role, form in rows)

    def unmet(self) -> frozenset[tuple[str, Form]]:
        """The roles and forms that the run did not see accepted, though what it saw hold stands on that."""
        rows = self.connection.execute(
            "SELECT DISTINCT premises FROM judgement WHERE outcome = ?", (Outcome.HELD.value,)
        )
        return frozenset[tuple[str, Form]]().union(*(_premises(text) for (text,) in rows)) - self.accepted()

    def meetings(self) -> dict[str, int]:
        """How often calls met in the stories of the run, by the ways in which they can."""
        return dict(self.connection.execute("SELECT meeting, sum(times) FROM met GROUP BY meeting"))

    def volley(self, way: str, calls: int, spread: float) -> None:
        """Several calls were sent at once, in one of two ways, the last so many seconds after the first."""
        self.connection.execute("INSERT INTO volley VALUES (?, ?, ?)", (way, calls, spread))

    def volleys(self) -> list[tuple[str, int, float]]:
        """The way, the number of calls and the spread in seconds of everything that was sent at once."""
        return self.connection.execute("SELECT way, calls, spread FROM volley").fetchall()

    def exchange(self, number: int) -> Exchange | None:
        """One exchange by its number."""
        row = self.connection.execute("SELECT * FROM exchange WHERE number = ?", (number,)).fetchone()
        return _exchange(row) if row else None

    def each(self, numbers: Iterable[int]) -> tuple[Exchange, ...]:
        """Some exchanges by their numbers."""
        return tuple(found for number in numbers if (found := self.exchange(number)) is not None)

    def around(self, number: int, *, before: int, after: int) -> tuple[Exchange, ...]:
        """An exchange between its neighbours in its own story: so many at the most that came before, and after."""
        near = "SELECT * FROM exchange WHERE story = (SELECT story FROM exchange WHERE number = ?) AND number"
        rows = self.connection.execute(f"{near} <= ? ORDER BY number DESC LIMIT ?", (number, number, before + 1))
        found = [_exchange(row) for row in rows][::-1]
        rows = self.connection.execute(f"{near} > ? ORDER BY number LIMIT ?", (number, number, after))
        return (*found, *map(_exchange, rows))

    def exchanges(self) -> Iterator[Exchange]:
        """Every exchange, in the order of sending."""
        return (_exchange(row) for row in self.connection.execute("SELECT * FROM exchange ORDER BY number"))

    def count(self, operation: Operation | None = None) -> int:
        """How many requests were sent, all or for one purpose; a stream is one, however much it told."""
        where, values = ("operation != ?", (Operation.CALLBACK.value,))
        if operation is not None:
            where, values = ("operation = ?", (operation.value,))
        counted = (
            f"SELECT DISTINCT CASE operation WHEN 'stream' THEN sent_at ELSE number END FROM exchange WHERE {where}"  # noqa: S608 - constant
        )
        row = self.connection.execute(f"SELECT count(*) FROM ({counted})", values).fetchone()  # noqa: S608 - likewise
        return int(row[0])

    def requests_of_stories(self) -> dict[int, int]:
        """How many requests were sent for each story, counted in the same way."""
        rows = self.connection.execute(
            "SELECT story, count(DISTINCT CASE operation WHEN 'stream' THEN sent_at ELSE number END) FROM exchange"
            " WHERE operation != ? GROUP BY story",
            (Operation.CALLBACK.value,),
        )
        return dict(rows.fetchall())

    def seconds_of_stories(self) -> dict[int, float]:
        """What each story took of the run's time: from one answer to the next, whichever process heard it."""
        rows = self.connection.execute(
            "SELECT story, sum(heard - since) FROM (SELECT story, coalesce(ended_at, sent_at) AS heard,"
            " lag(coalesce(ended_at, sent_at), 1, sent_at) OVER (ORDER BY coalesce(ended_at, sent_at)) AS since"
            " FROM exchange WHERE operation NOT IN (?, ?)) GROUP BY story",
            (Operation.CALLBACK.value, Operation.STREAM.value),
        )
        return dict(rows.fetchall())

    def task_records(self) -> list[Task]:
        """Every task that the run submitted or was given."""
        return [Task(**json.loads(record)) for (record,) in self.connection.execute("SELECT record FROM task")]

    def stories(self, terms: Terms) -> Iterator[tuple[int, Story]]:
        """Every story with its number, told again from what was on the wire."""
        for (number,) in self.connection.execute("SELECT number FROM story ORDER BY number").fetchall():
            yield number, self.story(number, terms)

    def story(self, number: int, terms: Terms) -> Story:
        """One story by its number."""
        title, alone, until, haunted = self.connection.execute(
            "SELECT title, alone, alone_until, haunted FROM story WHERE number = ?", (number,)
        ).fetchone()
        told = {"alone": bool(alone), "alone_until": until, "haunted": bool(haunted)}
        return Story(self._tasks_of(number), self._exchanges_of(number), terms, title, **told)

    def aims(self) -> Mapping[int, tuple[str, ...]]:
        """The rows at which each story aims, by its number; housekeeping aims at none."""
        rows = self.connection.execute("SELECT number, aims FROM story")
        return {number: tuple(filter(None, aims.split(","))) for number, aims in rows}

    def _tasks_of(self, story: int) -> list[Task]:
        rows = self.connection.execute(
            "SELECT record FROM task JOIN cast_ USING (task_id) WHERE story = ? ORDER BY task.rowid", (story,)
        )
        return [Task(**json.loads(record)) for (record,) in rows]

    def _exchanges_of(self, story: int) -> list[Exchange]:
        rows = self.connection.execute(
            "SELECT * FROM exchange WHERE number IN (SELECT number FROM exchange WHERE story = :story"
            " UNION SELECT exchange FROM retold WHERE story = :story) ORDER BY number",
            {"story": story},
        )
        return [_exchange(row) for row in rows]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of it or nothing, while no other process or thread writes."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")


class _Patient(sqlite3.Connection):
    """A connection that waits briefly while another one writes.

    SQLite itself sleeps for a millisecond and more at a time, and a write takes a twentieth of one.
    """

    def execute(self, *asked: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 has it
        """Do one statement, which is a transaction of its own or part of one that has begun."""
        return _done(super().execute, asked)

    def executemany(self, *asked: Any) -> sqlite3.Cursor:  # noqa: ANN401 - likewise
        """Do one statement with each of several sets of values: again with all, where it waits in between."""
        return _done(super().executemany, asked)


def _done(work: Callable[..., sqlite3.Cursor], asked: tuple[Any, ...]) -> sqlite3.Cursor:
    give_up = 0.0
    while True:
        try:
            return work(*asked)
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            give_up = give_up or now + _LONGEST_WRITE
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # some are of sqlite3's own making
            if code & _PRIMARY != sqlite3.SQLITE_BUSY or now > give_up:
                raise
        time.sleep(_WRITES)


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False, factory=_Patient)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA temp_store=MEMORY")  # else every RETURNING opens a file
    return connection


def _storable(text: str) -> str:
    """SQLite's text is UTF-8, which has no lone surrogates: those are told by their escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _are_apart(accounts: Collection[str] | None, others: str | None) -> bool:
    """Whether no account is among both, where those that are not listed are all that there are."""
    return accounts is not None and others is not None and set(json.loads(others)).isdisjoint(accounts)


def _begun(story: int, request: Request, sent_at: float) -> tuple[object, ...]:
    return (
        story,
        request.operation.value,
        request.role,
        request.method,
        request.url,
        _written(request.headers),
        request.content,
        None if request.path_id is None else request.path_id.encode("utf-8", "surrogatepass"),
        sent_at,
    )


def _judgement_row(story: int, judgement: Judgement) -> tuple[object, ...]:
    """All columns but the count; of what held it does not matter where."""
    premises = (
        json.dumps(sorted((role, form.value) for role, form in judgement.premises)) if judgement.premises else "[]"
    )
    exchange = None if judgement.outcome is Outcome.HELD else judgement.exchange
    said = (_storable(judgement.wanted), _storable(judgement.got), _storable(judgement.why))
    history = json.dumps(judgement.history) if judgement.history else _NO_HISTORY
    return (
        story,
        judgement.requirement,
        judgement.outcome.value,
        exchange,
        *said,
        premises,
        judgement.account,
        history,
    )


@lru_cache(maxsize=1024)
def _judgement(row: tuple[Any, ...]) -> Judgement:
    """A judgement without its story and its count: most say that a requirement held, in few ways."""
    requirement, outcome, exchange, wanted, got, why, premises, account, history = row
    return Judgement(
        outcome=Outcome(outcome),
        requirement=requirement,
        exchange=exchange,
        wanted=wanted,
        got=got,
        why=why,
        premises=_premises(premises),
        account=bool(account),
        history=tuple(json.loads(history)) if history != _NO_HISTORY else (),
    )


@lru_cache(maxsize=1024)
def _premises(text: str) -> frozenset[tuple[str, Form]]:
    """The premises of a judgement, of which a run has few kinds."""
    return frozenset((role, Form(form)) for role, form in json.loads(text))


@lru_cache(maxsize=1024)
def _written(headers: tuple[tuple[str, str], ...]) -> str:
    """Headers as they are kept; those of requests are always the same."""
    return json.dumps(headers)


def _read(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(text))


_read_again: Final = lru_cache(maxsize=1024)(_read)
"""What requests were sent with is always the same; nothing that a target has said is remembered."""


def _exchange(row: tuple[Any, ...]) -> Exchange:
    number, _, operation, role, method, url, headers, content, path_id, sent_at, ended_at, status, heard, body, lost = (
        row
    )
    request = Request(
        operation=Operation(operation),
        role=role,
        method=method,
        url=url,
        headers=_read_again(headers),
        content=content,
        path_id=None if path_id is None else path_id.decode("utf-8", "surrogatepass"),
    )
    answer = None
    if status is not None:
        answer = Answer(status=status, headers=_read(heard), content=body or b"")
    return Exchange(
        number=number,
        request=request,
        sent_at=sent_at,
        ended_at=sent_at if ended_at is None else ended_at,
        answer=answer,
        lost=_UNENDED if answer is None and lost is None else lost,
    )
