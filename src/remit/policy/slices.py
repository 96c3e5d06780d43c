"""Slices: what Cedar needs for one agent, purpose and action, parsed once and kept while it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from remit.catalog.model import Tier
from remit.kernel.canonical import encode
from remit.kernel.clock import Instant
from remit.policy import schema
from remit.policy.model import Call
from remit.policy.organisation import PREFIX, Organisation, scope
from remit.policy.permit import cedar_time, permit
from remit.policy.ports import Engine, Handle, Ruling, Slice, Verdict
from remit.policy.shape import EMPTY, Shape

if TYPE_CHECKING:
    from remit.policy.view import AgentRecord, Grant, PurposeRecord, ServerRecord, ToolRecord

_YOUNG = 1024  # a slice takes some 50 KB
_BOUNDARY = "boundary "


class Recent:
    """What was used lately: two generations, the older one dropped when the younger one is full.

    Readers in several threads need no lock: each step is one operation on a dict.
    """

    def __init__(self, young: int = _YOUNG) -> None:
        self._most = young
        self._young: dict[object, Any] = {}
        self._old: dict[object, Any] = {}

    def get(self, key: object) -> Any:  # noqa: ANN401 - what was put
        """What was put under `key`, or None."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: object, value: object) -> None:
        """Keep `value`."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value


class Subject(msgspec.Struct, frozen=True):
    """Whom and what a question is about."""

    agent: AgentRecord
    purpose: PurposeRecord
    server: ServerRecord
    tool: ToolRecord | None  # None for a method
    action: str

    @property
    def groups(self) -> tuple[str, ...]:
        """The action groups of the action."""
        return schema.groups_of(self.server.server.server, self.tool.tier if self.tool else None)

    @property
    def tier(self) -> Tier:
        """The risk tier; what is not known is high."""
        return self.tool.tier if self.tool else Tier.HIGH

    @property
    def shape(self) -> Shape:
        """What policies can read of the arguments."""
        return self.tool.shape if self.tool else EMPTY

    @property
    def target(self) -> int:
        """The serial of what is called."""
        return self.tool.serial if self.tool else self.server.serial


class Slices:
    """Builds slices through the engine, and asks them."""

    def __init__(self, engine: Engine, *, young: int = _YOUNG) -> None:
        self._engine = engine
        self._slices = Recent(young)
        self._schemas = Recent(young)

    def ask(
        self, subject: Subject, organisation: Organisation, grant: Grant | None, context: str
    ) -> tuple[Verdict, Slice | None]:
        """Ask Cedar over the organisation's policies and, with a grant, that boundary's own permit.

        Whatever fails here comes back as a verdict with errors: no engine, no allow.
        """
        try:
            if organisation.fault is not None:
                return _failed(organisation.fault), None
            found = self.slice(subject, organisation, grant)
            return self._engine.ask(found, context), found
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is no allow
            return _failed(f"{type(error).__name__}: {error}"), None

    def slice(self, subject: Subject, organisation: Organisation, grant: Grant | None) -> Slice:
        """The slice for a question; the same one for the same records.

        Raises:
            ValueError: The engine does not take a part of it.
        """
        key = (
            subject.agent.serial,
            subject.purpose.serial,
            subject.target,
            subject.action,
            organisation.serial,
            grant.boundary.boundary if grant else None,
        )
        found: Slice | None = self._slices.get(key)
        if found is None:
            found = self._build(subject, organisation, grant)
            self._slices.put(key, found)
        return found

    def _build(self, subject: Subject, organisation: Organisation, grant: Grant | None) -> Slice:
        agent, server = subject.agent.agent, subject.server.server.server
        parsed = self._schema(subject)
        within = scope(
            agent=agent.agent, owner=agent.owner, server=server, action=subject.action, groups=subject.groups
        )
        policies: dict[str, Any] = dict(organisation.applying(within))
        name, exact = None, False
        if grant is not None:
            own = permit(grant.boundary, grant.rule, server=server, shape=subject.shape)
            name, exact = _BOUNDARY + grant.boundary.boundary, own.exact
            policies[name] = own.policy
        return Slice(
            policies=self._engine.policies(policies),
            entities=self._engine.entities(_entities(subject), parsed),
            schema=parsed,
            request={
                "principal": {"type": schema.AGENT, "id": agent.agent},
                "action": {"type": schema.ACTION, "id": subject.action},
                "resource": {"type": schema.SERVER, "id": server},
            },
            permit=name,
            exact=exact,
        )

    def _schema(self, subject: Subject) -> Handle:
        key = (subject.target, subject.action)
        found = self._schemas.get(key)
        if found is None:
            found = self._engine.schema(schema.for_action(subject.action, subject.groups, subject.shape))
            self._schemas.put(key, found)
        return found


def context(call: Call, values: dict[str, Any], *, now: Instant) -> str:
    """The request's context as JSON text; `values` are the arguments as policies read them."""
    caller = call.caller
    return encode(
        {
            "input": values,
            "purpose": {"type": schema.PURPOSE, "id": caller.purpose},
            "run": caller.run,
            "instance": caller.instance,
            "now": cedar_time(now),
        }
    ).decode("utf-8")


def policy_names(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The organisation's policies among a verdict's reasons, by their own names."""
    return tuple(reason.removeprefix(PREFIX) for reason in reasons if reason.startswith(PREFIX))


def _failed(why: str) -> Verdict:
    return Verdict(Ruling.NONE, (), (why[:500],))


def _entities(subject: Subject) -> list[dict[str, Any]]:
    agent, purpose = subject.agent.agent, subject.purpose.purpose
    owner = {"type": schema.OWNER, "id": agent.owner}
    server = subject.server.server.server
    attributes = {"name": agent.agent, "version": agent.version, "owner": {"__entity": owner}}
    return [
        {"uid": {"type": schema.AGENT, "id": agent.agent}, "attrs": attributes, "parents": [owner]},
        {"uid": owner, "attrs": {"name": agent.owner}, "parents": []},
        {
            "uid": {"type": schema.PURPOSE, "id": purpose.purpose},
            "attrs": {"name": purpose.purpose, "data_classes": sorted(purpose.data_classes)},
            "parents": [],
        },
        {"uid": {"type": schema.SERVER, "id": server}, "attrs": {"name": server}, "parents": []},
    ]
