"""Rows of the catalogue that may break together: what a fault's `also` is made of."""

from __future__ import annotations

from typing import Final

Rows = tuple[str, ...]

UNKNOWN: Final[Rows] = (
    *("IDENT-7", "IDENT-8", "IDENT-9", "IDENT-10", "IDENT-11", "IDENT-12", "IDENT-13", "IDENT-14", "IDENT-15"),
    *("ISO-1", "ISO-3", "ISO-4", "ISO-5", "ERR-1", "ERR-7", "RACE-5", "RACE-6"),
)
"""Wherever a 404 is met."""

INVALID: Final[Rows] = ("IDENT-4", "IDENT-5", "IDENT-6", "IDENT-9", "IDENT-14", "ISO-5", "ERR-1", "ERR-3", "ERR-7")
"""Wherever a 400 is met."""

KEYLESS: Final[Rows] = ("AUTH-1", "AUTH-2", "AUTH-3", "AUTH-5", "AUTH-6", "AUTH-7", "AUTH-8")
"""Wherever a 401 is met."""

ACCEPTED: Final[Rows] = (
    *("IDENT-1", "IDENT-2", "IDENT-3", "IDENT-7", "IDENT-8", "IDENT-9", "IDENT-11", "IDENT-12", "IDENT-14", "IDENT-15"),
    *("STATE-1", "STATE-2", "STATE-3", "STATE-7", "IDEMP-1", "IDEMP-2", "IDEMP-3", "IDEMP-5", "ISO-4", "ISO-5"),
    *("AUTH-7", "AUTH-8", "ERR-7", "RACE-1", "RACE-2", "RACE-3", "RACE-4", "RACE-5", "RACE-6", "NOTIFY-1", "NOTIFY-2"),
)
"""Wherever a cancel is to be accepted."""

MONEY: Final[Rows] = (
    *("BILL-1", "BILL-2", "BILL-3", "BILL-4", "BILL-5", "BILL-6", "BILL-7", "BILL-8", "BILL-9", "BILL-10"),
    *("ISO-2", "ISO-7"),
)
"""Wherever a charge is looked at."""

SHAPES: Final[Rows] = (
    *("PARITY-1", "PARITY-2", "PARITY-3", "PARITY-4", "PARITY-5", "PARITY-6"),
    *("IDENT-1", "IDENT-2", "IDENT-3", "STATE-1", "STATE-2", "STATE-3", "STATE-5", "STATE-6", "STATE-7"),
    *("IDEMP-1", "IDEMP-2", "IDEMP-3", "IDEMP-4", "IDEMP-5", "RACE-1", "RACE-2", "RACE-3", "NOTIFY-1", "NOTIFY-2"),
)
"""Wherever what is shown of one task is compared."""

EFFECTS: Final[Rows] = (
    *("STATE-3", "STATE-4", "STATE-5", "STATE-6", "STATE-7", "STATE-8", "IDEMP-3", "IDEMP-4", "IDEMP-5"),
    *("PARITY-2", "PARITY-6"),
)
"""Wherever it shows what a cancel did in truth."""

OTHERS: Final[Rows] = ("IDENT-5", "IDENT-8", "IDENT-9", "IDENT-12", "IDENT-14", "STATE-7", "ISO-5", "RACE-6")
"""Wherever a task shows that ended for a call that did not name it."""

RACES: Final[Rows] = ("RACE-1", "RACE-2", "RACE-3", "RACE-4", "RACE-5", "RACE-6")
"""Wherever calls meet."""

ODD: Final[Rows] = ("IDENT-10", "IDENT-12", "IDENT-13", "IDENT-14", "IDENT-15", "STATE-1", "STATE-7", "ERR-1", "ERR-7")
"""Wherever an odd identifier is met."""
