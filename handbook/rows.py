"""The page of a requirement, put together from the catalogue, the suite, the checks, the faults and real exchanges."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import yaml
from exchanges import breaks
from rules import ROOT, rules

from conformance.checks import CHECKS
from conformance.reference.faults import FAULTS
from conformance.report.markdown import code, fenced
from conformance.requirements import Requirement, catalogue, rulings

DOCS: Final = ROOT / "docs"

_LEVELS: Final = {
    "MUST": "the contract says so",
    "SHOULD": "a recommendation: broken, it warns",
    "EXT": "said by the surrounding documentation only: broken, it warns",
}


@cache
def written(name: str) -> Mapping[str, Any]:
    """A file of the documentation that has an entry for each row or ruling: advice, grounds, exchanges."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return dict(json.loads(text) if name.endswith(".json") else yaml.safe_load(text))


@cache
def stories() -> Mapping[str, list[tuple[str, str]]]:
    """The tests of the suite that aim at each row: their names, `test_race.test_…`, and what they say they tell."""
    suite = rules("test_suite")
    found: dict[str, list[tuple[str, str]]] = {row: [] for row in catalogue()}
    for module, test in suite.TESTS:
        for row in suite.aims(test):
            found[row].append((f"{module}.{test.__name__}", inspect.getdoc(test) or ""))
    return found


def faults(row: str) -> dict[str, str]:
    """The faults that break a row, with what they do."""
    return {name: _first_line(made) for name, made in FAULTS.items() if breaks(made, row)}


def _first_line(made: object) -> str:
    return (inspect.getdoc(made) or "").partition("\n")[0]


def page(requirement: Requirement) -> str:
    """The Markdown of a requirement's page."""
    row = requirement.id
    check, sample = CHECKS[row], written("exchanges.json")[row]
    parts = [
        f"# {row}",
        f"**{requirement.statement}**",
        _facts(requirement),
        *_rulings(requirement),
        "## How it is judged",
        _first_line(check),
        _check(requirement),
        "## The stories that aim at it",
        "\n".join(f"- `{name}`: {told}" for name, told in stories()[row]),
        "## Lawful",
        *_exchanges(sample["lawful"]),
        "## Unlawful",
        f"The same service with the fault `{sample['unlawful']['fault']}`:",
        *_exchanges(sample["unlawful"]),
        *_finding(sample["unlawful"]),
        "## How to mend it",
        str(written("advice.yaml")[row]).strip(),
        "## Where it stays open",
        requirement.remedy,
        "## The faults that break it",
        "The reference service can be given each of them: see the row turn red, and your tools with it.",
        f"```sh\ncancel-conformance run --fault {sample['unlawful']['fault']} --only {row}\n```",
        "\n".join(f"- `{name}`: {deed}" for name, deed in faults(row).items()),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(requirement: Requirement) -> str:
    facts = {
        "level": f"{requirement.level}: {_LEVELS[requirement.level]}",
        "source": requirement.source,
        **({"follows, because": requirement.because} if requirement.because else {}),
        **({"needs": ", ".join(code(need) for need in requirement.needs)} if requirement.needs else {}),
    }
    return "\n".join(f"- **{name}**: {said}" for name, said in facts.items())


def _check(requirement: Requirement) -> str:
    name, module = CHECKS[requirement.id].__name__, f"conformance/checks/{requirement.family.lower()}.py"
    return f"The check is `{name}` in `{module}`. It is put to every story of a run, whatever that was told for."


def _rulings(requirement: Requirement) -> Iterator[str]:
    if requirement.rulings:
        yield "## Where the contract leaves room"
        yield "\n".join(f"- [{name}](../rulings.md#{name.lower()}): {rulings()[name]}" for name in requirement.rulings)


def _exchanges(sample: Mapping[str, Any]) -> Iterator[str]:
    """Exchanges, each as a block; those that the finding is about are marked."""
    if sample["left_out"]:
        yield f"After {sample['left_out']} calls like these:"
    yield fenced("\n\n".join(_exchange(each) for each in sample["exchanges"]))


def _exchange(each: Mapping[str, Any]) -> str:
    left, ended = each["at"]
    mark = "   ◄" if each["judged"] else ""
    lines = [f"{each['number']}  {each['who']}, {left:.1f} to {ended:.1f} ms{mark}", each["sent"], *each["headers"]]
    if "lost" in each:
        return "\n".join([*lines, f"→ no answer: {each['lost']}"])
    return "\n".join([*lines, f"→ {each['status']}", *each["answer_headers"], *filter(None, [each["answer"]])])


def _finding(sample: Mapping[str, Any]) -> Iterator[str]:
    yield fenced(f"wanted  {sample['wanted']}\ngot     {sample['got']}")


def table() -> str:
    """Every requirement with its level, linked to its page, family by family."""
    parts: list[str] = []
    for family in dict.fromkeys(row.family for row in catalogue().values()):
        its = [row for row in catalogue().values() if row.family == family]
        lines = [f"| [{row.id}]({row.id}.md) | {row.level} | {row.statement} |" for row in its]
        parts += [f"## {family}", "\n".join(["| row | level | statement |", "|---|---|---|", *lines])]
    return "\n\n".join(parts)


def grounds() -> str:
    """Every ruling with its grounds and the rows that rest on it."""
    parts: list[str] = []
    for name, text in rulings().items():
        resting = [row.id for row in catalogue().values() if name in row.rulings]
        links = ", ".join(f"[{row}](requirements/{row}.md)" for row in resting)
        parts += [f"## {name}", f"**{text}**", str(written("grounds.yaml")[name]).strip(), f"Rows: {links}"]
    return "\n\n".join(parts)
