"""What a soak adds to a run's report: how much was asked, how soon cancels were answered, and what was left over."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from conformance.exchange import Form, Operation
from conformance.verdict import ExitCode

if TYPE_CHECKING:
    from conformance.exchange import Exchange
    from conformance.journal import Journal
    from conformance.report.summary import Summary

_PARTS: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
_FORMS: Final = (Form.PATH.value, Form.TASK_ID.value, Form.OUT_TASK_ID.value)
_OTHERS: Final = "other"
_ALL: Final = "all"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What was asked while the load lasted, by the journal.

    How many `users` there were only the machine knows that sent them. The `cancels` are the answer times in
    milliseconds, of answers of the target's own, by the form of the call; what was not answered so is counted under
    `unavailable`.
    """

    users: int | None
    workers: int
    seconds: float
    requests: int
    operations: Mapping[str, int]
    cancels: Mapping[str, Mapping[str, float]]
    unavailable: Mapping[str, int]
    left_running: int
    busy: bool
    counted_by_locust: int | None
    unsummed: str

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def load(journal: Journal) -> Load:
    """The load of a soak, from its journal, which is read once and not held."""
    notes = journal.notes()
    made = notes.get("load", {"users": 0, "workers": 0, "begun": 0.0, "ended": 0.0})
    times: dict[str, list[float]] = defaultdict(list)
    operations: Counter[str] = Counter()
    unavailable: Counter[str] = Counter()
    first, last = math.inf, 0.0
    for each in journal.exchanges():
        if made["begun"] <= each.sent_at <= made["ended"]:
            first, last = min(first, each.sent_at), max(last, each.ended_at)
            operations[each.request.operation.value] += 1
            if each.unavailable:
                unavailable["no answer" if each.answer is None else str(each.answer.status)] += 1
            elif each.request.operation is Operation.CANCEL:
                times[_form(each)].append(each.took * 1000)
    return Load(
        users=made["users"],
        workers=made["workers"],
        seconds=max(0.0, last - first),
        requests=operations.total(),
        operations=dict(sorted(operations.items())),
        cancels=_answer_times(times),
        unavailable=dict(sorted(unavailable.items())),
        left_running=notes.get("left_running", 0),
        busy=bool(made.get("busy")),
        counted_by_locust=made.get("counted_by_locust"),
        unsummed=notes.get("unsummed", ""),
    )


def percentiles(times: Iterable[float]) -> dict[str, float]:
    """The least times that so many parts of all do not pass, by nearest rank; nothing of nothing."""
    ordered = sorted(times)
    if not ordered:
        return {}
    return {name: ordered[math.ceil(part * len(ordered)) - 1] for name, part in _PARTS.items()}


def exit_code(summary: Summary, load_: Load) -> ExitCode:
    """What a soak says to its caller: what its verdicts say, and never that all is well while something is left."""
    code = summary.exit_code
    return summary.gate.code(ExitCode.INCONCLUSIVE) if code is ExitCode.PASSED and load_.left_running else code


def text(load_: Load) -> str:
    """The load as a few lines and a table."""
    users = "the users of another machine's master" if load_.users is None else f"{load_.users} users"
    users += f" in {load_.workers} processes" if load_.workers > 1 else ""
    lines = [
        f"{load_.requests} requests in {load_.seconds:.1f} s, {load_.rate:.1f} a second, by {users}",
        f"{'cancel, ms':<14}{'answers':>9}" + "".join(f"{name:>9}" for name in _PARTS),
    ]
    for form, times in load_.cancels.items():
        lines.append(f"  {form:<12}{times['answers']:>9.0f}" + "".join(f"{times[name]:>9.1f}" for name in _PARTS))
    if load_.unavailable:
        lines.append("waited out: " + ", ".join(f"{what} {times}" for what, times in load_.unavailable.items()))
    if load_.counted_by_locust is not None:
        lines.append(f"{load_.counted_by_locust} requests by the machines of this master, as locust counted them")
    if load_.busy:
        lines.append("the load's own processes were busy: answer times hold their waiting; more --workers may help")
    if load_.unsummed:
        lines.append(f"the account was not summed up: {load_.unsummed}")
    return "\n".join([*lines, f"{load_.left_running or 'nothing'} left running"])


def document(load_: Load, summary: Summary) -> str:
    """The same for machines, with what the run says of each row."""
    rows = {
        row.requirement.id: {
            "level": row.requirement.level,
            "verdict": row.ruling.verdict.value,
            "held": row.ruling.held,
            "undecided": row.ruling.undecided,
            "broken": len(row.ruling.broken),
        }
        for row in summary.asked
    }
    told: dict[str, Any] = {
        **asdict(load_),
        "requests_per_second": round(load_.rate, 1),
        "tasks": summary.submits,
        "credits": str(summary.bill.spent),
        "windows": dict(summary.meetings),
        "rows": rows,
        "exit_code": int(exit_code(summary, load_)),
    }
    return json.dumps(told, indent=1) + "\n"


def _answer_times(times: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    told = {form: times[form] for form in (*_FORMS, _OTHERS) if form in times}
    if told:
        told[_ALL] = [each for those in told.values() for each in those]
    return {form: {"answers": len(those), **percentiles(those)} for form, those in told.items()}


def _form(cancel: Exchange) -> str:
    form = cancel.request.named.form
    return _OTHERS if form is None else form.value
