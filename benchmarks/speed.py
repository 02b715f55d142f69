"""How long whole commands take against the built-in reference service, told in bare httpx calls.

Machines are noisy, and one hour is not like the next: so a bare loop is timed before and after each command, in which
one `httpx.Client` asks a socket that always answers the same. What counts is how many of its calls a command is worth.
Run it with `python benchmarks/speed.py` on a machine that does nothing else.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

DEPTHS: Final = {"smoke": 4.0, "standard": 10.0}
"""What is timed, and the seconds that it should take at the most where a bare call takes `USUAL`."""

USUAL: Final = 283e-6
"""Seconds of CPU that a bare call took on the machine on which these limits were set."""

_TIMES: Final = 5
_CALLS: Final = 2000
_ANSWER: Final = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'


def main() -> None:
    """Time each command several times, and print each time and the one in the middle."""
    for depth, limit in DEPTHS.items():
        worth = []
        for seed in range(1, _TIMES + 1):
            before = bare()
            took = timed(depth, seed)
            call = (before + bare()) / 2
            worth.append(took / call)
            print(f"{depth}, seed {seed}: {took:.1f} s, as long as {worth[-1]:,.0f} bare calls of {call * 1e6:.0f} µs")
        middle = statistics.median(worth)
        usual = f"{middle * USUAL:.1f} s at {USUAL * 1e6:.0f} µs a call"
        print(f"{depth}: {middle:,.0f} bare calls in the middle, {usual}; the limit is {limit:.1f} s")


def timed(depth: str, seed: int) -> float:
    """Seconds that a whole command takes, from its start to its end.

    Raises:
        subprocess.CalledProcessError: it found something, which it should not.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "run", "--depth", depth, "--seed", str(seed)]
        begun = time.monotonic()
        subprocess.run([*command, "--report-dir", folder], check=True, capture_output=True)  # noqa: S603 - our own
        return time.monotonic() - begun


def bare() -> float:
    """Seconds of CPU that one call of a bare loop takes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(theirs,), daemon=True)
    process.start()
    try:
        with httpx.Client(trust_env=False) as client:
            url = f"http://127.0.0.1:{ours.recv()}/"
            client.get(url)
            begun = time.process_time()
            for _ in range(_CALLS):
                client.get(url)
            return (time.process_time() - begun) / _CALLS
    finally:
        process.kill()


def answer(pipe: Connection) -> None:
    """Answer whatever is sent on one connection, always the same; the port is told through the pipe."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1 << 16):
                connection.sendall(_ANSWER)


if __name__ == "__main__":
    main()
