"""Asks before an agent's own code acts. Cooperative: it keeps an agent that wants to be kept, and its record says so.

    guard = Guard(AgentAuth(url, "pay-bot", "pay-bot.jwk", "pay-invoices"), url)

    @guard.tool("payments/transfer")
    async def transfer(to: str, amount: Decimal, currency: str) -> str: ...

What and who acts are one process here, so nothing but that process keeps the answer. Where the agent must not be able
to go round it, put the gateway or an enforcement point of your own between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Self, TypeVar

from remit.sdk.arguments import NotTellable, snapshot
from remit.sdk.asking import Asking, PointToken, Question
from remit.sdk.auth import AgentAuth
from remit.sdk.decision import Decision, Denied, local
from remit.sdk.guarded import guarded
from remit.sdk.mandate import Mandate
from remit.sdk.offline import Advice, check

AGENT: Final = "agent"
SERVER: Final = "server"
F = TypeVar("F", bound=Callable[..., Any])


class Guard:
    """Recorded decisions for one agent, and its outcomes.

    Args:
        asker: The agent's own authentication, which asks for that agent and its purpose; or the token of a registered
            enforcement point.
        url: Remit's URL; None means `REMIT_URL`.
        agent: For whom an enforcement point asks; an agent asks for itself.
        purpose: Of the calls; None: the token's, or the agent's only one.
        timeout: Seconds that a question may take; over it is a denial.
    """

    def __init__(
        self, asker: AgentAuth | PointToken, url: str | None = None, *, agent: str | None = None,
        purpose: str | None = None, timeout: float = 10.0,
    ) -> None:  # fmt: skip
        if isinstance(asker, PointToken) and agent is None:
            raise ValueError("an enforcement point says for which agent it asks: agent=")
        if isinstance(asker, AgentAuth) and agent not in (None, asker.agent):
            raise ValueError("an agent asks for itself")
        self.agent = asker.agent if isinstance(asker, AgentAuth) else str(agent)
        self._purpose = purpose
        self._asking = Asking(asker, url, timeout=timeout)

    async def authorize(
        self, action: str, resource: str | None = None, arguments: Mapping[str, Any] | None = None, *,
        approval: str | None = None,
    ) -> Decision:  # fmt: skip
        """Decide one call, durably; a denial is a value, and so is that nothing could be decided.

        Args:
            action: `server/tool`, or `server:method`.
            resource: The server; None: the action's.
            arguments: The call's arguments, as JSON values; numbers as int, Decimal or float.
            approval: The id of the person's approval that it is asked again with, where one is to be named.
        """
        question = self._question(action, resource, arguments, approval)
        return question if isinstance(question, Decision) else await self._asking.ask(question)

    def authorize_sync(
        self, action: str, resource: str | None = None, arguments: Mapping[str, Any] | None = None, *,
        approval: str | None = None,
    ) -> Decision:  # fmt: skip
        """The same, for code that is not async."""
        question = self._question(action, resource, arguments, approval)
        return question if isinstance(question, Decision) else self._asking.ask_sync(question)

    async def report(self, decision: Decision, outcome: str) -> bool:
        """Say what became of an allowed call: `ok`, `error`, `not_sent` or `outcome_unknown`; whether it is recorded.

        An agent's own word is recorded, and counts neither as use nor as a step that others require.
        """
        return decision.decision_id is not None and await self._asking.report(decision.decision_id, outcome)

    def report_sync(self, decision: Decision, outcome: str) -> bool:
        """The same, for code that is not async."""
        return decision.decision_id is not None and self._asking.report_sync(decision.decision_id, outcome)

    def tool(
        self, action: str, *, leaving_out: Collection[str] = (), denied: Callable[[Denied], Any] | None = None
    ) -> Callable[[F], F]:
        """Decorate a function, async or not: it runs only if this very call is allowed, with what was asked about.

        Args:
            action: `server/tool`, whose pinned schema its arguments fit.
            leaving_out: Parameters that are no arguments of the tool: `self`, a context.
            denied: What to return in the place of a result; None: `Denied` is raised.

        Raises:
            TypeError: It is a generator, or takes arguments that have no name.
        """
        return lambda function: guarded(self, function, action=action, leaving_out=leaving_out, denied=denied)

    def check_offline(
        self, action: str, arguments: Mapping[str, Any] | None = None, *, mandate: Mandate | None,
        now: float | None = None,
    ) -> Advice:  # fmt: skip
        """What a verified mandate has against a call. Advice, and never a decision: see `Advice`."""
        return check(action, arguments or {}, agent=self.agent, mandate=mandate, now=now)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._asking.aclose()

    def close(self) -> None:
        """Close the connections of code that is not async."""
        self._asking.close()

    def _question(
        self, action: str, resource: str | None, arguments: Mapping[str, Any] | None, approval: str | None
    ) -> Question | Decision:
        """The question, or the denial of what cannot be asked."""
        context: dict[str, Any] = {} if self._purpose is None else {"purpose": self._purpose}
        try:
            if arguments is not None:
                context["arguments"] = snapshot(dict(arguments))
        except NotTellable as error:
            return local(action, "invalid_arguments", str(error), path=error.path)
        if approval is not None:
            context["approval"] = {"id": approval}
        server = action.partition("/")[0].partition(":")[0] if resource is None else resource
        return Question((AGENT, self.agent), action, (SERVER, server), context)
