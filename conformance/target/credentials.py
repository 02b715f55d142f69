"""Ways to show a key, sound and spoiled: each as headers, and as the shell would write them for `$KEY`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from conformance.exchange import NOBODY, REVOKED, shell_variable


@dataclass(frozen=True)
class Credential:
    """How one role shows its key: the headers, given the key, and the same with the key masked."""

    role: str
    headers: Callable[[str], list[tuple[str, str]]]
    masked: tuple[tuple[str, str], ...]


_UNKNOWN: Final = "sk-byts-this-key-was-never-issued-0000"
_OF_A_PROXY: Final = base64.b64encode(b"proxy:a-password").decode()
_QUOTED: Final = 'sk-byts-it\'s-"never"-issued-0000'
_LONG: Final = f"sk-byts-{'0' * 300}"
TELLING: Final = 16
"""A key of so many characters is known by three quarters of it; a shorter one may be a word, and is matched whole."""


def _spoiled(label: str, spoil: Callable[[str], str], shell: str) -> tuple[str, Callable[[str], str], str]:
    return (f"{NOBODY}:{label}", spoil, shell)


def _instead(word: str, _: str) -> str:
    """A word in the place of the key."""
    return word


def _other_letter(key: str) -> str:
    middle = len(key) * 2 // 3
    return f"{key[:middle]}{'b' if key[middle] != 'b' else 'c'}{key[middle + 1 :]}"


def _without_its_prefix(key: str) -> str:
    """What follows a prefix such as `sk-byts-`; a key that would be short without one loses a letter."""
    rest = key.split("-", 2)[-1]
    return rest if TELLING <= len(rest) < len(key) else key[1:]


def near_misses(key: str) -> tuple[str, ...]:
    """The spoiled keys that are nearly `key` and do not begin with most of it."""
    return (_other_letter(key), key.swapcase(), key[1:], _without_its_prefix(key))


_SPOILED: Final = (
    _spoiled("unknown", lambda _: _UNKNOWN, _UNKNOWN),
    _spoiled("truncated", lambda key: key[:-1], "${KEY%?}"),
    _spoiled("first half", lambda key: key[: len(key) // 2], "${KEY:0:${#KEY}/2}"),
    _spoiled("first letter missing", lambda key: key[1:], "${KEY#?}"),
    _spoiled("without its prefix", _without_its_prefix, "$KEY_WITHOUT_ITS_PREFIX"),
    _spoiled("one letter more", lambda key: f"{key}0", "${KEY}0"),
    _spoiled("one letter changed", _other_letter, "$KEY_WITH_ONE_LETTER_CHANGED"),
    _spoiled("other case", str.swapcase, "${KEY~~}"),
    _spoiled("pattern", lambda key: f"{key[:-1]}%", "${KEY%?}%"),
    _spoiled("with quotes", lambda _: _QUOTED, _QUOTED),
    _spoiled("long", lambda _: _LONG, _LONG),
    *(_spoiled(f"the word {word}", partial(_instead, word), word) for word in ("undefined", "null", "constructor")),
)
_SCHEMES: Final = (
    ("Basic", lambda key: base64.b64encode(f"{key}:".encode()).decode(), "$(printf %s: $KEY | base64)"),
    ("Token", str, "$KEY"),
    ("Digest", str, "$KEY"),
    ("Negotiate", str, "$KEY"),
    ("Bearers", str, "$KEY"),
)
_ALSO_IN_THE_OTHER_HEADER: Final = ("unknown", "truncated", "one letter changed", "other case")
_WRONG_HEADERS: Final = ("x-auth-token", "api-key", "x-access-token", "proxy-authorization")


def strangers(header: str) -> Mapping[str, Credential]:
    """Every way to show no valid key, by role, for a target whose keys come in `header`."""
    prefix, other = _prefix(header), _the_other(header)
    made = [Credential(f"{NOBODY}:none", lambda _: [], ())]
    for role, spoil, shell in _SPOILED:
        made.append(_carried(role, header, prefix, spoil, shell))
        if role.removeprefix(f"{NOBODY}:") in _ALSO_IN_THE_OTHER_HEADER:
            made.append(_carried(f"{role} in the other header", other, _prefix(other), spoil, shell))
    for scheme, encode, shell in _SCHEMES if header == "authorization" else ():
        made.append(_carried(f"{NOBODY}:scheme {scheme}", header, f"{scheme} ", encode, shell))
    made += [_carried(f"{NOBODY}:in {name}", name, prefix, str, "$KEY") for name in _WRONG_HEADERS]
    made.append(_carried(f"{NOBODY}:empty", header, prefix, lambda _: "", ""))
    made.append(_carried(f"{NOBODY}:empty in the other header", other, _prefix(other), lambda _: "", ""))
    return {each.role: each for each in made}


def _carried(role: str, name: str, prefix: str, spoil: Callable[[str], str], shell: str) -> Credential:
    return Credential(role, lambda key: [(name, f"{prefix}{spoil(key)}")], ((name, f"{prefix}{shell}"),))


def in_the_other_header(role: str, header: str) -> Credential:
    """The key of `role` in the one documented header that a target whose keys come in `header` is not asked by."""
    return probes(role)[_the_other(header)]


def _the_other(header: str) -> str:
    return "authorization" if header == "x-api-key" else "x-api-key"


def _prefix(header: str) -> str:
    return "Bearer " if header == "authorization" else ""


def revoked(header: str) -> tuple[Credential, ...]:
    """The other documented ways to show a revoked key, each under a role of its own."""
    return (
        in_the_other_header(f"{REVOKED}:in the other header", header),
        probes(f"{REVOKED}:scheme bearer")["scheme bearer"],
    )


def probes(role: str = "owner") -> Mapping[str, Credential]:
    """The ways that only the surrounding documentation, or HTTP itself, promise; the role is who it should be."""
    schemes = ("bearer", "BEARER", "bEARER")
    return {
        "x-api-key": _carried(role, "x-api-key", "", str, "$KEY"),
        "authorization": _carried(role, "authorization", "Bearer ", str, "$KEY"),
        "x-api-key decides for": Credential(role, lambda key: _both(key, _UNKNOWN), tuple(_both("$KEY", _UNKNOWN))),
        "x-api-key decides against": Credential(
            f"{NOBODY}:x-api-key", lambda key: _both(_UNKNOWN, key), tuple(_both(_UNKNOWN, "$KEY"))
        ),
        "x-api-key decides over another scheme": Credential(
            role, lambda key: _both(key, _OF_A_PROXY, "Basic"), tuple(_both("$KEY", _OF_A_PROXY, "Basic"))
        ),
        **{f"scheme {each}": _carried(role, "authorization", f"{each} ", str, "$KEY") for each in schemes},
    }


def deciding_over(other: str, secret: str) -> Credential:
    """The owner's key in `x-api-key`, which decides, and that of the `other` role, its `secret`, as a bearer."""
    return Credential("owner", lambda key: _both(key, secret), tuple(_both("$KEY", shell_variable(other))))


def _both(header: str, other: str, scheme: str = "Bearer") -> list[tuple[str, str]]:
    return [("x-api-key", header), ("authorization", f"{scheme} {other}")]
