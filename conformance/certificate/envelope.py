"""Keys, and the envelope (DSSE) in which a certificate's statement is signed with Ed25519; the door of `cryptography`.

A file is read only in the one form in which it is written here, so that no byte of it can be another unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PrivateKey = Ed25519PrivateKey
PublicKey = Ed25519PublicKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_LARGEST: Final = 16 << 20
_LARGEST_KEY: Final = 1 << 16


class NoKey(Exception):
    """A file is no key of the kind that is needed, or cannot be made; the text says which and why."""


class NoCertificate(Exception):
    """A file is not in the form of a certificate; the text says what is wrong with it."""


@dataclass(frozen=True)
class Signature:
    """A signature, and by which key it claims to be."""

    keyid: str
    content: bytes


@dataclass(frozen=True)
class Opened:
    """What is in a certificate's file: the bytes that were signed, the statement in them, and the signature, if any."""

    payload: bytes
    statement: dict[str, Any]
    signature: Signature | None


def canonical(value: object) -> bytes:
    """The one way in which a value is written as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sealed(statement: dict[str, Any], key: PrivateKey | None) -> bytes:
    """A certificate's file: the statement in its envelope, or, where nobody signs, by itself."""
    payload = canonical(statement)
    if key is None:
        return payload
    signature = {"keyid": keyid(key.public_key()), "sig": _encoded(key.sign(_what_is_signed(payload)))}
    return canonical({"payload": _encoded(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]})


def opened(path: Path) -> Opened:
    """What is in a certificate's file.

    Raises:
        NoCertificate: it is in no such form.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise NoCertificate(f"{path}: larger than {_LARGEST >> 20} MiB, which no certificate is")
    try:
        found = _object(text)
        if "payload" not in found:
            return Opened(text, found, None)
        [signature] = found["signatures"]
        payload = _decoded(found["payload"])
        made = Opened(payload, _object(payload), Signature(signature["keyid"], _decoded(signature["sig"])))
        whole = {"payload": found["payload"], "payloadType": PAYLOAD_TYPE, "signatures": [_only(signature)]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoCertificate(f"{path}: no certificate, or one that was changed: {error!s:.200}") from error
    if found != whole:
        raise NoCertificate(f"{path}: no certificate, or one that was changed: its envelope has other fields")
    return made


def fits(signature: Signature, payload: bytes, key: PublicKey) -> bool:
    """Whether the key has signed just this."""
    try:
        key.verify(signature.content, _what_is_signed(payload))
    except InvalidSignature:
        return False
    return True


def keyid(key: PublicKey) -> str:
    """The name of a key: the digest of what it is, as in-toto's own tools make it."""
    public = key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    described = {"keytype": "ed25519", "keyval": {"public": public}, "scheme": "ed25519"}
    return hashlib.sha256(canonical(described)).hexdigest()


def make_keys(name: Path) -> tuple[Path, Path]:
    """A new pair of keys in NAME.pem, for its owner's eyes alone, and NAME.pub.pem; neither may be there already.

    Raises:
        NoKey: one is there, or they cannot be written.
    """
    private, public = Path(f"{name}.pem"), Path(f"{name}.pub.pem")
    key = PrivateKey.generate()
    texts = {
        public: (key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644),
        private: (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600),
    }
    for path in texts:
        if path.exists() or path.is_symlink():
            raise NoKey(f"{path}: is there already, and keys are never overwritten; give another name")
    try:
        for path, (text, mode) in texts.items():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(text)
    except OSError as error:
        raise NoKey(f"{path}: cannot be written: {error.strerror}") from error
    return private, public


def private_key(path: Path) -> PrivateKey:
    """The key with which certificates are signed.

    Raises:
        NoKey: the file holds none.
    """
    try:
        key = load_pem_private_key(_text_of(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NoKey(f"{path}: no private key in PEM format without a password; `keygen` makes one") from error
    if not isinstance(key, PrivateKey):
        raise NoKey(f"{path}: a private key of another kind than Ed25519; `keygen` makes one")
    return key


def public_key(path: Path) -> PublicKey:
    """The key by which certificates are verified.

    Raises:
        NoKey: the file holds none.
    """
    try:
        key = load_pem_public_key(_text_of(path))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NoKey(f"{path}: no public key in PEM format; `keygen` writes it to NAME.pub.pem") from error
    if not isinstance(key, PublicKey):
        raise NoKey(f"{path}: a public key of another kind than Ed25519")
    return key


def _text_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY)
    except OSError as error:
        raise NoKey(f"{path}: cannot be read: {error.strerror}") from error


def _what_is_signed(payload: bytes) -> bytes:
    """The type and the payload, each after its length (DSSE's pre-authentication encoding)."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _object(text: bytes) -> dict[str, Any]:
    """The object that the text is, if it is one, and written in the one way."""
    found = json.loads(text)
    if not isinstance(found, dict) or canonical(found) != text:
        raise ValueError("not JSON as a certificate is written")
    return found


def _only(signature: dict[str, Any]) -> dict[str, str]:
    return {"keyid": str(signature["keyid"]), "sig": str(signature["sig"])}


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(text: str) -> bytes:
    content = base64.b64decode(text, validate=True)
    if _encoded(content) != text:
        raise binascii.Error("Base64 with loose ends")
    return content
