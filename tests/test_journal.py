"""What was said and heard is in the file before anybody uses it, and the file opens whatever happened to the run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stand_in import Heard, answer
from told import terms

from conformance.contract import Contract
from conformance.exchange import UNSENT, Answer, Exchange, Form, Operation, Request, unheard
from conformance.journal import Journal, JournalError, RunOver
from conformance.lawful import Task
from conformance.report.summary import judge_again, summarise
from conformance.target.call import Call
from conformance.verdict import Judgement, Outcome, Verdict

if TYPE_CHECKING:
    from conftest import Recorded, Speak

ODD = ["task_1", "a\0b", "\ud800", "\udfff\ud800", "é\u0301 🎬", "", "'; DROP TABLE task; --", "x" * 5000]


def request(path_id: str | None = "task_1", content: bytes | None = None) -> Request:
    """A cancel as the client writes it down."""
    return Request(
        operation=Operation.CANCEL,
        role="owner",
        method="POST",
        url="https://target.example/v1/tasks/cancel/task_1",
        headers=(("authorization", "Bearer $KEY"),),
        content=content,
        path_id=path_id,
    )


def told(journal: Journal, story: int, *, path_id: str = "task_1", status: int = 200) -> Exchange:
    """An exchange that has come to its end."""
    asked = request(path_id)
    number = journal.begin_exchange(story, asked, 10.0)
    exchange = Exchange(
        number=number,
        request=asked,
        sent_at=10.0,
        ended_at=10.5,
        answer=Answer(status=status, headers=(("content-type", "application/json"),), content=b'{"a": 1.50}\xff'),
    )
    journal.end_exchange(exchange)
    return exchange


def task(task_id: str, out_task_id: str | None = None) -> Task:
    """A task of the owner's."""
    return Task(task_id=task_id, out_task_id=out_task_id, role="owner", wanted="pending", submitted_at=1.25)


def finding(outcome: Outcome = Outcome.BROKEN, **said: object) -> Judgement:
    """A judgement on STATE-1."""
    return Judgement(outcome=outcome, requirement="STATE-1", **said)  # type: ignore[arg-type]


def open_and_list(path: Path) -> list[Exchange]:
    """What another process reads in the file."""
    with contextlib.closing(Journal.open(path)) as other:
        return list(other.exchanges())


def test_a_request_is_written_before_it_leaves(speak: Speak, tmp_path: Path) -> None:
    """When the target hears it, another process can read it already."""
    seen: list[Exchange] = []

    def says(_: Heard) -> bytes:
        seen.extend(open_and_list(tmp_path / "journal.sqlite"))
        return answer(200, {})

    wire = speak(says)
    wire.client.cancel(1, "owner", Call(path="task_1"))
    [unanswered] = seen
    assert unanswered.request.path_id == "task_1"
    assert unanswered.answer is None


def test_an_answer_is_written_before_it_is_used(speak: Speak, tmp_path: Path) -> None:
    """When the client returns it, another process can read it already."""
    wire = speak(lambda _: answer(404, {"error": {"code": "task_not_found"}}))
    heard = wire.client.cancel(1, "owner", Call(path="task_1"))
    assert open_and_list(tmp_path / "journal.sqlite") == heard


def test_an_exchange_comes_back_as_it_was(journal: Journal) -> None:
    """To the byte, to the header, to the instant."""
    exchange = told(journal, journal.begin_story("one", ()))
    assert journal.exchange(exchange.number) == exchange
    assert list(journal.exchanges()) == [exchange]


def test_an_exchange_that_never_ended_is_a_loss(journal: Journal) -> None:
    """A run that was killed in the middle of a call says so."""
    number = journal.begin_exchange(1, request(), 10.0)
    found = journal.exchange(number)
    assert found is not None
    assert found.unavailable
    assert "ended before" in str(found.lost)


@pytest.mark.parametrize("identifier", ODD, ids=ascii)
def test_odd_identifiers_come_back(journal: Journal, identifier: str) -> None:
    """Lone surrogates, NUL, nothing at all: in the path, and as names of tasks."""
    story = journal.begin_story("odd", ())
    exchange = told(journal, story, path_id=identifier)
    kept = task(identifier, out_task_id=identifier)
    journal.keep_task(kept)
    journal.cast(story, kept)
    [(_, again)] = journal.stories(terms())
    assert again.exchanges == (exchange,)
    assert again.tasks == (kept,)
    assert journal.live_tasks() == [kept]
    journal.end_task(identifier)
    assert journal.live_tasks() == []


def test_odd_findings_can_be_written_down(journal: Journal) -> None:
    """What a check quotes, and why a story was not told, may hold anything that a target said."""
    journal.judge(1, [finding(wanted="\ud800", got="\0\x1b[31m", why="é")], ())
    journal.obstacle(["STATE-1"], "answered \udcff")
    [counted] = journal.judgements()
    assert (counted.judgement.wanted, counted.judgement.got) == ("\\ud800", "\0\x1b[31m")
    assert journal.obstacles() == {"STATE-1": ("answered \\udcff",)}


def test_a_retold_exchange_belongs_to_both_stories(journal: Journal) -> None:
    """A shared task's reading is evidence in each story about it, once."""
    first, second = journal.begin_story("one", ()), journal.begin_story("two", ())
    exchange, own = told(journal, first), told(journal, second)
    journal.retell(second, exchange.number)
    journal.retell(second, exchange.number)
    told_again = dict(journal.stories(terms()))
    assert told_again[first].exchanges == (exchange,)
    assert set(told_again[second].exchanges) == {exchange, own}


def test_a_later_judgement_takes_the_place_of_an_earlier_one(journal: Journal) -> None:
    """A story that goes on is judged anew, and other stories are left as they are."""
    journal.judge(1, [finding(exchange=3, got="pending")], ())
    journal.judge(2, [finding(got="running")], ())
    journal.judge(1, [finding(Outcome.HELD, exchange=3), finding(Outcome.HELD, exchange=4)], ())
    said = [(counted.story, counted.judgement.outcome, counted.times) for counted in journal.judgements()]
    assert said == [(1, Outcome.HELD, 2), (2, Outcome.BROKEN, 1)]


def test_a_judgement_that_breaks_half_way_leaves_the_earlier_one(journal: Journal) -> None:
    """Either all of it is written, or none."""
    journal.judge(1, [finding(got="pending")], ())
    with pytest.raises(sqlite3.Error):
        journal.judge(1, [finding(exchange=object())], ())
    [counted] = journal.judgements()
    assert counted.judgement.got == "pending"


def test_a_submit_that_is_sent_again_makes_no_task_younger(journal: Journal) -> None:
    """What holds from its submit on holds from the first: the later answer says nothing new of the task."""
    first = replace(task("task_1"), submitted_at=100.0, pending_until=155.0)
    journal.begin_task(first)
    journal.begin_task(replace(first, submitted_at=120.0, pending_until=175.0))
    assert journal.task_records() == [first]


def test_a_task_that_more_is_learned_of_is_one_task(journal: Journal) -> None:
    """The later record counts, and whether it has ended stays."""
    journal.keep_task(task("task_1"))
    journal.end_task("task_1")
    journal.keep_task(task("task_1", "boat"))
    assert journal.task_records() == [task("task_1", "boat")]
    assert journal.live_tasks() == []


def test_premises_and_notes_come_back(journal: Journal) -> None:
    """What decides verdicts is kept as it was."""
    premises = frozenset({("owner", Form.BODY), ("other", Form.PATH)})
    journal.judge(1, [finding(Outcome.HELD, premises=premises)], premises)
    journal.note("only", ["STATE-1"])
    journal.note("only", ["STATE-2"])
    [counted] = journal.judgements()
    assert counted.judgement.premises == journal.accepted() == premises
    assert journal.notes() == {"only": ["STATE-2"]}


def test_a_submit_that_nobody_answered_is_remembered(journal: Journal) -> None:
    """It may have made a task; one that was refused, never left, or has a name and was answered later, is settled.

    That the name is taken settles nothing: it may be by the very task.
    """
    shown, none = b'{"task_id": "t"}', b""
    named, again, taken = (b'{"out_task_id": "%d"}' % number for number in (3, 4, 5))
    nameless = b'{"model": "boat"}'
    told = (
        (b"lost", None, none),
        (b"refused", 400, none),
        (named, None, none),
        (named, 200, shown),
        (again, None, none),
        (again, 429, none),
        (nameless, None, none),
        (nameless, 200, shown),
        (b"late", 504, none),
        (taken, None, none),
        (taken, 409, none),
        (b"too many", 429, none),
        (b"unsent", None, none),
        (b"unreadable", 200, b"<html>"),
    )
    for content, status, said in told:
        asked = Request(operation=Operation.SUBMIT, role="owner", method="POST", url="u", content=content)
        number = journal.begin_exchange(1, asked, 1.0)
        answer = Answer(status=status, content=said) if status else None
        lost = None if answer else UNSENT * (content == b"unsent") + "ReadTimeout"
        journal.end_exchange(
            Exchange(number=number, request=asked, sent_at=1.0, ended_at=2.0, answer=answer, lost=lost)
        )
    assert [each.request.content for each in unheard(journal.submits())] == [
        b"lost",
        again,
        nameless,
        b"late",
        taken,
        b"unreadable",
    ]


def test_a_run_that_was_cut_off_is_judged(smoke: Recorded, tmp_path: Path) -> None:
    """The last exchange never ended and the run's end was never written: the rest is judged as it stands."""
    path = Path(shutil.copy(smoke.journal, tmp_path / "cut.sqlite"))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM note WHERE key = 'ended'")
        connection.execute(
            "UPDATE exchange SET ended_at = NULL, status = NULL, answer = NULL, lost = NULL"
            " WHERE number = (SELECT max(number) FROM exchange WHERE operation = 'cancel')"
        )
    with contextlib.closing(Journal.open(path)) as journal:
        judge_again(journal)
        summary = summarise(journal)
    assert summary.count(Verdict.FAIL) == 0
    assert summary.broke_off
    assert summary.exit_code != 0


@pytest.mark.parametrize(
    "make",
    [
        lambda _: None,
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no database\n" * 100),
        lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4096)),
        lambda path: sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close(),
    ],
    ids=["missing", "a folder", "empty", "text", "broken", "another database"],
)
def test_what_is_no_journal_is_named(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    """The complaint says which file, and that it is no journal."""
    path = tmp_path / "thing.sqlite"
    make(path)
    with pytest.raises(JournalError, match=r"thing\.sqlite: .*journal"):
        Journal.open(path)


def test_a_journal_is_judged_without_its_profile(smoke: Recorded) -> None:
    """All that decides how answers are read is in the notes."""
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        notes = journal.notes()
    made = Contract(notes["contract"], notes["contract_source"]).terms(**notes["terms"])
    assert made.refusals["InvalidParam"].status == 400


def test_a_new_journal_takes_the_place_of_an_old_one(tmp_path: Path) -> None:
    """Nothing of an earlier run is left, in whatever folder it is to be."""
    path = tmp_path / "new" / "folder" / "journal.sqlite"
    for _ in range(2):
        with contextlib.closing(Journal.create(path)) as journal:
            told(journal, journal.begin_story("one", ()))
            assert journal.count() == 1


# several processes


def other_process(journal: Journal, name: str = "gw1", *, keeper: int | None = None) -> Journal:
    """The journal as another process of the run has it."""
    return Journal.join(journal.path, name, keeper=keeper)


def under_way(journal: Journal, count: int, at_most: int, *, sent_at: float = 10.0, since: float = 0.0) -> list[int]:
    """So many requests are to leave together."""
    story = journal.begin_story("one", ())
    return journal.begin_exchanges(story, [request()] * count, sent_at, at_most=at_most, since=since)


def test_what_has_begun_and_not_ended_is_in_flight(journal: Journal) -> None:
    """In whichever process; there is room again when one has ended, or its time was up."""
    with contextlib.closing(other_process(journal)) as other:
        assert len(under_way(journal, 1, 2)) == 1
        [second] = under_way(other, 1, 2)
        assert under_way(journal, 1, 2) == under_way(other, 1, 2) == []
        other.end_exchange(Exchange(number=second, request=request(), sent_at=10.0, ended_at=11.0, lost="lost"))
        assert under_way(journal, 1, 2) != []
        assert under_way(other, 1, 2, sent_at=50.0) == []
        assert under_way(other, 1, 2, sent_at=50.0, since=40.0) != []


def test_who_waits_for_much_room_is_not_passed_by(journal: Journal) -> None:
    """Several requests that leave together need room for all of them: until they have it nobody else begins."""
    with contextlib.closing(other_process(journal)) as other:
        [first] = under_way(journal, 1, 3)
        assert under_way(other, 3, 3) == []
        assert under_way(journal, 1, 3) == []
        journal.end_exchange(Exchange(number=first, request=request(), sent_at=10.0, ended_at=11.0, lost="lost"))
        assert under_way(journal, 1, 3) == []
        assert len(under_way(other, 3, 3)) == 3
        assert under_way(journal, 1, 4) != []
        assert len(under_way(other, 9, 3, sent_at=99.0, since=90.0)) == 9


def test_streams_are_in_flight_in_every_process(journal: Journal) -> None:
    """Those that are open in one leave less room to the others, but always room for one request, until it has gone."""
    with contextlib.closing(other_process(journal)) as one, contextlib.closing(other_process(journal, "gw2")) as two:
        one.listen(2)
        assert (two.streams(), len(under_way(two, 1, 3))) == (2, 1)
        assert under_way(two, 1, 3) == under_way(two, 2, 4) == []
        journal.bury("gw2", 5.0)
        one.listen(9)
        assert len(under_way(two, 1, 3)) == 1
        assert under_way(two, 1, 3) == []
        journal.bury("gw1", 5.0)
        assert two.streams() == 0


def test_simultaneous_calls_wait_for_streams_to_end(journal: Journal) -> None:
    """And keep nobody from going on meanwhile; at last they leave all the same, when nothing else is in flight."""
    with contextlib.closing(other_process(journal)) as other:
        other.listen(1)
        story = journal.begin_story("one", ())
        volley = partial(journal.begin_exchanges, story, [request()] * 3, 10.0, at_most=3, since=0.0)
        assert volley(squeeze=False) == []
        [number] = under_way(other, 1, 3)
        assert volley(squeeze=True) == []
        other.end_exchange(Exchange(number=number, request=request(), sent_at=10.0, ended_at=11.0, lost="lost"))
        assert len(volley(squeeze=True)) == 3


def test_a_stream_waits_for_room_as_a_request_does(journal: Journal) -> None:
    """And leaves room for one request beside all streams, wherever they are; who waits for longer goes before it."""
    with contextlib.closing(other_process(journal)) as other:
        [number, *_] = under_way(journal, 3, 3)
        assert other.begin_stream(10.0, at_most=3, since=0.0) is None
        journal.end_exchange(Exchange(number=number, request=request(), sent_at=10.0, ended_at=11.0, lost="lost"))
        assert other.begin_stream(11.0, at_most=3, since=0.0) is True
        assert other.begin_stream(11.0, at_most=3, since=0.0) is None
        assert under_way(journal, 2, 3) == []
        assert other.begin_stream(99.0, at_most=4, since=90.0) is True
        assert journal.streams() == 2
        assert journal.begin_stream(99.0, at_most=3, since=90.0) is False
        assert under_way(journal, 9, 4, sent_at=60.0) == []
        assert other.begin_stream(61.0, at_most=4, since=60.5) is None


def test_the_dead_are_buried(journal: Journal) -> None:
    """What they had under way is over, their turns are free, and what they were telling is known."""
    with contextlib.closing(other_process(journal)) as other:
        story = other.begin_story("one", ["STATE-1", "IDEMP-1"])
        [number] = other.begin_exchanges(story, [request()], 1.0, at_most=1, since=0.0)
        assert other.begin_exchanges(story, [request()] * 2, 1.0, at_most=2, since=0.0) == []
    assert journal.bury("gw9", 5.0) == []
    assert under_way(journal, 1, 2, sent_at=2.0) == []
    assert journal.bury("gw1", 5.0) == [("STATE-1", "IDEMP-1")]
    found = journal.exchange(number)
    assert found is not None
    assert (found.ended_at, found.answer, found.lost) == (5.0, None, "the run ended before an answer came")
    assert under_way(journal, 2, 2, sent_at=2.0) != []


def test_who_was_dismissed_sends_nothing_more(journal: Journal) -> None:
    """Nor does a process whose keeper has died: it was not this one that started it."""
    with contextlib.closing(other_process(journal, keeper=os.getppid())) as other:
        assert under_way(other, 1, 5) != []
        journal.dismiss()
        assert under_way(journal, 1, 5) != []
        with pytest.raises(RunOver):
            under_way(other, 1, 5)
    with (
        contextlib.closing(Journal.create(journal.path.with_name("new.sqlite"))) as new,
        contextlib.closing(other_process(new, keeper=os.getpid())) as orphan,
        pytest.raises(KeyboardInterrupt),
    ):
        under_way(orphan, 1, 5)


def test_no_story_is_alone_beside_another(journal: Journal) -> None:
    """Neither one that begins while another process tells one, nor one in which another process begins one."""
    with contextlib.closing(other_process(journal)) as one, contextlib.closing(other_process(journal, "gw2")) as two:
        first = one.begin_story("one", ["BILL-1"], alone=True)
        assert one.end_story(first, 1.0)
        disturbed = one.begin_story("one", ["BILL-1"], alone=True)
        beside = two.begin_story("two", ["BILL-1"], alone=True)
        assert not one.end_story(disturbed, 2.0)
        assert not two.end_story(beside, 2.0)
        again = two.begin_story("two", ["BILL-1"], alone=True)
        one.begin_story("housekeeping", ())
        assert two.end_story(again, 3.0)
    told_again = {number: story.alone for number, story in journal.stories(terms())}
    assert [told_again[number] for number in (first, disturbed, beside, again)] == [True, False, False, True]


def test_a_story_is_taken_up_once(journal: Journal) -> None:
    """When it was told to its end, by the first process that asks, whichever has told it."""
    with contextlib.closing(other_process(journal)) as one, contextlib.closing(other_process(journal, "gw2")) as two:
        story = one.begin_story("one", ["STATE-3"])
        assert not two.take_up(story)
        one.end_story(story, 1.0)
        assert two.take_up(story)
        assert not one.take_up(story)


def begin_quietly(journal: Journal, accounts: set[str]) -> int:
    """A story that is to have accounts to itself."""
    return journal.begin_story("quiet", ["BILL-1"], alone=True, accounts=accounts, quiet=True)


def test_a_story_waits_for_the_accounts_that_it_moves(journal: Journal) -> None:
    """Until no other process tells a story that may move any of them, whether that comes to an end or is left."""
    ends: list[Callable[[Journal, int], object]] = [lambda one, story: one.end_story(story, 1.0), Journal.leave_story]
    with contextlib.closing(other_process(journal)) as one, contextlib.closing(other_process(journal, "gw2")) as two:
        for end in ends:
            under_way = one.begin_story("one", ["BILL-1"], accounts={"mine", "ours"})
            beside = two.begin_story("two", ["BILL-1"], alone=True, accounts={"theirs"}, quiet=True)
            assert two.end_story(beside, 1.0)
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(begin_quietly, two, {"theirs", "ours"})
                with pytest.raises(TimeoutError):
                    waiting.result(0.05)
                end(one, under_way)
                assert two.end_story(waiting.result(5), 2.0)


@pytest.mark.parametrize("accounts", [None, {"theirs", "mine"}])
def test_a_quiet_story_is_not_disturbed(journal: Journal, accounts: set[str] | None) -> None:
    """Those that may move its account begin when it is over; housekeeping need not wait."""
    with contextlib.closing(other_process(journal)) as one, contextlib.closing(other_process(journal, "gw2")) as two:
        under_way = begin_quietly(one, {"theirs"})
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(two.begin_story, "two", ["STATE-1"], accounts=accounts)
            with pytest.raises(TimeoutError):
                waiting.result(0.05)
            assert two.begin_story("housekeeping", ())
            assert one.end_story(under_way, 1.0)
            assert waiting.result(5)


def test_a_story_that_any_account_may_be_moved_by_is_waited_for(journal: Journal) -> None:
    """By a quiet one, which gives up when the run is over; a story that cannot move its account spares it."""
    with (
        contextlib.closing(other_process(journal)) as one,
        contextlib.closing(other_process(journal, "gw2", keeper=os.getppid())) as two,
    ):
        spared = begin_quietly(two, {"theirs"})
        one.end_story(one.begin_story("one", ["STATE-1"], accounts={"mine"}), 0.5)
        assert two.end_story(spared, 1.0)
        one.begin_story("one", ["STATE-1"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(begin_quietly, two, {"theirs"})
            with pytest.raises(TimeoutError):
                waiting.result(0.05)
            journal.dismiss()
            with pytest.raises(KeyboardInterrupt):
                waiting.result(5)


def test_the_time_of_a_run_is_shared_out_to_its_stories(journal: Journal) -> None:
    """From one answer to the next, whichever process heard it: so that what they took is what the run took."""
    with contextlib.closing(other_process(journal)) as one, contextlib.closing(other_process(journal, "gw2")) as two:
        stories = [each.begin_story("a story", ["STATE-1"]) for each in (one, two)]
        for sent_at, ended_at, index in ((10.0, 11.0, 0), (10.5, 12.0, 1), (13.0, 14.0, 0)):
            number = journal.begin_exchange(stories[index], request(), sent_at)
            journal.end_exchange(
                Exchange(number=number, request=request(), sent_at=sent_at, ended_at=ended_at, lost="lost")
            )
    assert journal.seconds_of_stories() == {stories[0]: 3.0, stories[1]: 1.0}


def test_a_task_is_left_alive_by_one_story_until_it_is_ended(journal: Journal) -> None:
    """Which one that was is known to every process, and so are its own tasks."""
    story = journal.begin_story("one", ["STATE-1"])
    for each in (task("task_1"), task("task_2")):
        journal.keep_task(each)
        journal.cast(story, each, own=each.task_id == "task_1")
    journal.linger(story, "task_1")
    assert journal.stories_told() == []
    journal.end_story(story, 4.0)
    with contextlib.closing(other_process(journal)) as other:
        [kept] = other.stories_told()
        assert (kept.number, kept.until, kept.own, kept.lingers) == (story, 4.0, (task("task_1"),), {"task_1"})
        assert other.lingering_in("task_1") == story
        other.linger(story, "task_1", still=False)
    assert journal.lingering_in("task_1") is None


def test_who_writes_is_waited_for(journal: Journal) -> None:
    """A statement waits until another process has written, and goes on soon after; what is wrong is said at once."""
    with contextlib.closing(Journal.join(journal.path, "gw0")) as other:
        other.connection.execute("BEGIN IMMEDIATE")
        writes = threading.Timer(0.2, other.connection.execute, ["COMMIT"])
        began = time.monotonic()
        writes.start()
        number = journal.begin_story("waits", ("STATE-1",))
        journal.retell(number, 1, 2, 3)
        assert 0.15 < time.monotonic() - began < 5
        writes.join()
        assert other.aims()[number] == ("STATE-1",)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        journal.connection.execute("SELECT * FROM nowhere")


def test_nobody_is_waited_for_without_end(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stays in the middle of its writing is given up on."""
    monkeypatch.setattr("conformance.journal._LONGEST_WRITE", 0.1)
    with contextlib.closing(Journal.join(journal.path, "gw0")) as other:
        other.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            journal.begin_story("waits in vain", ("STATE-1",))
        other.connection.execute("ROLLBACK")


def test_requests_take_turns_in_all_processes_together(journal: Journal) -> None:
    """At a rate of ten a second, each leaves a tenth of a second after the last one, whoever sends it."""
    with contextlib.closing(other_process(journal)) as other:
        turns = [each.pool.turn(5.0, 0.1) for each in (journal, other, journal)]
    assert turns == pytest.approx([5.0, 5.1, 5.2])
    assert journal.pool.turn(9.0, 0.1) == 9.0
