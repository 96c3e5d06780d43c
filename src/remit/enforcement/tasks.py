"""Tasks that servers made for agents, each bound to its agent: a task's id works for whoever holds it.

MCP 2025-11-25 (experimental: the client asks for a task) and the extension `io.modelcontextprotocol/tasks` of
2026-07-28 (the server decides). The table is this process's own, as the sessions are: after a restart, or at another
node, a task is nobody's, and answered as one that never was.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.kernel.errors import Malformed
from remit.policy.model import Call

EXTENSION: Final = "io.modelcontextprotocol/tasks"
NOTICE: Final = "notifications/tasks/status"
_MOST: Final = 10_000
_MOST_EACH: Final = 200
_LONGEST: Final = 1024


class TaskUnknown(Malformed):
    """No task of this agent's; `detail` says whose it is, for the log."""

    def __init__(self, owner: str = "") -> None:
        super().__init__("Task not found", detail=owner)


@dataclass(frozen=True, slots=True)
class Task:
    """One task: what made it. What may not be called any more may not be waited for either."""

    id: str
    call: Call


class Tasks:
    """Whose tasks are whose, least recently used first."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[tuple[str, str], Task] = OrderedDict()
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def note(self, call: Call, id: object) -> bool:  # noqa: A002 - the protocol's own name
        """Bind the task that `call` made to its agent; false if it is none, or another agent's already.

        A server that gives two agents one id would let one see the other's: the first one keeps it.
        """
        if not isinstance(id, str) or not 0 < len(id) <= _LONGEST:
            return False
        known = self._tasks.get((call.server, id))
        if known is not None:
            return known.call.caller.agent == call.caller.agent
        agent = call.caller.agent
        if self._held.get(agent, 0) >= _MOST_EACH:
            self._forget(next(key for key, task in self._tasks.items() if task.call.caller.agent == agent))
        elif len(self._tasks) >= _MOST:
            self._forget(next(iter(self._tasks)))
        self._tasks[call.server, id] = Task(id, replace(call, proof=None))
        self._held[agent] = self._held.get(agent, 0) + 1
        return True

    def of(self, call: Call, id: object, over: Callable[[Call], bool]) -> Task:  # noqa: A002 - as above
        """The task `id` of the agent of `call` at its server. `over`: whether what made it may not be called any more.

        Raises:
            TaskUnknown: There is none, or it is another agent's.
        """
        task = self._tasks.get((call.server, id)) if isinstance(id, str) else None
        if task is None or over(task.call):
            raise TaskUnknown
        if task.call.caller.agent != call.caller.agent:
            raise TaskUnknown(task.call.caller.agent)
        self._tasks.move_to_end((call.server, task.id))
        return task

    def owns(self, agent: str, server: str, id: object) -> bool:  # noqa: A002 - as above
        """Whether a task is this agent's."""
        task = self._tasks.get((server, id)) if isinstance(id, str) else None
        return task is not None and task.call.caller.agent == agent

    def _forget(self, key: tuple[str, str]) -> None:
        agent = self._tasks.pop(key).call.caller.agent
        self._held[agent] -= 1
        if not self._held[agent]:
            del self._held[agent]


def made(result: Mapping[str, Any], *, modern: bool) -> object:
    """The id of the task that a result says was made; None if it says nothing of one.

    Handshake era: `{"task": {"taskId": ...}}`. Modern: `{"resultType": "task", "taskId": ...}`.
    """
    if modern:
        return result.get("taskId") if result.get("resultType") == "task" else None
    task = result.get("task")
    return task.get("taskId") if isinstance(task, Mapping) else None
