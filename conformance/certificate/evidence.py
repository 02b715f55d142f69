"""The evidence that goes with a certificate: one archive, the same byte for byte whenever it is packed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, Final

from conformance.journal import Journal
from conformance.report.document import document
from conformance.report.summary import summarise
from conformance.requirements import catalogue_document

JOURNAL: Final = "journal.sqlite"
SUMMARY: Final = "summary.json"
CONTRACT: Final = "cancel-task.yaml"
CATALOGUE: Final = "requirements.yaml"
SELFTEST: Final = "selftest.json"
_USUAL: Final = {JOURNAL, SUMMARY, CONTRACT, CATALOGUE}
_MOST_BYTES: Final = 4 << 30
_CHUNK: Final = 1 << 20


class NoEvidence(Exception):
    """An archive is not the evidence of a certificate; the text says why."""


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(recorded: Path, bundle: Path, selftest: Path | None = None) -> None:
    """Put a run's journal, its summary, the contract, the catalogue and a matrix of the suite's own tests together."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.closing(Journal.open(recorded)) as journal:
            (folder / CONTRACT).write_text(journal.notes()["contract"], encoding="utf-8")
            (folder / SUMMARY).write_text(document(summarise(journal)), encoding="utf-8")
            journal.connection.execute("VACUUM INTO ?", (str(folder / JOURNAL),))
        (folder / CATALOGUE).write_bytes(catalogue_document())
        if selftest is not None:
            shutil.copyfile(selftest, folder / SELFTEST)
        with (
            bundle.open("wb") as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in sorted(folder.iterdir()):
                _add(archive, path)


def _add(archive: tarfile.TarFile, path: Path) -> None:
    """Add a file with nothing of where, when and by whom it was made."""
    member = tarfile.TarInfo(path.name)
    member.size = path.stat().st_size
    member.mode = 0o644
    with path.open("rb") as file:
        archive.addfile(member, file)


def unpack(bundle: Path, folder: Path) -> None:
    """Take the evidence out of an archive, its few files and nothing else, within a limit.

    Raises:
        NoEvidence: it is no such archive, or lacks a file.
    """
    room = _MOST_BYTES
    try:
        with tarfile.open(bundle, mode="r|gz") as archive:
            for member in archive:
                path, source = folder / member.name, archive.extractfile(member) if member.isreg() else None
                if source is None or member.name not in _USUAL | {SELFTEST} or path.exists():
                    raise NoEvidence(f"it holds {member.name[:80]!r}, which is no part of a certificate's evidence")
                room -= _copied(source, path, room)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise NoEvidence(f"it cannot be unpacked: {error!s:.200}") from error
    missing = sorted(name for name in _USUAL if not (folder / name).is_file())
    if missing:
        raise NoEvidence(f"it lacks {', '.join(missing)}")


def _copied(source: IO[bytes], path: Path, room: int) -> int:
    size = 0
    with path.open("wb") as file:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > room:
                raise NoEvidence(f"it is larger than {_MOST_BYTES >> 30} GiB when unpacked")
            file.write(chunk)
    return size


def opened(folder: Path) -> Journal:
    """The journal of unpacked evidence, unless its schema is not a run's.

    Raises:
        NoEvidence: it has more in it than tables and their indexes.
        JournalError: it is no journal.
    """
    path = folder / JOURNAL
    with contextlib.closing(sqlite3.connect(path)) as connection:
        kinds = {kind for (kind,) in connection.execute("SELECT DISTINCT type FROM sqlite_schema")}
    if kinds - {"table", "index"}:
        raise NoEvidence("its journal has views or triggers, which no run writes")
    return Journal.open(path)
