"""Who is calling: the values that authentication hands to the decision."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId

_NEVER = Instant(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of this machine that asks for a token. The kernel named its uid and pid; the rest it says itself."""

    uid: int
    pid: int
    digest: str | None  # hex SHA-256 of the program it will run: evidence, which decides nothing
    argv: tuple[str, ...] = ()  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """A client that proved, at the token endpoint or on the local socket, who it is."""

    agent: AgentName
    credential: str  # RFC 7638 SHA-256 thumbprint of the client key, base64url; `uid:N` of a local process
    method: str  # "private_key_jwt" or "local_process"
    process: Process | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call, read from a verified access token (and proof)."""

    agent: AgentName
    instance: InstanceId  # thumbprint of the DPoP key, else of the client key
    credential: str  # thumbprint of the client key that obtained the token
    purpose: PurposeName
    run: RunId
    token: str  # the token's jti
    expires: Instant
    bound: bool  # whether the token is tied to a key that was proved on this request
    attested: Instant = _NEVER  # when the client key was proved at the token endpoint
    run_ends: Instant = _NEVER  # when its run is over; a token that does not say it belongs to no run
    pep: str = ""  # the registered enforcement point that asks for the agent; empty if the agent came itself
