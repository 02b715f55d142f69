"""A certificate says what its evidence says, and nothing about it can be changed unnoticed.

A whole certify run is made once, by the command, with a catalogue of a few rows: four that pass, one that its target
cannot show, and one that nobody is bound by.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result
from conftest import REFERENCE_PROFILE, clean_environment
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey
from told import CONTRACT

from conformance import __version__, requirements
from conformance.certificate import evidence
from conformance.certificate.envelope import NoKey, canonical, opened, private_key, public_key, sealed
from conformance.certificate.evidence import NoEvidence
from conformance.certificate.issue import NoMatrix, Notary, bundle_of
from conformance.certificate.statement import File, NotCertified, Scope, face, statement
from conformance.certificate.verification import verify
from conformance.cli import main
from conformance.journal import Journal
from conformance.report.summary import summarise
from conformance.selftest import Trial, as_json
from conformance.verdict import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROWS: Final = ("IDENT-1", "IDENT-4", "STATE-1", "IDEMP-1", "AUTH-3", "AUTH-8", "ERR-2")
DOCUMENTS: Final = Path(__file__).parents[1] / "openapi"
IN_SMALL: Final = """
import sys
from pathlib import Path
from conformance import requirements
folder = Path(sys.argv.pop(1))
requirements.documents = lambda: folder
from conformance.cli import main
main()
"""
"""The command line, with the catalogue in another folder."""


@dataclass(frozen=True)
class Issued:
    """A certificate that the command has written, with its keys, and what was printed."""

    folder: Path
    stdout: str
    secrets: tuple[str, ...]

    @property
    def certificate(self) -> Path:
        """The certificate's file."""
        return self.folder / "certificate.json"

    @property
    def bundle(self) -> Path:
        """Its evidence."""
        return bundle_of(self.certificate)

    @property
    def public(self) -> Path:
        """The key to verify it by."""
        return self.folder / "signer.pub.pem"

    @property
    def journal(self) -> Path:
        """The journal of its run."""
        return self.folder / "results" / "journal.sqlite"

    @property
    def statement(self) -> dict[str, Any]:
        """What it says."""
        return opened(self.certificate).statement


def small_catalogue(folder: Path) -> Path:
    """A folder with the contract, and with a catalogue of a few rows."""
    folder.mkdir()
    shutil.copy(DOCUMENTS / "cancel-task.yaml", folder)
    whole = yaml.safe_load((DOCUMENTS / "requirements.yaml").read_text(encoding="utf-8"))
    kept = {**whole, "requirements": [row for row in whole["requirements"] if row["id"] in ROWS]}
    (folder / "requirements.yaml").write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
    return folder


def without_revoked_key() -> str:
    """The reference service's profile, as of a target that has no revoked key to show."""
    text = REFERENCE_PROFILE.read_text(encoding="utf-8")
    before, _, rest = text.partition("[keys.revoked]")
    absent = '[[absent]]\ncapability = "revoked_key"\nreason = "keys are never revoked"\n'
    return f'version = "2026.11"\n{before}{rest[rest.index("[states.pending]") :]}\n{absent}'


@pytest.fixture(scope="module")
def issued(
    service: dict[str, Any], service_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Issued:
    """The certificate of a whole certify run of the few rows, as the command makes it."""
    folder = tmp_path_factory.mktemp("certified")
    (folder / "target.toml").write_text(without_revoked_key(), encoding="utf-8")
    (folder / "matrix.json").write_text(json.dumps({"suite": __version__, "trials": [{}]}), encoding="utf-8")
    assert CliRunner().invoke(main, ["keygen", str(folder / "signer")]).exit_code == 0
    options = ["--target", "target.toml", "--base-url", service["base_url"], "--seed", "7", "--report-dir", "results"]
    options += ["--key", "signer.pem", "--out", "certificate.json", "--selftest", "matrix.json"]
    done = subprocess.run(
        [sys.executable, "-c", IN_SMALL, str(small_catalogue(folder / "small")), "certify", *options],
        env=clean_environment({name: key for name, key in service_environ.items() if "REVOKED" not in name}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Issued(folder, done.stdout, tuple(service["keys"].values()))


@pytest.fixture(autouse=True)
def small(issued: Issued, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The few rows are all that there is."""
    monkeypatch.setattr(requirements, "documents", lambda: issued.folder / "small")
    requirements.catalogue.cache_clear()
    yield
    requirements.catalogue.cache_clear()


def checked(*arguments: object) -> Result:
    """What `verify` says."""
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


# what is issued


def test_a_certificate_holds(issued: Issued) -> None:
    """By its signer's key, with its evidence beside it or where it is said to be."""
    for more in ([], ["--bundle", issued.bundle]):
        result = checked(issued.certificate, "--key", issued.public, *more)
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "all of it holds (exit 0)"), result.output


def test_the_face_tells_whose_by_what_and_what_was_not_seen(issued: Issued, service: dict[str, Any]) -> None:
    """When it is issued and when it is verified; and nothing that was not observed counts as passed."""
    said = [
        f"reference service 2026.11 at {service['base_url']}",
        f"core profile of cancel-conformance {__version__}, seed 7: 4 of 5 required rows passed",
        "not observed: AUTH-3 (revoked_key: keys are never revoked)",
    ]
    assert checked(issued.certificate, "--key", issued.public).stdout.splitlines()[:3] == said
    assert [line.strip() for line in issued.stdout.splitlines() if line.startswith("  ")][-3:] == said
    assert "AUTH-3" not in issued.statement["predicate"]["passedTests"]


def test_the_statement_has_the_documented_form(issued: Issued, service: dict[str, Any]) -> None:
    """In-toto's statement, the test-result predicate, and a digest of everything that it rests on."""
    said = issued.statement
    [subject] = said["subject"]
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert (subject["name"], subject["uri"]) == ("reference service", service["base_url"])
    assert subject["annotations"] == {"version": "2026.11"}
    predicate = said["predicate"]
    named = {each["name"]: each["digest"]["sha256"] for each in predicate["configuration"]}
    assert named == {
        "contract": CONTRACT.digest,
        "catalogue": evidence.digest(issued.folder / "small" / "requirements.yaml"),
        "profile": subject["digest"]["sha256"],
        "selftest": evidence.digest(issued.folder / "matrix.json"),
    }
    assert predicate["result"] == "PASSED"
    assert set(predicate["passedTests"]) == set(ROWS) - {"AUTH-3"}
    told = predicate["conformance"]
    assert {name: row["verdict"] for name, row in told["rows"].items()} == {
        name: "not observable" if name == "AUTH-3" else "pass" for name in ROWS
    }
    assert told["evidence"] == {
        "name": issued.bundle.name,
        "digest": {"sha256": evidence.digest(issued.bundle)},
    }


def test_others_can_verify_the_envelope(issued: Issued) -> None:
    """A library that knows nothing of this suite, by the same public key, and not by another."""
    envelope = Envelope.from_dict(json.loads(issued.certificate.read_text(encoding="utf-8")))
    signer = SSlibKey.from_crypto(public_key(issued.public))
    assert list(envelope.verify([signer], 1)) == [signer.keyid]
    assert json.loads(envelope.payload) == issued.statement
    CliRunner().invoke(main, ["keygen", str(issued.folder / "stranger")])
    stranger = SSlibKey.from_crypto(public_key(issued.folder / "stranger.pub.pem"), keyid=signer.keyid)
    with pytest.raises(VerificationError):
        envelope.verify([stranger], 1)


def test_the_evidence_shows_no_key(issued: Issued, tmp_path: Path) -> None:
    """Nor does the certificate, in whatever is in them."""
    evidence.unpack(issued.bundle, tmp_path)
    held = b"".join(path.read_bytes() for path in [issued.certificate, *tmp_path.iterdir()])
    assert b"$KEY" in held
    assert [key for key in issued.secrets if key.encode() in held] == []


def test_evidence_is_packed_the_same_each_time(issued: Issued, tmp_path: Path) -> None:
    """Byte for byte, from the same journal."""
    for name in ("a.tar.gz", "b.tar.gz"):
        evidence.pack(issued.journal, tmp_path / name, issued.folder / "matrix.json")
        assert evidence.digest(tmp_path / name) == evidence.digest(issued.bundle)
    with tarfile.open(issued.bundle) as archive:
        assert [(each.name, each.mtime, each.uname) for each in archive] == [
            (name, 0, "") for name in sorted(path.name for path in _unpacked(issued, tmp_path / "x").iterdir())
        ]


def _unpacked(issued: Issued, folder: Path) -> Path:
    folder.mkdir()
    evidence.unpack(issued.bundle, folder)
    return folder


# what is refused


Spoil = str
SPOILT: Final = {
    "UPDATE note SET value = '\"smoke\"' WHERE key = 'depth'": "it went to smoke depth",
    "UPDATE note SET value = '[\"IDENT-1\"]' WHERE key = 'only'": "only some of the rows or stories",
    "UPDATE note SET value = '[\"IDENT-1\"]' WHERE key = 'told'": "only some of the rows or stories",
    "UPDATE note SET value = '\"a_test\"' WHERE key = 'keyword'": "only some of the rows or stories",
    "DELETE FROM note WHERE key = 'ended'": "broke off",
    "INSERT INTO note VALUES ('our_fault', '\"Traceback\"')": "the suite itself was at fault",
    "UPDATE note SET value = '\"paths: {}\"' WHERE key = 'contract'": "another contract",
    "UPDATE note SET value = '\"0\"' WHERE key = 'catalogue_sha256'": "another catalogue",
    "DELETE FROM judgement WHERE requirement = 'STATE-1'": "STATE-1 is inconclusive",
    "UPDATE judgement SET outcome = 'broken', got = 'x' WHERE requirement = 'IDENT-4'": "IDENT-4 is fail: x",
    "UPDATE note SET value = '{}' WHERE key = 'not_observable'": "AUTH-3 is inconclusive",
    "UPDATE note SET value = '{\"IDENT-4\": \"ticket\"}' WHERE key = 'known'": "IDENT-4 is listed as a known failure",
    "DELETE FROM judgement": "no required row passed",
}


@pytest.fixture
def spoilt(issued: Issued, tmp_path: Path) -> Callable[[Spoil], Path]:
    """Makes a copy of the journal, and does something to it."""

    def spoil(statement: Spoil) -> Path:
        path = tmp_path / "spoilt.sqlite"
        shutil.copy(issued.journal, path)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)
        return path

    return spoil


@pytest.mark.parametrize(("done", "said"), SPOILT.items())
def test_a_run_that_does_not_merit_one_gets_none(
    done: Spoil, said: str, spoilt: Callable[[Spoil], Path], tmp_path: Path
) -> None:
    """Each reason is said, and nothing is left of the attempt."""
    with pytest.raises(NotCertified) as refused:
        Notary(Scope.CORE).issue(spoilt(done), tmp_path / "c.json")
    assert any(said in reason for reason in refused.value.reasons), refused.value.reasons
    assert refused.value.code is not ExitCode.PASSED
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.sqlite"]


def test_a_refusal_leaves_no_older_certificate(spoilt: Callable[[Spoil], Path], tmp_path: Path) -> None:
    """Nobody shall take the certificate of another run for this one's."""
    for name in ("c.json", "c.evidence.tar.gz"):
        (tmp_path / name).write_text("of another run", encoding="utf-8")
    with pytest.raises(NotCertified):
        Notary(Scope.CORE).issue(spoilt("DELETE FROM judgement"), tmp_path / "c.json")
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.sqlite"]


def test_the_evidence_tells_no_folder_of_whoever_ran_it(issued: Issued, tmp_path: Path) -> None:
    """Neither where the contract lay nor where the results went."""
    folder = _unpacked(issued, tmp_path / "unpacked")
    for path in folder.iterdir():
        text = path.read_bytes()
        assert str(issued.folder).encode() not in text, path.name
        assert str(DOCUMENTS).encode() not in text, path.name


@pytest.mark.parametrize(
    ("done", "code"),
    [
        ("DELETE FROM judgement WHERE requirement = 'STATE-1'", 3),
        ("UPDATE judgement SET outcome = 'broken' WHERE requirement = 'IDENT-4'", 1),
        ("INSERT INTO note VALUES ('our_fault', '\"Traceback\"')", 4),
    ],
)
def test_a_refusal_ends_as_its_reasons_are(done: Spoil, code: int, spoilt: Callable[[Spoil], Path]) -> None:
    """With the exit code of a run."""
    with pytest.raises(NotCertified) as refused:
        Notary(Scope.CORE).issue(path := spoilt(done), path.with_name("c.json"))
    assert refused.value.code == code


@pytest.mark.parametrize(("row", "core", "ext"), [("ERR-2", True, False), ("AUTH-8", True, True)])
def test_a_profile_decides_what_is_required(
    row: str, core: bool, ext: bool, spoilt: Callable[[Spoil], Path], tmp_path: Path
) -> None:
    """A row of the surrounding documentation by `ext` alone; a recommendation by neither, though it is named."""
    path = spoilt("UPDATE judgement SET outcome = 'undecided' WHERE requirement = 'ROW'".replace("ROW", row))
    for scope, spared in ((Scope.CORE, core), (Scope.EXT, ext)):
        with pytest.raises(
            NotCertified
        ) as refused:  # spared, it fails only because its evidence judged again says more
            Notary(scope).issue(path, tmp_path / "c.json")
        assert all("judged again" in reason for reason in refused.value.reasons) is spared, refused.value.reasons


@pytest.mark.parametrize(
    ("outcome", "result", "said"),
    [("undecided", "PASSED", "not proven: AUTH-8 (x)"), ("broken", "WARNED", "not kept: AUTH-8 (y)")],
)
def test_a_recommendation_that_is_not_kept_stands_on_the_face(
    outcome: str, result: str, said: str, spoilt: Callable[[Spoil], Path]
) -> None:
    """It keeps no certificate back, and is not passed over."""
    done = "UPDATE judgement SET outcome = 'OUTCOME', why = 'x', got = 'y' WHERE requirement = 'AUTH-8'"
    with contextlib.closing(Journal.open(spoilt(done.replace("OUTCOME", outcome)))) as journal:
        made = statement(summarise(journal), Scope.CORE, File("evidence", "0"), None)
    assert made["predicate"]["result"] == result
    assert said in face(made)
    assert "no matrix of the suite's own tests goes with it" in face(made)
    assert ("AUTH-8" in made["predicate"]["warnedTests"]) == (result == "WARNED")
    assert "AUTH-8" not in made["predicate"]["passedTests"]


def test_a_journal_that_was_judged_otherwise_gets_none(spoilt: Callable[[Spoil], Path], tmp_path: Path) -> None:
    """Made-up judgements do not outlive a second look at what was on the wire; that is an inconsistency of ours."""
    path = spoilt(
        "UPDATE exchange SET status = 500 WHERE number IN"
        " (SELECT number FROM exchange WHERE operation = 'cancel' AND status = 400)"
    )
    with pytest.raises(NotCertified, match=r"IDENT-4 is pass on it, and (fail|inconclusive) when") as refused:
        Notary(Scope.CORE).issue(path, tmp_path / "c.json")
    assert refused.value.code is ExitCode.OUR_FAULT


# what is changed afterwards


def test_no_byte_of_a_signed_certificate_can_be_another(issued: Issued, tmp_path: Path) -> None:
    """One bit of one byte, anywhere, and it does not hold."""
    text = issued.certificate.read_bytes()
    flipped = tmp_path / "flipped.json"
    for place in range(0, len(text), 3):
        flipped.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        found = verify(flipped, key=issued.public)
        assert (found.exit_code, found.face) == (1, []), place


def test_no_byte_of_the_evidence_can_be_another(issued: Issued, tmp_path: Path) -> None:
    """Nor can it be of another run."""
    text = issued.bundle.read_bytes()
    flipped = tmp_path / "flipped.tar.gz"
    for place in [*range(0, len(text), len(text) // 50), len(text) - 1]:
        flipped.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        [said] = verify(issued.certificate, flipped, issued.public).complaints
        assert "not the evidence of this certificate: it is of another run, or was changed" in said


def resigned(issued: Issued, change: Callable[[dict[str, Any]], None], folder: Path) -> Path:
    """A certificate that says something else, signed by the signer himself; its evidence is beside it."""
    said = issued.statement
    change(said)
    path = folder / "resigned.json"
    path.write_bytes(sealed(said, private_key(issued.folder / "signer.pem")))
    shutil.copy(issued.bundle, folder)
    return path


def set_at(*place: object, value: object) -> Callable[[dict[str, Any]], None]:
    """Puts a value somewhere into a statement."""

    def change(said: dict[str, Any]) -> None:
        found: Any = said
        for step in place[:-1]:
            found = found[step]
        found[place[-1]] = value

    return change


def left_out(row: str) -> Callable[[dict[str, Any]], None]:
    """Takes a row out of a statement, wherever it stands."""

    def change(said: dict[str, Any]) -> None:
        del said["predicate"]["conformance"]["rows"][row]
        said["predicate"]["passedTests"].remove(row)

    return change


_TOLD = ("predicate", "conformance")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (left_out("IDENT-4"), "IDENT-4 is not on it"),
        (set_at(*_TOLD, "rows", "AUTH-3", "verdict", value="pass"), "AUTH-3"),
        (
            set_at(*_TOLD, "rows", "IDENT-1", "verdict", value="fail"),
            "IDENT-1 is fail, and the core profile requires it",
        ),
        (
            set_at(*_TOLD, "rows", "IDENT-1", "reason", value="x"),
            "predicate.conformance.rows.IDENT-1.reason is 'x' on it",
        ),
        (set_at(*_TOLD, "rows", "IDENT-99", value={"verdict": "pass", "required": True}), "IDENT-99 is on it"),
        (set_at(*_TOLD, "scope", value=[]), "predicate.conformance.scope is [] on it"),
        (set_at(*_TOLD, "seed", value=8), "predicate.conformance.seed is 8 on it, and 7 by its evidence"),
        (set_at(*_TOLD, "suite", value="9"), "predicate.conformance.suite"),
        (set_at(*_TOLD, "profile", value="ext"), "rows.ERR-2.required is False on it, and True by its evidence"),
        (set_at("subject", 0, "name", value="another"), "subject"),
        (set_at("predicate", "result", value="WARNED"), "predicate.result is 'WARNED'"),
        (set_at("predicate", "configuration", 0, "digest", "sha256", value="0"), "by another contract"),
        (set_at("predicate", "configuration", 1, "digest", "sha256", value="0"), "by another catalogue"),
        (set_at("predicate", "configuration", 3, "digest", "sha256", value="0"), "predicate.configuration"),
        (set_at("predicate", "configuration", value=[]), "by another contract than this suite's: None"),
        (set_at(*_TOLD, "evidence", "digest", "sha256", value="0"), "is not the evidence of this certificate"),
        (set_at("predicate", value=5), "it does not say what a certificate says"),
        (set_at("subject", value=[]), "it does not say what a certificate says"),
    ],
)
def test_a_signature_does_not_make_it_true(
    change: Callable[[dict[str, Any]], None], said: str, issued: Issued, tmp_path: Path
) -> None:
    """What a certificate says is compared with its evidence, whoever has signed it."""
    result = checked(resigned(issued, change, tmp_path), "--key", issued.public)
    assert result.exit_code == 1, result.output
    assert said in result.stdout


def test_another_key_is_told(issued: Issued, tmp_path: Path) -> None:
    """As another key, and also where it bears the name of the right one."""
    CliRunner().invoke(main, ["keygen", str(tmp_path / "other")])
    result = checked(issued.certificate, "--key", tmp_path / "other.pub.pem")
    assert (result.exit_code, "signed with another key" in result.stdout) == (1, True)
    found = json.loads(issued.certificate.read_text(encoding="utf-8"))
    forged = json.loads(sealed(issued.statement, private_key(tmp_path / "other.pem")))
    forged["signatures"][0]["keyid"] = found["signatures"][0]["keyid"]
    (tmp_path / "forged.json").write_bytes(canonical(forged))
    result = checked(tmp_path / "forged.json", "--key", issued.public, "--bundle", issued.bundle)
    assert (result.exit_code, "its signature does not fit" in result.stdout) == (1, True)


def test_a_certificate_by_another_catalogue_is_told(issued: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is verified by the suite that it is of: to the whole catalogue, one of a few rows is none."""
    monkeypatch.setattr(requirements, "documents", lambda: DOCUMENTS)
    requirements.catalogue.cache_clear()
    result = checked(issued.certificate, "--key", issued.public)
    assert result.exit_code == 1
    assert "it is by another catalogue than this suite's" in result.stdout
    assert "IDENT-2 is not on it" in result.stdout


def test_what_cannot_be_checked_is_not_passed(issued: Issued, tmp_path: Path) -> None:
    """Unsigned, without a key, without its evidence: nothing is wrong, and not all of it holds."""
    unsigned = tmp_path / "c.json"
    said = Notary(Scope.CORE).issue(issued.journal, unsigned)
    assert "4 of 5 required rows passed" in said[1]
    for arguments, word in (
        ([unsigned], "it is unsigned"),
        ([issued.certificate], "give --key"),
    ):
        result = checked(*arguments)
        assert (result.exit_code, word in result.stdout) == (3, True), result.output
    result = checked(unsigned, "--key", issued.public)
    assert (result.exit_code, "its owner has not signed this" in result.stdout) == (1, True)
    shutil.copy(issued.certificate, tmp_path / "alone.json")
    result = checked(tmp_path / "alone.json", "--key", issued.public)
    assert (result.exit_code, "give --bundle" in result.stdout) == (3, True)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"payload":5}', b'{"payload":"","payloadType":"x","signatures":[]}', b"[" * 100_000]
)
def test_what_is_no_certificate_does_not_hold(text: bytes, tmp_path: Path) -> None:
    """Whatever it is, in a sentence and without a traceback."""
    (tmp_path / "c.json").write_bytes(text)
    result = checked(tmp_path / "c.json")
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert result.stdout.endswith("it does not hold (exit 1)\n")


# hostile evidence


def archive(files: Mapping[str, bytes], *, kind: bytes = tarfile.REGTYPE) -> bytes:
    """An archive of files."""
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
            made.addfile(member, io.BytesIO(content))
    return text.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "unpacked"),
        (b"no archive", "unpacked"),
        (gzip.compress(b"no archive", mtime=0), "unpacked"),
        (archive({"summary.json": b"{}"}), "it lacks cancel-task.yaml, journal.sqlite, requirements.yaml"),
        (archive({"../evil": b"x"}), "no part of a certificate's evidence"),
        (archive({"/etc/evil": b"x"}), "no part of a certificate's evidence"),
        (archive({"summary.json": b""}, kind=tarfile.SYMTYPE), "no part of a certificate's evidence"),
        (archive({"summary.json": b""}, kind=tarfile.LNKTYPE), "no part of a certificate's evidence"),
    ],
)
def test_hostile_archives_are_not_unpacked(content: bytes, said: str, tmp_path: Path) -> None:
    """No path leads out of the folder, no link is followed, and what is lacking is named."""
    (tmp_path / "b.tar.gz").write_bytes(content)
    (tmp_path / "into").mkdir()
    with pytest.raises(NoEvidence, match=said):
        evidence.unpack(tmp_path / "b.tar.gz", tmp_path / "into")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "into"]


def test_an_archive_that_swells_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit holds over all that comes out of it."""
    monkeypatch.setattr(evidence, "_MOST_BYTES", 1 << 20)
    (tmp_path / "b.tar.gz").write_bytes(archive({"summary.json": bytes(1 << 19), "journal.sqlite": bytes(1 << 20)}))
    with pytest.raises(NoEvidence, match="larger"):
        evidence.unpack(tmp_path / "b.tar.gz", tmp_path)


def test_a_journal_with_triggers_is_not_judged(issued: Issued, tmp_path: Path) -> None:
    """A file that would act when it is read is not read."""
    folder = _unpacked(issued, tmp_path / "x")
    with contextlib.closing(evidence.opened(folder)) as journal:
        assert isinstance(journal, Journal)
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as connection, connection:
        connection.execute("CREATE TRIGGER t DELETE ON judgement BEGIN SELECT 1; END")
    with pytest.raises(NoEvidence, match="triggers"):
        evidence.opened(folder)


# keys


def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else may read it, and no file is ever replaced by one."""
    for _ in range(2):
        result = CliRunner().invoke(main, ["keygen", str(tmp_path / "k")])
    assert (result.exit_code, "never overwritten" in result.stderr) == (2, True)
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600
    (tmp_path / "k.pub.pem").unlink()
    before = (tmp_path / "k.pem").read_bytes()
    assert CliRunner().invoke(main, ["keygen", str(tmp_path / "k")]).exit_code == 2
    assert (tmp_path / "k.pem").read_bytes() == before
    assert not (tmp_path / "k.pub.pem").exists()
    assert CliRunner().invoke(main, ["keygen", str(tmp_path / "no" / "k")]).exit_code == 2


def test_keys_that_are_none_are_named(issued: Issued, tmp_path: Path) -> None:
    """Before anything else is done."""
    other = rsa.generate_private_key(65537, 2048)
    (tmp_path / "rsa.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "rsa.pub").write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "text.pem").write_text("no key", encoding="utf-8")
    for name in ("rsa.pem", "text.pem", "none.pem", "."):
        with pytest.raises(NoKey):
            Notary(Scope.CORE, tmp_path / name)
    for name in ("rsa.pub", "text.pem", "none.pem"):
        result = checked(issued.certificate, "--key", tmp_path / name)
        assert (result.exit_code, name in result.stderr) == (2, True)
    assert checked(tmp_path / "none.json").exit_code == 2
    assert checked(issued.certificate, "--key", issued.public, "--bundle", tmp_path / "none").exit_code == 2


@pytest.mark.parametrize(
    "text", [None, "", "{}", "[]", '{"suite": "0.0.0", "trials": [1]}', '{"suite": "", "trials": []}']
)
def test_a_matrix_that_is_none_is_named(text: str | None, tmp_path: Path) -> None:
    """Missing, something else, or another suite's."""
    if text is not None:
        (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(NoMatrix, match=r"m\.json"):
        Notary(Scope.CORE, selftest=tmp_path / "m.json")


def test_the_matrix_of_a_self_test_goes_with_a_certificate(tmp_path: Path) -> None:
    """It says of each trial what was tried, what was broken and what is wrong with that, in one order."""
    told = {"stranger": None, "seed": 1, "passed": frozenset[str](), "unproven": frozenset[str](), "seconds": 1.0}
    seen = Trial(fault="accepts-both-identifiers", broken=frozenset({"IDENT-4", "IDENT-1"}), **told)
    sound = Trial(fault=None, broken=frozenset({"IDENT-1"}), **told)
    text = as_json([sound, seen], "standard")
    assert text == as_json([seen, sound], "standard")
    assert [(each["kind"], each["broken"], each["complaint"]) for each in json.loads(text)["trials"]] == [
        ("fault", ["IDENT-1", "IDENT-4"], seen.complaint),
        ("sound", ["IDENT-1"], "the sound service: IDENT-1 not passed"),
    ]
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    Notary(Scope.CORE, selftest=tmp_path / "m.json")
