"""Claude Agent SDK: hooks that ask before each tool call of a session (`claude-agent-sdk>=0.2.187`). Cooperative.

    ClaudeAgentOptions(hooks=remit_hooks(guard, {"mcp__bank__transfer": "payments/transfer"}), ...)

A denied call is blocked (`permissionDecision: "deny"`) with the denial as its reason. A hook that fails blocks too:
by itself the SDK takes a failure for no objection, so `on_failure="block"` is set, and a Claude Code that does not
honour it is refused at the start. A call that a person must approve is denied and not asked about at the terminal:
the yes of whoever sits there would let pass what Remit did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_agent_sdk import HookMatcher

from remit.sdk.adapters.deciding import Actions, decided
from remit.sdk.decision import Decision, told
from remit.sdk.guard import Guard

_SECONDS = 60.0  # of a hook; over it the call is blocked


def remit_hooks(guard: Guard, actions: Actions) -> dict[str, list[HookMatcher]]:
    """The `hooks` of a session: every tool call is asked about, the built-in tools' and subagents' too.

    No hook beside these may change a call's input (`updatedInput`): it would run after it was decided.

    Args:
        guard: Asks.
        actions: The action of each tool by the tool's name (`mcp__SERVER__TOOL` of an MCP server's); any other tool,
            built-in ones among them, is denied.
    """
    hooks = _Hooks(guard, actions)

    def matching(hook: Any) -> list[HookMatcher]:  # noqa: ANN401 - the SDK's own type of a callback
        return [HookMatcher(matcher=None, hooks=[hook], timeout=_SECONDS, on_failure="block")]

    return {
        "PreToolUse": matching(hooks.before),
        "PostToolUse": matching(hooks.done),
        "PostToolUseFailure": matching(hooks.failed),
    }


class _Hooks:
    """Decides before, and says afterwards what became of it."""

    def __init__(self, guard: Guard, actions: Actions) -> None:
        self._guard, self._actions = guard, dict(actions)
        self._running: dict[str, Decision] = {}  # by the id of the tool's use

    async def before(self, said: Mapping[str, Any], use: str | None, _context: object) -> dict[str, Any]:
        """PreToolUse."""
        decision = await decided(self._guard, self._actions, said["tool_name"], said["tool_input"])
        if decision.denial is None:
            self._running[use or said["tool_use_id"]] = decision
            return {}  # no objection; what the session's own rules deny stays denied
        return {
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": "deny",
                "permissionDecisionReason": told(decision.denial),
            }
        }

    async def done(self, said: Mapping[str, Any], use: str | None, _context: object) -> dict[str, Any]:
        """PostToolUse."""
        return await self._ended(use or said["tool_use_id"], "ok")

    async def failed(self, said: Mapping[str, Any], use: str | None, _context: object) -> dict[str, Any]:
        """PostToolUseFailure."""
        return await self._ended(use or said["tool_use_id"], "error")

    async def _ended(self, use: str, outcome: str) -> dict[str, Any]:
        if (decision := self._running.pop(use, None)) is not None:
            await self._guard.report(decision, outcome)
        return {}
