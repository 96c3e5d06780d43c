"""Pydantic AI: a capability that asks before each tool call of an agent (`pydantic-ai-slim>=2.68`). Cooperative.

    Agent(model, tools=[transfer], capabilities=[RemitCapability(guard, {"transfer": "payments/transfer"})])

A denied call is a failed tool result (`ToolFailed`) whose content is the denial, and uses up no retry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.exceptions import ApprovalRequired, ToolFailed
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition

from remit.sdk.adapters.deciding import Actions, decided
from remit.sdk.arguments import NotTellable, snapshot
from remit.sdk.decision import Decision, local, told
from remit.sdk.guard import Guard

_REPORT_SECONDS = 5.0


class RemitCapability(AbstractCapability[Any]):
    """Asks for each tool call, runs it with what was asked about, and says what became of it.

    Args:
        guard: Asks.
        actions: The action of each tool by the tool's name; any other tool is denied.
        defers: Whether a call that a person must approve is deferred (`ApprovalRequired`; the agent's output type then
            includes `DeferredToolRequests`). Resumed, it is asked about again: a yes given here approves nothing.
    """

    def __init__(self, guard: Guard, actions: Actions, *, defers: bool = False) -> None:
        self._guard, self._actions, self._defers = guard, dict(actions), defers
        self._running: dict[str, Decision] = {}  # by the call's id

    def get_ordering(self) -> CapabilityOrdering:
        """Innermost: nothing changes the arguments between the decision and the tool."""
        return CapabilityOrdering(position="innermost")

    async def before_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: dict[str, Any]
    ) -> dict[str, Any]:
        """Decide, and hand on a copy of the arguments that were decided on."""
        name = tool_def.name
        try:
            taken: dict[str, Any] = snapshot(dict(args))
        except NotTellable as error:
            decision = local(name, "invalid_arguments", str(error), path=error.path)
        else:
            decision = await decided(self._guard, self._actions, name, taken)
        if decision.denial is None:
            self._running[call.tool_call_id] = decision
            return taken
        if self._defers and decision.denial.code == "approval_required" and not ctx.tool_call_approved:
            raise ApprovalRequired(metadata=dict(decision.denial.body))
        raise ToolFailed(told(decision.denial))

    async def wrap_tool_execute(
        self,
        _ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        args: dict[str, Any],
        handler: Callable[..., Any],
        **_: object,
    ) -> Any:  # noqa: ANN401 - a tool's result
        """Say what became of the call that `before_tool_execute` let through."""
        outcome = "outcome_unknown"
        try:
            result = await handler(args)
            outcome = "ok"
        except Exception:
            outcome = "error"
            raise
        finally:
            if (decision := self._running.pop(call.tool_call_id, None)) is not None:
                with anyio.move_on_after(_REPORT_SECONDS, shield=True):
                    await self._guard.report(decision, outcome)
        return result
