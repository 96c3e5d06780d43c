"""OpenAI Agents SDK, with a model of its own that is scripted."""

from __future__ import annotations

import json
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from driving import ACTIONS, Case
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from remit.sdk.adapters import openai_agents as adapter


class Scripted(Model):
    def __init__(self, case: Case) -> None:
        self.case, self.at = case, 0

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        said: Any
        if self.at == len(self.case.calls):
            text = ResponseOutputText(annotations=[], text="done", type="output_text")
            said = ResponseOutputMessage(id="msg", content=[text], role="assistant", status="completed", type="message")
        else:
            name, arguments = self.case.calls[self.at]
            said = ResponseFunctionToolCall(
                arguments=json.dumps(arguments), call_id=f"call_{self.at}", name=name, type="function_call"
            )
            self.at += 1
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


async def play(case: Case) -> list[str]:
    @function_tool
    def transfer(to: str, amount: float, currency: str) -> str:
        """Pay."""
        return case.paid(to, amount, currency)

    @function_tool
    def purge() -> str:
        """Delete all."""
        return case.purged()

    agent: Agent[Any] = Agent(name="Payer", model=Scripted(case), tools=[transfer, purge])
    guarded = adapter.guarded(agent, case.guard, ACTIONS)
    result = await Runner.run(guarded, "go on", run_config=RunConfig(tracing_disabled=True))
    outputs = [each.to_input_item() for each in result.new_items]
    return [str(each["output"]) for each in outputs if each.get("type") == "function_call_output"]
