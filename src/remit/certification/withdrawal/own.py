"""What is an agent's alone, besides its tokens: credentials made for it, and what it handed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remit.certification.withdrawal.ports import Found
from remit.certification.withdrawal.withdraw import Withdrawal
from remit.kernel.names import split_action
from remit.policy.view import View


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


class NoDelegation:
    """Implements remit.certification.withdrawal.ports.Children where nothing can be handed on. It reads nothing."""

    def end(self, _withdrawal: Withdrawal) -> Found:
        """Ends nothing."""
        return Found(0, "nothing can be handed on here, so nothing was looked for")
