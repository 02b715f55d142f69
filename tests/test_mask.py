"""A key is masked however it is spelled, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

from conformance.target.credentials import deciding_over, probes, strangers
from conformance.target.mask import Mask

KEY = "sk-byts-9fX+2q/Lr8&wT_zK4"
OTHER = "sk-byts-another-one-77001"
SPOILED = [f"{KEY[:16]}b{KEY[17:]}", KEY.swapcase(), KEY[:-1], f"{KEY}0", f"{KEY[:-1]}%", KEY[:-4]]


def escaped(text: str, form: str) -> str:
    """Every character by its code."""
    return "".join(form.format(ord(char)) for char in text)


SPELLINGS = {
    "plain": KEY,
    "small": KEY.lower(),
    "capital": KEY.upper(),
    "in a sentence": f"The key {KEY}, is wrong.",
    "bearer": f"Bearer {KEY}",
    "json": json.dumps({"error": {"message": f"no such key: {KEY}"}}),
    "json codes": escaped(KEY, "\\u{:04x}"),
    "json codes, capital": escaped(KEY, "\\u{:04X}"),
    "json codes of odd ones": KEY.replace("-", "\\u002d").replace("&", "\\u0026"),
    "json in json": json.dumps(json.dumps(escaped(KEY, "\\u{:04x}"))),
    "slashes escaped": KEY.replace("/", "\\/"),
    "url": quote(KEY, safe=""),
    "url, all of it": escaped(KEY, "%{:02x}"),
    "url in url": quote(quote(KEY, safe=""), safe=""),
    "html": html.escape(KEY),
    "html codes": escaped(KEY, "&#{};"),
    "html hex codes": escaped(KEY, "&#x{:x};"),
    "html names": KEY.replace("+", "&plus;").replace("/", "&sol;").replace("_", "&lowbar;"),
    "python": repr({"authorization": f"Bearer {KEY}"}),
    "python bytes": repr(f"Bearer {KEY}".encode()),
    "hex": KEY.encode().hex(),
    "hex, capital": KEY.encode().hex().upper(),
    **{
        f"base64 after {before!r}, before {after!r}, {coded.__name__}": coded(f"{before}{KEY}{after}".encode()).decode()
        for before in ("", "a", "ab", "Bearer ")
        for after in ("", ":", ":x")
        for coded in (base64.b64encode, base64.urlsafe_b64encode)
    },
    "base64 in a url": quote(base64.b64encode(KEY.encode()).decode(), safe=""),
    "base64 in json codes": escaped(KEY, "\\u{:04x}"),
}


def bare(text: str) -> str:
    """What is left of a text without what stands in a key's place."""
    return text.replace("$KEY", "")


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_key_is_masked_however_it_is_spelled(spelled: str) -> None:
    """As many characters are gone as the key has, or more."""
    masked = Mask([OTHER, KEY]).text(spelled)
    assert "$KEY" in masked
    assert len(bare(masked)) <= len(spelled) - len(KEY)


@pytest.mark.parametrize("spoiled", SPOILED)
def test_what_is_nearly_the_key_is_masked_too(spoiled: str) -> None:
    """The suite sends spoiled keys, and whoever sees one can guess the rest."""
    for spelled in (spoiled, f"Bearer {spoiled}", base64.b64encode(f"{spoiled}:".encode()).decode()):
        masked = Mask([KEY]).text(spelled)
        assert "$KEY" in masked
        assert len(bare(masked).removeprefix("Bearer ")) < 10


def test_everything_that_is_ever_sent_is_masked() -> None:
    """Each way to show a key, sound or spoiled, but for what only begins like it."""
    mask = Mask([KEY])
    for credential in (*strangers("authorization").values(), *strangers("x-api-key").values(), *probes().values()):
        for _, value in credential.headers(KEY):
            shown = bare(mask.text(value))
            assert KEY[:-5] not in shown
            assert KEY[:-5].swapcase() not in shown


@pytest.mark.parametrize(
    "text",
    [
        "sk-byts-…zK4",
        f"{KEY[:8]}***{KEY[-4:]}",
        KEY[-8:],
        '{"task_id": "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9", "status": "cancelled", "credits_used": 1.50}',
        "sk-byts-this-key-was-never-issued-0000",
        "",
    ],
)
def test_what_is_no_key_is_left_as_it_is(text: str) -> None:
    """Also what a decent target shows of one: its beginning and its last characters."""
    assert Mask([KEY, OTHER]).text(text) == text


def test_a_masked_document_is_still_one() -> None:
    """What was well formed stays so, around the key and inside its escapes."""
    for spelled in (KEY, escaped(KEY, "\\u{:04x}")):
        told = json.loads(Mask([KEY]).content(b'{"a": ["' + spelled.encode() + b'", 1], "b\\n": "x"}'))
        assert told == {"a": ["$KEY", 1], "b\n": "x"}


@pytest.mark.parametrize("key", ["ok", "a", "1", "true"])
def test_a_key_that_may_be_any_word_does_not_blot_out_the_world(key: str) -> None:
    """It is masked only where it is said to be a key."""
    said = f'{{"status": "ok", "a": 1, "ready": true}} Bearer {key}'
    assert Mask([key]).text(said) == f'{{"status": "ok", "a": 1, "ready": true}} Bearer {"$KEY"}'


def test_a_key_of_middling_length_is_masked_as_a_word() -> None:
    """It is no part of a longer one."""
    mask = Mask(["secret"])
    assert mask.text('secretary "secret" secrets 1secret') == 'secretary "$KEY" secrets 1secret'
    assert mask.text(base64.b64encode(b"secret:").decode()) != base64.b64encode(b"secret:").decode()


def test_a_long_key_is_masked_whole() -> None:
    """A token of a thousand characters leaves no tail behind."""
    key = base64.urlsafe_b64encode(bytes(range(250)) * 3).decode()
    assert Mask([key]).text(f"Bearer {key}.") in {"Bearer $KEY", "Bearer $KEY."}
    assert len(Mask([key]).text(base64.b64encode(key.encode()).decode())) < 8


def test_texts_with_odd_characters_come_through() -> None:
    """Lone surrogates and whatever else a target sends."""
    assert Mask([KEY]).text(f"\ud800é🎬\0{KEY}") == "\ud800é🎬\0$KEY"


def test_a_second_key_goes_by_the_name_of_its_role() -> None:
    """Of two keys that are shown at once neither stands in what is written down, and a shell can tell them apart."""
    shown = deciding_over("other-one", OTHER)
    assert [value for _, value in shown.headers(KEY)] == [KEY, f"Bearer {OTHER}"]
    assert [value for _, value in shown.masked] == ["$KEY", "Bearer $OTHER_ONE_KEY"]
