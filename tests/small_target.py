"""A small target: it keeps as much of the contract as a few stories need, and says it in whatever way a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from stand_in import KEYS, Heard, answer

_HONEST_AT_FIRST: Final = 16

Spoil = Callable[[int, dict[str, Any]], bytes | Iterable[bytes]]
"""How a malice says what an honest target would say: a status and a document."""


class Target:
    """A small target that keeps the contract, but for what a malice makes of its answers."""

    def __init__(self, spoil: Spoil, honest: int = _HONEST_AT_FIRST) -> None:
        self._spoil = spoil
        self._honest_yet = honest
        self._tasks: dict[str, dict[str, Any]] = {}

    def __call__(self, heard: Heard) -> bytes | Iterable[bytes]:
        """Answer one request: so many honestly, so that there is something to judge."""
        self._honest_yet -= 1
        told = self._honest(heard)
        return self._spoil(*told) if self._honest_yet < 0 else answer(*told)

    def _honest(self, heard: Heard) -> tuple[int, dict[str, Any]]:
        if heard.headers.get("authorization", "").removeprefix("Bearer ") not in KEYS.values():
            return refusal(401, "invalid_api_key")
        try:
            asked = dict(heard.document) if heard.content else {}
        except (ValueError, TypeError):
            return refusal(400, "invalid_param")
        if heard.path.endswith("/submit"):
            return 200, self._submit(asked.get("out_task_id"))
        path = heard.path.split("/v1/tasks/cancel/")[1:]
        given = path or [asked[name] for name in ("task_id", "out_task_id") if name in asked]
        if len(given) != 1:
            return refusal(400, "invalid_param")
        task = next((task for task in self._tasks.values() if given[0] in (task["task_id"], task["out_task_id"])), None)
        if task is None:
            return refusal(404, "task_not_found")
        if "/cancel" in heard.path:
            task["status"] = "cancelled"
        return 200, dict(task)

    def _submit(self, name: str | None) -> dict[str, Any]:
        task_id = f"task_01JZ8Q4M7T9V2K5XNB{len(self._tasks):08d}"
        self._tasks[task_id] = {"task_id": task_id, "out_task_id": name or f"n{task_id}", "status": "pending"}
        return dict(self._tasks[task_id])


def refusal(status: int, code: str) -> tuple[int, dict[str, Any]]:
    """A refusal in the documented envelope."""
    return status, {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": code}}
