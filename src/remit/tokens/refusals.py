"""Refusals in the log, at a bounded rate: of the token endpoint, and of whoever shows no good token at a resource.

Anybody may send requests here, and each could cost an entry that is kept for ever. So what
comes from clients that did not authenticate, or with a token that is none of ours, shares
one budget, and each agent has one of its own (there are as many as operators registered).
What is over a budget is counted, and the next entry of the same budget says how many went
before it unrecorded. At most 14,400 entries a day come from strangers: about 6 MB of log.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.model import Attested
from remit.kernel.clock import SECOND, Instant
from remit.storage.model import ConsumeProof, Entry, Work
from remit.storage.ports import Writer
from remit.tokens.check import TokenInvalid
from remit.tokens.model import TokenRefused
from remit.tokens.ports import Records

_BURST: Final = 60
_STRANGERS_EVERY: Final = 6 * SECOND  # one entry per, once the burst is spent
_AGENT_EVERY: Final = 1 * SECOND
_STRANGERS: Final = ""
_NONCE: Final = "use_dpop_nonce"
_MOST_AGENTS: Final = 16_384  # budgets at one resource; who is forgotten begins with a full one
_LONGEST: Final = 200  # characters of a reason


@dataclass(slots=True)
class Budget:
    """A bucket of tokens in whole microseconds: `burst` at once, then one per `every`."""

    every: int
    burst: int
    full_at: int = 0  # when the bucket will be full again
    suppressed: int = 0

    def take(self, now: Instant) -> int | None:
        """None if nothing is left; else the number of refusals that went unrecorded since the last one."""
        full_at = max(self.full_at, now)
        if full_at - now > self.every * (self.burst - 1):
            self.suppressed += 1
            return None
        self.full_at = full_at + self.every
        before, self.suppressed = self.suppressed, 0
        return before


class Refusals:
    """Records what the token endpoint refused."""

    def __init__(self, writer: Writer, records: Records) -> None:
        self._writer = writer
        self._records = records
        self._budgets: dict[str, Budget] = {}
        self._lock = threading.Lock()

    def record(
        self, refused: TokenRefused, *, attested: Attested | None, uses: tuple[ConsumeProof, ...], now: Instant
    ) -> None:
        """Record one refusal, durably, before it is answered; consume what came with it, recorded or not.

        Args:
            refused: What was refused, and why.
            attested: The client, if it authenticated. A name that was merely claimed is not recorded.
            uses: The single uses of assertion and proof: they have been seen, whatever came of it.
            now: The time.

        Raises:
            StorageUnavailable: It could not be recorded.
        """
        fields: dict[str, Any] = {"door": "token", "error": refused.error.value, "reason": refused.reason}
        if attested is not None:
            fields |= {"agent": attested.agent, "credential": attested.credential}
        self.note(fields, who=_STRANGERS if attested is None else attested.agent, uses=uses, now=now)

    def note(self, said: Mapping[str, Any], *, who: str, now: Instant, uses: tuple[ConsumeProof, ...] = ()) -> None:
        """Record what another endpoint refused, in the budget of whom it was refused to; as `record`.

        Raises:
            StorageUnavailable: It could not be recorded.
        """
        suppressed = self._take(who, now)
        if suppressed is None:
            if uses:  # else what was refused over the budget would be good once more
                self._writer.submit(Work((), uses)).result()
            return
        fields = {**said, "suppressed": suppressed} if suppressed else said
        entry = self._records.entry("refused", fields)
        # Recorded even if something was used before: then that is what is being recorded.
        self._writer.submit(Work((entry,), uses, otherwise=lambda _: (entry,))).result()

    def _take(self, who: str, now: Instant) -> int | None:
        with self._lock:
            every = _AGENT_EVERY if who else _STRANGERS_EVERY
            budget = self._budgets.setdefault(who, Budget(every=every, burst=_BURST))
            return budget.take(now)


class BadTokens:
    """What was shown at one resource and was no good token, or came without a good proof.

    Not recorded is a request without any credential: that is how a client learns where tokens are had. Whoever
    has no nonce yet is told one and comes again, so that these have budgets of their own. So have the tokens of
    each agent whose signature is good: no stranger's garbage hides that a stolen one is tried.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._strangers = {asks: Budget(every=_STRANGERS_EVERY, burst=_BURST) for asks in (False, True)}
        self._agents: OrderedDict[tuple[str, bool], Budget] = OrderedDict()
        self._lock = threading.Lock()

    def entry(self, error: TokenInvalid, *, now: Instant, **said: str) -> Entry | None:
        """The entry that must be durable before the answer; None where there is nothing to record, or too much.

        It names the token, if it was one of ours, and not the agent: who shows it need not be that one.
        """
        if not error.error:
            return None
        reason = (error.detail or error.description)[:_LONGEST]
        fields = {**said, "error": error.error, "reason": reason} | ({"token": error.token} if error.token else {})
        return self._entry(fields, error.agent, asks=error.error == _NONCE, now=now)

    def stranger(self, *, now: Instant, **said: str) -> Entry | None:
        """The same of what is refused before any token is looked at."""
        return self._entry(said, _STRANGERS, asks=False, now=now)

    def _entry(self, fields: Mapping[str, Any], agent: str, *, asks: bool, now: Instant) -> Entry | None:
        with self._lock:
            suppressed = self._budget(agent, asks=asks).take(now)
        if suppressed is None:
            return None
        return self._records.entry("refused", {**fields, "suppressed": suppressed} if suppressed else dict(fields))

    def _budget(self, agent: str, *, asks: bool) -> Budget:
        if not agent:
            return self._strangers[asks]
        key = (agent, asks)
        found = self._agents.setdefault(key, Budget(every=_AGENT_EVERY, burst=_BURST))
        self._agents.move_to_end(key)
        if len(self._agents) > _MOST_AGENTS:
            self._agents.popitem(last=False)
        return found
