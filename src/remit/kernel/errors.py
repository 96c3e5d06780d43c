"""Failures the caller can act on: a stable code, one public sentence, private detail.

The codes are those of the documentation's error pages; their HTTP status lives in
`server/problem.py`, their exit code in `cli/exits.py`. A denial is no error: it is a
value (`policy/model.py`).
"""

from __future__ import annotations

from typing import ClassVar


class RemitError(Exception):
    """A failure the caller can act on. Clients branch on `code`, never on the text."""

    code: ClassVar[str] = "unexpected"

    def __init__(self, public: str, *, detail: str = "", try_: str = "") -> None:
        super().__init__(public)  # safe to show to the caller
        self.public = public
        self.detail = detail  # operator's log only: may name hosts, keys, policies
        self.try_ = try_  # what to do next, safe to show


class Malformed(RemitError):
    """Not JSON, a duplicate key, NaN, a wrong type, an ill-formed name."""

    code = "malformed"


class TooLarge(RemitError):
    """Over 1 MiB, or over the setting."""

    code = "too_large"


class UnsupportedMediaType(RemitError):
    """Not the media type this endpoint takes."""

    code = "unsupported_media_type"


class Unauthenticated(RemitError):
    """No credential, or not a valid one."""

    code = "unauthenticated"


class Forbidden(RemitError):
    """This operator may not."""

    code = "forbidden"


class NotFound(RemitError):
    """Does not exist, or may not be seen."""

    code = "not_found"


class SessionUnknown(RemitError):
    """A foreign or ended MCP session."""

    code = "session_unknown"


class Conflict(RemitError):
    """Changed meanwhile, or needs something else first."""

    code = "conflict"


class ConfigInvalid(RemitError):
    """A file, policy or boundary that does not validate; says file and line where known."""

    code = "config_invalid"


class KeyfileMissing(RemitError):
    """There is a database but no keyfile."""

    code = "keyfile_missing"


class KeyfileUnsafe(RemitError):
    """The keyfile can be read by others, is a link, or lies in a folder others may write to."""

    code = "keyfile_unsafe"


class KeyfileWrong(RemitError):
    """The keyfile does not open this database."""

    code = "keyfile_wrong"


class StorageUnavailable(RemitError):
    """The database is gone or the disk is full."""

    code = "storage_unavailable"


class InDoubt(StorageUnavailable):
    """The database failed while it committed: the work may be recorded, and may be not."""


class KeysUnavailable(StorageUnavailable):
    """What opens the database does not answer now, and may later: a service that is sealed, a token that is away."""


class IntegrityFailed(RemitError):
    """A log, seal or page is damaged; says which."""

    code = "integrity_failed"


class Overloaded(RemitError):
    """Too much at once; retry after a while."""

    code = "overloaded"
