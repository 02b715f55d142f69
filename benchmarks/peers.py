"""Side by side: our standard run, schemathesis' stock run with every check, and Dredd, on one service after another.

The services are the sound reference service, its faults, and those of its lawful strangers that need no profile and
follow every recommendation, so that each tool is told the same of all of them. Each tool runs once against each, on a
service that was just started.

A *finding* is a row that is broken, of schemathesis a kind of failure in an operation, of Dredd a transaction with
what it dislikes. What a peer finds in the sound service, in any of three runs, is taken off everywhere: a fault is
*caught*, and a stranger *blamed*, by a finding beyond those. The peers are told what a user would tell them: the key,
and a contract whose submit names the models that this service has. Schemathesis is told not to make up keys of its own
beside it, which the service would have to refuse.

Run it with `python benchmarks/peers.py --every 10`, and with `--dredd node_modules/.bin/dredd` after `npm install
dredd`; `--jobs 6` makes so many runs at once, most of which wait most of the time. Every result is written at once, and
is not asked for again: what was broken off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import yaml

from conformance.reference.faults import FAULTS
from conformance.reference.strangers import STRANGERS
from conformance.running import reference_service

ROOT: Final = Path(__file__).parents[1]
SOUND: Final = ("sound", "sound again", "sound once more")
_PROFILE: Final = ROOT / "conformance" / "target" / "reference.toml"
_CONTRACT: Final = ROOT / "openapi" / "cancel-task.yaml"
_ROLES: Final = ("owner", "other", "revoked")
_LEAVING: Final = 30.0
TOOLS: Final = ("cancel-conformance", "schemathesis", "Dredd")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run of one tool against one service; `cut` off where it took too long."""

    findings: list[str]
    requests: int
    tasks: int
    seconds: float
    code: int
    cut: bool


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a tool runs: an empty folder, a service, and a contract that fits it."""

    folder: Path
    base_url: str
    keys: Mapping[str, str]
    contract: Path
    seed: int


Tool = tuple[Callable[[Place], list[str]], Callable[[Path], tuple[list[str], int]]]
"""The command that a tool takes, and how the findings and the number of requests are read off what it leaves."""


def ours(place: Place) -> list[str]:
    """A standard run, as anybody would start it."""
    target = ["--target", str(_PROFILE), "--base-url", place.base_url, "--report-dir", str(place.folder)]
    return [sys.executable, "-m", "conformance", "run", *target, "--seed", f"{place.seed}"]


def our_findings(folder: Path) -> tuple[list[str], int]:
    """The rows that are broken, whatever their level."""
    said = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    rows = [row for row, told in said["requirements"].items() if told["verdict"] in {"fail", "warn"}]
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        return rows, int(connection.execute("SELECT count(*) FROM exchange").fetchone()[0])


def schemathesis(place: Place) -> list[str]:
    """The stock run with every check."""
    config = place.folder / "schemathesis.toml"
    config.write_text("[generation]\nwith-security-parameters = false\n", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)]
    command += ["run", str(place.contract), "--url", place.base_url, "--checks", "all", "--seed", f"{place.seed}"]
    key = f"Authorization: Bearer {place.keys['owner']}"
    return [*command, "-H", key, "--report", "json", "--report-json-path", str(place.folder / "run.json")]


def schemathesis_findings(folder: Path) -> tuple[list[str], int]:
    """Each kind of failure, and each error, in each operation."""
    said = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    failures = [f"{each['type']} {operation}" for each in said["failures"] for operation in each["operations"]]
    errors = [f"error {each.get('title') or each.get('type')}" for each in said["errors"]]
    return sorted({*failures, *errors}), int(said["test_cases"]["generated"])


def dredd(command: list[str]) -> Callable[[Place], list[str]]:
    """Dredd as it comes, by the command that starts it."""

    def run(place: Place) -> list[str]:
        key = f"Authorization: Bearer {place.keys['owner']}"
        options = ["-h", key, "--color=false", "--loglevel=error", "--reporter", "xunit"]
        return [*command, str(place.contract), place.base_url, *options, "--output", str(place.folder / "dredd.xml")]

    return run


def dredd_findings(folder: Path) -> tuple[list[str], int]:
    """Each transaction that failed, with what Dredd says is wrong with its answer."""
    cases = ET.parse(folder / "dredd.xml").getroot().findall("testcase")  # noqa: S314 - Dredd's own, on this machine
    failed = [
        (case.get("name"), each.text or "") for case in cases for each in case if each.tag in {"failure", "error"}
    ]
    return sorted({f"{name}: {text.partition('Request:')[0].strip()}" for name, text in failed}), len(cases)


def services(every: int, only: str) -> Iterator[tuple[str, str | None, str | None]]:
    """The services, each by its name, its fault and its stranger."""
    yield from ((name, None, None) for name in SOUND)
    faults = [only] if only in FAULTS else [] if only else list(FAULTS)[::every]
    plain = [name for name, made in STRANGERS.items() if not made.settings and not made.lacks]
    strangers = [only] if only in STRANGERS else [] if only else plain[::every]
    yield from ((name, None, name) for name in strangers)
    yield from ((name, name, None) for name in faults)


@contextlib.contextmanager
def started(fault: str | None, stranger: str | None, seed: int) -> Iterator[tuple[Place, Path]]:
    """A service just started, a place to run at, and the service's database."""
    with tempfile.TemporaryDirectory() as name:
        folder, database = Path(name) / "run", Path(name) / "tasks.sqlite"
        folder.mkdir()
        with reference_service(fault, stranger, ["--database", str(database)]) as said:
            contract = Path(name) / "contract.yaml"
            contract.write_text(fitting(said["models"]), encoding="utf-8")
            place = Place(folder=folder, base_url=said["base_url"], keys=said["keys"], contract=contract, seed=seed)
            yield place, database


def fitting(models: list[str]) -> str:
    """The contract, with this service's models in the place of the vendor's."""
    document = yaml.safe_load(_CONTRACT.read_text(encoding="utf-8"))
    request = document["components"]["schemas"]["SubmitRequest"]
    request["properties"]["model"]["enum"] = models
    content = document["paths"]["/tasks/submit"]["post"]["requestBody"]["content"]["application/json"]
    ways = {"pending": "sim-pending", "running": "sim-long", "completed": "sim-quick", "failed": "sim-fails"}
    for state, example in content["examples"].items():
        example["value"]["model"] = ways[state]
    for example in request["examples"]:
        example["model"] = ways["running"]
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def ran(tool: Tool, fault: str | None, stranger: str | None, *, seed: int, most: float) -> Ran:
    """One run of a tool against a service of its own, cut off after `most` seconds."""
    command, read = tool
    with started(fault, stranger, seed) as (place, database):
        before, begun = tasks(database), time.monotonic()
        code, cut = _run(command(place), place, most)
        seconds, made = time.monotonic() - begun, tasks(database) - before
        try:
            findings, requests = read(place.folder)
        except (OSError, ValueError, KeyError, ET.ParseError) as error:
            findings, requests = [] if cut else [f"no report: {type(error).__name__}"], 0
    return Ran(findings=findings, requests=requests, tasks=made, seconds=round(seconds, 1), code=code, cut=cut)


def _run(command: list[str], place: Place, most: float) -> tuple[int, bool]:
    """The exit code of a command, and whether it had to be told to end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONFORMANCE_")}
    named = {f"CONFORMANCE_{role.upper()}_KEY": place.keys[role] for role in _ROLES}
    process = subprocess.Popen(  # noqa: S603 - the tools that are compared
        command, cwd=place.folder, env={**kept, **named}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return process.wait(most), False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_LEAVING), True
    process.kill()
    return process.wait(), True


def tasks(database: Path) -> int:
    """How many tasks the service has."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM tasks").fetchone()[0])


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """What the tools have come to so far, as Markdown."""
    whole = [name for name in TOOLS if all(sound in results.get(name, {}) for sound in SOUND)]
    columns = {name: _column(results[name]) for name in whole}
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    rows = list(next(iter(columns.values()), {}))
    lines += [f"| {row} | " + " | ".join(column[row] for column in columns.values()) + " |" for row in rows]
    return "\n".join(lines)


def _column(told: Mapping[str, Any]) -> dict[str, str]:
    usual = {finding for name in SOUND for finding in told[name]["findings"]}
    found = {name: bool({*each["findings"]} - usual) for name, each in told.items()}
    faults, strangers = ([name for name in told if name in kind] for kind in (FAULTS, STRANGERS))
    runs = [each for each in told.values() if not each["cut"]]
    middle = {key: median(each[key] for each in runs) for key in ("requests", "seconds", "tasks")} if runs else {}
    return {
        "faults caught": f"{sum(found[name] for name in faults)} of {len(faults)}",
        "lawful strangers blamed": f"{sum(found[name] for name in strangers)} of {len(strangers)}",
        "findings in the sound service": f"{len(usual)}",
        **{f"{key} of a run, in the middle": f"{value:,.0f}" for key, value in middle.items()},
        "runs cut off": f"{len(told) - len(runs)} of {len(told)}",
    }


def main() -> None:
    """Run what has not been run yet, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth fault and stranger")
    parser.add_argument("--only", default="", metavar="NAME", help="one fault or stranger")
    parser.add_argument("--seconds", type=float, default=180.0, help="cut a run off after so many")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many runs at once")
    parser.add_argument("--results", type=Path, default=Path("peers.json"), help="where every result is kept")
    parser.add_argument("--dredd", default=shutil.which("dredd") or "", help="the command that starts Dredd")
    given = parser.parse_args()
    if given.only and given.only not in {*FAULTS, *STRANGERS}:
        parser.error(f"there is neither a fault nor a stranger {given.only!r}")
    parts_of: list[Tool] = [(ours, our_findings), (schemathesis, schemathesis_findings)]
    parts_of += [(dredd(shlex.split(given.dredd)), dredd_findings)] if given.dredd else []
    tools = dict(zip(TOOLS, parts_of, strict=False))
    if not given.dredd:
        print("without Dredd: npm install dredd, and give --dredd node_modules/.bin/dredd", file=sys.stderr)
    results = json.loads(given.results.read_text(encoding="utf-8")) if given.results.exists() else {}
    with ThreadPoolExecutor(given.jobs) as pool:
        under_way = {}
        for tool, parts in tools.items():
            for name, fault, stranger in services(given.every, given.only):
                if name not in results.setdefault(tool, {}):
                    seed = SOUND.index(name) + 1 if name in SOUND else 1
                    future = pool.submit(ran, parts, fault, stranger, seed=seed, most=given.seconds)
                    under_way[future] = (tool, name)
        try:
            for future in as_completed(under_way):
                tool, name = under_way[future]
                results[tool][name] = told = asdict(future.result())
                given.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                line = f"{name:<48} {tool:<20} {told['seconds']:6.1f} s  {len(told['findings'])} findings"
                print(f"[{sum(map(len, results.values())):>4}] {line}", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    print(table(results))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
