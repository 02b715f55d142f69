"""From a journal to a certificate: its evidence is packed, what that proves is stated, verified and signed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Final

import conformance
from conformance.certificate import evidence
from conformance.certificate.envelope import private_key, sealed
from conformance.certificate.statement import File, NotCertified, Scope, face, statement
from conformance.certificate.verification import complaints_of
from conformance.journal import Journal
from conformance.report.summary import summarise
from conformance.verdict import ExitCode

_LARGEST_MATRIX: Final = 64 << 20


class NoMatrix(Exception):
    """A file is no matrix of this suite's own tests; the text says why."""


class Notary:
    """Issues certificates: with a key or without, with a matrix of the suite's own tests or without.

    Raises:
        NoKey: the key cannot be used.
        NoMatrix: the matrix cannot.
    """

    def __init__(self, scope: Scope, key: Path | None = None, selftest: Path | None = None) -> None:
        self._scope, self._selftest = scope, selftest
        self._key = private_key(key) if key else None
        self._matrix = File("selftest", _digest_of_matrix(selftest)) if selftest else None

    def issue(self, recorded: Path, out: Path) -> list[str]:
        """Write the certificate that a journal merits, and its evidence beside it; what it says in a few lines.

        What lay there before is of another run, and goes, so that nobody takes it for what this run was given.

        Raises:
            NotCertified: it merits none, and nothing is left of the attempt.
        """
        bundle = bundle_of(out)
        for before in (out, bundle):
            before.unlink(missing_ok=True)
        with contextlib.closing(Journal.open(recorded)) as journal:
            summary = summarise(journal)
        statement(summary, self._scope, File(bundle.name, ""), self._matrix)  # refused before anything is written
        try:
            evidence.pack(recorded, bundle, self._selftest)
            made = statement(summary, self._scope, File(bundle.name, evidence.digest(bundle)), self._matrix)
            _expect_to_hold(made, bundle)
            out.write_bytes(sealed(made, self._key))
        except BaseException:
            for attempt in (out, bundle):
                attempt.unlink(missing_ok=True)
            raise
        return face(made)


def _expect_to_hold(made: dict[str, Any], bundle: Path) -> None:
    """No certificate is written that would not be verified afterwards."""
    if differing := complaints_of(made, bundle):
        raise NotCertified([f"it does not hold when verified: {each}" for each in differing], ExitCode.OUR_FAULT)


def bundle_of(out: Path) -> Path:
    """Where the evidence of a certificate lies: beside it, by its name."""
    return out.with_name(f"{out.stem}.evidence.tar.gz")


def _digest_of_matrix(path: Path) -> str:
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_LARGEST_MATRIX))
        suite, tried = told["suite"], told["trials"]
    except OSError as error:
        raise NoMatrix(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoMatrix(f"{path}: no matrix of a self-test; `selftest --json FILE` writes one") from error
    if suite != conformance.__version__ or not tried:
        raise NoMatrix(f"{path}: the matrix of another suite ({suite!s:.40}); this one is {conformance.__version__}")
    return evidence.digest(path)
