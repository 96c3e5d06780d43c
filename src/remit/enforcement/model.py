"""What the enforcement points speak of: a parsed message, an admitted call, an outcome, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from remit.catalog.model import Server
from remit.enforcement.metered import Meter
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed, RemitError
from remit.policy.model import Answer, Call
from remit.storage.model import Mark, Reserve

# JSON-RPC 2.0 section 5.1, MCP 2026-07-28, and one of Remit's own in the range left to implementations.
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
DENIED: Final = -32010
# What a server's own error with Remit's code is shown as: nobody else speaks for Remit.
SERVER_ERROR: Final = -32000

RpcId = str | int | None


class Outcome(StrEnum):
    """What became of a call that was let through."""

    OK = "ok"
    ERROR = "error"
    NOT_SENT = "not_sent"
    CUT = "cut"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOT_OBSERVED = "not_observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    request: int = 1 << 20
    response: int = 8 << 20
    event: int = 4 << 20
    stream: int = 256 << 20
    headers_after: float = 300.0  # until a server begins to answer a call
    silence: float = 300.0  # between two reads of an answer
    pages: int = 100  # of one list, as the SDK's cap
    tools: int = 10_000  # of one server
    sessions: int = 10_000
    sessions_per_agent: int = 200
    session_idle: float = 1800.0
    session_life: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Message:
    """One JSON-RPC request or notification, strictly read. `id` is None for a notification."""

    method: str
    id: RpcId
    params: dict[str, Any] | None

    @property
    def notification(self) -> bool:
        """Whether nobody waits for an answer."""
        return self.id is None


class BadMessage(Malformed):
    """A message refused before anything was decided, with the JSON-RPC error and HTTP status that say so."""

    reason = "malformed"  # as the entry says it

    def __init__(self, rpc: int, public: str, *, status: int = 400, id: RpcId = None, data: object = None) -> None:  # noqa: A002 - JSON-RPC's own name
        super().__init__(public)
        self.rpc = rpc
        self.status = status
        self.id = id
        self.data = data


class SecretSent(BadMessage):
    """An agent sent a secret that only Remit should know: it goes nowhere, and is replaced. The entry says why."""

    reason = "secret_sent"

    def __init__(self) -> None:
        super().__init__(INVALID_REQUEST, "The request is not well-formed")


class Admitted(msgspec.Struct, frozen=True):
    """A committed decision. Only if `answer` allows may anything be forwarded, and only to `server`."""

    call: Call
    answer: Answer
    epoch: int
    evaluated_at: Instant
    server: Server | None = None
    reserved: tuple[Reserve, ...] = ()
    meter: Meter | None = None  # counts what passes of its result, where a boundary limits that
    after: tuple[Mark, ...] = ()  # what is noted once it came to ok


class Point(msgspec.Struct, frozen=True):
    """A registered enforcement point: its name, and the thumbprint by which it can be frozen as an instance."""

    name: str
    instance: str


class EnforcementUnavailable(RemitError):
    """Remit cannot decide or record. Retryable; no decision, and counted apart from them."""

    code = "enforcement_unavailable"

    def __init__(self, public: str, *, detail: str = "", told: Mapping[str, Any] | None = None) -> None:
        super().__init__(public, detail=detail)
        self.told = told
        """In the shape of a denial, with the call that it is about; None where that is not known."""
