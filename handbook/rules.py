"""What our tests hold the house to, read for the pages: the layers, and the stories that aim at a row."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).parents[1]


@cache
def rules(name: str) -> ModuleType:
    """A module of our tests, `test_architecture` for one, wherever this is called from.

    Raises:
        ImportError: it is not there.
    """
    described = importlib.util.spec_from_file_location(f"rules_{name}", ROOT / "tests" / f"{name}.py")
    if described is None or described.loader is None:
        raise ImportError(f"tests/{name}.py is no module")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module
