"""Hooks: a command or a URL of the user's own that puts a task into the state wanted and names it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from conformance.target.client import posted

if TYPE_CHECKING:
    from conformance.states import State
    from conformance.target.tables import Hook

_LONGEST_WORDS = 200


class HookFailed(Exception):
    """The hook did not answer as it should; the text says what it answered."""


def ask(hook: Hook, state: State, within: float) -> tuple[str, str | None]:
    """The `task_id` and `out_task_id` of a task that the hook says is in `state`.

    A command gets the state as its last argument and prints, a URL gets `{"state": …}` by POST and answers, one JSON
    object: `{"task_id": "…", "out_task_id": "…"}`, the second optional. Either has `within` seconds.

    Raises:
        HookFailed: it took longer, failed, or answered something else.
    """
    text = _run(hook.command, state, within) if hook.command else _post(str(hook.url), state, within)
    try:
        told = json.loads(text)
        task_id, out_task_id = told["task_id"], told.get("out_task_id")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HookFailed(f'it answered {text[:_LONGEST_WORDS]!r}; wanted {{"task_id": "…"}}') from error
    if not isinstance(task_id, str) or not task_id or not (out_task_id is None or isinstance(out_task_id, str)):
        raise HookFailed(f"its identifiers are no strings, or empty: {text[:_LONGEST_WORDS]!r}")
    return task_id, out_task_id


def _run(command: tuple[str, ...] | list[str], state: State, within: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, named in the user's own profile
            [*command, state.value],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HookFailed(str(error)[:_LONGEST_WORDS]) from error
    if done.returncode:
        raise HookFailed(f"it exited with {done.returncode}: {done.stderr[-_LONGEST_WORDS:]!r}")
    return done.stdout


def _post(url: str, state: State, within: float) -> str:
    try:
        return posted(url, {"state": state.value}, within)
    except OSError as error:
        raise HookFailed(str(error)[:_LONGEST_WORDS]) from error
