"""The models on offer: how long a task of each takes, how it ends, and what a cancel while it runs does."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from conformance.reference.refusal import Refused

ENDINGS: Final = ("completed", "failed")
CANCEL_POLICIES: Final = ("refund", "keep", "finish")

_LONGEST: Final = 86_400.0


@dataclass(frozen=True)
class Model:
    """What a task of this model does by itself, in seconds at speed 1, and how it takes a cancel while it runs."""

    pending: float
    running: float
    outcome: str = "completed"
    on_cancel: str = "refund"
    price: int = 1_000_000
    note: str = ""

    def paced(self, params: dict[str, Any]) -> Model:
        """Set this model's durations and ending as `params` ask for."""
        return replace(
            self,
            pending=_seconds(params, "pending_seconds", self.pending),
            running=_seconds(params, "running_seconds", self.running),
            outcome=_choice(params, "outcome", ENDINGS, self.outcome),
            on_cancel=_choice(params, "on_cancel", CANCEL_POLICIES, self.on_cancel),
        )


PACED: Final = "sim-paced"

MODELS: Final = {
    "sim-pending": Model(60, 60, price=1_300_000, note="stays pending for a minute"),
    "sim-long": Model(0.004, 60, price=2_100_000, note="runs for a minute; a cancel refunds it all"),
    "sim-quick": Model(0.05, 0.25, price=700_000, note="completes"),
    "sim-fails": Model(0.05, 0.15, "failed", price=900_000, note="fails, and is free"),
    "sim-keeps-charge": Model(0.004, 60, on_cancel="keep", price=3_400_000, note="a cancel bills what was rendered"),
    "sim-photo-finish": Model(0.004, 60, on_cancel="finish", price=1_700_000, note="a cancel finds it just completed"),
    PACED: Model(0.1, 0.4, note="by params: pending_seconds, running_seconds, outcome, on_cancel"),
}


def model_for(name: object, params: dict[str, Any]) -> Model:
    """Find the model called `name`, paced by `params` where it allows that."""
    if not isinstance(name, str) or name not in MODELS:
        raise Refused.invalid(f"model must be one of {', '.join(MODELS)}.", "model")
    return MODELS[name].paced(params) if name == PACED else MODELS[name]


def _seconds(params: dict[str, Any], name: str, default: float) -> float:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused.invalid(f"params.{name} must be a number of seconds.", "params")
    if not (math.isfinite(value) and 0 <= value <= _LONGEST):
        raise Refused.invalid(f"params.{name} must be between 0 and {_LONGEST:.0f}.", "params")
    return float(value)


def _choice(params: dict[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = params.get(name, default)
    if value not in choices:
        raise Refused.invalid(f"params.{name} must be one of {', '.join(choices)}.", "params")
    return str(value)
