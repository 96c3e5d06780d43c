"""What a run is, and why there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from remit.kernel.errors import Forbidden, Malformed, RemitError, Unauthenticated
from remit.runner.proxied import Offered

_FRESH: Final = 0.75  # the part of its life after which a token is renewed


class Unreachable(RemitError):
    """There is no server to run behind, or it does not answer."""

    code = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run, and as whom."""

    data: Path  # the server's data directory, where its socket lies
    base: str  # the server's own URL, without a trailing slash
    agent: str
    purpose: str | None  # None: the agent's only one
    servers: tuple[str, ...]  # empty: all that the agent's boundaries name
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    proxied: bool = False  # whether its HTTP goes through the forward proxy
    interactive: bool  # whether a terminal sends its signals to the command too


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token and what the server said with it. Times are seconds of the clock that runs on in suspend."""

    access_token: str = field(repr=False)
    run: str
    purpose: str
    servers: tuple[str, ...]
    received: float
    expires: float
    offered: Offered | None = None  # of the forward proxy, where it was asked for
    http: tuple[str, ...] = ()  # those of the servers that are HTTP APIs, and not MCP

    @property
    def due(self) -> float:
        """When it should be renewed."""
        return self.received + _FRESH * (self.expires - self.received)


def refusal(answer: Mapping[str, object], *, agent: str, uid: int) -> RemitError:
    """Why the server gave no token, as the error that the command line ends with."""
    code, said = str(answer.get("error")), str(answer.get("error_description"))
    if code == "invalid_client":
        return Unauthenticated(
            f"the server does not take this process for {agent}",
            detail=said,
            try_=f"attest: [{{local_process: {{uid: {uid}}}}}] in agents/{agent}.yaml, then remit apply DIR",
        )
    if code == "unauthorized_client":
        return Forbidden(f"{agent} gets no token", detail=said, try_=f"remit agent show {agent}")
    if code == "invalid_scope":
        try_ = f"--purpose NAME, one of those that remit agent show {agent} lists"
        return Malformed(f"{agent} gets no token for this purpose", detail=said, try_=try_)
    if code == "invalid_target":
        return Malformed(f"{agent} gets no token for these servers", detail=said, try_="--server NAME, once")
    if answer.get("status") == 503:  # noqa: PLR2004 - the status of what may be tried again
        return Unreachable("the server gives no token now", detail=said, try_="remit doctor")
    return Malformed(f"the server refused the request: {said}", detail=code, try_="remit doctor")


def not_its_servers(missing: Collection[str], issued: Issued, *, agent: str) -> RemitError:
    """The refusal to start a command with servers where each of its calls would be refused."""
    named = ", ".join(sorted(missing))
    try_ = f"--server, one of {', '.join(issued.servers)}" if issued.servers else "remit boundary list"
    return Malformed(f"no boundary in force of {agent} for {issued.purpose} names the server {named}", try_=try_)
