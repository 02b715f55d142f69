"""Profiles that come with the suite: for the API itself, and for the ways in which other targets differ from it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from conformance.target.settings import written

_FOLDER = Path(__file__).parents[1] / "profiles"


@cache
def ready() -> dict[str, str]:
    """What each of them is for, by its name: the first line of prose in it."""
    return {path.stem: _purpose(path) for path in sorted(_FOLDER.glob("*.toml"))}


def copied(name: str, file: Path, base_url: str | None, *, overwrite: bool) -> list[Path]:
    """Write the ready profile of that name to `file`, for another base URL if one is given; all files written.

    The programs that it names go beside it.

    Raises:
        OSError: it cannot be written, or would take the place of another file unasked.
    """
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    programs = {file.parent / each.name: each for each in _FOLDER.glob("to_*") if f'"./{each.name}"' in text}
    for path in (file, *programs):
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"{path}: it is there already, and stays as it is; write --overwrite, or another FILE"
            )
    if base_url is not None:
        text = re.sub(r'(?m)^base_url = "[^"]*"', lambda _: written("base_url", base_url), text, count=1)
    file.write_text(text, encoding="utf-8")
    for beside, program in programs.items():
        beside.write_bytes(program.read_bytes())
        beside.chmod(0o755)
    return [file, *programs]


def _purpose(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))
