"""What `remit policy diff` asks of the database: a snapshot, and no connection while it tries calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

from sqlalchemy import Connection
from tests.interaction.apply_world import Rig, Tree

from remit.policy.cedar import CedarEngine
from remit.policy.organisation import Organisation
from remit.server.door import Ask
from remit.server.http_policy_diff import PolicyDiff

T = TypeVar("T")
FORBID = '@id("f") forbid (principal, action, resource) when { context.run == "x" };'


class Held:
    """Reads, and knows whether a connection is held."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.held, self.reads = rig, False, 0

    def read(self, query: Callable[[Connection], T]) -> T:
        self.held, self.reads = True, self.reads + 1
        try:
            return self.rig.writer.read(query)
        finally:
            self.held = False


class Engine(CedarEngine):
    """Is not asked while a connection is held."""

    def __init__(self, reader: Held) -> None:
        self.reader = reader

    def read(self, text: str) -> Mapping[str, Any]:
        assert not self.reader.held
        return super().read(text)


def test_no_connection_is_held_while_calls_are_tried(rig: Rig, tree: Tree) -> None:
    """Attack: a few of these questions at a time would take all connections, and each wait for one more."""
    tree.policies = {"p.cedar": FORBID}
    rig.apply(tree)
    reader = Held(rig)
    view = SimpleNamespace(servers={}, agents={}, organisation=Organisation(), server=lambda _name: None)
    policy: Any = SimpleNamespace(view=lambda: view, prepare=lambda _agent: None)
    door = PolicyDiff(policy=policy, engine=Engine(reader), reader=reader, clock=rig.clock)
    asked = [{"kind": "policy", "file": "p.cedar", "text": FORBID.replace('"x"', '"y"')}]
    found = door.diff(Ask(operator=None, path={}, body={"documents": asked, "prune": True}))  # type: ignore[arg-type]  # it is not looked at
    assert [(row["kind"], row["verdict"]) for row in found["changes"]] == [
        ("policy", "unknown"),
        ("boundary", "narrows"),
    ]
    assert reader.reads == 1
