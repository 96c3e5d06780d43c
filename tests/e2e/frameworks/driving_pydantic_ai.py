"""Pydantic AI, whose model is a function."""

from __future__ import annotations

from driving import ACTIONS, Case
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from remit.sdk.adapters import pydantic_ai as adapter


def returned(messages: list[ModelMessage]) -> list[str]:
    return [str(part.content) for each in messages for part in each.parts if isinstance(part, ToolReturnPart)]


async def play(case: Case) -> list[str]:
    def scripted(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        at = len(returned(messages))
        if at == len(case.calls):
            return ModelResponse(parts=[TextPart("done")])
        name, arguments = case.calls[at]
        return ModelResponse(parts=[ToolCallPart(name, arguments, tool_call_id=f"call_{at}")])

    agent = Agent(FunctionModel(scripted), capabilities=[adapter.RemitCapability(case.guard, ACTIONS)])

    @agent.tool_plain
    def transfer(to: str, amount: float, currency: str) -> str:
        return case.paid(to, amount, currency)

    @agent.tool_plain
    def purge() -> str:
        return case.purged()

    return returned((await agent.run("go on")).all_messages())
