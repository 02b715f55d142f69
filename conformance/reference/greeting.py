"""What the service says when it listens: one line for programs, or a page for people."""

from __future__ import annotations

import json
from typing import Final

from conformance.reference.models import MODELS, Model
from conformance.reference.service import ACCOUNTS, KEYS, OWNER, REVOKED, REVOKED_COMPLETED, REVOKED_PENDING

_PAGE: Final = """\
Reference service at {url}

Keys
{keys}

Models
{models}

Try
  curl -s {url}/tasks/submit -H "Authorization: Bearer {owner}" \\
    -H "content-type: application/json" \\
    -d '{{"model": "sim-long", "params": {{"prompt": "a paper boat"}}, "out_task_id": "boat-1"}}'
  curl -s {url}/tasks/query -H "Authorization: Bearer {owner}" \\
    -H "content-type: application/json" -d '{{"out_task_id": "boat-1"}}'
  curl -s -X POST {url}/tasks/cancel -H "Authorization: Bearer {owner}" \\
    -H "content-type: application/json" -d '{{"out_task_id": "boat-1"}}'
"""


def start_up_line(base_url: str) -> str:
    """Say where the service is and what it knows, as one line of JSON."""
    facts = {
        "base_url": base_url,
        "keys": KEYS,
        "models": list(MODELS),
        "revoked_tasks": {"pending": REVOKED_PENDING, "completed": REVOKED_COMPLETED},
    }
    return json.dumps(facts)


def start_up_text(base_url: str) -> str:
    """Say where the service is, its keys, its models, and three calls to try."""
    return _PAGE.format(url=base_url, keys=_keys(), models=_models(), owner=OWNER)


def _keys() -> str:
    roles = {key: role for role, key in KEYS.items()}
    lines = [
        f"  {roles[key]:<8} {key:<25} account {account}{'  (revoked)' if key == REVOKED else ''}"
        for account, keys in ACCOUNTS.items()
        for key in keys
    ]
    return "\n".join(lines)


def _models() -> str:
    rows = [f"  {name:<17} {_seconds(model):<22} {model.note}" for name, model in MODELS.items()]
    return "\n".join(rows)


def _seconds(model: Model) -> str:
    return f"{model.pending:g} s, then {model.running:g} s"
