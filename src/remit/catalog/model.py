"""What can be reached: servers and their pinned tools, each with a risk tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from remit.catalog.injection import Credential, OauthClient
from remit.catalog.labels import Labels
from remit.catalog.url import endpoint
from remit.kernel.errors import Malformed
from remit.kernel.names import ServerName, ToolName


class Tier(StrEnum):
    """Risk of an action. Unknown is high."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Kind(StrEnum):
    """What a server speaks: MCP, over HTTP or to a command of its own; or plain HTTP."""

    MCP = "mcp"
    HTTP = "http"


class Proxied(StrEnum):
    """How an HTTP server is reached through the forward proxy, where its document lets it be.

    tunnel: bytes pass unread; only whether and to whom is decided. intercept: each request is decided and gets the
    server's credential, because Remit ends the TLS.
    """

    TUNNEL = "tunnel"
    INTERCEPT = "intercept"


class Mode(StrEnum):
    """What is done about a call to a server that bounds or policies refuse.

    enforce: it is refused. observe: it is recorded as one that would be, and forwarded; before a server is governed.
    """

    ENFORCE = "enforce"
    OBSERVE = "observe"


class PinState(StrEnum):
    """Whether the definition last seen is the one that was approved.

    approved: as pinned. pending: new, waits for review. changed: the server changed it,
    waits for review. gone: the server no longer lists it.
    """

    APPROVED = "approved"
    PENDING = "pending"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool of an MCP server, or an operation of an HTTP one: its approved definition and where it stands now."""

    name: ToolName
    tier: Tier
    pin: str  # hex SHA-256 over the RFC 8785 bytes of the approved definition; "" while pending
    definition: Mapping[str, Any]  # the approved definition (the pending one while pending)
    seen: Mapping[str, Any] | None  # the definition last seen, if it differs
    state: PinState


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that an operator registered. It has either a URL or a command."""

    server: ServerName
    url: str  # "" where it is a command
    credential: Credential | None
    tiers: tuple[tuple[str, Tier], ...]  # (glob over tool names, tier), in the file's order; first match wins
    review: str  # "pin-on-first-use" or "quarantine"
    tools: Mapping[ToolName, Tool]
    set_pin: str  # hex SHA-256 over the approved set of (name, pin); "" before the first import
    labels: tuple[tuple[str, Labels], ...] = ()  # (glob over tool names, labels); of all that match, together
    mode: Mode = Mode.ENFORCE
    kind: Kind = Kind.MCP
    # Of an HTTP server, as its document says them: what its import finds. Kept in no other place than its tools.
    declared: tuple[Mapping[str, Any], ...] | None = field(default=None, compare=False, repr=False)
    proxy: Proxied | None = None  # None: not through the forward proxy
    ca: str = ""  # PEM of the one authority whose certificate it must show; "": those that this machine trusts
    placeholder: str = ""  # the variable in which a run behind the proxy gets a worthless key for it; "": none
    command: tuple[str, ...] = ()  # its program and arguments, started for one agent each; () where it has a URL
    env: tuple[tuple[str, str], ...] = ()  # what of its command's environment its document says; nothing secret

    @property
    def observed(self) -> bool:
        """Whether what bounds and policies refuse is forwarded all the same."""
        return self.mode is Mode.OBSERVE

    @property
    def place(self) -> tuple[object, ...]:
        """Where a call to it goes, and what secret goes with it: asked anew, sent elsewhere, if any of it differs."""
        return self.url, self.command, self.env, self.credential

    @property
    def host(self) -> str:
        """The exact `host:port` that its URL leads to; the URL itself if it names none; its program if it has none."""
        if self.command:
            return f"command {self.command[0]}"
        try:
            host, port = endpoint(self.url)
        except Malformed:
            return self.url
        return f"{host}:{port}"

    @property
    def secret_host(self) -> str:
        """The exact `host:port` that its secret is sent to: of an authorization server, where it has one."""
        if isinstance(self.credential, OauthClient):
            host, port = endpoint(self.credential.token_url)
            return f"{host}:{port}"
        return self.host
