"""Processes that are forked have loaded what they need, and depend on nobody but the one that forked them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from execnet import XSpec
from conformance.forked import Forks, fork

SPEC = "popen//execmodel=main_thread_only"
ASK = "import os, sys; channel.send(('conformance.suite.test_race' in sys.modules, os.getppid() == channel.receive()))"
{body}
"""
TALK = """
import os
processes = fork(2)
specs = [XSpec(SPEC) for _ in range(3)]
group = Forks(processes, specs)
said = []
for spec in specs:
    channel = group.makegateway(spec).remote_exec(ASK)
    channel.send(os.getpid())
    said.append([spec.id, *channel.receive(60)])
group.terminate(30)
print(json.dumps([said, [process.wait() for process in processes]]))
"""
ALONE = """
first, second = fork(2)
first.close_write()
code = first.wait()
second.kill()
print(json.dumps([code, second.wait()]))
"""
ELSEWHERE = """
sys.platform = "darwin"
print(json.dumps(fork(2)))
"""
BESIDE = """
import threading
done = threading.Event()
threading.Thread(target=done.wait).start()
print(json.dumps(fork(2)))
done.set()
"""
EDGES = """
from resource import RUSAGE_SELF, getrusage
from conformance.interpreter import with_room

def inner():
    pass

def faults(depth):
    if depth:
        return faults(depth - 1)
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(1000):
        inner()
    return getrusage(RUSAGE_SELF).ru_minflt - before

for each in (inner, faults):
    each.__code__ = each.__code__.replace(co_stacksize=100)  # as large as the calls of a run
print(json.dumps(max(with_room(lambda: [faults(depth) for depth in range(240)]))))
"""

LOADED = """
from conformance.forked import load
load()
before = "rich" in sys.modules
from httpx._main import main
print(json.dumps([before, "rich" in sys.modules]))
"""


def said(body: str) -> object:
    """What such a script prints, in a process with one thread."""
    script = SCRIPT.format(body=body)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stderr == ""
    return json.loads(ran.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
class TestOnLinux:
    """Where processes are forked."""

    def test_what_is_forked_is_ready(self) -> None:
        """It has the suite loaded; what comes after is started by execnet; each has the name it was given."""
        names, codes = said(TALK)
        assert names == [["gw0", True, True], ["gw1", True, True], ["gw2", False, True]]
        assert codes == [0, 0]

    def test_a_process_ends_when_nobody_speaks_to_it(self) -> None:
        """No other process holds our end of its pipes open; one that does not end by itself is ended."""
        assert said(ALONE) == [0, -9]


@pytest.mark.parametrize("body", [ELSEWHERE, BESIDE], ids=["another system", "another thread"])
def test_where_it_is_not_safe_none_is_forked(body: str) -> None:
    """What another thread has locked would stay locked for ever, and libraries of other systems may not stand it."""
    assert said(body) == []


def test_work_that_has_room_crosses_no_edge() -> None:
    """However deep a call is, a thousand calls from there take no new page each."""
    pytest.importorskip("resource")
    assert said(EDGES) < 500


def test_nothing_is_loaded_that_tells_no_stories() -> None:
    """The command line of httpx and what it draws with stay away, until somebody asks for them."""
    assert said(LOADED) == [False, True]
