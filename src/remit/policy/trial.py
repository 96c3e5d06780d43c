"""A call that nobody made: who, for what, with which arguments and when, as a policy would read it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from remit.attestation.model import Caller
from remit.kernel.clock import Instant
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ToolName,
    split_action,
)
from remit.policy import schema
from remit.policy.guess import Request
from remit.policy.methods import bounded
from remit.policy.model import Call
from remit.policy.shape import Kind, Shape

_FAR: Final = Instant(2**61)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One such call. `groups` are the action groups of its action, `shape` what policies read of its arguments."""

    agent: str
    owner: str
    version: str
    purpose: str
    classes: tuple[str, ...]
    action: str
    groups: tuple[str, ...]
    shape: Shape
    now: Instant
    arguments: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    instance: str = ""

    @property
    def server(self) -> str:
        """The server that the action is on."""
        return split_action(self.action)[0]

    def call(self) -> Call:
        """As the decision takes it. No credential and no token stands behind it."""
        server, name, is_tool = split_action(self.action)
        caller = Caller(
            agent=AgentName(self.agent), instance=InstanceId(self.instance), credential="",
            purpose=PurposeName(self.purpose), run=RunId(self.run), token="", expires=_FAR, bound=False,
            attested=self.now,
        )  # fmt: skip
        return Call(
            id=DecisionId(""),
            caller=caller,
            server=server,
            action=ActionName(self.action),
            tool=ToolName(name) if is_tool else None,
            arguments=self.arguments if bounded(name, is_tool=is_tool) else None,
            hypothetical=True,
        )

    def request(self) -> Request:
        """As `guess` reads it."""
        principal, owner = (schema.AGENT, self.agent), (schema.OWNER, self.owner)
        purpose, server = (schema.PURPOSE, self.purpose), (schema.SERVER, self.server)
        attributes = {"name": self.agent, "version": self.version, "owner": ("entity", *owner)}
        context = {
            "input": _record(self.shape, self.arguments),
            "purpose": ("entity", *purpose),
            "run": self.run,
            "instance": self.instance,
            "now": ("datetime", self.now // 1000),
        }
        return {
            "principal": ("entity", *principal),
            "action": ("entity", schema.ACTION, self.action),
            "resource": ("entity", *server),
            "context": context,
            "entities": {
                principal: attributes,
                owner: {"name": self.owner},
                purpose: {"name": self.purpose, "data_classes": self.classes},
                server: {"name": self.server},
            },
            "parents": {
                principal: frozenset({owner}),
                (schema.ACTION, self.action): frozenset((schema.ACTION, group) for group in self.groups),
            },
        }


def _record(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _read(member.shape, values[name])
        for name, member in shape.members.items()
        if values.get(name) is not None
    }


def _read(shape: Shape, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if shape.kind is Kind.RECORD and isinstance(value, Mapping):
        return _record(shape, value)
    if shape.kind is Kind.DECIMAL and isinstance(value, (int, Decimal)):
        return ("decimal", int(Decimal(value) * 10_000))
    return tuple(value) if isinstance(value, list) else value
