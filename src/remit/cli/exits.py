"""The one table from an error's or denial's code to the process's exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """What the exit code of every command means; stable, scripts stand on it."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIG = 3
    TESTS = 4
    UNAUTHENTICATED = 5
    FORBIDDEN = 6
    UNREACHABLE = 7
    INTEGRITY = 8
    DIFFERS = 9
    DENIED = 10
    APPROVAL = 11
    INTERRUPTED = 130


_ERRORS: Final = {
    "malformed": Exit.USAGE,
    "too_large": Exit.USAGE,
    "unsupported_media_type": Exit.USAGE,
    "not_found": Exit.USAGE,
    "usage": Exit.USAGE,
    "unauthenticated": Exit.UNAUTHENTICATED,
    "step_up_required": Exit.UNAUTHENTICATED,
    "forbidden": Exit.FORBIDDEN,
    "approval_denied": Exit.FORBIDDEN,
    "conflict": Exit.DIFFERS,
    "config_invalid": Exit.CONFIG,
    "keyfile_missing": Exit.CONFIG,
    "keyfile_unsafe": Exit.CONFIG,
    "keyfile_wrong": Exit.CONFIG,
    "storage_unavailable": Exit.UNREACHABLE,
    "overloaded": Exit.UNREACHABLE,
    "unreachable": Exit.UNREACHABLE,
    "integrity_failed": Exit.INTEGRITY,
}


def for_error(code: str) -> Exit:
    """The exit code of an error that is no decision."""
    return _ERRORS.get(code, Exit.UNEXPECTED)


def for_denial(code: str) -> Exit:
    """The exit code of a denial: 11 where a person can say yes, 7 where nothing was decided, else 10."""
    if code == "approval_required":
        return Exit.APPROVAL
    if code == "enforcement_unavailable":
        return Exit.UNREACHABLE
    return Exit.DENIED
