"""The page in a browser: no fault of contrast or access, no request, no script but ours. Run by `tox -e page`."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from test_page import SCRIPT, hostile
from test_report import broken, folded, held

from conformance.journal import Journal
from conformance.report.page import page
from conformance.report.summary import summarise

if TYPE_CHECKING:
    from conftest import Recorded

LOOK: Final = Path(__file__).parent / "look.cjs"
ROWS: Final = ("STATE-1", "STATE-2", "STATE-3", "STATE-4", "BILL-1", "PARITY-6")


def faults(*files: Path) -> dict[str, list[str]]:
    """What Chromium and axe-core find wrong with each page."""
    chromium, node = shutil.which("chromium"), shutil.which("node")
    assert chromium, "there is no chromium on the path"
    assert node, "there is no node on the path"
    command = [node, str(LOOK), chromium, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_pages_have_no_fault(smoke: Recorded, tmp_path: Path) -> None:
    """A passing run, one with every verdict, and one of a hostile target: light and dark, wide and narrow."""
    with contextlib.closing(Journal.open(smoke.journal)) as journal:
        (tmp_path / "passing.html").write_text(page(summarise(journal)), encoding="utf-8")
    with contextlib.closing(Journal.create(tmp_path / "mixed.sqlite")) as journal:
        found = (broken("STATE-3"), broken("PARITY-6"), broken("STATE-4"), held("STATE-2"))
        notes = {"known": {"STATE-4": "ticket 12"}, "not_observable": {"BILL-1": "accounting: none is shown"}}
        journal.volley("last byte held back", 2, 0.001)
        (tmp_path / "mixed.html").write_text(page(folded(journal, *found, only=ROWS, **notes)), encoding="utf-8")
    with contextlib.closing(Journal.create(tmp_path / "hostile.sqlite")) as journal:
        (tmp_path / "hostile.html").write_text(page(hostile(journal)), encoding="utf-8")
    assert faults(*sorted(tmp_path.glob("*.html"))) == {"hostile.html": [], "mixed.html": [], "passing.html": []}


def test_a_page_with_faults_is_seen(tmp_path: Path) -> None:
    """A request, a script, a fault of contrast, a page that is too wide: the look turns red on each."""
    bad = f"<p style='color: #eee; width: 3000px'>pale</p><img src=http://127.0.0.1:9/x>{SCRIPT}"
    text = f"<!doctype html><html lang=en><title>bad</title><meta charset=utf-8>{bad}"
    (tmp_path / "bad.html").write_text(text.encode(errors="replace").decode(), encoding="utf-8")
    found = " ".join(faults(tmp_path / "bad.html")["bad.html"])
    for words in ("dialog: 1", "request: http://127.0.0.1:9/x", "axe color-contrast", "wider than 390"):
        assert words in found
