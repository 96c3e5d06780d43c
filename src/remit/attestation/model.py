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
class Platform:
    """Whose word it was that let a running copy in, and of which workload."""

    trust: str
    preset: str
    issuer: str
    subject: str | None  # `sub` of the token; None: it had none


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """A client that proved, at the token endpoint or on the local socket, who it is."""

    agent: AgentName
    credential: str  # RFC 7638 SHA-256 thumbprint of the client key, base64url; `uid:N` of a local process
    method: str  # "private_key_jwt" or "local_process"
    process: Process | None = None
    platform: Platform | None = None
    client: str = ""  # its client_id, where that is not the agent's name
    shown: object = None  # the code or token that says which agent a person let this client act as


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An agent for which another acts: what its own token said, and what of its access it handed on."""

    agent: AgentName
    instance: InstanceId
    credential: str
    run: RunId
    token: str
    attested: Instant = _NEVER  # when its key was proved for that token, or one of those for whom it acted itself
    allow: str = ""  # canonical JSON: items as a boundary's `allow` has them; empty: all that it has


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
    # When the client key was proved at the token endpoint; of several who act for one another, the longest ago.
    attested: Instant = _NEVER
    run_ends: Instant = _NEVER  # when its run is over; a token that does not say it belongs to no run
    key: str = ""  # the kid of Remit's key that signed the token; empty if the agent came without one
    consent: str = ""  # the consent that it was had on, where a person gave one
    person: str = ""  # who stands behind it: a person who consented, or another issuer's subject; "": nobody
    txn: str = ""  # the transaction that the token belongs to, kept when it is handed on
    delegation: str = ""  # under which it acts for others; empty: for itself
    links: tuple[Link, ...] = ()  # those for whom it acts: the first is whose access it is, each handed it to the next
    pep: str = ""  # the enforcement point that asks for the agent; empty if the agent came to the gateway itself
    pep_instance: str = ""  # by which that one can be frozen, where the agent's own token was shown to it
    # The agent's own process asks before it acts, with the agent's own token: nothing stands in between, so what it
    # says of itself afterwards is no evidence.
    cooperative: bool = False

    @property
    def principal(self) -> AgentName:
        """Whose access is used: its own, or that of the first for whom it acts."""
        return self.links[0].agent if self.links else self.agent
