"""The faults: broken variants of the service, one small class each, found here by their command-line names."""

from conformance.reference.faults import degenerate, err, idemp, ident, parity, resolving, state
from conformance.reference.faults.fault import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "degenerate", "err", "idemp", "ident", "parity", "resolving", "state"]
