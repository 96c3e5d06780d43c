"""LangChain: middleware that asks before each tool call of an agent (`langchain>=1.5`). Cooperative.

    create_agent(model, tools, middleware=[RemitMiddleware(guard, {"transfer": "payments/transfer"})])

A denied call is a `ToolMessage` with `status="error"` whose content is the denial. Put it last: what comes after it in
the list runs closer to the tool, and could still change the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command, interrupt

from remit.sdk.adapters.deciding import Actions, decided, decided_sync
from remit.sdk.arguments import NotTellable, snapshot
from remit.sdk.decision import Decision, local, told
from remit.sdk.guard import Guard

_REPORT_SECONDS = 5.0
Result: TypeAlias = ToolMessage | Command[Any]


class RemitMiddleware(AgentMiddleware[Any, Any, Any]):
    """Asks for each tool call, runs it with what was asked about, and says what became of it.

    Args:
        guard: Asks.
        actions: The action of each tool by the tool's name; any other tool is denied.
        interrupts: Whether a call that a person must approve interrupts the graph (which then needs a checkpointer).
            Resumed, the call is asked about again: what the graph is resumed with approves nothing.
    """

    def __init__(self, guard: Guard, actions: Actions, *, interrupts: bool = False) -> None:
        super().__init__()
        self._guard, self._actions, self._interrupts = guard, dict(actions), interrupts

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]) -> Result:
        """Of an agent that is not async."""
        call = _taken(request)
        if isinstance(call, Decision):
            return self._denied(request, call)
        decision = decided_sync(self._guard, self._actions, call.tool_call["name"], call.tool_call["args"])
        if not decision.allowed:
            return self._denied(request, decision)
        outcome = "outcome_unknown"
        try:
            result = handler(call)
            outcome = _outcome(result)
        except GraphBubbleUp:
            raise  # the tool itself interrupts: how far it came is not known
        except Exception:
            outcome = "error"
            raise
        finally:
            self._guard.report_sync(decision, outcome)
        return result

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        """Of an async agent."""
        call = _taken(request)
        if isinstance(call, Decision):
            return self._denied(request, call)
        decision = await decided(self._guard, self._actions, call.tool_call["name"], call.tool_call["args"])
        if not decision.allowed:
            return self._denied(request, decision)
        outcome = "outcome_unknown"
        try:
            result = await handler(call)
            outcome = _outcome(result)
        except GraphBubbleUp:
            raise
        except Exception:
            outcome = "error"
            raise
        finally:
            with anyio.move_on_after(_REPORT_SECONDS, shield=True):
                await self._guard.report(decision, outcome)
        return result

    def _denied(self, request: ToolCallRequest, decision: Decision) -> ToolMessage:
        denial = decision.denial
        assert denial is not None  # noqa: S101 - it was not allowed
        if self._interrupts and denial.code == "approval_required":
            interrupt(dict(denial.body))
        return ToolMessage(
            content=told(denial), name=request.tool_call["name"], tool_call_id=request.tool_call["id"], status="error"
        )


def _taken(request: ToolCallRequest) -> ToolCallRequest | Decision:
    """The call on a copy of its arguments, or the denial of what cannot be asked about."""
    call = request.tool_call
    try:
        return request.override(tool_call={**call, "args": snapshot(dict(call["args"]))})
    except NotTellable as error:
        return local(call["name"], "invalid_arguments", str(error), path=error.path)


def _outcome(result: Result) -> str:
    return "error" if isinstance(result, ToolMessage) and result.status == "error" else "ok"
