"""What a certificate says, by nothing but a journal: an in-toto Statement with the test-result predicate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from conformance.certificate.envelope import canonical
from conformance.contract import Contract
from conformance.depth import DEPTHS
from conformance.requirements import Requirement, catalogue, catalogue_digest
from conformance.verdict import ExitCode, Verdict

if TYPE_CHECKING:
    from conformance.report.summary import Row, Summary

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://in-toto.io/attestation/test-result/v0.1"
_SUITE: Final = "cancel-conformance"
_DEEPEST: Final = DEPTHS["certify"].name
_SHOWN: Final = {Verdict.PASS, Verdict.NOT_OBSERVABLE}
_BROKEN: Final = {Verdict.FAIL, Verdict.WARN, Verdict.KNOWN}


class Scope(StrEnum):
    """What is certified: what the contract says, or what the surrounding documentation says as well."""

    CORE = "core"
    EXT = "ext"

    def holds(self, row: Requirement) -> bool:
        """Whether a row is part of it."""
        return row.profile == Scope.CORE or self is Scope.EXT

    def wants(self, row: Requirement) -> bool:
        """Whether there is no certificate without the row: a recommendation is none."""
        return self.holds(row) and row.level != "SHOULD" and not row.planned


class NotCertified(Exception):
    """A run does not merit a certificate; each of the reasons is a sentence."""

    def __init__(self, reasons: Iterable[str], code: ExitCode) -> None:
        self.reasons = tuple(reasons)
        self.code = code
        super().__init__("; ".join(self.reasons))


@dataclass(frozen=True)
class File:
    """A file that belongs to a certificate: its name and its SHA-256."""

    name: str
    digest: str

    @property
    def described(self) -> dict[str, Any]:
        """The file as an in-toto resource."""
        return {"name": self.name, "digest": {"sha256": self.digest}}


def statement(summary: Summary, scope: Scope, evidence: File, selftest: File | None) -> dict[str, Any]:
    """What can be certified of a run.

    Raises:
        NotCertified: nothing can.
    """
    reasons = [*_shortcomings(summary.notes, broke_off=summary.broke_off), *_open_rows(summary, scope)]
    if reasons:
        raise NotCertified(reasons, _code(summary, scope))
    rows = {row.requirement.id: row for row in summary.asked}
    told = [rows[name] for name in catalogue() if name in rows]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_subject(summary.notes)],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "WARNED" if _of(told, Verdict.WARN) else "PASSED",
            "configuration": [each.described for each in _configuration(summary.notes, selftest)],
            "passedTests": _of(told, Verdict.PASS),
            "warnedTests": _of(told, Verdict.WARN),
            "failedTests": [],
            "conformance": {
                "profile": scope.value,
                "scope": list(_limits(told, scope)),
                "suite": summary.notes["suite"],
                "evidence": evidence.described,
                "rows": {row.requirement.id: _row(row, scope) for row in told},
                **{key: summary.notes[key] for key in ("depth", "seed", "started", "ended")},
            },
        },
    }


def face(said: Mapping[str, Any]) -> list[str]:
    """What a certificate says in a few lines: of whom, by what, and where it ends."""
    told, subject = said["predicate"]["conformance"], said["subject"][0]
    version = subject.get("annotations", {}).get("version")
    rows = [row for row in told["rows"].values() if row["required"]]
    passed = sum(row["verdict"] == Verdict.PASS for row in rows)
    whose = f"{subject['name']}{f' {version}' if version else ''} at {subject['uri']}"
    by = f"{told['profile']} profile of {_SUITE} {told['suite']}, seed {told['seed']}"
    tried = any(each["name"] == "selftest" for each in said["predicate"]["configuration"])
    untried = [] if tried else ["no matrix of the suite's own tests goes with it"]
    return [whose, f"{by}: {passed} of {len(rows)} required rows passed", *untried, *told["scope"]]


def incomplete(said: Mapping[str, Any]) -> Iterator[str]:
    """Where a certificate falls short of this suite's catalogue, in which every row has its verdict."""
    told = said["predicate"]["conformance"]
    scope, rows = Scope(told["profile"]), told["rows"]
    for row in catalogue().values():
        if row.planned:
            continue
        if row.id not in rows:
            yield f"{row.id} is not on it"
        elif scope.wants(row) and rows[row.id]["verdict"] not in _SHOWN:
            yield f"{row.id} is {rows[row.id]['verdict']}, and the {scope} profile requires it"
    yield from (f"{name} is on it, and in no catalogue of this suite" for name in rows if name not in catalogue())


def _shortcomings(notes: Mapping[str, Any], *, broke_off: bool) -> Iterator[str]:
    """What is wrong with a run as a whole."""
    judged = [row.id for row in catalogue().values() if not row.planned]
    if notes.get("our_fault"):
        yield "the suite itself was at fault"
    if broke_off:
        yield "the run broke off before its end"
    if notes.get("depth") != _DEEPEST:
        yield f"it went to {notes.get('depth')} depth, and a certificate needs {_DEEPEST}"
    if notes.get("only") != judged or notes.get("told") != judged or notes.get("keyword"):
        yield "only some of the rows or stories were asked for"
    if notes.get("contract") != Contract.load().text:
        yield "it was judged by another contract than the one that comes with this suite"
    if notes.get("catalogue_sha256") != catalogue_digest():
        yield "it was judged by another catalogue than this suite's"


def _open_rows(summary: Summary, scope: Scope) -> Iterator[str]:
    """The rows that stand between a run and its certificate, each with why."""
    asked = {row.requirement.id: row.ruling for row in summary.asked}
    for row in catalogue().values():
        made = asked.get(row.id)
        if made is not None and (made.stale or made.verdict is Verdict.KNOWN):
            yield f"{row.id} is listed as a known failure, and a certificate excuses nothing"
        elif scope.wants(row) and made is None:
            yield f"{row.id} was not asked"
        elif scope.wants(row) and made is not None and made.verdict not in _SHOWN:
            yield f"{row.id} is {made.verdict}: {made.reason}"
    if not any(scope.wants(row.requirement) and row.ruling.verdict is Verdict.PASS for row in summary.asked):
        yield "no required row passed"


def _code(summary: Summary, scope: Scope) -> ExitCode:
    """How a run ends that is refused its certificate."""
    if summary.exit_code is ExitCode.OUR_FAULT:
        return ExitCode.OUR_FAULT
    wanted = [row.ruling for row in summary.asked if scope.wants(row.requirement)]
    stopped = any(made.verdict in _BROKEN for made in wanted) or any(row.ruling.stale for row in summary.asked)
    return ExitCode.FAILED if stopped else ExitCode.INCONCLUSIVE


def _subject(notes: Mapping[str, Any]) -> dict[str, Any]:
    """The implementation: its digest is that of its profile, in which there are no keys."""
    subject = {"name": notes["name"], "uri": notes["base_url"], "digest": {"sha256": _profile_digest(notes)}}
    version = notes["target"].get("version")
    return {**subject, "annotations": {"version": version}} if version else subject


def _configuration(notes: Mapping[str, Any], selftest: File | None) -> list[File]:
    files = [
        File("contract", hashlib.sha256(notes["contract"].encode()).hexdigest()),
        File("catalogue", notes["catalogue_sha256"]),
        File("profile", _profile_digest(notes)),
    ]
    return [*files, selftest] if selftest else files


def _profile_digest(notes: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(notes["target"])).hexdigest()


def _row(row: Row, scope: Scope) -> dict[str, Any]:
    made, asked = row.ruling, row.requirement
    return {
        "level": asked.level,
        "required": scope.wants(asked),
        "verdict": made.verdict.value,
        "reason": made.reason,
    }


def _of(rows: Iterable[Row], verdict: Verdict) -> list[str]:
    return [row.requirement.id for row in rows if row.ruling.verdict is verdict]


def _limits(rows: Iterable[Row], scope: Scope) -> Iterator[str]:
    """What of its profile a certificate does not speak for: the rows by what is the matter with them."""
    matters: dict[tuple[Verdict, str], list[str]] = {}
    for row in rows:
        if scope.holds(row.requirement) and row.ruling.verdict is not Verdict.PASS:
            matters.setdefault((row.ruling.verdict, row.ruling.reason), []).append(row.requirement.id)
    saying = {Verdict.NOT_OBSERVABLE: "not observed", Verdict.INCONCLUSIVE: "not proven", Verdict.WARN: "not kept"}
    yield from (f"{saying[verdict]}: {', '.join(names)} ({reason})" for (verdict, reason), names in matters.items())
