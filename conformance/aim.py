"""Aiming: the age at which tasks of one kind take a step, learned shot by shot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_FINEST: Final = 0.0005
_WIDER: Final = 1.5


@dataclass
class Aim:
    """The `age`, in seconds from the submit, at which a cancel is to be sent next, and by how much it is corrected.

    Each shot was early or late. Where the side changes, the boundary lies between, and the step is halved; where it
    stays the same, the step grows again, for a boundary may move.
    """

    age: float
    step: float
    was_early: bool | None = None

    def correct(self, *, early: bool) -> None:
        """The last shot came before the step, or after it."""
        if self.was_early is not None:
            self.step = max(self.step / 2, _FINEST) if early is not self.was_early else self.step * _WIDER
        self.was_early = early
        self.age = max(0.0, self.age + (self.step if early else -self.step))
