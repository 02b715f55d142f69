"""The strangers: lawful variants of the service, unlike it wherever the norm is silent; found by command-line names."""

from conformance.reference.strangers import accounts, identifiers, listeners, lives, readings, refusals, shapes, wires
from conformance.reference.strangers.stranger import STRANGERS, Company, Stranger

__all__ = [
    "STRANGERS",
    "Company",
    "Stranger",
    "accounts",
    "identifiers",
    "listeners",
    "lives",
    "readings",
    "refusals",
    "shapes",
    "wires",
]
