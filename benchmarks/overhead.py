"""What the suite costs: requests a second of a standard run, beside a bare httpx loop over the same exchanges.

Both run against one reference service, in one process after the other; the ratio is what counts, the machine's speed
cancels out. Run it with `python benchmarks/overhead.py`.
"""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import tempfile
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

import httpx

from conformance.journal import Journal
from conformance.running import Asked, carry_out, reference_service

PARTS = {
    "HTTP client": ("client.py:", "_answer"),
    "journal": ("journal.py:", ""),
    "checks": ("registry.py:", "judgements"),
    "generation": ("hypothesis", ""),
}


def main() -> None:
    """Measure both, and print the ratio and where the rest goes."""
    with tempfile.TemporaryDirectory() as folder, reference_service() as started:
        environ = {f"CONFORMANCE_{role.upper()}_KEY": key for role, key in started["keys"].items()}
        del environ
        seconds, waited, profile = measured(Path(folder))
        with closing(Journal.open(Path(folder) / "journal.sqlite")) as journal:
            exchanges = [each for each in journal.exchanges() if each.answer is not None]
        bare = replay(exchanges, started["base_url"], started["keys"]["owner"])
    busy = seconds - waited
    print(f"standard run   {len(exchanges)} exchanges in {busy:.2f} s (and {waited:.2f} s of waiting for time to pass)")
    print(f"bare httpx     the same exchanges in {bare:.2f} s")
    print(f"ratio          {bare / busy:.2f}")
    print(profile)


def measured(folder: Path) -> tuple[float, float, str]:
    """Seconds of a standard run, those of them slept, and the functions that took the most."""
    slept = 0.0
    sleep = time.sleep

    def counted(seconds: float) -> None:
        nonlocal slept
        begun = time.monotonic()
        sleep(seconds)
        slept += time.monotonic() - begun

    time.sleep = counted
    profiler = cProfile.Profile() if os.environ.get("PROFILE") else None
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        if profiler:
            profiler.enable()
        carry_out(Asked(report_dir=folder, seed=1), {})
        if profiler:
            profiler.disable()
    with closing(Journal.open(folder / "journal.sqlite")) as journal:
        exchanges = list(journal.exchanges())
    time.sleep = sleep
    said = ""
    if profiler:
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(30)
        said = text.getvalue()
    return exchanges[-1].ended_at - exchanges[0].sent_at, slept, said


def replay(exchanges: list, base_url: str, key: str) -> float:
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
