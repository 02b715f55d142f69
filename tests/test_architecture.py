"""Imports point down, and each library has its one door.

The rules are read off the source: every import statement is looked at, wherever in a module it stands. What a module
needs for its annotations alone (under `TYPE_CHECKING`) may come from above, but not from a library it must not know.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = "conformance"

LAYERS: Final = (
    ("states", "exchange", "sameness", "lawful", "depth", "interpreter"),
    ("story", "verdict", "requirements"),
    ("checks", "contract", "account", "windows", "bystanders"),
    ("target", "journal", "pool", "sweeping", "report", "payers", "run", "diff", "certificate"),
    ("suite", "strategies", "teller", "life", "beside"),
    (
        "plugin",
        "distributed",
        "forked",
        "phases",
        "planning",
        "running",
        "introducing",
        "examining",
        "selftest",
        "soak",
        "options",
        "cli",
        "__main__",
    ),
)
"""From the bottom up; a module may import what lies in its own layer or below."""

PURE: Final = 3
"""So many layers know nothing of networks and test engines."""

REFERENCE: Final = "reference"
MEETS_THE_REFERENCE: Final = {"cli", "options", "plugin", "selftest"}
ENGINES: Final = {"httpx", "socket", "urllib3", "requests", "pytest", "hypothesis", "schemathesis", "starlette"}
DOORS: Final = {
    "httpx": "target.client",
    "socket": "target.",
    "http.client": "target.",
    "urllib.request": "target.",
    "schemathesis": "strategies",
    "cryptography": "certificate.envelope",
    "jinja2": "report.page",
    "harfile": "report.har",
    "starlette": "reference.",
    "uvicorn": "reference.",
    "locust": "soak.swarm",
    "gevent": "soak.swarm",
}
"""Where alone a library may be imported; a dot at the end stands for a whole folder."""


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Every module that a source imports, and whether for its annotations only."""
    tree = ast.parse(source)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == PACKAGE else [node.module]
            yield from ((name, id(node) in typing_only) for name in names)


def layer(module: str) -> int | None:
    """The layer of a module of the package, by the first part of its name."""
    part = module.partition(".")[0]
    return next((height for height, parts in enumerate(LAYERS) if part in parts), None)


def complaints(module: str, source: str) -> list[str]:
    """The ways in which a module (`target.client`) breaks the rules of the house."""
    return [
        text for name, typing_only in imports(source) for text in _complaints(module, name, typing_only=typing_only)
    ]


def _complaints(module: str, imported: str, *, typing_only: bool) -> Iterator[str]:
    top, _, inner = imported.partition(".")
    if top != PACKAGE:
        door = DOORS.get(imported, DOORS.get(top))
        at_door = module.startswith(door) if door and door.endswith(".") else module == door
        served = module.startswith(f"{REFERENCE}.")
        height = layer(module)
        if door and not at_door and not (served and top in {"socket", "http"}):
            yield f"{module} imports {imported}, which only {door} may"
        if height is not None and height < PURE and top in ENGINES:
            yield f"{module} imports {top}, and is of a pure layer"
        return
    to_reference, from_reference = (name.partition(".")[0] == REFERENCE for name in (inner, module))
    if from_reference and inner and not to_reference:
        yield f"{module} imports {imported}: the reference service knows nothing of the suite"
    elif to_reference and not from_reference and module not in MEETS_THE_REFERENCE:
        yield f"{module} imports {imported}: only {', '.join(sorted(MEETS_THE_REFERENCE))} meet the reference service"
    elif inner and not to_reference and not from_reference and not typing_only and _above(inner, module):
        yield f"{module} imports {imported}, which lies above it"


def _above(imported: str, module: str) -> bool:
    theirs, ours = layer(imported), layer(module)
    return theirs is not None and ours is not None and theirs > ours


def modules() -> dict[str, str]:
    """The sources of the package by the names of the modules, the package's own name left off."""
    folder = ROOT / PACKAGE
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[f"{name}." if name == REFERENCE else name] = path.read_text(encoding="utf-8")
    return found


MODULES: Final = modules()


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_every_module_keeps_the_rules(module: str) -> None:
    """No import points up, and no library comes in by a window."""
    assert complaints(module, MODULES[module]) == []


def test_every_module_has_its_layer() -> None:
    """A new module is put somewhere on purpose."""
    assert [name for name in MODULES if name and not name.startswith(f"{REFERENCE}.") and layer(name) is None] == []


def test_every_layer_names_what_there_is() -> None:
    """No layer speaks of a module that is gone."""
    there = {name.partition(".")[0] for name in MODULES}
    assert [part for parts in LAYERS for part in parts if part not in there] == []


def test_the_package_itself_imports_nothing() -> None:
    """Whoever asks for the version loads no more than that."""
    assert list(imports(MODULES[""])) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("states", "from conformance.story import Story"),
        ("checks.state", "from conformance.journal import Journal"),
        ("journal", "def late():\n    import conformance.teller"),
        ("target.client", "from conformance import strategies"),
        ("checks.err", "import httpx"),
        ("contract", "import pytest"),
        ("story", "from hypothesis import given"),
        ("lawful", "if TYPE_CHECKING:\n    import schemathesis"),
        ("target.provision", "import httpx"),
        ("journal", "import socket"),
        ("run", "import http.client"),
        ("suite.test_state", "from schemathesis.core import NotSet"),
        ("reference.service", "from conformance.states import State"),
        ("reference.app", "from conformance import exchange"),
        ("teller", "from conformance.reference.service import Service"),
        ("report.text", "if TYPE_CHECKING:\n    from conformance.reference.store import Store"),
        ("run", "import uvicorn"),
        ("report.text", "import jinja2"),
        ("soak.keeper", "import locust"),
        ("running", "from gevent.event import Event"),
    ],
)
def test_a_broken_rule_is_seen(module: str, source: str) -> None:
    """The judge of imports turns red on each kind of violation."""
    assert len(complaints(module, source)) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("checks.state", "from conformance.states import State\nimport json"),
        ("run", "if TYPE_CHECKING:\n    from conformance.teller import Telling"),
        ("target.client", "import httpx\nfrom conformance import __version__"),
        ("target.raw", "import socket"),
        ("strategies", "import schemathesis"),
        ("reference.server", "import socket\nimport uvicorn\nfrom conformance.reference.app import Api"),
        ("selftest", "from conformance.reference.faults import FAULTS"),
        ("suite.test_state", "import pytest\nfrom conformance.teller import Teller"),
    ],
)
def test_what_is_allowed_is_not_complained_of(module: str, source: str) -> None:
    """Down, sideways, and through the door."""
    assert complaints(module, source) == []
