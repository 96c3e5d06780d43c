"""What the HTTP gateway does with a request that was decided; there is more than one way to let it go on."""

from __future__ import annotations

from typing import Protocol

from remit.enforcement.http_answers import Headers
from remit.enforcement.http_exchange import HttpExchange
from remit.enforcement.http_upstream import Sent
from remit.enforcement.model import Admitted
from remit.policy.model import Answer


class Forwards(Protocol):
    """Carries on what was admitted."""

    async def forward(self, x: HttpExchange, admitted: Admitted, sent: Sent) -> None:
        """Let a request go on, answer who asked, and record the outcome."""
        ...

    def refuse(self, admitted: Admitted, answer: Answer) -> tuple[int, bytes, Headers]:
        """A denial as this agent is told it: status, body, headers."""
        ...
