"""OpenAI Agents SDK: tool guardrails that ask before each tool call of an agent (`openai-agents>=0.24`). Cooperative.

    agent = guarded(Agent(name="Payer", tools=[transfer]), guard, {"transfer": "payments/transfer"})

A denied call is rejected (`reject_content`) with the denial as what the model reads. A guardrail is each tool's own, so
the agent's tools are walked; what runs elsewhere (hosted tools, MCP servers) cannot be guarded here and is refused:
put MCP servers behind the gateway.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import anyio
from agents import Agent, FunctionTool, ToolGuardrailFunctionOutput, ToolInputGuardrail, ToolInputGuardrailData
from agents.tool_context import ToolContext

from remit.sdk import strict_json
from remit.sdk.adapters.deciding import Actions, decided
from remit.sdk.decision import Decision, local, told
from remit.sdk.guard import Guard

_REPORT_SECONDS = 5.0


def guarded(agent: Agent[Any], guard: Guard, actions: Actions) -> Agent[Any]:
    """A copy of `agent` all of whose tools ask first, and of the agents that it hands off to.

    Args:
        agent: The agent.
        guard: Asks.
        actions: The action of each tool by the tool's name; any other tool is denied.

    Raises:
        ValueError: It has a tool, a server or a handoff that cannot be guarded here.
    """
    if agent.mcp_servers:
        raise ValueError("MCP servers are guarded by the gateway: reach them through Remit")
    if strange := next((each for each in agent.tools if not isinstance(each, FunctionTool)), None):
        raise ValueError(f"{type(strange).__name__} runs elsewhere and cannot be guarded here")
    if strange := next((each for each in agent.handoffs if not isinstance(each, Agent)), None):
        raise ValueError(f"{type(strange).__name__} cannot be guarded here: hand off to an Agent")
    tools = [_guarded(each, guard, actions) for each in agent.tools if isinstance(each, FunctionTool)]
    handoffs = [guarded(each, guard, actions) for each in agent.handoffs if isinstance(each, Agent)]
    return agent.clone(tools=tools, handoffs=handoffs)


def _guarded(tool: FunctionTool, guard: Guard, actions: Actions) -> FunctionTool:
    """The tool with a guardrail that decides after all others, and that runs only what it let through."""
    running: dict[tuple[str, str], Decision] = {}  # by the call's id and its arguments as they came

    async def asks(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        context = data.context
        decision = await _decided(guard, actions, tool.name, context.tool_arguments)
        if decision.denial is not None:
            return ToolGuardrailFunctionOutput.reject_content(told(decision.denial), dict(decision.denial.body))
        running[context.tool_call_id, context.tool_arguments] = decision
        return ToolGuardrailFunctionOutput.allow({"decision_id": decision.decision_id})

    async def runs(context: ToolContext[Any], arguments: str) -> Any:  # noqa: ANN401 - a tool's result
        decision = running.pop((context.tool_call_id, arguments), None)
        if decision is None:  # no guardrail ran, or what it saw is not what would run
            undecided = local(tool.name, "enforcement_unavailable", "Remit did not decide this call")
            return told(undecided.denial) if undecided.denial is not None else ""
        outcome = "outcome_unknown"
        try:
            result = await tool.on_invoke_tool(context, arguments)
            outcome = "ok"  # a tool that tells its own failure as text is taken at its word
        except Exception:
            outcome = "error"
            raise
        finally:
            with anyio.move_on_after(_REPORT_SECONDS, shield=True):
                await guard.report(decision, outcome)
        return result

    guardrail: ToolInputGuardrail[Any] = ToolInputGuardrail(guardrail_function=asks, name="remit")
    changed = copy.copy(tool)
    changed.tool_input_guardrails = [*(tool.tool_input_guardrails or ()), guardrail]
    changed.on_invoke_tool = runs
    return changed


async def _decided(guard: Guard, actions: Actions, tool: str, arguments: str) -> Decision:
    """On the arguments read strictly: what two readers read differently is refused."""
    try:
        found: Mapping[str, Any] = strict_json.an_object((arguments or "{}").encode("utf-8", "surrogatepass"))
    except strict_json.NotJson as error:
        return local(tool, "invalid_arguments", f"The arguments are no JSON object: {error}")
    return await decided(guard, actions, tool, found)
