"""The access token that an enforcement point was shown, and shows here: then its call is decided as at the gateway.

So a freeze of that running copy, a revoked token, a run that is over, and those for whom the agent acts count as they
do there. The proof that came with the token was made for the enforcement point's own URL, and only it can check that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol

from remit.attestation.model import Caller
from remit.enforcement import authzen
from remit.enforcement.model import Point
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Malformed

TOKEN: Final = "access_token"  # noqa: S105 - the name of a member of the context


class TokenUseless(Exception):
    """The token that was shown is good for nothing at this server: revoked, expired, for another, or none."""


class Presented(Protocol):
    """What a good token says (`tokens/check`)."""

    @property
    def caller(self) -> Caller:
        """Whose it is."""
        ...

    @property
    def audience(self) -> Collection[str]:
        """Where it may be shown."""
        ...


class Reads(Protocol):
    """Reads tokens of this deployment."""

    def read(self, token: str, *, now: Instant) -> Presented | None:
        """What a token says that is neither expired nor revoked; else None."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """Reads what enforcement points show.

    Args:
        tokens: Reads tokens.
        base: This deployment's URL.
        clock: Where `now` comes from.
    """

    tokens: Reads
    base: str
    clock: Clock

    def caller(self, asked: authzen.Question, point: Point) -> Caller:
        """Who calls, by the token in the context.

        Raises:
            TokenUseless: It is good for nothing at this server.
            Malformed: It is no text, or of another agent or purpose than the question.
        """
        found = self.tokens.read(authzen.a_text(asked.sent.context, TOKEN), now=self.clock.now())
        if found is None or names(self.base, asked.resource[1]).isdisjoint(found.audience):
            raise TokenUseless
        if asked.subject[1] != found.caller.agent or asked.purpose not in (None, found.caller.purpose):
            raise Malformed("the token is of another agent or purpose than the question")
        return through(found.caller, point)


def through(caller: Caller, point: Point) -> Caller:
    """The caller of a call that comes by way of an enforcement point, which can be frozen as the copy itself can."""
    return replace(caller, pep=point.name, pep_instance=point.instance)


def names(base: str, server: str) -> frozenset[str]:
    """The audiences of a token that may be shown to who stands before `server`: of that server alone."""
    return frozenset({f"{base}/mcp/{server}", f"{base}/servers/{server}/mcp", f"{base}/http/{server}"})
