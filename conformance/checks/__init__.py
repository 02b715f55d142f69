"""The checks: pure functions from a story to judgements, one requirement each.

`judgements(story)` puts every check to a story. A check is registered by the decorator `check` with the id of its
requirement; importing this package imports all families.
"""

from __future__ import annotations

from conformance.checks import auth, bill, err, idemp, ident, iso, notify, parity, race, state
from conformance.checks.registry import CHECKS, judgements

__all__ = ["CHECKS", "auth", "bill", "err", "idemp", "ident", "iso", "judgements", "notify", "parity", "race", "state"]
