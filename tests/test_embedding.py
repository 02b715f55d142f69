"""Single families run inside somebody else's test-suite, which starts the target by a fixture of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import clean_environment
from reader import ROOT, files

from conformance.journal import Journal

_LONGEST = 120
_FEW = ("--depth", "smoke", "--only", "IDENT-1", "--seed", "7")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The small project of the documentation, file by file as it shows them."""
    for name, text in files(ROOT / "docs" / "pytest.md").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def session(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What pytest says in that project, asked for its own tests and for those of the suite."""
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "tests", "--pyargs", "conformance.suite"]
    return subprocess.run(
        [*command, "--target", "conformance.toml", *_FEW, *arguments],
        env=clean_environment({}),
        cwd=project,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )


def test_a_fixture_tells_of_the_target(project: Path) -> None:
    """One line runs both, against one service, by the profile that was named."""
    done = session(project, "-p", "service_under_test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests/test_service.py ." in done.stdout
    assert "✓ IDENT-1" in done.stdout
    with contextlib.closing(Journal.open(project / "reports" / "latest" / "journal.sqlite")) as journal:
        assert journal.notes()["name"] == "our service"


def test_a_conftest_at_the_root_does_it_too(project: Path) -> None:
    """No `-p` is needed then."""
    (project / "service_under_test.py").rename(project / "conftest.py")
    done = session(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ IDENT-1" in done.stdout


@pytest.mark.parametrize("phase", ["call", "setup"])
def test_a_conformant_target_excuses_no_test_of_theirs(project: Path, phase: str) -> None:
    """Whatever the verdicts are, a test that fails, or breaks before it begins, is not passed over."""
    broken = {
        "call": "def test_this():\n    assert 1 > 2\n",
        "setup": "import pytest\n@pytest.fixture\ndef it():\n    raise OSError\ndef test_this(it):\n    pass\n",
    }
    (project / "tests" / "test_more.py").write_text(broken[phase], encoding="utf-8")
    done = session(project, "-p", "service_under_test")
    assert "✓ IDENT-1" in done.stdout
    assert "conformant: every MUST row asked for passed (exit 0)" in done.stdout
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_broken_row_fails_the_session(project: Path) -> None:
    """A fault that the fixture's service has is one of the suite's failures."""
    file = project / "service_under_test.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("reference_service()", 'reference_service("demands-a-body")'), encoding="utf-8")
    done = session(project, "-p", "service_under_test")
    assert "✗ IDENT-1" in done.stdout
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_fixture_that_leaves_something_out_is_told_what(project: Path) -> None:
    """A usage problem, in the words of every other."""
    file = project / "service_under_test.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"CONFORMANCE_BASE_URL": service["base_url"],', ""), encoding="utf-8")
    done = session(project, "-p", "service_under_test")
    assert done.returncode == 2
    assert "export CONFORMANCE_BASE_URL=" in done.stdout + done.stderr


def test_a_fixture_goes_with_one_process(project: Path) -> None:
    """With several there would be several targets: it says so, and nothing is sent."""
    done = session(project, "-p", "service_under_test", "-n", "2")
    assert done.returncode == 2
    assert "leave out -n" in done.stdout + done.stderr


def test_nothing_is_started_to_see_what_there_is(project: Path) -> None:
    """Tests are collected without the target, which is not known yet."""
    file = project / "service_under_test.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace("with reference_service() as started:", "if 1 / 0:"), encoding="utf-8"
    )
    done = session(project, "-p", "service_under_test", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_the_service_has_an_address" in done.stdout
