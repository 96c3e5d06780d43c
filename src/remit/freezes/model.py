"""Freezes: stops on what makes, carries or receives calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.clock import Instant


class FreezeKind(StrEnum):
    """What is stopped.

    A tool is named by its action, `server/tool`. A credential is a named secret, whose freeze
    covers the calls to every server that gets it, or a client key's thumbprint.
    """

    AGENT = "agent"
    INSTANCE = "instance"
    OWNER = "owner"
    SERVER = "server"
    TOOL = "tool"
    CREDENTIAL = "credential"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A stop in force: who set it, when and why."""

    id: str  # frz_...
    kind: FreezeKind
    name: str  # "*" for all
    reason: str
    by: str
    since: Instant
