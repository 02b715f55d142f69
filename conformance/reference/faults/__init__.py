"""The faults: broken variants of the service, one small class each, found here by their command-line names."""

from conformance.reference.faults import (
    auth,
    bill,
    degenerate,
    err,
    idemp,
    ident,
    input,  # noqa: A004 - a family of its own
    iso,
    needles,
    notify,
    parity,
    race,
    resolving,
    state,
)
from conformance.reference.faults.fault import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "auth",
    "bill",
    "degenerate",
    "err",
    "idemp",
    "ident",
    "input",
    "iso",
    "needles",
    "notify",
    "parity",
    "race",
    "resolving",
    "state",
]
