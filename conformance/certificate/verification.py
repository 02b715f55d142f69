"""Whether a certificate holds: its signature, its digests, its completeness, and its evidence, judged once more."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from conformance.certificate import evidence
from conformance.certificate.envelope import NoCertificate, Opened, PublicKey, fits, keyid, opened, public_key
from conformance.certificate.evidence import NoEvidence
from conformance.certificate.statement import File, NotCertified, Scope, face, incomplete, statement
from conformance.contract import Contract, ContractError
from conformance.diff import NoRun, told_by
from conformance.journal import JournalError
from conformance.report.summary import Summary, judge_again, summarise
from conformance.requirements import catalogue_digest
from conformance.verdict import ExitCode

_MOST_DIFFERENCES: Final = 20
_MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What comes of reading JSON, or a journal, that is not what a suite has written."""


@dataclass
class Finding:
    """What came of it: the certificate's `face`, what does not hold of it, and what could not be checked."""

    face: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """0 where all of it holds and was checked."""
        if self.complaints:
            return ExitCode.FAILED
        return ExitCode.INCONCLUSIVE if self.unchecked else ExitCode.PASSED


def verify(path: Path, bundle: Path | None = None, key: Path | None = None) -> Finding:
    """Check a certificate against its signer's public key and its evidence; by itself it looks for that beside it.

    Raises:
        OSError: a file cannot be read.
        NoKey: the key cannot be used.
    """
    public = public_key(key) if key else None
    try:
        found = opened(path)
    except NoCertificate as error:
        return Finding(complaints=[str(error)])
    made = Finding()
    _check_signature(made, found, public)
    if made.complaints:
        return made  # nothing in it can be believed
    try:
        made.face = face(found.statement)
        made.complaints += incomplete(found.statement)
        made.complaints += _strangeness(found.statement)
        _check_evidence(made, found.statement, bundle, path.parent)
    except _MALFORMED as error:
        made.complaints.append(f"it does not say what a certificate says: {error!r:.200}")
    return made


def _check_signature(made: Finding, found: Opened, public: PublicKey | None) -> None:
    """Whether the owner of the key, and nobody else, says so."""
    signature = found.signature
    if signature is None and public is None:
        made.unchecked.append("it is unsigned: nobody vouches for it")
    elif signature is None:
        made.complaints.append("it is unsigned, and a key was given: its owner has not signed this")
    elif public is None:
        made.unchecked.append(f"it is signed by the key {signature.keyid:.64}; give --key to see whether that is so")
    elif signature.keyid != keyid(public):
        made.complaints.append(f"it was signed with another key: by {signature.keyid:.64}, not {keyid(public)}")
    elif not fits(signature, found.payload, public):
        made.complaints.append("its signature does not fit: what was signed, or the signature, was changed")


def _strangeness(said: Mapping[str, Any]) -> Iterator[str]:
    """Whether the certificate is by the documents of this suite."""
    named = {each["name"]: each["digest"]["sha256"] for each in said["predicate"]["configuration"]}
    for name, ours in (("contract", Contract.load().digest), ("catalogue", catalogue_digest())):
        if named.get(name) != ours:
            yield f"it is by another {name} than this suite's: {named.get(name)!s:.64}, not {ours}"


def _check_evidence(made: Finding, said: dict[str, Any], bundle: Path | None, folder: Path) -> None:
    name = said["predicate"]["conformance"]["evidence"]["name"]
    beside = folder / Path(name).name
    if bundle is None and not beside.is_file():
        made.unchecked.append(f"its evidence is not beside it; give --bundle with {beside.name}")
        return
    made.complaints += complaints_of(said, bundle or beside)


def complaints_of(said: dict[str, Any], bundle: Path) -> list[str]:
    """What a statement says and its evidence does not, each a sentence; the evidence is judged again as well."""
    told = said["predicate"]["conformance"]
    found = evidence.digest(bundle)
    if found != told["evidence"]["digest"]["sha256"]:
        why = f"it is of another run, or was changed (sha256 {found})"
        return [f"{bundle.name} is not the evidence of this certificate: {why}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            evidence.unpack(bundle, folder)
            return list(islice(_differences(said, folder, found), _MOST_DIFFERENCES))
        except NotCertified as error:
            return [f"by its evidence it should not have been issued: {reason}" for reason in error.reasons]
        except (NoEvidence, JournalError, sqlite3.Error, NoRun, ContractError, *_MALFORMED) as error:
            return [f"{bundle.name} cannot be judged: {error!s:.200}"]


def _differences(said: dict[str, Any], folder: Path, digest: str) -> Iterator[str]:
    """Where the unpacked evidence, as it was judged and as it is judged now, says something else."""
    told = said["predicate"]["conformance"]
    selftest = folder / evidence.SELFTEST
    matrix = File("selftest", evidence.digest(selftest)) if selftest.is_file() else None
    with contextlib.closing(evidence.opened(folder)) as journal:
        recorded = summarise(journal)
        packed = File(told["evidence"]["name"], digest)
        yield from _unlike(said, statement(recorded, Scope(told["profile"]), packed, matrix), "")
        yield from _other_files(recorded, folder)
        judge_again(journal)
        again = {row.requirement.id: row.ruling.verdict for row in summarise(journal).asked}
    for row, stands in told["rows"].items():
        if again.get(row) != stands["verdict"]:
            yield f"{row} is {stands['verdict']} on it, and {again.get(row)} when its evidence is judged again"


def _other_files(recorded: Summary, folder: Path) -> Iterator[str]:
    """Whether contract, catalogue and summary in the evidence are those of its journal."""
    if (folder / evidence.CONTRACT).read_text(encoding="utf-8") != recorded.notes["contract"]:
        yield f"{evidence.CONTRACT} in its evidence is not the contract of the run"
    if evidence.digest(folder / evidence.CATALOGUE) != recorded.notes["catalogue_sha256"]:
        yield f"{evidence.CATALOGUE} in its evidence is not the catalogue of the run"
    summed = told_by(folder / evidence.SUMMARY)
    for row in recorded.asked:
        if summed.verdict(row.requirement.id) != row.ruling.verdict:
            yield f"{row.requirement.id} is {row.ruling.verdict} in its evidence's journal, and not in its summary"


def _unlike(said: object, shown: object, place: str) -> Iterator[str]:
    """Each place in which two values differ, with what stands there in the certificate and in its evidence."""
    if isinstance(said, dict) and isinstance(shown, dict):
        for key in dict.fromkeys([*said, *shown]):
            yield from _unlike(said.get(key, "nothing"), shown.get(key, "nothing"), f"{place}.{key}" if place else key)
    elif said != shown:
        yield f"{place} is {said!r:.120} on it, and {shown!r:.120} by its evidence"
