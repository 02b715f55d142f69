"""Serving: one process on a loopback port, or several over one database, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import uvicorn

from conformance.reference.app import Api
from conformance.reference.notify import tell
from conformance.reference.service import Service
from conformance.reference.staging import FarAway, Queued
from conformance.reference.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST: Final = "127.0.0.1"

_TICK: Final = 0.02
_LARGEST_HEAD: Final = 1 << 18


class Server(uvicorn.Server):
    """A uvicorn that says when it listens, lets tasks move by themselves, and stops without waiting for streams."""

    def __init__(self, api: Api, announce: Callable[[], object], wire: FarAway | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                wire or api,
                loop="asyncio",
                http="h11",  # it leaves odd methods and paths to the service, whatever else is installed
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
                h11_max_incomplete_event_size=_LARGEST_HEAD,
            )
        )
        self.api = api
        self.announce = announce
        self.ticking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ticking = asyncio.create_task(self.tick())
        self.announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and end what would not end by itself."""
        self.api.closing = True
        if self.ticking is not None:
            self.ticking.cancel()
        await super().shutdown(sockets)

    async def tick(self) -> None:
        """Let tasks move that nobody asks for, and tell their callbacks."""
        loop = asyncio.get_running_loop()
        while True:
            for url, document in self.api.service.tick():
                loop.run_in_executor(None, tell, url, document)
            await asyncio.sleep(_TICK)


def serve(
    *,
    port: int = 0,
    speed: float = 1.0,
    database: Path | None = None,
    fault: str | None = None,
    stranger: str | None = None,
    processes: int = 1,
    latency: float = 0.0,
    at_most_running: int | None = None,
    in_flight: int | None = None,
    announce: Callable[[str], object],
    until_stdin_closes: bool = False,
) -> None:
    """Serve until SIGTERM, SIGINT or, if asked, the end of stdin; `announce` is told the base URL once it listens.

    Several `processes` share the port and the database, and nothing else: the system deals the connections out.

    Raises:
        OSError: the port is taken, or the system cannot fork.
        KeyError: there is no such fault, or stranger.
    """
    with _stopping_quietly(), _database(database) as path, _listeners(port, processes) as listeners:

        def run(listener: socket.socket, announce: Callable[[], object], ends_with: int | None) -> None:
            api = assemble(path, speed, fault, stranger, at_most_running)
            far = FarAway(api, latency=latency, in_flight=in_flight) if latency or in_flight else None
            server = Server(api, announce, far)
            if ends_with is not None:
                threading.Thread(target=_stop_at_the_end_of, args=(ends_with, server), daemon=True).start()
            server.run(sockets=[listener])
            api.service.store.close()

        first, *others = listeners
        if others:  # the tables are made before anybody else is there
            assemble(path, speed, fault, stranger).service.store.close()
        with _beside(lambda listener, end: run(listener, lambda: None, end), others):
            stdin = sys.stdin.fileno() if until_stdin_closes else None
            run(first, lambda: announce(base_url(first.getsockname()[1])), stdin)


def processes_of(fault: str | None) -> int:
    """How many processes it takes to show a fault."""
    if fault is None:
        return 1
    from conformance.reference.faults import FAULTS  # noqa: PLC0415 - the usual service starts without them

    return FAULTS[fault].processes


def assemble(
    database: Path | str,
    speed: float = 1.0,
    fault: str | None = None,
    stranger: str | None = None,
    at_most_running: int | None = None,
) -> Api:
    """Put store, service and application together; what a fault spoils, or `+`-joined strangers, they replace."""
    if fault is not None:
        from conformance.reference.faults import FAULTS  # noqa: PLC0415 - the usual service starts without them

        return FAULTS[fault].assemble(database, speed)
    if stranger is not None:
        from conformance.reference.strangers import Company  # noqa: PLC0415 - likewise

        return Company.of(stranger).assemble(database, speed)
    if at_most_running is not None:
        return Api(Queued(Store(database), speed, at_most_running=at_most_running))
    return Api(Service(Store(database), speed))


def base_url(port: int) -> str:
    """The base URL of a service on `port` of this machine."""
    return f"http://{HOST}:{port}/v1"


@contextmanager
def _listeners(port: int, count: int) -> Iterator[list[socket.socket]]:
    """One listening socket a process, all on one port."""
    with ExitStack() as stack:
        listeners: list[socket.socket] = []
        for _ in range(count):
            taken = listeners[0].getsockname()[1] if listeners else port
            listener = socket.create_server((HOST, taken), backlog=2048, reuse_port=count > 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
            listeners.append(stack.enter_context(listener))
        yield listeners


@contextmanager
def _beside(work: Callable[[socket.socket, int], object], listeners: list[socket.socket]) -> Iterator[None]:
    """Do `work` in a process for each listener, which is told of it and of a pipe that ends when all are to end."""
    children = []
    ends, end = os.pipe()
    try:
        for listener in listeners:
            if child := os.fork():
                children.append(child)
                listener.close()  # one that nobody listens to any more is to be offered no connection
                continue
            os.close(end)
            try:
                work(listener, ends)
            finally:  # whatever ends it, a child never returns into its parent's code
                os._exit(0)
        yield
    finally:
        os.close(end)
        os.close(ends)
        for child in children:
            os.waitpid(child, 0)


@contextmanager
def _database(path: Path | None) -> Iterator[Path]:
    if path is not None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="reference-service-") as folder:
        yield Path(folder) / "tasks.sqlite"


@contextmanager
def _stopping_quietly() -> Iterator[None]:
    """Take a signal before or after uvicorn's own watch over them as a wish to end, not as a crash."""
    previous = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with suppress(_Stopped):
            yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Stopped(BaseException):
    """A signal asked the process to end."""


def _leave(_number: int, _frame: object) -> NoReturn:
    raise _Stopped


def _stop_at_the_end_of(pipe: int, server: Server) -> None:
    while os.read(pipe, 4096):
        pass
    server.should_exit = True
