"""One more token of a run that goes on (pure): a record and effects, and no change of state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.kernel.names import RunId
from remit.storage.model import ConsumeProof, Entry, Renew, Work
from remit.tokens import issue
from remit.tokens.dpop import Proof
from remit.tokens.model import RUN_IDLE, Asked, Granted, OAuthError, Run, TokenRefused, Wish


@dataclass(frozen=True, slots=True)
class Shown:
    """Who asks, with what was shown for it and for the key."""

    attested: Attested
    used: ConsumeProof | None
    proof: Proof | None

    @property
    def jkt(self) -> str | None:
        """The key that was proved."""
        return None if self.proof is None else self.proof.jkt

    @property
    def uses(self) -> tuple[ConsumeProof, ...]:
        """What is used once with the token (RFC 7523 section 3 item 7, RFC 9449 section 11.1)."""
        proved = None if self.proof is None else self.proof.use
        return tuple(each for each in (self.used, proved) if each is not None)

    def replayed(self, use: ConsumeProof) -> TokenRefused:
        """What a request is refused with that shows something for a second time."""
        if use == self.used:
            return TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="assertion replayed")
        return TokenRefused(OAuthError.INVALID_DPOP_PROOF, "the proof was used before")


@dataclass(frozen=True, slots=True)
class Renewal:
    """A token that needs nothing but `work` to be recorded."""

    asked: Asked
    granted: Granted
    shown: Shown
    work: Work


def renewal(  # noqa: PLR0913 - the ids come from outside, as the time does
    asked: Asked,
    wish: Wish,
    run: Run,
    shown: Shown,
    *,
    now: Instant,
    token: str,
    txn: str,
    entry: Callable[[Granted], Entry],
) -> Renewal | None:
    """The token of `wish` in `run`; None if it cannot go on as it is: its end was brought forward, or is near."""
    try:
        granted = issue.grant(wish, [run], now=now, token=token, fresh=RunId(""), txn=txn)
    except TokenRefused:
        return None
    if (granted.run.run, granted.run.ends) != (run.run, run.ends):
        return None
    going_on = Renew(
        run=run.run, ends=run.ends, live=Instant(now - RUN_IDLE), expires=granted.expires, agent=wish.agent.agent,
        instance=wish.instance, credential=wish.credential, seen=now,
    )  # fmt: skip
    # A replay is refused where the request is answered: that records it, within the budget of refusals.
    work = Work((entry(granted),), (*shown.uses, going_on), otherwise=lambda _failed: ())
    return Renewal(asked, granted, shown, work)
