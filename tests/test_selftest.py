"""The self-test as a command: that it ends when it is told to, and survives a trial whose process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import clean_environment, suite_command

from conformance import selftest
from conformance.selftest import Trial, try_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

_LONG_ENOUGH = 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_self_test_ends_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    """By a Ctrl-C or by SIGTERM, without a trace; nothing of it is left running, and no folder is left behind."""
    command = suite_command("selftest", "-k", "cancels", "--depth", "smoke", "--jobs", "2")
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=clean_environment({"TMPDIR": str(tmp_path)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert "1/" in process.stdout.readline()  # the first trial has come to its end, and others go on
    process.send_signal(number)
    said, _ = process.communicate(timeout=_LONG_ENOUGH // 2)  # whoever goes on would hold its end of the pipe
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("tmp*"))


def test_a_trial_whose_process_dies_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process may be killed from outside: the others go on, and of that one it is told."""
    monkeypatch.setattr(selftest, "_send", _die)
    with closing(try_all("smoke", [{"seed": 1, "fault": "none-such"}], 1)) as coming:
        [trial] = coming
    assert (trial.name, trial.seed) == ("none-such", 1)
    assert trial.complaint == f"its process ended with {-signal.SIGKILL}, and said nothing"


def test_who_asks_for_no_more_ends_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial under way is ended, and the next one is not begun."""
    monkeypatch.setattr(selftest, "_send", _linger_behind_one)
    begun = time.monotonic()
    with closing(try_all("smoke", [{"seed": 1}, {"seed": 2}, {"seed": 3}], 1)) as coming:
        assert next(coming).seed == 1
    assert time.monotonic() - begun < _LONG_ENOUGH


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _linger_behind_one(sender: Connection, depth: str, _: str, wanted: Mapping[str, int]) -> None:
    if wanted["seed"] > 1:
        time.sleep(_LONG_ENOUGH)
    sender.send(Trial(seed=wanted["seed"], trouble=depth))
