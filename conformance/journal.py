"""The journal: everything that a run said and heard, in one SQLite file, written before an answer is used.

A request is written before it leaves and its answer before anybody sees it, each at once and in WAL mode, so that a
run that is killed leaves a journal that opens, and another process may read along. Every report is a fold over it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from conformance.exchange import Answer, Exchange, Form, Operation, Request, may_hide_a_task
from conformance.lawful import Task
from conformance.story import Story, Terms
from conformance.verdict import Judgement, Outcome

_SCHEMA: Final = """
CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE story (
    number INTEGER PRIMARY KEY, title TEXT NOT NULL, aims TEXT NOT NULL, alone INTEGER NOT NULL DEFAULT 0,
    alone_until REAL NOT NULL DEFAULT 9e999, haunted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE task (task_id TEXT PRIMARY KEY, record TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE cast_ (story INTEGER NOT NULL, task_id TEXT NOT NULL, PRIMARY KEY (story, task_id)) WITHOUT ROWID;
CREATE TABLE exchange (
    number INTEGER PRIMARY KEY, story INTEGER NOT NULL, operation TEXT NOT NULL, role TEXT NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, headers TEXT NOT NULL, content BLOB, path_id TEXT,
    sent_at REAL NOT NULL, ended_at REAL, status INTEGER, answer_headers TEXT, answer BLOB, lost TEXT
);
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

_UNENDED: Final = "the run ended before an answer came"


class JournalError(Exception):
    """The file is no journal of a run; the text says which file and why."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One judgement, and how often a story gave it."""

    story: int
    judgement: Judgement
    times: int


class Journal:
    """One run's file, open for writing (`create`) or for reading again (`open`)."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.mask: Callable[[str], str] = str
        """Takes the keys out of what others than the target may have said: hooks, and our own traces."""
        self._connection = connection

    @classmethod
    def create(cls, path: Path) -> Journal:
        """A new, empty journal at `path`; one that stands there is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        connection = _connect(str(path))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """A recorded run.

        Raises:
            JournalError: there is no such file, or it is no journal.
        """
        if not path.is_file():
            raise JournalError(f"{path}: there is no such journal; a run writes one to reports/latest/journal.sqlite")
        try:
            connection = _connect(str(path))
            connection.execute("SELECT number FROM exchange LIMIT 1")
            connection.execute("SELECT requirement FROM judgement LIMIT 1")
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{path}: not the journal of a run: {error}") from error
        return cls(path, connection)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._connection.close()

    def note(self, key: str, value: object) -> None:
        """Write down a fact about the run: any JSON value."""
        said = self.mask(json.dumps(value, default=str))
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, said))

    def notes(self) -> dict[str, Any]:
        """All facts about the run."""
        return {key: json.loads(value) for key, value in self._connection.execute("SELECT key, value FROM note")}

    def begin_story(self, title: str, aims: Iterable[str], *, alone: bool = False, haunted: bool = False) -> int:
        """A new story's number; what `alone` and `haunted` mean is told by `Story`."""
        row = self._connection.execute(
            "INSERT INTO story (title, aims, alone, haunted) VALUES (?, ?, ?, ?) RETURNING number",
            (title, ",".join(aims), alone, haunted),
        ).fetchone()
        return int(row[0])

    def end_story(self, story: int, instant: float) -> None:
        """The story was told to its end; what is added later is no longer alone."""
        self._connection.execute("UPDATE story SET alone_until = ? WHERE number = ?", (instant, story))

    def begin_exchange(self, story: int, request: Request, sent_at: float) -> int:
        """A request that is about to leave; the number of its exchange."""
        row = self._connection.execute(
            "INSERT INTO exchange (story, operation, role, method, url, headers, content, path_id, sent_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
            (
                story,
                request.operation.value,
                request.role,
                request.method,
                request.url,
                json.dumps(request.headers),
                request.content,
                None if request.path_id is None else request.path_id.encode("utf-8", "surrogatepass"),
                sent_at,
            ),
        ).fetchone()
        return int(row[0])

    def end_exchange(self, exchange: Exchange) -> None:
        """The answer to a request, or its loss."""
        answer = exchange.answer
        self._connection.execute(
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

    def keep_task(self, task: Task) -> None:
        """A task that the run submitted, or learned more of."""
        self._connection.execute(
            "INSERT INTO task (task_id, record) VALUES (?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
            (_storable(task.task_id), json.dumps(asdict(task))),
        )

    def end_task(self, task_id: str) -> None:
        """The task was seen to be terminal: nothing is left running of it."""
        self._connection.execute("UPDATE task SET ended = 1 WHERE task_id = ?", (_storable(task_id),))

    def live_tasks(self) -> list[Task]:
        """The tasks of the run that were never seen to be terminal."""
        rows = self._connection.execute("SELECT record FROM task WHERE NOT ended").fetchall()
        return [Task(**json.loads(record)) for (record,) in rows]

    def unheard_submits(self) -> list[Exchange]:
        """The last try of each submit that may have made a task of which nobody was told."""
        tries: dict[tuple[object, ...], list[Exchange]] = {}
        for row in self._connection.execute(
            "SELECT * FROM exchange WHERE operation = ? ORDER BY number", (Operation.SUBMIT.value,)
        ):
            submit = _exchange(row)
            named = b'"out_task_id"' in (submit.request.content or b"")
            told = submit.request.role, submit.request.content, 0 if named else submit.number
            tries.setdefault(told, []).append(submit)
        return [each[-1] for each in tries.values() if may_hide_a_task(each)]

    def cast(self, story: int, task: Task) -> None:
        """A story is about a task."""
        self._connection.execute("INSERT OR IGNORE INTO cast_ VALUES (?, ?)", (story, _storable(task.task_id)))

    def retell(self, story: int, exchange: int) -> None:
        """An exchange of another story belongs to this one too."""
        self._connection.execute("INSERT OR IGNORE INTO retold VALUES (?, ?)", (story, exchange))

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
        with self._transaction():
            for table in ("judgement", "met"):
                self._connection.execute(f"DELETE FROM {table} WHERE story = ?", (story,))  # noqa: S608 - constant
            self._connection.executemany("INSERT INTO met VALUES (?, ?, ?)", [(story, *each) for each in met.items()])
            self._connection.executemany(
                "INSERT INTO judgement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, times) for row, times in counts.items()],
            )
            self._connection.executemany("INSERT OR IGNORE INTO accepted VALUES (?, ?)", list(accepted))

    def unjudge(self) -> None:
        """Forget every judgement, and what was concluded from them."""
        with self._transaction():
            for table in ("judgement", "accepted", "met"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constant
            self._connection.execute("DELETE FROM note WHERE key = 'noise'")

    def obstacle(self, requirements: Iterable[str], reason: str) -> None:
        """Why the stories that aimed at some requirements could not be told."""
        rows = [(requirement, _storable(self.mask(reason))) for requirement in requirements]
        self._connection.executemany("INSERT OR IGNORE INTO obstacle VALUES (?, ?)", rows)

    def obstacles(self) -> dict[str, tuple[str, ...]]:
        """The reasons by requirement, in the order in which they were met."""
        found: dict[str, tuple[str, ...]] = {}
        for requirement, reason in self._connection.execute("SELECT requirement, reason FROM obstacle ORDER BY rowid"):
            found[requirement] = (*found.get(requirement, ()), reason)
        return found

    def judgements(self) -> Iterator[Counted]:
        """All judgements, story by story."""
        for row in self._connection.execute("SELECT * FROM judgement ORDER BY story, rowid"):
            story, requirement, outcome, exchange, wanted, got, why, premises, account, history, times = row
            judgement = Judgement(
                outcome=Outcome(outcome),
                requirement=requirement,
                exchange=exchange,
                wanted=wanted,
                got=got,
                why=why,
                premises=frozenset((role, Form(form)) for role, form in json.loads(premises)),
                account=bool(account),
                history=tuple(json.loads(history)),
            )
            yield Counted(story=story, judgement=judgement, times=times)

    def accepted(self) -> frozenset[tuple[str, Form]]:
        """The roles and forms that the run saw accepted."""
        rows = self._connection.execute("SELECT role, form FROM accepted")
        return frozenset((role, Form(form)) for role, form in rows)

    def meetings(self) -> dict[str, int]:
        """How often calls met in the stories of the run, by the ways in which they can."""
        return dict(self._connection.execute("SELECT meeting, sum(times) FROM met GROUP BY meeting"))

    def volley(self, way: str, calls: int, spread: float) -> None:
        """Several calls were sent at once, in one of two ways, the last so many seconds after the first."""
        self._connection.execute("INSERT INTO volley VALUES (?, ?, ?)", (way, calls, spread))

    def volleys(self) -> list[tuple[str, int, float]]:
        """The way, the number of calls and the spread in seconds of everything that was sent at once."""
        return self._connection.execute("SELECT way, calls, spread FROM volley").fetchall()

    def exchange(self, number: int) -> Exchange | None:
        """One exchange by its number."""
        row = self._connection.execute("SELECT * FROM exchange WHERE number = ?", (number,)).fetchone()
        return _exchange(row) if row else None

    def each(self, numbers: Iterable[int]) -> tuple[Exchange, ...]:
        """Some exchanges by their numbers."""
        return tuple(found for number in numbers if (found := self.exchange(number)) is not None)

    def exchanges(self) -> Iterator[Exchange]:
        """Every exchange, in the order of sending."""
        return (_exchange(row) for row in self._connection.execute("SELECT * FROM exchange ORDER BY number"))

    def count(self, operation: Operation | None = None) -> int:
        """How many requests were sent, all or for one purpose; a stream is one, however much it told."""
        where, values = ("operation != ?", (Operation.CALLBACK.value,))
        if operation is not None:
            where, values = ("operation = ?", (operation.value,))
        counted = (
            f"SELECT DISTINCT CASE operation WHEN 'stream' THEN sent_at ELSE number END FROM exchange WHERE {where}"  # noqa: S608 - constant
        )
        row = self._connection.execute(f"SELECT count(*) FROM ({counted})", values).fetchone()  # noqa: S608 - likewise
        return int(row[0])

    def task_records(self) -> list[Task]:
        """Every task that the run submitted or was given."""
        return [Task(**json.loads(record)) for (record,) in self._connection.execute("SELECT record FROM task")]

    def stories(self, terms: Terms) -> Iterator[tuple[int, Story]]:
        """Every story with its number, told again from what was on the wire."""
        rows = self._connection.execute(
            "SELECT number, title, alone, alone_until, haunted FROM story ORDER BY number"
        ).fetchall()
        for number, title, alone, until, haunted in rows:
            tasks, exchanges = self._tasks_of(number), self._exchanges_of(number)
            told = {"alone": bool(alone), "alone_until": until, "haunted": bool(haunted)}
            yield number, Story(tasks, exchanges, terms, title, **told)

    def aims(self) -> Mapping[int, tuple[str, ...]]:
        """The rows at which each story aims, by its number; housekeeping aims at none."""
        rows = self._connection.execute("SELECT number, aims FROM story")
        return {number: tuple(filter(None, aims.split(","))) for number, aims in rows}

    def _tasks_of(self, story: int) -> list[Task]:
        rows = self._connection.execute(
            "SELECT record FROM task JOIN cast_ USING (task_id) WHERE story = ? ORDER BY task.rowid", (story,)
        )
        return [Task(**json.loads(record)) for (record,) in rows]

    def _exchanges_of(self, story: int) -> list[Exchange]:
        rows = self._connection.execute(
            "SELECT * FROM exchange WHERE story = :story"
            " UNION SELECT exchange.* FROM exchange JOIN retold ON number = exchange WHERE retold.story = :story"
            " ORDER BY number",
            {"story": story},
        )
        return [_exchange(row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)


def _storable(text: str) -> str:
    """SQLite's text is UTF-8, which has no lone surrogates: those are told by their escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _judgement_row(story: int, judgement: Judgement) -> tuple[object, ...]:
    """All columns but the count; of what held it does not matter where."""
    premises = (
        json.dumps(sorted((role, form.value) for role, form in judgement.premises)) if judgement.premises else "[]"
    )
    exchange = None if judgement.outcome is Outcome.HELD else judgement.exchange
    said = (_storable(judgement.wanted), _storable(judgement.got), _storable(judgement.why))
    history = json.dumps(judgement.history)
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


def _exchange(row: tuple[Any, ...]) -> Exchange:
    number, _, operation, role, method, url, headers, content, path_id, sent_at, ended_at, status, heard, body, lost = (
        row
    )
    request = Request(
        operation=Operation(operation),
        role=role,
        method=method,
        url=url,
        headers=tuple((name, value) for name, value in json.loads(headers)),
        content=content,
        path_id=None if path_id is None else path_id.decode("utf-8", "surrogatepass"),
    )
    answer = None
    if status is not None:
        answer = Answer(status=status, headers=tuple((n, v) for n, v in json.loads(heard)), content=body or b"")
    return Exchange(
        number=number,
        request=request,
        sent_at=sent_at,
        ended_at=sent_at if ended_at is None else ended_at,
        answer=answer,
        lost=_UNENDED if answer is None and lost is None else lost,
    )
