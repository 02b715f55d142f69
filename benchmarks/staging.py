"""What a standard run takes on a staging environment, beside what it must take: the ratio, and where the rest goes.

The reference service plays the environment: 100 ms away, tasks of 3 to 10 s, four of them running at the most, five
requests in flight at the most. A run cannot be shorter than its requests take, five at a time, nor than the longest
wait for a task that must end by itself. Run it with `python benchmarks/staging.py`; it takes about four minutes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final
from unittest.mock import patch

from conformance.journal import Journal
from conformance.running import Asked, carry_out, reference_service

LATENCY: Final = 0.1
IN_FLIGHT: Final = 5
RUNNING: Final = 4
PROFILE: Final = Path(__file__).with_suffix(".toml")


def main() -> None:
    """Run, and print the ratio and the phases."""
    options = ["--latency", f"{LATENCY}", "--in-flight", f"{IN_FLIGHT}", "--at-most-running", f"{RUNNING}"]
    with tempfile.TemporaryDirectory() as name, reference_service(options=options) as started:
        seconds, code = _run(Path(name), started["base_url"], started["keys"])
        with closing(Journal.open(Path(name) / "journal.sqlite")) as journal:
            least = max(journal.count() * LATENCY / IN_FLIGHT, _longest_wait(journal))
            print(f"{journal.count()} requests in {seconds:.1f} s, exit {code}; at the least {least:.1f} s")
            print(f"ratio {seconds / least:.2f}")
            for phase, begun, ended, requests in _phases(journal.connection):
                print(
                    f"  {begun:6.1f} to {ended:5.1f} s  {requests * LATENCY / IN_FLIGHT:5.1f} s at the least  {phase}"
                )


def _run(folder: Path, base_url: str, keys: dict[str, str]) -> tuple[float, int]:
    """A standard run against the service; how long it took, and its exit code."""
    environ = {f"CONFORMANCE_{role.upper()}_KEY": keys[role] for role in ("owner", "other", "revoked")}
    asked = Asked(target=PROFILE, base_url=base_url, report_dir=folder, seed=1)
    begun = time.monotonic()
    with patch.dict(os.environ, environ), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        code = carry_out(asked, os.environ)
    return time.monotonic() - begun, int(code)


def _longest_wait(journal: Journal) -> float:
    """Seconds in which a shared task of the slowest kind ended by itself."""
    waits = (journal.pool.learned(f"a {state} task lasted") for state in ("completed", "failed"))
    return max((float(each) for each in waits if each is not None), default=0.0)


def _phases(connection: sqlite3.Connection) -> Iterator[tuple[str, float, float, int]]:
    """Each phase, from when to when its stories were told, in seconds since the first request, and its requests."""
    rows = connection.execute(
        "SELECT CASE WHEN aims = '' OR teller = 'main' OR ended_at > alone_until THEN 'beginning, and looking again'"
        " WHEN accounts IS NULL THEN 'with several keys' WHEN accounts = '[\"other\"]' THEN 'another key pays'"
        " WHEN accounts = '[\"owner\"]' AND NOT alone THEN 'with the owner''s key alone'"
        " ELSE 'the owner pays, or everybody' END AS phase,"
        " min(sent_at) - (SELECT min(sent_at) FROM exchange), max(ended_at) - (SELECT min(sent_at) FROM exchange),"
        " count(*) FROM exchange JOIN story ON story = story.number WHERE operation NOT IN ('stream', 'callback')"
        " GROUP BY phase ORDER BY max(ended_at)"
    )
    yield from rows.fetchall()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
