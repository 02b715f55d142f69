"""Refusals: every way in which the service says no, by the code that a program reads."""

from __future__ import annotations

from typing import Final

STATUS: Final = {
    "invalid_param": 400,
    "invalid_api_key": 401,
    "not_found": 404,
    "task_not_found": 404,
    "method_not_allowed": 405,
    "duplicate_out_task_id": 409,
    "body_too_large": 413,
    "concurrency_limit": 429,
    "internal_error": 500,
}
"""The HTTP status of each code."""

_TYPES: Final = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error"}


class Refused(Exception):
    """The call is refused, and nothing was done."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    @classmethod
    def invalid(cls, message: str, param: str | None = None) -> Refused:
        """Refuse a request that is not of the documented form."""
        return cls("invalid_param", message, param)

    @classmethod
    def unknown_task(cls) -> Refused:
        """Refuse to say whether a task exists that this key does not own."""
        return cls("task_not_found", "No such task.", "task_id")

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUS[self.code]

    @property
    def type(self) -> str:
        """The class of error, in the words of the documented envelope."""
        return _TYPES.get(self.status, "invalid_request_error")
