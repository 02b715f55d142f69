"""Processes that tell stories, forked from this one before anything is open in it, and kept until xdist asks for them.

execnet starts an interpreter for each, in which all that they need is loaded anew: on two processors that is a tenth of
a smoke run. It still does so where a fork is not safe, and for what takes the place of a process that died.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from execnet import Gateway, Group, XSpec
from execnet.gateway_base import Popen2IO, get_execmodel, init_popen_io, serve

from conformance.interpreter import with_room

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

_SUITE: Final = Path(__file__).parent / "suite"
NEEDED: Final = (
    "xdist.dsession",
    "conformance.distributed",
    *(f"conformance.suite.{path.stem}" for path in sorted(_SUITE.glob("test_*.py"))),
)
"""The modules that it takes to tell stories."""

_MODEL: Final = "main_thread_only"
"""Tests run in a process's main thread, where signals arrive: what xdist asks of execnet."""


class Forked(Popen2IO):
    """A process that was forked, as execnet speaks with one that it has started."""

    def __init__(self, process: BaseProcess, to: BinaryIO, back: BinaryIO) -> None:
        super().__init__(to, back, execmodel=get_execmodel(_MODEL))
        self._process = process

    def wait(self) -> int | None:
        """Its exit code, when it has come to its end."""
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


class Forks(Group):
    """The processes of a run as xdist has them: those that were forked, and after them such as execnet starts."""

    def __init__(self, ready: Sequence[Forked], specs: Sequence[XSpec]) -> None:
        super().__init__(execmodel=_MODEL)
        self._ready = list(ready)
        for spec in specs:  # they had their names of another group, which would give them out again
            spec.id = None
            self.allocate_id(spec)

    def makegateway(self, spec: XSpec | str | None = None) -> Gateway:
        """The next process, under the name that its `spec` has."""
        if not self._ready or not isinstance(spec, XSpec):
            return super().makegateway(spec)
        gateway = Gateway(self._ready.pop(0), spec)
        self._register(gateway)
        return gateway


def load() -> None:
    """Load what it takes to tell stories."""
    for name in NEEDED:
        import_module(name)


def fork(count: int) -> list[Forked]:
    """So many processes that have it loaded; none where the system's own libraries, or other threads, may not stand it.

    To be called while no journal or connection is open.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return []
    load()
    context = multiprocessing.get_context("fork")
    made, ours = [], []
    for _ in range(count):
        (heard, to), (back, said) = os.pipe(), os.pipe()
        ours += [to, back]
        process = context.Process(target=_serve, args=(heard, said, ours), daemon=True)
        process.start()
        made.append((process, to, back))
        os.close(heard)
        os.close(said)
    return [Forked(process, os.fdopen(to, "wb"), os.fdopen(back, "rb")) for process, to, back in made]


def _serve(heard: int, said: int, ours: Sequence[int]) -> None:
    """Do as execnet's other side says over two pipes; of `ours`, that side's ends of all of them, none stays open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side has been told too, and dismisses this process
    for end in ours:
        os.close(end)
    os.dup2(heard, 0)
    os.dup2(said, 1)
    os.close(heard)
    os.close(said)
    pipes: Any = init_popen_io(get_execmodel(_MODEL))
    with_room(lambda: serve(pipes, id="forked"))
