"""Hostile targets: whatever one sends, a run ends in order and in time, small, and nothing of it acts or leaks.

Each malice is a target that works, but for how it says so. The command is run against each as a user would run it.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest
from conftest import clean_environment
from small_target import Spoil, Target
from stand_in import KEY, KEYS, Heard, answer, standing_in

if TYPE_CHECKING:
    from pathlib import Path

ROWS: Final = "IDENT-1,STATE-1,PARITY-2,AUTH-2"
MOST_MEMORY: Final = 200 << 10
"""Kilobytes that the process of a run may take at its largest."""

MEASURED: Final = """\
import atexit, pathlib, conformance.cli
atexit.register(lambda: pathlib.Path("memory").write_bytes(pathlib.Path("/proc/self/status").read_bytes()))
conformance.cli.main()
"""
"""The command, which says in the end how large it was; what `wait4` says begins with the size of its parent."""

JUNIT: Final = {
    *("testsuites", "testsuite", "testcase", "properties", "property"),
    *("failure", "skipped", "system-out"),
}
"""The elements of a JUnit report."""

LONGEST: Final = 120.0
"""Seconds that a run may take; its exchanges have 0.2 each."""

BIDI: Final = "\u202e\u2066\u200f"
ACTS: Final = f"\x1b[31m\x1b]8;;http://evil.example\x07click\x1b]8;;\x07\x9b31m\x9d0;title\x9c\x07{BIDI}\ufeff\r\n\0"
PAGE: Final = "<script>alert(1)</script>]]></failure><img src=x onerror=alert(1)>&lt;\"'"

# malices


def with_text(text: str) -> Spoil:
    """The text stands in every place where a target may put one."""
    header = re.sub("[\r\n\0\ud800-\udfff]", "", text)

    def say(status: int, document: dict[str, Any]) -> bytes:
        if "error" in document:
            document = {"error": dict.fromkeys(("message", "type", "param", "code"), text), text: text}
        else:
            document = {**document, "status": text, "error_message": text, "output": [{"url": text}], text: text}
        said = answer(status, document, content_type=f"application/json; x={header}", x_said=header)
        return said.replace(b"Said", header.encode(), 1)

    return say


def with_field(literal: str) -> Spoil:
    """A JSON literal stands in the place of every number."""

    def say(status: int, document: dict[str, Any]) -> bytes:
        more = f', "credits_used": {literal}, "estimated_credits": {literal}, "{literal[:20]}": [{literal}]}}'
        return answer(status, content=json.dumps(document)[:-1].encode() + more.encode())

    return say


def with_body(make: Callable[[bytes], bytes], **headers: str) -> Spoil:
    """The body is made into another one."""
    return lambda status, document: answer(status, content=make(json.dumps(document).encode()), **headers)


def with_bytes(make: Callable[[bytes], bytes | Iterable[bytes]]) -> Spoil:
    """The whole answer is made into other bytes."""
    return lambda status, document: make(answer(status, document))


def for_ever(head: bytes, drop: bytes, pause: float = 0.0) -> Spoil:
    """An answer that goes on until nobody listens."""

    def say(_status: int, _document: dict[str, Any]) -> Iterator[bytes]:
        yield head
        while True:
            yield drop
            time.sleep(pause)

    return say


BOMB: Final = gzip.compress(bytes(100 << 20), 1)
OPEN: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED: Final = OPEN + b"transfer-encoding: chunked\r\n\r\n"
CHUNK: Final = b"10000\r\n" + b'{"a":[1,' * (1 << 13) + b"\r\n"

MALICES: Final[dict[str, Spoil]] = {
    "none": answer,
    "an endless body": for_ever(OPEN + b"\r\n", b"x" * (1 << 16)),
    "endless chunks": for_ever(CHUNKED, CHUNK),
    "endless lists": for_ever(OPEN + b"\r\n[", b"[],[{}]," * (1 << 13)),
    "endless headers": for_ever(OPEN, b"x-more: 1\r\n" * 5000),
    "one endless header": for_ever(OPEN + b"x: ", b"x" * (1 << 16)),
    "an endless status line": for_ever(b"HTTP/1.1 200 ", b"O" * (1 << 16)),
    "endless early hints": for_ever(
        b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 99
    ),
    "a head that drips": for_ever(b"HTTP/1.1 200 OK\r\nx: ", b"x", 0.05),
    "a bomb": with_body(lambda _: BOMB, content_encoding="gzip"),
    "a bomb in a bomb": with_body(lambda _: gzip.compress(BOMB), content_encoding="gzip, gzip"),
    "a deflated bomb": with_body(lambda _: zlib.compress(bytes(50 << 20), 1), content_encoding="deflate"),
    "an encoding nobody knows": with_body(bytes, content_encoding="br"),
    "a deep document": with_body(lambda body: body[:-1] + b', "x": ' + b'[{"a":' * 99999 + b"1" + b"}]" * 99999 + b"}"),
    "a wide document": with_body(lambda body: body[:-1] + b', "x": [' + b"{},[]," * 200_000 + b"1]}"),
    "a huge exponent": with_field("1e999999999"),
    "a tiny exponent": with_field("1e-999999999"),
    "a million digits": with_field("1" * 10**6),
    "NaN": with_field("NaN"),
    "infinity": with_field("-Infinity"),
    "numbers for strings": lambda status, document: answer(status, dict.fromkeys(document, 7)),
    "lists for strings": lambda status, document: answer(status, {name: [[{}]] for name in document}),
    "doubled keys": with_body(lambda body: b'{"task_id": "other", "status": "running", ' + body[1:]),
    "terminal codes": with_text(ACTS),
    "markup": with_text(PAGE),
    "odd letters": with_text("\ud800\udfff\ufffe\uffff\U0010fffféœ"),
    "another charset": with_body(
        lambda body: body.decode().encode("utf-16"), content_type="application/json; charset=x"
    ),
    "a byte order mark": with_body(lambda body: b"\xef\xbb\xbf" + body),
    "broken letters": with_body(lambda body: body.replace(b"task", b"\xff\xc0")),
    "an upgrade": with_bytes(lambda said: said.replace(b"200", b"101", 1)),
    "no protocol": with_bytes(lambda said: said.partition(b"\r\n\r\n")[2]),
    "another protocol": with_bytes(lambda _: b"SSH-2.0-OpenSSH_9.6\r\n\x00\x1b[31m"),
    "too short a length": with_bytes(lambda said: re.sub(rb"content-length: \d+", b"content-length: 9", said)),
    "too long a length": with_bytes(lambda said: re.sub(rb"content-length: \d+", b"content-length: 99999", said)),
    "no length": with_bytes(lambda said: re.sub(rb"content-length: \d+", b"content-length: -1", said)),
    "two lengths": with_bytes(lambda said: re.sub(rb"(content-length: )(\d+)", rb"\g<1>\2\r\n\g<1>5", said)),
    "a length and chunks": with_bytes(
        lambda said: said.replace(b"content-length", b"transfer-encoding: chunked\r\nx", 1)
    ),
    "lines in headers": with_bytes(lambda said: said.replace(b"Said\r\n", b"Said\r\nx: a\n b\r\n\tc\r\ny\r\n", 1)),
    "a cookie": lambda status, document: answer(status, document, set_cookie="session=tracked; Path=/"),
    "waits for ever": lambda _status, document: answer(429, document, retry_after="1e308", x_ratelimit_reset="9" * 400),
}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run against a malice ended: what it printed and wrote, how long and how large it was, what it had sent."""

    code: int
    said: str
    seconds: float
    kilobytes: int
    folder: Path
    heard: list[Heard]


def run_against(malice: str, folder: Path) -> Ended:
    """The command, against one malice, in a process of its own that is measured."""
    folder.mkdir()
    with standing_in(Target(MALICES[malice])) as server, (folder / "said").open("w+b") as out:
        limits = [f"--set=limits.{name}" for name in ("timeout=0.2", "retries=0", "patience=2")]
        limits += [f"--set=states.{name}.within=0.5" for name in ("running", "completed", "failed")]
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
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "run", *options, *limits],
            env=clean_environment(KEYS),
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=2 * LONGEST,
            check=False,
        )
        seconds = time.monotonic() - started
    memory = re.search(r"VmHWM:\s*(\d+)", (folder / "memory").read_text(encoding="utf-8"))
    assert memory
    return Ended(
        code=done.returncode,
        said=(folder / "said").read_bytes().decode(),
        seconds=seconds,
        kilobytes=int(memory[1]),
        folder=folder / "r",
        heard=server.heard,
    )


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """Every run, each once; a few at a time."""
    folder = tmp_path_factory.mktemp("hostile")
    with ThreadPoolExecutor(3) as pool:
        runs = pool.map(lambda each: run_against(each[1], folder / str(each[0])), enumerate(MALICES))
        yield dict(zip(MALICES, runs, strict=True))


def controls(text: str) -> set[str]:
    """The characters of a text that could act in a terminal."""
    return {char for char in text if not char.isprintable()} - {"\n"}


def files(run: Ended) -> dict[str, str]:
    """Every text that a run wrote, by the name of its file; the journal is kept as it was heard."""
    return {str(path): path.read_text() for path in run.folder.rglob("*") if path.suffix in {".json", ".xml"}}


@pytest.mark.parametrize("malice", MALICES)
def test_a_run_against_a_hostile_target_ends_in_order(ended: dict[str, Ended], malice: str) -> None:
    """In time, with a verdict of its own on the target, and none on itself."""
    run = ended[malice]
    assert run.code in ({0} if malice == "none" else {0, 1, 3}), run.said
    assert "Traceback" not in run.said
    assert run.seconds < LONGEST
    assert json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))["exit_code"] == run.code


@pytest.mark.parametrize("malice", MALICES)
def test_a_run_against_a_hostile_target_stays_small(ended: dict[str, Ended], malice: str) -> None:
    """Whatever comes is bounded before it is kept, one by one and in all."""
    assert ended[malice].kilobytes < MOST_MEMORY


@pytest.mark.parametrize("malice", MALICES)
def test_nothing_that_a_hostile_target_says_acts(ended: dict[str, Ended], malice: str) -> None:
    """Neither in a terminal, nor in a page, nor in what reads a report."""
    run = ended[malice]
    assert controls(run.said) == set()
    for path, text in files(run).items():
        assert controls(text) == set(), path
        if path.endswith(".json"):
            json.loads(text)
        else:
            assert {each.tag for each in ET.fromstring(text).iter()} <= JUNIT  # noqa: S314 - our own
    assert len(files(run)) > 2


@pytest.mark.parametrize("malice", MALICES)
def test_a_hostile_target_gets_nothing_but_requests(ended: dict[str, Ended], malice: str) -> None:
    """No cookie of its own comes back to it, and no key is in anything that is left of the run."""
    run = ended[malice]
    assert [heard for heard in run.heard if "cookie" in heard.headers] == []
    left = b"".join(path.read_bytes() for path in run.folder.parent.rglob("*") if path.is_file())
    assert KEY.encode() not in left


def test_malices_differ_from_honesty(ended: dict[str, Ended]) -> None:
    """The honest target passes, and most others do not: the malice was met."""
    assert ended["none"].code == 0
    assert sum(run.code != 0 for run in ended.values()) > len(MALICES) * 3 // 4
