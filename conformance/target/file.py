"""The file of a profile: its settings, and the lines on which they begin."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from conformance.target.complaints import LONGEST_QUOTE, Complaint, ProfileError
from conformance.target.settings import SHORTEST_PROFILE, Location
from conformance.target.values import did_you_mean

_LARGEST_FILE: Final = 1 << 20


def read(source: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """The settings that stand in a file, not checked yet, and the line, from 1, on which each of them begins.

    Raises:
        ProfileError: there is no such file, or it is no TOML; nothing else can be said of it then.
    """
    text = _text_of(source)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProfileError([_no_toml(source, text, error)]) from None
    return document, _lines(text)


def _text_of(source: Path) -> str:
    """The text of a file.

    Raises:
        ProfileError: there is none, or it is not readable as text.
    """
    try:
        with source.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ProfileError([_no_file(source, "a file of more than 1 MiB")])
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        reason = "a file that does not exist"
    except IsADirectoryError:
        reason = "a folder"
    except UnicodeDecodeError as error:
        reason = f"a file that is not UTF-8: byte {error.start} cannot be decoded"
    except (OSError, ValueError) as error:
        reason = f"a file that cannot be read: {getattr(error, 'strerror', None) or error}"
    raise ProfileError([_no_file(source, reason)])


def _no_file(source: Path, reason: str) -> Complaint:
    return Complaint(
        where=str(source),
        key="the file",
        given=reason,
        allowed=f"a TOML file in UTF-8, of at most 1 MiB{did_you_mean(_files_near(source))}",
        write=f"into such a file, at the least:\n{SHORTEST_PROFILE}",
    )


def _files_near(source: Path) -> list[str]:
    try:
        folder = source if source.is_dir() else source.parent
        names = {each.name: str(each) for each in folder.glob("*.toml")}
    except (OSError, ValueError):
        return []
    near = list(names) if source.is_dir() and len(names) == 1 else get_close_matches(source.name, names, n=1)
    return [names[name] for name in near]


def _no_toml(source: Path, text: str, error: Exception) -> Complaint:
    at = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.DOTALL)
    reason = "arrays or tables too deep in one another" if isinstance(error, RecursionError) else str(error)
    line, column = text.count("\n") + 1, None
    if at:
        reason, line, column = at[1], int(at[2] or line), at[3]
    return Complaint(
        where=str(source),
        line=line if at else None,
        key=f"column {column}" if column else "the end of the file" if at else "the file",
        given=f"what is no TOML: {reason[:LONGEST_QUOTE]}",
        allowed='TOML: [table] lines, and name = value lines with strings in "quotes"',
        write=SHORTEST_PROFILE,
    )


def _lines(text: str) -> dict[Location, int]:
    """The number of the line on which each table and each setting begins, found without parsing."""
    found: dict[Location, int] = {}
    table: Location = ()
    seen: Counter[Location] = Counter()
    for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
        if line.startswith("["):
            table = _names(line.lstrip("[").partition("]")[0])
            if line.startswith("[["):
                seen[table] += 1
                table = (*table, seen[table] - 1)
            found.setdefault(table, number)
        elif "=" in line and not line.startswith("#"):
            names = _names(line.partition("=")[0])
            for length in range(1, len(names) + 1):
                found.setdefault((*table, *names[:length]), number)
    return found


def _names(dotted: str) -> Location:
    return tuple(name.strip(" \t\"'") for name in dotted.split("."))
