"""What the token endpoint is asked, what it refuses, and what it grants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from remit.access.model import Purpose
from remit.agents.model import Agent
from remit.attestation.model import Link
from remit.kernel.canonical import canonical
from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.kernel.errors import RemitError
from remit.kernel.names import InstanceId, PurposeName, RunId

Form = Mapping[str, tuple[str, ...]]
"""The parameters of a request, each with its values in order."""

_FAR: Final = Instant(2**62)
TOKEN_LIFETIME: Final = 5 * MINUTE
RUN_IDLE: Final = 15 * MINUTE  # a run that had no live token for this long is over
RETRY_AFTER: Final = 6  # seconds after which who tried too often (429) may try again
PROOF_WINDOW: Final = 60 * SECOND  # how far a proof's iat may be off, either way


class OAuthError(StrEnum):
    """Error codes of the token endpoint (RFC 6749 section 5.2, RFC 8707, RFC 9396, RFC 9449)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    INVALID_AUTHORIZATION_DETAILS = "invalid_authorization_details"
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    USE_DPOP_NONCE = "use_dpop_nonce"


class TokenRefused(RemitError):
    """The token endpoint says no. `error` is the OAuth code, the public text its error_description."""

    code = "malformed"

    def __init__(self, error: OAuthError, description: str, *, reason: str = "", status: int | None = None) -> None:
        super().__init__(description, detail=reason)
        self.error = error
        # RFC 6749 section 5.2: 400, but 401 where it is the client that is in doubt.
        self.status = status or (401 if error is OAuthError.INVALID_CLIENT else 400)
        self.reason = reason or description


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to an endpoint of this authorization server, as it came."""

    form: Form
    url: str  # the endpoint's own, for the proof's `htu`
    dpop: str | None = None  # several headers, joined, are one that is malformed
    authorization: str | None = None
    certificate: bytes | None = None  # DER, of the client's end of the connection, where it showed one
    chain: tuple[bytes, ...] = ()  # DER, what that was signed by, as far as it was shown
    address: str = ""  # where it came from, as the connection or a trusted proxy says; "" if that is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStanding:
    """What is true of an agent at one moment, as far as a token depends on it."""

    agent: Agent
    owner_active: bool
    purposes: tuple[Purpose, ...]  # the registered purposes among the agent's own
    frozen: bool  # by a freeze on the agent, its owner or everything
    credentials: frozenset[str]  # that it has registered (`agents/credentials.py`)
    frozen_instances: frozenset[str] = frozenset()
    frozen_credentials: frozenset[str] = frozenset()  # thumbprints of client keys (names of secrets do no harm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stretch of work of (instance, purpose): kept through renewals, over at `ends`."""

    run: RunId
    instance: InstanceId
    purpose: PurposeName
    opened: Instant
    ends: Instant
    token_expires: Instant  # of its newest token
    above: str = ""  # the run of the agent for which it acts; empty: for itself

    def open(self, now: Instant) -> bool:
        """Whether it can be continued at `now`: before its end, and no more than 15 min after its last token."""
        return now < self.ends and now < self.token_expires + RUN_IDLE


class Behalf(NamedTuple):
    """For whom an agent acts: a person or workload of another issuer, for one purpose of the agent's."""

    issuer: str
    subject: str
    agent: str
    purpose: str

    @property
    def person(self) -> str:
        """The exact pair in one text: no issuer has a `#`."""
        return f"{self.issuer}#{self.subject}"

    @property
    def consent(self) -> str:
        """The consent record that stands for this: one for each, so that it is withdrawn once."""
        digest = sha256(canonical([self.issuer, self.subject, self.agent, self.purpose])).hexdigest()
        return f"con_{digest[:26]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A token request after all checks that need no database."""

    agent: Agent
    purpose: Purpose
    instance: InstanceId
    credential: str
    audience: tuple[str, ...]
    jkt: str | None  # the key the token is bound to
    new_run: bool
    x5t: str | None = None  # the certificate it is bound to (RFC 8705), by its SHA-256
    behalf: Behalf | None = None  # for whom, where an issuer said so
    person: str = ""  # who stands behind it: consented, or the exact pair of another issuer's word; "": nobody
    txn: str = ""  # the transaction that it goes on with; empty: a new one
    delegation: str = ""  # under which it acts for others
    links: tuple[Link, ...] = ()  # those for whom it acts, the first is whose access it is
    run_cap: Instant = _FAR  # the run ends by then,
    token_cap: Instant = _FAR  # and the token


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A token to be signed. Times are whole seconds, as instants."""

    wish: Wish
    run: Run
    token: str  # jti, tok_...
    issued: Instant
    expires: Instant
    txn: str = ""
