"""Puts together how people sign in to the console: sessions, and the provider where there is one."""

from __future__ import annotations

from collections.abc import Iterable

from remit.console.sessions import Sessions
from remit.console.signing import Signing
from remit.kernel.clock import EPOCH, Instant
from remit.people.model import Owner
from remit.server.asking_provider import AskingProvider
from remit.server.ground import Ground
from remit.server.operators import Operator


def sessions(ground: Ground, provider: AskingProvider | None) -> Sessions:
    """Nobody's, at first."""
    return Sessions(
        ground.clock.now, ground.keeper.stands, secure=ground.base.startswith("https:"),
        provider="" if provider is None else provider.provider.name,
    )  # fmt: skip


def signing(ground: Ground, kept: Sessions, asking: AskingProvider | None) -> Signing | None:
    """Signing in at the provider; None where there is none."""
    if asking is None:
        return None
    # A door changes the address of a registered person, so such a word counts like that of a new token: to start
    # everything again, for instance, they were signed in before that began. What the server's file says counts at once.
    by_file = asking.provider.people is not None

    def owners() -> Iterable[Owner]:
        return ground.facts.view().owners.values()

    def operator(person: str, roles: frozenset[str], since: Instant) -> Operator:
        return Operator(person=person, roles=roles, issued=EPOCH if by_file else since)

    return Signing(
        provider=asking.provider, base=ground.base, sessions=kept, published=asking.published, keys=asking.keys,
        ask=asking.ask, owners=owners, operator=operator, clock=ground.clock,
    )  # fmt: skip
