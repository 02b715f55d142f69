"""What is said to a cancel endpoint, generated: identifiers of every kind, what resembles them, and bodies."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote, unquote, unquote_plus

from hypothesis import strategies as st

from conformance.exchange import Form

FORMS: Final = (Form.PATH, Form.TASK_ID, Form.OUT_TASK_ID)

forms = st.sampled_from(FORMS)
"""One of the three ways to name a task."""

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
    "inner spaces": "my  render {}",
    "leading space": " {}",
    "trailing space": "{} ",
    "tab": "{}\ttab",
    "line end": "{}\n",
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
    "NUL": "{}\0x",
    "65 characters": "{:x<65}",
    "130 characters": "{:x<130}",
    "256 characters": "{:y<256}",
    "300 characters": "{:z<300}",
    "600 characters": "{:w<600}",
}
"""Kinds of `out_task_id`, as format strings around a stem that nobody has used."""


def shaped(shape: str, stem: str) -> str:
    """The identifier of one of the SHAPES around a hexadecimal `stem`."""
    number = str(int(stem, 16))
    return SHAPES[shape].format(stem, stem, number=number, ULID=stem.upper().ljust(20, "7")[:20])


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
        text.encode("ascii", "ignore").decode(),
        text.encode("ascii", "replace").decode(),
        *_renumbered(text),
        *(text[:size] for size in (32, 36, 64, 128, 255, 256, 512) if len(text) > size),
        *(f"{text[:size]}~{text[size + 1 :]}" for size in (32, 64, 128, 255, 256) if len(text) > size),
    ]


def _refolded(text: str) -> list[str]:
    return [text.upper(), text.lower(), text.swapcase(), text.casefold(), text.title()]


def _renumbered(text: str) -> list[str]:
    body = text.strip("+-0")
    if not body.replace(".", "").replace("e", "").isdecimal():
        return []
    return [f"0{text}", f"+{text}", f"{text}.0", f"{text}.", f"{text}e0", body, body.removesuffix(".0")]


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
    "self",
    "test",
    "id-1",
    "00000000-0000-0000-0000-000000000000",
)
"""Plain strings that are no well-formed task ids of most services."""

WRONG_VALUES: Final[tuple[object, ...]] = (None, "", 0, 1, -1, 1.5, True, False, [], {}, [""], {"id": "x"}, 10**30)
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
)
"""Names that a cancel does not know and an implementation might."""

extras = st.dictionaries(
    st.one_of(st.sampled_from(EXTRA_NAMES), st.text("abcxyz_é-", min_size=9, max_size=14)),
    values,
    min_size=1,
    max_size=4,
)
"""Unknown fields with any values; none of the names is an identifier's."""
