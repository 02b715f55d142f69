"""What one process of a soak is told to do, and what it says when it is done; all that keeper and process share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conformance.run import Order

LOOPBACK: Final = "127.0.0.1"


class Role(StrEnum):
    """Whether a process has users of its own, and who tells it how many: itself, or locust's master."""

    ALONE = "alone"
    MASTER = "master"
    WORKER = "worker"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where locust's master listens for its workers; port 0 is any that is free."""

    host: str = LOOPBACK
    port: int = 0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Post:
    """One process: its name in the journal, its role, and the users that there are in all.

    The process that started it is its `keeper`. When `seconds` are over users have `grace` seconds to come to the end
    of what they are telling. A master waits for so many `workers`.
    """

    order: Order
    keeper: int
    name: str
    role: Role
    address: Address
    workers: int
    users: int
    spawn_rate: float
    seconds: float
    grace: float
