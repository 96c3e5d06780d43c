"""What is an agent's alone, besides its tokens: credentials made for it, and what it handed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.certification.withdrawal.ports import Found
from remit.certification.withdrawal.withdraw import Withdrawal
from remit.kernel.clock import Clock
from remit.kernel.names import split_action
from remit.policy.view import View
from remit.storage.ports import Reader
from remit.tokens.delegations_sql import SqlDelegations

_SHOWN: Final = 10  # names in one line


@dataclass(frozen=True, slots=True)
class StaticSecrets:
    """Implements remit.certification.withdrawal.ports.Brokered over a vault that holds servers' own secrets.

    Such a secret is the server's: every agent's calls carry it, and no agent ever had it. So there is
    nothing of one agent's to end, and this says what it looked at.
    """

    view: Callable[[], View]

    def end(self, withdrawal: Withdrawal) -> Found:
        """Ends nothing."""
        meant = {split_action(each.action)[0] for each in withdrawal.what if each.action}
        every = self.view().servers
        servers = [every[name] for name in meant if name in every] if meant else list(every.values())
        shared = {each.server.credential.secret for each in servers if each.server.credential is not None}
        return Found(0, f"none of its own; secrets of servers, which no agent has: {len(shared)}")


@dataclass(frozen=True, slots=True)
class HandedOn:
    """Implements remit.certification.withdrawal.ports.Children over the record of delegations.

    Who acts for an agent is decided on that agent's own entitlements, at each call: what is withdrawn from the one is
    withdrawn from all with the same step. So there is nothing more to end, and this says whom it reached.
    """

    reader: Reader
    clock: Clock

    def end(self, withdrawal: Withdrawal) -> Found:
        """Says who acts within it now."""
        now = self.clock.now()
        found = self.reader.read(lambda connection: SqlDelegations(connection).of_agent(withdrawal.agent, now))
        purposes = {each.purpose for each in withdrawal.what if each.purpose}
        mine = [
            each for each in found
            if each.parent == withdrawal.agent and (not purposes or each.purpose in purposes)
        ]  # fmt: skip
        if not mine:
            return Found(0, "nobody acts for it")
        names = ", ".join(sorted({each.child for each in mine})[:_SHOWN])
        return Found(len(mine), f"refused with it, for they act on the same entitlements: {names}")


class NoDelegation:
    """Implements remit.certification.withdrawal.ports.Children where nothing can be handed on. It reads nothing."""

    def end(self, _withdrawal: Withdrawal) -> Found:
        """Ends nothing."""
        return Found(0, "nothing can be handed on here, so nothing was looked for")
