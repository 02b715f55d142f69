"""Faults of time: what goes wrong only where calls meet, with each other or with what a task does by itself.

They need two processes over one database: a process by itself does one thing at a time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from conformance.reference.faults.fault import Fault
from conformance.reference.faults.rows import ACCEPTED, EFFECTS, MONEY, SHAPES, UNKNOWN
from conformance.reference.faults.tampering import overwrite
from conformance.reference.refusal import Refused
from conformance.reference.service import TERMINAL, CancelCall, Identifier, Service

if TYPE_CHECKING:
    from conformance.reference.service import Document
    from conformance.reference.store import Store, Task

_GAP: Final = 0.004
"""Seconds between looking and acting, in a service that calls a worker in between."""


class _Careless(Service):
    """Looks at a task, talks to its worker, and then writes, all of it without a lock."""

    def cancel(self, call: CancelCall) -> Document:
        """Look, wait, write."""
        task = self.seek(call, self.target(call))
        time.sleep(_GAP if task.status not in TERMINAL else 0)
        return self.show_cancelled(call, self.stop(call, task))


class RefundsTwiceAtOnce(Fault, _Careless):
    """Refunds a running task once for each of its simultaneous cancels."""

    breaks = ("BILL-8",)
    also = (*MONEY, "RACE-1", "RACE-2")
    processes = 2

    def stop(self, call: CancelCall, task: Task) -> Task:
        """Give the money back for what was seen, not for what is."""
        ended = super().stop(call, task)
        if task.status == "running" and ended.status == "cancelled":
            again = self.look_up(call.key, Identifier("task_id", task.id))
            if self.refunded(again):
                self.store.charge(again, -again.estimate)
        return ended
