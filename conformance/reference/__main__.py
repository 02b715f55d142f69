"""`python -m conformance.reference`: serve, and say where in one line of JSON."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from conformance.reference.greeting import start_up_line
from conformance.reference.server import processes_of, serve


def main() -> None:
    """Serve as the command line asks."""
    asked = _parser().parse_args()
    serve(
        port=asked.port,
        speed=asked.speed,
        database=asked.database,
        fault=asked.fault,
        stranger=asked.stranger,
        processes=asked.processes or processes_of(asked.fault),
        latency=asked.latency,
        at_most_running=asked.at_most_running,
        in_flight=asked.in_flight,
        announce=lambda url: print(start_up_line(url), flush=True),  # noqa: T201 - whoever started it reads this
        until_stdin_closes=asked.until_stdin_closes,
    )
    gc.freeze()  # nothing that was loaded is looked through for cycles, now that all of it ends


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.reference", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--speed", type=_positive, default=1.0, help="10 makes every task ten times as quick")
    parser.add_argument("--database", type=Path, help="an SQLite file, which several processes may share")
    parser.add_argument("--processes", type=int, help="so many over one database; by default as a fault needs")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds more for each answer")
    parser.add_argument("--at-most-running", type=int, help="further tasks stay pending until one ends")
    parser.add_argument("--in-flight", type=int, help="requests at once, a process; past it 429")
    variant = parser.add_mutually_exclusive_group()
    variant.add_argument("--fault", type=_known, metavar="NAME", help="serve a broken variant")
    variant.add_argument("--stranger", type=_met, metavar="NAME", help="serve a lawful variant")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with whoever started it")
    return parser


def _positive(text: str) -> float:
    if (speed := float(text)) <= 0:
        raise argparse.ArgumentTypeError("a number above 0")
    return speed


def _known(name: str) -> str:
    from conformance.reference.faults import FAULTS  # noqa: PLC0415 - the sound service starts without them

    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"no such fault; there are {', '.join(FAULTS)}")
    return name


def _met(name: str) -> str:
    from conformance.reference.strangers import STRANGERS, Company  # noqa: PLC0415 - likewise

    try:
        Company.of(name)
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"no such stranger; there are {', '.join(STRANGERS)}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name


if __name__ == "__main__":
    main()
