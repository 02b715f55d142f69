"""What the options of the commands take: their types, what completes them, and those that several commands share."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from conformance.verdict import Level

FILE: Final = click.Path(path_type=Path, dir_okay=False)
FOLDER: Final = click.Path(path_type=Path, file_okay=False)
ANY: Final = click.Path(path_type=Path)
_MOST_JOBS: Final = 64
_PORTS: Final = 1 << 16


def known_fault(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """The name of a built-in fault.

    Raises:
        click.BadParameter: there is none of that name.
    """
    if name is not None:
        from conformance.reference.faults import FAULTS

        if name not in FAULTS:
            near = ", ".join(difflib.get_close_matches(name, FAULTS, cutoff=0.4) or list(FAULTS)[:3])
            raise click.BadParameter(
                f"there is no fault {name!r}; near it: {near}. `cancel-conformance serve --fault list` lists all"
            )
    return name


def _known_strangers(_context: click.Context, _parameter: click.Parameter, names: str | None) -> str | None:
    if names is not None:
        from conformance.reference.strangers import STRANGERS, Company

        try:
            Company.of(names)
        except KeyError as error:
            [name] = error.args
            near = ", ".join(difflib.get_close_matches(name, STRANGERS, cutoff=0.4) or list(STRANGERS)[:3])
            raise click.BadParameter(
                f"there is no stranger {name!r}; near it: {near}. `cancel-conformance serve --stranger list` lists all"
            ) from error
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return names


def complete_rows(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The families and requirements that may come next in a list of them, parted by commas."""
    from conformance.requirements import catalogue

    before, comma, begun = incomplete.rpartition(",")
    told = {row.family: f"all of {row.family}" for row in catalogue().values()}
    told |= {row.id: row.statement for row in catalogue().values()}
    return [
        CompletionItem(f"{before}{comma}{name}", help=help_)
        for name, help_ in told.items()
        if name.startswith(begun.upper()) and name not in before.upper().split(",")
    ]


def complete_fault(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The built-in faults whose names begin so."""
    from conformance.reference.faults import FAULTS

    return _named_so(FAULTS, incomplete)


def complete_stranger(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The built-in strangers whose names begin so."""
    from conformance.reference.strangers import STRANGERS

    return _named_so(STRANGERS, incomplete)


def _named_so(variants: Mapping[str, type], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=deed(made)) for name, made in variants.items() if name.startswith(incomplete)]


def deed(variant: type) -> str:
    """What a fault or a stranger does: the first line of what is said of it."""
    return (variant.__doc__ or "").strip().partition("\n")[0]


def ready_profile(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """The name of a profile that comes along.

    Raises:
        click.BadParameter: there is none of that name.
    """
    if name is not None:
        from conformance.target.ready import ready

        if name not in ready():
            raise click.BadParameter(f"there is no ready profile {name!r}; there are {', '.join(ready())}")
    return name


def complete_ready(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ready profiles whose names begin so."""
    from conformance.target.ready import ready

    return [CompletionItem(name, help=purpose) for name, purpose in ready().items() if name.startswith(incomplete)]


def settings_of(stranger: str | None, fault: str | None) -> list[str]:
    """What the profile of a stranger has to say, as overrides of the reference service's."""
    if stranger is None:
        return []
    if fault is not None:
        raise click.UsageError("--fault and --stranger are two services; give one of them")
    from conformance.reference.strangers import Company

    return [f"{key}={value}" for key, value in Company.of(stranger).settings.items()]


def number_of_jobs(_context: click.Context, _parameter: click.Parameter, text: str) -> int | None:
    """A number of processes, or `auto`, which is none."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 0 < int(text) <= _MOST_JOBS:
        raise click.BadParameter(f"{text!r} is neither auto nor a number from 1 to {_MOST_JOBS}")
    return int(text)


def duration(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    """A time such as `90s`, `10m` or `1h30m`; a bare number is of seconds."""
    found = re.fullmatch(r"(?:(\d{1,3})h)?(?:(\d{1,4})m)?(?:(\d{1,6})s?)?", text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise click.BadParameter(f"{text!r} is no time; write 60s, 10m or 1h30m")
    return float(total)


def address(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, int] | None:
    """A host and a port."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < _PORTS:
        raise click.BadParameter(f"{text!r} is no HOST:PORT, such as 10.0.0.5:5557")
    return host, int(port)


_Function = Callable[..., Any]

by_contract = click.option(
    "--contract", type=FILE, metavar="FILE", help="Another OpenAPI document than the one that comes along."
)


def targeted(command: _Function) -> _Function:
    """Add the options that say which target is meant."""
    profile = click.option(
        "--target", type=FILE, metavar="FILE", envvar="CONFORMANCE_TARGET", help="The target's TOML profile."
    )
    base_url = click.option("--base-url", metavar="URL", help="The target's base URL, in place of the profile's.")
    setting = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting of the profile, dotted."
    )
    return profile(base_url(setting(command)))


def varied(verb: str) -> Callable[[_Function], _Function]:
    """Add the options that build something into the reference service, of which the command does what `verb` says."""

    def added(command: _Function) -> _Function:
        stranger = click.option(
            "--stranger",
            metavar="NAME",
            callback=_known_strangers,
            shell_complete=complete_stranger,
            help=f"{verb} a lawful variant of the reference service, by its own profile; several are joined by `+`.",
        )
        fault = click.option(
            "--fault",
            metavar="NAME",
            callback=known_fault,
            shell_complete=complete_fault,
            help=f"{verb} the reference service with one of its faults built in.",
        )
        return fault(stranger(command))

    return added


def gated(command: _Function) -> _Function:
    """Give a command the options that say what its exit code stops at."""
    strict = click.option("--fail-on-inconclusive", is_flag=True, help="Exit 1 where it would have been 3.")
    choice = click.option(
        "--gate",
        type=click.Choice([level.value for level in Level]),
        default=Level.MUST.value,
        show_default=True,
        help="Fail on broken MUST rows; on warnings too, and want SHOULD rows proven; on nothing but our own faults.",
    )
    return choice(strict(command))
