"""What the suite costs: requests a second of a standard run, beside a bare httpx loop over the same exchanges.

Both run in one process, one after the other, each against a reference service of its own; the ratio is what counts,
the machine's speed cancels out. Run it with `python benchmarks/overhead.py`.
"""

from __future__ import annotations

import functools
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from conformance.exchange import Exchange
from conformance.journal import Journal
from conformance.running import Asked, carry_out, reference_service
from conformance.target.client import Client
from conformance.teller import Telling

PARTS: dict[str, list[tuple[Any, str]]] = {
    "waiting for time to pass": [(time, "sleep")],
    "HTTP client and target": [(Client, "_answer")],
    "journal": [(Journal, "begin_exchanges"), (Journal, "end_exchange"), (Journal, "judge")],
    "checks": [(Telling, "judge")],
}
"""What is timed, by the functions that do it; the journal's part of the checks is counted as the journal's."""


def main() -> None:
    """Measure both, and print the ratio and where the rest goes."""
    with tempfile.TemporaryDirectory() as folder, reference_service() as started:
        seconds, spent = measured(Path(folder))
        with closing(Journal.open(Path(folder) / "journal.sqlite")) as journal:
            exchanges = [each for each in journal.exchanges() if each.answer is not None]
        bare = replay(exchanges, started["base_url"], started["keys"]["owner"])
    busy = seconds - spent["waiting for time to pass"]
    rates = (len(exchanges) / busy, len(exchanges) / bare)
    print(f"{len(exchanges)} exchanges: {rates[0]:.0f}/s in a standard run, {rates[1]:.0f}/s by bare httpx")
    print(f"ratio {bare / busy:.2f}")
    spent["generating, telling and the rest"] = seconds - spent.total()
    for part, took in spent.most_common():
        print(f"  {took:5.2f} s  {part}")


def measured(folder: Path) -> tuple[float, Counter[str]]:
    """Seconds of a standard run from its first request to its last, and those of each part."""
    spent: Counter[str] = Counter()
    nested: list[float] = []
    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for owner, name in functions:
                timed = _timed(getattr(owner, name), part, spent, nested)
                stack.enter_context(patch.object(owner, name, timed))
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        carry_out(Asked(report_dir=folder, seed=1, jobs=1), {})  # what is counted is in this process
    with closing(Journal.open(folder / "journal.sqlite")) as journal:
        exchanges = list(journal.exchanges())
    return (exchanges[-1].ended_at or 0.0) - exchanges[0].sent_at, spent


def _timed(function: Callable[..., Any], part: str, spent: Counter[str], nested: list[float]) -> Callable[..., Any]:
    """The same function, its own seconds added to its part; what a timed function in it took is not its own."""

    @functools.wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
        nested.append(0.0)
        begun = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            took = time.perf_counter() - begun
            spent[part] += took - nested.pop()
            if nested:
                nested[-1] += took

    return timed


def replay(exchanges: list[Exchange], base_url: str, key: str) -> float:
    """Seconds that a bare client takes to send the same requests, one after the other."""
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
        begun = time.monotonic()
        for each in exchanges:
            path = "/v1" + each.request.url.partition("/v1")[2]
            kind = [pair for pair in each.request.headers if pair[0] == "content-type"]
            client.request(
                each.request.method, base_url.removesuffix("/v1") + path, headers=kind, content=each.request.content
            )
        return time.monotonic() - begun


if __name__ == "__main__":
    main()
