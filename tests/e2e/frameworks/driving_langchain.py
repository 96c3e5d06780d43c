"""LangChain, whose model says what it is scripted to say."""

from __future__ import annotations

from typing import Any

from driving import ACTIONS, Case
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, ToolMessage

from remit.sdk.adapters import langchain as adapter


class Scripted(FakeMessagesListChatModel):
    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self


async def play(case: Case) -> list[str]:
    def transfer(to: str, amount: float, currency: str) -> str:
        """Pay."""
        return case.paid(to, amount, currency)

    def purge() -> str:
        """Delete all."""
        return case.purged()

    said = [
        AIMessage(content="", tool_calls=[{"name": name, "args": arguments, "id": f"call_{at}"}])
        for at, (name, arguments) in enumerate(case.calls)
    ]
    model = Scripted(responses=[*said, AIMessage(content="done")])
    agent = create_agent(model, [transfer, purge], middleware=[adapter.RemitMiddleware(case.guard, ACTIONS)])
    state = await agent.ainvoke({"messages": [("user", "go on")]})
    return [str(each.content) for each in state["messages"] if isinstance(each, ToolMessage)]
