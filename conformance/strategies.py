"""What is said to a cancel endpoint, generated: identifiers of every kind, what resembles them, and bodies."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from html import escape, unescape
from random import Random
from typing import Final, TypeVar
from urllib.parse import quote, unquote, unquote_plus

from hypothesis import strategies as st

from conformance.contract import Contract
from conformance.exchange import Form
from conformance.lawful import Task
from conformance.life import (
    MOST_TASKS,
    Account,
    Cancel,
    CancelAcross,
    CancelBoth,
    Key,
    Pause,
    Program,
    Query,
    Step,
    Submit,
)
from conformance.states import State
from conformance.target.call import Call

T = TypeVar("T")

FORMS: Final = (Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID)

forms = st.sampled_from(FORMS)
"""One of the three ways to name a task."""

_chances = st.tuples(st.integers(0, 2**32), st.integers(0, 2**32))


def _random(chance: tuple[int, int]) -> Random:
    return Random(hash(chance))  # noqa: S311 - nothing here is secret


randoms = _chances.map(_random)
"""Chance that a seed decides, and that is even: what Hypothesis draws leans towards the simple."""


def dealt(values: Sequence[T]) -> st.SearchStrategy[T]:
    """One of `values`, dealt like cards: every one of them comes before any comes again, in an order left to chance.

    So a few stories have them all, and two that are dealt side by side meet in ever other ways.
    """
    hand: list[T] = []

    def deal(chance: tuple[int, int]) -> T:
        if not any(chance):
            return values[0]  # the simplest story, which is kept back
        if not hand:
            hand.extend(_random(chance).sample(values, len(values)))
        return hand.pop()

    return _chances.map(deal)


def either() -> st.SearchStrategy[bool]:
    """False or true, in turn."""
    return dealt((False, True))


def batches(cases: Collection[T], most: int) -> list[tuple[T, ...]]:
    """The cases in as few batches of at most so many as can be; neighbours, which may be alike, come into several."""
    count = -(-len(cases) // most)
    return [tuple(cases)[first::count] for first in range(count)]


SHAPES: Final = {
    "plain": "{}",
    "capitals": "Order-{}-A",
    "digits": "{number}",
    "leading zeros": "00{number}",
    "decimal": "{number}.0",
    "negative": "-{number}",
    "exponent": "{number}e2",
    "like a task id": "task_{}",
    "like a ULID": "task_01HQX9{ULID}",
    "like a UUID": "5f0c1d2e-{}-4a5b",
    "like a date": "2026-05-25T10:00:00Z-{}",
    "inner spaces": "my  render {}",
    "leading space": " {}",
    "trailing space": "{} ",
    "tab": "{}\ttab",
    "line end": "{}\n",
    "line break": "a{}\r\nb",
    "separators": "{}|a;b@c=d&e",
    "percent": "50%{}%",
    "percent code": "a%20{}%2Fb",
    "underscore": "a_{}_b",
    "plus": "a+{}+b",
    "slash": "a/{}/b",
    "dots": "../{}/..",
    "query": "{}?task_id=1&x=2#f",
    "quote": "o'{}\"x",
    "backslash": "a\\{}\\n",
    "star": "*{}?",
    "brackets": "[{}](x)<b>",
    "template": "${{{}}}",
    "doubled signs": "a$$%%''{{{{{}}}}}b",
    "places for others": "a$&$1%s%d\\1{}b",
    "comma": "{},{}",
    "accent": "é{}",
    "decomposed accent": "e\u0301{}",
    "sharp s": "Straße-{}",
    "dotted i": "İstanbul-{}",
    "Greek": "ΟΔΟΣ-{}",
    "Cyrillic": "рендер-{}",
    "Chinese": "渲染-{}",
    "right to left": "רינדור-{}",
    "emoji": "🎬{}👩‍🎤",
    "wide digits": "１２{}",
    "ligature": "ﬁnal-{}",
    "zero width": "{}\u200bx",
    "direction marks": "a\u2067{}\u2069\u200eb",
    "NUL": "{}\0x",
    "65 characters": "{:x<65}",
    "130 characters": "{:x<130}",
    "256 characters": "{:y<256}",
    "300 characters": "{:z<300}",
    "600 characters": "{:w<600}",
    "1024 characters": "{:v<1024}",
    "5000 characters": "{:u<5000}",
}
"""Kinds of `out_task_id`, as format strings around a stem that nobody has used."""


def shaped(shape: str, stem: str) -> str:
    """The identifier of one of the SHAPES around a hexadecimal `stem`."""
    number = str(int(stem, 16))
    return SHAPES[shape].format(stem, stem, number=number, ULID=stem.upper().ljust(20, "7")[:20])


def likely_misses(identifier: str) -> list[str]:
    """Those near misses that exist because of what is odd in `identifier`: every one of them is worth a call."""
    odd = [
        *(unicodedata.normalize(form, identifier) for form in ("NFC", "NFD", "NFKC")),
        identifier.upper(),
        identifier.lower(),
        identifier.strip(),
        " ".join(identifier.split()),
        unquote(identifier),
        unquote_plus(identifier),
        identifier.replace("+", " "),
        identifier.replace(" ", "+"),
        identifier.replace("_", "x"),
        identifier.replace("%", "x"),
        identifier.encode("ascii", "ignore").decode(),
        identifier.partition("\0")[0],
        *_renumbered(identifier),
        *(
            f"{identifier[:size]}~{identifier[size + 1 :]}"
            for size in (32, 64, 128, 255, 4096)
            if len(identifier) > size
        ),
    ]
    return list(dict.fromkeys(near for near in odd if near and near != identifier))


def matched(identifier: str) -> str:
    """What `identifier` matches where its wildcards count as such; itself, if it has none."""
    return re.sub(r"[_%*?]", "x", identifier)


def lone_misses(identifier: str) -> list[str]:
    """Near misses each of which has a sloppiness of its own that no other shows: none may be left to chance."""
    lone = (
        *(f"{identifier}~" for size in (256, 1024) if len(identifier) == size),
        _BEYOND_THE_BMP.sub("🎲", identifier),
        escape(identifier),
        unescape(identifier),
        *(re.sub(untidy, tidied, identifier) for untidy, tidied in _TIDYINGS),
        *([f"{identifier}~"] if _SEPARATORS.search(identifier) else ()),
    )
    return list(dict.fromkeys(near for near in lone if near != identifier))


_BEYOND_THE_BMP: Final = re.compile("[\U00010000-\U0010ffff]")
_SEPARATORS: Final = re.compile(r"[\t|;@=&]")
"""At which a name may be cut, so that what follows makes no difference."""

_TIDYINGS: Final = (
    ("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff]", ""),
    ("<[^>]*>", ""),
    ("\r\n", "\n"),
    (r"\\(.)", r"\1"),
    *((re.escape(sign * 2), sign) for sign in "$%'{"),
)
"""What is taken out of a name, or undone in it, and what is left there."""


MISREADINGS: Final[tuple[Callable[[str], str], ...]] = (
    lambda task_id: task_id.replace("0", "O").replace("1", "I"),
    lambda task_id: task_id.replace("0", "O").replace("1", "L"),
    lambda task_id: task_id.rpartition("_")[2],
)
"""What becomes of a task id that was typed off: letters for digits, or no prefix."""


def near_misses(identifier: str) -> list[str]:
    """Strings that a sloppy comparison takes for `identifier`: folded, trimmed, cut, decoded, matched by pattern."""
    return list(dict.fromkeys(near for near in _near(identifier) if near and near != identifier))


def _near(text: str) -> list[str]:
    middle = len(text) // 2
    normal = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return [
        *normal,
        *_refolded(text),
        f" {text}",
        f"{text} ",
        f"\t{text}",
        f"{text}\n",
        f"{text}\u00a0",
        text.strip(),
        " ".join(text.split()),
        text[:-1],
        text[1:],
        text[:middle],
        f"{text}x",
        f"{text}0",
        f"x{text}",
        f"{text[:-1]}{'b' if text[-1:] != 'b' else 'c'}",
        f"{text[:middle]}_{text[middle + 1 :]}",
        f"{text[:middle]}%",
        f"{text[:middle]}*",
        f"{text[:middle]}.{text[middle + 1 :]}",
        quote(text, safe=""),
        unquote(text),
        unquote_plus(text),
        text.replace(" ", "+"),
        text.replace("+", " "),
        text.replace("_", "-"),
        text.replace("-", "_"),
        text.replace("%", "%%"),
        f"{text}\u200b",
        f"{text}\0",
        f'"{text}"',
        f"{text}' OR '1'='1",
        f"{text},{text}",
        f"{text}.json",
        f"{text}.",
        f"{{{text}}}",
        f"urn:uuid:{text}",
        text.replace("-", ""),
        text.translate(_FULL_WIDTH),
        text.encode("ascii", "ignore").decode(),
        text.encode("ascii", "replace").decode(),
        *_renumbered(text),
        *(text[:size] for size in (32, 36, 64, 128, 255, 256, 512) if len(text) > size),
        *(f"{text[:size]}~{text[size + 1 :]}" for size in (32, 64, 128, 255, 256) if len(text) > size),
    ]


_FULL_WIDTH: Final = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}


def _refolded(text: str) -> list[str]:
    return [text.upper(), text.lower(), text.swapcase(), text.casefold(), text.title()]


def _renumbered(text: str) -> list[str]:
    body = text.strip("+-0")
    if not body.replace(".", "").replace("e", "").isdecimal():
        return []
    return [f"0{text}", f"+{text}", f"{text}.0", f"{text}.", f"{text}e0", body, body.removesuffix(".0")]


_COUNTED: Final = re.compile(r"(\D*|.*[^0-9A-Za-z])([0-9]{1,11})", re.DOTALL)


def may_name_another(guess: str, task_id: str) -> bool:
    """Whether a guessed task id may well be another task's: where a service counts its tasks, any number may be one."""
    counted, guessed = _COUNTED.fullmatch(task_id), _COUNTED.fullmatch(guess)
    return counted is not None and guessed is not None and counted[1] == guessed[1]


MALFORMED_TASK_IDS: Final = (
    "task_",
    "task_123",
    "task",
    "123",
    "0",
    "undefined",
    "null",
    "None",
    "NaN",
    "true",
    "latest",
    "all",
    "*",
    "self",
    "test",
    "id-1",
    "00000000-0000-0000-0000-000000000000",
)
"""Plain strings that are no well-formed task ids of most services."""

WORDS_OF_PROGRAMS: Final = ("None", "null", "undefined", "constructor", "toString", "__proto__", "length")
"""Strings that stand for nothing, or for what every object has, in one programming language or another."""

TAKEN_FOR_NOTHING: Final = ("0", "false", "nil", "NULL", "NaN", "valueOf", "__proto__")
"""Such strings too: tasks take them for their names, and never give them back."""

UNUSABLE_BESIDE: Final[tuple[object, ...]] = (0, False, 1, [], {"$ne": None})
"""Some of the WRONG_VALUES, of every kind that is neither null nor empty: wrong beside a usable identifier too."""

WRONG_VALUES: Final[tuple[object, ...]] = (
    *(None, "", 0, 1, -1, 1.5, True, False, [], {}, [""], {"id": "x"}, {"$ne": None}, 10**30),
)
"""JSON values that are no usable identifier."""

scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.text(max_size=12), st.just(1.5))
values = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(max_size=6), scalars, max_size=3))

EXTRA_NAMES: Final = (
    "force",
    "reason",
    "dry_run",
    "status",
    "model",
    "params",
    "credits_used",
    "refund",
    "callback_url",
    "stream",
    "task_ids",
    "id",
    "key",
    "user",
    "idempotency_key",
    "metadata",
    "all",
    "cascade",
    "length",
    "then",
    "hasOwnProperty",
    "$where",
    "a.b",
)
"""Names that a cancel does not know and an implementation might."""


def aliases(task_id: str, out_task_id: str | None) -> dict[str, object]:
    """Fields that nobody documented and a lenient reader may take for an identifier, with those of one task."""
    recased: dict[str, object] = {**dict.fromkeys(("TASK_ID", "Task_Id"), task_id), "OUT_TASK_ID": out_task_id}
    return {**recased, **synonyms(task_id, out_task_id)}


def synonyms(task_id: str, out_task_id: str | None) -> dict[str, object]:
    """Those aliases that no reader without regard to case takes for an identifier."""
    return {
        **dict.fromkeys(("taskId", "task-id", "id", "ID"), task_id),
        **dict.fromkeys((" task_id", "task_id "), task_id),
        "outTaskId": out_task_id,
        "task_ids": [task_id],
        "task": {"id": task_id, "task_id": task_id},
    }


_few = st.dictionaries(
    st.one_of(st.sampled_from(EXTRA_NAMES), st.text("abcxyz_é-", min_size=9, max_size=14)),
    values,
    min_size=1,
    max_size=4,
)
_all = [dict.fromkeys(EXTRA_NAMES, value) for value in (True, 0, "all", None)]

extras = st.builds(lambda few, all_: all_ or few, _few, dealt(({}, *_all, *[{}] * 3)))
"""Unknown fields; none of the names is an identifier's.

Every other time they are all that an implementation might know at once, of one value, and else a few of any values.
"""

_MOST_GENERATED: Final = 20_000

CONTENT_TYPES: Final = (
    None,
    "x",
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/vnd.api+json",
    "application/json; charset=utf-16",
    "application/json; charset=no-such-charset",
    "application/json;charset=utf-8",
    "application/json; charset=UTF-8",
    "APPLICATION/JSON",
)
"""What a JSON body may say that it is, or nothing."""

DRESSES: Final = (
    Call(chunked=True),
    Call(headers=(("expect", "100-continue"),)),
    Call(suffix="?force=1"),
)
"""In chunks, after `Expect`, with a query behind the path."""

METHODS: Final = ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CANCEL")
"""Methods that no route of a cancel documents (rulings R13, R22)."""


def _with(task_id: str, **fields: object) -> bytes:
    return json.dumps({"task_id": task_id, **fields}).encode()


UNREADABLE: Final[Mapping[str, Callable[[str], bytes]]] = {
    "cut off": lambda task_id: _with(task_id)[:-1],
    "cut before the quote": lambda task_id: _with(task_id)[:-2],
    "garbage behind": lambda task_id: _with(task_id) + b"}",
    "garbage on the next line": lambda task_id: _with(task_id) + b"\n}",
    "two documents": lambda task_id: _with(task_id) * 2,
    "single quotes": lambda task_id: str({"task_id": task_id}).encode(),
    "a bare name": lambda task_id: f'{{task_id: "{task_id}"}}'.encode(),
    "a comma behind": lambda task_id: _with(task_id)[:-1] + b",}",
    "bad UTF-8": lambda task_id: _with(task_id)[:-2] + b"\xff\xfe" + _with(task_id)[-2:],
    "an overlong NUL": lambda task_id: _with(task_id)[:-1] + b', "x": "\xc0\x80"}',
    "a NUL behind": lambda task_id: _with(task_id) + b"\0",
    "an array": lambda task_id: b"[" + _with(task_id) + b"]",
    "a string": lambda task_id: json.dumps(task_id).encode(),
    "an object in a string": lambda task_id: json.dumps(_with(task_id).decode()).encode(),
    "a number": lambda _: b"12",
    "null": lambda _: b"null",
    "true": lambda _: b"true",
    "spaces": lambda _: b"   \n",
    "a form": lambda task_id: f"task_id={task_id}".encode(),
}

"""Bodies that are no JSON object, made from the id of a task that could be taken for the one meant."""

ODD: Final[Mapping[str, Callable[[str, str], bytes]]] = {
    "nothing": lambda *_: b"",
    "the same key twice": lambda one, _: f'{{"task_id": "{one}", "task_id": "{one}"}}'.encode(),
    "two values for a key": lambda one, other: f'{{"task_id": "{one}", "task_id": "{other}"}}'.encode(),
    "null, then a value": lambda one, _: f'{{"task_id": null, "task_id": "{one}"}}'.encode(),
    "escaped letters": lambda one, _: ("".join(('{"task_id": "', *(f"\\u{ord(c):04x}" for c in one), '"}'))).encode(),
    "an escaped key": lambda one, _: f'{{"task\\u005fid": "{one}"}}'.encode(),
    "NUL beside": lambda one, _: _with(one, note="a\0b"),
    "NUL in the identifier": lambda one, _: _with(f"{one}\0"),
    "a lone surrogate": lambda one, _: _with(one)[:-1] + b', "note": "\\ud800"}',
    "a lone surrogate as identifier": lambda *_: b'{"out_task_id": "\\udfff"}',
    "a long field": lambda one, _: _with(one, note="x" * 100_000),
    "a long identifier": lambda *_: json.dumps({"out_task_id": "y" * 100_000}).encode(),
    "deep arrays": lambda one, _: _with(one)[:-1] + b', "note": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": lambda one, _: _with(one)[:-1] + b', "note": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
    "a deep identifier": lambda *_: b'{"task_id": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a huge integer": lambda one, _: _with(one)[:-1] + b', "note": ' + b"9" * 10_000 + b"}",
    "a huge exponent": lambda one, _: _with(one)[:-1] + b', "note": 1e999999}',
    "a number as identifier": lambda *_: b'{"task_id": ' + b"1" * 5_000 + b"}",
    "many fields": lambda one, _: _with(one, **{f"field{index}": index for index in range(5_000)}),
    "a byte order mark": lambda one, _: b"\xef\xbb\xbf" + _with(one),
    "a comment": lambda one, _: b"/* x */" + _with(one),
    "UTF-16": lambda one, _: _with(one).decode().encode("utf-16"),
    "NaN": lambda one, _: _with(one)[:-1] + b', "note": NaN}',
    "several lines": lambda one, _: json.dumps({"task_id": one}, indent=2).encode(),
    "white space": lambda one, _: b" \r\n\t" * 500 + _with(one) + b"\n" * 500,
    "dangerous names": lambda one, _: _with(one, __proto__={"task_id": "x"}, constructor={"prototype": 1}),
}

"""Bodies that are JSON objects, or nothing, and odd (ruling R18), made from the ids of two tasks that live."""

SPELLINGS: Final[Mapping[str, Callable[[str], tuple[str, str]]]] = {
    "encoded": lambda task_id: (task_id, "".join(f"%{ord(char):02x}" for char in task_id)),
    "one letter encoded": lambda task_id: (task_id, f"%{ord(task_id[0]):02X}{task_id[1:]}"),
    "nothing": lambda _: ("", ""),
    "a slash behind": lambda task_id: (f"{task_id}/", f"{task_id}/"),
    "two slashes behind": lambda task_id: (f"{task_id}//", f"{task_id}//"),
    "a NUL behind": lambda task_id: (f"{task_id}\0", f"{task_id}%00"),
    "a percent sign behind": lambda task_id: (f"{task_id}%", f"{task_id}%25"),
    "a percent sign alone": lambda task_id: (f"{task_id}%", f"{task_id}%"),
    "a malformed escape": lambda task_id: (f"{task_id}%zz", f"{task_id}%zz"),
    "encoded twice": lambda task_id: (f"%{ord(task_id[0]):02x}{task_id[1:]}", f"%25{ord(task_id[0]):02x}{task_id[1:]}"),
    "a space behind": lambda task_id: (f"{task_id} ", f"{task_id}%20"),
    "a line's end behind": lambda task_id: (f"{task_id}\r\n", f"{task_id}%0D%0A"),
    "a parameter": lambda task_id: (f"{task_id};a=b", f"{task_id};a=b"),
    "up and down": lambda task_id: (f"x/../{task_id}", f"x%2F..%2F{task_id}"),
    "a folder in front": lambda task_id: (f"x/{task_id}", f"x%2F{task_id}"),
    "bad UTF-8 behind": lambda task_id: (f"{task_id}\udcff", f"{task_id}%FF"),
    "a question mark": lambda task_id: (f"{task_id}?x=1", f"{task_id}%3Fx=1"),
    "4,000 characters": lambda task_id: ((task_id * 4_000)[:4_000],) * 2,
}
"""Odd paths for a task id: what they mean, and how they stand in the URL."""


def odd_cancels(task: Task) -> list[Call]:
    """Cancels that say the identifiers of `task`, in each of the odd ways that are here; most may be refused."""
    one, name = task.task_id, task.out_task_id
    named, surplus = {"task_id": one}, dict.fromkeys(EXTRA_NAMES, True)
    bodies: list[Mapping[str, object]] = [
        {"task_id": one, "out_task_id": name},
        {"task_id": one, "out_task_id": None},
        {"task_id": name},
        {"out_task_id": one},
        {"task_id": [one]},
        {"task_id": {"id": one}},
        {**surplus, "task_id": one},
        {**surplus, "out_task_id": name},
        synonyms(one, name),
    ]
    beside: list[Mapping[str, object]] = [{"task_id": one}, {"out_task_id": name}, surplus, {}]
    raw = [*(body(one) for body in UNREADABLE.values()), *(body(one, one) for body in ODD.values())]
    paths = [spelling(one) for spelling in SPELLINGS.values()]
    return [
        *(Call(body=body) for body in bodies),
        *(Call(path=one, body=body) for body in beside),
        *(Call(path=name), Call(suffix=f"?task_id={one}")),
        *(Call(body=named, content_type=kind) for kind in CONTENT_TYPES),
        *(replace(dress, body=named) for dress in DRESSES),
        *(Call(raw=body) for body in raw),
        *(Call(path=path, spelled=spelled) for path, spelled in paths),
        *(replace(call, method=method) for method in METHODS for call in (Call(path=one), Call(body=named))),
    ]


_keys = st.sampled_from((Key.OWNER, Key.OWNER, Key.OWNER, Key.OTHER))
_fields = st.sampled_from((Form.TASK_ID, Form.OUT_TASK_ID))


def _submits(task: int) -> st.SearchStrategy[Step]:
    state = st.sampled_from((State.PENDING, State.RUNNING))
    named = st.sampled_from((True, True, False))
    variant = st.integers(0, 2)
    made = {"task": st.just(task), "state": state, "variant": variant, "named": named, "key": _keys}
    return st.builds(Submit, **made).flatmap(_waited_for)


def _waited_for(submit: Submit) -> st.SearchStrategy[Step]:
    """What is to run is mostly waited for: else nobody knows what it was when it was cancelled."""
    if submit.state is State.PENDING:
        return st.just(submit)
    return st.sampled_from((True, True, False)).map(lambda awaited: replace(submit, awaited=awaited))


@cache
def _steps(tasks: int) -> st.SearchStrategy[Step]:
    """A step among so many tasks; every second one is a cancel."""
    task = st.integers(0, tasks - 1)
    often: dict[st.SearchStrategy[Step], int] = {
        st.builds(Cancel, task=task, form=forms, key=_keys): 5,
        st.builds(CancelBoth, task=task, other=task, turned=st.booleans(), key=_keys): 1,
        st.builds(CancelAcross, task=task, other=task, field=_fields, key=_keys): 1,
        st.builds(Query, task=task, field=_fields): 3,
        st.builds(Pause, seconds=st.sampled_from((0.01, 0.02, 0.05))): 1,
        st.builds(Account, key=_keys): 1,
    }
    return st.sampled_from([kind for kind, times in often.items() for _ in range(times)]).flatmap(lambda kind: kind)


@st.composite
def programs(draw: st.DrawFn, least: int = 5, most: int = 40) -> Program:
    """A whole life: tasks come and go, are cancelled in every way, again, twice at once, and by the wrong key."""
    length = draw(st.integers(least, most))
    program: list[Step] = [draw(_submits(0))]
    tasks = 1
    while len(program) < length:
        if tasks < MOST_TASKS and draw(st.integers(0, 5)) == 1:
            program.append(draw(_submits(tasks)))
            tasks += 1
        else:
            program.append(draw(_steps(tasks)))
    return tuple(program)


@cache
def generated_bodies(contract: Contract) -> st.SearchStrategy[object]:
    """What schemathesis makes of a contract's schema of a cancel's body in order to be refused; it names no task.

    Its own configuration file, security parameters and checks are left out: the client and the checks are ours.
    """
    import schemathesis  # noqa: PLC0415 - it takes a second to load, and replaces Hypothesis's printer
    from schemathesis import GenerationMode  # noqa: PLC0415

    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(contract.document, config=config)
    route = contract.routes["cancel"]
    operation = schema[route.path][route.method]
    cases = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return cases.map(lambda case: _naming_nothing(case.body)).filter(_is_json)


def _naming_nothing(body: object) -> object:
    """A body whose identifiers are nobody's: one as short as `0` may long be a task's name."""
    if not isinstance(body, dict):
        return body
    given = {form.value: body.get(form.value) for form in (Form.TASK_ID, Form.OUT_TASK_ID)}
    return body | {name: f"{value}-unknown" for name, value in given.items() if value and isinstance(value, str)}


def _is_json(body: object) -> bool:
    try:
        return len(json.dumps(body)) < _MOST_GENERATED
    except (TypeError, ValueError):
        return False
