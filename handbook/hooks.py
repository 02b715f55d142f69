"""What mkdocs is to do beside reading `docs/`: add a page a requirement, and fill in what is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from picture import picture
from rows import grounds, page, table

from conformance.requirements import catalogue

MADE: Final[dict[str, Callable[[], str]]] = {
    "<!-- requirements -->": table,
    "<!-- rulings -->": grounds,
    "<!-- imports -->": picture,
}
"""What stands in the place of each of these lines."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Let the navigation have every requirement below its family."""
    families: dict[str, list[str]] = {}
    for row in catalogue().values():
        families.setdefault(row.family, []).append(f"requirements/{row.id}.md")
    for entry in config.nav or []:
        if "Requirements" in entry:
            entry["Requirements"] += [{family: pages} for family, pages in families.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of every requirement."""
    for row in catalogue().values():
        files.append(File.generated(config, f"requirements/{row.id}.md", content=page(row)))
    return files


def on_page_markdown(markdown: str, **_about: Any) -> str:  # noqa: ANN401 - whatever mkdocs hands on
    """Fill in what is made."""
    for place, make in MADE.items():
        markdown = markdown.replace(place, make()) if place in markdown else markdown
    return markdown
