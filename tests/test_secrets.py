"""No key is in anything that a command prints or writes, though the target echoes it in every way there is."""

from __future__ import annotations

import base64
import contextlib
import html
import itertools
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from conftest import clean_environment, suite_command
from small_target import Target
from stand_in import KEY, KEYS, OTHER_KEY, Heard, answer, standing_in

from conformance.life import Cancel, Key, Replay, Submit
from conformance.reference.service import KEYS as SANDBOX
from conformance.report.forms import TEXTS
from conformance.running import Asked, judged
from conformance.target.credentials import near_misses

if TYPE_CHECKING:
    from pathlib import Path

ROWS: Final = "IDENT-1,STATE-1,PARITY-2,AUTH-1,AUTH-2,AUTH-7,ERR-6"
_UNTOLD: Final = {"host", "accept", "accept-encoding", "user-agent", "connection", "content-type", "content-length"}
LIMITS: Final = (
    *("--set=limits.timeout=1", "--set=limits.retries=0"),
    *(f"--set=states.{state}.within=0.3" for state in ("running", "completed", "failed")),
)
BOOM: Final = """\
import itertools
from conformance.target.client import Client

count = itertools.count()
heard = Client._heard

def breaks(self, *said):
    secret = self._profile.secret("owner")
    shown = {"authorization": f"Bearer {secret}"}
    if next(count) == 30:
        raise RuntimeError(f"it broke while {shown} was sent, {secret.encode().hex()}")
    return heard(self, *said)

Client._heard = breaks
"""


def spellings(key: str) -> Iterator[str]:
    """A key in every encoding in which it might come out; of base64, what is the same wherever it stands."""
    yield from (key, quote(key, safe=""), html.escape(key), key.encode().hex(), key.encode().hex().upper())
    yield "".join(f"\\u{ord(char):04x}" for char in key)
    for before in range(3):
        code = base64.b64encode(bytes(before) + key.encode() + bytes(2)).decode()
        core = code[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        yield from (core, core.translate(str.maketrans("+/", "-_")))


NEEDLES: Final = {
    spelled for key in (KEY, OTHER_KEY) for alike in (key, key[:-1], *near_misses(key)) for spelled in spellings(alike)
}


class Echo(Target):
    """Says back whatever it was shown, in every spelling: in bodies, headers, messages, and in what is no HTTP."""

    def __init__(self) -> None:
        super().__init__(answer, honest=10**6)
        self.told = b""
        self.begin_anew()

    def begin_anew(self) -> None:
        """What is no HTTP comes after eight honest answers."""
        self._count = itertools.count()

    def __call__(self, heard: Heard) -> bytes:
        """Answer one request, and echo its headers."""
        status, document = self._honest(heard)
        shown = [value for name, value in heard.headers.items() if name not in _UNTOLD] or ["nothing"]
        every = [spelled for value in shown for part in (value, *value.split()) for spelled in spellings(part)]
        if "error" in document:
            document["error"] |= {"message": f"No. {shown!r}", "param": every}
        else:
            document |= {"echo": every, "shown": shown}
        said = answer(status, document, x_echo=" ".join(shown), set_cookie=f"k={shown[-1]}", x_coded=" ".join(every))
        if next(self._count) % 9 == 8:
            said = f"HTTP/1.1 {shown} {every[:4]}\r\n\r\n".encode()
        self.told += said
        return said


def left(folder: Path) -> str:
    """All that lies in a folder: each file as bytes, and each journal as what is in it."""
    texts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".sqlite":
            with contextlib.closing(sqlite3.connect(path)) as journal:
                for (table,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    texts += [repr(row) for row in journal.execute(f"SELECT * FROM {table}")]  # noqa: S608 - a name
    return "\n".join(texts)


def leaks(folder: Path) -> list[str]:
    """The spellings of keys that are to be found in a folder."""
    text = left(folder)
    assert "$KEY" in text
    return sorted(needle for needle in NEEDLES if needle in text)


def carry_out(folder: Path, command: list[str], **more: str) -> str:
    """Run a command in a folder, with what it prints kept there too."""
    done = subprocess.run(
        command,
        env=clean_environment({**KEYS, **more}),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    with (folder / "said").open("ab") as said:
        said.write(done.stdout)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def echoed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Echo]:
    """The folder of a user who ran the suite against a target that echoes, and did with the run all that there is."""
    folder, target = tmp_path_factory.mktemp("echoed"), Echo()
    with standing_in(target) as server:
        options = [
            "--base-url",
            server.base_url,
            "--only",
            ROWS,
            "--depth",
            "smoke",
            "--seed",
            "1",
            "--report-dir",
            "r",
        ]
        carry_out(folder, suite_command("run", *options, *LIMITS))
        a_replay().write(folder)
        target.begin_anew()
        there = ["--base-url", server.base_url, "--report-dir", "replayed", *LIMITS]
        assert " steps, told to " in carry_out(folder, suite_command("replay", "replay-ISO-1.json", *there))
        assert "left" in carry_out(folder, suite_command("sweep", "r/journal.sqlite"))
    carry_out(folder, suite_command("judge", "r/journal.sqlite", "--report-dir", "again"))
    forms = [part for form in (*TEXTS, "har", "allure") for part in (f"--{form}", f"forms/{form}")]
    carry_out(folder, suite_command("report", "r/journal.sqlite", *forms))
    assert "requests" in carry_out(folder, suite_command("diff", "r", "again"))
    assert "IDENT-1" in carry_out(folder, suite_command("requirements"))
    return folder, target


def a_replay() -> Replay:
    """A program with each key in it."""
    return Replay(requirement="ISO-1", program=(Submit(task=0), Cancel(task=0, key=Key.OTHER)), found_in=2, seed=1)


def test_the_target_did_echo(echoed: tuple[Path, Echo]) -> None:
    """Every spelling of a key went over the wire: there was something to hide."""
    told = echoed[1].told.decode("latin-1")
    missing = {each for each in spellings(KEY) if each not in told and json.dumps(each)[1:-1] not in told}
    assert missing == set()


def test_no_key_is_in_anything_that_is_left(echoed: tuple[Path, Echo]) -> None:
    """Neither in a file, a journal or a report, nor on the terminal; and there are no more files than the user's."""
    folder, _ = echoed
    assert leaks(folder) == []
    left_over = {path.name for path in folder.iterdir()}
    assert left_over == {"r", "again", "said", "forms", "replayed", "replay-ISO-1.json"}
    assert {path.name for path in (folder / "forms").iterdir()} == {*TEXTS, "har", "allure"}


def test_no_key_is_in_what_a_self_test_says(tmp_path: Path) -> None:
    """Nor in its matrix: the keys of the reference service are keys, too."""
    options = ["-k", "accepts-both-for-one-task", "--depth", "smoke", "--jobs", "1", "--json", "matrix.json"]
    assert "accepts-both-for-one-task" in carry_out(tmp_path, suite_command("selftest", *options))
    assert (tmp_path / "matrix.json").is_file()
    text = left(tmp_path)
    assert [spelled for key in SANDBOX.values() for spelled in spellings(key) if spelled in text] == []


def test_an_echo_is_nobodys_fault(echoed: tuple[Path, Echo]) -> None:
    """What is masked is the same wherever it was the same: the rows that are kept are seen to be kept."""
    summary = json.loads((echoed[0] / "r" / "summary.json").read_text(encoding="utf-8"))
    verdicts = {row: said["verdict"] for row, said in summary["requirements"].items()}
    assert "fail" not in verdicts.values(), (echoed[0] / "said").read_text()
    assert verdicts["AUTH-2"] == verdicts["IDENT-1"] == "pass"


def test_no_key_is_in_a_trace_of_our_own(tmp_path: Path) -> None:
    """Plain pytest shows arguments, and locals to who asks for them."""
    (tmp_path / "boom.py").write_text(BOOM, encoding="utf-8")
    with standing_in(Echo()) as server:
        pytest_ = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:schemathesis",
            "-p",
            "boom",
            "--pyargs",
            "conformance.suite",
        ]
        options = ["--only", ROWS, "--depth", "smoke", "--seed", "1", "--report-dir", "r"]
        shown = ["-vv", "-l", "-rA", "--full-trace", "--log-level=DEBUG", "--junitxml=j.xml"]
        limits = {f"CONFORMANCE_STATES__{state}__WITHIN": "0.3" for state in ("RUNNING", "COMPLETED", "FAILED")}
        limits |= {"CONFORMANCE_BASE_URL": server.base_url, "CONFORMANCE_LIMITS__RETRIES": "0"}
        path = os.pathsep.join([str(tmp_path), *sys.path])
        said = carry_out(tmp_path, [*pytest_, *options, *shown], PYTHONPATH=path, **limits)
    assert "it broke while" in said
    (tmp_path / "boom.py").unlink()
    assert leaks(tmp_path) == []


def test_no_key_is_in_what_is_said_of_our_own_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where pytest itself breaks down, what it says goes into the journal, but for the keys."""

    def breaks_down(*_: object, **__: object) -> pytest.ExitCode:
        sys.stdout.write(f"INTERNALERROR> {KEY}")
        return pytest.ExitCode.INTERNAL_ERROR

    monkeypatch.setattr(pytest, "main", breaks_down)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # so that it is put back: a run sets it
    asked = Asked(base_url="http://127.0.0.1:9/v1", jobs=1, report_dir=tmp_path)
    _, summary = judged(asked, {"CONFORMANCE_OWNER_KEY": KEY})
    assert summary.notes["our_fault"] == "INTERNALERROR> $KEY"
