"""A profile is loaded: from the command line, the environment and the file, the first of these that has a setting.

The file is read strictly, and everything that is wrong with a profile is said at once. A key is never in the file: the
file names the environment variable that holds it, and no text made here ever shows it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from shlex import quote
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

from pydantic import ValidationError

from conformance.target.complaints import (
    OR_IN_THE_SHELL,
    Complaint,
    Mistake,
    ProfileError,
    nearest_words,
    should_be,
    shown,
)
from conformance.target.file import read
from conformance.target.keys import Keys
from conformance.target.profile import OWNER, REVOKED, Profile
from conformance.target.settings import (
    OTHER_VARIABLES,
    PREFIX,
    ROLE_VARIABLES,
    Location,
    dotted,
    dotted_names,
    example_of,
    is_table,
    known_part,
    setting_at,
    settings_called,
    settings_in,
    snippet,
    toml,
    variable_names,
)
from conformance.target.values import Place, did_you_mean

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_REMEMBERED: Final = ("name", "base_url", "keys", "auth", "paths", "query", "state_names", "errors", "limits")
_NO_CERTIFICATES: Final = Complaint(
    where="the journal",
    key="ca_bundle",
    given="the name of a file of certificates, and not the file",
    allowed="the profile itself",
    write="--target staging.toml",
)

_Found = TypeVar("_Found")


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    base_url: str | None = None,
    overrides: Mapping[str, str] = _NOTHING,
    options: Mapping[str, str] = _NOTHING,
) -> Profile:
    """The profile in the file at `path`, under the settings in `environ`, under those of the command line.

    Those come as `--set`, unless `options` name another option that gives a setting.

    Raises:
        ProfileError: it cannot be used; every reason is in there.
    """
    draft = _Draft(path, environ)
    draft.read_file()
    draft.hear_environment()
    for key, text in overrides.items():
        draft.hear(_Heard(tuple(key.split(".")), text, option=options.get(key, f"--set {key}=")))
    if base_url is not None:
        draft.hear(_Heard(("base_url",), base_url, option="--base-url "))
    draft.check_keys()
    return draft.profile()


def remembered(public: Mapping[str, Any], environ: Mapping[str, str]) -> Profile:
    """What a journal keeps of a profile, enough to speak to its target again; the keys are in the environment.

    Raises:
        ProfileError: it cannot be used without the file, or a key is missing.
    """
    draft = _Draft(None, environ)
    draft.take({name: public[name] for name in _REMEMBERED if name in public})
    if "ca_bundle" in public:
        raise ProfileError([_NO_CERTIFICATES])
    draft.check_keys()
    return draft.profile()


@dataclass(frozen=True)
class _Heard:
    """A setting from outside the file, and the `option` or the variable that gave it."""

    path: tuple[str, ...]
    text: str
    variable: str = ""
    option: str = ""

    @property
    def where(self) -> str:
        """The place that gave it."""
        return f"environment variable {self.variable}" if self.variable else "command line"

    def with_value(self, value: str) -> str:
        """What to write for another value."""
        return f"export {self.variable}={quote(value)}" if self.variable else f"{self.option}{quote(value)}"


class _Draft:
    """A profile in the making: its document so far, where each setting came from, and what is wrong with it."""

    def __init__(self, source: Path | None, environ: Mapping[str, str]) -> None:
        self._source = source
        self._environ = environ
        self._folder = (source.absolute().parent if source else Path.cwd()).resolve()
        self._document: dict[str, Any] = {}
        self._lines: dict[Location, int] = {}
        self._heard: dict[Location, _Heard] = {}
        self._complaints: dict[Location, Complaint] = {}

    def read_file(self) -> None:
        """Take the document from the file, if there is one; nothing else can be said of a file that is no TOML."""
        if self._source is not None:
            self._document, self._lines = read(self._source)
            self._complain_of(self._keys().pasted())

    def take(self, document: Mapping[str, Any]) -> None:
        """Take a document that was read before; keys that are no longer valid are of no use in it."""
        keys = {role: dict(key) for role, key in document.get("keys", {}).items() if role != REVOKED}
        self._document = {**document, "keys": keys}

    def hear_environment(self) -> None:
        """Take the settings that are in environment variables."""
        named = set(self._keys().variables().values())
        for name, text in sorted(self._environ.items()):
            if name in ROLE_VARIABLES:
                self.hear(_Heard(("keys", ROLE_VARIABLES[name], "env"), name, variable=name))
            elif name.startswith(PREFIX) and name not in OTHER_VARIABLES and name not in named:
                path = tuple(name.removeprefix(PREFIX).lower().split("__"))
                self.hear(_Heard(path, text, variable=name))

    def hear(self, heard: _Heard) -> None:
        """Put a setting over what the document says, or complain that there is none of that name."""
        known = setting_at(heard.path)
        if known is None or is_table(known):
            self._complaints[heard.path] = _unheard_of(heard)
            return
        table = self._document
        for step in heard.path[:-1]:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):  # the file's own mistake, and complained of as such
                return
        table[heard.path[-1]] = _spoken(known, heard)
        self._heard[heard.path] = heard

    def check_keys(self) -> None:
        """Complain of keys that are missing, in the wrong place, unusable, or the same."""
        table = self._document.setdefault("keys", {})
        if isinstance(table, dict):
            table.setdefault(OWNER, {})
        keys = self._keys()
        self._complain_of(keys.pasted())
        self._complain_of(keys.unusable(in_file=self._source is not None, told=self._heard))
        keys.complete()
        self._complain_of(keys.alike())

    def profile(self) -> Profile:
        """The profile, if there is nothing to complain of.

        Raises:
            ProfileError: there is; every complaint is in there, without a key.
        """
        made: Profile | None = None
        try:
            made = Profile.model_validate(self._document, context=Place(self._source, self._folder, self._environ))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._understand(detail)
        if self._complaints or made is None:
            secrets = self._keys().secrets()
            raise ProfileError([each.without(secrets) for each in self._complaints.values()])
        return made

    def _keys(self) -> Keys:
        return Keys(self._document.get("keys"), self._environ)

    def _understand(self, error: ErrorDetails) -> None:
        """Turn a complaint of pydantic's into one of ours."""
        path = tuple(step for step in error["loc"] if step != "[key]")
        if any(path[:length] in self._complaints for length in range(1, len(path) + 1)):
            return
        if error["type"] == "extra_forbidden":
            self._complain_of([self._unknown(path)])
            return
        known = setting_at(known_part(path))
        mistake = Mistake(
            path,
            given="nothing" if error["type"] == "missing" else shown(path, error["input"]),
            allowed=should_be(error),
            means=known.description or "" if known else "",
            write=self._advice(path, nearest_words(error)),
        )
        self._complain_of([mistake])

    def _unknown(self, path: Location) -> Mistake:
        *above, name = path
        siblings = settings_in(tuple(above))
        near = get_close_matches(str(name), siblings, n=1)
        elsewhere = settings_called(name)
        write = "nothing: take it out"
        if near:
            write = self._advice((*above, near[0]), ())
        elif elsewhere:
            write = snippet(elsewhere[0])
        allowed = f"one of {', '.join(siblings)}{did_you_mean(near)}"
        return Mistake(path, given="no setting of this name", allowed=allowed, write=write)

    def _advice(self, path: Location, near: Sequence[str]) -> str:
        """What to write for the setting at `path`, in the place where it was given."""
        heard, known = self._heard.get(path), setting_at(path)
        if heard is not None and known is not None:
            value = near[0] if near else example_of(known)
            return heard.with_value(value if isinstance(value, str) else toml(value))
        lines = snippet(path, near)
        if path != ("base_url",) or known is None:
            return lines
        export = f"export CONFORMANCE_BASE_URL={example_of(known)}"
        return f"{lines}\n{OR_IN_THE_SHELL}{export}" if self._source else export

    def _complain_of(self, mistakes: Iterable[Mistake]) -> None:
        """Remember the first complaint about each setting, in the place that gave it: others follow from it."""
        for mistake in mistakes:
            heard, line = _at_or_above(mistake.path, self._heard), _at_or_above(mistake.path, self._lines)
            where = heard.where if heard else str(self._source or "without a file")
            self._complaints.setdefault(mistake.path, mistake.at(where, None if heard else line))


def _at_or_above(path: Location, table: Mapping[Location, _Found]) -> _Found | None:
    """What `table` has of a path, or of the nearest path above it."""
    return next((table[path[:length]] for length in range(len(path), 0, -1) if path[:length] in table), None)


def _unheard_of(heard: _Heard) -> Complaint:
    if heard.variable:
        near = get_close_matches(heard.variable, variable_names(), n=1)
        allowed = f"{PREFIX} and a setting in capitals, with __ for a dot{did_you_mean(near)}"
        write = f"unset {heard.variable}"
        write = f"{write}\nexport {near[0]}='<the value>'" if near else write
    else:
        near = get_close_matches(".".join(heard.path), dotted_names(), n=1)
        allowed = f"--set and the dotted name of a setting{did_you_mean(near)}"
        write = f"--set {near[0] if near else 'limits.timeout'}=<the value>"
    return Complaint(
        where=heard.where,
        key=dotted(heard.path),
        given="no setting of this name, or a whole table",
        allowed=allowed,
        write=write,
    )


def _spoken(known: FieldInfo, heard: _Heard) -> object:
    """The value that a text from outside the file stands for: a string where one is wanted, else what TOML reads."""
    if heard.path == ("ca_bundle",):
        return str(Path.cwd() / heard.text)
    if _takes_text(known.annotation):
        return heard.text
    try:
        return tomllib.loads(f"value = {heard.text.strip()}")["value"]
    except (ValueError, RecursionError):
        return heard.text


def _takes_text(annotation: object) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, str | Path | Enum)
    if get_origin(annotation) in {tuple, Mapping, dict}:
        return False
    return any(isinstance(part, str) or _takes_text(part) for part in get_args(annotation) if part is not NoneType)
