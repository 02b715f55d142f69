"""The values that may stand in a profile: each is checked as it is read, or it is said what is allowed instead."""

from __future__ import annotations

import json
import re
import shutil
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import to_jsonable_python

from conformance.requirements import catalogue

_RESERVED_ROLES: Final = frozenset({"nobody"})
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KEY_LIKE: Final = re.compile(r"(?i)(sk|pk|rk|bearer)[-_ ]|(?=\S*\d)(?=\S*[A-Z])[A-Z0-9+=-]{24,}$")
_CERTAINLY_A_KEY: Final = re.compile(r"(?i)(sk|pk|rk)[-_]\S{12,}")


@dataclass(frozen=True)
class Place:
    """Where a profile stands: the file it is in, if any, the folder that its paths start from, and the environment."""

    source: Path | None = None
    folder: Path = field(default_factory=Path)
    environ: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, info: ValidationInfo) -> Place:
        """The place of the profile that is being validated; one of no file and no variables where none is told."""
        return info.context if isinstance(info.context, cls) else cls()


def may_be_a_key(text: str) -> bool:
    """Whether a text looks so much like a key that it is not to be shown."""
    return bool(_KEY_LIKE.match(text))


def did_you_mean(near: Sequence[str]) -> str:
    """What to add to what is allowed: the first of the words that are near to what was given, nothing without any."""
    return f" (did you mean {near[0]}?)" if near else ""


# Each of these returns what it was given, or raises a ValueError that says what is allowed.


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("one line of printable text, not empty")
    if _CERTAINLY_A_KEY.fullmatch(text):
        raise ValueError("a text for reports; a key goes into an environment variable")
    return text


def _web_address(text: str) -> str:
    address = urlsplit(text) if text.isascii() and text.isprintable() and not set(" \\") & set(text) else urlsplit("")
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError("an address that begins with http:// or https:// and a host, in ASCII, without spaces")
    if address.port == 0 or "@" in address.netloc:
        raise ValueError("an address without user name and password; a key goes into an environment variable")
    return text


def _base_url(text: str) -> str:
    _web_address(text)
    if set("?#{}") & set(text):
        raise ValueError("an address without query, fragment and placeholders; paths are put after it")
    return text.rstrip("/")


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or set(" ?#{}\\") & set(text):
        raise ValueError("a path that begins with / and has no spaces, query, fragment or placeholder")
    return text


def _path_of_a_task(text: str) -> str:
    if text.count("{task_id}") != 1:
        raise ValueError("a path with {task_id} in it, once")
    _path(text.replace("{task_id}", ""))
    return text


def _account_url(text: str) -> str:
    return _path(text) if text.startswith("/") else _web_address(text)


def _pointer(text: str) -> str:
    if not text.startswith("/") or re.search("~(?![01])", text) or not text.isprintable():
        raise ValueError("a JSON pointer: it begins with /, and has ~0 for ~ and ~1 for / inside a name")
    return text


def _socket(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+", host) or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError("an address and a port from 1 to 65535, as 0.0.0.0:8765")
    return text


def _header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("the name of an HTTP header: letters, digits and dashes")
    return text


def _role(text: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_]{0,31}", text) or text in _RESERVED_ROLES:
        raise ValueError("a role's name: small letters, digits and underscores, at most 32 (`nobody` is taken)")
    return text


def _requirement(text: str) -> str:
    if text not in catalogue():
        near = get_close_matches(text.upper(), catalogue(), n=1)
        raise ValueError(f"the id of a requirement{did_you_mean(near)}; the command `requirements` lists them")
    return text


def _body(document: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(document, allow_nan=False)
        to_jsonable_python(document)  # its limit on depth is that of `Profile.public`
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("what JSON can say: no dates, no times, no inf, no nan, and not too deep") from error
    if "out_task_id" in document:
        raise ValueError("a body without out_task_id: every task of a run gets its own")
    return document


def _amount(value: object) -> object:
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _certificates(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str):
        raise ValueError("a string")  # noqa: TRY004 - pydantic collects ValueErrors only
    bundle = Place.of(info).folder / value
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except (OSError, ValueError) as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else "this one cannot be read as that"
        raise ValueError(f"a file of certificates in PEM format, found from the profile's folder; {why}") from error
    return bundle


def _program(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    place, name = Place.of(info), command[0]
    found = None if "/" in name else shutil.which(name, path=place.environ.get("PATH"))
    found = found or shutil.which(str(place.folder / name))
    if found is None:
        raise ValueError("a program found on PATH or from the profile's folder, and executable (chmod +x)")
    return (found, *command[1:])


Text = Annotated[str, AfterValidator(_printable)]
Pointer = Annotated[str, AfterValidator(_pointer)]
Address = Annotated[str, AfterValidator(_web_address)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
CommonPath = Annotated[str, AfterValidator(_path)]
TaskPath = Annotated[str, AfterValidator(_path_of_a_task)]
AccountUrl = Annotated[str, AfterValidator(_account_url)]
Socket = Annotated[str, AfterValidator(_socket)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
RoleName = Annotated[str, AfterValidator(_role)]
RequirementId = Annotated[str, AfterValidator(_requirement)]
Body = Annotated[dict[str, Any], AfterValidator(_body)]
CertificateFile = Annotated[Path, BeforeValidator(_certificates)]
Command = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_program)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Credits = Annotated[
    Decimal, BeforeValidator(_amount), Field(ge=0, le=10**9), WithJsonSchema({"type": "number", "minimum": 0})
]
